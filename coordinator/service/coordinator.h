#pragma once
/* One coordinator as a pure core: the Raft engine, the metadata state machine, and the service for
 * nodes, witnesses and administrators between them.
 *
 *   clients ──CLIENT_*──► ┌─────────────┐ ──SUBMIT, READ──► ┌─────────────┐ ◄──► peers, disk
 *           ◄──SEND, CLOSE│ service     │ ◄─APPLY, READY─── │ raft engine │
 *                         └──────┬──────┘                   └─────────────┘
 *                          meta_apply, meta_query
 *
 * Only the leader serves; the others say NotLeader. Queries are answered after a ReadIndex round.
 *
 * Node leases live in the leader's memory. A request is granted after a ReadIndex round that began
 * when it arrived, and counts at the node from when it was sent; so a new leader that waits one
 * lease time after its election before it declares a silent node down honours every lease the old
 * one can have granted. A node's connection that the node's end closed means its process is gone:
 * then NodeDown is proposed at once, for that session only. */
#include "coordinator/meta/meta.h"
#include "coordinator/raft/raft.h"
#include "proto/cluster/control.pb-c.h"

enum {
    COORDINATOR_CLIENTS_MAX = 1024,
    COORDINATOR_LEASE_MS = 3000,
    COORDINATOR_REQUESTS_MAX = 65536, /* commands and queries under way, all clients together */
};

/* Who a client's certificate says it is. */
struct coordinator_peer {
    Fl__Role role;    /* ROLE_JOINING: no certificate */
    const char *name; /* the node's name, or the administrator's */
    uint32_t node_id; /* 0: not a node */
};

enum coordinator_event_type {
    COORDINATOR_EV_RAFT, /* any event of the Raft engine, as it is */
    COORDINATOR_EV_CLIENT_UP,
    COORDINATOR_EV_CLIENT_DOWN,
    COORDINATOR_EV_CLIENT_MESSAGE, /* the control part of one frame */
    COORDINATOR_EV_SIGNED,         /* outcome of COORDINATOR_DO_SIGN */
    COORDINATOR_EV_TICK,
};

struct coordinator_event {
    enum coordinator_event_type type;
    uint64_t now_ns;     /* monotonic */
    uint64_t filetime;   /* wall clock, stamps commands */
    uint64_t entropy[2]; /* fresh, every event */
    union {
        const struct raft_engine_event *raft; /* its now_ns is the same */
        struct {
            uint64_t client;
            struct coordinator_peer peer;
        } client_up;
        struct {
            uint64_t client;
            bool by_peer;
        } client_down; /* by_peer: their end closed it */
        struct {
            uint64_t client;
            struct slice bytes;
            struct slice token_hash; /* SHA-256 of a JoinRequest's token, else empty */
        } message;
        struct {
            uint64_t client;
            struct slice cert_pem;
        } signed_; /* empty: could not be signed */
    };
};

enum coordinator_effect_type {
    COORDINATOR_DO_RAFT,  /* SEND, FILE_*, SYNC, FILE_READ, FATAL of the Raft engine */
    COORDINATOR_DO_SEND,  /* a whole frame to a client */
    COORDINATOR_DO_CLOSE, /* after what was sent has left; no CLIENT_DOWN follows */
    COORDINATOR_DO_SIGN,  /* sign a joining machine's request with the cluster's CA */
    COORDINATOR_DO_ROLE,  /* for the log */
};

struct coordinator_effect {
    enum coordinator_effect_type type;
    union {
        const struct raft_effect *raft;
        struct {
            uint64_t client;
            struct slice bytes;
        } send;
        struct {
            uint64_t client;
        } close;
        struct {
            uint64_t client;
            struct slice csr_pem, ca_key_pem, ca_cert_pem;
            const char *name, *address;
            uint32_t node_id;
        } sign;
        struct {
            enum raft_role role;
            uint64_t term, leader;
        } role;
    };
};

struct coordinator_effects {
    struct coordinator_effect *items;
    uint32_t count, cap;
};

struct coordinator_config {
    struct raft_engine_config raft;
    /* Applied by the first leader of a new cluster; NULL when this coordinator joins an old one. */
    const Fl__ClusterInit *init;
    /* Reads [offset, offset+len) of a complete snapshot file, now. A state machine can only be
     * replaced by bytes at hand; everything else about files goes through effects. */
    bool (*read_file)(void *ctx, struct raft_file file, uint64_t offset, uint8_t *to, size_t len);
    void *read_file_ctx;
    uint32_t planted; /* enum meta_planted; 0 outside the simulator */
};

struct coordinator;

/* `mem`, `trace` (may be NULL) and what config points to outlive it. NULL when memory is refused.
 */
struct coordinator *coordinator_new(struct mem *mem, const struct coordinator_config *config,
                                    struct trace *trace);
/* Accepts NULL. */
void coordinator_free(struct coordinator *c);
/* The effects live in the core until the next step; carry them out in order. */
const struct coordinator_effects *coordinator_step(struct coordinator *c,
                                                   const struct coordinator_event *ev);
uint64_t coordinator_next_deadline(const struct coordinator *c);
/* For status, tests and the simulator's oracles. */
const struct meta *coordinator_meta(const struct coordinator *c);
const struct raft_engine *coordinator_raft(const struct coordinator *c);
bool coordinator_leads(const struct coordinator *c);
void coordinator_check(const struct coordinator *c);
