/* The engine as a shell sees it, one server at a time: what is refused at start, and that nothing
 * is told before it is durable.
 * covers: start.c effects.c */
#include "coordinator/raft/raft.h"
#include "coordinator/raft/wire.h"
#include "proto/base/must.h"
#include "tests/coordinator/raft/sim_disk.h"
#include "tests/lib/unit.h"
#include <stdlib.h>
#include <string.h>

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

struct bench {
    struct mem mem;
    struct prng prng;
    struct sim_disk disk;
    struct raft_engine_config config;
    struct raft_engine *engine;
    struct raft_effects fx;
    uint64_t now_ns, applied, restored, committed, reads, sends, need_snapshot;
    const char *fatal;
};

static void bench_open(struct bench *b, uint64_t id)
{
    memset(b, 0, sizeof *b);
    b->mem = (struct mem){.alloc = take, .release = give, .max = SIZE_MAX};
    b->config = (struct raft_engine_config){.id = id, .trailing = 4, .snapshot_threshold = 20};
    b->config.unsafe_without_guard = RAFT_GUARD_TRAILING; /* a short log is enough here */
    memcpy(b->config.cluster, "0123456789abcdef", RAFT_CLUSTER_ID_BYTES);
    prng_init(&b->prng, 1);
    sim_disk_init(&b->disk, &b->prng, 1, 0);
    raft_effects_init(&b->fx, &b->mem);
    b->now_ns = 1;
}

static void bench_stop(struct bench *b)
{
    raft_engine_free(b->engine);
    b->engine = NULL;
}

static void bench_close(struct bench *b)
{
    bench_stop(b);
    raft_effects_fini(&b->fx);
    sim_disk_fini(&b->disk);
    assert_int_equal(b->mem.used, 0);
}

static void step(struct bench *b, struct raft_engine_event event)
{
    event.now_ns = b->now_ns;
    raft_engine_step(b->engine, &event, &b->fx);
    raft_engine_check(b->engine);
    for (size_t i = 0; i < b->fx.count; i++) {
        const struct raft_effect *fx = &b->fx.items[i];
        if (fx->kind >= RAFT_FX_FILE_CREATE && fx->kind <= RAFT_FX_SYNC)
            sim_disk_do(&b->disk, fx, b->now_ns);
        b->sends += fx->kind == RAFT_FX_SEND;
        if (fx->kind == RAFT_FX_APPLY)
            b->applied = fx->apply.index;
        if (fx->kind == RAFT_FX_SUBMITTED)
            b->committed += fx->submitted.status == RAFT_SUBMIT_COMMITTED;
        b->reads += fx->kind == RAFT_FX_READ_READY;
        if (fx->kind == RAFT_FX_NEED_SNAPSHOT)
            b->need_snapshot = fx->need_snapshot.index;
        if (fx->kind == RAFT_FX_RESTORE)
            b->restored = fx->restore.index;
        if (fx->kind == RAFT_FX_FATAL)
            b->fatal = fx->fatal.why;
    }
    raft_effects_reset(&b->fx);
}

static void sync_disk(struct bench *b)
{
    uint64_t token;
    while ((token = sim_disk_done(&b->disk, UINT64_MAX - 1)) != 0)
        step(b, (struct raft_engine_event){.kind = RAFT_EV_DISK_DONE, .disk_done = {token}});
}

static void start(struct bench *b, enum raft_start_as as, size_t members)
{
    static struct raft_loaded_file files[SIM_FILES_MAX];
    const struct raft_member all[] = {{2, "b", true}, {1, "a", true}, {3, "c", true}};
    struct raft_engine_event event = {.kind = RAFT_EV_START};
    event.start.as = as;
    event.start.members = members == 1 ? all + 1 : all;
    event.start.member_count = members;
    event.start.files = files;
    event.start.file_count = sim_disk_load(&b->disk, files);
    event.start.seed = 99;
    b->fatal = NULL;
    b->engine = raft_engine_new(&b->config, &b->mem, NULL);
    assert_non_null(b->engine);
    step(b, event);
}

static void submit(struct bench *b, uint64_t token)
{
    struct raft_submission item = {.token = token, .command = slice_str("command")};
    step(b, (struct raft_engine_event){.kind = RAFT_EV_SUBMIT, .submit = {&item, 1}});
}

