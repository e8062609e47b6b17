/* START: what the files say, or the first state of a new server; then libraft is started with it.
 *
 * A server whose disk is empty starts only when it is told that this is its first start. Otherwise
 * it lost its disk: it has forgotten votes and acknowledged entries, and must come back under a new
 * id. */
#include "coordinator/raft/engine_int.h"
#include <string.h>

const struct sm_state save_states[] = {
    [SAVE_IDLE] = {"idle", MAY(SAVE_WRITING)},
    [SAVE_WRITING] = {"writing", MAY(SAVE_SYNCING) | MAY(SAVE_IDLE)},
    [SAVE_SYNCING] = {"syncing", MAY(SAVE_RENAMING) | MAY(SAVE_IDLE)},
    [SAVE_RENAMING] = {"renaming", MAY(SAVE_IDLE) | MAY(SAVE_HELD)},
    [SAVE_HELD] = {"held", MAY(SAVE_IDLE)},
};

typedef const char *why; /* NULL, or the reason not to start */

/* --- snapshots -------------------------------------------------------------------------------- */

/* The next lower snapshot file below `below`, or NULL. */
static const struct raft_loaded_file *snapshot_file(const struct raft_engine_event *event,
                                                    uint64_t below)
{
    const struct raft_loaded_file *best = NULL;
    for (size_t i = 0; i < event->start.file_count; i++) {
        const struct raft_loaded_file *f = &event->start.files[i];
        if (f->file.kind != RAFT_FILE_SNAPSHOT || f->file.number >= below)
            continue;
        if (best == NULL || f->file.number > best->file.number)
            best = f;
    }
    return best;
}

/* A damaged snapshot may be passed over only when the log reaches back behind it and forward past
 * it: then nothing is missing without it. */
static bool log_covers(const struct raft_engine *e, uint64_t from, uint64_t to)
{
    return e->entries.first <= from + 1 && entries_last(&e->entries) >= to;
}

static why snapshots_read(struct raft_engine *e, const struct raft_engine_event *event)
{
    uint64_t below = UINT64_MAX, damaged = 0;
    why bad = NULL;
    const struct raft_loaded_file *f;
    while ((f = snapshot_file(event, below)) != NULL) {
        struct snapshot_descriptor *d = e->snapshot.index == 0 ? &e->snapshot : &e->older;
        below = f->file.number;
        why reason = e->older.index != 0 ? "more than is kept"
                                         : snapshot_verify(f->bytes, e->config.cluster, d);
        if (reason == NULL && d->index == f->file.number)
            continue;
        *d = e->older.index != 0 ? *d : (struct snapshot_descriptor){0};
        fx_delete(e->out, f->file);
        if (e->snapshot.index == 0 && bad == NULL)
            bad = reason != NULL ? reason : "a raft snapshot has another one's name",
            damaged = f->file.number;
    }
    if (bad != NULL && !log_covers(e, e->snapshot.index, damaged))
        return bad;
    if (e->snapshot.index == 0 && e->entries.first != 1)
        return "the raft log begins behind a snapshot that is missing; "
               "replace this server under a new id";
    return NULL;
}

/* The log must go on where the snapshot ends. A log that ends before it, or has another entry
 * there, is that of a crash while the snapshot was being installed. */
static why snapshot_join_log(struct raft_engine *e)
{
    const struct snapshot_descriptor *d = &e->snapshot;
    if (d->index == 0)
        return NULL;
    const struct entry *entry = entries_get(&e->entries, d->index);
    if (entry != NULL && entry->term == d->term)
        return NULL;
    if (e->entries.first == d->index + 1 && e->log.segment_count > 0)
        return NULL;
    if (e->entries.first > d->index + 1)
        return "the raft log is damaged: entries behind the snapshot are missing; "
               "replace this server under a new id";
    entries_reset(&e->entries, d->index + 1);
    if (!raftlog_reset(&e->log, e->out, d->index + 1))
        e->out->failed = true;
    engine_sync(e);
    return NULL;
}

/* --- the first state -------------------------------------------------------------------------- */

static bool member_before(const struct raft_member *a, const struct raft_member *b)
{
    return a->id < b->id;
}

