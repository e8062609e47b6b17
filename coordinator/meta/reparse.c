/* Reparse points: [MS-FSA] 2.1.5.10.37, 2.1.5.10.3. Paths end at them (names.c, create.c). */
#include "coordinator/meta/notify.h"

/* The open of a file that may be made a reparse point, or be one no more, through it. */
static ntstatus find(const struct work *w, uint64_t open_id, struct open **out)
{
    struct open *o = open_of(w, open_id);
    if (o == NULL)
        return STATUS_FILE_CLOSED;
    if ((o->granted & (FILE_WRITE_DATA | FILE_WRITE_ATTRIBUTES)) == 0)
        return STATUS_ACCESS_DENIED;
    *out = o;
    return STATUS_OK;
}

static ntstatus check_owner(const struct inode *i, const struct reparse *point)
{
    struct reparse there;
    must(reparse_decode(blob_slice(&i->reparse), &there) == STATUS_OK);
    return reparse_same(&there, point);
}

static ntstatus check_set(const struct inode *i, const struct reparse *point,
                          const struct security_token *token)
{
    if (i->parent == NULL || i->shares > 0)
        return STATUS_ACCESS_DENIED; /* a share must lead somewhere */
    if (point->tag == IO_REPARSE_TAG_MOUNT_POINT && !is_directory(i))
        return STATUS_NOT_A_DIRECTORY;
    bool symlink = point->tag == IO_REPARSE_TAG_SYMLINK;
    if (symlink && !token->administrator) /* SeCreateSymbolicLinkPrivilege */
        return STATUS_ACCESS_DENIED;
    if (i->children.count > 0)
        return STATUS_DIRECTORY_NOT_EMPTY;
    if (symlink && i->size > 0)
        return STATUS_IO_REPARSE_DATA_INVALID;
    if (i->ea.len > 0)
        return STATUS_EAS_NOT_SUPPORTED;
    return i->reparse.len == 0 ? STATUS_OK : check_owner(i, point);
}

static void changed(struct work *w, struct open *o, struct inode *i)
{
    if (!is_directory(i))
        i->attributes |= FILE_ATTRIBUTE_ARCHIVE;
    if (!o->user_change_time)
        i->change_time = w->now;
    i->version = w->m->index;
    notify_later(i, FILE_NOTIFY_CHANGE_ATTRIBUTES);
    inode_tell_others(w, i);
    reply_info(w, o->inode);
}

ntstatus apply_set_reparse(struct work *w, const Fl__SetReparse *c)
{
    struct open *o;
    struct reparse point;
    struct security_token token;
    ntstatus status = find(w, c->open_id, &o);
    if (status == STATUS_OK)
        status = reparse_decode(pb_slice(c->data), &point);
    if (status == STATUS_OK)
        status = token_of(w, c->token, false, &token);
    if (status == STATUS_OK)
        status = check_set(file_of(o->inode), &point, &token);
    if (status != STATUS_OK)
        return status;
    struct inode *i = file_of(o->inode);
    struct blob fresh;
    if (!outbox_reserve(w, inode_notices(i)) || !blob_copy(w->m->mem, pb_slice(c->data), &fresh))
        return STATUS_INSUFFICIENT_RESOURCES;

    blob_free(w->m->mem, &i->reparse);
    i->reparse = fresh;
    i->attributes |= FILE_ATTRIBUTE_REPARSE_POINT;
    changed(w, o, i);
    return STATUS_OK;
}

ntstatus apply_delete_reparse(struct work *w, const Fl__DeleteReparse *c)
{
    struct open *o;
    struct reparse point = {0};
    ntstatus status = find(w, c->open_id, &o);
    /* Only who it is of: a symbolic link's data is not there to be looked at. */
    if (status == STATUS_OK)
        status = reparse_decode_owner(pb_slice(c->data), &point);
    if (status == STATUS_OK && file_of(o->inode)->reparse.len == 0)
        status = STATUS_NOT_A_REPARSE_POINT;
    if (status == STATUS_OK)
        status = check_owner(file_of(o->inode), &point);
    if (status != STATUS_OK)
        return status;
    struct inode *i = file_of(o->inode);
    if (!outbox_reserve(w, inode_notices(i)))
        return STATUS_INSUFFICIENT_RESOURCES;

    blob_free(w->m->mem, &i->reparse);
    i->attributes &= ~FILE_ATTRIBUTE_REPARSE_POINT;
    changed(w, o, i);
    return STATUS_OK;
}
