#include "proto/rpc/dcerpc.h"
#include "proto/base/must.h"
#include "proto/rpc/dcerpc_int.h"
#include <string.h>

/* Stubs are padded to this before a sec_trailer, as Windows does ([MS-RPCE] 2.2.2.11 asks for
 * 4). */
#define AUTH_PAD 16u

struct rpc_conn *rpc_conn_new(struct mem *mem, const struct rpc_config *config)
{
    must(config->assoc_group != 0);
    must(strlen(config->secondary_address) < 64);
    struct rpc_conn *c = mem_alloc(mem, sizeof *c);
    if (c == NULL)
        return NULL;
    c->mem = mem;
    c->config = *config;
    c->max_xmit = RPC_FRAG_MIN;
    c->input_cap = config->auth ? RPC_BIND_MAX + RPC_FRAG_MAX : 2 * RPC_FRAG_MAX;
    c->input = mem_alloc(mem, c->input_cap);
    if (c->input == NULL) {
        mem_free(mem, c, sizeof *c);
        return NULL;
    }
    return c;
}

static void call_release(struct rpc_conn *c, struct rpc_call *call)
{
    mem_free(c->mem, call->buffer, call->cap);
    if (c->sending == call)
        c->sending = NULL;
    *call = (struct rpc_call){.state = CALL_FREE};
}

void rpc_conn_free(struct rpc_conn *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < RPC_CALLS_MAX; i++)
        call_release(c, &c->calls[i]);
    mem_free(c->mem, c->input, c->input_cap);
    mem_free(c->mem, c, sizeof *c);
}

size_t rpc_conn_room(const struct rpc_conn *c) { return c->dead ? 0 : c->input_cap - c->input_len; }
bool rpc_conn_busy(const struct rpc_conn *c) { return c->gss != GSS_IDLE; }
uint32_t rpc_conn_assoc_group(const struct rpc_conn *c) { return c->assoc_group; }

struct rpc_effect *rpc_effect_add(struct rpc_effects *out, enum rpc_effect_kind kind)
{
    must(out->count < RPC_EFFECTS_MAX);
    struct rpc_effect *e = &out->list[out->count++];
    *e = (struct rpc_effect){.kind = kind};
    return e;
}

void rpc_emit_close(struct rpc_conn *c, struct rpc_effects *out)
{
    if (!c->dead)
        rpc_effect_add(out, RPC_EFFECT_CLOSE);
    c->dead = true;
    out->more = false;
}

void rpc_output_reset(struct rpc_conn *c)
{
    c->output = writer_of(c->output_bytes, sizeof c->output_bytes);
}

void rpc_emit_output(struct rpc_conn *c, struct rpc_effects *out)
{
    must(c->gss == GSS_IDLE);
    must(!c->output.full);
    rpc_effect_add(out, RPC_EFFECT_SEND)->bytes = written(&c->output);
    out->more = true;
}

void rpc_emit_fault(struct rpc_conn *c, uint16_t context_id, uint32_t status,
                    struct rpc_effects *out)
{
    rpc_output_reset(c);
    rpc_fault_encode(c->header.call_id, context_id, status, &c->output);
    rpc_emit_output(c, out);
}

struct slice rpc_front_pdu(const struct rpc_conn *c)
{
    return slice_of(c->input, c->header.frag_len);
}

void rpc_drop_front_pdu(struct rpc_conn *c)
{
    size_t len = c->header.frag_len;
    must(len <= c->input_len);
    memmove(c->input, c->input + len, c->input_len - len);
    c->input_len -= len;
}

/* --- calls ------------------------------------------------------------------------------------ */

static struct rpc_call *call_by_id(struct rpc_conn *c, uint32_t call_id)
{
    for (size_t i = 0; i < RPC_CALLS_MAX; i++) {
        if (c->calls[i].state != CALL_FREE && c->calls[i].call_id == call_id)
            return &c->calls[i];
    }
    return NULL;
}

static struct rpc_call *call_by_token(struct rpc_conn *c, uint32_t token)
{
    for (size_t i = 0; i < RPC_CALLS_MAX; i++) {
        if (c->calls[i].state == CALL_DISPATCHED && c->calls[i].token == token)
            return &c->calls[i];
    }
    return NULL;
}

static struct rpc_call *call_in_state(struct rpc_conn *c, enum call_state state)
{
    for (size_t i = 0; i < RPC_CALLS_MAX; i++) {
        if (c->calls[i].state == state)
            return &c->calls[i];
    }
    return NULL;
}

