#include "proto/smb/reparse.h"

enum {
    HEAD = 8,                  /* tag, length of the data, reserved */
    GUID = 16,                 /* of a tag that is not Microsoft's */
    SYMLINK_FLAG_RELATIVE = 1, /* [MS-FSCC] 2.1.2.4 */
};
#define TAG_MICROSOFT UINT32_C(0x80000000)

static bool is_microsofts(uint32_t tag) { return (tag & TAG_MICROSOFT) != 0; }

uint32_t reparse_tag(struct slice bytes)
{
    struct reader r = reader_of(bytes);
    return read_u32(&r);
}

size_t reparse_head(struct slice bytes)
{
    return is_microsofts(reparse_tag(bytes)) ? HEAD : HEAD + GUID;
}

static ntstatus decode(struct slice bytes, struct reparse *out)
{
    struct reader r = reader_of(bytes);
    struct reparse point = {.tag = read_u32(&r)};
    uint16_t len = read_u16(&r);
    read_skip(&r, 2);
    if (r.bad || bytes.len > REPARSE_BYTES_MAX)
        return STATUS_IO_REPARSE_DATA_INVALID;
    if (point.tag <= 1) /* the two reserved ones */
        return STATUS_IO_REPARSE_TAG_INVALID;
    if (!is_microsofts(point.tag))
        point.guid = read_slice(&r, GUID);
    point.data = read_rest(&r);
    if (r.bad || point.data.len != len)
        return STATUS_IO_REPARSE_DATA_INVALID;
    *out = point;
    return STATUS_OK;
}

ntstatus reparse_decode(struct slice bytes, struct reparse *out)
{
    struct reparse point;
    struct reparse_symlink link;
    ntstatus status = decode(bytes, &point);
    if (status == STATUS_OK && point.tag == IO_REPARSE_TAG_SYMLINK &&
        !reparse_symlink_decode(&point, &link))
        status = STATUS_IO_REPARSE_DATA_INVALID;
    if (status == STATUS_OK)
        *out = point;
    return status;
}

ntstatus reparse_decode_owner(struct slice bytes, struct reparse *out)
{
    struct reparse point;
    ntstatus status = decode(bytes, &point);
    if (status == STATUS_OK && point.data.len > 0)
        status = STATUS_IO_REPARSE_DATA_INVALID;
    if (status == STATUS_OK)
        *out = point;
    return status;
}

/* [MS-FSCC] 2.1.2.4: offsets count from behind the fixed part. */
bool reparse_symlink_decode(const struct reparse *p, struct reparse_symlink *out)
{
    struct reader r = reader_of(p->data);
    uint16_t substitute_at = read_u16(&r), substitute_len = read_u16(&r);
    uint16_t print_at = read_u16(&r), print_len = read_u16(&r);
    struct reparse_symlink link = {.relative = (read_u32(&r) & SYMLINK_FLAG_RELATIVE) != 0};
    struct reader names = reader_of(read_rest(&r));
    link.substitute_name = read_at(&names, substitute_at, substitute_len);
    link.print_name = read_at(&names, print_at, print_len);
    if (r.bad || names.bad || substitute_len == 0 || (substitute_len | print_len) % 2 != 0)
        return false;
    *out = link;
    return true;
}

ntstatus reparse_same(const struct reparse *a, const struct reparse *b)
{
    if (a->tag != b->tag)
        return STATUS_IO_REPARSE_TAG_MISMATCH;
    return slice_equal(a->guid, b->guid) ? STATUS_OK : STATUS_REPARSE_ATTRIBUTE_CONFLICT;
}
