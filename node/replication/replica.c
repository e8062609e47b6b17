/* This node as a member: it does what the primary of the newest epoch says, and remembers every
 * write that it does not know to be on all in-sync members.
 *
 * A deposed primary's last write must not slip in behind the new primary's back:
 *
 *   A (primary, epoch 4) ─ apply W, epoch 4 ───────────────────────────┐ late
 *   B (primary, epoch 5) ─ collect, epoch 5 ─► C promises 5, tells all it has unconfirmed
 *                                             C ◄──────────────────────┘ refused: 4 < 5 */
#include "node/replication/rep_int.h"

#include <string.h>

/* ---- unconfirmed writes ---------------------------------------------------------------------- */

static struct dirty **dirty_head(struct replication *r, uint64_t write_id)
{
    return &r->dirty_hash[write_id % DIRTY_HASH];
}

struct dirty *dirty_new(struct replication *r, struct group *g, uint32_t node_id, uint64_t write_id)
{
    struct dirty *d = pool_get(&r->dirties);
    if (d == NULL)
        return NULL;
    *d = (struct dirty){.node_id = node_id, .write_id = write_id};
    list_push_back(&g->dirty, &d->in_group);
    struct dirty **head = dirty_head(r, write_id);
    d->next_hash = *head;
    *head = d;
    return d;
}

static void dirty_free(struct replication *r, struct dirty *d)
{
    must(d->busy == 0);
    rep_confirm_pins(r, &d->extent, d->offset, d->pins);
    struct dirty **at = dirty_head(r, d->write_id);
    while (*at != d)
        at = &(*at)->next_hash;
    *at = d->next_hash;
    list_remove(&d->in_group);
    pool_put(&r->dirties, d);
}

void dirty_drop(struct replication *r, struct dirty *d)
{
    d->confirmed = true;
    if (d->busy == 0)
        dirty_free(r, d);
}

void dirty_idle(struct replication *r, struct dirty *d)
{
    must(d->busy > 0);
    d->busy--;
    if (d->busy == 0 && d->confirmed)
        dirty_free(r, d);
}

bool dirty_meets(const struct group *g, const struct store_extent *x, uint64_t off, uint64_t len)
{
    list_each (it, &g->dirty) {
        const struct dirty *d = container_of(it, struct dirty, in_group);
        if (extent_equal(&d->extent, x) && ranges_meet(d->offset, d->len, off, len))
            return true;
    }
    return false;
}

void dirty_drop_until(struct replication *r, struct group *g, uint64_t epoch)
{
    list_each (it, &g->dirty) {
        struct dirty *d = container_of(it, struct dirty, in_group);
        if (d->epoch <= epoch)
            dirty_drop(r, d);
    }
}

void replica_recovered(struct replication *r, const struct store_region *hot, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct group *g = group_make(r, hot[i].extent.group);
        struct dirty *d = g == NULL ? NULL : dirty_new(r, g, 0, 0);
        must(d != NULL); /* the pool has room for a whole journal, and the start comes first */
        d->extent = hot[i].extent;
        d->offset = (uint64_t)hot[i].region * STORE_REGION;
        d->len = STORE_REGION;
        d->pins = 1;
    }
}

static struct dirty *dirty_by_id(struct replication *r, uint32_t node_id, uint64_t write_id)
{
    struct dirty *d = *dirty_head(r, write_id);
    while (d != NULL && (d->write_id != write_id || d->node_id != node_id))
        d = d->next_hash;
    return write_id == 0 ? NULL : d;
}

void replica_confirmed(struct replication *r, uint32_t node_id, const Fl__Peer *m)
{
    for (size_t i = 0; i < m->n_confirmed && i < CONFIRMS_MAX; i++) {
        struct dirty *d = dirty_by_id(r, node_id, m->confirmed[i]);
        if (d == NULL)
            continue;
        origin_set_done(r, &d->origin);
        dirty_drop(r, d);
    }
}

