/* Compressed frames: there and back, and everything a stranger may write into one. */
#include "proto/base/prng.h"
#include "proto/compress/message.h"
#include "tests/lib/hex.h"
#include "tests/lib/unit.h"

#include <stdlib.h>
#include <string.h>

enum { MESSAGE_MAX = 200000, MOST = 1 << 20 };

static void *scratch;
static uint8_t message[MESSAGE_MAX], frame[MESSAGE_MAX + 64], output[MOST];

static int setup(void **state)
{
    (void)state;
    scratch = calloc(1, CODEC_SCRATCH_SIZE);
    return scratch == NULL;
}

static int teardown(void **state)
{
    (void)state;
    free(scratch);
    return 0;
}

static const struct compression everything = {
    {CODEC_LZ4, CODEC_LZ77, CODEC_LZ77_HUFFMAN, CODEC_LZNT1, CODEC_PATTERN_V1}, 5, true};
static const struct compression unchained = {{CODEC_LZ77, CODEC_PATTERN_V1}, 2, false};

/* The size of what came out; 0 when it was refused. */
static size_t unpack(const struct compression *c, struct slice in)
{
    uint8_t *copy = malloc(in.len > 0 ? in.len : 1);
    assert_non_null(copy);
    if (in.len > 0)
        memcpy(copy, in.at, in.len);
    struct slice exact = slice_of(copy, in.len);
    size_t size = message_size(exact, MOST);
    struct writer w = writer_of(output, size);
    bool ok = size > 0 && message_decompress(c, exact, &w, scratch);
    free(copy);
    assert_true(!ok || w.pos == size);
    return ok ? size : 0;
}

static void test_choice(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct compression c = {0};
    compression_choose(&c, hex_decode("0500 0000 0300 0500 0900 0400 0100 0200 ffff", bytes, 64));
    assert_int_equal(c.count, 5);
    assert_int_equal(c.algorithms[0], CODEC_LZ4);
    assert_int_equal(c.algorithms[1], CODEC_LZ77_HUFFMAN);
    assert_int_equal(c.algorithms[2], CODEC_PATTERN_V1);
    assert_true(compression_has(&c, CODEC_LZNT1));
    assert_false(compression_has(&c, CODEC_NONE));
    compression_choose(&c, hex_decode("0000 0900", bytes, 64));
    assert_int_equal(c.count, 0);
}

/* ---- there and back ------------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t before, noise, text, after; /* the body: zeros, noise, words, zeros */
    bool smaller;
} bodies[] = {
    {"nothing", 0, 0, 0, 0, false},
    {"a little", 0, 0, 30, 0, false},
    {"zeros alone", 70000, 0, 0, 0, true},
    {"zeros at both ends", 5000, 300, 0, 9000, true},
    {"too few zeros for a pattern", 63, 300, 0, 63, false},
    {"words", 0, 0, 100000, 0, true},
    {"all of it", 1000, 2000, 50000, 64, true},
    {"noise", 0, 20000, 0, 0, false},
};

static size_t build(size_t row)
{
    struct prng p;
    prng_init(&p, row);
    struct writer w = writer_of(message, sizeof(message));
    for (int i = 0; i < 80; i++)
        write_u8(&w, (uint8_t)(i * 7));
    write_zeros(&w, bodies[row].before);
    for (size_t i = 0; i < bodies[row].noise; i++)
        write_u8(&w, (uint8_t)(1 + prng_below(&p, 255)));
    for (size_t i = 0; i < bodies[row].text; i++)
        write_u8(&w, (uint8_t) "the bytes of a replica"[i % 22 ^ (i / 500 % 2)]);
    write_zeros(&w, bodies[row].after);
    assert_false(w.full);
    return w.pos;
}

static void there_and_back(const struct compression *c, size_t row)
{
    size_t len = build(row);
    struct message_parts m = {slice_of(message, 80), slice_of(message + 80, len - 80)};
    struct writer w = writer_of(frame, len);
    if (!message_compress(c, m, &w, scratch))
        return;
    assert_row(bodies[row].name, w.pos < len);
    assert_row(bodies[row].name, unpack(c, written(&w)) == len);
    assert_row(bodies[row].name, memcmp(output, message, len) == 0);
}

static void test_there_and_back(void **state)
{
    (void)state;
    for (size_t row = 0; row < sizeof(bodies) / sizeof(*bodies); row++) {
        size_t len = build(row);
        struct message_parts m = {slice_of(message, 80), slice_of(message + 80, len - 80)};
        struct writer w = writer_of(frame, sizeof(frame));
        assert_row(bodies[row].name,
                   message_compress(&everything, m, &w, scratch) == bodies[row].smaller);
        for (uint32_t i = 0; i < 5; i++) {
            struct compression one = {{everything.algorithms[i], CODEC_PATTERN_V1}, 2, true};
            there_and_back(&one, row);
            one.chained = false;
            there_and_back(&one, row);
            one = (struct compression){{everything.algorithms[i]}, 1, true};
            there_and_back(&one, row);
        }
    }
}

/* No room for the whole of it is no room. */
static void test_little_room(void **state)
{
    (void)state;
    size_t len = build(6);
    struct message_parts m = {slice_of(message, 80), slice_of(message + 80, len - 80)};
    struct writer w = writer_of(frame, sizeof(frame));
    assert_true(message_compress(&everything, m, &w, scratch));
    size_t needed = w.pos;
    for (size_t cap = 0; cap < needed; cap += 13) {
        uint8_t *to = malloc(cap + 1);
        assert_non_null(to);
        w = writer_of(to, cap);
        assert_false(message_compress(&everything, m, &w, scratch));
        free(to);
    }
}

