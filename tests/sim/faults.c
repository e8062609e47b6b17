/* What goes wrong. Each seed first draws which kinds of faults there are and how often (swarm
 * testing: many seeds leave some kinds out, so that others show what they can do alone). */
#include "tests/sim/cluster.h"

void faults_draw(struct world *w, struct swarm *s)
{
    uint32_t *weights[] = {&s->kill_node, &s->kill_coordinator, &s->power, &s->partition,
                           &s->isolate,   &s->one_way,          &s->pause, &s->reset,
                           &s->slow_disk};
    for (uint32_t i = 0; i < array_len(weights); i++)
        *weights[i] = chance(w, 600) ? (uint32_t)draw(w, 1, 100) : 0;
    s->mean_ns = draw(w, 50, chance(w, 500) ? 600 : 4000) * MS;
    s->on_write = chance(w, 500) ? (uint32_t)draw(w, 1, 20) : 0;
    s->burst = chance(w, 500) ? (uint32_t)draw(w, 100, 600) : 0;
    s->down_most_ns = draw(w, 100, 8000) * MS;
    s->cut_most_ns = draw(w, 100, 8000) * MS;
    s->pause_most_ns = draw(w, 50, 6000) * MS;
    w->net->options.slow_per_mille = (uint32_t)draw(w, 0, 30);
    w->net->options.dial_lost_per_mille = (uint32_t)draw(w, 0, 100);
}

static struct swarm *swarm_of(struct world *w) { return &w->cluster->swarm; }

static void later(struct world *w, uint64_t wait_ns, event_fn run, uint64_t arg)
{
    world_at(w, (struct event){.at_ns = w->now_ns + wait_ns, .run = run, .object = w, .arg = arg});
}

/* ---- processes and machines ---- */

static void restart_node(struct world *w, void *object, uint64_t i, void *data)
{
    (void)object;
    (void)data;
    if (!w->cluster->nodes[i].proc.alive)
        node_start(&w->cluster->nodes[i]);
}

static void restart_coordinator(struct world *w, void *object, uint64_t i, void *data)
{
    (void)object;
    (void)data;
    if (!w->cluster->coords[i].proc.alive)
        coord_start(&w->cluster->coords[i]);
}

/* Most come back soon, some after longer than a lease. */
static uint64_t down_time(struct world *w)
{
    return draw(w, 1, chance(w, 500) ? 300 * MS : swarm_of(w)->down_most_ns);
}

/* Most often the one that matters: a primary, the leader. */
static uint64_t pick_node(struct world *w)
{
    const struct oracle *o = &w->cluster->oracle;
    if (o->group_count > 0 && chance(w, 500)) {
        uint32_t primary = o->groups[draw(w, 0, o->group_count - 1)].primary;
        if (primary != 0)
            return primary - 1;
    }
    return draw(w, 0, MACHINES - 1);
}

static uint64_t pick_coordinator(struct world *w)
{
    for (uint64_t i = 0; i < MACHINES; i++) {
        const struct coordinator *c = w->cluster->coords[i].core;
        if (c != NULL && coordinator_leads(c) && chance(w, 500))
            return i;
    }
    return draw(w, 0, MACHINES - 1);
}

static void kill_node(struct world *w, uint64_t i, bool silent, uint64_t wait_ns)
{
    if (!w->cluster->nodes[i].proc.alive)
        return;
    w->cluster->crashes++;
    node_crash(&w->cluster->nodes[i], silent);
    later(w, wait_ns, restart_node, i);
}

static void kill_coordinator(struct world *w, uint64_t i, bool silent, uint64_t wait_ns)
{
    if (!w->cluster->coords[i].proc.alive)
        return;
    w->cluster->crashes++;
    coord_crash(&w->cluster->coords[i], silent);
    later(w, wait_ns, restart_coordinator, i);
}

