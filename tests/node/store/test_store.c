/* covers: layout.c store.c recover.c journal.c task.c work.c check.c
 * The store on a simulated disk: order, unaligned edges, space, intents, crashes at every effect.
 */
#include "node/store/layout.h"
#include "node/store/store.h"
#include "proto/base/must.h"
#include "tests/lib/simdisk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PENDING_MAX = 4096, DONE_MAX = 4096 };

struct rig {
    struct mem mem;
    struct simdisk disk;
    struct prng rng;
    struct store *store;
    struct store_config config;
    struct {
        uint64_t number, token;
    } pending[PENDING_MAX];
    uint32_t pending_count;
    struct {
        uint64_t token;
        struct store_outcome outcome;
    } done[DONE_MAX];
    uint32_t done_count;
    bool ready, fresh;
    const char *refused;
    uint8_t store_id[STORE_ID];
    struct store_region hot[STORE_HOT_MAX];
    uint32_t hot_count;
};

static void *take(void *ctx, size_t size)
{
    (void)ctx;
    return calloc(1, size);
}

static void give(void *ctx, void *at, size_t size)
{
    (void)ctx, (void)size;
    free(at);
}

static void absorb(struct rig *g, const struct store_effects *out)
{
    for (uint32_t i = 0; i < out->count; i++) {
        const struct store_effect *e = &out->items[i];
        switch (e->type) {
        case STORE_DO_DISK:
            assert_true(g->pending_count < PENDING_MAX);
            g->pending[g->pending_count].token = e->token;
            g->pending[g->pending_count++].number = simdisk_start(&g->disk, &e->disk);
            break;
        case STORE_DO_DONE:
            assert_true(g->done_count < DONE_MAX);
            g->done[g->done_count].token = e->token;
            g->done[g->done_count++].outcome = e->done;
            break;
        case STORE_DO_READY:
            g->ready = true, g->fresh = e->ready.fresh;
            memcpy(g->store_id, e->ready.store_id, STORE_ID);
            g->hot_count = e->ready.hot_count;
            if (g->hot_count > 0)
                memcpy(g->hot, e->ready.hot, g->hot_count * sizeof(g->hot[0]));
            break;
        case STORE_DO_REFUSED: g->refused = e->refused.why; break;
        }
    }
}

static void step(struct rig *g, const struct store_event *ev)
{
    static struct store_effects out;
    out.count = 0;
    store_step(g->store, ev, &out);
    store_check(g->store);
    absorb(g, &out);
    while (store_next_deadline(g->store) == 0) {
        out.count = 0;
        store_step(g->store, &(struct store_event){.type = STORE_EV_TICK}, &out);
        absorb(g, &out);
    }
}

/* Carries out one pending disk effect, any of them. False when there is none. */
static bool disk_one(struct rig *g)
{
    if (g->pending_count == 0)
        return false;
    uint32_t i = (uint32_t)prng_below(&g->rng, g->pending_count);
    struct store_event ev = {.type = STORE_EV_DISK};
    ev.disk.token = g->pending[i].token;
    ev.disk.result = simdisk_finish(&g->disk, g->pending[i].number, &g->rng, &ev.disk.count);
    g->pending[i] = g->pending[--g->pending_count];
    step(g, &ev);
    return true;
}

static void run(struct rig *g)
{
    while (disk_one(g)) {
    }
}

static void start(struct rig *g, uint8_t cluster)
{
    g->ready = false, g->refused = NULL, g->done_count = 0, g->hot_count = 0;
    g->store = store_new(&g->mem, &g->config);
    assert_non_null(g->store);
    struct store_event ev = {.type = STORE_EV_START};
    memset(ev.start.cluster_id, cluster, STORE_ID);
    memset(ev.start.new_store_id, (int)prng_below(&g->rng, 256), STORE_ID);
    step(g, &ev);
}

