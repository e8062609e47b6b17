/* READ, WRITE and FLUSH ([MS-SMB2] 3.3.5.11 to .13, [MS-FSA] 2.1.5.3, 2.1.5.4, 2.1.5.7).
 *
 *   READ   inside the cached size ─────────────────────────────► IO READ ─► reply
 *          beyond it, or nothing cached ─► META QueryAccess ───┘ (cut at the end of file)
 *   WRITE  [nothing cached ─► META QueryAccess] ─► IO WRITE (durable on all in-sync members)
 *            ─► inside the size: reply      ─► beyond it: META Extend ─► reply
 *
 * QueryAccess also says whether a byte-range lock forbids it; it is asked as well when one that is
 * cached does, since that may have gone.
 *
 * A write is acknowledged when its bytes and the size that makes them visible are both
 * durable. When the file's bytes were thrown away meanwhile (overwritten through another
 * open), Extend is refused with STATUS_FILE_CLOSED, and the write is done again on the new
 * ones. */
#include "node/smb/locks.h"
#include "node/smb/lease.h"

#include "proto/smb/data.h"

#define WRITE_ATTEMPTS_MAX 4u

/* ---- READ ---------------------------------------------------------------------------------- */

struct read_job {
    struct smb_read_req req;
    uint64_t len; /* to be read */
};

static void read_reply(struct smb *s, struct smb_request *r, const struct smb_io_result *io)
{
    struct writer *w = request_writer(s, r, SMB_READ_RSP_SIZE);
    if (w == NULL)
        return;
    uint32_t len = io != NULL ? (uint32_t)io->len : 0;
    smb_read_encode(w, &(struct smb_read_rsp){.data_length = len});
    if (io != NULL)
        request_reply_buffer(s, r, STATUS_OK, io, io->len);
    else
        request_reply(s, r, STATUS_OK);
}

static void read_done(struct smb *s, struct smb_request *r, const struct smb_io_result *io)
{
    const struct read_job *j = r->scratch;
    if (io->status != STATUS_OK) {
        request_fail(s, r, io->status);
        return;
    }
    if (io->len != j->len) {
        request_fail(s, r, STATUS_UNEXPECTED_IO_ERROR);
        return;
    }
    request_its_open(s, r)->position = j->req.offset + io->len; /* [MS-FSA] 2.1.5.3 */
    s->stats.reads++;
    s->stats.read_bytes += io->len;
    read_reply(s, r, io);
}

/* The size is known: [MS-FSA] 2.1.5.3, and [MS-SMB2] 3.3.5.12 for MinimumCount. */
static void read_within(struct smb *s, struct smb_request *r, uint64_t size,
                        struct smb_file_ref file)
{
    struct read_job *j = r->scratch;
    uint64_t left = j->req.offset < size ? size - j->req.offset : 0;
    j->len = j->req.length < left ? j->req.length : left;
    if ((j->len == 0 && j->req.length > 0) || j->len < j->req.minimum_count) {
        request_fail(s, r, STATUS_END_OF_FILE);
        return;
    }
    if (j->len == 0) {
        read_reply(s, r, NULL);
        return;
    }
    struct smb_io io = {.op = SMB_IO_READ, .file = file, .offset = j->req.offset, .len = j->len};
    request_io(s, r, &io, read_done);
}

static void read_sized(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    struct smb_open *o = request_its_open(s, r);
    const Fl__FileInfo *info = info_of(reply);
    if (info == NULL) {
        request_fail(s, r, reply_failure(reply));
        return;
    }
    inode_learn(o->inode, info);
    read_within(s, r, info->size, info_ref(info));
}

static ntstatus read_check(const struct smb_request *r, const struct smb_read_req *req)
{
    if (req->length > r->conn->io_max)
        return STATUS_INVALID_PARAMETER;
    if (!request_paid(r, req->length))
        return STATUS_INVALID_PARAMETER;
    if (req->channel != SMB2_CHANNEL_NONE)
        return STATUS_INVALID_PARAMETER;
    /* [MS-FSA] 2.1.5.3: offsets are signed, and so is the sum. */
    if (req->offset > INT64_MAX || req->length > INT64_MAX - req->offset)
        return STATUS_INVALID_PARAMETER;
    return STATUS_OK;
}

void cmd_read(struct smb *s, struct smb_request *r)
{
    struct read_job *j = request_new(r, struct read_job);
    struct smb_open *o;
    ntstatus status =
        j != NULL ? smb_read_decode(r->message, &j->req) : STATUS_INSUFFICIENT_RESOURCES;
    if (status == STATUS_OK)
        status = request_open(s, r, j->req.file_id, &o);
    if (status == STATUS_OK)
        status = read_check(r, &j->req);
    if (status == STATUS_OK && o->directory)
        status = STATUS_INVALID_DEVICE_REQUEST;
    /* 3.3.5.9: who may execute may read, else no program could be started from here. */
    if (status == STATUS_OK && (o->granted_access & (FILE_READ_DATA | FILE_EXECUTE)) == 0)
        status = STATUS_ACCESS_DENIED;
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    r->scratch = j;
    r->compress_reply = (j->req.flags & SMB2_READFLAG_REQUEST_COMPRESSED) != 0;
    const struct smb_inode *inode = o->inode;
    if (inode->size_valid && j->req.offset + j->req.length <= inode->size &&
        locks_allow(o, j->req.offset, j->req.length, false))
        read_within(s, r, inode->size, inode->file);
    else
        open_query_access(s, r, o,
                          &(struct lock_query){.offset = j->req.offset, .length = j->req.length},
                          read_sized);
}

