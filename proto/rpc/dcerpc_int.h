#pragma once
/* Inside of proto/rpc's connection: dcerpc.c is the machine, its calls and replies; dcerpc_bind.c
 * what begins a connection: bind, alter_context, auth3 and the security context. */
#include "proto/rpc/dcerpc_pdu.h"

enum call_state { CALL_FREE, CALL_RECEIVING, CALL_DISPATCHED, CALL_REPLYING, CALL_FAULTING };

struct rpc_call {
    enum call_state state;
    uint32_t token;   /* names the call to the shell; never reused on a connection soon */
    uint32_t call_id; /* names it to the client */
    uint16_t context_id, opnum;
    uint32_t interface, fault;
    uint8_t *buffer; /* the request's stub, later the reply's */
    size_t len, cap, sent;
};

enum gss_state { GSS_IDLE, GSS_ACCEPTING, GSS_UNWRAPPING, GSS_WRAPPING };
enum auth_state { AUTH_NONE, AUTH_STARTED, AUTH_DONE, AUTH_FAILED };

struct rpc_conn {
    struct mem *mem;
    struct rpc_config config;
    bool bound, dead;
    uint32_t assoc_group;
    uint16_t max_xmit;
    struct {
        uint16_t id;
        uint32_t interface;
    } contexts[RPC_CONTEXTS_MAX];
    uint32_t context_count;

    enum gss_state gss;
    enum auth_state auth;
    uint8_t auth_type, auth_level;
    uint32_t auth_context_id;
    bool header_sign;
    uint16_t token_size;

    struct rpc_bind bind; /* the one being answered */
    struct rpc_header header;
    struct rpc_call calls[RPC_CALLS_MAX];
    struct rpc_call *sending; /* whose fragments are going out */
    uint32_t last_token;

    size_t input_len, input_cap; /* the PDU at the front stays in place while GSS works on it */
    uint8_t *input;
    struct writer output;
    uint8_t output_bytes[RPC_BIND_MAX];
};

/* Invariant: while gss != IDLE neither the front PDU nor output_bytes is touched. */

/* Appends an effect; there must be room. */
struct rpc_effect *rpc_effect_add(struct rpc_effects *out, enum rpc_effect_kind kind);
/* The connection is over; what was sent before still goes out. */
void rpc_emit_close(struct rpc_conn *c, struct rpc_effects *out);
/* An empty `output`, then SEND of what was written to it. Not while GSS works on it. */
void rpc_output_reset(struct rpc_conn *c);
void rpc_emit_output(struct rpc_conn *c, struct rpc_effects *out);
/* A fault to the PDU at the front. */
void rpc_emit_fault(struct rpc_conn *c, uint16_t context_id, uint32_t status,
                    struct rpc_effects *out);
/* The whole PDU that is dealt with, and its end. */
struct slice rpc_front_pdu(const struct rpc_conn *c);
void rpc_drop_front_pdu(struct rpc_conn *c);

/* The PDUs of dcerpc_bind.c, and the outcome of the security step they may wait for. */
void rpc_on_bind(struct rpc_conn *c, struct rpc_effects *out);
void rpc_on_alter_context(struct rpc_conn *c, struct rpc_effects *out);
void rpc_on_auth3(struct rpc_conn *c, struct rpc_effects *out);
void rpc_on_gss_accepted(struct rpc_conn *c, const struct rpc_event *e, struct rpc_effects *out);
