/* Reading a state back. The bytes may be anybody's: whatever they say is looked up before it is
 * believed, and the whole must satisfy the invariants in the end. */
#include "coordinator/meta/snapshot.h"
#include "coordinator/meta/source.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static struct label get_label(struct source *s)
{
    struct label l;
    l.utf8 = source_blob(s, META_LABEL_MAX * 3);
    l.utf16 = source_blob(s, META_LABEL_MAX * 2);
    source_demand(s, l.utf8.len > 0 && l.utf16.len > 0 && l.utf16.len % 2 == 0);
    return l;
}

static void get_window(struct source *s, struct node *n)
{
    uint32_t count = source_count(s, 13);
    source_demand(s, count <= META_WINDOW_MAX);
    for (uint32_t k = 0; k < count && source_fine(s); k++) {
        struct remembered *r = source_take(s, sizeof(*r));
        if (r == NULL)
            return;
        r->sequence = read_u64(&s->r);
        r->pending = source_bool(s);
        struct slice bytes = source_slice(s, META_REPLY_MAX);
        r->len = (uint32_t)bytes.len;
        if (bytes.len > 0)
            memcpy(r->bytes, bytes.at, bytes.len);
        source_demand(s, window_get(n, r->sequence) == NULL && (!r->pending || r->len == 0));
        if (source_fine(s))
            window_add(n, r);
        else
            mem_free(s->mem, r, sizeof(*r));
    }
}

static void get_node(struct source *s)
{
    struct node *n = source_take(s, sizeof(*n));
    if (n == NULL)
        return;
    list_init(&n->opens);
    list_init(&n->waits);
    n->id = read_u32(&s->r);
    n->slot = read_u32(&s->r);
    n->state = read_u8(&s->r);
    n->name = get_label(s);
    n->address = source_blob(s, META_TEXT_MAX);
    n->data_port = read_u32(&s->r);
    n->coordinator_port = read_u32(&s->r);
    n->coordinator = source_bool(s);
    n->incarnation = read_u64(&s->r);
    n->session = read_u64(&s->r);
    n->store_id = source_blob(s, 16);
    n->token_hash = source_blob(s, 64);
    n->expires = read_u64(&s->r);
    n->window_floor = read_u64(&s->r);
    get_window(s, n);
    source_demand(s, n->state <= FL__NODE_STATE__NODE_INVITED && n->slot < META_NODES_MAX &&
                         node_get(s->m, n->id) == NULL);
    if (source_fine(s))
        node_insert(s->m, n);
    else
        node_free(s->m, n);
}

static void get_descriptors(struct source *s)
{
    uint32_t count = source_count(s, 4);
    if (count == 0)
        return;
    s->descriptors = source_take(s, count * sizeof(struct descriptor *));
    if (s->descriptors == NULL)
        return;
    s->descriptor_count = count;
    for (uint32_t k = 0; k < count && source_fine(s); k++) {
        struct slice bytes = source_slice(s, SECURITY_BYTES_MAX);
        source_demand(s, bytes.len > 0);
        struct descriptor *d = source_fine(s) ? descriptor_take(s->m, bytes) : NULL;
        source_demand(s, d != NULL && d->refs == 1); /* listed once */
        s->descriptors[k] = d;
    }
}

/* The references of the list itself; what no file has goes. */
static void drop_descriptors(struct source *s)
{
    for (uint32_t k = 0; k < s->descriptor_count; k++) {
        if (s->descriptors[k] == NULL)
            continue;
        source_demand(s, s->descriptors[k]->refs > 1);
        descriptor_put(s->m, s->descriptors[k]);
    }
    mem_free(s->mem, s->descriptors, s->descriptor_count * sizeof(struct descriptor *));
}

