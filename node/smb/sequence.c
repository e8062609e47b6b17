/* Channel sequence numbers ([MS-SMB2] 3.3.5.2.10).
 *
 * A client that loses a channel counts its ChannelSequence up and sends what had no answer again.
 * What it had sent by the lost channel may still be on its way here; so that the old does not land
 * upon the new, what would change a file and bears an older number, or is a replay while older ones
 * are under way, is refused. */
#include "node/smb/channel.h"

/* Commands that an older number stops. */
static bool changes(uint16_t command)
{
    return command == SMB2_WRITE || command == SMB2_SET_INFO || command == SMB2_IOCTL;
}

static ntstatus refuse(const struct smb_request *r)
{
    return changes(r->header.command) ? STATUS_FILE_NOT_AVAILABLE : STATUS_OK;
}

static void count(struct smb_request *r, struct smb_open *o)
{
    o->outstanding++;
    r->sequence = o->sequence_round;
    r->in_sequence = true;
}

ntstatus sequence_begin(struct smb_request *r, struct smb_open *o)
{
    if (r->conn->dialect < SMB_DIALECT_300)
        return STATUS_OK;
    bool replay = (r->header.flags & SMB2_FLAGS_REPLAY_OPERATION) != 0;
    uint16_t ahead = (uint16_t)(r->header.channel_sequence - o->channel_sequence);
    if (ahead > 0x7FFF)
        return refuse(r);
    if (ahead > 0) {
        o->outstanding_before += o->outstanding;
        o->outstanding = 0;
        o->channel_sequence = r->header.channel_sequence;
        o->sequence_round++; /* the number itself wraps, and may come back to what it was */
    }
    if (replay && o->outstanding_before > 0)
        return refuse(r);
    count(r, o);
    return STATUS_OK;
}

void sequence_end(struct smb_request *r, struct smb_open *o)
{
    if (!r->in_sequence)
        return;
    r->in_sequence = false;
    uint32_t *n = r->sequence == o->sequence_round ? &o->outstanding : &o->outstanding_before;
    must(*n > 0);
    (*n)--;
}
