/* IOCTL ([MS-SMB2] 3.3.5.15): VALIDATE_NEGOTIATE_INFO, object ids, the way to all others, and the
 * proper refusal of what there is not. */
#include "node/smb/bulk.h"
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

void ioctl_reply_empty(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    ioctl_reply(s, r, req, (struct ioctl_result){STATUS_OK, {0}});
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

/* ---- compression ----------------------------------------------------------------------------- */

/* [MS-FSCC] 2.3.18, 2.3.67: there is none, which can be asked for and had. As ReFS. */
static void get_compression(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    static const uint8_t none[2] = {0, 0};
    if (req->max_output_response < sizeof(none))
        request_fail(s, r, STATUS_INVALID_PARAMETER);
    else
        ioctl_reply(s, r, req, (struct ioctl_result){STATUS_OK, slice_of(none, sizeof(none))});
}

static void set_compression(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    enum { COMPRESSION_FORMAT_NONE, COMPRESSION_FORMAT_DEFAULT, COMPRESSION_FORMAT_LZNT1 };
    struct reader in = reader_of(req->input);
    uint16_t format = read_u16(&in);
    if (in.bad || format > COMPRESSION_FORMAT_LZNT1)
        request_fail(s, r, STATUS_INVALID_PARAMETER);
    else if (format != COMPRESSION_FORMAT_NONE)
        request_fail(s, r, STATUS_NOT_SUPPORTED);
    else
        ioctl_reply_empty(s, r, req);
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

/* Codes of files, each with its own handler. */
static bulk_ioctl *handler_of(uint32_t code)
{
    static const struct {
        uint32_t code;
        bulk_ioctl *run;
    } table[] = {
        {FSCTL_CREATE_OR_GET_OBJECT_ID, object_id},
        {FSCTL_GET_OBJECT_ID, object_id},
        {FSCTL_GET_COMPRESSION, get_compression},
        {FSCTL_SET_COMPRESSION, set_compression},
        {FSCTL_SET_REPARSE_POINT, reparse_set},
        {FSCTL_GET_REPARSE_POINT, reparse_get},
        {FSCTL_DELETE_REPARSE_POINT, reparse_delete},
        {FSCTL_SET_SPARSE, sparse_set},
        {FSCTL_SET_ZERO_DATA, sparse_zero_data},
        {FSCTL_QUERY_ALLOCATED_RANGES, sparse_query_ranges},
        {FSCTL_QUERY_FILE_REGIONS, sparse_query_regions},
        {FSCTL_FILE_LEVEL_TRIM, sparse_trim},
        {FSCTL_SRV_REQUEST_RESUME_KEY, copychunk_key},
        {FSCTL_SRV_COPYCHUNK, copychunk},
        {FSCTL_SRV_COPYCHUNK_WRITE, copychunk},
        {FSCTL_DUPLICATE_EXTENTS_TO_FILE, duplicate_extents},
        {FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX, duplicate_extents},
    };
    for (size_t i = 0; i < array_len(table); i++)
        if (table[i].code == code)
            return table[i].run;
    return NULL;
}

/* A code says itself which access its handle must have been opened with: bits 14 and 15, for what
 * the file systems serve (bits 16 and up are FILE_DEVICE_FILE_SYSTEM). */
static bool allowed(const struct smb_open *o, uint32_t code)
{
    enum { READ_ACCESS = 1u << 14, WRITE_ACCESS = 1u << 15, DEVICE_FILE_SYSTEM = 9 };
    if (code >> 16 != DEVICE_FILE_SYSTEM)
        return true;
    return ((code & READ_ACCESS) == 0 || (o->granted_access & FILE_READ_DATA) != 0) &&
           ((code & WRITE_ACCESS) == 0 || (o->granted_access & FILE_WRITE_DATA) != 0);
}

static void file_ioctl(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    bulk_ioctl *run = is_fileless(req->code) ? NULL : handler_of(req->code);
    if (run == NULL)
        request_fail(s, r, refusal(req->code));
    else if (!allowed(request_its_open(s, r), req->code))
        request_fail(s, r, STATUS_ACCESS_DENIED);
    else
        run(s, r, req);
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
    else if (r->tree->ipc && (!is_fileless(req.code) || req.code == FSCTL_PIPE_WAIT))
        pipe_ioctl(s, r, &req);
    else
        file_ioctl(s, r, &req);
}
