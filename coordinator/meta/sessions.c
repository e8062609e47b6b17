/* The end of a session that its client has come back without ([MS-SMB2] 3.3.5.5.3): on another node
 * than the one it comes back to. Sessions are the nodes' own; nothing of them is kept here, the
 * state machine only carries the message, in the order of all other commands: when the asker hears
 * that the session has ended, the closes that went before have been applied.
 *
 *   asker ── EndSession ──► SessionNotice ──► the node in the session's id
 *   asker ◄── SessionNotice{ended} ◄── SessionEnded, behind the closes of its opens ──┘
 *
 * A notice may be lost with a leader; the asker does not wait for ever. */
#include "coordinator/meta/meta_int.h"

#include "proto/cluster/session_id.h"

/* The node a session's id names (proto/cluster/session_id.h), unless it is gone. */
static struct node *home_of(const struct meta *m, uint64_t session_id)
{
    for (struct node *n = node_first(m); n != NULL; n = node_next(n))
        if (session_id_names(session_id, n->id))
            return n->state == FL__NODE_STATE__NODE_UP ? n : NULL;
    return NULL;
}

static void post_ended(struct work *w, const struct node *asker, uint64_t ticket)
{
    Fl__Notice *notice = outbox_post(w, asker->id, FL__NOTICE__BODY_SESSION);
    notice->session->ended = true;
    notice->session->ticket = ticket;
}

ntstatus apply_end_session(struct work *w, const Fl__EndSession *c)
{
    if (w->node == NULL || c->user_sid.len > SID_BYTES_MAX)
        return STATUS_INVALID_PARAMETER;
    struct slice sid = arena_copy(w->a, pb_slice(c->user_sid));
    if (!outbox_reserve(w, 1) || (sid.at == NULL && c->user_sid.len > 0))
        return STATUS_INSUFFICIENT_RESOURCES;

    const struct node *home = home_of(w->m, c->session_id);
    if (home == NULL || home == w->node) { /* its opens went with the node */
        post_ended(w, w->node, c->ticket);
        return STATUS_OK;
    }
    Fl__Notice *notice = outbox_post(w, home->id, FL__NOTICE__BODY_SESSION);
    notice->session->session_id = c->session_id;
    notice->session->user_sid = pb_bytes(sid);
    notice->session->asker = w->node->id;
    notice->session->ticket = c->ticket;
    return STATUS_OK;
}

ntstatus apply_session_ended(struct work *w, const Fl__SessionEnded *c)
{
    if (w->node == NULL)
        return STATUS_INVALID_PARAMETER;
    if (!outbox_reserve(w, 1))
        return STATUS_INSUFFICIENT_RESOURCES;

    const struct node *asker = node_get(w->m, c->asker);
    if (asker != NULL && asker->state == FL__NODE_STATE__NODE_UP)
        post_ended(w, asker, c->ticket);
    return STATUS_OK;
}
