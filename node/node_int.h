#pragma once
/* What the files of the switchboard share: the parts, and the queue of events between them.
 *
 *   node.c   life, steps, deadlines      route.c   each effect of one part becomes an event of
 * another */
#include "node/buffers.h"
#include "node/node.h"
#include "proto/base/must.h"
#include "proto/base/pool.h"
#include "proto/cluster/pack.h"
#include <string.h>

/* An event on its way from one part to another, within a step. */
enum work_type { WORK_SMB, WORK_REPLICATION, WORK_STORE, WORK_COMMAND, WORK_QUERY };

struct work {
    struct work *next;
    enum work_type type;
    uint64_t token; /* COMMAND, QUERY */
    union {
        struct smb_event smb;
        struct rep_event rep;
        struct store_event store;
        const Fl__Command *command;
        const Fl__Query *query;
    };
};

struct queue {
    struct work *first, **last;
};

/* Whose reply is it? */
enum meta_asker { META_SMB, META_REPLICATION };
struct meta_token {
    enum meta_asker asker;
    uint64_t token;
};

struct io_token {
    uint64_t smb_token;
    handle buf; /* READ */
    uint8_t *at;
    size_t len;
};

struct node {
    struct mem *mem;
    struct node_config config;
    struct node_sink sink;
    struct smb *smb;
    struct control *control; /* NULL until the store is ready: its identity is in the Hello */
    struct replication *replication;
    struct store *store;
    struct buffers buffers;
    struct table metas, ios;
    struct pool meta_pool, io_pool;
    struct queue queue;
    struct queue store_waiting; /* until the store has room; copied out of the step's arena */
    struct arena arena;
    uint64_t now_ns, filetime, entropy[4];
    uint64_t lease_until_ns, lease_session, config_session;
    bool smb_lease, refused;
    /* One list each, reused: a part is stepped only when its former effects are dealt with. */
    struct smb_effects *smb_effects;
    struct rep_effects *rep_effects;
    struct store_effects *store_effects;
};

/* node.c */
void queue_put(struct queue *q, struct work *w);
/* NULL when empty. */
struct work *queue_take(struct queue *q);
/* A place at the end of the step's queue, in the step's arena. */
struct work *enqueue(struct node *n, enum work_type type);
struct smb_event *to_smb(struct node *n, enum smb_event_type type);
struct rep_event *to_replication(struct node *n, enum rep_event_type type);

/* route.c: one step of a part, and all its effects */
void step_smb(struct node *n, struct smb_event *ev);
void step_replication(struct node *n, struct rep_event *ev);
void step_control(struct node *n, struct control_event *ev);
/* Steps the store, or keeps the operation until the store has room. */
void submit_store(struct node *n, struct work *w);
/* Operations that waited for room. */
void drain_waiting(struct node *n);
/* Notices that the right to serve begins, or has run out. */
void refresh_lease(struct node *n);
