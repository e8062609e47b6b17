#pragma once
/* One node as a pure core: the switchboard between its parts. Each effect of one part becomes an
 * event of another, or leaves through the sink.
 *
 *   clients ⇄ smb ──IO──► replication ──► store ⇄ disk
 *              │               │  ▲
 *              └─META─► control ◄─┘  └─► peers
 *                          ⇅
 *                     coordinators
 *
 * Within a step the parts take turns from one queue, so none is entered twice. The sink is called
 * during the step with each thing that must be done outside; what it is shown is borrowed for the
 * call. It must not step the node. Buffers (of received frames, of data read) belong to the node
 * and are known by handles. */
#include "node/control/control.h"
#include "node/replication/replication.h"
#include "node/smb/smb.h"
#include "node/store/store.h"
#include "proto/base/trace.h"

enum node_event_type {
    NODE_EV_START,   /* first event, once */
    NODE_EV_SMB,     /* CONNECT, DISCONNECT, FRAME, AUTH, INTERFACES of smb.h */
    NODE_EV_CONTROL, /* LINK_UP, LINK_DOWN, MESSAGE of control.h */
    NODE_EV_PEER_UP,
    NODE_EV_PEER_DOWN,
    NODE_EV_PEER, /* one frame from another node */
    NODE_EV_DISK, /* outcome of a NODE_DO_DISK */
    NODE_EV_TICK,
};

struct node_event {
    enum node_event_type type;
    uint64_t now_ns;
    uint64_t filetime;
    uint64_t entropy[4];
    union {
        const struct smb_event *smb;         /* time and entropy are filled in by the node */
        const struct control_event *control; /* likewise */
        struct {
            uint32_t node_id;
            uint64_t session;
        } link;
        struct {
            uint32_t node_id;
            uint64_t session;
            struct slice control, data; /* data lies in buf, unless buf is {0} */
            handle buf;
        } peer;
        struct {
            uint64_t token;
            enum store_result result;
            uint64_t count;
        } disk;
    };
};

enum node_effect_type {
    NODE_DO_SMB_SEND, /* to a client; see smb.h. The sink ends with node_buffer_put(send.buf) */
    NODE_DO_SMB_CLOSE,
    NODE_DO_AUTH,
    NODE_DO_CONTROL, /* CONNECT, DISCONNECT, SEND of control.h */
    NODE_DO_PEER,    /* a message to another node */
    NODE_DO_DISK,
    NODE_DO_CONFIG,  /* for the shell: peers to link with, users for the key file */
    NODE_DO_LEASE,   /* for the log and the status */
    NODE_DO_REFUSED, /* the store's directory must not be used: stop */
};

struct node_effect {
    enum node_effect_type type;
    union {
        const struct smb_effect *smb;
        const struct control_effect *control;
        struct {
            uint32_t node_id;
            uint64_t session;
            struct slice control, data;
        } peer;
        struct {
            uint64_t token;
            const struct store_disk *op;
        } disk;
        const Fl__ClusterConfig *config;
        bool lease_valid;
        const char *why;
    };
};

struct node_sink {
    void (*effect)(void *ctx, const struct node_effect *e);
    void *ctx;
};

struct node_config {
    uint32_t node_id;
    uint8_t cluster_id[16];
    uint64_t incarnation; /* rises with every start */
    const char *const *coordinators;
    size_t coordinator_count;
    struct smb_config smb;
    struct store_config store;
    struct replication_config replication;
    uint64_t buffer_bytes_max; /* of all buffers together */
};

struct node;

/* NULL when memory is refused. `config`, `mem` and `sink` outlive it. */
struct node *node_new(struct mem *mem, const struct node_config *config,
                      const struct node_sink *sink);
/* Accepts NULL. */
void node_free(struct node *n);
void node_step(struct node *n, const struct node_event *ev);
/* When a TICK is wanted at the latest; 0: at once. */
uint64_t node_next_deadline(const struct node *n);

/* How full the disk under the store is: for the cluster's figures. */
void node_space(struct node *n, uint64_t free_bytes, uint64_t total_bytes);

/* A buffer of at least `len` bytes, aligned to STORE_BLOCK; {0} when the budget is spent. */
handle node_buffer_get(struct node *n, size_t len, uint8_t **at);
/* Lets go; safe with {0} and with what is gone. */
void node_buffer_put(struct node *n, handle buf);

struct node_stats {
    struct smb_stats smb;
    struct store_stats store;
    struct replication_stats replication;
    bool lease, serving;
    const char *trouble; /* why the line to the coordinators is not up; "" */
};
void node_stats(const struct node *n, struct node_stats *out);
/* For the simulator's oracles. */
const struct replication *node_replication(const struct node *n);
/* Every invariant of every part; fails by must(). */
void node_check(const struct node *n);
