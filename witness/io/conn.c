#include "witness/io/conn.h"
#include "proto/base/must.h"
#include "proto/daemon/log.h"
#include "proto/rpc/epm.h"
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_QUEUE_MAX ((size_t)4 << 20)
#define KEEP_ALIVE_S 30u
#define SECOND_NS UINT64_C(1000000000)

/* An answer that waits for its turn, so that no step of the connection happens within another. */
struct answer {
    struct answer *next;
    uint32_t call, fault;
    size_t len;
    uint8_t stub[];
};

struct conn {
    uv_tcp_t tcp;
    uv_work_t work;
    struct list link;
    struct conn_config config;
    struct rpc_conn *rpc;
    struct gss_accept *gss;
    char peer[64];
    uint64_t accepted_ns;
    bool closing, closed, working, running, more;
    struct answer *first, **last;

    /* The GSS effect under way, and its outcome. */
    struct rpc_effect task;
    struct rpc_event outcome;
};

void *conn_context(const struct conn *c) { return c->config.context; }
uint32_t conn_group(const struct conn *c) { return rpc_conn_assoc_group(c->rpc); }
bool conn_is_mapper(const struct conn *c) { return !c->config.rpc.auth; }
struct list *conn_link(struct conn *c) { return &c->link; }
struct conn *conn_of_link(struct list *l) { return container_of(l, struct conn, link); }

uint64_t conn_idle_s(const struct conn *c, uint64_t now_ns)
{
    if (rpc_conn_assoc_group(c->rpc) != 0 && !conn_is_mapper(c))
        return 0;
    return (now_ns - c->accepted_ns) / SECOND_NS;
}

void conn_local_address(const struct conn *c, uint8_t address[4])
{
    struct sockaddr_storage name = {0};
    int len = sizeof name;
    memset(address, 0, 4);
    if (uv_tcp_getsockname(&c->tcp, (struct sockaddr *)&name, &len) == 0 &&
        name.ss_family == AF_INET)
        memcpy(address, &((struct sockaddr_in *)&name)->sin_addr, 4);
}

/* --- end -------------------------------------------------------------------------------------- */

/* Freed when libuv has let go of the socket and no worker uses the buffers. */
static void free_when_done(struct conn *c)
{
    if (!c->closed || c->working)
        return;
    c->config.owner->gone(c);
    while (c->first != NULL) {
        struct answer *a = c->first;
        c->first = a->next;
        free(a);
    }
    rpc_conn_free(c->rpc);
    gss_accept_free(c->gss);
    free(c);
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;
    c->closed = true;
    free_when_done(c);
}

void conn_close(struct conn *c)
{
    if (c->closing)
        return;
    c->closing = true;
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

/* --- output ----------------------------------------------------------------------------------- */

struct write {
    uv_write_t request;
    bool last;
    uint8_t bytes[];
};

static void on_written(uv_write_t *request, int status)
{
    struct write *w = request->data;
    struct conn *c = request->handle->data;
    if (status < 0 || w->last)
        conn_close(c);
    free(w);
}

static void send_bytes(struct conn *c, struct slice bytes, bool last)
{
    struct write *w = c->closing ? NULL : malloc(sizeof *w + bytes.len);
    if (w == NULL || uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp) > WRITE_QUEUE_MAX) {
        free(w);
        conn_close(c);
        return;
    }
    w->request.data = w;
    w->last = last;
    if (bytes.len > 0)
        memcpy(w->bytes, bytes.at, bytes.len);
    uv_buf_t buffer = uv_buf_init((char *)w->bytes, (unsigned)bytes.len);
    if (uv_write(&w->request, (uv_stream_t *)&c->tcp, &buffer, 1, on_written) != 0) {
        free(w);
        conn_close(c);
    }
}

/* --- security, on a worker -------------------------------------------------------------------- */

