/* The store's life: memory, events, and effects that wait for room. See store.h. */
#include "node/store/store_int.h"

#include "proto/base/heap.h"

#include <string.h>

static bool bounces_init(struct store *s)
{
    size_t size = (size_t)s->config.bounces_max * STORE_REGION + 2 * STORE_BLOCK;
    s->bounce_memory = mem_alloc(s->mem, size);
    s->bounces = mem_array(s->mem, s->config.bounces_max, sizeof(uint8_t *));
    if (s->bounce_memory == NULL || s->bounces == NULL)
        return false;
    size_t skew = (uintptr_t)s->bounce_memory % STORE_BLOCK;
    s->journal.block = s->bounce_memory + (skew == 0 ? 0 : STORE_BLOCK - skew);
    s->bounce_base = s->journal.block + STORE_BLOCK;
    for (uint32_t i = 0; i < s->config.bounces_max; i++)
        s->bounces[s->bounces_free++] = s->bounce_base + (size_t)i * STORE_REGION;
    return true;
}

struct store *store_new(struct mem *mem, const struct store_config *config)
{
    must(config->ops_max > 0);
    must(config->bounces_max > 0);
    must(config->hot_max > 0 && config->hot_max <= STORE_HOT_MAX);
    struct store *s = mem_alloc(mem, sizeof(*s));
    if (s == NULL)
        return NULL;
    *s = (struct store){.mem = mem, .config = *config};
    list_init(&s->free_tasks), list_init(&s->held), list_init(&s->bounce_wait);
    for (uint32_t i = 0; i < STORE_BUCKETS; i++)
        list_init(&s->buckets[i]);
    s->tasks = mem_array(mem, config->ops_max, sizeof(*s->tasks));
    s->ring_cap = config->ops_max * 4 + 8;
    s->ring = mem_array(mem, s->ring_cap, sizeof(*s->ring));
    if (!journal_init(s) || !bounces_init(s) || s->tasks == NULL || s->ring == NULL) {
        store_free(s);
        return NULL;
    }
    for (uint32_t i = 0; i < config->ops_max; i++)
        list_push_back(&s->free_tasks, &s->tasks[i].in_queue);
    return s;
}

void store_free(struct store *s)
{
    if (s == NULL)
        return;
    struct mem *mem = s->mem;
    journal_fini(s);
    mem_free(mem, s->tasks, s->config.ops_max * sizeof(*s->tasks));
    mem_free(mem, s->ring, s->ring_cap * sizeof(*s->ring));
    mem_free(mem, s->bounces, s->config.bounces_max * sizeof(uint8_t *));
    mem_free(mem, s->bounce_memory, (size_t)s->config.bounces_max * STORE_REGION + 2 * STORE_BLOCK);
    mem_free(mem, s, sizeof(*s));
}

void store_emit(struct store *s, const struct store_effect *e)
{
    if (s->ring_count == 0 && s->out->count < STORE_EFFECTS_MAX) {
        s->out->items[s->out->count++] = *e;
        return;
    }
    /* A task has at most three disk effects and one DONE on their way. */
    must(s->ring_count < s->ring_cap);
    s->ring[(s->ring_head + s->ring_count++) % s->ring_cap] = *e;
}

void store_disk(struct store *s, uint64_t token, const struct store_disk *disk)
{
    must(disk->type == DISK_DELETE || disk->type == DISK_LIST || disk->offset % STORE_BLOCK == 0);
    must(disk->type == DISK_LIST || disk->len % STORE_BLOCK == 0);
    must((uintptr_t)disk->data % STORE_BLOCK == 0);
    must((uintptr_t)disk->into % STORE_BLOCK == 0);
    store_emit(s, &(struct store_effect){.type = STORE_DO_DISK, .token = token, .disk = *disk});
}

static void ring_drain(struct store *s)
{
    while (s->ring_count > 0 && s->out->count < STORE_EFFECTS_MAX) {
        s->out->items[s->out->count++] = s->ring[s->ring_head];
        s->ring_head = (s->ring_head + 1) % s->ring_cap;
        s->ring_count--;
    }
}

static void step_op(struct store *s, const struct store_event *ev)
{
    const struct store_op *op = &ev->op.op;
    if (op->type != STORE_CONFIRM) {
        task_submit(s, ev->op.token, op);
        return;
    }
    struct store_region key = {op->extent, (uint32_t)(op->offset / STORE_REGION)};
    journal_confirm(s, &key, op->len);
}

static void step_disk(struct store *s, const struct store_event *ev)
{
    if (ev->disk.token == TOKEN_START)
        recover_disk(s, ev->disk.result, ev->disk.count);
    else if (ev->disk.token == TOKEN_JOURNAL)
        journal_disk(s, ev->disk.result);
    else
        task_disk(s, ev->disk.token, ev->disk.result, ev->disk.count);
}

void store_step(struct store *s, const struct store_event *ev, struct store_effects *out)
{
    must(out->count == 0);
    s->out = out;
    ring_drain(s);
    switch (ev->type) {
    case STORE_EV_START: recover_start(s, ev); break;
    case STORE_EV_OP: step_op(s, ev); break;
    case STORE_EV_DISK: step_disk(s, ev); break;
    case STORE_EV_TICK: break;
    }
    journal_pump(s);
    s->out = NULL;
}

uint64_t store_next_deadline(const struct store *s)
{
    return s->ring_count > 0 ? 0 : DEADLINE_NEVER;
}

uint32_t store_room(const struct store *s) { return s->config.ops_max - s->tasks_used; }

void store_stats(const struct store *s, struct store_stats *out)
{
    *out = s->stats;
    out->ops = s->tasks_used;
    for (uint32_t i = 0; i < s->journal.slots_count; i++) {
        out->hot += s->journal.slots[i].state == SLOT_HOT;
        out->pinned += s->journal.slots[i].pins > 0;
    }
}