/* ---- epochs ---------------------------------------------------------------------------------- */

bool replica_admits(struct replication *r, struct group *g, uint32_t node_id, uint64_t epoch)
{
    if (epoch < g->promised || epoch < g->epoch)
        return false;
    if (epoch == g->epoch && g->primary != node_id)
        return false;
    if (epoch > g->promised) {
        g->promised = epoch; /* from now on nothing older, and nothing served by what we know */
        g->grant_until = 0;
        group_wake(r, g);
    }
    return true;
}

/* ---- applies --------------------------------------------------------------------------------- */

static void answer(struct replication *r, struct apply *a, const Fl__PeerApplied *fields)
{
    Fl__PeerApplied applied = *fields;
    Fl__Peer body = FL__PEER__INIT;
    body.body_case = FL__PEER__BODY_APPLIED, body.applied = &applied;
    if (a->group != NULL)
        applied.epoch = a->group->promised;
    struct message m = {
        .node_id = a->node_id, .session = a->session, .call = a->call, .body = &body};
    if (a->op == FL__PEER_OP__PEER_READ && applied.result == FL__PEER_RESULT__PEER_OK) {
        m.data = slice_of(a->buffer, a->len);
        m.buffer = a->buffer;
        a->buffer = NULL;
    }
    if (!a->answered)
        (void)peer_send(r, &m);
    a->answered = true;
}

static void apply_end(struct replication *r, struct apply *a)
{
    rep_release(r, a->buf);
    buffer_put(r, a->buffer);
    list_remove(&a->in_applies);
    pool_put(&r->applies, a);
}

static bool zero_block(const uint8_t *at, uint64_t len)
{
    return at[0] == 0 && memcmp(at, at + 1, len - 1) == 0;
}

/* The next run of zero or other blocks of a sparse WRITE. Short runs of zeros go with the bytes. */
static bool next_run(struct apply *a)
{
    enum { SHORT = 4 * STORE_BLOCK };
    uint64_t at = a->cursor;
    bool zero = a->len - at >= STORE_BLOCK && zero_block(a->data + at, STORE_BLOCK);
    uint64_t zeros = 0;
    for (; at < a->len; at += STORE_BLOCK) {
        uint64_t n = a->len - at < STORE_BLOCK ? a->len - at : STORE_BLOCK;
        bool is_zero = zero_block(a->data + at, n);
        if (zero && !is_zero)
            break;
        zeros = is_zero ? zeros + n : 0;
        if (!zero && zeros >= SHORT) {
            at = at + n - zeros;
            break;
        }
    }
    a->piece = (at < a->len ? at : a->len) - a->cursor;
    return zero;
}

static bool apply_store(struct replication *r, struct apply *a)
{
    struct call *c = call_new(r, CALL_STORE_APPLY);
    if (c == NULL)
        return false;
    c->apply = a;
    struct store_op op = {.extent = a->extent, .seed = a->seed};
    op.offset = a->offset + a->cursor, op.len = a->len;
    bool zero = a->op == FL__PEER_OP__PEER_ZERO;
    a->piece = a->len;
    if (a->sparse && a->op == FL__PEER_OP__PEER_WRITE)
        zero = next_run(a), op.len = a->piece;
    if (a->op == FL__PEER_OP__PEER_READ)
        op.type = STORE_READ, op.into = a->buffer;
    else if (a->op == FL__PEER_OP__PEER_HASH)
        op.type = STORE_HASH;
    else
        op.type = zero ? STORE_ZERO : STORE_WRITE, op.data = zero ? NULL : a->data + a->cursor;
    if (a->dirty != NULL)
        a->dirty->pins++, a->dirty->busy++;
    rep_store(r, c, &op);
    return true;
}

