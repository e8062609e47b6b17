/* CREATE: [MS-FSA] 2.1.5.1, with the checks of [MS-SMB2] 3.3.5.9.
 *
 *   what the path names    the file is there    it is not
 *   a file or directory    open_existing        create_new
 *   a named stream         open_existing when   create_new, both
 *                          the stream is there,
 *                          else create_stream */
#include "coordinator/meta/notify.h"
#include "coordinator/meta/wait.h"

#define VALID_DIRECTORY_OPTIONS                                                                    \
    (FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT |              \
     FILE_WRITE_THROUGH | FILE_OPEN_REMOTE_INSTANCE | FILE_COMPLETE_IF_OPLOCKED |                  \
     FILE_OPEN_FOR_BACKUP_INTENT | FILE_DELETE_ON_CLOSE | FILE_OPEN_FOR_FREE_SPACE_QUERY |         \
     FILE_OPEN_BY_FILE_ID | FILE_NO_COMPRESSION | FILE_OPEN_REPARSE_POINT |                        \
     FILE_OPEN_REQUIRING_OPLOCK)
#define BACKUP_ACCESS (READ_CONTROL | ACCESS_SYSTEM_SECURITY | FILE_GENERIC_READ | FILE_TRAVERSE)
#define RESTORE_ACCESS                                                                             \
    (WRITE_DAC | WRITE_OWNER | ACCESS_SYSTEM_SECURITY | FILE_GENERIC_WRITE | ACCESS_DELETE)
/* What READONLY takes from those who asked for whatever they may have. */
#define NOT_WHEN_READONLY (FILE_WRITE_DATA | FILE_APPEND_DATA | FILE_DELETE_CHILD)

/* A CREATE on its way. */
struct create {
    const Fl__Open *c;
    struct volume *volume;
    struct place place;
    struct inode
        *target; /* what is to be opened: the file or one of its streams; NULL: not there */
    struct security_token token;
    uint32_t desired;      /* generic rights mapped; MAXIMUM_ALLOWED may be in it */
    uint32_t added;        /* what the disposition needs besides, without staying granted */
    uint32_t share_access; /* what others may do */
    uint32_t granted, maximal, action;
    bool directory;    /* a directory is asked for, or is there */
    struct open *open; /* fresh */
    struct lease_asking caching;
    enum cache_use use; /* what opening it is to others */
    struct blob ea;     /* of the file that is created or overwritten */
};

static bool overwrites(const Fl__Open *c)
{
    return c->disposition == FILE_SUPERSEDE || c->disposition == FILE_OVERWRITE ||
           c->disposition == FILE_OVERWRITE_IF;
}

/* 2.1.5.1, phase 1. */
static ntstatus check_parameters(const Fl__Open *c, uint32_t desired)
{
    uint32_t options = c->options;
    bool directory = (options & FILE_DIRECTORY_FILE) != 0;
    bool file = (options & FILE_NON_DIRECTORY_FILE) != 0;
    if ((c->share_access & ~FILE_SHARE_VALID) != 0 || c->disposition > FILE_DISPOSITION_MAX ||
        (options & ~FILE_CREATE_OPTIONS_VALID) != 0 || (c->attributes & ~FILE_ATTRIBUTE_KNOWN) != 0)
        return STATUS_INVALID_PARAMETER;
    if (directory && file)
        return STATUS_INVALID_PARAMETER;
    if (directory && ((options & ~VALID_DIRECTORY_OPTIONS) != 0 || overwrites(c)))
        return STATUS_INVALID_PARAMETER;
    if ((options & FILE_DELETE_ON_CLOSE) != 0 && (desired & (ACCESS_DELETE | MAXIMUM_ALLOWED)) == 0)
        return STATUS_INVALID_PARAMETER;
    if (desired == 0 || (c->desired_access & ~ACCESS_VALID) != 0)
        return STATUS_ACCESS_DENIED;
    if ((options & FILE_OPEN_BY_FILE_ID) != 0)
        return STATUS_NOT_SUPPORTED;
    if (c->allocation_size > META_SIZE_MAX - META_CLUSTER_BYTES)
        return STATUS_DISK_FULL;
    return STATUS_OK;
}

