#include "proto/smb/info.h"

#include "proto/smb/wire.h"

enum { QUERY_INFO_REQ = 41, QUERY_INFO_RSP = 9, SET_INFO_REQ = 33, SET_INFO_RSP = 2 };

ntstatus smb_query_info_decode(struct slice msg, struct smb_query_info_req *out)
{
    struct reader r = smb_body(msg, QUERY_INFO_REQ);
    struct smb_query_info_req req = {0};
    req.info_type = read_u8(&r);
    req.info_class = read_u8(&r);
    req.output_length = read_u32(&r);
    uint16_t off = read_u16(&r);
    read_skip(&r, 2);
    uint32_t len = read_u32(&r);
    req.additional = read_u32(&r);
    req.flags = read_u32(&r);
    req.file_id = read_file_id(&r);
    req.input = smb_buffer(&r, off, len);

    if (r.bad)
        return STATUS_INVALID_PARAMETER;
    *out = req;
    return STATUS_OK;
}

void smb_query_info_encode(struct writer *w, struct slice output)
{
    write_u16(w, QUERY_INFO_RSP);
    write_u16(w, output.len > 0 ? SMB_HEADER_SIZE + 8 : 0);
    write_u32(w, smb_len32(output));
    write_bytes(w, output);
}

ntstatus smb_set_info_decode(struct slice msg, struct smb_set_info_req *out)
{
    struct reader r = smb_body(msg, SET_INFO_REQ);
    struct smb_set_info_req req = {0};
    req.info_type = read_u8(&r);
    req.info_class = read_u8(&r);
    uint32_t len = read_u32(&r);
    uint16_t off = read_u16(&r);
    read_skip(&r, 2);
    req.additional = read_u32(&r);
    req.file_id = read_file_id(&r);
    req.buffer = smb_buffer(&r, off, len);

    if (r.bad)
        return STATUS_INVALID_PARAMETER;
    *out = req;
    return STATUS_OK;
}

void smb_set_info_encode(struct writer *w) { write_u16(w, SET_INFO_RSP); }
