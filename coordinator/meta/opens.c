/* Opens: who has what open, sharing between them, and how they end ([MS-FSA] 2.1.5.5). */
#include "coordinator/meta/locks.h"
#include "coordinator/meta/notify.h"
#include "coordinator/meta/wait.h"

/* Rights that take part in sharing. */
#define DATA_READ (FILE_READ_DATA | FILE_EXECUTE)
#define DATA_WRITE (FILE_WRITE_DATA | FILE_APPEND_DATA)
#define DATA_ANY (DATA_READ | DATA_WRITE | ACCESS_DELETE)

struct open *open_of(const struct work *w, uint64_t id)
{
    struct open *o = open_get(w->m, id);
    return o != NULL && o->node == w->node ? o : NULL;
}

/* Does `sharing` shut out one who has these rights? */
static bool shuts_out(uint32_t sharing, uint32_t access)
{
    return ((sharing & FILE_SHARE_READ) == 0 && (access & DATA_READ) != 0) ||
           ((sharing & FILE_SHARE_WRITE) == 0 && (access & DATA_WRITE) != 0) ||
           ((sharing & FILE_SHARE_DELETE) == 0 && (access & ACCESS_DELETE) != 0);
}

/* Is there an open whose user must not lose what he uses? */
static bool keeps_from_deleting(const struct inode *i)
{
    for (const struct list *at = i->opens.next; at != &i->opens; at = at->next) {
        const struct open *o = container_of(at, struct open, in_inode);
        if ((o->granted & DATA_ANY) != 0 && (o->share_access & FILE_SHARE_DELETE) == 0)
            return true;
    }
    return false;
}

/* Is there one who may delete it? */
static bool may_be_deleted_by_others(const struct inode *i)
{
    for (const struct list *at = i->opens.next; at != &i->opens; at = at->next)
        if ((container_of(at, struct open, in_inode)->granted & ACCESS_DELETE) != 0)
            return true;
    return false;
}

/* [MS-FSA] 2.1.5.1.2.1: deleting the file deletes its streams. */
static bool streams_violated(const struct inode *i, uint32_t access, uint32_t share_access)
{
    if (i->stream)
        return (share_access & FILE_SHARE_DELETE) == 0 && may_be_deleted_by_others(i->parent);
    if ((access & ACCESS_DELETE) != 0)
        for (const struct inode *s = stream_first(i); s != NULL; s = stream_next(s))
            if (keeps_from_deleting(s))
                return true;
    return false;
}

bool sharing_violated(const struct inode *i, uint32_t access, uint32_t share_access)
{
    if ((access & DATA_ANY) == 0)
        return false;
    if (streams_violated(i, access, share_access))
        return true;
    for (const struct list *at = i->opens.next; at != &i->opens; at = at->next) {
        const struct open *o = container_of(at, struct open, in_inode);
        if ((o->granted & DATA_ANY) == 0)
            continue;
        if (shuts_out(o->share_access, access) || shuts_out(share_access, o->granted))
            return true;
    }
    return false;
}

/* [MS-FSA] 2.1.5.5, phase 5: what those who watch are told when an open of `i` ends. */
static void notify_ended(struct work *w, struct inode *i, bool goes)
{
    if (goes)
        notify_removed(w, i);
    if (goes && !i->stream)
        return;
    notify_closed(w, file_of(i));
    if (!goes && i->stream)
        notify_closed(w, i);
}

void open_end(struct work *w, struct open *o)
{
    struct inode *i = o->inode, *f = file_of(i);
    lease_author(w, o, NULL);
    bool may_go = i->children.count == 0 && i->shares == 0 && i->parent != NULL;
    if (o->delete_on_close && may_go) {
        i->delete_pending = true;
        leases_break(w, i, USE_HANDLE, o->lease); /* as Windows; who closes waits for nobody */
        notify_marked(w, i);
    }
    notify_open_ended(o);
    if (locks_end(w->m, o))
        i->version = w->m->index;
    count_opens_above(i, -1);
    lease_detach(w->m, o);
    list_remove(&o->in_inode);
    list_remove(&o->in_node);
    tree_remove(&w->m->opens, &o->by_id);
    mem_free(w->m->mem, o, sizeof(*o));
    wait_recheck(w->m, i);
    bool last = list_empty(&i->opens);
    if (last)
        i->allocation_size = round_allocation(i->size); /* 2.1.5.5, phase 4 */
    bool stream_goes = last && i->stream && i->delete_pending;
    bool goes = f->delete_pending && list_empty(&f->opens) &&
                f->opens_below == 0;                    /* the last open of any of its streams */
    notify_ended(w, goes ? f : i, goes || stream_goes); /* phase 5 */
    if (stream_goes)
        inode_unlink(w, i); /* phase 2 */
    if (goes)
        inode_unlink(w, f); /* phase 3 */
}

