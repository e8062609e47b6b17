#include "proto/base/trace.h"

#include "proto/base/must.h"

bool trace_init(struct trace *t, struct mem *mem, uint32_t cap)
{
    must(cap > 0);
    must((cap & (cap - 1)) == 0);
    *t = (struct trace){.mem = mem};
    t->ring = mem_array(mem, cap, sizeof(struct trace_record));
    if (t->ring == NULL)
        return false;
    t->cap = cap;
    return true;
}

void trace_fini(struct trace *t)
{
    if (t->ring != NULL)
        mem_free(t->mem, t->ring, t->cap * sizeof(struct trace_record));
    *t = (struct trace){0};
}

void trace_put(struct trace *t, const char *what, uint64_t a, uint64_t b, uint64_t c)
{
    if (t == NULL || t->ring == NULL)
        return;
    t->ring[t->written++ & (t->cap - 1)] =
        (struct trace_record){.now_ns = t->now_ns, .what = what, .a = a, .b = b, .c = c};
}

const struct trace_record *trace_newest(const struct trace *t, uint32_t i)
{
    if (t == NULL || i >= t->cap || i >= t->written)
        return NULL;
    return &t->ring[(t->written - 1 - i) & (t->cap - 1)];
}
