#include "proto/smb/transform.h"

#include "proto/base/must.h"
#include "proto/smb/header.h"

static const uint8_t transform_id[4] = {0xFD, 'S', 'M', 'B'};

ntstatus smb_transform_decode(struct slice frame, struct smb_transform *out)
{
    struct reader r = reader_of(frame);
    struct smb_transform t = {0};
    struct slice id = read_slice(&r, sizeof(transform_id));
    read_copy(&r, t.signature, sizeof(t.signature));
    read_copy(&r, t.nonce, sizeof(t.nonce));
    t.original_size = read_u32(&r);
    read_skip(&r, 2);
    t.flags = read_u16(&r);
    t.session_id = read_u64(&r);
    t.aad = read_at(&r, SMB_TRANSFORM_AAD_POS, SMB_TRANSFORM_AAD_SIZE);
    t.body = read_rest(&r);

    if (r.bad || !slice_equal(id, slice_of(transform_id, sizeof(transform_id))))
        return STATUS_INVALID_PARAMETER;
    /* 3.3.5.2.1.1: the size must be that of an SMB2 message and what was received. */
    if (t.original_size != t.body.len || t.body.len < SMB_HEADER_SIZE)
        return STATUS_INVALID_PARAMETER;
    if (t.flags != SMB_TRANSFORM_ENCRYPTED)
        return STATUS_INVALID_PARAMETER;
    *out = t;
    return STATUS_OK;
}

void smb_transform_encode(struct writer *w, const struct smb_transform *t)
{
    write_bytes(w, slice_of(transform_id, sizeof(transform_id)));
    write_bytes(w, slice_of(t->signature, sizeof(t->signature)));
    write_bytes(w, slice_of(t->nonce, sizeof(t->nonce)));
    write_u32(w, t->original_size);
    write_u16(w, 0);
    write_u16(w, t->flags);
    write_u64(w, t->session_id);
}
