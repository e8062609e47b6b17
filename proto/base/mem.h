#pragma once
/* Where pure code gets memory from. The shell hands every core a `struct mem`: two functions and a
 * cap. So a core makes no libc call, can be refused its n-th allocation in a test, and cannot grow
 * past its budget. An allocation that fails is an ordinary answer, never an abort. */
#include <stddef.h>
#include <stdint.h>

struct mem {
    void *(*alloc)(void *ctx, size_t size);            /* zeroed, 16-aligned; NULL when refused */
    void (*release)(void *ctx, void *at, size_t size); /* `size` as it was asked for */
    void *ctx;
    size_t used, max; /* bytes handed out now, and the most that may be */
};

/* Zeroed memory, or NULL when the budget or the shell refuses. `size` 0 gives NULL. */
void *mem_alloc(struct mem *m, size_t size);
/* `count` * `size` without wrapping. */
void *mem_array(struct mem *m, size_t count, size_t size);
/* Moves to a block of another size, contents kept, growth zeroed; NULL leaves the old one as is. */
void *mem_resize(struct mem *m, void *at, size_t old_size, size_t new_size);
/* Accepts NULL. */
void mem_free(struct mem *m, void *at, size_t size);
