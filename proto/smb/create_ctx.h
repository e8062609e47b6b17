#pragma once
/* The create contexts of CREATE ([MS-SMB2] 2.2.13.2, 2.2.14.2): a chain of named blobs. */
#include "proto/smb/header.h"

#define CREATE_CTX_MAX 64u /* contexts in one chain */

#define SMB2_LEASE_READ_CACHING 0x01u
#define SMB2_LEASE_HANDLE_CACHING 0x02u
#define SMB2_LEASE_WRITE_CACHING 0x04u
#define SMB2_LEASE_FLAG_BREAK_IN_PROGRESS 0x02u
#define SMB2_LEASE_FLAG_PARENT_LEASE_KEY_SET 0x04u
#define SMB2_DHANDLE_FLAG_PERSISTENT 0x02u

struct create_lease { /* RqLs, version 1 or 2 */
    uint8_t key[16], parent_key[16];
    uint32_t state, flags;
    uint64_t duration;
    uint16_t epoch;
    bool v2;
};

struct create_contexts {
    /* What the client sent. */
    bool mxac, qfid, lease_set, dhnq, dhnc, dh2q, dh2c, twrp, alsi, app_instance, app_version;
    bool has_ea, has_security;
    uint64_t mxac_timestamp; /* 0: always answer */
    struct create_lease lease;
    struct smb_file_id durable_id; /* DHnC and DH2C */
    uint8_t create_guid[16];       /* DH2Q and DH2C */
    uint32_t durable_timeout, durable_flags;
    uint64_t timewarp;        /* FILETIME */
    uint64_t allocation_size; /* AlSi */
    struct slice ea;          /* FILE_FULL_EA_INFORMATION list, borrowed */
    struct slice security;    /* self-relative descriptor, borrowed */
    uint8_t app_instance_id[16];
    uint64_t app_version_high, app_version_low;
};

/* Decodes the chain; `chain` is what the request's offset and length name, may be empty.
 * Unknown names are ignored, as are contexts given twice (the last one counts).
 * STATUS_INVALID_PARAMETER when the chain or a known context is malformed. */
ntstatus create_contexts_decode(struct slice chain, struct create_contexts *out);

struct create_contexts_reply {
    bool mxac, qfid, lease_set;
    struct create_lease lease; /* its duration does not count */
    ntstatus mxac_status;
    uint32_t maximal_access;
    uint64_t file_id; /* of QFid */
    uint32_t volume_id;
};

/* Writes the chain where `w` stands, which must be 8-aligned; returns its length, 0 when empty. */
size_t create_contexts_write(struct writer *w, const struct create_contexts_reply *reply);
