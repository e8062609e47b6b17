/* What a task does once it may run: one function a stage, each starts disk effects or goes on to
 * the next. Edges that do not fill their block are read first and written as whole blocks; the
 * order of tasks (task.c) makes that safe. A torn rewrite of an edge block cannot harm the
 * neighbours: old and new bytes are the same there. */
#include "node/store/store_int.h"

#include <string.h>

enum { BITS = STORE_REGION / STORE_BLOCK };

static bool aligned(const struct task *t)
{
    uint64_t memory = (uintptr_t)t->op.data | (uintptr_t)t->op.into;
    return (t->op.offset | t->op.len | memory) % STORE_BLOCK == 0;
}

static bool needs_bounce(const struct task *t)
{
    switch (t->op.type) {
    case STORE_READ:
    case STORE_WRITE: return !aligned(t);
    case STORE_ZERO: return (t->op.offset | t->op.len) % STORE_BLOCK != 0;
    case STORE_HASH: return true;
    case STORE_MAP:
    case STORE_LIST:
    case STORE_DELETE:
    case STORE_CONFIRM: return false;
    }
    return false;
}

static struct store_file file_of(const struct task *t)
{
    return (struct store_file){STORE_FILE_EXTENT, t->op.extent};
}

/* Are all blocks of the task known to be allocated? */
static bool space_known(const struct task *t)
{
    for (uint64_t at = t->from / STORE_BLOCK; at < t->to / STORE_BLOCK; at++) {
        uint64_t bit = at % BITS;
        if ((t->slot->allocated[bit / 64] >> (bit % 64) & 1) == 0)
            return false;
    }
    return true;
}

static void space_set(struct task *t, uint64_t from, uint64_t to, bool known)
{
    for (uint64_t at = from / STORE_BLOCK; at < to / STORE_BLOCK; at++) {
        uint64_t bit = at % BITS, mask = UINT64_C(1) << (bit % 64);
        uint64_t *word = &t->slot->allocated[bit / 64];
        *word = known ? *word | mask : *word & ~mask;
    }
}

static void start_write(struct store *s, struct task *t)
{
    sm_move(&t->sm, TASK_WORKING);
    const uint8_t *data = t->op.data;
    if (t->bounce != NULL) {
        memcpy(t->bounce + (t->op.offset - t->from), t->op.data, t->op.len);
        data = t->bounce;
        s->stats.bounced++;
    }
    s->stats.writes++, s->stats.written_bytes += t->op.len;
    task_disk_effect(s, t,
                     &(struct store_disk){.type = DISK_WRITE,
                                          .file = file_of(t),
                                          .offset = t->from,
                                          .len = t->to - t->from,
                                          .data = data});
}

static void read_block(struct store *s, struct task *t, uint64_t offset, uint8_t *into)
{
    task_disk_effect(s, t,
                     &(struct store_disk){.type = DISK_READ,
                                          .file = file_of(t),
                                          .offset = offset,
                                          .len = STORE_BLOCK,
                                          .into = into});
}

/* The blocks of which only a part is written: to where they belong in the bounce buffer (WRITE), or
 * to its first two blocks (ZERO). */
static void start_filling(struct store *s, struct task *t)
{
    sm_move(&t->sm, TASK_FILLING);
    bool head = t->op.offset != t->from;
    bool tail = t->op.offset + t->op.len != t->to;
    bool zero = t->op.type == STORE_ZERO;
    uint64_t last = t->to - STORE_BLOCK;
    if (head)
        read_block(s, t, t->from, t->bounce);
    if (tail && !(head && last == t->from))
        read_block(s, t, last, zero ? t->bounce + STORE_BLOCK : t->bounce + (last - t->from));
    if (t->disk_pending == 0)
        work_continue(s, t);
}

static bool all_zero(const uint8_t *at)
{
    return at[0] == 0 && memcmp(at, at + 1, STORE_BLOCK - 1) == 0;
}

/* An edge block of a ZERO: only one that holds anything is written, and that one is allocated. */
static void zero_edge(struct store *s, struct task *t, uint64_t block, uint8_t *bytes)
{
    uint64_t end = t->op.offset + t->op.len;
    uint64_t from = t->op.offset > block ? t->op.offset - block : 0;
    uint64_t to = end < block + STORE_BLOCK ? end - block : STORE_BLOCK;
    if (all_zero(bytes))
        return;
    memset(bytes + from, 0, to - from);
    task_disk_effect(s, t,
                     &(struct store_disk){.type = DISK_WRITE,
                                          .file = file_of(t),
                                          .offset = block,
                                          .len = STORE_BLOCK,
                                          .data = bytes});
}

static void start_zero(struct store *s, struct task *t)
{
    sm_move(&t->sm, TASK_WORKING);
    bool head = t->op.offset != t->from;
    bool tail = t->op.offset + t->op.len != t->to;
    uint64_t last = t->to - STORE_BLOCK;
    uint64_t from = head ? t->from + STORE_BLOCK : t->from;
    uint64_t to = tail ? last : t->to;
    s->stats.writes++;
    if (head)
        zero_edge(s, t, t->from, t->bounce);
    if (tail && !(head && last == t->from))
        zero_edge(s, t, last, t->bounce + STORE_BLOCK);
    if (from < to) {
        space_set(t, from, to, false);
        task_disk_effect(
            s, t,
            &(struct store_disk){
                .type = DISK_PUNCH, .file = file_of(t), .offset = from, .len = to - from});
    }
    if (t->disk_pending == 0)
        task_done(s, t);
}

