/* The engine's public face: one event in, dispatched; then what every step ends with: reads that
 * may be answered, standbys to promote, snapshots to take, one SYNC for all that was written. */
#include "coordinator/raft/engine_int.h"
#include <string.h>

/* --- life ------------------------------------------------------------------------------------- */

static void no_trace(struct raft_tracer *t, int type, const void *info)
{
    (void)t, (void)type, (void)info;
}

static void config_defaults(struct raft_engine_config *c)
{
    if (c->election_timeout_ms == 0)
        c->election_timeout_ms = 500;
    if (c->heartbeat_ms == 0)
        c->heartbeat_ms = 50;
    if (c->max_inflight == 0)
        c->max_inflight = 512;
    if (c->max_inflight > WIRE_ENTRIES_MAX)
        c->max_inflight = WIRE_ENTRIES_MAX;
    if (c->trailing == 0)
        c->trailing = 8192;
    if (c->snapshot_threshold == 0)
        c->snapshot_threshold = 16384;
    if (c->segment_bytes == 0)
        c->segment_bytes = UINT32_C(8) << 20;
    if (c->chunk_bytes == 0 || c->chunk_bytes > RAFT_FRAME_MAX / 2)
        c->chunk_bytes = UINT32_C(256) << 10;
    if (c->submits_max == 0)
        c->submits_max = 16384;
}

struct raft_engine *raft_engine_new(const struct raft_engine_config *config, struct mem *mem,
                                    struct trace *trace)
{
    must(config->id != 0);
    struct raft_engine *e = mem_alloc(mem, sizeof *e);
    if (e == NULL)
        return NULL;
    e->mem = mem;
    e->trace = trace;
    e->config = *config;
    config_defaults(&e->config);
    e->tag = wire_cluster_tag(config->cluster);
    e->tracer = (struct raft_tracer){.version = 2, .emit = no_trace};
    entries_init(&e->entries, mem, 1);
    raftlog_init(&e->log, mem, &e->config);
    readindex_init(&e->reads, mem);
    sm_init(&e->taking.state, "snapshot.take", save_states, SAVE_STATES, SAVE_IDLE);
    sm_init(&e->fetch.save.state, "snapshot.fetch", save_states, SAVE_STATES, SAVE_IDLE);
    e->scratch = mem_array(mem, WIRE_ENTRIES_MAX, sizeof *e->scratch);
    if (e->scratch == NULL) {
        raft_engine_free(e);
        return NULL;
    }
    return e;
}

static void held_drop(struct raft_engine *e, size_t i)
{
    mem_free(e->mem, e->held[i].bytes, e->held[i].len);
}

void raft_engine_free(struct raft_engine *e)
{
    if (e == NULL)
        return;
    if (e->started)
        raft_close(&e->raft, NULL);
    for (size_t i = 0; i < e->held_count; i++)
        held_drop(e, i);
    mem_free(e->mem, e->held, e->held_cap * sizeof *e->held);
    mem_free(e->mem, e->written, e->written_cap * sizeof *e->written);
    mem_free(e->mem, e->scratch, WIRE_ENTRIES_MAX * sizeof *e->scratch);
    readindex_fini(&e->reads);
    raftlog_fini(&e->log);
    entries_fini(&e->entries);
    mem_free(e->mem, e, sizeof *e);
}

void engine_fail(struct raft_engine *e, const char *why)
{
    if (e->failed)
        return;
    e->failed = true;
    struct raft_effect *effect = fx_add(e->out, RAFT_FX_FATAL);
    if (effect != NULL)
        effect->fatal.why = why;
}

/* --- sending ---------------------------------------------------------------------------------- */

struct peer *engine_peer(struct raft_engine *e, uint64_t id)
{
    for (size_t i = 0; i < PEERS_MAX; i++) {
        if (e->peers[i].id == id)
            return &e->peers[i];
    }
    return NULL;
}

