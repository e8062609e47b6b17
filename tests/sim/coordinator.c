/* A coordinator's shell in the simulated world: what coordinator/io does in reality. */
#include "tests/sim/cluster.h"

#include "proto/cluster/frame.h"

#include <stdio.h>
#include <string.h>

#define REDIAL_NS (100 * MS)

static void step(struct coord_host *h, struct coordinator_event *ev);

static struct cluster *cluster_of(const struct coord_host *h) { return h->w->cluster; }

static void raft(struct coord_host *h, struct raft_engine_event *ev)
{
    ev->now_ns = local_now(h->w, h->proc.host);
    step(h, &(struct coordinator_event){.type = COORDINATOR_EV_RAFT, .raft = ev});
}

/* ---- disk ---- */

static void arm_disk(struct coord_host *h);

static void disk_due(struct world *w, void *object, uint64_t arg, void *data)
{
    (void)arg;
    (void)data;
    struct coord_host *h = object;
    h->disk_timer_ns = UINT64_MAX;
    struct raft_engine_event ev = {.kind = RAFT_EV_DISK_DONE};
    ev.disk_done.token = sim_disk_done(&h->disk, w->now_ns);
    if (ev.disk_done.token != 0)
        raft(h, &ev);
    if (h->core != NULL)
        arm_disk(h);
}

static void arm_disk(struct coord_host *h)
{
    uint64_t due = sim_disk_due(&h->disk);
    if (due >= h->disk_timer_ns)
        return;
    h->disk_timer_ns = due;
    world_at(h->w, (struct event){.at_ns = due, .proc = &h->proc, .run = disk_due, .object = h});
}

struct disk_read {
    struct raft_file file;
    uint64_t offset, len, token;
};

static struct slice file_part(const struct coord_host *h, const struct disk_read *d)
{
    struct reader r = reader_of(sim_disk_file(&h->disk, d->file));
    return read_at(&r, d->offset, d->len);
}

static void read_done(struct world *w, void *object, uint64_t arg, void *data)
{
    (void)w;
    (void)arg;
    struct coord_host *h = object;
    const struct disk_read *d = data;
    struct raft_engine_event ev = {.kind = RAFT_EV_READ_DONE};
    ev.read_done.token = d->token;
    ev.read_done.bytes = file_part(h, d);
    raft(h, &ev);
}

static bool read_now(void *ctx, struct raft_file file, uint64_t offset, uint8_t *to, size_t len)
{
    struct slice got = file_part(ctx, &(struct disk_read){file, offset, len, 0});
    if (got.len != len)
        return false;
    if (len > 0)
        memcpy(to, got.at, len);
    return true;
}

/* ---- links between coordinators ---- */

static void dial(struct world *w, void *object, uint64_t id, void *data);

static uint64_t peer_of(const struct coord_host *h, struct conn *c)
{
    for (uint64_t id = 1; id <= MACHINES; id++)
        if (h->links[id].out == c || h->links[id].in == c)
            return id;
    return 0;
}

static void redial(struct coord_host *h, uint64_t id)
{
    world_at(h->w, (struct event){.at_ns = h->w->now_ns + REDIAL_NS,
                                  .proc = &h->proc,
                                  .run = dial,
                                  .object = h,
                                  .arg = id});
}

static void out_up(void *owner, struct conn *c)
{
    struct coord_host *h = owner;
    struct raft_engine_event ev = {.kind = RAFT_EV_PEER_UP, .peer = peer_of(h, c)};
    h->links[ev.peer].out_up = true;
    raft(h, &ev);
}

static void out_down(void *owner, struct conn *c, bool by_peer)
{
    (void)by_peer;
    struct coord_host *h = owner;
    struct raft_engine_event ev = {.kind = RAFT_EV_PEER_DOWN, .peer = peer_of(h, c)};
    struct raft_link *l = &h->links[ev.peer];
    bool was_up = l->out_up;
    l->out = NULL;
    l->out_up = false;
    redial(h, ev.peer);
    if (was_up)
        raft(h, &ev);
}

static void out_message(void *owner, struct conn *c, struct slice bytes)
{
    (void)owner;
    (void)c;
    (void)bytes;
    must(!"coordinators answer on their own connections");
}

