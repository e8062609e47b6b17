/* LOCK ([MS-SMB2] 3.3.5.14), and the locks this node keeps for READ and WRITE.
 *
 *   LOCK ─► META Lock or Unlock ─► reply
 *              └─STATUS_PENDING─► interim reply, until it is granted, CANCEL, or the open's end
 *
 * The coordinator decides, so that a lock holds on every node at once. */
#include "node/smb/locks.h"

#include "proto/smb/data.h"
#include "proto/smb/lock.h"

/* ---- what is kept --------------------------------------------------------------------------- */

void locks_forget(struct kept_locks *kept)
{
    mem_free(kept->mem, kept->at, kept->len);
    kept->at = NULL;
    kept->len = 0;
}

bool locks_keep(struct kept_locks *kept, struct slice list)
{
    if (slice_equal(slice_of(kept->at, kept->len), list))
        return true;
    locks_forget(kept);
    if (list.len == 0)
        return true;
    if (list.len > (size_t)BYTERANGES_MAX * BYTERANGE_BYTES || !byteranges_are_list(list))
        return false;
    kept->at = mem_alloc(kept->mem, list.len);
    if (kept->at == NULL)
        return false;
    memcpy(kept->at, list.at, list.len);
    kept->len = list.len;
    return true;
}

bool locks_allow(const struct smb_open *o, uint64_t offset, uint64_t length, bool write)
{
    const struct kept_locks *kept = &o->inode->locks;
    if (kept->len == 0 || length == 0)
        return true;
    struct byterange wanted = {
        .open_id = o->open_id, .offset = offset, .length = length, .exclusive = write};
    return !byteranges_forbid(slice_of(kept->at, kept->len), &wanted);
}

