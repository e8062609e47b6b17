#include "proto/smb/lock.h"

#include "proto/base/must.h"
#include "proto/smb/wire.h"

/* StructureSize counts one element, but the elements begin behind 24 bytes (2.2.26). */
enum { LOCK_REQ = 48, ELEMENT_SIZE = 24 };

ntstatus smb_lock_decode(struct slice msg, struct smb_lock_req *out)
{
    struct reader r = smb_body(msg, LOCK_REQ);
    struct smb_lock_req req = {0};
    req.count = read_u16(&r);
    uint32_t sequence = read_u32(&r);
    req.sequence_number = sequence & 0xF;
    req.sequence_index = sequence >> 4;
    req.file_id = read_file_id(&r);
    if (req.count == 0 || req.count > SMB_LOCKS_MAX)
        return STATUS_INVALID_PARAMETER;
    req.locks = read_slice(&r, (size_t)req.count * ELEMENT_SIZE);

    if (r.bad)
        return STATUS_INVALID_PARAMETER;
    *out = req;
    return STATUS_OK;
}

struct smb_lock_element smb_lock_at(const struct smb_lock_req *req, uint16_t index)
{
    must(index < req->count);
    struct reader r = reader_of(req->locks);
    struct smb_lock_element e = {0};
    read_skip(&r, (size_t)index * ELEMENT_SIZE);
    e.offset = read_u64(&r);
    e.length = read_u64(&r);
    e.flags = read_u32(&r);
    must(!r.bad);
    return e;
}