/* Entry 1 must be the same bytes on every first member: the members stand in order of their ids. */
static why bootstrap(struct raft_engine *e, const struct raft_engine_event *event)
{
    size_t count = event->start.member_count;
    bool mine = false;
    struct raft_configuration c;
    struct raft_buffer buf = {0};
    if (count == 0 || count > RAFT_MEMBERS_MAX)
        return "a new cluster needs one to nine coordinators";
    raft_configuration_init(&c);
    for (size_t done = 0; done < count; done++) {
        const struct raft_member *next = NULL;
        for (size_t i = 0; i < count; i++) {
            const struct raft_member *m = &event->start.members[i];
            bool later = done == 0 || c.servers[done - 1].id < m->id;
            if (later && (next == NULL || member_before(m, next)))
                next = m;
        }
        if (next == NULL || next->id == 0 || strlen(next->address) > RAFT_ADDRESS_MAX ||
            strlen(next->address) == 0 ||
            raft_configuration_add(&c, next->id, next->address, RAFT_VOTER) != 0) {
            raft_configuration_close(&c);
            return "the first members have unusable ids or addresses";
        }
        mine = mine || next->id == e->config.id;
    }
    int r = raft_configuration_encode(&c, &buf);
    raft_configuration_close(&c);
    if (r != 0)
        return "not enough memory";
    struct slice bytes = slice_of(buf.base, buf.len);
    bool ok = entries_append(&e->entries, 1, ENTRY_CHANGE, bytes) != NULL;
    raft_free(buf.base);
    if (!mine)
        return "this coordinator is not among the first members";
    if (e->log.generation == 0)
        ok = ok && raftlog_format(&e->log, e->out, 1, event->start.seed | 1);
    else if (e->log.term == 0)
        ok = ok && raftlog_term_vote(&e->log, e->out, 1, 0);
    ok = ok && raftlog_append(&e->log, e->out, &e->entries, 1, 1);
    e->hold_token = engine_sync(e);
    e->meta_token = e->hold_token;
    return ok ? NULL : "not enough memory";
}

static why first_state(struct raft_engine *e, const struct raft_engine_event *event, bool empty)
{
    bool nothing = e->entries.count == 0 && e->snapshot.index == 0;
    switch (event->start.as) {
    case RAFT_START_MEMBER:
        if (!empty)
            return NULL;
        return "this coordinator's raft directory is empty, but it has been started before: "
               "replace it under a new id";
    case RAFT_START_BOOTSTRAP:
        /* Also when a crash tore the first writing: it was not told to anybody. */
        return nothing && e->log.term <= 1 ? bootstrap(e, event) : NULL;
    case RAFT_START_JOIN:
        if (!empty)
            return NULL;
        if (!raftlog_format(&e->log, e->out, 0, event->start.seed | 1))
            return "not enough memory";
        e->hold_token = engine_sync(e);
        e->meta_token = e->hold_token;
        return NULL;
    }
    return "unknown way to start";
}

/* --- libraft ---------------------------------------------------------------------------------- */

/* The last configuration in the log, else the snapshot's, else empty. */
static struct slice last_configuration(const struct raft_engine *e)
{
    for (uint64_t i = entries_last(&e->entries); i >= e->entries.first && i > 0; i--) {
        const struct entry *entry = entries_get(&e->entries, i);
        if (entry->type == ENTRY_CHANGE)
            return slice_of(entry->data, entry->len);
    }
    return slice_of(e->snapshot.config, e->snapshot.config_len);
}

static why configurations_check(const struct raft_engine *e)
{
    for (uint64_t i = 0; i < e->entries.count; i++) {
        const struct entry *entry = entries_get(&e->entries, e->entries.first + i);
        if (entry->type == ENTRY_CHANGE &&
            !wire_configuration_check(slice_of(entry->data, entry->len)))
            return "the raft log holds a configuration this program cannot read";
    }
    if (e->snapshot.index == 0 && e->entries.count > 0 &&
        entries_get(&e->entries, 1)->type != ENTRY_CHANGE)
        return "the raft log does not begin with a configuration";
    return NULL;
}

/* G7; the new term is written, and held for, like any other. */
static why start_term(struct raft_engine *e)
{
    struct slice bytes = last_configuration(e);
    struct raft_configuration c;
    if (bytes.len == 0)
        return NULL;
    if (!configuration_decode(bytes, &c))
        return "not enough memory";
    uint64_t term = guard_start_term(e, &c, e->log.term);
    raft_configuration_close(&c);
    if (term == e->log.term)
        return NULL;
    if (!raftlog_term_vote(&e->log, e->out, term, e->config.id))
        return "not enough memory";
    e->hold_token = engine_sync(e);
    e->meta_token = e->hold_token;
    return NULL;
}

