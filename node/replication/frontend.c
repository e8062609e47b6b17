/* Clients' operations: cut into parts, each within one region of one extent, sent to where they can
 * be served, and sent again when that changes, until the deadline.
 *
 *   WAITING ─┬─► READING   own copy ──────────┐
 *      ▲     ├─► PRIMARY   an op of this node ─┼─► done
 *      │     └─► FORWARDED to another node ────┤
 *      └────────────── not now, try again ◄────┘ */
#include "node/replication/rep_int.h"

#include <string.h>

enum { REQUEST_PARTS_MAX = 16 };

static const struct sm_state part_table[PART_STATES] = {
    [PART_WAITING] = {"waiting", MAY(PART_READING) | MAY(PART_PRIMARY) | MAY(PART_FORWARDED)},
    [PART_READING] = {"reading", MAY(PART_WAITING)},
    [PART_PRIMARY] = {"primary", MAY(PART_WAITING)},
    [PART_FORWARDED] = {"forwarded", MAY(PART_WAITING)},
};

uint64_t frontend_lowest(const struct replication *r)
{
    struct list *first = list_first(&r->part_list);
    return first == NULL ? r->next_part_id : container_of(first, struct part, in_parts)->id;
}

/* READ and MAP: asked twice, they do no harm. */
static bool only_looks(enum rep_op op) { return op == REP_READ || op == REP_MAP; }

/* ---- ends ------------------------------------------------------------------------------------ */

static void complete(struct replication *r, uint64_t token, enum rep_result result)
{
    struct rep_effect e = {.type = REP_DO_COMPLETE};
    e.complete.token = token, e.complete.result = result;
    rep_emit(r, &e, NULL);
}

static void request_check(struct replication *r, struct request *q)
{
    if (q->parts > 0 || (!q->failed && q->issued < q->submit.len))
        return;
    if (q->failed)
        r->stats.failed++;
    else if (only_looks(q->submit.op))
        r->stats.reads++;
    else
        r->stats.writes++;
    complete(r, q->submit.token, q->result);
    list_remove(&q->in_requests);
    pool_put(&r->requests, q);
}

static void part_finish(struct replication *r, struct part *p, enum rep_result result)
{
    struct request *q = p->request;
    if (p->ranges != NULL && result == REP_OK)
        ranges_shift(p->ranges, p->base);
    must(p->sm.state == PART_WAITING);
    if (result != REP_OK && !q->failed)
        q->failed = true, q->result = result;
    q->parts--;
    list_remove(&p->in_parts);
    pool_put(&r->parts, p);
    request_check(r, q);
}

static void part_wait(struct replication *r, struct part *p)
{
    sm_move(&p->sm, PART_WAITING);
    p->backoff = p->backoff < RETRY_NS * 8 ? p->backoff * 2 : p->backoff;
    p->retry_at = r->now + p->backoff;
}

/* Nobody will say what became of the attempt. */
static void part_unsure(struct replication *r, struct part *p)
{
    if (p->first_epoch == 0 && !only_looks(p->request->submit.op))
        p->first_epoch = p->sent_epoch;
    part_wait(r, p);
}

void part_answer(struct replication *r, struct part *p, Fl__PeerResult result)
{
    enum rep_result answer = REP_OK;
    switch (result) {
    case FL__PEER_RESULT__PEER_RETRY:
    case FL__PEER_RESULT__PEER_REFUSED: part_wait(r, p); return;
    case FL__PEER_RESULT__PEER_UNSURE: part_unsure(r, p); return;
    case FL__PEER_RESULT__PEER_OK: break;
    case FL__PEER_RESULT__PEER_NO_SPACE: answer = REP_NO_SPACE; break;
    case FL__PEER_RESULT__PEER_UNKNOWN: answer = REP_UNAVAILABLE; break;
    case FL__PEER_RESULT__PEER_IO_ERROR:
    case _FL__PEER_RESULT_IS_INT_SIZE: answer = REP_IO_ERROR; break;
    }
    sm_move(&p->sm, PART_WAITING);
    part_finish(r, p, answer);
}

/* INV-1: what a client sent before this node was declared down is not carried out any more: that
 * client may have gone on elsewhere, and been acknowledged there. */
