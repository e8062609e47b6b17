/* Reading a state back. The bytes may be anybody's: whatever they say is looked up before it is
 * believed, and the whole must satisfy the invariants in the end. */
#include "coordinator/meta/locks.h"
#include "coordinator/meta/notify.h"
#include "coordinator/meta/snapshot.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

struct source {
    struct meta *m;
    struct mem *mem;
    struct reader r;
    struct descriptor **descriptors;
    uint32_t descriptor_count;
    bool failed; /* memory is exhausted, or a reference leads nowhere */
};

static bool fine(const struct source *s) { return !s->failed && !s->r.bad; }

static void fail_unless(struct source *s, bool cond) { s->failed = s->failed || !cond; }

static void *take(struct source *s, size_t size)
{
    void *at = fine(s) ? mem_alloc(s->mem, size) : NULL;
    fail_unless(s, at != NULL);
    return at;
}

static bool get_bool(struct source *s)
{
    uint8_t v = read_u8(&s->r);
    fail_unless(s, v <= 1);
    return v == 1;
}

static struct slice get_slice(struct source *s, size_t max)
{
    uint32_t len = read_u32(&s->r);
    fail_unless(s, len <= max);
    return s->failed ? (struct slice){0} : read_slice(&s->r, len);
}

static struct blob get_blob(struct source *s, size_t max)
{
    struct blob b = {0};
    struct slice from = get_slice(s, max);
    fail_unless(s, fine(s) && blob_copy(s->mem, from, &b));
    return b;
}

static struct label get_label(struct source *s)
{
    struct label l;
    l.utf8 = get_blob(s, META_LABEL_MAX * 3);
    l.utf16 = get_blob(s, META_LABEL_MAX * 2);
    fail_unless(s, l.utf8.len > 0 && l.utf16.len > 0 && l.utf16.len % 2 == 0);
    return l;
}

/* How many records follow, none of them shorter than `least` bytes. */
static uint32_t get_count(struct source *s, size_t least)
{
    uint32_t count = read_u32(&s->r);
    fail_unless(s, count <= read_left(&s->r) / least);
    return fine(s) ? count : 0;
}

static void get_window(struct source *s, struct node *n)
{
    uint32_t count = get_count(s, 13);
    fail_unless(s, count <= META_WINDOW_MAX);
    for (uint32_t k = 0; k < count && fine(s); k++) {
        struct remembered *r = take(s, sizeof(*r));
        if (r == NULL)
            return;
        r->sequence = read_u64(&s->r);
        r->pending = get_bool(s);
        struct slice bytes = get_slice(s, META_REPLY_MAX);
        r->len = (uint32_t)bytes.len;
        if (bytes.len > 0)
            memcpy(r->bytes, bytes.at, bytes.len);
        fail_unless(s, window_get(n, r->sequence) == NULL && (!r->pending || r->len == 0));
        if (fine(s))
            window_add(n, r);
        else
            mem_free(s->mem, r, sizeof(*r));
    }
}

static void get_node(struct source *s)
{
    struct node *n = take(s, sizeof(*n));
    if (n == NULL)
        return;
    list_init(&n->opens);
    list_init(&n->waits);
    n->id = read_u32(&s->r);
    n->slot = read_u32(&s->r);
    n->state = read_u8(&s->r);
    n->name = get_label(s);
    n->address = get_blob(s, META_TEXT_MAX);
    n->data_port = read_u32(&s->r);
    n->coordinator_port = read_u32(&s->r);
    n->coordinator = get_bool(s);
    n->incarnation = read_u64(&s->r);
    n->session = read_u64(&s->r);
    n->store_id = get_blob(s, 16);
    n->token_hash = get_blob(s, 64);
    n->expires = read_u64(&s->r);
    n->window_floor = read_u64(&s->r);
    get_window(s, n);
    fail_unless(s, n->state <= FL__NODE_STATE__NODE_INVITED && n->slot < META_NODES_MAX &&
                       node_get(s->m, n->id) == NULL);
    if (fine(s))
        node_insert(s->m, n);
    else
        node_free(s->m, n);
}

