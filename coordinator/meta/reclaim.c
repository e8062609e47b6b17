/* Bytes thrown away: every node that may hold some is told, and told again when it registers, until
 * it says that they are gone. */
#include "coordinator/meta/wait.h"

static void retire(struct meta *m, struct reclaim *r)
{
    tree_remove(&m->reclaims, &r->by_ticket);
    reclaim_free(m, r);
}

void reclaim_free(struct meta *m, struct reclaim *r) { mem_free(m->mem, r, sizeof(*r)); }

size_t reclaim_notices(const struct meta *m, const struct volume *v)
{
    (void)v;
    return m->nodes.count;
}

/* The record of the inode's bytes among those that wait; NULL when nobody can have any. */
static struct reclaim *begin(struct meta *m, struct inode *i, uint64_t slots)
{
    struct reclaim *r = i->garbage;
    i->garbage = NULL;
    if (slots == 0) {
        reclaim_free(m, r);
        return NULL;
    }
    *r = (struct reclaim){
        .ticket = m->next_ticket++, .data_id = i->data_id, .volume = i->volume->id, .slots = slots};
    reclaim_insert(m, r);
    /* A node that is away for months must not fill this memory: it keeps some garbage instead,
     * which names nothing any more. */
    if (m->reclaims.count > META_RECLAIMS_MAX)
        retire(m, reclaim_first(m));
    return r;
}

void reclaim_quietly(struct meta *m, struct inode *i, uint64_t slots) { (void)begin(m, i, slots); }

void reclaim_begin(struct work *w, struct inode *i)
{
    struct meta *m = w->m;
    struct reclaim *r = begin(m, i, volume_slots(m, i->volume));
    if (r == NULL)
        return;
    for (struct node *n = node_first(m); n != NULL; n = node_next(n)) {
        if (n->state != FL__NODE_STATE__NODE_UP || (r->slots & slot_bit(n)) == 0)
            continue;
        Fl__Notice *notice = outbox_post(w, n->id, FL__NOTICE__BODY_RECLAIM);
        notice->reclaim->volume = r->volume;
        notice->reclaim->inode = r->data_id;
        notice->reclaim->ticket = r->ticket;
    }
}

static void clear_slots(struct meta *m, struct reclaim *r, uint64_t slots)
{
    r->slots &= ~slots;
    if (r->slots == 0)
        retire(m, r);
}

void reclaim_slots_gone(struct meta *m, uint64_t slots)
{
    for (struct reclaim *r = reclaim_first(m), *next; r != NULL; r = next) {
        next = reclaim_next(r);
        clear_slots(m, r, slots);
    }
}

ntstatus apply_reclaim_done(struct work *w, const Fl__ReclaimDone *c)
{
    struct node *n = node_get(w->m, c->node_id);
    if (n == NULL || n != w->node)
        return STATUS_INVALID_PARAMETER;
    for (size_t i = 0; i < c->n_tickets; i++) {
        uint64_t ticket = c->tickets[i];
        struct tree_node *found = tree_get(&w->m->reclaims, &ticket);
        if (found != NULL)
            clear_slots(w->m, container_of(found, struct reclaim, by_ticket), slot_bit(n));
    }
    return STATUS_OK;
}