static const struct net_calls out_calls = {out_up, out_down, out_message};

static void dial(struct world *w, void *object, uint64_t id, void *data)
{
    (void)data;
    struct coord_host *h = object;
    struct net_dial d = {.from = &h->proc,
                         .to = &cluster_of(h)->coords[id - 1].listener,
                         .service = SERVICE_RAFT,
                         .calls = &out_calls,
                         .owner = h};
    h->links[id].out = net_dial(w, &d);
}

static void in_up(void *owner, struct conn *c)
{
    (void)owner;
    (void)c;
}

static void in_down(void *owner, struct conn *c, bool by_peer)
{
    (void)by_peer;
    struct coord_host *h = owner;
    uint64_t id = peer_of(h, c);
    if (id != 0 && h->links[id].in == c)
        h->links[id].in = NULL;
}

static void in_message(void *owner, struct conn *c, struct slice bytes)
{
    struct coord_host *h = owner;
    struct raft_engine_event ev = {.kind = RAFT_EV_RECEIVE};
    ev.receive.peer = peer_of(h, c);
    ev.receive.frame = bytes;
    if (ev.receive.peer != 0)
        raft(h, &ev);
}

static const struct net_calls in_calls = {in_up, in_down, in_message};

/* ---- clients of the service --------------------------------------------------------------------
 */

static struct conn **client_slot(struct coord_host *h, uint64_t id)
{
    for (uint32_t i = 0; i < COORDINATOR_CLIENTS_HELD; i++)
        if (id == 0 ? h->clients[i] == NULL : h->clients[i] != NULL && h->clients[i]->id == id)
            return &h->clients[i];
    return NULL;
}

static void client_up(void *owner, struct conn *c)
{
    struct coord_host *h = owner;
    const struct proc *who = c->end[0].proc;
    struct coordinator_event ev = {.type = COORDINATOR_EV_CLIENT_UP};
    bool node = strcmp(who->kind, "node") == 0;
    ev.client_up.client = c->id;
    ev.client_up.peer.role = node ? FL__ROLE__ROLE_NODE : FL__ROLE__ROLE_ADMIN;
    ev.client_up.peer.name = node ? "node" : "administrator";
    ev.client_up.peer.node_id = node ? who->number : 0;
    *client_slot(h, 0) = c;
    step(h, &ev);
}

static void client_down(void *owner, struct conn *c, bool by_peer)
{
    struct coord_host *h = owner;
    struct coordinator_event ev = {.type = COORDINATOR_EV_CLIENT_DOWN};
    struct conn **slot = client_slot(h, c->id);
    must(slot != NULL);
    *slot = NULL;
    ev.client_down.client = c->id;
    ev.client_down.by_peer = by_peer;
    step(h, &ev);
}

static void client_message(void *owner, struct conn *c, struct slice bytes)
{
    struct frame f;
    size_t used;
    must(frame_decode(bytes, &f, &used) == FRAME_OK);
    must(f.kind == FRAME_CONTROL);
    struct coordinator_event ev = {.type = COORDINATOR_EV_CLIENT_MESSAGE};
    ev.message.client = c->id;
    ev.message.bytes = f.control;
    step(owner, &ev);
}

static const struct net_calls client_calls = {client_up, client_down, client_message};

static bool accept_conn(void *ctx, struct conn *c, enum service service,
                        const struct net_calls **calls, void **owner)
{
    struct coord_host *h = ctx;
    *owner = h;
    *calls = service == SERVICE_RAFT ? &in_calls : &client_calls;
    if (service != SERVICE_RAFT)
        return client_slot(h, 0) != NULL;
    struct raft_link *l = &h->links[c->end[0].proc->number];
    if (l->in != NULL)
        net_close(h->w, l->in, &h->proc);
    l->in = c;
    return true;
}

/* ---- steps -------------------------------------------------------------------------------------
 */

