/* A node's shell in the simulated world: what node/io does in reality.
 * covers: node/node.c node/route.c */
#include "tests/sim/cluster.h"

#include "proto/cluster/frame.h"

#include <stdlib.h>
#include <string.h>

#define REDIAL_NS (100 * MS)

static const uint8_t session_key[16] = "simulated key 16";
static const uint8_t user_sid[] = {1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0,   0, 1, 0,
                                   0, 0, 2, 0, 0, 0, 3, 0, 0,  0, 244, 1, 0, 0};
static const char *const coordinator_names[MACHINES] = {"c1", "c2", "c3"};

static void step(struct node_host *h, struct node_event *ev);

static struct cluster *cluster_of(const struct node_host *h) { return h->w->cluster; }

/* ---- disk ---- */

struct disk_op {
    uint64_t number, token;
};

static void disk_done(struct world *w, void *object, uint64_t arg, void *data)
{
    (void)arg;
    struct node_host *h = object;
    const struct disk_op *d = data;
    struct node_event ev = {.type = NODE_EV_DISK, .disk = {.token = d->token}};
    ev.disk.result = simdisk_finish(&h->disk, d->number, &w->prng, &ev.disk.count);
    step(h, &ev);
}

static void disk_start(struct node_host *h, const struct node_effect *e)
{
    struct disk_op *d = take(sizeof *d);
    uint64_t wait = draw(h->w, h->disk_least_ns, h->disk_most_ns);
    if (h->w->now_ns < h->disk_slow_until)
        wait *= 20;
    *d = (struct disk_op){simdisk_start(&h->disk, e->disk.op), e->disk.token};
    world_at(h->w, (struct event){.at_ns = h->w->now_ns + wait,
                                  .proc = &h->proc,
                                  .run = disk_done,
                                  .object = h,
                                  .data = d});
}

/* ---- the line to the coordinators --------------------------------------------------------------
 */

static void control(struct node_host *h, struct control_event *ev)
{
    step(h, &(struct node_event){.type = NODE_EV_CONTROL, .control = ev});
}

static void line_up(void *owner, struct conn *c)
{
    (void)c;
    control(owner, &(struct control_event){.type = CONTROL_EV_LINK_UP});
}

static void line_down(void *owner, struct conn *c, bool by_peer)
{
    (void)c;
    struct node_host *h = owner;
    struct control_event ev = {.type = CONTROL_EV_LINK_DOWN, .link_down = {by_peer}};
    h->line = NULL;
    control(h, &ev);
}

static void line_message(void *owner, struct conn *c, struct slice bytes)
{
    (void)c;
    struct frame f;
    size_t used;
    must(frame_decode(bytes, &f, &used) == FRAME_OK);
    control(owner, &(struct control_event){.type = CONTROL_EV_MESSAGE, .message = {f.control}});
}

static const struct net_calls line_calls = {line_up, line_down, line_message};

static void on_control(struct node_host *h, const struct control_effect *e)
{
    if (e->type == CONTROL_DO_SEND && h->line != NULL) {
        net_send(h->w, h->line, &h->proc, e->send.bytes, (struct slice){0});
    } else if (e->type == CONTROL_DO_DISCONNECT && h->line != NULL) {
        net_close(h->w, h->line, &h->proc);
        h->line = NULL;
    } else if (e->type == CONTROL_DO_CONNECT) {
        must(h->line == NULL);
        struct net_dial d = {.from = &h->proc,
                             .to = &cluster_of(h)->coords[e->connect.address[1] - '1'].listener,
                             .service = SERVICE_CONTROL,
                             .calls = &line_calls,
                             .owner = h};
        h->line = net_dial(h->w, &d);
    }
}

/* ---- links to the other nodes ---- */

static void dial_peer(struct world *w, void *object, uint64_t id, void *data);

static void redial(struct node_host *h, uint64_t id)
{
    if (h->proc.number > id)
        return; /* the smaller number dials */
    world_at(h->w, (struct event){.at_ns = h->w->now_ns + REDIAL_NS,
                                  .proc = &h->proc,
                                  .run = dial_peer,
                                  .object = h,
                                  .arg = id});
}

static uint32_t peer_number(const struct node_host *h, const struct conn *c)
{
    const struct proc *p = c->end[0].proc == &h->proc ? c->end[1].proc : c->end[0].proc;
    return p->number;
}

static void tell_link(struct node_host *h, uint32_t id, enum node_event_type type)
{
    struct node_event ev = {.type = type, .link = {id, h->peers[id].session}};
    step(h, &ev);
}

