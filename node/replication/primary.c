/* This node as a group's primary: what clients want, in order of arrival. An operation waits for
 * the earlier ones it overlaps with; what was started is driven to its end (see replication.h).
 *
 *   A client's write W and a read R of the same bytes, three in-sync members A (primary), B, C:
 *
 *   A  W starts ─ own write ─┬─ all have it: acknowledged, R answered ─ confirm ─►
 *   B      └─ apply ─ stored ┘        R at B before the confirmation: passed on to A
 *   C      └─ apply ─ stored ┘        R at C after it: own copy, which has W */
#include "node/replication/rep_int.h"

static const struct sm_state op_table[OP_STATES] = {
    [OP_QUEUED] = {"queued", MAY(OP_READING) | MAY(OP_WRITING) | MAY(OP_COMPARING)},
    [OP_READING] = {"reading", MAY(OP_ELSEWHERE) | MAY(OP_DEPOSED)},
    [OP_ELSEWHERE] = {"elsewhere", 0},
    [OP_WRITING] = {"writing", MAY(OP_UNDO_FETCH) | MAY(OP_REFUSED) | MAY(OP_DEPOSED)},
    [OP_UNDO_FETCH] = {"undo fetch", MAY(OP_WRITING) | MAY(OP_UNDO_WRITE)},
    [OP_UNDO_WRITE] = {"undo write", MAY(OP_REFUSED) | MAY(OP_DEPOSED)},
    [OP_COMPARING] = {"comparing", MAY(OP_FETCHING) | MAY(OP_DEPOSED)},
    [OP_FETCHING] = {"fetching", MAY(OP_PUSHING) | MAY(OP_DEPOSED)},
    [OP_PUSHING] = {"pushing", 0},
    [OP_REFUSED] = {"refused", 0},
    [OP_DEPOSED] = {"deposed", 0},
};

bool primary_serves(const struct replication *r, const struct group *g)
{
    return g->primary == r->node_id && g->sm.state == GROUP_SERVING && group_current(g) &&
           lease_valid(r);
}

bool op_running(const struct op *op) { return op->sm.state != OP_QUEUED; }

static bool op_changes(const struct op *op)
{
    return op->kind == OP_WRITE || op->kind == OP_ZERO || op->kind == OP_CLEAN;
}

bool op_conflict(const struct op *a, const struct op *b)
{
    if (!extent_equal(&a->extent, &b->extent) || !ranges_meet(a->offset, a->len, b->offset, b->len))
        return false;
    if (a->sm.state == OP_REFUSED || b->sm.state == OP_REFUSED)
        return false; /* its stain keeps others out */
    /* A comparison in the middle of a change would see half of it. */
    return op_changes(a) || op_changes(b);
}

struct op *op_new(struct replication *r, struct group *g, enum op_kind kind)
{
    struct op *op = pool_get(&r->ops);
    if (op == NULL)
        return NULL;
    *op = (struct op){.group = g, .kind = kind};
    sm_init(&op->sm, "op", op_table, OP_STATES, OP_QUEUED);
    list_push_back(&g->ops, &op->in_group);
    group_wake(r, g);
    return op;
}

void op_free(struct replication *r, struct op *op)
{
    must(!op->own_busy);
    must(op->part == NULL);
    fanout_cancel(r, op);
    rep_release(r, op->buf);
    rep_release(r, op->undo_buf);
    buffer_put(r, op->buffer);
    list_remove(&op->in_group);
    group_wake(r, op->group);
    pool_put(&r->ops, op);
}

/* ---- start ----------------------------------------------------------------------------------- */

static bool may_start(const struct group *g, const struct op *op)
{
    if (op->kind != OP_CLEAN && stain_covers(g, op))
        return false;
    list_each (it, &g->ops) {
        const struct op *other = container_of(it, struct op, in_group);
        if (other == op) {
            if (op->kind == OP_CLEAN)
                continue;
            return true;
        }
        /* A CLEAN goes before everything that has not started: they wait for it. */
        if ((op->kind != OP_CLEAN || op_running(other)) && op_conflict(other, op))
            return false;
    }
    return true;
}

static void start_read(struct replication *r, struct op *op)
{
    if (op->part == NULL && op->buffer == NULL && (op->buffer = buffer_get(r)) == NULL)
        return; /* stays queued until one comes back */
    struct call *c = call_new(r, CALL_STORE_OP);
    if (c == NULL)
        return;
    c->op = op;
    op->own_busy = true;
    sm_move(&op->sm, OP_READING);
    rep_store(r, c,
              &(struct store_op){.type = op->kind == OP_MAP ? STORE_MAP : STORE_READ,
                                 .extent = op->extent,
                                 .offset = op->offset,
                                 .len = op->len,
                                 .into = op->part != NULL ? op->part->into : op->buffer,
                                 .ranges = op->part != NULL ? op->part->ranges
                                                            : (struct ranges *)op->buffer});
}

