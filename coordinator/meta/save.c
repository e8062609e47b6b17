/* Writing the state down. The same walk runs twice: to count the bytes, and to write them. */
#include "coordinator/meta/locks.h"
#include "coordinator/meta/snapshot.h"
#include "coordinator/meta/wait.h"
#include "proto/base/map.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

struct sink {
    struct writer w; /* of no memory while counting */
    size_t count;
    bool counting;
    struct map places; /* of descriptors, by address; value: place + 1 */
};

static void put_u8(struct sink *s, uint8_t v)
{
    s->count += 1;
    if (!s->counting)
        write_u8(&s->w, v);
}

static void put_u32(struct sink *s, uint32_t v)
{
    s->count += 4;
    if (!s->counting)
        write_u32(&s->w, v);
}

static void put_u64(struct sink *s, uint64_t v)
{
    s->count += 8;
    if (!s->counting)
        write_u64(&s->w, v);
}

static void put_raw(struct sink *s, const void *at, size_t len)
{
    s->count += len;
    if (!s->counting)
        write_bytes(&s->w, slice_of(at, len));
}

static void put_blob(struct sink *s, struct slice b)
{
    put_u32(s, (uint32_t)b.len);
    put_raw(s, b.at, b.len);
}

static void put_label(struct sink *s, const struct label *l)
{
    put_blob(s, blob_slice(&l->utf8));
    put_blob(s, blob_slice(&l->utf16));
}

static void put_node(struct sink *s, const struct node *n)
{
    put_u32(s, n->id);
    put_u32(s, n->slot);
    put_u8(s, (uint8_t)n->state);
    put_label(s, &n->name);
    put_blob(s, blob_slice(&n->address));
    put_u32(s, n->data_port);
    put_u32(s, n->coordinator_port);
    put_u8(s, n->coordinator);
    put_u64(s, n->incarnation);
    put_u64(s, n->session);
    put_blob(s, blob_slice(&n->store_id));
    put_blob(s, blob_slice(&n->token_hash));
    put_u64(s, n->expires);
    put_u64(s, n->window_floor);
    put_u32(s, n->window.count);
    for (struct tree_node *t = tree_first(&n->window); t != NULL; t = tree_next(t)) {
        const struct remembered *r = container_of(t, struct remembered, by_sequence);
        put_u64(s, r->sequence);
        put_u8(s, r->pending);
        put_blob(s, slice_of(r->bytes, r->pending ? 0 : r->len));
    }
}

static void put_descriptors(struct sink *s, const struct meta *m)
{
    put_u32(s, m->descriptors.count);
    for (struct tree_node *t = tree_first(&m->descriptors); t != NULL; t = tree_next(t))
        put_blob(s, descriptor_slice(container_of(t, struct descriptor, by_bytes)));
}

static void put_inode(struct sink *s, const struct inode *i)
{
    put_u64(s, i->id);
    put_u64(s, i->parent == NULL ? 0 : i->parent->id);
    put_u64(s, i->data_id);
    put_u64(s, i->creation_time);
    put_u64(s, i->access_time);
    put_u64(s, i->write_time);
    put_u64(s, i->change_time);
    put_u64(s, i->size);
    put_u64(s, i->allocation_size);
    put_u64(s, i->version);
    put_u32(s, i->attributes);
    put_u32(s, i->first_group);
    put_u32(s, i->untold);
    int flags = (i->delete_pending ? INODE_DELETE_PENDING : 0) | (i->stream ? INODE_STREAM : 0);
    put_u8(s, (uint8_t)flags);
    void *place =
        s->counting || i->stream ? NULL : map_get_u64(&s->places, (uintptr_t)i->descriptor);
    put_u32(s, place == NULL ? 0 : (uint32_t)((uintptr_t)place - 1));
    put_blob(s, inode_name(i));
    put_blob(s, blob_slice(&i->ea));
    put_blob(s, blob_slice(&i->reparse));
}

static void put_group(struct sink *s, const struct group *g)
{
    put_u32(s, g->id);
    put_u64(s, g->epoch);
    put_u32(s, g->primary);
    put_u8(s, g->lost);
    put_u32(s, g->member_count);
    for (uint32_t i = 0; i < g->member_count; i++)
        put_u32(s, g->members[i]);
    put_u32(s, g->in_sync_count);
    for (uint32_t i = 0; i < g->in_sync_count; i++)
        put_u32(s, g->in_sync[i]);
}