static void accept_token(struct conn *c)
{
    struct slice token = {0};
    struct rpc_event *e = &c->outcome;
    *e = (struct rpc_event){.kind = RPC_EVENT_GSS_ACCEPTED};
    if (c->task.fresh) {
        gss_accept_free(c->gss);
        c->gss = gss_accept_new(c->config.gss);
    }
    if (c->gss == NULL)
        return;
    enum gss_accept_status status = gss_accept_step(c->gss, c->task.bytes, &token);
    bool seal = c->task.auth_level == RPC_LEVEL_PRIVACY;
    e->done = status == GSS_ACCEPT_DONE;
    e->ok = status != GSS_ACCEPT_REFUSED;
    /* Nobody in particular has no business with a witness, which tells where machines are. */
    if (e->done && gss_accept_peer(c->gss)->anonymous)
        e->ok = e->done = false;
    e->bytes = token;
    e->can_sign_headers = true;
    if (e->done && c->task.auth_level >= RPC_LEVEL_PKT) {
        e->token_size = (uint16_t)gss_accept_token_size(c->gss, seal);
        e->ok = e->token_size != 0;
    }
}

static void do_task(uv_work_t *work)
{
    struct conn *c = work->data;
    if (c->task.kind == RPC_EFFECT_GSS_ACCEPT) {
        accept_token(c);
        return;
    }
    const struct rpc_pdu *p = &c->task.pdu;
    uint8_t *data = p->at + p->head_len, *tail = data + p->data_len, *token = tail + p->tail_len;
    struct gss_pdu pdu = {.head = slice_of(p->at, p->head_len),
                          .data = data,
                          .data_len = p->data_len,
                          .tail = slice_of(tail, p->tail_len),
                          .seal = p->seal,
                          .header_sign = p->header_sign};
    bool wrap = c->task.kind == RPC_EFFECT_GSS_WRAP;
    c->outcome = (struct rpc_event){.kind = wrap ? RPC_EVENT_GSS_WRAPPED : RPC_EVENT_GSS_UNWRAPPED};
    c->outcome.ok = wrap ? gss_accept_protect(c->gss, &pdu, token, p->token_len)
                         : gss_accept_verify(c->gss, &pdu, slice_of(token, p->token_len));
}

static void handle_event(struct conn *c, const struct rpc_event *event);

static void on_task_done(uv_work_t *work, int status)
{
    struct conn *c = work->data;
    must(status == 0);
    c->working = false;
    if (c->closing) {
        free_when_done(c);
        return;
    }
    if (!c->outcome.ok)
        log_info("%s: %s; refused", c->peer,
                 c->gss == NULL                     ? "no memory for a security context"
                 : gss_accept_error(c->gss)[0] != 0 ? gss_accept_error(c->gss)
                                                    : "anonymous or unusable security context");
    else if (c->outcome.kind == RPC_EVENT_GSS_ACCEPTED && c->outcome.done)
        log_debug("%s: is %s", c->peer, gss_accept_peer(c->gss)->name);
    handle_event(c, &c->outcome);
    conn_run(c);
}

static void start_task(struct conn *c, const struct rpc_effect *effect)
{
    must(!c->working);
    c->task = *effect;
    c->working = true;
    c->work.data = c;
    must(uv_queue_work(c->tcp.loop, &c->work, do_task, on_task_done) == 0);
}

/* --- effects ---------------------------------------------------------------------------------- */

static void update_reading(struct conn *c);

