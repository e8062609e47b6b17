#pragma once
/* [MS-SMB2] 2.2.23 to 2.2.25: breaks of oplocks and leases: notifications that go out unasked
 * (MessageId SMB_MESSAGE_ID_UNSOLICITED), acknowledgements, and their responses. One command
 * carries both; StructureSize tells them apart. Lease states (SMB2_LEASE_*) are in create_ctx.h. */
#include "proto/smb/header.h"

enum { SMB2_NOTIFY_BREAK_LEASE_FLAG_ACK_REQUIRED = 0x01 };

struct smb_break_ack {
    bool is_lease;
    uint8_t oplock_level;       /* !is_lease */
    struct smb_file_id file_id; /* !is_lease */
    uint8_t lease_key[16];      /* is_lease */
    uint32_t lease_state;       /* is_lease */
};

ntstatus smb_break_ack_decode(struct slice msg, struct smb_break_ack *out);

/* 2.2.23.1 and 2.2.25.1 have the same body: notification, or response to an acknowledgement. */
void smb_oplock_break_encode(struct writer *w, uint8_t oplock_level, struct smb_file_id file_id);

struct smb_lease_break {
    uint16_t new_epoch; /* 0 unless a lease of version 2 */
    uint32_t flags;
    uint8_t lease_key[16];
    uint32_t current_state, new_state;
};

void smb_lease_break_encode(struct writer *w, const struct smb_lease_break *brk);
/* The response to a lease break acknowledgement. */
void smb_lease_break_rsp_encode(struct writer *w, const uint8_t lease_key[16], uint32_t state);
