#pragma once
/* [MS-SMB2] 2.2.5, 2.2.6 SESSION_SETUP. LOGOFF (2.2.7, 2.2.8) is smb_empty_decode/encode. */
#include "proto/smb/header.h"

enum { SMB2_SESSION_FLAG_BINDING = 0x01 }; /* request */

enum { /* response */
       SMB2_SESSION_FLAG_IS_GUEST = 0x0001,
       SMB2_SESSION_FLAG_IS_NULL = 0x0002,
       SMB2_SESSION_FLAG_ENCRYPT_DATA = 0x0004,
};

struct smb_session_setup_req {
    uint8_t flags;
    uint8_t security_mode; /* SMB2_NEGOTIATE_SIGNING_* */
    uint32_t capabilities;
    uint64_t previous_session_id;
    struct slice security; /* borrowed GSS token; may be empty */
};

ntstatus smb_session_setup_decode(struct slice msg, struct smb_session_setup_req *out);

struct smb_session_setup_rsp {
    uint16_t session_flags;
    struct slice security; /* at most 65535 bytes */
};

/* Also the body of a STATUS_MORE_PROCESSING_REQUIRED answer, which is not an ERROR response. */
void smb_session_setup_encode(struct writer *w, const struct smb_session_setup_rsp *rsp);
