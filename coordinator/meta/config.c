/* The configuration as nodes, witnesses and administrators see it. Everything is copied to the
 * arena, because the state may change before it is sent. */
#include "coordinator/meta/meta_int.h"

/* A copy of these bytes; `*ok` becomes false when the arena refuses. */
static ProtobufCBinaryData bytes_of(struct slice s, struct arena *a, bool *ok)
{
    struct slice copy = arena_copy(a, s);
    *ok = *ok && copy.len == s.len;
    return pb_bytes(copy);
}

static char *text_of(const struct blob *b, struct arena *a, bool *ok)
{
    char *text = blob_text(b, a);
    *ok = *ok && text != NULL;
    return text;
}

static uint32_t *ids_of(const uint32_t *ids, uint32_t count, struct arena *a, bool *ok)
{
    uint32_t *copy = arena_array(a, count, sizeof(*copy));
    *ok = *ok && copy != NULL;
    if (copy != NULL)
        memcpy(copy, ids, count * sizeof(*copy));
    return copy;
}

/* An array of `count` pointers to zeroed objects of `size` bytes, in one piece each. */
static void **objects(struct arena *a, size_t count, size_t size)
{
    void **list = arena_array(a, count, sizeof(void *));
    for (size_t i = 0; list != NULL && i < count; i++) {
        list[i] = arena_alloc(a, size);
        if (list[i] == NULL)
            return NULL;
    }
    return list;
}

static bool node_out(const struct node *n, struct arena *a, Fl__Node *to)
{
    bool ok = true;
    fl__node__init(to);
    to->id = n->id;
    to->name = text_of(&n->name.utf8, a, &ok);
    to->address = text_of(&n->address, a, &ok);
    to->data_port = n->data_port;
    to->state = n->state;
    to->incarnation = n->incarnation;
    to->session = n->session;
    to->store_id = bytes_of(blob_slice(&n->store_id), a, &ok);
    to->coordinator = n->coordinator;
    to->coordinator_port = n->coordinator_port;
    return ok;
}

static bool nodes_out(const struct meta *m, struct arena *a, Fl__ClusterConfig *to)
{
    bool ok = true;
    to->nodes = (Fl__Node **)objects(a, m->nodes.count, sizeof(Fl__Node));
    for (const struct node *n = node_first(m); n != NULL && to->nodes != NULL; n = node_next(n))
        ok = node_out(n, a, to->nodes[to->n_nodes++]) && ok;
    return ok && to->nodes != NULL;
}

static bool volumes_out(const struct meta *m, struct arena *a, Fl__ClusterConfig *to)
{
    bool ok = true;
    to->volumes = (Fl__Volume **)objects(a, m->volumes.count, sizeof(Fl__Volume));
    if (to->volumes == NULL)
        return false;
    for (const struct volume *v = volume_first(m); v != NULL; v = volume_next(v)) {
        Fl__Volume *t = to->volumes[to->n_volumes++];
        fl__volume__init(t);
        t->id = v->id;
        t->name = text_of(&v->name.utf8, a, &ok);
        t->replicas = v->replicas;
        t->extent_bytes = v->extent_bytes;
        t->root_inode = v->root->id;
        t->groups = arena_array(a, v->group_count, sizeof(*t->groups));
        for (uint32_t i = 0; i < v->group_count && t->groups != NULL; i++)
            t->groups[t->n_groups++] = v->groups[i]->id;
        ok = ok && t->groups != NULL;
    }
    return ok;
}

static bool groups_out(const struct meta *m, struct arena *a, Fl__ClusterConfig *to)
{
    bool ok = true;
    to->groups = (Fl__Group **)objects(a, m->groups.count, sizeof(Fl__Group));
    if (to->groups == NULL)
        return false;
    for (const struct group *g = group_first(m); g != NULL; g = group_next(g)) {
        Fl__Group *t = to->groups[to->n_groups++];
        fl__group__init(t);
        t->id = g->id;
        t->volume = g->volume->id;
        t->epoch = g->epoch;
        t->primary = g->primary;
        t->members = ids_of(g->members, g->member_count, a, &ok);
        t->in_sync = ids_of(g->in_sync, g->in_sync_count, a, &ok);
        t->n_members = t->members == NULL ? 0 : g->member_count;
        t->n_in_sync = t->in_sync == NULL ? 0 : g->in_sync_count;
    }
    return ok;
}

