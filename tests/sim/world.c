/* See world.h. */
#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILETIME_START UINT64_C(133800000000000000) /* some day in 2024 */

void world_init(struct world *w, uint64_t seed, bool verbose)
{
    *w = (struct world){.seed = seed, .now_ns = SECOND, .verbose = verbose, .hash = mix64(seed)};
    prng_init(&w->prng, seed);
    for (uint32_t i = 0; i < HOSTS; i++) {
        w->clocks[i].base_ns = draw(w, 1, 1000000) * MS;
        w->clocks[i].drift_ppm = (int64_t)draw(w, 0, 400) - 200;
    }
}

void world_fini(struct world *w)
{
    for (size_t i = 0; i < w->count; i++)
        free(w->heap[i].data);
    free(w->heap);
    w->heap = NULL;
    w->count = w->cap = 0;
}

static bool before(const struct event *a, const struct event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->seq < b->seq;
}

static void sift_up(struct world *w, size_t i)
{
    struct event e = w->heap[i];
    for (; i > 0 && before(&e, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = e;
}

static struct event pop(struct world *w)
{
    struct event top = w->heap[0], last = w->heap[--w->count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= w->count)
            break;
        if (child + 1 < w->count && before(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (!before(&w->heap[child], &last))
            break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return top;
}

static void push(struct world *w, struct event e)
{
    if (w->count == w->cap) {
        w->cap = w->cap == 0 ? 1024 : w->cap * 2;
        w->heap = realloc(w->heap, w->cap * sizeof *w->heap);
        must(w->heap != NULL);
    }
    e.seq = ++w->seq;
    w->heap[w->count] = e;
    sift_up(w, w->count++);
}

void world_at(struct world *w, struct event e)
{
    e.life = e.proc != NULL ? e.proc->life : 0;
    if (e.at_ns < w->now_ns)
        e.at_ns = w->now_ns;
    push(w, e);
}

static void run_one(struct world *w)
{
    struct event e = pop(w);
    w->now_ns = e.at_ns;
    if (e.proc != NULL && e.proc->life == e.life && e.proc->paused_until > w->now_ns) {
        e.at_ns = e.proc->paused_until;
        push(w, e);
        return;
    }
    if (e.proc == NULL || e.proc->life == e.life) {
        w->events++;
        world_note(w, e.at_ns ^ e.arg << 1 ^ (e.proc != NULL ? e.proc->host : 77));
        e.run(w, e.object, e.arg, e.data);
    }
    free(e.data);
}

void world_run(struct world *w, uint64_t until_ns)
{
    while (!w->broken && !w->stopped && w->count > 0 && w->heap[0].at_ns <= until_ns)
        run_one(w);
    if (!w->broken && !w->stopped && w->now_ns < until_ns)
        w->now_ns = until_ns;
}

void world_violation(struct world *w, const char *format, ...)
{
    va_list args;
    if (w->broken)
        return;
    w->broken = true;
    va_start(args, format);
    (void)vsnprintf(w->violation, sizeof w->violation, format, args);
    va_end(args);
    world_tell(w, "VIOLATION: %s", w->violation);
}

void world_tell(const struct world *w, const char *format, ...)
{
    va_list args;
    if (!w->verbose)
        return;
    printf("%10.3f ms  ", (double)w->now_ns / 1e6);
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    printf("\n");
}

void world_note(struct world *w, uint64_t what) { w->hash = mix64(w->hash ^ what); }

uint64_t draw(struct world *w, uint64_t least, uint64_t most)
{
    must(least <= most);
    return least + prng_below(&w->prng, most - least + 1);
}

bool chance(struct world *w, uint32_t per_mille) { return prng_chance(&w->prng, per_mille); }

uint64_t local_now(const struct world *w, uint32_t host)
{
    const struct clock *c = &w->clocks[host];
    int64_t drift = (int64_t)(w->now_ns / 1000) * c->drift_ppm / 1000;
    return c->base_ns + w->now_ns + (uint64_t)drift;
}

uint64_t world_time(const struct world *w, uint32_t host, uint64_t local_ns)
{
    uint64_t now = local_now(w, host);
    if (local_ns == DEADLINE_NEVER)
        return UINT64_MAX;
    if (local_ns <= now)
        return w->now_ns;
    uint64_t wait = local_ns - now;
    return w->now_ns + wait + wait / 4000 + 2 * US; /* a slow clock is there by then */
}

uint64_t filetime(const struct world *w) { return FILETIME_START + w->now_ns / 100; }

void proc_start(struct proc *p)
{
    must(!p->alive);
    p->life++;
    p->alive = true;
    p->paused_until = 0;
}

void proc_end(struct proc *p)
{
    must(p->alive);
    p->life++;
    p->alive = false;
}

static void *sim_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return calloc(1, size);
}

static void sim_release(void *ctx, void *at, size_t size)
{
    (void)ctx;
    (void)size;
    free(at);
}

struct mem sim_mem(void)
{
    return (struct mem){.alloc = sim_alloc, .release = sim_release, .max = SIZE_MAX};
}

static void *heap_alloc(void *ctx, size_t size)
{
    struct process_heap *h = ctx;
    struct heap_block *b = take(sizeof *b + size);
    list_push_back(&h->blocks, &b->link);
    return b->bytes;
}

static void heap_release(void *ctx, void *at, size_t size)
{
    (void)ctx;
    (void)size;
    struct heap_block *b = (void *)((uint8_t *)at - offsetof(struct heap_block, bytes));
    list_remove(&b->link);
    free(b);
}

void process_heap_init(struct process_heap *h)
{
    list_init(&h->blocks);
    h->mem = (struct mem){.alloc = heap_alloc, .release = heap_release, .ctx = h, .max = SIZE_MAX};
}

void process_heap_drop(struct process_heap *h)
{
    for (struct list *l; (l = list_pop(&h->blocks)) != NULL;)
        free(container_of(l, struct heap_block, link));
    h->mem.used = 0;
}

void *take(size_t size)
{
    void *at = calloc(1, size > 0 ? size : 1);
    must(at != NULL);
    return at;
}
