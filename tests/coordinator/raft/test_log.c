/* log.c and recover.c over a disk in memory: what was durable is read back or the server refuses to
 * start; only what was never promised is cut off.
 * covers: recover.c log_codec.c entries.c hash.c */
#include "coordinator/raft/log.h"
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
    struct raft_effects fx;
    struct raftlog log;
    struct entries entries;
    uint64_t token;
};

static void bench_open(struct bench *b)
{
    memset(b, 0, sizeof *b);
    b->mem = (struct mem){.alloc = take, .release = give, .max = SIZE_MAX};
    b->config = (struct raft_engine_config){.id = 3, .segment_bytes = 400};
    memcpy(b->config.cluster, "0123456789abcdef", RAFT_CLUSTER_ID_BYTES);
    prng_init(&b->prng, 1);
    sim_disk_init(&b->disk, &b->prng, 1, 0);
    raft_effects_init(&b->fx, &b->mem);
    raftlog_init(&b->log, &b->mem, &b->config);
    entries_init(&b->entries, &b->mem, 1);
}

static void bench_forget(struct bench *b)
{
    raftlog_fini(&b->log);
    entries_fini(&b->entries);
    raft_effects_reset(&b->fx);
}

static void bench_close(struct bench *b)
{
    bench_forget(b);
    raft_effects_fini(&b->fx);
    sim_disk_fini(&b->disk);
    assert_int_equal(b->mem.used, 0);
}

/* Hands the effects to the disk; `sync`: and makes them durable. */
static void flush(struct bench *b, bool sync)
{
    for (size_t i = 0; i < b->fx.count; i++)
        sim_disk_do(&b->disk, &b->fx.items[i], 0);
    raft_effects_reset(&b->fx);
    struct raft_effect effect = {.kind = RAFT_FX_SYNC};
    effect.sync.token = ++b->token;
    sim_disk_do(&b->disk, &effect, 0);
    assert_int_equal(sim_disk_done(&b->disk, UINT64_MAX - 1), b->token);
    if (sync)
        raftlog_durable(&b->log, raftlog_written(&b->log));
}

static const char *recover_as(struct bench *b, const struct raft_engine_config *config)
{
    static struct raft_loaded_file files[SIM_FILES_MAX];
    bench_forget(b);
    raftlog_init(&b->log, &b->mem, config);
    entries_init(&b->entries, &b->mem, 1);
    size_t count = sim_disk_load(&b->disk, files);
    const char *why = raftlog_recover(&b->log, files, count, &b->entries, &b->fx);
    raft_effects_reset(&b->fx);
    return why;
}

static const char *recover(struct bench *b) { return recover_as(b, &b->config); }

static void put(struct bench *b, uint64_t index, uint64_t term, bool sync)
{
    uint8_t data[40];
    memset(data, (int)(index & 255), sizeof data);
    entries_truncate(&b->entries, index);
    assert_non_null(entries_append(&b->entries, term, ENTRY_COMMAND,
                                   slice_of(data, 1 + (size_t)(index * 7 % 39))));
    assert_true(raftlog_append(&b->log, &b->fx, &b->entries, index, index));
    flush(b, sync);
}

/* Ten entries in several segments, terms 1 and 2, each durable before the next is written. */
static void fill(struct bench *b, uint64_t count)
{
    assert_true(raftlog_format(&b->log, &b->fx, 1, 77));
    flush(b, true);
    assert_true(raftlog_term_vote_durable(&b->log, &b->fx));
    for (uint64_t i = 1; i <= count; i++)
        put(b, i, 1 + i / 6, true);
}

static bool is_prefix(const struct bench *b, uint64_t least)
{
    if (entries_last(&b->entries) < least)
        return false;
    for (uint64_t i = 1; i <= entries_last(&b->entries); i++) {
        const struct entry *e = entries_get(&b->entries, i);
        if (e == NULL || e->term != 1 + i / 6 || e->len != 1 + i * 7 % 39 ||
            e->data[0] != (uint8_t)i)
            return false;
    }
    return true;
}

