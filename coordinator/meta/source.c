#include "coordinator/meta/source.h"

bool source_fine(const struct source *s) { return !s->failed && !s->r.bad; }

void source_demand(struct source *s, bool cond) { s->failed = s->failed || !cond; }

void *source_take(struct source *s, size_t size)
{
    void *at = source_fine(s) ? mem_alloc(s->mem, size) : NULL;
    source_demand(s, at != NULL);
    return at;
}

bool source_bool(struct source *s)
{
    uint8_t v = read_u8(&s->r);
    source_demand(s, v <= 1);
    return v == 1;
}

struct slice source_slice(struct source *s, size_t max)
{
    uint32_t len = read_u32(&s->r);
    source_demand(s, len <= max);
    return s->failed ? (struct slice){0} : read_slice(&s->r, len);
}

struct blob source_blob(struct source *s, size_t max)
{
    struct blob b = {0};
    struct slice from = source_slice(s, max);
    source_demand(s, source_fine(s) && blob_copy(s->mem, from, &b));
    return b;
}

uint32_t source_count(struct source *s, size_t least)
{
    uint32_t count = read_u32(&s->r);
    source_demand(s, count <= read_left(&s->r) / least);
    return source_fine(s) ? count : 0;
}

struct inode *source_reference(struct source *s)
{
    uint32_t volume = read_u32(&s->r);
    uint64_t inode = read_u64(&s->r);
    const struct volume *v = volume_get(s->m, volume);
    struct inode *i = v == NULL ? NULL : inode_get(v, inode);
    source_demand(s, i != NULL);
    return i;
}