static void start_write(struct replication *r, struct op *op)
{
    /* Carried out before, perhaps under another primary; only the answer was lost. */
    bool done = origin_done(r, &op->origin);
    /* INV-1: carried out a second time, it could overwrite what was acknowledged since. When all
     * who would know have restarted, its client has to be told that the outcome is open. */
    bool forgotten = op->first_epoch != 0 && op->first_epoch < op->group->memory_since;
    bool unknown = !done && (forgotten || origin_unsure(r, &op->origin));
    if (done || unknown) {
        op_answer(r, op, done ? FL__PEER_RESULT__PEER_OK : FL__PEER_RESULT__PEER_UNKNOWN);
        op_free(r, op);
        return;
    }
    op->write_id = r->next_write_id++;
    op->dirty = dirty_new(r, op->group, r->node_id, op->write_id);
    struct call *c = op->dirty == NULL ? NULL : call_new(r, CALL_STORE_OP);
    if (c == NULL) {
        if (op->dirty != NULL)
            dirty_drop(r, op->dirty);
        op->dirty = NULL;
        return;
    }
    c->op = op;
    op->dirty->extent = op->extent;
    op->dirty->offset = op->offset, op->dirty->len = op->len;
    op->dirty->origin = op->origin;
    op->dirty->epoch = op->group->epoch;
    op->dirty->pins = 1, op->dirty->busy = 1;
    op->own_busy = true;
    frontend_poison(r, &op->extent, op->offset, op->len);
    sm_move(&op->sm, OP_WRITING);
    fanout_begin(r, op);
    rep_store(r, c,
              &(struct store_op){.type = op->kind == OP_ZERO ? STORE_ZERO : STORE_WRITE,
                                 .extent = op->extent,
                                 .offset = op->offset,
                                 .len = op->len,
                                 .data = op->data});
}

static void op_start(struct replication *r, struct op *op)
{
    op->start_number = ++op->group->starts;
    if (op_looks(op))
        start_read(r, op);
    else if (op->kind == OP_WRITE || op->kind == OP_ZERO)
        start_write(r, op);
    else
        clean_begin(r, op);
}

/* ---- progress -------------------------------------------------------------------------------- */

static void read_done(struct replication *r, struct op *op, const struct store_outcome *o)
{
    if (!primary_serves(r, op->group)) {
        op_answer(r, op, FL__PEER_RESULT__PEER_RETRY);
    } else if (o->result == STORE_OK) {
        op_answer(r, op, FL__PEER_RESULT__PEER_OK);
    } else if (op->kind == OP_MAP) {
        op_answer(r, op, FL__PEER_RESULT__PEER_IO_ERROR);
    } else {
        sm_move(&op->sm, OP_ELSEWHERE);
        group_wake(r, op->group);
        return;
    }
    op_free(r, op);
}

void op_stored(struct replication *r, struct op *op, const struct store_outcome *o)
{
    op->own_busy = false;
    op->own_hash[0] = o->hash[0], op->own_hash[1] = o->hash[1];
    if (op->dirty != NULL) {
        op->dirty->stored = op->dirty->stored || o->result == STORE_OK;
        dirty_idle(r, op->dirty);
    }
    switch ((enum op_state)op->sm.state) {
    case OP_READING: read_done(r, op, o); return;
    case OP_WRITING:
    case OP_COMPARING:
    case OP_FETCHING:
        op->own_ok = o->result == STORE_OK;
        op->own_full = o->result == STORE_NO_SPACE;
        op->own_failed = o->result == STORE_IO_ERROR;
        break;
    case OP_UNDO_WRITE:
        op->own_ok = true; /* undone, or stained: CLEAN makes all members equal in any case */
        break;
    case OP_DEPOSED:
        op_answer(r, op, FL__PEER_RESULT__PEER_UNSURE);
        op_free(r, op);
        return;
    case OP_QUEUED:
    case OP_ELSEWHERE:
    case OP_UNDO_FETCH:
    case OP_PUSHING:
    case OP_REFUSED:
    case OP_STATES:
        must(op->sm.state == OP_WRITING); /* the store was not asked for anything */
        break;
    }
    group_wake(r, op->group);
}

/* The write will not be acknowledged, and members may differ about it: its region is made equal
 * before anybody uses it again. False when there is no room to remember that. */
static bool op_stain(struct replication *r, struct op *op)
{
    struct store_region region = {op->extent, (uint32_t)(op->offset / STORE_REGION)};
    return stain_add(r, op->group, &region);
}

