/* What the oracles see inside the cluster: invariants 3, 4 and 7; see oracle.h. */
#include "tests/sim/oracle_int.h"

#include "proto/cluster/pack.h"
#include "tests/sim/cluster.h"

#include <string.h>
#include <xxhash.h>

enum { ORACLE_ARENA_MAX = 16 << 20 };

/* ---- the newest configuration -------------------------------------------------------------------
 */

static void see_group(struct oracle *o, const Fl__Group *g)
{
    if (o->group_count == GROUPS_MAX)
        return;
    struct group_view *v = &o->groups[o->group_count++];
    uint32_t lost = v->id == g->id ? v->lost : 0, in_sync = 0;
    *v = (struct group_view){.id = g->id, .primary = g->primary, .epoch = g->epoch};
    for (size_t i = 0; i < g->n_in_sync; i++)
        in_sync |= 1u << g->in_sync[i];
    v->lost = lost & in_sync;
    for (size_t i = 0; i < g->n_in_sync && i < MACHINES; i++)
        v->in_sync[v->in_sync_count++] = g->in_sync[i];
    if (v->in_sync_count == 0)
        world_violation(o->w, "INV-4: group %u has no in-sync member", g->id);
}

void oracle_refresh(struct oracle *o)
{
    struct arena a;
    if (o->newest == NULL)
        return;
    arena_init(&a, &o->mem, ORACLE_ARENA_MAX);
    const Fl__ClusterConfig *c = meta_config(coordinator_meta(o->newest), false, &a);
    must(c != NULL);
    o->newest = NULL;
    o->group_count = o->volume_group_count = 0;
    for (size_t i = 0; i < c->n_groups; i++)
        see_group(o, c->groups[i]);
    if (c->n_volumes > 0)
        for (size_t i = 0; i < c->volumes[0]->n_groups && i < GROUPS_MAX; i++)
            o->volume_groups[o->volume_group_count++] = c->volumes[0]->groups[i];
    arena_fini(&a);
}

void oracle_coordinator(struct oracle *o, const struct coordinator *c)
{
    uint64_t index = meta_index(coordinator_meta(c));
    if (index <= o->index)
        return;
    o->index = index;
    o->newest = c;
}

void oracle_coordinator_gone(struct oracle *o, const struct coordinator *c)
{
    oracle_refresh(o);
    must(o->newest != c);
}

static const struct coordinator *most_advanced(const struct oracle *o)
{
    const struct coordinator *best = NULL;
    const struct cluster *k = o->w->cluster;
    for (uint32_t i = 0; i < MACHINES; i++) {
        const struct coordinator *c = k->coords[i].core;
        if (c != NULL &&
            (best == NULL || meta_index(coordinator_meta(c)) > meta_index(coordinator_meta(best))))
            best = c;
    }
    return best;
}

void oracle_opened(struct oracle *o, uint32_t file, uint64_t open_id)
{
    const struct coordinator *c = most_advanced(o);
    struct arena a;
    Fl__QueryInfo info = FL__QUERY_INFO__INIT;
    Fl__Query query = FL__QUERY__INIT;
    if (o->files[file].known || c == NULL)
        return;
    info.open_id = open_id;
    query.body_case = FL__QUERY__BODY_INFO;
    query.info = &info;
    arena_init(&a, &o->mem, ORACLE_ARENA_MAX);
    const Fl__Reply *r = meta_query(coordinator_meta(c), &query, &a);
    if (r != NULL && r->body_case == FL__REPLY__BODY_INFO) {
        const Fl__FileInfo *f = r->info->info;
        o->files[file] = (struct placement){true, f->volume, f->first_group, f->data_id};
        must(f->data_id != 0);
    }
    arena_fini(&a);
}

/* ---- invariant 3 ---- */

void oracle_primaries(struct oracle *o)
{
    const struct cluster *k = o->w->cluster;
    oracle_refresh(o);
    for (uint32_t g = 0; g < o->group_count; g++) {
        uint32_t found = 0;
        for (uint32_t i = 0; i < MACHINES; i++) {
            const struct node_host *h = &k->nodes[i];
            if (h->core == NULL ||
                replication_serves_until(node_replication(h->core), o->groups[g].id) <=
                    local_now(o->w, h->proc.host))
                continue;
            if (found != 0)
                world_violation(o->w, "INV-3: nodes %u and %u are primaries of group %u", found,
                                i + 1, o->groups[g].id);
            found = i + 1;
        }
    }
}

/* ---- invariant 4 ---- */

static const struct group_view *group_of(const struct oracle *o, const struct placement *p,
                                         uint64_t index)
{
    if (o->volume_group_count == 0)
        return NULL;
    uint32_t id = o->volume_groups[(p->first_group + index) % o->volume_group_count];
    for (uint32_t i = 0; i < o->group_count; i++)
        if (o->groups[i].id == id)
            return &o->groups[i];
    return NULL;
}

bool oracle_may_lose(struct oracle *o, uint32_t node)
{
    oracle_refresh(o);
    for (uint32_t i = 0; i < o->group_count; i++) {
        const struct group_view *g = &o->groups[i];
        uint32_t others = 0;
        bool in_sync = false;
        for (uint32_t k = 0; k < g->in_sync_count; k++) {
            in_sync |= g->in_sync[k] == node;
            others += g->in_sync[k] != node && (g->lost >> g->in_sync[k] & 1) == 0;
        }
        if (g->primary == node || (in_sync && others == 0))
            return false;
    }
    return o->group_count > 0;
}

