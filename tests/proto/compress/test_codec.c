/* Codecs: what [MS-XCA] prints, what LZ4's own library makes of ours, there and back, and all that
 * is cut short or wrong.
 *
 * covers: codec.c match.c lz77.c lznt1.c lz4.c
 *
 * covers: huffman.c huffman_code.c huffman_encode.c */
#include "proto/base/prng.h"
#include "proto/compress/codec.h"
#include "tests/lib/hex.h"
#include "tests/lib/unit.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_MAX = 300000, PACKED_MAX = 2 * INPUT_MAX + 4096 };

static const enum codec codecs[] = {CODEC_LZNT1, CODEC_LZ77, CODEC_LZ77_HUFFMAN, CODEC_LZ4};
#define CODECS (sizeof(codecs) / sizeof(*codecs))

static void *scratch;
static uint8_t input[INPUT_MAX], packed[PACKED_MAX], output[INPUT_MAX];

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

/* In memory that ends where the bytes end. */
static bool unpack(enum codec codec, struct slice in, size_t len)
{
    uint8_t *copy = malloc(in.len > 0 ? in.len : 1), *to = malloc(len > 0 ? len : 1);
    assert_true(copy != NULL && to != NULL);
    if (in.len > 0)
        memcpy(copy, in.at, in.len);
    struct writer w = writer_of(to, len);
    bool ok = codec_decompress(codec, slice_of(copy, in.len), &w, len, scratch);
    if (ok)
        memcpy(output, to, len);
    free(copy);
    free(to);
    return ok;
}

static struct slice pack(enum codec codec, struct slice in)
{
    struct writer w = writer_of(packed, sizeof(packed));
    assert_true(codec_compress(codec, in, &w, scratch));
    return written(&w);
}

/* ---- published ------------------------------------------------------------------------------ */

#define ALPHABET "abcdefghijklmnopqrstuvwxyz"
#define ABC_30 "abcabcabcabcabcabcabcabcabcabc"
#define ABC_300 ABC_30 ABC_30 ABC_30 ABC_30 ABC_30 ABC_30 ABC_30 ABC_30 ABC_30 ABC_30
#define Z8 "00 00 00 00 00 00 00 00 "
#define Z48 Z8 Z8 Z8 Z8 Z8 Z8
#define SHARPS                                                                                     \
    "F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# E D D E E F# D E F# G F# D "   \
    "E F# G F# E D E A F# F# G A A G F# E D D E F# E D D"

static const struct {
    const char *name, *text;
    size_t len;
    enum codec codec;
    bool same; /* our compressor gives just these bytes */
    const char *hex;
} published[] = {
    {"3.1 alphabet", ALPHABET, 26, CODEC_LZ77, true,
     "3f 00 00 00 61 62 63 64 65 66 67 68 69 6a 6b 6c 6d 6e 6f 70 71 72 73 74 75 76 77 78 79 7a"},
    {"3.1 abc", ABC_300, 300, CODEC_LZ77, true, "ff ff ff 1f 61 62 63 17 00 0f ff 26 01"},
    {"3.2 alphabet", ALPHABET, 26, CODEC_LZ77_HUFFMAN, false,
     Z48 "50 55 55 55 55 55 55 55 55 55 55 45 44 04 00 00 " Z48 Z8 Z8
         "04 00 00 00 00 00 00 00 " Z48 Z48 Z8 Z8 Z8
         "d8 52 3e d7 94 11 5b e9 19 5f f9 d6 7c df 8d 04 00 00 00 00"},
    {"3.2 abc", ABC_300, 300, CODEC_LZ77_HUFFMAN, false,
     Z48 "30 23 00 00 00 00 00 00 " Z48 Z8 Z8 Z8
         "02 00 00 00 00 00 00 00 00 00 00 00 00 00 00 20 " Z48 Z48 Z8 Z8 "a8 dc 00 00 ff 26 01"},
    {"3.3", SHARPS, 142, CODEC_LZNT1, false,
     "38 b0 88 46 23 20 00 20 47 20 41 00 10 a2 47 01 a0 45 20 44 00 08 45 01 50 79 00 c0 45 20 05 "
     "24 13 88 05 b4 02 4a 44 ef 03 58 02 8c 09 16 01 48 45 00 be 00 9e 00 04 01 18 90 00"},
};