static void get_descriptors(struct source *s)
{
    uint32_t count = get_count(s, 4);
    if (count == 0)
        return;
    s->descriptors = take(s, count * sizeof(struct descriptor *));
    if (s->descriptors == NULL)
        return;
    s->descriptor_count = count;
    for (uint32_t k = 0; k < count && fine(s); k++) {
        struct slice bytes = get_slice(s, SECURITY_BYTES_MAX);
        fail_unless(s, bytes.len > 0);
        struct descriptor *d = fine(s) ? descriptor_take(s->m, bytes) : NULL;
        fail_unless(s, d != NULL && d->refs == 1); /* listed once */
        s->descriptors[k] = d;
    }
}

/* The references of the list itself; what no file has goes. */
static void drop_descriptors(struct source *s)
{
    for (uint32_t k = 0; k < s->descriptor_count; k++) {
        if (s->descriptors[k] == NULL)
            continue;
        fail_unless(s, s->descriptors[k]->refs > 1);
        descriptor_put(s->m, s->descriptors[k]);
    }
    mem_free(s->mem, s->descriptors, s->descriptor_count * sizeof(struct descriptor *));
}

static void get_group(struct source *s, struct volume *v, uint32_t k)
{
    struct group *g = take(s, sizeof(*g));
    if (g == NULL)
        return;
    v->groups[k] = g;
    g->volume = v;
    g->id = read_u32(&s->r);
    g->epoch = read_u64(&s->r);
    uint32_t primary = read_u32(&s->r);
    g->lost = get_bool(s);
    g->member_count = read_u32(&s->r);
    fail_unless(s, g->member_count <= META_REPLICAS_MAX);
    for (uint32_t i = 0; i < g->member_count && fine(s); i++)
        g->members[i] = read_u32(&s->r);
    g->in_sync_count = read_u32(&s->r);
    fail_unless(s, g->in_sync_count <= META_REPLICAS_MAX);
    for (uint32_t i = 0; i < g->in_sync_count && fine(s); i++)
        g->in_sync[i] = read_u32(&s->r);
    fail_unless(s, group_get(s->m, g->id) == NULL &&
                       (primary == 0 || node_get(s->m, primary) != NULL));
    if (!fine(s))
        return;
    group_insert(s->m, g);
    group_set_primary(s->m, g, primary);
}