static void write_failed(struct replication *r, struct op *op, Fl__PeerResult result)
{
    if (!op_stain(r, op))
        return; /* stays as it is until there is room */
    if (op->dirty != NULL)
        op->dirty->undone = true;
    op->dirty = NULL; /* goes with the CLEAN */
    /* Not answered yet: if this primary fell now, the next one might still make it come true. */
    op->refusal = result;
    fanout_cancel(r, op);
    sm_move(&op->sm, OP_REFUSED);
}

void primary_answer_refused(struct replication *r, const struct op *clean)
{
    list_each (it, &clean->group->ops) {
        struct op *op = container_of(it, struct op, in_group);
        if (op->sm.state != OP_REFUSED || op->start_number > clean->start_number ||
            !extent_equal(&op->extent, &clean->extent) ||
            !ranges_meet(op->offset, op->len, clean->offset, clean->len))
            continue;
        op->equal = true;
        group_wake(r, op->group);
    }
}

static void write_committed(struct replication *r, struct op *op)
{
    struct group *g = op->group;
    /* A member whose rejoining was refused is not waited for, and may not have got this write. */
    for (uint32_t i = 0; i < SLOTS_MAX; i++)
        if (g->slots[i].catching && !slot_required(&g->slots[i]) && g->resync != NULL &&
            op->start_number > g->resync->barrier && op->targets[i].state != TARGET_OK)
            resync_fail(r, g);
    for (uint32_t i = 0; i < SLOTS_MAX; i++)
        if (g->slots[i].node_id != 0 && (slot_target(&g->slots[i])))
            peer_confirm(r, g->slots[i].node_id, op->write_id);
    origin_set_done(r, &op->origin);
    dirty_drop(r, op->dirty);
    op->dirty = NULL;
    op_answer(r, op, FL__PEER_RESULT__PEER_OK);
    op_free(r, op);
}

/* Some required member has no space: all take the write back. A full member still has the old
 * bytes, so where this node has the new ones it fetches the old ones from there. */
static void write_full(struct replication *r, struct op *op)
{
    if (op->own_full) {
        write_failed(r, op, FL__PEER_RESULT__PEER_NO_SPACE);
        return;
    }
    for (uint32_t i = 0; i < SLOTS_MAX; i++) {
        if (op->targets[i].state == TARGET_FULL && slot_required(&op->group->slots[i]) &&
            read_from_member(r, op, i)) {
            op->undo_slot = i;
            sm_move(&op->sm, OP_UNDO_FETCH);
            return;
        }
    }
}

static bool any_full(const struct op *op)
{
    bool full = op->own_full;
    for (uint32_t i = 0; i < SLOTS_MAX; i++)
        full = full || (op->targets[i].state == TARGET_FULL && slot_required(&op->group->slots[i]));
    return full;
}

static void advance_write(struct replication *r, struct op *op)
{
    struct group *g = op->group;
    if (op->own_busy)
        return;
    if (op->own_failed) {
        /* Our own disk is bad. Others go on without us; the last copy can only say so. */
        bool others = false;
        for (uint32_t i = 0; i < SLOTS_MAX; i++)
            others = others || slot_required(&g->slots[i]);
        if (others)
            membership_evict_self(r, g);
        else if (lease_valid(r) && group_current(g))
            write_failed(r, op, FL__PEER_RESULT__PEER_IO_ERROR);
        return;
    }
    fanout_send(r, op);
    bool planted = (r->config.planted & REP_PLANT_ACK_BEFORE_EVICT) != 0;
    bool answered = true;
    for (uint32_t i = 0; i < SLOTS_MAX && answered; i++) {
        enum target_state state = op->targets[i].state;
        bool skip = planted && g->slots[i].evicting;
        answered =
            !slot_required(&g->slots[i]) || skip || state == TARGET_OK || state == TARGET_FULL;
    }
    if (!answered || !group_current(g) || !lease_valid(r))
        return;
    if (any_full(op))
        write_full(r, op);
    else if (may_acknowledge(r, g))
        write_committed(r, op);
}

