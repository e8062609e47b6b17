#include "proto/smb/ioctl_range.h"

#include "proto/base/must.h"

enum { RANGE_SIZE = 16 };

/* [MS-FSA] takes them as signed 64-bit numbers whose sum must not overflow either. */
static bool positive(uint64_t offset, uint64_t len)
{
    return offset <= INT64_MAX && len <= INT64_MAX - offset;
}

bool smb_set_sparse_decode(struct slice input) { return input.len == 0 || input.at[0] != 0; }

ntstatus smb_zero_data_decode(struct slice input, struct range *out)
{
    struct reader r = reader_of(input);
    uint64_t from = read_u64(&r);
    uint64_t to = read_u64(&r);

    if (r.bad || to > INT64_MAX || from > to)
        return STATUS_INVALID_PARAMETER;
    *out = (struct range){from, to - from};
    return STATUS_OK;
}

ntstatus smb_allocated_decode(struct slice input, struct range *out)
{
    struct reader r = reader_of(input);
    uint64_t offset = read_u64(&r);
    uint64_t len = read_u64(&r);

    if (r.bad || !positive(offset, len))
        return STATUS_INVALID_PARAMETER;
    *out = (struct range){offset, len};
    return STATUS_OK;
}

void smb_allocated_encode(struct writer *w, struct range r)
{
    write_u64(w, r.offset);
    write_u64(w, r.len);
}

ntstatus smb_region_decode(struct slice input, struct smb_region *out)
{
    if (input.len == 0) {
        *out = (struct smb_region){{0, INT64_MAX}, FILE_REGION_USAGE_VALID_CACHED_DATA};
        return STATUS_OK;
    }
    struct reader r = reader_of(input);
    uint64_t offset = read_u64(&r);
    uint64_t len = read_u64(&r);
    uint32_t usage = read_u32(&r);
    read_skip(&r, 4);

    if (r.bad)
        return STATUS_BUFFER_TOO_SMALL;
    if (len == 0 || !positive(offset, len) ||
        (usage != FILE_REGION_USAGE_VALID_CACHED_DATA &&
         usage != FILE_REGION_USAGE_VALID_NONCACHED_DATA))
        return STATUS_INVALID_PARAMETER;
    *out = (struct smb_region){{offset, len}, usage};
    return STATUS_OK;
}

void smb_region_encode(struct writer *w, const struct smb_region *region)
{
    uint32_t count = region != NULL ? 1 : 0;
    write_u32(w, 0); /* Flags */
    write_u32(w, count);
    write_u32(w, count);
    write_u32(w, 0);
    if (region == NULL)
        return;
    write_u64(w, region->range.offset);
    write_u64(w, region->range.len);
    write_u32(w, region->usage);
    write_u32(w, 0);
}

ntstatus smb_trim_decode(struct slice input, struct smb_trim_req *out)
{
    struct reader r = reader_of(input);
    struct smb_trim_req req = {0};
    read_skip(&r, 4); /* Key: byte-range locks are the open's here */
    req.count = read_u32(&r);
    if (req.count == 0 || req.count > SMB_TRIM_RANGES_MAX)
        return STATUS_INVALID_PARAMETER;
    req.ranges = read_slice(&r, (size_t)req.count * RANGE_SIZE);

    if (r.bad)
        return STATUS_INVALID_PARAMETER;
    *out = req;
    return STATUS_OK;
}

struct range smb_trim_at(const struct smb_trim_req *req, uint32_t index)
{
    must(index < req->count);
    struct reader r = reader_of(req->ranges);
    read_skip(&r, (size_t)index * RANGE_SIZE);
    struct range x = {0};
    x.offset = read_u64(&r);
    x.len = read_u64(&r);
    must(!r.bad);
    return x;
}