static bool grants_out(const struct share *s, struct arena *a, Fl__Share *to)
{
    bool ok = true;
    to->grants = (Fl__ShareGrant **)objects(a, s->grant_count, sizeof(Fl__ShareGrant));
    if (to->grants == NULL)
        return false;
    for (uint32_t i = 0; i < s->grant_count; i++) {
        Fl__ShareGrant *t = to->grants[to->n_grants++];
        fl__share_grant__init(t);
        t->principal = text_of(&s->grants[i].principal, a, &ok);
        t->sid = bytes_of(blob_slice(&s->grants[i].sid), a, &ok);
        t->access = s->grants[i].access;
        t->deny = s->grants[i].deny;
    }
    return ok;
}

static bool shares_out(const struct meta *m, struct arena *a, Fl__ClusterConfig *to)
{
    bool ok = true;
    to->shares = (Fl__Share **)objects(a, m->shares.count, sizeof(Fl__Share));
    if (to->shares == NULL)
        return false;
    for (const struct share *s = share_first(m); s != NULL; s = share_next(s)) {
        Fl__Share *t = to->shares[to->n_shares++];
        fl__share__init(t);
        t->name = text_of(&s->name.utf8, a, &ok);
        t->volume = s->root->volume->id;
        t->root_inode = s->root->id;
        t->path = text_of(&s->path, a, &ok);
        t->comment = text_of(&s->comment, a, &ok);
        t->scale_out = s->scale_out;
        t->continuous = s->continuous;
        t->encrypt = s->encrypt;
        t->compress = s->compress;
        t->abe = s->abe;
        t->leasing = s->leasing;
        t->uses_max = s->uses_max;
        t->caching = s->caching;
        ok = grants_out(s, a, t) && ok;
    }
    return ok;
}

static bool users_out(const struct meta *m, bool secrets, struct arena *a, Fl__ClusterConfig *to)
{
    bool ok = true;
    to->users = (Fl__User **)objects(a, m->users.count, sizeof(Fl__User));
    if (to->users == NULL)
        return false;
    for (const struct user *u = user_first(m); u != NULL; u = user_next(u)) {
        Fl__User *t = to->users[to->n_users++];
        struct sid sid;
        uint8_t bytes[SID_BYTES_MAX];
        fl__user__init(t);
        t->name = text_of(&u->name.utf8, a, &ok);
        t->administrator = u->administrator;
        if (user_sid(m, u, &sid))
            t->sid = bytes_of(sid_bytes(&sid, bytes), a, &ok);
        if (secrets)
            t->nt_hash = bytes_of(slice_of(u->nt_hash, sizeof(u->nt_hash)), a, &ok);
    }
    return ok;
}

Fl__ClusterConfig *meta_config(const struct meta *m, bool secrets, struct arena *a)
{
    bool ok = true;
    Fl__ClusterConfig *c = arena_alloc(a, sizeof(*c));
    if (c == NULL)
        return NULL;
    fl__cluster_config__init(c);
    c->version = m->index;
    c->cluster_id = bytes_of(blob_slice(&m->cluster_id), a, &ok);
    c->cluster_name = text_of(&m->cluster_name, a, &ok);
    c->domain_sid = bytes_of(blob_slice(&m->domain_sid), a, &ok);
    ok = ok && nodes_out(m, a, c) && volumes_out(m, a, c) && groups_out(m, a, c) &&
         shares_out(m, a, c) && users_out(m, secrets, a, c);
    return ok ? c : NULL;
}