/* One machine, or, when the power of the whole room goes, all of them at once. */
static void power_off(struct world *w)
{
    uint64_t which = pick_node(w);
    bool all = chance(w, 150);
    for (uint64_t i = 0; i < MACHINES; i++) {
        uint64_t wait = down_time(w);
        if (!all && i != which)
            continue;
        kill_node(w, i, true, wait);
        kill_coordinator(w, i, true, wait);
    }
}

static void stand_still(struct world *w)
{
    uint64_t i = draw(w, 0, MACHINES - 1),
             until = w->now_ns + draw(w, 1, swarm_of(w)->pause_most_ns);
    bool node = chance(w, 700), both = chance(w, 200);
    w->cluster->pauses++;
    world_tell(w, "machine %lu: %s stands still for %.0f ms", i + 1,
               both   ? "everything"
               : node ? "the node"
                      : "the coordinator",
               (double)(until - w->now_ns) / 1e6);
    if (node || both)
        w->cluster->nodes[i].proc.paused_until = until;
    if (!node || both)
        w->cluster->coords[i].proc.paused_until = until;
}

static void slow_disk(struct world *w)
{
    uint64_t i = draw(w, 0, MACHINES - 1);
    w->cluster->nodes[i].disk_slow_until = w->now_ns + draw(w, 1, 3000) * MS;
}

/* For a while there is room for a few more blocks only. */
static void disk_room(struct world *w, void *object, uint64_t i, void *data)
{
    (void)object;
    (void)data;
    w->cluster->nodes[i].disk.capacity_blocks = 0;
}

static void full_disk(struct world *w)
{
    uint64_t i = draw(w, 0, MACHINES - 1);
    struct simdisk *d = &w->cluster->nodes[i].disk;
    d->capacity_blocks = d->used_blocks + draw(w, 1, 100);
    world_tell(w, "node %lu: its disk is nearly full", i + 1);
    later(w, draw(w, 1, 5000) * MS, disk_room, i);
}

static void disk_good(struct world *w, void *object, uint64_t i, void *data)
{
    (void)object;
    (void)data;
    struct node_host *h = &w->cluster->nodes[i];
    h->disk.fail_read_per_mille = h->disk.fail_write_per_mille = 0;
    h->disk_bad = false;
}

static void bad_disk(struct world *w)
{
    uint64_t i = draw(w, 0, MACHINES - 1);
    struct node_host *h = &w->cluster->nodes[i];
    h->disk_bad = true;
    h->disk.fail_read_per_mille = (uint32_t)draw(w, 0, 50);
    h->disk.fail_write_per_mille = (uint32_t)draw(w, 0, 20);
    world_tell(w, "node %lu: its disk fails now and then", i + 1);
    later(w, draw(w, 1, 2000) * MS, disk_good, i);
}

/* A disk that holds the last good copy of something is not taken away: no system survives that. */
static void lose_disk(struct world *w)
{
    uint64_t i = draw(w, 0, MACHINES - 1);
    struct node_host *h = &w->cluster->nodes[i];
    if (!h->proc.alive || !oracle_may_lose(&w->cluster->oracle, h->proc.number))
        return;
    kill_node(w, i, false, down_time(w));
    world_tell(w, "node %lu: its disk is replaced by an empty one", i + 1);
    simdisk_wipe(&h->disk);
    oracle_lost(&w->cluster->oracle, h->proc.number);
}

/* ---- the network ---- */

static void heal_pair(struct world *w, void *object, uint64_t pair, void *data)
{
    (void)object;
    (void)data;
    net_block(w, (uint32_t)(pair / HOSTS), (uint32_t)(pair % HOSTS), false);
}

static void cut(struct world *w, uint32_t from, uint32_t to, uint64_t wait_ns)
{
    if (from == to)
        return;
    net_block(w, from, to, true);
    later(w, wait_ns, heal_pair, (uint64_t)from * HOSTS + to);
}

