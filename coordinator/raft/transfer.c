/* Snapshots on the move.
 *
 *   taken here:   NEED_SNAPSHOT ─► SNAPSHOT pieces ─► temp file ─► sync, rename, sync ─► libraft
 *   from a peer:  INSTALL (descriptor) ─► PULL ⇄ CHUNK ─► temp file ─► sync, rename, sync
 *                 ─► libraft's InstallSnapshot ─► the log begins anew ─► RESTORE
 *
 * libraft hears of a foreign snapshot only when it is whole, verified and durable here: its own
 * installing state cannot be given up, and a leader that dies in the middle would leave this server
 * in it. Until then the old log stays. The receiver pulls, one chunk at a time, and asks again when
 * an answer fails to come: a broken connection costs one chunk. */
#include "coordinator/raft/engine_int.h"
#include <string.h>

#define PULL_AGAIN_MS(e) (2 * (uint64_t)(e)->config.election_timeout_ms)
#define FETCH_STALLED_MS(e) (20 * (uint64_t)(e)->config.election_timeout_ms)
#define SERVING_MS(e) (10 * (uint64_t)(e)->config.election_timeout_ms)

static struct raft_file temp_file(uint64_t number)
{
    return (struct raft_file){RAFT_FILE_TEMP, number};
}

static struct raft_file snapshot_file(uint64_t index)
{
    return (struct raft_file){RAFT_FILE_SNAPSHOT, index};
}

/* Bytes of an event, for as long as the effects live. */
static struct slice keep(struct raft_engine *e, struct slice bytes)
{
    uint8_t *copy = bytes.len == 0 ? NULL : fx_bytes(e->out, bytes.len);
    if (copy == NULL)
        return (struct slice){0};
    memcpy(copy, bytes.at, bytes.len);
    return slice_of(copy, bytes.len);
}

static bool saving(const struct save *s, enum save_state state) { return s->state.state == state; }

/* `d` becomes our newest snapshot, the one before is still served, older ones go. */
static void adopt(struct raft_engine *e, const struct snapshot_descriptor *d)
{
    must(d->index > e->snapshot.index);
    if (e->older.index != 0)
        fx_delete(e->out, snapshot_file(e->older.index));
    e->older = e->snapshot;
    e->snapshot = *d;
    trace_put(e->trace, "raft.snapshot", d->index, d->size, d->hash);
}

static void fetch_drop(struct raft_engine *e)
{
    struct save *s = &e->fetch.save;
    if (saving(s, SAVE_WRITING))
        fx_delete(e->out, s->writer.temp);
    if (saving(s, SAVE_HELD) && e->fetch.want.index != e->snapshot.index &&
        e->fetch.want.index != e->older.index)
        fx_delete(e->out, snapshot_file(e->fetch.want.index));
    if (saving(s, SAVE_WRITING) || saving(s, SAVE_HELD))
        sm_move(&s->state, SAVE_IDLE);
}

/* --- taking ----------------------------------------------------------------------------------- */

/* Entries between snapshots. A large state is not written whole for every few of them: at most so
 * many bytes of snapshot for an entry. Replaying what is behind a snapshot then takes about as long
 * as loading it. */
static uint64_t threshold(const struct raft_engine *e)
{
    enum { SNAPSHOT_BYTES_AN_ENTRY = 2048 };
    uint64_t entries = e->snapshot.size / SNAPSHOT_BYTES_AN_ENTRY;
    return entries > e->config.snapshot_threshold ? entries : e->config.snapshot_threshold;
}

/* A snapshot that a peer is fetching is kept a while, up to a point: the log must not grow for
 * ever. */
static bool being_served(const struct raft_engine *e)
{
    if (e->applied - e->snapshot.index >= 4 * threshold(e))
        return false;
    for (size_t i = 0; i < PEERS_MAX; i++) {
        const struct peer *p = &e->peers[i];
        if (p->id != 0 && p->pulled_ns != 0 && e->now_ns - p->pulled_ns < SERVING_MS(e) * NS_PER_MS)
            return true;
    }
    return false;
}

void transfer_threshold(struct raft_engine *e)
{
    struct snapshot_descriptor *d = &e->taking.writer.descriptor;
    const struct entry *last = entries_get(&e->entries, e->applied);
    if (!saving(&e->fetch.save, SAVE_IDLE) && e->fetch.want.index <= e->applied)
        fetch_drop(e); /* the log brought it meanwhile */
    if (!saving(&e->taking, SAVE_IDLE) || !saving(&e->fetch.save, SAVE_IDLE) || last == NULL)
        return;
    if (e->applied - e->snapshot.index < threshold(e) || being_served(e))
        return;
    *d = (struct snapshot_descriptor){.index = e->applied, .term = last->term};
    d->config_index = e->config_index;
    d->config_len = e->config_len;
    memcpy(d->config, e->config_bytes, e->config_len);
    sm_move(&e->taking.state, SAVE_WRITING);
    snapshot_writer_begin(&e->taking.writer, e->out, temp_file(TEMP_TAKEN));
    struct raft_effect *effect = fx_add(e->out, RAFT_FX_NEED_SNAPSHOT);
    if (effect != NULL)
        effect->need_snapshot.index = e->applied;
}

