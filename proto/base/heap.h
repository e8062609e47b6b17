#pragma once
/* Deadlines: a binary min-heap of intrusive nodes by time. */
#include "proto/base/mem.h"
#include <stdbool.h>

#define DEADLINE_NEVER UINT64_MAX

struct deadline {
    uint64_t at_ns; /* DEADLINE_NEVER while not armed */
    uint32_t index; /* 1-based place in the heap; 0 while not armed */
};

struct heap {
    struct mem *mem;
    struct deadline **items;
    uint32_t count, cap;
};

/* Room for `cap` armed deadlines; false when memory is refused. */
bool heap_init(struct heap *h, struct mem *mem, uint32_t cap);
void heap_fini(struct heap *h);
/* Arms or re-arms. More than `cap` armed deadlines is a bug. */
void heap_arm(struct heap *h, struct deadline *d, uint64_t at_ns);
/* Safe when not armed. */
void heap_disarm(struct heap *h, struct deadline *d);
/* The least deadline, or DEADLINE_NEVER. */
uint64_t heap_next(const struct heap *h);
/* Removes and returns one deadline that is due at `now_ns`, or NULL. */
struct deadline *heap_pop_due(struct heap *h, uint64_t now_ns);
