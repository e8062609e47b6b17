/* The folder's invariants. */
#include "node/replication/rep_int.h"

static void check_parts(const struct replication *r)
{
    uint64_t last = 0;
    uint32_t count = 0;
    list_each (it, &r->part_list) {
        const struct part *p = container_of(it, struct part, in_parts);
        must(p->id > last);
        must(p->request->parts > 0);
        last = p->id;
        count++;
    }
    must(count == r->parts.used);
}

static uint32_t check_ops(const struct group *g)
{
    uint32_t count = 0;
    list_each (it, &g->ops) {
        const struct op *op = container_of(it, struct op, in_group);
        count++;
        must(op->group == g);
        must(op->part == NULL || op->part->sm.state == PART_PRIMARY);
        /* Only a primary has anything under way; a former one waits for its store. */
        must(g->sm.state != GROUP_MEMBER || op->sm.state == OP_DEPOSED);
        if (!op_running(op) || op->sm.state == OP_DEPOSED)
            continue;
        list_each (jt, &g->ops) {
            const struct op *other = container_of(jt, struct op, in_group);
            if (other != op && op_running(other) && other->sm.state != OP_DEPOSED)
                must(!op_conflict(op, other));
        }
    }
    return count;
}

static void check_group(const struct replication *r, const struct group *g)
{
    must(g->promised >= g->epoch);
    must(g->sm.state == GROUP_MEMBER || g->primary == r->node_id);
    must(g->resync == NULL || g->resync->group == g);
    for (uint32_t i = 0; i < SLOTS_MAX; i++) {
        const struct slot *s = &g->slots[i];
        must(s->node_id != r->node_id || s->node_id == 0);
        must(!s->catching || (g->resync != NULL && &g->slots[g->resync->slot] == s));
    }
}

void replication_check(const struct replication *r)
{
    uint32_t ops = 0;
    check_parts(r);
    for (uint32_t i = 0; i < r->groups_count; i++) {
        check_group(r, r->groups[i]);
        ops += check_ops(r->groups[i]);
    }
    must(ops == r->ops.used);
    must(r->ring_count <= r->ring_max);
}

uint64_t replication_serves_until(const struct replication *r, uint32_t group)
{
    const struct group *g = group_get(r, group);
    return g != NULL && primary_serves(r, g) ? r->lease_until : 0;
}
