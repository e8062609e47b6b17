#include "proto/base/bytes.h"

#include "proto/base/must.h"

#include <string.h>

struct slice slice_of(const void *at, size_t len)
{
    must(at != NULL || len == 0);
    return (struct slice){.at = at, .len = len};
}

struct slice slice_str(const char *text)
{
    return (struct slice){.at = (const uint8_t *)text, .len = strlen(text)};
}

bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool slice_equal_secret(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    volatile uint8_t differs = 0; /* volatile: the compiler must not leave the loop early */
    for (size_t i = 0; i < a.len; i++)
        differs = (uint8_t)(differs | (a.at[i] ^ b.at[i]));
    return differs == 0;
}

struct slice slice_sub(struct slice s, size_t off, size_t len)
{
    must(off <= s.len);
    must(len <= s.len - off);
    if (s.at == NULL)
        return s;
    return (struct slice){.at = s.at + off, .len = len};
}

struct reader reader_of(struct slice all)
{
    must(all.at != NULL || all.len == 0);
    return (struct reader){.all = all};
}

struct slice read_at(struct reader *r, size_t off, size_t len)
{
    if (r->bad || off > r->all.len || len > r->all.len - off) {
        r->bad = true;
        return (struct slice){0};
    }
    if (r->all.at == NULL)
        return (struct slice){0};
    return (struct slice){.at = r->all.at + off, .len = len};
}

struct slice read_slice(struct reader *r, size_t len)
{
    struct slice s = read_at(r, r->pos, len);
    r->pos += s.len;
    must(r->pos <= r->all.len);
    return s;
}

void read_skip(struct reader *r, size_t len) { (void)read_slice(r, len); }

/* Bytes from `pos` up to the next multiple of `align`. */
static size_t padding(size_t pos, size_t align)
{
    must(align != 0);
    must((align & (align - 1)) == 0);
    return (align - (pos & (align - 1))) & (align - 1);
}

void read_align(struct reader *r, size_t align) { read_skip(r, padding(r->pos, align)); }

void read_copy(struct reader *r, void *to, size_t len)
{
    struct slice s = read_slice(r, len);
    if (len == 0)
        return;
    if (s.len == len)
        memcpy(to, s.at, len);
    else
        memset(to, 0, len);
}

struct slice read_rest(struct reader *r) { return read_slice(r, read_left(r)); }

size_t read_left(const struct reader *r) { return r->bad ? 0 : r->all.len - r->pos; }

static uint64_t read_le(struct reader *r, size_t len)
{
    struct slice s = read_slice(r, len);
    uint64_t value = 0;
    for (size_t i = s.len; i > 0; i--)
        value = value << 8 | s.at[i - 1];
    return value;
}

static uint64_t read_be(struct reader *r, size_t len)
{
    struct slice s = read_slice(r, len);
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++)
        value = value << 8 | s.at[i];
    return value;
}

uint8_t read_u8(struct reader *r) { return (uint8_t)read_le(r, 1); }
uint16_t read_u16(struct reader *r) { return (uint16_t)read_le(r, 2); }
uint32_t read_u32(struct reader *r) { return (uint32_t)read_le(r, 4); }
uint64_t read_u64(struct reader *r) { return read_le(r, 8); }
uint16_t read_u16_be(struct reader *r) { return (uint16_t)read_be(r, 2); }
uint32_t read_u32_be(struct reader *r) { return (uint32_t)read_be(r, 4); }

struct writer writer_of(void *at, size_t cap)
{
    must(at != NULL || cap == 0);
    return (struct writer){.at = at, .cap = cap};
}

uint8_t *write_space(struct writer *w, size_t len)
{
    must(w->pos <= w->cap);
    if (w->full || w->at == NULL || len > w->cap - w->pos) {
        w->full = w->full || len > w->cap - w->pos;
        return NULL;
    }
    uint8_t *to = w->at + w->pos;
    w->pos += len;
    return to;
}

static void put_le(uint8_t *to, uint64_t value, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static void write_le(struct writer *w, uint64_t value, size_t len)
{
    uint8_t *to = write_space(w, len);
    if (to != NULL)
        put_le(to, value, len);
}

static void write_be(struct writer *w, uint64_t value, size_t len)
{
    uint8_t *to = write_space(w, len);
    if (to == NULL)
        return;
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)(value >> 8 * (len - 1 - i));
}

void write_u8(struct writer *w, uint8_t v) { write_le(w, v, 1); }
void write_u16(struct writer *w, uint16_t v) { write_le(w, v, 2); }
void write_u32(struct writer *w, uint32_t v) { write_le(w, v, 4); }
void write_u64(struct writer *w, uint64_t v) { write_le(w, v, 8); }
void write_u16_be(struct writer *w, uint16_t v) { write_be(w, v, 2); }
void write_u32_be(struct writer *w, uint32_t v) { write_be(w, v, 4); }

void write_bytes(struct writer *w, struct slice s)
{
    if (s.len == 0)
        return;
    uint8_t *to = write_space(w, s.len);
    if (to != NULL)
        memcpy(to, s.at, s.len);
}

void write_zeros(struct writer *w, size_t len)
{
    uint8_t *to = write_space(w, len);
    if (to != NULL)
        memset(to, 0, len);
}

void write_align(struct writer *w, size_t align) { write_zeros(w, padding(w->pos, align)); }

static void patch(struct writer *w, size_t pos, uint64_t value, size_t len)
{
    if (w->full)
        return;
    must(pos <= w->pos);
    must(len <= w->pos - pos);
    put_le(w->at + pos, value, len);
}

void patch_u16(struct writer *w, size_t pos, uint16_t v) { patch(w, pos, v, 2); }
void patch_u32(struct writer *w, size_t pos, uint32_t v) { patch(w, pos, v, 4); }
void patch_u64(struct writer *w, size_t pos, uint64_t v) { patch(w, pos, v, 8); }

struct slice written(const struct writer *w)
{
    if (w->full)
        return (struct slice){0};
    return (struct slice){.at = w->at, .len = w->pos};
}
