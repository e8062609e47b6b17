/* covers: replication.c peers.c config.c frontend.c primary.c fanout.c clean.c replica.c takeover.c
 * covers: arrivals.c grants.c membership.c resync.c check.c
 * Replication under faults: nodes crash and lose what was not durable, links are cut, nodes lose
 * the coordinator, disks fill up; clients read and write all the while and the oracle listens. */
#include "tests/node/replication/oracle.h"
#include "tests/node/replication/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { CLIENTS = 6, OP_UNITS_MAX = 6 };

struct client {
    bool busy, reading, mapping; /* mapping: asks where data is, which says where zeros are */
    uint32_t node, write, first, count;
    uint64_t life, token, began;
    uint8_t bytes[OP_UNITS_MAX * UNIT];
    struct ranges ranges;
};

struct world {
    struct rig *rig;
    struct oracle oracle;
    struct client clients[CLIENTS];
    uint64_t tokens;
    uint64_t acked, read, maps, failed, full;
    bool stop, check_platters;
    uint32_t fault_period_ms, write_per_mille;
};

/* For the debugger's run of one seed. */
static void say(const struct world *w, const char *what, const struct client *c, uint64_t value)
{
    if (rig_verbose)
        printf("%8.3f %-8s node %u life %llu units %u+%u %llu\n", (double)w->rig->now / 1e9, what,
               c->node, (unsigned long long)c->life, c->first, c->count, (unsigned long long)value);
}

static uint64_t unit_offset(uint32_t unit)
{
    static const uint64_t spans[SPANS] = {3 * UNIT, STORE_REGION + 512 * UNIT,
                                          EXTENT + STORE_REGION - (SPAN_UNITS + 2) * UNIT};
    return spans[unit / SPAN_UNITS] + unit % SPAN_UNITS * UNIT;
}

static void fill(uint8_t *bytes, uint64_t value)
{
    for (uint32_t i = 0; i < UNIT; i += 8)
        memcpy(bytes + i, &value, 8);
}

static uint64_t value_of(struct world *w, const uint8_t *bytes, uint32_t unit)
{
    uint64_t value, other;
    memcpy(&value, bytes, 8);
    for (uint32_t i = 8; i < UNIT; i += 8) {
        memcpy(&other, bytes + i, 8);
        if (other != value)
            oracle_wrong(&w->oracle, "half old, half new", unit, value);
    }
    return value;
}

static void client_next(struct rig *g, uint32_t i)
{
    rig_plan(g, (struct rig_event){
                    .kind = RIG_CLIENT, .token = i, .at = g->now + rig_delay(g, 5 * RIG_MS)});
}

static void client_act(struct rig *g, uint64_t i)
{
    struct world *w = g->ctx;
    struct client *c = &w->clients[i];
    if (c->busy && g->nodes[c->node].life == c->life)
        return;
    c->busy = false; /* its node died: the outcome is not known */
    if (w->stop)
        return;
    uint32_t node = 1 + (uint32_t)prng_below(&g->rng, NODES);
    if (!g->nodes[node].alive) {
        client_next(g, (uint32_t)i);
        return;
    }
    c->busy = true, c->node = node, c->life = g->nodes[node].life;
    c->began = g->now, c->token = ++w->tokens << 8 | i;
    c->count = 1 + (uint32_t)prng_below(&g->rng, OP_UNITS_MAX);
    c->first = (uint32_t)prng_below(&g->rng, SPANS) * SPAN_UNITS +
               (uint32_t)prng_below(&g->rng, SPAN_UNITS - c->count + 1);
    c->reading = !prng_chance(&g->rng, w->write_per_mille);
    struct rep_event ev = {.type = REP_EV_SUBMIT};
    ev.submit.token = c->token;
    ev.submit.file = (struct rep_file){VOLUME, 0, 5};
    ev.submit.offset = unit_offset(c->first), ev.submit.len = c->count * UNIT;
    c->mapping = c->reading && prng_chance(&g->rng, 150);
    if (c->mapping) {
        ev.submit.op = REP_MAP, ev.submit.ranges = &c->ranges;
    } else if (c->reading) {
        ev.submit.op = REP_READ, ev.submit.into = c->bytes;
    } else {
        c->write = oracle_write_begin(&w->oracle, c->first, c->count, g->now);
        for (uint32_t k = 0; k < c->count; k++)
            fill(c->bytes + k * UNIT, c->write);
        ev.submit.op = REP_WRITE, ev.submit.data = c->bytes;
    }
    say(w, c->reading ? "read" : "write", c, c->write);
    rig_step(g, node, &ev);
}

