/* The routes: each effect of one part becomes an event of another, or leaves through the sink. What
 * crosses by the queue is copied into the step's arena when its owner may be stepped meanwhile. */
#include "node/node_int.h"
#include "proto/base/prng.h"

static void out(struct node *n, const struct node_effect *e) { n->sink.effect(n->sink.ctx, e); }

/* ---- smb ------------------------------------------------------------------------------------- */

static uint64_t meta_token(struct node *n, enum meta_asker asker, uint64_t token)
{
    struct meta_token *t = pool_get(&n->meta_pool);
    must(t != NULL); /* the parts' own limits lie below TOKENS_MAX */
    t->asker = asker;
    t->token = token;
    return handle_pack(table_add(&n->metas, t));
}

static void ask_meta(struct node *n, uint64_t token, const Fl__Command *command,
                     const Fl__Query *query)
{
    struct work *w = enqueue(n, command != NULL ? WORK_COMMAND : WORK_QUERY);
    w->token = token;
    if (command != NULL)
        w->command = pb_copy(&command->base, &n->arena);
    else
        w->query = pb_copy(&query->base, &n->arena);
    must(w->command != NULL);
}

static void smb_io_failed(struct node *n, uint64_t token)
{
    struct smb_event *ev = to_smb(n, SMB_EV_IO);
    ev->io.token = token;
    ev->io.status = STATUS_INSUFFICIENT_RESOURCES;
}

static void on_smb_io(struct node *n, const struct smb_effect *e)
{
    static const enum rep_op ops[] = {[SMB_IO_READ] = REP_READ,
                                      [SMB_IO_WRITE] = REP_WRITE,
                                      [SMB_IO_ZERO] = REP_ZERO,
                                      [SMB_IO_MAP] = REP_MAP};
    struct io_token *t = pool_get(&n->io_pool);
    if (t == NULL) {
        smb_io_failed(n, e->io.token);
        return;
    }
    t->smb_token = e->io.token;
    t->len = (size_t)e->io.len;
    if (e->io.op == SMB_IO_MAP)
        t->len = sizeof(struct ranges);
    if (e->io.op == SMB_IO_READ || e->io.op == SMB_IO_MAP) {
        t->buf = buffers_get(&n->buffers, t->len, &t->at);
        if (handle_none(t->buf)) {
            pool_put(&n->io_pool, t);
            smb_io_failed(n, e->io.token);
            return;
        }
    }
    struct rep_submit *s = &to_replication(n, REP_EV_SUBMIT)->submit;
    s->token = handle_pack(table_add(&n->ios, t));
    s->op = ops[e->io.op];
    s->file = (struct rep_file){e->io.file.volume, e->io.file.first_group, e->io.file.inode};
    s->offset = e->io.offset;
    s->len = e->io.op == SMB_IO_WRITE ? e->io.data.len : e->io.len;
    s->data = e->io.data.at;
    s->into = t->at;
    s->ranges = e->io.op == SMB_IO_MAP ? (struct ranges *)t->at : NULL;
}

static void on_smb_effect(struct node *n, const struct smb_effect *e)
{
    switch (e->type) {
    case SMB_DO_SEND: out(n, &(struct node_effect){.type = NODE_DO_SMB_SEND, .smb = e}); break;
    case SMB_DO_CLOSE: out(n, &(struct node_effect){.type = NODE_DO_SMB_CLOSE, .smb = e}); break;
    case SMB_DO_RELEASE: buffers_put(&n->buffers, e->release.buf); break;
    case SMB_DO_AUTH: out(n, &(struct node_effect){.type = NODE_DO_AUTH, .smb = e}); break;
    case SMB_DO_META:
        ask_meta(n, meta_token(n, META_SMB, e->meta.token), e->meta.command, e->meta.query);
        break;
    case SMB_DO_IO: on_smb_io(n, e); break;
    }
}

