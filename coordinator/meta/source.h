#pragma once
/* A snapshot being read. Once something in it is wrong, or memory is refused, all that is read is
 * zero and nothing is believed any more: ask source_fine() before anything is put into the state.
 */
#include "coordinator/meta/meta_int.h"

struct source {
    struct meta *m;
    struct mem *mem;
    struct reader r;
    struct descriptor **descriptors; /* by their place in the snapshot */
    uint32_t descriptor_count;
    bool failed; /* memory is exhausted, or a reference leads nowhere */
};

bool source_fine(const struct source *s);
/* Unless `cond`, nothing is fine any more. */
void source_demand(struct source *s, bool cond);
/* Zeroed memory for a record; NULL when nothing is fine, or refused. */
void *source_take(struct source *s, size_t size);
bool source_bool(struct source *s);
/* At most `max` bytes, borrowed, and a copy of them. */
struct slice source_slice(struct source *s, size_t max);
struct blob source_blob(struct source *s, size_t max);
/* How many records follow, none of them shorter than `least` bytes. */
uint32_t source_count(struct source *s, size_t least);
/* A file by volume and number; NULL when there is none, which is not fine. */
struct inode *source_reference(struct source *s);

/* load_opens.c: one record each. */
void load_lease(struct source *s);
void load_open(struct source *s);
void load_reclaim(struct source *s);
void load_invalidation(struct source *s);
void load_locks(struct source *s);