/* 2.1.5.1.2: who does not ask for the reparse point itself is told where it leads. Nothing is made
 * in its place. */
static bool leads_on(const Fl__Open *c, const struct inode *i)
{
    return i != NULL && i->reparse.len > 0 && (c->options & FILE_OPEN_REPARSE_POINT) == 0 &&
           c->disposition != FILE_CREATE;
}

/* Phases 6 and 7: what is to be opened, and is it of the kind asked for? */
static ntstatus find(struct work *w, struct create *cr)
{
    const Fl__Open *c = cr->c;
    cr->volume = volume_get(w->m, c->volume);
    struct inode *root = cr->volume == NULL ? NULL : inode_get(cr->volume, c->root_inode);
    if (root == NULL || !is_directory(root))
        return STATUS_NETWORK_NAME_DELETED;
    ntstatus status = walk(root, pb_slice(c->path), &cr->place);
    const struct place *p = &cr->place;
    if (status == STATUS_STOPPED_ON_SYMLINK || (status == STATUS_OK && leads_on(c, p->inode)))
        return reply_stopped(w, p);
    if (status != STATUS_OK)
        return status;
    bool file_asked = (c->options & FILE_NON_DIRECTORY_FILE) != 0;
    cr->directory = (c->options & FILE_DIRECTORY_FILE) != 0 || p->directory;
    if (p->directory && file_asked)
        return STATUS_OBJECT_NAME_INVALID;
    if (p->data && cr->directory)
        return STATUS_NOT_A_DIRECTORY;
    cr->target = p->inode != NULL && p->stream.len > 0 ? stream_get(p->inode, p->stream) : p->inode;
    if (cr->target == NULL && (c->disposition == FILE_OPEN || c->disposition == FILE_OVERWRITE))
        return STATUS_OBJECT_NAME_NOT_FOUND;
    if (p->stream.len > 0)
        return STATUS_OK;
    if (p->inode == NULL)
        /* A trailing separator names a directory, which must then be asked for. */
        return p->directory && (c->options & FILE_DIRECTORY_FILE) == 0 ? STATUS_OBJECT_NAME_INVALID
                                                                       : STATUS_OK;
    if (!is_directory(p->inode) && cr->directory)
        return c->disposition == FILE_CREATE ? STATUS_OBJECT_NAME_COLLISION
                                             : STATUS_NOT_A_DIRECTORY;
    if (is_directory(p->inode) && (file_asked || p->data))
        return STATUS_FILE_IS_A_DIRECTORY;
    cr->directory = is_directory(p->inode);
    return STATUS_OK;
}

/* Phase 4: what the privileges of an administrator add. */
static uint32_t privileged(const struct create *cr)
{
    uint32_t rights = cr->token.administrator ? ACCESS_SYSTEM_SECURITY : 0;
    if (!cr->token.administrator || !cr->token.backup_intent)
        return rights;
    uint32_t d = cr->c->disposition;
    if (d == FILE_OPEN || d == FILE_OPEN_IF || d == FILE_OVERWRITE_IF)
        rights |= BACKUP_ACCESS;
    return rights | RESTORE_ACCESS;
}

/* Are all these rights allowed? The share's permissions do not speak of the SACL. */
static ntstatus check_rights(const struct create *cr, uint32_t wanted, uint32_t allowed)
{
    wanted &= ~MAXIMUM_ALLOWED;
    if ((wanted & ACCESS_SYSTEM_SECURITY & ~allowed) != 0)
        return STATUS_PRIVILEGE_NOT_HELD;
    if ((wanted & ~allowed) != 0 || (wanted & ~cr->c->share_mask & ~ACCESS_SYSTEM_SECURITY) != 0)
        return STATUS_ACCESS_DENIED;
    return STATUS_OK;
}

