/* Links to other nodes: messages out and in, confirmations gathered, and which client writes of a
 * node were carried out already. */
#include "node/replication/rep_int.h"

#include <string.h>

struct peer *peer_get(const struct replication *r, uint32_t node_id)
{
    for (uint32_t i = 0; i < r->config.nodes_max && node_id != 0; i++)
        if (r->peers[i].node_id == node_id)
            return &r->peers[i];
    return NULL;
}

struct peer *peer_make(struct replication *r, uint32_t node_id)
{
    struct peer *p = peer_get(r, node_id);
    for (uint32_t i = 0; p == NULL && i < r->config.nodes_max; i++)
        if (r->peers[i].node_id == 0)
            p = &r->peers[i];
    if (p != NULL && p->node_id == 0)
        *p = (struct peer){.node_id = node_id, .down_since = r->now};
    return p;
}

bool peer_linked(const struct replication *r, uint32_t node_id)
{
    const struct peer *p = peer_get(r, node_id);
    return p != NULL && p->session != 0;
}

bool peer_send(struct replication *r, const struct message *m)
{
    struct peer *p = peer_get(r, m->node_id);
    struct slice control = {0};
    if (p != NULL && p->session != 0 && (m->session == 0 || m->session == p->session)) {
        m->body->version = PEER_VERSION;
        m->body->call = m->call;
        m->body->n_confirmed = p->confirms_count;
        m->body->confirmed = p->confirms;
        control = pb_pack(&m->body->base, &r->out_arena);
    }
    if (control.at == NULL) {
        buffer_put(r, m->buffer);
        return false;
    }
    p->confirms_count = 0;
    struct rep_effect e = {.type = REP_DO_PEER};
    e.peer.node_id = m->node_id, e.peer.session = p->session;
    e.peer.control = control, e.peer.data = m->data;
    rep_emit(r, &e, m->buffer);
    return true;
}

bool peer_request(struct replication *r, struct call *c, const struct message *m)
{
    struct message with_call = *m;
    with_call.call = handle_pack(c->self);
    c->node_id = m->node_id;
    if (peer_send(r, &with_call)) {
        c->session = peer_get(r, m->node_id)->session;
        return true;
    }
    call_end(r, c);
    return false;
}

static void flush(struct replication *r, struct peer *p)
{
    Fl__Peer body = FL__PEER__INIT;
    if (!peer_send(r, &(struct message){.node_id = p->node_id, .body = &body}))
        p->confirms_count = 0; /* a new link starts with a collect, which says the same */
}

void peer_confirm(struct replication *r, uint32_t node_id, uint64_t write_id)
{
    struct peer *p = peer_get(r, node_id);
    if (p == NULL || p->session == 0)
        return;
    if (p->confirms_count == CONFIRMS_MAX)
        flush(r, p);
    if (p->confirms_count == 0)
        p->confirm_due = r->now + CONFIRM_DELAY_NS;
    p->confirms[p->confirms_count++] = write_id;
}

void peer_flush_confirms(struct replication *r, bool all)
{
    for (uint32_t i = 0; i < r->config.nodes_max; i++) {
        struct peer *p = &r->peers[i];
        if (p->confirms_count > 0 && (all || p->confirm_due <= r->now))
            flush(r, p);
    }
}

/* ---- what was carried out -------------------------------------------------------------------- */

static bool window_bit(const uint64_t *window, uint64_t id)
{
    uint64_t bit = id % ORIGIN_WINDOW;
    return (window[bit / 64] >> (bit % 64) & 1) != 0;
}

static void window_slide(struct peer *p, uint64_t base)
{
    if (base <= p->window_base)
        return;
    if (base - p->window_base >= ORIGIN_WINDOW) {
        memset(p->window, 0, sizeof(p->window));
        memset(p->window_unsure, 0, sizeof(p->window_unsure));
    } else {
        for (uint64_t id = p->window_base; id < base; id++) {
            p->window[id % ORIGIN_WINDOW / 64] &= ~(UINT64_C(1) << (id % 64));
            p->window_unsure[id % ORIGIN_WINDOW / 64] &= ~(UINT64_C(1) << (id % 64));
        }
    }
    p->window_base = base;
}

/* Ids below the window are of no interest any more; those beyond it a node of ours never uses. */
static bool in_window(const struct peer *p, uint64_t id)
{
    return p != NULL && id >= p->window_base && id - p->window_base < ORIGIN_WINDOW;
}