static bool former_life(const struct replication *r, const struct request *q)
{
    return q->life != 0 && q->life != r->life && !only_looks(q->submit.op);
}

/* ---- ways ------------------------------------------------------------------------------------ */

static bool own_copy_serves(const struct replication *r, const struct part *p)
{
    const struct group *g = p->group;
    if (!only_looks(p->request->submit.op) || p->avoid_own || !g->self_in_sync)
        return false;
    if ((r->config.planted & REP_PLANT_READ_NO_LEASE) != 0)
        return r->store_ready;
    return grant_valid(r, g) && !dirty_meets(g, &p->extent, p->offset, p->len);
}

static void read_own(struct replication *r, struct part *p)
{
    struct call *c = call_new(r, CALL_STORE_PART);
    if (c == NULL)
        return;
    c->part = p;
    p->poisoned = false;
    p->sent_epoch = p->group->epoch;
    sm_move(&p->sm, PART_READING);
    r->stats.local_reads++;
    rep_store(r, c,
              &(struct store_op){.type = p->ranges != NULL ? STORE_MAP : STORE_READ,
                                 .extent = p->extent,
                                 .offset = p->offset,
                                 .len = p->len,
                                 .into = p->into,
                                 .ranges = p->ranges});
}

static void forward(struct replication *r, struct part *p)
{
    static const Fl__PeerOp wire[] = {[REP_READ] = FL__PEER_OP__PEER_READ,
                                      [REP_WRITE] = FL__PEER_OP__PEER_WRITE,
                                      [REP_ZERO] = FL__PEER_OP__PEER_ZERO,
                                      [REP_MAP] = FL__PEER_OP__PEER_MAP};
    struct call *c = call_new(r, CALL_FORWARD);
    if (c == NULL)
        return;
    c->part = p;
    Fl__PeerExtent extent;
    Fl__PeerOrigin origin;
    Fl__PeerForward f = FL__PEER_FORWARD__INIT;
    Fl__Peer body = FL__PEER__INIT;
    extent_to_wire(&p->extent, &extent);
    origin_to_wire(&(struct origin){r->node_id, p->id, frontend_lowest(r)}, &origin);
    f.op = wire[p->request->submit.op];
    f.extent = &extent, f.origin = &origin;
    f.offset = p->offset, f.len = p->len;
    f.first_epoch = p->first_epoch;
    f.life = r->life;
    body.body_case = FL__PEER__BODY_FORWARD, body.forward = &f;
    handle self = c->self;
    struct message m = {.node_id = p->group->primary, .body = &body};
    if (f.op == FL__PEER_OP__PEER_WRITE)
        m.data = slice_of(p->data, p->len);
    if (!peer_request(r, c, &m))
        return;
    p->call = self;
    p->sent_epoch = p->group->epoch;
    sm_move(&p->sm, PART_FORWARDED);
    r->stats.redirected++;
}

/* Where its extent lies, by the configuration of now. */
static bool part_locate(struct replication *r, struct part *p)
{
    const struct rep_submit *s = &p->request->submit;
    const struct volume *v = volume_get(r, s->file.volume);
    if (v == NULL || !r->have_config || !r->store_ready)
        return false;
    uint64_t group = (s->file.first_group + p->extent.index) % v->groups_count;
    p->extent.group = v->groups[group];
    p->group = group_get(r, p->extent.group);
    return p->group != NULL && p->group->epoch != 0;
}

static void part_route(struct replication *r, struct part *p)
{
    must(p->sm.state == PART_WAITING);
    if (former_life(r, p->request)) {
        part_finish(r, p, REP_UNAVAILABLE);
        return;
    }
    p->retry_at = r->now + p->backoff;
    if (!part_locate(r, p) || !rep_room(r))
        return;
    struct group *g = p->group;
    if (own_copy_serves(r, p)) {
        read_own(r, p);
    } else if (g->primary == r->node_id) {
        p->sent_epoch = g->epoch;
        if (primary_serves(r, g) && primary_submit(r, p))
            sm_move(&p->sm, PART_PRIMARY);
    } else if (g->primary != 0 && group_current(g)) {
        forward(r, p);
    }
}

