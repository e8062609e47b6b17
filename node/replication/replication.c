/* Life, events and effects of the core. See replication.h. */
#include "node/replication/rep_int.h"

#include "proto/base/prng.h"

#include <string.h>

struct replication_config replication_defaults(void)
{
    return (struct replication_config){
        .requests_max = 1024,
        .parts_max = 512,
        .ops_max = 512,
        .applies_max = 1024,
        .dirty_max = 4096,
        .hot_max = STORE_HOT_MAX,
        .buffers_max = 64,
        .groups_max = 4096,
        .nodes_max = 128,
        .patience_ns = 30000 * MS,
        .member_timeout_ns = 2000 * MS,
        .link_grace_ns = 500 * MS,
        .grant_ns = 1000 * MS,
    };
}

static uint32_t calls_max(const struct replication_config *c)
{
    return 2 * c->parts_max + (SLOTS_MAX + 1) * c->ops_max + c->applies_max + 4 * c->groups_max;
}

static bool buffers_init(struct replication *r)
{
    uint32_t n = r->config.buffers_max;
    r->buffer_memory = mem_alloc(r->mem, (size_t)n * STORE_REGION + STORE_BLOCK);
    r->buffers = mem_array(r->mem, n, sizeof(*r->buffers));
    r->lent = mem_array(r->mem, n, sizeof(*r->lent));
    if (r->buffer_memory == NULL || r->buffers == NULL || r->lent == NULL)
        return false;
    size_t skew = (uintptr_t)r->buffer_memory % STORE_BLOCK;
    uint8_t *base = r->buffer_memory + (skew == 0 ? 0 : STORE_BLOCK - skew);
    for (uint32_t i = 0; i < n; i++)
        r->buffers[r->buffers_free++] = base + (size_t)i * STORE_REGION;
    return true;
}

static bool pools_init(struct replication *r)
{
    const struct replication_config *c = &r->config;
    bool ok = pool_init(&r->requests, r->mem, sizeof(struct request), c->requests_max);
    ok = pool_init(&r->parts, r->mem, sizeof(struct part), c->parts_max) && ok;
    ok = pool_init(&r->ops, r->mem, sizeof(struct op), c->ops_max) && ok;
    ok = pool_init(&r->applies, r->mem, sizeof(struct apply), c->applies_max) && ok;
    ok = pool_init(&r->dirties, r->mem, sizeof(struct dirty), c->dirty_max + c->hot_max) && ok;
    ok = pool_init(&r->stains, r->mem, sizeof(struct stain), c->dirty_max + 4 * c->hot_max) && ok;
    ok = pool_init(&r->calls, r->mem, sizeof(struct call), calls_max(c)) && ok;
    ok = pool_init(&r->reclaims, r->mem, sizeof(struct reclaim), 1024) && ok;
    ok = pool_init(&r->resyncs, r->mem, sizeof(struct resync), RESYNCS_MAX) && ok;
    return table_init(&r->call_table, r->mem, calls_max(c)) && ok;
}

struct replication *replication_new(struct mem *mem, const struct replication_config *config)
{
    must(config->parts_max > 0 && config->parts_max <= ORIGIN_WINDOW / 4);
    must(config->ops_max > 0 && config->buffers_max > 0);
    struct replication *r = mem_alloc(mem, sizeof(*r));
    if (r == NULL)
        return NULL;
    *r = (struct replication){.mem = mem, .config = *config};
    arena_init(&r->in, mem, 64 << 20);
    arena_init(&r->out_arena, mem, 64 << 20);
    list_init(&r->request_queue), list_init(&r->part_list), list_init(&r->apply_list);
    list_init(&r->pump_list), list_init(&r->reclaim_list);
    /* Parts of a later life have larger numbers; writes only need names that nobody used before. */
    uint64_t counter = config->incarnation >> 32 == 0 ? config->incarnation << 32 : 0;
    r->next_part_id = (counter != 0 ? counter : config->incarnation) + 1;
    r->next_write_id = mix64(r->next_part_id) | 1;
    r->peers = mem_array(mem, config->nodes_max, sizeof(*r->peers));
    r->groups = mem_array(mem, config->groups_max, sizeof(*r->groups));
    r->ring_max = RING_SPARE + 8 * (config->parts_max + config->ops_max + config->applies_max);
    r->ring = mem_array(mem, r->ring_max, sizeof(*r->ring));
    bool ok = pools_init(r);
    ok = buffers_init(r) && ok;
    if (!ok || r->peers == NULL || r->groups == NULL || r->ring == NULL) {
        replication_free(r);
        return NULL;
    }
    return r;
}

