#include "proto/base/heap.h"

#include "proto/base/must.h"

bool heap_init(struct heap *h, struct mem *mem, uint32_t cap)
{
    must(cap > 0);
    *h = (struct heap){.mem = mem};
    h->items = mem_array(mem, cap, sizeof(struct deadline *));
    if (h->items == NULL)
        return false;
    h->cap = cap;
    return true;
}

void heap_fini(struct heap *h)
{
    if (h->items != NULL)
        mem_free(h->mem, h->items, h->cap * sizeof(struct deadline *));
    *h = (struct heap){0};
}

/* Places are 1-based, so that 0 means "not armed" and children of i are 2i and 2i+1. */
static struct deadline *at(const struct heap *h, uint32_t index) { return h->items[index - 1]; }

static void place(struct heap *h, uint32_t index, struct deadline *d)
{
    h->items[index - 1] = d;
    d->index = index;
}

static void sift_up(struct heap *h, struct deadline *d)
{
    uint32_t index = d->index;
    while (index > 1 && at(h, index / 2)->at_ns > d->at_ns) {
        place(h, index, at(h, index / 2));
        index /= 2;
    }
    place(h, index, d);
}

static void sift_down(struct heap *h, struct deadline *d)
{
    uint32_t index = d->index;
    while (index <= h->count / 2) {
        uint32_t child = index * 2;
        if (child < h->count && at(h, child + 1)->at_ns < at(h, child)->at_ns)
            child++;
        if (at(h, child)->at_ns >= d->at_ns)
            break;
        place(h, index, at(h, child));
        index = child;
    }
    place(h, index, d);
}

void heap_arm(struct heap *h, struct deadline *d, uint64_t at_ns)
{
    if (at_ns == DEADLINE_NEVER) {
        heap_disarm(h, d);
        return;
    }
    if (d->index == 0) {
        must(h->count < h->cap);
        place(h, ++h->count, d);
    }
    must(at(h, d->index) == d);
    d->at_ns = at_ns;
    sift_up(h, d);
    sift_down(h, d);
}

void heap_disarm(struct heap *h, struct deadline *d)
{
    uint32_t index = d->index;
    d->at_ns = DEADLINE_NEVER;
    if (index == 0)
        return;
    must(index <= h->count);
    must(at(h, index) == d);
    struct deadline *last = at(h, h->count--);
    d->index = 0;
    if (last == d)
        return;
    place(h, index, last);
    sift_up(h, last);
    sift_down(h, last);
}

uint64_t heap_next(const struct heap *h)
{
    return h->count == 0 ? DEADLINE_NEVER : at(h, 1)->at_ns;
}

struct deadline *heap_pop_due(struct heap *h, uint64_t now_ns)
{
    if (heap_next(h) > now_ns || h->count == 0)
        return NULL;
    struct deadline *due = at(h, 1);
    heap_disarm(h, due);
    return due;
}
