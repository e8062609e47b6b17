#include "proto/base/table.h"

#include "proto/base/must.h"

bool table_init(struct table *t, struct mem *mem, uint32_t cap)
{
    must(cap > 0);
    *t = (struct table){.mem = mem};
    t->slots = mem_array(mem, cap, sizeof(struct table_slot));
    if (t->slots == NULL)
        return false;
    t->cap = cap;
    for (uint32_t i = 0; i < cap; i++)
        t->slots[i] = (struct table_slot){.gen = 1, .next_free = i + 1};
    return true;
}

void table_fini(struct table *t)
{
    if (t->slots != NULL)
        mem_free(t->mem, t->slots, t->cap * sizeof(struct table_slot));
    *t = (struct table){0};
}

handle table_add(struct table *t, void *object)
{
    must(object != NULL);
    if (t->free_head == t->cap)
        return (handle){0};
    uint32_t slot = t->free_head;
    struct table_slot *s = &t->slots[slot];
    must(s->object == NULL);
    t->free_head = s->next_free;
    s->object = object;
    t->used++;
    return (handle){.slot = slot, .gen = s->gen};
}

void *table_get(const struct table *t, handle h)
{
    if (h.slot >= t->cap || t->slots[h.slot].gen != h.gen)
        return NULL;
    return t->slots[h.slot].object;
}

void *table_remove(struct table *t, handle h)
{
    void *object = table_get(t, h);
    if (object == NULL)
        return NULL;
    struct table_slot *s = &t->slots[h.slot];
    s->object = NULL;
    if (++s->gen == 0) /* 2^32 reuses: 0 must stay "nothing" */
        s->gen = 1;
    s->next_free = t->free_head;
    t->free_head = h.slot;
    must(t->used > 0);
    t->used--;
    return object;
}

void *table_next(const struct table *t, handle *at)
{
    uint32_t slot = handle_none(*at) ? 0 : at->slot + 1;
    for (; slot < t->cap; slot++) {
        const struct table_slot *s = &t->slots[slot];
        if (s->object == NULL)
            continue;
        *at = (handle){.slot = slot, .gen = s->gen};
        return s->object;
    }
    return NULL;
}

bool handle_equal(handle a, handle b) { return a.slot == b.slot && a.gen == b.gen; }
bool handle_none(handle h) { return h.gen == 0; }
uint64_t handle_pack(handle h) { return (uint64_t)h.gen << 32 | h.slot; }

handle handle_unpack(uint64_t packed)
{
    return (handle){.slot = (uint32_t)packed, .gen = (uint32_t)(packed >> 32)};
}
