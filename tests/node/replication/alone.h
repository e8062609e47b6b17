#pragma once
/* One replication core without a cluster: node 1, with a lease, primary of group 1 and member of
 * group 2, whose primary is node 2. Everything node 2 is told is kept; the store says yes. */
#include "node/replication/replication.h"
#include "proto/base/must.h"
#include "proto/cluster/pack.h"
#include "proto/cluster/replication.pb-c.h"

#include <stdlib.h>
#include <string.h>

enum { ALONE_BYTES = 16 << 20 };

struct alone {
    struct mem mem;
    uint8_t *bytes; /* a bump allocator over one block, cleared as far as it was used */
    size_t at;
    struct replication *rep;
    struct table buffers;
    uint64_t now, epoch, life[2]; /* life: incarnations of nodes 1 and 2 */
    uint32_t completed, sent, commands;
    enum rep_result result;
    Fl__Peer *last;                        /* the newest message sent, to be freed by alone_stop */
    uint64_t applied_call;                 /* the newest answer to an apply */
    uint64_t forwarded_call, collect_call; /* ... to what was passed on here; the newest question */
    Fl__PeerResult applied, forwarded;
    bool store_quiet, other_down; /* node 2 is declared down */
};

static void *alone_alloc(void *ctx, size_t size)
{
    struct alone *a = ctx;
    size_t rounded = (size + 15) / 16 * 16;
    if (rounded > ALONE_BYTES - a->at)
        return NULL;
    a->at += rounded;
    return a->bytes + a->at - rounded;
}

static void alone_release(void *ctx, void *at, size_t size) { (void)ctx, (void)at, (void)size; }

static void alone_step(struct alone *a, struct rep_event *ev);

static void alone_sent(struct alone *a, struct slice control)
{
    if (a->last != NULL)
        fl__peer__free_unpacked(a->last, NULL);
    a->last = fl__peer__unpack(NULL, control.len, control.at);
    a->sent++;
    if (a->last != NULL && a->last->body_case == FL__PEER__BODY_APPLIED)
        a->applied = a->last->applied->result, a->applied_call = a->last->call;
    if (a->last != NULL && a->last->body_case == FL__PEER__BODY_FORWARDED)
        a->forwarded = a->last->forwarded->result, a->forwarded_call = a->last->call;
    if (a->last != NULL && a->last->body_case == FL__PEER__BODY_COLLECT)
        a->collect_call = a->last->call;
}

static void alone_effect(struct alone *a, const struct rep_effect *e)
{
    struct rep_event ev = {.type = REP_EV_STORED};
    switch (e->type) {
    case REP_DO_COMPLETE: a->completed++, a->result = e->complete.result; break;
    case REP_DO_PEER: alone_sent(a, e->peer.control); break;
    case REP_DO_STORE:
        ev.stored.token = e->store.token;
        if (e->store.op.type != STORE_CONFIRM && !a->store_quiet)
            alone_step(a, &ev);
        break;
    case REP_DO_META: a->commands++; break;
    case REP_DO_RELEASE: must(table_remove(&a->buffers, e->release.buf) != NULL); break;
    }
}

/* The store's answers come at once, so they wait in line behind the step in progress. */
static void alone_step(struct alone *a, struct rep_event *first)
{
    static struct rep_event line[1024];
    static uint32_t head, tail;
    static bool running;
    must(tail - head < 1024);
    line[tail++ % 1024] = *first;
    if (running)
        return;
    running = true;
    while (head != tail) {
        static struct rep_effects out;
        struct rep_event ev = line[head++ % 1024];
        ev.now_ns = a->now;
        out.count = 0;
        replication_step(a->rep, &ev, &out);
        for (uint32_t i = 0; i < out.count; i++)
            alone_effect(a, &out.items[i]);
    }
    running = false;
}