void step_smb(struct node *n, struct smb_event *ev)
{
    ev->now_ns = n->now_ns;
    ev->filetime = n->filetime;
    for (uint32_t i = 0; i < 4; i++) /* fresh in every step of smb, not only of the node */
        ev->entropy[i] = n->entropy[i] = mix64(n->entropy[i] + i + 1);
    n->smb_effects->count = 0;
    smb_step(n->smb, ev, n->smb_effects);
    for (uint32_t i = 0; i < n->smb_effects->count; i++)
        on_smb_effect(n, &n->smb_effects->items[i]);
}

/* ---- replication and store ------------------------------------------------------------------- */

static ntstatus status_of(enum rep_result result)
{
    switch (result) {
    case REP_OK: return STATUS_OK;
    case REP_NO_SPACE: return STATUS_DISK_FULL;
    case REP_UNAVAILABLE: return STATUS_FILE_NOT_AVAILABLE;
    case REP_IO_ERROR: return STATUS_UNEXPECTED_IO_ERROR;
    }
    must(false);
    return STATUS_UNEXPECTED_IO_ERROR;
}

static void on_complete(struct node *n, const struct rep_effect *e)
{
    struct io_token *t = table_remove(&n->ios, handle_unpack(e->complete.token));
    must(t != NULL);
    struct smb_event *ev = to_smb(n, SMB_EV_IO);
    ev->io.token = t->smb_token;
    ev->io.status = status_of(e->complete.result);
    if (e->complete.result == REP_OK && t->at != NULL) {
        ev->io.at = t->at;
        ev->io.len = t->len;
        ev->io.buf = t->buf;
    } else {
        buffers_put(&n->buffers, t->buf);
    }
    pool_put(&n->io_pool, t);
}

static void on_rep_effect(struct node *n, const struct rep_effect *e)
{
    switch (e->type) {
    case REP_DO_COMPLETE: on_complete(n, e); break;
    case REP_DO_PEER: {
        struct node_effect fx = {.type = NODE_DO_PEER};
        fx.peer.node_id = e->peer.node_id;
        fx.peer.session = e->peer.session;
        fx.peer.control = e->peer.control;
        fx.peer.data = e->peer.data;
        out(n, &fx);
        break;
    }
    case REP_DO_STORE: {
        struct work *w = enqueue(n, WORK_STORE);
        w->store.type = STORE_EV_OP;
        w->store.op.token = e->store.token;
        w->store.op.op = e->store.op;
        break;
    }
    case REP_DO_META:
        ask_meta(n, meta_token(n, META_REPLICATION, e->meta.token), e->meta.command, NULL);
        break;
    case REP_DO_RELEASE: buffers_put(&n->buffers, e->release.buf); break;
    }
}

void step_replication(struct node *n, struct rep_event *ev)
{
    ev->now_ns = n->now_ns;
    n->rep_effects->count = 0;
    replication_step(n->replication, ev, n->rep_effects);
    for (uint32_t i = 0; i < n->rep_effects->count; i++)
        on_rep_effect(n, &n->rep_effects->items[i]);
}

static void begin_control(struct node *n, const uint8_t store_id[16])
{
    struct control_config c = {
        .node_id = n->config.node_id,
        .incarnation = n->config.incarnation,
        .coordinators = n->config.coordinators,
        .coordinator_count = n->config.coordinator_count,
        .role = FL__ROLE__ROLE_NODE,
    };
    memcpy(c.cluster_id, n->config.cluster_id, sizeof c.cluster_id);
    memcpy(c.store_id, store_id, sizeof c.store_id);
    n->control = control_new(n->mem, &c);
    must(n->control != NULL); /* once, at start, within the budget */
}

