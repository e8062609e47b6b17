#pragma once
/* QUERY_INFO, SET_INFO and QUERY_DIRECTORY as a client sees them; see negotiate_client.h. */
#include "proto/smb/dir.h"
#include "proto/smb/info.h"

void smb_query_info_req_encode(struct writer *w, const struct smb_query_info_req *req);
void smb_query_directory_req_encode(struct writer *w, const struct smb_query_directory_req *req);
void smb_set_info_req_encode(struct writer *w, const struct smb_set_info_req *req);

/* The answer to QUERY_INFO, QUERY_DIRECTORY or CHANGE_NOTIFY: its bytes, borrowed.
 * STATUS_INVALID_NETWORK_RESPONSE when ill-formed, here and below. */
ntstatus smb_output_decode(struct slice msg, struct slice *output);
ntstatus smb_set_info_rsp_decode(struct slice msg);
