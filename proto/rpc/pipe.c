#include "proto/rpc/pipe.h"
#include "proto/base/must.h"
#include <string.h>

#define REPLY_FIRST_TRY 8192u
#define SCRATCH_MAX (8u << 20)
#define MESSAGES_BYTES_MAX (8u << 20) /* unread answers that one pipe may hold */

/* One response PDU that waits to be read. */
struct message {
    struct message *next;
    size_t len, read;
    uint8_t bytes[];
};

struct rpc_pipe {
    struct mem *mem;
    const struct rpc_service *service;
    struct rpc_conn *conn;
    struct rpc_handles handles;
    bool closed, starved; /* broken protocol; an answer was lost for want of memory */

    /* Calls that are whole, oldest first; the first one is being answered. */
    struct rpc_effect calls[RPC_CALLS_MAX];
    uint32_t call_count;
    struct rpc_order order;
    bool ordered;         /* and it waits for the outcome */
    struct arena scratch; /* the order's */

    struct message *first, **last;
    size_t queued_bytes;
};

struct rpc_pipe *rpc_pipe_new(struct mem *mem, const char *name)
{
    const struct rpc_service *service = rpc_service_find(name);
    struct rpc_pipe *p = service == NULL ? NULL : mem_alloc(mem, sizeof *p);
    if (p == NULL)
        return NULL;
    struct rpc_config config = {.interfaces = &service->interface,
                                .interface_count = 1,
                                .assoc_group = 0x53f0, /* pipes share no context handles */
                                .secondary_address = service->address};
    *p = (struct rpc_pipe){.mem = mem, .service = service, .conn = rpc_conn_new(mem, &config)};
    p->last = &p->first;
    arena_init(&p->scratch, mem, SCRATCH_MAX);
    if (p->conn == NULL) {
        mem_free(mem, p, sizeof *p);
        return NULL;
    }
    return p;
}

static void drop_first_message(struct rpc_pipe *p)
{
    struct message *m = p->first;
    must(m != NULL);
    p->first = m->next;
    if (p->first == NULL)
        p->last = &p->first;
    p->queued_bytes -= m->len;
    mem_free(p->mem, m, sizeof *m + m->len);
}

void rpc_pipe_free(struct rpc_pipe *p)
{
    if (p == NULL)
        return;
    while (p->first != NULL)
        drop_first_message(p);
    arena_fini(&p->scratch);
    rpc_conn_free(p->conn);
    mem_free(p->mem, p, sizeof *p);
}

static void queue_message(struct rpc_pipe *p, struct slice bytes)
{
    struct message *m = p->queued_bytes + bytes.len > MESSAGES_BYTES_MAX
                            ? NULL
                            : mem_alloc(p->mem, sizeof *m + bytes.len);
    if (m == NULL) {
        p->starved = true; /* a stream with a hole is of no use: the pipe is broken */
        return;
    }
    m->len = bytes.len;
    memcpy(m->bytes, bytes.at, bytes.len);
    *p->last = m;
    p->last = &m->next;
    p->queued_bytes += bytes.len;
}

/* ---- calls ------------------------------------------------------------------------------------
 */

static void forget_call(struct rpc_pipe *p, uint32_t call)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < p->call_count; i++) {
        if (p->calls[i].call != call)
            p->calls[kept++] = p->calls[i];
    }
    p->call_count = kept;
}

static void take_effects(struct rpc_pipe *p, const struct rpc_effects *out)
{
    for (uint32_t i = 0; i < out->count; i++) {
        const struct rpc_effect *e = &out->list[i];
        switch (e->kind) {
        case RPC_EFFECT_SEND: queue_message(p, e->bytes); break;
        case RPC_EFFECT_CALL:
            must(p->call_count < RPC_CALLS_MAX);
            p->calls[p->call_count++] = *e;
            break;
        case RPC_EFFECT_CANCEL: forget_call(p, e->call); break;
        case RPC_EFFECT_CLOSE: p->closed = true; break;
        case RPC_EFFECT_GSS_ACCEPT:
        case RPC_EFFECT_GSS_UNWRAP:
        case RPC_EFFECT_GSS_WRAP: must(!"a pipe has no security context"); break;
        }
    }
}

/* Steps the connection by one event, and on until it wants nothing more or a call is whole. */
static void step(struct rpc_pipe *p, const struct rpc_event *event)
{
    static const struct rpc_event resume = {.kind = RPC_EVENT_RESUME};
    struct rpc_effects out;
    rpc_conn_step(p->conn, event, &out);
    take_effects(p, &out);
    while (out.more && !p->closed && p->call_count == 0) {
        rpc_conn_step(p->conn, &resume, &out);
        take_effects(p, &out);
    }
    if (p->closed)
        p->call_count = 0;
}

