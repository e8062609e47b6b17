/* Placement groups: members, who of them is in sync, and the primary. Every change raises the
 * epoch, so that what was said under an older one is refused (INV-3, INV-4). */
#include "coordinator/meta/meta_int.h"

#include "proto/base/prng.h"

static bool has(const uint32_t *ids, uint32_t count, uint32_t id)
{
    for (uint32_t i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

bool group_has_member(const struct group *g, uint32_t node_id)
{
    return has(g->members, g->member_count, node_id);
}

bool group_has_in_sync(const struct group *g, uint32_t node_id)
{
    return has(g->in_sync, g->in_sync_count, node_id);
}

void group_set_primary(struct meta *m, struct group *g, uint32_t node_id)
{
    struct node *old = g->primary == 0 ? NULL : node_get(m, g->primary);
    struct node *fresh = node_id == 0 ? NULL : node_get(m, node_id);
    if (old != NULL)
        old->primaries--;
    if (fresh != NULL)
        fresh->primaries++;
    g->primary = fresh == NULL ? 0 : node_id;
}

uint32_t group_choose_primary(const struct meta *m, const struct group *g)
{
    const struct node *best = NULL;
    for (uint32_t i = 0; i < g->in_sync_count && !g->lost; i++) {
        const struct node *n = node_get(m, g->in_sync[i]);
        if (n == NULL || n->state != FL__NODE_STATE__NODE_UP)
            continue;
        if (best == NULL || n->primaries < best->primaries)
            best = n;
    }
    return best == NULL ? 0 : best->id;
}

void groups_node_down(struct meta *m, struct node *n)
{
    must(n->state != FL__NODE_STATE__NODE_UP);
    for (struct group *g = group_first(m); g != NULL; g = group_next(g)) {
        if (g->primary != n->id)
            continue;
        group_set_primary(m, g, group_choose_primary(m, g));
        g->epoch++;
    }
}

void groups_node_up(struct meta *m, struct node *n)
{
    must(n->state == FL__NODE_STATE__NODE_UP);
    for (struct group *g = group_first(m); g != NULL; g = group_next(g)) {
        if (g->primary != 0 || g->lost || !group_has_in_sync(g, n->id))
            continue;
        group_set_primary(m, g, group_choose_primary(m, g));
        g->epoch++;
    }
}

static void take_out(uint32_t *ids, uint32_t *count, uint32_t id)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *count; i++)
        if (ids[i] != id)
            ids[kept++] = ids[i];
    for (uint32_t i = kept; i < *count; i++)
        ids[i] = 0;
    *count = kept;
}

void groups_node_emptied(struct meta *m, struct node *n)
{
    must(n->state != FL__NODE_STATE__NODE_UP);
    for (struct group *g = group_first(m); g != NULL; g = group_next(g)) {
        if (!group_has_member(g, n->id))
            continue;
        if (group_has_in_sync(g, n->id)) {
            if (g->in_sync_count > 1)
                take_out(g->in_sync, &g->in_sync_count, n->id);
            else
                g->lost = true;
        }
        /* Also where it was not in sync: a resync of the old disk must not end as one of the new.
         */
        g->epoch++;
    }
}

/* In the order of members, which is the order everybody sees. */
static void put_in_sync(struct group *g, uint32_t id)
{
    uint32_t before[META_REPLICAS_MAX], count = g->in_sync_count;
    memcpy(before, g->in_sync, sizeof(before));
    g->in_sync_count = 0;
    for (uint32_t i = 0; i < g->member_count; i++)
        if (g->members[i] == id || has(before, count, g->members[i]))
            g->in_sync[g->in_sync_count++] = g->members[i];
}

/* Only its primary speaks for a group, and only of its present epoch. */
static struct group *current(struct work *w, uint32_t id, uint64_t epoch, ntstatus *status)
{
    struct group *g = group_get(w->m, id);
    *status = STATUS_INVALID_PARAMETER;
    if (g == NULL)
        return NULL;
    reply_group(w, g);
    *status = STATUS_REQUEST_NOT_ACCEPTED;
    bool speaks = w->node == NULL || w->node->id == g->primary;
    return speaks && epoch == g->epoch ? g : NULL;
}

ntstatus apply_group_evict(struct work *w, const Fl__GroupEvict *c)
{
    ntstatus status;
    struct group *g = current(w, c->group, c->epoch, &status);
    if (g == NULL)
        return status;
    if (!group_has_in_sync(g, c->member) || g->in_sync_count == 1 || c->member == g->primary)
        return STATUS_REQUEST_NOT_ACCEPTED; /* the last good copy is never voted out */
    if (!outbox_reserve(w, 1))
        return STATUS_INSUFFICIENT_RESOURCES;

    take_out(g->in_sync, &g->in_sync_count, c->member);
    g->epoch++;
    reply_group(w, g);
    post_config_changed(w);
    return STATUS_OK;
}

ntstatus apply_group_rejoin(struct work *w, const Fl__GroupRejoin *c)
{
    ntstatus status;
    struct group *g = current(w, c->group, c->epoch, &status);
    if (g == NULL)
        return status;
    const struct node *n = node_get(w->m, c->member);
    bool up = n != NULL && n->state == FL__NODE_STATE__NODE_UP;
    if (!up || !group_has_member(g, c->member) || group_has_in_sync(g, c->member))
        return STATUS_REQUEST_NOT_ACCEPTED;
    if (!outbox_reserve(w, 1))
        return STATUS_INSUFFICIENT_RESOURCES;

    put_in_sync(g, c->member);
    g->epoch++;
    reply_group(w, g);
    post_config_changed(w);
    return STATUS_OK;
}

uint32_t group_choose_first(struct volume *v, const struct node *n, uint64_t inode)
{
    must(v->group_count > 0);
    for (uint32_t k = 0; k < v->group_count && n != NULL; k++) {
        uint32_t i = (v->cursor + k) % v->group_count;
        if (v->groups[i]->primary != n->id)
            continue;
        v->cursor = (i + 1) % v->group_count;
        return i;
    }
    return (uint32_t)(mix64(inode) % v->group_count);
}

void group_leave(struct meta *m, struct group *g, uint32_t node_id)
{
    must(!(g->in_sync_count == 1 && g->in_sync[0] == node_id));
    take_out(g->members, &g->member_count, node_id);
    take_out(g->in_sync, &g->in_sync_count, node_id);
    if (g->primary == node_id) {
        group_set_primary(m, g, 0);
        group_set_primary(m, g, group_choose_primary(m, g));
    }
    g->epoch++;
}