static void list_answer(struct replication *r, struct apply *a, const struct store_outcome *o)
{
    const struct store_entry *entries = (const struct store_entry *)(const void *)a->buffer;
    Fl__PeerListed listed = FL__PEER_LISTED__INIT;
    Fl__Peer body = FL__PEER__INIT;
    Fl__PeerListEntry *items = arena_array(&r->in, STORE_LIST_MAX, sizeof(*items));
    Fl__PeerListEntry **list = arena_array(&r->in, STORE_LIST_MAX, sizeof(*list));
    bool ok = o->result == STORE_OK && items != NULL && list != NULL;
    for (uint32_t i = 0; ok && i < o->count; i++) {
        fl__peer_list_entry__init(&items[i]);
        items[i].inode = entries[i].inode, items[i].index = entries[i].index;
        items[i].size = entries[i].size;
        list[listed.n_entries++] = &items[i];
    }
    listed.result = ok ? FL__PEER_RESULT__PEER_OK : FL__PEER_RESULT__PEER_IO_ERROR;
    listed.entries = list;
    listed.more = o->count == STORE_LIST_MAX;
    body.body_case = FL__PEER__BODY_LISTED, body.listed = &listed;
    (void)peer_send(
        r, &(struct message){
               .node_id = a->node_id, .session = a->session, .call = a->call, .body = &body});
    apply_end(r, a);
}

void replica_stored(struct replication *r, struct apply *a, const struct store_outcome *o)
{
    if (a->list) {
        list_answer(r, a, o);
        return;
    }
    if (a->dirty != NULL)
        dirty_idle(r, a->dirty); /* the store's hold; the apply still has its own */
    Fl__PeerApplied fields = FL__PEER_APPLIED__INIT;
    a->cursor += a->piece;
    if (o->result == STORE_OK && a->cursor < a->len) {
        if (apply_store(r, a))
            return;
        fields.result = FL__PEER_RESULT__PEER_RETRY;
    } else if (o->result != STORE_OK) {
        fields.result = o->result == STORE_NO_SPACE ? FL__PEER_RESULT__PEER_NO_SPACE
                                                    : FL__PEER_RESULT__PEER_IO_ERROR;
    }
    fields.hash_low = o->hash[0], fields.hash_high = o->hash[1];
    if (a->dirty != NULL && a->cursor >= a->len && o->result == STORE_OK)
        a->dirty->stored = true;
    answer(r, a, &fields);
    if (a->dirty != NULL)
        dirty_idle(r, a->dirty); /* the apply's own hold */
    apply_end(r, a);
}

static bool apply_valid(const Fl__PeerApply *m, const struct incoming *in, struct store_extent *x)
{
    if (!extent_from_wire(m->extent, x) || m->len == 0 || m->len > STORE_REGION)
        return false;
    if ((unsigned)m->op > FL__PEER_OP__PEER_HASH || m->offset > UINT64_MAX / 2)
        return false;
    if (m->offset / STORE_REGION != (m->offset + m->len - 1) / STORE_REGION)
        return false;
    if (m->op != FL__PEER_OP__PEER_WRITE)
        return true;
    return in->data.len == m->len && !handle_none(in->buf); /* kept until it is stored */
}

/* The primary makes the region equal to its own: whether that holds our unconfirmed writes or not,
 * we shall only know when it says so. */
static void apply_overwrites(const struct apply *a)
{
    list_each (it, &a->group->dirty) {
        struct dirty *d = container_of(it, struct dirty, in_group);
        if (d != a->dirty && extent_equal(&d->extent, &a->extent) &&
            ranges_meet(d->offset, d->len, a->offset, a->len))
            d->unsure = true;
    }
}

/* A write is remembered as unconfirmed from before its first byte is stored. */
static bool apply_remember(struct replication *r, struct apply *a, const Fl__PeerApply *m)
{
    /* Sent once more over a new link: still the same write. */
    struct dirty *d = dirty_by_id(r, a->node_id, m->write_id);
    if (d == NULL)
        d = dirty_new(r, a->group, a->node_id, m->write_id);
    if (d == NULL || (d->pins > 0 && !extent_equal(&d->extent, &a->extent)))
        return false;
    d->extent = a->extent, d->offset = a->offset, d->len = a->len;
    d->epoch = m->epoch;
    d->origin = origin_from_wire(m->origin);
    d->busy++; /* held by the apply until it has been answered */
    a->dirty = d;
    if (a->sparse)
        apply_overwrites(a);
    frontend_poison(r, &a->extent, a->offset, a->len);
    return true;
}

