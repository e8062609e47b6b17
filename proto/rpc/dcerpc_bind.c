/* How a connection begins: presentation contexts are agreed on and, where there is authentication,
 * the security context is built ([MS-RPCE] 3.3.1.5.2). */
#include "proto/base/must.h"
#include "proto/rpc/dcerpc.h"
#include "proto/rpc/dcerpc_int.h"
#include <string.h>

/* [C706] 12.6.3.1 p_reject_reason_t and [MS-RPCE] 2.2.2.5. */
#define NAK_REASON_NOT_SPECIFIED 0u
#define NAK_PROTOCOL_VERSION 4u
#define NAK_AUTHENTICATION_TYPE 8u
#define NAK_INVALID_CHECKSUM 9u

#define PFC_CONC_MPX 0x10u

static void emit_nak(struct rpc_conn *c, uint16_t reason, struct rpc_effects *out)
{
    rpc_output_reset(c);
    rpc_nak_encode(c->header.call_id, reason, &c->output);
    rpc_emit_output(c, out);
    rpc_emit_close(c, out);
}

static void adopt_contexts(struct rpc_conn *c)
{
    for (uint32_t i = 0; i < c->bind.offer_count; i++) {
        struct rpc_offer *o = &c->bind.offers[i];
        if (o->result != RPC_RESULT_ACCEPT)
            continue;
        uint32_t at = 0;
        while (at < c->context_count && c->contexts[at].id != o->context_id)
            at++;
        if (at == RPC_CONTEXTS_MAX) {
            o->result = RPC_RESULT_PROVIDER_REJECT;
            o->reason = 3; /* local_limit_exceeded */
            continue;
        }
        c->context_count = at == c->context_count ? at + 1 : c->context_count;
        c->contexts[at].id = o->context_id;
        c->contexts[at].interface = o->interface;
    }
}

static void emit_ack(struct rpc_conn *c, struct slice token, struct rpc_effects *out)
{
    bool first = c->header.ptype == RPC_BIND;
    if (first) {
        c->bound = true;
        c->assoc_group = c->bind.assoc_group != 0 ? c->bind.assoc_group : c->config.assoc_group;
        c->max_xmit = c->bind.max_recv < RPC_FRAG_MAX ? c->bind.max_recv : RPC_FRAG_MAX;
    }
    adopt_contexts(c);
    struct rpc_trailer trailer = {.auth_type = c->auth_type,
                                  .auth_level = c->auth_level,
                                  .context_id = c->auth_context_id,
                                  .token = token};
    struct rpc_ack ack = {
        .ptype = first ? RPC_BIND_ACK : RPC_ALTER_CONTEXT_RESP,
        .flags = (uint8_t)(PFC_FIRST_FRAG | PFC_LAST_FRAG | (c->header.flags & PFC_CONC_MPX) |
                           (c->header_sign ? PFC_SUPPORT_HEADER_SIGN : 0)),
        .call_id = c->header.call_id,
        .bind = &c->bind,
        .assoc_group = c->assoc_group,
        .secondary_address = c->config.secondary_address,
        .trailer = token.len > 0 ? &trailer : NULL,
    };
    rpc_output_reset(c);
    rpc_ack_encode(&ack, &c->output);
    if (c->output.full || c->output.pos > UINT16_MAX) {
        rpc_emit_close(c, out);
        return;
    }
    rpc_emit_output(c, out);
}

static bool level_known(uint8_t level)
{
    return level == RPC_LEVEL_CONNECT || level == RPC_LEVEL_PKT || level == RPC_LEVEL_INTEGRITY ||
           level == RPC_LEVEL_PRIVACY;
}

static bool service_known(uint8_t type)
{
    return type == RPC_AUTHN_NEGOTIATE || type == RPC_AUTHN_NTLM || type == RPC_AUTHN_KERBEROS;
}

static void auth_ask(struct rpc_conn *c, struct slice token, bool fresh, struct rpc_effects *out)
{
    c->auth = AUTH_STARTED;
    c->gss = GSS_ACCEPTING;
    struct rpc_effect *e = rpc_effect_add(out, RPC_EFFECT_GSS_ACCEPT);
    e->bytes = token, e->fresh = fresh;
    e->auth_type = c->auth_type, e->auth_level = c->auth_level;
}

