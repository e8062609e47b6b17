#pragma once
/* The witness's memory ([MS-SWN] 3.1.1): which interfaces the cluster has, and which clients want
 * to hear about which of them. Pure: time comes with every call, in nanoseconds of any steady
 * clock.
 *
 *                     wait (AsyncNotify)            something to say, or keep-alive over
 *   registered ─────────────────────────► waiting ─────────────────────────────────────► registered
 *       │  30 s without a wait                                │ 5 s after a move was told,
 *       └───────────────► gone ◄──────────────────────────────┘ unregistered, connection lost
 *
 * What a client is told is queued per registration and coalesced: of a resource only the last
 * state, of moves only the last destination, so a client that sleeps costs a bounded amount. */
#include "proto/base/list.h"
#include "proto/base/map.h"
#include "proto/rpc/swn.h"

#define REGISTRY_INTERFACES_MAX 256u
#define REGISTRY_SHARES_MAX 4096u
#define REGISTRATIONS_MAX 16384u
#define REGISTRATIONS_PER_GROUP_MAX 64u /* of one client's association group */
#define REGISTRATION_CHANGES_MAX 16u    /* queued states, each of another interface */
#define REGISTRY_NAME_MAX 256u          /* bytes of one name, UTF-16LE */

#define REGISTRY_UNUSED_NS UINT64_C(30000000000) /* [MS-SWN] 3.1.5.1 <7> */
#define REGISTRY_KEEP_ALIVE_S 120u               /* for clients that ask for none */
/* A client that was told to move registers anew only when the old registration is ended for it. */
#define REGISTRY_AFTER_MOVE_NS UINT64_C(5000000000)

/* An interface of the cluster: a node's address. `local`: hosted on this witness's own machine. */
struct registry_interface {
    char group_name[64]; /* the node's name, UTF-8 */
    struct swn_address address;
    enum swn_state state;
    bool local;
};

struct registry_change {
    uint32_t interface_name; /* bytes used of name */
    uint8_t name[REGISTRY_NAME_MAX];
    enum swn_state state;
};

struct registration {
    struct list all,
        ready; /* in registry.registrations; in registry.ready while it has an answer */
    uint8_t key[16];
    uint64_t group; /* the client's association group: rundown follows it */
    uint32_t version;
    bool share_notification, ip_notification;
    struct swn_address address;
    uint8_t client_name[REGISTRY_NAME_MAX], share_name[REGISTRY_NAME_MAX];
    uint32_t client_name_len, share_name_len;
    uint64_t last_use_ns, keep_alive_ns; /* keep_alive_ns: DEADLINE_NEVER for version 1 */
    uint64_t end_ns;                     /* forced end after a move; DEADLINE_NEVER before */
    uint64_t waiter;                     /* token of the pending AsyncNotify; 0: none */
    struct registry_change changes[REGISTRATION_CHANGES_MAX];
    uint32_t change_count;
    bool move;                  /* to the addresses of group `move_to` */
    struct swn_address move_to; /* one of its addresses */
};

struct registry {
    struct mem *mem;
    struct map by_key;
    struct list registrations, ready;
    uint32_t count;
    struct registry_interface interfaces[REGISTRY_INTERFACES_MAX];
    uint32_t interface_count;
};

/* `seed` guards the key map. */
void registry_init(struct registry *r, struct mem *mem, uint64_t seed);
void registry_fini(struct registry *r);

/* The interfaces as they are now; copied. Registrations at an address whose state changed are told
 * ([MS-SWN] 3.1.6.1); an address that has vanished counts as unavailable. At most
 * REGISTRY_INTERFACES_MAX are kept. */
void registry_set_interfaces(struct registry *r, const struct registry_interface *list,
                             uint32_t count);
const struct registry_interface *registry_find_interface(const struct registry *r,
                                                         const struct swn_address *address);
/* Whether any interface is available: GetInterfaceList waits for that. */
bool registry_any_available(const struct registry *r);

struct registration_request {
    const struct swn_call *call; /* checked: version, names present and right */
    struct swn_address address;
    uint8_t key[16]; /* fresh entropy */
    uint64_t group, now_ns;
};
/* NULL when the limits or the memory are exhausted. */
struct registration *registry_add(struct registry *r, const struct registration_request *request);
/* NULL when there is none. */
struct registration *registry_find(struct registry *r, const uint8_t key[16]);
/* A pending waiter must have been answered or forgotten by the caller. */
void registry_remove(struct registry *r, struct registration *x);
/* The client's last connection is gone ([MS-SWN] 3.1.6.5): its registrations go, unanswered. */
void registry_drop_group(struct registry *r, uint64_t group);

/* An AsyncNotify begins to wait with `token` (not 0); its predecessor must have been answered. */
void registry_wait(struct registry *r, struct registration *x, uint64_t token, uint64_t now_ns);
/* The waiter with this token is no longer there. */
void registry_forget_waiter(struct registry *r, uint64_t token);

/* [MS-SWN] 3.1.6.2: clients registered at `from` are to move to `to`. How many that are. */
uint32_t registry_move(struct registry *r, const struct swn_address *from,
                       const struct swn_address *to, uint64_t now_ns);

enum registry_answer { REGISTRY_NOTIFY, REGISTRY_TIMEOUT, REGISTRY_ENDED };
struct registry_ready {
    uint64_t token;
    enum registry_answer answer;
    enum swn_message type; /* with NOTIFY: */
    uint32_t count;
};
/* The next waiter that has an answer at `now_ns`; false when there is none. With NOTIFY the
 * messages are written to `messages` and taken off the queue. Registrations that ended are removed
 * on the way. */
bool registry_next_ready(struct registry *r, uint64_t now_ns, struct writer *messages,
                         struct registry_ready *out);
/* When registry_next_ready may have something again by itself; DEADLINE_NEVER: only after an
 * event. */
uint64_t registry_next_deadline(const struct registry *r);
/* Every invariant of the structure, for tests. */
void registry_check(const struct registry *r);