/* INV-4: every in-sync member's platter has an acknowledged write, or something that came after. */
static void check_platters(struct world *w, const struct client *c)
{
    struct rig *g = w->rig;
    for (uint32_t u = c->first; u < c->first + c->count; u++) {
        uint64_t offset = unit_offset(u);
        uint64_t index = offset / EXTENT;
        uint32_t group = 1 + (uint32_t)(index % GROUPS);
        for (uint32_t n = 1; n <= NODES; n++) {
            if (!g->groups[group].in_sync[n])
                continue;
            uint8_t bytes[UNIT];
            struct store_file file = {STORE_FILE_EXTENT, {VOLUME, group, 5, index}};
            simdisk_peek(&g->nodes[n].disk, &file, offset % EXTENT, UNIT, bytes);
            uint64_t v;
            memcpy(&v, bytes, 8);
            if (v >= w->oracle.count || *oracle_time(&w->oracle, (uint32_t)v, u, true) != NEVER)
                oracle_wrong(&w->oracle, "an in-sync member misses an acknowledged write", u, v);
        }
    }
}

/* What lies outside of all ranges was read as zeros. */
static void check_map(struct world *w, const struct client *c)
{
    const struct ranges *r = &c->ranges;
    if (!ranges_valid(r) || r->until <= unit_offset(c->first))
        oracle_wrong(&w->oracle, "no list of ranges", c->first, r->until);
    for (uint32_t u = c->first; u < c->first + c->count; u++) {
        uint64_t at = unit_offset(u);
        bool data = at + UNIT > r->until;
        for (uint32_t i = 0; i < r->count && !data; i++)
            data = at < r->items[i].offset + r->items[i].len && r->items[i].offset < at + UNIT;
        if (!data)
            oracle_read(&w->oracle, u, 0, c->began, w->rig->now);
    }
}

static void completed(struct rig *g, uint32_t node, uint64_t token, enum rep_result result)
{
    struct world *w = g->ctx;
    struct client *c = &w->clients[token & 0xff];
    if (!c->busy || c->token != token || c->node != node)
        abort();
    c->busy = false;
    client_next(g, (uint32_t)(token & 0xff));
    if (result != REP_OK) {
        w->failed++;
        say(w, result == REP_NO_SPACE ? "full" : "failed", c, c->write);
        if (result == REP_NO_SPACE) {
            w->full++;
            if (c->reading)
                oracle_wrong(&w->oracle, "a read that found no space", c->first, 0);
            else
                oracle_write_refused(&w->oracle, c->write, g->now);
        }
        return;
    }
    if (c->mapping) {
        w->maps++;
        check_map(w, c);
        return;
    }
    if (c->reading) {
        w->read++;
        for (uint32_t k = 0; k < c->count && rig_verbose; k++)
            printf("   unit %u is %u", c->first + k, *(uint32_t *)(void *)(c->bytes + k * UNIT));
        say(w, " was read", c, 0);
        for (uint32_t k = 0; k < c->count; k++)
            oracle_read(&w->oracle, c->first + k, value_of(w, c->bytes + k * UNIT, c->first + k),
                        c->began, g->now);
        return;
    }
    w->acked++;
    say(w, "acked", c, c->write);
    oracle_write_acked(&w->oracle, c->write, g->now);
    if (w->check_platters)
        check_platters(w, c);
}

/* ---- faults ---------------------------------------------------------------------------------- */

static void fault(struct rig *g)
{
    struct world *w = g->ctx;
    if (w->stop)
        return;
    uint32_t a = 1 + (uint32_t)prng_below(&g->rng, NODES);
    uint32_t b = 1 + (a + (uint32_t)prng_below(&g->rng, NODES - 1)) % NODES;
    uint64_t which = prng_below(&g->rng, 100);
    if (rig_verbose)
        printf("%8.3f FAULT %llu on %u, %u\n", (double)g->now / 1e9, (unsigned long long)which, a,
               b);
    if (which < 30 && g->nodes[a].alive) {
        rig_stop(g, a, true);
        rig_plan(g, (struct rig_event){
                        .kind = RIG_RESTART, .node = a, .at = g->now + rig_delay(g, 800 * RIG_MS)});
    } else if (which < 40) {
        rig_link_break(g, a, b, 10 * RIG_MS);
    } else if (which < 55) {
        g->links[a][b].cut = true; /* silent, perhaps one way only */
        g->links[b][a].cut = prng_chance(&g->rng, 700);
        rig_link_break(g, a, b, 900 * RIG_MS);
    } else if (which < 70) {
        g->nodes[a].cut_off = true;
    } else if (which < 73) {
        for (uint32_t n = 1; n <= NODES; n++) { /* power failure */
            rig_stop(g, n, true);
            rig_plan(g, (struct rig_event){.kind = RIG_RESTART,
                                           .node = n,
                                           .at = g->now + rig_delay(g, 500 * RIG_MS)});
        }
    } else {
        for (uint32_t n = 1; n <= NODES; n++) {
            g->links[a][n].cut = g->links[n][a].cut = false;
            if (g->nodes[n].cut_off) {
                g->nodes[n].cut_off = false;
                rig_config_to(g, n);
            }
        }
    }
    rig_plan(g, (struct rig_event){.kind = RIG_FAULT,
                                   .at = g->now + rig_delay(g, w->fault_period_ms * RIG_MS)});
}

