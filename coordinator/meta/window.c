/* Replies remembered for a node's commands, so that a command sent again gives the same answer. */
#include "coordinator/meta/meta_int.h"

static int compare_sequence(const void *key, const struct tree_node *n)
{
    return compare_u64(*(const uint64_t *)key,
                       container_of(n, struct remembered, by_sequence)->sequence);
}

static struct remembered *oldest(const struct node *n)
{
    struct tree_node *first = tree_first(&n->window);
    return first == NULL ? NULL : container_of(first, struct remembered, by_sequence);
}

static struct remembered *next(const struct remembered *r)
{
    struct tree_node *t = tree_next(&r->by_sequence);
    return t == NULL ? NULL : container_of(t, struct remembered, by_sequence);
}

struct remembered *window_get(const struct node *n, uint64_t sequence)
{
    struct tree_node *found = n->window.root == NULL ? NULL : tree_get(&n->window, &sequence);
    return found == NULL ? NULL : container_of(found, struct remembered, by_sequence);
}

static void forget(struct meta *m, struct node *n, struct remembered *r)
{
    tree_remove(&n->window, &r->by_sequence);
    mem_free(m->mem, r, sizeof(*r));
}

static bool still_waited_for(const Fl__Command *c, uint64_t sequence)
{
    for (size_t i = 0; i < c->n_waiting; i++)
        if (c->waiting[i] == sequence)
            return true;
    return false;
}

/* The first reply from `r` on that the command's node has; nobody can have the answer to what was
 * not answered. */
static struct remembered *done_from(struct remembered *r, const Fl__Command *c)
{
    while (r != NULL && (r->pending || still_waited_for(c, r->sequence)))
        r = next(r);
    uint64_t below = c->acked_below < c->sequence ? c->acked_below : c->sequence;
    return r != NULL && r->sequence < below ? r : NULL;
}

void window_trim(struct meta *m, struct node *n, const Fl__Command *c)
{
    uint64_t below = c->acked_below < c->sequence ? c->acked_below : c->sequence;
    if (below > n->window_floor)
        n->window_floor = below;
    struct remembered *r = done_from(oldest(n), c);
    while (r != NULL) {
        struct remembered *after = next(r);
        forget(m, n, r);
        r = done_from(after, c);
    }
}

bool window_has_room(const struct node *n, const Fl__Command *c)
{
    return n->window.count < META_WINDOW_MAX || done_from(oldest(n), c) != NULL;
}

void window_add(struct node *n, struct remembered *r)
{
    if (n->window.count == 0)
        tree_init(&n->window, compare_sequence);
    tree_insert(&n->window, &r->sequence, &r->by_sequence, r->sequence);
}

void window_clear(struct meta *m, struct node *n)
{
    for (struct remembered *r; (r = oldest(n)) != NULL;)
        forget(m, n, r);
    n->window_floor = 0;
}

void window_forget(struct meta *m, struct node *n, uint64_t sequence)
{
    struct remembered *r = window_get(n, sequence);
    if (r != NULL)
        forget(m, n, r);
}

void remember(struct remembered *r, const Fl__Reply *reply)
{
    Fl__Reply brief = FL__REPLY__INIT;
    if (fl__reply__get_packed_size(reply) > sizeof(r->bytes)) {
        brief.status = reply->status;
        reply = &brief;
    }
    r->len = (uint32_t)fl__reply__pack(reply, r->bytes);
    must(r->len <= sizeof(r->bytes));
    r->pending = false;
}
