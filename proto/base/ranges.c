#include "proto/base/ranges.h"

#include "proto/base/must.h"
#include <stddef.h>

void ranges_init(struct ranges *r, uint64_t until)
{
    r->until = until;
    r->count = r->unused = 0;
}

bool ranges_add(struct ranges *r, uint64_t offset, uint64_t len)
{
    must(len > 0 && len <= UINT64_MAX - offset);
    struct range *last = r->count > 0 ? &r->items[r->count - 1] : NULL;
    if (last != NULL && last->offset + last->len == offset) {
        last->len += len;
        return true;
    }
    must(last == NULL || last->offset + last->len < offset);
    if (r->count == RANGES_MAX) {
        r->until = last->offset + last->len;
        return false;
    }
    r->items[r->count++] = (struct range){offset, len};
    return true;
}

void ranges_clip(struct ranges *r, uint64_t from, uint64_t to)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        uint64_t begin = r->items[i].offset, end = begin + r->items[i].len;
        begin = begin < from ? from : begin;
        end = end > to ? to : end;
        if (begin < end)
            r->items[kept++] = (struct range){begin, end - begin};
    }
    r->count = kept;
    r->until = r->until > to ? to : r->until;
}

void ranges_shift(struct ranges *r, uint64_t by)
{
    r->until += by;
    for (uint32_t i = 0; i < r->count; i++)
        r->items[i].offset += by;
}

bool ranges_valid(const struct ranges *r)
{
    if (r->count > RANGES_MAX)
        return false;
    uint64_t end = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        const struct range *x = &r->items[i];
        if (x->len == 0 || x->len > UINT64_MAX - x->offset || (i > 0 && x->offset <= end))
            return false;
        end = x->offset + x->len;
    }
    return end <= r->until;
}
