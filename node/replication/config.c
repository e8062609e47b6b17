/* The configuration: nodes, volumes, groups. A group changes only when its epoch rises. */
#include "node/replication/rep_int.h"

#include <string.h>

const struct volume *volume_get(const struct replication *r, uint32_t id)
{
    for (uint32_t i = 0; i < r->volumes_count; i++)
        if (r->volumes[i].id == id)
            return &r->volumes[i];
    return NULL;
}

static void volumes_free(struct replication *r)
{
    for (uint32_t i = 0; i < r->volumes_count; i++)
        mem_free(r->mem, r->volumes[i].groups, r->volumes[i].groups_cap * sizeof(uint32_t));
    mem_free(r->mem, r->volumes, r->volumes_cap * sizeof(*r->volumes));
    r->volumes = NULL;
    r->volumes_count = r->volumes_cap = 0;
}

/* Memory refused: the volumes that do not fit are not served. */
static void volumes_take(struct replication *r, const Fl__ClusterConfig *config)
{
    volumes_free(r);
    r->volumes = mem_array(r->mem, config->n_volumes, sizeof(*r->volumes));
    if (r->volumes == NULL)
        return;
    r->volumes_cap = (uint32_t)config->n_volumes;
    for (size_t i = 0; i < config->n_volumes; i++) {
        const Fl__Volume *v = config->volumes[i];
        struct volume *to = &r->volumes[r->volumes_count];
        if (v->extent_bytes < STORE_REGION || v->n_groups == 0)
            continue;
        to->groups = mem_array(r->mem, v->n_groups, sizeof(uint32_t));
        if (to->groups == NULL)
            continue;
        to->id = v->id, to->extent_bytes = v->extent_bytes;
        to->groups_count = to->groups_cap = (uint32_t)v->n_groups;
        memcpy(to->groups, v->groups, v->n_groups * sizeof(uint32_t));
        r->volumes_count++;
    }
}

void config_free(struct replication *r)
{
    volumes_free(r);
    for (uint32_t i = 0; i < r->groups_count; i++)
        mem_free(r->mem, r->groups[i], sizeof(*r->groups[i]));
    r->groups_count = 0;
}

static void nodes_take(struct replication *r, const Fl__ClusterConfig *config)
{
    for (size_t i = 0; i < config->n_nodes; i++) {
        const Fl__Node *n = config->nodes[i];
        if (n->id == r->node_id) {
            bool anew = r->life != 0 && r->life != n->incarnation;
            r->config_session = n->session;
            r->life = n->incarnation;
            if (anew)
                frontend_new_life(r);
        }
        struct peer *p = peer_make(r, n->id);
        if (p == NULL)
            continue;
        bool up = n->state == FL__NODE_STATE__NODE_UP;
        if (p->declared_up && (!up || p->config_session != n->session))
            primary_origin_gone(r, n->id); /* its clients have been told so, or soon will be */
        p->declared_up = up;
        p->config_session = n->session;
        p->life = n->incarnation;
    }
}

