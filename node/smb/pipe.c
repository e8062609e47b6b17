/* IPC$: named pipes whose other end is proto/rpc ([MS-SMB2] 3.3.5.9, 3.3.5.12, 3.3.5.13, 3.3.5.15).
 *
 *   WRITE, TRANSCEIVE ──► rpc_pipe_feed ──► a call ──► rpc_pipe_answer ──┬──► answered: on
 *                                             ▲                          └──► order: rpc_carry_out
 *                                             └── outcome, at once or by META ◄──┘
 *
 * A WRITE is answered when all calls in it are, so its answers are there for the READ that follows.
 * A READ of an empty pipe sleeps until there is something. */
#include "node/smb/pipe.h"

#include "node/smb/files.h"
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

/* ---- CREATE and CLOSE ----------------------------------------------------------------------- */

static ntstatus connect_pipe(struct smb *s, struct smb_request *r, const struct smb_create_req *req,
                             struct smb_open **out)
{
    if (req->name.len > (size_t)2 * PIPE_NAME_UNITS_MAX)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    const char *name = utf16_to_utf8(req->name, &r->arena);
    if (name == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (rpc_service_find(name) == NULL)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    struct rpc_pipe *pipe = rpc_pipe_new(s->mem, name);
    struct smb_open *o = pipe != NULL ? open_new(s, r->tree, NULL) : NULL;
    if (o == NULL) {
        rpc_pipe_free(pipe);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    o->pipe = pipe;
    if (!open_set_path(s, o, req->name)) {
        open_finish(s, o);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
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

/* ---- READ ---------------------------------------------------------------------------------------
 */

/* The next message, or what fits of it. */
static void read_message(struct smb *s, struct smb_request *r)
{
    const struct smb_read_req *req = r->scratch;
    struct smb_open *o = request_its_open(s, r);
    uint32_t max = req->length < PIPE_READ_MAX ? req->length : PIPE_READ_MAX;
    uint8_t *bytes = arena_alloc(&r->arena, (size_t)max + 1);
    if (o == NULL || bytes == NULL) {
        request_fail(s, r, o == NULL ? STATUS_FILE_CLOSED : STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    struct writer data = writer_of(bytes, max);
    size_t more = 0;
    ntstatus status = rpc_pipe_read(o->pipe, &data, max, &more);
    bool may_sleep = status == STATUS_PIPE_EMPTY && r->last_part && r->async_id == 0;
    if (may_sleep && r->conn->parked >= SMB_PARKED_MAX) {
        status = STATUS_INSUFFICIENT_RESOURCES; /* [MS-SMB2] 3.3.4.2 */
    } else if (may_sleep) {
        r->on_idle = read_message;
        request_park(s, r);
        return;
    }
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

void pipe_read(struct smb *s, struct smb_request *r)
{
    struct smb_read_req *req = request_new(r, struct smb_read_req);
    struct smb_open *o;
    ntstatus status =
        req == NULL ? STATUS_INSUFFICIENT_RESOURCES : smb_read_decode(r->message, req);
    if (status == STATUS_OK)
        status = request_open(s, r, req->file_id, &o);
    r->scratch = req;
    if (status == STATUS_OK)
        read_message(s, r);
    else
        request_fail(s, r, status);
}

/* A sleeping READ for each message that waits, oldest first. */
static void wake_readers(struct smb *s, struct smb_open *o)
{
    size_t available;
    uint32_t messages;
    rpc_pipe_peek(o->pipe, &available, &messages);
    list_each (link, &o->requests) {
        struct smb_request *r = container_of(link, struct smb_request, open_link);
        if (messages > 0 && r->sm.state == REQUEST_PARKED) {
            messages--;
            request_wake_later(s, r, STATUS_OK);
        }
    }
}

/* ---- WRITE and transactions ---------------------------------------------------------------------
 */

/* What a WRITE or a transaction has brought; its `scratch`. */
struct pipe_work {
    struct slice data; /* not fed yet; within the frame */
    uint32_t count;
    bool transceive;
    struct smb_ioctl_req ioctl;
};

static void reply_written(struct smb *s, struct smb_request *r, const struct pipe_work *work)
{
    struct writer *w = request_writer(s, r, 32);
    if (w == NULL)
        return;
    smb_write_encode(w, &(struct smb_write_rsp){.count = work->count});
    request_reply(s, r, STATUS_OK);
}

static void reply_transceived(struct smb *s, struct smb_request *r, const struct pipe_work *work)
{
    uint32_t max = work->ioctl.max_output_response;
    if (max > PIPE_READ_MAX)
        max = PIPE_READ_MAX;
    uint8_t *bytes = arena_alloc(&r->arena, (size_t)max + 1);
    if (bytes == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    struct writer out = writer_of(bytes, max);
    ntstatus status = rpc_pipe_read(request_its_open(s, r)->pipe, &out, max, NULL);
    if (status_is_error(status))
        request_fail(s, r, status);
    else
        ioctl_reply(s, r, &work->ioctl, (struct ioctl_result){status, written(&out)});
}

static smb_meta_done on_order_done;

/* Feeds the pipe and answers its calls until all is done, or one waits for the cluster. */
static void pipe_run(struct smb *s, struct smb_request *r)
{
    struct pipe_work *work = r->scratch;
    struct smb_open *o = request_its_open(s, r);
    while (rpc_pipe_feed(o->pipe, &work->data)) {
        const struct rpc_facts *facts = rpc_facts_of(s, r);
        if (facts == NULL) {
            request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
            return;
        }
        struct rpc_outcome outcome;
        const struct rpc_order *order = rpc_pipe_answer(o->pipe, facts, NULL);
        if (order != NULL && !rpc_carry_out(s, r, order, &outcome, on_order_done))
            return;
        if (order != NULL)
            (void)rpc_pipe_answer(o->pipe, facts, &outcome);
    }
    ntstatus status = rpc_pipe_status(o->pipe);
    if (status != STATUS_OK)
        request_fail(s, r, status);
    else if (work->transceive)
        reply_transceived(s, r, work);
    else
        reply_written(s, r, work);
    wake_readers(s, o);
}

static void on_order_done(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    struct smb_open *o = request_its_open(s, r);
    const struct rpc_facts *facts = rpc_facts_of(s, r);
    const struct rpc_outcome outcome = {.status = reply->status};
    if (facts == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    (void)rpc_pipe_answer(o->pipe, facts, &outcome);
    pipe_run(s, r);
}

/* One at a time: what somebody writes while a call waits for the cluster comes after it. */
static void pipe_begin(struct smb *s, struct smb_request *r)
{
    const struct pipe_work *work = r->scratch;
    struct smb_open *o = request_its_open(s, r);
    size_t available;
    uint32_t messages;
    if (o == NULL || o->tree == NULL) {
        request_fail(s, r, STATUS_FILE_CLOSED);
        return;
    }
    if (table_get(&s->requests, o->pipe_user) != NULL) {
        open_wait(s, r, o, pipe_begin);
        return;
    }
    rpc_pipe_peek(o->pipe, &available, &messages);
    if (work->transceive && messages > 0) { /* [MS-FSA] 2.1.5.10.24 */
        request_fail(s, r, STATUS_PIPE_BUSY);
        return;
    }
    o->pipe_user = r->self;
    pipe_run(s, r);
}

void pipe_write(struct smb *s, struct smb_request *r)
{
    struct pipe_work *work = request_new(r, struct pipe_work);
    struct smb_write_req req;
    struct smb_open *o;
    ntstatus status =
        work == NULL ? STATUS_INSUFFICIENT_RESOURCES : smb_write_decode(r->message, &req);
    if (status == STATUS_OK)
        status = request_open(s, r, req.file_id, &o);
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    work->data = req.data;
    work->count = (uint32_t)req.data.len;
    r->scratch = work;
    pipe_begin(s, r);
}

static void transceive(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    struct pipe_work *work = request_new(r, struct pipe_work);
    if (work == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    *work = (struct pipe_work){.data = req->input, .transceive = true, .ioctl = *req};
    r->scratch = work;
    pipe_begin(s, r);
}

/* [MS-FSCC] 2.3.46: state, bytes and messages waiting, length of the first, and what fits of it. */
static void peek(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    enum { PIPE_CONNECTED_STATE = 3, PEEK_SIZE = 16 };
    size_t available = 0;
    uint32_t messages = 0, max = req->max_output_response;
    if (max < PEEK_SIZE) {
        request_fail(s, r, STATUS_INVALID_PARAMETER);
        return;
    }
    if (max > PIPE_READ_MAX)
        max = PIPE_READ_MAX;
    uint8_t *bytes = arena_alloc(&r->arena, max);
    if (bytes == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    const struct rpc_pipe *pipe = request_its_open(s, r)->pipe;
    rpc_pipe_peek(pipe, &available, &messages);
    struct writer w = writer_of(bytes, max);
    write_u32(&w, PIPE_CONNECTED_STATE);
    write_u32(&w, (uint32_t)available);
    write_u32(&w, messages);
    write_u32(&w, (uint32_t)available);
    rpc_pipe_look(pipe, &w, max - PEEK_SIZE);
    ntstatus status = available > max - PEEK_SIZE ? STATUS_BUFFER_OVERFLOW : STATUS_OK;
    ioctl_reply(s, r, req, (struct ioctl_result){status, written(&w)});
}

/* [MS-FSCC] 2.3.49: instances of these pipes are made when they are opened, so there always is one.
 */
static void wait_for_pipe(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    struct reader in = reader_of(req->input);
    read_skip(&in, 8);
    uint32_t len = read_u32(&in);
    read_skip(&in, 2);
    struct slice name = read_slice(&in, len);
    const char *text = in.bad || len % 2 != 0 ? NULL : utf16_to_utf8(name, &r->arena);
    if (text == NULL)
        request_fail(s, r, STATUS_INVALID_PARAMETER);
    else if (rpc_service_find(text) == NULL)
        request_fail(s, r, STATUS_OBJECT_NAME_NOT_FOUND);
    else
        ioctl_reply(s, r, req, (struct ioctl_result){STATUS_OK, {0}});
}

void pipe_ioctl(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    if (req->code == FSCTL_PIPE_WAIT)
        wait_for_pipe(s, r, req);
    else if (req->code == FSCTL_PIPE_TRANSCEIVE)
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
