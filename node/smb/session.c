/* Sessions: where they are found, and how they end. Their end is gradual: first nobody finds
 * them any more, then their trees and opens go one by one, then their keys are wiped. */
#include "node/smb/channel.h"
#include "node/smb/previous.h"

#include "proto/cluster/session_id.h"

/* A token with a thousand groups fits well. */
#define TOKEN_BYTES_MAX (512u << 10)

static const struct sm_state session_states[] = {
    [SESSION_IN_PROGRESS] = {"in progress", MAY(SESSION_VALID) | MAY(SESSION_GONE)},
    [SESSION_VALID] = {"valid", MAY(SESSION_EXPIRED) | MAY(SESSION_GONE)},
    [SESSION_EXPIRED] = {"expired", MAY(SESSION_VALID) | MAY(SESSION_GONE)},
    [SESSION_GONE] = {"gone", 0},
};

struct smb_session *session_new(struct smb *s, struct smb_conn *c)
{
    uint64_t id;
    smb_random(s, &id, sizeof(id));
    id = session_id_of(s->node_id, id);
    if (id == 0 || id == UINT64_MAX /* reserved, 3.3.5.5.1 */ ||
        map_get_u64(&s->session_by_id, id) != NULL)
        return NULL;
    struct smb_session *session = pool_get(&s->session_pool);
    if (session == NULL)
        return NULL;
    if (!map_put_u64(&s->session_by_id, id, session)) {
        pool_put(&s->session_pool, session);
        return NULL;
    }
    list_init(&session->channels);
    if (channel_new(s, session, c) == NULL) {
        (void)map_remove_u64(&s->session_by_id, id);
        pool_put(&s->session_pool, session);
        return NULL;
    }
    session->self = table_add(&s->sessions, session);
    must(!handle_none(session->self));
    session->id = id;
    session->next_tree_id = 1;
    session->dialect = c->dialect;
    session->cipher = c->cipher;
    session->signing_algorithm = c->signing_algorithm;
    session->began_ns = session->used_ns = s->now_ns;
    sm_init(&session->sm, "session", session_states, array_len(session_states),
            SESSION_IN_PROGRESS);
    arena_init(&session->arena, s->mem, TOKEN_BYTES_MAX);
    list_init(&session->work);
    list_init(&session->trees);
    return session;
}

struct smb_session *session_find(struct smb *s, struct smb_conn *c, uint64_t id)
{
    struct smb_session *session = map_get_u64(&s->session_by_id, id);
    const struct smb_channel *ch = session != NULL ? channel_find(session, c) : NULL;
    if (ch == NULL || (!ch->bound && session->sm.state != SESSION_IN_PROGRESS))
        return NULL;
    return session;
}

void session_doom(struct smb *s, struct smb_session *session)
{
    if (session == NULL || session->sm.state == SESSION_GONE)
        return;
    sm_move(&session->sm, SESSION_GONE);
    (void)map_remove_u64(&s->session_by_id, session->id);
    (void)table_remove(&s->sessions, session->self);
    smb_timer_disarm(s, &session->expiry);
    list_push_back(&s->dying_sessions, &session->work);
    struct list *link;
    while ((link = list_first(&session->channels)) != NULL) /* SMB_CHANNELS_MAX at most */
        channel_drop(s, container_of(link, struct smb_channel, session_link));
}

bool session_unwind(struct smb *s)
{
    struct list *first = list_first(&s->dying_sessions);
    struct smb_session *session = container_of(first, struct smb_session, work);
    struct list *link = list_first(&session->trees);
    if (link != NULL) {
        tree_doom(s, container_of(link, struct smb_tree, session_link));
        return true;
    }
    must(session->tree_count == 0);
    sign_key_free(session->sign_key);
    seal_key_free(session->seal_key);
    seal_key_free(session->open_key);
    arena_fini(&session->arena);
    list_remove(&session->work);
    previous_release(s, session->previous);
    pool_put(&s->session_pool, session);
    return true;
}

void session_on_timer(struct smb *s, struct smb_session *session)
{
    trace_put(&s->trace, "session.expired", session->id, 0, 0);
    if (session->sm.state == SESSION_VALID)
        sm_move(&session->sm, SESSION_EXPIRED);
}

/* [MS-SMB2] 3.3.5.6. The session is found no more from here on; it ends after the reply, which it
 * has to sign or seal. */
void cmd_logoff(struct smb *s, struct smb_request *r)
{
    ntstatus status = smb_empty_decode(r->message);
    struct writer *w = status == STATUS_OK ? request_writer(s, r, 4) : NULL;
    if (w == NULL) {
        if (status != STATUS_OK)
            request_fail(s, r, status);
        return;
    }
    (void)map_remove_u64(&s->session_by_id, r->session->id);
    r->doom_session = r->session_at;
    smb_empty_encode(w);
    request_reply(s, r, STATUS_OK);
}