bool origin_done(const struct replication *r, const struct origin *o)
{
    const struct peer *p = peer_get(r, o->node_id);
    return in_window(p, o->id) && window_bit(p->window, o->id);
}

bool origin_unsure(const struct replication *r, const struct origin *o)
{
    const struct peer *p = peer_get(r, o->node_id);
    return in_window(p, o->id) && window_bit(p->window_unsure, o->id);
}

static struct peer *origin_peer(struct replication *r, const struct origin *o)
{
    struct peer *p = o->id == 0 || o->node_id == 0 ? NULL : peer_make(r, o->node_id);
    if (p != NULL)
        window_slide(p, o->acked_below);
    return p;
}

void origin_set_done(struct replication *r, const struct origin *o)
{
    struct peer *p = origin_peer(r, o);
    if (in_window(p, o->id))
        p->window[o->id % ORIGIN_WINDOW / 64] |= UINT64_C(1) << (o->id % 64);
}

void origin_set_unsure(struct replication *r, const struct origin *o)
{
    struct peer *p = origin_peer(r, o);
    if (in_window(p, o->id))
        p->window_unsure[o->id % ORIGIN_WINDOW / 64] |= UINT64_C(1) << (o->id % 64);
}

void origin_acked_below(struct replication *r, const struct origin *o)
{
    struct peer *p = o->node_id == 0 ? NULL : peer_make(r, o->node_id);
    if (p != NULL && o->acked_below <= o->id)
        window_slide(p, o->acked_below);
}

/* ---- wire ------------------------------------------------------------------------------------ */

void extent_to_wire(const struct store_extent *x, Fl__PeerExtent *out)
{
    fl__peer_extent__init(out);
    out->volume = x->volume, out->group = x->group, out->inode = x->inode, out->index = x->index;
}

bool extent_from_wire(const Fl__PeerExtent *x, struct store_extent *out)
{
    if (x == NULL || x->inode == 0)
        return false;
    *out = (struct store_extent){x->volume, x->group, x->inode, x->index};
    return true;
}

void origin_to_wire(const struct origin *o, Fl__PeerOrigin *out)
{
    fl__peer_origin__init(out);
    out->node_id = o->node_id, out->id = o->id, out->acked_below = o->acked_below;
}

struct origin origin_from_wire(const Fl__PeerOrigin *o)
{
    return o == NULL ? (struct origin){0} : (struct origin){o->node_id, o->id, o->acked_below};
}

/* ---- in -------------------------------------------------------------------------------------- */

/* The request a reply belongs to: still wanted, asked of this node, on this link. */
static bool call_of(struct replication *r, const struct incoming *in, struct call *out)
{
    struct call *c = table_get(&r->call_table, handle_unpack(in->m->call));
    if (c == NULL || c->node_id != in->peer->node_id || c->session != in->session)
        return false;
    *out = *c;
    call_end(r, c);
    return true;
}

static void reply_in(struct replication *r, struct incoming *in)
{
    struct call c;
    if (!call_of(r, in, &c))
        return;
    Fl__Peer__BodyCase body = in->m->body_case;
    bool applied = body == FL__PEER__BODY_APPLIED;
    if (c.kind == CALL_FORWARD) {
        if (body == FL__PEER__BODY_FORWARDED)
            frontend_forwarded(r, c.part, in);
        else
            frontend_link_lost(r, c.part);
    } else if (c.kind == CALL_APPLY || c.kind == CALL_READ) {
        if (applied)
            fanout_applied(r, c.op, in->peer->node_id, in);
        else
            fanout_unsent(r, c.op, in->peer->node_id);
    } else if (c.kind == CALL_COLLECT) {
        if (body == FL__PEER__BODY_COLLECTED)
            takeover_collected(r, c.group, in->peer->node_id, in);
        else
            takeover_unanswered(c.group, in->peer->node_id);
    } else if (c.kind == CALL_LIST) {
        c.resync->call = (handle){0};
        resync_listed(r, c.resync, in);
    } else if (c.kind == CALL_CATCH) {
        struct slot *s = slot_of(c.group, in->peer->node_id);
        bool ok = applied && in->m->applied->result == FL__PEER_RESULT__PEER_OK;
        if (s != NULL && s->catch_outstanding > 0)
            s->catch_outstanding--;
        if (s != NULL && s->catching && !ok)
            resync_fail(r, c.group);
        group_wake(r, c.group);
    }
}