/* 2.1.5.1.2.1. */
static ntstatus check_access(struct create *cr)
{
    const struct inode *i = cr->place.inode;
    bool readonly = (i->attributes & FILE_ATTRIBUTE_READONLY) != 0;
    uint32_t explicit_access = (cr->desired | cr->added) & ~MAXIMUM_ALLOWED;
    bool deletes = (cr->c->options & FILE_DELETE_ON_CLOSE) != 0;
    if (readonly && !is_directory(i) &&
        (explicit_access & (FILE_WRITE_DATA | FILE_APPEND_DATA)) != 0)
        return STATUS_ACCESS_DENIED;
    /* A root cannot go, its streams can. */
    bool stays = cr->place.stream.len == 0 && (i->shares > 0 || i->parent == NULL);
    if (deletes && (readonly || stays))
        return STATUS_CANNOT_DELETE;
    uint32_t rights = rights_on(i, &cr->token);
    cr->maximal = rights & cr->c->share_mask;
    rights |= privileged(cr);
    /* SeTakeOwnershipPrivilege: for who asks, so that a descriptor can always be repaired. */
    uint32_t asked = cr->token.administrator ? WRITE_OWNER : 0;
    ntstatus status = check_rights(cr, explicit_access, rights | asked);
    if (status != STATUS_OK)
        return status;
    cr->granted = cr->desired & ~MAXIMUM_ALLOWED;
    if ((cr->desired & MAXIMUM_ALLOWED) != 0) {
        uint32_t most = rights & cr->c->share_mask;
        cr->granted |= readonly && !is_directory(i) ? most & ~NOT_WHEN_READONLY : most;
    }
    if (cr->granted == 0 || (deletes && (cr->granted & ACCESS_DELETE) == 0))
        return STATUS_ACCESS_DENIED;
    return STATUS_OK;
}

/* 2.1.5.1.2.2 and the rule on exclusive opens of directories in 2.1.5.1.2: who could not change a
 * thing cannot keep others from reading it. */
static ntstatus check_sharing(struct create *cr)
{
    const struct inode *i = cr->place.inode, *target = cr->target;
    cr->share_access = cr->c->share_access;
    uint32_t above =
        i->parent == NULL ? FILE_WRITE_DATA : rights_by(i->parent->descriptor, &cr->token);
    uint32_t rights = cr->maximal;
    if ((above & FILE_WRITE_DATA) == 0)
        cr->share_access |= FILE_SHARE_READ;
    if (cr->directory && (rights & FILE_GENERIC_WRITE) != FILE_GENERIC_WRITE) {
        bool strict = (cr->c->options & FILE_DISALLOW_EXCLUSIVE) != 0;
        if (strict && list_empty(&target->opens) && (cr->share_access & FILE_SHARE_READ) == 0)
            return STATUS_ACCESS_DENIED;
        cr->share_access |= FILE_SHARE_READ;
    }
    uint32_t access = cr->granted | cr->added;
    return sharing_violated(target, access, cr->share_access) ? STATUS_SHARING_VIOLATION
                                                              : STATUS_OK;
}

static struct open *open_new(struct work *w)
{
    struct open *o = mem_alloc(w->m->mem, sizeof(*o));
    if (o == NULL)
        return NULL;
    list_init(&o->in_inode);
    list_init(&o->in_node);
    list_init(&o->in_lease);
    return o;
}

static void copy_guid(uint8_t to[16], ProtobufCBinaryData from)
{
    if (from.len == 16)
        memcpy(to, from.data, 16);
}

