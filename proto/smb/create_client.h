#pragma once
/* CREATE and CLOSE as a client sees them; see negotiate_client.h. */
#include "proto/smb/create.h"

/* Name and contexts are copied; contexts is a list of create_ctx.h or empty. */
void smb_create_req_encode(struct writer *w, const struct smb_create_req *req);
/* STATUS_INVALID_NETWORK_RESPONSE when ill-formed, here and below; `contexts` is borrowed. */
ntstatus smb_create_rsp_decode(struct slice msg, struct smb_create_rsp *out);

void smb_close_req_encode(struct writer *w, const struct smb_close_req *req);
ntstatus smb_close_rsp_decode(struct slice msg, struct smb_close_rsp *out);
