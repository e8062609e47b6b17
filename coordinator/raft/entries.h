#pragma once
/* The part of the log that is in memory: a ring of entries by index. libraft keeps only terms; the
 * bytes live here, from the moment an entry is appended until a snapshot leaves it behind. */
#include "proto/base/bytes.h"
#include "proto/base/mem.h"
#include <stdbool.h>

/* As libraft's enum raft_entry_type; also the number on disk and on the wire. */
enum entry_type { ENTRY_COMMAND = 1, ENTRY_BARRIER = 2, ENTRY_CHANGE = 3 };

struct entry {
    uint64_t term;
    uint64_t token; /* of the local submission waiting for it, or 0 */
    uint8_t *data;  /* owned by the ring */
    uint32_t len;
    enum entry_type type;
};

struct entries {
    struct mem *mem;
    struct entry *ring; /* slot = index modulo cap */
    uint64_t first;     /* index of the first entry, or of the next when there is none */
    uint64_t count, cap;
};

/* Empty; the next entry will have index `next`. */
void entries_init(struct entries *l, struct mem *mem, uint64_t next);
void entries_fini(struct entries *l);
/* Index of the last entry; first - 1 when empty. */
uint64_t entries_last(const struct entries *l);
/* NULL when it is not in memory. */
struct entry *entries_get(const struct entries *l, uint64_t index);
/* Appends a copy of `data`; NULL when memory is refused. */
struct entry *entries_append(struct entries *l, uint64_t term, enum entry_type type,
                             struct slice data);
/* Drops `from` and all after it. */
void entries_truncate(struct entries *l, uint64_t from);
/* Drops all before `first`, which is at most the last index + 1. */
void entries_drop_before(struct entries *l, uint64_t first);
/* Drops all; the next entry will have index `next`. */
void entries_reset(struct entries *l, uint64_t next);