/* The last step of each CREATE; nothing can fail any more. */
static void commit_open(struct work *w, struct create *cr, struct inode *i)
{
    struct open *o = cr->open;
    o->id = w->m->next_open++;
    o->inode = i;
    o->node = w->node;
    o->root_inode = cr->c->root_inode;
    o->granted = cr->granted;
    o->share_access = cr->share_access;
    o->options = cr->c->options;
    o->delete_on_close = (cr->c->options & FILE_DELETE_ON_CLOSE) != 0;
    copy_guid(o->client_guid, cr->c->client_guid);
    copy_guid(o->create_guid, cr->c->create_guid);
    open_insert(w->m, o);
    reply_open(w, o, cr->action, cr->maximal);
    lease_attach(w, &cr->caching, o);
}

static uint32_t attributes_of(const Fl__Open *c)
{
    return (c->attributes & FILE_ATTRIBUTE_SETTABLE) | FILE_ATTRIBUTE_ARCHIVE;
}

static void notify_overwritten(struct work *w, const struct create *cr)
{
    uint32_t of_file = FILE_NOTIFY_CHANGE_ATTRIBUTES | FILE_NOTIFY_CHANGE_SIZE |
                       FILE_NOTIFY_CHANGE_LAST_WRITE | FILE_NOTIFY_CHANGE_EA;
    uint32_t of_stream = FILE_NOTIFY_CHANGE_STREAM_SIZE | FILE_NOTIFY_CHANGE_STREAM_WRITE;
    if (cr->target->stream)
        notify_inode(w, cr->target, FILE_ACTION_MODIFIED_STREAM, of_stream);
    else
        notify_inode(w, cr->target, FILE_ACTION_MODIFIED, of_file);
}

/* Old bytes go under their old name; what comes gets a new one. With the data of the file itself
 * its streams go, and its attributes, as on NTFS: what is there afterwards is what was asked for.
 */
static void overwrite(struct work *w, struct create *cr, struct reclaim *fresh)
{
    struct inode *i = cr->target, *f = cr->place.inode;
    for (struct inode *s; i == f && (s = stream_first(f)) != NULL;) {
        notify_removed(w, s);
        inode_unlink(w, s);
    }
    notify_overwritten(w, cr);
    reclaim_begin(w, i);
    i->garbage = fresh;
    i->data_id = i->volume->next_data++;
    inode_resize(i, 0);
    i->allocation_size = round_allocation(cr->c->allocation_size);
    if (i == f) {
        f->attributes = attributes_of(cr->c);
        blob_free(w->m->mem, &f->ea);
        blob_free(w->m->mem, &f->reparse);
        f->ea = cr->ea;
    }
    f->write_time = w->now;
    inode_changed(w, f);
    i->version = w->m->index;
}

/* May what is there be overwritten, and what must the asker be allowed besides? */
static ntstatus check_overwrite(struct create *cr)
{
    const struct inode *f = cr->place.inode;
    const Fl__Open *c = cr->c;
    uint32_t kept = FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM;
    if (cr->directory)
        return f->parent == NULL ? STATUS_ACCESS_DENIED : STATUS_OBJECT_NAME_COLLISION;
    if (cr->target == f) {
        if ((f->attributes & kept & ~c->attributes) != 0)
            return STATUS_ACCESS_DENIED;
        cr->added = FILE_WRITE_EA | FILE_WRITE_ATTRIBUTES;
        if (f->opens_below > 0)
            return STATUS_SHARING_VIOLATION; /* a stream that would go is in use */
    }
    cr->added |= c->disposition == FILE_SUPERSEDE ? ACCESS_DELETE : FILE_WRITE_DATA;
    return STATUS_OK;
}

/* 2.1.5.1.2: an application that knows no extended attributes cannot understand the file. */
static bool needs_ea(const struct create *cr)
{
    struct slice set = blob_slice(&cr->place.inode->ea);
    struct ea e;
    if ((cr->c->options & FILE_NO_EA_KNOWLEDGE) == 0 || cr->place.stream.len > 0)
        return false;
    while (ea_next(&set, &e))
        if ((e.flags & FILE_NEED_EA) != 0)
            return true;
    return false;
}

