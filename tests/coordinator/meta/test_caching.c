/* INV-5 for caches, as clients see it: random clients on three nodes open two files, cache by what
 * they are granted, write as their nodes would, hear of breaks and acknowledge them late. At no
 * time does one write into his cache beside another who caches, nor does anybody read from a cache
 * what is no longer so without having been told. A node that does not ask before it writes is found
 * out.
 */
#include "proto/base/prng.h"
#include "tests/coordinator/meta/rig.h"
#include "tests/lib/unit.h"

enum { READ = 1, HANDLE = 2, WRITE = 4, CLIENTS = 6, FILES = 2, LEVEL_LEASE = 255, STEPS = 1500 };

/* One client's lease of one file. */
struct view {
    uint64_t open, lease_id, waits; /* waits: the sequence of an open without an answer */
    uint32_t state;                 /* as granted, or as it acknowledged last */
    uint32_t told;                  /* while it has not acknowledged: what it is to keep */
    bool breaking, cached;
    uint64_t version; /* of the bytes in its cache */
};

/* What a node keeps of a file. */
struct fact {
    uint64_t cached_by;
    bool valid;
};

struct world {
    struct rig r;
    struct prng p;
    struct view views[CLIENTS][FILES];
    struct fact facts[RIG_NODES + 1][FILES];
    uint64_t inode[FILES], version[FILES];
    uint64_t writes, broken, waited;
    bool careless; /* the planted bug: nodes write without asking */
    bool caught;
};

static const char *const names[FILES] = {"f", "g"};

static uint32_t node_of(int client) { return 1 + (uint32_t)client % RIG_NODES; }

static void sixteen(uint8_t at[16], int client, int file) { memset(at, 1 + client * 8 + file, 16); }

/* READ counts until its holder was told otherwise, WRITE until he has acknowledged. */
static uint32_t held(const struct view *v)
{
    uint32_t reads = v->breaking ? v->told & READ : v->state & READ;
    return reads | (v->state & WRITE);
}

static void judge(struct world *w)
{
    for (int f = 0; f < FILES; f++)
        for (int a = 0; a < CLIENTS; a++) {
            const struct view *v = &w->views[a][f];
            w->caught |= (held(v) & READ) != 0 && v->cached && v->version != w->version[f];
            for (int b = 0; b < CLIENTS; b++)
                w->caught |= b != a && (held(v) & WRITE) != 0 && held(&w->views[b][f]) != 0;
        }
}

static void learn(struct world *w, uint32_t node, const Fl__FileInfo *info)
{
    int f = info->inode == w->inode[0] ? 0 : 1;
    w->facts[node][f] = (struct fact){info->cached_by, info->cacheable};
}

static void opened(struct world *w, int client, int file, const Fl__Reply *reply)
{
    struct view *v = &w->views[client][file];
    v->waits = 0;
    if (reply->status != STATUS_OK)
        return;
    learn(w, node_of(client), reply->open->info);
    v->open = reply->open->open_id;
    v->lease_id = reply->open->lease_id;
    if (!v->breaking)
        v->state = reply->open->lease->state;
    v->cached = false;
}

static void heard(struct world *w, const Fl__LeaseBreak *b)
{
    struct view *v = &w->views[(b->key.data[0] - 1) / 8][(b->key.data[0] - 1) % 8];
    w->broken++;
    if (b->acknowledge) {
        v->breaking = true;
        v->told = b->new_state;
    } else {
        v->state = b->new_state;
        v->cached = false;
    }
}

/* Everything the last command said reaches whom it is for; nodes without writes let go at once. */
static void settle(struct world *w)
{
    uint64_t tickets[64];
    uint32_t nodes[64], count = 0;
    for (size_t i = 0; i < w->r.out.completions_count; i++)
        for (int c = 0; c < CLIENTS; c++)
            for (int f = 0; f < FILES; f++)
                if (w->views[c][f].waits == w->r.out.completions[i].sequence &&
                    node_of(c) == w->r.out.completions[i].node_id)
                    opened(w, c, f, w->r.out.completions[i].reply);
    for (size_t i = 0; i < w->r.out.notices_count; i++) {
        const Fl__Notice *n = w->r.out.notices[i];
        if (n->body_case == FL__NOTICE__BODY_LEASE_BREAK)
            heard(w, n->lease_break);
        if (n->body_case != FL__NOTICE__BODY_CACHE_INVALIDATE)
            continue;
        w->facts[n->node_id][n->cache_invalidate->inode == w->inode[0] ? 0 : 1].valid = false;
        if (n->cache_invalidate->ticket != 0 && count < array_len(tickets)) {
            nodes[count] = n->node_id;
            tickets[count++] = n->cache_invalidate->ticket;
        }
    }
    judge(w);
    for (uint32_t i = 0; i < count; i++) {
        rig_invalidated(&w->r, nodes[i], tickets[i]);
        settle(w);
    }
}