static void alone_it_commits_what_is_durable(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 1);
    start(&b, RAFT_START_BOOTSTRAP, 1);
    sync_disk(&b);
    submit(&b, 1);
    assert_int_equal(b.committed, 0); /* not before the disk has it */
    sync_disk(&b);
    assert_int_equal(b.committed, 1);
    step(&b, (struct raft_engine_event){.kind = RAFT_EV_READ, .read = {7}});
    assert_int_equal(b.reads, 1);
    bench_close(&b);
}

static void a_snapshot_survives_a_restart(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 1);
    start(&b, RAFT_START_BOOTSTRAP, 1);
    for (uint64_t i = 1; i <= 30; i++) {
        submit(&b, i);
        sync_disk(&b);
    }
    assert_true(b.need_snapshot >= 20);
    struct raft_engine_event event = {.kind = RAFT_EV_SNAPSHOT};
    event.snapshot.index = b.need_snapshot;
    event.snapshot.bytes = slice_str("the whole ");
    step(&b, event);
    event.snapshot.bytes = slice_str("state");
    event.snapshot.last = true;
    step(&b, event);
    sync_disk(&b);
    uint64_t applied = b.applied;
    bench_stop(&b);
    b.applied = 0;
    start(&b, RAFT_START_MEMBER, 0);
    assert_null(b.fatal);
    assert_int_equal(b.restored, b.need_snapshot);
    sync_disk(&b);
    assert_int_equal(b.applied, applied);
    struct slice file = sim_disk_file(&b.disk, (struct raft_file){RAFT_FILE_SNAPSHOT, b.restored});
    assert_memory_equal(file.at + 4096, "the whole state", 15);
    bench_close(&b);
}

static void who_must_not_start(void **state)
{
    (void)state;
    const struct row {
        const char *name;
        uint64_t id;
        enum raft_start_as as;
        size_t members;
        bool starts;
    } rows[] = {
        {"an empty disk that was in use", 1, RAFT_START_MEMBER, 3, false},
        {"not among the first members", 4, RAFT_START_BOOTSTRAP, 3, false},
        {"no members at all", 1, RAFT_START_BOOTSTRAP, 0, false},
        {"a new cluster", 1, RAFT_START_BOOTSTRAP, 3, true},
        {"a newcomer", 4, RAFT_START_JOIN, 0, true},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct bench b;
        bench_open(&b, rows[i].id);
        start(&b, rows[i].as, rows[i].members);
        assert_row(rows[i].name, (b.fatal == NULL) == rows[i].starts);
        sync_disk(&b);
        bench_stop(&b);
        if (rows[i].starts) { /* and once more, as what it is now */
            start(&b, RAFT_START_MEMBER, 0);
            assert_row(rows[i].name, b.fatal == NULL);
        }
        bench_close(&b);
    }
}

static void nothing_is_said_before_it_is_durable(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 1);
    start(&b, RAFT_START_BOOTSTRAP, 3);
    step(&b, (struct raft_engine_event){.kind = RAFT_EV_PEER_UP, .peer = 2});
    step(&b, (struct raft_engine_event){.kind = RAFT_EV_PEER_UP, .peer = 3});
    assert_int_equal(b.sends, 0); /* the first state is not durable */
    sync_disk(&b);
    assert_int_equal(b.sends, 2); /* hello */
    b.now_ns = raft_engine_next_deadline(b.engine);
    step(&b, (struct raft_engine_event){.kind = RAFT_EV_TICK});
    assert_int_equal(b.sends, 2); /* it stands for election: its own vote comes first */
    sync_disk(&b);
    assert_int_equal(b.sends, 4);
    step(&b, (struct raft_engine_event){.kind = RAFT_EV_PEER_DOWN, .peer = 2});
    b.now_ns = raft_engine_next_deadline(b.engine);
    step(&b, (struct raft_engine_event){.kind = RAFT_EV_TICK});
    sync_disk(&b);
    assert_int_equal(b.sends, 5); /* nothing for a peer that is down */
    bench_close(&b);
}