/* True when the PDU's further handling waits for the GSS library. */
static bool auth_continue(struct rpc_conn *c, const struct rpc_trailer *t, struct rpc_effects *out)
{
    bool same = t->auth_type == c->auth_type && t->auth_level == c->auth_level &&
                t->context_id == c->auth_context_id;
    if (c->auth != AUTH_STARTED || !same)
        return false;
    auth_ask(c, t->token, false, out);
    return true;
}

void rpc_on_bind(struct rpc_conn *c, struct rpc_effects *out)
{
    struct rpc_trailer t;
    if (c->bound || !rpc_bind_decode(rpc_front_pdu(c), &c->config, &c->bind) ||
        c->bind.max_recv < RPC_FRAG_MIN) {
        emit_nak(c, NAK_REASON_NOT_SPECIFIED, out);
    } else if (c->header.auth_len == 0) {
        emit_ack(c, (struct slice){0}, out);
    } else if (!c->config.auth || !rpc_trailer_decode(rpc_front_pdu(c), &c->header, &t) ||
               !service_known(t.auth_type) || !level_known(t.auth_level)) {
        emit_nak(c, NAK_AUTHENTICATION_TYPE, out);
    } else {
        c->auth_type = t.auth_type, c->auth_level = t.auth_level;
        c->auth_context_id = t.context_id;
        auth_ask(c, t.token, true, out);
    }
}

void rpc_on_alter_context(struct rpc_conn *c, struct rpc_effects *out)
{
    struct rpc_trailer t;
    if (!c->bound || !rpc_bind_decode(rpc_front_pdu(c), &c->config, &c->bind)) {
        rpc_emit_fault(c, 0, RPC_FAULT_PROTOCOL, out);
        rpc_emit_close(c, out);
    } else if (c->header.auth_len == 0) {
        emit_ack(c, (struct slice){0}, out);
    } else if (!rpc_trailer_decode(rpc_front_pdu(c), &c->header, &t) ||
               !auth_continue(c, &t, out)) {
        /* One security context a connection; a second one would need multiplexing, which the bind
         * time features did not offer ([MS-RPCE] 3.3.1.5.4). */
        rpc_emit_fault(c, 0, RPC_FAULT_ACCESS_DENIED, out);
        rpc_emit_close(c, out);
    }
}

void rpc_on_auth3(struct rpc_conn *c, struct rpc_effects *out)
{
    struct rpc_trailer t;
    bool asked = c->bound && c->header.auth_len > 0 &&
                 rpc_trailer_decode(rpc_front_pdu(c), &c->header, &t) && auth_continue(c, &t, out);
    if (!asked)
        rpc_emit_close(c, out); /* an auth3 has no answer that could say why */
}

void rpc_on_gss_accepted(struct rpc_conn *c, const struct rpc_event *e, struct rpc_effects *out)
{
    must(c->gss == GSS_ACCEPTING);
    c->gss = GSS_IDLE;
    uint8_t ptype = c->header.ptype;
    if (!e->ok) {
        c->auth = AUTH_FAILED;
        if (ptype == RPC_BIND) {
            emit_nak(c, NAK_INVALID_CHECKSUM, out);
        } else if (ptype == RPC_ALTER_CONTEXT) {
            rpc_emit_fault(c, 0, RPC_FAULT_ACCESS_DENIED, out);
            rpc_emit_close(c, out);
        } /* after a failed auth3 the first request is told */
    } else {
        if (e->done)
            c->auth = AUTH_DONE, c->token_size = e->token_size;
        /* [MS-RPCE] 3.3.1.5.2.2: decided once, by the PDU that begins the security context. */
        if (ptype == RPC_BIND)
            c->header_sign = (c->header.flags & PFC_SUPPORT_HEADER_SIGN) &&
                             c->auth_level >= RPC_LEVEL_PKT && e->can_sign_headers;
        if (ptype != RPC_AUTH3)
            emit_ack(c, e->bytes, out);
    }
    rpc_drop_front_pdu(c);
}
