#include "witness/io/net.h"
#include "proto/base/map.h"
#include "proto/base/must.h"
#include "proto/daemon/heap.h"
#include "proto/daemon/log.h"
#include "proto/rpc/epm.h"
#include "witness/io/conn.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MEMORY_MAX ((size_t)512 << 20)
#define CONNECTIONS_MAX 2048u
#define BACKLOG 128
#define SWEEP_MS 5000u
#define UNBOUND_S 30u /* a connection that has not said what it wants is closed after this */
#define MS_NS UINT64_C(1000000)

/* A call that the witness service has not answered yet. */
struct pending_call {
    struct list link;
    uint64_t token;
    struct conn *conn;
    uint32_t call;
};

struct net {
    uv_tcp_t mapper, service;
    uv_timer_t timer, sweep;
    struct net_config config;
    struct mem mem;
    struct swn_server *server;
    struct list conns, pending;
    struct map by_token;
    uint32_t conn_count, last_group;
    uint64_t last_token;
    uint16_t port;
    char port_text[8];
    unsigned handles;
    bool closing;
    uint8_t scratch[CONN_SCRATCH];
};

static uint64_t entropy64(void)
{
    uint64_t v = 0;
    must(getrandom(&v, sizeof v, 0) == sizeof v);
    return v;
}

/* --- the service ------------------------------------------------------------------------------ */

static void on_timer(uv_timer_t *timer);

static void rearm(struct net *n)
{
    uint64_t at = swn_server_next_deadline(n->server), now = uv_hrtime();
    if (n->closing)
        return;
    if (at == UINT64_MAX)
        (void)uv_timer_stop(&n->timer);
    else
        (void)uv_timer_start(&n->timer, on_timer, at <= now ? 0 : (at - now) / MS_NS + 1, 0);
}

static void forget_pending(struct net *n, struct pending_call *p)
{
    must(map_remove_u64(&n->by_token, p->token) == p);
    list_remove(&p->link);
    free(p);
}

/* Gives the service an event, then carries its answers to their connections. */
static void serve(struct net *n, struct swn_event *event)
{
    struct swn_answer answer;
    event->now_ns = uv_hrtime();
    swn_server_step(n->server, event);
    while (swn_server_next(n->server, event->now_ns, &answer)) {
        struct pending_call *p = map_get_u64(&n->by_token, answer.token);
        must(p != NULL); /* who left was cancelled */
        struct conn *c = p->conn;
        conn_answer(c, p->call, answer.fault, answer.stub);
        forget_pending(n, p);
        conn_run(c);
    }
    rearm(n);
}

static void on_timer(uv_timer_t *timer)
{
    serve(timer->data, &(struct swn_event){.kind = SWN_EVENT_TIME});
}

void net_cluster(struct net *n, const struct swn_cluster *cluster)
{
    serve(n, &(struct swn_event){.kind = SWN_EVENT_CLUSTER, .cluster = cluster});
}

/* [MS-SWN] 3.1.6.5: with the last connection of an association group its registrations go. */
static void leave_group(struct net *n, uint32_t group)
{
    list_each (l, &n->conns) {
        struct conn *other = conn_of_link(l);
        if (!conn_is_mapper(other) && conn_group(other) == group)
            return;
    }
    serve(n, &(struct swn_event){.kind = SWN_EVENT_GROUP_GONE, .group = group});
}

static void witness_call(struct conn *c, const struct rpc_effect *call)
{
    struct net *n = conn_context(c);
    struct pending_call *p = calloc(1, sizeof *p);
    if (p == NULL || !map_put_u64(&n->by_token, n->last_token + 1, p)) {
        free(p);
        conn_answer(c, call->call, RPC_FAULT_NO_MEMORY, (struct slice){0});
        return;
    }
    *p = (struct pending_call){.token = ++n->last_token, .conn = c, .call = call->call};
    list_push_back(&n->pending, &p->link);
    struct swn_event e = {.kind = SWN_EVENT_CALL,
                          .token = p->token,
                          .group = conn_group(c),
                          .opnum = call->opnum,
                          .auth_level = call->auth_level,
                          .stub = call->bytes};
    must(getrandom(e.entropy, sizeof e.entropy, 0) == sizeof e.entropy);
    serve(n, &e);
}

static void cancel_pending(struct net *n, struct pending_call *p)
{
    uint64_t token = p->token;
    forget_pending(n, p);
    serve(n, &(struct swn_event){.kind = SWN_EVENT_CANCEL, .token = token});
}

static void witness_cancel(struct conn *c, uint32_t call)
{
    struct net *n = conn_context(c);
    list_each (l, &n->pending) {
        struct pending_call *p = container_of(l, struct pending_call, link);
        if (p->conn == c && p->call == call) {
            cancel_pending(n, p);
            return;
        }
    }
}

static void mapper_call(struct conn *c, const struct rpc_effect *call)
{
    struct net *n = conn_context(c);
    struct epm_endpoint endpoint = {.interface = swn_interface, .port = n->port};
    struct epm_view view = {.endpoints = &endpoint, .endpoint_count = 1};
    conn_local_address(c, view.address);
    uint8_t stub[512];
    struct writer w = writer_of(stub, sizeof stub);
    uint32_t fault = epm_dispatch(call->opnum, call->bytes, &view, &w);
    conn_answer(c, call->call, fault, written(&w));
}

static void mapper_cancel(struct conn *c, uint32_t call)
{
    (void)c, (void)call; /* every call is answered at once */
}

static void free_when_done(struct net *n);

