/* Finding what was there before: one probe for each position ([MS-XCA] 2.1.4.1). */
#include "proto/compress/codec_int.h"

#include "proto/base/must.h"
#include <string.h>

/* Of a match longer than this only the first and the last positions are remembered. */
enum { SKIP_ALL = 16 };

static uint32_t hash3(const uint8_t *at)
{
    uint32_t v = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;
    return (v * UINT32_C(2654435761)) >> (32 - MATCH_HASH_BITS);
}

void match_begin(struct matcher *m) { memset(m->last, 0, sizeof(m->last)); }

static size_t equal_len(struct slice in, size_t a, size_t b, size_t end)
{
    size_t len = 0;
    while (b + len < end && in.at[a + len] == in.at[b + len])
        len++;
    return len;
}

struct match match_find(struct matcher *m, struct slice in, size_t at, struct match_limits limits)
{
    must(limits.end <= in.len);
    must(limits.least >= MATCH_MIN);
    if (limits.end - at < MATCH_MIN)
        return (struct match){0};
    uint32_t *last = &m->last[hash3(&in.at[at])];
    size_t seen = *last;
    *last = (uint32_t)at + 1;
    if (seen == 0 || at - (seen - 1) > limits.window)
        return (struct match){0};
    size_t len = equal_len(in, seen - 1, at, limits.end);
    if (len < limits.least)
        return (struct match){0};
    return (struct match){len, at - (seen - 1)};
}

void match_skip(struct matcher *m, struct slice in, size_t at, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (len > SKIP_ALL && i == SKIP_ALL / 2)
            i = len - SKIP_ALL / 2;
        if (in.len - (at + i) >= MATCH_MIN)
            m->last[hash3(&in.at[at + i])] = (uint32_t)(at + i) + 1;
    }
}
