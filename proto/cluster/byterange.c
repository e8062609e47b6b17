#include "proto/cluster/byterange.h"

bool byterange_is_valid(uint64_t offset, uint64_t length)
{
    return length == 0 || offset + (length - 1) >= offset;
}

/* A range without a byte lies between two: it meets those that have bytes on both sides. */
static bool overlap(const struct byterange *a, const struct byterange *b)
{
    if ((a->offset == 0 && a->length == 0) || (b->offset == 0 && b->length == 0))
        return false;
    uint64_t a_last = a->offset + a->length - 1, b_last = b->offset + b->length - 1;
    return a->offset <= b_last && a_last >= b->offset;
}

bool byterange_conflicts(const struct byterange *held, const struct byterange *wanted, bool locking)
{
    if (!overlap(held, wanted))
        return false;
    if (!held->exclusive)
        return wanted->exclusive; /* also its owner's writes */
    return held->open_id != wanted->open_id || (wanted->exclusive && locking);
}

void byterange_write(struct writer *w, const struct byterange *r)
{
    write_u64(w, r->open_id);
    write_u64(w, r->offset);
    write_u64(w, r->length);
    write_u8(w, r->exclusive);
}

bool byterange_read(struct reader *list, struct byterange *out)
{
    if (list->bad || read_left(list) < BYTERANGE_BYTES)
        return false;
    out->open_id = read_u64(list);
    out->offset = read_u64(list);
    out->length = read_u64(list);
    out->exclusive = read_u8(list) != 0;
    return true;
}

bool byteranges_are_list(struct slice list)
{
    struct reader r = reader_of(list);
    struct byterange one;
    while (byterange_read(&r, &one))
        if (!byterange_is_valid(one.offset, one.length))
            return false;
    return read_left(&r) == 0;
}

bool byteranges_forbid(struct slice list, const struct byterange *wanted)
{
    struct reader r = reader_of(list);
    struct byterange held;
    while (byterange_read(&r, &held))
        if (byterange_conflicts(&held, wanted, false))
            return true;
    return false;
}
