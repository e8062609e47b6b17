#pragma once
/* Three nodes' replication and store cores in one process: one seed decides every delay, every
 * crash, every cut link. A model coordinator keeps the groups; the oracle (oracle.h) watches what
 * clients were told. Included by one test file, so everything is static. */
#include "node/replication/replication.h"
#include "proto/base/arena.h"
#include "proto/base/must.h"
#include "tests/lib/simdisk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NODES = 3,
    GROUPS = 2,
    VOLUME = 1,
    EXTENT = 2 * STORE_REGION,
    EVENTS_MAX = 1 << 16,
};

#define RIG_MS UINT64_C(1000000)

enum rig_kind {
    RIG_DISK,
    RIG_PEER,
    RIG_META,
    RIG_COORDINATE,
    RIG_CONFIG,
    RIG_LEASE,
    RIG_TICK,
    RIG_RENEW,
    RIG_DECLARE,
    RIG_RESTART,
    RIG_CLIENT,
    RIG_FAULT
};

/* Something that will happen. `life` is the node's when it was planned: a crash cancels it. */
struct rig_event {
    uint64_t at, order;
    enum rig_kind kind;
    uint32_t node, other;
    uint64_t life, token, number, session;
    uint8_t *bytes; /* owned: control then data; or a packed command or reply */
    size_t control_len, data_len;
    bool up; /* PEER: the link's beginning or end instead of a message */
    bool down;
};

struct rig_link {     /* one direction */
    uint64_t session; /* as the receiving side sees it; 0: down */
    uint64_t last_at; /* messages stay in order */
    bool cut;         /* partitioned: nothing arrives */
};

struct rig_group {
    uint64_t epoch;
    bool member[NODES + 1], in_sync[NODES + 1];
    uint32_t primary;
};

struct rig_node {
    struct mem mem;
    struct replication *rep;
    struct store *store;
    struct simdisk disk;
    uint64_t life; /* of the process */
    bool alive, ready;
    uint64_t session; /* of the registration, as the coordinator counts */
    bool declared_up;
    bool cut_off;            /* from the coordinator */
    uint64_t lease_promised; /* the coordinator holds the node's groups for it until then */
    uint64_t tick_at, config_last_at, registered_life;
    uint32_t incarnation;
    struct table buffers;
};

struct rig {
    struct prng rng;
    uint64_t now, order;
    struct rig_event *heap;
    uint32_t heap_count;
    struct rig_node nodes[NODES + 1];
    struct rig_link links[NODES + 1][NODES + 1]; /* [from][to] */
    uint64_t sessions, version;
    struct rig_group groups[GROUPS + 1];
    uint32_t planted, replicas;
    bool coordinator_down;
    uint64_t disk_delay, net_delay;
    uint64_t steps;
    void (*completed)(struct rig *, uint32_t node, uint64_t token, enum rep_result);
    void (*client)(struct rig *, uint64_t token);
    void (*fault)(struct rig *);
    void *ctx;
};

static bool rig_verbose; /* for the debugger's run of one seed */

/* ---- time ------------------------------------------------------------------------------------ */

static bool rig_before(const struct rig_event *a, const struct rig_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void rig_plan(struct rig *g, struct rig_event e)
{
    must(g->heap_count < EVENTS_MAX);
    e.order = ++g->order;
    uint32_t i = g->heap_count++;
    for (; i > 0 && rig_before(&e, &g->heap[(i - 1) / 2]); i = (i - 1) / 2)
        g->heap[i] = g->heap[(i - 1) / 2];
    g->heap[i] = e;
}

static struct rig_event rig_next(struct rig *g)
{
    struct rig_event first = g->heap[0], last = g->heap[--g->heap_count];
    uint32_t i = 0;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= g->heap_count)
            break;
        if (child + 1 < g->heap_count && rig_before(&g->heap[child + 1], &g->heap[child]))
            child++;
        if (!rig_before(&g->heap[child], &last))
            break;
        g->heap[i] = g->heap[child];
        i = child;
    }
    g->heap[i] = last;
    return first;
}

static uint64_t rig_delay(struct rig *g, uint64_t mean)
{
    uint64_t d = 1 + prng_below(&g->rng, 2 * mean);
    return prng_chance(&g->rng, 10) ? d * 20 : d;
}

