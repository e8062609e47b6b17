#include "proto/smb/dir.h"

#include "proto/smb/wire.h"

enum { QUERY_DIRECTORY_REQ = 33, OUTPUT_RSP = 9 };

ntstatus smb_query_directory_decode(struct slice msg, struct smb_query_directory_req *out)
{
    struct reader r = smb_body(msg, QUERY_DIRECTORY_REQ);
    struct smb_query_directory_req req = {0};
    req.info_class = read_u8(&r);
    req.flags = read_u8(&r);
    req.file_index = read_u32(&r);
    req.file_id = read_file_id(&r);
    uint16_t off = read_u16(&r);
    uint16_t len = read_u16(&r);
    req.output_length = read_u32(&r);
    req.pattern = smb_buffer(&r, off, len);

    if (r.bad || req.pattern.len % 2 != 0)
        return STATUS_INVALID_PARAMETER;
    *out = req;
    return STATUS_OK;
}

void smb_query_directory_encode(struct writer *w, struct slice output)
{
    write_u16(w, OUTPUT_RSP);
    write_u16(w, output.len > 0 ? SMB_HEADER_SIZE + 8 : 0);
    write_u32(w, smb_len32(output));
    write_bytes(w, output);
}
