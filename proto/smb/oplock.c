#include "proto/smb/oplock.h"

#include "proto/smb/wire.h"

enum { OPLOCK_BREAK = 24, LEASE_ACK = 36, LEASE_BREAK = 44, LEASE_KEY_SIZE = 16 };

static ntstatus decode_oplock_ack(struct slice msg, struct smb_break_ack *out)
{
    struct reader r = smb_body(msg, OPLOCK_BREAK);
    struct smb_break_ack ack = {0};
    ack.oplock_level = read_u8(&r);
    read_skip(&r, 1 + 4);
    ack.file_id = read_file_id(&r);

    if (r.bad)
        return STATUS_INVALID_PARAMETER;
    *out = ack;
    return STATUS_OK;
}

static ntstatus decode_lease_ack(struct slice msg, struct smb_break_ack *out)
{
    struct reader r = smb_body(msg, LEASE_ACK);
    struct smb_break_ack ack = {.is_lease = true};
    read_skip(&r, 2 + 4);
    read_copy(&r, ack.lease_key, sizeof(ack.lease_key));
    ack.lease_state = read_u32(&r);
    read_skip(&r, 8); /* LeaseDuration */

    if (r.bad)
        return STATUS_INVALID_PARAMETER;
    *out = ack;
    return STATUS_OK;
}

ntstatus smb_break_ack_decode(struct slice msg, struct smb_break_ack *out)
{
    struct reader r = reader_of(msg);
    read_skip(&r, SMB_HEADER_SIZE);
    uint16_t size = read_u16(&r);
    if (r.bad)
        return STATUS_INVALID_PARAMETER;
    return size == LEASE_ACK ? decode_lease_ack(msg, out) : decode_oplock_ack(msg, out);
}

void smb_oplock_break_encode(struct writer *w, uint8_t oplock_level, struct smb_file_id file_id)
{
    write_u16(w, OPLOCK_BREAK);
    write_u8(w, oplock_level);
    write_u8(w, 0);
    write_u32(w, 0);
    write_file_id(w, file_id);
}

void smb_lease_break_encode(struct writer *w, const struct smb_lease_break *brk)
{
    write_u16(w, LEASE_BREAK);
    write_u16(w, brk->new_epoch);
    write_u32(w, brk->flags);
    write_bytes(w, slice_of(brk->lease_key, LEASE_KEY_SIZE));
    write_u32(w, brk->current_state);
    write_u32(w, brk->new_state);
    write_zeros(w, 4 + 4 + 4); /* BreakReason, AccessMaskHint, ShareMaskHint */
}

void smb_lease_break_rsp_encode(struct writer *w, const uint8_t lease_key[16], uint32_t state)
{
    write_u16(w, LEASE_ACK);
    write_u16(w, 0);
    write_u32(w, 0);
    write_bytes(w, slice_of(lease_key, LEASE_KEY_SIZE));
    write_u32(w, state);
    write_u64(w, 0); /* LeaseDuration */
}
