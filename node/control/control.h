#pragma once
/* A node's line to the coordinators: finds the leader, registers, keeps the node's lease, carries
 * commands and queries, and hands down the cluster's configuration and notices. A pure core.
 *
 *        ┌──────────── LINK_DOWN, NotLeader, silence ─────────────┐
 *        ▼                                                        │
 *     waiting ──deadline──► connecting ──LINK_UP──► greeting ──Welcome──► serving
 *
 * What a lost line means for the lease. The leader declares a node down when its lease has run out,
 * or at once when it sees the node's end of the connection close: then the process is gone. So
 * whenever this side ends a connection it gives up its lease first; a connection that the other
 * side ended leaves the lease as it is until it runs out (a coordinator died, data I/O goes on),
 * and so does one on which no leader can have taken our Hello: it was never sent, or NotLeader
 * came.
 *
 * Commands are numbered; after a lost line those without an answer are sent again, in order, and
 * the coordinator's memory of (node, incarnation, sequence) makes that harmless. When the cluster
 * has declared this node down meanwhile, its opens are gone: the node takes a new incarnation, a
 * new life without a new process, fails what was under way and says STATE_LOST. */
#include "proto/base/arena.h"
#include "proto/cluster/control.pb-c.h"

enum {
    CONTROL_VERSION = 1,
    CONTROL_COORDINATORS_MAX = 16,
    CONTROL_PENDING_MAX = 4096, /* commands and queries without an answer; more are refused */
    CONTROL_WINDOW = 1000,      /* commands on the line; the coordinator remembers 1024 */
};

struct control_config {
    uint32_t node_id;
    uint8_t cluster_id[16], store_id[16];
    uint64_t incarnation;            /* random, of this process */
    const char *const *coordinators; /* "address:port" */
    size_t coordinator_count;
    enum _Fl__Role role;
};

enum control_event_type {
    CONTROL_EV_LINK_UP,   /* the connection asked for stands, both ends authenticated */
    CONTROL_EV_LINK_DOWN, /* it does not stand, or no longer */
    CONTROL_EV_MESSAGE,   /* the control part of one frame */
    CONTROL_EV_COMMAND,
    CONTROL_EV_QUERY,
    CONTROL_EV_TICK,
};

struct control_event {
    enum control_event_type type;
    uint64_t now_ns;
    uint64_t entropy;
    union {
        struct {
            bool by_peer;
        } link_down; /* the other end closed or reset it, or never accepted */
        struct {
            struct slice bytes;
        } message;
        struct {
            uint64_t token;
            const Fl__Command *command;
        } command;
        struct {
            uint64_t token;
            const Fl__Query *query;
        } query;
    };
};

enum control_effect_type {
    CONTROL_DO_CONNECT,    /* to this coordinator; one connection at a time */
    CONTROL_DO_DISCONNECT, /* no LINK_DOWN follows */
    CONTROL_DO_SEND,       /* a whole frame */
    CONTROL_DO_REPLY,      /* to a COMMAND or QUERY: exactly one each, besides STATUS_PENDING */
    CONTROL_DO_CONFIG,
    CONTROL_DO_NOTICE,
    CONTROL_DO_LEASE, /* serve until then; 0: not at all */
    CONTROL_DO_STATE_LOST,
};

struct control_effect {
    enum control_effect_type type;
    union {
        struct {
            const char *address;
        } connect;
        struct {
            struct slice bytes;
        } send;
        struct {
            uint64_t token;
            const Fl__Reply *reply;
        } reply;
        struct {
            const Fl__ClusterConfig *config;
        } config; /* lives until the CONFIG after the next */
        struct {
            const Fl__Notice *notice;
        } notice;
        struct {
            uint64_t until_ns, session;
        } lease; /* session: Welcome.session it belongs to */
    };
};

/* Lives until the next step. */
struct control_effects {
    struct control_effect *items;
    uint32_t count, cap;
};

struct control;

/* `config` and what it points to is copied. NULL when memory is refused. */
struct control *control_new(struct mem *mem, const struct control_config *config);
/* Accepts NULL. */
void control_free(struct control *c);
/* The returned effects live in the core, until the next step. */
const struct control_effects *control_step(struct control *c, const struct control_event *ev);
uint64_t control_next_deadline(const struct control *c);
/* How full the node's disk is, for the leader; told with the next renewal of the lease. */
void control_space(struct control *c, uint64_t free_bytes, uint64_t total_bytes);
/* Why the line is not up, for status and logs: "", or e.g. what a coordinator refused with. */
const char *control_trouble(const struct control *c);
bool control_serving(const struct control *c);
void control_check(const struct control *c);
