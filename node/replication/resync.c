/* Bringing a member up to date that is not in sync, while clients go on. From the start it gets
 * every new write as well; the walk compares all extents that either side has, region by region,
 * and copies what differs; a region that is compared lets no write in meanwhile.
 *
 *   BARRIER   writes that began before the member got new ones have ended
 *   LISTING   a page of extents of both sides ◄──┐
 *   WALKING   its regions, COPIES_MAX at a time ─┘
 *   DRAIN     everything sent to the member was answered
 *   REJOIN    GroupRejoin is under way: the member counts as in sync from the moment it was sent,
 *             because a primary of the next epoch may believe so */
#include "node/replication/rep_int.h"

void resync_fail(struct replication *r, struct group *g)
{
    struct resync *y = g->resync;
    if (y == NULL)
        return;
    struct slot *s = &g->slots[y->slot];
    call_cancel(r, y->call);
    y->call = (handle){0};
    y->failed = true;
    s->catching = false;
    s->lost = s->lost && s->in_sync;
    s->retry_at = r->now + RESYNC_RETRY_NS;
    if (!slot_required(s))
        fanout_drop_slot(r, g, y->slot);
    group_wake(r, g);
    if (y->own_busy)
        return; /* the store still writes into it: resync_own_listed ends it */
    g->resync = NULL;
    pool_put(&r->resyncs, y);
}

/* ---- listing --------------------------------------------------------------------------------- */

static void list_own(struct replication *r, struct resync *y)
{
    struct call *c = call_new(r, CALL_STORE_LIST);
    if (c == NULL)
        return;
    c->resync = y;
    y->own_busy = true;
    rep_store(r, c,
              &(struct store_op){
                  .type = STORE_LIST,
                  .extent = {y->group->volume, y->group->id, y->cursor.inode, y->cursor.index},
                  .entries = y->own});
}

static void list_theirs(struct replication *r, struct resync *y)
{
    struct group *g = y->group;
    struct call *c = call_new(r, CALL_LIST);
    if (c == NULL)
        return;
    c->resync = y;
    Fl__PeerList list = FL__PEER_LIST__INIT;
    Fl__Peer body = FL__PEER__INIT;
    list.volume = g->volume, list.group = g->id, list.epoch = g->epoch;
    list.inode = y->cursor.inode, list.index = y->cursor.index;
    body.body_case = FL__PEER__BODY_LIST, body.list = &list;
    handle self = c->self;
    if (peer_request(r, c, &(struct message){.node_id = g->slots[y->slot].node_id, .body = &body}))
        y->call = self;
}

void resync_own_listed(struct replication *r, struct resync *y, const struct store_outcome *o)
{
    y->own_busy = false;
    y->own_done = true;
    y->own_count = o->count;
    if (o->result != STORE_OK || y->failed)
        resync_fail(r, y->group);
    else
        group_wake(r, y->group);
}

void resync_listed(struct replication *r, struct resync *y, const struct incoming *in)
{
    const Fl__PeerListed *m = in->m->body_case == FL__PEER__BODY_LISTED ? in->m->listed : NULL;
    group_wake(r, y->group);
    if (m == NULL || m->result != FL__PEER_RESULT__PEER_OK || m->n_entries > STORE_LIST_MAX) {
        resync_fail(r, y->group);
        return;
    }
    y->theirs_count = 0;
    for (size_t i = 0; i < m->n_entries; i++)
        y->theirs[y->theirs_count++] =
            (struct store_entry){m->entries[i]->inode, m->entries[i]->index, m->entries[i]->size};
    y->theirs_more = m->more;
    y->theirs_done = true;
}

static bool before(const struct store_entry *a, const struct store_entry *b)
{
    return a->inode != b->inode ? a->inode < b->inode : a->index < b->index;
}

/* Both pages into one, up to the end of the one that ends earlier and has more behind it. */
static void merge(struct resync *y)
{
    bool own_more = y->own_count == STORE_LIST_MAX;
    uint32_t i = 0, k = 0;
    y->walk_count = y->walk_at = 0, y->region = 0;
    while (i < y->own_count || k < y->theirs_count) {
        if ((i == y->own_count && own_more) || (k == y->theirs_count && y->theirs_more))
            break; /* what comes next on that side is not known yet */
        struct store_entry *to = &y->walk[y->walk_count++];
        bool theirs =
            i == y->own_count || (k < y->theirs_count && before(&y->theirs[k], &y->own[i]));
        bool both = !theirs && k < y->theirs_count && !before(&y->own[i], &y->theirs[k]);
        *to = theirs ? y->theirs[k] : y->own[i];
        if (both && y->theirs[k].size > to->size)
            to->size = y->theirs[k].size;
        i += !theirs, k += theirs || both;
    }
    y->last_page = !own_more && !y->theirs_more;
    if (y->walk_count > 0)
        y->cursor = y->walk[y->walk_count - 1];
}

