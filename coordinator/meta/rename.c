/* Renaming: [MS-FSA] 2.1.5.15.12. A file has one name, so a link and its file are one. */
#include "coordinator/meta/notify.h"

struct renaming {
    const Fl__Rename *c;
    struct open *open;
    struct inode *inode;
    struct inode *victim; /* a file under the new name that goes away, or NULL */
    struct place to;
    struct name_path stream; /* the new name of a stream */
    struct security_token token;
};

static ntstatus check_source(struct work *w, const struct renaming *r)
{
    struct inode *i = r->inode;
    if ((r->open->granted & ACCESS_DELETE) == 0)
        return STATUS_ACCESS_DENIED;
    if (i->delete_pending || i->parent == NULL || i->shares > 0)
        return STATUS_ACCESS_DENIED;
    /* 2.1.4.2, 2.1.5.15.12: what is open below may be so in a cache only. */
    ntstatus status = is_directory(i) ? leases_wait_below(w, i) : STATUS_OK;
    if (status == STATUS_OK && i->opens_below > 0)
        status = STATUS_ACCESS_DENIED;
    return status;
}

static ntstatus find_target(struct work *w, struct renaming *r)
{
    struct inode *root = inode_get(r->inode->volume, r->c->root_inode);
    if (root == NULL || !is_directory(root))
        return STATUS_NETWORK_NAME_DELETED;
    if (r->c->target.len == 0)
        return STATUS_INVALID_PARAMETER;
    ntstatus status = walk(root, pb_slice(r->c->target), &r->to);
    if (status == STATUS_STOPPED_ON_SYMLINK)
        return STATUS_OBJECT_PATH_NOT_FOUND; /* a client follows it before it renames */
    if (status != STATUS_OK)
        return status;
    if (r->to.data)
        return STATUS_OBJECT_NAME_INVALID; /* a file cannot become a stream */
    if (r->to.parent == NULL || (r->to.directory && !is_directory(r->inode)))
        return STATUS_OBJECT_NAME_INVALID;
    return r->to.parent->delete_pending ? STATUS_DELETE_PENDING
                                        : token_of(w, r->c->token, false, &r->token);
}

/* The file that has the name now must be one that may be deleted, by nobody open. */
static ntstatus check_victim(struct work *w, const struct renaming *r)
{
    struct inode *v = r->victim;
    if (!r->c->replace)
        return STATUS_OBJECT_NAME_COLLISION;
    if (is_directory(v) || (v->attributes & FILE_ATTRIBUTE_READONLY) != 0)
        return STATUS_ACCESS_DENIED;
    if (v->delete_pending)
        return STATUS_DELETE_PENDING;
    if ((rights_on(v, &r->token) & ACCESS_DELETE) == 0)
        return STATUS_ACCESS_DENIED;
    ntstatus status = leases_wait(w, v, USE_HANDLE, NULL); /* it may be open in a cache only */
    if (status != STATUS_OK)
        return status;
    bool in_use = !list_empty(&v->opens) || v->opens_below > 0; /* or a stream of it */
    return in_use ? STATUS_ACCESS_DENIED : STATUS_OK;
}

static ntstatus check_directory(const struct renaming *r)
{
    const struct inode *to = r->to.parent;
    uint32_t needed = is_directory(r->inode) ? FILE_ADD_SUBDIRECTORY : FILE_ADD_FILE;
    /* Below itself: the destination counts as an open file in it. */
    if (is_below(to, r->inode))
        return STATUS_ACCESS_DENIED;
    if ((rights_by(to->descriptor, &r->token) & needed) == 0)
        return STATUS_ACCESS_DENIED;
    /* The destination is opened as if by a client that keeps it from going away. */
    uint32_t sharing = FILE_SHARE_READ | FILE_SHARE_WRITE;
    return sharing_violated(to, needed, sharing) ? STATUS_SHARING_VIOLATION : STATUS_OK;
}

/* [MS-FSA] 2.1.5.15.12, what those who watch are told: of the old names before, of the new one
 * after. Replacing a name spelt the same leaves the name and changes what it names. */
struct told {
    bool moved, same_name;
};

static struct told notify_before(struct work *w, const struct renaming *r)
{
    struct inode *i = r->inode;
    bool moved = i->parent != r->to.parent;
    struct told t = {.moved = moved};
    t.same_name = r->victim != NULL && slice_equal(inode_name(r->victim), r->to.name);
    if (r->victim != NULL && !t.same_name)
        notify_removed(w, r->victim);
    uint32_t gone = moved || t.same_name ? FILE_ACTION_REMOVED : FILE_ACTION_RENAMED_OLD_NAME;
    notify_inode(w, i, gone, notify_name_filter(i));
    return t;
}

static void notify_after(struct work *w, struct inode *i, struct told t)
{
    uint32_t any = FILE_NOTIFY_CHANGE_ATTRIBUTES | FILE_NOTIFY_CHANGE_SIZE |
                   FILE_NOTIFY_CHANGE_LAST_WRITE | FILE_NOTIFY_CHANGE_LAST_ACCESS |
                   FILE_NOTIFY_CHANGE_CREATION | FILE_NOTIFY_CHANGE_SECURITY |
                   FILE_NOTIFY_CHANGE_EA;
    uint32_t come = t.moved ? FILE_ACTION_ADDED : FILE_ACTION_RENAMED_NEW_NAME;
    if (t.same_name)
        notify_inode(w, i, FILE_ACTION_MODIFIED, any);
    else
        notify_inode(w, i, come, notify_name_filter(i));
    if (!is_directory(i)) /* FILE_ATTRIBUTE_ARCHIVE is set */
        notify_later(i, FILE_NOTIFY_CHANGE_ATTRIBUTES);
}

