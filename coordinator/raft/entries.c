/* A power-of-two ring of entries; see entries.h. */
#include "coordinator/raft/entries.h"
#include "proto/base/must.h"
#include <string.h>

#define ENTRIES_FIRST 256

void entries_init(struct entries *l, struct mem *mem, uint64_t next)
{
    *l = (struct entries){.mem = mem, .first = next};
}

static void entry_drop(struct entries *l, uint64_t index)
{
    struct entry *entry = &l->ring[index & (l->cap - 1)];
    mem_free(l->mem, entry->data, entry->len);
    *entry = (struct entry){0};
}

void entries_fini(struct entries *l)
{
    entries_reset(l, 1);
    mem_free(l->mem, l->ring, l->cap * sizeof *l->ring);
    *l = (struct entries){0};
}

uint64_t entries_last(const struct entries *l) { return l->first + l->count - 1; }

struct entry *entries_get(const struct entries *l, uint64_t index)
{
    if (index < l->first || index - l->first >= l->count)
        return NULL;
    return &l->ring[index & (l->cap - 1)];
}

static bool entries_grow(struct entries *l)
{
    uint64_t cap = l->cap == 0 ? ENTRIES_FIRST : l->cap * 2;
    struct entry *ring = mem_array(l->mem, cap, sizeof *ring);
    if (ring == NULL)
        return false;
    for (uint64_t i = l->first; i < l->first + l->count; i++)
        ring[i & (cap - 1)] = l->ring[i & (l->cap - 1)];
    mem_free(l->mem, l->ring, l->cap * sizeof *ring);
    l->ring = ring, l->cap = cap;
    return true;
}

struct entry *entries_append(struct entries *l, uint64_t term, enum entry_type type,
                             struct slice data)
{
    must(data.len <= UINT32_MAX);
    if (l->count == l->cap && !entries_grow(l))
        return NULL;
    uint8_t *copy = NULL;
    if (data.len > 0) {
        copy = mem_alloc(l->mem, data.len);
        if (copy == NULL)
            return NULL;
        memcpy(copy, data.at, data.len);
    }
    l->count++;
    struct entry *entry = &l->ring[entries_last(l) & (l->cap - 1)];
    *entry = (struct entry){.term = term, .type = type, .data = copy, .len = (uint32_t)data.len};
    return entry;
}

void entries_truncate(struct entries *l, uint64_t from)
{
    must(from >= l->first);
    while (l->count > 0 && entries_last(l) >= from) {
        entry_drop(l, entries_last(l));
        l->count--;
    }
}

void entries_drop_before(struct entries *l, uint64_t first)
{
    must(first <= l->first + l->count);
    while (l->first < first) {
        entry_drop(l, l->first);
        l->first++, l->count--;
    }
}

void entries_reset(struct entries *l, uint64_t next)
{
    while (l->count > 0) {
        entry_drop(l, l->first);
        l->first++, l->count--;
    }
    l->first = next;
}
