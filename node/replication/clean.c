/* Making a region equal: CLEAN on all in-sync members (after a takeover, or a write that failed),
 * COPY on one that is brought up to date. The primary's own bytes are what counts. Regions that are
 * equal already cost a comparison of hashes and no more. */
#include "node/replication/rep_int.h"

#include "proto/base/prng.h"

bool stain_covers(const struct group *g, const struct op *op)
{
    list_each (it, &g->stains) {
        const struct store_region *region = &container_of(it, struct stain, in_group)->region;
        uint64_t at = (uint64_t)region->region * STORE_REGION;
        if (extent_equal(&region->extent, &op->extent) &&
            ranges_meet(at, STORE_REGION, op->offset, op->len))
            return true;
    }
    return false;
}

bool stain_add(struct replication *r, struct group *g, const struct store_region *region)
{
    list_each (it, &g->stains) {
        struct stain *s = container_of(it, struct stain, in_group);
        /* One whose cleaning is under way may have passed the comparison: it does not count. */
        if (s->op == NULL && s->region.region == region->region &&
            extent_equal(&s->region.extent, &region->extent))
            return true;
    }
    struct stain *s = pool_get(&r->stains);
    if (s == NULL)
        return false;
    *s = (struct stain){.region = *region};
    list_push_back(&g->stains, &s->in_group);
    group_wake(r, g);
    return true;
}

void stains_drop(struct replication *r, struct group *g)
{
    struct list *it;
    while ((it = list_pop(&g->stains)) != NULL) {
        struct stain *s = container_of(it, struct stain, in_group);
        if (s->op != NULL)
            s->op->stain = NULL;
        pool_put(&r->stains, s);
    }
    g->cleans = 0;
}

void clean_pump(struct replication *r, struct group *g)
{
    if (!primary_serves(r, g))
        return;
    list_each (it, &g->stains) {
        struct stain *s = container_of(it, struct stain, in_group);
        if (s->op != NULL)
            continue;
        struct op *op = g->cleans < CLEANS_MAX ? op_new(r, g, OP_CLEAN) : NULL;
        if (op == NULL)
            return;
        op->extent = s->region.extent;
        op->offset = (uint64_t)s->region.region * STORE_REGION;
        op->len = STORE_REGION;
        op->stain = s;
        s->op = op;
        g->cleans++;
    }
}

static bool own_start(struct replication *r, struct op *op, enum op_state state)
{
    struct call *c = call_new(r, CALL_STORE_OP);
    if (c == NULL)
        return false;
    c->op = op;
    op->own_busy = true, op->own_ok = op->own_failed = op->own_full = false;
    sm_move(&op->sm, (uint8_t)state);
    rep_store(r, c,
              &(struct store_op){.type = state == OP_COMPARING ? STORE_HASH : STORE_READ,
                                 .extent = op->extent,
                                 .offset = op->offset,
                                 .len = op->len,
                                 .seed = op->seed,
                                 .into = op->buffer});
    return true;
}

void clean_begin(struct replication *r, struct op *op)
{
    op->write_id = r->next_write_id++;
    /* A seed that clients cannot know: nobody can prepare bytes whose hashes agree. */
    op->seed = mix64(op->write_id ^ mix64(r->now));
    if (!own_start(r, op, OP_COMPARING))
        return;
    if (op->kind == OP_CLEAN) {
        fanout_begin(r, op);
        return;
    }
    op->targets[op->copy_slot] = (struct target){.state = TARGET_UNSENT, .since = r->now};
    fanout_send(r, op);
}

/* The client writes of the region, for the others: those it holds, and those it may hold. */
struct origins {
    Fl__PeerOrigin *items, **list;
    size_t count;
};

enum { ORIGINS_MAX = 512 };

static void origins_add(struct replication *r, struct origins *s, const struct origin *o)
{
    if (s->items == NULL) {
        s->items = arena_array(&r->in, ORIGINS_MAX, sizeof(*s->items));
        s->list = arena_array(&r->in, ORIGINS_MAX, sizeof(*s->list));
    }
    if (s->items == NULL || s->list == NULL || s->count == ORIGINS_MAX)
        return;
    origin_to_wire(o, &s->items[s->count]);
    s->list[s->count] = &s->items[s->count];
    s->count++;
}

static void own_forget(struct replication *r, struct op *op, struct origins *done,
                       struct origins *unsure)
{
    list_each (it, &op->group->dirty) {
        struct dirty *d = container_of(it, struct dirty, in_group);
        if (!extent_equal(&d->extent, &op->extent) ||
            !ranges_meet(d->offset, d->len, op->offset, op->len))
            continue;
        if (d->unsure) {
            origin_set_unsure(r, &d->origin);
            origins_add(r, unsure, &d->origin);
        } else if (d->stored && !d->undone) {
            origin_set_done(r, &d->origin);
            origins_add(r, done, &d->origin);
        }
        dirty_drop(r, d);
    }
}

