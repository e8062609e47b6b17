/* Questions, answered from the state as it is. */
#include "coordinator/meta/locks.h"
#include "coordinator/meta/notify.h"
#include "coordinator/meta/wait.h"

enum { LIST_DEFAULT = 256, NOTICES_MAX = 65536 };

static ntstatus file_out(const struct inode *i, struct arena *a, Fl__FileInfo *to)
{
    info_fill(i, NULL, to);
    struct slice stored = inode_name(file_of(i));
    struct slice name = arena_copy(a, stored);
    if (name.len != stored.len)
        return STATUS_INSUFFICIENT_RESOURCES;
    to->name = pb_bytes(name);
    return STATUS_OK;
}

/* Prepends; false when `from` has not that much room left. */
static bool put_before(uint8_t *room, size_t *from, struct slice bytes)
{
    if (bytes.len > *from)
        return false;
    *from -= bytes.len;
    if (bytes.len > 0)
        memcpy(room + *from, bytes.at, bytes.len);
    return true;
}

enum { PATH_ROOM = NAME_PATH_MAX * 2 };

/* [MS-FSA] 2.1.5.12.30, with ":stream" behind it for a stream; at the end of `room`. */
static ntstatus path_in(const struct open *o, uint8_t room[PATH_ROOM], struct slice *out)
{
    static const uint8_t separator[] = {'\\', 0}, colon[] = {':', 0};
    const struct inode *i = o->inode;
    size_t from = PATH_ROOM;
    bool fits = true;
    if (i->stream) {
        fits = put_before(room, &from, inode_name(i)) &&
               put_before(room, &from, slice_of(colon, sizeof(colon)));
        i = i->parent;
    }
    size_t end = from;
    for (; fits && i->id != o->root_inode && i->parent != NULL; i = i->parent) {
        if (from != end)
            fits = put_before(room, &from, slice_of(separator, sizeof(separator)));
        fits = fits && put_before(room, &from, inode_name(i));
    }
    if (!fits)
        return STATUS_NAME_TOO_LONG; /* moved so deep that no path leads there */
    *out = slice_of(room + from, PATH_ROOM - from);
    return STATUS_OK;
}