/* SEND first: its bytes live until the next step, and a dispatched call may lead to one. */
static void take_effects(struct conn *c, const struct rpc_effects *out)
{
    bool close = false;
    for (uint32_t i = 0; i < out->count; i++)
        close |= out->list[i].kind == RPC_EFFECT_CLOSE;
    bool sent = false;
    for (uint32_t i = 0; i < out->count; i++) {
        const struct rpc_effect *e = &out->list[i];
        switch (e->kind) {
        case RPC_EFFECT_SEND:
            send_bytes(c, e->bytes, close);
            sent = true;
            break;
        case RPC_EFFECT_GSS_ACCEPT:
        case RPC_EFFECT_GSS_UNWRAP:
        case RPC_EFFECT_GSS_WRAP: start_task(c, e); break;
        case RPC_EFFECT_CALL:
        case RPC_EFFECT_CANCEL:
        case RPC_EFFECT_CLOSE: break;
        }
    }
    for (uint32_t i = 0; i < out->count; i++) {
        const struct rpc_effect *e = &out->list[i];
        if (e->kind == RPC_EFFECT_CALL)
            c->config.owner->call(c, e);
        else if (e->kind == RPC_EFFECT_CANCEL)
            c->config.owner->cancel(c, e->call);
    }
    if (close && !sent)
        send_bytes(c, (struct slice){0}, true); /* after what is queued */
}

static void handle_event(struct conn *c, const struct rpc_event *event)
{
    struct rpc_effects out;
    rpc_conn_step(c->rpc, event, &out);
    c->more = out.more;
    take_effects(c, &out);
}

void conn_answer(struct conn *c, uint32_t call, uint32_t fault, struct slice stub)
{
    struct answer *a = malloc(sizeof *a + stub.len);
    if (a == NULL) {
        conn_close(c);
        return;
    }
    *a = (struct answer){.call = call, .fault = fault, .len = stub.len};
    if (stub.len > 0)
        memcpy(a->stub, stub.at, stub.len);
    *c->last = a;
    c->last = &a->next;
}

void conn_run(struct conn *c)
{
    if (c->running)
        return; /* a frame below on the stack goes on with it */
    c->running = true;
    while (!c->closing && (c->first != NULL || c->more)) {
        struct answer *a = c->first;
        struct rpc_event e = {.kind = RPC_EVENT_RESUME};
        if (a != NULL) {
            c->first = a->next;
            if (c->first == NULL)
                c->last = &c->first;
            e = (struct rpc_event){.kind = a->fault != 0 ? RPC_EVENT_FAULT : RPC_EVENT_REPLY,
                                   .call = a->call,
                                   .fault = a->fault,
                                   .bytes = slice_of(a->stub, a->len)};
        }
        handle_event(c, &e);
        free(a);
    }
    c->running = false;
    update_reading(c);
}

/* --- input ------------------------------------------------------------------------------------ */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct conn *c = handle->data;
    *buffer = uv_buf_init((char *)c->config.scratch, (unsigned)rpc_conn_room(c->rpc));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    struct conn *c = stream->data;
    if (got < 0) {
        conn_close(c);
        return;
    }
    handle_event(c, &(struct rpc_event){.kind = RPC_EVENT_BYTES,
                                        .bytes = slice_of(buffer->base, (size_t)got)});
    conn_run(c);
}

static void update_reading(struct conn *c)
{
    if (c->closing)
        return;
    if (rpc_conn_room(c->rpc) == 0)
        (void)uv_read_stop((uv_stream_t *)&c->tcp);
    else
        (void)uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read); /* EALREADY is fine */
}

struct conn *conn_accept(uv_stream_t *server, const struct conn_config *config)
{
    struct conn *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->config = *config;
    c->last = &c->first;
    c->accepted_ns = uv_hrtime();
    list_init(&c->link);
    c->rpc = rpc_conn_new(config->mem, &config->rpc);
    if (c->rpc == NULL) {
        free(c);
        return NULL;
    }
    must(uv_tcp_init(server->loop, &c->tcp) == 0);
    c->tcp.data = c;
    if (uv_accept(server, (uv_stream_t *)&c->tcp) != 0 ||
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0) {
        conn_close(c);
        return c;
    }
    (void)uv_tcp_nodelay(&c->tcp, 1);
    (void)uv_tcp_keepalive(&c->tcp, 1, KEEP_ALIVE_S);
    struct sockaddr_storage name = {0};
    int len = sizeof name;
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&name, &len) == 0)
        (void)uv_ip_name((struct sockaddr *)&name, c->peer, sizeof c->peer);
    return c;
}
