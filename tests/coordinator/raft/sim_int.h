#pragma once
/* The inside of the simulated cluster: sim_cluster.c runs it, sim_node.c is one server's shell,
 * sim_faults.c is what goes wrong. */
#include "proto/base/must.h"
#include "tests/coordinator/raft/sim_cluster.h"
#include "tests/coordinator/raft/sim_disk.h"

#define MS UINT64_C(1000000)
#define NODES_MAX 16
#define INDEX_MAX 65536
#define TOKENS_MAX 65536
#define STATE_BYTES 32 /* index, chain, count, hash of these */

struct state {
    uint64_t index, chain, count;
};

struct node {
    uint64_t id;                /* 0: this place is free */
    struct raft_engine *engine; /* NULL: down */
    struct raft_effects fx;
    struct mem mem;
    struct sim_disk disk;
    enum raft_start_as as;
    uint64_t restart_ns; /* while down; UINT64_MAX: never again */
    struct state state, saved;
    uint64_t saving; /* index of the snapshot being handed over, 0: none */
    uint64_t save_ns;
    size_t save_pad;     /* bytes of filling, so that snapshots take several chunks */
    uint64_t read_token; /* FILE_READ to answer */
    struct raft_effect read_effect;
    uint64_t read_ns;
    uint64_t paused_ns; /* the whole process stands still until then; 0: it does not */
    bool lost_disk, stopped;
};

struct link {
    bool up;
    uint64_t up_ns, stall_ns; /* when it comes back; nothing arrives before */
    uint64_t last_due_ns[2];
};

struct message {
    size_t from, to;
    uint64_t due_ns, seq;
    uint8_t *bytes;
    size_t len;
};

struct entry_seen {
    uint64_t term, command, chain;
};

struct sim {
    const struct sim_options *options;
    struct sim_result *result;
    struct prng prng;
    uint64_t now_ns, end_ns, calm_ns, fault_ns, client_ns, change_ns, member_ns;
    uint32_t net_ms, disk_ms, crash_weight, partition_weight, fatal_weight;
    struct raft_engine_config config;
    struct node nodes[NODES_MAX];
    size_t node_count, first_count;
    struct link links[NODES_MAX][NODES_MAX]; /* [lower][higher] */
    uint32_t side;                           /* bit set of the nodes on one side of a partition */
    uint64_t heal_ns;
    struct message *net;
    size_t net_count, net_cap;
    uint64_t net_seq;
    struct entry_seen log[INDEX_MAX]; /* by index; term 0: not seen, or no command */
    uint64_t leader_of[INDEX_MAX];    /* by term */
    uint64_t token, acked_index, acked_count;
    uint64_t command_of[TOKENS_MAX], floor_of[TOKENS_MAX]; /* by token */
    uint64_t last_commit_ns, last_read_ns;
    uint64_t next_id;
    bool elected; /* somebody was, just now */
    bool broken;
};

void sim_violation(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* sim_node.c */
void node_init(struct sim *s, struct node *n, uint64_t id, enum raft_start_as as);
void node_start(struct sim *s, struct node *n);
/* Power off; `restart_ns` says until when. */
void node_crash(struct sim *s, struct node *n, uint64_t restart_ns);
void node_fini(struct node *n);
/* Gives it an event and carries out what it answers. */
void node_step(struct sim *s, struct node *n, const struct raft_engine_event *event);
/* Everything of this node that is due. */
void node_run(struct sim *s, struct node *n);
uint64_t node_due(const struct node *n);
struct node *node_leader(struct sim *s);
struct node *node_of(struct sim *s, uint64_t id);

/* sim_cluster.c */
void client_read(struct sim *s, struct node *n);

/* sim_faults.c */
void fault_some(struct sim *s);
void change_some(struct sim *s);
/* The worst moment for a change: a leader was just elected; and the network breaks right after. */
void change_at_election(struct sim *s);
struct link *link_of(struct sim *s, size_t a, size_t b);
void link_down(struct sim *s, size_t a, size_t b, uint64_t until_ns);
void links_run(struct sim *s);