static void crash(struct rig *g)
{
    simdisk_crash(&g->disk, &g->rng, (uint32_t)prng_below(&g->rng, 1001));
    g->pending_count = 0;
    store_free(g->store);
    g->store = NULL;
}

static struct rig *rig_new(uint64_t seed)
{
    struct rig *g = calloc(1, sizeof(*g));
    g->mem = (struct mem){.alloc = take, .release = give, .max = 64 << 20};
    g->config = (struct store_config){.ops_max = 64, .bounces_max = 3, .hot_max = 32};
    prng_init(&g->rng, seed);
    simdisk_init(&g->disk);
    return g;
}

static void rig_free(struct rig *g)
{
    store_free(g->store);
    assert_int_equal(g->mem.used, 0);
    simdisk_fini(&g->disk);
    free(g);
}

static void submit(struct rig *g, uint64_t token, struct store_op op)
{
    step(g, &(struct store_event){.type = STORE_EV_OP, .op = {token, op}});
}

static const struct store_outcome *outcome(const struct rig *g, uint64_t token)
{
    for (uint32_t i = 0; i < g->done_count; i++)
        if (g->done[i].token == token)
            return &g->done[i].outcome;
    return NULL;
}

/* Submits, runs to the end, expects the result; WRITE and ZERO are confirmed at once. */
static struct store_outcome must_end(struct rig *g, struct store_op op, enum store_result expected)
{
    g->done_count = 0;
    submit(g, 1, op);
    run(g);
    const struct store_outcome *o = outcome(g, 1);
    assert_non_null(o);
    assert_int_equal(o->result, expected);
    if (op.type == STORE_WRITE || op.type == STORE_ZERO) {
        op.type = STORE_CONFIRM, op.len = 1;
        submit(g, 0, op);
        o = outcome(g, 1);
    }
    return *o;
}

static const struct store_extent X = {.volume = 1, .group = 2, .inode = 77, .index = 0};

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum store_op_type type;
        uint64_t offset, len;
    } rows[] = {
        {"one block", STORE_WRITE, 0, 4096},
        {"one byte", STORE_WRITE, 5000, 1},
        {"inside a block", STORE_WRITE, 8200, 100},
        {"over an edge", STORE_WRITE, 12200, 200},
        {"unaligned head", STORE_WRITE, 20000, 4096 * 3 - 20000 % 4096},
        {"unaligned tail", STORE_WRITE, 40960, 5000},
        {"a whole region", STORE_WRITE, STORE_REGION, STORE_REGION},
        {"zero a block", STORE_ZERO, 4096, 4096},
        {"zero inside a block", STORE_ZERO, 8210, 50},
        {"zero over an edge", STORE_ZERO, 12250, 100},
        {"zero many", STORE_ZERO, 41000, 200000},
        {"zero what is a hole", STORE_ZERO, 700001, 3000},
        {"zero the last byte", STORE_ZERO, 2 * STORE_REGION - 1, 1},
    };
    struct rig *g = rig_new(1);
    start(g, 7);
    run(g);
    assert_true(g->ready && g->fresh);
    uint8_t *model = calloc(2, STORE_REGION), *data = malloc(STORE_REGION);
    uint8_t *back = malloc(2 * STORE_REGION);
    for (size_t i = 0; i < array_len(rows); i++) {
        for (size_t k = 0; k < rows[i].len; k++)
            data[k] = (uint8_t)(prng_u64(&g->rng) | 1);
        must_end(g,
                 (struct store_op){.type = rows[i].type,
                                   .extent = X,
                                   .offset = rows[i].offset,
                                   .len = rows[i].len,
                                   .data = rows[i].type == STORE_WRITE ? data : NULL},
                 STORE_OK);
        if (rows[i].type == STORE_WRITE)
            memcpy(model + rows[i].offset, data, rows[i].len);
        else
            memset(model + rows[i].offset, 0, rows[i].len);
        for (uint64_t at = 0; at < 2 * STORE_REGION; at += STORE_REGION)
            must_end(g,
                     (struct store_op){.type = STORE_READ,
                                       .extent = X,
                                       .offset = at,
                                       .len = STORE_REGION,
                                       .into = back + at},
                     STORE_OK);
        if (memcmp(model, back, 2 * STORE_REGION) != 0)
            fail_msg("%s", rows[i].name);
    }
    must_end(
        g,
        (struct store_op){.type = STORE_READ, .extent = X, .offset = 8201, .len = 99, .into = back},
        STORE_OK);
    assert_memory_equal(back, model + 8201, 99);
    uint64_t hash[2];
    layout_hash128(model, STORE_REGION, 5, hash);
    struct store_outcome o = must_end(
        g, (struct store_op){.type = STORE_HASH, .extent = X, .len = STORE_REGION, .seed = 5},
        STORE_OK);
    assert_memory_equal(o.hash, hash, sizeof(hash));
    free(model), free(data), free(back);
    rig_free(g);
}

