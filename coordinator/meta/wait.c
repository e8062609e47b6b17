/* Commands that wait: for other nodes to let go of what they keep of a file, or for anything else
 * that has a list for them.
 *
 *   wanted ──others have the file open──► blocked ──the last answered, closed or died──► ready
 *        ──wait_for(list)──────────────► waiting ──wait_wake(list)────────────────────► ready
 *                                              └──Cancel: ready, to be answered STATUS_CANCELLED
 *
 * A command that waits is kept as it came, and applied anew when it is ready: all its checks are
 * made again, and it may wait again, for the same or another thing. While any waits for nodes,
 * nobody who asks about the file may keep the answer. So a node that has let go stays clean until
 * the last wait has ended, and is not asked twice. */
#include "coordinator/meta/wait.h"

static void make_ready(struct meta *m, struct wait *v)
{
    must(v->blocked == 0);
    list_remove(&v->in_blocker);
    list_push_back(&m->ready, &v->in_blocker);
}

void wait_free(struct meta *m, struct wait *v)
{
    struct invalidation *inv = v->invalidation;
    list_remove(&v->in_blocker);
    list_remove(&v->in_node);
    must(v->node->wait_count > 0);
    v->node->wait_count--;
    must(inv == NULL || inv->wait_count > 0);
    if (inv != NULL && --inv->wait_count == 0) {
        if (inv->inode != NULL)
            inv->inode->invalidation = NULL;
        tree_remove(&m->invalidations, &inv->by_ticket);
        mem_free(m->mem, inv, sizeof(*inv));
    }
    blob_free(m->mem, &v->command);
    mem_free(m->mem, v, sizeof(*v));
}

static struct wait *wait_new(struct work *w)
{
    if (w->node->wait_count >= META_WAITS_MAX + (w->resumed != NULL)) /* that one ends */
        return NULL;
    struct wait *v = mem_alloc(w->m->mem, sizeof(*v));
    struct slice packed = pb_pack(&w->command->base, w->a);
    if (v == NULL || packed.at == NULL || !blob_copy(w->m->mem, packed, &v->command)) {
        mem_free(w->m->mem, v, sizeof(*v));
        return NULL;
    }
    list_init(&v->in_blocker);
    list_init(&v->in_node);
    v->node = w->node;
    v->sequence = w->command->sequence;
    v->cancel_id = w->command->cancel_id;
    v->now = w->now;
    return v;
}

void wait_add(struct wait *v, struct list *waits)
{
    list_push_back(waits, &v->in_blocker);
    list_push_back(&v->node->waits, &v->in_node);
    v->node->wait_count++;
}