static void hold(struct raft_engine *e, uint64_t peer, struct slice bytes)
{
    if (e->held_count == e->held_cap) {
        size_t cap = e->held_cap == 0 ? 64 : e->held_cap * 2, size = sizeof *e->held;
        void *grown = e->held == NULL ? mem_array(e->mem, cap, size)
                                      : mem_resize(e->mem, e->held, e->held_cap * size, cap * size);
        if (grown == NULL)
            return; /* a lost message: Raft sends it again */
        e->held = grown, e->held_cap = cap;
    }
    uint8_t *copy = mem_alloc(e->mem, bytes.len);
    if (copy == NULL)
        return;
    memcpy(copy, bytes.at, bytes.len);
    e->held[e->held_count++] = (struct held){.peer = peer, .bytes = copy, .len = bytes.len};
}

void engine_send_bytes(struct raft_engine *e, uint64_t peer, struct slice bytes)
{
    const struct peer *p = engine_peer(e, peer);
    if (p == NULL || !p->up)
        return;
    if (guard_hold(e)) {
        hold(e, peer, bytes);
        return;
    }
    struct raft_effect *effect = fx_add(e->out, RAFT_FX_SEND);
    if (effect == NULL)
        return;
    effect->send.peer = peer;
    effect->send.bytes = bytes;
}

void engine_send(struct raft_engine *e, struct wire_message *m)
{
    const struct peer *p = engine_peer(e, m->to);
    if (p == NULL || !p->up)
        return;
    m->from = e->config.id;
    m->disk = e->log.disk;
    size_t len = wire_size(m);
    uint8_t *bytes = fx_bytes(e->out, len);
    if (bytes == NULL)
        return;
    struct writer w = writer_of(bytes, len);
    wire_encode(&w, e->tag, m);
    engine_send_bytes(e, m->to, slice_of(bytes, len));
}

static void held_release(struct raft_engine *e)
{
    if (guard_hold(e))
        return;
    for (size_t i = 0; i < e->held_count; i++) {
        struct held *h = &e->held[i];
        uint8_t *bytes = fx_bytes(e->out, h->len);
        if (bytes != NULL) {
            memcpy(bytes, h->bytes, h->len);
            engine_send_bytes(e, h->peer, slice_of(bytes, h->len));
        }
        held_drop(e, i);
    }
    e->held_count = 0;
}

/* --- peers ------------------------------------------------------------------------------------ */

static void peer_up(struct raft_engine *e, uint64_t id)
{
    struct peer *p = engine_peer(e, id);
    if (p == NULL)
        p = engine_peer(e, 0);
    for (size_t i = 0; p == NULL && i < PEERS_MAX; i++) {
        if (!e->peers[i].up)
            p = &e->peers[i];
    }
    if (p == NULL || id == 0)
        return; /* more peers than a cluster has: this one is not spoken to */
    if (p->id != id)
        *p = (struct peer){.id = id};
    p->up = true;
    if (id == e->fetch.from)
        e->fetch.asked_ns = 0;
    struct wire_message hello = {.kind = WIRE_HELLO, .to = id};
    engine_send(e, &hello);
}

/* G5: what was queued for a broken connection is not sent on the next one: libraft counts on each
 * connection keeping the order. */
static void peer_down(struct raft_engine *e, uint64_t id)
{
    struct peer *p = engine_peer(e, id);
    if (p == NULL || id == 0)
        return;
    p->up = false;
    size_t kept = 0;
    for (size_t i = 0; i < e->held_count; i++) {
        if (e->held[i].peer == id)
            held_drop(e, i);
        else
            e->held[kept++] = e->held[i];
    }
    e->held_count = kept;
}

/* --- disk ------------------------------------------------------------------------------------- */

uint64_t engine_sync(struct raft_engine *e)
{
    e->dirty = true;
    return e->token + 1;
}

/* One SYNC for all that this step wrote. */
static void sync_emit(struct raft_engine *e)
{
    if (!e->dirty)
        return;
    if (e->written_count == e->written_cap) {
        size_t cap = e->written_cap == 0 ? 64 : e->written_cap * 2, size = sizeof *e->written;
        void *grown = e->written == NULL
                          ? mem_array(e->mem, cap, size)
                          : mem_resize(e->mem, e->written, e->written_cap * size, cap * size);
        if (grown == NULL) {
            e->out->failed = true;
            return;
        }
        e->written = grown, e->written_cap = cap;
    }
    struct written *w = &e->written[e->written_count++];
    *w = (struct written){.token = ++e->token, .seq = raftlog_written(&e->log)};
    w->first = e->step_first;
    w->last = e->step_last;
    fx_sync(e->out, w->token);
}

