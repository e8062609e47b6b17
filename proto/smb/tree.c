#include "proto/smb/tree.h"

#include "proto/smb/wire.h"

enum { TREE_CONNECT_REQ = 9, TREE_CONNECT_RSP = 16, EXTENSION_SIZE = 16 };

ntstatus smb_tree_connect_decode(struct slice msg, bool dialect_311,
                                 struct smb_tree_connect_req *out)
{
    struct reader r = smb_body(msg, TREE_CONNECT_REQ);
    struct smb_tree_connect_req req = {0};
    uint16_t flags = read_u16(&r);
    uint16_t off = read_u16(&r);
    uint16_t len = read_u16(&r);
    if (dialect_311)
        req.flags = flags;
    if (req.flags & SMB2_TREE_CONNECT_FLAG_EXTENSION_PRESENT)
        read_skip(&r, EXTENSION_SIZE); /* 2.2.9.1: the path stands behind it */
    req.path = smb_buffer(&r, off, len);

    if (r.bad || req.path.len % 2 != 0)
        return STATUS_INVALID_PARAMETER;
    *out = req;
    return STATUS_OK;
}

/* The index of the first backslash at or after byte `from`, or the length. */
static size_t find_backslash(struct slice path, size_t from)
{
    size_t i = from;
    while (i + 1 < path.len && (path.at[i] != '\\' || path.at[i + 1] != 0))
        i += 2;
    return i;
}

bool smb_tree_path_split(struct slice path, struct slice *server, struct slice *share)
{
    enum { PREFIX = 4 }; /* two backslashes */
    if (path.len % 2 != 0 || path.len < PREFIX || find_backslash(path, 0) != 0 ||
        find_backslash(path, 2) != 2)
        return false;
    size_t middle = find_backslash(path, PREFIX);
    if (middle == PREFIX || middle + 2 >= path.len)
        return false;
    size_t from = middle + 2;
    if (find_backslash(path, from) != path.len)
        return false;
    *server = slice_sub(path, PREFIX, middle - PREFIX);
    *share = slice_sub(path, from, path.len - from);
    return true;
}

void smb_tree_connect_encode(struct writer *w, const struct smb_tree_connect_rsp *rsp)
{
    write_u16(w, TREE_CONNECT_RSP);
    write_u8(w, rsp->share_type);
    write_u8(w, 0);
    write_u32(w, rsp->share_flags);
    write_u32(w, rsp->capabilities);
    write_u32(w, rsp->maximal_access);
}
