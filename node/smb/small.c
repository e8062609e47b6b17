/* Commands of a few lines: ECHO, OPLOCK_BREAK. */
#include "node/smb/smb_int.h"

#include "proto/smb/dtyp.h"
#include "proto/smb/oplock.h"

/* [MS-SMB2] 3.3.5.17 */
void cmd_echo(struct smb *s, struct smb_request *r)
{
    ntstatus status = smb_empty_decode(r->message);
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    struct writer *w = request_writer(s, r, 4);
    if (w == NULL)
        return;
    smb_empty_encode(w);
    request_reply(s, r, STATUS_OK);
}

/* [MS-SMB2] 3.3.5.22: no oplock and no lease is ever granted, so none is breaking. */
void cmd_oplock_break(struct smb *s, struct smb_request *r)
{
    struct smb_break_ack ack;
    struct smb_open *o;
    ntstatus status = smb_break_ack_decode(r->message, &ack);
    if (status == STATUS_OK && ack.is_lease)
        status = STATUS_OBJECT_NAME_NOT_FOUND; /* 3.3.5.22.2 */
    else if (status == STATUS_OK)
        status = request_open(s, r, ack.file_id, &o);
    request_fail(s, r, status == STATUS_OK ? STATUS_INVALID_DEVICE_STATE : status);
}
