/* The one SMB1 message we understand: NEGOTIATE of a client that also speaks SMB2 ([MS-SMB2]
 * 3.3.5.3, [MS-CIFS] 2.2.4.52.1).
 *
 *   32-byte header | WordCount = 0 | ByteCount | { 0x02, dialect, 0 } ... */
#include "proto/smb/negotiate.h"
#include "proto/smb/wire.h"

enum { SMB1_HEADER_SIZE = 32, SMB_COM_NEGOTIATE = 0x72, DIALECT_FORMAT = 0x02 };

/* The bytes up to the next zero, which is consumed. */
static struct slice read_text(struct reader *r)
{
    size_t from = r->pos;
    while (!r->bad && read_u8(r) != 0)
        ;
    return r->bad ? (struct slice){0} : slice_sub(r->all, from, r->pos - from - 1);
}

ntstatus smb1_negotiate_decode(struct slice frame, struct smb1_negotiate *out)
{
    struct reader r = reader_of(frame);
    struct smb1_negotiate neg = {0};
    if (smb_frame_kind(frame) != SMB_FRAME_SMB1)
        return STATUS_INVALID_PARAMETER;
    read_skip(&r, 4);
    uint8_t command = read_u8(&r);
    read_skip(&r, SMB1_HEADER_SIZE - 5);
    uint8_t words = read_u8(&r);
    uint16_t bytes = read_u16(&r);
    struct reader dialects = reader_of(read_slice(&r, bytes));
    if (r.bad || words != 0)
        return STATUS_INVALID_PARAMETER;
    if (command != SMB_COM_NEGOTIATE)
        return STATUS_NOT_SUPPORTED;
    while (read_left(&dialects) > 0) {
        uint8_t format = read_u8(&dialects);
        struct slice name = read_text(&dialects);
        if (dialects.bad || format != DIALECT_FORMAT)
            return STATUS_INVALID_PARAMETER;
        neg.smb_2_002 |= slice_equal(name, slice_str("SMB 2.002"));
        neg.smb_2_wildcard |= slice_equal(name, slice_str("SMB 2.???"));
    }
    *out = neg;
    return STATUS_OK;
}
