#pragma once
/* READ, WRITE and FLUSH as a client sees them, without RDMA; see negotiate_client.h. */
#include "proto/smb/data.h"

/* `channel` and `channel_info` are not written. */
void smb_read_req_encode(struct writer *w, const struct smb_read_req *req);

struct smb_read_answer {
    struct slice data; /* borrowed */
    uint32_t remaining;
};

/* STATUS_INVALID_NETWORK_RESPONSE when ill-formed, here and below. */
ntstatus smb_read_answer_decode(struct slice msg, struct smb_read_answer *out);

/* The body and `data` behind it; `length` is data's. */
void smb_write_req_encode(struct writer *w, const struct smb_write_req *req);
ntstatus smb_write_rsp_decode(struct slice msg, struct smb_write_rsp *out);

void smb_flush_req_encode(struct writer *w, const struct smb_flush_req *req);

/* The bodies without content that answer FLUSH, LOCK, LOGOFF, TREE_DISCONNECT and ECHO. */
ntstatus smb_empty_rsp_decode(struct slice msg);
