#include "node/node_int.h"
#include "proto/base/heap.h"

enum { STEP_ARENA_MAX = 64 << 20, TOKENS_MAX = 65536 };

/* ---- the queue ------------------------------------------------------------------------------- */

static void queue_init(struct queue *q)
{
    q->first = NULL;
    q->last = &q->first;
}

void queue_put(struct queue *q, struct work *w)
{
    w->next = NULL;
    *q->last = w;
    q->last = &w->next;
}

struct work *queue_take(struct queue *q)
{
    struct work *w = q->first;
    if (w != NULL && (q->first = w->next) == NULL)
        q->last = &q->first;
    return w;
}

struct work *enqueue(struct node *n, enum work_type type)
{
    struct work *w = arena_alloc(&n->arena, sizeof *w);
    must(w != NULL); /* bounded by what the parts have under way */
    w->type = type;
    queue_put(&n->queue, w);
    return w;
}

struct smb_event *to_smb(struct node *n, enum smb_event_type type)
{
    struct work *w = enqueue(n, WORK_SMB);
    w->smb.type = type;
    return &w->smb;
}

struct rep_event *to_replication(struct node *n, enum rep_event_type type)
{
    struct work *w = enqueue(n, WORK_REPLICATION);
    w->rep.type = type;
    return &w->rep;
}

/* ---- steps
 * ------------------------------------------------------------------------------------------------
 */

static void ticks(struct node *n)
{
    if (n->control != NULL && control_next_deadline(n->control) <= n->now_ns)
        step_control(n, &(struct control_event){.type = CONTROL_EV_TICK});
    refresh_lease(n); /* it runs out by itself */
    if (smb_next_deadline(n->smb) <= n->now_ns)
        (void)to_smb(n, SMB_EV_TICK);
    if (replication_next_deadline(n->replication) <= n->now_ns)
        (void)to_replication(n, REP_EV_TICK);
    if (store_next_deadline(n->store) <= n->now_ns)
        enqueue(n, WORK_STORE)->store.type = STORE_EV_TICK;
}

static void first_work(struct node *n, const struct node_event *ev)
{
    switch (ev->type) {
    case NODE_EV_START: {
        struct store_event start = {.type = STORE_EV_START};
        memcpy(start.start.new_store_id, ev->entropy, STORE_ID);
        memcpy(start.start.cluster_id, n->config.cluster_id, STORE_ID);
        enqueue(n, WORK_STORE)->store = start;
        break;
    }
    case NODE_EV_SMB: *to_smb(n, ev->smb->type) = *ev->smb; break;
    case NODE_EV_CONTROL: {
        struct control_event control = *ev->control;
        step_control(n, &control);
        break;
    }
    case NODE_EV_PEER_UP:
    case NODE_EV_PEER_DOWN: {
        bool up = ev->type == NODE_EV_PEER_UP;
        struct rep_event *rep = to_replication(n, up ? REP_EV_PEER_UP : REP_EV_PEER_DOWN);
        rep->link.node_id = ev->link.node_id;
        rep->link.session = ev->link.session;
        break;
    }
    case NODE_EV_PEER: {
        struct rep_event *rep = to_replication(n, REP_EV_PEER);
        rep->peer.node_id = ev->peer.node_id;
        rep->peer.session = ev->peer.session;
        rep->peer.control = ev->peer.control;
        rep->peer.data = ev->peer.data;
        rep->peer.buf = ev->peer.buf;
        break;
    }
    case NODE_EV_DISK: {
        struct store_event *store = &enqueue(n, WORK_STORE)->store;
        store->type = STORE_EV_DISK;
        store->disk.token = ev->disk.token;
        store->disk.result = ev->disk.result;
        store->disk.count = ev->disk.count;
        break;
    }
    case NODE_EV_TICK: ticks(n); break;
    }
}

static void do_work(struct node *n, struct work *w)
{
    switch (w->type) {
    case WORK_SMB: step_smb(n, &w->smb); break;
    case WORK_REPLICATION: step_replication(n, &w->rep); break;
    case WORK_STORE: submit_store(n, w); break;
    case WORK_COMMAND: {
        struct control_event ev = {.type = CONTROL_EV_COMMAND};
        ev.command.token = w->token;
        ev.command.command = w->command;
        step_control(n, &ev);
        break;
    }
    case WORK_QUERY: {
        struct control_event ev = {.type = CONTROL_EV_QUERY};
        ev.query.token = w->token;
        ev.query.query = w->query;
        step_control(n, &ev);
        break;
    }
    }
}