static void on_raft_effect(struct coord_host *h, const struct raft_effect *fx)
{
    switch (fx->kind) {
    case RAFT_FX_SEND:
        if (h->links[fx->send.peer].out_up)
            net_send(h->w, h->links[fx->send.peer].out, &h->proc, fx->send.bytes,
                     (struct slice){0});
        break;
    case RAFT_FX_FILE_CREATE:
    case RAFT_FX_FILE_WRITE:
    case RAFT_FX_FILE_RENAME:
    case RAFT_FX_FILE_DELETE:
    case RAFT_FX_SYNC: sim_disk_do(&h->disk, fx, h->w->now_ns); break;
    case RAFT_FX_FILE_READ: {
        struct disk_read *d = take(sizeof *d);
        *d = (struct disk_read){fx->file.file, fx->file.offset, fx->file.len, fx->file.token};
        world_at(h->w, (struct event){.at_ns = h->w->now_ns + draw(h->w, 1, 5) * MS,
                                      .proc = &h->proc,
                                      .run = read_done,
                                      .object = h,
                                      .data = d});
        break;
    }
    case RAFT_FX_FATAL:
        world_violation(h->w, "coordinator %u stops: %s", h->proc.number, fx->fatal.why);
        break;
    case RAFT_FX_APPLY:
    case RAFT_FX_SUBMITTED:
    case RAFT_FX_READ_READY:
    case RAFT_FX_READ_FAILED:
    case RAFT_FX_CHANGED:
    case RAFT_FX_ROLE:
    case RAFT_FX_RESTORE:
    case RAFT_FX_NEED_SNAPSHOT: must(!"obeyed inside the core"); break;
    }
}

static void carry_out(struct coord_host *h, const struct coordinator_effect *e)
{
    struct conn **slot;
    switch (e->type) {
    case COORDINATOR_DO_RAFT: on_raft_effect(h, e->raft); break;
    case COORDINATOR_DO_SEND:
        slot = client_slot(h, e->send.client);
        if (slot != NULL)
            net_send(h->w, *slot, &h->proc, e->send.bytes, (struct slice){0});
        break;
    case COORDINATOR_DO_CLOSE:
        slot = client_slot(h, e->close.client);
        if (slot != NULL) {
            net_close(h->w, *slot, &h->proc);
            *slot = NULL;
        }
        break;
    case COORDINATOR_DO_SIGN: must(!"nobody joins here"); break;
    case COORDINATOR_DO_ROLE:
        world_tell(h->w, "coordinator %u: role %d in term %llu, leader %llu", h->proc.number,
                   (int)e->role.role, (unsigned long long)e->role.term,
                   (unsigned long long)e->role.leader);
        break;
    }
}

static void tick(struct world *w, void *object, uint64_t arg, void *data);

static void arm(struct coord_host *h)
{
    uint64_t at = world_time(h->w, h->proc.host, coordinator_next_deadline(h->core));
    if (at >= h->timer_ns)
        return;
    h->timer_ns = at;
    world_at(h->w, (struct event){.at_ns = at, .proc = &h->proc, .run = tick, .object = h});
}

static void tick(struct world *w, void *object, uint64_t arg, void *data)
{
    (void)arg;
    (void)data;
    struct coord_host *h = object;
    if (h->timer_ns > w->now_ns)
        return; /* an earlier event took its place */
    h->timer_ns = UINT64_MAX;
    if (coordinator_next_deadline(h->core) <= local_now(w, h->proc.host))
        step(h, &(struct coordinator_event){.type = COORDINATOR_EV_TICK});
    else
        arm(h);
}

static void step(struct coord_host *h, struct coordinator_event *ev)
{
    must(h->core != NULL);
    ev->now_ns = local_now(h->w, h->proc.host);
    ev->filetime = filetime(h->w);
    for (int i = 0; i < 2; i++)
        ev->entropy[i] = prng_u64(&h->w->prng);
    const struct coordinator_effects *fx = coordinator_step(h->core, ev);
    for (uint32_t i = 0; i < fx->count && !h->w->broken; i++)
        carry_out(h, &fx->items[i]);
    if (h->w->broken)
        return;
    if (h->steps++ % 64 == 0)
        coordinator_check(h->core);
    oracle_coordinator(&cluster_of(h)->oracle, h->core);
    arm(h);
    arm_disk(h);
}

/* ---- life ---- */

