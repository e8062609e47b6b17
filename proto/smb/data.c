#include "proto/smb/data.h"

#include "proto/smb/wire.h"

enum {
    READ_REQ = 49,
    READ_RSP = 17,
    WRITE_REQ = 49,
    WRITE_RSP = 17,
    FLUSH_REQ = 24,
    WRITE_DATA_OFFSET_MAX = 0x100,
};

_Static_assert(SMB_READ_RSP_SIZE == (READ_RSP & ~1), "the fixed part ends where data begins");

ntstatus smb_read_decode(struct slice msg, struct smb_read_req *out)
{
    struct reader r = smb_body(msg, READ_REQ);
    struct smb_read_req req = {0};
    read_skip(&r, 1); /* Padding: a wish we need not grant (2.2.19) */
    req.flags = read_u8(&r);
    req.length = read_u32(&r);
    req.offset = read_u64(&r);
    req.file_id = read_file_id(&r);
    req.minimum_count = read_u32(&r);
    req.channel = read_u32(&r);
    req.remaining = read_u32(&r);
    uint16_t info_off = read_u16(&r);
    uint16_t info_len = read_u16(&r);
    if (req.channel != SMB2_CHANNEL_NONE)
        req.channel_info = smb_buffer(&r, info_off, info_len);

    if (r.bad)
        return STATUS_INVALID_PARAMETER;
    *out = req;
    return STATUS_OK;
}

void smb_read_encode(struct writer *w, const struct smb_read_rsp *rsp)
{
    write_u16(w, READ_RSP);
    write_u8(w, SMB_READ_DATA_OFFSET);
    write_u8(w, 0);
    write_u32(w, rsp->data_length);
    write_u32(w, rsp->data_remaining);
    write_u32(w, 0);
}

ntstatus smb_write_decode(struct slice msg, struct smb_write_req *out)
{
    struct reader r = smb_body(msg, WRITE_REQ);
    struct smb_write_req req = {0};
    uint16_t data_off = read_u16(&r);
    req.length = read_u32(&r);
    req.offset = read_u64(&r);
    req.file_id = read_file_id(&r);
    req.channel = read_u32(&r);
    req.remaining = read_u32(&r);
    uint16_t info_off = read_u16(&r);
    uint16_t info_len = read_u16(&r);
    req.flags = read_u32(&r);
    /* 3.3.5.13: with RDMA the bytes are fetched from the client's memory, not sent here. */
    if (req.channel != SMB2_CHANNEL_NONE)
        req.channel_info = smb_buffer(&r, info_off, info_len);
    else if (data_off > WRITE_DATA_OFFSET_MAX)
        r.bad = true;
    else
        req.data = smb_buffer(&r, data_off, req.length);

    if (r.bad)
        return STATUS_INVALID_PARAMETER;
    *out = req;
    return STATUS_OK;
}

void smb_write_encode(struct writer *w, const struct smb_write_rsp *rsp)
{
    write_u16(w, WRITE_RSP);
    write_u16(w, 0);
    write_u32(w, rsp->count);
    write_u32(w, rsp->remaining);
    write_u16(w, 0); /* WriteChannelInfoOffset */
    write_u16(w, 0); /* WriteChannelInfoLength */
}

ntstatus smb_flush_decode(struct slice msg, struct smb_flush_req *out)
{
    struct reader r = smb_body(msg, FLUSH_REQ);
    read_skip(&r, 2 + 4);
    struct smb_flush_req req = {.file_id = read_file_id(&r)};

    if (r.bad)
        return STATUS_INVALID_PARAMETER;
    *out = req;
    return STATUS_OK;
}