void node_step(struct node *n, const struct node_event *ev)
{
    must(ev->now_ns >= n->now_ns);
    if (n->refused)
        return;
    n->now_ns = ev->now_ns;
    n->filetime = ev->filetime;
    memcpy(n->entropy, ev->entropy, sizeof n->entropy);
    arena_reset(&n->arena);
    queue_init(&n->queue);
    first_work(n, ev);
    for (struct work *w; (w = queue_take(&n->queue)) != NULL;) {
        do_work(n, w);
        drain_waiting(n);
    }
}

static uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

uint64_t node_next_deadline(const struct node *n)
{
    uint64_t next = earlier(smb_next_deadline(n->smb), replication_next_deadline(n->replication));
    next = earlier(next, store_next_deadline(n->store));
    if (n->control != NULL)
        next = earlier(next, control_next_deadline(n->control));
    return n->refused ? DEADLINE_NEVER : next;
}

void node_space(struct node *n, uint64_t free_bytes, uint64_t total_bytes)
{
    if (n->control != NULL)
        control_space(n->control, free_bytes, total_bytes);
}

handle node_buffer_get(struct node *n, size_t len, uint8_t **at)
{
    return buffers_get(&n->buffers, len, at);
}

void node_buffer_put(struct node *n, handle buf) { buffers_put(&n->buffers, buf); }

struct node *node_new(struct mem *mem, const struct node_config *config,
                      const struct node_sink *sink)
{
    struct node *n = mem_alloc(mem, sizeof *n);
    if (n == NULL)
        return NULL;
    n->mem = mem;
    n->config = *config;
    n->sink = *sink;
    queue_init(&n->queue);
    queue_init(&n->store_waiting);
    arena_init(&n->arena, mem, STEP_ARENA_MAX);
    bool ok = buffers_init(&n->buffers, mem, config->buffer_bytes_max);
    ok = table_init(&n->metas, mem, TOKENS_MAX) && ok;
    ok = table_init(&n->ios, mem, TOKENS_MAX) && ok;
    ok = pool_init(&n->meta_pool, mem, sizeof(struct meta_token), TOKENS_MAX) && ok;
    ok = pool_init(&n->io_pool, mem, sizeof(struct io_token), TOKENS_MAX) && ok;
    n->smb = smb_new(mem, &n->config.smb);
    n->replication = replication_new(mem, &config->replication);
    n->store = store_new(mem, &config->store);
    n->smb_effects = mem_alloc(mem, sizeof *n->smb_effects);
    n->rep_effects = mem_alloc(mem, sizeof *n->rep_effects);
    n->store_effects = mem_alloc(mem, sizeof *n->store_effects);
    if (!ok || n->smb == NULL || n->replication == NULL || n->store == NULL ||
        n->smb_effects == NULL || n->rep_effects == NULL || n->store_effects == NULL) {
        node_free(n);
        return NULL;
    }
    return n;
}

void node_free(struct node *n)
{
    if (n == NULL)
        return;
    for (struct work *w; (w = queue_take(&n->store_waiting)) != NULL;)
        mem_free(n->mem, w, sizeof *w);
    smb_free(n->smb);
    control_free(n->control);
    replication_free(n->replication);
    store_free(n->store);
    mem_free(n->mem, n->smb_effects, sizeof *n->smb_effects);
    mem_free(n->mem, n->rep_effects, sizeof *n->rep_effects);
    mem_free(n->mem, n->store_effects, sizeof *n->store_effects);
    buffers_fini(&n->buffers);
    table_fini(&n->metas);
    table_fini(&n->ios);
    pool_fini(&n->meta_pool);
    pool_fini(&n->io_pool);
    arena_fini(&n->arena);
    mem_free(n->mem, n, sizeof *n);
}

void node_stats(const struct node *n, struct node_stats *stats)
{
    smb_stats(n->smb, &stats->smb);
    store_stats(n->store, &stats->store);
    replication_stats(n->replication, &stats->replication);
    stats->lease = n->smb_lease;
    stats->serving = n->control != NULL && control_serving(n->control);
    stats->trouble = n->control != NULL ? control_trouble(n->control) : "the store is starting";
}

const struct replication *node_replication(const struct node *n) { return n->replication; }

void node_check(const struct node *n)
{
    smb_check(n->smb);
    replication_check(n->replication);
    store_check(n->store);
    if (n->control != NULL)
        control_check(n->control);
}
