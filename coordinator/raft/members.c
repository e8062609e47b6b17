/* Membership: one server at a time, through the log, under the guards G2 and G7. A server is added
 * as a standby, and promoted by the leader of the day as soon as it has caught up. */
#include "coordinator/raft/engine_int.h"
#include <string.h>

#define PROMOTE_BEHIND 64 /* entries a standby may lack when it is promoted */

size_t members_voters(const struct raft_configuration *c)
{
    size_t voters = 0;
    for (unsigned i = 0; i < c->n; i++)
        voters += c->servers[i].role == RAFT_VOTER;
    return voters;
}

bool members_is_voter(const struct raft_configuration *c, uint64_t id)
{
    for (unsigned i = 0; i < c->n; i++) {
        if (c->servers[i].id == id)
            return c->servers[i].role == RAFT_VOTER;
    }
    return false;
}

static const struct raft_server *member(const struct raft_configuration *c, uint64_t id)
{
    for (unsigned i = 0; i < c->n; i++) {
        if (c->servers[i].id == id)
            return &c->servers[i];
    }
    return NULL;
}

/* A copy of the configuration in force without `except`, with `promote` as a voter. */
static bool copy(const struct raft_configuration *from, uint64_t except, uint64_t promote,
                 struct raft_configuration *to)
{
    raft_configuration_init(to);
    for (unsigned i = 0; i < from->n; i++) {
        const struct raft_server *s = &from->servers[i];
        int role = s->id == promote ? RAFT_VOTER : s->role;
        if (s->id == except)
            continue;
        if (raft_configuration_add(to, s->id, s->address, role) != 0) {
            raft_configuration_close(to);
            return false;
        }
    }
    return true;
}

static enum raft_change_status propose(struct raft_engine *e, const struct raft_configuration *next)
{
    struct raft_buffer buf = {0};
    if (!guard_leaves_leader(e, next))
        return RAFT_CHANGE_REFUSED;
    if (!guard_change(e, next) || e->raft.configuration_uncommitted_index != 0)
        return RAFT_CHANGE_BUSY;
    if (raft_configuration_encode(next, &buf) != 0)
        return RAFT_CHANGE_BUSY;
    int r = engine_propose(e, ENTRY_CHANGE, slice_of(buf.base, buf.len));
    raft_free(buf.base);
    return r == 0 ? RAFT_CHANGE_DONE : RAFT_CHANGE_BUSY;
}

static void changed(struct raft_engine *e, uint64_t token, enum raft_change_status status)
{
    struct raft_effect *effect = fx_add(e->out, RAFT_FX_CHANGED);
    if (effect == NULL)
        return;
    effect->changed.token = token;
    effect->changed.status = status;
    effect->changed.leader = engine_leader(e);
}

/* What the change would make; DONE with an empty `next` when it is so already. */
static enum raft_change_status plan(struct raft_engine *e, const struct raft_engine_event *event,
                                    struct raft_configuration *next)
{
    const struct raft_configuration *c = &e->raft.configuration;
    uint64_t id = event->change.id;
    const struct raft_server *is = member(c, id);
    if (e->role != RAFT_ROLE_LEADER)
        return RAFT_CHANGE_NOT_LEADER;
    if (e->raft.configuration_uncommitted_index != 0)
        return RAFT_CHANGE_BUSY;
    if (event->change.change == RAFT_CHANGE_REMOVE) {
        if (is == NULL)
            return RAFT_CHANGE_DONE;
        return copy(c, id, 0, next) ? RAFT_CHANGE_DONE : RAFT_CHANGE_BUSY;
    }
    const char *address = event->change.address;
    if (is != NULL)
        return slice_equal(slice_str(is->address), slice_str(address)) ? RAFT_CHANGE_DONE
                                                                       : RAFT_CHANGE_REFUSED;
    if (id == 0 || c->n >= RAFT_MEMBERS_MAX || strlen(address) == 0 ||
        strlen(address) > RAFT_ADDRESS_MAX)
        return RAFT_CHANGE_REFUSED;
    if (!copy(c, 0, 0, next))
        return RAFT_CHANGE_BUSY;
    if (raft_configuration_add(next, id, address, RAFT_STANDBY) == 0)
        return RAFT_CHANGE_DONE;
    raft_configuration_close(next);
    return RAFT_CHANGE_REFUSED;
}

void members_change(struct raft_engine *e, const struct raft_engine_event *event)
{
    struct raft_configuration next;
    uint64_t token = event->change.token;
    raft_configuration_init(&next);
    enum raft_change_status status = plan(e, event, &next);
    if (status == RAFT_CHANGE_DONE && next.n > 0) {
        /* A sole voter may commit it before propose() returns. */
        e->change_token = token;
        e->change_index = entries_last(&e->entries) + 1;
        status = propose(e, &next);
        raft_configuration_close(&next);
        if (status == RAFT_CHANGE_DONE)
            return;
        e->change_index = 0;
    }
    changed(e, token, status);
}

void members_promote(struct raft_engine *e)
{
    const struct raft_configuration *c = &e->raft.configuration;
    if (e->role != RAFT_ROLE_LEADER || e->raft.configuration_uncommitted_index != 0)
        return;
    for (unsigned i = 0; i < c->n; i++) {
        raft_index match = 0;
        uint64_t id = c->servers[i].id;
        struct raft_configuration next;
        if (c->servers[i].role != RAFT_STANDBY || raft_match_index(&e->raft, id, &match) != 0)
            continue;
        if (match == 0 || match + PROMOTE_BEHIND < entries_last(&e->entries))
            continue;
        if (!copy(c, 0, id, &next))
            return;
        (void)propose(e, &next); /* not now: the next step tries again */
        raft_configuration_close(&next);
        return;
    }
}

void members_applied(struct raft_engine *e, uint64_t index, const struct entry *entry)
{
    struct raft_event event = {.type = RAFT_CONFIGURATION};
    struct slice bytes = slice_of(entry->data, entry->len);
    event.configuration.index = index;
    if (entry->len > CONFIGURATION_BYTES_MAX ||
        !configuration_decode(bytes, &event.configuration.conf)) {
        engine_fail(e, "a committed configuration cannot be read");
        return;
    }
    e->config_index = index;
    e->config_len = entry->len;
    memcpy(e->config_bytes, entry->data, entry->len);
    trace_put(e->trace, "raft.configuration", index, event.configuration.conf.n, 0);
    if (e->change_index == index) {
        e->change_index = 0;
        changed(e, e->change_token, RAFT_CHANGE_DONE);
    }
    engine_must_call(e, &event);
}

void members_lost(struct raft_engine *e)
{
    if (e->change_index == 0)
        return;
    e->change_index = 0;
    changed(e, e->change_token, RAFT_CHANGE_AMBIGUOUS);
}
