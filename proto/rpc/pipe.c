#include "proto/rpc/pipe.h"
#include "proto/base/must.h"
#include "proto/rpc/wkssvc.h"
#include <string.h>

#define REPLY_FIRST_TRY 8192u
#define SCRATCH_MAX (8u << 20)
#define MESSAGES_BYTES_MAX (8u << 20) /* unread answers that one pipe may hold */

enum pipe_kind { PIPE_SRVSVC, PIPE_WKSSVC, PIPE_KINDS };

static const struct {
    const char *name, *address;
    const struct rpc_interface *interface;
} kinds[PIPE_KINDS] = {
    [PIPE_SRVSVC] = {"srvsvc", "\\PIPE\\srvsvc", &srvsvc_interface},
    [PIPE_WKSSVC] = {"wkssvc", "\\PIPE\\wkssvc", &wkssvc_interface},
};

/* One response PDU that waits to be read. */
struct message {
    struct message *next;
    size_t len, read;
    uint8_t bytes[];
};

struct rpc_pipe {
    struct mem *mem;
    enum pipe_kind kind;
    struct rpc_conn *conn;
    bool closed, starved; /* broken protocol; an answer was lost for want of memory */
    struct message *first, **last;
    size_t queued_bytes;
};

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

static bool equal_fold(const char *a, const char *b)
{
    for (; *a != 0 && lower(*a) == lower(*b); a++)
        b++;
    return *a == *b;
}

static enum pipe_kind find_kind(const char *name)
{
    char prefix[6] = {0};
    size_t len = strlen(name);
    if (len > 0 && name[0] == '\\')
        name++, len--;
    if (len > 5) {
        memcpy(prefix, name, 5);
        name += equal_fold(prefix, "pipe\\") ? 5 : 0;
    }
    enum pipe_kind kind = 0;
    while (kind < PIPE_KINDS && !equal_fold(name, kinds[kind].name))
        kind++;
    return kind;
}

bool rpc_pipe_known(const char *name) { return find_kind(name) != PIPE_KINDS; }

struct rpc_pipe *rpc_pipe_new(struct mem *mem, const char *name)
{
    enum pipe_kind kind = find_kind(name);
    if (kind == PIPE_KINDS)
        return NULL;
    struct rpc_pipe *p = mem_alloc(mem, sizeof *p);
    if (p == NULL)
        return NULL;
    struct rpc_config config = {.interfaces = kinds[kind].interface,
                                .interface_count = 1,
                                .assoc_group = 0x53f0, /* pipes share no context handles */
                                .secondary_address = kinds[kind].address};
    *p = (struct rpc_pipe){.mem = mem, .kind = kind, .conn = rpc_conn_new(mem, &config)};
    p->last = &p->first;
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

static uint32_t dispatch(struct rpc_pipe *p, const struct rpc_effect *call,
                         const struct srvsvc_source *source, struct writer *stub)
{
    struct arena scratch;
    arena_init(&scratch, p->mem, SCRATCH_MAX);
    uint32_t fault;
    if (p->kind == PIPE_WKSSVC) {
        fault = wkssvc_dispatch(call->opnum, call->bytes, source, &scratch, stub);
    } else {
        struct srvsvc_call decoded;
        fault = srvsvc_decode(call->opnum, call->bytes, &decoded);
        if (fault == 0)
            fault = srvsvc_reply(&decoded, source, &scratch, stub);
    }
    arena_fini(&scratch);
    return fault;
}

/* Answers one call, in a buffer that grows until the answer fits. */
static void answer(struct rpc_pipe *p, const struct rpc_effect *call,
                   const struct srvsvc_source *source, struct rpc_effects *out)
{
    struct rpc_event e = {
        .kind = RPC_EVENT_FAULT, .call = call->call, .fault = RPC_FAULT_NO_MEMORY};
    uint8_t *buffer = NULL;
    size_t cap = REPLY_FIRST_TRY;
    for (; cap <= RPC_REPLY_MAX; cap *= 4) {
        buffer = mem_alloc(p->mem, cap);
        if (buffer == NULL)
            break;
        struct writer stub = writer_of(buffer, cap);
        e.fault = dispatch(p, call, source, &stub);
        if (e.fault != 0)
            break;
        if (!stub.full) {
            e.kind = RPC_EVENT_REPLY, e.bytes = written(&stub);
            break;
        }
        e.fault = RPC_FAULT_NO_MEMORY;
        mem_free(p->mem, buffer, cap);
        buffer = NULL;
    }
    rpc_conn_step(p->conn, &e, out);
    mem_free(p->mem, buffer, cap);
}

/* What one batch of effects asks for: messages are queued, calls kept for later. */
struct pending {
    struct rpc_effect calls[RPC_CALLS_MAX];
    uint32_t count;
};

static void forget_call(struct pending *pending, uint32_t call)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < pending->count; i++) {
        if (pending->calls[i].call != call)
            pending->calls[kept++] = pending->calls[i];
    }
    pending->count = kept;
}

