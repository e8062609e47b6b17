/* Requests that sleep, here or at the coordinator, and CANCEL ([MS-SMB2] 3.3.5.16). */
#include "node/smb/smb_int.h"

static void cancel(struct smb *s, uint64_t cancel_id)
{
    Fl__Command *c = smb_command(s);
    Fl__Cancel *body = c != NULL ? arena_alloc(&s->step, sizeof(*body)) : NULL;
    if (body == NULL)
        return; /* it waits until what it waits for has come */
    fl__cancel__init(body);
    body->cancel_id = cancel_id;
    c->body_case = FL__COMMAND__BODY_CANCEL;
    c->cancel = body;
    smb_meta_forget(s, c);
}

void request_cancel_meta(struct smb *s, const struct smb_request *r)
{
    must(r->meta_waits);
    cancel(s, handle_pack(r->op));
}

void request_meta_waits(struct smb *s, uint64_t token)
{
    struct smb_request *r = table_get(&s->ops, handle_unpack(token));
    if (r == NULL || r->wait != WAIT_META) {
        cancel(s, token); /* given up, or its client has gone */
        return;
    }
    const struct smb_open *o = request_its_open(s, r);
    bool lock = r->header.command == SMB2_LOCK;
    r->meta_waits = true;
    r->give_up_ns = lock ? DEADLINE_NEVER : s->now_ns + SMB_WAIT_NS;
    if (r->cancelled)
        request_cancel_meta(s, r);
    if (lock && o != NULL && o->closing)
        request_wake_later(s, r, STATUS_RANGE_NOT_LOCKED);
    if (r->interim_ns != DEADLINE_NEVER)
        r->interim_ns = s->now_ns;
    request_on_timer(s, r);
}

bool request_waits_for_lock(const struct smb_request *r)
{
    return r->sm.state == REQUEST_WAITING && r->wait == WAIT_META && r->meta_waits &&
           r->header.command == SMB2_LOCK;
}

static bool is_target(const struct smb_request *r, const struct smb_request *cancel_)
{
    if (r == cancel_)
        return false;
    if ((cancel_->header.flags & SMB2_FLAGS_ASYNC_COMMAND) != 0)
        return r->async_id != 0 && r->async_id == cancel_->header.async_id;
    return r->header.message_id == cancel_->header.message_id;
}

/* No reply, whatever happens. Only what sleeps can be cancelled, here or at the coordinator: an
 * operation that has begun is carried through. */
void cmd_cancel(struct smb *s, struct smb_request *r)
{
    list_each (link, &r->conn->requests) {
        struct smb_request *other = container_of(link, struct smb_request, conn_link);
        bool asleep = other->sm.state == REQUEST_PARKED || other->sm.state == REQUEST_HELD;
        bool waits = other->sm.state == REQUEST_WAITING && other->wait == WAIT_META;
        if (!is_target(other, r))
            continue;
        if (asleep)
            request_wake_later(s, other, STATUS_CANCELLED);
        else if (waits && other->meta_waits)
            request_cancel_meta(s, other);
        else
            other->cancelled = true;
        break;
    }
    request_no_reply(s, r);
}
