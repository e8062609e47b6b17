/* smb_check(): what must hold between any two steps. */
#include "node/smb/channel.h"
#include "node/smb/previous.h"
#include "node/smb/notify.h"

static uint32_t count_list(const struct list *l)
{
    uint32_t n = 0;
    for (const struct list *it = l->next; it != l; it = it->next)
        n++;
    return n;
}

static void check_open(const struct smb *s, struct smb_open *o)
{
    uint32_t busy = 0;
    list_each (link, &o->requests) {
        struct smb_request *r = container_of(link, struct smb_request, open_link);
        must(handle_equal(r->open_at, o->self));
        must(r->sm.state != REQUEST_DONE);
        busy += r->sm.state != REQUEST_PARKED;
    }
    must(busy == o->busy);
    must((o->pipe == NULL) == (o->inode != NULL));
    if (o->inode != NULL) {
        must(o->inode->opens > 0);
        must(o->inode->ticket_count == 0 || o->inode->writes_busy > 0);
    }
    watch_check(s, o);
    if (o->tree == NULL)
        must(o->closing); /* its tree is gone: it ends when it is idle */
    if (o->closing && o->busy == 0)
        must(!list_empty(&o->work)); /* nobody would come back to it */
    must(table_get(&s->opens, o->self) == o);
}

static void check_request(const struct smb *s, struct smb_request *r)
{
    enum smb_request_state state = (enum smb_request_state)r->sm.state;
    must(state != REQUEST_NEXT); /* those last no longer than a step */
    must(state != REQUEST_RUNNING);
    must(state != REQUEST_REPLIED);
    if (state == REQUEST_DONE) {
        must(r->conn == NULL);
        must(handle_none(r->op));
        return;
    }
    if (r->conn == NULL) {
        must(state == REQUEST_WAITING); /* an orphan: replication still has its bytes */
        must(r->wait == WAIT_IO);
    }
    bool asks = state == REQUEST_WAITING && r->wait != WAIT_IDLE && r->wait != WAIT_PREVIOUS;
    must(handle_none(r->op) == !asks);
    if (asks)
        must(table_get(&s->ops, r->op) == r);
    if (state == REQUEST_PARKED)
        must(handle_none(r->frame));
    if (r->size_held)
        must(!handle_none(r->open_at));
}

static void check_conn(struct smb_conn *c)
{
    must(c->sm.state != CONN_CLOSING);
    must(c->request_count == count_list(&c->requests));
    must(c->channel_count == count_list(&c->channels));
    uint32_t bound = 0;
    list_each (link, &c->channels) {
        const struct smb_channel *ch = container_of(link, struct smb_channel, conn_link);
        must(ch->conn == c);
        bound += ch->bound;
    }
    must(c->bound_count == bound);
    must(c->parked <= c->request_count);
    must(c->parked <= SMB_PARKED_MAX);
    window_check(&c->window);
    if (c->sm.state == CONN_READY)
        must(c->dialect != 0);
    else
        must(c->channel_count == 0);
}

static void check_channels(const struct smb_session *session)
{
    uint32_t bound = 0, count = 0;
    list_each (link, &session->channels) {
        const struct smb_channel *ch = container_of(link, struct smb_channel, session_link);
        must(ch->session == session);
        must(ch->bound || ch->sign_key == NULL);
        must(ch->bound || session->token != NULL || session->channel_count == 1);
        must(!ch->auth_busy || ch->auth_context != 0);
        bound += ch->bound;
        count++;
    }
    must(count == session->channel_count);
    must(count <= SMB_CHANNELS_MAX);
    must((session->token != NULL) == (bound > 0)); /* the last channel takes the session along */
}

static void check_session(const struct smb_session *session)
{
    must(session->sm.state != SESSION_GONE);
    check_channels(session);
    must(session->tree_count == count_list(&session->trees));
    if (session->token == NULL) { /* who has not logged on has nothing */
        must(session->sm.state == SESSION_IN_PROGRESS);
        must(session->tree_count == 0);
        must(session->sign_key == NULL);
    } else {
        must(session->sign_key != NULL);
        must(!session->encrypt || session->seal_key != NULL);
    }
}

static void check_tree(const struct smb_tree *t)
{
    must(!t->gone);
    must(t->session != NULL);
    must(t->open_count == count_list(&t->opens));
}

void smb_check(const struct smb *s)
{
    handle at = {0};
    void *object;
    while ((object = table_next(&s->conns, &at)) != NULL)
        check_conn(object);
    at = (handle){0};
    while ((object = table_next(&s->sessions, &at)) != NULL)
        check_session(object);
    at = (handle){0};
    while ((object = table_next(&s->trees, &at)) != NULL)
        check_tree(object);
    at = (handle){0};
    while ((object = table_next(&s->opens, &at)) != NULL)
        check_open(s, object);
    at = (handle){0};
    while ((object = table_next(&s->requests, &at)) != NULL)
        check_request(s, object);
    at = (handle){0};
    while ((object = table_next(&s->previous, &at)) != NULL) {
        const struct smb_previous *p = object;
        must(p->left > 0);
        must(!p->remote || p->asker == 0);
    }
    must(s->out == NULL);
    must(map_count(&s->session_by_id) <= s->sessions.used);
    must(map_count(&s->tree_by_id) == s->trees.used);
}