/* ---- a node's cores -------------------------------------------------------------------------- */

static void *rig_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return calloc(1, size);
}

static void rig_give(void *ctx, void *at, size_t size)
{
    (void)ctx, (void)size;
    free(at);
}

static void rig_step(struct rig *g, uint32_t n, const struct rep_event *ev);

static void rig_store_step(struct rig *g, uint32_t n, const struct store_event *ev)
{
    struct rig_node *node = &g->nodes[n];
    static struct store_effects outs[8];
    static uint32_t depth;
    struct store_effects *out = &outs[depth++];
    must(depth < 8);
    out->count = 0;
    store_step(node->store, ev, out);
    bool more = store_next_deadline(node->store) == 0;
    for (uint32_t i = 0; i < out->count; i++) {
        const struct store_effect *e = &out->items[i];
        if (e->type == STORE_DO_DISK) {
            struct rig_event d = {.kind = RIG_DISK, .node = n, .life = node->life};
            d.number = simdisk_start(&node->disk, &e->disk), d.token = e->token;
            d.at = g->now + rig_delay(g, g->disk_delay);
            rig_plan(g, d);
        } else if (e->type == STORE_DO_DONE) {
            struct rep_event r = {.type = REP_EV_STORED, .now_ns = g->now};
            r.stored.token = e->token, r.stored.outcome = e->done;
            rig_step(g, n, &r);
        } else if (e->type == STORE_DO_READY) {
            struct rep_event r = {.type = REP_EV_STORE_READY, .now_ns = g->now};
            r.store_ready.hot = e->ready.hot, r.store_ready.hot_count = e->ready.hot_count;
            node->ready = true;
            rig_step(g, n, &r);
        } else {
            must(e->type != STORE_DO_REFUSED);
        }
    }
    depth--;
    if (more)
        rig_store_step(g, n, &(struct store_event){.type = STORE_EV_TICK, .now_ns = g->now});
}

static void rig_send(struct rig *g, uint32_t from, const struct rep_effect *e)
{
    uint32_t to = e->peer.node_id;
    struct rig_link *l = &g->links[from][to];
    if (g->links[to][from].session != e->peer.session)
        return; /* the sender's link is another one by now */
    struct rig_event m = {.kind = RIG_PEER, .node = to, .other = from, .session = e->peer.session};
    m.control_len = e->peer.control.len, m.data_len = e->peer.data.len;
    m.bytes = malloc(m.control_len + m.data_len + 1);
    memcpy(m.bytes, e->peer.control.at, m.control_len);
    if (m.data_len > 0)
        memcpy(m.bytes + m.control_len, e->peer.data.at, m.data_len);
    uint64_t at = g->now + rig_delay(g, g->net_delay);
    m.at = l->last_at = at > l->last_at ? at : l->last_at;
    rig_plan(g, m);
}

static void rig_effect(struct rig *g, uint32_t n, const struct rep_effect *e)
{
    struct rig_node *node = &g->nodes[n];
    switch (e->type) {
    case REP_DO_COMPLETE: g->completed(g, n, e->complete.token, e->complete.result); break;
    case REP_DO_PEER: rig_send(g, n, e); break;
    case REP_DO_STORE: {
        struct store_event s = {.type = STORE_EV_OP, .now_ns = g->now};
        s.op.token = e->store.token, s.op.op = e->store.op;
        must(store_room(node->store) > 0);
        rig_store_step(g, n, &s);
        break;
    }
    case REP_DO_META: {
        struct rig_event m = {.kind = RIG_COORDINATE, .node = n, .life = node->life};
        m.token = e->meta.token;
        m.control_len = protobuf_c_message_get_packed_size(&e->meta.command->base);
        m.bytes = malloc(m.control_len + 1);
        protobuf_c_message_pack(&e->meta.command->base, m.bytes);
        m.at = g->now + rig_delay(g, 2 * RIG_MS);
        rig_plan(g, m);
        break;
    }
    case REP_DO_RELEASE: {
        void *bytes = table_remove(&node->buffers, e->release.buf);
        must(bytes != NULL); /* exactly once */
        free(bytes);
        break;
    }
    }
}

