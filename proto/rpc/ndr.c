#include "proto/rpc/ndr.h"
#include "proto/base/must.h"
#include "proto/base/utf16.h"

uint16_t ndr_read_u16(struct reader *r)
{
    read_align(r, 2);
    return read_u16(r);
}

uint32_t ndr_read_u32(struct reader *r)
{
    read_align(r, 4);
    return read_u32(r);
}

uint64_t ndr_read_u64(struct reader *r)
{
    read_align(r, 8);
    return read_u64(r);
}

bool ndr_read_pointer(struct reader *r) { return ndr_read_u32(r) != 0; }

uint32_t ndr_read_count(struct reader *r, uint32_t max)
{
    uint32_t count = ndr_read_u32(r);
    if (count > max)
        r->bad = true;
    return r->bad ? 0 : count;
}

struct slice ndr_read_utf16(struct reader *r, uint32_t max)
{
    uint32_t maximum = ndr_read_u32(r);
    uint32_t offset = ndr_read_u32(r);
    uint32_t actual = ndr_read_u32(r);
    if (offset != 0 || actual > maximum || actual > max)
        r->bad = true;
    return read_slice(r, r->bad ? 0 : (size_t)actual * 2);
}

struct slice ndr_read_string(struct reader *r, uint32_t max)
{
    struct slice units = ndr_read_utf16(r, max);
    if (r->bad || units.len < 2 || units.at[units.len - 1] != 0 || units.at[units.len - 2] != 0) {
        r->bad = true;
        return (struct slice){0};
    }
    return slice_sub(units, 0, units.len - 2);
}

void ndr_write_u16(struct writer *w, uint16_t v)
{
    write_align(w, 2);
    write_u16(w, v);
}

void ndr_write_u32(struct writer *w, uint32_t v)
{
    write_align(w, 4);
    write_u32(w, v);
}

void ndr_write_u64(struct writer *w, uint64_t v)
{
    write_align(w, 8);
    write_u64(w, v);
}

void ndr_write_pointer(struct writer *w, bool present)
{
    write_align(w, 4);
    /* Any unique non-zero value will do ([C706] 14.3.10); Windows begins at 0x20000. */
    write_u32(w, present ? UINT32_C(0x00020000) + (uint32_t)w->pos : 0);
}

bool ndr_write_string(struct writer *w, struct slice text, struct arena *scratch)
{
    struct slice units;
    if (!utf16_from_utf8(text, scratch, &units))
        return false;
    uint32_t count = (uint32_t)(units.len / 2) + 1;
    ndr_write_u32(w, count);
    ndr_write_u32(w, 0);
    ndr_write_u32(w, count);
    write_bytes(w, units);
    write_u16(w, 0);
    return true;
}