void replication_free(struct replication *r)
{
    if (r == NULL)
        return;
    struct mem *mem = r->mem;
    config_free(r);
    arena_fini(&r->in), arena_fini(&r->out_arena);
    pool_fini(&r->requests), pool_fini(&r->parts), pool_fini(&r->ops), pool_fini(&r->applies);
    pool_fini(&r->dirties), pool_fini(&r->stains), pool_fini(&r->calls);
    pool_fini(&r->reclaims), pool_fini(&r->resyncs);
    table_fini(&r->call_table);
    mem_free(mem, r->peers, r->config.nodes_max * sizeof(*r->peers));
    mem_free(mem, r->groups, r->config.groups_max * sizeof(*r->groups));
    mem_free(mem, r->ring, r->ring_max * sizeof(*r->ring));
    mem_free(mem, r->buffers, r->config.buffers_max * sizeof(*r->buffers));
    mem_free(mem, r->lent, r->config.buffers_max * sizeof(*r->lent));
    mem_free(mem, r->buffer_memory, (size_t)r->config.buffers_max * STORE_REGION + STORE_BLOCK);
    mem_free(mem, r, sizeof(*r));
}

/* ---- effects --------------------------------------------------------------------------------- */

static void deliver(struct replication *r, const struct ring_item *item)
{
    r->out->items[r->out->count++] = item->effect;
    if (item->buffer != NULL)
        r->lent[r->lent_count++] = item->buffer;
}

void rep_emit(struct replication *r, const struct rep_effect *e, uint8_t *buffer_after)
{
    struct ring_item item = {*e, buffer_after};
    if (r->ring_count == 0 && r->out->count < REP_EFFECTS_MAX) {
        deliver(r, &item);
        return;
    }
    must(r->ring_count < r->ring_max);
    r->ring[(r->ring_head + r->ring_count++) % r->ring_max] = item;
}

bool rep_room(const struct replication *r) { return r->ring_count < r->ring_max / 4; }

static void ring_drain(struct replication *r)
{
    while (r->ring_count > 0 && r->out->count < REP_EFFECTS_MAX) {
        deliver(r, &r->ring[r->ring_head]);
        r->ring_head = (r->ring_head + 1) % r->ring_max;
        r->ring_count--;
    }
}

void rep_store(struct replication *r, const struct call *c, const struct store_op *op)
{
    struct rep_effect e = {.type = REP_DO_STORE};
    e.store.token = handle_pack(c->self);
    e.store.op = *op;
    rep_emit(r, &e, NULL);
}

void rep_confirm_pins(struct replication *r, const struct store_extent *x, uint64_t off, uint32_t n)
{
    if (n == 0)
        return;
    struct rep_effect e = {.type = REP_DO_STORE};
    e.store.op = (struct store_op){.type = STORE_CONFIRM, .extent = *x, .offset = off, .len = n};
    rep_emit(r, &e, NULL);
}

void rep_release(struct replication *r, handle buf)
{
    if (!handle_none(buf))
        rep_emit(r, &(struct rep_effect){.type = REP_DO_RELEASE, .release = {buf}}, NULL);
}

uint8_t *buffer_get(struct replication *r)
{
    return r->buffers_free > 0 ? r->buffers[--r->buffers_free] : NULL;
}

void buffer_put(struct replication *r, uint8_t *buffer)
{
    if (buffer != NULL)
        r->buffers[r->buffers_free++] = buffer;
}