static void test_published(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(published) / sizeof(*published); i++) {
        uint8_t bytes[512];
        const char *name = published[i].name;
        struct slice hex = hex_decode(published[i].hex, bytes, sizeof(bytes));
        struct slice text = slice_of(published[i].text, published[i].len);
        assert_row(name, unpack(published[i].codec, hex, text.len));
        assert_row(name, memcmp(output, text.at, text.len) == 0);
        struct slice ours = pack(published[i].codec, text);
        assert_row(name, !published[i].same || slice_equal(ours, hex));
        assert_row(name, ours.len <= hex.len + 8);
    }
}

/* ---- there and back ------------------------------------------------------------------------- */

enum kind { ZEROS, NOISE, WORDS, PERIODS, RUNS, FIBONACCI, KINDS };

static void fill(enum kind kind, size_t len, struct prng *p)
{
    static const char *words[] = {"flotilla ", "share ", "extent\n", "the ", "of ", "replica, "};
    size_t a = 1, b = 1;
    for (size_t i = 0; i < len;) {
        size_t run = kind == RUNS ? 1 + prng_below(p, 700) : 1;
        uint8_t byte = (uint8_t)prng_u64(p);
        const char *word = words[prng_below(p, 6)];
        if (kind == WORDS)
            run = strlen(word);
        if (kind == FIBONACCI) { /* counts that want the longest codes */
            run = a;
            size_t next = a + b;
            a = b, b = next;
            byte = (uint8_t)i;
        }
        for (size_t k = 0; k < run && i < len; k++, i++)
            input[i] = kind == ZEROS     ? 0
                       : kind == WORDS   ? (uint8_t)word[k]
                       : kind == PERIODS ? (uint8_t)(i % 251 + i / 9000)
                                         : byte;
    }
}

static const size_t sizes[] = {1,     2,     3,     4,      5,      12,       13,   16,
                               31,    32,    33,    63,     64,     65,       255,  256,
                               1000,  4095,  4096,  4097,   8191,   8192,     8193, 9000,
                               65535, 65536, 65537, 131072, 200001, INPUT_MAX};

static void test_there_and_back(void **state)
{
    (void)state;
    struct prng p;
    prng_init(&p, 1);
    for (enum kind kind = ZEROS; kind < KINDS; kind++)
        for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
            fill(kind, sizes[i], &p);
            for (size_t c = 0; c < CODECS; c++) {
                struct slice small = pack(codecs[c], slice_of(input, sizes[i]));
                assert_true(unpack(codecs[c], small, sizes[i]));
                assert_memory_equal(output, input, sizes[i]);
                if (kind == ZEROS && sizes[i] > 8192)
                    assert_true(small.len < sizes[i] / 20 + 300);
            }
        }
}

/* A length that is not the true one: more is refused; less is, where the format shows an end. */
static void test_other_lengths(void **state)
{
    (void)state;
    struct prng p;
    prng_init(&p, 2);
    fill(WORDS, 5000, &p);
    for (size_t c = 0; c < CODECS; c++) {
        struct slice small = pack(codecs[c], slice_of(input, 5000));
        assert_false(unpack(codecs[c], small, 5001));
        assert_false(unpack(codecs[c], small, 70000));
        if (codecs[c] != CODEC_LZ77_HUFFMAN) {
            assert_false(unpack(codecs[c], small, 4999));
            assert_false(unpack(codecs[c], small, 0));
        }
    }
}

