/* Plain LZ77, [MS-XCA] 2.3 and 2.4.
 *
 *   { 32 flags, from the highest: 0 a literal byte, 1 a match of 13 bits distance - 1, 3 bits
 * length } length - 3:  0..6 in the 3 bits │ 7: half a byte more │ 15: a byte more │ 255: all of it
 * in two, or after a zero in four. Two half bytes share one, which stands where the first was. */
#include "proto/compress/codec_int.h"

enum { WINDOW = 8192, LEN_3BITS = 7, LEN_HALF = 15, LEN_BYTE = 255, HALF_NONE = 0 };

/* ---- decompression -------------------------------------------------------------------------- */

struct source {
    struct reader in;
    uint8_t half; /* the high half of a byte, not used yet */
    bool has_half;
};

static uint32_t read_half(struct source *s)
{
    s->has_half = !s->has_half;
    if (!s->has_half)
        return s->half;
    uint8_t both = read_u8(&s->in);
    s->half = both >> 4;
    return both & 15;
}

/* Behind a match whose three bits say 7; the length less 3. */
static uint64_t read_long(struct source *s)
{
    uint32_t len = read_half(s);
    if (len < LEN_HALF)
        return len + LEN_3BITS;
    uint32_t byte = read_u8(&s->in);
    if (byte < LEN_BYTE)
        return byte + LEN_HALF + LEN_3BITS;
    uint32_t whole = read_u16(&s->in);
    if (whole == 0)
        whole = read_u32(&s->in);
    if (whole < LEN_HALF + LEN_3BITS)
        s->in.bad = true;
    return whole;
}

bool lz77_decompress(struct slice in, struct writer *out, size_t end)
{
    struct source s = {.in = reader_of(in)};
    size_t start = out->pos;
    uint32_t flags = 0, count = 0;
    while (!s.in.bad) {
        if (count == 0) {
            if (read_left(&s.in) == 0)
                break; /* a whole word of flags was used up */
            flags = read_u32(&s.in);
            count = 32;
        }
        count--;
        bool is_match = (flags >> count & 1) != 0;
        if (is_match && read_left(&s.in) == 0)
            break; /* flags that are left over are ones */
        if (out->pos == end)
            return false; /* more than was announced */
        if (!is_match) {
            write_u8(out, read_u8(&s.in));
            continue;
        }
        uint32_t word = read_u16(&s.in);
        uint64_t len = word % 8;
        if (len == LEN_3BITS)
            len = read_long(&s);
        struct match m = {(size_t)len + MATCH_MIN, word / 8 + 1};
        if (s.in.bad || !copy_back(out, start, end, m))
            return false;
    }
    return !s.in.bad;
}

/* ---- compression ---------------------------------------------------------------------------- */

struct sink {
    struct writer *out;
    size_t flags_at, half_at; /* half_at: of a byte whose high half is free; HALF_NONE */
    uint32_t flags, count;
};

static void reserve_flags(struct sink *s)
{
    s->flags_at = s->out->pos;
    s->flags = s->count = 0;
    write_u32(s->out, 0);
}

static void put_flag(struct sink *s, uint32_t flag)
{
    s->flags = s->flags << 1 | flag;
    if (++s->count < 32)
        return;
    patch_u32(s->out, s->flags_at, s->flags);
    reserve_flags(s);
}

static void put_half(struct sink *s, uint8_t half)
{
    if (s->half_at == HALF_NONE) {
        s->half_at = s->out->pos;
        write_u8(s->out, half);
        return;
    }
    if (!s->out->full)
        s->out->at[s->half_at] |= (uint8_t)(half << 4);
    s->half_at = HALF_NONE;
}

static void put_match(struct sink *s, struct match m)
{
    size_t len = m.len - MATCH_MIN;
    uint16_t word = (uint16_t)((m.distance - 1) << 3);
    write_u16(s->out, (uint16_t)(word | (len < LEN_3BITS ? len : LEN_3BITS)));
    if (len >= LEN_3BITS) {
        size_t rest = len - LEN_3BITS;
        put_half(s, (uint8_t)(rest < LEN_HALF ? rest : LEN_HALF));
        if (rest >= LEN_HALF) {
            rest -= LEN_HALF;
            write_u8(s->out, (uint8_t)(rest < LEN_BYTE ? rest : LEN_BYTE));
            if (rest >= LEN_BYTE) {
                write_u16(s->out, len < 65536 ? (uint16_t)len : 0);
                if (len >= 65536)
                    write_u32(s->out, (uint32_t)len);
            }
        }
    }
    put_flag(s, 1);
}

bool lz77_compress(struct slice in, struct writer *out, struct codec_scratch *scratch)
{
    struct sink s = {.out = out};
    struct match_limits limits = {WINDOW, in.len, MATCH_MIN};
    match_begin(&scratch->matcher);
    reserve_flags(&s);
    for (size_t at = 0; at < in.len && !out->full;) {
        struct match m = match_find(&scratch->matcher, in, at, limits);
        if (m.len == 0) {
            write_u8(out, in.at[at++]);
            put_flag(&s, 0);
            continue;
        }
        put_match(&s, m);
        match_skip(&scratch->matcher, in, at + 1, m.len - 1);
        at += m.len;
    }
    uint32_t spare = 32 - s.count; /* 1..32; what is left over are ones */
    uint32_t ones = spare == 32 ? UINT32_MAX : (UINT32_C(1) << spare) - 1;
    if (!out->full)
        patch_u32(out, s.flags_at, spare == 32 ? ones : s.flags << spare | ones);
    return !out->full;
}