static void route(struct replication *r, struct incoming *in)
{
    switch (in->m->body_case) {
    case FL__PEER__BODY_FORWARD: primary_forward(r, in); break;
    case FL__PEER__BODY_APPLY: replica_apply(r, in); break;
    case FL__PEER__BODY_COLLECT: replica_collect(r, in); break;
    case FL__PEER__BODY_CLEAN: replica_clean(r, in); break;
    case FL__PEER__BODY_LIST: replica_list(r, in); break;
    case FL__PEER__BODY_GRANT_REQUEST: grants_requested(r, in); break;
    case FL__PEER__BODY_GRANT: grants_given(r, in); break;
    case FL__PEER__BODY_FORWARDED:
    case FL__PEER__BODY_APPLIED:
    case FL__PEER__BODY_COLLECTED:
    case FL__PEER__BODY_LISTED: reply_in(r, in); break;
    case FL__PEER__BODY__NOT_SET:
    case _FL__PEER__BODY__CASE_IS_INT_SIZE: break;
    }
}

void peers_event(struct replication *r, const struct rep_event *ev)
{
    struct incoming in = {.peer = peer_get(r, ev->peer.node_id),
                          .session = ev->peer.session,
                          .data = ev->peer.data,
                          .buf = ev->peer.buf};
    if (in.peer != NULL && in.session == in.peer->session && in.session != 0)
        in.m = pb_unpack(&fl__peer__descriptor, ev->peer.control, &r->in);
    if (in.m != NULL && in.m->version == PEER_VERSION) {
        replica_confirmed(r, in.peer->node_id, in.m);
        route(r, &in);
    }
    if (!in.kept)
        rep_release(r, in.buf);
}

/* ---- up and down ----------------------------------------------------------------------------- */

/* A request on a link that is gone: nobody will answer it. */
static void call_lost(struct replication *r, const struct call *c)
{
    if (c->kind == CALL_FORWARD) {
        frontend_link_lost(r, c->part);
    } else if (c->kind == CALL_APPLY || c->kind == CALL_READ) {
        fanout_unsent(r, c->op, c->node_id);
    } else if (c->kind == CALL_COLLECT) {
        takeover_unanswered(c->group, c->node_id);
    } else if (c->kind == CALL_LIST || c->kind == CALL_CATCH) {
        struct group *g = c->kind == CALL_LIST ? c->resync->group : c->group;
        struct slot *s = slot_of(g, c->node_id);
        if (c->kind == CALL_LIST)
            c->resync->call = (handle){0};
        if (c->kind == CALL_CATCH && s != NULL && s->catch_outstanding > 0)
            s->catch_outstanding--;
        if (s != NULL && s->catching)
            resync_fail(r, g);
        group_wake(r, g);
    }
}

void peers_down(struct replication *r, uint32_t node_id, uint64_t session)
{
    struct peer *p = peer_get(r, node_id);
    if (p == NULL || p->session == 0 || p->session != session)
        return;
    p->session = 0, p->down_since = r->now, p->confirms_count = 0, p->grant_asked = 0;
    handle at = {0};
    struct call *c;
    while ((c = table_next(&r->call_table, &at)) != NULL) {
        if (c->node_id != node_id)
            continue;
        struct call call = *c;
        call_end(r, c);
        call_lost(r, &call);
    }
    primary_origin_gone(r, node_id);
    for (uint32_t i = 0; i < r->groups_count; i++) {
        struct slot *s = slot_of(r->groups[i], node_id);
        if (s == NULL)
            continue;
        s->collect = COLLECT_NEEDED;
        if (s->catching)
            resync_fail(r, r->groups[i]);
        group_wake(r, r->groups[i]);
    }
}

void peers_up(struct replication *r, uint32_t node_id, uint64_t session)
{
    must(session != 0);
    struct peer *p = peer_make(r, node_id);
    if (p == NULL)
        return; /* more nodes than were planned for: this one is never asked anything */
    if (p->session != 0)
        peers_down(r, node_id, p->session);
    p->session = session;
    for (uint32_t i = 0; i < r->groups_count; i++)
        group_wake(r, r->groups[i]);
    frontend_wake(r);
}