/* Effects may cause events for the same core at once (the store answers), so steps wait in line. */
static void rig_step(struct rig *g, uint32_t n, const struct rep_event *first)
{
    static struct {
        uint32_t n;
        struct rep_event ev;
    } line[4096];
    static uint32_t head, tail;
    static bool running;
    must(tail - head < 4096);
    line[tail % 4096].n = n, line[tail++ % 4096].ev = *first;
    if (running)
        return;
    running = true;
    while (head != tail) {
        uint32_t at = head++ % 4096;
        struct rig_node *node = &g->nodes[line[at].n];
        static struct rep_effects out;
        out.count = 0;
        struct rep_event ev = line[at].ev;
        uint32_t who = line[at].n;
        ev.now_ns = g->now;
        if (node->rep == NULL)
            continue;
        replication_step(node->rep, &ev, &out);
        if (g->steps++ % 64 == 0)
            replication_check(node->rep);
        for (uint32_t i = 0; i < out.count; i++)
            rig_effect(g, who, &out.items[i]);
        uint64_t due = replication_next_deadline(node->rep);
        due = due <= g->now ? g->now + 1000 : due;
        if (node->tick_at <= g->now || due < node->tick_at) {
            node->tick_at = due;
            rig_plan(g, (struct rig_event){
                            .kind = RIG_TICK, .node = who, .life = node->life, .at = due});
        }
    }
    running = false;
}

/* ---- the coordinator ------------------------------------------------------------------------- */

static void rig_fill_group(const struct rig *g, uint32_t id, Fl__Group *out, uint32_t *ids)
{
    const struct rig_group *c = &g->groups[id];
    fl__group__init(out);
    out->id = id, out->volume = VOLUME, out->epoch = c->epoch, out->primary = c->primary;
    out->members = ids, out->in_sync = ids + NODES;
    for (uint32_t n = 1; n <= NODES; n++) {
        if (c->member[n])
            out->members[out->n_members++] = n;
        if (c->in_sync[n])
            out->in_sync[out->n_in_sync++] = n;
    }
}

static void rig_config_to(struct rig *g, uint32_t n)
{
    Fl__ClusterConfig config = FL__CLUSTER_CONFIG__INIT;
    Fl__Volume volume = FL__VOLUME__INIT, *volumes[1] = {&volume};
    Fl__Node nodes[NODES], *node_list[NODES];
    Fl__Group groups[GROUPS], *group_list[GROUPS];
    uint32_t ids[GROUPS][2 * NODES], group_ids[GROUPS];
    for (uint32_t i = 0; i < NODES; i++) {
        fl__node__init(&nodes[i]);
        nodes[i].id = i + 1;
        nodes[i].session = g->nodes[i + 1].session;
        nodes[i].state =
            g->nodes[i + 1].declared_up ? FL__NODE_STATE__NODE_UP : FL__NODE_STATE__NODE_DOWN;
        node_list[i] = &nodes[i];
    }
    for (uint32_t i = 0; i < GROUPS; i++) {
        rig_fill_group(g, i + 1, &groups[i], ids[i]);
        group_list[i] = &groups[i];
        group_ids[i] = i + 1;
    }
    volume.id = VOLUME, volume.replicas = g->replicas, volume.extent_bytes = EXTENT;
    volume.groups = group_ids, volume.n_groups = GROUPS;
    config.version = ++g->version;
    config.nodes = node_list, config.n_nodes = NODES;
    config.volumes = volumes, config.n_volumes = 1;
    config.groups = group_list, config.n_groups = GROUPS;
    struct rig_event e = {.kind = RIG_CONFIG, .node = n, .life = g->nodes[n].life};
    e.control_len = fl__cluster_config__get_packed_size(&config);
    e.bytes = malloc(e.control_len + 1);
    fl__cluster_config__pack(&config, e.bytes);
    uint64_t at = g->now + rig_delay(g, 5 * RIG_MS);
    e.at = g->nodes[n].config_last_at =
        at > g->nodes[n].config_last_at ? at : g->nodes[n].config_last_at;
    rig_plan(g, e);
}

