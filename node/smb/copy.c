/* Data goes from one file to another within the cluster, a piece at a time:
 *
 *   source's size ──► READ ──► target's size ──► WRITE, or ZERO of nothing but zeros ──► Extend
 *                                                              └── inside the size ──► the next
 * piece
 *
 * Each piece is a READ and a WRITE like those of clients: of in-sync copies, durable on all of
 * them, with the target's size held (request_hold_size) while it is written; and locks of others
 * keep it out as they do those. */
#include "node/smb/bulk.h"
#include "node/smb/lease.h"
#include "node/smb/locks.h"

#define COPY_ATTEMPTS_MAX 4u

static void piece_begin(struct smb *s, struct smb_request *r);
static void target_begin(struct smb *s, struct smb_request *r);

struct smb_open *copy_source(struct smb *s, const struct smb_request *r, handle at)
{
    struct smb_open *o = table_get(&s->opens, at);
    if (o == NULL || o->closing || o->inode == NULL || o->tree == NULL ||
        o->tree->session != r->session)
        return NULL;
    return o;
}

static void finish(struct smb *s, struct smb_request *r, ntstatus status)
{
    const struct copying *j = r->scratch;
    request_unkeep(s, r);
    if (r->size_held)
        request_release_size(s, r);
    j->done(s, r, status);
}

static bool unlocked(const struct copying *j, const struct smb_open *o, uint64_t at, bool write)
{
    return j->ignore_locks || locks_allow(o, at, j->len, write);
}

/* How long the file is, and whether locks keep the piece out of it. */
static void ask(struct smb *s, struct smb_request *r, const struct smb_open *o,
                const struct lock_query *query, smb_meta_done *done)
{
    const struct copying *j = r->scratch;
    if (j->ignore_locks)
        open_query_info(s, r, o, done);
    else
        open_query_access(s, r, o, query, done);
}

/* ---- the target ------------------------------------------------------------------------------ */

static void piece_end(struct smb *s, struct smb_request *r)
{
    struct copying *j = r->scratch;
    request_unkeep(s, r);
    request_release_size(s, r);
    j->from += j->len;
    j->to += j->len;
    j->left -= j->len;
    j->attempts = 0;
    piece_begin(s, r);
}

static void extended(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    struct copying *j = r->scratch;
    struct smb_open *o = request_its_open(s, r);
    if (reply->status == STATUS_OK) {
        open_extended(o, &(struct open_growth){j->file, j->to + j->len}, reply);
        piece_end(s, r);
        return;
    }
    if (reply->status != STATUS_FILE_CLOSED) {
        finish(s, r, reply_failure(reply));
        return;
    }
    /* Overwritten through another open: once more, on the new bytes. */
    o->inode->size_valid = false;
    request_release_size(s, r);
    if (++j->attempts < COPY_ATTEMPTS_MAX)
        target_begin(s, r);
    else
        finish(s, r, STATUS_FILE_NOT_AVAILABLE);
}

static void piece_visible(struct smb *s, struct smb_request *r, ntstatus status)
{
    const struct copying *j = r->scratch;
    struct smb_open *o = request_its_open(s, r);
    if (status != STATUS_OK) {
        finish(s, r, status);
        return;
    }
    bool cached = o->inode->size_valid && o->inode->file.inode == j->file.inode;
    uint64_t size = cached ? o->inode->size : j->size;
    struct open_growth growth = {j->file, j->to + j->len};
    if (growth.end <= size)
        piece_end(s, r);
    else
        open_extend(s, r, &growth, extended);
}

static void written_down(struct smb *s, struct smb_request *r, const struct smb_io_result *io)
{
    const struct copying *j = r->scratch;
    struct smb_open *o = request_its_open(s, r);
    if (io->status != STATUS_OK) {
        finish(s, r, io->status);
        return;
    }
    open_modified(s, o);
    s->stats.writes++;
    s->stats.written_bytes += j->len;
    change_end(s, r, o, piece_visible);
}

static bool all_zero(const uint8_t *at, uint64_t len)
{
    return at[0] == 0 && memcmp(at, at + 1, (size_t)len - 1) == 0;
}