static void start_read(struct store *s, struct task *t)
{
    sm_move(&t->sm, TASK_WORKING);
    s->stats.reads++, s->stats.read_bytes += t->op.len;
    task_disk_effect(s, t,
                     &(struct store_disk){.type = DISK_READ,
                                          .file = file_of(t),
                                          .offset = t->from,
                                          .len = t->to - t->from,
                                          .into = t->bounce != NULL ? t->bounce : t->op.into});
}

static void start_reserving(struct store *s, struct task *t)
{
    sm_move(&t->sm, TASK_RESERVING);
    task_disk_effect(
        s, t,
        &(struct store_disk){
            .type = DISK_RESERVE, .file = file_of(t), .offset = t->from, .len = t->to - t->from});
}

static void start_map(struct store *s, struct task *t)
{
    sm_move(&t->sm, TASK_WORKING);
    task_disk_effect(s, t,
                     &(struct store_disk){.type = DISK_MAP,
                                          .file = file_of(t),
                                          .offset = t->from,
                                          .len = t->to - t->from,
                                          .ranges = t->op.ranges});
}

/* DELETE and LIST: one disk effect, as it is. */
static void start_other(struct store *s, struct task *t)
{
    sm_move(&t->sm, TASK_WORKING);
    bool list = t->op.type == STORE_LIST;
    if (!list)
        journal_forget_space(s, t->op.extent.volume, t->op.extent.inode);
    task_disk_effect(s, t,
                     &(struct store_disk){.type = list ? DISK_LIST : DISK_DELETE,
                                          .file = file_of(t),
                                          .len = list ? STORE_LIST_MAX : 0,
                                          .entries = t->op.entries});
}

/* The task has its buffer, if it needs one. */
void work_bounced(struct store *s, struct task *t)
{
    switch (t->op.type) {
    case STORE_WRITE:
        if (!space_known(t))
            start_reserving(s, t);
        else if (t->bounce != NULL)
            start_filling(s, t);
        else
            start_write(s, t);
        break;
    case STORE_ZERO:
        if (t->bounce != NULL)
            start_filling(s, t);
        else
            start_zero(s, t);
        break;
    case STORE_READ:
    case STORE_HASH: start_read(s, t); break;
    case STORE_MAP: start_map(s, t); break;
    case STORE_LIST:
    case STORE_DELETE: start_other(s, t); break;
    case STORE_CONFIRM:
        must(t->op.type != STORE_CONFIRM); /* is no task */
        break;
    }
}

static void want_bounce(struct store *s, struct task *t)
{
    sm_move(&t->sm, TASK_BOUNCING);
    if (!needs_bounce(t)) {
        work_bounced(s, t);
    } else if (s->bounces_free > 0) {
        t->bounce = s->bounces[--s->bounces_free];
        work_bounced(s, t);
    } else {
        list_push_back(&s->bounce_wait, &t->in_queue);
    }
}

void work_start(struct store *s, struct task *t)
{
    if (t->op.type != STORE_WRITE && t->op.type != STORE_ZERO) {
        want_bounce(s, t);
        return;
    }
    sm_move(&t->sm, TASK_HEATING);
    if (journal_heat(s, t))
        want_bounce(s, t);
}

static void finish(struct store *s, struct task *t)
{
    if (t->outcome.result == STORE_OK && t->op.type == STORE_READ && t->bounce != NULL)
        memcpy(t->op.into, t->bounce + (t->op.offset - t->from), t->op.len);
    if (t->outcome.result == STORE_OK && t->op.type == STORE_HASH)
        layout_hash128(t->bounce + (t->op.offset - t->from), t->op.len, t->op.seed,
                       t->outcome.hash);
    if (t->outcome.result == STORE_OK && t->op.type == STORE_MAP)
        ranges_clip(t->op.ranges, t->op.offset, t->op.offset + t->op.len);
    task_done(s, t);
}

/* What the task waited for is there; its disk effects, if any, have all come back. */
void work_continue(struct store *s, struct task *t)
{
    if (t->outcome.result != STORE_OK) {
        task_done(s, t);
        return;
    }
    switch ((enum task_state)t->sm.state) {
    case TASK_HEATING: want_bounce(s, t); break;
    case TASK_RESERVING:
        space_set(t, t->from, t->to, true);
        if (t->bounce != NULL)
            start_filling(s, t);
        else
            start_write(s, t);
        break;
    case TASK_FILLING:
        if (t->op.type == STORE_ZERO)
            start_zero(s, t);
        else
            start_write(s, t);
        break;
    case TASK_WORKING: finish(s, t); break;
    case TASK_QUEUED:
    case TASK_BOUNCING:
    case TASK_STATES:
        must(t->sm.state == TASK_WORKING); /* nothing was asked for */
        break;
    }
}
