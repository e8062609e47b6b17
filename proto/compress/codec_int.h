#pragma once
/* Inside of proto/compress: each codec, and how matches are found. */
#include "proto/compress/codec.h"

enum { MATCH_HASH_BITS = 14, MATCH_MIN = 3 };

/* Where each hash of three bytes was seen last: position + 1. */
struct matcher {
    uint32_t last[1 << MATCH_HASH_BITS];
};

struct match {
    size_t len, distance; /* len 0: none */
};

struct match_limits {
    size_t window; /* greatest distance */
    size_t end;    /* matches end here at the latest */
    size_t least;  /* MATCH_MIN or more */
};

void match_begin(struct matcher *m);
/* A match for what stands at `at`, which is remembered. */
struct match match_find(struct matcher *m, struct slice in, size_t at, struct match_limits limits);
/* Remembers the positions from `at` on that were skipped, a few of many. */
void match_skip(struct matcher *m, struct slice in, size_t at, size_t len);

enum { HUFFMAN_SYMBOLS = 512, HUFFMAN_BITS_MAX = 15, HUFFMAN_BLOCK = 65536 };

/* Literals and matches of one block, between the phases of [MS-XCA] 2.1.4. */
struct huffman_token {
    uint16_t symbol;
    uint16_t distance_bits; /* without the highest */
    uint32_t len;           /* of a match, less 3 */
};

struct codec_scratch {
    struct matcher matcher;
    union {
        uint16_t decoding[1 << HUFFMAN_BITS_MAX]; /* [MS-XCA] 2.2.4: symbol by the next 15 bits */
        struct huffman_token tokens[HUFFMAN_BLOCK];
    };
};
_Static_assert(sizeof(struct codec_scratch) <= CODEC_SCRATCH_SIZE, "the callers reserve this");

bool lznt1_decompress(struct slice in, struct writer *out, size_t end);
bool lznt1_compress(struct slice in, struct writer *out, struct codec_scratch *scratch);
bool lz77_decompress(struct slice in, struct writer *out, size_t end);
bool lz77_compress(struct slice in, struct writer *out, struct codec_scratch *scratch);
bool huffman_decompress(struct slice in, struct writer *out, size_t end,
                        struct codec_scratch *scratch);
bool huffman_compress(struct slice in, struct writer *out, struct codec_scratch *scratch);
bool lz4_decompress(struct slice in, struct writer *out, size_t end);
bool lz4_compress(struct slice in, struct writer *out, struct codec_scratch *scratch);

/* huffman_code.c: lengths of a prefix code for these counts, 15 bits at most; at least two symbols
 * get one. Counts are changed. */
void huffman_lengths(uint32_t counts[HUFFMAN_SYMBOLS], uint8_t lengths[HUFFMAN_SYMBOLS]);
/* The canonical codes of these lengths. */
void huffman_codes(const uint8_t lengths[HUFFMAN_SYMBOLS], uint16_t codes[HUFFMAN_SYMBOLS]);

/* Copies `len` bytes from `distance` before the writer's position, one after another, so that they
 * may overlap with what is being written. False when they begin before `start` or would end behind
 * `end`. */
bool copy_back(struct writer *w, size_t start, size_t end, struct match m);
