/* The trees of the state: what each is ordered by. Walking one in order is what makes snapshots
 * canonical. Salts are hashes of keys, so that the shapes too depend on nothing else. */
#include "coordinator/meta/wait.h"

#include "proto/base/prng.h"

#define BY_NUMBER(type, link, field, width)                                                        \
    static int compare_##type(const void *key, const struct tree_node *n)                          \
    {                                                                                              \
        return compare_u64(*(const width *)key, container_of(n, struct type, link)->field);        \
    }                                                                                              \
    static struct type *as_##type(struct tree_node *n)                                             \
    {                                                                                              \
        return n == NULL ? NULL : container_of(n, struct type, link);                              \
    }

BY_NUMBER(node, by_id, id, uint32_t)
BY_NUMBER(volume, by_id, id, uint32_t)
BY_NUMBER(group, by_id, id, uint32_t)
BY_NUMBER(open, by_id, id, uint64_t)
BY_NUMBER(inode, by_id, id, uint64_t)
BY_NUMBER(reclaim, by_ticket, ticket, uint64_t)
BY_NUMBER(invalidation, by_ticket, ticket, uint64_t)

static int compare_share(const void *key, const struct tree_node *n)
{
    const struct share *s = container_of(n, struct share, by_name);
    return utf16_compare_fold(*(const struct slice *)key, blob_slice(&s->name.utf16));
}

static int compare_user(const void *key, const struct tree_node *n)
{
    const struct user *u = container_of(n, struct user, by_name);
    return utf16_compare_fold(*(const struct slice *)key, blob_slice(&u->name.utf16));
}

static int compare_child(const void *key, const struct tree_node *n)
{
    return utf16_compare_fold(*(const struct slice *)key,
                              inode_name(container_of(n, struct inode, by_name)));
}

static int compare_descriptor(const void *key, const struct tree_node *n)
{
    const struct slice *k = key;
    const struct descriptor *d = container_of(n, struct descriptor, by_bytes);
    int order = compare_u64(k->len, d->len);
    return order != 0 || k->len == 0 ? order : memcmp(k->at, d->bytes, k->len);
}

void meta_trees_init(struct meta *m)
{
    tree_init(&m->nodes, compare_node);
    tree_init(&m->volumes, compare_volume);
    tree_init(&m->groups, compare_group);
    tree_init(&m->shares, compare_share);
    tree_init(&m->users, compare_user);
    tree_init(&m->opens, compare_open);
    tree_init(&m->reclaims, compare_reclaim);
    tree_init(&m->invalidations, compare_invalidation);
    tree_init(&m->descriptors, compare_descriptor);
    lease_trees_init(m);
}

void inode_trees_init(struct inode *i)
{
    tree_init(&i->children, compare_child);
    tree_init(&i->streams, compare_child);
}

struct node *node_get(const struct meta *m, uint32_t id)
{
    return as_node(tree_get(&m->nodes, &id));
}
struct node *node_first(const struct meta *m) { return as_node(tree_first(&m->nodes)); }
struct node *node_next(const struct node *n) { return as_node(tree_next(&n->by_id)); }
void node_insert(struct meta *m, struct node *n)
{
    tree_insert(&m->nodes, &n->id, &n->by_id, n->id);
}

struct volume *volume_get(const struct meta *m, uint32_t id)
{
    return as_volume(tree_get(&m->volumes, &id));
}
struct volume *volume_first(const struct meta *m) { return as_volume(tree_first(&m->volumes)); }
struct volume *volume_next(const struct volume *v) { return as_volume(tree_next(&v->by_id)); }

void volume_insert(struct meta *m, struct volume *v)
{
    tree_insert(&m->volumes, &v->id, &v->by_id, v->id);
    tree_init(&v->inodes, compare_inode);
}

struct group *group_get(const struct meta *m, uint32_t id)
{
    return as_group(tree_get(&m->groups, &id));
}
struct group *group_first(const struct meta *m) { return as_group(tree_first(&m->groups)); }
struct group *group_next(const struct group *g) { return as_group(tree_next(&g->by_id)); }
void group_insert(struct meta *m, struct group *g)
{
    tree_insert(&m->groups, &g->id, &g->by_id, g->id);
}

struct share *share_first(const struct meta *m)
{
    struct tree_node *n = tree_first(&m->shares);
    return n == NULL ? NULL : container_of(n, struct share, by_name);
}
struct share *share_next(const struct share *s)
{
    struct tree_node *n = tree_next(&s->by_name);
    return n == NULL ? NULL : container_of(n, struct share, by_name);
}
void share_insert(struct meta *m, struct share *s)
{
    struct slice key = blob_slice(&s->name.utf16);
    tree_insert(&m->shares, &key, &s->by_name, utf16_hash_fold(key, 0));
    s->root->shares++;
}

struct user *user_first(const struct meta *m)
{
    struct tree_node *n = tree_first(&m->users);
    return n == NULL ? NULL : container_of(n, struct user, by_name);
}
struct user *user_next(const struct user *u)
{
    struct tree_node *n = tree_next(&u->by_name);
    return n == NULL ? NULL : container_of(n, struct user, by_name);
}
void user_insert(struct meta *m, struct user *u)
{
    struct slice key = blob_slice(&u->name.utf16);
    tree_insert(&m->users, &key, &u->by_name, utf16_hash_fold(key, 0));
}

