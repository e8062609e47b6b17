/* raft_step() and what its update asks for. The order is fixed: term and vote are written first,
 * then entries go into memory and to the disk, then messages are made (they take entries from
 * memory), then what became committed is applied. */
#include "coordinator/raft/engine_int.h"
#include <string.h>

#define APPEND_BYTES_MAX                                                                           \
    ((size_t)1 << 20) /* of entries in one message; a larger entry goes alone */

bool configuration_decode(struct slice bytes, struct raft_configuration *out)
{
    struct raft_buffer buf = {.base = (void *)(uintptr_t)bytes.at, .len = bytes.len};
    raft_configuration_init(out);
    return raft_configuration_decode(&buf, out) == 0;
}

/* --- leadership ------------------------------------------------------------------------------- */

static void submitted(struct raft_engine *e, uint64_t token, enum raft_submit_status status,
                      uint64_t index)
{
    struct raft_effect *effect = fx_add(e->out, RAFT_FX_SUBMITTED);
    if (effect == NULL)
        return;
    effect->submitted.token = token;
    effect->submitted.status = status;
    effect->submitted.index = index;
    if (status == RAFT_SUBMIT_COMMITTED)
        return;
    /* While it hands over, a leader takes nothing: the hint is whom it hands over to. */
    uint64_t heir = raft_transferee(&e->raft);
    effect->submitted.leader = heir != 0 ? heir : engine_leader(e);
}

static void leadership_lost(struct raft_engine *e)
{
    uint64_t token;
    for (uint64_t i = e->applied + 1; e->submits > 0; i++) {
        struct entry *entry = entries_get(&e->entries, i);
        must(entry != NULL);
        if (entry->token == 0)
            continue;
        submitted(e, entry->token, RAFT_SUBMIT_AMBIGUOUS, 0);
        entry->token = 0;
        e->submits--;
    }
    while (readindex_fail(&e->reads, &token)) {
        struct raft_effect *effect = fx_add(e->out, RAFT_FX_READ_FAILED);
        if (effect == NULL)
            return;
        effect->read.token = token;
        effect->read.leader = engine_leader(e);
    }
    members_lost(e);
}

static void update_role(struct raft_engine *e)
{
    static const enum raft_role roles[] = {
        [RAFT_UNAVAILABLE] = RAFT_ROLE_FOLLOWER,
        [RAFT_FOLLOWER] = RAFT_ROLE_FOLLOWER,
        [RAFT_CANDIDATE] = RAFT_ROLE_CANDIDATE,
        [RAFT_LEADER] = RAFT_ROLE_LEADER,
    };
    enum raft_role role = roles[raft_state(&e->raft)];
    uint64_t term = raft_current_term(&e->raft);
    uint64_t lead = role == RAFT_ROLE_LEADER ? term : 0;
    if (e->lead_term != 0 && e->lead_term != lead)
        leadership_lost(e);
    e->lead_term = lead;
    if (role == e->role)
        return;
    e->role = role;
    trace_put(e->trace, "raft.role", role, term, e->config.id);
    e->role_term = term;
    e->role_leader = engine_leader(e);
    struct raft_effect *effect = fx_add(e->out, RAFT_FX_ROLE);
    if (effect == NULL)
        return;
    effect->role.role = role;
    effect->role.term = term;
    effect->role.leader = e->role_leader;
}

static void update_term(struct raft_engine *e)
{
    uint64_t term = raft_current_term(&e->raft), vote = raft_voted_for(&e->raft);
    if (term == e->log.term && vote == e->log.vote)
        return;
    if (!raftlog_term_vote(&e->log, e->out, term, vote))
        e->out->failed = true;
    e->hold_token = engine_sync(e);
    e->meta_token = e->hold_token;
}

/* --- entries ---------------------------------------------------------------------------------- */

/* From `index` on the log is replaced: what waits for the disk there waits no more. */
static void written_truncate(struct raft_engine *e, uint64_t index)
{
    for (size_t i = 0; i < e->written_count; i++) {
        struct written *w = &e->written[i];
        if (w->first != 0 && w->last >= index)
            w->last = index - 1;
    }
    if (e->step_first != 0 && e->step_last >= index)
        e->step_last = index - 1;
}

