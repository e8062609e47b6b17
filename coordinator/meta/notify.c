/* Watches, and what is told to those who watch: [MS-FSA] 2.1.5.11, 2.1.4.1. */
#include "coordinator/meta/notify.h"

/* ---- who is told ----------------------------------------------------------------------------- */

size_t notify_count_in(const struct inode *directory)
{
    size_t count = 0;
    if (directory == NULL || directory->volume->watchers == 0)
        return 0;
    for (; directory != NULL; directory = directory->parent)
        count += directory->watchers;
    return count;
}

size_t notify_count(const struct inode *i)
{
    const struct inode *f = file_of(i);
    return notify_count_in(f->parent) + f->watchers;
}

bool notify_prepare(struct work *w, size_t others, size_t watch)
{
    w->watch_left = watch < META_WATCH_NOTICES_MAX ? watch : META_WATCH_NOTICES_MAX;
    size_t nodes = watch > META_WATCH_NOTICES_MAX ? META_NODES_MAX : 0;
    return outbox_reserve(w, others + w->watch_left + nodes);
}

/* ---- one change ------------------------------------------------------------------------------ */

struct change {
    const struct inode *directory; /* where the name is */
    struct slice name, stream;     /* `stream`: of the file, or empty */
    uint32_t action, filter;
};

static void tell(struct work *w, const struct open *o, const Fl__WatchEvent *event)
{
    uint64_t slot = slot_bit(o->node);
    if ((w->watch_missed & slot) != 0)
        return; /* told to look for itself, which covers this */
    bool room = w->watch_left > 0;
    Fl__Notice *n = outbox_post(w, o->node->id, FL__NOTICE__BODY_WATCH);
    if (room) {
        w->watch_left--;
        *n->watch = *event;
        n->watch->open_id = o->id;
    } else {
        w->watch_missed |= slot; /* open_id and action 0: everything */
    }
}

static void tell_all(struct work *w, const struct inode *directory, const struct change *c,
                     struct slice name)
{
    Fl__WatchEvent event = FL__WATCH_EVENT__INIT;
    event.action = name.len > 0 ? c->action : 0;
    event.name = pb_bytes(name);
    for (const struct list *at = directory->opens.next; at != &directory->opens; at = at->next) {
        const struct open *o = container_of(at, struct open, in_inode);
        bool reaches = directory == c->directory || o->watch_tree;
        if (o->watches && reaches && (o->watch_filter & c->filter) != 0)
            tell(w, o, &event);
    }
}

/* The longest name that anybody is told: from the uppermost directory that is watched. */
static size_t longest_name(const struct change *c)
{
    size_t len = c->name.len + (c->stream.len > 0 ? 2 + c->stream.len : 0), longest = 0;
    for (const struct inode *d = c->directory; d != NULL; d = d->parent) {
        if (d->watchers > 0)
            longest = len;
        len += 2 + (size_t)d->name_len;
    }
    return longest <= (size_t)NAME_PATH_MAX * 2 ? longest : 0;
}

static void put_before(uint8_t *room, size_t *from, struct slice bytes)
{
    if (bytes.len > *from) {
        *from = 0; /* above the uppermost one that is watched */
        return;
    }
    *from -= bytes.len;
    memcpy(room + *from, bytes.at, bytes.len);
}

static void notify(struct work *w, const struct change *c)
{
    static const uint8_t separator[] = {'\\', 0}, colon[] = {':', 0};
    if (notify_count_in(c->directory) == 0)
        return;
    size_t most = longest_name(c), from = most;
    uint8_t *room = most == 0 ? NULL : arena_alloc(w->a, most);
    if (room != NULL && c->stream.len > 0) {
        put_before(room, &from, c->stream);
        put_before(room, &from, slice_of(colon, sizeof(colon)));
    }
    if (room != NULL)
        put_before(room, &from, c->name);
    for (const struct inode *d = c->directory; d != NULL; d = d->parent) {
        if (d->watchers > 0) /* without room for the name: look for yourself */
            tell_all(w, d, c,
                     room == NULL ? (struct slice){0} : slice_of(room + from, most - from));
        if (room == NULL || d->parent == NULL)
            continue;
        put_before(room, &from, slice_of(separator, sizeof(separator)));
        put_before(room, &from, inode_name(d));
    }
}