void open_query_access(struct smb *s, struct smb_request *r, const struct smb_open *o,
                       const struct lock_query *query, smb_meta_done *done)
{
    Fl__Query *q = request_query_new(s, r);
    if (q == NULL)
        return;
    Fl__QueryAccess *access = request_new(r, Fl__QueryAccess);
    if (access == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    fl__query_access__init(access);
    access->open_id = o->open_id;
    access->offset = query->offset;
    access->length = query->length;
    access->write = query->write;
    access->at_end = query->at_end;
    q->body_case = FL__QUERY__BODY_ACCESS;
    q->access = access;
    request_query(s, r, q, done);
}

/* ---- LOCK ----------------------------------------------------------------------------------- */

struct lock_job {
    struct smb_lock_req req;
    ProtobufCBinaryData ranges;
    ntstatus
        then; /* what the rest of the request deserves, when the coordinator has done its part */
};

static void lock_done(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    const struct lock_job *j = r->scratch;
    struct smb_open *o = request_its_open(s, r);
    const Fl__FileInfo *info = info_of(reply);
    if (info != NULL)
        inode_learn(o->inode, info);
    else if (reply->status == STATUS_OK)
        o->inode->size_valid = false; /* what is kept lacks the new lock */
    ntstatus status = reply->status == STATUS_OK ? j->then : reply_failure(reply);
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    struct writer *w = request_writer(s, r, 4);
    if (w == NULL)
        return;
    smb_empty_encode(w);
    request_reply(s, r, STATUS_OK);
}

static bool is_lock(uint32_t flags)
{
    flags &= ~(uint32_t)SMB2_LOCKFLAG_FAIL_IMMEDIATELY;
    return flags == SMB2_LOCKFLAG_SHARED_LOCK || flags == SMB2_LOCKFLAG_EXCLUSIVE_LOCK;
}

/* 3.3.5.14.2: all of them, or none. */
static ntstatus check_locks(const struct smb_lock_req *req)
{
    for (uint16_t i = 0; i < req->count; i++) {
        uint32_t flags = smb_lock_at(req, i).flags;
        bool waits = (flags & SMB2_LOCKFLAG_FAIL_IMMEDIATELY) == 0;
        if (!is_lock(flags) || (waits && req->count > 1))
            return STATUS_INVALID_PARAMETER;
    }
    return STATUS_OK;
}

/* 3.3.5.14.1: those before the first that is no unlock are unlocked. */
static uint16_t count_unlocks(const struct smb_lock_req *req)
{
    uint16_t count = 0;
    while (count < req->count && smb_lock_at(req, count).flags == SMB2_LOCKFLAG_UNLOCK)
        count++;
    return count;
}

static bool put_ranges(struct smb_request *r, struct lock_job *j, uint16_t count)
{
    size_t len = (size_t)count * BYTERANGE_BYTES;
    uint8_t *at = arena_alloc(&r->arena, len);
    if (at == NULL)
        return false;
    struct writer w = writer_of(at, len);
    for (uint16_t i = 0; i < count; i++) {
        struct smb_lock_element e = smb_lock_at(&j->req, i);
        bool exclusive = (e.flags & SMB2_LOCKFLAG_EXCLUSIVE_LOCK) != 0;
        byterange_write(&w, &(struct byterange){0, e.offset, e.length, exclusive});
    }
    j->ranges = borrowed(written(&w));
    return true;
}

/* 3.3.5.14: is a request that comes again to be recognised by its LockSequence? */
static bool has_sequence(const struct smb_request *r)
{
    return r->conn->dialect >= SMB_DIALECT_300 &&
           (r->conn->capabilities & SMB2_GLOBAL_CAP_MULTI_CHANNEL) != 0;
}

static void send_unlock(struct smb *s, struct smb_request *r, const struct smb_open *o)
{
    const struct lock_job *j = r->scratch;
    Fl__Command *c = request_command(s, r);
    Fl__Unlock *u = c != NULL ? request_new(r, Fl__Unlock) : NULL;
    if (u == NULL) {
        if (c != NULL)
            request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    fl__unlock__init(u);
    u->open_id = o->open_id;
    u->ranges = j->ranges;
    u->sequence_index = has_sequence(r) ? j->req.sequence_index : 0;
    u->sequence_number = j->req.sequence_number;
    c->body_case = FL__COMMAND__BODY_UNLOCK;
    c->unlock = u;
    request_meta(s, r, c, lock_done);
}

static void send_lock(struct smb *s, struct smb_request *r, const struct smb_open *o)
{
    const struct lock_job *j = r->scratch;
    Fl__Command *c = request_command(s, r);
    Fl__Lock *l = c != NULL ? request_new(r, Fl__Lock) : NULL;
    if (l == NULL) {
        if (c != NULL)
            request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    fl__lock__init(l);
    l->open_id = o->open_id;
    l->ranges = j->ranges;
    /* 3.3.5.2.7 <266>: amid a compound nothing waits. */
    l->wait = r->last_part && (smb_lock_at(&j->req, 0).flags & SMB2_LOCKFLAG_FAIL_IMMEDIATELY) == 0;
    l->sequence_index = has_sequence(r) ? j->req.sequence_index : 0;
    l->sequence_number = j->req.sequence_number;
    c->body_case = FL__COMMAND__BODY_LOCK;
    c->lock = l;
    if (l->wait) { /* perhaps for hours, and nothing of the frame is needed any more */
        smb_release(s, r->frame);
        r->frame = (handle){0};
        r->message = (struct slice){0};
    }
    request_meta(s, r, c, lock_done);
}

void cmd_lock(struct smb *s, struct smb_request *r)
{
    struct lock_job *j = request_new(r, struct lock_job);
    struct smb_open *o;
    ntstatus status =
        j != NULL ? smb_lock_decode(r->message, &j->req) : STATUS_INSUFFICIENT_RESOURCES;
    if (status == STATUS_OK)
        status = request_open(s, r, j->req.file_id, &o);
    if (status == STATUS_OK && o->inode == NULL)
        status = STATUS_INVALID_DEVICE_REQUEST; /* a pipe */
    bool unlock =
        status == STATUS_OK && (smb_lock_at(&j->req, 0).flags & SMB2_LOCKFLAG_UNLOCK) != 0;
    /* [MS-SMB2] 3.3.5.2.9 lets LOCK pass when the session has expired; Windows takes no lock then.
     */
    if (status == STATUS_OK && !unlock && r->session->sm.state == SESSION_EXPIRED)
        status = STATUS_NETWORK_SESSION_EXPIRED;
    uint16_t count = 0;
    if (status == STATUS_OK && unlock) {
        count = count_unlocks(&j->req);
        j->then = count < j->req.count ? STATUS_INVALID_PARAMETER : STATUS_OK;
        status = count == 0 ? STATUS_INVALID_PARAMETER : STATUS_OK;
    } else if (status == STATUS_OK) {
        count = j->req.count;
        status = check_locks(&j->req);
    }
    if (status == STATUS_OK && !put_ranges(r, j, count))
        status = STATUS_INSUFFICIENT_RESOURCES;
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    r->scratch = j;
    if (unlock)
        send_unlock(s, r, o);
    else
        send_lock(s, r, o);
}