/* ---- what is refused ------------------------------------------------------------------------ */

#define FC "fc534d42 "

static const struct {
    const char *name;
    const struct compression *c;
    size_t size; /* of what comes out; 0: refused */
    const char *hex;
} rows[] = {
    {"empty", &everything, 0, ""},
    {"too short", &everything, 0, FC "0a000000 0000 0100 020000"},
    {"another protocol", &everything, 0, "fe534d42 02000000 0000 0100 02000000 6162"},
    {"NONE alone", &everything, 2, FC "02000000 0000 0100 02000000 6162"},
    {"its size is more", &everything, 0, FC "03000000 0000 0100 02000000 6162"},
    {"its size is less", &everything, 0, FC "01000000 0000 0100 02000000 6162"},
    {"longer than it is", &everything, 0, FC "03000000 0000 0100 03000000 6162"},
    {"the first is not the first", &everything, 0, FC "02000000 0000 0300 02000000 6162"},
    {"two, the second is no first", &everything, 4,
     FC "04000000 0000 0100 02000000 6162 0000 0000 02000000 6364"},
    {"two firsts", &everything, 0, FC "04000000 0000 0100 02000000 6162 0000 0100 02000000 6364"},
    {"half a header behind", &everything, 0, FC "02000000 0000 0100 02000000 6162 0000 00"},
    {"a pattern", &everything, 300, FC "2c010000 0400 0100 08000000 61000000 2c010000"},
    {"a pattern of nothing", &everything, 0, FC "00000000 0400 0100 08000000 61000000 00000000"},
    {"a pattern too long for its header", &everything, 0,
     FC "2c010000 0400 0100 09000000 61000000 2c010000 00"},
    {"a pattern cut short", &everything, 0, FC "2c010000 0400 0100 07000000 61000000 2c0100"},
    {"a pattern of more than is announced", &everything, 0,
     FC "2c010000 0400 0100 08000000 61000000 ffffffff"},
    {"a pattern unchained", &unchained, 0, FC "2c010000 0400 0000 00000000 61000000 2c010000"},
    {"patterns were not negotiated", &(const struct compression){{CODEC_LZ77}, 1, true}, 0,
     FC "2c010000 0400 0100 08000000 61000000 2c010000"},
    {"an algorithm nobody knows", &everything, 0, FC "02000000 0900 0100 06000000 02000000 6162"},
    {"one not negotiated", &(const struct compression){{CODEC_LZ4}, 1, true}, 0,
     FC "01000000 0200 0100 09000000 01000000 ffffff7f 61"},
    {"LZ77 in a chain", &everything, 1, FC "01000000 0200 0100 09000000 01000000 ffffff7f 61"},
    {"its own size is less", &everything, 0, FC "01000000 0200 0100 09000000 00000000 ffffff7f 61"},
    {"its own size is more", &everything, 0, FC "01000000 0200 0100 09000000 02000000 ffffff7f 61"},
    {"no room for its own size", &everything, 0, FC "01000000 0200 0100 03000000 010000"},
    {"chains were not negotiated", &unchained, 0, FC "02000000 0000 0100 02000000 6162"},
    {"unchained", &unchained, 3, FC "01000000 0200 0000 02000000 6162 ffffff7f 63"},
    {"unchained, from the beginning", &unchained, 1, FC "01000000 0200 0000 00000000 ffffff7f 63"},
    {"unchained where chains are allowed", &everything, 3,
     FC "01000000 0200 0000 02000000 6162 ffffff7f 63"},
    {"unchained, behind the end", &unchained, 0, FC "01000000 0200 0000 0a000000 6162 ffffff7f 63"},
    {"unchained, far behind", &unchained, 0, FC "01000000 0200 0000 ffffffff 6162 ffffff7f 63"},
    {"unchained NONE", &unchained, 0, FC "02000000 0000 0000 00000000 6162"},
    {"other flags", &unchained, 0, FC "01000000 0200 0200 00000000 ffffff7f 63"},
    {"more than anybody may send", &everything, 0,
     FC "01001000 0400 0100 08000000 61000000 01001000"},
    {"just as much", &everything, 1 << 20, FC "00001000 0400 0100 08000000 61000000 00001000"},
    {"four GiB", &everything, 0, FC "ffffffff 0400 0100 08000000 61000000 ffffffff"},
    {"a sum beyond", &unchained, 0, FC "ffff0f00 0200 0000 02000000 6162 ffffff7f 63"},
    {"nothing was negotiated", &(const struct compression){{0}, 0, false}, 0,
     FC "01000000 0200 0000 00000000 ffffff7f 63"},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        uint8_t bytes[128];
        struct slice in = hex_decode(rows[i].hex, bytes, sizeof(bytes));
        assert_row(rows[i].name, unpack(rows[i].c, in) == rows[i].size);
    }
}

static void test_cut_short(void **state)
{
    (void)state;
    size_t len = build(3);
    for (int chained = 0; chained < 2; chained++) {
        static uint8_t whole[MESSAGE_MAX];
        struct compression c = {{CODEC_LZ4, CODEC_PATTERN_V1}, 2, chained == 1};
        struct message_parts m = {slice_of(message, 80), slice_of(message + 80, len - 80)};
        struct writer w = writer_of(whole, sizeof(whole));
        assert_true(message_compress(&c, m, &w, scratch));
        assert_int_equal(unpack(&c, written(&w)), len);
        for (size_t cut = 0; cut < w.pos; cut++)
            assert_int_equal(unpack(&c, slice_of(whole, cut)), 0);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_choice), T(test_there_and_back), T(test_little_room),
        T(test_rows),   T(test_cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