static bool call_append(struct rpc_conn *c, struct rpc_call *call, struct slice bytes)
{
    if (bytes.len > RPC_REQUEST_MAX - call->len)
        return false;
    size_t need = call->len + bytes.len;
    if (need > call->cap) {
        size_t cap = need <= RPC_FRAG_MAX ? RPC_FRAG_MAX : RPC_REQUEST_MAX;
        uint8_t *grown = mem_resize(c->mem, call->buffer, call->cap, cap);
        if (grown == NULL)
            return false;
        call->buffer = grown, call->cap = cap;
    }
    if (bytes.len > 0)
        memcpy(call->buffer + call->len, bytes.at, bytes.len);
    call->len = need;
    return true;
}

static void reply_store(struct rpc_conn *c, struct rpc_call *call, struct slice stub)
{
    mem_free(c->mem, call->buffer, call->cap);
    call->buffer = NULL, call->len = call->cap = 0;
    call->state = CALL_REPLYING;
    if (stub.len == 0)
        return;
    call->buffer = stub.len > RPC_REPLY_MAX ? NULL : mem_alloc(c->mem, stub.len);
    if (call->buffer == NULL) {
        call->state = CALL_FAULTING, call->fault = RPC_FAULT_NO_MEMORY;
        return;
    }
    memcpy(call->buffer, stub.at, stub.len);
    call->len = call->cap = stub.len;
}

/* --- requests --------------------------------------------------------------------------------- */

static bool find_context(const struct rpc_conn *c, uint16_t id, uint32_t *interface)
{
    for (uint32_t i = 0; i < c->context_count; i++) {
        if (c->contexts[i].id == id) {
            *interface = c->contexts[i].interface;
            return true;
        }
    }
    return false;
}

/* Refuses the request at the front. The rest of a fragmented one is not waited for. */
static void refuse(struct rpc_conn *c, uint16_t context_id, uint32_t status,
                   struct rpc_effects *out)
{
    rpc_emit_fault(c, context_id, status, out);
    if (!(c->header.flags & PFC_LAST_FRAG))
        rpc_emit_close(c, out);
}

/* The fragment at the front is genuine: add it to its call, and dispatch when it is the last. */
static void take_fragment(struct rpc_conn *c, const struct rpc_request *q, struct slice stub,
                          struct rpc_effects *out)
{
    struct rpc_call *call = call_by_id(c, c->header.call_id);
    bool first = c->header.flags & PFC_FIRST_FRAG;
    if (first != (call == NULL) || (call != NULL && call->state != CALL_RECEIVING)) {
        rpc_emit_close(c, out);
        return;
    }
    if (first) {
        uint32_t interface;
        if (!find_context(c, q->context_id, &interface)) {
            refuse(c, q->context_id, RPC_FAULT_UNKNOWN_INTERFACE, out);
            return;
        }
        call = call_in_state(c, CALL_FREE);
        if (call == NULL) {
            refuse(c, q->context_id, RPC_FAULT_NO_MEMORY, out);
            return;
        }
        *call = (struct rpc_call){.state = CALL_RECEIVING,
                                  .token = ++c->last_token,
                                  .call_id = c->header.call_id,
                                  .context_id = q->context_id,
                                  .opnum = q->opnum,
                                  .interface = interface};
    }
    if (!call_append(c, call, stub)) {
        call_release(c, call);
        refuse(c, q->context_id, RPC_FAULT_NO_MEMORY, out);
        return;
    }
    if (!(c->header.flags & PFC_LAST_FRAG))
        return;
    call->state = CALL_DISPATCHED;
    struct rpc_effect *e = rpc_effect_add(out, RPC_EFFECT_CALL);
    e->call = call->token, e->interface = call->interface, e->opnum = call->opnum;
    e->bytes = slice_of(call->buffer, call->len);
    e->auth_type = c->auth == AUTH_DONE ? c->auth_type : (uint8_t)RPC_AUTHN_NONE;
    e->auth_level = c->auth == AUTH_DONE ? c->auth_level : (uint8_t)RPC_LEVEL_NONE;
}

/* Splits the front PDU into stub and trailer. False: malformed. */
static bool request_parts(struct rpc_conn *c, struct rpc_request *q, struct rpc_trailer *t,
                          size_t *data_end)
{
    struct slice pdu = rpc_front_pdu(c);
    if (!rpc_request_decode(pdu, &c->header, q))
        return false;
    *t = (struct rpc_trailer){0};
    *data_end = pdu.len;
    if (c->header.auth_len == 0)
        return true;
    if (!rpc_trailer_decode(pdu, &c->header, t))
        return false;
    *data_end = pdu.len - c->header.auth_len - RPC_TRAILER_SIZE;
    return q->stub_at <= *data_end && t->pad_len <= *data_end - q->stub_at;
}

static bool protects(const struct rpc_conn *c)
{
    return c->auth == AUTH_DONE && c->auth_level >= RPC_LEVEL_PKT;
}

