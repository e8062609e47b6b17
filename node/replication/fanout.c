/* A primary's operation and the members: what each was sent, what it answered. */
#include "node/replication/rep_int.h"

#include <string.h>

bool may_acknowledge(struct replication *r, const struct group *g)
{
    if (!group_current(g) || !lease_valid(r))
        return false;
    if ((r->config.planted & REP_PLANT_ACK_BEFORE_EVICT) != 0)
        return true;
    /* INV-1, INV-2: a node that does not have the write and may still serve reads by a grant would
     * answer with the old bytes. One that was declared down has no lease, and serves nothing. */
    if (g->fence_until > r->now)
        return false;
    for (uint32_t i = 0; i < SLOTS_MAX; i++) {
        const struct slot *s = &g->slots[i];
        const struct peer *p = peer_get(r, s->node_id);
        if (s->node_id != 0 && !slot_required(s) && s->granted_until > r->now &&
            (p == NULL || p->declared_up))
            return false;
    }
    return true;
}

bool fanout_all(const struct op *op, enum target_state state)
{
    for (uint32_t i = 0; i < SLOTS_MAX; i++)
        if (op->targets[i].state != TARGET_NONE && op->targets[i].state != state)
            return false;
    return true;
}

static bool whole_region(const struct op *op)
{
    return op->kind == OP_CLEAN || op->kind == OP_COPY;
}

static bool send_apply(struct replication *r, struct op *op, struct call *c, Fl__PeerOp wire)
{
    Fl__PeerExtent extent;
    Fl__PeerOrigin origin;
    Fl__PeerApply a = FL__PEER_APPLY__INIT;
    Fl__Peer body = FL__PEER__INIT;
    extent_to_wire(&op->extent, &extent);
    origin_to_wire(&op->origin, &origin);
    a.op = wire, a.extent = &extent, a.epoch = op->group->epoch;
    a.offset = op->offset, a.len = (uint32_t)op->len;
    a.write_id = op->write_id, a.seed = op->seed;
    a.sparse = whole_region(op);
    if (op->origin.node_id != 0)
        a.origin = &origin;
    body.body_case = FL__PEER__BODY_APPLY, body.apply = &a;
    struct message m = {.node_id = c->node_id, .body = &body};
    if (wire == FL__PEER_OP__PEER_WRITE)
        m.data = slice_of(whole_region(op) ? op->buffer : op->data, op->len);
    return peer_request(r, c, &m);
}

static Fl__PeerOp wire_op(const struct op *op)
{
    if (op->sm.state == OP_COMPARING)
        return FL__PEER_OP__PEER_HASH;
    return op->kind == OP_ZERO ? FL__PEER_OP__PEER_ZERO : FL__PEER_OP__PEER_WRITE;
}

static void send_target(struct replication *r, struct op *op, uint32_t i)
{
    struct target *t = &op->targets[i];
    if (t->retry_at > r->now || !peer_linked(r, op->group->slots[i].node_id))
        return;
    struct call *c = call_new(r, CALL_APPLY);
    if (c == NULL)
        return;
    c->op = op;
    c->node_id = op->group->slots[i].node_id;
    handle self = c->self;
    if (send_apply(r, op, c, wire_op(op))) {
        t->state = TARGET_SENT;
        t->call = self;
    }
}

/* To a member that is being brought up to date: it must have the write before it can rejoin, but
 * nobody waits for it now. */
static void send_catching(struct replication *r, struct op *op, uint32_t i)
{
    struct slot *s = &op->group->slots[i];
    struct call *c = call_new(r, CALL_CATCH);
    bool sent = false;
    if (c != NULL) {
        c->group = op->group;
        c->node_id = s->node_id;
        sent = send_apply(r, op, c, wire_op(op));
    }
    s->catch_outstanding += sent;
    /* It rejoins only when all of these were answered well. */
    op->targets[i].state = TARGET_OK;
    if (!sent)
        s->lost = true; /* resync_pump begins anew */
}

void fanout_begin(struct replication *r, struct op *op)
{
    for (uint32_t i = 0; i < SLOTS_MAX; i++) {
        struct slot *s = &op->group->slots[i];
        op->targets[i] = (struct target){.since = r->now};
        if (s->node_id == 0)
            continue;
        if (whole_region(op) ? slot_target(s) : slot_required(s))
            op->targets[i].state = TARGET_UNSENT;
        else if (s->catching)
            send_catching(r, op, i);
    }
    fanout_send(r, op);
}

