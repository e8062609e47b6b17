#pragma once
/* The services behind the named pipes of IPC$: what a call is answered from, and what it wants
 * done.
 *
 *   stub, facts ──► handler ──┬──► the reply's stub
 *                             └──► order ──► carried out elsewhere ──► outcome
 *   stub, facts, outcome ──► the same handler ──► the reply's stub
 *
 * A handler is a function of its arguments and keeps nothing (context handles excepted), so it is
 * simply called again when there is an outcome, or when the reply needs a larger buffer. */
#include "proto/base/arena.h"
#include "proto/rpc/dcerpc.h"
#include "proto/smb/dtyp.h"
#include "proto/smb/status.h"

/* ---- facts: all text is UTF-8 and borrowed ----------------------------------------------------
 */

struct rpc_grant {
    struct sid sid;
    uint32_t access; /* file access mask */
    bool deny;
};

struct rpc_share {
    struct slice name, comment;
    struct slice volume, path; /* below the volume, '/' separated; no volume: IPC$ */
    uint32_t type;             /* STYPE_*; the cluster bits never reach the wire */
    uint32_t flags_1005;       /* SHI1005_FLAGS_* */
    uint32_t uses_max, uses;   /* UINT32_MAX: without limit */
    uint32_t grant_count;
};

struct rpc_user {
    struct slice name;
    struct sid sid;
    bool administrator;
};

struct rpc_session {
    struct slice client; /* its address */
    struct slice user;
    uint32_t opens, seconds, idle_seconds;
    bool guest;
};

struct rpc_file {
    uint32_t id, locks;
    uint32_t permissions; /* PERM_FILE_*, [MS-SRVS] 2.2.4.7 */
    struct slice path, user;
};

struct rpc_connection {
    uint32_t id, type, opens, seconds;
    struct slice user, client, share;
};

struct rpc_facts {
    struct slice server_name; /* also the name of the domain that the cluster's users are in */
    struct slice address;     /* where this client reached the server */
    struct sid domain_sid;
    struct {
        struct slice domain, name;
        struct sid sid;
        bool administrator;
    } caller;
    uint64_t now;     /* FILETIME */
    uint64_t started; /* FILETIME */
    struct {
        uint32_t sessions, opens;
        uint64_t sent, received;
    } counted;

    const void *context; /* for the functions */
    uint32_t share_count, user_count;
    void (*share)(const void *context, uint32_t at, struct rpc_share *out);
    /* False when it cannot be told what the grant is. */
    bool (*grant)(const void *context, uint32_t share, uint32_t at, struct rpc_grant *out);
    bool (*user)(const void *context, uint32_t at, struct rpc_user *out);
};

/* ---- orders -----------------------------------------------------------------------------------
 */

enum rpc_order_kind {
    RPC_LIST_SESSIONS, /* what this node has, from index `begin` on, RPC_LIST_MAX at most */
    RPC_LIST_FILES,    /* the same, or only `file_id` unless that is 0 */
    RPC_LIST_CONNECTIONS,
    RPC_END_SESSIONS, /* those of `client` and `user`, where given; outcome.count: how many */
    RPC_CLOSE_FILE,   /* `file_id` */
    RPC_SHARE_ADD,    /* `share`, `grants` */
    RPC_SHARE_SET,    /* `fields` of `share`, `grants` */
    RPC_SHARE_REMOVE, /* share.name */
};

/* What RPC_SHARE_SET changes. */
#define RPC_SHARE_COMMENT 1u
#define RPC_SHARE_GRANTS 2u
#define RPC_SHARE_FLAGS 4u
#define RPC_SHARE_USES 8u

struct rpc_order {
    enum rpc_order_kind kind;
    struct rpc_share share;
    const struct rpc_grant *grants; /* share.grant_count of them */
    uint32_t fields;
    struct slice client, user; /* empty: any */
    uint32_t file_id, begin;
};

#define RPC_LIST_MAX 4096u

struct rpc_outcome {
    ntstatus status;
    uint32_t count; /* of the list, or of what was ended or closed */
    bool more;      /* there is more behind the list's end */
    const struct rpc_session *sessions;
    const struct rpc_file *files;
    const struct rpc_connection *connections;
};

/* ---- context handles --------------------------------------------------------------------------
 */

#define RPC_HANDLES_MAX 64u /* of one pipe */
#define RPC_HANDLE_SIZE 20u /* attributes and UUID, [C706] 14.3.8 ndr_context_handle */

/* A handle is its slot and a number never used twice on the pipe; nobody else's pipe knows it. */
struct rpc_handles {
    uint32_t last;
    struct {
        uint32_t number; /* 0: free */
        uint32_t kind;   /* the service's own */
        uint32_t value;
    } slots[RPC_HANDLES_MAX];
};

/* Writes a new handle; false when all are in use (a null handle is written). */
bool rpc_handle_open(struct rpc_handles *h, uint32_t kind, uint32_t value, struct writer *w);
/* Reads one: true when it is open and of that kind; `value` may be NULL. */
bool rpc_handle_read(const struct rpc_handles *h, uint32_t kind, struct reader *r, uint32_t *value);
/* Reads one of any kind and closes it; false when it is not open. */
bool rpc_handle_close(struct rpc_handles *h, struct reader *r);

/* ---- services ---------------------------------------------------------------------------------
 */

/* One call being answered. */
struct rpc_ask {
    struct reader r; /* the stub */
    const struct rpc_facts *facts;
    const struct rpc_outcome *outcome; /* NULL: nothing was ordered yet */
    struct rpc_handles *handles;
    struct arena *scratch; /* lives until the call is answered: orders borrow from it */
    struct writer *w;
    struct rpc_order order;
};

/* What a handler may return beside fault statuses. */
#define RPC_ANSWERED UINT32_C(0)
#define RPC_ORDERED                                                                                \
    UINT32_C(0xFFFFFFFF) /* ask->order is to be carried out; nothing was written                   \
                          */

typedef uint32_t rpc_handler(struct rpc_ask *a);

struct rpc_service {
    const char *name, *address;
    struct rpc_interface interface;
    rpc_handler *const *handlers; /* by opnum; NULL: not served */
    uint32_t handler_count;
};

extern const struct rpc_service srvsvc_service, wkssvc_service, lsarpc_service, samr_service;

/* By the name of its pipe, in any case, with or without "PIPE\"; NULL: there is none. */
const struct rpc_service *rpc_service_find(const char *pipe);
/* RPC_ANSWERED, RPC_ORDERED or a fault. Sets a->r from `stub`. */
uint32_t rpc_service_call(const struct rpc_service *service, uint16_t opnum, struct slice stub,
                          struct rpc_ask *a);

/* ---- what services share ----------------------------------------------------------------------
 */

#define RPC_TEXT_MAX 1024u /* longest string argument, UTF-16 units with terminator */

/* The server's name that most calls begin with, and that means nothing ([MS-SRVS] 2.2.1.1). */
void rpc_skip_server_name(struct rpc_ask *a);
/* [unique, string]: empty when the pointer is null. UTF-16LE. */
struct slice rpc_read_text(struct rpc_ask *a);
/* The same as UTF-8; {0} and a->scratch->failed without memory. */
struct slice rpc_text(struct rpc_ask *a, struct slice utf16);
/* Without regard to case. */
bool rpc_text_is(struct rpc_ask *a, struct slice utf8, struct slice utf16);
/* What is still unread is an error of the stub? RPC_ANSWERED or RPC_FAULT_NDR. */
uint32_t rpc_end(const struct rpc_ask *a);
