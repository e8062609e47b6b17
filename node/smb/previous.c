#include "node/smb/previous.h"

#include "proto/cluster/session_id.h"

static struct smb_previous *previous_new(struct smb *s)
{
    struct smb_previous *p = pool_get(&s->previous_pool);
    if (p == NULL)
        return NULL;
    p->self = table_add(&s->previous, p);
    must(!handle_none(p->self)); /* the table is as large as the pool */
    p->left = 1;
    return p;
}

static void previous_free(struct smb *s, struct smb_previous *p)
{
    (void)table_remove(&s->previous, p->self);
    pool_put(&s->previous_pool, p);
}

/* Behind the closes of the session's opens, so that whoever hears of it finds them done. Without
 * memory nothing is said, and the other node waits out its time. */
static void tell_ended(struct smb *s, uint32_t asker, uint64_t ticket)
{
    Fl__Command *c = smb_command(s);
    Fl__SessionEnded *body = c != NULL ? arena_alloc(&s->step, sizeof(*body)) : NULL;
    if (body == NULL)
        return;
    fl__session_ended__init(body);
    body->asker = asker;
    body->ticket = ticket;
    c->body_case = FL__COMMAND__BODY_SESSION_ENDED;
    c->session_ended = body;
    smb_meta_forget(s, c);
}

void previous_hold(struct smb *s, handle at)
{
    struct smb_previous *p = table_get(&s->previous, at);
    if (p != NULL)
        p->left++;
}

void previous_release(struct smb *s, handle at)
{
    struct smb_previous *p = table_get(&s->previous, at);
    if (p == NULL)
        return;
    must(p->left > 0);
    if (--p->left > 0)
        return;
    struct smb_request *r = table_get(&s->requests, p->request);
    if (r != NULL && r->sm.state == REQUEST_WAITING && r->wait == WAIT_PREVIOUS)
        request_wake_later(s, r, STATUS_OK);
    if (p->asker != 0)
        tell_ended(s, p->asker, p->ticket);
    previous_free(s, p);
}

void previous_forget(struct smb *s, struct smb_request *r)
{
    struct smb_previous *p = table_get(&s->previous, r->previous);
    r->previous = (handle){0};
    if (p == NULL)
        return;
    p->request = (handle){0};
    if (p->remote)
        previous_free(s, p); /* an answer finds nobody */
}

/* Who wants to end a session must be its user; else he learns nothing of it. */
static struct smb_session *session_of(struct smb *s, uint64_t id, struct slice user)
{
    struct smb_session *session = map_get_u64(&s->session_by_id, id);
    if (session == NULL || session->token == NULL || !slice_equal(session->security.user, user))
        return NULL;
    return session;
}

static void end(struct smb *s, struct smb_session *session, const struct smb_previous *p)
{
    trace_put(&s->trace, "session.replaced", session->id, p->asker, p->ticket);
    session->previous = p->self; /* the one hold there is so far is the session's */
    session_doom(s, session);
}

static bool is_up(const struct smb *s, uint64_t session_id)
{
    for (size_t i = 0; s->cluster != NULL && i < s->cluster->n_nodes; i++)
        if (session_id_names(session_id, s->cluster->nodes[i]->id))
            return s->cluster->nodes[i]->state == FL__NODE_STATE__NODE_UP;
    return false;
}

static bool ask(struct smb *s, const struct smb_session *now, uint64_t id, handle ticket)
{
    Fl__Command *c = smb_command(s);
    Fl__EndSession *body = c != NULL ? arena_alloc(&s->step, sizeof(*body)) : NULL;
    if (body == NULL)
        return false;
    fl__end_session__init(body);
    body->session_id = id;
    body->user_sid = pb_bytes(now->security.user);
    body->ticket = handle_pack(ticket);
    c->body_case = FL__COMMAND__BODY_END_SESSION;
    c->end_session = body;
    smb_meta_forget(s, c);
    return true;
}

bool previous_end(struct smb *s, struct smb_request *r, uint64_t session_id, smb_resume *then)
{
    struct smb_session *now = r->session;
    bool here = session_id_names(session_id, s->node_id);
    struct smb_session *old = session_of(s, session_id, now->security.user);
    if (session_id == 0 || old == now || (old == NULL && (here || !is_up(s, session_id))))
        return false;
    struct smb_previous *p = previous_new(s);
    if (p == NULL) {
        if (old != NULL)
            session_doom(s, old); /* nobody can wait for it, yet it ends */
        return false;
    }
    p->request = r->self;
    p->remote = old == NULL;
    if (p->remote && !ask(s, now, session_id, p->self)) {
        previous_free(s, p);
        return false;
    }
    r->previous = p->self;
    r->on_idle = then;
    sm_move(&r->sm, REQUEST_WAITING);
    request_wait(s, r, WAIT_PREVIOUS, s->now_ns + PREVIOUS_NS);
    if (old != NULL)
        end(s, old, p);
    return true;
}

void previous_asked(struct smb *s, const struct smb_event *ev)
{
    struct smb_session *old = session_of(s, ev->session_end.session_id, ev->session_end.user_sid);
    struct smb_previous *p = old != NULL ? previous_new(s) : NULL;
    if (p == NULL) {
        if (old != NULL)
            session_doom(s, old);
        tell_ended(s, ev->session_end.asker, ev->session_end.ticket);
        return;
    }
    p->asker = ev->session_end.asker;
    p->ticket = ev->session_end.ticket;
    end(s, old, p);
}

void previous_answered(struct smb *s, uint64_t ticket)
{
    struct smb_previous *p = table_get(&s->previous, handle_unpack(ticket));
    if (p != NULL && p->remote)
        previous_release(s, p->self);
}
