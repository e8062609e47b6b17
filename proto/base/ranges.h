#pragma once
/* Where a range of a file holds data, as far as one question could say: ascending ranges that
 * neither meet nor touch. What lies between them, up to `until`, reads as zeros. A full list says
 * less, not more: then `until` is where the last range ends. */
#include <stdbool.h>
#include <stdint.h>

enum { RANGES_MAX = 255 };

struct range {
    uint64_t offset, len;
};

struct ranges {
    uint64_t until; /* nothing is said about what begins here */
    uint32_t count, unused;
    struct range items[RANGES_MAX];
};

_Static_assert(sizeof(struct ranges) == 4096, "one block");

/* [offset, until) holds nothing that is known. */
void ranges_init(struct ranges *r, uint64_t until);
/* Adds a range behind all others, or makes the last one longer. False: the list is full, and ends
 * with its last range. */
bool ranges_add(struct ranges *r, uint64_t offset, uint64_t len);
/* Cuts off what lies outside of [from, to). */
void ranges_clip(struct ranges *r, uint64_t from, uint64_t to);
/* Moves everything `by` bytes up. */
void ranges_shift(struct ranges *r, uint64_t by);
/* Is it what the functions above make? For lists from elsewhere. */
bool ranges_valid(const struct ranges *r);
