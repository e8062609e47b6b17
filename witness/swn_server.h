#pragma once
/* The witness service, pure: RPC calls and cluster changes in, answers out ([MS-SWN] 3.1.4).
 *
 *   CALL ────► decode ──► registry ──► answer now, or the call waits
 *   CLUSTER ─► interfaces and shares as the coordinator tells them ──► waiting calls are answered
 *   TIME ────► keep-alives and unused registrations
 *
 * After each step the shell drains swn_server_next(). */
#include "witness/registry.h"

#define SWN_WAITERS_MAX 1024u /* GetInterfaceList calls that wait for an interface */

struct swn_share {
    const char *name; /* UTF-8 */
    bool scale_out;
};

/* The cluster as it is now; borrowed for the step. */
struct swn_cluster {
    const char *name; /* UTF-8; clients must ask for it, or for it with a domain behind */
    const struct registry_interface *interfaces;
    uint32_t interface_count;
    const struct swn_share *shares;
    uint32_t share_count;
};

enum swn_event_kind {
    SWN_EVENT_CALL,       /* token, group, opnum, stub, auth_level, entropy */
    SWN_EVENT_CANCEL,     /* token: not to be answered */
    SWN_EVENT_GROUP_GONE, /* group: its last connection has closed */
    SWN_EVENT_CLUSTER,    /* cluster */
    SWN_EVENT_MOVE,       /* from, to: whoever is registered at `from` shall go to `to` */
    SWN_EVENT_TIME,
};

struct swn_event {
    enum swn_event_kind kind;
    uint64_t now_ns;
    uint64_t token; /* not 0; names the call in its answer */
    uint64_t group;
    uint16_t opnum;
    uint8_t auth_level; /* RPC_LEVEL_* */
    struct slice stub;
    uint8_t entropy[16];
    const struct swn_cluster *cluster;
    struct swn_address from, to;
};

/* One answer. `stub` is the server's memory, valid until the next call of any of its functions. */
struct swn_answer {
    uint64_t token;
    uint32_t fault; /* a fault status, or 0 and: */
    struct slice stub;
};

struct swn_server;

/* NULL when memory is refused. `seed` is entropy. */
struct swn_server *swn_server_new(struct mem *mem, uint64_t seed);
/* Accepts NULL. */
void swn_server_free(struct swn_server *s);
void swn_server_step(struct swn_server *s, const struct swn_event *event);
/* The next answer, or false when all were given. */
bool swn_server_next(struct swn_server *s, uint64_t now_ns, struct swn_answer *out);
uint64_t swn_server_next_deadline(const struct swn_server *s);
/* For status displays and tests. */
const struct registry *swn_server_registry(const struct swn_server *s);