static void commit(struct work *w, struct renaming *r, uint8_t *name)
{
    struct inode *i = r->inode;
    struct told told = notify_before(w, r);
    lease_author(w, r->open, NULL);
    int64_t opens = (int64_t)i->opens_below;
    for (struct list *at = i->opens.next; at != &i->opens; at = at->next)
        opens++;
    if (r->victim != NULL)
        inode_unlink(w, r->victim);
    count_opens_above(i, -opens);
    directory_changed(w, i->parent);
    child_remove(i);
    mem_free(w->m->mem, i->name, i->name_len);
    i->name = name, i->name_len = (uint16_t)r->to.name.len;
    child_insert(r->to.parent, i);
    directory_changed(w, i->parent);
    count_opens_above(i, opens);
    if (!is_directory(i))
        i->attributes |= FILE_ATTRIBUTE_ARCHIVE;
    if (!r->open->user_change_time)
        i->change_time = w->now;
    i->version = w->m->index;
    notify_after(w, i, told);
    inode_tell_others(w, i);
}

/* ---- streams ------------------------------------------------------------------------------- */

/* [MS-FSA] 2.1.5.15.12.1. The file's own data stays the file's own: exchanging it for a stream is
 * refused. */
static ntstatus check_stream(struct renaming *r)
{
    ntstatus status = name_parse(pb_slice(r->c->target), &r->stream);
    if (status != STATUS_OK || !r->stream.has_stream || r->stream.path.len > 0)
        return STATUS_INVALID_PARAMETER;
    if (r->stream.index)
        return STATUS_OBJECT_TYPE_MISMATCH;
    bool goes = r->inode->delete_pending || file_of(r->inode)->delete_pending;
    if ((r->open->granted & ACCESS_DELETE) == 0 || goes)
        return STATUS_ACCESS_DENIED;
    if (!r->inode->stream)
        return is_directory(r->inode) ? STATUS_INVALID_PARAMETER : STATUS_NOT_SUPPORTED;
    if (r->stream.stream.len == 0)
        return is_directory(r->inode->parent) ? STATUS_INVALID_PARAMETER : STATUS_NOT_SUPPORTED;
    struct inode *there = stream_get(r->inode->parent, r->stream.stream);
    if (there == NULL || there == r->inode) /* the name is free, or its own */
        return STATUS_OK;
    if (!r->c->replace)
        return STATUS_OBJECT_NAME_COLLISION;
    r->victim = there;
    return list_empty(&there->opens) && there->size == 0 ? STATUS_OK : STATUS_INVALID_PARAMETER;
}

static ntstatus rename_stream(struct work *w, struct renaming *r)
{
    struct inode *i = r->inode, *file = file_of(i);
    ntstatus status = check_stream(r);
    if (status != STATUS_OK)
        return status;
    struct slice to = r->stream.stream;
    if (stream_get(file, to) == i) {
        reply_info(w, i);
        return STATUS_OK; /* the name it has, perhaps in another case */
    }
    uint8_t *name = mem_alloc(w->m->mem, to.len);
    size_t told = 3 * notify_count(file);
    if (name == NULL || !notify_prepare(w, unlink_notices(w->m, file), told)) {
        mem_free(w->m->mem, name, to.len);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    memcpy(name, to.at, to.len);

    if (r->victim != NULL) {
        notify_removed(w, r->victim);
        inode_unlink(w, r->victim);
    }
    notify_removed(w, i);
    stream_remove(i);
    mem_free(w->m->mem, i->name, i->name_len);
    i->name = name, i->name_len = (uint16_t)to.len;
    stream_insert(file, i);
    notify_added(w, i);
    i->version = w->m->index;
    inode_changed(w, file);
    reply_info(w, i);
    return STATUS_OK;
}

/* ---- both ---------------------------------------------------------------------------------- */

static bool names_stream(struct slice target)
{
    return target.len >= 2 && target.at[0] == ':' && target.at[1] == 0;
}

ntstatus apply_rename(struct work *w, const Fl__Rename *c)
{
    struct renaming r = {.c = c, .open = open_of(w, c->open_id)};
    if (r.open == NULL)
        return STATUS_FILE_CLOSED;
    r.inode = r.open->inode;
    if (names_stream(pb_slice(c->target)))
        return rename_stream(w, &r);
    if (r.inode->stream)
        return STATUS_INVALID_PARAMETER; /* it cannot leave its file, nor take it along */
    ntstatus status = check_source(w, &r);
    if (status == STATUS_OK)
        status = find_target(w, &r);
    if (status != STATUS_OK)
        return status;
    if (r.to.inode == r.inode && slice_equal(inode_name(r.inode), r.to.name)) {
        reply_info(w, r.inode);
        return STATUS_OK; /* the name it has */
    }
    if (r.to.inode != NULL && r.to.inode != r.inode) {
        r.victim = r.to.inode;
        status = check_victim(w, &r);
    }
    if (status == STATUS_OK)
        status = check_directory(&r);
    if (status == STATUS_OK)
        status = leases_wait(w, r.inode, USE_HANDLE, r.open->lease);
    if (status != STATUS_OK)
        return status;
    uint8_t *name = mem_alloc(w->m->mem, r.to.name.len);
    size_t notices = inode_notices(r.inode);
    notices += lease_notices(r.inode->parent) + lease_notices(r.to.parent);
    if (r.victim != NULL)
        notices += unlink_notices(w->m, r.victim);
    size_t told = 2 * notify_count(r.inode) + 2 * notify_count_in(r.to.parent);
    if (name == NULL || !notify_prepare(w, notices, told)) {
        mem_free(w->m->mem, name, r.to.name.len);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    memcpy(name, r.to.name.at, r.to.name.len);

    commit(w, &r, name);
    reply_info(w, r.inode);
    return STATUS_OK;
}
