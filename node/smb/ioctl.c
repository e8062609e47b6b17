/* IOCTL ([MS-SMB2] 3.3.5.15): VALIDATE_NEGOTIATE_INFO, pipe transactions, and the proper refusal
 * of all others. */
#include "node/smb/channel.h"

#include "proto/smb/ioctl.h"
#include "proto/smb/negotiate.h"

void ioctl_reply(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req,
                 struct ioctl_result result)
{
    struct writer *w = request_writer(s, r, 64 + result.output.len);
    if (w == NULL)
        return;
    struct smb_ioctl_rsp rsp = {req->code, req->file_id, result.output};
    smb_ioctl_encode(w, &rsp);
    request_reply(s, r, result.status);
}

/* 3.3.5.15: codes that concern the connection and name no file. */
static bool is_fileless(uint32_t code)
{
    return code == FSCTL_DFS_GET_REFERRALS || code == FSCTL_DFS_GET_REFERRALS_EX ||
           code == FSCTL_QUERY_NETWORK_INTERFACE_INFO || code == FSCTL_VALIDATE_NEGOTIATE_INFO ||
           code == FSCTL_PIPE_WAIT;
}

/* ---- 3.3.5.15.12 ---------------------------------------------------------------------------- */

/* NULL when what the client remembers is what arrived here; else somebody in between changed it. */
static const char *validate_fault(const struct smb_conn *c, const struct smb_ioctl_req *req,
                                  const struct smb_validate_req *v)
{
    if (c->dialect == SMB_DIALECT_311)
        return "VALIDATE_NEGOTIATE_INFO in 3.1.1";
    if (req->max_output_response < SMB_VALIDATE_RSP_SIZE)
        return "VALIDATE_NEGOTIATE_INFO without room for the answer";
    if (!slice_equal(v->dialects.bytes, slice_of(c->client_dialects, c->client_dialects_len)))
        return "VALIDATE_NEGOTIATE_INFO: other dialects";
    if (smb_dialect_choose(v->dialects, SMB_DIALECT_202, SMB_DIALECT_311) != c->dialect)
        return "VALIDATE_NEGOTIATE_INFO: another dialect";
    if (memcmp(v->client_guid, c->client_guid, sizeof(c->client_guid)) != 0)
        return "VALIDATE_NEGOTIATE_INFO: another client";
    if (v->security_mode != c->client_security_mode)
        return "VALIDATE_NEGOTIATE_INFO: another security mode";
    if (v->capabilities != c->client_capabilities)
        return "VALIDATE_NEGOTIATE_INFO: other capabilities";
    return NULL;
}

static void validate_negotiate(struct smb *s, struct smb_request *r,
                               const struct smb_ioctl_req *req)
{
    const struct smb_conn *c = r->conn;
    struct smb_validate_req v;
    ntstatus status = smb_validate_decode(req->input, &v);
    const char *fault =
        status == STATUS_OK ? validate_fault(c, req, &v) : "VALIDATE_NEGOTIATE_INFO: malformed";
    if (fault != NULL) {
        request_disconnect(s, r, fault);
        return;
    }
    struct smb_validate_rsp rsp = {
        .capabilities = c->capabilities,
        .security_mode = c->server_security_mode,
        .dialect = c->dialect,
    };
    memcpy(rsp.server_guid, s->config->server_guid, sizeof(rsp.server_guid));
    uint8_t bytes[SMB_VALIDATE_RSP_SIZE];
    struct writer w = writer_of(bytes, sizeof(bytes));
    smb_validate_encode(&w, &rsp);
    ioctl_reply(s, r, req, (struct ioctl_result){STATUS_OK, written(&w)});
}

/* ---- object ids ------------------------------------------------------------------------------ */

/* [MS-FSCC] 2.1.3.1: an id that never changes and that no other file has: the file's number in its
 * volume in its cluster. So every file has one, and none needs to be kept. */
static void object_id(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    enum { OBJECT_ID_SIZE = 64 };
    uint8_t bytes[OBJECT_ID_SIZE];
    const struct smb_open *o = request_its_open(s, r);
    if (req->max_output_response < OBJECT_ID_SIZE) {
        request_fail(s, r, STATUS_INVALID_PARAMETER);
        return;
    }
    struct writer w = writer_of(bytes, sizeof(bytes));
    write_u64(&w, o->inode->inode);
    write_u64(&w, o->inode->file.volume);
    write_bytes(&w, s->cluster != NULL && s->cluster->cluster_id.len == 16
                        ? pb_slice(s->cluster->cluster_id)
                        : slice_of(s->config->server_guid, 16));
    write_u64(&w, o->inode->inode);
    write_u64(&w, o->inode->file.volume);
    write_zeros(&w, 16);
    ioctl_reply(s, r, req, (struct ioctl_result){STATUS_OK, written(&w)});
}

/* ---- refusals ------------------------------------------------------------------------------- */

static ntstatus refusal(uint32_t code)
{
    switch (code) {
    case FSCTL_DFS_GET_REFERRALS:
    case FSCTL_DFS_GET_REFERRALS_EX:
        return STATUS_FS_DRIVER_REQUIRED; /* 3.3.5.15.2: not DFS capable */
    case FSCTL_PIPE_TRANSCEIVE:           /* 3.3.5.15.3, 3.3.5.15.4: not a pipe */
    case FSCTL_PIPE_PEEK: return STATUS_NOT_SUPPORTED;
    case FSCTL_GET_REPARSE_POINT:
    case FSCTL_DELETE_REPARSE_POINT: return STATUS_NOT_A_REPARSE_POINT; /* no file is one */
    default: /* <381>: known or not, the file system does not do it */
        return STATUS_INVALID_DEVICE_REQUEST;
    }
}

static ntstatus check(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    struct smb_open *o;
    if (req->flags != SMB2_0_IOCTL_IS_FSCTL)
        return STATUS_NOT_SUPPORTED;
    if (is_fileless(req->code)) {
        if (!smb_file_id_is_related(req->file_id))
            return STATUS_INVALID_PARAMETER;
    } else {
        ntstatus status = request_open(s, r, req->file_id, &o);
        if (status != STATUS_OK)
            return status;
    }
    uint32_t max = r->conn->io_max;
    if (req->input.len > max || req->max_input_response > max || req->max_output_response > max)
        return STATUS_INVALID_PARAMETER;
    uint64_t wanted = (uint64_t)req->max_input_response + req->max_output_response;
    if (!request_paid(r, wanted > req->input.len ? wanted : req->input.len))
        return STATUS_INVALID_PARAMETER;
    return STATUS_OK;
}

void cmd_ioctl(struct smb *s, struct smb_request *r)
{
    struct smb_ioctl_req req;
    ntstatus status = smb_ioctl_decode(r->message, &req);
    if (status == STATUS_OK)
        status = check(s, r, &req);
    if (status != STATUS_OK)
        request_fail(s, r, status);
    else if (req.code == FSCTL_VALIDATE_NEGOTIATE_INFO)
        validate_negotiate(s, r, &req);
    else if (req.code == FSCTL_QUERY_NETWORK_INTERFACE_INFO)
        interfaces_ioctl(s, r, &req);
    else if (r->tree->ipc && !is_fileless(req.code))
        pipe_ioctl(s, r, &req);
    else if (req.code == FSCTL_CREATE_OR_GET_OBJECT_ID || req.code == FSCTL_GET_OBJECT_ID)
        object_id(s, r, &req);
    else
        request_fail(s, r, refusal(req.code));
}