static void do_open(struct world *w, int client, int file)
{
    struct view *v = &w->views[client][file];
    uint8_t key[16];
    Fl__Caching c = FL__CACHING__INIT;
    if (v->open != 0 || v->waits != 0)
        return;
    sixteen(key, client, file);
    c.key = pb_bytes(slice_of(key, sizeof(key)));
    c.state = READ | (prng_below(&w->p, 2) ? HANDLE : 0) | (prng_below(&w->p, 2) ? WRITE : 0);
    c.version = 1;
    struct ask ask = {.path = names[file],
                      .disposition = prng_below(&w->p, 8) == 0 ? FILE_OVERWRITE_IF : FILE_OPEN_IF,
                      .oplock = LEVEL_LEASE,
                      .lease = &c,
                      .client = (uint8_t)(1 + client)};
    const Fl__Reply *reply = rig_open(&w->r, node_of(client), ask);
    w->waited += reply == NULL;
    if (reply == NULL)
        v->waits = w->r.sequence[node_of(client)];
    else
        opened(w, client, file, reply);
    settle(w);
}

static void do_close(struct world *w, int client, int file)
{
    struct view *v = &w->views[client][file];
    if (v->open == 0)
        return;
    uint64_t id = v->open;
    *v = (struct view){0};
    rig_close(&w->r, node_of(client), id);
    settle(w);
}

static void do_acknowledge(struct world *w, int client, int file)
{
    struct view *v = &w->views[client][file];
    uint8_t key[16], guid[16];
    if (!v->breaking)
        return;
    sixteen(key, client, file);
    memset(guid, 1 + client, sizeof(guid));
    Fl__LeaseAck a = FL__LEASE_ACK__INIT;
    a.client_guid = pb_bytes(slice_of(guid, sizeof(guid)));
    a.key = pb_bytes(slice_of(key, sizeof(key)));
    a.state = v->state = v->told;
    v->breaking = false;
    v->cached &= (v->state & READ) != 0;
    RIG_COMMAND(LEASE_ACK, lease_ack, &a);
    assert_int_equal(rig_apply(&w->r, node_of(client), &command)->status, STATUS_OK);
    settle(w);
}

static bool ask_to_break(struct world *w, int client, int file)
{
    Fl__BreakCaching b = FL__BREAK_CACHING__INIT;
    b.open_id = w->views[client][file].open;
    RIG_COMMAND(BREAK_CACHING, break_caching, &b);
    const Fl__Reply *reply = rig_apply(&w->r, node_of(client), &command);
    assert_non_null(reply); /* nobody has WRITE beside an open that can write */
    bool cacheable = reply->info->info->cacheable;
    learn(w, node_of(client), reply->info->info);
    settle(w);
    return cacheable;
}

/* As node/smb does it. */
static void do_write(struct world *w, int client, int file)
{
    struct view *v = &w->views[client][file];
    struct fact *fact = &w->facts[node_of(client)][file];
    if (v->open == 0 || (v->breaking && (v->state & WRITE) != 0))
        return;
    bool kept = true;
    if (!fact->valid)
        learn(w, node_of(client), rig_info(&w->r, v->open));
    bool others = fact->cached_by != 0 && fact->cached_by != v->lease_id;
    if (!w->careless && (others || !fact->valid))
        kept = ask_to_break(w, client, file);
    w->writes++;
    w->version[file]++;
    v->version = w->version[file];
    v->cached = (held(v) & READ) != 0;
    if (!w->careless && !kept)
        (void)ask_to_break(w, client, file);
    judge(w);
}

static void do_read(struct world *w, int client, int file)
{
    struct view *v = &w->views[client][file];
    if (v->open == 0 || (held(v) & READ) == 0 || v->cached)
        return;
    v->cached = true;
    v->version = w->version[file];
}

static void run(struct world *w, uint64_t seed, bool careless)
{
    *w = (struct world){.careless = careless};
    rig_setup(&w->r);
    prng_init(&w->p, seed);
    for (int f = 0; f < FILES; f++) {
        uint64_t id = rig_create(&w->r, 1, names[f]);
        w->inode[f] = rig_info(&w->r, id)->inode;
        rig_close(&w->r, 1, id);
    }
    for (int step = 0; step < STEPS && !w->caught; step++) {
        int client = (int)prng_below(&w->p, CLIENTS), file = (int)prng_below(&w->p, FILES);
        switch (prng_below(&w->p, 8)) {
        case 0:
        case 1: do_open(w, client, file); break;
        case 2: do_close(w, client, file); break;
        case 3:
        case 4: do_acknowledge(w, client, file); break;
        case 5: do_read(w, client, file); break;
        default: do_write(w, client, file); break;
        }
        if (step % 200 == 199)
            rig_reload(&w->r);
        arena_reset(&w->r.a);
    }
}

static void test_nobody_reads_what_is_stale(void **state)
{
    (void)state;
    static struct world w;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        run(&w, seed, false);
        if (w.caught)
            fail_msg("seed %llu", (unsigned long long)seed);
        assert_true(w.writes > 100 && w.broken > 50 && w.waited > 10); /* it has been tried */
        rig_end(&w.r);
    }
}

static void test_who_does_not_ask_is_found_out(void **state)
{
    (void)state;
    static struct world w;
    run(&w, 1, true);
    assert_true(w.caught);
    rig_end(&w.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_reads_what_is_stale),
        cmocka_unit_test(test_who_does_not_ask_is_found_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
