/* Links to the other nodes: one at a time with each. The node with the smaller id dials. */
#include "node/io/shell.h"

#include "proto/base/must.h"
#include "proto/daemon/log.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REDIAL_NS (UINT64_C(100) * 1000000)
enum { PEERS_MAX = 64, PENDING_MAX = 16 };

struct peer {
    struct peers *peers;
    uint32_t node_id; /* 0: this place is free */
    char address[80]; /* "address:port" */
    struct tlslink *link;
    bool up, listed;
    uint64_t session, retry_ns;
};

struct peers {
    struct shell *shell;
    int listener;
    struct io_op accept;
    struct peer peer[PEERS_MAX];
    struct tlslink *pending[PENDING_MAX]; /* accepted; whose they are is not known yet */
    uint64_t next_session;
};

static struct peer *find(struct peers *p, uint32_t node_id)
{
    for (int i = 0; i < PEERS_MAX; i++)
        if (p->peer[i].node_id == node_id && node_id != 0)
            return &p->peer[i];
    return NULL;
}

static void tell(struct peer *q, enum node_event_type type)
{
    struct node_event ev = {.type = type, .link = {q->node_id, q->session}};
    shell_post(q->peers->shell, &ev);
}

static void went_up(struct peer *q, struct tlslink *l)
{
    q->link = l;
    q->up = true;
    q->session = ++q->peers->next_session;
    log_info("linked with node %u", q->node_id);
    tell(q, NODE_EV_PEER_UP);
}

static void went_down(struct peer *q, const char *why)
{
    bool was_up = q->up;
    q->link = NULL;
    q->up = false;
    q->retry_ns = reactor_now() + REDIAL_NS;
    if (!was_up) {
        log_debug("cannot link with node %u at %s: %s", q->node_id, q->address, why);
        return;
    }
    log_info("lost the link with node %u: %s", q->node_id, why);
    tell(q, NODE_EV_PEER_DOWN);
}

/* ---- frames ---------------------------------------------------------------------------------- */

static void receive(struct peer *q, const struct frame *f)
{
    struct node *node = q->peers->shell->node;
    struct node_event ev = {.type = NODE_EV_PEER};
    if (f->kind != FRAME_PEER) {
        log_warn("node %u sent a frame that does not belong here, ignoring", q->node_id);
        return;
    }
    ev.peer.node_id = q->node_id;
    ev.peer.session = q->session;
    ev.peer.control = f->control;
    if (f->data.len > 0) {
        uint8_t *at = NULL;
        ev.peer.buf = node_buffer_get(node, f->data.len, &at);
        if (handle_none(ev.peer.buf)) {
            struct tlslink *l = q->link;
            log_warn("no memory for data of node %u: dropping the link", q->node_id);
            went_down(q, "out of memory");
            tlslink_close(l);
            return;
        }
        memcpy(at, f->data.at, f->data.len);
        ev.peer.data = slice_of(at, f->data.len);
    }
    shell_step(q->peers->shell, &ev);
}

void peers_send(struct peers *p, uint32_t node_id, uint64_t session, const struct frame *f)
{
    struct peer *q = find(p, node_id);
    if (q != NULL && q->up && q->session == session)
        tlslink_send_frame(q->link, f);
}

/* ---- links we dial --------------------------------------------------------------------------- */

static void dialled_up(struct tlslink *l, const struct tls_peer *who)
{
    struct peer *q = tlslink_owner(l);
    if (who->role == TLS_ROLE_NODE && who->node_id == q->node_id) {
        went_up(q, l);
        return;
    }
    log_warn("%s shows the certificate of '%s', not of node %u", q->address, who->name, q->node_id);
    q->link = NULL;
    q->retry_ns = reactor_now() + 10 * REDIAL_NS;
    tlslink_close(l);
}

static void dialled_frame(struct tlslink *l, const struct frame *f)
{
    receive(tlslink_owner(l), f);
}

static void dialled_down(struct tlslink *l, bool by_peer, const char *why)
{
    (void)by_peer;
    went_down(tlslink_owner(l), why);
}

static const struct tlslink_callbacks dialled = {dialled_up, dialled_frame, dialled_down};

/* ---- links we accept ------------------------------------------------------------------------- */

static struct peer *owner_of(struct peers *p, const struct tlslink *l)
{
    for (int i = 0; i < PEERS_MAX; i++)
        if (p->peer[i].link == l)
            return &p->peer[i];
    return NULL;
}

static void no_longer_pending(struct peers *p, const struct tlslink *l)
{
    for (int i = 0; i < PENDING_MAX; i++)
        if (p->pending[i] == l)
            p->pending[i] = NULL;
}

