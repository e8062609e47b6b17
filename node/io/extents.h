#pragma once
/* Which extent files there are, in memory: a directory with millions of files is not listed to find
 * three. Filled by one walk at start. */
#include "node/store/store.h"
#include "proto/base/tree.h"

struct extents {
    struct mem *mem;
    struct tree by_group; /* (volume, group, inode, index): lists of a group */
    struct tree by_inode; /* (volume, inode, group, index): everything of an inode */
};

struct extent {
    struct tree_node in_group, in_inode;
    struct store_extent key;
    uint64_t size; /* bytes to the end of what was written */
};

void extents_init(struct extents *e, struct mem *mem);
void extents_fini(struct extents *e);
/* NULL when absent. */
struct extent *extents_get(const struct extents *e, const struct store_extent *key);
/* The extent, made when it is missing; NULL when memory is refused. */
struct extent *extents_put(struct extents *e, const struct store_extent *key);
void extents_remove(struct extents *e, struct extent *one);
/* As DISK_LIST of node/store/store.h. */
uint32_t extents_list(const struct extents *e, const struct store_extent *after, uint32_t max,
                      struct store_entry *out);
/* The first extent of this inode, in any group, or NULL. */
struct extent *extents_of_inode(const struct extents *e, uint32_t volume, uint64_t inode);
