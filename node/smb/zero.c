/* A long range becomes zeros, an extent at a time:
 *
 *   size known? ──► MAP: where is data? ──► ZERO of each stretch of it ──► the next extent
 *
 * What a MAP leaves out reads as zeros already, so a hole of a terabyte costs its MAPs and not one
 * write. Each extent holds the file's size (request_hold_size) on its own, so that a cut, of this
 * node or another, waits for one extent at most. */
#include "node/smb/bulk.h"
#include "node/smb/locks.h"
#include "node/smb/lease.h"

/* Gaps this small are made zero with what is around them: one operation is cheaper than two. */
#define ZERO_GAP UINT64_C(65536)

static void zero_extent(struct smb *s, struct smb_request *r);

static void finish(struct smb *s, struct smb_request *r, ntstatus status)
{
    const struct zeroing *z = r->scratch;
    if (r->size_held) /* who cuts the file next may not wait for us, who may wait for him */
        request_release_size(s, r);
    z->done(s, r, status);
}

static void extent_done(struct smb *s, struct smb_request *r, ntstatus status)
{
    request_release_size(s, r);
    if (status == STATUS_OK)
        zero_extent(s, r);
    else
        finish(s, r, status);
}

static void extent_end(struct smb *s, struct smb_request *r)
{
    if (r->cuts)
        extent_done(s, r, STATUS_OK);
    else
        change_end(s, r, request_its_open(s, r), extent_done);
}

/* The next stretch of data; false when the map has none left. */
static bool next_stretch(struct zeroing *z, struct range *out)
{
    if (z->next >= z->map.count)
        return false;
    uint64_t from = z->map.items[z->next].offset;
    uint64_t to = from + z->map.items[z->next++].len;
    while (z->next < z->map.count && z->map.items[z->next].offset - to <= ZERO_GAP) {
        to = z->map.items[z->next].offset + z->map.items[z->next].len;
        z->next++;
    }
    *out = (struct range){from, to - from};
    return true;
}

static void zero_stretch(struct smb *s, struct smb_request *r);

static void zeroed(struct smb *s, struct smb_request *r, const struct smb_io_result *io)
{
    if (io->status != STATUS_OK) {
        finish(s, r, io->status);
        return;
    }
    open_modified(s, request_its_open(s, r));
    zero_stretch(s, r);
}

static void zero_stretch(struct smb *s, struct smb_request *r)
{
    struct zeroing *z = r->scratch;
    struct range x;
    if (!next_stretch(z, &x)) {
        z->at = z->map.until;
        extent_end(s, r);
        return;
    }
    struct smb_io io = {.op = SMB_IO_ZERO, .file = z->file, .offset = x.offset, .len = x.len};
    request_io(s, r, &io, zeroed);
}

static void mapped(struct smb *s, struct smb_request *r, const struct smb_io_result *io)
{
    struct zeroing *z = r->scratch;
    if (io->status != STATUS_OK) {
        finish(s, r, io->status);
        return;
    }
    must(io->len == sizeof(z->map));
    memcpy(&z->map, io->at, sizeof(z->map));
    must(z->map.until > z->at);
    z->next = 0;
    zero_stretch(s, r);
}

/* Where the file ends is known: the next extent, if there is one. */
static void zero_within(struct smb *s, struct smb_request *r, uint64_t size,
                        struct smb_file_ref file)
{
    struct zeroing *z = r->scratch;
    z->end = z->end < size ? z->end : size;
    if (z->at >= z->end) {
        finish(s, r, STATUS_OK);
        return;
    }
    z->file = file;
    struct smb_io io = {.op = SMB_IO_MAP, .file = file, .offset = z->at, .len = z->end - z->at};
    request_io(s, r, &io, mapped);
}

static void zero_known(struct smb *s, struct smb_request *r, ntstatus status)
{
    const struct smb_inode *inode = request_its_open(s, r)->inode;
    if (status == STATUS_OK)
        zero_within(s, r, inode->size, inode->file);
    else
        finish(s, r, status);
}

/* Who cuts breaks what others have read when the new end is set. */
static void extent_begin(struct smb *s, struct smb_request *r)
{
    if (!r->cuts) {
        change_begin(s, r, request_its_open(s, r), zero_known);
        return;
    }
    request_hold_size(s, r);
    zero_known(s, r, STATUS_OK);
}

static void sized(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    const Fl__FileInfo *info = info_of(reply);
    struct smb_open *o = request_its_open(s, r);
    if (info == NULL) {
        finish(s, r, reply_failure(reply));
        return;
    }
    inode_learn(o->inode, info);
    if (o->inode->cutting && !r->cuts)
        inode_wait(s, r, o->inode, zero_extent); /* a cut has begun meanwhile */
    else
        extent_begin(s, r);
}

static void zero_extent(struct smb *s, struct smb_request *r)
{
    const struct zeroing *z = r->scratch;
    struct smb_open *o = request_its_open(s, r);
    /* Others may have made the file longer than is known here. */
    bool fresh = o->inode->size_valid && z->end <= o->inode->size;
    if (z->at >= z->end)
        finish(s, r, STATUS_OK);
    else if (r->cancelled)
        finish(s, r, STATUS_CANCELLED);
    else if (o->inode->cutting && !r->cuts)
        inode_wait(s, r, o->inode, zero_extent);
    else if (fresh && (r->cuts || locks_allow(o, z->at, z->end - z->at, true)))
        extent_begin(s, r);
    else if (r->cuts) /* [MS-FSA] 2.1.5.15.5: locks do not keep a file from being cut */
        open_query_info(s, r, o, sized);
    else
        open_query_access(s, r, o, &(struct lock_query){z->at, z->end - z->at, true, false}, sized);
}

void zero_begin(struct smb *s, struct smb_request *r, struct range range, bulk_done *done)
{
    struct zeroing *z = r->scratch;
    z->at = range.offset;
    z->end = range.offset + range.len;
    z->done = done;
    zero_extent(s, r);
}
