#include "proto/smb/create.h"

#include "proto/smb/wire.h"

enum { CREATE_REQ = 57, CREATE_RSP = 89, CLOSE_REQ = 24, CLOSE_RSP = 60 };

ntstatus smb_create_decode(struct slice msg, struct smb_create_req *out)
{
    struct reader r = smb_body(msg, CREATE_REQ);
    struct smb_create_req req = {0};
    read_skip(&r, 1); /* SecurityFlags */
    req.oplock_level = read_u8(&r);
    req.impersonation = read_u32(&r);
    read_skip(&r, 8 + 8); /* SmbCreateFlags, Reserved */
    req.desired_access = read_u32(&r);
    req.file_attributes = read_u32(&r);
    req.share_access = read_u32(&r);
    req.disposition = read_u32(&r);
    req.options = read_u32(&r);
    uint16_t name_off = read_u16(&r);
    uint16_t name_len = read_u16(&r);
    uint32_t contexts_off = read_u32(&r);
    uint32_t contexts_len = read_u32(&r);
    req.name = smb_buffer(&r, name_off, name_len);
    req.contexts = smb_buffer(&r, contexts_off, contexts_len);

    if (r.bad || req.name.len % 2 != 0)
        return STATUS_INVALID_PARAMETER;
    *out = req;
    return STATUS_OK;
}

static void write_facts(struct writer *w, const struct smb_file_facts *f)
{
    write_u64(w, f->creation_time);
    write_u64(w, f->last_access_time);
    write_u64(w, f->last_write_time);
    write_u64(w, f->change_time);
    write_u64(w, f->allocation_size);
    write_u64(w, f->end_of_file);
    write_u32(w, f->attributes);
}

void smb_create_encode(struct writer *w, const struct smb_create_rsp *rsp)
{
    bool contexts = rsp->contexts.len > 0;
    write_u16(w, CREATE_RSP);
    write_u8(w, rsp->oplock_level);
    write_u8(w, rsp->flags);
    write_u32(w, rsp->action);
    write_facts(w, &rsp->facts);
    write_u32(w, 0);
    write_file_id(w, rsp->file_id);
    write_u32(w, contexts ? SMB_HEADER_SIZE + CREATE_RSP - 1 : 0); /* 8-aligned: 152 */
    write_u32(w, smb_len32(rsp->contexts));
    write_bytes(w, rsp->contexts);
}

ntstatus smb_close_decode(struct slice msg, struct smb_close_req *out)
{
    struct reader r = smb_body(msg, CLOSE_REQ);
    struct smb_close_req req = {0};
    req.flags = read_u16(&r);
    read_skip(&r, 4);
    req.file_id = read_file_id(&r);

    if (r.bad)
        return STATUS_INVALID_PARAMETER;
    *out = req;
    return STATUS_OK;
}

void smb_close_encode(struct writer *w, const struct smb_close_rsp *rsp)
{
    write_u16(w, CLOSE_RSP);
    write_u16(w, rsp->flags);
    write_u32(w, 0);
    write_facts(w, &rsp->facts);
}