/* ---- calls ----------------------------------------------------------------------------------- */

struct call *call_new(struct replication *r, enum call_kind kind)
{
    struct call *c = pool_get(&r->calls);
    if (c == NULL)
        return NULL;
    *c = (struct call){.kind = kind, .sent_at = r->now};
    c->self = table_add(&r->call_table, c);
    must(!handle_none(c->self)); /* the table is as large as the pool */
    return c;
}

void call_end(struct replication *r, struct call *c)
{
    (void)table_remove(&r->call_table, c->self);
    pool_put(&r->calls, c);
}

void call_cancel(struct replication *r, handle h)
{
    struct call *c = handle_none(h) ? NULL : table_get(&r->call_table, h);
    if (c != NULL)
        call_end(r, c);
}

/* ---- groups ---------------------------------------------------------------------------------- */

bool lease_valid(const struct replication *r)
{
    return r->have_config && r->store_ready && r->lease_until > r->now &&
           r->config_session >= r->lease_session;
}

struct group *group_get(const struct replication *r, uint32_t id)
{
    uint32_t low = 0, high = r->groups_count; /* sorted by id */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (r->groups[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < r->groups_count && r->groups[low]->id == id ? r->groups[low] : NULL;
}

static const struct sm_state group_table[GROUP_STATES] = {
    [GROUP_MEMBER] = {"member", MAY(GROUP_COLLECTING)},
    [GROUP_COLLECTING] = {"collecting", MAY(GROUP_SERVING) | MAY(GROUP_MEMBER)},
    [GROUP_SERVING] = {"serving", MAY(GROUP_MEMBER)},
};

struct group *group_make(struct replication *r, uint32_t id)
{
    struct group *g = group_get(r, id);
    if (g != NULL || r->groups_count == r->config.groups_max)
        return g;
    g = mem_alloc(r->mem, sizeof(*g));
    if (g == NULL)
        return NULL;
    *g = (struct group){.id = id};
    sm_init(&g->sm, "group", group_table, GROUP_STATES, GROUP_MEMBER);
    list_init(&g->ops), list_init(&g->stains), list_init(&g->dirty), list_init(&g->in_pump);
    uint32_t at = r->groups_count++;
    for (; at > 0 && r->groups[at - 1]->id > id; at--)
        r->groups[at] = r->groups[at - 1];
    r->groups[at] = g;
    return g;
}

struct slot *slot_of(struct group *g, uint32_t node_id)
{
    for (uint32_t i = 0; i < SLOTS_MAX; i++)
        if (g->slots[i].node_id == node_id && node_id != 0)
            return &g->slots[i];
    return NULL;
}

void group_wake(struct replication *r, struct group *g)
{
    if (list_empty(&g->in_pump))
        list_push_back(&r->pump_list, &g->in_pump);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void step_stored(struct replication *r, const struct rep_event *ev)
{
    struct call *c = table_get(&r->call_table, handle_unpack(ev->stored.token));
    must(c != NULL); /* a store operation is never cancelled */
    struct call call = *c;
    call_end(r, c);
    const struct store_outcome *o = &ev->stored.outcome;
    if (call.kind == CALL_STORE_PART) {
        frontend_stored(r, call.part, o);
    } else if (call.kind == CALL_STORE_OP) {
        op_stored(r, call.op, o);
    } else if (call.kind == CALL_STORE_APPLY) {
        replica_stored(r, call.apply, o);
    } else if (call.kind == CALL_STORE_LIST) {
        resync_own_listed(r, call.resync, o);
    } else {
        must(call.kind == CALL_STORE_RECLAIM);
        reclaim_stored(r, call.reclaim, o);
    }
}

static void step_meta(struct replication *r, const struct rep_event *ev)
{
    struct call *c = table_get(&r->call_table, handle_unpack(ev->meta.token));
    if (c == NULL)
        return;
    struct call call = *c;
    call_end(r, c);
    membership_reply(r, &call, ev->meta.reply);
}

static void step_lease(struct replication *r, const struct rep_event *ev)
{
    /* A gap: this node may have been declared down, and others may have written without asking it.
     * What it was granted in its former life counts no more. */
    if (r->lease_until <= r->now || ev->lease.until_ns <= r->now)
        for (uint32_t i = 0; i < r->groups_count; i++)
            r->groups[i]->grant_until = 0;
    r->lease_until = ev->lease.until_ns;
    r->lease_session = ev->lease.session;
    for (uint32_t i = 0; i < r->groups_count; i++)
        if (!list_empty(&r->groups[i]->ops))
            group_wake(r, r->groups[i]);
    frontend_wake(r);
}

static void dispatch(struct replication *r, const struct rep_event *ev)
{
    switch (ev->type) {
    case REP_EV_SUBMIT: frontend_submit(r, &ev->submit); break;
    case REP_EV_PEER: peers_event(r, ev); break;
    case REP_EV_PEER_UP: peers_up(r, ev->link.node_id, ev->link.session); break;
    case REP_EV_PEER_DOWN: peers_down(r, ev->link.node_id, ev->link.session); break;
    case REP_EV_STORED: step_stored(r, ev); break;
    case REP_EV_STORE_READY:
        r->store_ready = true;
        replica_recovered(r, ev->store_ready.hot, ev->store_ready.hot_count);
        frontend_wake(r);
        break;
    case REP_EV_META: step_meta(r, ev); break;
    case REP_EV_CONFIG: config_event(r, ev); break;
    case REP_EV_LEASE: step_lease(r, ev); break;
    case REP_EV_RECLAIM: reclaim_event(r, ev); break;
    case REP_EV_TICK: break;
    }
}

/* What depends on time: every TICK_NS. */
static void tick(struct replication *r)
{
    r->next_tick = r->now + TICK_NS;
    for (uint32_t i = 0; i < r->groups_count; i++) {
        struct group *g = r->groups[i];
        if (g->primary != r->node_id || g->sm.state == GROUP_MEMBER)
            continue;
        membership_tick(r, g);
        group_wake(r, g);
    }
    grants_tick(r);
    reclaim_tick(r);
    frontend_tick(r);
}

static void pump(struct replication *r)
{
    frontend_pump(r);
    /* A group that wakes itself again gets its turn in a later step, so that this one ends. */
    struct list now;
    list_init(&now);
    struct list *it;
    while ((it = list_pop(&r->pump_list)) != NULL)
        list_push_back(&now, it);
    while ((it = list_pop(&now)) != NULL) {
        struct group *g = container_of(it, struct group, in_pump);
        if (g->sm.state != GROUP_MEMBER && rep_room(r)) {
            takeover_pump(r, g);
            clean_pump(r, g);
            primary_pump(r, g);
            resync_pump(r, g);
        }
    }
    peer_flush_confirms(r, false);
}

void replication_step(struct replication *r, const struct rep_event *ev, struct rep_effects *out)
{
    must(out->count == 0);
    must(ev->now_ns >= r->now);
    r->now = ev->now_ns;
    r->out = out;
    while (r->lent_count > 0)
        buffer_put(r, r->lent[--r->lent_count]);
    if (r->ring_count == 0)
        arena_reset(&r->out_arena);
    arena_reset(&r->in);
    ring_drain(r);
    dispatch(r, ev);
    if (r->now >= r->next_tick)
        tick(r);
    pump(r);
    r->out = NULL;
}

uint64_t replication_next_deadline(const struct replication *r)
{
    if (r->ring_count > 0 || !list_empty(&r->pump_list))
        return 0;
    uint64_t next = r->next_tick;
    for (uint32_t i = 0; i < r->config.nodes_max; i++)
        if (r->peers[i].confirms_count > 0 && r->peers[i].confirm_due < next)
            next = r->peers[i].confirm_due;
    return next;
}

void replication_stats(const struct replication *r, struct replication_stats *out)
{
    *out = r->stats;
    out->requests = r->requests.used;
    out->ops = r->ops.used;
    out->dirty = r->dirties.used;
    out->resyncs = r->resyncs.used;
}
