#pragma once
/* [MS-SMB2] 2.2.9, 2.2.10 TREE_CONNECT. TREE_DISCONNECT is smb_empty_decode/encode. */
#include "proto/smb/header.h"

enum { /* request flags of 3.1.1 */
       SMB2_TREE_CONNECT_FLAG_CLUSTER_RECONNECT = 0x0001,
       SMB2_TREE_CONNECT_FLAG_REDIRECT_TO_OWNER = 0x0002,
       SMB2_TREE_CONNECT_FLAG_EXTENSION_PRESENT = 0x0004,
};

enum { SMB2_SHARE_TYPE_DISK = 1, SMB2_SHARE_TYPE_PIPE = 2, SMB2_SHARE_TYPE_PRINT = 3 };

enum {
    SMB2_SHAREFLAG_MANUAL_CACHING = 0x00000000,
    SMB2_SHAREFLAG_DFS = 0x00000001,
    SMB2_SHAREFLAG_DFS_ROOT = 0x00000002,
    SMB2_SHAREFLAG_AUTO_CACHING = 0x00000010,
    SMB2_SHAREFLAG_VDO_CACHING = 0x00000020,
    SMB2_SHAREFLAG_NO_CACHING = 0x00000030,
    SMB2_SHAREFLAG_RESTRICT_EXCLUSIVE_OPENS = 0x00000100,
    SMB2_SHAREFLAG_FORCE_SHARED_DELETE = 0x00000200,
    SMB2_SHAREFLAG_ALLOW_NAMESPACE_CACHING = 0x00000400,
    SMB2_SHAREFLAG_ACCESS_BASED_DIRECTORY_ENUM = 0x00000800,
    SMB2_SHAREFLAG_FORCE_LEVELII_OPLOCK = 0x00001000,
    SMB2_SHAREFLAG_ENABLE_HASH_V1 = 0x00002000,
    SMB2_SHAREFLAG_ENABLE_HASH_V2 = 0x00004000,
    SMB2_SHAREFLAG_ENCRYPT_DATA = 0x00008000,
    SMB2_SHAREFLAG_IDENTITY_REMOTING = 0x00040000,
    SMB2_SHAREFLAG_COMPRESS_DATA = 0x00100000,
    SMB2_SHAREFLAG_ISOLATED_TRANSPORT = 0x00200000,
};

enum {
    SMB2_SHARE_CAP_DFS = 0x00000008,
    SMB2_SHARE_CAP_CONTINUOUS_AVAILABILITY = 0x00000010,
    SMB2_SHARE_CAP_SCALEOUT = 0x00000020,
    SMB2_SHARE_CAP_CLUSTER = 0x00000040,
    SMB2_SHARE_CAP_ASYMMETRIC = 0x00000080,
    SMB2_SHARE_CAP_REDIRECT_TO_OWNER = 0x00000100,
};

struct smb_tree_connect_req {
    uint16_t flags;    /* meaningful in 3.1.1 only */
    struct slice path; /* borrowed UTF-16LE \\server\share, even length, possibly empty */
};

/* Flags are honoured only when `dialect_311`: the field is reserved otherwise. The contexts of an
 * extension (2.2.9.1) are skipped: we never offer SMB2_SHAREFLAG_IDENTITY_REMOTING. */
ntstatus smb_tree_connect_decode(struct slice msg, bool dialect_311,
                                 struct smb_tree_connect_req *out);
/* The part of \\server\share after the last backslash, and before it the server; false when the
 * path is not of that form. UTF-16LE, borrowed. */
bool smb_tree_path_split(struct slice path, struct slice *server, struct slice *share);

struct smb_tree_connect_rsp {
    uint8_t share_type;
    uint32_t share_flags;
    uint32_t capabilities;
    uint32_t maximal_access;
};

void smb_tree_connect_encode(struct writer *w, const struct smb_tree_connect_rsp *rsp);