static void rig_say_groups(const struct rig *g, const char *why, uint32_t n)
{
    for (uint32_t i = 1; rig_verbose && i <= GROUPS; i++) {
        const struct rig_group *c = &g->groups[i];
        printf("%8.3f %s %u: group %u epoch %llu primary %u in sync %d%d%d\n", (double)g->now / 1e9,
               why, n, i, (unsigned long long)c->epoch, c->primary, c->in_sync[1], c->in_sync[2],
               c->in_sync[3]);
    }
}

static void rig_config_all(struct rig *g)
{
    for (uint32_t n = 1; n <= NODES; n++)
        if (g->nodes[n].alive && !g->nodes[n].cut_off)
            rig_config_to(g, n);
}

static uint32_t rig_in_sync_count(const struct rig_group *c)
{
    uint32_t count = 0;
    for (uint32_t n = 1; n <= NODES; n++)
        count += c->in_sync[n];
    return count;
}

/* A primary that is up and in sync, or none. */
static void rig_choose(struct rig *g, struct rig_group *c)
{
    if (c->primary != 0 && c->in_sync[c->primary] && g->nodes[c->primary].declared_up)
        return;
    c->primary = 0;
    uint32_t start = (uint32_t)prng_below(&g->rng, NODES);
    for (uint32_t i = 0; i < NODES && c->primary == 0; i++) {
        uint32_t n = (start + i) % NODES + 1;
        if (c->in_sync[n] && g->nodes[n].declared_up)
            c->primary = n;
    }
}

static void rig_node_down(struct rig *g, uint32_t n)
{
    g->nodes[n].declared_up = false;
    for (uint32_t i = 1; i <= GROUPS; i++) {
        struct rig_group *c = &g->groups[i];
        if (!c->in_sync[n] && c->primary != n)
            continue;
        if (rig_in_sync_count(c) > 1)
            c->in_sync[n] = false;
        rig_choose(g, c);
        c->epoch++;
    }
    rig_say_groups(g, "down", n);
}

static void rig_register(struct rig *g, uint32_t n)
{
    if (g->nodes[n].declared_up)
        rig_node_down(g, n);
    g->nodes[n].declared_up = true;
    g->nodes[n].session++;
    g->nodes[n].lease_promised = g->now;
    for (uint32_t i = 1; i <= GROUPS; i++) {
        struct rig_group *c = &g->groups[i];
        if (c->primary == 0 && c->in_sync[n])
            c->primary = n, c->epoch++;
    }
    rig_say_groups(g, "registered", n);
    rig_config_all(g);
}

static void rig_command(struct rig *g, const struct rig_event *e)
{
    struct rig_node *node = &g->nodes[e->node];
    Fl__Command *command = fl__command__unpack(NULL, e->control_len, e->bytes);
    struct rig_event back = {.kind = RIG_META, .node = e->node, .life = e->life, .token = e->token};
    back.at = g->now + rig_delay(g, 2 * RIG_MS);
    uint32_t id = 0, ids[2 * NODES];
    if (command->body_case == FL__COMMAND__BODY_GROUP_EVICT) {
        const Fl__GroupEvict *m = command->group_evict;
        struct rig_group *c = &g->groups[id = m->group];
        if (c->epoch == m->epoch && c->primary == e->node && c->in_sync[m->member] &&
            rig_in_sync_count(c) > 1) {
            c->in_sync[m->member] = false;
            rig_choose(g, c);
            c->epoch++;
            rig_say_groups(g, "evicted", m->member);
            rig_config_all(g);
        }
    } else if (command->body_case == FL__COMMAND__BODY_GROUP_REJOIN) {
        const Fl__GroupRejoin *m = command->group_rejoin;
        struct rig_group *c = &g->groups[id = m->group];
        if (c->epoch == m->epoch && c->primary == e->node && g->nodes[m->member].declared_up) {
            c->in_sync[m->member] = true;
            c->epoch++;
            rig_say_groups(g, "rejoined", m->member);
            rig_config_all(g);
        }
    }
    Fl__Reply reply = FL__REPLY__INIT;
    Fl__GroupReply group_reply = FL__GROUP_REPLY__INIT;
    Fl__Group group;
    if (id != 0) {
        rig_fill_group(g, id, &group, ids);
        group_reply.group = &group;
        reply.body_case = FL__REPLY__BODY_GROUP, reply.group = &group_reply;
    }
    /* Sometimes the answer is lost. */
    if (!node->cut_off && !prng_chance(&g->rng, 30)) {
        back.control_len = fl__reply__get_packed_size(&reply);
        back.bytes = malloc(back.control_len + 1);
        fl__reply__pack(&reply, back.bytes);
    }
    rig_plan(g, back);
    fl__command__free_unpacked(command, NULL);
}

