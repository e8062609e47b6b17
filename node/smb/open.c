/* Opens of files and directories, the record of a file that they share, and CLOSE.
 *
 * An open is found until CLOSE or a teardown marks it `closing`; it ends when the last part that
 * uses it has ended. The coordinator is told exactly once (meta_closed), by the CLOSE that waits
 * for its answer or by open_finish, which does not wait: retrying is the control core's
 * business. */
#include "node/smb/locks.h"
#include "node/smb/lease.h"
#include "node/smb/notify.h"
#include "node/smb/previous.h"

#include "proto/base/prng.h"

/* ---- the file's record ----------------------------------------------------------------------- */

struct inode_key {
    uint8_t bytes[12];
};

static struct slice key_of(struct inode_key *key, uint32_t volume, uint64_t inode)
{
    struct writer w = writer_of(key->bytes, sizeof(key->bytes));
    write_u32(&w, volume);
    write_u64(&w, inode);
    return written(&w);
}

struct smb_file_ref info_ref(const Fl__FileInfo *info)
{
    return (struct smb_file_ref){
        .volume = info->volume, .first_group = info->first_group, .inode = info->data_id};
}

void inode_learn(struct smb_inode *inode, const Fl__FileInfo *info)
{
    if (info->version < inode->version)
        return;
    inode->version = info->version;
    inode->file = info_ref(info);
    inode->size = info->size;
    inode->size_valid = info->cacheable && locks_keep(&inode->locks, pb_slice(info->locks));
    inode->cached_by = info->cached_by;
}

static struct smb_inode *inode_get(struct smb *s, const Fl__FileInfo *info)
{
    struct inode_key key;
    struct slice k = key_of(&key, info->volume, info->inode);
    struct smb_inode *inode = map_get(&s->inode_by_id, k);
    if (inode == NULL) {
        inode = pool_get(&s->inode_pool);
        if (inode == NULL)
            return NULL;
        inode->inode = info->inode;
        inode->locks.mem = s->mem;
        if (!map_put(&s->inode_by_id, k, inode)) {
            pool_put(&s->inode_pool, inode);
            return NULL;
        }
        inode->file = info_ref(info);
        list_init(&inode->waiters);
    }
    inode->opens++;
    inode_learn(inode, info);
    return inode;
}

/* Answers what waits, as far as memory allows: the rest is answered with the next write's end. */
static void answer_tickets(struct smb *s, struct smb_inode *inode)
{
    while (inode->ticket_count > 0) {
        Fl__Command *c = smb_command(s);
        Fl__InvalidateDone *done = c != NULL ? arena_alloc(&s->step, sizeof(*done)) : NULL;
        if (done == NULL)
            return;
        fl__invalidate_done__init(done);
        done->ticket = inode->tickets[--inode->ticket_count];
        c->body_case = FL__COMMAND__BODY_INVALIDATE_DONE;
        c->invalidate_done = done;
        smb_meta_forget(s, c);
    }
}

static void inode_put(struct smb *s, struct smb_inode *inode)
{
    must(inode->opens > 0);
    if (--inode->opens > 0)
        return;
    must(inode->writes_busy == 0);
    must(!inode->cutting);
    must(list_empty(&inode->waiters));
    answer_tickets(s, inode);
    locks_forget(&inode->locks);
    struct inode_key key;
    (void)map_remove(&s->inode_by_id, key_of(&key, inode->file.volume, inode->inode));
    pool_put(&s->inode_pool, inode);
}

static void wake_all(struct smb *s, struct list *waiters)
{
    while (!list_empty(waiters))
        request_wake_later(s, container_of(list_first(waiters), struct smb_request, work),
                           STATUS_OK);
}

static void wait_in(struct smb *s, struct smb_request *r, struct list *waiters, smb_resume *again)
{
    r->on_idle = again;
    sm_move(&r->sm, REQUEST_WAITING);
    list_push_back(waiters, &r->work);
    request_wait(s, r, WAIT_IDLE, s->now_ns + SMB_META_NS);
}

void inode_settled(struct smb *s, struct smb_inode *inode)
{
    must(inode->writes_busy == 0);
    answer_tickets(s, inode);
    wake_all(s, &inode->waiters);
}

void inode_cut_end(struct smb *s, struct smb_inode *inode)
{
    must(inode->cutting);
    inode->cutting = false;
    wake_all(s, &inode->waiters);
}

void inode_wait(struct smb *s, struct smb_request *r, struct smb_inode *inode, smb_resume *again)
{
    wait_in(s, r, &inode->waiters, again);
}