static void test_cut_short(void **state)
{
    (void)state;
    struct prng p;
    prng_init(&p, 3);
    fill(WORDS, 3000, &p);
    for (size_t c = 0; c < CODECS; c++) {
        static uint8_t whole[8192];
        struct slice small = pack(codecs[c], slice_of(input, 3000));
        assert_true(small.len <= sizeof(whole));
        memcpy(whole, small.at, small.len);
        /* The last four bytes of LZ77+Huffman are bits in advance; the last of LZ77 are spare. */
        for (size_t len = 0; len + 8 < small.len; len++)
            assert_false(unpack(codecs[c], slice_of(whole, len), 3000));
    }
}

static void test_damaged(void **state)
{
    (void)state;
    struct prng p;
    prng_init(&p, 4);
    fill(RUNS, 2000, &p);
    for (size_t c = 0; c < CODECS; c++) {
        struct slice small = pack(codecs[c], slice_of(input, 2000));
        int refused = 0;
        for (int i = 0; i < 3000; i++) {
            static uint8_t bent[PACKED_MAX];
            memcpy(bent, small.at, small.len);
            bent[prng_below(&p, small.len)] ^= (uint8_t)(1 + prng_below(&p, 255));
            refused += !unpack(codecs[c], slice_of(bent, small.len), 2000);
        }
        assert_true(refused > 0); /* and nothing was read or written beyond its end */
    }
}

/* No room, or too little: said, not overrun. */
static void test_no_room(void **state)
{
    (void)state;
    struct prng p;
    prng_init(&p, 5);
    fill(NOISE, 600, &p);
    for (size_t c = 0; c < CODECS; c++)
        for (size_t cap = 0; cap < 600; cap += 7) {
            uint8_t *to = malloc(cap + 1);
            struct writer w = writer_of(to, cap);
            assert_non_null(to);
            assert_false(codec_compress(codecs[c], slice_of(input, 600), &w, scratch));
            free(to);
        }
}

/* ---- rows ----------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum codec codec;
    size_t len;
    bool ok;
    const char *hex;
} rows[] = {
    {"nothing is nothing", CODEC_LZ77, 0, true, ""},
    {"no flags", CODEC_LZ77, 1, false, "00 00 00"},
    {"a match before the beginning", CODEC_LZ77, 4, false, "ff ff ff 7f 61 08 00"},
    {"a match of itself", CODEC_LZ77, 4, true, "ff ff ff 7f 61 00 00"},
    {"a match too long", CODEC_LZ77, 3, false, "ff ff ff 7f 61 00 00"},
    {"a length in two bytes that fits one", CODEC_LZ77, 40, false,
     "ff ff ff 7f 61 07 00 0f ff 15 00"},
    {"a length in four bytes", CODEC_LZ77, 70004, true,
     "ff ff ff 7f 61 07 00 0f ff 00 00 70 11 01 00"},
    {"four GiB from fifteen bytes", CODEC_LZ77, 70004, false,
     "ff ff ff 7f 61 07 00 0f ff 00 00 ff ff ff ff"},
    {"a half byte shared", CODEC_LZ77, 22, true, "ff ff ff 7f 61 07 00 10 07 00"},
    {"half a match", CODEC_LZ77, 4, false, "ff ff ff 7f 61 00"},
    {"a bare chunk", CODEC_LZNT1, 2, true, "01 30 61 62"},
    {"a bare chunk and an end", CODEC_LZNT1, 2, true, "01 30 61 62 00 00"},
    {"half an end", CODEC_LZNT1, 2, true, "01 30 61 62 00"},
    {"an end, and more", CODEC_LZNT1, 2, true, "01 30 61 62 00 00 01 30 61 62"},
    {"an end too early", CODEC_LZNT1, 2, false, "00 00 01 30 61 62"},
    {"another signature", CODEC_LZNT1, 2, false, "01 20 61 62"},
    {"a chunk longer than there is", CODEC_LZNT1, 2, false, "02 30 61 62"},
    {"a word before the beginning", CODEC_LZNT1, 4, false, "03 b0 02 61 00 20"},
    {"a word of itself", CODEC_LZNT1, 4, true, "03 b0 02 61 00 00"},
    {"half a word", CODEC_LZNT1, 4, false, "02 b0 02 61 00"},
    {"a chunk of more than 4096", CODEC_LZNT1, 5000, false, "07 b0 06 61 ff 0f ff 0f ff 0f"},
    {"no literals, no match", CODEC_LZ4, 0, true, "00"},
    {"no token", CODEC_LZ4, 0, false, ""},
    {"literals that are not there", CODEC_LZ4, 3, false, "30 61 62"},
    {"distance 0", CODEC_LZ4, 6, false, "10 61 00 00 10 62"},
    {"a distance too far", CODEC_LZ4, 6, false, "10 61 02 00 10 62"},
    {"a distance of one", CODEC_LZ4, 6, true, "10 61 01 00 10 62"},
    {"a length without end", CODEC_LZ4, 100, false, "1f 61 01 00 ff ff ff ff ff ff ff ff"},
    {"literals without end", CODEC_LZ4, 100, false, "f0 ff ff ff ff ff ff ff ff"},
    {"ends with a match", CODEC_LZ4, 5, false, "10 61 01 00"},
    {"no table", CODEC_LZ77_HUFFMAN, 1, false, "00 00 00 00"},
    {"NONE is no codec", CODEC_NONE, 1, false, "61"},
    {"Pattern_V1 is none", CODEC_PATTERN_V1, 1, false, "61 00 00 00 01 00 00 00"},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        uint8_t bytes[64];
        struct slice in = hex_decode(rows[i].hex, bytes, sizeof(bytes));
        assert_row(rows[i].name, unpack(rows[i].codec, in, rows[i].len) == rows[i].ok);
    }
}

/* Tables of codes that are no code: too many, too few, none. */
static void test_huffman_tables(void **state)
{
    (void)state;
    static const uint8_t fillings[] = {0x00, 0x11, 0x01, 0x88, 0xFF};
    uint8_t bytes[300] = {0};
    for (size_t i = 0; i < sizeof(fillings); i++) {
        memset(bytes, fillings[i], 256);
        assert_false(unpack(CODEC_LZ77_HUFFMAN, slice_of(bytes, sizeof(bytes)), 10));
    }
    memset(bytes, 0x99, 256); /* 512 codes of 9 bits: a whole one */
    assert_true(unpack(CODEC_LZ77_HUFFMAN, slice_of(bytes, sizeof(bytes)), 10));
}