void transfer_piece(struct raft_engine *e, const struct raft_engine_event *event)
{
    struct save *s = &e->taking;
    if (!saving(s, SAVE_WRITING) || event->snapshot.index != s->writer.descriptor.index)
        return;
    if (event->snapshot.failed || s->writer.descriptor.index <= e->snapshot.index) {
        fx_delete(e->out, s->writer.temp);
        sm_move(&s->state, SAVE_IDLE);
        return;
    }
    snapshot_writer_put(&s->writer, e->out, keep(e, event->snapshot.bytes));
    if (!event->snapshot.last)
        return;
    if (!snapshot_writer_end(&s->writer, e->out, e->config.cluster))
        e->out->failed = true;
    s->token = engine_sync(e);
    sm_move(&s->state, SAVE_SYNCING);
}

/* The entries up to it were applied, and asked to be written, before it was: they are durable. */
static void taken(struct raft_engine *e)
{
    const struct snapshot_descriptor *d = &e->taking.writer.descriptor;
    struct raft_event event = {.type = RAFT_SNAPSHOT};
    uint32_t trailing = guard_trailing(e);
    sm_move(&e->taking.state, SAVE_IDLE);
    if (d->index <= e->snapshot.index) { /* one that was installed meanwhile is newer */
        if (d->index != e->snapshot.index && d->index != e->older.index)
            fx_delete(e->out, snapshot_file(d->index));
        return;
    }
    adopt(e, d);
    event.snapshot.metadata.index = d->index;
    event.snapshot.metadata.term = d->term;
    event.snapshot.metadata.configuration_index = d->config_index;
    event.snapshot.trailing = trailing;
    if (!configuration_decode(slice_of(d->config, d->config_len),
                              &event.snapshot.metadata.configuration)) {
        e->out->failed = true;
        return;
    }
    engine_must_call(e, &event);
    /* As libraft's trail does: [index - trailing + 1, ...) stays. */
    if (d->index > trailing && d->index - trailing >= e->entries.first)
        entries_drop_before(&e->entries, d->index - trailing + 1);
}

/* --- fetching --------------------------------------------------------------------------------- */

static void pull(struct raft_engine *e)
{
    const struct snapshot_descriptor *want = &e->fetch.want;
    struct wire_message m = {.kind = WIRE_PULL, .to = e->fetch.from};
    m.term = raft_current_term(&e->raft);
    m.chunk.index = want->index;
    m.chunk.snapshot_term = want->term;
    m.chunk.hash = want->hash;
    m.chunk.offset = e->fetch.save.writer.offset;
    m.chunk.len = e->config.chunk_bytes;
    e->fetch.asked_ns = e->now_ns;
    engine_send(e, &m);
}

static void fetch_complete(struct raft_engine *e)
{
    struct save *s = &e->fetch.save;
    if (snapshot_writer_hash(&s->writer) != e->fetch.want.hash) {
        trace_put(e->trace, "raft.fetch.hash", e->fetch.want.index, e->fetch.want.size, 0);
        fetch_drop(e); /* offered again, it begins anew */
        return;
    }
    s->writer.descriptor = e->fetch.want;
    if (!snapshot_writer_end(&s->writer, e->out, e->config.cluster))
        e->out->failed = true;
    s->token = engine_sync(e);
    sm_move(&s->state, SAVE_SYNCING);
}

static void fetch_begin(struct raft_engine *e, const struct wire_message *m)
{
    struct fetch *f = &e->fetch;
    struct snapshot_descriptor *want = &f->want;
    fetch_drop(e);
    *want = (struct snapshot_descriptor){.index = m->install.index, .size = m->install.size};
    want->term = m->install.snapshot_term;
    want->hash = m->install.hash;
    want->config_index = m->install.config_index;
    want->config_len = (uint32_t)m->install.config.len;
    memcpy(want->config, m->install.config.at, m->install.config.len);
    f->from = m->from;
    f->progress_ns = e->now_ns;
    sm_move(&f->save.state, SAVE_WRITING);
    snapshot_writer_begin(&f->save.writer, e->out, temp_file(TEMP_RECEIVED));
    if (want->size == 0)
        fetch_complete(e);
    else
        pull(e);
}

