/* Prefix codes of LZ77+Huffman, [MS-XCA] 2.1.4.2: canonical, no code longer than 15 bits. */
#include "proto/compress/codec_int.h"

#include "proto/base/must.h"
#include <string.h>

/* A node of the tree: leaves first, sorted by count, then what joins two. */
struct node {
    uint32_t count;
    uint16_t symbol, parent;
};

struct tree {
    struct node nodes[2 * HUFFMAN_SYMBOLS];
    uint16_t leaves, count;
};

/* Stable, so that equal counts keep the order of their symbols. */
static void sort_leaves(struct tree *t)
{
    for (uint16_t i = 1; i < t->leaves; i++) {
        struct node n = t->nodes[i];
        uint16_t k = i;
        for (; k > 0 && t->nodes[k - 1].count > n.count; k--)
            t->nodes[k] = t->nodes[k - 1];
        t->nodes[k] = n;
    }
}

/* The lesser of the next leaf and the next joint: both queues are in order. */
static uint16_t take_least(const struct tree *t, uint16_t *leaf, uint16_t *joint)
{
    bool leaf_left = *leaf < t->leaves, joint_left = *joint < t->count;
    must(leaf_left || joint_left);
    if (!joint_left || (leaf_left && t->nodes[*leaf].count <= t->nodes[*joint].count))
        return (*leaf)++;
    return (*joint)++;
}

static void join(struct tree *t)
{
    uint16_t leaf = 0, joint = t->leaves;
    t->count = t->leaves;
    for (uint16_t i = 1; i < t->leaves; i++) {
        uint16_t a = take_least(t, &leaf, &joint);
        uint16_t b = take_least(t, &leaf, &joint);
        t->nodes[a].parent = t->nodes[b].parent = t->count;
        t->nodes[t->count++] = (struct node){.count = t->nodes[a].count + t->nodes[b].count};
    }
}

/* False when one would be too long. A parent stands behind its children. */
static bool measure(const struct tree *t, uint8_t lengths[HUFFMAN_SYMBOLS])
{
    uint8_t depth[2 * HUFFMAN_SYMBOLS] = {0};
    for (uint16_t i = (uint16_t)(t->count - 1); i-- > 0;) {
        uint8_t d = depth[t->nodes[i].parent];
        depth[i] = d < HUFFMAN_BITS_MAX + 1 ? (uint8_t)(d + 1) : d;
        if (i < t->leaves)
            lengths[t->nodes[i].symbol] = depth[i];
        if (i < t->leaves && depth[i] > HUFFMAN_BITS_MAX)
            return false;
    }
    return true;
}

static void take_leaves(struct tree *t, const uint32_t counts[HUFFMAN_SYMBOLS])
{
    t->leaves = 0;
    for (uint16_t s = 0; s < HUFFMAN_SYMBOLS; s++)
        if (counts[s] > 0)
            t->nodes[t->leaves++] = (struct node){counts[s], s, 0};
}

void huffman_lengths(uint32_t counts[HUFFMAN_SYMBOLS], uint8_t lengths[HUFFMAN_SYMBOLS])
{
    struct tree t;
    take_leaves(&t, counts);
    for (uint16_t s = 0; t.leaves < 2; s++) { /* a code of one symbol would have no bits */
        if (counts[s] == 0)
            counts[s] = 1;
        take_leaves(&t, counts);
    }
    for (;;) {
        memset(lengths, 0, HUFFMAN_SYMBOLS);
        take_leaves(&t, counts);
        sort_leaves(&t);
        join(&t);
        if (measure(&t, lengths))
            return;
        for (uint16_t s = 0; s < HUFFMAN_SYMBOLS; s++) /* flatter, until it is flat enough */
            counts[s] = (counts[s] + 1) / 2;
    }
}

void huffman_codes(const uint8_t lengths[HUFFMAN_SYMBOLS], uint16_t codes[HUFFMAN_SYMBOLS])
{
    uint32_t next = 0;
    for (uint8_t bits = 1; bits <= HUFFMAN_BITS_MAX; bits++) {
        next <<= 1;
        for (uint16_t s = 0; s < HUFFMAN_SYMBOLS; s++)
            if (lengths[s] == bits)
                codes[s] = (uint16_t)next++;
    }
}
