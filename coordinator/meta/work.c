/* One command being applied: its reply and its notices, for which room is taken first. */
#include "coordinator/meta/locks.h"

struct letter {
    Fl__Notice notice;
    union {
        Fl__CacheInvalidate cache_invalidate;
        Fl__Reclaim reclaim;
        Fl__OpensLost opens_lost;
        Fl__SessionNotice session;
        Fl__WatchEvent watch;
        Fl__LeaseBreak lease_break;
        Fl__OplockBreak oplock_break;
    };
};

bool work_prepare(struct work *w)
{
    w->answer = arena_alloc(w->a, sizeof(*w->answer));
    if (w->answer == NULL)
        return false;
    fl__reply__init(&w->answer->reply);
    return true;
}

bool outbox_reserve(struct work *w, size_t count)
{
    struct outbox *box = w->box;
    if (count <= box->cap - box->count)
        return true;
    size_t cap = box->count + count;
    Fl__Notice **items = arena_array(w->a, cap, sizeof(*items));
    struct letter *letters = arena_array(w->a, cap - box->cap, sizeof(*letters));
    if (items == NULL || letters == NULL)
        return false;
    if (box->cap > 0)
        memcpy(items, box->items, box->cap * sizeof(*items));
    for (size_t i = box->cap; i < cap; i++)
        items[i] = &letters[i - box->cap].notice;
    box->items = items, box->cap = cap;
    return true;
}

Fl__Notice *outbox_post(struct work *w, uint32_t node_id, Fl__Notice__BodyCase body)
{
    must(w->box->count < w->box->cap);
    Fl__Notice *n = w->box->items[w->box->count++];
    struct letter *l = container_of(n, struct letter, notice);
    fl__notice__init(n);
    n->node_id = node_id;
    n->body_case = body;
    if (body == FL__NOTICE__BODY_CACHE_INVALIDATE) {
        fl__cache_invalidate__init(&l->cache_invalidate);
        n->cache_invalidate = &l->cache_invalidate;
    } else if (body == FL__NOTICE__BODY_RECLAIM) {
        fl__reclaim__init(&l->reclaim);
        n->reclaim = &l->reclaim;
    } else if (body == FL__NOTICE__BODY_OPENS_LOST) {
        fl__opens_lost__init(&l->opens_lost);
        n->opens_lost = &l->opens_lost;
    } else if (body == FL__NOTICE__BODY_SESSION) {
        fl__session_notice__init(&l->session);
        n->session = &l->session;
    } else if (body == FL__NOTICE__BODY_WATCH) {
        fl__watch_event__init(&l->watch);
        n->watch = &l->watch;
    } else if (body == FL__NOTICE__BODY_LEASE_BREAK) {
        fl__lease_break__init(&l->lease_break);
        n->lease_break = &l->lease_break;
    } else if (body == FL__NOTICE__BODY_OPLOCK_BREAK) {
        fl__oplock_break__init(&l->oplock_break);
        n->oplock_break = &l->oplock_break;
    }
    return n;
}

void post_config_changed(struct work *w)
{
    for (size_t i = 0; i < w->box->count; i++)
        if (w->box->items[i]->body_case == FL__NOTICE__BODY_CONFIG_CHANGED)
            return;
    outbox_post(w, 0, FL__NOTICE__BODY_CONFIG_CHANGED)->config_changed = true;
}

ntstatus refuse(struct work *w, ntstatus status, const char *message)
{
    if (message == meta_no_memory)
        return STATUS_INSUFFICIENT_RESOURCES;
    /* Never written through: protobuf-c's strings are not const because it may own them. */
    w->answer->reply.message = (char *)(uintptr_t)message;
    return status;
}

