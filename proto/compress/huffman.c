/* LZ77+Huffman, decompression: [MS-XCA] 2.2. Blocks of 64 KiB of what comes out, each with the
 * lengths of 512 codes in 256 bytes before it. Bits are read by 16 at a time, the next 16 always in
 * advance; bytes of long lengths stand where the next 16 bits would have been read. */
#include "proto/compress/codec_int.h"

enum { TABLE_BYTES = HUFFMAN_SYMBOLS / 2, END_SYMBOL = 256, READ_AHEAD = 2 };

struct bits {
    struct reader in;
    uint32_t next;
    int extra;     /* bits in `next` beyond the first 16 */
    uint32_t past; /* words read in advance behind the end */
};

static uint32_t next_word(struct bits *b)
{
    if (read_left(&b->in) >= 2)
        return read_u16(&b->in);
    b->past++; /* zeros; whoever uses more of them than can be read in advance is lost */
    return 0;
}

static void begin_bits(struct bits *b)
{
    b->next = next_word(b) << 16;
    b->next |= next_word(b);
    b->extra = 16;
}

static void drop_bits(struct bits *b, uint32_t count)
{
    b->next <<= count;
    b->extra -= (int)count;
    if (b->extra < 0) {
        b->next |= next_word(b) << -b->extra;
        b->extra += 16;
    }
}

static uint32_t take_bits(struct bits *b, uint32_t count)
{
    uint32_t v = count == 0 ? 0 : b->next >> (32 - count);
    drop_bits(b, count);
    return v;
}

static bool build_table(struct slice table, uint16_t *decoding, uint8_t lengths[HUFFMAN_SYMBOLS])
{
    uint32_t entry = 0;
    for (uint32_t s = 0; s < HUFFMAN_SYMBOLS; s++)
        lengths[s] = (table.at[s / 2] >> (s % 2 * 4)) & 15;
    for (uint32_t bits = 1; bits <= HUFFMAN_BITS_MAX; bits++)
        for (uint16_t s = 0; s < HUFFMAN_SYMBOLS; s++) {
            if (lengths[s] != bits)
                continue;
            uint32_t count = UINT32_C(1) << (HUFFMAN_BITS_MAX - bits);
            if (count > (UINT32_C(1) << HUFFMAN_BITS_MAX) - entry)
                return false;
            for (; count > 0; count--)
                decoding[entry++] = s;
        }
    return entry == UINT32_C(1) << HUFFMAN_BITS_MAX;
}

static struct match read_match(struct bits *b, uint32_t symbol)
{
    size_t len = symbol % 16;
    uint32_t distance_bits = symbol / 16;
    if (len == 15) {
        len = read_u8(&b->in);
        if (len == 255) {
            len = read_u16(&b->in);
            if (len == 0) /* 2.1.4.3: as it is written */
                len = read_u32(&b->in);
            if (len < 15)
                b->in.bad = true;
        } else {
            len += 15;
        }
    }
    uint32_t distance = take_bits(b, distance_bits) + (UINT32_C(1) << distance_bits);
    return (struct match){len + MATCH_MIN, distance};
}

struct block {
    size_t start, end; /* of all that comes out; of this block */
    const uint16_t *decoding;
    const uint8_t *lengths;
};

static bool unpack_block(struct bits *b, struct writer *out, const struct block *k, size_t end)
{
    begin_bits(b);
    while (out->pos < k->end) {
        uint32_t symbol = k->decoding[b->next >> (32 - HUFFMAN_BITS_MAX)];
        drop_bits(b, k->lengths[symbol]);
        if (b->in.bad || b->past > READ_AHEAD)
            return false;
        if (symbol < END_SYMBOL) {
            write_u8(out, (uint8_t)symbol);
            continue;
        }
        struct match m = read_match(b, symbol - END_SYMBOL);
        if (b->in.bad || b->past > READ_AHEAD || !copy_back(out, k->start, end, m))
            return false;
    }
    return true;
}

bool huffman_decompress(struct slice in, struct writer *out, size_t end,
                        struct codec_scratch *scratch)
{
    struct bits b = {.in = reader_of(in)};
    uint8_t lengths[HUFFMAN_SYMBOLS];
    size_t start = out->pos;
    while (out->pos < end) {
        struct slice table = read_slice(&b.in, TABLE_BYTES);
        if (b.in.bad || !build_table(table, scratch->decoding, lengths))
            return false;
        size_t left = end - out->pos;
        struct block k = {start, left < HUFFMAN_BLOCK ? end : out->pos + HUFFMAN_BLOCK,
                          scratch->decoding, lengths};
        if (!unpack_block(&b, out, &k, end))
            return false;
    }
    return true;
}
