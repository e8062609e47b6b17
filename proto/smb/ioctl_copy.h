#pragma once
/* [MS-SMB2] 2.2.31.1, 2.2.32.1, 2.2.32.3 and [MS-FSCC] 2.3.7, 2.3.9: the structures of the FSCTLs
 * that copy between files of the server. `input` is the IOCTL's. */
#include "proto/smb/header.h"

enum { SMB_RESUME_KEY_SIZE = 24, SMB_RESUME_KEY_RSP_SIZE = 32 };

struct smb_resume_key {
    uint8_t bytes[SMB_RESUME_KEY_SIZE];
};

/* 2.2.32.3: without a context. */
void smb_resume_key_encode(struct writer *w, const struct smb_resume_key *key);

/* 3.3.3: as Windows has them. */
enum {
    SMB_COPY_CHUNKS_MAX = 256,
    SMB_COPY_CHUNK_BYTES = 1 << 20,
    SMB_COPY_TOTAL_BYTES = 16 << 20,
    SMB_COPY_RSP_SIZE = 12,
};
#define SMB_COPY_APPEND UINT64_MAX /* TargetOffset: at the end of file */

struct smb_copy_chunk {
    uint64_t source, target;
    uint32_t len;
};

struct smb_copy_req {
    struct smb_resume_key key;
    uint32_t count;      /* what the client says; of any size */
    struct slice chunks; /* borrowed */
};

/* STATUS_INVALID_PARAMETER only when there is not even a key and a count. */
ntstatus smb_copy_decode(struct slice input, struct smb_copy_req *out);
/* 3.3.5.15.6: are all chunks there, and within the limits? */
bool smb_copy_within_limits(const struct smb_copy_req *req);
struct smb_copy_chunk smb_copy_chunk_at(const struct smb_copy_req *req, uint32_t index);

struct smb_copy_rsp {
    uint32_t chunks_written, chunk_bytes_written, total_bytes_written;
};

void smb_copy_encode(struct writer *w, const struct smb_copy_rsp *rsp);
ntstatus smb_copy_rsp_decode(struct slice output, struct smb_copy_rsp *out);

struct smb_duplicate_req {
    struct smb_file_id source_id;
    uint64_t source, target, len;
};

/* FSCTL_DUPLICATE_EXTENTS_TO_FILE, and its _EX when `extended`. */
ntstatus smb_duplicate_decode(struct slice input, bool extended, struct smb_duplicate_req *out);