void notify_inode(struct work *w, const struct inode *i, uint32_t action, uint32_t filter)
{
    const struct inode *f = file_of(i);
    struct change c = {.directory = f->parent,
                       .name = inode_name(f),
                       .stream = i->stream ? inode_name(i) : (struct slice){0},
                       .action = action,
                       .filter = filter};
    if (f->parent != NULL)
        notify(w, &c);
}

uint32_t notify_name_filter(const struct inode *i)
{
    if (i->stream)
        return FILE_NOTIFY_CHANGE_STREAM_NAME;
    return is_directory(i) ? FILE_NOTIFY_CHANGE_DIR_NAME : FILE_NOTIFY_CHANGE_FILE_NAME;
}

void notify_added(struct work *w, const struct inode *i)
{
    uint32_t action = i->stream ? FILE_ACTION_ADDED_STREAM : FILE_ACTION_ADDED;
    notify_inode(w, i, action, notify_name_filter(i));
}

void notify_removed(struct work *w, const struct inode *i)
{
    uint32_t action = i->stream ? FILE_ACTION_REMOVED_STREAM : FILE_ACTION_REMOVED;
    notify_inode(w, i, action, notify_name_filter(i));
}

/* ---- what is told later ---------------------------------------------------------------------- */

void notify_later(struct inode *i, uint32_t filter) { i->untold |= (uint16_t)filter; }

void notify_written(struct inode *i, bool sized)
{
    uint32_t size = i->stream ? FILE_NOTIFY_CHANGE_STREAM_SIZE : FILE_NOTIFY_CHANGE_SIZE;
    uint32_t write = i->stream ? FILE_NOTIFY_CHANGE_STREAM_WRITE : 0;
    notify_later(i, write | (sized ? size : 0));
    notify_later(file_of(i), FILE_NOTIFY_CHANGE_LAST_WRITE);
}

void notify_closed(struct work *w, struct inode *i)
{
    if (i->untold == 0)
        return;
    uint32_t action = i->stream ? FILE_ACTION_MODIFIED_STREAM : FILE_ACTION_MODIFIED;
    notify_inode(w, i, action, i->untold);
    i->untold = 0;
}

/* ---- watches --------------------------------------------------------------------------------- */

/* STATUS_DELETE_PENDING, and for ever ([MS-FSA] 2.1.1.6 ChangeNotifyDirectoryMarkedDeleted). */
void notify_marked(struct work *w, struct inode *directory)
{
    Fl__WatchEvent event = FL__WATCH_EVENT__INIT;
    event.deleted = true;
    for (struct list *at = directory->opens.next; at != &directory->opens; at = at->next) {
        struct open *o = container_of(at, struct open, in_inode);
        if (o->watches)
            tell(w, o, &event);
        o->marked = true;
    }
}

void notify_open_watches(struct open *o)
{
    o->inode->watchers++;
    o->inode->volume->watchers++;
}

void notify_open_ended(struct open *o)
{
    if (!o->watches)
        return;
    must(o->inode->watchers > 0);
    must(o->inode->volume->watchers > 0);
    o->inode->watchers--;
    o->inode->volume->watchers--;
}

bool notify_node_watches(const struct node *n)
{
    for (const struct list *at = n->opens.next; at != &n->opens; at = at->next)
        if (container_of(at, struct open, in_node)->watches)
            return true;
    return false;
}

ntstatus apply_watch(struct work *w, const Fl__Watch *c)
{
    struct open *o = open_of(w, c->open_id);
    if (o == NULL)
        return STATUS_FILE_CLOSED;
    if (o->inode->stream || !is_directory(o->inode))
        return STATUS_INVALID_PARAMETER;
    if ((o->granted & FILE_LIST_DIRECTORY) == 0)
        return STATUS_ACCESS_DENIED;
    if (o->marked || o->delete_on_close || o->inode->delete_pending)
        return STATUS_DELETE_PENDING;
    if (o->watches)
        return STATUS_OK;
    if (o->inode->volume->watchers == META_WATCHERS_MAX)
        return STATUS_INSUFFICIENT_RESOURCES;

    o->watches = true;
    o->watch_tree = c->tree;
    o->watch_filter = c->filter;
    notify_open_watches(o);
    return STATUS_OK;
}
