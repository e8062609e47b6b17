/* wire.c: every kind of message there and back; what is short, long, or says the impossible. */
#include "coordinator/raft/wire.h"
#include "proto/base/must.h"
#include "tests/lib/unit.h"
#include <string.h>

#define TAG UINT64_C(0x1122334455667788)

/* libraft's encoding of {1: "a", voter}, {2: "b", standby}. */
static const uint8_t configuration[] = {1, 2,   0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0,   0, 0, 0,
                                        0, 'a', 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 'b', 0, 0, 0};

static struct slice encode(const struct wire_message *m, uint8_t *to, size_t cap)
{
    struct writer w = writer_of(to, cap);
    wire_encode(&w, TAG, m);
    assert_false(w.full);
    return written(&w);
}

static struct wire_message message(enum wire_kind kind)
{
    static const uint8_t bytes[] = "some state";
    struct wire_message m = {.kind = kind, .from = 1, .to = 2, .disk = 5, .term = 7};
    switch (kind) {
    case WIRE_APPEND: m.append.prev_index = 5, m.append.prev_term = 6, m.append.commit = 4; break;
    case WIRE_APPEND_RESULT: m.append_result.rejected = 9, m.append_result.last_index = 8; break;
    case WIRE_VOTE:
    case WIRE_TIMEOUT_NOW:
        m.vote.last_index = 10, m.vote.last_term = 6, m.vote.disrupt = true;
        break;
    case WIRE_VOTE_RESULT: m.vote_result.granted = true; break;
    case WIRE_INSTALL:
        m.install.index = 100, m.install.snapshot_term = 6, m.install.config_index = 3;
        m.install.size = 1000, m.install.hash = 77;
        m.install.config = slice_of(configuration, sizeof configuration);
        break;
    case WIRE_READ_ASK:
    case WIRE_READ_ANSWER: m.read.round = 12; break;
    case WIRE_PULL:
        m.chunk.len = 4096;
        m.chunk.index = 100;
        break;
    case WIRE_CHUNK:
        m.chunk.offset = 512;
        m.chunk.bytes = slice_of(bytes, sizeof bytes);
        break;
    case WIRE_HELLO: break;
    case WIRE_STRANGER: m.stranger.disk = 6; break;
    }
    return m;
}

static void every_kind_travels(void **state)
{
    (void)state;
    for (int kind = WIRE_APPEND; kind <= WIRE_STRANGER; kind++) {
        uint8_t first[512], second[512];
        struct wire_message m = message((enum wire_kind)kind), got;
        struct slice frame = encode(&m, first, sizeof first);
        assert_true(wire_decode(frame, TAG, &got));
        assert_int_equal(got.kind, kind);
        struct slice again = encode(&got, second, sizeof second);
        assert_true(slice_equal(frame, again));
        assert_false(wire_decode(frame, TAG + 1, &got));
    }
}

static void shorter_or_longer_is_refused(void **state)
{
    (void)state;
    for (int kind = WIRE_APPEND; kind <= WIRE_STRANGER; kind++) {
        uint8_t bytes[512] = {0};
        struct wire_message m = message((enum wire_kind)kind), got;
        struct slice frame = encode(&m, bytes, sizeof bytes);
        for (size_t len = 0; len < frame.len; len++)
            assert_false(wire_decode(slice_sub(frame, 0, len), TAG, &got));
        assert_false(wire_decode(slice_of(bytes, frame.len + 1), TAG, &got));
    }
}

static struct slice append_of(const struct wire_entry *entries, uint32_t count, uint8_t *to,
                              size_t cap)
{
    struct writer w = writer_of(to, cap);
    struct wire_message m = message(WIRE_APPEND);
    m.append.count = count;
    wire_encode(&w, TAG, &m);
    for (uint32_t i = 0; i < count; i++)
        wire_entry_encode(&w, &entries[i]);
    assert_false(w.full);
    return written(&w);
}

static void entries_are_checked(void **state)
{
    (void)state;
    const struct slice hello = slice_str("hello"),
                       config = slice_of(configuration, sizeof configuration);
    const struct row {
        const char *name;
        struct wire_entry entries[2];
        bool good;
    } rows[] = {
        {"two commands", {{6, ENTRY_COMMAND, hello}, {7, ENTRY_COMMAND, hello}}, true},
        {"a configuration", {{6, ENTRY_COMMAND, hello}, {7, ENTRY_CHANGE, config}}, true},
        {"not a configuration", {{6, ENTRY_CHANGE, hello}, {7, ENTRY_COMMAND, hello}}, false},
        {"terms fall", {{7, ENTRY_COMMAND, hello}, {6, ENTRY_COMMAND, hello}}, false},
        {"older than what precedes", {{5, ENTRY_COMMAND, hello}, {7, ENTRY_COMMAND, hello}}, false},
        {"newer than the leader", {{6, ENTRY_COMMAND, hello}, {8, ENTRY_COMMAND, hello}}, false},
        {"no such type", {{6, (enum entry_type)4, hello}, {7, ENTRY_COMMAND, hello}}, false},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[512];
        struct wire_message got;
        print_message("%s\n", rows[i].name);
        struct slice frame = append_of(rows[i].entries, 2, bytes, sizeof bytes);
        assert_int_equal(wire_decode(frame, TAG, &got), rows[i].good);
        if (!rows[i].good)
            continue;
        struct reader r = reader_of(got.append.entries);
        for (size_t j = 0; j < 2; j++) {
            struct wire_entry e = wire_entry(&r);
            assert_int_equal(e.term, rows[i].entries[j].term);
            assert_true(slice_equal(e.data, rows[i].entries[j].data));
        }
    }
}

static void a_chunk_carries_its_checksum(void **state)
{
    (void)state;
    uint8_t bytes[512];
    struct wire_message m = message(WIRE_CHUNK), got;
    struct slice frame = encode(&m, bytes, sizeof bytes);
    bytes[frame.len - 1] ^= 1;
    assert_false(wire_decode(frame, TAG, &got));
}

static void configurations_are_checked(void **state)
{
    (void)state;
    const struct row {
        const char *name;
        size_t at;
        uint8_t value;
    } rows[] = {
        {"version", 0, 2},
        {"no servers", 1, 0},
        {"more servers than bytes", 1, 3},
        {"far too many", 8, 1},
        {"id 0", 9, 0},
        {"same id twice", 20, 1},
        {"empty address", 17, 0},
        {"same address", 28, 'a'},
        {"no such role", 19, 3},
        {"bytes behind", 31, 1},
    };
    assert_true(wire_configuration_check(slice_of(configuration, sizeof configuration)));
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[sizeof configuration];
        print_message("%s\n", rows[i].name);
        memcpy(bytes, configuration, sizeof bytes);
        bytes[rows[i].at] = rows[i].value;
        assert_false(wire_configuration_check(slice_of(bytes, sizeof bytes)));
    }
    for (size_t len = 0; len < sizeof configuration; len++)
        assert_false(wire_configuration_check(slice_of(configuration, len)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_travels),
        cmocka_unit_test(shorter_or_longer_is_refused),
        cmocka_unit_test(entries_are_checked),
        cmocka_unit_test(a_chunk_carries_its_checksum),
        cmocka_unit_test(configurations_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