/* Clients stop, faults end: everything must become whole again. */
static bool settled(const struct world *w)
{
    const struct rig *g = w->rig;
    for (uint32_t i = 0; i < CLIENTS; i++)
        if (w->clients[i].busy && g->nodes[w->clients[i].node].life == w->clients[i].life)
            return false;
    for (uint32_t i = 1; i <= GROUPS; i++)
        for (uint32_t n = 1; n <= NODES; n++)
            if (g->groups[i].member[n] && !g->groups[i].in_sync[n])
                return false;
    for (uint32_t n = 1; n <= NODES; n++) {
        struct replication_stats s;
        if (g->nodes[n].rep == NULL)
            return false;
        replication_stats(g->nodes[n].rep, &s);
        if (s.ops > 0 || s.dirty > 0 || s.resyncs > 0)
            return false;
    }
    return true;
}

static void heal(struct world *w)
{
    struct rig *g = w->rig;
    w->stop = true;
    for (uint32_t n = 1; n <= NODES; n++) {
        g->nodes[n].cut_off = false;
        g->nodes[n].disk.capacity_blocks = 0;
        for (uint32_t m = 1; m <= NODES; m++)
            g->links[n][m].cut = false;
        if (g->nodes[n].alive)
            rig_config_to(g, n);
        else
            rig_plan(g, (struct rig_event){.kind = RIG_RESTART, .node = n, .at = g->now + 1});
    }
}

/* All copies of a group are equal, byte for byte. */
static void check_copies(struct world *w)
{
    struct rig *g = w->rig;
    uint8_t *first = malloc(STORE_REGION), *other = malloc(STORE_REGION);
    for (uint32_t i = 1; i <= GROUPS; i++) {
        for (uint64_t at = 0; at < EXTENT; at += STORE_REGION) {
            struct store_file file = {STORE_FILE_EXTENT, {VOLUME, i, 5, i - 1}};
            bool have = false;
            for (uint32_t n = 1; n <= NODES; n++) {
                if (!g->groups[i].in_sync[n])
                    continue;
                simdisk_peek(&g->nodes[n].disk, &file, at, STORE_REGION, have ? other : first);
                if (have && memcmp(first, other, STORE_REGION) != 0)
                    oracle_wrong(&w->oracle, "two copies differ", i, n);
                have = true;
            }
        }
    }
    free(first), free(other);
}

struct plan {
    const char *name;
    uint32_t replicas, planted, fault_period_ms, write_per_mille;
    uint64_t seconds;
    uint32_t capacity_blocks; /* beyond what the journal takes; 0: endless */
};

static const char *run_world(const struct plan *p, uint64_t seed, struct world *w)
{
    *w = (struct world){.fault_period_ms = p->fault_period_ms,
                        .write_per_mille = p->write_per_mille};
    oracle_init(&w->oracle);
    struct rig *g = w->rig = rig_new(seed, p->replicas);
    g->planted = p->planted;
    for (uint32_t n = 1; p->planted != 0 && n <= NODES; n++) {
        rig_stop(g, n, false);
        rig_start(g, n);
    }
    w->check_platters = p->planted == 0;
    g->ctx = w, g->completed = completed, g->client = client_act, g->fault = fault;
    for (uint32_t n = 1; n <= NODES && p->capacity_blocks != 0; n++)
        g->nodes[n].disk.capacity_blocks = 66 + p->capacity_blocks + prng_below(&g->rng, 4);
    for (uint32_t i = 0; i < CLIENTS; i++)
        client_next(g, i);
    if (p->fault_period_ms != 0)
        rig_plan(g, (struct rig_event){.kind = RIG_FAULT, .at = g->now + 1500 * RIG_MS});
    uint64_t end = g->now + p->seconds * 1000 * RIG_MS;
    while (w->oracle.wrong == NULL && rig_run_one(g, end)) {
    }
    heal(w);
    uint64_t limit = g->now + 90000 * RIG_MS;
    while (w->oracle.wrong == NULL && !settled(w) && rig_run_one(g, limit)) {
    }
    if (w->oracle.wrong == NULL && !settled(w))
        oracle_wrong(&w->oracle, "it does not come to rest", 0, 0);
    if (w->oracle.wrong == NULL)
        check_copies(w);
    rig_free(g);
    free(w->oracle.writes);
    return w->oracle.wrong;
}

