#pragma once
/* A bump allocator for what lives exactly as long as one request: allocate freely, drop it whole.
 * It takes chunks from a `struct mem` up to its cap and keeps its first chunk between resets. */
#include "proto/base/bytes.h"
#include "proto/base/mem.h"

struct arena {
    struct mem *mem;
    struct arena_chunk *head; /* newest first; the last in the chain is kept by arena_reset */
    size_t used, cap;
    bool failed; /* sticky: some allocation since the last reset was refused */
};

/* Nothing is allocated until the first use. `cap` is the most bytes it will hand out. */
void arena_init(struct arena *a, struct mem *mem, size_t cap);
/* Zeroed, 16-aligned; NULL when the cap or the memory is exhausted (and `failed` is set). */
void *arena_alloc(struct arena *a, size_t size);
/* `count` * `size` without wrapping. */
void *arena_array(struct arena *a, size_t count, size_t size);
/* A copy that lives in the arena; {NULL,0} when refused or when s is empty. */
struct slice arena_copy(struct arena *a, struct slice s);
/* Forgets everything handed out. */
void arena_reset(struct arena *a);
/* Returns all memory; the arena may be initialised anew. */
void arena_fini(struct arena *a);
