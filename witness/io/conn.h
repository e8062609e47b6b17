#pragma once
/* One RPC connection: a socket, its `struct rpc_conn`, its security context. Used by net.c only. */
#include "proto/base/list.h"
#include "proto/daemon/gss.h"
#include "proto/rpc/dcerpc.h"
#include <uv.h>

struct conn;

/* What a connection needs of the net; the calls come on the loop's thread. */
struct conn_owner {
    /* A call to dispatch; answer it by conn_answer at any later time, or now. */
    void (*call)(struct conn *c, const struct rpc_effect *call);
    void (*cancel)(struct conn *c, uint32_t call);
    /* The connection is closed and about to be freed: forget it. */
    void (*gone)(struct conn *c);
};

struct conn_config {
    const struct conn_owner *owner;
    void *context; /* the net */
    const struct gss_accept_config *gss;
    struct mem *mem;
    uint8_t *scratch; /* CONN_SCRATCH bytes to read into, shared by all connections of the loop */
    struct rpc_config rpc;
};

#define CONN_SCRATCH (RPC_BIND_MAX + RPC_FRAG_MAX)

/* Takes the connection that `server` has waiting. NULL when there is no memory; a connection that
 * failed is returned as well, and goes by `gone`. */
struct conn *conn_accept(uv_stream_t *server, const struct conn_config *config);
void *conn_context(const struct conn *c);
/* The address the client reached us at: IPv4 in network order, zero for IPv6. */
void conn_local_address(const struct conn *c, uint8_t address[4]);
uint32_t conn_group(const struct conn *c);
bool conn_is_mapper(const struct conn *c);
/* Answers a call: a fault status, or 0 and the stub, which is copied. */
void conn_answer(struct conn *c, uint32_t call, uint32_t fault, struct slice stub);
/* Seconds since it was accepted without having become useful: 0 once it is bound. */
uint64_t conn_idle_s(const struct conn *c, uint64_t now_ns);
/* Does what answers have made possible. Call after conn_answer, outside of callbacks of
 * conn_owner. */
void conn_run(struct conn *c);
void conn_close(struct conn *c);
/* Its place in the owner's list. */
struct list *conn_link(struct conn *c);
struct conn *conn_of_link(struct list *l);
