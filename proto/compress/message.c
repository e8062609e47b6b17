#include "proto/compress/message.h"

#include "proto/base/must.h"
#include <string.h>

static const uint8_t protocol_id[4] = {0xFC, 'S', 'M', 'B'};

enum {
    CHAIN_HEADER_SIZE = 8,    /* ProtocolId, OriginalCompressedSegmentSize */
    PAYLOAD_HEADER_SIZE = 8,  /* CompressionAlgorithm, Flags, Length */
    ORIGINAL_SIZE_SIZE = 4,   /* OriginalPayloadSize */
    PATTERN_PAYLOAD_SIZE = 8, /* 2.2.42.2.2 */
    PATTERN_LEAST = 64,       /* 3.1.4.4.1 */
    PATTERN_SCAN_LEAST = 32,  /* 3.1.4.4 */
    COMPRESS_LEAST = 1024,
};

void compression_choose(struct compression *c, struct slice ids)
{
    struct reader r = reader_of(ids);
    c->count = 0;
    while (read_left(&r) >= 2) {
        uint16_t id = read_u16(&r);
        if ((codec_exists(id) || id == CODEC_PATTERN_V1) && !compression_has(c, id))
            c->algorithms[c->count++] = id; /* there are no more than five */
    }
}

bool compression_has(const struct compression *c, uint16_t algorithm)
{
    for (uint32_t i = 0; i < c->count; i++)
        if (c->algorithms[i] == algorithm)
            return true;
    return false;
}

/* ---- decompression -------------------------------------------------------------------------- */

struct head {
    uint32_t size; /* OriginalCompressedSegmentSize */
    uint16_t algorithm, flags;
    uint32_t offset; /* unchained; chained: Length of the first payload */
};

static bool read_head(struct reader *r, struct head *h)
{
    struct slice id = read_slice(r, sizeof(protocol_id));
    h->size = read_u32(r);
    h->algorithm = read_u16(r);
    h->flags = read_u16(r);
    h->offset = read_u32(r);
    return !r->bad && slice_equal(id, slice_of(protocol_id, sizeof(protocol_id)));
}

size_t message_size(struct slice frame, size_t most)
{
    struct reader r = reader_of(frame);
    struct head h;
    if (!read_head(&r, &h) || h.size > most)
        return 0;
    if (h.flags == COMPRESSION_CHAINED)
        return h.size;
    if (h.offset > read_left(&r) || h.offset > most - h.size)
        return 0;
    return (size_t)h.size + h.offset;
}

static bool unpack_pattern(struct slice payload, struct writer *out)
{
    struct reader r = reader_of(payload);
    uint8_t pattern = read_u8(&r);
    read_skip(&r, 3);
    uint32_t repetitions = read_u32(&r);
    uint8_t *at = r.bad || read_left(&r) > 0 ? NULL : write_space(out, repetitions);
    if (at == NULL)
        return false;
    memset(at, pattern, repetitions);
    return true;
}

static bool unpack_payload(const struct compression *c, struct reader *r, bool first,
                           struct writer *out, void *scratch)
{
    uint16_t algorithm = read_u16(r);
    uint16_t flags = read_u16(r);
    struct reader payload = reader_of(read_slice(r, read_u32(r)));
    if (r->bad || flags != (first ? COMPRESSION_CHAINED : 0))
        return false;
    if (algorithm == CODEC_NONE) {
        write_bytes(out, read_rest(&payload));
        return !out->full;
    }
    if (!compression_has(c, algorithm))
        return false;
    if (algorithm == CODEC_PATTERN_V1)
        return unpack_pattern(read_rest(&payload), out);
    uint32_t size = read_u32(&payload);
    return !payload.bad &&
           codec_decompress((enum codec)algorithm, read_rest(&payload), out, size, scratch);
}

static bool unpack_chain(const struct compression *c, struct reader *r, struct writer *out,
                         void *scratch)
{
    bool first = true;
    while (read_left(r) > 0) {
        if (!unpack_payload(c, r, first, out, scratch))
            return false;
        first = false;
    }
    return !first;
}

bool message_decompress(const struct compression *c, struct slice frame, struct writer *out,
                        void *scratch)
{
    struct reader r = reader_of(frame);
    struct head h;
    if (c->count == 0 || !read_head(&r, &h))
        return false;
    size_t start = out->pos;
    if (h.flags == COMPRESSION_CHAINED) {
        struct reader chain = reader_of(frame);
        read_skip(&chain, CHAIN_HEADER_SIZE);
        if (!c->chained || h.size > out->cap - start)
            return false;
        struct writer bounded = writer_of(out->at, start + h.size);
        bounded.pos = start;
        bool ok = unpack_chain(c, &chain, &bounded, scratch) && !bounded.full;
        out->pos = bounded.pos;
        return ok && out->pos == start + h.size;
    }
    struct slice bare = read_slice(&r, h.offset);
    if (r.bad || h.flags != 0 || !codec_exists(h.algorithm) || !compression_has(c, h.algorithm))
        return false;
    write_bytes(out, bare);
    return codec_decompress((enum codec)h.algorithm, read_rest(&r), out, h.size, scratch);
}