static void pump_listing(struct replication *r, struct resync *y)
{
    if (!y->own_done && !y->own_busy)
        list_own(r, y);
    if (!y->theirs_done && handle_none(y->call))
        list_theirs(r, y);
    if (!y->own_done || !y->theirs_done)
        return;
    merge(y);
    y->own_done = y->theirs_done = false;
    y->phase = RESYNC_WALKING;
}

/* ---- walking --------------------------------------------------------------------------------- */

static void pump_walking(struct replication *r, struct resync *y)
{
    while (y->walk_at < y->walk_count && y->copies < COPIES_MAX) {
        const struct store_entry *e = &y->walk[y->walk_at];
        const struct volume *v = volume_get(r, y->group->volume);
        uint64_t end = v != NULL && e->size > v->extent_bytes ? v->extent_bytes : e->size;
        if (y->region * STORE_REGION >= end || e->inode == 0) {
            y->walk_at++, y->region = 0;
            continue;
        }
        struct op *op = op_new(r, y->group, OP_COPY);
        if (op == NULL)
            return;
        op->extent = (struct store_extent){y->group->volume, y->group->id, e->inode, e->index};
        op->offset = y->region * STORE_REGION, op->len = STORE_REGION;
        op->copy_slot = y->slot, op->copy_run = y->run;
        y->region++, y->copies++;
        r->stats.resync_regions++;
    }
    if (y->walk_at == y->walk_count && y->copies == 0)
        y->phase = y->last_page ? RESYNC_DRAIN : RESYNC_LISTING;
}

void resync_copied(struct replication *r, struct op *op, bool ok)
{
    struct resync *y = op->group->resync;
    if (y == NULL || y->run != op->copy_run)
        return; /* of an earlier one */
    must(y->copies > 0);
    y->copies--;
    if (!ok)
        y->failed = true;
    group_wake(r, op->group);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void pump_barrier(const struct replication *r, struct resync *y)
{
    (void)r;
    list_each (it, &y->group->ops) {
        const struct op *op = container_of(it, struct op, in_group);
        if (op_running(op) && op->start_number <= y->barrier)
            return;
    }
    y->phase = RESYNC_LISTING;
}

static void pump_drain(struct replication *r, struct resync *y)
{
    struct slot *s = &y->group->slots[y->slot];
    if (s->catch_outstanding > 0 || s->rejoining || s->retry_at > r->now)
        return;
    s->retry_at = r->now + META_RETRY_NS;
    if (!membership_rejoin(r, y->group, s))
        return;
    s->rejoining = true, s->ask_again = false;
    y->phase = RESYNC_REJOIN;
}

static bool wants_resync(const struct replication *r, const struct slot *s)
{
    const struct peer *p = peer_get(r, s->node_id);
    return s->node_id != 0 && s->member && !slot_required(s) && s->retry_at <= r->now &&
           p != NULL && p->session != 0 && p->declared_up;
}

static void resync_begin(struct replication *r, struct group *g)
{
    for (uint32_t i = 0; i < SLOTS_MAX; i++) {
        if (!wants_resync(r, &g->slots[i]))
            continue;
        struct resync *y = pool_get(&r->resyncs);
        if (y == NULL)
            return;
        *y = (struct resync){.group = g, .slot = i, .barrier = g->starts};
        y->run = ++r->resync_runs;
        g->resync = y;
        g->slots[i].catching = true, g->slots[i].lost = false;
        g->slots[i].catch_outstanding = 0;
        return;
    }
}

void resync_pump(struct replication *r, struct group *g)
{
    if (!primary_serves(r, g))
        return;
    struct resync *y = g->resync;
    if (y == NULL) {
        resync_begin(r, g);
        return;
    }
    struct slot *s = &g->slots[y->slot];
    if (y->failed || (s->lost && !slot_required(s))) {
        bool ending = y->failed && y->own_busy; /* the store's answer ends it: nothing to do yet */
        if (!s->rejoining && !ending)
            resync_fail(r, g);
        return;
    }
    switch (y->phase) {
    case RESYNC_BARRIER: pump_barrier(r, y); break;
    case RESYNC_LISTING: pump_listing(r, y); break;
    case RESYNC_WALKING: pump_walking(r, y); break;
    case RESYNC_DRAIN: pump_drain(r, y); break;
    case RESYNC_REJOIN: break;
    }
}