size_t open_watch_notices(const struct open *o)
{
    /* Marked for deletion, gone, and what is told of the stream and of the file. */
    return 4 * notify_count(o->inode);
}

size_t open_notices(const struct meta *m, const struct open *o)
{
    const struct inode *f = file_of(o->inode);
    bool goes = o->delete_on_close || o->inode->delete_pending || f->delete_pending;
    return goes ? unlink_notices(m, f) + lease_notices(o->inode) : 0;
}

void node_opens_end(struct work *w, struct node *n)
{
    list_each (at, &n->opens)
        open_end(w, container_of(at, struct open, in_node));
}

bool node_opens_prepare(struct work *w, const struct node *n, size_t others)
{
    size_t count = others, watch = 0;
    for (const struct list *at = n->opens.next; at != &n->opens; at = at->next) {
        const struct open *o = container_of(at, struct open, in_node);
        count += open_notices(w->m, o);
        watch += open_watch_notices(o);
    }
    return notify_prepare(w, count, watch);
}

static bool is_lost(const struct open *o, const struct volume *v, uint64_t root_inode)
{
    return o->inode->volume == v && (root_inode == 0 || o->root_inode == root_inode);
}

bool opens_lost_prepare(struct work *w, const struct volume *v, uint64_t root_inode)
{
    size_t count = 0, notices = w->m->nodes.count, watch = 0;
    for (const struct open *o = open_first(w->m); o != NULL; o = open_next(o)) {
        if (!is_lost(o, v, root_inode))
            continue;
        count++;
        notices += open_notices(w->m, o);
        watch += open_watch_notices(o);
    }
    w->lost = arena_array(w->a, count, sizeof(*w->lost));
    return w->lost != NULL && notify_prepare(w, notices, watch);
}

void opens_lost_commit(struct work *w, const struct volume *v, uint64_t root_inode)
{
    uint64_t *ids = w->lost;
    for (struct node *n = node_first(w->m); n != NULL; n = node_next(n)) {
        size_t count = 0;
        list_each (at, &n->opens) {
            struct open *o = container_of(at, struct open, in_node);
            if (!is_lost(o, v, root_inode))
                continue;
            ids[count++] = o->id;
            open_end(w, o);
        }
        if (count == 0)
            continue;
        Fl__Notice *notice = outbox_post(w, n->id, FL__NOTICE__BODY_OPENS_LOST);
        notice->opens_lost->n_open_ids = count;
        notice->opens_lost->open_ids = ids;
        ids += count;
    }
}

ntstatus apply_close(struct work *w, const Fl__Close *c)
{
    struct open *o = open_of(w, c->open_id);
    if (o == NULL)
        return STATUS_FILE_CLOSED;
    size_t notices = open_notices(w->m, o) + lease_entry_notices(o->inode);
    if (!notify_prepare(w, notices, open_watch_notices(o)))
        return STATUS_INSUFFICIENT_RESOURCES;

    struct inode *i = file_of(o->inode);
    bool dated = c->write_time != 0 && !o->user_write_time && !is_directory(o->inode);
    if (dated) {
        uint64_t at = c->write_time > w->now ? w->now : c->write_time;
        if (at > i->write_time || i->write_time > w->now)
            i->write_time = at;
        if (!o->user_change_time && at > i->change_time)
            i->change_time = at;
        i->version = w->m->index;
        notify_written(o->inode, false);
        lease_author(w, o, NULL);
        leases_break_entries(w, i->parent);
    }
    /* [MS-SMB2] 3.3.5.10: the reply may have to show the attributes, as they are now. */
    reply_info(w, o->inode);
    open_end(w, o);
    return STATUS_OK;
}

/* [MS-FSA] 2.1.5.15.3. */
ntstatus apply_set_disposition(struct work *w, const Fl__SetDisposition *c)
{
    struct open *o = open_of(w, c->open_id);
    if (o == NULL)
        return STATUS_FILE_CLOSED;
    if ((o->granted & ACCESS_DELETE) == 0)
        return STATUS_ACCESS_DENIED;
    struct inode *i = o->inode;
    if (c->delete_pending) {
        if ((file_of(i)->attributes & FILE_ATTRIBUTE_READONLY) != 0 || i->shares > 0 ||
            i->parent == NULL)
            return STATUS_CANNOT_DELETE;
        if (i->children.count > 0)
            return STATUS_DIRECTORY_NOT_EMPTY;
        ntstatus status = leases_wait(w, i, USE_HANDLE, o->lease);
        if (status != STATUS_OK)
            return status;
    }
    if (!notify_prepare(w, 0, notify_count(i)))
        return STATUS_INSUFFICIENT_RESOURCES;

    i->delete_pending = c->delete_pending;
    if (c->delete_pending)
        notify_marked(w, i);
    i->version = w->m->index;
    reply_info(w, i);
    return STATUS_OK;
}