void fanout_send(struct replication *r, struct op *op)
{
    for (uint32_t i = 0; i < SLOTS_MAX; i++) {
        struct target *t = &op->targets[i];
        /* A member that became in sync meanwhile, without us having brought it up to date. */
        if (t->state == TARGET_NONE && op->sm.state == OP_WRITING && op->group->slots[i].in_sync)
            *t = (struct target){.state = TARGET_UNSENT, .since = r->now};
        if (t->state == TARGET_UNSENT)
            send_target(r, op, i);
    }
}

bool read_from_member(struct replication *r, struct op *op, uint32_t slot)
{
    struct call *c = call_new(r, CALL_READ);
    if (c == NULL)
        return false;
    c->op = op;
    c->node_id = op->group->slots[slot].node_id;
    op->targets[slot].call = c->self;
    op->targets[slot].since = r->now;
    return send_apply(r, op, c, FL__PEER_OP__PEER_READ);
}

static void read_came(struct replication *r, struct op *op, uint32_t slot, struct incoming *in)
{
    bool ok = in->m->applied->result == FL__PEER_RESULT__PEER_OK && in->data.len == op->len;
    if (ok && op->sm.state == OP_UNDO_FETCH && slot == op->undo_slot) {
        op->undo_data = in->data.at, op->undo_buf = in->buf;
        in->kept = true;
    } else if (ok && op->sm.state == OP_ELSEWHERE) {
        bool serve = primary_serves(r, op->group);
        if (op->part == NULL && op->buffer == NULL)
            serve = serve && (op->buffer = buffer_get(r)) != NULL;
        if (serve)
            memcpy(op->part != NULL ? op->part->into : op->buffer, in->data.at, op->len);
        op_answer(r, op, serve ? FL__PEER_RESULT__PEER_OK : FL__PEER_RESULT__PEER_RETRY);
        op_free(r, op);
    }
}

static void target_answered(struct replication *r, struct op *op, uint32_t i,
                            const Fl__PeerApplied *a)
{
    struct target *t = &op->targets[i];
    struct slot *s = &op->group->slots[i];
    t->state = TARGET_UNSENT;
    switch (a->result) {
    case FL__PEER_RESULT__PEER_OK:
        t->state = TARGET_OK;
        t->hash[0] = a->hash_low, t->hash[1] = a->hash_high;
        return;
    case FL__PEER_RESULT__PEER_NO_SPACE:
        if (op->sm.state == OP_WRITING)
            t->state = TARGET_FULL;
        else
            s->lost = true; /* it cannot be made equal */
        break;
    case FL__PEER_RESULT__PEER_IO_ERROR: s->lost = true; break;
    case FL__PEER_RESULT__PEER_REFUSED:
        if (op->group->promised < a->epoch)
            op->group->promised = a->epoch; /* there is a newer epoch: wait to be told */
        break;
    case FL__PEER_RESULT__PEER_RETRY:
    case FL__PEER_RESULT__PEER_UNSURE:
    case FL__PEER_RESULT__PEER_UNKNOWN:
    case _FL__PEER_RESULT_IS_INT_SIZE: break;
    }
    t->retry_at = r->now + RETRY_NS;
}

void fanout_applied(struct replication *r, struct op *op, uint32_t node_id,
                    const struct incoming *in)
{
    struct group *g = op->group;
    struct slot *s = slot_of(g, node_id);
    group_wake(r, g);
    if (s == NULL)
        return;
    uint32_t i = (uint32_t)(s - g->slots);
    op->targets[i].call = (handle){0};
    if (op->sm.state == OP_ELSEWHERE || op->sm.state == OP_UNDO_FETCH)
        read_came(r, op, i, (struct incoming *)(uintptr_t)in);
    else if (op->targets[i].state == TARGET_SENT)
        target_answered(r, op, i, in->m->applied);
}

void fanout_unsent(struct replication *r, struct op *op, uint32_t node_id)
{
    struct slot *s = slot_of(op->group, node_id);
    group_wake(r, op->group);
    if (s == NULL)
        return;
    struct target *t = &op->targets[s - op->group->slots];
    t->call = (handle){0};
    if (t->state == TARGET_SENT)
        t->state = TARGET_UNSENT;
}

void fanout_drop_slot(struct replication *r, struct group *g, uint32_t slot)
{
    list_each (it, &g->ops) {
        struct op *op = container_of(it, struct op, in_group);
        call_cancel(r, op->targets[slot].call);
        op->targets[slot] = (struct target){0};
    }
    group_wake(r, g);
}

void fanout_cancel(struct replication *r, struct op *op)
{
    for (uint32_t i = 0; i < SLOTS_MAX; i++) {
        call_cancel(r, op->targets[i].call);
        op->targets[i] = (struct target){0};
    }
}
