/* Files: their records, sizes, times and attributes. */
#include "coordinator/meta/notify.h"
#include "coordinator/meta/wait.h"

struct inode *inode_new(struct meta *m, struct slice name, bool directory, struct descriptor *d)
{
    must(name.len <= NAME_COMPONENT_MAX * 2);
    struct inode *i = mem_alloc(m->mem, sizeof(*i));
    struct reclaim *garbage = directory ? NULL : mem_alloc(m->mem, sizeof(*garbage));
    uint8_t *copy = mem_alloc(m->mem, name.len);
    if (i == NULL || (garbage == NULL && !directory) || (copy == NULL && name.len > 0)) {
        mem_free(m->mem, copy, name.len);
        mem_free(m->mem, garbage, sizeof(*garbage));
        mem_free(m->mem, i, sizeof(*i));
        return NULL;
    }
    if (name.len > 0)
        memcpy(copy, name.at, name.len);
    i->name = copy, i->name_len = (uint16_t)name.len;
    i->garbage = garbage;
    i->descriptor = d;
    i->attributes = directory ? FILE_ATTRIBUTE_DIRECTORY : 0;
    list_init(&i->opens);
    list_init(&i->leases);
    inode_trees_init(i);
    return i;
}

void inode_free(struct meta *m, struct inode *i)
{
    must(list_empty(&i->opens));
    must(i->locks == NULL);
    must(list_empty(&i->leases));
    must(i->children.count == 0 && i->streams.count == 0);
    blob_free(m->mem, &i->ea);
    blob_free(m->mem, &i->reparse);
    if (i->descriptor != NULL)
        descriptor_put(m, i->descriptor);
    mem_free(m->mem, i->name, i->name_len);
    mem_free(m->mem, i->garbage, sizeof(*i->garbage));
    mem_free(m->mem, i, sizeof(*i));
}

void inode_attach(struct meta *m, struct volume *v, struct inode *i)
{
    i->id = v->next_inode++;
    i->data_id = is_directory(i) ? 0 : v->next_data++;
    inode_insert(m, v, i);
}

void inode_remove(struct meta *m, struct inode *i)
{
    tree_remove(&i->volume->inodes, &i->by_id);
    must(i->volume->bytes >= i->size);
    must(m->files > 0);
    i->volume->bytes -= i->size;
    m->files--;
}

void inode_unlink(struct work *w, struct inode *i)
{
    must(i->parent != NULL);
    must(i->opens_below == 0 && i->shares == 0);
    for (struct inode *s; (s = stream_first(i)) != NULL;)
        inode_unlink(w, s);
    if (i->stream) {
        inode_changed(w, i->parent);
        stream_remove(i);
    } else {
        directory_changed(w, i->parent);
        child_remove(i);
    }
    inode_remove(w->m, i);
    wait_orphan(w->m, i);
    if (!is_directory(i))
        reclaim_begin(w, i);
    inode_free(w->m, i);
}

size_t unlink_notices(const struct meta *m, const struct inode *i)
{
    size_t reclaimed = reclaim_notices(m, i->volume) * (1 + (size_t)i->streams.count);
    return reclaimed + lease_entry_notices(i);
}

void inode_resize(struct inode *i, uint64_t size)
{
    must(size <= META_SIZE_MAX);
    i->volume->bytes += size - i->size;
    bool shrinks = size < i->size;
    i->size = size;
    uint64_t least = round_allocation(size);
    if (shrinks || i->allocation_size < least)
        i->allocation_size = least;
}

void inode_changed(struct work *w, struct inode *i)
{
    i->change_time = w->now;
    i->version = w->m->index;
}

void directory_changed(struct work *w, struct inode *directory)
{
    directory->write_time = w->now;
    inode_changed(w, directory);
    leases_break_entries(w, directory);
}

uint64_t inode_slots(const struct inode *i)
{
    uint64_t slots = 0;
    for (const struct list *at = i->opens.next; at != &i->opens; at = at->next)
        slots |= slot_bit(container_of(at, struct open, in_inode)->node);
    return slots;
}

size_t inode_notices(const struct inode *i) { return list_empty(&i->opens) ? 0 : META_NODES_MAX; }

void inode_tell_others(struct work *w, const struct inode *i)
{
    uint64_t slots = inode_slots(i);
    if (w->node != NULL)
        slots &= ~slot_bit(w->node);
    for (struct node *n = slots == 0 ? NULL : node_first(w->m); n != NULL; n = node_next(n)) {
        if (n->state != FL__NODE_STATE__NODE_UP || (slots & slot_bit(n)) == 0)
            continue;
        Fl__Notice *notice = outbox_post(w, n->id, FL__NOTICE__BODY_CACHE_INVALIDATE);
        notice->cache_invalidate->volume = i->volume->id;
        notice->cache_invalidate->inode = i->id;
    }
}