/* Gives the snapshot `d` to libraft in the name of the leader that offered one in this term. What
 * it holds is committed whichever leader it came from. */
static void install(struct raft_engine *e, const struct snapshot_descriptor *d)
{
    struct raft_event event = {.type = RAFT_RECEIVE};
    struct raft_message m = {.type = RAFT_INSTALL_SNAPSHOT, .server_address = "peer"};
    if (e->fetch.offer_term != raft_current_term(&e->raft) || e->role == RAFT_ROLE_LEADER)
        return;
    m.server_id = e->fetch.offer_from;
    m.install_snapshot.term = e->fetch.offer_term;
    m.install_snapshot.last_index = d->index;
    m.install_snapshot.last_term = d->term;
    m.install_snapshot.conf_index = d->config_index;
    m.install_snapshot.data.base = raft_malloc(8);
    m.install_snapshot.data.len = 8;
    if (m.install_snapshot.data.base == NULL ||
        !configuration_decode(slice_of(d->config, d->config_len), &m.install_snapshot.conf)) {
        e->out->failed = true;
        return;
    }
    event.receive.message = &m;
    engine_must_call(e, &event);
    fetch_drop(e); /* libraft took it, or has no use for it */
}

/* Has our log, or our snapshot, all that the offered one holds? Then libraft answers so, and
 * nothing is fetched. */
static bool have_already(const struct raft_engine *e, const struct wire_message *m)
{
    const struct entry *entry = entries_get(&e->entries, m->install.index);
    if (m->install.index <= e->applied)
        return true;
    return entry != NULL && entry->term == m->install.snapshot_term;
}

static void answer_offer(struct raft_engine *e, const struct wire_message *m)
{
    struct snapshot_descriptor d = {.index = m->install.index, .term = m->install.snapshot_term};
    d.config_index = m->install.config_index;
    d.config_len = (uint32_t)m->install.config.len;
    memcpy(d.config, m->install.config.at, d.config_len);
    install(e, &d);
}

void transfer_offered(struct raft_engine *e, const struct wire_message *m)
{
    struct fetch *f = &e->fetch;
    if (m->term < raft_current_term(&e->raft) || e->role == RAFT_ROLE_LEADER)
        return;
    f->offer_from = m->from;
    f->offer_term = m->term;
    if (have_already(e, m)) {
        answer_offer(e, m);
        return;
    }
    switch ((enum save_state)f->save.state.state) {
    case SAVE_IDLE: fetch_begin(e, m); break;
    case SAVE_WRITING: {
        bool alive = e->now_ns - f->progress_ns < PULL_AGAIN_MS(e) * 4 * NS_PER_MS;
        if (guard_same_transfer(e, m))
            f->from = m->from;
        else if (m->from != f->from || !alive || guarded(e, RAFT_GUARD_ONE_TRANSFER) == false)
            fetch_begin(e, m);
        break;
    }
    case SAVE_HELD:
        if (guard_same_transfer(e, m))
            install(e, &f->want);
        else
            fetch_begin(e, m);
        break;
    case SAVE_SYNCING:
    case SAVE_RENAMING:
    case SAVE_STATES: break;
    }
}

void transfer_chunk(struct raft_engine *e, const struct wire_message *m)
{
    struct fetch *f = &e->fetch;
    if (!saving(&f->save, SAVE_WRITING) || m->from != f->from || m->chunk.index != f->want.index ||
        m->chunk.snapshot_term != f->want.term || m->chunk.hash != f->want.hash ||
        m->chunk.offset != f->save.writer.offset)
        return; /* late, or twice */
    if (m->chunk.bytes.len == 0 || m->chunk.bytes.len > f->want.size - f->save.writer.offset) {
        fetch_drop(e);
        return;
    }
    snapshot_writer_put(&f->save.writer, e->out, keep(e, m->chunk.bytes));
    f->progress_ns = e->now_ns;
    if (f->save.writer.offset == f->want.size)
        fetch_complete(e);
    else
        pull(e);
}

void transfer_install(struct raft_engine *e, struct raft_snapshot_metadata *metadata)
{
    const struct snapshot_descriptor *d = &e->fetch.want;
    struct raft_event event = {.type = RAFT_PERSISTED_SNAPSHOT};
    must(saving(&e->fetch.save, SAVE_HELD) && d->index == metadata->index);
    must(d->index > e->applied);
    entries_reset(&e->entries, d->index + 1);
    for (size_t i = 0; i < e->written_count; i++)
        e->written[i].first = 0;
    e->step_first = 0;
    if (!raftlog_reset(&e->log, e->out, d->index + 1))
        e->out->failed = true;
    engine_sync(e);
    adopt(e, d);
    e->applied = d->index;
    e->commit = d->index;
    e->config_index = d->config_index;
    e->config_len = d->config_len;
    memcpy(e->config_bytes, d->config, d->config_len);
    struct raft_effect *effect = fx_add(e->out, RAFT_FX_RESTORE);
    if (effect == NULL)
        return;
    effect->restore.index = d->index;
    effect->restore.term = d->term;
    effect->restore.file = snapshot_file(d->index);
    effect->restore.offset = SNAPSHOT_HEADER_BYTES;
    effect->restore.len = d->size;
    event.persisted_snapshot.metadata = *metadata;
    event.persisted_snapshot.last = true;
    engine_must_call(e, &event);
}