/* ---- in -------------------------------------------------------------------------------------- */

void frontend_submit(struct replication *r, const struct rep_submit *s)
{
    struct request *q = s->len == 0 ? NULL : pool_get(&r->requests);
    if (q == NULL) {
        complete(r, s->token, s->len == 0 ? REP_OK : REP_UNAVAILABLE);
        return;
    }
    *q = (struct request){.submit = *s, .life = r->life};
    q->deadline = s->deadline_ns != 0 ? s->deadline_ns : r->now + r->config.patience_ns;
    list_push_back(&r->request_queue, &q->in_requests);
}

/* The next part: up to the end of the region, the extent, or the request. MAP has one part only. */
static void part_cut(struct replication *r, struct request *q, struct part *p)
{
    const struct rep_submit *s = &q->submit;
    const struct volume *v = volume_get(r, s->file.volume);
    uint64_t at = s->offset + q->issued, left = s->len - q->issued;
    *p = (struct part){.request = q, .id = r->next_part_id++, .backoff = RETRY_NS};
    sm_init(&p->sm, "part", part_table, PART_STATES, PART_WAITING);
    p->extent.volume = s->file.volume, p->extent.inode = s->file.inode;
    p->extent.index = at / v->extent_bytes;
    p->offset = at % v->extent_bytes;
    uint64_t to_region = STORE_REGION - p->offset % STORE_REGION;
    uint64_t to_extent = v->extent_bytes - p->offset;
    p->len = left < to_extent ? left : to_extent;
    p->len = p->len < to_region || s->op == REP_MAP ? p->len : to_region;
    p->base = at - p->offset;
    p->data = s->op == REP_WRITE ? s->data + q->issued : NULL;
    p->into = s->op == REP_READ ? s->into + q->issued : NULL;
    p->ranges = s->op == REP_MAP ? s->ranges : NULL;
    q->issued = s->op == REP_MAP ? s->len : q->issued + p->len; /* the rest is not said */
    q->parts++;
    list_push_back(&r->part_list, &p->in_parts);
}

void frontend_pump(struct replication *r)
{
    list_each (it, &r->request_queue) {
        struct request *q = container_of(it, struct request, in_requests);
        if (former_life(r, q) && !q->failed && q->issued < q->submit.len) {
            q->failed = true, q->result = REP_UNAVAILABLE;
            request_check(r, q);
            continue;
        }
        while (!q->failed && q->issued < q->submit.len && q->parts < REQUEST_PARTS_MAX) {
            bool window = r->next_part_id - frontend_lowest(r) < ORIGIN_WINDOW / 2;
            if (volume_get(r, q->submit.file.volume) == NULL)
                break; /* not known yet: the next configuration may bring it */
            struct part *p = window && rep_room(r) ? pool_get(&r->parts) : NULL;
            if (p == NULL)
                return;
            part_cut(r, q, p);
            part_route(r, p);
        }
    }
}

void frontend_wake(struct replication *r)
{
    list_each (it, &r->part_list) {
        struct part *p = container_of(it, struct part, in_parts);
        if (p->sm.state == PART_WAITING)
            part_route(r, p);
    }
}

void frontend_stored(struct replication *r, struct part *p, const struct store_outcome *o)
{
    must(p->sm.state == PART_READING);
    bool planted = (r->config.planted & REP_PLANT_READ_NO_LEASE) != 0;
    bool sure = !p->poisoned && p->sent_epoch == p->group->epoch && grant_valid(r, p->group);
    sm_move(&p->sm, PART_WAITING);
    if (o->result == STORE_OK && (sure || planted)) {
        part_finish(r, p, REP_OK);
        return;
    }
    p->avoid_own = o->result != STORE_OK;
    part_route(r, p);
}

/* False when it is no answer to what was asked. */
static bool ranges_from_wire(const Fl__PeerForwarded *f, const struct part *p)
{
    struct ranges *out = p->ranges;
    if (f->n_offsets != f->n_lens || f->n_offsets > RANGES_MAX)
        return false;
    out->until = f->until;
    out->count = (uint32_t)f->n_offsets;
    for (uint32_t i = 0; i < out->count; i++)
        out->items[i] = (struct range){f->offsets[i], f->lens[i]};
    return ranges_valid(out) && out->until > p->offset && out->until <= p->offset + p->len &&
           (out->count == 0 || out->items[0].offset >= p->offset);
}