/* ---- WRITE --------------------------------------------------------------------------------- */

struct write_job {
    struct smb_write_req req;
    uint64_t size;            /* of the file, when it was last asked */
    struct smb_file_ref file; /* where the bytes went */
    uint32_t attempts;
    bool append; /* FILE_APPEND_DATA without FILE_WRITE_DATA: at the end of file only */
};

static void write_begin(struct smb *s, struct smb_request *r, struct smb_open *o);

static void write_again(struct smb *s, struct smb_request *r)
{
    write_begin(s, r, request_its_open(s, r));
}

static void write_reply(struct smb *s, struct smb_request *r, struct smb_open *o)
{
    const struct write_job *j = r->scratch;
    s->stats.writes++;
    s->stats.written_bytes += j->req.data.len;
    struct writer *w = request_writer(s, r, 32);
    if (w != NULL) {
        smb_write_encode(w, &(struct smb_write_rsp){.count = j->req.length});
        request_reply(s, r, STATUS_OK);
    }
    if (!list_empty(&o->waiters) && !open_working(o, r, SMB2_WRITE))
        open_wake(s, o);
}

static void write_fail(struct smb *s, struct smb_request *r, ntstatus status)
{
    struct smb_open *o = request_its_open(s, r);
    request_fail(s, r, status);
    if (o != NULL && !list_empty(&o->waiters) && !open_working(o, r, SMB2_WRITE))
        open_wake(s, o);
}

