/* What the primary asks of the coordinator: to evict a member that does not answer, to put one
 * back; and what every node tells it: that the extents of a deleted inode are gone. */
#include "node/replication/rep_int.h"

static bool send_command(struct replication *r, const struct call *c, Fl__Command *command)
{
    struct rep_effect e = {.type = REP_DO_META};
    e.meta.token = handle_pack(c->self);
    e.meta.command = pb_copy(&command->base, &r->out_arena);
    if (e.meta.command == NULL)
        return false;
    rep_emit(r, &e, NULL);
    return true;
}

static bool send_evict(struct replication *r, struct group *g, uint32_t node_id)
{
    struct call *c = call_new(r, CALL_EVICT);
    if (c == NULL)
        return false;
    c->group = g, c->slot_node = node_id;
    Fl__GroupEvict evict = FL__GROUP_EVICT__INIT;
    Fl__Command command = FL__COMMAND__INIT;
    evict.group = g->id, evict.epoch = g->epoch, evict.member = node_id;
    command.body_case = FL__COMMAND__BODY_GROUP_EVICT, command.group_evict = &evict;
    if (send_command(r, c, &command))
        return true;
    call_end(r, c);
    return false;
}

void membership_evict_self(struct replication *r, struct group *g)
{
    if (g->self_evicting || r->now < g->self_retry_at || !lease_valid(r) || !group_current(g))
        return;
    g->self_evicting = send_evict(r, g, r->node_id);
    g->self_retry_at = r->now + META_RETRY_NS;
}

bool membership_rejoin(struct replication *r, struct group *g, struct slot *s)
{
    struct call *c = call_new(r, CALL_REJOIN);
    if (c == NULL)
        return false;
    c->group = g, c->slot_node = s->node_id;
    Fl__GroupRejoin rejoin = FL__GROUP_REJOIN__INIT;
    Fl__Command command = FL__COMMAND__INIT;
    rejoin.group = g->id, rejoin.epoch = g->epoch, rejoin.member = s->node_id;
    command.body_case = FL__COMMAND__BODY_GROUP_REJOIN, command.group_rejoin = &rejoin;
    if (send_command(r, c, &command))
        return true;
    call_end(r, c);
    return false;
}

/* ---- who does not answer --------------------------------------------------------------------- */

static bool waits_for(const struct op *op, uint32_t slot, uint64_t before)
{
    enum target_state state = op->targets[slot].state;
    bool open = state == TARGET_SENT || state == TARGET_UNSENT;
    bool reading = op->sm.state == OP_UNDO_FETCH && op->undo_slot == slot;
    return (open || reading) && op->targets[slot].since <= before;
}

/* Has anything waited for the member since before then? */
static bool needed_since(const struct replication *r, const struct group *g, uint32_t slot,
                         uint64_t age)
{
    if (r->now < age)
        return false;
    list_each (it, &g->ops)
        if (waits_for(container_of(it, struct op, in_group), slot, r->now - age))
            return true;
    return false;
}

static bool member_lost(struct replication *r, struct group *g, uint32_t i)
{
    const struct slot *s = &g->slots[i];
    const struct peer *p = peer_get(r, s->node_id);
    bool linked = p != NULL && p->session != 0;
    bool collecting = g->sm.state == GROUP_COLLECTING && s->collect != COLLECT_DONE;
    if (s->lost)
        return true;
    if (!linked) {
        uint64_t since = p == NULL ? 0 : p->down_since;
        /* One that the cluster has declared down is not coming back in a moment. */
        bool down = p != NULL && !p->declared_up;
        bool grace = !down && since + r->config.link_grace_ns > r->now;
        return !grace && (collecting || needed_since(r, g, i, 0));
    }
    if (collecting)
        return g->collecting_since + r->config.member_timeout_ns < r->now;
    return needed_since(r, g, i, r->config.member_timeout_ns);
}

void membership_tick(struct replication *r, struct group *g)
{
    if (!lease_valid(r) || !group_current(g))
        return;
    for (uint32_t i = 0; i < SLOTS_MAX; i++) {
        struct slot *s = &g->slots[i];
        if (s->rejoining && s->ask_again)
            s->ask_again = !membership_rejoin(r, g, s);
        if (s->node_id == 0 || !s->in_sync || s->evicting || s->retry_at > r->now)
            continue;
        if (!member_lost(r, g, i))
            continue;
        s->evicting = send_evict(r, g, s->node_id);
        r->stats.evictions += s->evicting;
        group_wake(r, g);
    }
}

/* ---- answers --------------------------------------------------------------------------------- */