static uint64_t cut_time(struct world *w) { return draw(w, 1, swarm_of(w)->cut_most_ns); }

static void partition(struct world *w, bool both_ways)
{
    uint32_t a = (uint32_t)pick_node(w), b = (a + (uint32_t)draw(w, 1, 2)) % MACHINES;
    uint64_t wait = cut_time(w);
    w->cluster->cuts++;
    world_tell(w, "cut %u %s %u for %.0f ms", a + 1, both_ways ? "and" : "to", b + 1,
               (double)wait / 1e6);
    cut(w, a, b, wait);
    if (both_ways)
        cut(w, b, a, wait);
}

/* A machine that reaches no other machine; its clients may still reach it. */
static void isolate(struct world *w)
{
    uint32_t a = (uint32_t)pick_node(w), end = chance(w, 500) ? MACHINES : HOSTS;
    uint64_t wait = cut_time(w);
    w->cluster->cuts++;
    world_tell(w, "cut %u off from %s for %.0f ms", a + 1,
               end == HOSTS ? "everybody" : "the other machines", (double)wait / 1e6);
    for (uint32_t b = 0; b < end; b++) {
        cut(w, a, b, wait);
        cut(w, b, a, wait);
    }
}

/* ---- one after the other ---- */

static void one(struct world *w)
{
    const struct swarm *s = swarm_of(w);
    const uint32_t weights[] = {s->kill_node, s->kill_coordinator, s->power, s->partition,
                                s->isolate,   s->one_way,          s->pause, s->reset,
                                s->slow_disk};
    uint32_t total = 0, which = 0;
    for (uint32_t i = 0; i < array_len(weights); i++)
        total += weights[i];
    if (total == 0)
        return;
    uint64_t at = draw(w, 0, total - 1);
    while (at >= weights[which])
        at -= weights[which++];
    switch (which) {
    case 0: kill_node(w, pick_node(w), false, down_time(w)); break;
    case 1: kill_coordinator(w, pick_coordinator(w), false, down_time(w)); break;
    case 2: power_off(w); break;
    case 3: partition(w, true); break;
    case 4: isolate(w); break;
    case 5: partition(w, false); break;
    case 6: stand_still(w); break;
    case 7: net_break_one(w); break;
    case 8: slow_disk(w); break;
    case 9: full_disk(w); break;
    case 10: bad_disk(w); break;
    case 11: lose_disk(w); break;
    default: must(!"a kind of fault"); break;
    }
}

static void next_fault(struct world *w, void *object, uint64_t arg, void *data)
{
    (void)object;
    (void)arg;
    (void)data;
    if (!w->cluster->faults)
        return;
    do {
        one(w);
    } while (chance(w, swarm_of(w)->burst));
    later(w, draw(w, 1, 2 * swarm_of(w)->mean_ns), next_fault, 0);
}

static void fault_now(struct world *w, void *object, uint64_t arg, void *data)
{
    (void)object;
    (void)arg;
    (void)data;
    if (w->cluster->faults)
        one(w);
}

void faults_write(struct world *w)
{
    if (w->cluster->faults && chance(w, swarm_of(w)->on_write))
        later(w, draw(w, 0, 10) * MS, fault_now, 0);
}

void faults_begin(struct world *w)
{
    w->cluster->faults = true;
    next_fault(w, w, 0, NULL);
}

void faults_end(struct world *w)
{
    struct cluster *k = w->cluster;
    world_tell(w, "no more faults");
    k->faults = false;
    w->net->options.dial_lost_per_mille = 0;
    net_heal(w);
    for (uint32_t i = 0; i < MACHINES; i++) {
        k->nodes[i].disk_slow_until = 0;
        disk_room(w, w, i, NULL);
        disk_good(w, w, i, NULL);
        if (!k->nodes[i].proc.alive)
            node_start(&k->nodes[i]);
        if (!k->coords[i].proc.alive)
            coord_start(&k->coords[i]);
    }
}