static struct sim_file *file_of(struct bench *b, enum raft_file_kind kind, size_t nth)
{
    for (uint64_t n = 0; n < 1000; n++) {
        for (size_t i = 0; i < SIM_FILES_MAX; i++) {
            struct sim_file *f = &b->disk.files[i];
            if (f->used && f->file.kind == kind && f->file.number == n && nth-- == 0)
                return f;
        }
    }
    return NULL;
}

static struct sim_file *last_segment(struct bench *b)
{
    struct sim_file *last = NULL, *f;
    for (size_t i = 0; (f = file_of(b, RAFT_FILE_LOG, i)) != NULL; i++)
        last = f;
    return last;
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    fill(&b, 30);
    assert_true(raftlog_term_vote(&b.log, &b.fx, 9, 2));
    flush(&b, true);
    assert_non_null(file_of(&b, RAFT_FILE_LOG, 3)); /* several segments */
    for (uint64_t start = 0; start < 3; start++) {
        assert_null(recover(&b));
        assert_true(is_prefix(&b, 30 + start));
        assert_int_equal(entries_last(&b.entries), 30 + start);
        assert_int_equal(b.log.term, 9);
        assert_int_equal(b.log.vote, 2);
        put(&b, 31 + start, 1 + (31 + start) / 6, true);
    }
    bench_close(&b);
}

static void a_torn_tail_is_cut(void **state)
{
    (void)state;
    for (size_t lost = 1; lost <= 88; lost++) {
        struct bench b;
        bench_open(&b);
        fill(&b, 9);
        put(&b, 10, 2, false); /* nobody was told that it is durable */
        struct sim_file *f = last_segment(&b);
        if (lost <= f->len)
            f->len -= lost;
        assert_null(recover(&b));
        assert_true(is_prefix(&b, 9));
        uint64_t last = entries_last(&b.entries);
        put(&b, last + 1, 1 + (last + 1) / 6, true); /* and what was cut stays cut */
        assert_null(recover(&b));
        assert_int_equal(entries_last(&b.entries), last + 1);
        assert_true(is_prefix(&b, last + 1));
        bench_close(&b);
    }
}

static void a_hole_in_what_was_durable_is_refused(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    fill(&b, 3);
    struct sim_file *f = last_segment(&b);
    memset(f->bytes + f->len - 60, 0, 40); /* the third record */
    put(&b, 4, 1, true);                   /* says that the third was durable */
    assert_non_null(recover(&b));
    bench_close(&b);
}

static void a_hole_in_what_was_not_durable_is_cut(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    fill(&b, 2);
    put(&b, 3, 1, false);
    struct sim_file *f = last_segment(&b);
    memset(f->bytes + f->len - 60, 0, 40);
    put(&b, 4, 1, false); /* reached the disk before the third did */
    assert_null(recover(&b));
    assert_int_equal(entries_last(&b.entries), 2);
    bench_close(&b);
}

/* Only the last record may be missing then: nothing behind it says that it was durable. */
static void every_flipped_byte_is_noticed(void **state)
{
    (void)state;
    const enum { ENTRIES = 12 } entries = ENTRIES;
    size_t refused = 0, tried = 0;
    for (size_t file = 0; file < 100; file++) {
        for (size_t at = 0;; at++) {
            struct bench b;
            bench_open(&b);
            fill(&b, entries);
            struct sim_file *f = file_of(&b, RAFT_FILE_LOG, file);
            bool end = f == NULL || at >= f->len;
            if (!end) {
                f->bytes[at] ^= 0x40;
                const char *why = recover(&b);
                assert_true(why != NULL || is_prefix(&b, entries - 1));
                refused += why != NULL;
                tried++;
            }
            bench_close(&b);
            if (end)
                break;
        }
    }
    assert_true(tried > 1000 && refused > tried / 2);
}

static void a_flipped_byte_in_meta_loses_no_vote(void **state)
{
    (void)state;
    for (size_t at = 0; at < 2 * 4096; at++) {
        struct bench b;
        bench_open(&b);
        fill(&b, 2);
        assert_true(raftlog_term_vote(&b.log, &b.fx, 7, 3));
        flush(&b, true);
        assert_true(raftlog_term_vote_durable(&b.log, &b.fx));
        flush(&b, true);
        struct sim_file *f = file_of(&b, RAFT_FILE_META, 0);
        if (at < f->len) {
            f->bytes[at] ^= 0x40;
            assert_null(recover(&b));
            assert_int_equal(b.log.term, 7);
            assert_int_equal(b.log.vote, 3);
        }
        bench_close(&b);
        if (at >= 650 && at < 4000)
            at = 4000; /* between the slots there is nothing */
    }
}

