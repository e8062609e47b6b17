#pragma once
/* Compression of SMB 3.1.1 messages: [MS-XCA] LZNT1, Plain LZ77 and LZ77+Huffman, and LZ4's block
 * format. Decompressors get untrusted bytes: they write the given number of bytes and not one more,
 * whatever the input says, so there is no such thing as a bomb.
 *
 * Compressors are fast rather than thorough: one probe a position (match.h). */
#include "proto/base/bytes.h"

enum codec { /* [MS-SMB2] 2.2.3.1.3 CompressionAlgorithms */
             CODEC_NONE = 0,
             CODEC_LZNT1 = 1,
             CODEC_LZ77 = 2,
             CODEC_LZ77_HUFFMAN = 3,
             CODEC_PATTERN_V1 = 4, /* no codec: message.h */
             CODEC_LZ4 = 5,
};

/* What the codecs work in, about half a megabyte and aligned as malloc aligns; one
 * is enough for everybody in turn. */
struct codec_scratch;
enum { CODEC_SCRATCH_SIZE = 640 << 10 };

/* Decompresses all of `in` into exactly `len` bytes of `out`; false when it is not that. What is
 * in `out` is then undefined. */
bool codec_decompress(enum codec codec, struct slice in, struct writer *out, size_t len,
                      void *scratch);
/* Appends `in` compressed; false, with `out` full or not, when there is no room for it. `in` is
 * not empty and at most CODEC_INPUT_MAX long. */
enum { CODEC_INPUT_MAX = 16 << 20 };
bool codec_compress(enum codec codec, struct slice in, struct writer *out, void *scratch);
/* LZNT1, LZ77, LZ77+Huffman, LZ4: those that are codecs. */
bool codec_exists(uint16_t codec);