static void peer_up(void *owner, struct conn *c)
{
    struct node_host *h = owner;
    uint32_t id = peer_number(h, c);
    struct peer_link *l = &h->peers[id];
    if (l->up) { /* a new process, or one that gave the old link up before us */
        l->up = false;
        net_close(h->w, l->conn, &h->proc);
        tell_link(h, id, NODE_EV_PEER_DOWN);
    }
    *l = (struct peer_link){c, true, true, ++h->next_session};
    tell_link(h, id, NODE_EV_PEER_UP);
}

static void peer_down(void *owner, struct conn *c, bool by_peer)
{
    (void)by_peer;
    struct node_host *h = owner;
    uint32_t id = peer_number(h, c);
    struct peer_link *l = &h->peers[id];
    if (l->conn != c)
        return;
    bool was_up = l->up;
    l->conn = NULL;
    l->up = false;
    redial(h, id);
    if (was_up)
        tell_link(h, id, NODE_EV_PEER_DOWN);
}

static void peer_message(void *owner, struct conn *c, struct slice bytes)
{
    struct node_host *h = owner;
    uint32_t id = peer_number(h, c);
    struct peer_link *l = &h->peers[id];
    struct frame f;
    size_t used;
    must(frame_decode(bytes, &f, &used) == FRAME_OK);
    if (!l->up || l->conn != c)
        return;
    struct node_event ev = {.type = NODE_EV_PEER};
    ev.peer.node_id = id;
    ev.peer.session = l->session;
    ev.peer.control = f.control;
    if (f.data.len > 0) {
        uint8_t *at = NULL;
        ev.peer.buf = node_buffer_get(h->core, f.data.len, &at);
        if (handle_none(ev.peer.buf)) {
            net_close(h->w, c, &h->proc);
            peer_down(h, c, false);
            return;
        }
        memcpy(at, f.data.at, f.data.len);
        ev.peer.data = slice_of(at, f.data.len);
    }
    step(h, &ev);
}

static const struct net_calls peer_calls = {peer_up, peer_down, peer_message};

static void dial_peer(struct world *w, void *object, uint64_t id, void *data)
{
    (void)data;
    struct node_host *h = object;
    struct peer_link *l = &h->peers[id];
    if (l->conn != NULL)
        return;
    struct net_dial d = {.from = &h->proc,
                         .to = &cluster_of(h)->nodes[id - 1].listener,
                         .service = SERVICE_PEER,
                         .calls = &peer_calls,
                         .owner = h};
    l->conn = net_dial(w, &d);
}

static void on_config(struct node_host *h, const Fl__ClusterConfig *config)
{
    for (size_t i = 0; i < config->n_nodes; i++) {
        uint32_t id = config->nodes[i]->id;
        if (id == h->proc.number || h->peers[id].wanted)
            continue;
        h->peers[id].wanted = true;
        redial(h, id);
    }
}

static void on_peer(struct node_host *h, const struct node_effect *e)
{
    const struct peer_link *l = &h->peers[e->peer.node_id];
    struct frame f = {.kind = FRAME_PEER, .control = e->peer.control, .data = e->peer.data};
    if (!l->up || l->session != e->peer.session)
        return;
    size_t len = FRAME_HEADER + f.control.len;
    uint8_t *head = take(len);
    frame_header(head, &f);
    if (f.control.len > 0)
        memcpy(head + FRAME_HEADER, f.control.at, f.control.len);
    net_send(h->w, l->conn, &h->proc, slice_of(head, len), f.data);
    free(head);
}

/* ---- SMB clients ---- */

static struct conn **smb_slot(struct node_host *h, uint64_t id)
{
    for (uint32_t i = 0; i < SMB_CONNS_MAX; i++)
        if (id == 0 ? h->smb[i] == NULL : h->smb[i] != NULL && h->smb[i]->id == id)
            return &h->smb[i];
    return NULL;
}

static void smb(struct node_host *h, struct smb_event *ev)
{
    step(h, &(struct node_event){.type = NODE_EV_SMB, .smb = ev});
}

static void smb_up(void *owner, struct conn *c)
{
    struct node_host *h = owner;
    struct smb_event ev = {.type = SMB_EV_CONNECT, .connect = {c->id, "10.0.1.1", "10.0.0.1"}};
    *smb_slot(h, 0) = c;
    smb(h, &ev);
}

static void smb_down(void *owner, struct conn *c, bool by_peer)
{
    (void)by_peer;
    struct node_host *h = owner;
    struct conn **slot = smb_slot(h, c->id);
    if (slot == NULL)
        return;
    *slot = NULL;
    struct smb_event ev = {.type = SMB_EV_DISCONNECT, .disconnect = {c->id}};
    smb(h, &ev);
}