static struct inode *get_inode(struct source *s, uint64_t *parent)
{
    struct inode facts = {0};
    facts.id = read_u64(&s->r);
    *parent = read_u64(&s->r);
    facts.data_id = read_u64(&s->r);
    facts.creation_time = read_u64(&s->r);
    facts.access_time = read_u64(&s->r);
    facts.write_time = read_u64(&s->r);
    facts.change_time = read_u64(&s->r);
    facts.size = read_u64(&s->r);
    facts.allocation_size = read_u64(&s->r);
    facts.version = read_u64(&s->r);
    facts.attributes = read_u32(&s->r);
    facts.first_group = read_u32(&s->r);
    uint32_t untold = read_u32(&s->r);
    uint8_t flags = read_u8(&s->r);
    uint32_t place = read_u32(&s->r);
    struct slice name = get_slice(s, NAME_COMPONENT_MAX * 2), ea = get_slice(s, EA_SET_MAX);
    struct slice reparse = get_slice(s, REPARSE_BYTES_MAX);
    bool stream = (flags & INODE_STREAM) != 0;
    fail_unless(s, flags <= (INODE_DELETE_PENDING | INODE_STREAM) && name.len % 2 == 0 &&
                       facts.size <= META_SIZE_MAX && untold <= UINT16_MAX);
    fail_unless(s, stream ? place == 0 && facts.attributes == 0 && ea.len == 0
                          : place < s->descriptor_count && ea_is_set(ea));
    if (!fine(s))
        return NULL;
    bool directory = (facts.attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    struct descriptor *d = stream ? NULL : s->descriptors[place];
    struct inode *i = inode_new(s->m, name, directory, d);
    fail_unless(s, i != NULL);
    if (i == NULL)
        return NULL;
    if (d != NULL)
        d->refs++;
    fail_unless(s, blob_copy(s->mem, ea, &i->ea) && blob_copy(s->mem, reparse, &i->reparse));
    i->stream = stream;
    i->id = facts.id, i->data_id = facts.data_id;
    i->creation_time = facts.creation_time, i->access_time = facts.access_time;
    i->write_time = facts.write_time, i->change_time = facts.change_time;
    i->size = facts.size, i->allocation_size = facts.allocation_size;
    i->version = facts.version;
    i->attributes = facts.attributes, i->first_group = facts.first_group;
    i->delete_pending = (flags & INODE_DELETE_PENDING) != 0;
    i->untold = (uint16_t)untold;
    return i;
}

/* Below its directory, or the file whose stream it is. */
static void link_inode(struct source *s, struct inode *parent, struct inode *i)
{
    fail_unless(s, parent != NULL && !parent->stream && i->name_len > 0);
    if (!fine(s))
        return;
    struct slice name = inode_name(i);
    if (i->stream)
        fail_unless(s, stream_get(parent, name) == NULL);
    else
        fail_unless(s, is_directory(parent) && child_get(parent, name) == NULL);
    if (fine(s) && i->stream)
        stream_insert(parent, i);
    else if (fine(s))
        child_insert(parent, i);
}

/* Each inode into its parent's directory; parents[] is in the order of the tree. */
static void link_inodes(struct source *s, struct volume *v, const uint64_t *parents)
{
    uint32_t k = 0;
    for (struct inode *i = inode_first(v); i != NULL && fine(s); i = inode_next(i), k++) {
        if (i == v->root)
            continue;
        link_inode(s, inode_get(v, parents[k]), i);
    }
}

static void get_inodes(struct source *s, struct volume *v, uint64_t root)
{
    uint64_t last = 0;
    uint32_t count = get_count(s, SNAPSHOT_INODE_MIN);
    uint64_t *parents = count == 0 ? NULL : take(s, count * sizeof(*parents));
    if (parents == NULL)
        return;
    for (uint32_t k = 0; k < count && fine(s); k++) {
        struct inode *i = get_inode(s, &parents[k]);
        if (i == NULL)
            break;
        fail_unless(s, i->id > last); /* in order, so parents[] is */
        last = i->id;
        if (fine(s))
            inode_insert(s->m, v, i);
        else
            inode_free(s->m, i);
    }
    v->root = inode_get(v, root);
    if (fine(s))
        link_inodes(s, v, parents);
    fail_unless(s, fine(s) && volume_violated(v) == NULL);
    mem_free(s->mem, parents, count * sizeof(*parents));
}

static void get_volume(struct source *s)
{
    struct volume *v = take(s, sizeof(*v));
    if (v == NULL)
        return;
    v->id = read_u32(&s->r);
    v->name = get_label(s);
    v->replicas = read_u32(&s->r);
    v->extent_bytes = read_u64(&s->r);
    v->creation_time = read_u64(&s->r);
    v->cursor = read_u32(&s->r);
    v->next_inode = read_u64(&s->r);
    v->next_data = read_u64(&s->r);
    uint64_t root = read_u64(&s->r);
    uint32_t count = get_count(s, 25);
    fail_unless(s, count > 0 && count <= META_GROUPS_MAX && v->cursor < count &&
                       volume_get(s->m, v->id) == NULL);
    v->groups = take(s, count * sizeof(struct group *));
    v->group_count = v->groups == NULL ? 0 : count;
    if (!fine(s)) {
        volume_free(s->m, v);
        return;
    }
    volume_insert(s->m, v);
    for (uint32_t k = 0; k < count && fine(s); k++)
        get_group(s, v, k);
    get_inodes(s, v, root);
}

static struct inode *get_reference(struct source *s)
{
    uint32_t volume = read_u32(&s->r);
    uint64_t inode = read_u64(&s->r);
    const struct volume *v = volume_get(s->m, volume);
    struct inode *i = v == NULL ? NULL : inode_get(v, inode);
    fail_unless(s, i != NULL);
    return i;
}

static void get_grants(struct source *s, struct share *sh)
{
    uint32_t count = get_count(s, 13);
    fail_unless(s, count <= META_GRANTS_MAX);
    sh->grants = count == 0 ? NULL : take(s, count * sizeof(*sh->grants));
    if (sh->grants == NULL)
        return;
    sh->grant_count = count;
    for (uint32_t k = 0; k < count && fine(s); k++) {
        struct grant *g = &sh->grants[k];
        g->principal = get_blob(s, META_TEXT_MAX);
        g->sid = get_blob(s, SID_BYTES_MAX);
        g->access = read_u32(&s->r);
        g->deny = get_bool(s);
    }
}

static void get_share(struct source *s)
{
    struct share *sh = take(s, sizeof(*sh));
    if (sh == NULL)
        return;
    sh->name = get_label(s);
    sh->root = get_reference(s);
    sh->path = get_blob(s, META_TEXT_MAX);
    sh->comment = get_blob(s, META_TEXT_MAX);
    sh->scale_out = get_bool(s);
    sh->continuous = get_bool(s);
    sh->encrypt = get_bool(s);
    sh->compress = get_bool(s);
    sh->abe = get_bool(s);
    sh->leasing = read_u8(&s->r);
    sh->uses_max = read_u32(&s->r);
    sh->caching = read_u8(&s->r);
    get_grants(s, sh);
    struct slice key = blob_slice(&sh->name.utf16);
    fail_unless(s, fine(s) && tree_get(&s->m->shares, &key) == NULL && is_directory(sh->root) &&
                       sh->leasing <= FL__LEASING__LEASING_NONE &&
                       share_caching_valid(sh->caching));
    if (fine(s))
        share_insert(s->m, sh);
    else
        share_free(s->m, sh);
}

static void get_user(struct source *s)
{
    struct user *u = take(s, sizeof(*u));
    if (u == NULL)
        return;
    u->name = get_label(s);
    read_copy(&s->r, u->nt_hash, sizeof(u->nt_hash));
    u->rid = read_u32(&s->r);
    u->administrator = get_bool(s);
    fail_unless(s, fine(s) && user_by_name(s->m, &u->name) == NULL);
    if (fine(s))
        user_insert(s->m, u);
    else
        user_free(s->m, u);
}

/* One wait into the list; of an invalidation, or of something else (NULL). */
static void get_wait(struct source *s, struct list *waits, struct invalidation *inv)
{
    struct wait *w = take(s, sizeof(*w));
    if (w == NULL)
        return;
    w->node = node_get(s->m, read_u32(&s->r));
    w->sequence = read_u64(&s->r);
    w->now = read_u64(&s->r);
    w->cancel_id = read_u64(&s->r);
    w->blocked = read_u64(&s->r);
    w->command = get_blob(s, (size_t)64 << 20);
    fail_unless(s, w->node != NULL && w->node->wait_count < META_WAITS_MAX);
    if (!fine(s)) {
        blob_free(s->mem, &w->command);
        mem_free(s->mem, w, sizeof(*w));
        return;
    }
    w->invalidation = inv;
    if (inv != NULL)
        inv->wait_count++;
    wait_add(w, waits);
}

static void get_waits(struct source *s, struct list *waits, struct invalidation *inv)
{
    uint32_t count = get_count(s, 40);
    for (uint32_t k = 0; k < count && fine(s); k++)
        get_wait(s, waits, inv);
}

static void get_lease(struct source *s)
{
    struct lease *l = take(s, sizeof(*l));
    if (l == NULL)
        return;
    list_init(&l->in_inode);
    list_init(&l->opens);
    list_init(&l->waits);
    l->id = read_u64(&s->r);
    l->inode = get_reference(s);
    read_copy(&s->r, l->client_guid, sizeof(l->client_guid));
    read_copy(&s->r, l->key, sizeof(l->key));
    read_copy(&s->r, l->parent_key, sizeof(l->parent_key));
    l->version = read_u8(&s->r);
    l->has_parent = get_bool(s);
    l->epoch = (uint16_t)read_u32(&s->r);
    l->state = read_u8(&s->r);
    l->breaking = get_bool(s);
    l->lost = get_bool(s);
    l->sent = read_u8(&s->r);
    l->to = read_u8(&s->r);
    l->deadline = read_u64(&s->r);
    fail_unless(s, fine(s) && lease_get(s->m, l->id) == NULL &&
                       (l->version == 0 || lease_by_key(s->m, l->client_guid, l->key) == NULL));
    if (!fine(s)) {
        mem_free(s->mem, l, sizeof(*l));
        return;
    }
    lease_insert(s->m, l);
    get_waits(s, &l->waits, NULL);
}

static void get_open(struct source *s)
{
    struct open *o = take(s, sizeof(*o));
    if (o == NULL)
        return;
    list_init(&o->in_inode);
    list_init(&o->in_node);
    list_init(&o->in_lease);
    o->id = read_u64(&s->r);
    o->inode = get_reference(s);
    o->node = node_get(s->m, read_u32(&s->r));
    o->root_inode = read_u64(&s->r);
    uint64_t lease = read_u64(&s->r);
    o->granted = read_u32(&s->r);
    o->share_access = read_u32(&s->r);
    o->options = read_u32(&s->r);
    uint32_t flags = read_u32(&s->r);
    o->delete_on_close = (flags & OPEN_DELETE_ON_CLOSE) != 0;
    o->user_write_time = (flags & OPEN_USER_WRITE_TIME) != 0;
    o->user_change_time = (flags & OPEN_USER_CHANGE_TIME) != 0;
    o->user_access_time = (flags & OPEN_USER_ACCESS_TIME) != 0;
    o->watches = (flags & OPEN_WATCHES) != 0;
    o->watch_tree = (flags & OPEN_WATCH_TREE) != 0;
    o->marked = (flags & OPEN_MARKED) != 0;
    o->watch_filter = read_u32(&s->r);
    read_copy(&s->r, o->client_guid, sizeof(o->client_guid));
    read_copy(&s->r, o->create_guid, sizeof(o->create_guid));
    if ((flags & OPEN_LOCK_SEQUENCES) != 0)
        read_copy(&s->r, o->lock_sequences, sizeof(o->lock_sequences));
    struct lease *l = lease == 0 ? NULL : lease_get(s->m, lease);
    fail_unless(s, o->node != NULL && open_get(s->m, o->id) == NULL && flags <= OPEN_FLAGS &&
                       (lease == 0) == (l == NULL));
    if (!fine(s)) {
        mem_free(s->mem, o, sizeof(*o));
        return;
    }
    open_insert(s->m, o);
    if (l != NULL)
        lease_join(l, o);
    if (o->watches)
        notify_open_watches(o);
}

static void get_reclaim(struct source *s)
{
    struct reclaim *r = take(s, sizeof(*r));
    if (r == NULL)
        return;
    r->ticket = read_u64(&s->r);
    r->volume = read_u32(&s->r);
    r->data_id = read_u64(&s->r);
    r->slots = read_u64(&s->r);
    fail_unless(s, fine(s) && tree_get(&s->m->reclaims, &r->ticket) == NULL);
    if (fine(s))
        reclaim_insert(s->m, r);
    else
        reclaim_free(s->m, r);
}

static void get_invalidation(struct source *s)
{
    struct invalidation *inv = take(s, sizeof(*inv));
    if (inv == NULL)
        return;
    list_init(&inv->waits);
    inv->ticket = read_u64(&s->r);
    inv->inode = get_reference(s);
    inv->asked = read_u64(&s->r);
    inv->clean = read_u64(&s->r);
    fail_unless(s, fine(s) && inv->inode->invalidation == NULL &&
                       invalidation_get(s->m, inv->ticket) == NULL);
    if (!fine(s)) {
        mem_free(s->mem, inv, sizeof(*inv));
        return;
    }
    inv->inode->invalidation = inv;
    invalidation_insert(s->m, inv);
    get_waits(s, &inv->waits, inv);
}

/* Returns whose range it is. */
static struct open *get_range(struct source *s)
{
    struct open *o = open_get(s->m, read_u64(&s->r));
    struct byterange at = {.offset = read_u64(&s->r)};
    at.length = read_u64(&s->r);
    at.exclusive = get_bool(s);
    fail_unless(s, o != NULL);
    fail_unless(s, fine(s) && range_restore(s->m, o, &at));
    return o;
}

static void get_locks(struct source *s)
{
    uint32_t count = get_count(s, 25);
    struct inode *of = NULL;
    fail_unless(s, count > 0);
    for (uint32_t k = 0; k < count && fine(s); k++) {
        const struct open *o = get_range(s);
        fail_unless(s, o != NULL && (of == NULL || of == o->inode));
        of = fine(s) ? o->inode : NULL;
    }
    if (fine(s))
        get_waits(s, &of->locks->waits, NULL);
}

static void get_head(struct source *s)
{
    struct meta *m = s->m;
    fail_unless(s, read_u32(&s->r) == SNAPSHOT_MAGIC);
    fail_unless(s, read_u32(&s->r) == SNAPSHOT_VERSION);
    m->index = read_u64(&s->r);
    m->founded = get_bool(s);
    m->cluster_id = get_blob(s, 16);
    m->cluster_name = get_blob(s, META_TEXT_MAX);
    m->domain_sid = get_blob(s, SID_BYTES_MAX);
    m->ca_key = get_blob(s, META_PEM_MAX);
    m->ca_cert = get_blob(s, META_PEM_MAX);
    m->next_open = read_u64(&s->r);
    m->next_ticket = read_u64(&s->r);
    m->next_lease = read_u64(&s->r);
    m->next_rid = read_u32(&s->r);
    m->next_node = read_u32(&s->r);
    m->next_volume = read_u32(&s->r);
    m->next_group = read_u32(&s->r);
}

static void get_each(struct source *s, size_t least, void (*get)(struct source *))
{
    uint32_t count = get_count(s, least);
    for (uint32_t k = 0; k < count && fine(s); k++)
        get(s);
}

static bool whole(struct slice bytes)
{
    if (bytes.len < SNAPSHOT_CHECK)
        return false;
    size_t body = bytes.len - SNAPSHOT_CHECK;
    struct reader r = reader_of(slice_sub(bytes, body, SNAPSHOT_CHECK));
    return read_u64(&r) == XXH3_64bits(bytes.at, body);
}

struct meta *meta_load(struct mem *mem, struct slice bytes)
{
    struct meta *m = whole(bytes) ? meta_new(mem) : NULL;
    if (m == NULL)
        return NULL;
    struct source s = {
        .m = m, .mem = mem, .r = reader_of(slice_sub(bytes, 0, bytes.len - SNAPSHOT_CHECK))};
    get_head(&s);
    get_each(&s, 70, get_node);
    get_descriptors(&s);
    get_each(&s, 60, get_volume);
    drop_descriptors(&s);
    get_each(&s, 36, get_share);
    get_each(&s, 29, get_user);
    get_each(&s, 90, get_lease);
    get_each(&s, 88, get_open);
    get_each(&s, 8, get_locks);
    get_each(&s, 28, get_reclaim);
    get_each(&s, 40, get_invalidation);
    if (fine(&s) && read_left(&s.r) == 0 && meta_violated(m) == NULL)
        return m;
    meta_free(m);
    return NULL;
}
