#pragma once
/* [MS-SMB2] 2.2.17 FLUSH, 2.2.19 READ, 2.2.21 WRITE and their responses. Payloads are not copied:
 * a WRITE's data is borrowed from the frame; a READ response is encoded up to its data, which the
 * caller sends behind it. */
#include "proto/smb/header.h"

enum { /* READ flags */
       SMB2_READFLAG_READ_UNBUFFERED = 0x01,
       SMB2_READFLAG_REQUEST_COMPRESSED = 0x02,
};

enum { /* WRITE flags */
       SMB2_WRITEFLAG_WRITE_THROUGH = 0x00000001,
       SMB2_WRITEFLAG_WRITE_UNBUFFERED = 0x00000002,
};

enum {
    SMB2_CHANNEL_NONE = 0,
    SMB2_CHANNEL_RDMA_V1 = 1,
    SMB2_CHANNEL_RDMA_V1_INVALIDATE = 2,
    SMB2_CHANNEL_RDMA_TRANSFORM = 3,
};

struct smb_read_req {
    uint8_t flags;
    uint32_t length;
    uint64_t offset;
    struct smb_file_id file_id;
    uint32_t minimum_count, channel, remaining;
    struct slice channel_info; /* borrowed; empty without RDMA */
};

/* The length is not bounded here: compare it with what was negotiated. */
ntstatus smb_read_decode(struct slice msg, struct smb_read_req *out);

enum { SMB_READ_RSP_SIZE = 16, SMB_READ_DATA_OFFSET = SMB_HEADER_SIZE + SMB_READ_RSP_SIZE };

struct smb_read_rsp {
    uint32_t data_length; /* bytes that follow directly behind the encoded 16 bytes */
    uint32_t data_remaining;
};

void smb_read_encode(struct writer *w, const struct smb_read_rsp *rsp);

struct smb_write_req {
    uint64_t offset;
    struct smb_file_id file_id;
    uint32_t flags, channel, remaining;
    uint32_t length;           /* data.len, except with RDMA, where data is empty */
    struct slice data;         /* borrowed from the frame */
    struct slice channel_info; /* borrowed; empty without RDMA */
};

/* DataOffset beyond 0x100 or data outside of the message: STATUS_INVALID_PARAMETER (3.3.5.13). */
ntstatus smb_write_decode(struct slice msg, struct smb_write_req *out);

struct smb_write_rsp {
    uint32_t count, remaining;
};

void smb_write_encode(struct writer *w, const struct smb_write_rsp *rsp);

struct smb_flush_req {
    struct smb_file_id file_id;
};

/* Its response is smb_empty_encode. */
ntstatus smb_flush_decode(struct slice msg, struct smb_flush_req *out);