void open_extend(struct smb *s, struct smb_request *r, const struct open_growth *growth,
                 smb_meta_done *done)
{
    const struct smb_open *o = request_its_open(s, r);
    Fl__Command *c = request_command(s, r);
    if (c == NULL)
        return;
    Fl__Extend *e = request_new(r, Fl__Extend);
    if (e == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    fl__extend__init(e);
    e->volume = growth->file.volume;
    e->inode = o->inode->inode;
    e->data_id = growth->file.inode;
    e->size = growth->end;
    e->write_time = o->write_time_set ? 0 : s->filetime;
    c->body_case = FL__COMMAND__BODY_EXTEND;
    c->extend = e;
    request_meta(s, r, c, done);
}

void open_extended(struct smb_open *o, const struct open_growth *growth, const Fl__Reply *reply)
{
    const Fl__FileInfo *info = info_of(reply);
    bool same = o->inode->file.inode == growth->file.inode;
    if (info != NULL)
        inode_learn(o->inode, info);
    else if (same && o->inode->size < growth->end)
        o->inode->size = growth->end;
}

void open_modified(struct smb *s, struct smb_open *o)
{
    if (o->write_time_set)
        return;
    o->write_time = s->filetime;
    o->inode->write_time = s->filetime;
}

static void extended(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    struct smb_open *o = request_its_open(s, r);
    struct write_job *j = r->scratch;
    if (reply->status == STATUS_FILE_CLOSED && j->attempts < WRITE_ATTEMPTS_MAX) {
        o->inode->size_valid = false;
        write_begin(s, r, o);
        return;
    }
    if (reply->status != STATUS_OK) {
        /* FILE_CLOSED tells a client that its handle is gone, which it is not. */
        write_fail(s, r,
                   reply->status == STATUS_FILE_CLOSED ? STATUS_FILE_NOT_AVAILABLE
                                                       : reply_failure(reply));
        return;
    }
    struct open_growth growth = {j->file, j->req.offset + j->req.length};
    open_extended(o, &growth, reply);
    write_reply(s, r, o);
}

/* Its bytes are there, and nobody caches others. */
static void write_visible(struct smb *s, struct smb_request *r, ntstatus status)
{
    struct smb_open *o = request_its_open(s, r);
    const struct write_job *j = r->scratch;
    if (status != STATUS_OK) {
        write_fail(s, r, status);
        return;
    }
    /* Another write may have made the file long enough meanwhile. */
    bool cached = o->inode->size_valid && o->inode->file.inode == j->file.inode;
    uint64_t size = cached ? o->inode->size : j->size;
    if (j->req.offset + j->req.length <= size)
        write_reply(s, r, o);
    else
        open_extend(s, r, &(struct open_growth){j->file, j->req.offset + j->req.length}, extended);
}

static void written_down(struct smb *s, struct smb_request *r, const struct smb_io_result *io)
{
    struct smb_open *o = request_its_open(s, r);
    if (io->status != STATUS_OK) {
        write_fail(s, r, io->status);
        return;
    }
    open_modified(s, o);
    change_end(s, r, o, write_visible);
}

static void write_down(struct smb *s, struct smb_request *r)
{
    struct write_job *j = r->scratch;
    if (j->append)
        j->req.offset = j->size;
    if (j->req.length > SMB_FILE_SIZE_MAX - j->req.offset) {
        write_fail(s, r, STATUS_INVALID_PARAMETER);
        return;
    }
    struct smb_io io = {
        .op = SMB_IO_WRITE,
        .file = j->file,
        .offset = j->req.offset,
        .len = j->req.length,
        .data = j->req.data,
    };
    request_io(s, r, &io, written_down);
}

/* The inode holds what was asked last, also when that may not be kept. */
static void write_known(struct smb *s, struct smb_request *r, ntstatus status)
{
    struct write_job *j = r->scratch;
    const struct smb_inode *inode = request_its_open(s, r)->inode;
    if (status != STATUS_OK) {
        write_fail(s, r, status);
        return;
    }
    j->size = inode->size;
    j->file = inode->file;
    write_down(s, r);
}

static void write_sized(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    struct smb_open *o = request_its_open(s, r);
    const Fl__FileInfo *info = info_of(reply);
    if (info == NULL) {
        write_fail(s, r, reply_failure(reply));
        return;
    }
    inode_learn(o->inode, info);
    change_begin(s, r, o, write_known);
}

static void write_begin(struct smb *s, struct smb_request *r, struct smb_open *o)
{
    struct write_job *j = r->scratch;
    /* One that is under way already is what a cut waits for. */
    if (o->inode->cutting && !r->size_held) {
        inode_wait(s, r, o->inode, write_again);
        return;
    }
    j->attempts++;
    request_hold_size(s, r); /* from here on no cut and no cache is granted beside it */
    r->uncertain = false;
    if (!o->inode->size_valid || j->append || !locks_allow(o, j->req.offset, j->req.length, true)) {
        struct lock_query q = {j->req.offset, j->req.length, true, j->append};
        open_query_access(s, r, o, &q, write_sized);
        return;
    }
    change_begin(s, r, o, write_known);
}

static ntstatus write_check(const struct smb_request *r, const struct smb_write_req *req)
{
    if (req->length > r->conn->io_max || !request_paid(r, req->length))
        return STATUS_INVALID_PARAMETER;
    if (req->channel != SMB2_CHANNEL_NONE || req->data.len != req->length)
        return STATUS_INVALID_PARAMETER;
    /* "Write to the end of file" (-1) is no offset here: Windows refuses it over SMB2. */
    if (req->offset > INT64_MAX || req->length > INT64_MAX - req->offset)
        return STATUS_INVALID_PARAMETER;
    if (req->length > 0 &&
        (req->offset >= SMB_FILE_SIZE_MAX || req->length > SMB_FILE_SIZE_MAX - req->offset))
        return STATUS_INVALID_PARAMETER;
    return STATUS_OK;
}

void cmd_write(struct smb *s, struct smb_request *r)
{
    struct write_job *j = request_new(r, struct write_job);
    struct smb_open *o;
    ntstatus status =
        j != NULL ? smb_write_decode(r->message, &j->req) : STATUS_INSUFFICIENT_RESOURCES;
    if (status == STATUS_OK)
        status = request_open(s, r, j->req.file_id, &o);
    if (status == STATUS_OK)
        status = write_check(r, &j->req);
    if (status == STATUS_OK && o->directory)
        status = STATUS_INVALID_DEVICE_REQUEST;
    if (status == STATUS_OK && (o->granted_access & (FILE_WRITE_DATA | FILE_APPEND_DATA)) == 0)
        status = STATUS_ACCESS_DENIED;
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    r->scratch = j;
    j->append = (o->granted_access & FILE_WRITE_DATA) == 0;
    if (j->req.length == 0)
        write_reply(s, r, o);
    else
        write_begin(s, r, o);
}

/* ---- FLUSH --------------------------------------------------------------------------------- */

static void flush_reply(struct smb *s, struct smb_request *r)
{
    struct writer *w = request_writer(s, r, 4);
    if (w == NULL)
        return;
    smb_empty_encode(w);
    request_reply(s, r, STATUS_OK);
}

/* Whatever was acknowledged is on stable storage already. What is still under way through this
 * open is waited for, since the client may have sent the FLUSH to be sure of it. */
static void flush_go(struct smb *s, struct smb_request *r)
{
    struct smb_open *o = request_its_open(s, r);
    if (o != NULL && !o->closing && open_working(o, r, SMB2_WRITE))
        open_wait(s, r, o, flush_go);
    else
        flush_reply(s, r);
}

void cmd_flush(struct smb *s, struct smb_request *r)
{
    struct smb_flush_req req;
    struct smb_open *o;
    ntstatus status = smb_flush_decode(r->message, &req);
    if (status == STATUS_OK)
        status = request_open(s, r, req.file_id, &o);
    /* [MS-SMB2] 3.3.5.11 */
    if (status == STATUS_OK && (o->granted_access & (FILE_WRITE_DATA | FILE_APPEND_DATA)) == 0)
        status = STATUS_ACCESS_DENIED;
    if (status == STATUS_OK)
        flush_go(s, r);
    else
        request_fail(s, r, status);
}
