#include "coordinator/io/server.h"

#include "proto/base/must.h"
#include "proto/daemon/log.h"
#include <string.h>

#define REDIAL_NS (UINT64_C(100) * 1000000)

static struct peer *find(struct server *s, uint64_t id)
{
    for (int i = 0; i < PEERS_MAX; i++)
        if (s->peers[i].id == id && id != 0)
            return &s->peers[i];
    return NULL;
}

/* ---- the link we dialled --------------------------------------------------------------------- */

static void on_up(struct link *l, const struct tls_peer *who)
{
    struct peer *p = link_owner(l);
    if (who->role != TLS_ROLE_NODE || who->node_id != p->id) {
        log_warn("coordinator %llu at %s shows the certificate of '%s'", (unsigned long long)p->id,
                 p->address, who->name);
        p->out = NULL;
        link_abort(l);
        return;
    }
    p->out_up = true;
    server_defer(p->server, (struct deferred){.what = DEFER_PEER_UP, .id = p->id});
}

static void on_frame(struct link *l, const struct frame *f)
{
    (void)f; /* it answers on its own link to us */
    struct peer *p = link_owner(l);
    log_warn("coordinator %llu sent a frame on the wrong link, ignoring",
             (unsigned long long)p->id);
}

static void on_down(struct link *l, bool by_peer, const char *why)
{
    (void)l;
    (void)by_peer;
    struct peer *p = link_owner(l);
    p->out = NULL;
    p->retry_ns = server_now() + REDIAL_NS;
    if (!p->out_up) {
        log_debug("coordinator %llu at %s: %s", (unsigned long long)p->id, p->address, why);
        return;
    }
    p->out_up = false;
    log_info("lost coordinator %llu at %s: %s", (unsigned long long)p->id, p->address, why);
    server_defer(p->server, (struct deferred){.what = DEFER_PEER_DOWN, .id = p->id});
}

static const struct link_callbacks outgoing = {on_up, on_frame, on_down};

void peers_send(struct server *s, uint64_t id, struct slice bytes)
{
    struct peer *p = find(s, id);
    if (p != NULL && p->out_up)
        link_send_frame(p->out, &(struct frame){.kind = FRAME_RAFT, .data = bytes});
}

/* ---- the link it dialled --------------------------------------------------------------------- */

bool peers_adopt(struct server *s, struct link *l, const struct tls_peer *who)
{
    struct peer *p = who->role == TLS_ROLE_NODE ? find(s, who->node_id) : NULL;
    if (p == NULL)
        return false;
    if (p->in != NULL && p->in != l)
        clients_drop_link(s, p->in); /* FIFO: what an older link still holds is dead */
    p->in = l;
    return true;
}

void peers_receive(struct server *s, uint64_t id, const struct frame *f)
{
    struct raft_engine_event ev = {.kind = RAFT_EV_RECEIVE};
    ev.receive.peer = id;
    ev.receive.frame = f->data;
    server_raft(s, &ev);
}

void peers_lost_incoming(struct server *s, const struct link *l)
{
    for (int i = 0; i < PEERS_MAX; i++)
        if (s->peers[i].in == l)
            s->peers[i].in = NULL;
}

/* ---- membership ------------------------------------------------------------------------------ */

/* Before its first configuration arrives, a joining coordinator hears those its file names. */
static bool is_member(const struct server *s, uint64_t id)
{
    struct raft_member m;
    if (!raft_engine_member(coordinator_raft(s->core), 0, &m)) {
        for (uint32_t i = 0; i < s->settings.coordinator_count; i++)
            if (s->settings.coordinators[i].id == id)
                return true;
    }
    for (size_t i = 0; raft_engine_member(coordinator_raft(s->core), i, &m); i++)
        if (m.id == id)
            return true;
    return false;
}

static void remember(struct server *s, const struct raft_member *m)
{
    if (m->id == s->settings.node_id || find(s, m->id) != NULL)
        return;
    for (int i = 0; i < PEERS_MAX; i++) {
        struct peer *p = &s->peers[i];
        if (p->id != 0)
            continue;
        *p = (struct peer){.server = s, .id = m->id};
        size_t len = strlen(m->address);
        memcpy(p->address, m->address, len < sizeof p->address ? len : sizeof p->address - 1);
        return;
    }
}

static void forget(struct server *s, struct peer *p)
{
    if (p->out != NULL)
        link_abort(p->out);
    if (p->out_up)
        server_defer(s, (struct deferred){.what = DEFER_PEER_DOWN, .id = p->id});
    *p = (struct peer){0};
}

uint64_t peers_maintain(struct server *s, uint64_t now_ns)
{
    uint64_t next = UINT64_MAX;
    struct raft_member m;
    for (size_t i = 0; raft_engine_member(coordinator_raft(s->core), i, &m); i++)
        remember(s, &m);
    for (uint32_t i = 0; i < s->settings.coordinator_count; i++)
        if (is_member(s, s->settings.coordinators[i].id))
            remember(s, &(struct raft_member){s->settings.coordinators[i].id,
                                              s->settings.coordinators[i].address, true});
    for (int i = 0; i < PEERS_MAX; i++) {
        struct peer *p = &s->peers[i];
        if (p->id == 0)
            continue;
        if (!is_member(s, p->id)) {
            forget(s, p);
            continue;
        }
        if (p->out == NULL && p->retry_ns <= now_ns) {
            p->out = link_connect(&s->loop, s->tls, p->address, s->settings.address, &outgoing);
            link_own(p->out, p);
            p->retry_ns = now_ns + REDIAL_NS;
        }
        if (p->out == NULL && p->retry_ns < next)
            next = p->retry_ns;
    }
    return next;
}