/* The old bytes have come from the member without space. */
static void advance_undo(struct replication *r, struct op *op)
{
    if (!group_current(op->group))
        return; /* a newer primary decides; its cleaning may have taken our records of the write */
    if (op->sm.state == OP_UNDO_FETCH && op->undo_data != NULL) {
        struct call *c = call_new(r, CALL_STORE_OP);
        if (c == NULL)
            return;
        c->op = op;
        op->own_busy = true, op->own_ok = false;
        op->dirty->pins++, op->dirty->busy++;
        sm_move(&op->sm, OP_UNDO_WRITE);
        rep_store(r, c,
                  &(struct store_op){.type = STORE_WRITE,
                                     .extent = op->extent,
                                     .offset = op->offset,
                                     .len = op->len,
                                     .data = op->undo_data});
    } else if (op->sm.state == OP_UNDO_FETCH) {
        struct target *t = &op->targets[op->undo_slot];
        if (!slot_required(&op->group->slots[op->undo_slot]))
            sm_move(&op->sm, OP_WRITING); /* evicted: then the others decide */
        else if (table_get(&r->call_table, t->call) == NULL)
            (void)read_from_member(r, op, op->undo_slot);
    } else if (op->own_ok) {
        write_failed(r, op, FL__PEER_RESULT__PEER_NO_SPACE);
    }
}

/* The own copy cannot be read: one in-sync member after the other. */
static void advance_elsewhere(struct replication *r, struct op *op)
{
    struct group *g = op->group;
    for (uint32_t i = 0; i < SLOTS_MAX; i++)
        if (table_get(&r->call_table, op->targets[i].call) != NULL)
            return;
    for (uint32_t i = 0; i < SLOTS_MAX; i++) {
        if (!g->slots[i].in_sync || (op->tried & UINT32_C(1) << i) != 0)
            continue;
        op->tried |= UINT32_C(1) << i;
        if (read_from_member(r, op, i))
            return;
    }
    op_answer(r, op, FL__PEER_RESULT__PEER_IO_ERROR);
    op_free(r, op);
}

static void op_advance(struct replication *r, struct op *op)
{
    switch ((enum op_state)op->sm.state) {
    case OP_QUEUED:
        if (primary_serves(r, op->group) && may_start(op->group, op))
            op_start(r, op);
        break;
    case OP_WRITING: advance_write(r, op); break;
    case OP_UNDO_FETCH:
    case OP_UNDO_WRITE: advance_undo(r, op); break;
    case OP_ELSEWHERE: advance_elsewhere(r, op); break;
    case OP_COMPARING:
    case OP_FETCHING:
    case OP_PUSHING: clean_advance(r, op); break;
    case OP_REFUSED:
        if (op->equal) {
            op_answer(r, op, op->refusal);
            op_free(r, op);
        }
        break;
    case OP_READING:
    case OP_DEPOSED:
    case OP_STATES: break;
    }
}

void primary_pump(struct replication *r, struct group *g)
{
    list_each (it, &g->ops) {
        if (!rep_room(r)) {
            group_wake(r, g);
            return;
        }
        op_advance(r, container_of(it, struct op, in_group));
    }
}

/* ---- ends ------------------------------------------------------------------------------------ */

bool primary_abandon(struct replication *r, struct part *p)
{
    list_each (it, &p->group->ops) {
        struct op *op = container_of(it, struct op, in_group);
        if (op->part != p)
            continue;
        if (op->own_busy)
            return false;
        if (op_running(op) && !op_looks(op) && op->sm.state != OP_REFUSED) {
            if (!op_stain(r, op))
                return false;
            op->dirty = NULL;
        }
        op->part = NULL;
        op_free(r, op);
        return true;
    }
    return true;
}

/* Another node is the primary now. It will make the members equal on what was under way here. */
void primary_step_down(struct replication *r, struct group *g)
{
    sm_move(&g->sm, GROUP_MEMBER);
    stains_drop(r, g);
    list_each (it, &g->ops) {
        struct op *op = container_of(it, struct op, in_group);
        if (op->sm.state == OP_DEPOSED)
            continue;
        fanout_cancel(r, op);
        op->stain = NULL;
        if (op->own_busy) {
            sm_move(&op->sm, OP_DEPOSED);
            continue;
        }
        op->dirty = NULL;
        op_answer(r, op,
                  op_running(op) ? FL__PEER_RESULT__PEER_UNSURE : FL__PEER_RESULT__PEER_RETRY);
        op_free(r, op);
    }
    resync_fail(r, g);
    for (uint32_t i = 0; i < SLOTS_MAX; i++)
        g->slots[i].rejoining = g->slots[i].evicting = g->slots[i].lost = false;
}

/* A node is gone, or has registered anew: what it passed on and was not started is given back. Only
 * a node that is still linked hears that; it asks again if anybody there still waits. */
void primary_origin_gone(struct replication *r, uint32_t node_id)
{
    for (uint32_t i = 0; i < r->groups_count; i++) {
        list_each (it, &r->groups[i]->ops) {
            struct op *op = container_of(it, struct op, in_group);
            if (op->reply_node != node_id || (op_running(op) && op->sm.state != OP_ELSEWHERE))
                continue;
            op_answer(r, op, FL__PEER_RESULT__PEER_RETRY);
            op_free(r, op);
        }
    }
}