bool rpc_pipe_feed(struct rpc_pipe *p, struct slice *data)
{
    while (!p->closed && !p->starved && p->call_count == 0 && data->len > 0) {
        size_t room = rpc_conn_room(p->conn);
        size_t part = data->len < room ? data->len : room;
        must(part > 0);
        step(p, &(struct rpc_event){.kind = RPC_EVENT_BYTES, .bytes = slice_sub(*data, 0, part)});
        *data = slice_sub(*data, part, data->len - part);
    }
    return p->call_count > 0 && !p->starved;
}

/* The call's answer in `*buffer`, which grows until it fits. */
static uint32_t dispatch(struct rpc_pipe *p, struct rpc_ask *ask, uint8_t **buffer, size_t *cap)
{
    const struct rpc_effect *call = &p->calls[0];
    for (*cap = REPLY_FIRST_TRY; *cap <= RPC_REPLY_MAX; *cap *= 4) {
        *buffer = mem_alloc(p->mem, *cap);
        if (*buffer == NULL)
            return RPC_FAULT_NO_MEMORY;
        *ask->w = writer_of(*buffer, *cap);
        uint32_t result = rpc_service_call(p->service, call->opnum, call->bytes, ask);
        if (result != RPC_ANSWERED || !ask->w->full)
            return result;
        mem_free(p->mem, *buffer, *cap);
        *buffer = NULL;
    }
    return RPC_FAULT_NO_MEMORY;
}

const struct rpc_order *rpc_pipe_answer(struct rpc_pipe *p, const struct rpc_facts *facts,
                                        const struct rpc_outcome *outcome)
{
    static const struct rpc_outcome given_up = {.status = STATUS_IO_TIMEOUT};
    must(p->call_count > 0);
    if (p->ordered && outcome == NULL)
        outcome = &given_up;
    struct writer stub;
    struct rpc_ask ask = {.facts = facts,
                          .outcome = outcome,
                          .handles = &p->handles,
                          .scratch = &p->scratch,
                          .w = &stub};
    uint8_t *buffer = NULL;
    size_t cap = 0;
    uint32_t call = p->calls[0].call;
    uint32_t result = dispatch(p, &ask, &buffer, &cap);
    bool ordered = result == RPC_ORDERED;
    must(!ordered || outcome == NULL);
    p->order = ask.order;
    p->ordered = ordered;
    if (!ordered) {
        struct rpc_event e = {.call = call, .fault = result};
        e.kind = result == RPC_ANSWERED ? RPC_EVENT_REPLY : RPC_EVENT_FAULT;
        e.bytes = result == RPC_ANSWERED ? written(&stub) : (struct slice){0};
        arena_reset(&p->scratch);
        forget_call(p, call);
        step(p, &e);
    }
    mem_free(p->mem, buffer, cap);
    return ordered ? &p->order : NULL;
}

ntstatus rpc_pipe_status(const struct rpc_pipe *p)
{
    if (p->starved)
        return STATUS_INSUFFICIENT_RESOURCES;
    return p->closed && p->first == NULL ? STATUS_PIPE_DISCONNECTED : STATUS_OK;
}

/* ---- messages ---------------------------------------------------------------------------------
 */

void rpc_pipe_look(const struct rpc_pipe *p, struct writer *to, size_t max)
{
    const struct message *m = p->first;
    if (m == NULL)
        return;
    size_t left = m->len - m->read;
    write_bytes(to, slice_of(m->bytes + m->read, left < max ? left : max));
}

ntstatus rpc_pipe_read(struct rpc_pipe *p, struct writer *to, size_t max, size_t *more)
{
    struct message *m = p->first;
    if (more != NULL)
        *more = 0;
    if (m == NULL)
        return p->closed || p->starved ? STATUS_PIPE_DISCONNECTED : STATUS_PIPE_EMPTY;
    size_t left = m->len - m->read;
    size_t part = left < max ? left : max;
    rpc_pipe_look(p, to, max);
    if (to->full)
        return STATUS_INSUFFICIENT_RESOURCES;
    m->read += part;
    if (part == left) {
        drop_first_message(p);
        return STATUS_OK;
    }
    if (more != NULL)
        *more = left - part;
    return STATUS_BUFFER_OVERFLOW;
}

void rpc_pipe_peek(const struct rpc_pipe *p, size_t *available, uint32_t *messages)
{
    *available = p->first == NULL ? 0 : p->first->len - p->first->read;
    *messages = 0;
    for (const struct message *m = p->first; m != NULL; m = m->next)
        ++*messages;
}
