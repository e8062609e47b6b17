#pragma once
/* The coordinator's shell: a libuv loop that carries sockets, files and time to the pure core, and
 * its effects back.
 *
 *   peers.c   links to the other coordinators      clients.c  nodes, witnesses, administrators
 *   disk.c    the log's files                      server.c   steps, effects, timer, signals
 *
 * A step is never entered from within another: what happens while effects are carried out (a link
 * that breaks while it is written to) waits in `deferred`. */
#include "coordinator/io/disk.h"
#include "coordinator/service/coordinator.h"
#include "proto/base/map.h"
#include "proto/daemon/link.h"
#include "proto/daemon/settings.h"

enum { DEFERRED_MAX = 4096, PEERS_MAX = RAFT_MEMBERS_MAX };

/* An event that happened during a step. */
struct deferred {
    enum { DEFER_CLIENT_DOWN, DEFER_PEER_UP, DEFER_PEER_DOWN, DEFER_SIGNED } what;
    uint64_t id; /* client or peer */
    bool by_peer;
    char *cert_pem; /* SIGNED: malloc'ed or NULL */
};

/* Another coordinator: we send on the link we dialled, and hear on the one it dialled. */
struct peer {
    struct server *server;
    uint64_t id; /* raft id; 0: this place is free */
    char address[RAFT_ADDRESS_MAX + 1];
    struct link *out, *in;
    bool out_up;
    uint64_t retry_ns;
};

struct server {
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_timer_t timer;
    uv_signal_t term, interrupt;
    struct settings settings;
    struct mem mem;
    struct tls_context *tls;
    struct disk *disk;
    struct coordinator *core;
    struct map clients; /* id → struct connection */
    uint64_t next_client, stop_ns;
    struct peer peers[PEERS_MAX];
    struct deferred deferred[DEFERRED_MAX];
    uint32_t deferred_count;
    bool stepping, stopping;
    int exit_code;
};

/* server.c */
uint64_t server_now(void);
/* Steps the core with this event (times and entropy are filled in) and carries out what follows. */
void server_step(struct server *s, struct coordinator_event *ev);
void server_raft(struct server *s, struct raft_engine_event *ev);
/* During a step: remembers; outside: steps now. */
void server_defer(struct server *s, struct deferred d);
/* For coordinator_config.read_file. */
bool server_read_state(void *ctx, struct raft_file file, uint64_t offset, uint8_t *to, size_t len);
/* Runs until told to stop; the process's exit code. */
int server_run(struct server *s);

/* clients.c */
void clients_accept(struct server *s);
void clients_send(struct server *s, uint64_t client, struct slice bytes);
void clients_close(struct server *s, uint64_t client);
/* Aborts an accepted link and forgets its connection. */
void clients_drop_link(struct server *s, struct link *l);

/* peers.c */
void peers_send(struct server *s, uint64_t peer, struct slice bytes);
/* A link that was accepted turned out to be another coordinator's: it sends Raft messages. False
 * when the certificate is not that of a machine of this cluster. */
bool peers_adopt(struct server *s, struct link *l, const struct tls_peer *who);
void peers_receive(struct server *s, uint64_t peer, const struct frame *f);
void peers_lost_incoming(struct server *s, const struct link *l);
/* Keeps the links in step with the membership, dials those that are down; when to look again. */
uint64_t peers_maintain(struct server *s, uint64_t now_ns);
