#pragma once
/* The witness's sockets: the endpoint mapper on port 135 and the witness service on a port of its
 * own, each connection a `struct rpc_conn`; calls go to the one `struct swn_server`. All of it runs
 * on one libuv loop; only GSSAPI is left to the loop's worker threads (gss.h). */
#include "proto/daemon/gss.h"
#include "witness/swn_server.h"
#include <uv.h>

struct net;

struct net_config {
    const char *address;          /* IP literal to listen on */
    uint16_t mapper_port;         /* 135 */
    uint16_t service_port;        /* 0: any free one */
    struct gss_accept_config gss; /* strings outlive the net */
};

/* Listens. NULL with a sentence in `error` when a port cannot be had. */
struct net *net_new(uv_loop_t *loop, const struct net_config *config, char *error,
                    size_t error_size);
/* The port the witness service got. */
uint16_t net_service_port(const struct net *n);
/* The cluster has changed: registrations and waiting calls hear about it. */
void net_cluster(struct net *n, const struct swn_cluster *cluster);
/* Closes everything; the memory is freed on the loop, when the last handle and worker are done. */
void net_close(struct net *n);
