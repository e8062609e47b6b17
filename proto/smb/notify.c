#include "proto/smb/notify.h"

#include "proto/base/must.h"
#include "proto/smb/dir.h"
#include "proto/smb/wire.h"

enum { CHANGE_NOTIFY_REQ = 32, ENTRY_HEAD = 12 };

ntstatus smb_change_notify_decode(struct slice msg, struct smb_change_notify_req *out)
{
    struct reader r = smb_body(msg, CHANGE_NOTIFY_REQ);
    struct smb_change_notify_req req = {0};
    req.flags = read_u16(&r);
    req.output_length = read_u32(&r);
    req.file_id = read_file_id(&r);
    req.filter = read_u32(&r);

    if (r.bad)
        return STATUS_INVALID_PARAMETER;
    *out = req;
    return STATUS_OK;
}

void smb_change_notify_encode(struct writer *w, struct slice output)
{
    smb_query_directory_encode(w, output);
}

/* ---- the list ------------------------------------------------------------------------------ */

/* An entry begins at a multiple of four bytes. */
size_t notify_list_grown(size_t len, size_t name_len)
{
    return ((len + 3) & ~(size_t)3) + ENTRY_HEAD + name_len;
}

void notify_list_add(uint8_t *list, size_t *len, size_t *last, uint32_t action, struct slice name)
{
    struct writer w = writer_of(list, notify_list_grown(*len, name.len));
    must(*last <= *len);
    w.pos = *len;
    write_align(&w, 4);
    size_t at = w.pos;
    if (at > 0)
        patch_u32(&w, *last, (uint32_t)(at - *last)); /* NextEntryOffset of the one before */
    write_u32(&w, 0);
    write_u32(&w, action);
    write_u32(&w, (uint32_t)name.len);
    write_bytes(&w, name);
    must(!w.full);
    *last = at;
    *len = w.pos;
}