/* ---- LZ4's own library ---------------------------------------------------------------------- */

typedef int lz4_function(const char *from, char *to, int from_len, int to_len);

static void test_against_liblz4(void **state)
{
    (void)state;
    void *lib = dlopen("liblz4.so.1", RTLD_NOW);
    lz4_function *theirs_pack = NULL, *theirs_unpack = NULL;
    if (lib == NULL)
        skip();
    *(void **)&theirs_pack = dlsym(lib, "LZ4_compress_default");
    *(void **)&theirs_unpack = dlsym(lib, "LZ4_decompress_safe");
    assert_true(theirs_pack != NULL && theirs_unpack != NULL);
    struct prng p;
    prng_init(&p, 6);
    for (enum kind kind = ZEROS; kind < KINDS; kind++)
        for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
            int len = (int)sizes[i];
            fill(kind, sizes[i], &p);
            struct slice ours = pack(CODEC_LZ4, slice_of(input, sizes[i]));
            assert_int_equal(
                theirs_unpack((const char *)ours.at, (char *)output, (int)ours.len, len), len);
            assert_memory_equal(output, input, sizes[i]);
            int theirs = theirs_pack((const char *)input, (char *)packed, len, PACKED_MAX);
            assert_true(theirs > 0);
            assert_true(unpack(CODEC_LZ4, slice_of(packed, (size_t)theirs), sizes[i]));
            assert_memory_equal(output, input, sizes[i]);
        }
    (void)dlclose(lib);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_published), T(test_there_and_back), T(test_other_lengths),
        T(test_cut_short), T(test_damaged),        T(test_no_room),
        T(test_rows),      T(test_huffman_tables), T(test_against_liblz4),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