void oracle_lost(struct oracle *o, uint32_t node)
{
    for (uint32_t i = 0; i < o->group_count; i++)
        for (uint32_t k = 0; k < o->groups[i].in_sync_count; k++)
            if (o->groups[i].in_sync[k] == node)
                o->groups[i].lost |= 1u << node;
}

/* The bytes count as if they were read now; nothing is remembered. */
static void judge_disk(struct oracle *o, uint32_t file, uint32_t atom, const uint8_t *bytes,
                       uint32_t member)
{
    uint32_t write;
    o->disk_atoms++;
    if (!atom_name(o, bytes, file, atom, &write)) {
        world_violation(o->w, "INV-4: node %u holds bytes nobody wrote, file %u byte %u", member,
                        file, atom * ATOM);
        return;
    }
    if (write == 0 && atom_zeroed(o, file, atom)) {
        struct version seen = {.first_end = UINT64_MAX, .last_begin = o->w->now_ns};
        if (zeros_clash(o, file, atom, &seen))
            world_violation(o->w, "INV-4: node %u is in sync and holds zeros that are nobody's",
                            member);
        return;
    }
    const struct version *v = version_of(o, file, atom, write);
    if (v == NULL) {
        world_violation(o->w, "INV-4: node %u holds write %u where it did not write, byte %u",
                        member, write, atom * ATOM);
        return;
    }
    struct version now = *v;
    now.last_begin = o->w->now_ns;
    const struct version *x = zone_clash(o, file, atom, &now);
    if (x != NULL)
        world_violation(o->w,
                        "INV-4: node %u is in sync and holds write %u, not the later write %u that "
                        "was acknowledged or read, file %u byte %u",
                        member, write, x->write, file, atom * ATOM);
}

static void disk_part(struct oracle *o, uint32_t file, uint32_t atom, uint32_t count)
{
    static uint8_t bytes[EXTENT_BYTES];
    const struct placement *p = &o->files[file];
    const struct cluster *k = o->w->cluster;
    uint64_t offset = (uint64_t)atom * ATOM;
    const struct group_view *g = group_of(o, p, offset / EXTENT_BYTES);
    for (uint32_t i = 0; g != NULL && i < g->in_sync_count; i++) {
        struct store_file f = {.kind = STORE_FILE_EXTENT};
        if ((g->lost >> g->in_sync[i] & 1) != 0)
            continue;
        f.extent = (struct store_extent){p->volume, g->id, p->data_id, offset / EXTENT_BYTES};
        simdisk_peek(&k->nodes[g->in_sync[i] - 1].disk, &f, offset % EXTENT_BYTES, count * ATOM,
                     bytes);
        for (uint32_t j = 0; j < count && !o->w->broken; j++)
            judge_disk(o, file, atom + j, bytes + j * ATOM, g->in_sync[i]);
    }
}

void oracle_disk_range(struct oracle *o, uint32_t file, uint32_t atom, uint32_t count)
{
    oracle_refresh(o);
    while (o->files[file].known && count > 0 && !o->w->broken) {
        uint32_t left = EXTENT_BYTES / ATOM - atom % (EXTENT_BYTES / ATOM);
        uint32_t n = count < left ? count : left;
        disk_part(o, file, atom, n);
        atom += n;
        count -= n;
    }
}

void oracle_disks(struct oracle *o)
{
    for (uint32_t file = 0; file < FILES_MAX; file++)
        for (uint32_t atom = 0, end; atom < FILE_ATOMS; atom = end) {
            for (end = atom + 1;
                 end < FILE_ATOMS && o->heads[file][atom] != 0 && o->heads[file][end] != 0;)
                end++;
            if (o->heads[file][atom] != 0)
                oracle_disk_range(o, file, atom, end - atom);
        }
}

bool oracle_whole(struct oracle *o, uint32_t replicas)
{
    oracle_refresh(o);
    for (uint32_t i = 0; i < o->group_count; i++)
        if (o->groups[i].primary == 0 || o->groups[i].in_sync_count != replicas)
            return false;
    return o->group_count > 0;
}

/* ---- invariant 7 ---- */

static void see_state(struct oracle *o, const struct coord_host *h)
{
    struct mem mem = sim_mem();
    const struct meta *m = coordinator_meta(h->core);
    uint64_t index = meta_index(m);
    uint8_t *bytes;
    size_t len;
    if (index == 0)
        return;
    must(meta_save(m, &mem, &bytes, &len));
    uint64_t hash = XXH3_64bits(bytes, len);
    mem_free(&mem, bytes, len);
    o->saves++;
    for (uint32_t i = 0; i < SEEN_MAX; i++)
        if (o->seen[i].index == index && o->seen[i].hash != hash)
            world_violation(o->w, "INV-7: coordinator %u has another state at index %lu",
                            h->proc.number, index);
    o->seen[o->seen_next % SEEN_MAX].index = index;
    o->seen[o->seen_next++ % SEEN_MAX].hash = hash;
}

void oracle_states(struct oracle *o)
{
    const struct cluster *k = o->w->cluster;
    for (uint32_t i = 0; i < MACHINES; i++)
        if (k->coords[i].core != NULL)
            see_state(o, &k->coords[i]);
}
