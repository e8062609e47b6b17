/* The decoders of bodies that have no variable part. */
#include "proto/smb/create.h"
#include "proto/smb/data.h"
#include "proto/smb/notify.h"
#include "proto/smb/oplock.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    struct slice msg = slice_of(copy, size);
    struct smb_close_req close;
    struct smb_flush_req flush;
    struct smb_change_notify_req notify;
    struct smb_break_ack ack;
    (void)smb_close_decode(msg, &close);
    (void)smb_flush_decode(msg, &flush);
    (void)smb_change_notify_decode(msg, &notify);
    (void)smb_break_ack_decode(msg, &ack);
    (void)smb_empty_decode(msg);
    free(copy);
    return 0;
}
