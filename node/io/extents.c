#include "node/io/extents.h"

#include "proto/base/must.h"
#include "proto/base/prng.h"

static int compare_u64(uint64_t a, uint64_t b) { return a < b ? -1 : a > b; }

static int first_difference(const uint64_t *a, const uint64_t *b, int n)
{
    for (int i = 0; i < n; i++)
        if (a[i] != b[i])
            return compare_u64(a[i], b[i]);
    return 0;
}

static int compare_in_group(const void *key, const struct tree_node *node)
{
    const struct store_extent *k = key, *o = &container_of(node, struct extent, in_group)->key;
    uint64_t a[] = {k->volume, k->group, k->inode, k->index};
    uint64_t b[] = {o->volume, o->group, o->inode, o->index};
    return first_difference(a, b, 4);
}

static int compare_in_inode(const void *key, const struct tree_node *node)
{
    const struct store_extent *k = key, *o = &container_of(node, struct extent, in_inode)->key;
    uint64_t a[] = {k->volume, k->inode, k->group, k->index};
    uint64_t b[] = {o->volume, o->inode, o->group, o->index};
    return first_difference(a, b, 4);
}

void extents_init(struct extents *e, struct mem *mem)
{
    e->mem = mem;
    tree_init(&e->by_group, compare_in_group);
    tree_init(&e->by_inode, compare_in_inode);
}

void extents_fini(struct extents *e)
{
    for (struct tree_node *n; (n = tree_first(&e->by_group)) != NULL;)
        extents_remove(e, container_of(n, struct extent, in_group));
}

struct extent *extents_get(const struct extents *e, const struct store_extent *key)
{
    struct tree_node *n = tree_get(&e->by_group, key);
    return n != NULL ? container_of(n, struct extent, in_group) : NULL;
}

struct extent *extents_put(struct extents *e, const struct store_extent *key)
{
    struct extent *one = extents_get(e, key);
    if (one != NULL || (one = mem_alloc(e->mem, sizeof *one)) == NULL)
        return one;
    one->key = *key;
    uint64_t salt = mix64(key->inode ^ mix64(key->index ^ mix64(key->group)));
    tree_insert(&e->by_group, key, &one->in_group, salt);
    tree_insert(&e->by_inode, key, &one->in_inode, salt);
    return one;
}

void extents_remove(struct extents *e, struct extent *one)
{
    tree_remove(&e->by_group, &one->in_group);
    tree_remove(&e->by_inode, &one->in_inode);
    mem_free(e->mem, one, sizeof *one);
}

uint32_t extents_list(const struct extents *e, const struct store_extent *after, uint32_t max,
                      struct store_entry *out)
{
    uint32_t count = 0;
    struct tree_node *n = tree_seek(&e->by_group, after, true);
    for (; n != NULL && count < max; n = tree_next(n)) {
        const struct extent *one = container_of(n, struct extent, in_group);
        if (one->key.volume != after->volume || one->key.group != after->group)
            break;
        out[count++] = (struct store_entry){one->key.inode, one->key.index, one->size};
    }
    return count;
}

struct extent *extents_of_inode(const struct extents *e, uint32_t volume, uint64_t inode)
{
    struct store_extent first = {.volume = volume, .inode = inode};
    struct tree_node *n = tree_seek(&e->by_inode, &first, false);
    struct extent *one = n != NULL ? container_of(n, struct extent, in_inode) : NULL;
    return one != NULL && one->key.volume == volume && one->key.inode == inode ? one : NULL;
}