static void smb_message(void *owner, struct conn *c, struct slice bytes)
{
    struct node_host *h = owner;
    struct smb_event ev = {.type = SMB_EV_FRAME, .frame = {.conn = c->id, .len = bytes.len}};
    uint8_t *at = NULL;
    ev.frame.buf = node_buffer_get(h->core, bytes.len, &at);
    if (handle_none(ev.frame.buf)) {
        net_close(h->w, c, &h->proc);
        smb_down(h, c, false);
        return;
    }
    memcpy(at, bytes.at, bytes.len);
    ev.frame.at = at;
    smb(h, &ev);
}

static const struct net_calls smb_calls = {smb_up, smb_down, smb_message};

static void on_smb_send(struct node_host *h, const struct smb_effect *e)
{
    struct conn **slot = smb_slot(h, e->send.conn);
    if (slot != NULL)
        net_send(h->w, *slot, &h->proc, e->send.head, e->send.body);
    node_buffer_put(h->core, e->send.buf);
}

static void on_smb_close(struct node_host *h, const struct smb_effect *e)
{
    struct conn **slot = smb_slot(h, e->close.conn);
    if (slot == NULL)
        return;
    world_tell(h->w, "node %u closes a connection: %s", h->proc.number,
               e->close.why != NULL ? e->close.why : "");
    net_close(h->w, *slot, &h->proc);
    *slot = NULL;
}

static void auth_done(struct world *w, void *object, uint64_t token, void *data)
{
    (void)w;
    (void)data;
    struct smb_principal who = {.name = "SIM\\administrator",
                                .user_sid = slice_of(user_sid, sizeof user_sid),
                                .administrator = true};
    struct smb_event ev = {.type = SMB_EV_AUTH, .auth = {.token = token, .state = SMB_AUTH_OK}};
    ev.auth.session_key = slice_of(session_key, sizeof session_key);
    ev.auth.principal = &who;
    smb(object, &ev);
}

static void on_auth(struct node_host *h, const struct smb_effect *e)
{
    if (e->auth.last)
        return;
    world_at(h->w, (struct event){.at_ns = h->w->now_ns + draw(h->w, 1, 4) * MS,
                                  .proc = &h->proc,
                                  .run = auth_done,
                                  .object = h,
                                  .arg = e->auth.token});
}

static bool accept_conn(void *ctx, struct conn *c, enum service service,
                        const struct net_calls **calls, void **owner)
{
    struct node_host *h = ctx;
    (void)c;
    *owner = h;
    *calls = service == SERVICE_PEER ? &peer_calls : &smb_calls;
    return service == SERVICE_PEER || smb_slot(h, 0) != NULL;
}

/* ---- steps ---- */

/* A node that cannot read its directory stops, and is started again a little later. */
static void restart(struct world *w, void *object, uint64_t arg, void *data)
{
    (void)w;
    (void)arg;
    (void)data;
    struct node_host *h = object;
    node_crash(h, false);
    node_start(h);
}

static void refused(struct node_host *h, const char *why)
{
    if (!h->disk_bad)
        world_violation(h->w, "node %u refuses its disk: %s", h->proc.number, why);
    world_tell(h->w, "node %u stops: %s", h->proc.number, why);
    world_at(h->w,
             (struct event){
                 .at_ns = h->w->now_ns + SECOND, .proc = &h->proc, .run = restart, .object = h});
}

static void on_effect(void *ctx, const struct node_effect *e)
{
    struct node_host *h = ctx;
    switch (e->type) {
    case NODE_DO_SMB_SEND: on_smb_send(h, e->smb); break;
    case NODE_DO_SMB_CLOSE: on_smb_close(h, e->smb); break;
    case NODE_DO_AUTH: on_auth(h, e->smb); break;
    case NODE_DO_CONTROL: on_control(h, e->control); break;
    case NODE_DO_PEER: on_peer(h, e); break;
    case NODE_DO_DISK: disk_start(h, e); break;
    case NODE_DO_CONFIG: on_config(h, e->config); break;
    case NODE_DO_LEASE:
        world_tell(h->w, "node %u: %s", h->proc.number, e->lease_valid ? "lease" : "no lease");
        break;
    case NODE_DO_REFUSED: refused(h, e->why); break;
    }
}

static void tick(struct world *w, void *object, uint64_t arg, void *data);

static void arm(struct node_host *h)
{
    uint64_t at = world_time(h->w, h->proc.host, node_next_deadline(h->core));
    if (at >= h->timer_ns)
        return;
    h->timer_ns = at;
    world_at(h->w, (struct event){.at_ns = at, .proc = &h->proc, .run = tick, .object = h});
}