static char *const node_names[] = {"node1", "node2", "node3"};
static char *const node_addresses[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3"};

static const Fl__ClusterInit *founding(const struct cluster *k)
{
    static Fl__ClusterInit init;
    static Fl__Node nodes[MACHINES], *list[MACHINES];
    static uint8_t domain_sid[] = {1, 4, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0,
                                   1, 0, 0, 0, 2, 0, 0, 0, 3,  0, 0, 0};
    static uint8_t pem[] = "the simulated CA";
    fl__cluster_init__init(&init);
    for (uint32_t i = 0; i < MACHINES; i++) {
        fl__node__init(&nodes[i]);
        nodes[i].id = i + 1;
        nodes[i].name = node_names[i];
        nodes[i].address = node_addresses[i];
        nodes[i].data_port = 4455;
        nodes[i].coordinator = true;
        nodes[i].coordinator_port = 4450;
        list[i] = &nodes[i];
    }
    init.cluster_id = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)k->id};
    init.cluster_name = node_names[0];
    init.domain_sid = (ProtobufCBinaryData){sizeof domain_sid, domain_sid};
    init.nodes = list;
    init.n_nodes = MACHINES;
    init.ca_key_pem = init.ca_cert_pem = (ProtobufCBinaryData){sizeof pem, pem};
    return &init;
}

void coord_init(struct coord_host *h, struct world *w, uint32_t number)
{
    *h = (struct coord_host){.w = w, .mem = sim_mem()};
    h->proc = (struct proc){.host = number - 1, .kind = "coordinator", .number = number};
    h->listener = (struct listener){&h->proc, accept_conn, h};
    sim_disk_init(&h->disk, &w->prng, (uint32_t)draw(w, 1, 8), 0);
    (void)snprintf(h->address, sizeof h->address, "c%u", number);
}

void coord_start(struct coord_host *h)
{
    static struct raft_loaded_file files[SIM_FILES_MAX];
    struct cluster *k = cluster_of(h);
    struct raft_member members[MACHINES];
    struct raft_engine_event ev = {.kind = RAFT_EV_START};
    struct coordinator_config config = {.raft = {.id = h->proc.number},
                                        .init = founding(k), /* whoever leads first */
                                        .read_file = read_now,
                                        .read_file_ctx = h,
                                        .planted = k->planted};
    config.raft.snapshot_threshold = (uint32_t)draw(h->w, 50, 2000);
    config.raft.segment_bytes = 1u << draw(h->w, 12, 20);
    memcpy(config.raft.cluster, k->id, 16);
    proc_start(&h->proc);
    memset(h->links, 0, sizeof h->links);
    memset(h->clients, 0, sizeof h->clients);
    h->timer_ns = h->disk_timer_ns = UINT64_MAX;
    h->core = coordinator_new(&h->mem, &config, NULL);
    must(h->core != NULL);
    for (uint32_t i = 0; i < MACHINES; i++)
        members[i] = (struct raft_member){i + 1, k->coords[i].address, true};
    ev.start.as = RAFT_START_BOOTSTRAP;
    ev.start.members = members;
    ev.start.member_count = MACHINES;
    ev.start.files = files;
    ev.start.file_count = sim_disk_load(&h->disk, files);
    ev.start.seed = prng_u64(&h->w->prng);
    world_tell(h->w, "coordinator %u starts", h->proc.number);
    raft(h, &ev);
    for (uint64_t id = 1; id <= MACHINES; id++)
        if (id != h->proc.number)
            redial(h, id);
}

void coord_crash(struct coord_host *h, bool silent)
{
    if (h->core == NULL)
        return;
    world_tell(h->w, "coordinator %u %s", h->proc.number, silent ? "loses power" : "is killed");
    oracle_refresh(&cluster_of(h)->oracle);
    oracle_coordinator_gone(&cluster_of(h)->oracle, h->core);
    net_process_died(h->w, &h->proc, silent);
    proc_end(&h->proc);
    coordinator_free(h->core);
    h->core = NULL;
    must(h->mem.used == 0);
    sim_disk_crash(&h->disk);
}

void coord_fini(struct coord_host *h)
{
    coordinator_free(h->core);
    h->core = NULL;
    sim_disk_fini(&h->disk);
}