/* --- serving ---------------------------------------------------------------------------------- */

static const struct snapshot_descriptor *asked_for(const struct raft_engine *e,
                                                   const struct wire_message *m)
{
    const struct snapshot_descriptor *have[SNAPSHOTS_KEPT] = {&e->snapshot, &e->older};
    for (size_t i = 0; i < SNAPSHOTS_KEPT; i++) {
        if (have[i]->index == m->chunk.index && have[i]->term == m->chunk.snapshot_term &&
            have[i]->hash == m->chunk.hash && m->chunk.offset < have[i]->size)
            return have[i];
    }
    return NULL;
}

static void send_chunk(struct raft_engine *e, struct peer *p, struct slice bytes)
{
    struct wire_message m = p->pull;
    m.kind = WIRE_CHUNK;
    m.to = p->id;
    m.term = raft_current_term(&e->raft);
    m.chunk.bytes = bytes;
    engine_send(e, &m);
}

void transfer_pull(struct raft_engine *e, const struct wire_message *m)
{
    struct peer *p = engine_peer(e, m->from);
    const struct snapshot_descriptor *d = asked_for(e, m);
    bool late = e->now_ns - p->pulled_ns >= PULL_AGAIN_MS(e) * NS_PER_MS;
    if (p->read_token != 0 && !late)
        return; /* one at a time for each peer */
    p->pull = *m;
    p->pulled_ns = e->now_ns;
    p->read_token = 0;
    if (d == NULL) {
        send_chunk(e, p, (struct slice){0}); /* gone: the leader will offer another */
        return;
    }
    uint64_t len = m->chunk.len < e->config.chunk_bytes ? m->chunk.len : e->config.chunk_bytes;
    if (len > d->size - m->chunk.offset)
        len = d->size - m->chunk.offset;
    struct raft_effect *effect = fx_add(e->out, RAFT_FX_FILE_READ);
    if (effect == NULL || len == 0)
        return;
    p->read_token = ++e->read_token;
    effect->file.file = snapshot_file(d->index);
    effect->file.offset = SNAPSHOT_HEADER_BYTES + m->chunk.offset;
    effect->file.len = len;
    effect->file.token = p->read_token;
}

void transfer_read_done(struct raft_engine *e, uint64_t token, struct slice bytes)
{
    for (size_t i = 0; i < PEERS_MAX; i++) {
        struct peer *p = &e->peers[i];
        if (p->id == 0 || token == 0 || p->read_token != token)
            continue;
        p->read_token = 0;
        send_chunk(e, p, bytes);
    }
}

/* --- progress --------------------------------------------------------------------------------- */

static void save_durable(struct raft_engine *e, struct save *s, void (*done)(struct raft_engine *))
{
    if (saving(s, SAVE_SYNCING) && s->token <= e->durable_token) {
        fx_rename(e->out, s->writer.temp, snapshot_file(s->writer.descriptor.index));
        s->token = engine_sync(e);
        sm_move(&s->state, SAVE_RENAMING);
    } else if (saving(s, SAVE_RENAMING) && s->token <= e->durable_token) {
        done(e);
    }
}

static void fetched(struct raft_engine *e)
{
    sm_move(&e->fetch.save.state, SAVE_HELD);
    install(e, &e->fetch.want);
}

void transfer_durable(struct raft_engine *e)
{
    save_durable(e, &e->taking, taken);
    save_durable(e, &e->fetch.save, fetched);
}

void transfer_tick(struct raft_engine *e)
{
    struct fetch *f = &e->fetch;
    if (!saving(&f->save, SAVE_WRITING))
        return;
    if (e->now_ns - f->progress_ns >= FETCH_STALLED_MS(e) * NS_PER_MS)
        fetch_drop(e);
    else if (e->now_ns - f->asked_ns >= PULL_AGAIN_MS(e) * NS_PER_MS)
        pull(e);
}

uint64_t transfer_deadline(const struct raft_engine *e)
{
    if (!saving(&e->fetch.save, SAVE_WRITING))
        return UINT64_MAX;
    return e->fetch.asked_ns + PULL_AGAIN_MS(e) * NS_PER_MS;
}
