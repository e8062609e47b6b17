#pragma once
/* One server-side connection of connection-oriented DCE/RPC ([C706] chapter 12, [MS-RPCE]), pure.
 *
 * Bytes and outcomes come in as events, what must be done leaves as effects. The same core serves a
 * named pipe (no authentication of its own) and ncacn_ip_tcp (authentication by GSSAPI, which runs
 * in a worker thread: at most one GSS effect of a connection is under way at any time, so sequence
 * numbers stay in order).
 *
 *   BYTES ──► PDU whole ──► bind/alter ──► [GSS_ACCEPT] ──► SEND bind_ack
 *                      └──► request ──► [GSS_UNWRAP] ──► last fragment: CALL ──► ... REPLY
 *                                                          SEND ◄── [GSS_WRAP] per fragment ◄──┘
 *
 * Only NDR20 is spoken: NDR64 and bind-time feature negotiation are refused per context as the
 * specification wants. Whatever is not understood costs the connection, nothing else. */
#include "proto/base/bytes.h"
#include "proto/base/mem.h"

#define RPC_FRAG_MAX 5840u       /* longest request or response PDU, both ways, as Windows has it */
#define RPC_FRAG_MIN 1432u       /* [C706] 12.6.2 MustRecvFragSize */
#define RPC_BIND_MAX 32768u      /* longest bind: a Kerberos ticket with many groups is large */
#define RPC_REQUEST_MAX 65536u   /* longest stub of a request, all fragments */
#define RPC_REPLY_MAX (4u << 20) /* longest stub of a reply */
#define RPC_CONTEXTS_MAX 16u     /* presentation contexts of one connection */
#define RPC_CALLS_MAX 16u        /* calls of one connection in progress */
#define RPC_EFFECTS_MAX 8u

/* Authentication levels, [MS-RPCE] 2.2.1.1.8. */
#define RPC_LEVEL_NONE 1u
#define RPC_LEVEL_CONNECT 2u
#define RPC_LEVEL_PKT 4u
#define RPC_LEVEL_INTEGRITY 5u
#define RPC_LEVEL_PRIVACY 6u

/* Authentication services, [MS-RPCE] 2.2.1.1.7. */
#define RPC_AUTHN_NONE 0u
#define RPC_AUTHN_NEGOTIATE 9u
#define RPC_AUTHN_NTLM 10u
#define RPC_AUTHN_KERBEROS 16u

/* Fault statuses, [C706] appendix E and [MS-ERREF]. */
#define RPC_FAULT_ACCESS_DENIED UINT32_C(0x00000005)
#define RPC_FAULT_OP_RANGE UINT32_C(0x1c010002)          /* nca_s_op_rng_error */
#define RPC_FAULT_UNKNOWN_INTERFACE UINT32_C(0x1c010003) /* nca_s_unk_if */
#define RPC_FAULT_PROTOCOL UINT32_C(0x1c01000b)          /* nca_s_proto_error */
#define RPC_FAULT_NO_MEMORY UINT32_C(0x1c00001b)         /* nca_s_fault_remote_no_memory */
#define RPC_FAULT_CONTEXT UINT32_C(0x1c00001a)           /* nca_s_fault_context_mismatch */
#define RPC_FAULT_CANCEL UINT32_C(0x1c00000d)            /* nca_s_fault_cancel */
#define RPC_FAULT_NDR UINT32_C(0x000006f7)               /* RPC_X_BAD_STUB_DATA */

/* Win32 codes that calls return in their stubs, [MS-ERREF] 2.2. */
#define WERR_OK UINT32_C(0)
#define WERR_ACCESS_DENIED UINT32_C(0x00000005)
#define WERR_INVALID_HANDLE UINT32_C(0x00000006)
#define WERR_NOT_ENOUGH_MEMORY UINT32_C(0x00000008)
#define WERR_NOT_READY UINT32_C(0x00000015)
#define WERR_NOT_SUPPORTED UINT32_C(0x00000032)
#define WERR_INVALID_PARAMETER UINT32_C(0x00000057)
#define WERR_INVALID_NAME UINT32_C(0x0000007b)
#define WERR_INVALID_LEVEL UINT32_C(0x0000007c)
#define WERR_MORE_DATA UINT32_C(0x000000ea)
#define WERR_NO_MORE_ITEMS UINT32_C(0x00000103)
#define WERR_NOT_FOUND UINT32_C(0x00000490)
#define WERR_REVISION_MISMATCH UINT32_C(0x0000051a)
#define WERR_TIMEOUT UINT32_C(0x000005b4)
#define WERR_NO_SYSTEM_RESOURCES UINT32_C(0x000005aa)
#define WERR_INVALID_STATE UINT32_C(0x0000139f)
#define NERR_UNKNOWN_DEV_DIR UINT32_C(0x00000844)
#define NERR_DUPLICATE_SHARE UINT32_C(0x00000846)
#define NERR_BUF_TOO_SMALL UINT32_C(0x0000084b)
#define NERR_USER_NOT_FOUND UINT32_C(0x000008ad)
#define NERR_NET_NAME_NOT_FOUND UINT32_C(0x00000906)
#define NERR_DEVICE_NOT_SHARED UINT32_C(0x00000907)
#define NERR_CLIENT_NAME_NOT_FOUND UINT32_C(0x00000908)
#define NERR_FILE_ID_NOT_FOUND UINT32_C(0x0000090a)
#define NERR_INVALID_COMPUTER UINT32_C(0x0000092f)