static void on_request(struct rpc_conn *c, struct rpc_effects *out)
{
    struct rpc_request q;
    struct rpc_trailer t;
    size_t data_end;
    if (!c->bound || !request_parts(c, &q, &t, &data_end)) {
        rpc_emit_close(c, out);
        return;
    }
    if (c->auth == AUTH_STARTED || c->auth == AUTH_FAILED) {
        refuse(c, q.context_id, RPC_FAULT_ACCESS_DENIED, out);
        return;
    }
    if (!protects(c)) {
        struct slice stub = slice_of(c->input + q.stub_at, data_end - t.pad_len - q.stub_at);
        take_fragment(c, &q, stub, out);
        return;
    }
    if (t.auth_type != c->auth_type || t.auth_level != c->auth_level ||
        t.context_id != c->auth_context_id) {
        rpc_emit_close(c, out); /* a PDU without its protection may be anybody's */
        return;
    }
    c->gss = GSS_UNWRAPPING;
    rpc_effect_add(out, RPC_EFFECT_GSS_UNWRAP)->pdu = (struct rpc_pdu){
        .at = c->input,
        .head_len = q.stub_at,
        .data_len = (uint16_t)(data_end - q.stub_at),
        .tail_len = RPC_TRAILER_SIZE,
        .token_len = c->header.auth_len,
        .seal = c->auth_level == RPC_LEVEL_PRIVACY,
        .header_sign = c->header_sign,
    };
}

static void on_gss_unwrapped(struct rpc_conn *c, bool ok, struct rpc_effects *out)
{
    must(c->gss == GSS_UNWRAPPING);
    c->gss = GSS_IDLE;
    struct rpc_request q;
    struct rpc_trailer t;
    size_t data_end;
    if (!ok || !request_parts(c, &q, &t, &data_end)) {
        rpc_emit_close(c, out);
    } else {
        struct slice stub = slice_of(c->input + q.stub_at, data_end - t.pad_len - q.stub_at);
        take_fragment(c, &q, stub, out);
    }
    rpc_drop_front_pdu(c);
}

/* [C706] 12.6.4.4 and 12.6.4.8. A cancelled call is answered, an orphaned one forgotten. */
static void on_cancel(struct rpc_conn *c, struct rpc_effects *out)
{
    struct rpc_call *call = call_by_id(c, c->header.call_id);
    if (call == NULL)
        return;
    if (call->state == CALL_DISPATCHED)
        rpc_effect_add(out, RPC_EFFECT_CANCEL)->call = call->token;
    if (c->header.ptype == RPC_CO_CANCEL && call->state == CALL_DISPATCHED)
        call->state = CALL_FAULTING, call->fault = RPC_FAULT_CANCEL;
    else if (c->header.ptype == RPC_ORPHANED && call != c->sending)
        call_release(c, call);
}

/* --- replies ---------------------------------------------------------------------------------- */

/* Builds the next fragment of the reply in `output`; sends it, or has it protected first. */
static void send_fragment(struct rpc_conn *c, struct rpc_effects *out)
{
    struct rpc_call *call = c->sending;
    size_t token = protects(c) ? c->token_size : 0;
    size_t overhead = RPC_REQUEST_HEADER_SIZE;
    overhead += protects(c) ? AUTH_PAD + RPC_TRAILER_SIZE + token : 0;
    must(overhead + AUTH_PAD <= RPC_FRAG_MIN);
    size_t room = (c->max_xmit - overhead) & ~(size_t)(AUTH_PAD - 1);
    size_t left = call->len - call->sent;
    size_t part = left < room ? left : room;
    uint8_t flags =
        (uint8_t)((call->sent == 0 ? PFC_FIRST_FRAG : 0) | (part == left ? PFC_LAST_FRAG : 0));
    rpc_output_reset(c);
    struct writer *w = &c->output;
    rpc_pdu_begin(w, RPC_RESPONSE, flags, call->call_id);
    write_u32(w, (uint32_t)left);
    write_u16(w, call->context_id);
    write_u16(w, 0);
    write_bytes(w, slice_of(part > 0 ? call->buffer + call->sent : NULL, part));
    call->sent += part;
    if (!protects(c)) {
        rpc_pdu_end(w, 0);
        rpc_emit_output(c, out);
        return;
    }
    struct rpc_trailer trailer = {.auth_type = c->auth_type,
                                  .auth_level = c->auth_level,
                                  .pad_len = (uint8_t)(-part & (AUTH_PAD - 1)),
                                  .context_id = c->auth_context_id};
    write_zeros(w, trailer.pad_len);
    rpc_trailer_encode(&trailer, w);
    write_zeros(w, token);
    rpc_pdu_end(w, (uint16_t)token);
    must(!w->full);
    c->gss = GSS_WRAPPING;
    rpc_effect_add(out, RPC_EFFECT_GSS_WRAP)->pdu = (struct rpc_pdu){
        .at = c->output_bytes,
        .head_len = RPC_REQUEST_HEADER_SIZE,
        .data_len = (uint16_t)(part + trailer.pad_len),
        .tail_len = RPC_TRAILER_SIZE,
        .token_len = (uint16_t)token,
        .seal = c->auth_level == RPC_LEVEL_PRIVACY,
        .header_sign = c->header_sign,
    };
}

