/* Messages from peers, and the rounds of ReadIndex. */
#include "coordinator/raft/engine_int.h"

static void pass(struct raft_engine *e, struct raft_message *m)
{
    struct raft_event event = {.type = RAFT_RECEIVE};
    m->server_address = "peer"; /* libraft wants one to answer to; we answer to the id */
    event.receive.message = m;
    engine_must_call(e, &event);
}

/* --- AppendEntries ---------------------------------------------------------------------------- */

static void append_piece(struct raft_engine *e, struct raft_message *m, uint32_t at, uint32_t count)
{
    struct raft_append_entries *a = &m->append_entries;
    a->entries = count == 0 ? NULL : e->scratch + at;
    a->n_entries = count;
    if (count > 0) {
        void *batch = raft_malloc(8); /* libraft frees it, or update_entries does */
        if (batch == NULL) {
            engine_fail(e, "not enough memory for the raft engine");
            return;
        }
        for (uint32_t i = 0; i < count; i++)
            a->entries[i].batch = batch;
    }
    pass(e, m);
}

static void receive_append(struct raft_engine *e, struct wire_message *from)
{
    struct raft_message m = {.type = RAFT_APPEND_ENTRIES, .server_id = from->from};
    struct raft_append_entries *a = &m.append_entries;
    /* Two leaders in one term: not while guards hold. libraft only asserts it. */
    if (e->role == RAFT_ROLE_LEADER && from->term == raft_current_term(&e->raft)) {
        engine_fail(e, "another server claims to lead in this server's own term");
        return;
    }
    guard_behind(e, from);
    uint32_t count = from->append.count;
    struct reader r = reader_of(from->append.entries);
    for (uint32_t i = 0; i < count; i++) {
        struct wire_entry entry = wire_entry(&r);
        e->scratch[i] = (struct raft_entry){.term = entry.term};
        e->scratch[i].type = (enum raft_entry_type)entry.type;
        e->scratch[i].buf.base = (void *)(uintptr_t)entry.data.at;
        e->scratch[i].buf.len = entry.data.len;
    }
    a->term = from->term;
    a->prev_log_index = from->append.prev_index;
    a->prev_log_term = from->append.prev_term;
    a->leader_commit = from->append.commit;
    uint32_t at = 0;
    do {
        uint32_t n = count == at ? 0 : guard_split(e, e->scratch + at, count - at);
        append_piece(e, &m, at, n);
        at += n;
        a->prev_log_index += n;
        if (n > 0)
            a->prev_log_term = e->scratch[at - 1].term;
    } while (at < count && !e->failed);
}

/* --- the others ------------------------------------------------------------------------------- */

static void receive_append_result(struct raft_engine *e, const struct wire_message *from)
{
    struct raft_message m = {.type = RAFT_APPEND_ENTRIES_RESULT, .server_id = from->from};
    m.append_entries_result.term = from->term;
    m.append_entries_result.rejected = from->append_result.rejected;
    m.append_entries_result.last_log_index = from->append_result.last_index;
    pass(e, &m);
}

static void receive_vote(struct raft_engine *e, const struct wire_message *from)
{
    struct raft_message m = {.type = RAFT_REQUEST_VOTE, .server_id = from->from};
    m.request_vote.term = from->term;
    m.request_vote.candidate_id = from->from;
    m.request_vote.last_log_index = from->vote.last_index;
    m.request_vote.last_log_term = from->vote.last_term;
    m.request_vote.disrupt_leader = from->vote.disrupt;
    guard_vote_begin(e);
    pass(e, &m);
    guard_vote_end(e);
}

static void receive_vote_result(struct raft_engine *e, const struct wire_message *from)
{
    struct raft_message m = {.type = RAFT_REQUEST_VOTE_RESULT, .server_id = from->from};
    m.request_vote_result.term = from->term;
    m.request_vote_result.vote_granted = from->vote_result.granted;
    pass(e, &m);
}

static void receive_timeout_now(struct raft_engine *e, const struct wire_message *from)
{
    struct raft_message m = {.type = RAFT_TIMEOUT_NOW, .server_id = from->from};
    m.timeout_now.term = from->term;
    m.timeout_now.last_log_index = from->vote.last_index;
    m.timeout_now.last_log_term = from->vote.last_term;
    /* G7: a sole voter that is told to take over would lead in its predecessor's term. */
    if (members_voters(&e->raft.configuration) <= 1)
        return;
    pass(e, &m);
}

/* --- reads ------------------------------------------------------------------------------------ */

/* "Is it still your leader, in this term?" A server that has voted in a later term has left this
 * one, and says nothing. */