static bool planted_sharing(const struct work *w, const struct inode *i)
{
    if ((w->m->planted & META_PLANT_SHARING) == 0)
        return false;
    for (const struct list *at = i->opens.next; at != &i->opens; at = at->next)
        if (container_of(at, struct open, in_inode)->node == w->node)
            return false;
    return true;
}

/* 2.1.5.1.2: sharing, and what others cache. A batch oplock goes first: its client may have closed
 * the file long ago. Who would violate sharing waits until cached handles have been closed. */
static ntstatus check_others(struct work *w, struct create *cr)
{
    struct inode *i = cr->target;
    const struct lease *own = cr->caching.held;
    enum cache_use use = cache_use_of(cr->granted | cr->added, overwrites(cr->c));
    cr->use = use;
    ntstatus status = lease_batch(i) ? leases_wait(w, i, use, own) : STATUS_OK;
    if (status == STATUS_OK)
        status = check_sharing(cr);
    if (status == STATUS_SHARING_VIOLATION && planted_sharing(w, i))
        status = STATUS_OK;
    if (status == STATUS_SHARING_VIOLATION) {
        ntstatus waits = leases_wait(w, i, USE_SHARE, own);
        return waits == STATUS_OK ? status : waits;
    }
    if (status == STATUS_OK)
        status = leases_wait(w, i, use, own);
    /* What is to be deleted must not stay open in a cache. */
    bool deletes = (cr->c->options & FILE_DELETE_ON_CLOSE) != 0;
    return status == STATUS_OK && deletes ? leases_wait(w, i, USE_HANDLE, own) : status;
}

/* The last of the first half: the nodes that must let go of what they know. */
static ntstatus wait_for_nodes(struct work *w, struct create *cr)
{
    uint64_t slots = lease_writers(&cr->caching, cr->target);
    if (overwrites(cr->c))
        slots |= inode_slots(cr->target) & ~slot_bit(w->node);
    return wait_for_slots(w, cr->target, slots);
}

static ntstatus open_existing(struct work *w, struct create *cr)
{
    struct inode *i = cr->target;
    const Fl__Open *c = cr->c;
    bool marked = i->delete_pending || cr->place.inode->delete_pending;
    if (marked && (w->m->planted & META_PLANT_MARKED) == 0)
        return STATUS_DELETE_PENDING;
    if (c->disposition == FILE_CREATE)
        return STATUS_OBJECT_NAME_COLLISION;
    bool over = overwrites(c);
    ntstatus status = needs_ea(cr) ? STATUS_ACCESS_DENIED : STATUS_OK;
    if (status == STATUS_OK && over)
        status = check_overwrite(cr);
    if (status == STATUS_OK)
        status = check_access(cr);
    if (status == STATUS_OK)
        status = check_others(w, cr);
    if (status == STATUS_OK && over && i == cr->place.inode)
        status = ea_merged(w, (struct slice){0}, pb_slice(c->ea), &cr->ea);
    if (status != STATUS_OK)
        return status;
    struct reclaim *fresh = over ? mem_alloc(w->m->mem, sizeof(*fresh)) : NULL;
    cr->open = open_new(w);
    size_t told = over ? notify_count(i) * (1 + (size_t)i->streams.count) : 0;
    bool room = cr->open != NULL && (!over || fresh != NULL) && lease_take(w, &cr->caching) &&
                notify_prepare(w, unlink_notices(w->m, i) + lease_notices(i), told);
    status = room ? wait_for_nodes(w, cr) : STATUS_INSUFFICIENT_RESOURCES;
    if (status != STATUS_OK) {
        lease_give_back(w, &cr->caching);
        blob_free(w->m->mem, &cr->ea);
        mem_free(w->m->mem, fresh, sizeof(*fresh));
        mem_free(w->m->mem, cr->open, sizeof(*cr->open));
        return status;
    }

    leases_break(w, i, cr->use, cr->caching.held);
    if (over)
        leases_break_entries(w, cr->place.inode->parent);
    if (over)
        overwrite(w, cr, fresh);
    cr->action = !over                              ? FILE_OPENED
                 : c->disposition == FILE_SUPERSEDE ? FILE_SUPERSEDED
                                                    : FILE_OVERWRITTEN;
    commit_open(w, cr, i);
    return STATUS_OK;
}

