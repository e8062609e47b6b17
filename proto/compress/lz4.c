/* LZ4's block format: sequences of literals and a match, the last of literals alone.
 *
 *   token: 4 bits literals, 4 bits match length - 4   15: bytes to add follow, until one is not 255
 *   literals │ distance, 16 bits │ ...                a block ends with at least 5 literals */
#include "proto/compress/codec_int.h"

#include "proto/base/must.h"

enum {
    LEAST = 4,
    NIBBLE = 15,
    BYTE_MORE = 255,
    LAST_LITERALS = 5,
    MATCH_MARGIN = 12,
    WINDOW = 65535
};

/* What a nibble of 15 goes on with. */
static size_t read_more(struct reader *r, size_t len, size_t most)
{
    if (len < NIBBLE)
        return len;
    uint8_t byte;
    do {
        byte = read_u8(r);
        len += byte;
        if (len > most) /* nothing that long can follow; and no sum wraps */
            r->bad = true;
    } while (byte == BYTE_MORE && !r->bad);
    return len;
}

bool lz4_decompress(struct slice in, struct writer *out, size_t end)
{
    struct reader r = reader_of(in);
    size_t start = out->pos;
    while (!r.bad) {
        uint8_t token = read_u8(&r);
        size_t literals = read_more(&r, token >> 4, end - out->pos);
        struct slice bytes = read_slice(&r, literals);
        if (r.bad || literals > end - out->pos)
            return false;
        write_bytes(out, bytes);
        if (read_left(&r) == 0)
            return true; /* the last sequence has no match */
        struct match m = {.distance = read_u16(&r)};
        m.len = read_more(&r, token & NIBBLE, end - out->pos) + LEAST;
        if (r.bad || !copy_back(out, start, end, m))
            return false;
    }
    return false;
}

static void write_more(struct writer *w, size_t len)
{
    if (len < NIBBLE)
        return;
    for (len -= NIBBLE; len >= BYTE_MORE; len -= BYTE_MORE)
        write_u8(w, BYTE_MORE);
    write_u8(w, (uint8_t)len);
}

static uint8_t nibble(size_t len) { return (uint8_t)(len < NIBBLE ? len : NIBBLE); }

static void put_sequence(struct writer *w, struct slice literals, struct match m)
{
    size_t more = m.len > 0 ? m.len - LEAST : 0;
    write_u8(w, (uint8_t)(nibble(literals.len) << 4 | nibble(more)));
    write_more(w, literals.len);
    write_bytes(w, literals);
    if (m.len == 0)
        return;
    write_u16(w, (uint16_t)m.distance);
    write_more(w, more);
}

bool lz4_compress(struct slice in, struct writer *out, struct codec_scratch *scratch)
{
    size_t done = 0, at = 0;
    match_begin(&scratch->matcher);
    /* The last match begins 12 bytes before the end at the latest, and leaves 5 literals. */
    while (in.len - at > MATCH_MARGIN && !out->full) {
        struct match_limits limits = {WINDOW, in.len - LAST_LITERALS, LEAST};
        struct match m = match_find(&scratch->matcher, in, at, limits);
        if (m.len == 0) {
            at++;
            continue;
        }
        put_sequence(out, slice_sub(in, done, at - done), m);
        match_skip(&scratch->matcher, in, at + 1, m.len - 1);
        at += m.len;
        done = at;
    }
    must(done <= in.len);
    put_sequence(out, slice_sub(in, done, in.len - done), (struct match){0});
    return !out->full;
}
