/* Connections others dialled: clients of the service, and the other coordinators' links to us. The
 * first frame tells which. */
#include "coordinator/io/server.h"

#include "proto/base/must.h"
#include "proto/cluster/pack.h"
#include "proto/daemon/log.h"
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct connection {
    struct server *server;
    struct link *link;
    uint64_t id; /* as a client of the core; 0 before the first frame, and for coordinators */
    uint64_t raft_peer;
    struct tls_peer who;
};

static void destroy(struct connection *k)
{
    if (k->id != 0)
        (void)map_remove_u64(&k->server->clients, k->id);
    free(k);
}

static void on_up(struct link *l, const struct tls_peer *who)
{
    struct connection *k = link_owner(l);
    k->link = l;
    k->who = *who;
}

static Fl__Role role_of(const struct tls_peer *who)
{
    switch (who->role) {
    case TLS_ROLE_NODE: return FL__ROLE__ROLE_NODE;
    case TLS_ROLE_ADMIN: return FL__ROLE__ROLE_ADMIN;
    case TLS_ROLE_NONE: return FL__ROLE__ROLE_JOINING;
    }
    return FL__ROLE__ROLE_JOINING;
}

static bool become_client(struct connection *k)
{
    struct server *s = k->server;
    k->id = ++s->next_client;
    if (!map_put_u64(&s->clients, k->id, k))
        return false;
    struct coordinator_event ev = {.type = COORDINATOR_EV_CLIENT_UP};
    ev.client_up.client = k->id;
    ev.client_up.peer.role = role_of(&k->who);
    ev.client_up.peer.name = k->who.name;
    ev.client_up.peer.node_id = k->who.node_id;
    server_step(s, &ev);
    return map_get_u64(&s->clients, ev.client_up.client) == k; /* it may have been sent away */
}

/* The core sees only the hash of a joining machine's token. */
static struct slice hash_token(const struct frame *f, uint8_t digest[32])
{
    unsigned len = 0;
    Fl__Control *m = fl__control__unpack(NULL, f->control.len, f->control.at);
    if (m != NULL && m->body_case == FL__CONTROL__BODY_JOIN)
        (void)EVP_Digest(m->join->token.data, m->join->token.len, digest, &len, EVP_sha256(), NULL);
    if (m != NULL)
        fl__control__free_unpacked(m, NULL);
    return slice_of(digest, len);
}

static void on_frame(struct link *l, const struct frame *f)
{
    struct connection *k = link_owner(l);
    struct server *s = k->server;
    if (f->kind == FRAME_RAFT && k->id == 0) {
        if (k->raft_peer == 0 && peers_adopt(s, l, &k->who))
            k->raft_peer = k->who.node_id;
        if (k->raft_peer != 0)
            peers_receive(s, k->raft_peer, f);
        return; /* a coordinator not yet, or no longer, a member: it is not heard */
    }
    if (f->kind != FRAME_CONTROL || k->raft_peer != 0) {
        log_warn("%s ('%s') sent a frame that does not belong here", link_name(l), k->who.name);
        clients_drop_link(s, l);
        return;
    }
    if (k->id == 0 && !become_client(k))
        return;
    uint8_t digest[32];
    struct coordinator_event ev = {.type = COORDINATOR_EV_CLIENT_MESSAGE};
    ev.message.client = k->id;
    ev.message.bytes = f->control;
    if (k->who.role == TLS_ROLE_NONE)
        ev.message.token_hash = hash_token(f, digest);
    server_step(s, &ev);
}

static void on_down(struct link *l, bool by_peer, const char *why)
{
    struct connection *k = link_owner(l);
    struct server *s = k->server;
    if (k->link == NULL) /* it never came up: a stranger, or one of another cluster */
        log_warn("%s is refused: %s", link_name(l), why);
    else
        log_debug("%s ('%s') has gone: %s", link_name(l), k->who.name, why);
    peers_lost_incoming(s, l);
    uint64_t id = k->id;
    destroy(k);
    if (id != 0)
        server_defer(s, (struct deferred){.what = DEFER_CLIENT_DOWN, .id = id, .by_peer = by_peer});
}

static const struct link_callbacks incoming = {on_up, on_frame, on_down};

void clients_accept(struct server *s)
{
    struct connection *k = calloc(1, sizeof *k);
    must(k != NULL);
    k->server = s;
    if (link_accept((uv_stream_t *)&s->listener, s->tls, &incoming, k) == NULL)
        free(k);
}

void clients_send(struct server *s, uint64_t client, struct slice bytes)
{
    struct connection *k = map_get_u64(&s->clients, client);
    if (k != NULL)
        link_send(k->link, bytes);
}

void clients_close(struct server *s, uint64_t client)
{
    struct connection *k = map_get_u64(&s->clients, client);
    if (k == NULL)
        return;
    struct link *l = k->link;
    destroy(k);
    link_close(l);
}

void clients_drop_link(struct server *s, struct link *l)
{
    struct connection *k = link_owner(l);
    uint64_t id = k->id;
    peers_lost_incoming(s, l);
    destroy(k);
    link_abort(l);
    if (id != 0)
        server_defer(s, (struct deferred){.what = DEFER_CLIENT_DOWN, .id = id});
}