static void on_store_effect(struct node *n, const struct store_effect *e)
{
    switch (e->type) {
    case STORE_DO_DISK: {
        struct node_effect fx = {.type = NODE_DO_DISK};
        fx.disk.token = e->token;
        fx.disk.op = &e->disk;
        out(n, &fx);
        break;
    }
    case STORE_DO_DONE: {
        struct rep_event *ev = to_replication(n, REP_EV_STORED);
        ev->stored.token = e->token;
        ev->stored.outcome = e->done;
        break;
    }
    case STORE_DO_READY: {
        struct rep_event ev = {.type = REP_EV_STORE_READY};
        ev.store_ready.hot = e->ready.hot;
        ev.store_ready.hot_count = e->ready.hot_count;
        begin_control(n, e->ready.store_id);
        step_replication(n,
                         &ev); /* now: the list of hot regions lives until the store's next step */
        break;
    }
    case STORE_DO_REFUSED:
        n->refused = true;
        out(n, &(struct node_effect){.type = NODE_DO_REFUSED, .why = e->refused.why});
        break;
    }
}

static void step_store(struct node *n, struct store_event *ev)
{
    ev->now_ns = n->now_ns;
    n->store_effects->count = 0;
    store_step(n->store, ev, n->store_effects);
    for (uint32_t i = 0; i < n->store_effects->count; i++)
        on_store_effect(n, &n->store_effects->items[i]);
}

/* An operation that finds the store full waits outside the step's arena. */
void submit_store(struct node *n, struct work *w)
{
    bool confirm = w->store.type == STORE_EV_OP && w->store.op.op.type == STORE_CONFIRM;
    bool op = w->store.type == STORE_EV_OP;
    if (op && (n->store_waiting.first != NULL || (!confirm && store_room(n->store) == 0))) {
        struct work *kept = mem_alloc(n->mem, sizeof *kept);
        must(kept != NULL); /* bounded by the operations replication has under way */
        *kept = *w;
        queue_put(&n->store_waiting, kept);
        return;
    }
    step_store(n, &w->store);
}

void drain_waiting(struct node *n)
{
    while (n->store_waiting.first != NULL && store_room(n->store) > 0) {
        struct work *w = queue_take(&n->store_waiting);
        step_store(n, &w->store);
        mem_free(n->mem, w, sizeof *w);
    }
}

/* ---- control --------------------------------------------------------------------------------- */

static void on_reply(struct node *n, const struct control_effect *e)
{
    struct meta_token *t = table_get(&n->metas, handle_unpack(e->reply.token));
    must(t != NULL);
    bool waits = e->reply.reply->status == STATUS_PENDING; /* the reply proper comes later */
    const Fl__Reply *reply = pb_copy(&e->reply.reply->base, &n->arena);
    must(reply != NULL);
    if (t->asker == META_REPLICATION) {
        must(!waits);
        struct rep_event *ev = to_replication(n, REP_EV_META);
        ev->meta.token = t->token;
        ev->meta.reply = reply;
    } else if (t->token != 0) {
        struct smb_event *ev = to_smb(n, SMB_EV_META);
        ev->meta.token = t->token;
        ev->meta.reply = reply;
    }
    if (waits)
        return;
    (void)table_remove(&n->metas, handle_unpack(e->reply.token));
    pool_put(&n->meta_pool, t);
}