static void take_effects(struct rpc_pipe *p, const struct rpc_effects *out, struct pending *pending)
{
    for (uint32_t i = 0; i < out->count; i++) {
        const struct rpc_effect *e = &out->list[i];
        switch (e->kind) {
        case RPC_EFFECT_SEND: queue_message(p, e->bytes); break;
        case RPC_EFFECT_CALL:
            must(pending->count < RPC_CALLS_MAX);
            pending->calls[pending->count++] = *e;
            break;
        case RPC_EFFECT_CANCEL: forget_call(pending, e->call); break;
        case RPC_EFFECT_CLOSE: p->closed = true; break;
        case RPC_EFFECT_GSS_ACCEPT:
        case RPC_EFFECT_GSS_UNWRAP:
        case RPC_EFFECT_GSS_WRAP: must(!"a pipe has no security context"); break;
        }
    }
}

/* Carries out effects until the connection wants nothing more. */
static void settle(struct rpc_pipe *p, const struct srvsvc_source *source, struct rpc_effects *out)
{
    struct pending pending = {.count = 0};
    for (;;) {
        take_effects(p, out, &pending);
        if (p->closed)
            return;
        if (pending.count > 0) {
            struct rpc_effect call = pending.calls[0];
            forget_call(&pending, call.call);
            answer(p, &call, source, out);
        } else if (out->more) {
            rpc_conn_step(p->conn, &(struct rpc_event){.kind = RPC_EVENT_RESUME}, out);
        } else {
            return;
        }
    }
}

ntstatus rpc_pipe_write(struct rpc_pipe *p, struct slice data, const struct srvsvc_source *source)
{
    while (data.len > 0 && !p->closed && !p->starved) {
        size_t room = rpc_conn_room(p->conn);
        size_t part = data.len < room ? data.len : room;
        must(part > 0);
        struct rpc_effects out;
        rpc_conn_step(
            p->conn,
            &(struct rpc_event){.kind = RPC_EVENT_BYTES, .bytes = slice_sub(data, 0, part)}, &out);
        settle(p, source, &out);
        data = slice_sub(data, part, data.len - part);
    }
    if (p->starved)
        return STATUS_INSUFFICIENT_RESOURCES;
    return p->closed && p->first == NULL ? STATUS_PIPE_DISCONNECTED : STATUS_OK;
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
    write_bytes(to, slice_of(m->bytes + m->read, part));
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

ntstatus rpc_pipe_transceive(struct rpc_pipe *p, struct slice data,
                             const struct srvsvc_source *source, struct writer *to, size_t max)
{
    if (p->first != NULL)
        return STATUS_PIPE_BUSY;
    ntstatus status = rpc_pipe_write(p, data, source);
    return status == STATUS_OK ? rpc_pipe_read(p, to, max, NULL) : status;
}

void rpc_pipe_peek(const struct rpc_pipe *p, size_t *available, uint32_t *messages)
{
    *available = p->first == NULL ? 0 : p->first->len - p->first->read;
    *messages = 0;
    for (const struct message *m = p->first; m != NULL; m = m->next)
        ++*messages;
}
