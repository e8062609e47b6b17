#pragma once
/* Intrusive doubly linked list: the node is a field of its owner (container_of finds it back).
 * An initialised node that is in no list is linked to itself, so list_remove is always safe. */
#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline bool list_empty(const struct list *l) { return l->next == l; }

static inline void list_insert_before(struct list *at, struct list *node)
{
    node->prev = at->prev, node->next = at;
    at->prev->next = node, at->prev = node;
}

static inline void list_push_back(struct list *l, struct list *node)
{
    list_insert_before(l, node);
}
static inline void list_push_front(struct list *l, struct list *n)
{
    list_insert_before(l->next, n);
}

static inline void list_remove(struct list *node)
{
    node->prev->next = node->next, node->next->prev = node->prev;
    list_init(node);
}

/* NULL when empty. */
static inline struct list *list_first(const struct list *l)
{
    return list_empty(l) ? NULL : l->next;
}

/* Removes and returns the first, or NULL. */
static inline struct list *list_pop(struct list *l)
{
    struct list *first = list_first(l);
    if (first != NULL)
        list_remove(first);
    return first;
}

/* Iterates; the current node may be removed inside the loop. */
#define list_each(it, l)                                                                           \
    for (struct list *it = (l)->next, *it##_next = it->next; it != (l);                            \
         it = it##_next, it##_next = it->next)
