#include "proto/smb/header.h"

#include "proto/base/must.h"
#include "proto/smb/wire.h"

enum { NEXT_COMMAND_POS = 20 };

bool smb_file_id_equal(struct smb_file_id a, struct smb_file_id b)
{
    return a.persistent == b.persistent && a.volatile_ == b.volatile_;
}

struct smb_file_id smb_file_id_related(void)
{
    return (struct smb_file_id){.persistent = UINT64_MAX, .volatile_ = UINT64_MAX};
}

bool smb_file_id_is_related(struct smb_file_id id)
{
    return smb_file_id_equal(id, smb_file_id_related());
}

/* ProtocolId: a byte that tells the kinds apart, then "SMB". */
static struct slice protocol_id(enum smb_frame kind)
{
    static const uint8_t ids[][4] = {
        [SMB_FRAME_SMB2] = {0xFE, 'S', 'M', 'B'},
        [SMB_FRAME_SMB1] = {0xFF, 'S', 'M', 'B'},
        [SMB_FRAME_TRANSFORM] = {0xFD, 'S', 'M', 'B'},
        [SMB_FRAME_COMPRESSED] = {0xFC, 'S', 'M', 'B'},
    };
    must((size_t)kind < array_len(ids));
    return slice_of(ids[kind], 4);
}

enum smb_frame smb_frame_kind(struct slice frame)
{
    if (frame.len < 4)
        return SMB_FRAME_OTHER;
    struct slice id = slice_sub(frame, 0, 4);
    for (enum smb_frame kind = SMB_FRAME_SMB2; kind < SMB_FRAME_OTHER; kind++)
        if (slice_equal(id, protocol_id(kind)))
            return kind;
    return SMB_FRAME_OTHER;
}

ntstatus smb_header_decode(struct slice msg, struct smb_header *out)
{
    struct reader r = reader_of(msg);
    struct smb_header h = {0};
    struct slice id = read_slice(&r, 4);
    uint16_t size = read_u16(&r);
    h.credit_charge = read_u16(&r);
    h.status = read_u32(&r);
    h.channel_sequence = (uint16_t)(h.status & 0xFFFF);
    h.command = read_u16(&r);
    h.credits = read_u16(&r);
    h.flags = read_u32(&r);
    h.next_command = read_u32(&r);
    h.message_id = read_u64(&r);
    uint64_t async_id = read_u64(&r);
    h.session_id = read_u64(&r);
    read_copy(&r, h.signature, sizeof(h.signature));

    if (r.bad || !slice_equal(id, protocol_id(SMB_FRAME_SMB2)) || size != SMB_HEADER_SIZE)
        return STATUS_INVALID_PARAMETER;
    if (h.flags & SMB2_FLAGS_ASYNC_COMMAND)
        h.async_id = async_id;
    else
        h.tree_id = (uint32_t)(async_id >> 32); /* behind 4 reserved bytes */
    *out = h;
    return STATUS_OK;
}

void smb_header_encode(struct writer *w, const struct smb_header *h)
{
    bool response = (h->flags & SMB2_FLAGS_SERVER_TO_REDIR) != 0;
    bool async = (h->flags & SMB2_FLAGS_ASYNC_COMMAND) != 0;
    write_bytes(w, protocol_id(SMB_FRAME_SMB2));
    write_u16(w, SMB_HEADER_SIZE);
    write_u16(w, h->credit_charge);
    write_u32(w, response ? h->status : h->channel_sequence);
    write_u16(w, h->command);
    write_u16(w, h->credits);
    write_u32(w, h->flags);
    write_u32(w, h->next_command);
    write_u64(w, h->message_id);
    write_u64(w, async ? h->async_id : (uint64_t)h->tree_id << 32);
    write_u64(w, h->session_id);
    write_bytes(w, slice_of(h->signature, sizeof(h->signature)));
}

struct smb_walk smb_walk_of(struct slice frame) { return (struct smb_walk){.frame = frame}; }

enum smb_walked smb_walk_next(struct smb_walk *walk, struct slice *msg, struct smb_header *h)
{
    if (walk->done)
        return SMB_WALK_END;
    struct reader r = reader_of(walk->frame);
    read_skip(&r, walk->pos);
    struct slice rest = read_rest(&r);
    struct smb_header header;
    walk->done = true;
    if (smb_header_decode(rest, &header) != STATUS_OK)
        return SMB_WALK_BAD;
    if (header.next_command != 0) {
        size_t next = header.next_command;
        /* 3.3.5.2.7: 8-byte aligned, behind this header, with room for the next one. */
        if (next % 8 != 0 || next < SMB_HEADER_SIZE || next > rest.len ||
            rest.len - next < SMB_HEADER_SIZE)
            return SMB_WALK_BAD;
        rest = slice_sub(rest, 0, next);
        walk->pos += next;
        walk->done = false;
    }
    *msg = rest;
    *h = header;
    return SMB_WALK_MESSAGE;
}

void smb_compound_link(struct writer *w, size_t header_pos)
{
    if (w->full)
        return;
    smb_pad8(w, header_pos);
    patch_u32(w, header_pos + NEXT_COMMAND_POS, smb_offset(w, header_pos));
}

ntstatus smb_empty_decode(struct slice msg)
{
    struct reader r = smb_body(msg, 4);
    return r.bad ? STATUS_INVALID_PARAMETER : STATUS_OK;
}

void smb_empty_encode(struct writer *w)
{
    write_u16(w, 4);
    write_u16(w, 0);
}
