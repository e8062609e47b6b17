/* Reparse points: set, read and removed by their owners, and told to who meets one on his way
 * ([MS-SMB2] 2.2.2.2.1). None is followed here. */
#include "node/smb/bulk.h"

#include "proto/smb/error.h"
#include "proto/smb/ioctl.h"
#include "proto/smb/reparse.h"

static const Fl__ReparseReply *body_of(const Fl__Reply *reply)
{
    return reply->body_case == FL__REPLY__BODY_REPARSE ? reply->reparse : NULL;
}

/* ---- met on the way -------------------------------------------------------------------------- */

void reparse_stopped(struct smb *s, struct smb_request *r, const Fl__Reply *reply,
                     struct slice name)
{
    const Fl__ReparseReply *met = body_of(reply);
    struct reparse point;
    struct reparse_symlink link;
    if (met == NULL || met->parsed > name.len) {
        request_fail(s, r, STATUS_FILE_NOT_AVAILABLE); /* the answer was forgotten: ask again */
        return;
    }
    bool leads = reparse_decode(pb_slice(met->data), &point) == STATUS_OK &&
                 point.tag == IO_REPARSE_TAG_SYMLINK && reparse_symlink_decode(&point, &link);
    if (!leads) { /* of an owner that is not here */
        request_fail(s, r, STATUS_IO_REPARSE_TAG_NOT_HANDLED);
        return;
    }
    size_t room = 64 + link.substitute_name.len + link.print_name.len;
    struct writer w = writer_of(arena_alloc(&r->arena, room), room);
    if (w.at == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    struct smb_symlink_error error = {.unparsed_length = (uint16_t)(name.len - met->parsed),
                                      .relative = link.relative,
                                      .substitute_name = link.substitute_name,
                                      .print_name = link.print_name};
    smb_symlink_error_write(&w, &error);
    request_fail_data(s, r, STATUS_STOPPED_ON_SYMLINK, written(&w));
}

/* ---- FSCTLs ---------------------------------------------------------------------------------- */

/* What the reply needs of the request. */
static struct smb_ioctl_req *keep(struct smb *s, struct smb_request *r,
                                  const struct smb_ioctl_req *req)
{
    struct smb_ioctl_req *kept = request_new(r, struct smb_ioctl_req);
    if (kept == NULL)
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
    else
        *kept = *req;
    r->scratch = kept;
    return kept;
}

static void was_set(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    if (reply->status == STATUS_OK)
        ioctl_reply_empty(s, r, r->scratch);
    else
        request_fail(s, r, reply_failure(reply));
}

void reparse_set(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    Fl__Command *c = keep(s, r, req) != NULL ? request_command(s, r) : NULL;
    if (c == NULL)
        return;
    Fl__SetReparse *set = request_new(r, Fl__SetReparse);
    if (set == NULL || req->input.len > REPARSE_BYTES_MAX) {
        request_fail(s, r,
                     set == NULL ? STATUS_INSUFFICIENT_RESOURCES : STATUS_IO_REPARSE_DATA_INVALID);
        return;
    }
    fl__set_reparse__init(set);
    set->open_id = request_its_open(s, r)->open_id;
    set->data = borrowed(req->input);
    set->token = r->session->token;
    c->body_case = FL__COMMAND__BODY_SET_REPARSE;
    c->set_reparse = set;
    request_meta(s, r, c, was_set);
}

void reparse_delete(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    Fl__Command *c = keep(s, r, req) != NULL ? request_command(s, r) : NULL;
    if (c == NULL)
        return;
    Fl__DeleteReparse *delete = request_new(r, Fl__DeleteReparse);
    if (delete == NULL || req->input.len > REPARSE_BYTES_MAX) {
        request_fail(
            s, r, delete == NULL ? STATUS_INSUFFICIENT_RESOURCES : STATUS_IO_REPARSE_DATA_INVALID);
        return;
    }
    fl__delete_reparse__init(delete);
    delete->open_id = request_its_open(s, r)->open_id;
    delete->data = borrowed(req->input);
    c->body_case = FL__COMMAND__BODY_DELETE_REPARSE;
    c->delete_reparse = delete;
    request_meta(s, r, c, was_set);
}

/* [MS-FSA] 2.1.5.10.24 */
static void is(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    const struct smb_ioctl_req *req = r->scratch;
    const Fl__ReparseReply *body = body_of(reply);
    if (reply->status != STATUS_OK || body == NULL) {
        request_fail(s, r, reply_failure(reply));
        return;
    }
    struct slice data = pb_slice(body->data);
    if (req->max_output_response < reparse_head(data)) {
        request_fail(s, r, STATUS_BUFFER_TOO_SMALL);
        return;
    }
    bool fits = data.len <= req->max_output_response;
    ioctl_reply(s, r, req,
                (struct ioctl_result){
                    fits ? STATUS_OK : STATUS_BUFFER_OVERFLOW,
                    fits ? data : slice_sub(data, 0, req->max_output_response),
                });
}

void reparse_get(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    Fl__Query *q = keep(s, r, req) != NULL ? request_query_new(s, r) : NULL;
    if (q == NULL)
        return;
    Fl__QueryReparse *ask = request_new(r, Fl__QueryReparse);
    if (ask == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    fl__query_reparse__init(ask);
    ask->open_id = request_its_open(s, r)->open_id;
    q->body_case = FL__QUERY__BODY_REPARSE;
    q->reparse = ask;
    request_query(s, r, q, is);
}
