#include "proto/cluster/ranges.h"

bool range_is_valid(uint64_t offset, uint64_t length)
{
    return length == 0 || offset + (length - 1) >= offset;
}

/* A range without a byte lies between two: it meets those that have bytes on both sides. */
static bool overlap(const struct byte_range *a, const struct byte_range *b)
{
    if ((a->offset == 0 && a->length == 0) || (b->offset == 0 && b->length == 0))
        return false;
    uint64_t a_last = a->offset + a->length - 1, b_last = b->offset + b->length - 1;
    return a->offset <= b_last && a_last >= b->offset;
}

bool range_conflicts(const struct byte_range *held, const struct byte_range *wanted, bool locking)
{
    if (!overlap(held, wanted))
        return false;
    if (!held->exclusive)
        return wanted->exclusive; /* also its owner's writes */
    return held->open_id != wanted->open_id || (wanted->exclusive && locking);
}

void range_write(struct writer *w, const struct byte_range *r)
{
    write_u64(w, r->open_id);
    write_u64(w, r->offset);
    write_u64(w, r->length);
    write_u8(w, r->exclusive);
}

bool range_read(struct reader *list, struct byte_range *out)
{
    if (list->bad || read_left(list) < RANGE_BYTES)
        return false;
    out->open_id = read_u64(list);
    out->offset = read_u64(list);
    out->length = read_u64(list);
    out->exclusive = read_u8(list) != 0;
    return true;
}

bool ranges_are_list(struct slice list)
{
    struct reader r = reader_of(list);
    struct byte_range one;
    while (range_read(&r, &one))
        if (!range_is_valid(one.offset, one.length))
            return false;
    return read_left(&r) == 0;
}

bool ranges_forbid(struct slice list, const struct byte_range *wanted)
{
    struct reader r = reader_of(list);
    struct byte_range held;
    while (range_read(&r, &held))
        if (range_conflicts(&held, wanted, false))
            return true;
    return false;
}