static void get_group(struct source *s, struct volume *v, uint32_t k)
{
    struct group *g = source_take(s, sizeof(*g));
    if (g == NULL)
        return;
    v->groups[k] = g;
    g->volume = v;
    g->id = read_u32(&s->r);
    g->epoch = read_u64(&s->r);
    uint32_t primary = read_u32(&s->r);
    g->lost = source_bool(s);
    g->member_count = read_u32(&s->r);
    source_demand(s, g->member_count <= META_REPLICAS_MAX);
    for (uint32_t i = 0; i < g->member_count && source_fine(s); i++)
        g->members[i] = read_u32(&s->r);
    g->in_sync_count = read_u32(&s->r);
    source_demand(s, g->in_sync_count <= META_REPLICAS_MAX);
    for (uint32_t i = 0; i < g->in_sync_count && source_fine(s); i++)
        g->in_sync[i] = read_u32(&s->r);
    source_demand(s, group_get(s->m, g->id) == NULL &&
                         (primary == 0 || node_get(s->m, primary) != NULL));
    if (!source_fine(s))
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
    struct slice name = source_slice(s, NAME_COMPONENT_MAX * 2), ea = source_slice(s, EA_SET_MAX);
    struct slice reparse = source_slice(s, REPARSE_BYTES_MAX);
    bool stream = (flags & INODE_STREAM) != 0;
    source_demand(s, flags <= (INODE_DELETE_PENDING | INODE_STREAM) && name.len % 2 == 0 &&
                         facts.size <= META_SIZE_MAX && untold <= UINT16_MAX);
    source_demand(s, stream ? place == 0 && facts.attributes == 0 && ea.len == 0
                            : place < s->descriptor_count && ea_is_set(ea));
    if (!source_fine(s))
        return NULL;
    bool directory = (facts.attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    struct descriptor *d = stream ? NULL : s->descriptors[place];
    struct inode *i = inode_new(s->m, name, directory, d);
    source_demand(s, i != NULL);
    if (i == NULL)
        return NULL;
    if (d != NULL)
        d->refs++;
    source_demand(s, blob_copy(s->mem, ea, &i->ea) && blob_copy(s->mem, reparse, &i->reparse));
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
    source_demand(s, parent != NULL && !parent->stream && i->name_len > 0);
    if (!source_fine(s))
        return;
    struct slice name = inode_name(i);
    if (i->stream)
        source_demand(s, stream_get(parent, name) == NULL);
    else
        source_demand(s, is_directory(parent) && child_get(parent, name) == NULL);
    if (source_fine(s) && i->stream)
        stream_insert(parent, i);
    else if (source_fine(s))
        child_insert(parent, i);
}

/* Each inode into its parent's directory; parents[] is in the order of the tree. */
static void link_inodes(struct source *s, struct volume *v, const uint64_t *parents)
{
    uint32_t k = 0;
    for (struct inode *i = inode_first(v); i != NULL && source_fine(s); i = inode_next(i), k++) {
        if (i == v->root)
            continue;
        link_inode(s, inode_get(v, parents[k]), i);
    }
}

static void get_inodes(struct source *s, struct volume *v, uint64_t root)
{
    uint64_t last = 0;
    uint32_t count = source_count(s, SNAPSHOT_INODE_MIN);
    uint64_t *parents = count == 0 ? NULL : source_take(s, count * sizeof(*parents));
    if (parents == NULL)
        return;
    for (uint32_t k = 0; k < count && source_fine(s); k++) {
        struct inode *i = get_inode(s, &parents[k]);
        if (i == NULL)
            break;
        source_demand(s, i->id > last); /* in order, so parents[] is */
        last = i->id;
        if (source_fine(s))
            inode_insert(s->m, v, i);
        else
            inode_free(s->m, i);
    }
    v->root = inode_get(v, root);
    if (source_fine(s))
        link_inodes(s, v, parents);
    source_demand(s, source_fine(s) && volume_violated(v) == NULL);
    mem_free(s->mem, parents, count * sizeof(*parents));
}

static void get_volume(struct source *s)
{
    struct volume *v = source_take(s, sizeof(*v));
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
    uint32_t count = source_count(s, 25);
    source_demand(s, count > 0 && count <= META_GROUPS_MAX && v->cursor < count &&
                         volume_get(s->m, v->id) == NULL);
    v->groups = source_take(s, count * sizeof(struct group *));
    v->group_count = v->groups == NULL ? 0 : count;
    if (!source_fine(s)) {
        volume_free(s->m, v);
        return;
    }
    volume_insert(s->m, v);
    for (uint32_t k = 0; k < count && source_fine(s); k++)
        get_group(s, v, k);
    get_inodes(s, v, root);
}

static void get_grants(struct source *s, struct share *sh)
{
    uint32_t count = source_count(s, 13);
    source_demand(s, count <= META_GRANTS_MAX);
    sh->grants = count == 0 ? NULL : source_take(s, count * sizeof(*sh->grants));
    if (sh->grants == NULL)
        return;
    sh->grant_count = count;
    for (uint32_t k = 0; k < count && source_fine(s); k++) {
        struct grant *g = &sh->grants[k];
        g->principal = source_blob(s, META_TEXT_MAX);
        g->sid = source_blob(s, SID_BYTES_MAX);
        g->access = read_u32(&s->r);
        g->deny = source_bool(s);
    }
}

static void get_share(struct source *s)
{
    struct share *sh = source_take(s, sizeof(*sh));
    if (sh == NULL)
        return;
    sh->name = get_label(s);
    sh->root = source_reference(s);
    sh->path = source_blob(s, META_TEXT_MAX);
    sh->comment = source_blob(s, META_TEXT_MAX);
    sh->scale_out = source_bool(s);
    sh->continuous = source_bool(s);
    sh->encrypt = source_bool(s);
    sh->compress = source_bool(s);
    sh->abe = source_bool(s);
    sh->leasing = read_u8(&s->r);
    sh->uses_max = read_u32(&s->r);
    sh->caching = read_u8(&s->r);
    get_grants(s, sh);
    struct slice key = blob_slice(&sh->name.utf16);
    source_demand(s, source_fine(s) && tree_get(&s->m->shares, &key) == NULL &&
                         is_directory(sh->root) && sh->leasing <= FL__LEASING__LEASING_NONE &&
                         share_caching_valid(sh->caching));
    if (source_fine(s))
        share_insert(s->m, sh);
    else
        share_free(s->m, sh);
}

static void get_user(struct source *s)
{
    struct user *u = source_take(s, sizeof(*u));
    if (u == NULL)
        return;
    u->name = get_label(s);
    read_copy(&s->r, u->nt_hash, sizeof(u->nt_hash));
    u->rid = read_u32(&s->r);
    u->administrator = source_bool(s);
    source_demand(s, source_fine(s) && user_by_name(s->m, &u->name) == NULL);
    if (source_fine(s))
        user_insert(s->m, u);
    else
        user_free(s->m, u);
}

static void get_head(struct source *s)
{
    struct meta *m = s->m;
    source_demand(s, read_u32(&s->r) == SNAPSHOT_MAGIC);
    source_demand(s, read_u32(&s->r) == SNAPSHOT_VERSION);
    m->index = read_u64(&s->r);
    m->founded = source_bool(s);
    m->cluster_id = source_blob(s, 16);
    m->cluster_name = source_blob(s, META_TEXT_MAX);
    m->domain_sid = source_blob(s, SID_BYTES_MAX);
    m->ca_key = source_blob(s, META_PEM_MAX);
    m->ca_cert = source_blob(s, META_PEM_MAX);
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
    uint32_t count = source_count(s, least);
    for (uint32_t k = 0; k < count && source_fine(s); k++)
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
    get_each(&s, 90, load_lease);
    get_each(&s, 88, load_open);
    get_each(&s, 8, load_locks);
    get_each(&s, 28, load_reclaim);
    get_each(&s, 40, load_invalidation);
    if (source_fine(&s) && read_left(&s.r) == 0 && meta_violated(m) == NULL)
        return m;
    meta_free(m);
    return NULL;
}
