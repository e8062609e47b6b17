#include "proto/smb/session.h"

#include "proto/smb/wire.h"

enum { SESSION_SETUP_REQ = 25, SESSION_SETUP_RSP = 9 };

ntstatus smb_session_setup_decode(struct slice msg, struct smb_session_setup_req *out)
{
    struct reader r = smb_body(msg, SESSION_SETUP_REQ);
    struct smb_session_setup_req req = {0};
    req.flags = read_u8(&r);
    req.security_mode = read_u8(&r);
    req.capabilities = read_u32(&r);
    read_skip(&r, 4); /* Channel: reserved */
    uint16_t off = read_u16(&r);
    uint16_t len = read_u16(&r);
    req.previous_session_id = read_u64(&r);
    req.security = smb_buffer(&r, off, len);

    if (r.bad)
        return STATUS_INVALID_PARAMETER;
    *out = req;
    return STATUS_OK;
}

void smb_session_setup_encode(struct writer *w, const struct smb_session_setup_rsp *rsp)
{
    write_u16(w, SESSION_SETUP_RSP);
    write_u16(w, rsp->session_flags);
    write_u16(w, SMB_HEADER_SIZE + 8);
    write_u16(w, smb_len16(rsp->security));
    write_bytes(w, rsp->security);
}