static void group_reply(struct replication *r, struct call *c, const Fl__Reply *reply)
{
    struct group *g = c->group;
    struct slot *s = slot_of(g, c->slot_node);
    if (reply != NULL && reply->body_case == FL__REPLY__BODY_GROUP && reply->group->group != NULL &&
        reply->group->group->id == g->id)
        config_group(r, reply->group->group);
    s = slot_of(g, c->slot_node);
    if (c->kind == CALL_EVICT && c->slot_node == r->node_id)
        g->self_evicting = false;
    if (c->kind == CALL_EVICT && s != NULL && s->evicting) {
        s->evicting = false;
        s->retry_at = r->now + META_RETRY_NS;
    }
    /* Outcome unknown: it may still come to pass, so the member goes on counting as in sync. */
    if (c->kind == CALL_REJOIN && s != NULL && s->rejoining) {
        s->rejoining = reply == NULL;
        s->ask_again = reply == NULL;
    }
    if (c->kind == CALL_REJOIN && s != NULL && g->resync != NULL &&
        &g->slots[g->resync->slot] == s && g->resync->phase == RESYNC_REJOIN)
        g->resync->phase = RESYNC_DRAIN;
    group_wake(r, g);
}

static void reclaim_end(struct replication *r, struct reclaim *rc)
{
    list_remove(&rc->in_reclaims);
    pool_put(&r->reclaims, rc);
}

void membership_reply(struct replication *r, struct call *c, const Fl__Reply *reply)
{
    if (c->kind != CALL_RECLAIM_DONE) {
        group_reply(r, c, reply);
        return;
    }
    c->reclaim->busy = false;
    c->reclaim->retry_at = r->now + META_RETRY_NS;
    if (reply != NULL && reply->status == 0)
        reclaim_end(r, c->reclaim);
}

/* ---- reclaims -------------------------------------------------------------------------------- */

void reclaim_event(struct replication *r, const struct rep_event *ev)
{
    list_each (it, &r->reclaim_list)
        if (container_of(it, struct reclaim, in_reclaims)->ticket == ev->reclaim.ticket)
            return;
    /* No room: the coordinator says it again when this node registers the next time. */
    struct reclaim *rc = ev->reclaim.inode == 0 ? NULL : pool_get(&r->reclaims);
    if (rc == NULL)
        return;
    *rc = (struct reclaim){
        .volume = ev->reclaim.volume, .inode = ev->reclaim.inode, .ticket = ev->reclaim.ticket};
    list_push_back(&r->reclaim_list, &rc->in_reclaims);
    reclaim_tick(r);
}

void reclaim_stored(struct replication *r, struct reclaim *rc, const struct store_outcome *o)
{
    rc->busy = false;
    rc->deleted = o->result == STORE_OK;
    rc->retry_at = rc->deleted ? r->now : r->now + RESYNC_RETRY_NS;
    reclaim_tick(r);
}

static void reclaim_delete(struct replication *r, struct reclaim *rc)
{
    struct call *c = call_new(r, CALL_STORE_RECLAIM);
    if (c == NULL)
        return;
    c->reclaim = rc;
    rc->busy = true;
    rep_store(r, c,
              &(struct store_op){.type = STORE_DELETE, .extent = {rc->volume, 0, rc->inode, 0}});
}

static void reclaim_tell(struct replication *r, struct reclaim *rc)
{
    struct call *c = call_new(r, CALL_RECLAIM_DONE);
    if (c == NULL)
        return;
    c->reclaim = rc;
    Fl__ReclaimDone done = FL__RECLAIM_DONE__INIT;
    Fl__Command command = FL__COMMAND__INIT;
    done.node_id = r->node_id, done.n_tickets = 1, done.tickets = &rc->ticket;
    command.body_case = FL__COMMAND__BODY_RECLAIM_DONE, command.reclaim_done = &done;
    rc->busy = send_command(r, c, &command);
    if (!rc->busy)
        call_end(r, c);
}

void reclaim_tick(struct replication *r)
{
    /* Reclaims are told anew to a node that registers, before its first configuration says which
     * node it is: a ReclaimDone without a number is refused, and the whole line with it. */
    if (!r->store_ready || !r->have_config)
        return;
    list_each (it, &r->reclaim_list) {
        struct reclaim *rc = container_of(it, struct reclaim, in_reclaims);
        if (rc->busy || rc->retry_at > r->now || !rep_room(r))
            continue;
        if (rc->deleted)
            reclaim_tell(r, rc);
        else
            reclaim_delete(r, rc);
    }
}
