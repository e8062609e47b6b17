#pragma once
/* Byte ranges of a file's data that are locked: how lists of them travel between coordinators and
 * nodes, and the one rule by which both judge what they allow ([MS-FSA] 2.1.4.10). */
#include "proto/base/bytes.h"

struct byterange {
    uint64_t open_id; /* who has it, or wants it */
    uint64_t offset, length;
    bool exclusive;
};

enum {
    BYTERANGE_BYTES = 25, /* one in a list */
    BYTERANGES_MAX = 64,  /* of one file that its nodes are told of */
};

/* [MS-FSA] 2.1.5.8: no byte lies beyond what 64 bits can count. */
bool byterange_is_valid(uint64_t offset, uint64_t length);
/* Does `held` forbid `wanted`? `locking`: it is to be locked too; else it is to be written
 * (exclusive) or read. Both are valid. */
bool byterange_conflicts(const struct byterange *held, const struct byterange *wanted,
                         bool locking);

void byterange_write(struct writer *w, const struct byterange *r);
/* The next of a list; false at its end, or where it is not one. */
bool byterange_read(struct reader *list, struct byterange *out);
/* Well-formed from end to end, and each range valid? */
bool byteranges_are_list(struct slice list);
/* Does any of the list forbid this read or write? */
bool byteranges_forbid(struct slice list, const struct byterange *wanted);
