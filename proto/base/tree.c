#include "proto/base/tree.h"

#include "proto/base/must.h"
#include "proto/base/prng.h"

/* A treap: in order by key, a max-heap by priority. Both are functions of the keys, so the shape is
 * too, whatever the order of insertions; expected depth is O(log n). */

void tree_init(struct tree *t, int (*compare)(const void *key, const struct tree_node *node))
{
    *t = (struct tree){.compare = compare};
}

struct tree_node *tree_get(const struct tree *t, const void *key)
{
    struct tree_node *n = t->root;
    while (n != NULL) {
        int order = t->compare(key, n);
        if (order == 0)
            return n;
        n = order < 0 ? n->left : n->right;
    }
    return NULL;
}

struct tree_node *tree_seek(const struct tree *t, const void *key, bool after)
{
    struct tree_node *found = NULL;
    struct tree_node *n = t->root;
    while (n != NULL) {
        int order = t->compare(key, n);
        if (order < 0 || (order == 0 && !after)) {
            found = n;
            n = n->left;
        } else {
            n = n->right;
        }
    }
    return found;
}

/* Puts `to` where `from` hangs; `from` keeps its own pointers. */
static void replace(struct tree *t, const struct tree_node *from, struct tree_node *to)
{
    struct tree_node *parent = from->parent;
    if (parent == NULL)
        t->root = to;
    else if (parent->left == from)
        parent->left = to;
    else
        parent->right = to;
    if (to != NULL)
        to->parent = parent;
}

/* Lifts `n` over its parent. */
static void rotate_up(struct tree *t, struct tree_node *n)
{
    struct tree_node *parent = n->parent;
    replace(t, parent, n);
    struct tree_node *moved;
    if (parent->left == n) {
        moved = n->right;
        parent->left = moved;
        n->right = parent;
    } else {
        moved = n->left;
        parent->right = moved;
        n->left = parent;
    }
    if (moved != NULL)
        moved->parent = parent;
    parent->parent = n;
}

void tree_insert(struct tree *t, const void *key, struct tree_node *node, uint64_t salt)
{
    struct tree_node *parent = NULL;
    struct tree_node **link = &t->root;
    while (*link != NULL) {
        parent = *link;
        int order = t->compare(key, parent);
        must(order != 0);
        link = order < 0 ? &parent->left : &parent->right;
    }
    *node = (struct tree_node){.parent = parent, .priority = mix64(salt)};
    *link = node;
    while (node->parent != NULL && node->parent->priority < node->priority)
        rotate_up(t, node);
    t->count++;
}

void tree_remove(struct tree *t, struct tree_node *node)
{
    must(t->count > 0);
    while (node->left != NULL && node->right != NULL)
        rotate_up(t, node->left->priority > node->right->priority ? node->left : node->right);
    replace(t, node, node->left != NULL ? node->left : node->right);
    *node = (struct tree_node){0};
    t->count--;
}

struct tree_node *tree_first(const struct tree *t)
{
    struct tree_node *n = t->root;
    while (n != NULL && n->left != NULL)
        n = n->left;
    return n;
}

struct tree_node *tree_next(const struct tree_node *node)
{
    if (node->right != NULL) {
        struct tree_node *n = node->right;
        while (n->left != NULL)
            n = n->left;
        return n;
    }
    while (node->parent != NULL && node->parent->right == node)
        node = node->parent;
    return node->parent;
}
