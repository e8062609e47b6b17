/* Reading a state back: what is open, and what goes with it: leases, locked ranges, who waits. */
#include "coordinator/meta/locks.h"
#include "coordinator/meta/notify.h"
#include "coordinator/meta/snapshot.h"
#include "coordinator/meta/source.h"
#include "coordinator/meta/wait.h"

/* One wait into the list; of an invalidation, or of something else (NULL). */
static void get_wait(struct source *s, struct list *waits, struct invalidation *inv)
{
    struct wait *w = source_take(s, sizeof(*w));
    if (w == NULL)
        return;
    w->node = node_get(s->m, read_u32(&s->r));
    w->sequence = read_u64(&s->r);
    w->now = read_u64(&s->r);
    w->cancel_id = read_u64(&s->r);
    w->blocked = read_u64(&s->r);
    w->command = source_blob(s, (size_t)64 << 20);
    source_demand(s, w->node != NULL && w->node->wait_count < META_WAITS_MAX);
    if (!source_fine(s)) {
        blob_free(s->mem, &w->command);
        mem_free(s->mem, w, sizeof(*w));
        return;
    }
    w->invalidation = inv;
    if (inv != NULL)
        inv->wait_count++;
    wait_add(w, waits);
}

static void get_waits(struct source *s, struct list *waits, struct invalidation *inv)
{
    uint32_t count = source_count(s, 40);
    for (uint32_t k = 0; k < count && source_fine(s); k++)
        get_wait(s, waits, inv);
}

void load_lease(struct source *s)
{
    struct lease *l = source_take(s, sizeof(*l));
    if (l == NULL)
        return;
    list_init(&l->in_inode);
    list_init(&l->opens);
    list_init(&l->waits);
    l->id = read_u64(&s->r);
    l->inode = source_reference(s);
    read_copy(&s->r, l->client_guid, sizeof(l->client_guid));
    read_copy(&s->r, l->key, sizeof(l->key));
    read_copy(&s->r, l->parent_key, sizeof(l->parent_key));
    l->version = read_u8(&s->r);
    l->has_parent = source_bool(s);
    l->epoch = (uint16_t)read_u32(&s->r);
    l->state = read_u8(&s->r);
    l->breaking = source_bool(s);
    l->lost = source_bool(s);
    l->sent = read_u8(&s->r);
    l->to = read_u8(&s->r);
    l->deadline = read_u64(&s->r);
    source_demand(s, source_fine(s) && lease_get(s->m, l->id) == NULL &&
                         (l->version == 0 || lease_by_key(s->m, l->client_guid, l->key) == NULL));
    if (!source_fine(s)) {
        mem_free(s->mem, l, sizeof(*l));
        return;
    }
    lease_insert(s->m, l);
    get_waits(s, &l->waits, NULL);
}

void load_open(struct source *s)
{
    struct open *o = source_take(s, sizeof(*o));
    if (o == NULL)
        return;
    list_init(&o->in_inode);
    list_init(&o->in_node);
    list_init(&o->in_lease);
    o->id = read_u64(&s->r);
    o->inode = source_reference(s);
    o->node = node_get(s->m, read_u32(&s->r));
    o->root_inode = read_u64(&s->r);
    uint64_t lease = read_u64(&s->r);
    o->granted = read_u32(&s->r);
    o->share_access = read_u32(&s->r);
    o->options = read_u32(&s->r);
    uint32_t flags = read_u32(&s->r);
    o->delete_on_close = (flags & OPEN_DELETE_ON_CLOSE) != 0;
    o->user_write_time = (flags & OPEN_USER_WRITE_TIME) != 0;
    o->user_change_time = (flags & OPEN_USER_CHANGE_TIME) != 0;
    o->user_access_time = (flags & OPEN_USER_ACCESS_TIME) != 0;
    o->watches = (flags & OPEN_WATCHES) != 0;
    o->watch_tree = (flags & OPEN_WATCH_TREE) != 0;
    o->marked = (flags & OPEN_MARKED) != 0;
    o->watch_filter = read_u32(&s->r);
    read_copy(&s->r, o->client_guid, sizeof(o->client_guid));
    read_copy(&s->r, o->create_guid, sizeof(o->create_guid));
    if ((flags & OPEN_LOCK_SEQUENCES) != 0)
        read_copy(&s->r, o->lock_sequences, sizeof(o->lock_sequences));
    struct lease *l = lease == 0 ? NULL : lease_get(s->m, lease);
    source_demand(s, o->node != NULL && open_get(s->m, o->id) == NULL && flags <= OPEN_FLAGS &&
                         (lease == 0) == (l == NULL));
    if (!source_fine(s)) {
        mem_free(s->mem, o, sizeof(*o));
        return;
    }
    open_insert(s->m, o);
    if (l != NULL)
        lease_join(l, o);
    if (o->watches)
        notify_open_watches(o);
}

void load_reclaim(struct source *s)
{
    struct reclaim *r = source_take(s, sizeof(*r));
    if (r == NULL)
        return;
    r->ticket = read_u64(&s->r);
    r->volume = read_u32(&s->r);
    r->data_id = read_u64(&s->r);
    r->slots = read_u64(&s->r);
    source_demand(s, source_fine(s) && tree_get(&s->m->reclaims, &r->ticket) == NULL);
    if (source_fine(s))
        reclaim_insert(s->m, r);
    else
        reclaim_free(s->m, r);
}

void load_invalidation(struct source *s)
{
    struct invalidation *inv = source_take(s, sizeof(*inv));
    if (inv == NULL)
        return;
    list_init(&inv->waits);
    inv->ticket = read_u64(&s->r);
    inv->inode = source_reference(s);
    inv->asked = read_u64(&s->r);
    inv->clean = read_u64(&s->r);
    source_demand(s, source_fine(s) && inv->inode->invalidation == NULL &&
                         invalidation_get(s->m, inv->ticket) == NULL);
    if (!source_fine(s)) {
        mem_free(s->mem, inv, sizeof(*inv));
        return;
    }
    inv->inode->invalidation = inv;
    invalidation_insert(s->m, inv);
    get_waits(s, &inv->waits, inv);
}

/* Returns whose range it is. */
static struct open *get_range(struct source *s)
{
    struct open *o = open_get(s->m, read_u64(&s->r));
    struct byterange at = {.offset = read_u64(&s->r)};
    at.length = read_u64(&s->r);
    at.exclusive = source_bool(s);
    source_demand(s, o != NULL);
    source_demand(s, source_fine(s) && range_restore(s->m, o, &at));
    return o;
}

void load_locks(struct source *s)
{
    uint32_t count = source_count(s, 25);
    struct inode *of = NULL;
    source_demand(s, count > 0);
    for (uint32_t k = 0; k < count && source_fine(s); k++) {
        const struct open *o = get_range(s);
        source_demand(s, o != NULL && (of == NULL || of == o->inode));
        of = source_fine(s) ? o->inode : NULL;
    }
    if (source_fine(s))
        get_waits(s, &of->locks->waits, NULL);
}