void info_fill(const struct inode *i, const struct work *w, Fl__FileInfo *out)
{
    fl__file_info__init(out);
    out->volume = i->volume->id;
    out->inode = i->id;
    const struct inode *f = file_of(i);
    out->file_inode = i->stream ? f->id : 0;
    /* A stream is no directory, even when it is one's. */
    out->attributes = f->attributes & (i->stream ? ~FILE_ATTRIBUTE_DIRECTORY : UINT32_MAX);
    out->creation_time = f->creation_time;
    out->access_time = f->access_time;
    out->write_time = f->write_time;
    out->change_time = f->change_time;
    out->ea_size = (uint32_t)f->ea.len;
    out->reparse_tag = reparse_tag(blob_slice(&f->reparse));
    out->size = i->size;
    out->allocation_size = i->allocation_size;
    out->links = 1;
    out->delete_pending = i->delete_pending || f->delete_pending;
    out->first_group = i->first_group;
    out->version = i->version;
    out->parent_inode = f->parent == NULL ? 0 : f->parent->id;
    out->data_id = i->data_id;
    out->cached_by = lease_cached_by(i);
    /* The last waiting command's own answer ends the time in which nothing may be kept. */
    const struct invalidation *v = i->invalidation;
    bool last = v != NULL && w != NULL && w->resumed != NULL && w->resumed->invalidation == v &&
                v->wait_count == 1;
    out->cacheable = v == NULL || last;
}

static void fill_file(struct work *w, const struct inode *i)
{
    struct answer *answer = w->answer;
    struct slice name = inode_name(file_of(i));
    info_fill(i, w, &answer->file);
    must(name.len <= sizeof(answer->name));
    if (name.len > 0)
        memcpy(answer->name, name.at, name.len);
    answer->file.name = pb_bytes(slice_of(answer->name, name.len));
    struct writer locks = writer_of(answer->locks, sizeof(answer->locks));
    locks_fill(i, &locks, &answer->file);
}

void reply_info(struct work *w, const struct inode *i)
{
    struct answer *answer = w->answer;
    fill_file(w, i);
    fl__info_reply__init(&answer->info);
    answer->info.info = &answer->file;
    answer->reply.body_case = FL__REPLY__BODY_INFO;
    answer->reply.info = &answer->info;
}

void reply_open(struct work *w, const struct open *o, uint32_t action, uint32_t maximal_access)
{
    struct answer *answer = w->answer;
    fill_file(w, o->inode);
    if (file_of(o->inode)->id == o->root_inode)
        answer->file.name = (ProtobufCBinaryData){0}; /* a share's root has no name in it */
    fl__open_reply__init(&answer->open);
    answer->open.open_id = o->id;
    answer->open.info = &answer->file;
    answer->open.granted_access = o->granted;
    answer->open.action = action;
    answer->open.maximal_access = maximal_access;
    answer->reply.body_case = FL__REPLY__BODY_OPEN;
    answer->reply.open = &answer->open;
}

ntstatus reply_stopped(struct work *w, const struct place *p)
{
    struct answer *answer = w->answer;
    struct slice data = arena_copy(w->a, blob_slice(&p->inode->reparse));
    if (data.len == 0)
        return STATUS_INSUFFICIENT_RESOURCES;
    fl__reparse_reply__init(&answer->reparse);
    answer->reparse.data = pb_bytes(data);
    answer->reparse.parsed = (uint32_t)p->parsed;
    answer->reply.body_case = FL__REPLY__BODY_REPARSE;
    answer->reply.reparse = &answer->reparse;
    return STATUS_STOPPED_ON_SYMLINK;
}

void reply_group(struct work *w, const struct group *g)
{
    struct answer *answer = w->answer;
    Fl__Group *now = &answer->group_now;
    fl__group__init(now);
    now->id = g->id;
    now->volume = g->volume->id;
    now->epoch = g->epoch;
    now->primary = g->primary;
    memcpy(answer->members, g->members, sizeof(answer->members));
    memcpy(answer->in_sync, g->in_sync, sizeof(answer->in_sync));
    now->n_members = g->member_count, now->members = answer->members;
    now->n_in_sync = g->in_sync_count, now->in_sync = answer->in_sync;
    fl__group_reply__init(&answer->group);
    answer->group.group = now;
    answer->reply.body_case = FL__REPLY__BODY_GROUP;
    answer->reply.group = &answer->group;
}

void reply_admin(struct work *w, uint32_t id)
{
    struct answer *answer = w->answer;
    fl__admin_reply__init(&answer->admin);
    answer->admin.id = id;
    answer->reply.body_case = FL__REPLY__BODY_ADMIN;
    answer->reply.admin = &answer->admin;
}