static void put_volume(struct sink *s, const struct volume *v)
{
    put_u32(s, v->id);
    put_label(s, &v->name);
    put_u32(s, v->replicas);
    put_u64(s, v->extent_bytes);
    put_u64(s, v->creation_time);
    put_u32(s, v->cursor);
    put_u64(s, v->next_inode);
    put_u64(s, v->next_data);
    put_u64(s, v->root->id);
    put_u32(s, v->group_count);
    for (uint32_t i = 0; i < v->group_count; i++)
        put_group(s, v->groups[i]);
    put_u32(s, v->inodes.count);
    for (const struct inode *i = inode_first(v); i != NULL; i = inode_next(i))
        put_inode(s, i);
}

static void put_share(struct sink *s, const struct share *sh)
{
    put_label(s, &sh->name);
    put_u32(s, sh->root->volume->id);
    put_u64(s, sh->root->id);
    put_blob(s, blob_slice(&sh->path));
    put_blob(s, blob_slice(&sh->comment));
    put_u8(s, sh->scale_out);
    put_u8(s, sh->continuous);
    put_u8(s, sh->encrypt);
    put_u8(s, sh->compress);
    put_u8(s, sh->abe);
    put_u8(s, (uint8_t)sh->leasing);
    put_u32(s, sh->uses_max);
    put_u8(s, (uint8_t)sh->caching);
    put_u32(s, sh->grant_count);
    for (uint32_t i = 0; i < sh->grant_count; i++) {
        put_blob(s, blob_slice(&sh->grants[i].principal));
        put_blob(s, blob_slice(&sh->grants[i].sid));
        put_u32(s, sh->grants[i].access);
        put_u8(s, sh->grants[i].deny);
    }
}

static bool has_lock_sequences(const struct open *o)
{
    for (size_t k = 0; k < sizeof(o->lock_sequences); k++)
        if (o->lock_sequences[k] != 0)
            return true;
    return false;
}

static void put_open(struct sink *s, const struct open *o)
{
    bool sequences = has_lock_sequences(o);
    int flags = (o->delete_on_close ? OPEN_DELETE_ON_CLOSE : 0) |
                (o->user_write_time ? OPEN_USER_WRITE_TIME : 0) |
                (o->user_change_time ? OPEN_USER_CHANGE_TIME : 0) |
                (o->user_access_time ? OPEN_USER_ACCESS_TIME : 0) |
                (o->watches ? OPEN_WATCHES : 0) | (o->watch_tree ? OPEN_WATCH_TREE : 0) |
                (o->marked ? OPEN_MARKED : 0) | (sequences ? OPEN_LOCK_SEQUENCES : 0);
    put_u64(s, o->id);
    put_u32(s, o->inode->volume->id);
    put_u64(s, o->inode->id);
    put_u32(s, o->node->id);
    put_u64(s, o->root_inode);
    put_u64(s, o->lease == NULL ? 0 : o->lease->id);
    put_u32(s, o->granted);
    put_u32(s, o->share_access);
    put_u32(s, o->options);
    put_u32(s, (uint32_t)flags);
    put_u32(s, o->watch_filter);
    put_raw(s, o->client_guid, sizeof(o->client_guid));
    put_raw(s, o->create_guid, sizeof(o->create_guid));
    put_raw(s, o->lock_sequences, sequences ? sizeof(o->lock_sequences) : 0);
}

static void put_waits(struct sink *s, const struct list *waits)
{
    uint32_t count = 0;
    for (const struct list *at = waits->next; at != waits; at = at->next)
        count++;
    put_u32(s, count);
    for (const struct list *at = waits->next; at != waits; at = at->next) {
        const struct wait *w = container_of(at, struct wait, in_blocker);
        put_u32(s, w->node->id);
        put_u64(s, w->sequence);
        put_u64(s, w->now);
        put_u64(s, w->cancel_id);
        put_u64(s, w->blocked);
        put_blob(s, blob_slice(&w->command));
    }
}

static void put_lease(struct sink *s, const struct lease *l)
{
    put_u64(s, l->id);
    put_u32(s, l->inode->volume->id);
    put_u64(s, l->inode->id);
    put_raw(s, l->client_guid, sizeof(l->client_guid));
    put_raw(s, l->key, sizeof(l->key));
    put_raw(s, l->parent_key, sizeof(l->parent_key));
    put_u8(s, (uint8_t)l->version);
    put_u8(s, l->has_parent);
    put_u32(s, l->epoch);
    put_u8(s, l->state);
    put_u8(s, l->breaking);
    put_u8(s, l->lost);
    put_u8(s, l->sent);
    put_u8(s, l->to);
    put_u64(s, l->deadline);
    put_waits(s, &l->waits);
}

/* Is it the one by which its file's locks are saved? */
static bool leads_locks(const struct open *o)
{
    return o->inode->locks != NULL && list_first(&o->inode->opens) == &o->in_inode;
}

