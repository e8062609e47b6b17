#pragma once
/* The structs behind store.h. A task is one operation in progress:
 *
 *   QUEUED ──► HEATING ──► BOUNCING ──► RESERVING ──► FILLING ──► WORKING ──► (gone)
 *   waits for  WRITE and   waits for a  WRITE: space  unaligned   the disk
 *   earlier    ZERO: the   1 MiB buffer for blocks    edges are   does it
 *   tasks that intent is   when needed  not known to  read first
 *   share a    recorded                 be allocated
 *   block */
#include "node/store/layout.h"
#include "node/store/store.h"
#include "proto/base/list.h"
#include "proto/base/must.h"
#include "proto/base/pool.h"
#include "proto/base/sm.h"

enum task_state {
    TASK_QUEUED,
    TASK_HEATING,
    TASK_BOUNCING,
    TASK_RESERVING,
    TASK_FILLING,
    TASK_WORKING,
    TASK_STATES
};

struct task {
    struct list in_bucket; /* store.buckets[inode]: in order of submission */
    struct list in_queue;  /* of what it waits for: starved, a slot's waiters, bounce_wait, held */
    struct sm sm;
    uint64_t token;
    struct store_op op;
    uint64_t from, to; /* the blocks it touches: aligned [from, to) */
    uint32_t generation, blockers, disk_pending;
    uint8_t *bounce;   /* NULL while it has none */
    struct slot *slot; /* WRITE, ZERO: the hot region, pinned */
    struct store_outcome outcome;
    bool live;
};

enum slot_state { SLOT_EMPTY, SLOT_WANTED, SLOT_WRITING, SLOT_HOT };

/* One of the hot regions. WANTED: for the next transaction. WRITING: in the one under way. */
struct slot {
    struct store_region key; /* inode 0: none */
    enum slot_state state;
    uint32_t pins;
    struct list waiters; /* tasks in TASK_HEATING */
    struct list in_age;  /* HOT: store.aging, least recently used first; EMPTY: store.empty */
    struct slot *next_hash;
    uint64_t allocated[STORE_REGION / STORE_BLOCK / 64]; /* blocks known to need no space */
};

enum { STORE_BUCKETS = 1024 };

enum store_phase {
    PHASE_NEW,
    PHASE_READ_IDENTITY,
    PHASE_READ_JOURNAL,
    PHASE_WRITE_JOURNAL,
    PHASE_WRITE_IDENTITY,
    PHASE_READY,
    PHASE_REFUSED
};

struct journal {
    struct slot *slots;
    uint32_t slots_count, recovered_count;
    struct slot *hash[STORE_BUCKETS];
    struct list empty, aging, wanted; /* wanted: slots in state WANTED, by in_age */
    struct list starved;              /* tasks for which no slot is free: all are pinned */
    struct list writing;              /* slots of the transaction under way */
    struct store_region *recovered;   /* slots_count of room */
    uint8_t *block;                   /* STORE_BLOCK, aligned */
    uint64_t sequence;                /* of the last durable transaction */
    bool busy;
    bool broken; /* the last transaction failed: wait for someone to want it again */
};

struct store {
    struct mem *mem;
    struct store_config config;
    enum store_phase phase;
    uint8_t store_id[STORE_ID], cluster_id[STORE_ID];
    bool fresh;
    struct task *tasks; /* ops_max */
    uint32_t tasks_used;
    struct list free_tasks, held; /* held: submitted before READY */
    struct list buckets[STORE_BUCKETS];
    uint8_t *bounce_memory, *bounce_base;
    uint8_t **bounces;
    uint32_t bounces_free;
    struct list bounce_wait;
    struct journal journal;
    struct store_effect *ring; /* effects that wait for room */
    uint32_t ring_cap, ring_head, ring_count;
    struct store_stats stats;
    struct store_effects *out; /* of the step in progress */
};

/* Tokens of the store's own disk effects; a task's are (index + 1) << 32 | generation. */
#define TOKEN_START UINT64_MAX
#define TOKEN_JOURNAL (UINT64_MAX - 1)

/* store.c */
void store_emit(struct store *s, const struct store_effect *e);
void store_disk(struct store *s, uint64_t token, const struct store_disk *disk);

/* recover.c: identity and journal at the start. */
void recover_start(struct store *s, const struct store_event *ev);
void recover_disk(struct store *s, enum store_result result, uint64_t count);

/* journal.c */
bool journal_init(struct store *s);
void journal_fini(struct store *s);
/* Pins the task's region. True when it is hot already; else task_hot or task_fail comes later. */
bool journal_heat(struct store *s, struct task *t);
/* Takes pins away; unknown regions are ignored (their extents were deleted). */
void journal_confirm(struct store *s, const struct store_region *key, uint64_t pins);
/* Starts the next transaction when one is wanted and none is under way. */
void journal_pump(struct store *s);
void journal_disk(struct store *s, enum store_result result);
/* The allocation of an inode's regions is not known any more. */
void journal_forget_space(struct store *s, uint32_t volume, uint64_t inode);
/* A fresh journal: JOURNAL_BYTES of empty transactions. */
void journal_format(struct store *s, uint8_t *bytes);
/* False when it is damaged. */
bool journal_load(struct store *s, const uint8_t *bytes);

/* task.c */
void task_submit(struct store *s, uint64_t token, const struct store_op *op);
void task_unheld(struct store *s);
void task_hot(struct store *s, struct task *t);
void task_fail(struct store *s, struct task *t, enum store_result result);
void task_disk(struct store *s, uint64_t token, enum store_result result, uint64_t count);
/* work.c: what a task does once it may run, stage by stage. */
void work_start(struct store *s, struct task *t);
void work_bounced(struct store *s, struct task *t);
void work_continue(struct store *s, struct task *t);
void task_done(struct store *s, struct task *t);
void task_disk_effect(struct store *s, struct task *t, const struct store_disk *disk);

static inline bool region_equal(const struct store_region *a, const struct store_region *b)
{
    return a->extent.inode == b->extent.inode && a->extent.index == b->extent.index &&
           a->region == b->region && a->extent.group == b->extent.group &&
           a->extent.volume == b->extent.volume;
}