void frontend_forwarded(struct replication *r, struct part *p, const struct incoming *in)
{
    p->call = (handle){0};
    Fl__PeerResult result = in->m->forwarded->result;
    bool read = p->request->submit.op == REP_READ;
    if (result == FL__PEER_RESULT__PEER_OK && p->ranges != NULL &&
        !ranges_from_wire(in->m->forwarded, p))
        result = FL__PEER_RESULT__PEER_RETRY;
    if (result == FL__PEER_RESULT__PEER_OK && read) {
        if (in->data.len == p->len)
            memcpy(p->into, in->data.at, p->len);
        else
            result = FL__PEER_RESULT__PEER_RETRY;
    }
    /* Without a lease nothing is answered. A write that is asked again is known as carried out. */
    if (!lease_valid(r))
        result = FL__PEER_RESULT__PEER_UNSURE;
    part_answer(r, p, result);
}

void frontend_link_lost(struct replication *r, struct part *p)
{
    p->call = (handle){0};
    part_unsure(r, p);
}

void frontend_regrouped(struct replication *r, struct group *g)
{
    list_each (it, &r->part_list) {
        struct part *p = container_of(it, struct part, in_parts);
        if (p->group != g)
            continue;
        if (p->sm.state == PART_FORWARDED && p->sent_epoch != g->epoch) {
            struct call *c = table_get(&r->call_table, p->call);
            if (c != NULL && c->node_id == g->primary)
                continue; /* still the one to ask */
            call_cancel(r, p->call);
            p->call = (handle){0};
            part_unsure(r, p);
            p->retry_at = r->now;
        }
    }
}

void frontend_new_life(struct replication *r)
{
    list_each (it, &r->part_list) {
        struct part *p = container_of(it, struct part, in_parts);
        if (p->sm.state != PART_FORWARDED || !former_life(r, p->request))
            continue;
        call_cancel(r, p->call);
        p->call = (handle){0};
        part_wait(r, p);
        p->retry_at = r->now; /* ends there */
    }
}

void frontend_poison(struct replication *r, const struct store_extent *x, uint64_t off,
                     uint64_t len)
{
    list_each (it, &r->part_list) {
        struct part *p = container_of(it, struct part, in_parts);
        if (p->sm.state == PART_READING && extent_equal(&p->extent, x) &&
            ranges_meet(p->offset, p->len, off, len))
            p->poisoned = true;
    }
}

/* A part whose time is up. What was passed on may still be carried out there, so its answer is
 * waited for a while longer; what the store holds the memory of cannot be let go. */
static void part_expire(struct replication *r, struct part *p)
{
    uint64_t deadline = p->request->deadline;
    switch ((enum part_state)p->sm.state) {
    case PART_WAITING: part_finish(r, p, REP_UNAVAILABLE); break;
    case PART_PRIMARY:
        if (primary_abandon(r, p)) {
            sm_move(&p->sm, PART_WAITING);
            part_finish(r, p, REP_UNAVAILABLE);
        }
        break;
    case PART_FORWARDED:
        if (r->now < deadline + r->config.patience_ns / 2)
            break;
        call_cancel(r, p->call);
        sm_move(&p->sm, PART_WAITING);
        part_finish(r, p, REP_UNAVAILABLE);
        break;
    case PART_READING:
    case PART_STATES: break;
    }
}

void frontend_tick(struct replication *r)
{
    list_each (it, &r->part_list) {
        struct part *p = container_of(it, struct part, in_parts);
        if (r->now >= p->request->deadline)
            part_expire(r, p);
        else if (p->sm.state == PART_WAITING && r->now >= p->retry_at)
            part_route(r, p);
    }
    list_each (jt, &r->request_queue) {
        struct request *q = container_of(jt, struct request, in_requests);
        if (r->now >= q->deadline && q->issued < q->submit.len && !q->failed) {
            q->failed = true, q->result = REP_UNAVAILABLE;
            request_check(r, q);
        }
    }
}
