#include "proto/smb/ioctl_copy.h"

#include "proto/base/must.h"
#include "proto/smb/wire.h"

enum { CHUNK_SIZE = 24, DUPLICATE_EX_SIZE = 0x30 };

void smb_resume_key_encode(struct writer *w, const struct smb_resume_key *key)
{
    write_bytes(w, slice_of(key->bytes, sizeof(key->bytes)));
    write_u32(w, 0); /* ContextLength */
    write_u32(w, 0);
}

ntstatus smb_copy_decode(struct slice input, struct smb_copy_req *out)
{
    struct reader r = reader_of(input);
    struct smb_copy_req req = {0};
    read_copy(&r, req.key.bytes, sizeof(req.key.bytes));
    req.count = read_u32(&r);
    read_skip(&r, 4);
    if (r.bad)
        return STATUS_INVALID_PARAMETER;
    req.chunks = slice_sub(input, r.pos, input.len - r.pos);
    *out = req;
    return STATUS_OK;
}

struct smb_copy_chunk smb_copy_chunk_at(const struct smb_copy_req *req, uint32_t index)
{
    struct reader r = reader_of(req->chunks);
    struct smb_copy_chunk c = {0};
    must(index < req->count);
    read_skip(&r, (size_t)index * CHUNK_SIZE);
    c.source = read_u64(&r);
    c.target = read_u64(&r);
    c.len = read_u32(&r);
    read_skip(&r, 4);
    must(!r.bad);
    return c;
}

bool smb_copy_within_limits(const struct smb_copy_req *req)
{
    if (req->count > SMB_COPY_CHUNKS_MAX || req->chunks.len < (size_t)req->count * CHUNK_SIZE)
        return false;
    uint64_t total = 0;
    for (uint32_t i = 0; i < req->count; i++) {
        struct smb_copy_chunk c = smb_copy_chunk_at(req, i);
        if (c.len == 0 || c.len > SMB_COPY_CHUNK_BYTES || c.source > (uint64_t)INT64_MAX - c.len)
            return false;
        if (c.target != SMB_COPY_APPEND && c.target > (uint64_t)INT64_MAX - c.len)
            return false;
        total += c.len;
    }
    return total <= SMB_COPY_TOTAL_BYTES;
}

void smb_copy_encode(struct writer *w, const struct smb_copy_rsp *rsp)
{
    write_u32(w, rsp->chunks_written);
    write_u32(w, rsp->chunk_bytes_written);
    write_u32(w, rsp->total_bytes_written);
}

ntstatus smb_copy_rsp_decode(struct slice output, struct smb_copy_rsp *out)
{
    struct reader r = reader_of(output);
    struct smb_copy_rsp rsp = {0};
    rsp.chunks_written = read_u32(&r);
    rsp.chunk_bytes_written = read_u32(&r);
    rsp.total_bytes_written = read_u32(&r);

    if (r.bad)
        return STATUS_INVALID_NETWORK_RESPONSE;
    *out = rsp;
    return STATUS_OK;
}

ntstatus smb_duplicate_decode(struct slice input, bool extended, struct smb_duplicate_req *out)
{
    struct reader r = reader_of(input);
    struct smb_duplicate_req req = {0};
    uint64_t size = extended ? read_u64(&r) : DUPLICATE_EX_SIZE;
    req.source_id = read_file_id(&r);
    req.source = read_u64(&r);
    req.target = read_u64(&r);
    req.len = read_u64(&r);

    /* [MS-SMB2] 3.3.5.15.17; [MS-FSA] 2.1.5.10.5. Flags need not be looked at: the source is never
     * changed, so every copy is atomic to it. */
    if (r.bad)
        return STATUS_INVALID_PARAMETER;
    if (size != DUPLICATE_EX_SIZE)
        return STATUS_NOT_SUPPORTED;
    if (req.source > INT64_MAX || req.len > INT64_MAX - req.source || req.target > INT64_MAX ||
        req.len > INT64_MAX - req.target)
        return STATUS_INVALID_PARAMETER;
    *out = req;
    return STATUS_OK;
}