static void on_notice(struct node *n, const Fl__Notice *notice)
{
    switch (notice->body_case) {
    case FL__NOTICE__BODY_CACHE_INVALIDATE: {
        struct smb_event *ev = to_smb(n, SMB_EV_INVALIDATE);
        ev->invalidate.volume = notice->cache_invalidate->volume;
        ev->invalidate.inode = notice->cache_invalidate->inode;
        ev->invalidate.ticket = notice->cache_invalidate->ticket;
        break;
    }
    case FL__NOTICE__BODY_RECLAIM: {
        struct rep_event *ev = to_replication(n, REP_EV_RECLAIM);
        ev->reclaim.volume = notice->reclaim->volume;
        ev->reclaim.inode = notice->reclaim->inode;
        ev->reclaim.ticket = notice->reclaim->ticket;
        break;
    }
    case FL__NOTICE__BODY_WATCH: {
        struct smb_event *ev = to_smb(n, SMB_EV_WATCH);
        ev->watch.open_id = notice->watch->open_id;
        ev->watch.action = notice->watch->action;
        ev->watch.name = pb_slice(notice->watch->name);
        ev->watch.deleted = notice->watch->deleted;
        break;
    }
    case FL__NOTICE__BODY_LEASE_BREAK:
        to_smb(n, SMB_EV_LEASE_BREAK)->lease_break = notice->lease_break;
        break;
    case FL__NOTICE__BODY_OPLOCK_BREAK:
        to_smb(n, SMB_EV_OPLOCK_BREAK)->oplock_break = notice->oplock_break;
        break;
    case FL__NOTICE__BODY_SESSION: {
        const Fl__SessionNotice *told = notice->session;
        struct smb_event *ev = to_smb(n, told->ended ? SMB_EV_SESSION_ENDED : SMB_EV_SESSION_END);
        ev->session_end.session_id = told->session_id;
        ev->session_end.user_sid = pb_slice(told->user_sid);
        ev->session_end.asker = told->asker;
        ev->session_end.ticket = told->ticket;
        break;
    }
    case FL__NOTICE__BODY_OPENS_LOST: /* only whole shares are closed so: their trees go by CONFIG
                                       */
    case FL__NOTICE__BODY_CONFIG_CHANGED:
    case FL__NOTICE__BODY__NOT_SET:
    case _FL__NOTICE__BODY__CASE_IS_INT_SIZE: break;
    }
}

/* The right to serve: a lease, and a configuration as new as the registration it belongs to. */
void refresh_lease(struct node *n)
{
    bool valid = n->lease_until_ns > n->now_ns && n->config_session == n->lease_session;
    if (valid == n->smb_lease)
        return;
    n->smb_lease = valid;
    to_smb(n, SMB_EV_LEASE)->lease.valid = valid;
    out(n, &(struct node_effect){.type = NODE_DO_LEASE, .lease_valid = valid});
}

static void on_lease(struct node *n, const struct control_effect *e)
{
    n->lease_until_ns = e->lease.until_ns;
    n->lease_session = e->lease.session;
    struct rep_event *ev = to_replication(n, REP_EV_LEASE);
    ev->lease.until_ns = e->lease.until_ns;
    ev->lease.session = e->lease.session;
    refresh_lease(n);
}

static void on_config(struct node *n, const Fl__ClusterConfig *config)
{
    for (size_t i = 0; i < config->n_nodes; i++)
        if (config->nodes[i]->id == n->config.node_id)
            n->config_session = config->nodes[i]->session;
    struct rep_event *rep = to_replication(n, REP_EV_CONFIG);
    rep->config.config = config;
    rep->config.node_id = n->config.node_id;
    struct smb_event *smb = to_smb(n, SMB_EV_CONFIG);
    smb->config.config = config;
    smb->config.node_id = n->config.node_id;
    out(n, &(struct node_effect){.type = NODE_DO_CONFIG, .config = config});
    refresh_lease(n);
}

void step_control(struct node *n, struct control_event *ev)
{
    if (n->control == NULL)
        return;
    ev->now_ns = n->now_ns;
    ev->entropy = n->entropy[0];
    const struct control_effects *effects = control_step(n->control, ev);
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct control_effect *e = &effects->items[i];
        switch (e->type) {
        case CONTROL_DO_CONNECT:
        case CONTROL_DO_DISCONNECT:
        case CONTROL_DO_SEND:
            out(n, &(struct node_effect){.type = NODE_DO_CONTROL, .control = e});
            break;
        case CONTROL_DO_REPLY: on_reply(n, e); break;
        case CONTROL_DO_CONFIG: on_config(n, e->config.config); break;
        case CONTROL_DO_NOTICE: on_notice(n, pb_copy(&e->notice.notice->base, &n->arena)); break;
        case CONTROL_DO_LEASE: on_lease(n, e); break;
        case CONTROL_DO_STATE_LOST: (void)to_smb(n, SMB_EV_STATE_LOST); break;
        }
    }
}
