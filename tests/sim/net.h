#pragma once
/* The network: connections that are reliable and in order until they break, and hosts that cannot
 * always reach each other.
 *
 *   net_dial ──► connecting ──► up at both ends ──► down at each end, at its own time
 *
 * A message is delivered after the link's latency, never before those sent earlier on the same
 * connection; different connections overtake each other. While a direction between two hosts is
 * blocked nothing arrives; what was sent arrives after the block, unless an end has given up
 * meanwhile: each end does so by itself after a while (by_peer = false). An end that closes, or
 * whose process dies, is seen by the other end (by_peer = true) when word of it gets through. A
 * machine without power says nothing. Connections are messages' pipes here, so framing is not
 * simulated; nothing calls back during a call into the network. */
#include "tests/sim/world.h"

enum service { SERVICE_RAFT, SERVICE_CONTROL, SERVICE_PEER, SERVICE_SMB };

struct conn;

/* What the owner of one end is told. */
struct net_calls {
    void (*up)(void *owner, struct conn *c);
    void (*down)(void *owner, struct conn *c, bool by_peer);
    void (*message)(void *owner, struct conn *c, struct slice bytes);
};

/* A process that can be reached: asked when a connection arrives, tells who owns it (`*calls`,
 * `*owner`); false refuses. */
struct listener {
    struct proc *proc;
    bool (*accept)(void *ctx, struct conn *c, enum service service, const struct net_calls **calls,
                   void **owner);
    void *ctx;
};

enum end_state { END_NONE, END_UP, END_GONE };

struct message;

struct conn_end {
    struct proc *proc;
    uint64_t life;
    enum end_state state;
    const struct net_calls *calls;
    void *owner;
    uint64_t user; /* the owner's */
    /* what this end has sent and has not arrived */
    struct message *first, **last;
    uint64_t last_due_ns;
    bool stalled;
};

struct conn {
    uint64_t id; /* never reused */
    struct conn *next;
    enum service service;
    struct listener *to;
    struct conn_end end[2]; /* 0 dialled, 1 accepted */
};

struct net_options {
    uint64_t least_ns, most_ns;   /* latency */
    uint32_t slow_per_mille;      /* messages that take ten times as long */
    uint32_t dial_lost_per_mille; /* connection attempts nobody hears of */
};

struct net {
    struct net_options options;
    struct conn *conns;
    uint64_t next_id;
    bool blocked[HOSTS][HOSTS]; /* from, to */
    uint64_t blocked_since[HOSTS][HOSTS];
    uint64_t messages, bytes, dials, breaks;
};

struct net *net_new(void);
void net_free(struct net *n);

/* The end of `c` that belongs to `proc`. */
struct conn_end *net_end(struct conn *c, const struct proc *proc);
struct conn_end *net_other(struct conn *c, const struct conn_end *e);

struct net_dial {
    struct proc *from;
    struct listener *to;
    enum service service;
    const struct net_calls *calls;
    void *owner;
    uint64_t user;
};
/* Up or down is told later. */
struct conn *net_dial(struct world *w, const struct net_dial *d);
/* Copies the parts into one message; nothing happens on an end that is not up. */
void net_send(struct world *w, struct conn *c, const struct proc *from, struct slice head,
              struct slice body);
/* This end closes; what it sent before still arrives. It is told nothing more. */
void net_close(struct world *w, struct conn *c, const struct proc *from);
/* The process is gone. `silent`: its machine went with it, nobody tells the other ends. */
void net_process_died(struct world *w, const struct proc *p, bool silent);
/* From `from` to `to` nothing passes, or passes again. */
void net_block(struct world *w, uint32_t from, uint32_t to, bool blocked);
void net_heal(struct world *w);
/* One end of some connection gives it up. */
void net_break_one(struct world *w);