static void a_full_disk_stops_it_and_loses_nothing(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, 1);
    start(&b, RAFT_START_BOOTSTRAP, 1);
    sync_disk(&b);
    submit(&b, 1);
    sync_disk(&b);
    submit(&b, 2);
    step(&b, (struct raft_engine_event){.kind = RAFT_EV_DISK_FAILED,
                                        .disk_failed = {"No space left on device"}});
    assert_non_null(b.fatal);
    uint64_t committed = b.committed;
    submit(&b, 3); /* it hears nothing any more */
    assert_int_equal(b.committed, committed);
    bench_stop(&b);
    sim_disk_crash(&b.disk);
    uint64_t applied = b.applied;
    start(&b, RAFT_START_MEMBER, 0);
    assert_null(b.fatal);
    sync_disk(&b);
    assert_true(b.applied >= applied);
    submit(&b, 4);
    sync_disk(&b);
    assert_int_equal(b.committed, committed + 1);
    bench_close(&b);
}

/* A peer says: you are not the one I knew. */
static void a_stranger_stops(void **state)
{
    (void)state;
    struct bench b;
    uint8_t bytes[128];
    bench_open(&b, 1);
    start(&b, RAFT_START_BOOTSTRAP, 3);
    sync_disk(&b);
    step(&b, (struct raft_engine_event){.kind = RAFT_EV_PEER_UP, .peer = 2});
    struct writer w = writer_of(bytes, sizeof bytes);
    struct wire_message m = {.kind = WIRE_STRANGER, .from = 2, .to = 1, .disk = 5, .term = 1};
    m.stranger.disk = 1234;
    wire_encode(&w, wire_cluster_tag(b.config.cluster), &m);
    step(&b, (struct raft_engine_event){.kind = RAFT_EV_RECEIVE, .receive = {2, written(&w)}});
    assert_non_null(b.fatal);
    bench_close(&b);
}

static void names_of_files(void **state)
{
    (void)state;
    const struct raft_file files[] = {{RAFT_FILE_META, 0},
                                      {RAFT_FILE_LOG, 1},
                                      {RAFT_FILE_SNAPSHOT, UINT64_MAX},
                                      {RAFT_FILE_TEMP, 0x123456789abcdef0}};
    const char *const strangers[] = {"",
                                     "log",
                                     "log-",
                                     "log-12",
                                     "log-000000000000000G",
                                     "meta.old",
                                     "core",
                                     ".",
                                     "snapshot-00000000000000001"};
    struct raft_file got;
    for (size_t i = 0; i < array_len(files); i++) {
        char name[RAFT_FILE_NAME_BYTES];
        raft_file_name(files[i], name);
        assert_true(raft_file_parse(name, &got));
        assert_true(raft_file_equal(got, files[i]));
    }
    for (size_t i = 0; i < array_len(strangers); i++)
        assert_row(strangers[i], !raft_file_parse(strangers[i], &got));
}

/* After a snapshot of `bytes`, how many entries until the next? */
static uint64_t entries_between_snapshots(size_t bytes)
{
    struct bench b;
    bench_open(&b, 1);
    start(&b, RAFT_START_BOOTSTRAP, 1);
    uint64_t token = 0, first = 0;
    uint8_t *state = calloc(1, bytes);
    assert_non_null(state);
    while (first == 0 || b.need_snapshot == first) {
        submit(&b, ++token);
        sync_disk(&b);
        if (first != 0 || b.need_snapshot == 0)
            continue;
        first = b.need_snapshot;
        struct raft_engine_event event = {.kind = RAFT_EV_SNAPSHOT};
        event.snapshot.index = first;
        event.snapshot.bytes = slice_of(state, bytes);
        event.snapshot.last = true;
        step(&b, event);
        sync_disk(&b);
    }
    uint64_t between = b.need_snapshot - first;
    bench_close(&b);
    free(state);
    return between;
}

static void a_large_state_is_saved_less_often(void **state)
{
    (void)state;
    assert_int_equal(entries_between_snapshots(100), 20);
    assert_int_equal(entries_between_snapshots(100 * 2048), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_it_commits_what_is_durable),
        cmocka_unit_test(a_snapshot_survives_a_restart),
        cmocka_unit_test(a_large_state_is_saved_less_often),
        cmocka_unit_test(who_must_not_start),
        cmocka_unit_test(nothing_is_said_before_it_is_durable),
        cmocka_unit_test(a_full_disk_stops_it_and_loses_nothing),
        cmocka_unit_test(a_stranger_stops),
        cmocka_unit_test(names_of_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
