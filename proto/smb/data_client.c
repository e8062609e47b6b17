#include "proto/smb/data_client.h"

#include "proto/smb/wire.h"

enum { READ_REQ = 49, READ_RSP = 17, WRITE_REQ = 49, WRITE_RSP = 17, FLUSH_REQ = 24 };

void smb_read_req_encode(struct writer *w, const struct smb_read_req *req)
{
    write_u16(w, READ_REQ);
    write_u8(w, SMB_READ_DATA_OFFSET); /* Padding: where we should like the data */
    write_u8(w, req->flags);
    write_u32(w, req->length);
    write_u64(w, req->offset);
    write_file_id(w, req->file_id);
    write_u32(w, req->minimum_count);
    write_u32(w, SMB2_CHANNEL_NONE);
    write_u32(w, req->remaining);
    write_u32(w, 0); /* ReadChannelInfoOffset, ReadChannelInfoLength */
    write_u8(w, 0);  /* 2.2.19: Buffer is at least one byte */
}

ntstatus smb_read_answer_decode(struct slice msg, struct smb_read_answer *out)
{
    struct reader r = smb_body(msg, READ_RSP);
    struct smb_read_answer rsp = {0};
    uint8_t off = read_u8(&r);
    read_skip(&r, 1);
    uint32_t len = read_u32(&r);
    rsp.remaining = read_u32(&r);
    read_skip(&r, 4);
    rsp.data = smb_buffer(&r, off, len);

    if (r.bad)
        return STATUS_INVALID_NETWORK_RESPONSE;
    *out = rsp;
    return STATUS_OK;
}

void smb_write_req_encode(struct writer *w, const struct smb_write_req *req)
{
    write_u16(w, WRITE_REQ);
    write_u16(w, SMB_HEADER_SIZE + WRITE_REQ - 1);
    write_u32(w, smb_len32(req->data));
    write_u64(w, req->offset);
    write_file_id(w, req->file_id);
    write_u32(w, SMB2_CHANNEL_NONE);
    write_u32(w, req->remaining);
    write_u32(w, 0); /* WriteChannelInfoOffset, WriteChannelInfoLength */
    write_u32(w, req->flags);
    write_bytes(w, req->data);
}

ntstatus smb_write_rsp_decode(struct slice msg, struct smb_write_rsp *out)
{
    struct reader r = smb_body(msg, WRITE_RSP);
    struct smb_write_rsp rsp = {0};
    read_skip(&r, 2);
    rsp.count = read_u32(&r);
    rsp.remaining = read_u32(&r);

    if (r.bad)
        return STATUS_INVALID_NETWORK_RESPONSE;
    *out = rsp;
    return STATUS_OK;
}

void smb_flush_req_encode(struct writer *w, const struct smb_flush_req *req)
{
    write_u16(w, FLUSH_REQ);
    write_u16(w, 0);
    write_u32(w, 0);
    write_file_id(w, req->file_id);
}

ntstatus smb_empty_rsp_decode(struct slice msg)
{
    return smb_empty_decode(msg) == STATUS_OK ? STATUS_OK : STATUS_INVALID_NETWORK_RESPONSE;
}