/* Takes the buffers and memory the apply needs, and starts it. */
static bool apply_start(struct replication *r, struct apply *a, const Fl__PeerApply *m,
                        struct incoming *in)
{
    bool write = m->op == FL__PEER_OP__PEER_WRITE;
    bool change = write || m->op == FL__PEER_OP__PEER_ZERO;
    if (m->op == FL__PEER_OP__PEER_READ && (a->buffer = buffer_get(r)) == NULL)
        return false;
    if (change && !apply_remember(r, a, m))
        return false;
    a->data = in->data.at;
    if (!apply_store(r, a)) {
        if (a->dirty != NULL)
            dirty_idle(r, a->dirty);
        return false;
    }
    if (write) {
        a->buf = in->buf;
        in->kept = true;
    }
    return true;
}

static struct apply *apply_new(struct replication *r, struct group *g, const struct incoming *in)
{
    struct apply *a = pool_get(&r->applies);
    if (a == NULL)
        return NULL;
    *a = (struct apply){
        .group = g, .node_id = in->peer->node_id, .session = in->session, .call = in->m->call};
    list_push_back(&r->apply_list, &a->in_applies);
    return a;
}

void replica_apply(struct replication *r, struct incoming *in)
{
    const Fl__PeerApply *m = in->m->apply;
    struct store_extent x;
    if (!apply_valid(m, in, &x))
        return;
    struct group *g = group_get(r, x.group);
    Fl__PeerApplied fields = FL__PEER_APPLIED__INIT;
    fields.result = FL__PEER_RESULT__PEER_RETRY;
    struct apply refused = {.group = g, .node_id = in->peer->node_id};
    refused.session = in->session, refused.call = in->m->call;
    bool known = g != NULL && g->epoch != 0 && g->volume == x.volume && r->store_ready;
    if (known && !replica_admits(r, g, in->peer->node_id, m->epoch)) {
        known = false;
        fields.result = FL__PEER_RESULT__PEER_REFUSED;
    }
    struct apply *a = known ? apply_new(r, g, in) : NULL;
    if (a == NULL) {
        answer(r, &refused, &fields);
        return;
    }
    struct origin o = origin_from_wire(m->origin);
    origin_acked_below(r, &o);
    a->extent = x, a->offset = m->offset, a->len = m->len;
    a->op = m->op, a->seed = m->seed, a->sparse = m->sparse;
    if (!apply_start(r, a, m, in)) {
        answer(r, &refused, &fields);
        apply_end(r, a);
        return;
    }
    bool skip = (r->config.planted & REP_PLANT_SKIP_DURABLE) != 0;
    if (skip && (m->op == FL__PEER_OP__PEER_WRITE || m->op == FL__PEER_OP__PEER_ZERO)) {
        fields.result = FL__PEER_RESULT__PEER_OK;
        answer(r, a, &fields);
    }
}

void replica_list(struct replication *r, struct incoming *in)
{
    const Fl__PeerList *m = in->m->list;
    struct group *g = group_get(r, m->group);
    bool ok = g != NULL && g->epoch != 0 && r->store_ready &&
              replica_admits(r, g, in->peer->node_id, m->epoch);
    struct apply *a = ok ? apply_new(r, g, in) : NULL;
    uint8_t *buffer = a == NULL ? NULL : buffer_get(r);
    struct call *c = buffer == NULL ? NULL : call_new(r, CALL_STORE_APPLY);
    if (a != NULL)
        a->buffer = buffer;
    if (c == NULL) {
        Fl__PeerListed listed = FL__PEER_LISTED__INIT;
        Fl__Peer body = FL__PEER__INIT;
        listed.result = FL__PEER_RESULT__PEER_RETRY;
        body.body_case = FL__PEER__BODY_LISTED, body.listed = &listed;
        (void)peer_send(r, &(struct message){.node_id = in->peer->node_id,
                                             .session = in->session,
                                             .call = in->m->call,
                                             .body = &body});
        if (a != NULL)
            apply_end(r, a);
        return;
    }
    a->list = true;
    c->apply = a;
    rep_store(r, c,
              &(struct store_op){.type = STORE_LIST,
                                 .extent = {m->volume, m->group, m->inode, m->index},
                                 .entries = (struct store_entry *)(void *)buffer});
}

