/* Renaming: [MS-FSA] 2.1.5.15.12. A file has one name, so a link and its file are one. */
#include "coordinator/meta/meta_int.h"

struct renaming {
    const Fl__Rename *c;
    struct open *open;
    struct inode *inode;
    struct inode *victim; /* a file under the new name that goes away, or NULL */
    struct place to;
    struct security_token token;
};

static ntstatus check_source(const struct renaming *r)
{
    const struct inode *i = r->inode;
    if ((r->open->granted & ACCESS_DELETE) == 0)
        return STATUS_ACCESS_DENIED;
    if (i->delete_pending || i->parent == NULL || i->shares > 0)
        return STATUS_ACCESS_DENIED;
    if (i->opens_below > 0) /* 2.1.4.2 */
        return STATUS_ACCESS_DENIED;
    return STATUS_OK;
}

static ntstatus find_target(struct work *w, struct renaming *r)
{
    struct inode *root = inode_get(r->inode->volume, r->c->root_inode);
    if (root == NULL || !is_directory(root))
        return STATUS_NETWORK_NAME_DELETED;
    if (r->c->target.len == 0)
        return STATUS_INVALID_PARAMETER;
    ntstatus status = walk(root, pb_slice(r->c->target), &r->to);
    if (status != STATUS_OK)
        return status;
    if (r->to.other_stream)
        return STATUS_NOT_SUPPORTED;
    if (r->to.parent == NULL || (r->to.directory && !is_directory(r->inode)))
        return STATUS_OBJECT_NAME_INVALID;
    return r->to.parent->delete_pending ? STATUS_DELETE_PENDING
                                        : token_of(w, r->c->token, false, &r->token);
}

/* The file that has the name now must be one that may be deleted, by nobody open. */
static ntstatus check_victim(const struct renaming *r)
{
    const struct inode *v = r->victim;
    if (!r->c->replace)
        return STATUS_OBJECT_NAME_COLLISION;
    if (is_directory(v) || (v->attributes & FILE_ATTRIBUTE_READONLY) != 0)
        return STATUS_ACCESS_DENIED;
    if (v->delete_pending)
        return STATUS_DELETE_PENDING;
    if ((rights_on(v, &r->token) & ACCESS_DELETE) == 0 || !list_empty(&v->opens))
        return STATUS_ACCESS_DENIED;
    return STATUS_OK;
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
    uint32_t all = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    return sharing_violated(to, needed, all) ? STATUS_SHARING_VIOLATION : STATUS_OK;
}

static void commit(struct work *w, struct renaming *r, uint8_t *name)
{
    struct inode *i = r->inode;
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
    if (!r->open->user_change_time)
        i->change_time = w->now;
    i->version = w->m->index;
    inode_tell_others(w, i);
}

ntstatus apply_rename(struct work *w, const Fl__Rename *c)
{
    struct renaming r = {.c = c, .open = open_of(w, c->open_id)};
    if (r.open == NULL)
        return STATUS_FILE_CLOSED;
    r.inode = r.open->inode;
    ntstatus status = check_source(&r);
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
        status = check_victim(&r);
    }
    if (status == STATUS_OK)
        status = check_directory(&r);
    if (status != STATUS_OK)
        return status;
    uint8_t *name = mem_alloc(w->m->mem, r.to.name.len);
    size_t notices = inode_notices(r.inode) + reclaim_notices(w->m, r.inode->volume);
    if (name == NULL || !outbox_reserve(w, notices)) {
        mem_free(w->m->mem, name, r.to.name.len);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    memcpy(name, r.to.name.at, r.to.name.len);

    commit(w, &r, name);
    reply_info(w, r.inode);
    return STATUS_OK;
}
