/* Tasks: which may run. Tasks of one inode are in one bucket, in order of submission; a task counts
 * the earlier ones it must wait for, and each that finishes counts the later ones down. */
#include "node/store/store_int.h"

#include "proto/base/prng.h"

static const struct sm_state task_table[TASK_STATES] = {
    [TASK_QUEUED] = {"queued", MAY(TASK_HEATING) | MAY(TASK_BOUNCING)},
    [TASK_HEATING] = {"heating", MAY(TASK_BOUNCING)},
    [TASK_BOUNCING] = {"bouncing", MAY(TASK_RESERVING) | MAY(TASK_FILLING) | MAY(TASK_WORKING)},
    [TASK_RESERVING] = {"reserving", MAY(TASK_FILLING) | MAY(TASK_WORKING)},
    [TASK_FILLING] = {"filling", MAY(TASK_WORKING)},
    [TASK_WORKING] = {"working", 0},
};

static struct list *bucket_of(struct store *s, const struct store_op *op)
{
    return &s->buckets[mix64(op->extent.inode) % STORE_BUCKETS];
}

static bool changes(const struct task *t)
{
    return t->op.type == STORE_WRITE || t->op.type == STORE_ZERO;
}

static bool conflict(const struct task *a, const struct task *b)
{
    const struct store_extent *x = &a->op.extent, *y = &b->op.extent;
    if (a->op.type == STORE_LIST || b->op.type == STORE_LIST)
        return false;
    if (x->inode != y->inode || x->volume != y->volume)
        return false;
    if (a->op.type == STORE_DELETE || b->op.type == STORE_DELETE)
        return true;
    if (x->index != y->index || x->group != y->group)
        return false;
    return (changes(a) || changes(b)) && a->from < b->to && b->from < a->to;
}

static uint64_t task_token(const struct store *s, const struct task *t)
{
    return (uint64_t)(t - s->tasks + 1) << 32 | t->generation;
}

static void check_op(const struct store_op *op)
{
    must(op->type != STORE_CONFIRM);
    if (op->type == STORE_LIST) {
        must(op->entries != NULL);
        return;
    }
    must(op->extent.inode != 0);
    if (op->type == STORE_DELETE)
        return;
    if (op->type == STORE_MAP) {
        must(op->ranges != NULL);
        must(op->len > 0 && op->len <= UINT64_MAX / 2 && op->offset <= UINT64_MAX / 2);
        return;
    }
    must(op->len > 0 && op->len <= STORE_REGION);
    must(op->offset / STORE_REGION == (op->offset + op->len - 1) / STORE_REGION);
    must(op->type != STORE_READ || op->into != NULL);
    must(op->type != STORE_WRITE || op->data != NULL);
}

void task_submit(struct store *s, uint64_t token, const struct store_op *op)
{
    check_op(op);
    must(!list_empty(&s->free_tasks));
    struct task *t = container_of(list_pop(&s->free_tasks), struct task, in_queue);
    *t = (struct task){.token = token, .op = *op, .live = true, .generation = t->generation + 1};
    list_init(&t->in_queue);
    sm_init(&t->sm, "store.task", task_table, TASK_STATES, TASK_QUEUED);
    t->from = op->offset / STORE_BLOCK * STORE_BLOCK;
    t->to = (op->offset + op->len + STORE_BLOCK - 1) / STORE_BLOCK * STORE_BLOCK;
    s->tasks_used++;
    struct list *bucket = bucket_of(s, op);
    list_each (it, bucket)
        t->blockers += conflict(container_of(it, struct task, in_bucket), t);
    list_push_back(bucket, &t->in_bucket);
    if (s->phase != PHASE_READY)
        list_push_back(&s->held, &t->in_queue);
    else if (t->blockers == 0)
        work_start(s, t);
}

void task_unheld(struct store *s)
{
    struct list *it;
    while ((it = list_pop(&s->held)) != NULL) {
        struct task *t = container_of(it, struct task, in_queue);
        if (t->blockers == 0)
            work_start(s, t);
    }
}

static void bounce_give_back(struct store *s, struct task *t)
{
    if (t->bounce == NULL)
        return;
    s->bounces[s->bounces_free++] = t->bounce;
    t->bounce = NULL;
    struct list *it = list_pop(&s->bounce_wait);
    if (it == NULL)
        return;
    struct task *next = container_of(it, struct task, in_queue);
    next->bounce = s->bounces[--s->bounces_free];
    work_bounced(s, next);
}

void task_done(struct store *s, struct task *t)
{
    must(t->live && t->disk_pending == 0);
    store_emit(
        s, &(struct store_effect){.type = STORE_DO_DONE, .token = t->token, .done = t->outcome});
    t->live = false;
    struct list *bucket = bucket_of(s, &t->op);
    for (struct list *it = t->in_bucket.next; it != bucket;) {
        struct task *later = container_of(it, struct task, in_bucket);
        it = it->next;
        if (!conflict(t, later))
            continue;
        must(later->blockers > 0);
        if (--later->blockers == 0)
            work_start(s, later);
    }
    list_remove(&t->in_bucket);
    list_remove(&t->in_queue);
    s->tasks_used--;
    bounce_give_back(s, t);
    list_push_back(&s->free_tasks, &t->in_queue);
}

void task_hot(struct store *s, struct task *t) { work_continue(s, t); }

void task_fail(struct store *s, struct task *t, enum store_result result)
{
    t->outcome.result = result;
    task_done(s, t);
}

void task_disk_effect(struct store *s, struct task *t, const struct store_disk *disk)
{
    t->disk_pending++;
    store_disk(s, task_token(s, t), disk);
}

void task_disk(struct store *s, uint64_t token, enum store_result result, uint64_t count)
{
    uint64_t index = (token >> 32) - 1;
    must(index < s->config.ops_max);
    struct task *t = &s->tasks[index];
    must(t->live && t->generation == (uint32_t)token && t->disk_pending > 0);
    t->disk_pending--;
    if (t->outcome.result == STORE_OK)
        t->outcome.result = result;
    if (t->op.type == STORE_LIST)
        t->outcome.count = (uint32_t)count;
    if (t->disk_pending == 0)
        work_continue(s, t);
}