static void put_locks(struct sink *s, const struct inode *i)
{
    put_u32(s, i->locks->count);
    for (const struct range *r = range_first(i); r != NULL; r = range_next(i, r)) {
        put_u64(s, r->open->id);
        put_u64(s, r->at.offset);
        put_u64(s, r->at.length);
        put_u8(s, r->at.exclusive);
    }
    put_waits(s, &i->locks->waits);
}

static void put_all_locks(struct sink *s, const struct meta *m)
{
    uint32_t count = 0;
    for (const struct open *o = open_first(m); o != NULL; o = open_next(o))
        count += leads_locks(o);
    put_u32(s, count);
    for (const struct open *o = open_first(m); o != NULL; o = open_next(o))
        if (leads_locks(o))
            put_locks(s, o->inode);
}

static void put_invalidation(struct sink *s, const struct invalidation *v)
{
    put_u64(s, v->ticket);
    put_u32(s, v->inode->volume->id);
    put_u64(s, v->inode->id);
    put_u64(s, v->asked);
    put_u64(s, v->clean);
    put_waits(s, &v->waits);
}

static void put_head(struct sink *s, const struct meta *m)
{
    put_u32(s, SNAPSHOT_MAGIC);
    put_u32(s, SNAPSHOT_VERSION);
    put_u64(s, m->index);
    put_u8(s, m->founded);
    put_blob(s, blob_slice(&m->cluster_id));
    put_blob(s, blob_slice(&m->cluster_name));
    put_blob(s, blob_slice(&m->domain_sid));
    put_blob(s, blob_slice(&m->ca_key));
    put_blob(s, blob_slice(&m->ca_cert));
    put_u64(s, m->next_open);
    put_u64(s, m->next_ticket);
    put_u64(s, m->next_lease);
    put_u32(s, m->next_rid);
    put_u32(s, m->next_node);
    put_u32(s, m->next_volume);
    put_u32(s, m->next_group);
}

static void put_all(struct sink *s, const struct meta *m)
{
    put_head(s, m);
    put_u32(s, m->nodes.count);
    for (const struct node *n = node_first(m); n != NULL; n = node_next(n))
        put_node(s, n);
    put_descriptors(s, m);
    put_u32(s, m->volumes.count);
    for (const struct volume *v = volume_first(m); v != NULL; v = volume_next(v))
        put_volume(s, v);
    put_u32(s, m->shares.count);
    for (const struct share *sh = share_first(m); sh != NULL; sh = share_next(sh))
        put_share(s, sh);
    put_u32(s, m->users.count);
    for (const struct user *u = user_first(m); u != NULL; u = user_next(u)) {
        put_label(s, &u->name);
        put_raw(s, u->nt_hash, sizeof(u->nt_hash));
        put_u32(s, u->rid);
        put_u8(s, u->administrator);
    }
    put_u32(s, m->leases.count);
    for (const struct lease *l = lease_first(m); l != NULL; l = lease_next(l))
        put_lease(s, l);
    put_u32(s, m->opens.count);
    for (const struct open *o = open_first(m); o != NULL; o = open_next(o))
        put_open(s, o);
    put_all_locks(s, m);
    put_u32(s, m->reclaims.count);
    for (const struct reclaim *r = reclaim_first(m); r != NULL; r = reclaim_next(r)) {
        put_u64(s, r->ticket);
        put_u32(s, r->volume);
        put_u64(s, r->data_id);
        put_u64(s, r->slots);
    }
    put_u32(s, m->invalidations.count);
    for (const struct invalidation *v = invalidation_first(m); v != NULL; v = invalidation_next(v))
        put_invalidation(s, v);
}

static bool number_descriptors(struct sink *s, const struct meta *m)
{
    uintptr_t place = 0;
    for (struct tree_node *t = tree_first(&m->descriptors); t != NULL; t = tree_next(t)) {
        const struct descriptor *d = container_of(t, struct descriptor, by_bytes);
        if (!map_put_u64(&s->places, (uintptr_t)d, (void *)++place))
            return false;
    }
    return true;
}

bool meta_save(const struct meta *m, struct mem *mem, uint8_t **bytes, size_t *len)
{
    struct sink s = {.counting = true};
    must(list_empty(&m->ready));
    put_all(&s, m);
    size_t body = s.count, whole = body + SNAPSHOT_CHECK;
    map_init(&s.places, mem, 0);
    uint8_t *at = mem_alloc(mem, whole);
    if (at == NULL || !number_descriptors(&s, m)) {
        mem_free(mem, at, whole);
        map_fini(&s.places);
        return false;
    }
    s.counting = false;
    s.w = writer_of(at, whole);
    put_all(&s, m);
    must(s.w.pos == body);
    write_u64(&s.w, XXH3_64bits(at, body));
    must(!s.w.full);
    map_fini(&s.places);
    *bytes = at;
    *len = whole;
    return true;
}
