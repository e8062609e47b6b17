/* The right of a member to serve reads from its own copy. The member asks, the primary grants for a
 * fixed time from the moment of the question, on the member's clock; the primary counts from the
 * moment of its answer, which is later, so that it never believes a grant over while it lasts.
 *
 *   A write without an evicted member Y is not acknowledged before Y's grant has run out:
 *
 *   P (primary) ── evict Y ─► coordinator ─ done ─► wait for Y's last grant ─► acknowledge
 *   Y, cut off from P, by its old configuration: serves reads ── grant over: serves nothing */
#include "node/replication/rep_int.h"

bool grant_valid(const struct replication *r, const struct group *g)
{
    return g->self_in_sync && group_current(g) && lease_valid(r) && g->grant_until > r->now;
}

static void ask(struct replication *r, struct peer *p)
{
    Fl__PeerGrantRequest q = FL__PEER_GRANT_REQUEST__INIT;
    Fl__Peer body = FL__PEER__INIT;
    q.groups = arena_array(&r->in, r->groups_count, sizeof(uint32_t));
    q.epochs = arena_array(&r->in, r->groups_count, sizeof(uint64_t));
    if (q.groups == NULL || q.epochs == NULL)
        return;
    for (uint32_t i = 0; i < r->groups_count; i++) {
        const struct group *g = r->groups[i];
        if (g->primary != p->node_id || !g->self_in_sync || !group_current(g))
            continue;
        q.groups[q.n_groups++] = g->id;
        q.epochs[q.n_epochs++] = g->epoch;
    }
    q.stamp = r->now;
    body.body_case = FL__PEER__BODY_GRANT_REQUEST, body.grant_request = &q;
    if (q.n_groups > 0)
        (void)peer_send(r, &(struct message){.node_id = p->node_id, .body = &body});
    p->grant_asked = r->now;
}

void grants_tick(struct replication *r)
{
    for (uint32_t i = 0; i < r->config.nodes_max; i++) {
        struct peer *p = &r->peers[i];
        if (p->session != 0 &&
            (p->grant_asked == 0 || p->grant_asked + r->config.grant_ns / 4 <= r->now))
            ask(r, p);
    }
}

static bool may_grant(struct replication *r, struct group *g, uint32_t node_id, uint64_t epoch)
{
    struct slot *s = g == NULL ? NULL : slot_of(g, node_id);
    if (s == NULL || epoch != g->epoch || !primary_serves(r, g))
        return false;
    return s->in_sync && !s->evicting && !s->lost;
}

void grants_requested(struct replication *r, const struct incoming *in)
{
    const Fl__PeerGrantRequest *m = in->m->grant_request;
    Fl__PeerGrant grant = FL__PEER_GRANT__INIT;
    Fl__Peer body = FL__PEER__INIT;
    grant.groups = arena_array(&r->in, m->n_groups, sizeof(uint32_t));
    grant.epochs = arena_array(&r->in, m->n_groups, sizeof(uint64_t));
    if (grant.groups == NULL || grant.epochs == NULL || m->n_groups != m->n_epochs)
        return;
    for (size_t i = 0; i < m->n_groups; i++) {
        struct group *g = group_get(r, m->groups[i]);
        if (!may_grant(r, g, in->peer->node_id, m->epochs[i]))
            continue;
        slot_of(g, in->peer->node_id)->granted_until = r->now + grant_length(r);
        grant.groups[grant.n_groups++] = g->id;
        grant.epochs[grant.n_epochs++] = g->epoch;
    }
    grant.stamp = m->stamp;
    body.body_case = FL__PEER__BODY_GRANT, body.grant = &grant;
    if (grant.n_groups > 0)
        (void)peer_send(
            r,
            &(struct message){.node_id = in->peer->node_id, .session = in->session, .body = &body});
}

void grants_given(struct replication *r, const struct incoming *in)
{
    const Fl__PeerGrant *m = in->m->grant;
    /* The last question's answer only: an echo of a time that never was would last for ever. */
    if (m->stamp != in->peer->grant_asked || m->n_groups != m->n_epochs)
        return;
    for (size_t i = 0; i < m->n_groups; i++) {
        struct group *g = group_get(r, m->groups[i]);
        if (g != NULL && g->epoch == m->epochs[i] && group_current(g) &&
            g->primary == in->peer->node_id)
            g->grant_until = m->stamp + r->config.grant_ns;
    }
}