static void run_plan(const struct plan *p, uint64_t seeds)
{
    static struct world w;
    uint64_t acked = 0, read = 0, maps = 0, failed = 0, full = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        const char *wrong = run_world(p, seed, &w);
        acked += w.acked, read += w.read, maps += w.maps, failed += w.failed, full += w.full;
        if (wrong != NULL)
            fail_msg("%s, seed %llu: %s (unit %u, value %llu)", p->name, (unsigned long long)seed,
                     wrong, w.oracle.wrong_unit, (unsigned long long)w.oracle.wrong_value);
    }
    print_message("%s: %llu writes, %llu reads, %llu failed, %llu full\n", p->name,
                  (unsigned long long)acked, (unsigned long long)read, (unsigned long long)failed,
                  (unsigned long long)full);
    assert_true(acked > seeds * 10);
    assert_true(read > seeds * 10);
    assert_true(maps > seeds);
    assert_true(p->capacity_blocks == 0 || full > 0);
}

static uint64_t seeds_wanted(uint64_t usual)
{
    const char *text = getenv("SEEDS");
    return text == NULL ? usual : strtoull(text, NULL, 10);
}

static void test_quiet(void **state)
{
    (void)state;
    static const struct plan plans[] = {
        {"one copy", 1, 0, 0, 500, 5, 0},
        {"two copies", 2, 0, 0, 500, 5, 0},
        {"three copies", 3, 0, 0, 500, 5, 0},
    };
    for (size_t i = 0; i < array_len(plans); i++)
        run_plan(&plans[i], 3);
}

static const struct plan fault_plans[] = {
    {"three copies, faults", 3, 0, 1500, 500, 25, 0},
    {"three copies, many faults", 3, 0, 300, 500, 12, 0},
    {"two copies, faults", 2, 0, 1500, 500, 20, 0},
    {"one copy, faults", 1, 0, 1500, 500, 15, 0},
    {"full disks", 3, 0, 0, 700, 10, 3},
    {"full disks, faults", 3, 0, 1500, 700, 15, 4},
};

static void test_faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(fault_plans); i++)
        run_plan(&fault_plans[i], seeds_wanted(10));
}

/* The oracles are worth something only if they find what is wrong. */
static void test_planted(void **state)
{
    (void)state;
    static const struct plan plans[] = {
        {"skip the durable write", 3, REP_PLANT_SKIP_DURABLE, 300, 700, 15, 0},
        {"acknowledge before the eviction", 3, REP_PLANT_ACK_BEFORE_EVICT, 800, 500, 20, 0},
        {"read without a lease", 3, REP_PLANT_READ_NO_LEASE, 800, 500, 20, 0},
    };
    static struct world w;
    for (size_t i = 0; i < array_len(plans); i++) {
        const char *wrong = NULL;
        uint64_t seed = 0;
        while (wrong == NULL && seed < 200)
            wrong = run_world(&plans[i], ++seed, &w);
        print_message("%s: seed %llu: %s\n", plans[i].name, (unsigned long long)seed,
                      wrong != NULL ? wrong : "not found");
        assert_non_null(wrong);
    }
}

int main(int argc, char **argv)
{
    if (argc == 4) { /* which plan, which seed: for the debugger */
        static struct world w;
        const struct plan *p = &fault_plans[strtoul(argv[2], NULL, 10) % array_len(fault_plans)];
        rig_verbose = argv[1][0] == 'v';
        const char *wrong = run_world(p, strtoull(argv[3], NULL, 10), &w);
        printf("%s: unit %u value %llu\n", wrong != NULL ? wrong : "well", w.oracle.wrong_unit,
               (unsigned long long)w.oracle.wrong_value);
        return wrong != NULL;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quiet),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_planted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
