#include "proto/base/mem.h"

#include "proto/base/must.h"

#include <string.h>

void *mem_alloc(struct mem *m, size_t size)
{
    must(m->used <= m->max);
    if (size == 0 || size > m->max - m->used)
        return NULL;
    void *at = m->alloc(m->ctx, size);
    if (at == NULL)
        return NULL;
    must(((uintptr_t)at & 15) == 0);
    m->used += size;
    return at;
}

void *mem_array(struct mem *m, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    return mem_alloc(m, count * size);
}

void *mem_resize(struct mem *m, void *at, size_t old_size, size_t new_size)
{
    must(at != NULL || old_size == 0);
    void *fresh = mem_alloc(m, new_size);
    if (fresh == NULL)
        return NULL;
    size_t kept = old_size < new_size ? old_size : new_size;
    if (kept > 0)
        memcpy(fresh, at, kept);
    mem_free(m, at, old_size);
    return fresh;
}

void mem_free(struct mem *m, void *at, size_t size)
{
    if (at == NULL)
        return;
    must(size > 0);
    must(size <= m->used);
    m->used -= size;
    m->release(m->ctx, at, size);
}