static void entries_write(struct raft_engine *e, uint64_t from, uint64_t to)
{
    if (!raftlog_append(&e->log, e->out, &e->entries, from, to))
        e->out->failed = true;
    engine_sync(e);
    if (e->step_first == 0 || from < e->step_first)
        e->step_first = from;
    e->step_last = to;
    if (guarded(e, RAFT_GUARD_SYNC_BEFORE_ACK))
        return;
    struct raft_event event = {.type = RAFT_PERSISTED_ENTRIES};
    event.persisted_entries.index = to;
    engine_must_call(e, &event);
}

static bool update_entries(struct raft_engine *e, const struct raft_update *u)
{
    uint64_t index = u->entries.index;
    if (index <= e->applied || index > entries_last(&e->entries) + 1) {
        engine_fail(e, "raft would replace an entry that was applied");
        return false;
    }
    if (index <= entries_last(&e->entries)) {
        entries_truncate(&e->entries, index);
        written_truncate(e, index);
    }
    for (unsigned i = 0; i < u->entries.n; i++) {
        const struct raft_entry *from = &u->entries.batch[i];
        struct entry *entry = entries_append(&e->entries, from->term, (enum entry_type)from->type,
                                             slice_of(from->buf.base, from->buf.len));
        if (entry == NULL) {
            e->out->failed = true;
            break;
        }
        if (i < e->submitting_count) {
            entry->token = e->submitting[i].token;
            e->submits += entry->token != 0;
        }
    }
    e->submitting_count = 0;
    raft_free(u->entries.batch[0].batch);
    return !e->out->failed;
}

/* --- messages --------------------------------------------------------------------------------- */

/* How many entries from `index` on fit one message. */
static uint32_t append_fits(const struct raft_engine *e, uint64_t index, uint32_t count,
                            size_t *bytes)
{
    uint32_t n = 0;
    *bytes = 0;
    while (n < count) {
        const struct entry *entry = entries_get(&e->entries, index + n);
        if (entry == NULL)
            break;
        size_t len = wire_entry_size(entry->len);
        if (n > 0 && *bytes + len > APPEND_BYTES_MAX)
            break;
        *bytes += len;
        n++;
    }
    return n;
}

static void append_encode(struct raft_engine *e, struct wire_message *m, size_t entry_bytes)
{
    size_t len = wire_size(m) + entry_bytes;
    uint8_t *bytes = fx_bytes(e->out, len);
    if (bytes == NULL)
        return;
    struct writer w = writer_of(bytes, len);
    wire_encode(&w, e->tag, m);
    for (uint32_t i = 0; i < m->append.count; i++) {
        const struct entry *entry = entries_get(&e->entries, m->append.prev_index + 1 + i);
        struct wire_entry we = {.term = entry->term, .type = entry->type};
        we.data = slice_of(entry->data, entry->len);
        wire_entry_encode(&w, &we);
    }
    must(!w.full && w.pos == len);
    engine_send_bytes(e, m->to, slice_of(bytes, len));
}

/* libraft says how many entries to send; the bytes are ours, and the bound on a frame too. */
static void send_append(struct raft_engine *e, const struct raft_message *from)
{
    const struct raft_append_entries *a = &from->append_entries;
    const struct peer *p = engine_peer(e, from->server_id);
    struct wire_message m = {.kind = WIRE_APPEND, .from = e->config.id, .to = from->server_id};
    m.disk = e->log.disk;
    uint32_t left = a->n_entries;
    if (p == NULL || !p->up)
        return;
    m.term = a->term;
    m.append.prev_index = a->prev_log_index;
    m.append.prev_term = a->prev_log_term;
    m.append.commit = a->leader_commit;
    do {
        size_t bytes;
        m.append.count = append_fits(e, m.append.prev_index + 1, left, &bytes);
        if (m.append.count == 0 && left > 0)
            return;
        append_encode(e, &m, bytes);
        left -= m.append.count;
        m.append.prev_index += m.append.count;
        if (left > 0)
            m.append.prev_term = entries_get(&e->entries, m.append.prev_index)->term;
    } while (left > 0);
}

static void send_install(struct raft_engine *e, const struct raft_message *from)
{
    const struct snapshot_descriptor *d = &e->snapshot;
    struct wire_message m = {.kind = WIRE_INSTALL, .to = from->server_id};
    if (d->index == 0)
        return;
    m.term = from->install_snapshot.term;
    m.install.index = d->index;
    m.install.snapshot_term = d->term;
    m.install.config_index = d->config_index;
    m.install.size = d->size;
    m.install.hash = d->hash;
    m.install.config = slice_of(d->config, d->config_len);
    engine_send(e, &m);
}

