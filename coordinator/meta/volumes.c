/* Volumes: how many copies of their data there are, and where the groups that hold it lie. */
#include "coordinator/meta/wait.h"

#define EXTENT_DEFAULT (UINT64_C(64) << 20)
#define EXTENT_MIN (UINT64_C(1) << 20)
#define EXTENT_MAX (UINT64_C(1) << 30)

struct volume *volume_by_name(const struct meta *m, const struct label *name)
{
    for (struct volume *v = volume_first(m); v != NULL; v = volume_next(v))
        if (label_is(&v->name, name))
            return v;
    return NULL;
}

void volume_free(struct meta *m, struct volume *v)
{
    for (uint32_t i = 0; v->groups != NULL && i < v->group_count; i++)
        mem_free(m->mem, v->groups[i], sizeof(*v->groups[i]));
    mem_free(m->mem, v->groups, v->group_count * sizeof(*v->groups));
    label_free(m->mem, &v->name);
    mem_free(m->mem, v, sizeof(*v));
}

uint64_t volume_slots(const struct meta *m, const struct volume *v)
{
    uint64_t slots = 0;
    for (uint32_t i = 0; i < v->group_count; i++)
        for (uint32_t k = 0; k < v->groups[i]->member_count; k++) {
            const struct node *n = node_get(m, v->groups[i]->members[k]);
            if (n != NULL)
                slots |= slot_bit(n);
        }
    return slots;
}

/* The nodes that may hold data, in order of id. */
static uint32_t storers(const struct meta *m, uint32_t ids[META_NODES_MAX])
{
    uint32_t count = 0;
    for (const struct node *n = node_first(m); n != NULL; n = node_next(n))
        if (n->state != FL__NODE_STATE__NODE_INVITED)
            ids[count++] = n->id;
    return count;
}

/* Members of the i-th group of a volume: it begins at each node in turn, and each time round the
 * others follow at another distance, so that every pair of nodes shares about as many groups. */
static void place_group(struct group *g, uint32_t i, const uint32_t *ids, uint32_t count)
{
    uint64_t used = 0;
    uint32_t at = i % count;
    uint32_t stride = count > 1 ? 1 + i / count % (count - 1) : 1;
    for (uint32_t k = 0; k < g->member_count; k++) {
        while ((used >> at & 1) != 0)
            at = (at + 1) % count;
        used |= UINT64_C(1) << at;
        g->members[k] = g->in_sync[k] = ids[at];
        at = (at + stride) % count;
    }
    g->in_sync_count = g->member_count;
}

struct plan {
    const char *why;
    uint32_t replicas, groups, storers;
    uint64_t extent_bytes;
    uint32_t ids[META_NODES_MAX];
};

static struct plan plan_volume(const struct meta *m, const Fl__VolumeCreate *c)
{
    struct plan p = {.replicas = c->replicas};
    p.groups = c->groups == 0 ? META_GROUPS_DEFAULT : c->groups;
    p.extent_bytes = c->extent_bytes == 0 ? EXTENT_DEFAULT : c->extent_bytes;
    p.storers = storers(m, p.ids);
    if (!m->founded)
        p.why = "there is no cluster yet";
    else if (p.replicas < 1 || p.replicas > META_REPLICAS_MAX)
        p.why = "a volume has 1, 2 or 3 replicas";
    else if (p.storers < p.replicas)
        p.why = "there are fewer nodes than replicas";
    else if (p.groups > META_GROUPS_MAX)
        p.why = "a volume has at most 1024 groups";
    else if (p.extent_bytes < EXTENT_MIN || p.extent_bytes > EXTENT_MAX ||
             (p.extent_bytes & (p.extent_bytes - 1)) != 0)
        p.why = "the extent size is a power of two from 1 MiB to 1 GiB";
    else if (m->volumes.count >= META_VOLUMES_MAX)
        p.why = "there are too many volumes";
    return p;
}

