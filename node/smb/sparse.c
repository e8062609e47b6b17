/* FSCTLs about what a file's ranges hold ([MS-FSCC] 2.3, [MS-FSA] 2.1.5.10).
 *
 * Every file is stored as sparse: a block that was never written, or made zero, takes no space. The
 * attribute decides only what a client is told. Of a file without it every range is allocated; of
 * one with it the store of a member is asked (SMB_IO_MAP), so the answer is exact to a block of
 * 4 KiB. Nothing is kept that grows with the number of holes. */
#include "node/smb/bulk.h"

#include "proto/smb/ioctl.h"
#include "proto/smb/ioctl_range.h"

/* What one answer holds; the client asks again from the last range on. */
#define QUERY_RANGES_MAX 4096u

/* ---- FSCTL_SET_SPARSE ------------------------------------------------------------------------ */

struct sparse_job {
    struct smb_ioctl_req req;
};

static void was_set(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    const struct sparse_job *j = r->scratch;
    const Fl__FileInfo *info = info_of(reply);
    if (info == NULL) {
        request_fail(s, r, reply_failure(reply));
        return;
    }
    inode_learn(request_its_open(s, r)->inode, info);
    ioctl_reply_empty(s, r, &j->req);
}

void sparse_set(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    struct sparse_job *j = request_new(r, struct sparse_job);
    Fl__SetSparse *body = j != NULL ? request_new(r, Fl__SetSparse) : NULL;
    if (body == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    Fl__Command *c = request_command(s, r);
    if (c == NULL)
        return;
    j->req = *req;
    r->scratch = j;
    fl__set_sparse__init(body);
    body->open_id = request_its_open(s, r)->open_id;
    body->sparse = smb_set_sparse_decode(req->input);
    c->body_case = FL__COMMAND__BODY_SET_SPARSE;
    c->set_sparse = body;
    request_meta(s, r, c, was_set);
}

/* ---- FSCTL_SET_ZERO_DATA, FSCTL_FILE_LEVEL_TRIM ---------------------------------------------- */

struct zero_job {
    struct zeroing zeroing; /* first: see bulk.h */
    struct smb_ioctl_req req;
    struct smb_trim_req trim;
    uint32_t index, processed;
};

static struct zero_job *zero_job(struct smb *s, struct smb_request *r,
                                 const struct smb_ioctl_req *req)
{
    struct zero_job *j = request_new(r, struct zero_job);
    if (j == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return NULL;
    }
    j->req = *req;
    r->scratch = j;
    return j;
}

static void was_zeroed(struct smb *s, struct smb_request *r, ntstatus status)
{
    const struct zero_job *j = r->scratch;
    if (status == STATUS_OK)
        ioctl_reply_empty(s, r, &j->req);
    else
        request_fail(s, r, status);
}

/* [MS-FSA] 2.1.5.10.39 */
void sparse_zero_data(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    struct range range;
    ntstatus status = smb_zero_data_decode(req->input, &range);
    if (status == STATUS_OK && request_its_open(s, r)->directory)
        status = STATUS_INVALID_PARAMETER;
    if (status != STATUS_OK)
        request_fail(s, r, status);
    else if (zero_job(s, r, req) != NULL)
        zero_begin(s, r, range, was_zeroed);
}

static void trim_reply(struct smb *s, struct smb_request *r)
{
    const struct zero_job *j = r->scratch;
    uint8_t bytes[SMB_TRIM_RSP_SIZE];
    struct writer w = writer_of(bytes, sizeof(bytes));
    write_u32(&w, j->processed);
    if (j->req.max_output_response == 0)
        ioctl_reply_empty(s, r, &j->req);
    else
        ioctl_reply(s, r, &j->req, (struct ioctl_result){STATUS_OK, written(&w)});
}

/* [MS-FSA] 2.1.5.10.6: the whole pages of the range. */
static ntstatus whole_pages(struct range x, struct range *out)
{
    const uint64_t page = FSCC_CLUSTER_BYTES;
    if (x.len > UINT64_MAX - x.offset || x.offset > UINT64_MAX - page)
        return STATUS_INTEGER_OVERFLOW;
    uint64_t from = (x.offset + page - 1) / page * page;
    uint64_t to = (x.offset + x.len) / page * page;
    *out = (struct range){from, to > from ? to - from : 0};
    return STATUS_OK;
}

static void trim_next(struct smb *s, struct smb_request *r);

static void was_trimmed(struct smb *s, struct smb_request *r, ntstatus status)
{
    struct zero_job *j = r->scratch;
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    j->processed++;
    trim_next(s, r);
}

/* What is trimmed reads as zeros, on every member: the specification would let it be anything. */
static void trim_next(struct smb *s, struct smb_request *r)
{
    struct zero_job *j = r->scratch;
    while (j->index < j->trim.count) {
        struct range pages;
        ntstatus status = whole_pages(smb_trim_at(&j->trim, j->index++), &pages);
        if (status != STATUS_OK) {
            request_fail(s, r, status);
            return;
        }
        if (pages.len > 0 && pages.offset < request_its_open(s, r)->inode->size) {
            zero_begin(s, r, pages, was_trimmed);
            return;
        }
    }
    trim_reply(s, r);
}

static void trim_sized(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    const Fl__FileInfo *info = info_of(reply);
    if (info == NULL) {
        request_fail(s, r, reply_failure(reply));
        return;
    }
    inode_learn(request_its_open(s, r)->inode, info);
    trim_next(s, r);
}

void sparse_trim(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    const struct smb_open *o = request_its_open(s, r);
    struct smb_trim_req trim;
    ntstatus status = smb_trim_decode(req->input, &trim);
    uint32_t room = req->max_output_response;
    if (status == STATUS_OK && (o->directory || (room > 0 && room < SMB_TRIM_RSP_SIZE)))
        status = STATUS_INVALID_PARAMETER;
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    struct zero_job *j = zero_job(s, r, req);
    if (j == NULL)
        return;
    j->trim = trim;
    open_query_info(s, r, o, trim_sized);
}

/* ---- FSCTL_QUERY_ALLOCATED_RANGES ------------------------------------------------------------ */

struct query_job {
    struct smb_ioctl_req req;
    uint64_t at, end;
    struct smb_file_ref file;
    uint32_t count, max;
    struct range last; /* found, and not written yet: the next may touch it */
    struct writer w;
};

static void query_reply(struct smb *s, struct smb_request *r, ntstatus status)
{
    struct query_job *j = r->scratch;
    if (status == STATUS_BUFFER_TOO_SMALL)
        request_fail(s, r, status);
    else
        ioctl_reply(s, r, &j->req, (struct ioctl_result){status, written(&j->w)});
}

/* False: the answer is full. */
static bool put_last(struct query_job *j)
{
    if (j->last.len == 0)
        return true;
    if (j->count == j->max)
        return false;
    smb_allocated_encode(&j->w, j->last);
    j->count++;
    j->last.len = 0;
    return true;
}

static bool put_range(struct query_job *j, struct range x)
{
    if (j->last.len > 0 && j->last.offset + j->last.len == x.offset) {
        j->last.len += x.len;
        return true;
    }
    if (!put_last(j))
        return false;
    j->last = x;
    return true;
}

static void query_next(struct smb *s, struct smb_request *r);

static void query_mapped(struct smb *s, struct smb_request *r, const struct smb_io_result *io)
{
    struct query_job *j = r->scratch;
    struct ranges map;
    if (io->status != STATUS_OK) {
        request_fail(s, r, io->status);
        return;
    }
    must(io->len == sizeof(map));
    memcpy(&map, io->at, sizeof(map));
    must(map.until > j->at);
    bool room = true;
    for (uint32_t i = 0; i < map.count && room; i++)
        room = put_range(j, map.items[i]);
    j->at = room ? map.until : j->end;
    query_next(s, r);
}

static void query_next(struct smb *s, struct smb_request *r)
{
    struct query_job *j = r->scratch;
    if (r->cancelled) {
        request_fail(s, r, STATUS_CANCELLED);
        return;
    }
    if (j->at >= j->end) {
        bool all = put_last(j);
        query_reply(s, r,
                    all            ? STATUS_OK
                    : j->count > 0 ? STATUS_BUFFER_OVERFLOW
                                   : STATUS_BUFFER_TOO_SMALL);
        return;
    }
    struct smb_io io = {.op = SMB_IO_MAP, .file = j->file, .offset = j->at, .len = j->end - j->at};
    request_io(s, r, &io, query_mapped);
}

static void query_sized(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    struct query_job *j = r->scratch;
    const Fl__FileInfo *info = info_of(reply);
    if (info == NULL) {
        request_fail(s, r, reply_failure(reply));
        return;
    }
    j->file = info_ref(info);
    j->end = j->end < info->size ? j->end : info->size;
    /* [MS-FSA] 2.1.5.10.22: all of a file that is not sparse. */
    if ((info->attributes & FILE_ATTRIBUTE_SPARSE_FILE) == 0 && j->at < j->end) {
        j->last = (struct range){j->at, j->end - j->at};
        j->at = j->end;
    }
    query_next(s, r);
}

void sparse_query_ranges(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    const struct smb_open *o = request_its_open(s, r);
    struct range range;
    ntstatus status = smb_allocated_decode(req->input, &range);
    if (status == STATUS_OK && o->directory)
        status = STATUS_INVALID_PARAMETER;
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    struct query_job *j = request_new(r, struct query_job);
    uint32_t max = req->max_output_response / SMB_ALLOCATED_RANGE_SIZE;
    max = max < QUERY_RANGES_MAX ? max : QUERY_RANGES_MAX;
    size_t bytes = (size_t)max * SMB_ALLOCATED_RANGE_SIZE;
    uint8_t *at = j != NULL ? arena_alloc(&r->arena, bytes + 1) : NULL;
    if (at == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    j->req = *req;
    j->max = max;
    j->w = writer_of(at, bytes);
    j->at = range.offset;
    j->end = range.offset + range.len;
    r->scratch = j;
    open_query_info(s, r, o, query_sized);
}

/* ---- FSCTL_QUERY_FILE_REGIONS ---------------------------------------------------------------- */

struct region_job {
    struct smb_ioctl_req req;
    struct smb_region region;
};

/* [MS-FSA] 2.1.5.10.24: every byte up to the end of file is valid. */
static void regions_sized(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    struct region_job *j = r->scratch;
    const Fl__FileInfo *info = info_of(reply);
    if (info == NULL) {
        request_fail(s, r, reply_failure(reply));
        return;
    }
    uint8_t bytes[SMB_REGIONS_HEADER + SMB_REGION_SIZE];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct range *x = &j->region.range;
    if (x->offset < info->size) {
        uint64_t left = info->size - x->offset;
        x->len = x->len < left ? x->len : left;
        smb_region_encode(&w, &j->region);
    } else if (info->size == 0 && x->offset == 0) {
        x->len = 0;
        j->region.usage = 0;
        smb_region_encode(&w, &j->region);
    }
    ioctl_reply(s, r, &j->req, (struct ioctl_result){STATUS_OK, written(&w)});
}

void sparse_query_regions(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    const struct smb_open *o = request_its_open(s, r);
    struct region_job *j = request_new(r, struct region_job);
    ntstatus status =
        j != NULL ? smb_region_decode(req->input, &j->region) : STATUS_INSUFFICIENT_RESOURCES;
    if (status == STATUS_OK && o->directory)
        status = STATUS_INVALID_PARAMETER;
    if (status == STATUS_OK && req->max_output_response < SMB_REGIONS_HEADER + SMB_REGION_SIZE)
        status = STATUS_BUFFER_TOO_SMALL;
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    j->req = *req;
    r->scratch = j;
    open_query_info(s, r, o, regions_sized);
}