static void alone_config(struct alone *a, uint32_t primary_of_1)
{
    Fl__ClusterConfig config = FL__CLUSTER_CONFIG__INIT;
    Fl__Volume volume = FL__VOLUME__INIT, *volumes[] = {&volume};
    Fl__Node nodes[2] = {FL__NODE__INIT, FL__NODE__INIT}, *node_list[] = {&nodes[0], &nodes[1]};
    Fl__Group groups[2] = {FL__GROUP__INIT, FL__GROUP__INIT};
    Fl__Group *group_list[] = {&groups[0], &groups[1]};
    uint32_t ids[] = {1, 2};
    for (uint32_t i = 0; i < 2; i++) {
        nodes[i].incarnation = a->life[i];
        nodes[i].id = i + 1, nodes[i].session = 1, nodes[i].state = FL__NODE_STATE__NODE_UP;
        if (i == 1 && a->other_down)
            nodes[i].state = FL__NODE_STATE__NODE_DOWN;
        groups[i].id = i + 1, groups[i].volume = 1, groups[i].epoch = a->epoch;
        groups[i].members = groups[i].in_sync = ids;
        groups[i].n_members = groups[i].n_in_sync = 2;
        groups[i].primary = i == 0 ? primary_of_1 : 2;
    }
    volume.id = 1, volume.replicas = 2, volume.extent_bytes = STORE_REGION;
    volume.groups = ids, volume.n_groups = 2;
    config.version = a->epoch;
    config.nodes = node_list, config.n_nodes = 2;
    config.volumes = volumes, config.n_volumes = 1;
    config.groups = group_list, config.n_groups = 2;
    struct rep_event ev = {.type = REP_EV_CONFIG};
    ev.config.config = &config, ev.config.node_id = 1;
    alone_step(a, &ev);
}

static void alone_tick(struct alone *a, uint64_t ns)
{
    a->now += ns;
    alone_step(a, &(struct rep_event){.type = REP_EV_TICK});
}

static void alone_start(struct alone *a)
{
    uint8_t *bytes = a->bytes != NULL ? a->bytes : aligned_alloc(4096, ALONE_BYTES);
    memset(bytes, 0, a->bytes != NULL ? a->at : ALONE_BYTES);
    *a = (struct alone){.bytes = bytes, .now = 1000000000, .epoch = 5};
    a->mem =
        (struct mem){.alloc = alone_alloc, .release = alone_release, .ctx = a, .max = ALONE_BYTES};
    struct replication_config c = replication_defaults();
    c.requests_max = 4, c.parts_max = 4, c.ops_max = 8, c.applies_max = 8, c.dirty_max = 16;
    c.hot_max = 4, c.buffers_max = 1, c.groups_max = 4, c.nodes_max = 4, c.incarnation = 1;
    a->rep = replication_new(&a->mem, &c);
    must(a->rep != NULL && table_init(&a->buffers, &a->mem, 64));
    alone_step(a, &(struct rep_event){.type = REP_EV_STORE_READY});
    alone_config(a, 1);
    struct rep_event ev = {.type = REP_EV_LEASE};
    ev.lease.until_ns = UINT64_MAX / 2, ev.lease.session = 1;
    alone_step(a, &ev);
    alone_step(a, &(struct rep_event){.type = REP_EV_PEER_UP, .link = {2, 1}});
}

/* A message of node 2, with one byte of data. */
static void alone_peer(struct alone *a, struct slice control)
{
    static const uint8_t byte = 7;
    struct rep_event ev = {.type = REP_EV_PEER};
    ev.peer.node_id = 2, ev.peer.session = 1, ev.peer.control = control;
    ev.peer.data = slice_of(&byte, 1);
    ev.peer.buf = table_add(&a->buffers, a);
    must(!handle_none(ev.peer.buf));
    alone_step(a, &ev);
    alone_tick(a, 25000000);
}

static void alone_stop(struct alone *a)
{
    if (a->last != NULL)
        fl__peer__free_unpacked(a->last, NULL);
    a->last = NULL;
    replication_free(a->rep);
    a->rep = NULL;
}