/* ---- links ----------------------------------------------------------------------------------- */

static void rig_link_end(struct rig *g, uint32_t a, uint32_t b, uint64_t session, uint64_t delay)
{
    struct rig_event e = {
        .kind = RIG_PEER, .node = a, .other = b, .session = session, .down = true};
    e.at = g->now + rig_delay(g, delay);
    rig_plan(g, e);
}

/* Both sides notice at different times; what was under way may arrive before. */
static void rig_link_break(struct rig *g, uint32_t a, uint32_t b, uint64_t delay)
{
    if (g->links[a][b].session != 0)
        rig_link_end(g, b, a, g->links[a][b].session, delay);
    if (g->links[b][a].session != 0)
        rig_link_end(g, a, b, g->links[b][a].session, delay);
}

static void rig_link_try(struct rig *g, uint32_t a, uint32_t b)
{
    struct rig_link *ab = &g->links[a][b], *ba = &g->links[b][a];
    if (!g->nodes[a].alive || !g->nodes[b].alive || ab->cut || ba->cut || ab->session != 0 ||
        ba->session != 0)
        return;
    uint64_t session = ++g->sessions;
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t to = i == 0 ? a : b, from = i == 0 ? b : a;
        struct rig_event e = {.kind = RIG_PEER, .node = to, .other = from, .session = session};
        e.up = true;
        e.at = g->now + rig_delay(g, 2 * RIG_MS);
        g->links[from][to].last_at = e.at;
        g->links[from][to].session = session;
        rig_plan(g, e);
    }
}

static void rig_peer(struct rig *g, const struct rig_event *e)
{
    struct rig_node *node = &g->nodes[e->node];
    struct rig_link *l = &g->links[e->other][e->node];
    if (l->session != e->session || !node->alive)
        return;
    struct rep_event ev = {.type = REP_EV_PEER};
    if (e->up || e->down) {
        ev.type = e->up ? REP_EV_PEER_UP : REP_EV_PEER_DOWN;
        ev.link.node_id = e->other, ev.link.session = e->session;
        if (e->down)
            l->session = 0;
        rig_step(g, e->node, &ev);
        return;
    }
    if (l->cut)
        return;
    ev.peer.node_id = e->other, ev.peer.session = e->session;
    ev.peer.control = slice_of(e->bytes, e->control_len);
    if (e->data_len > 0) {
        uint8_t *data = malloc(e->data_len);
        memcpy(data, e->bytes + e->control_len, e->data_len);
        ev.peer.data = slice_of(data, e->data_len);
        ev.peer.buf = table_add(&node->buffers, data);
        must(!handle_none(ev.peer.buf));
    }
    rig_step(g, e->node, &ev);
}

/* ---- life and death -------------------------------------------------------------------------- */

static void rig_start(struct rig *g, uint32_t n)
{
    struct rig_node *node = &g->nodes[n];
    struct replication_config rc = replication_defaults();
    rc.requests_max = 32, rc.parts_max = 32, rc.ops_max = 24, rc.applies_max = 48;
    rc.dirty_max = 64, rc.hot_max = 64, rc.buffers_max = 6, rc.groups_max = 8, rc.nodes_max = 4;
    rc.patience_ns = 8000 * RIG_MS;
    rc.incarnation = ++node->incarnation;
    rc.planted = g->planted;
    struct store_config sc = {.ops_max = 256, .bounces_max = 4, .hot_max = 64};
    node->mem = (struct mem){.alloc = rig_alloc, .release = rig_give, .max = 256 << 20};
    node->life++;
    node->alive = true, node->ready = false, node->tick_at = 0;
    node->rep = replication_new(&node->mem, &rc);
    node->store = store_new(&node->mem, &sc);
    must(node->rep != NULL && node->store != NULL);
    must(table_init(&node->buffers, &node->mem, 4096));
    struct store_event ev = {.type = STORE_EV_START, .now_ns = g->now};
    memset(ev.start.new_store_id, (int)n, STORE_ID);
    memset(ev.start.cluster_id, 7, STORE_ID);
    rig_store_step(g, n, &ev);
    rig_plan(g, (struct rig_event){.kind = RIG_RENEW,
                                   .node = n,
                                   .life = node->life,
                                   .at = g->now + rig_delay(g, 20 * RIG_MS)});
}