/* Where a leader whose log disagrees at `rejected` should try next. libraft goes back by one; a
 * whole term at a time is Raft's own advice (section 5.3), or an old leader with a long tail would
 * keep its successor busy for as many round trips. Not below what this leader is known to share
 * with us. */
static uint64_t reject_hint(const struct raft_engine *e, uint64_t rejected, uint64_t hint)
{
    uint64_t floor = e->commit;
    if (e->role == RAFT_ROLE_FOLLOWER && e->raft.follower_state.match > floor)
        floor = e->raft.follower_state.match;
    const struct entry *entry = entries_get(&e->entries, rejected);
    if (rejected == 0 || entry == NULL)
        return hint;
    uint64_t term = entry->term;
    while (hint > floor && (entry = entries_get(&e->entries, hint)) != NULL && entry->term == term)
        hint--;
    return hint;
}

static void send_message(struct raft_engine *e, const struct raft_message *from)
{
    struct wire_message m = {.to = from->server_id};
    switch (from->type) {
    case RAFT_APPEND_ENTRIES: send_append(e, from); return;
    case RAFT_INSTALL_SNAPSHOT: send_install(e, from); return;
    case RAFT_APPEND_ENTRIES_RESULT:
        m.kind = WIRE_APPEND_RESULT;
        m.term = from->append_entries_result.term;
        m.append_result.rejected = from->append_entries_result.rejected;
        m.append_result.last_index = reject_hint(e, from->append_entries_result.rejected,
                                                 from->append_entries_result.last_log_index);
        break;
    case RAFT_REQUEST_VOTE:
        m.kind = WIRE_VOTE;
        m.term = from->request_vote.term;
        m.vote.last_index = from->request_vote.last_log_index;
        m.vote.last_term = from->request_vote.last_log_term;
        m.vote.disrupt = from->request_vote.disrupt_leader;
        break;
    case RAFT_REQUEST_VOTE_RESULT:
        m.kind = WIRE_VOTE_RESULT;
        m.term = from->request_vote_result.term;
        m.vote_result.granted = from->request_vote_result.vote_granted;
        break;
    case RAFT_TIMEOUT_NOW:
        m.kind = WIRE_TIMEOUT_NOW;
        m.term = from->timeout_now.term;
        m.vote.last_index = from->timeout_now.last_log_index;
        m.vote.last_term = from->timeout_now.last_log_term;
        break;
    }
    engine_send(e, &m);
}

/* --- commit ----------------------------------------------------------------------------------- */

static void apply_one(struct raft_engine *e, uint64_t index, struct entry *entry)
{
    uint64_t token = entry->token;
    entry->token = 0;
    e->applied = index;
    e->submits -= token != 0;
    if (entry->type == ENTRY_CHANGE) {
        members_applied(e, index, entry);
        return;
    }
    if (entry->type == ENTRY_BARRIER)
        return;
    /* A copy: the entry may leave memory before the shell comes to it. */
    uint8_t *command = fx_bytes(e->out, entry->len);
    struct raft_effect *effect = fx_add(e->out, RAFT_FX_APPLY);
    if (effect == NULL || command == NULL)
        return;
    memcpy(command, entry->data, entry->len);
    effect->apply.index = index;
    effect->apply.term = entry->term;
    effect->apply.command = slice_of(command, entry->len);
    effect->apply.token = token;
    if (token != 0)
        submitted(e, token, RAFT_SUBMIT_COMMITTED, index);
}

/* Applying a configuration calls raft_step again, which may commit more: the outer loop does it. */
void engine_apply(struct raft_engine *e)
{
    if (e->applying)
        return;
    e->applying = true;
    while (e->applied < e->commit && !e->failed && !e->out->failed) {
        struct entry *entry = entries_get(&e->entries, e->applied + 1);
        if (entry == NULL)
            break;
        apply_one(e, e->applied + 1, entry);
    }
    e->applying = false;
}

/* --- raft_step -------------------------------------------------------------------------------- */

