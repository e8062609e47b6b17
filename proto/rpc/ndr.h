#pragma once
/* NDR 2.0 transfer syntax, little-endian ([C706] chapter 14), over the bounded reader and writer.
 *
 * Alignment is counted from the start of the reader or writer, so each stub has its own. Pointers
 * are explicit: a structure's referent ids are read first, then what they point to is read in order
 * by the caller, straight down the page. Nothing recurses and every count has a cap. */
#include "proto/base/arena.h"

#define NDR_TRANSFER_UUID                                                                          \
    {                                                                                              \
        0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48,  \
            0x60                                                                                   \
    }

/* Aligned scalars. */
uint16_t ndr_read_u16(struct reader *r);
uint32_t ndr_read_u32(struct reader *r);
uint64_t ndr_read_u64(struct reader *r);
/* A unique or full pointer's referent id; true when it is not null. */
bool ndr_read_pointer(struct reader *r);
/* The maximum count of a conformant array; a count above `max` makes the reader bad and gives 0. */
uint32_t ndr_read_count(struct reader *r, uint32_t max);
/* A conformant varying array of 16-bit units, without terminator handling ([C706] 14.3.4): the
 * units of the actual part, borrowed. More than `max` units, an offset, or more than the maximum:
 * bad. */
struct slice ndr_read_utf16(struct reader *r, uint32_t max);
/* The same for [string]: the terminator must be there and is not part of the result. */
struct slice ndr_read_string(struct reader *r, uint32_t max);

void ndr_write_u16(struct writer *w, uint16_t v);
void ndr_write_u32(struct writer *w, uint32_t v);
void ndr_write_u64(struct writer *w, uint64_t v);
/* A referent id: unique in its stub (derived from its place), or 0 when `present` is false. */
void ndr_write_pointer(struct writer *w, bool present);
/* [string] of UTF-16 units given as UTF-8: conformant varying, with terminator. False when `text`
 * is not valid UTF-8 or the arena is exhausted; nothing is written then. */
bool ndr_write_string(struct writer *w, struct slice text, struct arena *scratch);