/* Whole blocks that hold data, cut to what was asked. */
static void test_map(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t offset, len;
        uint32_t count;
        struct range first, last;
    } rows[] = {
        {"all", 0, 4 * STORE_REGION, 2, {STORE_REGION - 4096, 8192}, {5 * 4096 + 2097152, 4096}},
        {"of a region",
         0,
         STORE_REGION,
         1,
         {STORE_REGION - 4096, 4096},
         {STORE_REGION - 4096, 4096}},
        {"cut to bytes",
         STORE_REGION - 10,
         15,
         1,
         {STORE_REGION - 10, 15},
         {STORE_REGION - 10, 15}},
        {"a hole", 4096, 8192, 0, {0}, {0}},
        {"behind everything", 8 * STORE_REGION, 100, 0, {0}, {0}},
    };
    struct rig *g = rig_new(4);
    start(g, 7);
    uint8_t data[9] = "12345678";
    struct store_op write = {.type = STORE_WRITE, .extent = X, .len = 5, .data = data};
    for (uint64_t i = 0; i < 3; i++) {
        write.offset = i == 0 ? STORE_REGION - 5 : i == 1 ? STORE_REGION : 5 * 4096 + 2097152;
        must_end(g, write, STORE_OK);
    }
    struct ranges ranges;
    struct store_op map = {.type = STORE_MAP, .extent = X, .ranges = &ranges};
    for (size_t i = 0; i < array_len(rows); i++) {
        map.offset = rows[i].offset, map.len = rows[i].len;
        must_end(g, map, STORE_OK);
        bool ok = ranges.count == rows[i].count && ranges.until == map.offset + map.len;
        const struct range *last = &ranges.items[ranges.count == 0 ? 0 : ranges.count - 1];
        if (ok && ranges.count > 0)
            ok = memcmp(&ranges.items[0], &rows[i].first, sizeof(*last)) == 0 &&
                 memcmp(last, &rows[i].last, sizeof(*last)) == 0;
        if (!ok)
            fail_msg("%s", rows[i].name);
    }
    must_end(
        g, (struct store_op){.type = STORE_ZERO, .extent = X, .offset = STORE_REGION, .len = 4096},
        STORE_OK);
    map.offset = 0, map.len = 2 * STORE_REGION;
    must_end(g, map, STORE_OK);
    assert_int_equal(ranges.count, 1);
    assert_int_equal(ranges.items[0].len, 4096);
    rig_free(g);
}