static void disk_done(struct raft_engine *e, uint64_t token)
{
    size_t done = 0;
    uint64_t last = 0;
    if (token <= e->durable_token || token > e->token)
        return;
    e->durable_token = token;
    for (; done < e->written_count && e->written[done].token <= token; done++) {
        const struct written *w = &e->written[done];
        raftlog_durable(&e->log, w->seq);
        if (w->first != 0 && w->last >= w->first && w->last > last)
            last = w->last;
    }
    e->written_count -= done;
    memmove(e->written, e->written + done, e->written_count * sizeof *e->written);
    held_release(e);
    if (e->meta_token != 0 && e->meta_token <= token) {
        e->meta_token = 0;
        if (!raftlog_term_vote_durable(&e->log, e->out))
            e->out->failed = true;
    }
    if (last > e->raft.last_stored) {
        struct raft_event event = {.type = RAFT_PERSISTED_ENTRIES};
        event.persisted_entries.index = last;
        engine_must_call(e, &event);
    }
    transfer_durable(e);
    raftlog_drop(&e->log, e->out, e->entries.first);
}

/* --- a step ----------------------------------------------------------------------------------- */

static void tick(struct raft_engine *e)
{
    if (raft_timeout(&e->raft) <= e->now_ns / NS_PER_MS) {
        struct raft_event event = {.type = RAFT_TIMEOUT};
        guard_forget_leader(e);
        engine_must_call(e, &event);
    }
    transfer_tick(e);
}

static void transfer_leadership(struct raft_engine *e, uint64_t to)
{
    struct raft_event event = {.type = RAFT_TRANSFER};
    event.transfer.server_id = to;
    (void)engine_call(e, &event); /* refused: the leader stays, as if it had timed out */
}

static void read_add(struct raft_engine *e, uint64_t token)
{
    if (e->role == RAFT_ROLE_LEADER && readindex_add(&e->reads, token))
        return;
    struct raft_effect *effect = fx_add(e->out, RAFT_FX_READ_FAILED);
    if (effect == NULL)
        return;
    effect->read.token = token;
    effect->read.leader = engine_leader(e);
}

static void dispatch(struct raft_engine *e, const struct raft_engine_event *event)
{
    switch (event->kind) {
    case RAFT_EV_START: engine_start(e, event); break;
    case RAFT_EV_TICK: tick(e); break;
    case RAFT_EV_RECEIVE: engine_receive(e, event->receive.peer, event->receive.frame); break;
    case RAFT_EV_PEER_UP: peer_up(e, event->peer); break;
    case RAFT_EV_PEER_DOWN: peer_down(e, event->peer); break;
    case RAFT_EV_DISK_DONE: disk_done(e, event->disk_done.token); break;
    case RAFT_EV_DISK_FAILED:
        engine_fail(e, "writing the raft log failed; this server stops, and may be started again "
                       "once its disk is in order");
        break;
    case RAFT_EV_READ_DONE:
        transfer_read_done(e, event->read_done.token, event->read_done.bytes);
        break;
    case RAFT_EV_SUBMIT: engine_submit(e, event); break;
    case RAFT_EV_READ: read_add(e, event->read.token); break;
    case RAFT_EV_CHANGE: members_change(e, event); break;
    case RAFT_EV_TRANSFER: transfer_leadership(e, event->transfer.to); break;
    case RAFT_EV_SNAPSHOT: transfer_piece(e, event); break;
    }
}

/* A new leader that knows all of its log to be committed writes nothing by itself; reads and
 * changes wait for an entry of its term, so we write one. */
static void barrier(struct raft_engine *e)
{
    static const uint8_t zeros[8] = {0};
    const struct entry *last = entries_get(&e->entries, entries_last(&e->entries));
    if (e->role != RAFT_ROLE_LEADER || raft_transferee(&e->raft) != 0)
        return;
    if (last != NULL && last->term == raft_current_term(&e->raft))
        return;
    (void)engine_propose(e, ENTRY_BARRIER, slice_of(zeros, sizeof zeros));
}