static void update(struct raft_engine *e, struct raft_update *u)
{
    if (u->flags & (RAFT_UPDATE_CURRENT_TERM))
        update_term(e);
    else if (u->flags & (RAFT_UPDATE_VOTED_FOR))
        update_term(e);
    if (u->flags & (RAFT_UPDATE_STATE))
        update_role(e);
    bool append = (u->flags & (RAFT_UPDATE_ENTRIES)) != 0;
    if (append && !update_entries(e, u))
        return;
    if (u->flags & (RAFT_UPDATE_MESSAGES)) {
        for (unsigned i = 0; i < u->messages.n; i++)
            send_message(e, &u->messages.batch[i]);
    }
    if (u->flags & (RAFT_UPDATE_SNAPSHOT)) {
        raft_free(u->snapshot.chunk.base);
        transfer_install(e, &u->snapshot.metadata);
    }
    if (append)
        entries_write(e, u->entries.index, u->entries.index + u->entries.n - 1);
    if (u->flags & (RAFT_UPDATE_COMMIT_INDEX)) {
        e->commit = guard_commit(e, raft_commit_index(&e->raft));
        engine_apply(e);
    }
}

int engine_call(struct raft_engine *e, struct raft_event *event)
{
    struct raft_update u = {0};
    if (e->failed)
        return RAFT_CANCELED;
    event->time = e->now_ns / NS_PER_MS;
    event->capacity = UINT16_MAX;
    int r = raft_step(&e->raft, event, &u);
    if (r == 0)
        update(e, &u);
    else if (r != RAFT_NOTLEADER && r != RAFT_NOSPACE && r != RAFT_CANTCHANGE &&
             r != RAFT_NOTFOUND && r != RAFT_BADID)
        engine_fail(e, r == RAFT_SHUTDOWN
                           ? "the leader's log contradicts an entry that is committed here"
                           : "libraft could not process an event");
    return r;
}

void engine_must_call(struct raft_engine *e, struct raft_event *event)
{
    if (engine_call(e, event) != 0)
        engine_fail(e, "libraft refused an event that it must take");
}

/* --- proposing -------------------------------------------------------------------------------- */

static int propose(struct raft_engine *e, uint32_t count)
{
    struct raft_event event = {.type = RAFT_SUBMIT};
    /* One batch for all; the bytes are not in it, they are copied during the call. */
    void *batch = raft_malloc(8);
    if (batch == NULL)
        return RAFT_NOMEM;
    for (uint32_t i = 0; i < count; i++) {
        e->scratch[i].batch = batch;
        e->scratch[i].term = raft_current_term(&e->raft);
    }
    event.submit.entries = e->scratch;
    event.submit.n = count;
    int r = engine_call(e, &event);
    if (r != 0)
        raft_free(batch);
    return r;
}

static struct raft_buffer borrow(struct slice s)
{
    return (struct raft_buffer){.base = (void *)(uintptr_t)s.at, .len = s.len};
}

int engine_propose(struct raft_engine *e, enum entry_type type, struct slice data)
{
    e->scratch[0] = (struct raft_entry){.type = (enum raft_entry_type)type, .buf = borrow(data)};
    return propose(e, 1);
}

static void submit_some(struct raft_engine *e, const struct raft_submission *items, uint32_t count)
{
    enum raft_submit_status status = RAFT_SUBMIT_NOT_LEADER;
    if (e->role == RAFT_ROLE_LEADER && e->submits + count > e->config.submits_max) {
        status = RAFT_SUBMIT_BUSY;
    } else if (e->role == RAFT_ROLE_LEADER) {
        for (uint32_t i = 0; i < count; i++) {
            must(items[i].command.len > 0 && items[i].command.len <= RAFT_COMMAND_MAX);
            e->scratch[i] =
                (struct raft_entry){.type = RAFT_COMMAND, .buf = borrow(items[i].command)};
        }
        e->submitting = items;
        e->submitting_count = count;
        int r = propose(e, count);
        e->submitting_count = 0;
        if (r == 0)
            return;
    }
    for (uint32_t i = 0; i < count; i++)
        submitted(e, items[i].token, status, 0);
}

void engine_submit(struct raft_engine *e, const struct raft_engine_event *event)
{
    const struct raft_submission *items = event->submit.items;
    size_t left = event->submit.count;
    while (left > 0) {
        uint32_t n = left < WIRE_ENTRIES_MAX ? (uint32_t)left : WIRE_ENTRIES_MAX;
        submit_some(e, items, n);
        items += n;
        left -= n;
    }
}
