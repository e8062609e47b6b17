#include "proto/daemon/heap.h"

#include <stdalign.h>
#include <stdlib.h>

_Static_assert(alignof(max_align_t) >= 16, "calloc() must give 16-aligned memory");

static void *heap_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return calloc(1, size);
}

static void heap_release(void *ctx, void *at, size_t size)
{
    (void)ctx;
    (void)size;
    free(at);
}

void mem_heap_init(struct mem *m, size_t max)
{
    *m = (struct mem){.alloc = heap_alloc, .release = heap_release, .max = max};
}
