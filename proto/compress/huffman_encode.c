/* LZ77+Huffman, compression: [MS-XCA] 2.1. Each block of 64 KiB in two passes: what its literals
 * and matches are, and how often each symbol occurs; then the codes, and all of it in bits. */
#include "proto/compress/codec_int.h"

#include "proto/base/must.h"

enum { END_SYMBOL = 256, LEN_SYMBOL = 15, LEN_BYTE = 255, WINDOW = 65535, WORD = 2 };

/* 2.1.4.3: two words are kept free for bits to come, so that bytes written meanwhile stand where
 * the reader looks for them. */
struct bits {
    struct writer *out;
    uint32_t word, free;
    size_t at1, at2;
};

static void begin_bits(struct bits *b)
{
    b->word = 0;
    b->free = 16;
    b->at1 = b->out->pos;
    b->at2 = b->at1 + WORD;
    write_zeros(b->out, 2 * WORD);
}

static void put_bits(struct bits *b, uint32_t count, uint32_t value)
{
    if (b->free >= count) {
        b->free -= count;
        b->word = b->word << count | value;
        return;
    }
    uint32_t rest = count - b->free;
    patch_u16(b->out, b->at1, (uint16_t)(b->word << b->free | value >> rest));
    b->at1 = b->at2;
    b->at2 = b->out->pos;
    write_u16(b->out, 0);
    b->free = 16 - rest;
    b->word = value & ((UINT32_C(1) << rest) - 1);
}

static void end_bits(struct bits *b)
{
    patch_u16(b->out, b->at1, (uint16_t)(b->word << b->free));
    patch_u16(b->out, b->at2, 0);
}

static uint32_t high_bit(size_t v)
{
    uint32_t bit = 0;
    while (v >> (bit + 1) != 0)
        bit++;
    return bit;
}

static struct huffman_token match_token(struct match m)
{
    uint32_t bits = high_bit(m.distance);
    size_t len = m.len - MATCH_MIN;
    return (struct huffman_token){
        .symbol = (uint16_t)(END_SYMBOL + (len < LEN_SYMBOL ? len : LEN_SYMBOL) + 16 * bits),
        .distance_bits = (uint16_t)(m.distance - ((size_t)1 << bits)),
        .len = (uint32_t)len,
    };
}

struct pass {
    struct slice in;
    size_t at, end;
    uint32_t counts[HUFFMAN_SYMBOLS];
    uint32_t tokens;
};

/* As many literals and matches as there is room for, of the block at most. */
static void find_tokens(struct pass *p, struct codec_scratch *scratch)
{
    struct match_limits limits = {WINDOW, p->end, MATCH_MIN};
    while (p->at < p->end) {
        struct match m = match_find(&scratch->matcher, p->in, p->at, limits);
        struct huffman_token t = {.symbol = p->in.at[p->at]};
        if (m.len > 0) {
            t = match_token(m);
            match_skip(&scratch->matcher, p->in, p->at + 1, m.len - 1);
        }
        must(p->tokens < HUFFMAN_BLOCK);
        scratch->tokens[p->tokens++] = t;
        p->counts[t.symbol]++;
        p->at += m.len > 0 ? m.len : 1;
    }
}

static void put_len(struct writer *out, uint32_t len)
{
    if (len < LEN_SYMBOL)
        return;
    uint32_t rest = len - LEN_SYMBOL;
    write_u8(out, (uint8_t)(rest < LEN_BYTE ? rest : LEN_BYTE));
    if (rest >= LEN_BYTE)
        write_u16(out, (uint16_t)len); /* a match stays within its block */
}

static void put_block(struct pass *p, bool last, struct writer *out,
                      const struct codec_scratch *scratch)
{
    uint8_t lengths[HUFFMAN_SYMBOLS];
    uint16_t codes[HUFFMAN_SYMBOLS] = {0};
    p->counts[END_SYMBOL]++;
    huffman_lengths(p->counts, lengths);
    huffman_codes(lengths, codes);
    for (uint32_t s = 0; s < HUFFMAN_SYMBOLS; s += 2)
        write_u8(out, (uint8_t)(lengths[s] | lengths[s + 1] << 4));
    struct bits b = {.out = out};
    begin_bits(&b);
    for (uint32_t i = 0; i < p->tokens && !out->full; i++) {
        struct huffman_token t = scratch->tokens[i];
        put_bits(&b, lengths[t.symbol], codes[t.symbol]);
        if (t.symbol < END_SYMBOL)
            continue;
        put_len(out, t.len);
        put_bits(&b, (uint32_t)(t.symbol - END_SYMBOL) / 16, t.distance_bits);
    }
    if (last)
        put_bits(&b, lengths[END_SYMBOL], codes[END_SYMBOL]);
    if (!out->full)
        end_bits(&b);
}

bool huffman_compress(struct slice in, struct writer *out, struct codec_scratch *scratch)
{
    struct pass p = {.in = in};
    match_begin(&scratch->matcher);
    while (p.at < in.len && !out->full) {
        p.tokens = 0;
        for (uint32_t s = 0; s < HUFFMAN_SYMBOLS; s++)
            p.counts[s] = 0;
        p.end = in.len - p.at < HUFFMAN_BLOCK ? in.len : p.at + HUFFMAN_BLOCK;
        find_tokens(&p, scratch);
        put_block(&p, p.at == in.len, out, scratch);
    }
    return !out->full;
}
