/* IPC$: named pipes whose other end is proto/rpc ([MS-SMB2] 3.3.5.9, 3.3.5.12, 3.3.5.13,
 * 3.3.5.15.3). All calls are answered from the cluster's configuration, so nothing here waits. */
#include "node/smb/smb_int.h"

#include "proto/rpc/pipe.h"
#include "proto/smb/create.h"
#include "proto/smb/data.h"
#include "proto/smb/fscc.h"
#include "proto/smb/info.h"
#include "proto/smb/ioctl.h"

/* Bytes of one read; a message of a pipe is at most one RPC fragment. */
#define PIPE_READ_MAX 65536u
/* FileId.Persistent of pipes, kept apart from those the coordinator gives out. */
#define PIPE_ID_BASE (UINT64_C(1) << 63)
#define PIPE_NAME_UNITS_MAX 64u

/* What the calls are answered from. NULL without memory. */
static struct srvsvc_source *gather(struct smb *s, struct smb_request *r)
{
    size_t count = s->cluster != NULL ? s->cluster->n_shares : 0;
    struct srvsvc_source *source = request_new(r, struct srvsvc_source);
    struct srvsvc_share *shares = arena_array(&r->arena, count + 1, sizeof(*shares));
    if (source == NULL || shares == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const Fl__Share *share = s->cluster->shares[i];
        shares[i] = (struct srvsvc_share){
            .name = slice_str(share->name),
            .comment = slice_str(share->comment),
            .path = slice_str(share->path),
            .type = STYPE_DISKTREE,
            .flags_1005 = share->encrypt ? SHI1005_FLAGS_ENCRYPT_DATA : 0,
        };
    }
    shares[count] = (struct srvsvc_share){
        .name = slice_str("IPC$"),
        .comment = slice_str("Remote IPC"),
        .type = STYPE_IPC | STYPE_SPECIAL,
    };
    *source = (struct srvsvc_source){
        .server_name = slice_str(s->config->server_name),
        .shares = shares,
        .share_count = (uint32_t)count + 1,
        .administrator = r->session->security.administrator,
    };
    return source;
}

/* ---- CREATE and CLOSE ----------------------------------------------------------------------- */

