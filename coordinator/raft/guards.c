/* What keeps libraft 0.22.1 safe. Every guard has one function, which says what it prevents; the
 * schedule fuzzer removes them one by one to show that it would notice.
 *
 * G3 (pre-vote stays off) is a setting in start.c: a voter whose term is ahead while its log is
 * shorter rejects pre-votes with a reply that hides its term, and with the third server down the
 * other two stay without leader for ever.
 * Fail-stop is in update.c: after any failed write, and after any answer of raft_step that is not
 * an ordinary refusal, the engine takes no further event. What is on disk is then not known, and
 * libraft's memory may not agree with it. */
#include "coordinator/raft/engine_int.h"

/* G1. libraft notes the index of the message's first new entry as that of a configuration anywhere
 * in it; the follower then never sees the change as committed, and as leader refuses every further
 * one. So a configuration entry always begins its message. */
uint32_t guard_split(const struct raft_engine *e, const struct raft_entry *at, uint32_t count)
{
    uint32_t n = 1;
    if (!guarded(e, RAFT_GUARD_SPLIT_CHANGES))
        return count;
    while (n < count && at[n].type != RAFT_CHANGE)
        n++;
    return n;
}

/* G2, first half. A new leader that changes the configuration before an entry of its own term is
 * committed may do so on top of a change that another leader is committing: two majorities without
 * a common server. (Ongaro's erratum to single-server changes.) */
bool guard_own_term(const struct raft_engine *e)
{
    const struct entry *entry = entries_get(&e->entries, e->commit);
    return entry != NULL && entry->term == raft_current_term(&e->raft);
}

/* G2, second half. A server votes only if it is a voter in its own view of the configuration: one
 * that has not received its promotion refuses for ever. Removing others in that state leaves no
 * majority that would elect anybody. */
static bool voters_hold_configuration(const struct raft_engine *e,
                                      const struct raft_configuration *next)
{
    for (unsigned i = 0; i < next->n; i++) {
        raft_index match = 0;
        if (next->servers[i].role != RAFT_VOTER || next->servers[i].id == e->config.id)
            continue;
        if (raft_match_index(&e->raft, next->servers[i].id, &match) != 0 ||
            match < e->raft.configuration_committed_index)
            return false;
    }
    return true;
}

bool guard_change(const struct raft_engine *e, const struct raft_configuration *next)
{
    if (guarded(e, RAFT_GUARD_OWN_TERM) && !guard_own_term(e))
        return false;
    return !guarded(e, RAFT_GUARD_CONFIG_HELD) || voters_hold_configuration(e, next);
}

/* G4. libraft sends its snapshot again at every rejected heartbeat. It is a descriptor, so that
 * costs nothing, and an offer of what is being fetched already must not begin the transfer anew. */
bool guard_same_transfer(const struct raft_engine *e, const struct wire_message *m)
{
    const struct snapshot_descriptor *want = &e->fetch.want;
    if (!guarded(e, RAFT_GUARD_ONE_TRANSFER))
        return false;
    return want->index == m->install.index && want->term == m->install.snapshot_term &&
           want->hash == m->install.hash && want->size == m->install.size;
}

/* G5. A follower's commit index can go back in libraft (a minimum without a maximum); what was
 * committed stays committed. */
uint64_t guard_commit(const struct raft_engine *e, uint64_t commit)
{
    if (!guarded(e, RAFT_GUARD_MONOTONE_COMMIT))
        return commit;
    return commit > e->commit ? commit : e->commit;
}

/* G5. With few entries kept behind a snapshot, a late rejection pushes a peer's next index below
 * what it is known to have, and only a snapshot helps it. */
uint32_t guard_trailing(const struct raft_engine *e)
{
    uint32_t trailing = e->config.trailing;
    if (!guarded(e, RAFT_GUARD_TRAILING) || trailing >= TRAILING_MIN)
        return trailing;
    return TRAILING_MIN;
}

/* G6. A vote that is told and then forgotten is given twice, and a term twice led. libraft wants
 * the write done before it goes on; here everything said after the write waits for it instead. */
bool guard_hold(const struct raft_engine *e)
{
    return guarded(e, RAFT_GUARD_HOLD_VOTE) && e->hold_token > e->durable_token;
}

/* G7. A sole voter makes itself leader without a new term. After a restart that lost unsynced
 * entries it would give their indexes to other entries of the same term, while a standby already
 * holds the old ones; equal (index, term) would no longer mean equal entries. So it takes a new
 * term at every start. */
uint64_t guard_start_term(const struct raft_engine *e, const struct raft_configuration *c,
                          uint64_t term)
{
    if (!guarded(e, RAFT_GUARD_SOLE_VOTER) || members_voters(c) != 1)
        return term;
    return members_is_voter(c, e->config.id) ? term + 1 : term;
}

/* G7. For the same reason a leader does not remove itself in favour of a sole voter: that one would
 * lead in the term in which this one still appends. It hands over first. */
bool guard_leaves_leader(const struct raft_engine *e, const struct raft_configuration *next)
{
    if (members_voters(next) == 0)
        return false;
    return members_voters(next) > 1 || members_is_voter(next, e->config.id);
}

