/* How operations come to their group's primary, from this node's clients and from other nodes, and
 * how the answers go back. */
#include "node/replication/rep_int.h"

/* False without memory. The bytes are packed while they are sent. */
static bool ranges_to_wire(struct replication *r, const struct op *op, Fl__PeerForwarded *f)
{
    const struct ranges *map = (const struct ranges *)op->buffer;
    f->offsets = arena_array(&r->out_arena, RANGES_MAX, sizeof(*f->offsets));
    f->lens = arena_array(&r->out_arena, RANGES_MAX, sizeof(*f->lens));
    if (f->offsets == NULL || f->lens == NULL)
        return false;
    f->until = map->until;
    f->n_offsets = f->n_lens = map->count;
    for (uint32_t i = 0; i < map->count; i++)
        f->offsets[i] = map->items[i].offset, f->lens[i] = map->items[i].len;
    return true;
}

/* The answer to whoever asked. For a READ that is OK the bytes are in place (a client here) or in
 * op->buffer (another node). */
void op_answer(struct replication *r, struct op *op, Fl__PeerResult result)
{
    struct part *p = op->part;
    op->part = NULL;
    if (p != NULL) {
        part_answer(r, p, result);
        return;
    }
    if (op->reply_node == 0)
        return;
    Fl__PeerForwarded f = FL__PEER_FORWARDED__INIT;
    Fl__Peer body = FL__PEER__INIT;
    f.result = result;
    body.body_case = FL__PEER__BODY_FORWARDED, body.forwarded = &f;
    struct message m = {.node_id = op->reply_node,
                        .session = op->reply_session,
                        .call = op->reply_call,
                        .body = &body};
    if (op->kind == OP_READ && result == FL__PEER_RESULT__PEER_OK) {
        m.data = slice_of(op->buffer, op->len);
        m.buffer = op->buffer;
        op->buffer = NULL;
    }
    op->reply_node = 0;
    if (op->kind == OP_MAP && result == FL__PEER_RESULT__PEER_OK && !ranges_to_wire(r, op, &f))
        f.result = FL__PEER_RESULT__PEER_RETRY;
    (void)peer_send(r, &m); /* a link that is gone: the other side asks again */
}

/* ---- arrivals -------------------------------------------------------------------------------- */

bool primary_submit(struct replication *r, struct part *p)
{
    static const enum op_kind kinds[] = {
        [REP_READ] = OP_READ, [REP_WRITE] = OP_WRITE, [REP_ZERO] = OP_ZERO, [REP_MAP] = OP_MAP};
    struct op *op = op_new(r, p->group, kinds[p->request->submit.op]);
    if (op == NULL)
        return false;
    op->extent = p->extent, op->offset = p->offset, op->len = p->len;
    op->part = p, op->data = p->data, op->first_epoch = p->first_epoch;
    op->origin = (struct origin){r->node_id, p->id, frontend_lowest(r)};
    return true;
}

static void forward_refuse(struct replication *r, const struct incoming *in)
{
    Fl__PeerForwarded f = FL__PEER_FORWARDED__INIT;
    Fl__Peer body = FL__PEER__INIT;
    f.result = FL__PEER_RESULT__PEER_RETRY;
    body.body_case = FL__PEER__BODY_FORWARDED, body.forwarded = &f;
    (void)peer_send(r, &(struct message){.node_id = in->peer->node_id,
                                         .session = in->session,
                                         .call = in->m->call,
                                         .body = &body});
}

/* The same write, passed on once more over a new link while the first is under way: the answer goes
 * to the new place. */
static bool adopt_answer(struct group *g, const struct origin *o, const struct incoming *in)
{
    list_each (it, &g->ops) {
        struct op *op = container_of(it, struct op, in_group);
        if (op_looks(op) || op->origin.node_id != o->node_id || op->origin.id != o->id)
            continue;
        if (op->part != NULL || op->sm.state == OP_DEPOSED)
            continue;
        op->reply_node = in->peer->node_id;
        op->reply_session = in->session, op->reply_call = in->m->call;
        return true;
    }
    return false;
}

static bool forward_valid(const struct incoming *in)
{
    const Fl__PeerForward *f = in->m->forward;
    if (f->len == 0 || f->len > UINT64_MAX / 2 || f->offset > UINT64_MAX / 2)
        return false;
    bool in_region = f->offset / STORE_REGION == (f->offset + f->len - 1) / STORE_REGION;
    switch (f->op) {
    case FL__PEER_OP__PEER_MAP: return true;
    case FL__PEER_OP__PEER_READ:
    case FL__PEER_OP__PEER_ZERO: return in_region;
    case FL__PEER_OP__PEER_WRITE:
        return in_region && in->data.len == f->len && !handle_none(in->buf);
    case FL__PEER_OP__PEER_HASH:
    case _FL__PEER_OP_IS_INT_SIZE: break;
    }
    return false;
}

void primary_forward(struct replication *r, struct incoming *in)
{
    static const enum op_kind kinds[] = {[FL__PEER_OP__PEER_READ] = OP_READ,
                                         [FL__PEER_OP__PEER_WRITE] = OP_WRITE,
                                         [FL__PEER_OP__PEER_ZERO] = OP_ZERO,
                                         [FL__PEER_OP__PEER_MAP] = OP_MAP};
    const Fl__PeerForward *f = in->m->forward;
    struct store_extent x;
    if (!extent_from_wire(f->extent, &x) || !forward_valid(in))
        return; /* not a message of ours: no answer, the sender's time runs out */
    struct group *g = group_get(r, x.group);
    struct origin o = origin_from_wire(f->origin);
    if (o.node_id != in->peer->node_id)
        return;
    origin_acked_below(r, &o);
    /* A node that was declared down: its clients may be elsewhere by now, and late writes of theirs
     * must not overwrite what they wrote since, not even when the node is back. */
    bool alive =
        in->peer->declared_up && (f->life == 0 || in->peer->life == 0 || f->life == in->peer->life);
    bool serve = g != NULL && g->volume == x.volume && primary_serves(r, g) && alive;
    if (serve && f->op != FL__PEER_OP__PEER_READ && f->op != FL__PEER_OP__PEER_MAP &&
        adopt_answer(g, &o, in))
        return;
    struct op *op = serve ? op_new(r, g, kinds[f->op]) : NULL;
    if (op == NULL) {
        forward_refuse(r, in);
        return;
    }
    op->extent = x, op->offset = f->offset, op->len = f->len, op->origin = o;
    op->first_epoch = f->first_epoch;
    op->reply_node = in->peer->node_id;
    op->reply_session = in->session, op->reply_call = in->m->call;
    if (op->kind == OP_WRITE) {
        op->data = in->data.at;
        op->buf = in->buf;
        in->kept = true;
    }
}
