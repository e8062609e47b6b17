/* See run.h. */
#include "tests/sim/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOUNDING_MOST (20 * SECOND)
#define LIVENESS_MOST (90 * SECOND)
#define VERIFY_MOST (60 * SECOND)
#define WATCH_NS (100 * MS)

static void cluster_init(struct world *w, struct cluster *k, const struct run_options *o)
{
    w->cluster = k;
    w->net = net_new();
    w->net->options.least_ns = draw(w, 30, 1000) * US;
    w->net->options.most_ns = w->net->options.least_ns + draw(w, 50, 5000) * US;
    for (int i = 0; i < 16; i++)
        k->id[i] = (uint8_t)draw(w, 0, 255);
    k->planted = o->planted;
    k->replicas = chance(w, 700) ? 3 : 2;
    k->groups = (uint32_t)draw(w, 1, 4);
    k->operations = (uint32_t)draw(w, 100, 300);
    k->safety_ns = draw(w, 3, 14) * SECOND;
    if (chance(w, 600)) {
        k->grant_ns = draw(w, 100, 3000) * MS;
        k->link_grace_ns = draw(w, 10, 1000) * MS;
        k->member_timeout_ns = draw(w, 100, 3000) * MS;
        k->patience_ns = draw(w, 1000, 10000) * MS;
    }
    k->client_count = (uint32_t)draw(w, 2, 5);
    oracle_init(&k->oracle, w);
    for (uint32_t i = 0; i < MACHINES; i++) {
        coord_init(&k->coords[i], w, i + 1);
        node_init(&k->nodes[i], w, i + 1);
    }
    for (uint32_t i = 0; i < k->client_count; i++)
        k->clients[i] = client_new(w, i + 1);
    k->admin = admin_new(w);
}

static void cluster_fini(struct world *w, struct cluster *k)
{
    for (uint32_t i = 0; i < MACHINES; i++) {
        coord_fini(&k->coords[i]);
        node_fini(&k->nodes[i]);
    }
    for (uint32_t i = 0; i < k->client_count; i++)
        client_free(k->clients[i]);
    admin_free(k->admin);
    oracle_fini(&k->oracle);
    net_free(w->net);
}

/* ---- phases ---- */

typedef bool (*goal)(struct world *w);

/* Runs until the goal is reached; false when it was not reached in time. */
static bool run_until(struct world *w, goal reached, uint64_t most_ns)
{
    uint64_t end = w->now_ns + most_ns;
    for (uint32_t turn = 0; !w->broken && w->now_ns < end; turn++) {
        world_run(w, w->now_ns + WATCH_NS);
        if (turn % 8 == 0 && !w->broken)
            oracle_states(&w->cluster->oracle);
        if (turn % 64 == 63 && !w->broken)
            oracle_disks(&w->cluster->oracle);
        if (!w->broken && reached(w))
            return true;
    }
    return false;
}

static bool founded(struct world *w) { return admin_finished(w->cluster->admin); }

static bool worked(struct world *w)
{
    const struct cluster *k = w->cluster;
    for (uint32_t i = 0; i < k->client_count; i++)
        if (!client_finished(k->clients[i]))
            return false;
    return true;
}

static bool level(struct world *w)
{
    const struct cluster *k = w->cluster;
    uint64_t index[MACHINES];
    for (uint32_t i = 0; i < MACHINES; i++)
        index[i] = k->coords[i].core ? meta_index(coordinator_meta(k->coords[i].core)) : 0;
    return index[0] == index[1] && index[1] == index[2];
}

static bool at_rest(struct world *w)
{
    return worked(w) && oracle_whole(&w->cluster->oracle, w->cluster->replicas) && level(w);
}

static void tell_nodes(const struct world *w)
{
    const struct cluster *k = w->cluster;
    for (uint32_t i = 0; i < MACHINES; i++) {
        struct node_stats s;
        if (k->nodes[i].core == NULL)
            continue;
        node_stats(k->nodes[i].core, &s);
        world_tell(w, "node %u: %s, %s, %u requests, %u ops, %u dirty, %u resyncs %s", i + 1,
                   s.serving ? "registered" : "not registered", s.lease ? "lease" : "no lease",
                   s.replication.requests, s.replication.ops, s.replication.dirty,
                   s.replication.resyncs, s.trouble);
    }
    for (uint32_t i = 0; i < k->oracle.group_count; i++) {
        const struct group_view *g = &k->oracle.groups[i];
        world_tell(w, "group %u: epoch %lu, primary %u, in sync %u: %u %u %u", g->id, g->epoch,
                   g->primary, g->in_sync_count, g->in_sync[0], g->in_sync[1], g->in_sync[2]);
    }
    for (uint32_t i = 0; i < k->client_count; i++)
        client_tell(k->clients[i]);
}

static void phases(struct world *w)
{
    struct cluster *k = w->cluster;
    for (uint32_t i = 0; i < MACHINES; i++) {
        coord_start(&k->coords[i]);
        node_start(&k->nodes[i]);
    }
    admin_begin(k->admin);
    if (!run_until(w, founded, FOUNDING_MOST)) {
        world_violation(w, "liveness: the cluster is not founded in time");
        return;
    }
    faults_draw(w, &k->swarm);
    for (uint32_t i = 0; i < k->client_count; i++)
        client_begin(k->clients[i]);
    faults_begin(w);
    (void)run_until(w, worked, k->safety_ns);
    faults_end(w);
    for (uint32_t i = 0; i < k->client_count; i++)
        client_last_work(k->clients[i]);
    if (!run_until(w, at_rest, LIVENESS_MOST)) {
        world_violation(w, "liveness: %s",
                        worked(w) ? "the groups are not whole in time"
                                  : "the clients are not done in time");
        tell_nodes(w);
        return;
    }
    oracle_disks(&k->oracle);
    oracle_states(&k->oracle);
    names_judge(&k->oracle);
    client_verify(k->clients[0]);
    if (!w->broken && !run_until(w, worked, VERIFY_MOST))
        world_violation(w, "liveness: the files cannot be read in time");
    tell_nodes(w);
}

static void gather(const struct world *w, const struct cluster *k, struct run_result *r)
{
    r->violated = w->broken;
    memcpy(r->violation, w->violation, sizeof r->violation);
    r->at_ns = w->now_ns;
    r->hash = w->hash;
    r->events = w->events;
    r->messages = w->net->messages;
    r->crashes = k->crashes;
    r->cuts = k->cuts;
    r->pauses = k->pauses;
    r->atoms = k->oracle.disk_atoms;
    r->names = k->oracle.names.operations;
    r->spaces = k->oracle.names.checked;
    r->unjudged = k->oracle.names.too_long;
    for (uint32_t i = 0; i < k->client_count; i++)
        r->operations += client_operations(k->clients[i]);
    for (uint32_t i = 0; i < MACHINES; i++) {
        struct node_stats s;
        if (k->nodes[i].core == NULL)
            continue;
        node_stats(k->nodes[i].core, &s);
        r->evictions += s.replication.evictions;
        r->rejoins += s.replication.rejoins;
        r->takeovers += s.replication.takeovers;
        r->local_reads += s.replication.local_reads;
        r->redirected += s.replication.redirected;
    }
}

bool run_seed(const struct run_options *o, struct run_result *r)
{
    struct world w;
    struct cluster *k = take(sizeof *k);
    *r = (struct run_result){0};
    world_init(&w, o->seed, o->verbose);
    cluster_init(&w, k, o);
    phases(&w);
    gather(&w, k, r);
    cluster_fini(&w, k);
    world_fini(&w);
    free(k);
    return !r->violated;
}