static void target_within(struct smb *s, struct smb_request *r, uint64_t size,
                          struct smb_file_ref file)
{
    struct copying *j = r->scratch;
    j->size = size;
    j->file = file;
    if (j->append)
        j->to = size;
    if (j->to >= SMB_FILE_SIZE_MAX || j->len > SMB_FILE_SIZE_MAX - j->to) {
        finish(s, r, STATUS_INVALID_PARAMETER);
        return;
    }
    struct smb_io io = {.op = SMB_IO_WRITE, .file = file, .offset = j->to, .len = j->len};
    if (all_zero(j->bytes, j->len))
        io.op = SMB_IO_ZERO; /* a hole stays one, and what was there before goes */
    else
        io.data = slice_of(j->bytes, (size_t)j->len);
    request_io(s, r, &io, written_down);
}

static void target_known(struct smb *s, struct smb_request *r, ntstatus status)
{
    const struct smb_inode *inode = request_its_open(s, r)->inode;
    if (status == STATUS_OK)
        target_within(s, r, inode->size, inode->file);
    else
        finish(s, r, status);
}

static void target_sized(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    const Fl__FileInfo *info = info_of(reply);
    struct smb_inode *inode = request_its_open(s, r)->inode;
    if (info == NULL) {
        finish(s, r, reply_failure(reply));
        return;
    }
    inode_learn(inode, info);
    if (inode->cutting)
        inode_wait(s, r, inode, target_begin); /* a cut has begun meanwhile */
    else
        change_begin(s, r, request_its_open(s, r), target_known);
}

static void target_begin(struct smb *s, struct smb_request *r)
{
    const struct copying *j = r->scratch;
    struct smb_open *o = request_its_open(s, r);
    if (o->inode->cutting)
        inode_wait(s, r, o->inode, target_begin);
    else if (!o->inode->size_valid || j->append || !unlocked(j, o, j->to, true))
        ask(s, r, o, &(struct lock_query){j->to, j->len, true, j->append}, target_sized);
    else
        change_begin(s, r, o, target_known);
}

/* ---- the source ------------------------------------------------------------------------------ */

static void was_read(struct smb *s, struct smb_request *r, const struct smb_io_result *io)
{
    struct copying *j = r->scratch;
    if (io->status != STATUS_OK) {
        finish(s, r, io->status);
        return;
    }
    if (io->len != j->len || copy_source(s, r, j->source) == NULL) {
        finish(s, r, io->len != j->len ? STATUS_UNEXPECTED_IO_ERROR : STATUS_FILE_CLOSED);
        return;
    }
    s->stats.reads++;
    s->stats.read_bytes += io->len;
    j->bytes = io->at;
    request_keep(s, r);
    target_begin(s, r);
}

static void source_within(struct smb *s, struct smb_request *r, uint64_t size,
                          struct smb_file_ref file)
{
    const struct copying *j = r->scratch;
    /* [MS-SMB2] says nothing; as Windows. */
    if (j->from > size || j->len > size - j->from) {
        finish(s, r, STATUS_INVALID_VIEW_SIZE);
        return;
    }
    struct smb_io io = {.op = SMB_IO_READ, .file = file, .offset = j->from, .len = j->len};
    request_io(s, r, &io, was_read);
}

static void source_sized(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    const struct copying *j = r->scratch;
    const Fl__FileInfo *info = info_of(reply);
    struct smb_open *source = copy_source(s, r, j->source);
    if (info == NULL || source == NULL) {
        finish(s, r, source == NULL ? STATUS_FILE_CLOSED : reply_failure(reply));
        return;
    }
    inode_learn(source->inode, info);
    source_within(s, r, info->size, info_ref(info));
}

static void piece_begin(struct smb *s, struct smb_request *r)
{
    struct copying *j = r->scratch;
    struct smb_open *source = copy_source(s, r, j->source);
    j->len = j->left < COPY_PIECE_BYTES ? j->left : COPY_PIECE_BYTES;
    if (j->len == 0)
        finish(s, r, STATUS_OK);
    else if (r->cancelled || source == NULL)
        finish(s, r, r->cancelled ? STATUS_CANCELLED : STATUS_FILE_CLOSED);
    else if (source->inode->size_valid && j->from + j->len <= source->inode->size &&
             unlocked(j, source, j->from, false))
        source_within(s, r, source->inode->size, source->inode->file);
    else /* others may have made it longer, or let go of their locks */
        ask(s, r, source, &(struct lock_query){j->from, j->len, false, false}, source_sized);
}

void copy_begin(struct smb *s, struct smb_request *r, bulk_done *done)
{
    struct copying *j = r->scratch;
    j->done = done;
    j->attempts = 0;
    piece_begin(s, r);
}