static void on_conn_gone(struct conn *c)
{
    struct net *n = conn_context(c);
    bool mapper = conn_is_mapper(c);
    uint32_t group = conn_group(c);
    list_remove(conn_link(c));
    n->conn_count--;
    /* Cancelling one call may answer others, but never those of a connection that is gone. */
    for (bool again = !mapper; again;) {
        again = false;
        list_each (l, &n->pending) {
            struct pending_call *p = container_of(l, struct pending_call, link);
            if (p->conn == c) {
                cancel_pending(n, p);
                again = true;
                break;
            }
        }
    }
    if (!mapper && group != 0)
        leave_group(n, group);
    free_when_done(n);
}

static const struct conn_owner mapper_owner = {mapper_call, mapper_cancel, on_conn_gone};
static const struct conn_owner witness_owner = {witness_call, witness_cancel, on_conn_gone};

/* --- sockets ---------------------------------------------------------------------------------- */

static void on_connection(uv_stream_t *server, int status)
{
    struct net *n = server->data;
    bool mapper = server == (uv_stream_t *)&n->mapper;
    if (status < 0 || n->closing)
        return;
    /* Group ids only need to differ among the clients of this process. */
    n->last_group = n->last_group == UINT32_MAX ? 1 : n->last_group + 1;
    struct conn_config config = {
        .owner = mapper ? &mapper_owner : &witness_owner,
        .context = n,
        .gss = &n->config.gss,
        .mem = &n->mem,
        .scratch = n->scratch,
        .rpc = {.interfaces = mapper ? &epm_interface : &swn_interface,
                .interface_count = 1,
                .assoc_group = n->last_group,
                .secondary_address = mapper ? "135" : n->port_text,
                .auth = !mapper},
    };
    struct conn *c = conn_accept(server, &config);
    if (c == NULL) {
        log_warn("a connection could not be accepted, going on without it");
        return;
    }
    list_push_back(&n->conns, conn_link(c));
    if (++n->conn_count > CONNECTIONS_MAX)
        conn_close(c);
}

static void on_sweep(uv_timer_t *timer)
{
    struct net *n = timer->data;
    uint64_t now = uv_hrtime();
    list_each (l, &n->conns) {
        if (conn_idle_s(conn_of_link(l), now) > UNBOUND_S)
            conn_close(conn_of_link(l));
    }
}

static int listen_on(struct net *n, uv_tcp_t *tcp, uint16_t port)
{
    struct sockaddr_storage name = {0};
    int r = uv_ip4_addr(n->config.address, port, (struct sockaddr_in *)&name);
    if (r != 0)
        r = uv_ip6_addr(n->config.address, port, (struct sockaddr_in6 *)&name);
    if (r == 0)
        r = uv_tcp_bind(tcp, (struct sockaddr *)&name, 0);
    return r != 0 ? r : uv_listen((uv_stream_t *)tcp, BACKLOG, on_connection);
}

static uint16_t bound_port(const uv_tcp_t *tcp)
{
    struct sockaddr_storage name = {0};
    int len = sizeof name;
    must(uv_tcp_getsockname(tcp, (struct sockaddr *)&name, &len) == 0);
    uint16_t port = name.ss_family == AF_INET ? ((struct sockaddr_in *)&name)->sin_port
                                              : ((struct sockaddr_in6 *)&name)->sin6_port;
    return (uint16_t)(port << 8 | port >> 8);
}

static void free_when_done(struct net *n)
{
    if (!n->closing || n->handles > 0 || n->conn_count > 0)
        return;
    swn_server_free(n->server);
    map_fini(&n->by_token);
    free(n);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct net *n = handle->data;
    n->handles--;
    free_when_done(n);
}

void net_close(struct net *n)
{
    if (n->closing)
        return;
    n->closing = true;
    list_each (l, &n->conns)
        conn_close(conn_of_link(l));
    uv_close((uv_handle_t *)&n->mapper, on_handle_closed);
    uv_close((uv_handle_t *)&n->service, on_handle_closed);
    uv_close((uv_handle_t *)&n->timer, on_handle_closed);
    uv_close((uv_handle_t *)&n->sweep, on_handle_closed);
}

struct net *net_new(uv_loop_t *loop, const struct net_config *config, char *error,
                    size_t error_size)
{
    struct net *n = calloc(1, sizeof *n);
    must(n != NULL);
    n->config = *config;
    n->last_group = (uint32_t)entropy64();
    mem_heap_init(&n->mem, MEMORY_MAX);
    n->server = swn_server_new(&n->mem, entropy64());
    must(n->server != NULL);
    list_init(&n->conns);
    list_init(&n->pending);
    map_init(&n->by_token, &n->mem, entropy64());
    must(uv_tcp_init(loop, &n->mapper) == 0);
    must(uv_tcp_init(loop, &n->service) == 0);
    must(uv_timer_init(loop, &n->timer) == 0);
    must(uv_timer_init(loop, &n->sweep) == 0);
    n->mapper.data = n->service.data = n->timer.data = n->sweep.data = n;
    n->handles = 4;
    uint16_t failed = config->mapper_port;
    int r = listen_on(n, &n->mapper, config->mapper_port);
    if (r == 0) {
        failed = config->service_port;
        r = listen_on(n, &n->service, config->service_port);
    }
    if (r != 0) {
        (void)snprintf(error, error_size, "cannot listen on %s port %u: %s", config->address,
                       failed, uv_strerror(r));
        net_close(n);
        return NULL;
    }
    n->port = bound_port(&n->service);
    (void)snprintf(n->port_text, sizeof n->port_text, "%u", n->port);
    (void)uv_timer_start(&n->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    return n;
}

uint16_t net_service_port(const struct net *n) { return n->port; }