/* Every member has the region: tell them which writes it holds, and that nothing in it is open. */
static void announce_clean(struct replication *r, struct op *op)
{
    struct group *g = op->group;
    struct origins done = {0}, unsure = {0};
    Fl__PeerExtent extent;
    Fl__PeerRegion region = FL__PEER_REGION__INIT;
    Fl__PeerClean clean = FL__PEER_CLEAN__INIT;
    Fl__Peer body = FL__PEER__INIT;
    own_forget(r, op, &done, &unsure);
    extent_to_wire(&op->extent, &extent);
    region.extent = &extent, region.region = (uint32_t)(op->offset / STORE_REGION);
    clean.epoch = g->epoch, clean.region = &region;
    clean.origins = done.list, clean.n_origins = done.count;
    clean.unsure = unsure.list, clean.n_unsure = unsure.count;
    body.body_case = FL__PEER__BODY_CLEAN, body.clean = &clean;
    for (uint32_t i = 0; i < SLOTS_MAX; i++)
        if (g->slots[i].node_id != 0 && slot_target(&g->slots[i]))
            (void)peer_send(r, &(struct message){.node_id = g->slots[i].node_id, .body = &body});
}

static void finish(struct replication *r, struct op *op, bool ok)
{
    struct group *g = op->group;
    if (op->kind == OP_COPY) {
        peer_confirm(r, g->slots[op->copy_slot].node_id, op->write_id);
        resync_copied(r, op, ok);
    } else {
        announce_clean(r, op);
        primary_answer_refused(r, op);
        r->stats.cleaned_regions++;
        if (op->stain != NULL) {
            list_remove(&op->stain->in_group);
            pool_put(&r->stains, op->stain);
            g->cleans--;
        }
    }
    op_free(r, op);
}

/* Does the COPY still make sense? */
static bool copy_wanted(const struct op *op)
{
    const struct group *g = op->group;
    return g->resync != NULL && g->resync->run == op->copy_run && !g->resync->failed &&
           g->slots[op->copy_slot].catching && op->targets[op->copy_slot].state != TARGET_NONE;
}

static void compared(struct replication *r, struct op *op)
{
    bool differ = false;
    for (uint32_t i = 0; i < SLOTS_MAX; i++) {
        struct target *t = &op->targets[i];
        if (t->state == TARGET_NONE)
            continue;
        bool equal = t->hash[0] == op->own_hash[0] && t->hash[1] == op->own_hash[1];
        differ = differ || !equal;
    }
    if (!differ) {
        finish(r, op, true);
        return;
    }
    if (op->buffer == NULL && (op->buffer = buffer_get(r)) == NULL)
        return;
    (void)own_start(r, op, OP_FETCHING);
}

static void start_pushing(struct replication *r, struct op *op)
{
    sm_move(&op->sm, OP_PUSHING);
    for (uint32_t i = 0; i < SLOTS_MAX; i++) {
        struct target *t = &op->targets[i];
        if (t->state == TARGET_NONE ||
            (t->hash[0] == op->own_hash[0] && t->hash[1] == op->own_hash[1]))
            continue;
        t->state = TARGET_UNSENT;
        t->since = r->now;
        if (op->kind == OP_COPY)
            r->stats.resync_bytes += op->len;
    }
    fanout_send(r, op);
}

void clean_advance(struct replication *r, struct op *op)
{
    struct group *g = op->group;
    if (op->own_busy || !group_current(g) || !lease_valid(r))
        return;
    if (op->kind == OP_COPY && !copy_wanted(op)) {
        finish(r, op, false);
        return;
    }
    bool alone = fanout_all(op, TARGET_NONE);
    if (op->own_failed && op->kind == OP_COPY) {
        finish(r, op, false);
        return;
    }
    if (op->own_failed && !alone) {
        membership_evict_self(r, g); /* we do not have what the others should be made equal to */
        return;
    }
    fanout_send(r, op);
    if (!fanout_all(op, TARGET_OK))
        return;
    switch ((enum op_state)op->sm.state) {
    case OP_COMPARING:
        if (alone)
            finish(r, op, true);
        else
            compared(r, op);
        break;
    case OP_FETCHING: start_pushing(r, op); break;
    case OP_PUSHING: finish(r, op, true); break;
    case OP_QUEUED:
    case OP_READING:
    case OP_ELSEWHERE:
    case OP_WRITING:
    case OP_UNDO_FETCH:
    case OP_UNDO_WRITE:
    case OP_REFUSED:
    case OP_DEPOSED:
    case OP_STATES:
        must(op->sm.state == OP_PUSHING); /* only these three come here */
        break;
    }
}
