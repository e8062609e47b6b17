/* Where leases are found: by their numbers, by their clients' keys, and by when they must have been
 * acknowledged; and what must hold of each. */
#include "coordinator/meta/locks.h"
#include "proto/base/prng.h"

enum { ALL = CACHE_READ | CACHE_HANDLE | CACHE_WRITE };

static struct lease *as_lease(struct tree_node *n)
{
    return n == NULL ? NULL : container_of(n, struct lease, by_id);
}

static struct lease *as_breaking(struct tree_node *n)
{
    return n == NULL ? NULL : container_of(n, struct lease, by_deadline);
}

static int compare_id(const void *key, const struct tree_node *n)
{
    return compare_u64(*(const uint64_t *)key, container_of(n, struct lease, by_id)->id);
}

/* `key` is a lease with the key. */
static int compare_key(const void *key, const struct tree_node *n)
{
    const struct lease *a = key, *b = container_of(n, struct lease, by_key);
    int order = memcmp(a->client_guid, b->client_guid, sizeof(a->client_guid));
    return order != 0 ? order : memcmp(a->key, b->key, sizeof(a->key));
}

static int compare_deadline(const void *key, const struct tree_node *n)
{
    const struct lease *a = key, *b = container_of(n, struct lease, by_deadline);
    int order = compare_u64(a->deadline, b->deadline);
    return order != 0 ? order : compare_u64(a->id, b->id);
}

void lease_trees_init(struct meta *m)
{
    tree_init(&m->leases, compare_id);
    tree_init(&m->lease_keys, compare_key);
    tree_init(&m->breaks, compare_deadline);
}

struct lease *lease_get(const struct meta *m, uint64_t id)
{
    return as_lease(tree_get(&m->leases, &id));
}

struct lease *lease_first(const struct meta *m) { return as_lease(tree_first(&m->leases)); }
struct lease *lease_next(const struct lease *l) { return as_lease(tree_next(&l->by_id)); }

struct lease *lease_by_key(const struct meta *m, const uint8_t client_guid[16],
                           const uint8_t key[16])
{
    struct lease like = {0};
    memcpy(like.client_guid, client_guid, sizeof(like.client_guid));
    memcpy(like.key, key, sizeof(like.key));
    struct tree_node *n = tree_get(&m->lease_keys, &like);
    return n == NULL ? NULL : container_of(n, struct lease, by_key);
}

struct lease *lease_breaking_first(const struct meta *m)
{
    return as_breaking(tree_first(&m->breaks));
}

struct lease *lease_breaking_next(const struct lease *l)
{
    return as_breaking(tree_next(&l->by_deadline));
}

uint64_t meta_break_deadline(const struct meta *m)
{
    const struct lease *first = lease_breaking_first(m);
    return first == NULL ? UINT64_MAX : first->deadline;
}

void lease_insert_breaking(struct meta *m, struct lease *l)
{
    tree_insert(&m->breaks, l, &l->by_deadline, mix64(l->id));
}

void lease_insert(struct meta *m, struct lease *l)
{
    tree_insert(&m->leases, &l->id, &l->by_id, l->id);
    list_push_back(&l->inode->leases, &l->in_inode);
    if (l->version != 0)
        tree_insert(&m->lease_keys, l, &l->by_key, mix64(l->id));
    if (l->breaking)
        lease_insert_breaking(m, l);
}

void lease_join(struct lease *l, struct open *o)
{
    o->lease = l;
    list_push_back(&l->opens, &o->in_lease);
}

void lease_free(struct meta *m, struct lease *l)
{
    must(list_empty(&l->waits));
    if (l->breaking)
        tree_remove(&m->breaks, &l->by_deadline);
    if (l->version != 0)
        tree_remove(&m->lease_keys, &l->by_key);
    tree_remove(&m->leases, &l->by_id);
    list_remove(&l->in_inode);
    mem_free(m->mem, l, sizeof(*l));
}

const char *lease_violated(const struct meta *m, const struct lease *l)
{
    if (l->id >= m->next_lease || l->version > 2)
        return "a lease's id was never given";
    if (list_empty(&l->opens) || (l->version == 0 && l->opens.next->next != &l->opens))
        return "a lease is nobody's";
    for (const struct list *at = l->opens.next; at != &l->opens; at = at->next) {
        const struct open *o = container_of(at, struct open, in_lease);
        if (o->lease != l || o->inode != l->inode)
            return "a lease is of another file";
    }
    if (l->lost && (l->state != 0 || l->breaking))
        return "a lease is lost and held";
    if ((l->state & ~ALL) != 0 || (l->state != 0 && (l->state & CACHE_READ) == 0))
        return "a lease has no such state";
    if (l->breaking
            ? (l->sent & ~l->state) != 0 || (l->to & ~l->sent) != 0 || !cache_acknowledges(l->state)
            : !list_empty(&l->waits))
        return "a lease breaks to more than it had";
    /* INV-5: nobody caches beside one who writes into his cache. */
    struct cache_others others = lease_others(l->inode, l);
    return (l->state & CACHE_WRITE) != 0 && others.any ? "two leases conflict" : NULL;
}