static void rig_stop(struct rig *g, uint32_t n, bool tear)
{
    struct rig_node *node = &g->nodes[n];
    if (!node->alive)
        return;
    node->alive = false;
    node->life++;
    if (tear)
        simdisk_crash(&node->disk, &g->rng, (uint32_t)prng_below(&g->rng, 1001));
    handle at = {0};
    void *bytes;
    while ((bytes = table_next(&node->buffers, &at)) != NULL)
        free(bytes);
    table_fini(&node->buffers);
    replication_free(node->rep), store_free(node->store);
    node->rep = NULL, node->store = NULL;
    must(node->mem.used == 0);
    for (uint32_t m = 1; m <= NODES; m++) {
        g->links[m][n].session = 0; /* it hears nothing more */
        if (g->links[n][m].session != 0)
            rig_link_end(g, m, n, g->links[n][m].session, 20 * RIG_MS);
    }
    /* The coordinator sees its connection close, or has to wait for the lease. */
    struct rig_event e = {.kind = RIG_DECLARE, .node = n, .life = node->life};
    e.session = node->session;
    e.at = g->now + rig_delay(g, 20 * RIG_MS);
    if (!node->cut_off)
        rig_plan(g, e);
}

/* A node asks for its lease; it registers when the coordinator thinks it is down. */
static void rig_renew(struct rig *g, const struct rig_event *e)
{
    struct rig_node *node = &g->nodes[e->node];
    rig_plan(g,
             (struct rig_event){
                 .kind = RIG_RENEW, .node = e->node, .life = e->life, .at = g->now + 500 * RIG_MS});
    for (uint32_t m = 1; m <= NODES; m++)
        if (m != e->node)
            rig_link_try(g, e->node, m);
    if (node->cut_off || g->coordinator_down)
        return;
    if (!node->declared_up || node->registered_life != node->life) {
        node->registered_life = node->life;
        rig_register(g, e->node);
    }
    uint64_t asked = g->now;
    node->lease_promised = g->now + 3300 * RIG_MS;
    struct rig_event l = {.kind = RIG_LEASE, .node = e->node, .life = e->life};
    l.number = asked + 3000 * RIG_MS, l.session = node->session;
    l.at = g->now + rig_delay(g, 3 * RIG_MS);
    rig_plan(g, l);
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void rig_coordinator_tick(struct rig *g)
{
    bool changed = false;
    for (uint32_t n = 1; n <= NODES; n++) {
        if (g->nodes[n].declared_up && g->nodes[n].lease_promised < g->now) {
            rig_node_down(g, n);
            changed = true;
        }
    }
    if (changed)
        rig_config_all(g);
    rig_plan(g, (struct rig_event){.kind = RIG_COORDINATE, .at = g->now + 100 * RIG_MS});
}

static void rig_coordinate(struct rig *g, const struct rig_event *e)
{
    if (e->node == 0) {
        rig_coordinator_tick(g);
        return;
    }
    if (!g->nodes[e->node].cut_off) {
        rig_command(g, e);
        return;
    }
    rig_plan(g, (struct rig_event){.kind = RIG_META,
                                   .node = e->node,
                                   .life = e->life,
                                   .token = e->token,
                                   .at = g->now + 500 * RIG_MS});
}

static void rig_meta(struct rig *g, const struct rig_event *e)
{
    Fl__Reply *reply = e->bytes == NULL ? NULL : fl__reply__unpack(NULL, e->control_len, e->bytes);
    struct rep_event ev = {.type = REP_EV_META};
    ev.meta.token = e->token, ev.meta.reply = reply;
    rig_step(g, e->node, &ev);
    if (reply != NULL)
        fl__reply__free_unpacked(reply, NULL);
}

static void rig_config(struct rig *g, const struct rig_event *e)
{
    Fl__ClusterConfig *config = fl__cluster_config__unpack(NULL, e->control_len, e->bytes);
    struct rep_event ev = {.type = REP_EV_CONFIG};
    ev.config.config = config, ev.config.node_id = e->node;
    if (!g->nodes[e->node].cut_off)
        rig_step(g, e->node, &ev);
    fl__cluster_config__free_unpacked(config, NULL);
}

static void rig_disk(struct rig *g, const struct rig_event *e)
{
    struct store_event ev = {.type = STORE_EV_DISK, .now_ns = g->now};
    ev.disk.token = e->token;
    ev.disk.result = simdisk_finish(&g->nodes[e->node].disk, e->number, &g->rng, &ev.disk.count);
    rig_store_step(g, e->node, &ev);
}

static void rig_node_event(struct rig *g, const struct rig_event *e)
{
    struct rep_event ev = {.type = REP_EV_TICK};
    if (e->kind == RIG_DISK) {
        rig_disk(g, e);
    } else if (e->kind == RIG_META) {
        rig_meta(g, e);
    } else if (e->kind == RIG_CONFIG) {
        rig_config(g, e);
    } else if (e->kind == RIG_RENEW) {
        rig_renew(g, e);
    } else if (e->kind == RIG_LEASE) {
        ev.type = REP_EV_LEASE;
        ev.lease.until_ns = e->number, ev.lease.session = e->session;
        rig_step(g, e->node, &ev);
    } else {
        must(e->kind == RIG_TICK);
        rig_step(g, e->node, &ev);
    }
}

/* One event; false when there is none before `until`. */
static bool rig_run_one(struct rig *g, uint64_t until)
{
    if (g->heap_count == 0 || g->heap[0].at > until)
        return false;
    struct rig_event e = rig_next(g);
    g->now = e.at;
    struct rig_node *node = &g->nodes[e.node];
    if (e.kind == RIG_PEER)
        rig_peer(g, &e);
    else if (e.kind == RIG_COORDINATE)
        rig_coordinate(g, &e);
    else if (e.kind == RIG_CLIENT)
        g->client(g, e.token);
    else if (e.kind == RIG_FAULT)
        g->fault(g);
    else if (e.kind == RIG_RESTART && !node->alive)
        rig_start(g, e.node);
    else if (e.kind == RIG_DECLARE && node->declared_up && node->session == e.session) {
        rig_node_down(g, e.node);
        rig_config_all(g);
    } else if (e.kind < RIG_RESTART && e.kind != RIG_DECLARE && node->alive && e.life == node->life)
        rig_node_event(g, &e);
    free(e.bytes);
    return true;
}

static struct rig *rig_new(uint64_t seed, uint32_t replicas)
{
    struct rig *g = calloc(1, sizeof(*g));
    g->heap = malloc(EVENTS_MAX * sizeof(*g->heap));
    g->replicas = replicas;
    prng_init(&g->rng, seed);
    g->disk_delay = (1 + prng_below(&g->rng, 20)) * RIG_MS / 10;
    g->net_delay = (1 + prng_below(&g->rng, 20)) * RIG_MS / 10;
    g->now = RIG_MS;
    for (uint32_t i = 1; i <= GROUPS; i++) {
        g->groups[i].epoch = 1;
        for (uint32_t n = 0; n < replicas; n++) {
            uint32_t id = (i + n) % NODES + 1;
            g->groups[i].member[id] = g->groups[i].in_sync[id] = true;
        }
    }
    for (uint32_t n = 1; n <= NODES; n++) {
        simdisk_init(&g->nodes[n].disk);
        rig_start(g, n);
    }
    rig_coordinator_tick(g);
    return g;
}

static void rig_free(struct rig *g)
{
    for (uint32_t n = 1; n <= NODES; n++) {
        rig_stop(g, n, true);
        simdisk_fini(&g->nodes[n].disk);
    }
    while (g->heap_count > 0)
        free(rig_next(g).bytes);
    free(g->heap);
    free(g);
}
