#include "proto/smb/create_client.h"

#include "proto/smb/wire.h"

enum { CREATE_REQ = 57, CREATE_RSP = 89, CLOSE_REQ = 24, CLOSE_RSP = 60 };

void smb_create_req_encode(struct writer *w, const struct smb_create_req *req)
{
    enum { CONTEXTS_OFFSET_POS = 48 }; /* from the start of the body */
    size_t base = smb_header_pos(w);
    write_u16(w, CREATE_REQ);
    write_u8(w, 0);
    write_u8(w, req->oplock_level);
    write_u32(w, req->impersonation);
    write_zeros(w, 8 + 8);
    write_u32(w, req->desired_access);
    write_u32(w, req->file_attributes);
    write_u32(w, req->share_access);
    write_u32(w, req->disposition);
    write_u32(w, req->options);
    write_u16(w, SMB_HEADER_SIZE + CREATE_REQ - 1);
    write_u16(w, smb_len16(req->name));
    write_u32(w, 0);
    write_u32(w, smb_len32(req->contexts));
    write_bytes(w, req->name);
    if (req->name.len == 0)
        write_zeros(w, 8); /* 2.2.13: Buffer is at least one byte */
    if (req->contexts.len == 0)
        return;
    smb_pad8(w, base);
    patch_u32(w, base + SMB_HEADER_SIZE + CONTEXTS_OFFSET_POS, smb_offset(w, base));
    write_bytes(w, req->contexts);
}

static struct smb_file_facts read_facts(struct reader *r)
{
    struct smb_file_facts f = {0};
    f.creation_time = read_u64(r);
    f.last_access_time = read_u64(r);
    f.last_write_time = read_u64(r);
    f.change_time = read_u64(r);
    f.allocation_size = read_u64(r);
    f.end_of_file = read_u64(r);
    f.attributes = read_u32(r);
    return f;
}

ntstatus smb_create_rsp_decode(struct slice msg, struct smb_create_rsp *out)
{
    struct reader r = smb_body(msg, CREATE_RSP);
    struct smb_create_rsp rsp = {0};
    rsp.oplock_level = read_u8(&r);
    rsp.flags = read_u8(&r);
    rsp.action = read_u32(&r);
    rsp.facts = read_facts(&r);
    read_skip(&r, 4);
    rsp.file_id = read_file_id(&r);
    uint32_t off = read_u32(&r);
    uint32_t len = read_u32(&r);
    rsp.contexts = smb_buffer(&r, off, len);

    if (r.bad)
        return STATUS_INVALID_NETWORK_RESPONSE;
    *out = rsp;
    return STATUS_OK;
}

void smb_close_req_encode(struct writer *w, const struct smb_close_req *req)
{
    write_u16(w, CLOSE_REQ);
    write_u16(w, req->flags);
    write_u32(w, 0);
    write_file_id(w, req->file_id);
}

ntstatus smb_close_rsp_decode(struct slice msg, struct smb_close_rsp *out)
{
    struct reader r = smb_body(msg, CLOSE_RSP);
    struct smb_close_rsp rsp = {0};
    rsp.flags = read_u16(&r);
    read_skip(&r, 4);
    rsp.facts = read_facts(&r);

    if (r.bad)
        return STATUS_INVALID_NETWORK_RESPONSE;
    *out = rsp;
    return STATUS_OK;
}
