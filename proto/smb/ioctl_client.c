#include "proto/smb/ioctl_client.h"

#include "proto/smb/wire.h"

enum { IOCTL_REQ = 57, IOCTL_RSP = 49, IOCTL_REQ_HEAD = SMB_HEADER_SIZE + IOCTL_REQ - 1 };

void smb_ioctl_req_encode(struct writer *w, const struct smb_ioctl_req *req)
{
    write_u16(w, IOCTL_REQ);
    write_u16(w, 0);
    write_u32(w, req->code);
    write_file_id(w, req->file_id);
    write_u32(w, IOCTL_REQ_HEAD);
    write_u32(w, smb_len32(req->input));
    write_u32(w, req->max_input_response);
    write_u32(w, 0); /* OutputOffset, OutputCount */
    write_u32(w, 0);
    write_u32(w, req->max_output_response);
    write_u32(w, SMB2_0_IOCTL_IS_FSCTL);
    write_u32(w, 0);
    write_bytes(w, req->input);
}

ntstatus smb_ioctl_answer_decode(struct slice msg, struct slice *output)
{
    struct reader r = smb_body(msg, IOCTL_RSP);
    read_skip(&r, 2 + 4);
    (void)read_file_id(&r);
    read_skip(&r, 8);
    uint32_t off = read_u32(&r);
    uint32_t len = read_u32(&r);
    read_skip(&r, 8);
    struct slice out = smb_buffer(&r, off, len);

    if (r.bad)
        return STATUS_INVALID_NETWORK_RESPONSE;
    *output = out;
    return STATUS_OK;
}