static void test_list_delete(void **state)
{
    (void)state;
    struct rig *g = rig_new(2);
    start(g, 7);
    uint8_t byte = 9;
    struct store_entry entries[STORE_LIST_MAX];
    for (uint64_t i = 0; i < 5; i++)
        must_end(g,
                 (struct store_op){.type = STORE_WRITE,
                                   .extent = {1, 2, 70 + i % 2, i},
                                   .offset = i * STORE_REGION,
                                   .len = 1,
                                   .data = &byte},
                 STORE_OK);
    struct store_op list = {.type = STORE_LIST, .extent = {1, 2, 0, 0}, .entries = entries};
    struct store_outcome o = must_end(g, list, STORE_OK);
    assert_int_equal(o.count, 5);
    assert_int_equal(entries[1].inode, 70);
    assert_int_equal(entries[1].index, 2);
    assert_int_equal(entries[1].size, 2 * STORE_REGION + STORE_BLOCK);
    list.extent = (struct store_extent){1, 2, 70, 2};
    assert_int_equal(must_end(g, list, STORE_OK).count, 3);
    must_end(g, (struct store_op){.type = STORE_DELETE, .extent = {1, 0, 70, 0}}, STORE_OK);
    list.extent = (struct store_extent){1, 2, 0, 0};
    assert_int_equal(must_end(g, list, STORE_OK).count, 2);
    rig_free(g);
}

static void test_identity(void **state)
{
    (void)state;
    struct rig *g = rig_new(3);
    start(g, 7);
    run(g);
    uint8_t id[STORE_ID];
    memcpy(id, g->store_id, STORE_ID);
    crash(g);
    start(g, 7);
    run(g);
    assert_true(g->ready && !g->fresh);
    assert_memory_equal(id, g->store_id, STORE_ID);
    crash(g);
    start(g, 8);
    run(g);
    assert_string_equal(g->refused, "the data directory belongs to another cluster");
    crash(g);

    static const struct {
        const char *name;
        enum store_file_kind kind;
        uint64_t at;
        bool refused;
    } rows[] = {
        {"identity damaged", STORE_FILE_IDENTITY, 20, true},
        {"a needed transaction damaged", STORE_FILE_JOURNAL, 60 * STORE_BLOCK + 100, true},
        {"an old transaction damaged", STORE_FILE_JOURNAL, 10 * STORE_BLOCK + 100, false},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct rig *h = rig_new(4);
        start(h, 7);
        run(h);
        crash(h);
        uint8_t bad = 0xee;
        simdisk_poke(&h->disk, &(struct store_file){.kind = rows[i].kind}, rows[i].at, 1, &bad);
        start(h, 7);
        run(h);
        assert_int_equal(h->refused != NULL, rows[i].refused);
        assert_int_equal(h->ready, !rows[i].refused);
        rig_free(h);
    }
    rig_free(g);
}

static void test_full(void **state)
{
    (void)state;
    struct rig *g = rig_new(5);
    start(g, 7);
    run(g);
    g->disk.capacity_blocks = g->disk.used_blocks + 10;
    uint8_t *data = malloc(STORE_REGION), *back = malloc(STORE_REGION);
    memset(data, 1, STORE_REGION);
    struct store_op op = {.type = STORE_WRITE, .extent = X, .len = 8 * STORE_BLOCK, .data = data};
    must_end(g, op, STORE_OK);
    /* Half of it would fit into what is there already: not a byte may change. */
    memset(data, 2, STORE_REGION);
    op.offset = 4 * STORE_BLOCK + 7;
    must_end(g, op, STORE_NO_SPACE);
    must_end(
        g,
        (struct store_op){.type = STORE_READ, .extent = X, .len = 16 * STORE_BLOCK, .into = back},
        STORE_OK);
    for (size_t i = 0; i < 16 * STORE_BLOCK; i++)
        assert_int_equal(back[i], i < 8 * STORE_BLOCK ? 1 : 0);
    /* In place still works, and what is given back can be used again. */
    op.offset = 0;
    must_end(g, op, STORE_OK);
    must_end(g, (struct store_op){.type = STORE_ZERO, .extent = X, .len = 8 * STORE_BLOCK},
             STORE_OK);
    op.offset = 100 * STORE_BLOCK;
    must_end(g, op, STORE_OK);
    free(data), free(back);
    rig_free(g);
}