/* 2.1.5.1.1, the checks. */
static ntstatus check_creation(struct create *cr)
{
    const Fl__Open *c = cr->c;
    if (cr->directory && (c->attributes & FILE_ATTRIBUTE_TEMPORARY) != 0)
        return STATUS_INVALID_PARAMETER;
    if ((c->attributes & FILE_ATTRIBUTE_READONLY) != 0 && (c->options & FILE_DELETE_ON_CLOSE) != 0)
        return STATUS_CANNOT_DELETE;
    uint32_t needed = cr->directory ? FILE_ADD_SUBDIRECTORY : FILE_ADD_FILE;
    uint32_t allowed = rights_by(cr->place.parent->descriptor, &cr->token) | privileged(cr);
    ntstatus status = check_rights(cr, needed, allowed);
    if (status == STATUS_OK)
        status = check_rights(cr, cr->desired, FILE_ALL_ACCESS | privileged(cr));
    if (status != STATUS_OK)
        return status;
    /* What is new is its creator's: all that was asked for is granted. */
    cr->granted = cr->desired & ~MAXIMUM_ALLOWED;
    if ((cr->desired & MAXIMUM_ALLOWED) != 0)
        cr->granted |= FILE_ALL_ACCESS & c->share_mask;
    cr->share_access = c->share_access;
    bool deletes = (c->options & FILE_DELETE_ON_CLOSE) != 0;
    if (cr->granted == 0 || (deletes && (cr->granted & ACCESS_DELETE) == 0))
        return STATUS_ACCESS_DENIED;
    return STATUS_OK;
}

/* Numbers it and says where its data will lie. */
static void attach(struct work *w, struct create *cr, struct inode *i)
{
    inode_attach(w->m, cr->volume, i);
    i->first_group = is_directory(i) ? 0 : group_choose_first(cr->volume, w->node, i->id);
    i->version = w->m->index;
}

static void commit_stream(struct work *w, struct create *cr, struct inode *file, struct inode *s)
{
    attach(w, cr, s);
    s->allocation_size = round_allocation(cr->c->allocation_size);
    stream_insert(file, s);
    notify_added(w, s);
    cr->action = FILE_CREATED;
    commit_open(w, cr, s);
}

static void commit_creation(struct work *w, struct create *cr, struct inode *i, struct inode *s)
{
    attach(w, cr, i);
    if (!cr->directory) {
        i->attributes = attributes_of(cr->c);
        i->allocation_size = s != NULL ? 0 : round_allocation(cr->c->allocation_size);
    } else {
        i->attributes |= cr->c->attributes & FILE_ATTRIBUTE_SETTABLE;
    }
    i->ea = cr->ea;
    i->creation_time = i->access_time = i->write_time = w->now;
    inode_changed(w, i);
    child_insert(cr->place.parent, i);
    directory_changed(w, cr->place.parent);
    notify_added(w, i);
    cr->action = FILE_CREATED;
    if (s != NULL)
        commit_stream(w, cr, i, s);
    else
        commit_open(w, cr, i);
}