static void accepted_up(struct tlslink *l, const struct tls_peer *who)
{
    struct peers *p = tlslink_owner(l);
    no_longer_pending(p, l);
    struct peer *q = who->role == TLS_ROLE_NODE ? find(p, who->node_id) : NULL;
    if (q == NULL || who->node_id >= p->shell->config.node_id) {
        log_warn("'%s' is not a node that may link here", who->name);
        tlslink_close(l);
        return;
    }
    if (q->link != NULL) { /* a new process, or one that gave the old link up before us */
        struct tlslink *old = q->link;
        went_down(q, "replaced by a new one");
        tlslink_close(old);
    }
    went_up(q, l);
}

static void accepted_frame(struct tlslink *l, const struct frame *f)
{
    struct peer *q = owner_of(tlslink_owner(l), l);
    if (q != NULL)
        receive(q, f);
}

static void accepted_down(struct tlslink *l, bool by_peer, const char *why)
{
    (void)by_peer;
    struct peers *p = tlslink_owner(l);
    struct peer *q = owner_of(p, l);
    no_longer_pending(p, l);
    if (q != NULL)
        went_down(q, why);
    else
        log_warn("a link from another machine is refused: %s", why);
}

static const struct tlslink_callbacks accepted = {accepted_up, accepted_frame, accepted_down};

static void start_accept(struct peers *p)
{
    io_uring_prep_accept(reactor_entry(&p->shell->reactor, &p->accept), p->listener, NULL, NULL,
                         SOCK_CLOEXEC);
}

static void on_accepted(struct io_op *op, int result)
{
    struct peers *p = container_of(op, struct peers, accept);
    int place = 0;
    while (place < PENDING_MAX && p->pending[place] != NULL)
        place++;
    if (result >= 0 && place < PENDING_MAX)
        p->pending[place] = tlslink_accept(&p->shell->reactor, p->shell->tls, result, &accepted, p);
    else if (result >= 0)
        (void)close(result);
    start_accept(p);
}

/* ---- who there is ---------------------------------------------------------------------------- */

static void remember(struct peers *p, const Fl__Node *n)
{
    struct peer *q = find(p, n->id);
    for (int i = 0; q == NULL && i < PEERS_MAX; i++)
        if (p->peer[i].node_id == 0)
            q = &p->peer[i];
    if (q == NULL)
        return;
    q->peers = p;
    q->node_id = n->id;
    q->listed = true;
    (void)snprintf(q->address, sizeof q->address, strchr(n->address, ':') ? "[%s]:%u" : "%s:%u",
                   n->address, n->data_port);
}

void peers_config(struct peers *p, const Fl__ClusterConfig *config)
{
    for (int i = 0; i < PEERS_MAX; i++)
        p->peer[i].listed = false;
    for (size_t i = 0; i < config->n_nodes; i++)
        if (config->nodes[i]->id != p->shell->config.node_id)
            remember(p, config->nodes[i]);
    for (int i = 0; i < PEERS_MAX; i++) {
        struct peer *q = &p->peer[i];
        if (q->node_id == 0 || q->listed)
            continue;
        struct tlslink *l = q->link;
        if (l != NULL) {
            went_down(q, "the node was removed");
            tlslink_close(l);
        }
        q->node_id = 0;
    }
}

uint64_t peers_maintain(struct peers *p, uint64_t now_ns)
{
    uint64_t next = UINT64_MAX;
    for (int i = 0; i < PENDING_MAX; i++)
        if (p->pending[i] != NULL)
            tlslink_check_time(p->pending[i], now_ns);
    for (int i = 0; i < PEERS_MAX; i++) {
        struct peer *q = &p->peer[i];
        if (q->node_id == 0)
            continue;
        if (q->link != NULL) {
            tlslink_check_time(q->link, now_ns);
            continue;
        }
        if (q->node_id < p->shell->config.node_id)
            continue; /* it dials us */
        if (q->retry_ns <= now_ns) {
            q->retry_ns = now_ns + REDIAL_NS;
            q->link = tlslink_connect(&p->shell->reactor, p->shell->tls, q->address,
                                      p->shell->settings.address, &dialled);
            tlslink_own(q->link, q);
        }
        if (q->link == NULL && q->retry_ns < next)
            next = q->retry_ns;
    }
    return next;
}

struct peers *peers_new(struct shell *s)
{
    struct peers *p = calloc(1, sizeof *p);
    must(p != NULL);
    p->shell = s;
    p->accept.done = on_accepted;
    return p;
}

int peers_listen(struct peers *p, const char *address, uint32_t port)
{
    p->listener = socket_listen(address, port);
    if (p->listener < 0)
        return p->listener;
    start_accept(p);
    return 0;
}
