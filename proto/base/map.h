#pragma once
/* Hash map from byte-string or integer keys to pointers, seeded against crafted collisions,
 * iterated in insertion order, so that equal histories give equal iterations (the snapshot writer
 * needs it). Keys of map_put are copied; values are not owned. Grows and shrinks by itself within
 * its `mem`. */
#include "proto/base/bytes.h"
#include "proto/base/mem.h"

struct map {
    struct mem *mem;
    uint64_t seed;
    struct map_entry *entries; /* dense, in insertion order, with tombstones */
    uint32_t *index;           /* open addressing into entries */
    uint32_t index_cap, entries_cap, entries_len, used;
};

void map_init(struct map *m, struct mem *mem, uint64_t seed);
void map_fini(struct map *m);
/* NULL when absent. */
void *map_get(const struct map *m, struct slice key);
void *map_get_u64(const struct map *m, uint64_t key);
/* Inserts or replaces; false when memory is refused (the map is unchanged). `value` not NULL. */
bool map_put(struct map *m, struct slice key, void *value);
bool map_put_u64(struct map *m, uint64_t key, void *value);
/* Returns the removed value, or NULL. */
void *map_remove(struct map *m, struct slice key);
void *map_remove_u64(struct map *m, uint64_t key);
uint32_t map_count(const struct map *m);
/* Insertion-order iteration: *cursor starts at 0; NULL at the end. Removing the element just
 * returned is allowed; inserting is not. `key` (may be NULL) receives a borrowed key. */
void *map_next(const struct map *m, uint32_t *cursor, struct slice *key);
