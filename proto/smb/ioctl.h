#pragma once
/* [MS-SMB2] 2.2.31, 2.2.32 IOCTL, the control codes clients send, and the small structures of the
 * ones that this folder decodes itself. */
#include "proto/smb/negotiate.h"

enum { SMB2_0_IOCTL_IS_FSCTL = 0x00000001 };

enum smb_fsctl {
    FSCTL_REQUEST_OPLOCK_LEVEL_1 = 0x00090000,
    FSCTL_LOCK_VOLUME = 0x00090018,
    FSCTL_FILESYSTEM_GET_STATISTICS = 0x00090060,
    FSCTL_GET_NTFS_VOLUME_DATA = 0x00090064,
    FSCTL_GET_RETRIEVAL_POINTERS = 0x00090073,
    FSCTL_IS_VOLUME_DIRTY = 0x00090078,
    FSCTL_SET_OBJECT_ID = 0x00090098,
    FSCTL_GET_OBJECT_ID = 0x0009009C,
    FSCTL_DELETE_OBJECT_ID = 0x000900A0,
    FSCTL_SET_REPARSE_POINT = 0x000900A4,
    FSCTL_GET_REPARSE_POINT = 0x000900A8,
    FSCTL_DELETE_REPARSE_POINT = 0x000900AC,
    FSCTL_SET_OBJECT_ID_EXTENDED = 0x000900BC,
    FSCTL_CREATE_OR_GET_OBJECT_ID = 0x000900C0,
    FSCTL_SET_SPARSE = 0x000900C4,
    FSCTL_SET_ENCRYPTION = 0x000900D7,
    FSCTL_READ_FILE_USN_DATA = 0x000900EB,
    FSCTL_WRITE_USN_CLOSE_RECORD = 0x000900EF,
    FSCTL_SET_ZERO_DATA = 0x000980C8,
    FSCTL_QUERY_ALLOCATED_RANGES = 0x000940CF,
    FSCTL_GET_COMPRESSION = 0x0009003C,
    FSCTL_SET_COMPRESSION = 0x0009C040,
    FSCTL_FILE_LEVEL_TRIM = 0x00098208,
    FSCTL_OFFLOAD_READ = 0x00094264,
    FSCTL_OFFLOAD_WRITE = 0x00098268,
    FSCTL_GET_INTEGRITY_INFORMATION = 0x0009027C,
    FSCTL_SET_INTEGRITY_INFORMATION = 0x0009C280,
    FSCTL_SET_INTEGRITY_INFORMATION_EX = 0x00090380,
    FSCTL_QUERY_FILE_REGIONS = 0x00090284,
    FSCTL_QUERY_SHARED_VIRTUAL_DISK_SUPPORT = 0x00090300,
    FSCTL_SVHDX_SYNC_TUNNEL_REQUEST = 0x00090304,
    FSCTL_SVHDX_ASYNC_TUNNEL_REQUEST = 0x00090364,
    FSCTL_STORAGE_QOS_CONTROL = 0x00090350,
    FSCTL_DUPLICATE_EXTENTS_TO_FILE = 0x00098344,
    FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX = 0x000983E8,
    FSCTL_REFS_STREAM_SNAPSHOT_MANAGEMENT = 0x00090440,
    FSCTL_DFS_GET_REFERRALS = 0x00060194,
    FSCTL_DFS_GET_REFERRALS_EX = 0x000601B0,
    FSCTL_PIPE_PEEK = 0x0011400C,
    FSCTL_PIPE_WAIT = 0x00110018,
    FSCTL_PIPE_TRANSCEIVE = 0x0011C017,
    FSCTL_SRV_REQUEST_RESUME_KEY = 0x00140078,
    FSCTL_SRV_ENUMERATE_SNAPSHOTS = 0x00144064,
    FSCTL_SRV_COPYCHUNK = 0x001440F2,
    FSCTL_SRV_COPYCHUNK_WRITE = 0x001480F2,
    FSCTL_SRV_READ_HASH = 0x001441BB,
    FSCTL_LMR_REQUEST_RESILIENCY = 0x001401D4,
    FSCTL_QUERY_NETWORK_INTERFACE_INFO = 0x001401FC,
    FSCTL_VALIDATE_NEGOTIATE_INFO = 0x00140204,
};

struct smb_ioctl_req {
    uint32_t code; /* enum smb_fsctl, or anything */
    struct smb_file_id file_id;
    uint32_t flags;
    uint32_t max_input_response, max_output_response; /* compare with MaxTransactSize */
    struct slice input;                               /* borrowed; may be empty */
};

/* Input or output outside of the message: STATUS_INVALID_PARAMETER (3.3.5.15). */
ntstatus smb_ioctl_decode(struct slice msg, struct smb_ioctl_req *out);

struct smb_ioctl_rsp {
    uint32_t code;
    struct smb_file_id file_id; /* as in the request */
    struct slice output;        /* may be empty */
};

void smb_ioctl_encode(struct writer *w, const struct smb_ioctl_rsp *rsp);

/* 2.2.31.4: what the client says it negotiated; a difference means that somebody in between changed
 * it and the connection must go (3.3.5.15.12). */
struct smb_validate_req {
    uint32_t capabilities;
    uint8_t client_guid[16];
    uint16_t security_mode;
    struct smb_id_list dialects; /* borrowed */
};

/* `input` is the IOCTL's. */
ntstatus smb_validate_decode(struct slice input, struct smb_validate_req *out);

struct smb_validate_rsp {
    uint32_t capabilities;
    uint8_t server_guid[16];
    uint16_t security_mode, dialect;
};

enum { SMB_VALIDATE_RSP_SIZE = 24 };

/* Writes the 24 bytes of the IOCTL's output. */
void smb_validate_encode(struct writer *w, const struct smb_validate_rsp *rsp);

/* 2.2.32.5: one network interface of the answer to FSCTL_QUERY_NETWORK_INTERFACE_INFO. */
enum { SMB_INTERFACE_RSS_CAPABLE = 1, SMB_INTERFACE_RDMA_CAPABLE = 2 };

struct smb_interface {
    uint32_t index, capability;
    uint64_t link_speed; /* bits per second */
    bool is_v6;
    uint8_t address[16]; /* network order; the first 4 bytes when !is_v6 */
};

enum { SMB_INTERFACE_SIZE = 152 };

/* Writes one entry; `last` has no successor. The writer stands at a multiple of 8. */
void smb_interface_encode(struct writer *w, const struct smb_interface *itf, bool last);
