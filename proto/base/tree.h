#pragma once
/* Ordered map: byte-string keys compared by a caller's function, intrusive nodes. A directory's
 * names and a file's byte ranges live in these. Deterministic: the shape depends on keys alone
 * (a treap whose priority is a hash of the node's `salt`). */
#include "proto/base/bytes.h"

struct tree_node {
    struct tree_node *left, *right, *parent;
    uint64_t priority;
};

struct tree {
    struct tree_node *root;
    /* <0, 0, >0 as memcmp; `key` is whatever the caller searches by. */
    int (*compare)(const void *key, const struct tree_node *node);
    uint32_t count;
};

void tree_init(struct tree *t, int (*compare)(const void *key, const struct tree_node *node));
/* NULL when absent. */
struct tree_node *tree_get(const struct tree *t, const void *key);
/* First node >= key (or > key when `after`); NULL when there is none. */
struct tree_node *tree_seek(const struct tree *t, const void *key, bool after);
/* `key` must be the node's own key and absent from the tree. `salt` e.g. a hash of the key. */
void tree_insert(struct tree *t, const void *key, struct tree_node *node, uint64_t salt);
void tree_remove(struct tree *t, struct tree_node *node);
struct tree_node *tree_first(const struct tree *t);
struct tree_node *tree_next(const struct tree_node *node);
