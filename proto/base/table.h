#pragma once
/* Objects are named by handles, not by pointers, wherever a name outlives a call. A handle is a
 * slot and the slot's generation: a late completion for a closed object finds nothing. */
#include "proto/base/mem.h"
#include <stdbool.h>

typedef struct {
    uint32_t slot, gen; /* gen is never 0 in a live handle, so {0} names nothing */
} handle;

struct table {
    struct mem *mem;
    struct table_slot *slots;
    uint32_t cap, used, free_head;
};

/* Room for `cap` objects; false when the memory is refused. */
bool table_init(struct table *t, struct mem *mem, uint32_t cap);
void table_fini(struct table *t);
handle table_add(struct table *t, void *object);  /* {0} when full */
void *table_get(const struct table *t, handle h); /* NULL when gone */
void *table_remove(struct table *t, handle h);    /* NULL when gone */
/* Iterates in slot order: start with {0}, ends with NULL. `*at` becomes the object's handle. The
 * object just returned may be removed before the next call. */
void *table_next(const struct table *t, handle *at);

bool handle_equal(handle a, handle b);
bool handle_none(handle h);
/* A handle as one integer and back, for tokens that cross a shell. */
uint64_t handle_pack(handle h);
handle handle_unpack(uint64_t packed);

struct table_slot {
    void *object;
    uint32_t gen, next_free;
};
