#include "proto/base/pool.h"

#include "proto/base/must.h"

#include <string.h>

enum { POOL_ALIGN = 16 };

struct pool_free {
    struct pool_free *next;
    uint64_t mark; /* POOL_FREE while the object is not in use: catches most double puts */
};

#define POOL_FREE UINT64_C(0x9f1ee0b7ec7f4ee5)

static struct pool_free *object_at(const struct pool *p, uint32_t index)
{
    return (struct pool_free *)(void *)(p->objects + (size_t)index * p->object_size);
}

bool pool_init(struct pool *p, struct mem *mem, size_t object_size, uint32_t count)
{
    must(object_size > 0);
    must(object_size < SIZE_MAX - POOL_ALIGN);
    *p = (struct pool){.mem = mem};
    size_t rounded = (object_size + POOL_ALIGN - 1) / POOL_ALIGN * POOL_ALIGN;
    p->object_size = rounded;
    p->objects = mem_array(mem, count, rounded);
    if (p->objects == NULL)
        return count == 0;
    p->count = count;
    for (uint32_t i = count; i > 0; i--) {
        struct pool_free *object = object_at(p, i - 1);
        *object = (struct pool_free){.next = p->free_head, .mark = POOL_FREE};
        p->free_head = object;
    }
    return true;
}

void pool_fini(struct pool *p)
{
    if (p->objects != NULL)
        mem_free(p->mem, p->objects, p->object_size * p->count);
    *p = (struct pool){0};
}

void *pool_get(struct pool *p)
{
    struct pool_free *object = p->free_head;
    if (object == NULL)
        return NULL;
    must(object->mark == POOL_FREE);
    p->free_head = object->next;
    p->used++;
    memset(object, 0, p->object_size);
    return object;
}

void pool_put(struct pool *p, void *object)
{
    uint8_t *at = object;
    must(at >= p->objects);
    size_t offset = (size_t)(at - p->objects);
    must(offset < p->object_size * p->count);
    must(offset % p->object_size == 0);
    must(p->used > 0);
    struct pool_free *node = object;
    must(node->mark != POOL_FREE);
    *node = (struct pool_free){.next = p->free_head, .mark = POOL_FREE};
    p->free_head = node;
    p->used--;
}
