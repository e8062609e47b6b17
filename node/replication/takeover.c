/* A node becomes a group's primary, or a link to a member is new: which regions may differ?
 *
 *   MEMBER ─► COLLECTING: every in-sync member promises to refuse older epochs and tells its
 *             unconfirmed writes; one that cannot be reached is evicted
 *          ─► SERVING: regions that were told (stains) are made equal before clients use them
 *
 * A primary that was restarted within one epoch does the same: it has forgotten what was under way.
 */
#include "node/replication/rep_int.h"

void takeover_begin(struct replication *r, struct group *g)
{
    sm_move(&g->sm, GROUP_COLLECTING);
    g->grant_until = 0;
    g->collecting_since = r->now;
    for (uint32_t i = 0; i < SLOTS_MAX; i++) {
        struct slot *s = &g->slots[i];
        s->collect = COLLECT_NEEDED;
        s->retry_at = 0;
        s->lost = s->catching = s->rejoining = s->evicting = false;
        s->catch_outstanding = 0;
        /* The former primary may have granted it reads until a moment ago. */
        if (s->in_sync)
            s->granted_until = r->now + grant_length(r);
    }
    group_wake(r, g);
}

void takeover_unanswered(struct group *g, uint32_t node_id)
{
    struct slot *s = slot_of(g, node_id);
    if (s != NULL && s->collect == COLLECT_ASKED)
        s->collect = COLLECT_NEEDED;
}

static void ask(struct replication *r, struct group *g, struct slot *s)
{
    struct call *c = call_new(r, CALL_COLLECT);
    if (c == NULL)
        return;
    c->group = g;
    Fl__PeerCollect collect = FL__PEER_COLLECT__INIT;
    Fl__Peer body = FL__PEER__INIT;
    collect.group = g->id, collect.epoch = g->epoch;
    body.body_case = FL__PEER__BODY_COLLECT, body.collect = &collect;
    if (peer_request(r, c, &(struct message){.node_id = s->node_id, .body = &body}))
        s->collect = COLLECT_ASKED;
}

/* False when there is no room for all of them. */
static bool stain_own(struct replication *r, struct group *g)
{
    list_each (it, &g->dirty) {
        const struct dirty *d = container_of(it, struct dirty, in_group);
        struct store_region region = {d->extent, (uint32_t)(d->offset / STORE_REGION)};
        if (!stain_add(r, g, &region))
            return false;
    }
    return true;
}

void takeover_pump(struct replication *r, struct group *g)
{
    bool all = true;
    if (!lease_valid(r) || !group_current(g))
        return;
    for (uint32_t i = 0; i < SLOTS_MAX; i++) {
        struct slot *s = &g->slots[i];
        if (s->node_id == 0 || !s->in_sync)
            continue;
        if (s->collect == COLLECT_NEEDED && s->retry_at <= r->now && peer_linked(r, s->node_id))
            ask(r, g, s);
        all = all && s->collect == COLLECT_DONE;
    }
    if (g->sm.state != GROUP_COLLECTING || !all || !stain_own(r, g))
        return;
    sm_move(&g->sm, GROUP_SERVING);
    r->stats.takeovers++;
    frontend_wake(r);
}

void takeover_collected(struct replication *r, struct group *g, uint32_t node_id,
                        const struct incoming *in)
{
    const Fl__PeerCollected *m = in->m->collected;
    struct slot *s = slot_of(g, node_id);
    group_wake(r, g);
    if (s == NULL || s->collect != COLLECT_ASKED)
        return;
    s->collect = COLLECT_NEEDED;
    s->retry_at = r->now + RETRY_NS;
    if (m->result == FL__PEER_RESULT__PEER_REFUSED && g->promised < m->epoch)
        g->promised = m->epoch;
    if (m->result != FL__PEER_RESULT__PEER_OK)
        return;
    for (size_t i = 0; i < m->n_regions; i++) {
        struct store_region region = {.region = m->regions[i]->region};
        if (!extent_from_wire(m->regions[i]->extent, &region.extent) ||
            region.extent.group != g->id || !stain_add(r, g, &region))
            return; /* asked again, when there is room */
    }
    s->collect = COLLECT_DONE;
}
