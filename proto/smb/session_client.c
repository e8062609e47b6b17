#include "proto/smb/session_client.h"

#include "proto/smb/wire.h"

enum {
    SESSION_SETUP_REQ = 25,
    SESSION_SETUP_RSP = 9,
    TREE_CONNECT_REQ = 9,
    TREE_CONNECT_RSP = 16,
};

void smb_session_setup_req_encode(struct writer *w, const struct smb_session_setup_req *req)
{
    write_u16(w, SESSION_SETUP_REQ);
    write_u8(w, req->flags);
    write_u8(w, req->security_mode);
    write_u32(w, req->capabilities);
    write_u32(w, 0); /* Channel */
    write_u16(w, SMB_HEADER_SIZE + SESSION_SETUP_REQ - 1);
    write_u16(w, smb_len16(req->security));
    write_u64(w, req->previous_session_id);
    write_bytes(w, req->security);
}

ntstatus smb_session_setup_rsp_decode(struct slice msg, struct smb_session_setup_rsp *out)
{
    struct reader r = smb_body(msg, SESSION_SETUP_RSP);
    struct smb_session_setup_rsp rsp = {0};
    rsp.session_flags = read_u16(&r);
    uint16_t off = read_u16(&r);
    uint16_t len = read_u16(&r);
    rsp.security = smb_buffer(&r, off, len);

    if (r.bad)
        return STATUS_INVALID_NETWORK_RESPONSE;
    *out = rsp;
    return STATUS_OK;
}

void smb_tree_connect_req_encode(struct writer *w, const struct smb_tree_connect_req *req)
{
    write_u16(w, TREE_CONNECT_REQ);
    write_u16(w, req->flags);
    write_u16(w, SMB_HEADER_SIZE + TREE_CONNECT_REQ - 1);
    write_u16(w, smb_len16(req->path));
    write_bytes(w, req->path);
}

ntstatus smb_tree_connect_rsp_decode(struct slice msg, struct smb_tree_connect_rsp *out)
{
    struct reader r = smb_body(msg, TREE_CONNECT_RSP);
    struct smb_tree_connect_rsp rsp = {0};
    rsp.share_type = read_u8(&r);
    read_skip(&r, 1);
    rsp.share_flags = read_u32(&r);
    rsp.capabilities = read_u32(&r);
    rsp.maximal_access = read_u32(&r);

    if (r.bad)
        return STATUS_INVALID_NETWORK_RESPONSE;
    *out = rsp;
    return STATUS_OK;
}