/* Has a client of this node set the write time by hand, so that its writes leave it alone? */
static bool write_time_is_set(const struct inode *i, const struct node *n)
{
    for (const struct list *at = i->opens.next; at != &i->opens; at = at->next) {
        const struct open *o = container_of(at, struct open, in_inode);
        if (o->node == n && o->user_write_time)
            return true;
    }
    return false;
}

static void written_at(struct work *w, struct inode *i, uint64_t write_time)
{
    struct inode *f = file_of(i);
    uint64_t at =
        write_time > w->now ? w->now : write_time; /* no node's clock leads the leader's */
    if (at > f->write_time || f->write_time > w->now)
        f->write_time = at;
    if (!is_directory(f))
        f->attributes |= FILE_ATTRIBUTE_ARCHIVE;
    inode_changed(w, f);
}

ntstatus apply_extend(struct work *w, const Fl__Extend *c)
{
    struct volume *v = volume_get(w->m, c->volume);
    struct inode *i = v == NULL ? NULL : inode_get(v, c->inode);
    /* The file has gone, or its bytes were thrown away: those written went with them. */
    if (i == NULL || is_directory(i) || i->data_id != c->data_id)
        return STATUS_FILE_CLOSED;
    if (c->size > META_SIZE_MAX)
        return STATUS_DISK_FULL;
    bool grows = c->size > i->size;
    if (grows && !outbox_reserve(w, inode_notices(i)))
        return STATUS_INSUFFICIENT_RESOURCES;

    if (grows) {
        inode_resize(i, c->size);
        /* Growth does not wait: a node that waited here for another one's writes, which wait for
         * their own Extend, would wait for ever. */
        inode_tell_others(w, i);
    }
    if (grows || c->write_time != 0)
        notify_written(i, grows);
    if (c->write_time != 0 && !write_time_is_set(i, w->node))
        written_at(w, i, c->write_time);
    i->version = w->m->index;
    reply_info(w, i);
    return STATUS_OK;
}

/* The open of a file with the right, or a status. */
static ntstatus file_to_change(const struct work *w, uint64_t open_id, uint32_t access,
                               struct open **out)
{
    struct open *o = open_of(w, open_id);
    if (o == NULL)
        return STATUS_FILE_CLOSED;
    if ((o->granted & access) == 0)
        return STATUS_ACCESS_DENIED;
    if (is_directory(o->inode))
        return STATUS_INVALID_PARAMETER;
    *out = o;
    return STATUS_OK;
}

/* [MS-FSA] 2.1.4.17; of a stream it is the file that is told. */
static void modified(struct work *w, struct open *o)
{
    struct inode *f = file_of(o->inode);
    if (!o->user_write_time)
        f->write_time = w->now;
    if (!is_directory(f))
        f->attributes |= FILE_ATTRIBUTE_ARCHIVE;
    notify_written(o->inode, true);
    uint64_t before = f->change_time;
    inode_changed(w, f);
    lease_author(w, o, NULL);
    leases_break_entries(w, f->parent);
    if (o->user_change_time)
        f->change_time = before;
    o->inode->version = w->m->index;
}

/* The last of the first half before a new size, which others must not cache the old one against. */
static ntstatus change_prepare(struct work *w, const struct open *o, bool shrinks)
{
    struct inode *i = o->inode;
    ntstatus status = leases_wait(w, i, USE_DATA, o->lease);
    if (status != STATUS_OK)
        return status;
    if (!outbox_reserve(w, inode_notices(i) + lease_notices(i) + lease_entry_notices(i)))
        return STATUS_INSUFFICIENT_RESOURCES;
    return shrinks ? wait_for_others(w, i) : STATUS_OK;
}

/* [MS-FSA] 2.1.5.15.5. */
ntstatus apply_set_size(struct work *w, const Fl__SetSize *c)
{
    struct open *o;
    ntstatus status = file_to_change(w, c->open_id, FILE_WRITE_DATA, &o);
    if (status != STATUS_OK)
        return status;
    struct inode *i = o->inode;
    if (c->size > META_SIZE_MAX)
        return STATUS_DISK_FULL;
    status = change_prepare(w, o, c->size < i->size);
    if (status != STATUS_OK)
        return status;

    leases_break(w, i, USE_DATA, o->lease);
    bool grows = c->size > i->size;
    if (c->size != i->size)
        inode_resize(i, c->size);
    modified(w, o); /* also when it is as long as before */
    if (grows)
        inode_tell_others(w, i);
    reply_info(w, i);
    return STATUS_OK;
}

/* [MS-FSA] 2.1.5.15.1: a smaller allocation cuts the file. */
ntstatus apply_set_allocation(struct work *w, const Fl__SetAllocation *c)
{
    struct open *o;
    ntstatus status = file_to_change(w, c->open_id, FILE_WRITE_DATA, &o);
    if (status != STATUS_OK)
        return status;
    struct inode *i = o->inode;
    if (c->allocation_size > META_SIZE_MAX - META_CLUSTER_BYTES)
        return STATUS_DISK_FULL;
    uint64_t allocation = round_allocation(c->allocation_size);
    status = change_prepare(w, o, allocation < i->size);
    if (status != STATUS_OK)
        return status;

    leases_break(w, i, USE_DATA, o->lease);
    if (allocation < i->size)
        inode_resize(i, allocation);
    modified(w, o);
    i->allocation_size = allocation;
    i->version = w->m->index;
    reply_info(w, i);
    return STATUS_OK;
}