/* True when something was done for a call that has its answer. */
static bool pump_reply(struct rpc_conn *c, struct rpc_effects *out)
{
    if (c->sending != NULL && c->sending->len == c->sending->sent)
        call_release(c, c->sending);
    if (c->sending == NULL) {
        struct rpc_call *faulty = call_in_state(c, CALL_FAULTING);
        if (faulty != NULL) {
            rpc_output_reset(c);
            rpc_fault_encode(faulty->call_id, faulty->context_id, faulty->fault, &c->output);
            rpc_emit_output(c, out);
            call_release(c, faulty);
            return true;
        }
        c->sending = call_in_state(c, CALL_REPLYING);
    }
    if (c->sending == NULL)
        return false;
    send_fragment(c, out);
    return true;
}

static void on_gss_wrapped(struct rpc_conn *c, bool ok, struct rpc_effects *out)
{
    must(c->gss == GSS_WRAPPING);
    c->gss = GSS_IDLE;
    if (ok)
        rpc_emit_output(c, out);
    else
        rpc_emit_close(c, out);
}

/* --- the machine ------------------------------------------------------------------------------ */

static void dispatch_pdu(struct rpc_conn *c, struct rpc_effects *out)
{
    switch (c->header.ptype) {
    case RPC_BIND: rpc_on_bind(c, out); break;
    case RPC_ALTER_CONTEXT: rpc_on_alter_context(c, out); break;
    case RPC_AUTH3: rpc_on_auth3(c, out); break;
    case RPC_REQUEST: on_request(c, out); break;
    case RPC_CO_CANCEL:
    case RPC_ORPHANED: on_cancel(c, out); break;
    default: rpc_emit_close(c, out); break; /* a byte from the wire */
    }
    if (c->gss == GSS_IDLE)
        rpc_drop_front_pdu(c);
}

/* True when a whole PDU was at the front and has been dealt with or begun. */
static bool pump_input(struct rpc_conn *c, struct rpc_effects *out)
{
    if (c->input_len < RPC_HEADER_SIZE)
        return false;
    if (!rpc_header_decode(slice_of(c->input, c->input_len), &c->header)) {
        rpc_emit_close(c, out);
        return true;
    }
    if (c->input_len < c->header.frag_len)
        return false;
    dispatch_pdu(c, out);
    return true;
}

static void pump(struct rpc_conn *c, struct rpc_effects *out)
{
    /* A PDU leads to at most two effects; `output` is free until something was sent. */
    while (!c->dead && c->gss == GSS_IDLE && !out->more) {
        if (out->count + 2 > RPC_EFFECTS_MAX) {
            out->more = true;
            return;
        }
        if (!pump_reply(c, out) && !pump_input(c, out))
            return;
    }
}

static void on_answer(struct rpc_conn *c, const struct rpc_event *e)
{
    struct rpc_call *call = call_by_token(c, e->call);
    if (call == NULL)
        return; /* cancelled meanwhile */
    if (e->kind == RPC_EVENT_REPLY)
        reply_store(c, call, e->bytes);
    else
        call->state = CALL_FAULTING, call->fault = e->fault;
}

void rpc_conn_step(struct rpc_conn *c, const struct rpc_event *event, struct rpc_effects *out)
{
    out->count = 0;
    out->more = false;
    switch (event->kind) {
    case RPC_EVENT_BYTES:
        must(event->bytes.len <= rpc_conn_room(c));
        if (event->bytes.len > 0)
            memcpy(c->input + c->input_len, event->bytes.at, event->bytes.len);
        c->input_len += event->bytes.len;
        break;
    case RPC_EVENT_GSS_ACCEPTED: rpc_on_gss_accepted(c, event, out); break;
    case RPC_EVENT_GSS_UNWRAPPED: on_gss_unwrapped(c, event->ok, out); break;
    case RPC_EVENT_GSS_WRAPPED: on_gss_wrapped(c, event->ok, out); break;
    case RPC_EVENT_REPLY:
    case RPC_EVENT_FAULT: on_answer(c, event); break;
    case RPC_EVENT_RESUME: break;
    }
    pump(c, out);
}
