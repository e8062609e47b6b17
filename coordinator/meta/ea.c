/* Extended attributes: [MS-FSA] 2.1.5.15.6. They are the file's, whichever of its streams is
 * open. */
#include "coordinator/meta/notify.h"

ntstatus ea_merged(struct work *w, struct slice ea, struct slice changes, struct blob *out)
{
    *out = (struct blob){0};
    if (ea.len + changes.len == 0)
        return STATUS_OK;
    /* Changes and what was there before, more than that cannot come of it. */
    size_t most = ea.len + changes.len;
    uint8_t *room = arena_alloc(w->a, most);
    if (room == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    struct writer wr = writer_of(room, most);
    ntstatus status = ea_merge(ea, changes, &wr);
    if (status != STATUS_OK)
        return status;
    return blob_copy(w->m->mem, written(&wr), out) ? STATUS_OK : STATUS_INSUFFICIENT_RESOURCES;
}

ntstatus apply_set_ea(struct work *w, const Fl__SetEa *c)
{
    struct open *o = open_of(w, c->open_id);
    if (o == NULL)
        return STATUS_FILE_CLOSED;
    if ((o->granted & FILE_WRITE_EA) == 0)
        return STATUS_ACCESS_DENIED;
    struct inode *f = file_of(o->inode);
    if (f->reparse.len > 0)
        return STATUS_EAS_NOT_SUPPORTED;
    struct blob merged;
    ntstatus status = ea_merged(w, blob_slice(&f->ea), pb_slice(c->changes), &merged);
    if (status == STATUS_OK && !notify_prepare(w, 0, notify_count(f))) {
        blob_free(w->m->mem, &merged);
        status = STATUS_INSUFFICIENT_RESOURCES;
    }
    if (status != STATUS_OK)
        return status;

    notify_inode(w, f, FILE_ACTION_MODIFIED, FILE_NOTIFY_CHANGE_EA);
    blob_free(w->m->mem, &f->ea);
    f->ea = merged;
    if (!is_directory(f))
        f->attributes |= FILE_ATTRIBUTE_ARCHIVE;
    if (!o->user_change_time)
        f->change_time = w->now;
    f->version = w->m->index;
    reply_info(w, o->inode);
    return STATUS_OK;
}
