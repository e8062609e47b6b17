#pragma once
/* The cluster in the world: three machines, each with a coordinator and a node in processes of
 * their own, clients on hosts of their own, an administrator, the faults and the oracles.
 *
 *   client.c ──SMB──► node.c ⇄ node.c        admin.c ──► coordinator.c ⇄ coordinator.c
 *                        └──────control──────────────────────┘
 *   faults.c kills, stops, cuts off; oracle.c looks on */
#include "coordinator/service/coordinator.h"
#include "node/node.h"
#include "tests/coordinator/raft/sim_disk.h"
#include "tests/lib/simdisk.h"
#include "tests/sim/net.h"
#include "tests/sim/oracle.h"

enum {
    COORDINATOR_CLIENTS_HELD = 64,
    SMB_CONNS_MAX = 64,
    EXTENT_BYTES = 1 << 20,
    SPINS_MAX = 10000, /* ticks without time passing */
};

/* ---- one coordinator process (coordinator.c) ---- */

struct raft_link {
    struct conn *out, *in; /* we dialled, they dialled: each sends on its own */
    bool out_up;
};

struct coord_host {
    struct world *w;
    struct proc proc;
    struct listener listener;
    struct mem mem;
    struct coordinator *core; /* NULL while down */
    struct sim_disk disk;
    struct raft_link links[MACHINES + 1]; /* by raft id */
    struct conn *clients[COORDINATOR_CLIENTS_HELD];
    uint64_t timer_ns, disk_timer_ns; /* when armed events come */
    uint64_t steps;
    char address[8];
};

void coord_init(struct coord_host *h, struct world *w, uint32_t number);
void coord_start(struct coord_host *h);
void coord_crash(struct coord_host *h, bool silent);
void coord_fini(struct coord_host *h);

/* ---- one node process (node.c) ---- */

struct peer_link {
    struct conn *conn;
    bool up, wanted;
    uint64_t session;
};

struct node_host {
    struct world *w;
    struct proc proc;
    struct listener listener;
    struct process_heap heap;
    struct node *core; /* NULL while down */
    struct node_config config;
    struct simdisk disk;
    uint64_t disk_least_ns, disk_most_ns, disk_slow_until;
    bool disk_bad;                        /* it may refuse its directory */
    struct conn *line;                    /* to a coordinator */
    struct peer_link peers[MACHINES + 1]; /* by node id */
    struct conn *smb[SMB_CONNS_MAX];
    uint64_t next_session, timer_ns, steps, starts;
    uint64_t spin_ns; /* ticks at this one moment: */
    uint32_t spins;
};

void node_init(struct node_host *h, struct world *w, uint32_t number);
void node_start(struct node_host *h);
void node_crash(struct node_host *h, bool silent);
void node_fini(struct node_host *h);

/* ---- clients (client.c, workload.c) and the administrator (admin.c) ----------------------------
 */

struct client;
struct client *client_new(struct world *w, uint32_t number);
void client_free(struct client *c);
void client_begin(struct client *c);
/* Only a few operations more. */
void client_last_work(struct client *c);
/* Every operation it was to do is done. */
bool client_finished(const struct client *c);
/* From now on: read every file through every node, then it has finished. */
void client_verify(struct client *c);
uint64_t client_operations(const struct client *c);
void client_tell(const struct client *c);

struct admin;
struct admin *admin_new(struct world *w);
void admin_free(struct admin *a);
/* Sets up a volume, a share and a user as soon as all nodes are up. */
void admin_begin(struct admin *a);
bool admin_finished(const struct admin *a);

/* ---- faults (faults.c) -------------------------------------------------------------------------
 */

/* What may go wrong in this seed, each thing so often: drawn first (swarm). */
struct swarm {
    uint64_t mean_ns; /* between faults */
    uint32_t kill_node, kill_coordinator, power, partition, isolate, one_way, pause, reset,
        slow_disk;
    uint32_t on_write; /* per mille of writes that something happens to */
    uint32_t burst;    /* per mille of faults that are followed by another at once */
    uint64_t down_most_ns, cut_most_ns, pause_most_ns;
};

void faults_draw(struct world *w, struct swarm *s);
void faults_begin(struct world *w);
/* A write is on its way: a good moment. */
void faults_write(struct world *w);
/* No more of them; everything that is down comes back, everything that is cut off heals. */
void faults_end(struct world *w);

/* ---- all of it ---- */

struct cluster {
    struct coord_host coords[MACHINES];
    struct node_host nodes[MACHINES];
    struct client *clients[CLIENTS_MAX];
    uint32_t client_count, replicas, groups, planted;
    uint32_t operations; /* of each client, at most */
    uint64_t safety_ns;  /* how long things go wrong */
    /* Of replication_config: safety must not rest on how these relate. */
    uint64_t grant_ns, link_grace_ns, member_timeout_ns, patience_ns;
    struct admin *admin;
    struct swarm swarm;
    struct oracle oracle;
    uint8_t id[16];
    bool faults;
    uint64_t crashes, cuts, pauses;
};
