#pragma once
/* SESSION_SETUP and TREE_CONNECT as a client sees them; see negotiate_client.h. */
#include "proto/smb/session.h"
#include "proto/smb/tree.h"

void smb_session_setup_req_encode(struct writer *w, const struct smb_session_setup_req *req);
/* STATUS_INVALID_NETWORK_RESPONSE when ill-formed, here and below; `security` is borrowed. */
ntstatus smb_session_setup_rsp_decode(struct slice msg, struct smb_session_setup_rsp *out);

/* Without SMB2_TREE_CONNECT_FLAG_EXTENSION_PRESENT. */
void smb_tree_connect_req_encode(struct writer *w, const struct smb_tree_connect_req *req);
ntstatus smb_tree_connect_rsp_decode(struct slice msg, struct smb_tree_connect_rsp *out);