static ntstatus create_new(struct work *w, struct create *cr)
{
    struct descriptor *d = NULL;
    ntstatus status = check_creation(cr);
    if (status != STATUS_OK)
        return status;
    struct security_creation creation = {.creator = pb_slice(cr->c->security_descriptor),
                                         .token = &cr->token,
                                         .directory = cr->directory};
    status = descriptor_inherit(w, cr->place.parent, &creation, &d);
    if (status != STATUS_OK)
        return status;
    bool named = cr->place.stream.len > 0;
    struct inode *i = inode_new(w->m, cr->place.name, cr->directory, d);
    struct inode *s = named ? inode_new(w->m, cr->place.stream, false, NULL) : NULL;
    cr->open = open_new(w);
    bool room = lease_take(w, &cr->caching) &&
                notify_prepare(w, lease_notices(cr->place.parent),
                               notify_count_in(cr->place.parent) * (named ? 2 : 1));
    status = i == NULL || (named && s == NULL) || cr->open == NULL || !room
                 ? STATUS_INSUFFICIENT_RESOURCES
                 : ea_merged(w, (struct slice){0}, pb_slice(cr->c->ea), &cr->ea);
    if (status != STATUS_OK) {
        if (i != NULL)
            inode_free(w->m, i); /* gives back the descriptor too */
        else
            descriptor_put(w->m, d);
        if (s != NULL)
            inode_free(w->m, s);
        lease_give_back(w, &cr->caching);
        mem_free(w->m->mem, cr->open, sizeof(*cr->open));
        return status;
    }
    cr->maximal = rights_by(d, &cr->token) & cr->c->share_mask;
    commit_creation(w, cr, i, s);
    return STATUS_OK;
}

/* 2.1.5.1.2: a new stream of a file that is there. */
static ntstatus create_stream(struct work *w, struct create *cr)
{
    struct inode *file = cr->place.inode;
    if (file->delete_pending)
        return STATUS_DELETE_PENDING;
    if (file->streams.count == META_STREAMS_MAX)
        return STATUS_DISK_FULL;
    cr->added = FILE_WRITE_DATA;
    cr->share_access = cr->c->share_access;
    ntstatus status = check_access(cr);
    if (status != STATUS_OK)
        return status;
    struct inode *s = inode_new(w->m, cr->place.stream, false, NULL);
    cr->open = open_new(w);
    bool room = lease_take(w, &cr->caching) && notify_prepare(w, 0, 2 * notify_count(file));
    if (s == NULL || cr->open == NULL || !room) {
        if (s != NULL)
            inode_free(w->m, s);
        lease_give_back(w, &cr->caching);
        mem_free(w->m->mem, cr->open, sizeof(*cr->open));
        return STATUS_INSUFFICIENT_RESOURCES;
    }

    if (!is_directory(file) && (file->attributes & FILE_ATTRIBUTE_ARCHIVE) == 0) {
        file->attributes |= FILE_ATTRIBUTE_ARCHIVE;
        notify_inode(w, file, FILE_ACTION_MODIFIED, FILE_NOTIFY_CHANGE_ATTRIBUTES);
    }
    inode_changed(w, file);
    commit_stream(w, cr, file, s);
    return STATUS_OK;
}

ntstatus apply_open(struct work *w, const Fl__Open *c)
{
    struct create cr = {
        .c = c, .desired = access_map_generic(c->desired_access), .caching = {.c = c}};
    if (w->node == NULL)
        return STATUS_INVALID_PARAMETER; /* an open belongs to a node */
    ntstatus status = check_parameters(c, cr.desired);
    if (status == STATUS_OK)
        status = token_of(w, c->token, (c->options & FILE_OPEN_FOR_BACKUP_INTENT) != 0, &cr.token);
    if (status == STATUS_OK)
        status = find(w, &cr);
    bool directory = cr.directory && cr.place.stream.len == 0;
    if (status == STATUS_OK)
        status = lease_ask(w, &cr.caching, cr.target, directory);
    lease_author(w, NULL, c);
    if (status != STATUS_OK)
        return status;
    if (cr.target != NULL)
        return open_existing(w, &cr);
    return cr.place.inode != NULL ? create_stream(w, &cr) : create_new(w, &cr);
}