/* ---- collect and clean ----------------------------------------------------------------------- */

static size_t collect_regions(struct replication *r, const struct group *g, Fl__PeerRegion ***out)
{
    size_t count = 0, n = 0;
    list_each (it, &g->dirty)
        count++;
    Fl__PeerRegion *items = arena_array(&r->in, count + 1, sizeof(*items));
    Fl__PeerExtent *extents = arena_array(&r->in, count + 1, sizeof(*extents));
    Fl__PeerRegion **list = arena_array(&r->in, count + 1, sizeof(*list));
    if (items == NULL || extents == NULL || list == NULL)
        return SIZE_MAX;
    list_each (jt, &g->dirty) {
        const struct dirty *d = container_of(jt, struct dirty, in_group);
        fl__peer_region__init(&items[n]);
        extent_to_wire(&d->extent, &extents[n]);
        items[n].extent = &extents[n];
        items[n].region = (uint32_t)(d->offset / STORE_REGION);
        list[n] = &items[n];
        n++;
    }
    *out = list;
    return n;
}

void replica_collect(struct replication *r, struct incoming *in)
{
    const Fl__PeerCollect *m = in->m->collect;
    struct group *g = group_get(r, m->group);
    Fl__PeerCollected c = FL__PEER_COLLECTED__INIT;
    Fl__Peer body = FL__PEER__INIT;
    c.result = FL__PEER_RESULT__PEER_RETRY;
    if (g != NULL && g->epoch != 0 && r->store_ready) {
        bool ok = replica_admits(r, g, in->peer->node_id, m->epoch);
        size_t n = ok ? collect_regions(r, g, &c.regions) : 0;
        c.epoch = g->promised;
        if (!ok)
            c.result = FL__PEER_RESULT__PEER_REFUSED;
        else if (n != SIZE_MAX)
            c.n_regions = n, c.result = FL__PEER_RESULT__PEER_OK;
    }
    body.body_case = FL__PEER__BODY_COLLECTED, body.collected = &c;
    (void)peer_send(r, &(struct message){.node_id = in->peer->node_id,
                                         .session = in->session,
                                         .call = in->m->call,
                                         .body = &body});
}

void replica_clean(struct replication *r, struct incoming *in)
{
    const Fl__PeerClean *m = in->m->clean;
    struct store_extent x;
    if (m->region == NULL || !extent_from_wire(m->region->extent, &x))
        return;
    struct group *g = group_get(r, x.group);
    if (g == NULL || !replica_admits(r, g, in->peer->node_id, m->epoch))
        return;
    uint64_t at = (uint64_t)m->region->region * STORE_REGION;
    list_each (it, &g->dirty) {
        struct dirty *d = container_of(it, struct dirty, in_group);
        /* The primary let nothing else into the region: all of this is older than its comparison.
         */
        if (extent_equal(&d->extent, &x) && ranges_meet(d->offset, d->len, at, STORE_REGION))
            dirty_drop(r, d);
    }
    for (size_t i = 0; i < m->n_origins; i++) {
        struct origin o = origin_from_wire(m->origins[i]);
        origin_set_done(r, &o);
    }
    for (size_t i = 0; i < m->n_unsure; i++) {
        struct origin o = origin_from_wire(m->unsure[i]);
        origin_set_unsure(r, &o);
    }
}