/* The leader may have changed without a change of role or term (a follower hears of it). */
static void role_watch(struct raft_engine *e)
{
    uint64_t leader = engine_leader(e), term = raft_current_term(&e->raft);
    if (leader == e->role_leader && term == e->role_term)
        return;
    e->role_leader = leader;
    e->role_term = term;
    struct raft_effect *effect = fx_add(e->out, RAFT_FX_ROLE);
    if (effect == NULL)
        return;
    effect->role.role = e->role;
    effect->role.term = term;
    effect->role.leader = leader;
}

static void settle(struct raft_engine *e)
{
    barrier(e);
    role_watch(e);
    engine_reads(e);
    members_promote(e);
    transfer_threshold(e);
}

void raft_engine_step(struct raft_engine *e, const struct raft_engine_event *event,
                      struct raft_effects *out)
{
    if (e->failed)
        return;
    must(event->kind == RAFT_EV_START || e->started);
    must(event->now_ns >= e->now_ns);
    e->now_ns = event->now_ns;
    e->out = out;
    e->dirty = false;
    e->step_first = 0;
    e->step_last = 0;
    dispatch(e, event);
    if (e->started && !e->failed)
        settle(e);
    sync_emit(e);
    if (out->failed)
        engine_fail(e, "not enough memory for the raft engine");
    e->out = NULL;
}

/* --- questions -------------------------------------------------------------------------------- */

uint64_t raft_engine_next_deadline(const struct raft_engine *e)
{
    if (!e->started || e->failed)
        return UINT64_MAX;
    uint64_t at = raft_timeout(&e->raft) * NS_PER_MS;
    uint64_t transfer = transfer_deadline(e);
    if (transfer < at)
        at = transfer;
    if (e->reads.asking) {
        uint64_t again = e->reads.sent_ns + e->config.heartbeat_ms * NS_PER_MS;
        at = again < at ? again : at;
    }
    return at;
}

uint64_t engine_leader(const struct raft_engine *e)
{
    raft_id id = 0;
    const char *address = NULL;
    struct raft *r = (struct raft *)(uintptr_t)&e->raft; /* raft_leader() only reads */
    raft_leader(r, &id, &address);
    return id;
}

void raft_engine_status(const struct raft_engine *e, struct raft_engine_status *out)
{
    *out = (struct raft_engine_status){.id = e->config.id, .failed = e->failed};
    if (!e->started)
        return;
    out->role = e->role;
    out->term = raft_current_term(&e->raft);
    out->leader = engine_leader(e);
    out->commit = e->commit;
    out->applied = e->applied;
    out->first = e->entries.first;
    out->last = entries_last(&e->entries);
    out->stored = e->raft.last_stored;
    out->snapshot = e->snapshot.index;
    out->member_count = e->raft.configuration.n;
    out->change_pending = e->raft.configuration_uncommitted_index != 0;
    out->config_index = out->change_pending ? e->raft.configuration_uncommitted_index
                                            : e->raft.configuration_committed_index;
}

bool raft_engine_member(const struct raft_engine *e, size_t i, struct raft_member *out)
{
    if (!e->started || i >= e->raft.configuration.n)
        return false;
    const struct raft_server *s = &e->raft.configuration.servers[i];
    *out = (struct raft_member){.id = s->id, .address = s->address};
    out->voter = s->role == RAFT_VOTER;
    return true;
}

bool raft_engine_match(const struct raft_engine *e, uint64_t peer, uint64_t *index)
{
    raft_index match = 0;
    if (!e->started || raft_match_index(&e->raft, peer, &match) != 0)
        return false;
    *index = match;
    return true;
}

void raft_engine_check(const struct raft_engine *e)
{
    if (!e->started || e->failed)
        return;
    must(e->applied <= e->commit || e->config.unsafe_without_guard != 0);
    must(e->applied <= entries_last(&e->entries));
    must(e->entries.first <= e->snapshot.index + 1);
    must(e->raft.last_stored <= entries_last(&e->entries));
    must(e->durable_token <= e->token);
    must(e->written_count == 0 || e->written[0].token > e->durable_token);
    must((e->lead_term != 0) == (e->role == RAFT_ROLE_LEADER));
    must(e->role == RAFT_ROLE_LEADER || e->submits == 0);
    must(e->log.term == raft_current_term(&e->raft));
}