struct rpc_interface {
    uint8_t uuid[16]; /* as on the wire, little-endian fields */
    uint16_t major, minor;
};

struct rpc_config {
    const struct rpc_interface *interfaces; /* lives as long as the connection */
    uint32_t interface_count;
    uint32_t assoc_group; /* not 0: the id given to a client that asks for a new group */
    const char
        *secondary_address; /* of the bind_ack: "49152", "\\PIPE\\srvsvc"; at most 63 bytes */
    bool auth;              /* whether security contexts are accepted at all */
};

enum rpc_event_kind {
    RPC_EVENT_BYTES,         /* `bytes`, at most rpc_conn_room() of them */
    RPC_EVENT_GSS_ACCEPTED,  /* outcome of GSS_ACCEPT: ok, done, `bytes` = token to send */
    RPC_EVENT_GSS_UNWRAPPED, /* outcome of GSS_UNWRAP: ok */
    RPC_EVENT_GSS_WRAPPED,   /* outcome of GSS_WRAP: ok */
    RPC_EVENT_REPLY,         /* answer to `call`: `bytes` is the stub */
    RPC_EVENT_FAULT,         /* answer to `call`: `fault` */
    RPC_EVENT_RESUME,        /* the previous effects had `more` */
};

struct rpc_event {
    enum rpc_event_kind kind;
    struct slice bytes;
    uint32_t call;         /* as in the CALL effect */
    uint32_t fault;        /* RPC_FAULT_* */
    bool ok;               /* the GSS library agreed */
    bool done;             /* the security context is complete */
    bool can_sign_headers; /* GSS_ACCEPTED: header signing is possible with this mechanism */
    uint16_t token_size;   /* GSS_ACCEPTED with done: length of auth_value from now on */
};

/* A PDU to protect or verify, in the connection's own memory, which is not touched until the
 * outcome has been reported: a worker may use it. */
struct rpc_pdu {
    uint8_t *at;
    uint16_t head_len;  /* signed only, with header signing */
    uint16_t data_len;  /* follows the head: signed, and sealed at level PRIVACY */
    uint16_t tail_len;  /* follows the data: sec_trailer, signed only, with header signing */
    uint16_t token_len; /* follows the tail */
    bool seal, header_sign;
};

enum rpc_effect_kind {
    RPC_EFFECT_SEND,       /* `bytes` to the peer, in order */
    RPC_EFFECT_GSS_ACCEPT, /* step the security context with `bytes`; `fresh`: begin a new one */
    RPC_EFFECT_GSS_UNWRAP, /* verify and unseal `pdu` in place */
    RPC_EFFECT_GSS_WRAP,   /* sign and seal `pdu` in place, write its token */
    RPC_EFFECT_CALL,       /* dispatch: `call`, `interface`, `opnum`, `bytes` = stub */
    RPC_EFFECT_CANCEL,     /* `call` is no longer wanted: do not answer it */
    RPC_EFFECT_CLOSE,      /* after what was sent: close; no events afterwards */
};

/* Slices are the connection's memory: SEND is good until its next step, CALL until the call is
 * answered or cancelled, GSS_ACCEPT until its outcome is reported. At most one SEND a step. */
struct rpc_effect {
    enum rpc_effect_kind kind;
    struct slice bytes;
    struct rpc_pdu pdu;
    uint32_t call;      /* unique on the connection among calls in progress */
    uint32_t interface; /* index into config.interfaces */
    uint16_t opnum;
    uint8_t auth_type, auth_level; /* RPC_AUTHN_*, RPC_LEVEL_*: of the security context in force */
    bool fresh;
};

struct rpc_effects {
    struct rpc_effect list[RPC_EFFECTS_MAX];
    uint32_t count;
    bool more; /* step again with RPC_EVENT_RESUME after these were done */
};

struct rpc_conn;

/* NULL when memory is refused. `mem` and what `config` points to must outlive the connection. */
struct rpc_conn *rpc_conn_new(struct mem *mem, const struct rpc_config *config);
/* Accepts NULL. Not while a worker still uses what a GSS effect named. Calls in progress are
 * forgotten. */
void rpc_conn_free(struct rpc_conn *c);
/* How many bytes the next BYTES event may carry; 0: stop reading until some later step. */
size_t rpc_conn_room(const struct rpc_conn *c);
/* True while a GSS effect's outcome has not been reported. */
bool rpc_conn_busy(const struct rpc_conn *c);
/* The association group in force: the client's own wish or config.assoc_group; 0 before the
 * bind. */
uint32_t rpc_conn_assoc_group(const struct rpc_conn *c);
/* Takes one event, fills `out` (it is overwritten). A reply to a call that is no longer there is
 * ignored. A reply that cannot be stored becomes a fault. */
void rpc_conn_step(struct rpc_conn *c, const struct rpc_event *event, struct rpc_effects *out);

/* Writes a UUID's canonical text (36 characters and NUL). */
void rpc_uuid_text(const uint8_t uuid[16], char text[37]);