static ntstatus path_out(const struct open *o, struct arena *a, ProtobufCBinaryData *out)
{
    struct slice path;
    uint8_t *room = arena_alloc(a, PATH_ROOM);
    if (room == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    ntstatus status = path_in(o, room, &path);
    if (status == STATUS_OK)
        *out = pb_bytes(path);
    return status;
}

/* The file's facts, with its locks; the reply is `r`'s when all is well. */
static ntstatus info_out(const struct inode *i, struct arena *a, Fl__Reply *r)
{
    size_t room = locks_told(i) * BYTERANGE_BYTES;
    uint8_t *locks = room > 0 ? arena_alloc(a, room) : NULL;
    Fl__InfoReply *reply = arena_alloc(a, sizeof(*reply));
    Fl__FileInfo *info = arena_alloc(a, sizeof(*info));
    if (reply == NULL || info == NULL || (room > 0 && locks == NULL))
        return STATUS_INSUFFICIENT_RESOURCES;
    fl__info_reply__init(reply);
    reply->info = info;
    ntstatus status = file_out(i, a, info);
    if (status != STATUS_OK)
        return status;
    struct writer w = writer_of(locks, room);
    locks_fill(i, &w, info);
    r->body_case = FL__REPLY__BODY_INFO;
    r->info = reply;
    return STATUS_OK;
}

static ntstatus query_info(const struct meta *m, const Fl__QueryInfo *q, struct arena *a,
                           Fl__Reply *r)
{
    const struct open *o = q->open_id == 0 ? NULL : open_get(m, q->open_id);
    const struct volume *v = volume_get(m, q->volume);
    const struct inode *i = o != NULL ? o->inode : NULL;
    if (q->open_id == 0 && v != NULL)
        i = inode_get(v, q->inode);
    if (i == NULL)
        return STATUS_FILE_CLOSED;
    ntstatus status = info_out(i, a, r);
    if (status == STATUS_OK && q->path && o != NULL)
        status = path_out(o, a, &r->info->path);
    return status;
}

/* Will a lock forbid it that only waits for nodes to let go? Who begins it now, after his own has,
 * could be in the middle of it when the lock is granted. */
static bool soon_forbidden(const struct inode *i, const struct byterange *wanted, struct arena *a)
{
    const struct list *waits = i->invalidation != NULL ? &i->invalidation->waits : NULL;
    for (const struct list *at = waits == NULL ? NULL : waits->next; at != waits; at = at->next) {
        const struct wait *v = container_of(at, struct wait, in_blocker);
        const Fl__Command *c = pb_unpack(&fl__command__descriptor, blob_slice(&v->command), a);
        if (c == NULL || c->body_case != FL__COMMAND__BODY_LOCK || wanted->length == 0)
            continue;
        struct reader r = reader_of(pb_slice(c->lock->ranges));
        struct byterange held;
        while (byterange_read(&r, &held)) {
            held.open_id = c->lock->open_id;
            if (byterange_conflicts(&held, wanted, false))
                return true;
        }
    }
    return false;
}

static ntstatus query_access(const struct meta *m, const Fl__QueryAccess *q, struct arena *a,
                             Fl__Reply *r)
{
    const struct open *o = open_get(m, q->open_id);
    if (o == NULL)
        return STATUS_FILE_CLOSED;
    struct byterange wanted = {
        .open_id = o->id,
        .offset = q->at_end ? o->inode->size : q->offset,
        .length = q->length,
        .exclusive = q->write,
    };
    if (locks_forbid(o->inode, &wanted) || soon_forbidden(o->inode, &wanted, a))
        return STATUS_FILE_LOCK_CONFLICT;
    return info_out(o->inode, a, r);
}

struct listing {
    struct slice pattern;
    size_t max;
    const struct security_token *reader; /* NULL: everything is seen */
};

/* [MS-SMB2] 3.3.5.18: names of what may not be read are not seen. */
static bool is_seen(const struct listing *l, const struct inode *i)
{
    const uint32_t wanted = FILE_GENERIC_READ;
    return l->reader == NULL || (rights_by(i->descriptor, l->reader) & wanted) == wanted;
}

/* The next entry that matches, from `at` on. */
static const struct inode *matching(const struct inode *at, const struct listing *l)
{
    while (at != NULL &&
           ((l->pattern.len > 0 && !utf16_match(l->pattern, inode_name(at))) || !is_seen(l, at)))
        at = child_next(at);
    return at;
}

static ntstatus list_entries(const struct inode *at, const struct listing *l, struct arena *a,
                             Fl__DirectoryReply *reply)
{
    reply->entries = arena_array(a, l->max, sizeof(*reply->entries));
    if (reply->entries == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    for (at = matching(at, l); at != NULL; at = matching(child_next(at), l)) {
        if (reply->n_entries == l->max) {
            reply->more = true;
            break;
        }
        Fl__FileInfo *info = arena_alloc(a, sizeof(*info));
        if (info == NULL || file_out(at, a, info) != STATUS_OK)
            return STATUS_INSUFFICIENT_RESOURCES;
        reply->entries[reply->n_entries++] = info;
    }
    return STATUS_OK;
}

/* [MS-FSA] 2.1.5.6.3; "." and ".." are the node's. */
static ntstatus query_directory(const struct meta *m, const Fl__QueryDirectory *q, struct arena *a,
                                Fl__Reply *r)
{
    const struct open *o = open_get(m, q->open_id);
    if (o == NULL)
        return STATUS_FILE_CLOSED;
    if (!is_directory(o->inode))
        return STATUS_INVALID_PARAMETER;
    if ((o->granted & FILE_LIST_DIRECTORY) == 0)
        return STATUS_ACCESS_DENIED;
    struct slice pattern = pb_slice(q->pattern), after = pb_slice(q->after);
    if (pattern.len % 2 != 0 || after.len % 2 != 0)
        return STATUS_OBJECT_NAME_INVALID;
    Fl__DirectoryReply *reply = arena_alloc(a, sizeof(*reply));
    if (reply == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    fl__directory_reply__init(reply);
    size_t max = q->max_entries == 0 ? LIST_DEFAULT : q->max_entries;
    if (max > META_LIST_MAX)
        max = META_LIST_MAX;
    const struct inode *at = after.len > 0 ? child_after(o->inode, after) : child_first(o->inode);
    if (pattern.len > 0 && !utf16_has_wildcard(pattern)) { /* one name: no need to look at others */
        const struct inode *one = child_get(o->inode, pattern);
        bool behind =
            one != NULL && (after.len == 0 || utf16_compare_fold(inode_name(one), after) > 0);
        at = behind ? one : NULL;
        max = 1;
    }
    struct work w = {.a = a};
    struct security_token reader;
    struct listing l = {pattern, max, q->reader != NULL ? &reader : NULL};
    ntstatus status = q->reader != NULL ? token_of(&w, q->reader, false, &reader) : STATUS_OK;
    if (status == STATUS_OK)
        status = list_entries(at, &l, a, reply);
    if (status != STATUS_OK)
        return status;
    r->body_case = FL__REPLY__BODY_DIRECTORY;
    r->directory = reply;
    return STATUS_OK;
}

/* [MS-FSA] 2.1.5.13. */
static ntstatus query_security(const struct meta *m, const Fl__QuerySecurity *q, struct arena *a,
                               Fl__Reply *r)
{
    const struct open *o = open_get(m, q->open_id);
    if (o == NULL)
        return STATUS_FILE_CLOSED;
    uint32_t needed = security_query_access(q->parts);
    if ((o->granted & needed) != needed)
        return STATUS_ACCESS_DENIED;
    Fl__SecurityReply *reply = arena_alloc(a, sizeof(*reply));
    uint8_t *room = arena_alloc(a, SECURITY_BYTES_MAX);
    if (reply == NULL || room == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    struct writer w = writer_of(room, SECURITY_BYTES_MAX);
    ntstatus status =
        security_extract(descriptor_slice(file_of(o->inode)->descriptor), q->parts, &w);
    if (status != STATUS_OK)
        return status;
    fl__security_reply__init(reply);
    reply->security_descriptor = pb_bytes(written(&w));
    r->body_case = FL__REPLY__BODY_SECURITY;
    r->security = reply;
    return STATUS_OK;
}

/* [MS-FSA] 2.1.5.12.12. */
static ntstatus query_ea(const struct meta *m, const Fl__QueryEa *q, struct arena *a, Fl__Reply *r)
{
    const struct open *o = open_get(m, q->open_id);
    if (o == NULL)
        return STATUS_FILE_CLOSED;
    if ((o->granted & FILE_READ_EA) == 0)
        return STATUS_ACCESS_DENIED;
    struct slice stored = blob_slice(&file_of(o->inode)->ea);
    Fl__EaReply *reply = arena_alloc(a, sizeof(*reply));
    struct slice set = arena_copy(a, stored);
    if (reply == NULL || set.len != stored.len)
        return STATUS_INSUFFICIENT_RESOURCES;
    fl__ea_reply__init(reply);
    reply->set = pb_bytes(set);
    r->body_case = FL__REPLY__BODY_EA;
    r->ea = reply;
    return STATUS_OK;
}

/* [MS-FSA] 2.1.5.10.24. */
static ntstatus query_reparse(const struct meta *m, const Fl__QueryReparse *q, struct arena *a,
                              Fl__Reply *r)
{
    const struct open *o = open_get(m, q->open_id);
    if (o == NULL)
        return STATUS_FILE_CLOSED;
    struct slice stored = blob_slice(&file_of(o->inode)->reparse);
    if (stored.len == 0)
        return STATUS_NOT_A_REPARSE_POINT;
    Fl__ReparseReply *reply = arena_alloc(a, sizeof(*reply));
    struct slice data = arena_copy(a, stored);
    if (reply == NULL || data.len == 0)
        return STATUS_INSUFFICIENT_RESOURCES;
    fl__reparse_reply__init(reply);
    reply->data = pb_bytes(data);
    r->body_case = FL__REPLY__BODY_REPARSE;
    r->reparse = reply;
    return STATUS_OK;
}

static Fl__StreamsReply__Stream *stream_out(const struct inode *s, struct arena *a)
{
    Fl__StreamsReply__Stream *to = arena_alloc(a, sizeof(*to));
    struct slice name = arena_copy(a, inode_name(s));
    if (to == NULL || name.len != s->name_len)
        return NULL;
    fl__streams_reply__stream__init(to);
    to->name = pb_bytes(name);
    to->size = s->size;
    to->allocation_size = s->allocation_size;
    return to;
}

/* [MS-FSA] 2.1.5.12.29. */
static Fl__OpensReply__Entry *open_out(const struct open *o, uint8_t *room, struct arena *a)
{
    struct slice path = {0};
    Fl__OpensReply__Entry *e = arena_alloc(a, sizeof(*e));
    if (e == NULL)
        return NULL;
    fl__opens_reply__entry__init(e);
    (void)path_in(o, room, &path); /* what has no path is listed without one */
    e->path = pb_bytes(arena_copy(a, path));
    e->open_id = o->id;
    e->node_id = o->node->id;
    e->root_inode = o->root_inode;
    e->volume = o->inode->volume->id;
    e->granted_access = o->granted;
    e->share_access = o->share_access;
    e->delete_pending = file_of(o->inode)->delete_pending;
    return e;
}

static ntstatus query_opens(const struct meta *m, const Fl__QueryOpens *q, struct arena *a,
                            Fl__Reply *r)
{
    uint32_t most = q->max_entries == 0 ? LIST_DEFAULT : q->max_entries;
    most = most < META_LIST_MAX ? most : META_LIST_MAX;
    uint8_t *room = arena_alloc(a, PATH_ROOM);
    Fl__OpensReply *reply = arena_alloc(a, sizeof(*reply));
    Fl__OpensReply__Entry **entries = arena_array(a, most, sizeof(*entries));
    if (room == NULL || reply == NULL || entries == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    fl__opens_reply__init(reply);
    reply->entries = entries;
    struct tree_node *n = tree_seek(&m->opens, &q->after, true);
    for (; n != NULL && reply->n_entries < most; n = tree_next(n)) {
        Fl__OpensReply__Entry *e = open_out(container_of(n, struct open, by_id), room, a);
        if (e == NULL || a->failed)
            return STATUS_INSUFFICIENT_RESOURCES;
        entries[reply->n_entries++] = e;
    }
    reply->more = n != NULL;
    r->body_case = FL__REPLY__BODY_OPENS;
    r->opens = reply;
    return STATUS_OK;
}

static ntstatus query_streams(const struct meta *m, const Fl__QueryStreams *q, struct arena *a,
                              Fl__Reply *r)
{
    const struct open *o = open_get(m, q->open_id);
    if (o == NULL)
        return STATUS_FILE_CLOSED;
    const struct inode *f = file_of(o->inode);
    Fl__StreamsReply *reply = arena_alloc(a, sizeof(*reply));
    Fl__FileInfo *info = arena_alloc(a, sizeof(*info));
    if (reply == NULL || info == NULL || file_out(f, a, info) != STATUS_OK)
        return STATUS_INSUFFICIENT_RESOURCES;
    fl__streams_reply__init(reply);
    reply->info = info;
    reply->streams = arena_array(a, f->streams.count, sizeof(*reply->streams));
    for (const struct inode *s = stream_first(f); s != NULL; s = stream_next(s)) {
        Fl__StreamsReply__Stream *to = reply->streams == NULL ? NULL : stream_out(s, a);
        if (to == NULL)
            return STATUS_INSUFFICIENT_RESOURCES;
        reply->streams[reply->n_streams++] = to;
    }
    r->body_case = FL__REPLY__BODY_STREAMS;
    r->streams = reply;
    return STATUS_OK;
}

static ntstatus query_volume(const struct meta *m, const Fl__QueryVolume *q, struct arena *a,
                             Fl__Reply *r)
{
    const struct volume *v = volume_get(m, q->volume);
    Fl__VolumeReply *reply = arena_alloc(a, sizeof(*reply));
    if (v == NULL)
        return STATUS_VOLUME_DISMOUNTED;
    if (reply == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    fl__volume_reply__init(reply);
    reply->files = v->inodes.count;
    reply->bytes = v->bytes;
    reply->creation_time = v->creation_time;
    /* Differs between volumes and clusters, and never changes. */
    uint64_t serial = v->creation_time / 10000 + v->id * UINT64_C(0x9e3779b1);
    reply->serial = (uint32_t)(serial ^ serial >> 32);
    r->body_case = FL__REPLY__BODY_VOLUME;
    r->volume = reply;
    return STATUS_OK;
}

static ntstatus query_config(const struct meta *m, struct arena *a, Fl__Reply *r)
{
    Fl__ClusterConfig *config = meta_config(m, false, a);
    if (config == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    r->body_case = FL__REPLY__BODY_CONFIG;
    r->config = config;
    return STATUS_OK;
}

static ntstatus query_status(const struct meta *m, struct arena *a, Fl__Reply *r)
{
    Fl__StatusReply *reply = arena_alloc(a, sizeof(*reply));
    if (reply == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    fl__status_reply__init(reply);
    reply->config = meta_config(m, false, a);
    if (reply->config == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    reply->opens = m->opens.count;
    reply->files = m->files;
    reply->applied_index = m->index;
    reply->reclaims = m->reclaims.count;
    r->body_case = FL__REPLY__BODY_CLUSTER;
    r->cluster = reply;
    return STATUS_OK;
}

static ntstatus answer(const struct meta *m, const Fl__Query *q, struct arena *a, Fl__Reply *r)
{
    switch (q->body_case) {
    case FL__QUERY__BODY_INFO: return query_info(m, q->info, a, r);
    case FL__QUERY__BODY_ACCESS: return query_access(m, q->access, a, r);
    case FL__QUERY__BODY_DIRECTORY: return query_directory(m, q->directory, a, r);
    case FL__QUERY__BODY_SECURITY: return query_security(m, q->security, a, r);
    case FL__QUERY__BODY_VOLUME: return query_volume(m, q->volume, a, r);
    case FL__QUERY__BODY_CONFIG: return query_config(m, a, r);
    case FL__QUERY__BODY_STATUS: return query_status(m, a, r);
    case FL__QUERY__BODY_EA: return query_ea(m, q->ea, a, r);
    case FL__QUERY__BODY_OPENS: return query_opens(m, q->opens, a, r);
    case FL__QUERY__BODY_REPARSE: return query_reparse(m, q->reparse, a, r);
    case FL__QUERY__BODY_STREAMS: return query_streams(m, q->streams, a, r);
    case FL__QUERY__BODY__NOT_SET:
    case _FL__QUERY__BODY__CASE_IS_INT_SIZE: break;
    }
    return STATUS_NOT_SUPPORTED;
}

Fl__Reply *meta_query(const struct meta *m, const Fl__Query *query, struct arena *a)
{
    Fl__Reply *r = arena_alloc(a, sizeof(*r));
    if (r == NULL)
        return meta_reply_no_memory();
    fl__reply__init(r);
    r->status = answer(m, query, a, r);
    return r;
}

/* One notice more for `list`; false when the arena refuses. */
static Fl__Notice *add(struct work *w, uint32_t node_id, Fl__Notice__BodyCase body)
{
    size_t room = w->box->cap == w->box->count ? w->box->count + 64 : 1;
    bool more = w->box->count < NOTICES_MAX && outbox_reserve(w, room);
    return more ? outbox_post(w, node_id, body) : NULL;
}

size_t meta_pending_notices(const struct meta *m, uint32_t node_id, struct arena *a,
                            Fl__Notice ***out)
{
    const struct node *n = node_get(m, node_id);
    struct outbox box = {0};
    struct work w = {.a = a, .box = &box};
    *out = NULL;
    if (n == NULL)
        return 0;
    /* Changes may have been told while nobody listened. */
    if (notify_node_watches(n))
        (void)add(&w, node_id, FL__NOTICE__BODY_WATCH);
    for (struct invalidation *v = invalidation_first(m); v != NULL; v = invalidation_next(v)) {
        Fl__Notice *notice = (v->asked & slot_bit(n)) == 0
                                 ? NULL
                                 : add(&w, node_id, FL__NOTICE__BODY_CACHE_INVALIDATE);
        if (notice == NULL)
            continue;
        notice->cache_invalidate->volume = v->inode->volume->id;
        notice->cache_invalidate->inode = v->inode->id;
        notice->cache_invalidate->ticket = v->ticket;
    }
    for (const struct lease *l = lease_first(m); l != NULL; l = lease_next(l)) {
        Fl__Notice *notice = lease_owes(l, n) ? add(&w, node_id, lease_notice_body(l)) : NULL;
        if (notice != NULL)
            lease_notice(l, notice);
    }
    for (struct reclaim *r = reclaim_first(m); r != NULL; r = reclaim_next(r)) {
        if ((r->slots & slot_bit(n)) == 0)
            continue;
        Fl__Notice *notice = add(&w, node_id, FL__NOTICE__BODY_RECLAIM);
        if (notice == NULL)
            break; /* the rest when it registers again: garbage does no harm */
        notice->reclaim->volume = r->volume;
        notice->reclaim->inode = r->data_id;
        notice->reclaim->ticket = r->ticket;
    }
    *out = box.items;
    return box.count;
}
