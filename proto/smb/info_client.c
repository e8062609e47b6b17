#include "proto/smb/info_client.h"

#include "proto/smb/wire.h"

enum {
    QUERY_INFO_REQ = 41,
    QUERY_DIRECTORY_REQ = 33,
    SET_INFO_REQ = 33,
    OUTPUT_RSP = 9,
    SET_INFO_RSP = 2,
};

void smb_query_info_req_encode(struct writer *w, const struct smb_query_info_req *req)
{
    bool input = req->input.len > 0;
    write_u16(w, QUERY_INFO_REQ);
    write_u8(w, req->info_type);
    write_u8(w, req->info_class);
    write_u32(w, req->output_length);
    write_u16(w, input ? SMB_HEADER_SIZE + QUERY_INFO_REQ - 1 : 0);
    write_u16(w, 0);
    write_u32(w, smb_len32(req->input));
    write_u32(w, req->additional);
    write_u32(w, req->flags);
    write_file_id(w, req->file_id);
    write_bytes(w, req->input);
}

void smb_query_directory_req_encode(struct writer *w, const struct smb_query_directory_req *req)
{
    write_u16(w, QUERY_DIRECTORY_REQ);
    write_u8(w, req->info_class);
    write_u8(w, req->flags);
    write_u32(w, req->file_index);
    write_file_id(w, req->file_id);
    write_u16(w, SMB_HEADER_SIZE + QUERY_DIRECTORY_REQ - 1);
    write_u16(w, smb_len16(req->pattern));
    write_u32(w, req->output_length);
    write_bytes(w, req->pattern);
}

void smb_set_info_req_encode(struct writer *w, const struct smb_set_info_req *req)
{
    write_u16(w, SET_INFO_REQ);
    write_u8(w, req->info_type);
    write_u8(w, req->info_class);
    write_u32(w, smb_len32(req->buffer));
    write_u16(w, SMB_HEADER_SIZE + SET_INFO_REQ - 1);
    write_u16(w, 0);
    write_u32(w, req->additional);
    write_file_id(w, req->file_id);
    write_bytes(w, req->buffer);
}

ntstatus smb_output_decode(struct slice msg, struct slice *output)
{
    struct reader r = smb_body(msg, OUTPUT_RSP);
    uint16_t off = read_u16(&r);
    uint32_t len = read_u32(&r);
    struct slice bytes = smb_buffer(&r, off, len);

    if (r.bad)
        return STATUS_INVALID_NETWORK_RESPONSE;
    *output = bytes;
    return STATUS_OK;
}

ntstatus smb_set_info_rsp_decode(struct slice msg)
{
    struct reader r = smb_body(msg, SET_INFO_RSP);
    return r.bad ? STATUS_INVALID_NETWORK_RESPONSE : STATUS_OK;
}
