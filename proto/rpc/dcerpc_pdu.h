#pragma once
/* The PDUs of connection-oriented DCE/RPC ([C706] 12.6), one at a time: decode what clients send,
 * encode what servers answer. No state; the state is in dcerpc.c. */
#include "proto/rpc/dcerpc.h"

#define RPC_HEADER_SIZE 16u
#define RPC_REQUEST_HEADER_SIZE 24u /* also of a response */
#define RPC_TRAILER_SIZE 8u         /* sec_trailer, [MS-RPCE] 2.2.2.11 */

enum rpc_ptype {
    RPC_REQUEST = 0,
    RPC_RESPONSE = 2,
    RPC_FAULT = 3,
    RPC_BIND = 11,
    RPC_BIND_ACK = 12,
    RPC_BIND_NAK = 13,
    RPC_ALTER_CONTEXT = 14,
    RPC_ALTER_CONTEXT_RESP = 15,
    RPC_AUTH3 = 16,
    RPC_CO_CANCEL = 18,
    RPC_ORPHANED = 19,
};

#define PFC_FIRST_FRAG 0x01u
#define PFC_LAST_FRAG 0x02u
#define PFC_SUPPORT_HEADER_SIGN 0x04u /* PFC_PENDING_CANCEL in requests */
#define PFC_DID_NOT_EXECUTE 0x20u
#define PFC_OBJECT_UUID 0x80u

struct rpc_header {
    uint8_t ptype, flags;
    uint16_t frag_len, auth_len;
    uint32_t call_id;
};

/* The sec_trailer and what it guards. */
struct rpc_trailer {
    uint8_t auth_type, auth_level, pad_len;
    uint32_t context_id;
    struct slice token;
};

/* A presentation context as offered, and as judged. */
struct rpc_offer {
    uint16_t context_id;
    uint16_t result, reason;  /* [C706] 12.6.3.1 p_result_t, [MS-RPCE] 2.2.2.4 */
    uint32_t interface;       /* index when accepted */
    bool feature_negotiation; /* answered with an empty bit mask, 3.3.1.5.3 */
};

#define RPC_RESULT_ACCEPT 0u
#define RPC_RESULT_PROVIDER_REJECT 2u
#define RPC_RESULT_NEGOTIATE_ACK 3u
#define RPC_REASON_ABSTRACT_SYNTAX 1u
#define RPC_REASON_TRANSFER_SYNTAXES 2u

struct rpc_bind {
    uint16_t max_xmit, max_recv;
    uint32_t assoc_group;
    uint32_t offer_count;
    struct rpc_offer offers[RPC_CONTEXTS_MAX];
};

struct rpc_request {
    uint16_t context_id, opnum;
    uint16_t stub_at; /* offset of the stub in the PDU; it ends before the trailer */
};

/* False: not a version 5.0 little-endian PDU, or its lengths cannot be. `bytes` holds at least
 * RPC_HEADER_SIZE. */
bool rpc_header_decode(struct slice bytes, struct rpc_header *out);
/* The trailer of a whole PDU whose header has auth_len > 0. */
bool rpc_trailer_decode(struct slice pdu, const struct rpc_header *h, struct rpc_trailer *out);
/* bind and alter_context: every context is judged against the configuration. */
bool rpc_bind_decode(struct slice pdu, const struct rpc_config *config, struct rpc_bind *out);
bool rpc_request_decode(struct slice pdu, const struct rpc_header *h, struct rpc_request *out);

/* A whole bind_ack or alter_context_resp; `trailer` NULL without authentication. */
struct rpc_ack {
    uint8_t ptype, flags;
    uint32_t call_id;
    const struct rpc_bind *bind;
    uint32_t assoc_group;
    const char *secondary_address;
    const struct rpc_trailer *trailer;
};
void rpc_ack_encode(const struct rpc_ack *ack, struct writer *w);
void rpc_nak_encode(uint32_t call_id, uint16_t reason, struct writer *w);
void rpc_fault_encode(uint32_t call_id, uint16_t context_id, uint32_t status, struct writer *w);
/* The common header; frag_len and auth_len are patched by rpc_pdu_end. */
void rpc_pdu_begin(struct writer *w, uint8_t ptype, uint8_t flags, uint32_t call_id);
void rpc_pdu_end(struct writer *w, uint16_t auth_len);
void rpc_trailer_encode(const struct rpc_trailer *t, struct writer *w);