struct inode *inode_get(const struct volume *v, uint64_t id)
{
    return as_inode(tree_get(&v->inodes, &id));
}
struct inode *inode_first(const struct volume *v) { return as_inode(tree_first(&v->inodes)); }
struct inode *inode_next(const struct inode *i) { return as_inode(tree_next(&i->by_id)); }
void inode_insert(struct meta *m, struct volume *v, struct inode *i)
{
    i->volume = v;
    tree_insert(&v->inodes, &i->id, &i->by_id, i->id);
    v->bytes += i->size;
    m->files++;
}

static struct inode *as_child(struct tree_node *n)
{
    return n == NULL ? NULL : container_of(n, struct inode, by_name);
}
struct inode *child_get(const struct inode *parent, struct slice name)
{
    return as_child(tree_get(&parent->children, &name));
}
struct inode *child_first(const struct inode *parent)
{
    return as_child(tree_first(&parent->children));
}
struct inode *child_after(const struct inode *parent, struct slice name)
{
    return as_child(tree_seek(&parent->children, &name, true));
}
struct inode *child_next(const struct inode *child) { return as_child(tree_next(&child->by_name)); }
void child_insert(struct inode *parent, struct inode *child)
{
    must(is_directory(parent));
    struct slice key = inode_name(child);
    tree_insert(&parent->children, &key, &child->by_name, utf16_hash_fold(key, 0));
    child->parent = parent;
}
void child_remove(struct inode *child)
{
    tree_remove(&child->parent->children, &child->by_name);
    child->parent = NULL;
}

struct inode *stream_get(const struct inode *file, struct slice name)
{
    return as_child(tree_get(&file->streams, &name));
}
struct inode *stream_first(const struct inode *file)
{
    return as_child(tree_first(&file->streams));
}
struct inode *stream_next(const struct inode *stream)
{
    return as_child(tree_next(&stream->by_name));
}
void stream_insert(struct inode *file, struct inode *stream)
{
    must(!file->stream);
    must(stream->descriptor == NULL && !is_directory(stream));
    struct slice key = inode_name(stream);
    tree_insert(&file->streams, &key, &stream->by_name, utf16_hash_fold(key, 0));
    stream->parent = file;
    stream->stream = true;
}
void stream_remove(struct inode *stream)
{
    tree_remove(&stream->parent->streams, &stream->by_name);
    stream->parent = NULL;
}

struct open *open_get(const struct meta *m, uint64_t id)
{
    return as_open(tree_get(&m->opens, &id));
}
struct open *open_first(const struct meta *m) { return as_open(tree_first(&m->opens)); }
struct open *open_next(const struct open *o) { return as_open(tree_next(&o->by_id)); }
void open_insert(struct meta *m, struct open *o)
{
    tree_insert(&m->opens, &o->id, &o->by_id, o->id);
    list_push_back(&o->inode->opens, &o->in_inode);
    list_push_back(&o->node->opens, &o->in_node);
    count_opens_above(o->inode, 1);
}

struct reclaim *reclaim_first(const struct meta *m) { return as_reclaim(tree_first(&m->reclaims)); }
struct reclaim *reclaim_next(const struct reclaim *r)
{
    return as_reclaim(tree_next(&r->by_ticket));
}
void reclaim_insert(struct meta *m, struct reclaim *r)
{
    tree_insert(&m->reclaims, &r->ticket, &r->by_ticket, r->ticket);
}

struct invalidation *invalidation_get(const struct meta *m, uint64_t ticket)
{
    return as_invalidation(tree_get(&m->invalidations, &ticket));
}
struct invalidation *invalidation_first(const struct meta *m)
{
    return as_invalidation(tree_first(&m->invalidations));
}
struct invalidation *invalidation_next(const struct invalidation *v)
{
    return as_invalidation(tree_next(&v->by_ticket));
}
void invalidation_insert(struct meta *m, struct invalidation *v)
{
    tree_insert(&m->invalidations, &v->ticket, &v->by_ticket, v->ticket);
}

struct descriptor *descriptor_take(struct meta *m, struct slice bytes)
{
    must(bytes.len > 0 && bytes.len <= SECURITY_BYTES_MAX);
    struct tree_node *n = tree_get(&m->descriptors, &bytes);
    struct descriptor *d = n == NULL ? NULL : container_of(n, struct descriptor, by_bytes);
    if (d == NULL) {
        d = mem_alloc(m->mem, sizeof(*d) + bytes.len);
        if (d == NULL)
            return NULL;
        d->len = (uint32_t)bytes.len;
        memcpy(d->bytes, bytes.at, bytes.len);
        uint64_t salt = bytes.len;
        for (size_t i = 0; i < bytes.len; i++)
            salt = mix64(salt ^ bytes.at[i]);
        tree_insert(&m->descriptors, &bytes, &d->by_bytes, salt);
    }
    d->refs++;
    return d;
}

void descriptor_put(struct meta *m, struct descriptor *d)
{
    must(d->refs > 0);
    if (--d->refs > 0)
        return;
    tree_remove(&m->descriptors, &d->by_bytes);
    mem_free(m->mem, d, sizeof(*d) + d->len);
}

struct slice descriptor_slice(const struct descriptor *d) { return slice_of(d->bytes, d->len); }
