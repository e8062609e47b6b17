#pragma once
/* [MS-SMB2] 2.2.26 LOCK. The response is smb_empty_encode. */
#include "proto/smb/header.h"

enum {
    SMB2_LOCKFLAG_SHARED_LOCK = 0x00000001,
    SMB2_LOCKFLAG_EXCLUSIVE_LOCK = 0x00000002,
    SMB2_LOCKFLAG_UNLOCK = 0x00000004,
    SMB2_LOCKFLAG_FAIL_IMMEDIATELY = 0x00000010,
};

/* More would not fit into 64 KiB, the most a client may send in one credit. */
enum { SMB_LOCKS_MAX = 2048 };

struct smb_lock_element {
    uint64_t offset, length;
    uint32_t flags; /* any value a stranger wrote */
};

struct smb_lock_req {
    uint8_t sequence_number; /* 4 bits: LockSequenceNumber */
    uint32_t sequence_index; /* 28 bits: LockSequenceIndex; valid 1..64 */
    struct smb_file_id file_id;
    uint16_t count;     /* at least 1, at most SMB_LOCKS_MAX */
    struct slice locks; /* borrowed; smb_lock_at reads it */
};

/* LockCount 0 and a list that leaves the message: STATUS_INVALID_PARAMETER. */
ntstatus smb_lock_decode(struct slice msg, struct smb_lock_req *out);
/* Element `index` < count of a decoded request. */
struct smb_lock_element smb_lock_at(const struct smb_lock_req *req, uint16_t index);