static bool listed(const uint32_t *ids, size_t count, uint32_t id)
{
    for (size_t i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

/* A slot for a node: its own, or one that nothing depends on any more. */
static struct slot *slot_make(struct replication *r, struct group *g, uint32_t node_id)
{
    struct slot *s = slot_of(g, node_id);
    for (uint32_t i = 0; s == NULL && i < SLOTS_MAX; i++) {
        struct slot *old = &g->slots[i];
        if (old->node_id == 0 || (!old->member && !old->in_sync && old->granted_until <= r->now))
            s = old;
    }
    if (s != NULL && s->node_id != node_id) {
        fanout_drop_slot(r, g, (uint32_t)(s - g->slots));
        *s = (struct slot){.node_id = node_id};
    }
    return s;
}

static void slots_take(struct replication *r, struct group *g, const Fl__Group *c)
{
    for (uint32_t i = 0; i < SLOTS_MAX; i++) {
        struct slot *s = &g->slots[i];
        if (s->node_id == 0)
            continue;
        bool was = slot_target(s), was_in_sync = s->in_sync;
        s->member = listed(c->members, c->n_members, s->node_id);
        s->in_sync = listed(c->in_sync, c->n_in_sync, s->node_id);
        s->rejoining = false, s->evicting = false;
        if (s->in_sync && !was_in_sync)
            s->catching = false, s->collect = COLLECT_NEEDED;
        /* Whoever granted it reads had stopped to do so before this epoch was made. */
        if (was_in_sync && !s->in_sync && s->granted_until < r->now + grant_length(r))
            s->granted_until = r->now + grant_length(r);
        if (was && !slot_target(s)) {
            s->lost = false;
            fanout_drop_slot(r, g, i);
        }
    }
    for (size_t i = 0; i < c->n_members; i++) {
        struct slot *s = c->members[i] == r->node_id ? NULL : slot_make(r, g, c->members[i]);
        if (s == NULL || s->member)
            continue;
        s->member = true;
        s->in_sync = listed(c->in_sync, c->n_in_sync, s->node_id);
    }
}

/* A new epoch of a group. */
static void group_change(struct replication *r, struct group *g, const Fl__Group *c)
{
    bool was_primary = g->sm.state != GROUP_MEMBER;
    bool was_in_sync = g->self_in_sync;
    bool first = g->epoch == 0;
    /* Another primary's message came with an epoch that we are only told of now: it may have
     * cleaned what our operations remember, undone what was answered to them, put us out of sync
     * and in again. That the configuration names us once more does not make us the primary of
     * before. */
    bool others = g->promised > g->epoch;
    if (was_primary && (others || c->primary != r->node_id)) {
        primary_step_down(r, g);
        was_primary = false;
    }
    bool remembers = was_in_sync && !(others && c->epoch > g->epoch + 1);
    uint64_t told = g->epoch;
    if (g->resync != NULL) {
        uint32_t node_id = g->slots[g->resync->slot].node_id;
        if (listed(c->in_sync, c->n_in_sync, node_id) ||
            !listed(c->members, c->n_members, node_id)) {
            r->stats.rejoins += listed(c->in_sync, c->n_in_sync, node_id);
            resync_fail(r, g);
        }
    }
    g->epoch = c->epoch;
    if (g->promised < g->epoch)
        g->promised = g->epoch;
    g->primary = c->primary;
    g->volume = c->volume;
    g->self_in_sync = listed(c->in_sync, c->n_in_sync, r->node_id);
    g->self_evicting = false;
    g->grant_until = 0;
    if (first)
        g->fence_until = r->now + grant_length(r);
    slots_take(r, g, c);
    /* After a start nothing is remembered of this epoch either. */
    if (!remembers && g->self_in_sync)
        g->memory_since = first ? g->epoch + 1 : g->epoch;
    /* What a primary of a later epoch has sent meanwhile, to bring this copy up to date, stays. */
    if ((was_in_sync || first) && !g->self_in_sync)
        dirty_drop_until(r, g, told);
    if (!was_primary && c->primary == r->node_id)
        takeover_begin(r, g);
    frontend_regrouped(r, g);
    group_wake(r, g);
}

void config_group(struct replication *r, const Fl__Group *c)
{
    struct group *g = c == NULL ? NULL : group_make(r, c->id);
    if (g == NULL)
        return;
    if (c->epoch > g->epoch)
        group_change(r, g, c);
}

void config_event(struct replication *r, const struct rep_event *ev)
{
    const Fl__ClusterConfig *config = ev->config.config;
    must(r->node_id == 0 || r->node_id == ev->config.node_id);
    if (config->version < r->config_version)
        return; /* of a coordinator that is behind */
    r->config_version = config->version;
    r->node_id = ev->config.node_id;
    r->have_config = true;
    nodes_take(r, config);
    volumes_take(r, config);
    for (size_t i = 0; i < config->n_groups; i++)
        config_group(r, config->groups[i]);
    for (uint32_t i = 0; i < r->groups_count; i++)
        group_wake(r, r->groups[i]);
    frontend_wake(r);
}