static bool volume_fill(struct work *w, struct volume *v, const struct plan *p)
{
    struct mem *mem = w->m->mem;
    v->groups = mem_array(mem, p->groups, sizeof(struct group *));
    if (v->groups == NULL)
        return false;
    v->group_count = p->groups;
    for (uint32_t i = 0; i < p->groups; i++) {
        struct group *g = mem_alloc(mem, sizeof(*g));
        if (g == NULL)
            return false;
        v->groups[i] = g;
        g->member_count = p->replicas;
        place_group(g, i, p->ids, p->storers);
    }
    struct descriptor *d = descriptor_root(w);
    v->root = d == NULL ? NULL : inode_new(w->m, (struct slice){0}, true, d);
    if (v->root == NULL && d != NULL)
        descriptor_put(w->m, d);
    return v->root != NULL && outbox_reserve(w, 1);
}

static void commit_volume(struct work *w, struct volume *v, const struct plan *p)
{
    struct meta *m = w->m;
    v->id = m->next_volume++;
    v->replicas = p->replicas;
    v->extent_bytes = p->extent_bytes;
    v->creation_time = w->now;
    v->next_inode = v->next_data = 1;
    volume_insert(m, v);
    for (uint32_t i = 0; i < p->groups; i++) {
        struct group *g = v->groups[i];
        g->id = m->next_group++;
        g->volume = v;
        g->epoch = 1;
        group_insert(m, g);
        group_set_primary(m, g, group_choose_primary(m, g));
    }
    struct inode *root = v->root;
    root->creation_time = root->access_time = root->write_time = w->now;
    inode_attach(m, v, root);
    inode_changed(w, root);
    reply_admin(w, v->id);
    post_config_changed(w);
}

ntstatus apply_volume_create(struct work *w, const Fl__VolumeCreate *c)
{
    struct meta *m = w->m;
    struct plan p = plan_volume(m, c);
    struct label name;
    const char *why = p.why != NULL ? p.why : label_make(w, c->name, &name);
    if (why != NULL)
        return refuse(w, STATUS_INVALID_PARAMETER, why);
    if (volume_by_name(m, &name) != NULL) {
        label_free(m->mem, &name);
        return refuse(w, STATUS_OBJECT_NAME_COLLISION, "a volume of that name exists");
    }
    struct volume *v = mem_alloc(m->mem, sizeof(*v));
    if (v == NULL) {
        label_free(m->mem, &name);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    v->name = name;
    if (!volume_fill(w, v, &p)) {
        if (v->root != NULL)
            inode_free(m, v->root);
        volume_free(m, v);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    commit_volume(w, v, &p);
    return STATUS_OK;
}

static void remove_files(struct meta *m, struct volume *v)
{
    uint64_t slots = volume_slots(m, v);
    for (struct inode *i; (i = inode_first(v)) != NULL;) {
        inode_remove(m, i);
        inode_trees_init(i); /* what lies below goes as well, one by one */
        wait_orphan(m, i);
        if (!is_directory(i))
            reclaim_quietly(m, i, slots);
        inode_free(m, i);
    }
    v->root = NULL;
}

ntstatus apply_volume_remove(struct work *w, const Fl__VolumeRemove *c)
{
    struct meta *m = w->m;
    struct label name;
    const char *why = label_make(w, c->name, &name);
    if (why != NULL)
        return refuse(w, STATUS_INVALID_PARAMETER, why);
    struct volume *v = volume_by_name(m, &name);
    label_free(m->mem, &name);
    if (v == NULL)
        return refuse(w, STATUS_OBJECT_NAME_NOT_FOUND, "there is no such volume");
    for (const struct share *s = share_first(m); s != NULL; s = share_next(s))
        if (s->root->volume == v)
            return refuse(w, STATUS_REQUEST_NOT_ACCEPTED,
                          "the volume has shares: remove them first");
    if (!opens_lost_prepare(w, v, 0) || !outbox_reserve(w, w->box->cap - w->box->count + 1))
        return STATUS_INSUFFICIENT_RESOURCES;

    opens_lost_commit(w, v, 0);
    remove_files(m, v);
    for (uint32_t i = 0; i < v->group_count; i++) {
        group_set_primary(m, v->groups[i], 0);
        tree_remove(&m->groups, &v->groups[i]->by_id);
    }
    reply_admin(w, v->id);
    tree_remove(&m->volumes, &v->by_id);
    volume_free(m, v);
    post_config_changed(w);
    return STATUS_OK;
}
