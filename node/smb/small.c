/* ECHO: a command of a few lines. */
#include "node/smb/smb_int.h"

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