static ntstatus connect_pipe(struct smb *s, struct smb_request *r, const struct smb_create_req *req,
                             struct smb_open **out)
{
    if (req->name.len > (size_t)2 * PIPE_NAME_UNITS_MAX)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    const char *name = utf16_to_utf8(req->name, &r->arena);
    if (name == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (!rpc_pipe_known(name))
        return STATUS_OBJECT_NAME_NOT_FOUND;
    struct rpc_pipe *pipe = rpc_pipe_new(s->mem, name);
    struct smb_open *o = pipe != NULL ? open_new(s, r->tree, NULL) : NULL;
    if (o == NULL) {
        rpc_pipe_free(pipe);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    o->pipe = pipe;
    o->open_id = PIPE_ID_BASE | s->next_pipe_id++;
    o->granted_access = access_map_generic(req->desired_access);
    *out = o;
    return STATUS_OK;
}

void pipe_create(struct smb *s, struct smb_request *r)
{
    struct smb_create_req req;
    struct smb_open *o = NULL;
    ntstatus status = smb_create_decode(r->message, &req);
    if (status == STATUS_OK)
        status = connect_pipe(s, r, &req, &o);
    struct writer *w = status == STATUS_OK ? request_writer(s, r, 128) : NULL;
    if (w == NULL) {
        if (o != NULL)
            open_finish(s, o);
        if (status != STATUS_OK)
            request_fail(s, r, status);
        return;
    }
    struct smb_create_rsp rsp = {
        .action = FILE_OPENED,
        .facts = {.attributes = FILE_ATTRIBUTE_NORMAL},
        .file_id = {o->open_id, handle_pack(o->self)},
    };
    request_set_open(s, r, o);
    smb_create_encode(w, &rsp);
    request_reply(s, r, STATUS_OK);
}

void pipe_free(struct smb *s, struct smb_open *o)
{
    (void)s;
    rpc_pipe_free(o->pipe);
    o->pipe = NULL;
}

static void close_idle(struct smb *s, struct smb_request *r)
{
    struct writer *w = request_writer(s, r, 64);
    if (w == NULL)
        return;
    smb_close_encode(w, &(struct smb_close_rsp){0});
    request_reply(s, r, STATUS_OK); /* the open ends with this part: open_idle sees to it */
}

void pipe_close(struct smb *s, struct smb_request *r)
{
    struct smb_close_req req;
    struct smb_open *o;
    ntstatus status = smb_close_decode(r->message, &req);
    if (status == STATUS_OK)
        status = request_open(s, r, req.file_id, &o);
    if (status == STATUS_OK)
        request_wait_idle(s, r, o, close_idle);
    else
        request_fail(s, r, status);
}

/* ---- READ, WRITE and transactions ----------------------------------------------------------- */

void pipe_read(struct smb *s, struct smb_request *r)
{
    struct smb_read_req req;
    struct smb_open *o;
    ntstatus status = smb_read_decode(r->message, &req);
    if (status == STATUS_OK)
        status = request_open(s, r, req.file_id, &o);
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    uint32_t max = req.length < PIPE_READ_MAX ? req.length : PIPE_READ_MAX;
    uint8_t *bytes = arena_alloc(&r->arena, (size_t)max + 1);
    if (bytes == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    struct writer data = writer_of(bytes, max);
    size_t more = 0;
    status = rpc_pipe_read(o->pipe, &data, max, &more);
    if (status_is_error(status)) {
        request_fail(s, r, status);
        return;
    }
    struct writer *w = request_writer(s, r, SMB_READ_RSP_SIZE + data.pos);
    if (w == NULL)
        return;
    struct smb_read_rsp rsp = {(uint32_t)data.pos, (uint32_t)more};
    smb_read_encode(w, &rsp);
    write_bytes(w, written(&data));
    request_reply(s, r, status);
}

void pipe_write(struct smb *s, struct smb_request *r)
{
    struct smb_write_req req;
    struct smb_open *o;
    ntstatus status = smb_write_decode(r->message, &req);
    if (status == STATUS_OK)
        status = request_open(s, r, req.file_id, &o);
    const struct srvsvc_source *source = status == STATUS_OK ? gather(s, r) : NULL;
    if (status == STATUS_OK && source == NULL)
        status = STATUS_INSUFFICIENT_RESOURCES;
    if (status == STATUS_OK)
        status = rpc_pipe_write(o->pipe, req.data, source);
    struct writer *w = status == STATUS_OK ? request_writer(s, r, 32) : NULL;
    if (w == NULL) {
        if (status != STATUS_OK)
            request_fail(s, r, status);
        return;
    }
    smb_write_encode(w, &(struct smb_write_rsp){.count = (uint32_t)req.data.len});
    request_reply(s, r, STATUS_OK);
}

static void transceive(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    uint32_t max = req->max_output_response;
    if (max > PIPE_READ_MAX)
        max = PIPE_READ_MAX;
    const struct srvsvc_source *source = gather(s, r);
    uint8_t *bytes = arena_alloc(&r->arena, (size_t)max + 1);
    if (source == NULL || bytes == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    struct writer out = writer_of(bytes, max);
    struct smb_open *o = request_its_open(s, r);
    ntstatus status = rpc_pipe_transceive(o->pipe, req->input, source, &out, max);
    if (status_is_error(status))
        request_fail(s, r, status);
    else
        ioctl_reply(s, r, req, (struct ioctl_result){status, written(&out)});
}

/* [MS-FSCC] 2.3.46: state, bytes and messages waiting, length of the first. */
static void peek(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    enum { PIPE_CONNECTED_STATE = 3, PEEK_SIZE = 16 };
    uint8_t bytes[PEEK_SIZE];
    size_t available = 0;
    uint32_t messages = 0;
    if (req->max_output_response < PEEK_SIZE) {
        request_fail(s, r, STATUS_INVALID_PARAMETER);
        return;
    }
    rpc_pipe_peek(request_its_open(s, r)->pipe, &available, &messages);
    struct writer w = writer_of(bytes, sizeof(bytes));
    write_u32(&w, PIPE_CONNECTED_STATE);
    write_u32(&w, (uint32_t)available);
    write_u32(&w, messages);
    write_u32(&w, (uint32_t)available);
    ioctl_reply(s, r, req, (struct ioctl_result){STATUS_OK, written(&w)});
}

void pipe_ioctl(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    if (req->code == FSCTL_PIPE_TRANSCEIVE)
        transceive(s, r, req);
    else if (req->code == FSCTL_PIPE_PEEK)
        peek(s, r, req);
    else
        request_fail(s, r, STATUS_INVALID_DEVICE_REQUEST);
}

/* ---- what files can and pipes cannot -------------------------------------------------------- */

void pipe_flush(struct smb *s, struct smb_request *r)
{
    struct smb_flush_req req;
    struct smb_open *o;
    ntstatus status = smb_flush_decode(r->message, &req);
    if (status == STATUS_OK)
        status = request_open(s, r, req.file_id, &o);
    struct writer *w = status == STATUS_OK ? request_writer(s, r, 4) : NULL;
    if (w == NULL) {
        if (status != STATUS_OK)
            request_fail(s, r, status);
        return;
    }
    smb_empty_encode(w); /* every write was delivered when it was answered */
    request_reply(s, r, STATUS_OK);
}

void pipe_query_info(struct smb *s, struct smb_request *r)
{
    enum { STANDARD_SIZE = 24 };
    struct smb_query_info_req req;
    struct smb_open *o;
    ntstatus status = smb_query_info_decode(r->message, &req);
    if (status == STATUS_OK)
        status = request_open(s, r, req.file_id, &o);
    if (status == STATUS_OK &&
        (req.info_type != SMB2_0_INFO_FILE || req.info_class != FILE_STANDARD_INFORMATION))
        status = STATUS_NOT_SUPPORTED;
    if (status == STATUS_OK && req.output_length < STANDARD_SIZE)
        status = STATUS_INFO_LENGTH_MISMATCH;
    struct writer *w = status == STATUS_OK ? request_writer(s, r, 64) : NULL;
    if (w == NULL) {
        if (status != STATUS_OK)
            request_fail(s, r, status);
        return;
    }
    uint8_t bytes[STANDARD_SIZE];
    struct writer out = writer_of(bytes, sizeof(bytes)); /* [MS-FSCC] 2.4.47 */
    write_u64(&out, 4096);
    write_u64(&out, 0);
    write_u32(&out, 1);
    write_u8(&out, 1); /* DeletePending: a pipe goes with its last handle */
    write_u8(&out, 0);
    write_u16(&out, 0);
    smb_query_info_encode(w, written(&out));
    request_reply(s, r, STATUS_OK);
}

void pipe_set_info(struct smb *s, struct smb_request *r)
{
    struct smb_set_info_req req;
    struct smb_open *o;
    ntstatus status = smb_set_info_decode(r->message, &req);
    if (status == STATUS_OK)
        status = request_open(s, r, req.file_id, &o);
    bool known = status == STATUS_OK && req.info_type == SMB2_0_INFO_FILE &&
                 req.info_class == FILE_PIPE_INFORMATION;
    struct writer *w = known ? request_writer(s, r, 8) : NULL;
    if (w == NULL) {
        if (!known)
            request_fail(s, r, status != STATUS_OK ? status : STATUS_NOT_SUPPORTED);
        return;
    }
    smb_set_info_encode(w); /* [MS-FSCC] 2.4.37: message mode is what a pipe is in anyway */
    request_reply(s, r, STATUS_OK);
}

void pipe_refuse(struct smb *s, struct smb_request *r) { request_fail(s, r, STATUS_NOT_SUPPORTED); }
