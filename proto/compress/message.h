#pragma once
/* Compressed messages of SMB 3.1.1 ([MS-SMB2] 2.2.42, 3.1.4.4, 3.1.5.3).
 *
 *   unchained: 0xFC "SMB" │ size │ algorithm │ 0 │ offset │ `offset` bytes as they are │ compressed
 *   chained:   0xFC "SMB" │ size │ { algorithm │ first? │ length │ [size] │ payload } ...
 *
 * A chain's payloads are compressed by a codec, are as they are (NONE), or are one byte many times
 * (Pattern_V1). */
#include "proto/compress/codec.h"

enum {
    COMPRESSION_CHAINED = 1,
    COMPRESSION_HEADER_SIZE = 16, /* unchained; chained: 8 and the first payload's 8 */
    COMPRESSION_ALGORITHMS_MAX = 5,
};

/* What was negotiated for a connection: Connection.CompressionIds, in the client's order. */
struct compression {
    uint16_t algorithms[COMPRESSION_ALGORITHMS_MAX];
    uint32_t count; /* 0: no compression */
    bool chained;
};

/* Of those offered, the ones there are, each once, in the order they came. */
void compression_choose(struct compression *c, struct slice ids);
bool compression_has(const struct compression *c, uint16_t algorithm);

/* How long the message in this frame claims to be; 0 when the frame is ill-formed or that is more
 * than `most`. Bounded by what it says, not by what it holds. */
size_t message_size(struct slice frame, size_t most);
/* Writes the message, message_size() bytes, to `out`. False when anything about the frame is not as
 * negotiated, or it is not of that size: the connection must go (3.3.5.2.1.2). */
bool message_decompress(const struct compression *c, struct slice frame, struct writer *out,
                        void *scratch);

/* The message `head` | `body` as a compressed frame, `head` as it is. False when it would not be
 * smaller, or does not fit. */
struct message_parts {
    struct slice head, body;
};
bool message_compress(const struct compression *c, struct message_parts m, struct writer *out,
                      void *scratch);