static void strangers_and_losses_are_refused(void **state)
{
    (void)state;
    enum loss { OTHER_CLUSTER, OTHER_SERVER, NO_META, NO_MIDDLE, NO_LAST, BOTH_SLOTS };
    const struct row {
        const char *name;
        enum loss loss;
    } rows[] = {
        {"another cluster", OTHER_CLUSTER},
        {"another server", OTHER_SERVER},
        {"meta is gone", NO_META},
        {"a segment in the middle is gone", NO_MIDDLE},
        {"the last segment is gone", NO_LAST},
        {"both slots are bad", BOTH_SLOTS},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct bench b;
        bench_open(&b);
        fill(&b, 20);
        assert_true(raftlog_term_vote(&b.log, &b.fx, 7, 3)); /* notes what is durable */
        flush(&b, true);
        struct raft_engine_config config = b.config;
        struct sim_file *gone = NULL, *meta = file_of(&b, RAFT_FILE_META, 0);
        config.cluster[0] ^= rows[i].loss == OTHER_CLUSTER;
        config.id += rows[i].loss == OTHER_SERVER;
        if (rows[i].loss == NO_META)
            gone = meta;
        if (rows[i].loss == NO_MIDDLE)
            gone = file_of(&b, RAFT_FILE_LOG, 1);
        if (rows[i].loss == NO_LAST)
            gone = last_segment(&b);
        if (rows[i].loss == BOTH_SLOTS)
            meta->bytes[0] ^= 1, meta->bytes[4096] ^= 1;
        if (gone != NULL)
            free(gone->bytes), *gone = (struct sim_file){0};
        const char *why = recover_as(&b, &config);
        /* A log that begins late is the engine's to judge: it knows the snapshots. */
        assert_row(rows[i].name, why != NULL || (rows[i].loss == NO_MIDDLE && b.entries.first > 1));
        bench_close(&b);
    }
}

static void a_conflict_replaces_the_tail(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    fill(&b, 8);
    put(&b, 5, 3, true);
    put(&b, 6, 3, true);
    assert_null(recover(&b));
    assert_int_equal(entries_last(&b.entries), 6);
    assert_int_equal(entries_get(&b.entries, 4)->term, 1);
    assert_int_equal(entries_get(&b.entries, 5)->term, 3);
    assert_int_equal(entries_get(&b.entries, 6)->term, 3);
    assert_int_equal(b.log.term, 3); /* an entry's term is never above the server's */
    bench_close(&b);
}

static void old_segments_go(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    fill(&b, 40);
    raftlog_drop(&b.log, &b.fx, 30);
    flush(&b, true);
    assert_null(recover(&b));
    assert_true(b.entries.first > 20 && b.entries.first <= 30);
    assert_int_equal(entries_last(&b.entries), 40);
    bench_close(&b);
}

static void a_reset_begins_anew(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    fill(&b, 10);
    assert_true(raftlog_reset(&b.log, &b.fx, 101));
    flush(&b, true);
    assert_null(recover(&b));
    assert_int_equal(b.entries.first, 101);
    assert_int_equal(b.entries.count, 0);
    put(&b, 101, 5, true);
    assert_null(recover(&b));
    assert_int_equal(b.entries.first, 101);
    assert_int_equal(entries_last(&b.entries), 101);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(a_torn_tail_is_cut),
        cmocka_unit_test(a_hole_in_what_was_durable_is_refused),
        cmocka_unit_test(a_hole_in_what_was_not_durable_is_cut),
        cmocka_unit_test(every_flipped_byte_is_noticed),
        cmocka_unit_test(a_flipped_byte_in_meta_loses_no_vote),
        cmocka_unit_test(strangers_and_losses_are_refused),
        cmocka_unit_test(a_conflict_replaces_the_tail),
        cmocka_unit_test(old_segments_go),
        cmocka_unit_test(a_reset_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
