#pragma once
/* `count` equal objects, allocated once: an empty pool is an ordinary answer. */
#include "proto/base/mem.h"
#include <stdbool.h>

struct pool {
    struct mem *mem;
    uint8_t *objects;
    struct pool_free *free_head;
    size_t object_size; /* rounded up to 16 */
    uint32_t count, used;
};

/* False when the memory is refused; then the pool is empty and pool_fini is still allowed. */
bool pool_init(struct pool *p, struct mem *mem, size_t object_size, uint32_t count);
void pool_fini(struct pool *p);
/* Zeroed object, or NULL when all are in use. */
void *pool_get(struct pool *p);
/* `object` must come from this pool and be in use. */
void pool_put(struct pool *p, void *object);