/* More regions than slots: pinned ones stay, unpinned ones make room, waiting writes get their
 * turn. */
static void test_hot_set(void **state)
{
    (void)state;
    struct rig *g = rig_new(6);
    start(g, 7);
    run(g);
    uint8_t byte = 1;
    for (uint64_t i = 0; i < 40; i++)
        submit(g, 100 + i,
               (struct store_op){.type = STORE_WRITE,
                                 .extent = X,
                                 .offset = i * STORE_REGION,
                                 .len = 1,
                                 .data = &byte});
    run(g);
    assert_int_equal(g->done_count, 32); /* the other 8 found every slot pinned */
    for (uint64_t i = 0; i < 8; i++)
        submit(g, 0,
               (struct store_op){
                   .type = STORE_CONFIRM, .extent = X, .offset = i * STORE_REGION, .len = 1});
    run(g);
    assert_int_equal(g->done_count, 40);
    crash(g);
    start(g, 7);
    run(g);
    assert_true(g->ready);
    assert_int_equal(g->hot_count, 32);
    for (uint32_t i = 0; i < g->hot_count; i++)
        assert_true(g->hot[i].region >= 8 && g->hot[i].region < 40);
    rig_free(g);
}

/* ---- crashes --------------------------------------------------------------------------------- */

enum { AREA = 2 * STORE_REGION, WRITES_MAX = 24 };

struct write {
    uint64_t offset, len;
    uint8_t *data; /* NULL: zeros */
    bool done;
};

static bool hot_has(const struct rig *g, uint64_t offset)
{
    for (uint32_t i = 0; i < g->hot_count; i++)
        if (g->hot[i].region == offset / STORE_REGION && g->hot[i].extent.inode == X.inode)
            return true;
    return false;
}

/* Every byte is what was reported, or belongs to a write that was not, in a region known as hot. */
static void check_after(struct rig *g, const uint8_t *model, const struct write *w, uint32_t count)
{
    uint8_t *now = malloc(AREA);
    simdisk_peek(&g->disk, &(struct store_file){STORE_FILE_EXTENT, X}, 0, AREA, now);
    for (uint64_t i = 0; i < AREA; i++) {
        bool allowed = now[i] == model[i];
        for (uint32_t k = 0; k < count && !allowed; k++) {
            if (w[k].done || i < w[k].offset || i >= w[k].offset + w[k].len)
                continue;
            allowed = now[i] == (w[k].data != NULL ? w[k].data[i - w[k].offset] : 0);
            allowed = allowed && hot_has(g, i);
        }
        if (!allowed)
            fail_msg("byte %llu lost", (unsigned long long)i);
    }
    free(now);
}

static void random_write(struct rig *g, struct write *w, uint64_t token)
{
    uint64_t region = prng_below(&g->rng, 2) * STORE_REGION;
    uint64_t unit = prng_chance(&g->rng, 500) ? STORE_BLOCK : 1;
    w->len = (1 + prng_below(&g->rng, 12 * STORE_BLOCK / unit)) * unit;
    w->offset = region + prng_below(&g->rng, (STORE_REGION / 16 - w->len) / unit) * unit;
    w->data = NULL;
    struct store_op op = {.type = STORE_ZERO, .extent = X, .offset = w->offset, .len = w->len};
    if (prng_chance(&g->rng, 750)) {
        w->data = malloc(w->len);
        for (uint64_t i = 0; i < w->len; i++)
            w->data[i] = (uint8_t)prng_u64(&g->rng);
        op.type = STORE_WRITE, op.data = w->data;
    }
    submit(g, token, op);
}

/* Tasks end in any order, those that overlap in the order of submission: so the model may be
 * written as they are reported. */