void inode_invalidate(struct smb *s, uint32_t volume, uint64_t inode, uint64_t ticket)
{
    struct inode_key key;
    struct smb_inode *known = map_get(&s->inode_by_id, key_of(&key, volume, inode));
    struct smb_inode nobody = {0};
    struct smb_inode *at = known != NULL ? known : &nobody;
    if ((s->config->planted & SMB_PLANT_STALE_LOCKS) == 0)
        at->size_valid = false;
    if (ticket == 0)
        return; /* only news: nobody waits for an answer */
    for (uint32_t i = 0; i < at->ticket_count; i++)
        if (at->tickets[i] == ticket)
            return; /* told again after a reconnect */
    /* More changes of one file at once than this are not answered: they wait until the coordinator
     * repeats the notice. Answering early could let a write land where it must not. */
    if (at->ticket_count == SMB_TICKETS_MAX) {
        trace_put(&s->trace, "inode.tickets", volume, inode, ticket);
        return;
    }
    at->tickets[at->ticket_count++] = ticket;
    if (at->writes_busy == 0)
        answer_tickets(s, at);
}

/* ---- the open -------------------------------------------------------------------------------- */

struct smb_open *open_new(struct smb *s, struct smb_tree *tree, const Fl__FileInfo *info)
{
    struct smb_open *o = pool_get(&s->open_pool);
    if (o == NULL)
        return NULL;
    if (info != NULL) {
        o->inode = inode_get(s, info);
        if (o->inode == NULL) {
            pool_put(&s->open_pool, o);
            return NULL;
        }
        o->info = *info;
        o->info.name = (ProtobufCBinaryData){0};
        o->directory = (info->attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    }
    o->self = table_add(&s->opens, o);
    must(!handle_none(o->self)); /* the table is as large as the pool */
    o->tree = tree;
    list_init(&o->work);
    list_init(&o->requests);
    list_init(&o->waiters);
    list_init(&o->tree_link);
    list_push_back(&tree->opens, &o->tree_link);
    tree->open_count++;
    return o;
}

void open_free(struct smb *s, struct smb_open *o)
{
    must(o->busy == 0);
    if (o->tree != NULL) {
        must(o->tree->open_count > 0);
        o->tree->open_count--;
    }
    list_remove(&o->tree_link);
    list_remove(&o->work);
    /* Sleepers are told by the core; they find the open gone. */
    list_each (link, &o->requests)
        list_remove(link);
    must(list_empty(&o->waiters));
    watch_end(s, o);
    lease_end(s, o);
    (void)table_remove(&s->opens, o->self);
    if (o->inode != NULL)
        inode_put(s, o->inode);
    mem_free(s->mem, o->path, o->path_len);
    previous_release(s, o->previous);
    pool_put(&s->open_pool, o);
}

static void fill_close(const struct smb_open *o, Fl__Command *c, Fl__Close *close)
{
    fl__close__init(close);
    close->open_id = o->open_id;
    close->write_time = o->write_time;
    c->body_case = FL__COMMAND__BODY_CLOSE;
    c->close = close;
}

void open_finish(struct smb *s, struct smb_open *o)
{
    if (o->pipe != NULL)
        pipe_free(s, o);
    if (o->inode != NULL && !o->meta_closed) {
        Fl__Command *c = smb_command(s);
        Fl__Close *close = c != NULL ? arena_alloc(&s->step, sizeof(*close)) : NULL;
        if (close == NULL) {
            /* No memory in this step: come again with the next, an open must not be leaked. */
            list_push_back(&s->dying_opens, &o->work);
            return;
        }
        fill_close(o, c, close);
        smb_meta_forget(s, c);
    }
    open_free(s, o);
}

bool open_set_path(struct smb *s, struct smb_open *o, struct slice path)
{
    uint8_t *copy = path.len > 0 ? mem_alloc(s->mem, path.len) : NULL;
    if (path.len > 0 && copy == NULL)
        return false;
    if (path.len > 0)
        memcpy(copy, path.at, path.len);
    mem_free(s->mem, o->path, o->path_len);
    o->path = copy;
    o->path_len = (uint32_t)path.len;
    return true;
}

struct slice open_path(const struct smb_open *o) { return slice_of(o->path, o->path_len); }

bool open_working(const struct smb_open *o, const struct smb_request *r, uint16_t command)
{
    list_each (link, &o->requests) {
        const struct smb_request *other = container_of(link, struct smb_request, open_link);
        bool works = other->sm.state == REQUEST_WAITING && other->wait != WAIT_IDLE;
        if (other != r && works && other->header.command == command)
            return true;
    }
    return false;
}

void open_wait(struct smb *s, struct smb_request *r, struct smb_open *o, smb_resume *again)
{
    wait_in(s, r, &o->waiters, again);
}

void open_wake(struct smb *s, struct smb_open *o) { wake_all(s, &o->waiters); }

/* ---- replies of the coordinator -------------------------------------------------------------- */

const Fl__FileInfo *info_of(const Fl__Reply *reply)
{
    if (reply->status != STATUS_OK || reply->body_case != FL__REPLY__BODY_INFO)
        return NULL;
    return reply->info != NULL ? reply->info->info : NULL;
}

ntstatus reply_failure(const Fl__Reply *reply)
{
    return status_is_error(reply->status) ? reply->status : STATUS_INTERNAL_ERROR;
}

static void ask(struct smb *s, struct smb_request *r, uint64_t open_id, bool path,
                smb_meta_done *done)
{
    Fl__Query *q = request_query_new(s, r);
    if (q == NULL)
        return;
    Fl__QueryInfo *info = request_new(r, Fl__QueryInfo);
    if (info == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    fl__query_info__init(info);
    info->open_id = open_id;
    info->path = path;
    q->body_case = FL__QUERY__BODY_INFO;
    q->info = info;
    request_query(s, r, q, done);
}

void open_query_info(struct smb *s, struct smb_request *r, const struct smb_open *o,
                     smb_meta_done *done)
{
    ask(s, r, o->open_id, false, done);
}

void open_query_path(struct smb *s, struct smb_request *r, const struct smb_open *o,
                     smb_meta_done *done)
{
    ask(s, r, o->open_id, true, done);
}

bool open_is_stream(const struct smb_open *o) { return o->info.file_inode != 0; }

uint64_t file_id_of(const Fl__FileInfo *info)
{
    return info->file_inode != 0 ? info->file_inode : info->inode;
}

ProtobufCBinaryData borrowed(struct slice s)
{
    /* protobuf-c has no const. */
    return (ProtobufCBinaryData){.len = s.len, .data = (uint8_t *)(uintptr_t)s.at};
}

struct smb_file_facts facts_of(const struct smb *s, const Fl__FileInfo *info,
                               const struct smb_inode *inode)
{
    bool directory = (info->attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    struct smb_file_facts facts = {
        .creation_time = info->creation_time,
        .last_access_time = info->access_time,
        .last_write_time = info->write_time,
        .change_time = info->change_time,
        .allocation_size = directory ? 0 : info->allocation_size,
        .end_of_file = directory ? 0 : info->size,
        .attributes = fscc_attributes(info->attributes),
    };
    /* Written to here, and the coordinator is told with CLOSE. A time that is still to come was set
     * by hand; who writes without having set it puts it right. */
    uint64_t written = inode != NULL ? inode->write_time : 0;
    bool later = written > info->write_time || info->write_time > s->filetime;
    if (written != 0 && later) {
        facts.last_write_time = written;
        if (written > info->change_time)
            facts.change_time = written;
    }
    return facts;
}

uint32_t volume_serial(const struct smb *s, uint32_t volume)
{
    uint64_t seed = 0;
    const ProtobufCBinaryData *id = s->cluster != NULL ? &s->cluster->cluster_id : NULL;
    struct reader r = reader_of(id != NULL ? slice_of(id->data, id->len) : (struct slice){0});
    seed = read_u64(&r);
    uint32_t serial = (uint32_t)mix64(seed + volume);
    return serial != 0 ? serial : 1;
}

/* ---- CLOSE ----------------------------------------------------------------------------------- */

bool open_close_meta(struct smb *s, struct smb_request *r, struct smb_open *o, smb_meta_done *done)
{
    Fl__Command *c = request_command(s, r);
    if (c == NULL)
        return false;
    Fl__Close *close = request_new(r, Fl__Close);
    if (close == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return false;
    }
    fill_close(o, c, close);
    o->meta_closed = true;
    request_meta(s, r, c, done);
    return true;
}

/* [MS-SMB2] 3.3.5.10. The open is gone whatever the coordinator says: only its lease on the file
 * could be the matter, and that has then ended with it. */
static void closed(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    const struct smb_close_req *req = r->scratch;
    const struct smb_open *o = request_its_open(s, r);
    const Fl__FileInfo *info = info_of(reply);
    struct smb_close_rsp rsp = {0};
    if ((req->flags & SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB) != 0 && info != NULL && o != NULL) {
        rsp.flags = SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB;
        rsp.facts = facts_of(s, info, o->inode);
    }
    struct writer *w = request_writer(s, r, 64);
    if (w == NULL)
        return;
    smb_close_encode(w, &rsp);
    request_reply(s, r, STATUS_OK);
}

static void close_idle(struct smb *s, struct smb_request *r)
{
    struct smb_open *o = request_its_open(s, r);
    must(o != NULL);
    (void)open_close_meta(s, r, o, closed);
}

void cmd_close(struct smb *s, struct smb_request *r)
{
    struct smb_close_req *req = request_new(r, struct smb_close_req);
    struct smb_open *o;
    ntstatus status =
        req != NULL ? smb_close_decode(r->message, req) : STATUS_INSUFFICIENT_RESOURCES;
    if (status == STATUS_OK)
        status = request_open(s, r, req->file_id, &o);
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    r->scratch = req;
    open_wake(s, o); /* sleepers do not keep it from closing */
    request_wait_idle(s, r, o, close_idle);
}
