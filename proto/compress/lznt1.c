/* LZNT1, [MS-XCA] 2.5: chunks that each stand for 4096 bytes, the last for the rest.
 *
 *   chunk: 16 bits: compressed │ 3 │ size - 3     then, if compressed,
 *   { 8 flags, from the lowest: 0 a literal byte, 1 a word of distance - 1 and length - 3 }
 *
 * How many bits of the word are the distance depends on how far into the chunk it stands. */
#include "proto/compress/codec_int.h"

enum {
    CHUNK = 4096,
    HEAD_SIZE = 2,
    COMPRESSED = 0x8000,
    SIGNATURE = 0x3000,
    SIGNATURE_MASK = 0x7000,
    SIZE_MASK = 0x0FFF,
    DISTANCE_BITS_MIN = 4,
    DISTANCE_BITS_MAX = 12,
};

/* 2.5.1.4: the largest M in [4, 12] such that 2^(M-1) < U, or 4. */
static uint32_t distance_bits(size_t done)
{
    uint32_t bits = DISTANCE_BITS_MAX;
    while (bits > DISTANCE_BITS_MIN && ((size_t)1 << (bits - 1)) >= done)
        bits--;
    return bits;
}

static bool unpack_chunk(struct slice chunk, struct writer *out, size_t end)
{
    struct reader in = reader_of(chunk);
    size_t start = out->pos;
    if (end - start > CHUNK)
        end = start + CHUNK;
    while (read_left(&in) > 0) {
        uint8_t flags = read_u8(&in);
        /* Flags of bytes outside the chunk mean nothing. */
        for (int i = 0; i < 8 && read_left(&in) > 0; i++) {
            if ((flags >> i & 1) == 0) {
                if (out->pos == end)
                    return false;
                write_u8(out, read_u8(&in));
                continue;
            }
            uint16_t word = read_u16(&in);
            uint32_t len_bits = 16 - distance_bits(out->pos - start);
            struct match m = {(size_t)(word & ((1u << len_bits) - 1)) + MATCH_MIN,
                              (size_t)(word >> len_bits) + 1};
            if (in.bad || !copy_back(out, start, end, m))
                return false;
        }
    }
    return true;
}

bool lznt1_decompress(struct slice in, struct writer *out, size_t end)
{
    struct reader r = reader_of(in);
    while (read_left(&r) > 0) {
        if (out->pos == end && read_left(&r) < HEAD_SIZE)
            return true; /* half a terminal that did not fit */
        uint16_t head = read_u16(&r);
        if (head == 0)
            return true; /* End_of_buffer */
        struct slice chunk = read_slice(&r, (size_t)(head & SIZE_MASK) + 1);
        if (r.bad || (head & SIGNATURE_MASK) != SIGNATURE)
            return false;
        if ((head & COMPRESSED) != 0) {
            if (!unpack_chunk(chunk, out, end))
                return false;
        } else {
            if (chunk.len > end - out->pos)
                return false;
            write_bytes(out, chunk);
        }
    }
    return !r.bad;
}

/* The chunk [from, to) of `in` compressed; what does not get smaller is left to the caller. */
static void pack_chunk(struct slice in, size_t from, size_t to, struct writer *w,
                       struct matcher *matcher)
{
    size_t flags_at = 0;
    int count = 8;
    for (size_t at = from; at < to && !w->full; count++) {
        if (count == 8) {
            flags_at = w->pos;
            write_u8(w, 0);
            count = 0;
        }
        uint32_t bits = distance_bits(at - from);
        size_t len_max = ((size_t)1 << (16 - bits)) - 1 + MATCH_MIN;
        size_t end = to - at > len_max ? at + len_max : to;
        struct match_limits limits = {at - from, end, MATCH_MIN}; /* within the chunk */
        struct match m = match_find(matcher, in, at, limits);
        if (m.len == 0) {
            write_u8(w, in.at[at++]);
            continue;
        }
        write_u16(w, (uint16_t)((m.distance - 1) << (16 - bits) | (m.len - MATCH_MIN)));
        if (!w->full)
            w->at[flags_at] |= (uint8_t)(1 << count);
        match_skip(matcher, in, at + 1, m.len - 1);
        at += m.len;
    }
}

bool lznt1_compress(struct slice in, struct writer *out, struct codec_scratch *scratch)
{
    match_begin(&scratch->matcher);
    for (size_t at = 0; at < in.len && !out->full;) {
        size_t len = in.len - at < CHUNK ? in.len - at : CHUNK;
        size_t head_at = out->pos;
        write_u16(out, 0);
        size_t room = out->full ? 0 : out->cap - out->pos;
        struct writer body =
            writer_of(room > 0 ? &out->at[out->pos] : NULL, room < len ? room : len);
        pack_chunk(in, at, at + len, &body, &scratch->matcher);
        uint16_t kind = SIGNATURE;
        if (!body.full && body.pos < len) {
            (void)write_space(out, body.pos);
            kind |= COMPRESSED;
        } else {
            write_bytes(out, slice_sub(in, at, len));
        }
        if (out->full)
            return false;
        patch_u16(out, head_at, (uint16_t)(kind | (out->pos - head_at - HEAD_SIZE - 1)));
        at += len;
    }
    return !out->full;
}