static void read_asked(struct raft_engine *e, const struct wire_message *from)
{
    struct wire_message m = {.kind = WIRE_READ_ANSWER, .to = from->from, .term = from->term};
    if (e->role != RAFT_ROLE_FOLLOWER || raft_current_term(&e->raft) != from->term ||
        engine_leader(e) != from->from)
        return;
    m.read.round = from->read.round;
    engine_send(e, &m);
}

static void read_answered(struct raft_engine *e, const struct wire_message *from)
{
    if (e->role == RAFT_ROLE_LEADER && raft_current_term(&e->raft) == from->term)
        readindex_ack(&e->reads, from->read.round, from->from);
}

static bool read_majority(const struct raft_engine *e)
{
    const struct raft_configuration *c = &e->raft.configuration;
    size_t yes = 0;
    if (!guarded(e, RAFT_GUARD_READ_QUORUM))
        return true;
    for (unsigned i = 0; i < c->n; i++) {
        if (c->servers[i].role != RAFT_VOTER)
            continue;
        yes += c->servers[i].id == e->config.id || readindex_acked(&e->reads, c->servers[i].id);
    }
    return yes > members_voters(c) / 2;
}

static void reads_ask(struct raft_engine *e)
{
    const struct raft_configuration *c = &e->raft.configuration;
    for (unsigned i = 0; i < c->n; i++) {
        uint64_t id = c->servers[i].id;
        if (c->servers[i].role != RAFT_VOTER || id == e->config.id ||
            readindex_acked(&e->reads, id))
            continue;
        struct wire_message m = {.kind = WIRE_READ_ASK, .to = id};
        m.term = raft_current_term(&e->raft);
        m.read.round = e->reads.round;
        engine_send(e, &m);
    }
    e->reads.sent_ns = e->now_ns;
}

void engine_reads(struct raft_engine *e)
{
    struct readindex_item item;
    while (e->role == RAFT_ROLE_LEADER) {
        if (e->reads.asking && read_majority(e))
            readindex_confirm(&e->reads);
        /* What an earlier leader acknowledged is surely below our commit index only once an entry
         * of our own term is committed. */
        bool begun = guard_own_term(e) && readindex_begin(&e->reads, e->commit, e->now_ns);
        uint64_t again = e->reads.sent_ns + e->config.heartbeat_ms * NS_PER_MS;
        if (begun || (e->reads.asking && e->now_ns >= again))
            reads_ask(e);
        if (!begun || !read_majority(e))
            break;
    }
    while (readindex_ready(&e->reads, e->applied, &item)) {
        struct raft_effect *effect = fx_add(e->out, RAFT_FX_READ_READY);
        if (effect == NULL)
            return;
        effect->read.token = item.token;
        effect->read.index = item.index;
    }
}

/* --- dispatch --------------------------------------------------------------------------------- */

static void estranged(struct raft_engine *e, const struct wire_message *m)
{
    if (m->stranger.disk != e->log.disk && guarded(e, RAFT_GUARD_DISK))
        engine_fail(e,
                    "this coordinator lost its disk: the cluster knows another one under its id; "
                    "replace this server under a new id");
}

static void receive(struct raft_engine *e, struct wire_message *m)
{
    switch (m->kind) {
    case WIRE_APPEND: receive_append(e, m); break;
    case WIRE_APPEND_RESULT: receive_append_result(e, m); break;
    case WIRE_VOTE: receive_vote(e, m); break;
    case WIRE_VOTE_RESULT: receive_vote_result(e, m); break;
    case WIRE_INSTALL: transfer_offered(e, m); break;
    case WIRE_TIMEOUT_NOW: receive_timeout_now(e, m); break;
    case WIRE_READ_ASK: read_asked(e, m); break;
    case WIRE_READ_ANSWER: read_answered(e, m); break;
    case WIRE_PULL: transfer_pull(e, m); break;
    case WIRE_CHUNK: transfer_chunk(e, m); break;
    case WIRE_HELLO: break;
    case WIRE_STRANGER: estranged(e, m); break;
    }
}

void engine_receive(struct raft_engine *e, uint64_t peer, struct slice frame)
{
    struct wire_message m;
    const struct peer *p = engine_peer(e, peer);
    if (p == NULL || !p->up || !wire_decode(frame, e->tag, &m) || m.from != peer ||
        m.to != e->config.id) {
        trace_put(e->trace, "raft.frame.dropped", peer, frame.len, 0);
        return;
    }
    if (guard_disk(e, &m))
        receive(e, &m);
}
