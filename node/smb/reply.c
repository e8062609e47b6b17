/* How a part ends: its reply, an ERROR response, none at all, or the end of the connection. The
 * reply lies in the request's arena, with room before it for the transform header of a sealed
 * frame. */
#include "node/smb/smb_int.h"

#include "proto/smb/error.h"
#include "proto/smb/transform.h"

struct writer *request_writer(struct smb *s, struct smb_request *r, size_t body_max)
{
    must(r->sm.state == REQUEST_RUNNING);
    size_t size = SMB_TRANSFORM_SIZE + SMB_HEADER_SIZE + body_max;
    struct smb_part *p = request_new(r, struct smb_part);
    uint8_t *at = p != NULL && body_max <= SMB_REPLY_MAX ? arena_alloc(&r->arena, size) : NULL;
    if (at == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return NULL;
    }
    r->part = p;
    r->reply = writer_of(at + SMB_TRANSFORM_SIZE, size - SMB_TRANSFORM_SIZE);
    write_zeros(&r->reply, SMB_HEADER_SIZE);
    return &r->reply;
}

static void append_part(struct smb_request *r, ntstatus status)
{
    struct smb_part *p = r->part;
    p->head = r->reply.at;
    p->head_len = r->reply.pos;
    if (r->parts_last != NULL)
        r->parts_last->next = p;
    else
        r->parts = p;
    r->parts_last = p;
    r->status = status;
    sm_move(&r->sm, REQUEST_REPLIED);
}

/* An ERROR response in memory of its own, so that even an exhausted arena can say so. */
static void error_part(struct smb *s, struct smb_request *r, ntstatus status, struct slice data)
{
    bool v311 = r->conn->dialect == SMB_DIALECT_311;
    size_t room = SMB_HEADER_SIZE + 32 + data.len;
    struct smb_part *p = request_new(r, struct smb_part);
    uint8_t *at = p != NULL ? arena_alloc(&r->arena, SMB_TRANSFORM_SIZE + room) : NULL;
    if (at == NULL) {
        request_disconnect(s, r, "no memory for a reply");
        return;
    }
    r->part = p;
    r->reply = writer_of(at + SMB_TRANSFORM_SIZE, room);
    write_zeros(&r->reply, SMB_HEADER_SIZE);
    if (data.len == 0)
        smb_error_encode(&r->reply);
    else
        smb_error_data_encode(&r->reply, v311, SMB2_ERROR_ID_DEFAULT, data);
    must(!r->reply.full);
    append_part(r, status);
}

void request_reply(struct smb *s, struct smb_request *r, ntstatus status)
{
    must(r->part != NULL);
    if (r->reply.full) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    append_part(r, status);
}

void request_reply_buffer(struct smb *s, struct smb_request *r, ntstatus status,
                          const struct smb_io_result *io, size_t len)
{
    must(len <= io->len);
    must(handle_equal(io->buf, r->io_buf));
    must(!r->reply.full);
    if (len > 0) {
        r->part->body = io->at;
        r->part->body_len = len;
        r->part->buf = io->buf;
        r->io_buf = (handle){0};
    }
    request_reply(s, r, status);
}

void request_fail(struct smb *s, struct smb_request *r, ntstatus status)
{
    error_part(s, r, status, (struct slice){0});
}

void request_fail_data(struct smb *s, struct smb_request *r, ntstatus status, struct slice data)
{
    error_part(s, r, status, data);
}

void request_no_reply(struct smb *s, struct smb_request *r)
{
    (void)s;
    r->part = NULL;
    sm_move(&r->sm, REQUEST_REPLIED);
}

void request_disconnect(struct smb *s, struct smb_request *r, const char *why)
{
    conn_doom(s, r->conn, why);
    request_finish(s, r);
}