/* ---- compression ---------------------------------------------------------------------------- */

/* The client's first choice of what compresses; NONE when it offers patterns alone. */
static enum codec first_codec(const struct compression *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        if (codec_exists(c->algorithms[i]))
            return (enum codec)c->algorithms[i];
    return CODEC_NONE;
}

static void put_payload_head(struct writer *w, uint16_t algorithm, bool first, size_t len)
{
    write_u16(w, algorithm);
    write_u16(w, first ? COMPRESSION_CHAINED : 0);
    write_u32(w, (uint32_t)len);
}

static void put_bare(struct writer *w, struct slice bytes, bool first)
{
    if (bytes.len == 0)
        return;
    put_payload_head(w, CODEC_NONE, first, bytes.len);
    write_bytes(w, bytes);
}

static void put_pattern(struct writer *w, uint8_t pattern, size_t repetitions)
{
    if (repetitions == 0)
        return;
    put_payload_head(w, CODEC_PATTERN_V1, false, PATTERN_PAYLOAD_SIZE);
    write_u8(w, pattern);
    write_zeros(w, 3);
    write_u32(w, (uint32_t)repetitions);
}

/* Falls back to the bytes as they are when they would not get fewer. */
static void put_packed(struct writer *w, enum codec codec, struct slice bytes, void *scratch)
{
    size_t at = w->pos;
    if (codec == CODEC_NONE || bytes.len <= COMPRESS_LEAST || w->full) {
        put_bare(w, bytes, false);
        return;
    }
    put_payload_head(w, (uint16_t)codec, false, 0);
    write_u32(w, (uint32_t)bytes.len);
    size_t most = w->pos + bytes.len - ORIGINAL_SIZE_SIZE;
    struct writer packed = writer_of(w->at, most < w->cap ? most : w->cap);
    packed.pos = w->pos;
    if (!w->full && codec_compress(codec, bytes, &packed, scratch)) {
        w->pos = packed.pos;
        patch_u32(w, at + PAYLOAD_HEADER_SIZE - 4, (uint32_t)(w->pos - at - PAYLOAD_HEADER_SIZE));
        return;
    }
    w->pos = at;
    w->full = false;
    put_bare(w, bytes, false);
}

/* 3.1.4.4.1: how many bytes at the start are alike; 0 when they are too few. */
static size_t scan_forward(struct slice s)
{
    size_t n = 0;
    while (n < s.len && s.at[n] == s.at[0])
        n++;
    return n < PATTERN_LEAST ? 0 : n;
}

static size_t scan_backward(struct slice s)
{
    size_t n = 0;
    while (n < s.len && s.at[s.len - 1 - n] == s.at[s.len - 1])
        n++;
    return n < PATTERN_LEAST ? 0 : n;
}

static void pack_chain(const struct compression *c, struct message_parts m, struct writer *w,
                       void *scratch)
{
    write_bytes(w, slice_of(protocol_id, sizeof(protocol_id)));
    write_u32(w, (uint32_t)(m.head.len + m.body.len));
    put_bare(w, m.head, true);
    size_t before = 0, after = 0;
    bool scan = compression_has(c, CODEC_PATTERN_V1) && m.body.len > PATTERN_SCAN_LEAST;
    if (scan)
        before = scan_forward(m.body);
    if (scan && before < m.body.len)
        after = scan_backward(m.body);
    if (before > 0)
        put_pattern(w, m.body.at[0], before);
    struct slice middle = slice_sub(m.body, before, m.body.len - before - after);
    put_packed(w, first_codec(c), middle, scratch);
    if (after > 0)
        put_pattern(w, m.body.at[m.body.len - 1], after);
}

static bool pack_one(const struct compression *c, struct message_parts m, struct writer *w,
                     void *scratch)
{
    enum codec codec = first_codec(c);
    if (codec == CODEC_NONE || m.body.len == 0)
        return false;
    write_bytes(w, slice_of(protocol_id, sizeof(protocol_id)));
    write_u32(w, (uint32_t)m.body.len);
    write_u16(w, (uint16_t)codec);
    write_u16(w, 0);
    write_u32(w, (uint32_t)m.head.len);
    write_bytes(w, m.head);
    return !w->full && codec_compress(codec, m.body, w, scratch);
}

bool message_compress(const struct compression *c, struct message_parts m, struct writer *out,
                      void *scratch)
{
    size_t whole = m.head.len + m.body.len, start = out->pos;
    must(m.head.len > 0);
    if (c->count == 0 || out->full || m.body.len > CODEC_INPUT_MAX)
        return false;
    if (c->chained)
        pack_chain(c, m, out, scratch);
    else if (!pack_one(c, m, out, scratch))
        return false;
    return !out->full && out->pos - start < whole;
}