static void tick(struct world *w, void *object, uint64_t arg, void *data)
{
    (void)arg;
    (void)data;
    struct node_host *h = object;
    if (h->timer_ns > w->now_ns)
        return; /* an earlier event took its place */
    h->timer_ns = UINT64_MAX;
    h->spins = h->spin_ns == w->now_ns ? h->spins + 1 : 0;
    h->spin_ns = w->now_ns;
    if (h->spins > SPINS_MAX)
        world_violation(w, "node %u spins: its deadline does not move", h->proc.number);
    if (node_next_deadline(h->core) <= local_now(w, h->proc.host))
        step(h, &(struct node_event){.type = NODE_EV_TICK});
    else
        arm(h);
}

static void step(struct node_host *h, struct node_event *ev)
{
    must(h->core != NULL);
    ev->now_ns = local_now(h->w, h->proc.host);
    ev->filetime = filetime(h->w);
    for (int i = 0; i < 4; i++)
        ev->entropy[i] = prng_u64(&h->w->prng);
    node_step(h->core, ev);
    if (h->w->broken)
        return;
    if (h->steps++ % 64 == 0)
        node_check(h->core);
    if (h->steps % 8 == 0)
        oracle_primaries(&cluster_of(h)->oracle);
    arm(h);
}

/* ---- life ---- */

void node_init(struct node_host *h, struct world *w, uint32_t number)
{
    *h = (struct node_host){.w = w};
    process_heap_init(&h->heap);
    h->proc = (struct proc){.host = number - 1, .kind = "node", .number = number};
    h->listener = (struct listener){&h->proc, accept_conn, h};
    h->disk_least_ns = draw(w, 20, 500) * US;
    h->disk_most_ns = h->disk_least_ns + draw(w, 100, 5000) * US;
    simdisk_init(&h->disk);
}

static void configure(struct node_host *h)
{
    struct node_config *c = &h->config;
    const struct cluster *k = cluster_of(h);
    *c = (struct node_config){.node_id = h->proc.number,
                              .incarnation = filetime(h->w) + ++h->starts,
                              .coordinators = coordinator_names,
                              .coordinator_count = MACHINES,
                              .buffer_bytes_max = 64 << 20};
    memcpy(c->cluster_id, k->id, 16);
    c->smb.server_name = "SIM";
    c->smb.server_guid[0] = (uint8_t)h->proc.number;
    c->smb.connections_max = SMB_CONNS_MAX;
    c->smb.sessions_max = c->smb.channels_max = c->smb.trees_max = 128;
    c->smb.opens_max = c->smb.requests_max = 512;
    c->replication = replication_defaults();
    c->replication.requests_max = c->replication.ops_max = c->replication.applies_max = 256;
    c->replication.parts_max = 256;
    c->replication.dirty_max = 1024;
    c->replication.buffers_max = 16;
    c->replication.groups_max = c->replication.nodes_max = 16;
    c->replication.incarnation = c->incarnation;
    c->replication.planted = k->planted;
    c->smb.planted = k->planted;
    if (k->grant_ns != 0) {
        c->replication.grant_ns = k->grant_ns;
        c->replication.link_grace_ns = k->link_grace_ns;
        c->replication.member_timeout_ns = k->member_timeout_ns;
        c->replication.patience_ns = k->patience_ns;
    }
    c->store = (struct store_config){.ops_max = 512, .bounces_max = 8, .hot_max = 64};
    c->replication.hot_max = c->store.hot_max;
}

void node_start(struct node_host *h)
{
    struct node_sink sink = {on_effect, h};
    configure(h);
    proc_start(&h->proc);
    h->line = NULL;
    memset(h->peers, 0, sizeof h->peers);
    memset(h->smb, 0, sizeof h->smb);
    h->timer_ns = UINT64_MAX;
    h->core = node_new(&h->heap.mem, &h->config, &sink);
    must(h->core != NULL);
    world_tell(h->w, "node %u starts", h->proc.number);
    step(h, &(struct node_event){.type = NODE_EV_START});
}

void node_crash(struct node_host *h, bool silent)
{
    if (h->core == NULL)
        return;
    world_tell(h->w, "node %u %s", h->proc.number, silent ? "loses power" : "is killed");
    net_process_died(h->w, &h->proc, silent);
    proc_end(&h->proc);
    simdisk_crash(&h->disk, &h->w->prng, (uint32_t)draw(h->w, 0, 1000));
    node_free(h->core);
    h->core = NULL;
    process_heap_drop(&h->heap);
}

void node_fini(struct node_host *h)
{
    simdisk_fini(&h->disk);
    node_free(h->core);
    h->core = NULL;
    process_heap_drop(&h->heap);
}