static ntstatus check_basic(const Fl__SetBasic *c, const struct inode *i)
{
    if (c->creation_time < -2 || c->access_time < -2 || c->write_time < -2 || c->change_time < -2)
        return STATUS_INVALID_PARAMETER;
    if ((c->attributes & FILE_ATTRIBUTE_DIRECTORY) != 0 && !is_directory(i))
        return STATUS_INVALID_PARAMETER;
    if ((c->attributes & FILE_ATTRIBUTE_TEMPORARY) != 0 && is_directory(i))
        return STATUS_INVALID_PARAMETER;
    return STATUS_OK;
}

/* One of the three times a client can freeze (-1), give back (-2) or set. True when it was set. */
static bool set_time(int64_t value, uint64_t *time, bool *by_user)
{
    if (value == 0)
        return false;
    *by_user = value != -2;
    if (value < 0)
        return false;
    *time = (uint64_t)value;
    return true;
}

/* What those who watch see of it. */
static uint32_t basic_filter(const Fl__SetBasic *c, bool attributes)
{
    return (attributes ? FILE_NOTIFY_CHANGE_ATTRIBUTES : 0) |
           (c->creation_time > 0 ? FILE_NOTIFY_CHANGE_CREATION : 0) |
           (c->access_time > 0 ? FILE_NOTIFY_CHANGE_LAST_ACCESS : 0) |
           (c->write_time > 0 ? FILE_NOTIFY_CHANGE_LAST_WRITE : 0);
}

/* [MS-FSA] 2.1.5.15.2. */
ntstatus apply_set_basic(struct work *w, const Fl__SetBasic *c)
{
    struct open *o = open_of(w, c->open_id);
    if (o == NULL)
        return STATUS_FILE_CLOSED;
    if ((o->granted & FILE_WRITE_ATTRIBUTES) == 0)
        return STATUS_ACCESS_DENIED;
    struct inode *i = file_of(o->inode);
    ntstatus status = check_basic(c, i);
    if (status != STATUS_OK)
        return status;
    if (!notify_prepare(w, inode_notices(i) + lease_entry_notices(i), notify_count(i)))
        return STATUS_INSUFFICIENT_RESOURCES;

    lease_author(w, o, NULL);
    leases_break_entries(w, i->parent);
    uint32_t settable = FILE_ATTRIBUTE_SETTABLE;
    if (i->parent == NULL)
        settable &= ~(FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM);
    uint32_t before = i->attributes;
    if (c->attributes != 0)
        i->attributes = (before & ~settable) | (c->attributes & settable);
    notify_inode(w, i, FILE_ACTION_MODIFIED, basic_filter(c, i->attributes != before));
    bool changed = i->attributes != before;
    bool change_time_set = set_time(c->change_time, &i->change_time, &o->user_change_time);
    if (c->creation_time > 0) {
        i->creation_time = (uint64_t)c->creation_time;
        changed = true;
    }
    changed |= set_time(c->access_time, &i->access_time, &o->user_access_time);
    changed |= set_time(c->write_time, &i->write_time, &o->user_write_time);
    if (changed && !change_time_set && !o->user_change_time)
        i->change_time = w->now;
    i->version = w->m->index;
    inode_tell_others(w, i);
    reply_info(w, o->inode);
    return STATUS_OK;
}

/* [MS-FSA] 2.1.5.10.38. One bit for the file and all its streams: what is stored is the same either
 * way, only what FSCTL_QUERY_ALLOCATED_RANGES says differs. */
ntstatus apply_set_sparse(struct work *w, const Fl__SetSparse *c)
{
    struct open *o;
    ntstatus status = file_to_change(
        w, c->open_id, FILE_WRITE_DATA | FILE_APPEND_DATA | FILE_WRITE_ATTRIBUTES, &o);
    if (status != STATUS_OK)
        return status;
    struct inode *f = file_of(o->inode);
    if (!outbox_reserve(w, inode_notices(f)))
        return STATUS_INSUFFICIENT_RESOURCES;

    uint32_t before = f->attributes;
    uint32_t others = before & ~FILE_ATTRIBUTE_SPARSE_FILE;
    f->attributes = c->sparse ? others | FILE_ATTRIBUTE_SPARSE_FILE : others;
    if (f->attributes != before) {
        inode_changed(w, f);
        notify_later(f, FILE_NOTIFY_CHANGE_ATTRIBUTES); /* 2.1.5.10.38 */
        inode_tell_others(w, f);
    }
    reply_info(w, o->inode);
    return STATUS_OK;
}
