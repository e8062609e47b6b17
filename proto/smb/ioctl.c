#include "proto/smb/ioctl.h"

#include "proto/base/must.h"
#include "proto/smb/wire.h"

enum { IOCTL_REQ = 57, IOCTL_RSP = 49, SOCKADDR_STORAGE_SIZE = 128 };
enum { FAMILY_INTER_NETWORK = 0x0002, FAMILY_INTER_NETWORK_V6 = 0x0017 };

ntstatus smb_ioctl_decode(struct slice msg, struct smb_ioctl_req *out)
{
    struct reader r = smb_body(msg, IOCTL_REQ);
    struct smb_ioctl_req req = {0};
    read_skip(&r, 2);
    req.code = read_u32(&r);
    req.file_id = read_file_id(&r);
    uint32_t input_off = read_u32(&r);
    uint32_t input_len = read_u32(&r);
    req.max_input_response = read_u32(&r);
    uint32_t output_off = read_u32(&r);
    uint32_t output_len = read_u32(&r);
    req.max_output_response = read_u32(&r);
    req.flags = read_u32(&r);
    read_skip(&r, 4);
    req.input = smb_buffer(&r, input_off, input_len);
    (void)smb_buffer(&r, output_off, output_len); /* unused, yet it must lie inside (3.3.5.15) */

    if (r.bad)
        return STATUS_INVALID_PARAMETER;
    *out = req;
    return STATUS_OK;
}

void smb_ioctl_encode(struct writer *w, const struct smb_ioctl_rsp *rsp)
{
    write_u16(w, IOCTL_RSP);
    write_u16(w, 0);
    write_u32(w, rsp->code);
    write_file_id(w, rsp->file_id);
    write_u32(w, SMB_HEADER_SIZE + IOCTL_RSP - 1);
    write_u32(w, 0);
    write_u32(w, SMB_HEADER_SIZE + IOCTL_RSP - 1);
    write_u32(w, smb_len32(rsp->output));
    write_u32(w, 0);
    write_u32(w, 0);
    write_bytes(w, rsp->output);
}

ntstatus smb_validate_decode(struct slice input, struct smb_validate_req *out)
{
    struct reader r = reader_of(input);
    struct smb_validate_req req = {0};
    req.capabilities = read_u32(&r);
    read_copy(&r, req.client_guid, sizeof(req.client_guid));
    req.security_mode = read_u16(&r);
    uint16_t count = read_u16(&r);
    req.dialects.bytes = read_slice(&r, (size_t)count * 2);

    if (r.bad)
        return STATUS_INVALID_PARAMETER;
    *out = req;
    return STATUS_OK;
}

void smb_validate_encode(struct writer *w, const struct smb_validate_rsp *rsp)
{
    write_u32(w, rsp->capabilities);
    write_bytes(w, slice_of(rsp->server_guid, sizeof(rsp->server_guid)));
    write_u16(w, rsp->security_mode);
    write_u16(w, rsp->dialect);
}

void smb_interface_encode(struct writer *w, const struct smb_interface *itf, bool last)
{
    enum { V4_SIZE = 4, V6_SIZE = 16 };
    write_u32(w, last ? 0 : SMB_INTERFACE_SIZE);
    write_u32(w, itf->index);
    write_u32(w, itf->capability);
    write_u32(w, 0);
    write_u64(w, itf->link_speed);
    write_u16(w, itf->is_v6 ? FAMILY_INTER_NETWORK_V6 : FAMILY_INTER_NETWORK);
    write_u16(w, 0); /* Port */
    if (itf->is_v6)
        write_u32(w, 0); /* FlowInfo */
    size_t size = itf->is_v6 ? V6_SIZE : V4_SIZE;
    write_bytes(w, slice_of(itf->address, size));
    write_zeros(w, SOCKADDR_STORAGE_SIZE - 2 - 2 - (itf->is_v6 ? 4u : 0u) - size);
}