static void report(struct rig *g, uint8_t *model, struct write *w)
{
    for (uint32_t i = 0; i < g->done_count; i++) {
        struct write *d = &w[g->done[i].token];
        assert_int_equal(g->done[i].outcome.result, STORE_OK);
        d->done = true;
        if (d->data != NULL)
            memcpy(model + d->offset, d->data, d->len);
        else
            memset(model + d->offset, 0, d->len);
        if (prng_chance(&g->rng, 500))
            submit(g, 0,
                   (struct store_op){
                       .type = STORE_CONFIRM, .extent = X, .offset = d->offset, .len = 1});
    }
    g->done_count = 0;
}

static void test_crash(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct rig *g = rig_new(seed);
        uint8_t *model = calloc(1, AREA);
        struct write w[WRITES_MAX];
        for (uint32_t life = 0; life < 4; life++) {
            start(g, 7);
            run(g);
            assert_true(g->ready);
            uint32_t count = 0;
            uint64_t effects = prng_below(&g->rng, 60);
            for (uint64_t i = 0; i < effects; i++) {
                if (count < WRITES_MAX && prng_chance(&g->rng, 400)) {
                    w[count] = (struct write){0};
                    random_write(g, &w[count], count);
                    count++;
                } else {
                    disk_one(g);
                }
                report(g, model, w);
            }
            crash(g);
            start(g, 7);
            run(g);
            assert_true(g->ready);
            check_after(g, model, w, count);
            /* What was torn counts as written from now on. */
            simdisk_peek(&g->disk, &(struct store_file){STORE_FILE_EXTENT, X}, 0, AREA, model);
            for (uint32_t k = 0; k < count; k++)
                free(w[k].data);
            crash(g);
        }
        free(model);
        rig_free(g);
    }
}

/* The start itself may be cut off anywhere; the next one finds a usable directory. */
static void test_crash_at_start(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rig *g = rig_new(seed);
        for (uint64_t steps = 0; steps < 6; steps++) {
            start(g, 7);
            for (uint64_t i = 0; i < steps; i++)
                disk_one(g);
            crash(g);
        }
        start(g, 7);
        run(g);
        assert_true(g->ready);
        rig_free(g);
    }
}

static void test_io_errors(void **state)
{
    (void)state;
    struct rig *g = rig_new(9);
    start(g, 7);
    run(g);
    uint8_t byte = 3, back = 0;
    struct store_op op = {.type = STORE_WRITE, .extent = X, .offset = 5, .len = 1, .data = &byte};
    g->disk.fail_write_per_mille = 1000;
    must_end(g, op, STORE_IO_ERROR); /* the intent cannot be recorded */
    g->disk.fail_write_per_mille = 0;
    must_end(g, op, STORE_OK);
    g->disk.fail_read_per_mille = 1000;
    op = (struct store_op){.type = STORE_READ, .extent = X, .offset = 5, .len = 1, .into = &back};
    must_end(g, op, STORE_IO_ERROR);
    g->disk.fail_read_per_mille = 0;
    must_end(g, op, STORE_OK);
    assert_int_equal(back, 3);
    rig_free(g);
}

/* Whatever allocation is refused, store_new gives NULL and leaks nothing. */
static void test_refused_memory(void **state)
{
    (void)state;
    struct store_config config = {.ops_max = 8, .bounces_max = 1, .hot_max = 8};
    for (size_t max = 0;; max += 4096) {
        struct mem mem = {.alloc = take, .release = give, .max = max};
        struct store *s = store_new(&mem, &config);
        store_free(s);
        assert_int_equal(mem.used, 0);
        if (s != NULL)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),        cmocka_unit_test(test_map),
        cmocka_unit_test(test_list_delete), cmocka_unit_test(test_identity),
        cmocka_unit_test(test_full),        cmocka_unit_test(test_hot_set),
        cmocka_unit_test(test_crash),       cmocka_unit_test(test_crash_at_start),
        cmocka_unit_test(test_io_errors),   cmocka_unit_test(test_refused_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
