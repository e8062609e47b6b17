#pragma once
/* IOCTL as a client sees it; see negotiate_client.h. */
#include "proto/smb/ioctl.h"

/* `input` is copied; flags are SMB2_0_IOCTL_IS_FSCTL. */
void smb_ioctl_req_encode(struct writer *w, const struct smb_ioctl_req *req);
/* The output, borrowed. Of a success, a warning, or an error that has one. */
ntstatus smb_ioctl_answer_decode(struct slice msg, struct slice *output);