static why libraft_init(struct raft_engine *e, uint64_t seed)
{
    if (raft_init(&e->raft, NULL, NULL, e->config.id, "self") != 0)
        return "not enough memory";
    e->started = true;
    e->raft.tracer = &e->tracer;
    raft_set_election_timeout(&e->raft, e->config.election_timeout_ms);
    raft_set_heartbeat_timeout(&e->raft, e->config.heartbeat_ms);
    raft_set_install_snapshot_timeout(&e->raft, 4 * e->config.election_timeout_ms);
    raft_set_pre_vote(&e->raft, false); /* G3 */
    raft_set_max_inflight_entries(&e->raft, e->config.max_inflight);
    raft_set_capacity_threshold(&e->raft, 0); /* a full disk is fail-stop, not negotiated */
    raft_seed(&e->raft, (unsigned)(seed ^ seed >> 32));
    return NULL;
}

static why libraft_start(struct raft_engine *e)
{
    struct raft_event event = {.type = RAFT_START};
    struct raft_snapshot_metadata metadata = {0};
    size_t count = e->entries.count;
    struct raft_entry *all = raft_calloc(count + 1, sizeof *all);
    void *batch = raft_malloc(8);
    if (all == NULL || batch == NULL)
        return "not enough memory";
    for (size_t i = 0; i < count; i++) {
        const struct entry *from = entries_get(&e->entries, e->entries.first + i);
        all[i] = (struct raft_entry){.term = from->term, .batch = batch};
        all[i].type = (enum raft_entry_type)from->type;
        all[i].buf = (struct raft_buffer){.base = from->data, .len = from->len};
    }
    if (e->snapshot.index != 0) {
        metadata.index = e->snapshot.index;
        metadata.term = e->snapshot.term;
        metadata.configuration_index = e->snapshot.config_index;
        struct slice bytes = slice_of(e->snapshot.config, e->snapshot.config_len);
        if (!configuration_decode(bytes, &metadata.configuration))
            return "not enough memory";
        event.start.metadata = &metadata;
    }
    event.start.term = e->log.term;
    event.start.voted_for = e->log.vote;
    event.start.start_index = e->entries.first;
    event.start.entries = all;
    event.start.n_entries = (unsigned)count;
    engine_must_call(e, &event);
    if (!e->failed) {
        raft_free(batch);
        raft_free(all);
    }
    return NULL;
}

static void restore(struct raft_engine *e)
{
    const struct snapshot_descriptor *d = &e->snapshot;
    if (d->index == 0)
        return;
    struct raft_effect *effect = fx_add(e->out, RAFT_FX_RESTORE);
    if (effect == NULL)
        return;
    effect->restore.index = d->index;
    effect->restore.term = d->term;
    effect->restore.file = (struct raft_file){RAFT_FILE_SNAPSHOT, d->index};
    effect->restore.offset = SNAPSHOT_HEADER_BYTES;
    effect->restore.len = d->size;
    e->applied = d->index;
    e->commit = d->index;
    e->config_index = d->config_index;
    e->config_len = d->config_len;
    memcpy(e->config_bytes, d->config, d->config_len);
}

static void temps_delete(struct raft_engine *e, const struct raft_engine_event *event)
{
    for (size_t i = 0; i < event->start.file_count; i++) {
        if (event->start.files[i].file.kind == RAFT_FILE_TEMP)
            fx_delete(e->out, event->start.files[i].file);
    }
}

void engine_start(struct raft_engine *e, const struct raft_engine_event *event)
{
    must(!e->started);
    why reason =
        raftlog_recover(&e->log, event->start.files, event->start.file_count, &e->entries, e->out);
    if (reason == NULL)
        reason = snapshots_read(e, event);
    if (reason == NULL && raftlog_empty(&e->log) && e->snapshot.index != 0)
        reason = "the raft directory has snapshots but no log; replace this server under a new id";
    if (reason == NULL)
        reason = snapshot_join_log(e);
    if (reason == NULL)
        reason = first_state(e, event, raftlog_empty(&e->log));
    if (reason == NULL)
        reason = configurations_check(e);
    if (reason == NULL)
        reason = start_term(e);
    if (reason == NULL)
        reason = libraft_init(e, event->start.seed);
    if (reason == NULL) {
        temps_delete(e, event);
        restore(e);
        reason = libraft_start(e);
    }
    if (reason == NULL)
        return;
    e->out->count = 0; /* a server that does not start changes nothing on its disk */
    e->dirty = false;
    engine_fail(e, reason);
}