/* G8. A server that was promoted and does not know it yet, or that holds a removal of itself which
 * will never commit: libraft lets it neither vote (it is no voter in its own view) nor forget its
 * last leader. When the candidate's majority needs it, there is no leader for ever. Raft wants a
 * vote whatever the voter's own view is (dissertation 4.2.1): the candidate's configuration decides
 * whether it counts. So for the time of the request it is a voter. */
void guard_vote_begin(struct raft_engine *e)
{
    if (!guarded(e, RAFT_GUARD_STANDBY_VOTES) || e->role == RAFT_ROLE_LEADER ||
        members_is_voter(&e->raft.configuration, e->config.id))
        return;
    e->own_view = e->raft.configuration;
    e->voting_self = (struct raft_server){.id = e->config.id, .role = RAFT_VOTER};
    e->raft.configuration = (struct raft_configuration){.servers = &e->voting_self, .n = 1};
    e->voting = true;
}

void guard_vote_end(struct raft_engine *e)
{
    if (!e->voting)
        return;
    e->raft.configuration = e->own_view;
    e->voting = false;
}

/* Called when the election timer of a follower runs out. */
void guard_forget_leader(struct raft_engine *e)
{
    struct raft *r = &e->raft;
    if (!guarded(e, RAFT_GUARD_STANDBY_VOTES) || raft_state(r) != RAFT_FOLLOWER ||
        members_is_voter(&r->configuration, e->config.id))
        return;
    raft_free(r->follower_state.current_leader.address);
    r->follower_state.current_leader.address = NULL;
    r->follower_state.current_leader.id = 0;
}

/* G9. libraft takes an entry before the first one it keeps for one that is missing at the end, and
 * appends it there; and it rejects a predecessor that a snapshot has taken, so that the leader goes
 * back further still. But what was applied here is committed, and whoever leads now has it too: an
 * AppendEntries that reaches back behind our log is read as if it began where we have applied. */
void guard_behind(const struct raft_engine *e, struct wire_message *m)
{
    const struct entry *applied = entries_get(&e->entries, e->applied);
    uint64_t prev = m->append.prev_index, first = e->entries.first;
    struct reader r = reader_of(m->append.entries);
    if (!guarded(e, RAFT_GUARD_BEHIND) || prev >= first || prev == e->snapshot.index ||
        m->term < raft_current_term(&e->raft))
        return;
    must(applied != NULL || e->applied == e->snapshot.index);
    while (m->append.count > 0 && m->append.prev_index < e->applied) {
        (void)wire_entry(&r);
        m->append.count--;
        m->append.prev_index++;
    }
    m->append.entries = read_rest(&r);
    m->append.prev_index = e->applied;
    m->append.prev_term = applied != NULL ? applied->term : e->snapshot.term;
}

/* --- G10 -------------------------------------------------------------------------------------- */

static struct raftlog_peer *roster_find(struct raft_engine *e, uint64_t id)
{
    for (size_t i = 0; i < RAFTLOG_ROSTER; i++) {
        if (e->log.roster[i].id == id)
            return &e->log.roster[i];
    }
    return NULL;
}

static bool in_configuration(const struct raft_engine *e, uint64_t id)
{
    const struct raft_configuration *c = &e->raft.configuration;
    for (unsigned i = 0; i < c->n; i++) {
        if (c->servers[i].id == id)
            return true;
    }
    return false;
}

/* A free place, or that of a server that has left. */
static struct raftlog_peer *roster_place(struct raft_engine *e)
{
    struct raftlog_peer *place = roster_find(e, 0);
    for (size_t i = 0; i < RAFTLOG_ROSTER && place == NULL; i++) {
        if (!in_configuration(e, e->log.roster[i].id))
            place = &e->log.roster[i];
    }
    return place;
}

/* G10. A server that lost its disk has forgotten its votes and what it acknowledged. Started as if
 * for the first time, under its old id, it would help an old log to a majority. So every disk has a
 * number, drawn when it is formatted, in every message; a server writes down which number it saw
 * first of each other one, and listens to no other. It tells the stranger, which then stops. */
bool guard_disk(struct raft_engine *e, const struct wire_message *m)
{
    struct raftlog_peer *known = roster_find(e, m->from);
    struct peer *p = engine_peer(e, m->from);
    if (!guarded(e, RAFT_GUARD_DISK) || m->kind == WIRE_STRANGER)
        return true;
    if (known == NULL) {
        known = roster_place(e);
        must(known != NULL); /* there are more places than members */
        *known = (struct raftlog_peer){.id = m->from, .disk = m->disk};
        if (!raftlog_roster(&e->log, e->out))
            e->out->failed = true;
        e->hold_token = engine_sync(e);
        e->meta_token = e->hold_token;
        return true;
    }
    if (known->disk == m->disk)
        return true;
    if (p->told_ns == 0 || e->now_ns - p->told_ns >= NS_PER_MS * 1000) {
        struct wire_message answer = {.kind = WIRE_STRANGER, .to = m->from};
        answer.stranger.disk = known->disk;
        p->told_ns = e->now_ns;
        engine_send(e, &answer);
    }
    return false;
}