ntstatus wait_for(struct work *w, struct list *waits)
{
    struct wait *v = w->node == NULL ? NULL : wait_new(w);
    if (v == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    wait_add(v, waits);
    return STATUS_PENDING;
}

void wait_wake(struct meta *m, struct list *waits)
{
    list_each (at, waits)
        make_ready(m, container_of(at, struct wait, in_blocker));
}

ntstatus apply_cancel(struct work *w, const Fl__Cancel *c)
{
    if (w->node == NULL || c->cancel_id == 0)
        return STATUS_INVALID_PARAMETER;
    list_each (at, &w->node->waits) {
        struct wait *v = container_of(at, struct wait, in_node);
        if (v->cancel_id != c->cancel_id)
            continue;
        v->cancelled = true;
        v->blocked = 0;
        make_ready(w->m, v);
    }
    return STATUS_OK;
}

static void ask(struct work *w, struct invalidation *inv, uint64_t slots)
{
    for (struct node *n = node_first(w->m); n != NULL; n = node_next(n)) {
        if ((slots & slot_bit(n)) == 0)
            continue;
        Fl__Notice *notice = outbox_post(w, n->id, FL__NOTICE__BODY_CACHE_INVALIDATE);
        notice->cache_invalidate->volume = inv->inode->volume->id;
        notice->cache_invalidate->inode = inv->inode->id;
        notice->cache_invalidate->ticket = inv->ticket;
    }
    inv->asked |= slots;
}

/* Which nodes must let go: of what they keep, or also of what they have begun since (`anew`). */
struct nodes_wanted {
    uint64_t slots;
    bool anew;
};

static ntstatus wait_for_nodes(struct work *w, struct inode *i, struct nodes_wanted wanted)
{
    struct invalidation *inv = i->invalidation;
    const struct invalidation *over = w->resumed == NULL ? NULL : w->resumed->invalidation;
    if (w->node == NULL || (over != NULL && over->inode == i))
        return STATUS_OK;
    bool clean_will_do = inv != NULL && !wanted.anew;
    uint64_t others = clean_will_do ? wanted.slots & ~inv->clean : wanted.slots;
    if (others == 0)
        return STATUS_OK;
    struct invalidation *fresh = inv == NULL ? mem_alloc(w->m->mem, sizeof(*fresh)) : NULL;
    struct wait *v = wait_new(w);
    if (v == NULL || (inv == NULL && fresh == NULL) || !outbox_reserve(w, META_NODES_MAX)) {
        if (v != NULL)
            blob_free(w->m->mem, &v->command);
        mem_free(w->m->mem, v, sizeof(*v));
        mem_free(w->m->mem, fresh, sizeof(*fresh));
        return STATUS_INSUFFICIENT_RESOURCES;
    }

    if (inv == NULL) {
        inv = fresh;
        inv->ticket = w->m->next_ticket++;
        inv->inode = i;
        list_init(&inv->waits);
        invalidation_insert(w->m, inv);
        i->invalidation = inv;
    }
    inv->clean &= ~others;
    inv->wait_count++;
    v->invalidation = inv;
    v->blocked = others;
    wait_add(v, &inv->waits);
    ask(w, inv, others & ~inv->asked);
    return STATUS_PENDING;
}

static uint64_t others_of(const struct work *w, const struct inode *i)
{
    return w->node == NULL ? 0 : inode_slots(i) & ~slot_bit(w->node);
}

ntstatus wait_for_others(struct work *w, struct inode *i)
{
    return wait_for_slots(w, i, others_of(w, i));
}

ntstatus wait_for_others_anew(struct work *w, struct inode *i)
{
    return wait_for_nodes(w, i, (struct nodes_wanted){others_of(w, i), true});
}

ntstatus wait_for_slots(struct work *w, struct inode *i, uint64_t slots)
{
    return wait_for_nodes(w, i, (struct nodes_wanted){slots, false});
}

/* Only `slots` can still block. */
static void unblock(struct meta *m, struct invalidation *inv, uint64_t slots)
{
    list_each (at, &inv->waits) {
        struct wait *v = container_of(at, struct wait, in_blocker);
        v->blocked &= slots;
        if (v->blocked == 0)
            make_ready(m, v);
    }
}

void wait_recheck(struct meta *m, struct inode *i)
{
    if (i->invalidation != NULL)
        unblock(m, i->invalidation, inode_slots(i));
}

void wait_orphan(struct meta *m, struct inode *i)
{
    if (i->invalidation == NULL)
        return;
    unblock(m, i->invalidation, 0);
    i->invalidation->inode = NULL;
    i->invalidation = NULL;
}

void wait_node_down(struct meta *m, struct node *n)
{
    /* Its own first: with their replies forgotten, a node that asks again is heard anew. */
    list_each (at, &n->waits) {
        struct wait *v = container_of(at, struct wait, in_node);
        window_forget(m, n, v->sequence);
        wait_free(m, v);
    }
    for (struct invalidation *inv = invalidation_first(m); inv != NULL;
         inv = invalidation_next(inv)) {
        inv->asked &= ~slot_bit(n);
        inv->clean &= ~slot_bit(n);
        unblock(m, inv, ~slot_bit(n));
    }
}

ntstatus apply_invalidate_done(struct work *w, const Fl__InvalidateDone *c)
{
    struct invalidation *inv = invalidation_get(w->m, c->ticket);
    if (inv == NULL || w->node == NULL)
        return STATUS_OK; /* nobody waits any more */
    uint64_t slot = slot_bit(w->node);
    if ((inv->asked & slot) == 0)
        return STATUS_OK;
    inv->asked &= ~slot;
    inv->clean |= slot;
    unblock(w->m, inv, ~slot);
    return STATUS_OK;
}
