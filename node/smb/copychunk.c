/* FSCTL_SRV_REQUEST_RESUME_KEY, FSCTL_SRV_COPYCHUNK(_WRITE) ([MS-SMB2] 3.3.5.15.5, 3.3.5.15.6) and
 * FSCTL_DUPLICATE_EXTENTS_TO_FILE(_EX) ([MS-FSA] 2.1.5.10.4, 2.1.5.10.5).
 *
 * A resume key names an open of this node; it is good for the session that has the open, in any of
 * its shares, and for as long as the open is there. The blocks of duplicated extents are copied,
 * not shared: what a client sees is the same. */
#include "node/smb/bulk.h"

#include "proto/smb/ioctl.h"
#include "proto/smb/ioctl_copy.h"

/* ---- the key --------------------------------------------------------------------------------- */

static struct smb_resume_key key_of(const struct smb_open *o)
{
    struct smb_resume_key key = {{0}};
    struct writer w = writer_of(key.bytes, sizeof(key.bytes));
    write_u64(&w, handle_pack(o->self));
    write_u64(&w, o->open_id);
    write_u64(&w, o->inode->inode);
    return key;
}

static struct smb_open *open_of(struct smb *s, const struct smb_request *r,
                                const struct smb_resume_key *key)
{
    struct reader in = reader_of(slice_of(key->bytes, sizeof(key->bytes)));
    struct smb_open *o = copy_source(s, r, handle_unpack(read_u64(&in)));
    if (o == NULL)
        return NULL;
    struct smb_resume_key its = key_of(o);
    return memcmp(its.bytes, key->bytes, sizeof(its.bytes)) == 0 ? o : NULL;
}

void copychunk_key(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    uint8_t bytes[SMB_RESUME_KEY_RSP_SIZE];
    struct smb_resume_key key = key_of(request_its_open(s, r));
    if (req->max_output_response < sizeof(bytes)) {
        request_fail(s, r, STATUS_INVALID_PARAMETER);
        return;
    }
    struct writer w = writer_of(bytes, sizeof(bytes));
    smb_resume_key_encode(&w, &key);
    ioctl_reply(s, r, req, (struct ioctl_result){STATUS_OK, written(&w)});
}

/* ---- chunks ---------------------------------------------------------------------------------- */

struct chunk_job {
    struct copying copying; /* first: see bulk.h */
    struct smb_ioctl_req req;
    struct smb_copy_req copy;
    uint32_t index, next; /* chunks done; behind those of the piece under way */
    uint64_t piece, total;
    bool single; /* a piece of several reached beyond the source: now each by itself */
};

static void chunks_reply(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req,
                         ntstatus status, const struct smb_copy_rsp *rsp)
{
    uint8_t bytes[SMB_COPY_RSP_SIZE];
    struct writer w = writer_of(bytes, sizeof(bytes));
    smb_copy_encode(&w, rsp);
    ioctl_reply(s, r, req, (struct ioctl_result){status, written(&w)});
}

static void chunks_end(struct smb *s, struct smb_request *r, ntstatus status)
{
    const struct chunk_job *j = r->scratch;
    struct smb_copy_rsp rsp = {j->index, 0, (uint32_t)j->total};
    chunks_reply(s, r, &j->req, status, &rsp); /* 3.3.5.15.6.1: how far it came */
}

static void chunks_next(struct smb *s, struct smb_request *r);

static void chunks_copied(struct smb *s, struct smb_request *r, ntstatus status)
{
    struct chunk_job *j = r->scratch;
    if (status == STATUS_INVALID_VIEW_SIZE && j->next > j->index + 1) {
        j->single = true;
        chunks_next(s, r);
        return;
    }
    if (status != STATUS_OK) {
        chunks_end(s, r, status);
        return;
    }
    j->index = j->next;
    j->total += j->piece;
    chunks_next(s, r);
}

/* Chunks that follow on each other go as one piece; each by itself within one file, whose ranges
 * may overlap. */
static void chunks_next(struct smb *s, struct smb_request *r)
{
    struct chunk_job *j = r->scratch;
    if (j->index == j->copy.count) {
        chunks_end(s, r, STATUS_OK);
        return;
    }
    const struct smb_open *target = request_its_open(s, r);
    const struct smb_open *source = copy_source(s, r, j->copying.source);
    bool alone = j->single || source == NULL || source->inode == target->inode;
    bool append_only = (target->granted_access & FILE_WRITE_DATA) == 0;
    struct smb_copy_chunk c = smb_copy_chunk_at(&j->copy, j->index);
    j->copying.from = c.source;
    j->copying.append = append_only || c.target == SMB_COPY_APPEND;
    j->copying.to = j->copying.append ? 0 : c.target;
    j->piece = c.len;
    j->next = j->index + 1;
    while (!alone && !j->copying.append && j->next < j->copy.count) {
        struct smb_copy_chunk n = smb_copy_chunk_at(&j->copy, j->next);
        if (n.source != c.source + j->piece || n.target != c.target + j->piece ||
            j->piece + n.len > COPY_PIECE_BYTES)
            break;
        j->piece += n.len;
        j->next++;
    }
    j->copying.left = j->piece;
    copy_begin(s, r, chunks_copied);
}

/* 3.3.5.15.6. Who may execute may read, as in READ. */
static bool chunks_allowed(const struct smb_open *source, const struct smb_open *target,
                           uint32_t code)
{
    if ((source->granted_access & (FILE_READ_DATA | FILE_EXECUTE)) == 0)
        return false;
    if ((target->granted_access & (FILE_WRITE_DATA | FILE_APPEND_DATA)) == 0)
        return false;
    return code == FSCTL_SRV_COPYCHUNK_WRITE || (target->granted_access & FILE_READ_DATA) != 0;
}

void copychunk(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    struct chunk_job *j = request_new(r, struct chunk_job);
    ntstatus status =
        j != NULL ? smb_copy_decode(req->input, &j->copy) : STATUS_INSUFFICIENT_RESOURCES;
    if (status == STATUS_OK && req->max_output_response < SMB_COPY_RSP_SIZE)
        status = STATUS_INVALID_PARAMETER;
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    const struct smb_open *target = request_its_open(s, r);
    const struct smb_open *source = open_of(s, r, &j->copy.key);
    if (source == NULL)
        status = STATUS_OBJECT_NAME_NOT_FOUND;
    else if (source->directory || target->directory)
        status = STATUS_INVALID_DEVICE_REQUEST;
    else if (!chunks_allowed(source, target, req->code))
        status = STATUS_ACCESS_DENIED;
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    j->req = *req;
    if (!smb_copy_within_limits(&j->copy)) {
        static const struct smb_copy_rsp limits = {SMB_COPY_CHUNKS_MAX, SMB_COPY_CHUNK_BYTES,
                                                   SMB_COPY_TOTAL_BYTES};
        chunks_reply(s, r, req, STATUS_INVALID_PARAMETER, &limits); /* 3.3.5.15.6.2 */
        return;
    }
    j->copying.source = source->self;
    r->scratch = j;
    chunks_next(s, r);
}

/* ---- extents --------------------------------------------------------------------------------- */

struct duplicate_job {
    struct copying copying; /* first: see bulk.h */
    struct smb_ioctl_req req;
    struct smb_duplicate_req range;
    struct range tail; /* of the target, behind what is copied */
    bool source_sparse;
};

struct tail_job {
    struct zeroing zeroing; /* first: see bulk.h */
    struct smb_ioctl_req req;
};

static void tail_zeroed(struct smb *s, struct smb_request *r, ntstatus status)
{
    const struct tail_job *j = r->scratch;
    if (status == STATUS_OK)
        ioctl_reply_empty(s, r, &j->req);
    else
        request_fail(s, r, status);
}

/* What lies behind the source's end in its last cluster are zeros. */
static void duplicated(struct smb *s, struct smb_request *r, ntstatus status)
{
    const struct duplicate_job *j = r->scratch;
    struct tail_job *t = status == STATUS_OK ? request_new(r, struct tail_job) : NULL;
    if (status != STATUS_OK) {
        request_fail(s, r, status == STATUS_INVALID_VIEW_SIZE ? STATUS_NOT_SUPPORTED : status);
    } else if (t == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
    } else {
        t->req = j->req;
        r->scratch = t;
        zero_begin(s, r, j->tail, tail_zeroed);
    }
}

static void target_is(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    struct duplicate_job *j = r->scratch;
    const Fl__FileInfo *info = info_of(reply);
    if (info == NULL) {
        request_fail(s, r, reply_failure(reply));
        return;
    }
    inode_learn(request_its_open(s, r)->inode, info);
    if (j->source_sparse && (info->attributes & FILE_ATTRIBUTE_SPARSE_FILE) == 0) {
        request_fail(s, r, STATUS_NOT_SUPPORTED);
        return;
    }
    /* Blocks beyond the end of file are nobody's: it does not grow. */
    uint64_t room = j->range.target < info->size ? info->size - j->range.target : 0;
    j->copying.from = j->range.source;
    j->copying.to = j->range.target;
    j->copying.left = j->range.len < room ? j->range.len : room;
    copy_begin(s, r, duplicated);
}

static void source_is(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    struct duplicate_job *j = r->scratch;
    const Fl__FileInfo *info = info_of(reply);
    struct smb_open *source = copy_source(s, r, j->copying.source);
    if (info == NULL || source == NULL) {
        request_fail(s, r, source == NULL ? STATUS_FILE_CLOSED : reply_failure(reply));
        return;
    }
    inode_learn(source->inode, info);
    /* Of the last cluster of a file, all may be named. */
    const uint64_t cluster = FSCC_CLUSTER_BYTES;
    uint64_t end = (info->size + cluster - 1) / cluster * cluster;
    if (j->range.source > end || j->range.len > end - j->range.source) {
        request_fail(s, r, STATUS_NOT_SUPPORTED);
        return;
    }
    uint64_t left = info->size - (j->range.source < info->size ? j->range.source : info->size);
    uint64_t len = j->range.len < left ? j->range.len : left;
    j->tail = (struct range){j->range.target + len, j->range.len - len};
    j->range.len = len;
    j->source_sparse = (info->attributes & FILE_ATTRIBUTE_SPARSE_FILE) != 0;
    open_query_info(s, r, request_its_open(s, r), target_is);
}

static ntstatus duplicate_check(const struct smb_open *source, const struct smb_open *target,
                                const struct smb_duplicate_req *x)
{
    if (source == NULL)
        return STATUS_INVALID_HANDLE; /* 3.3.5.15.17 */
    if ((x->source | x->target | x->len) % FSCC_CLUSTER_BYTES != 0)
        return STATUS_INVALID_PARAMETER;
    if (target->directory)
        return STATUS_NOT_SUPPORTED;
    if (source->directory || (source->granted_access & FILE_READ_DATA) == 0 ||
        source->inode->file.volume != target->inode->file.volume)
        return STATUS_INVALID_PARAMETER;
    /* [MS-FSCC] 2.3.8 */
    bool overlap = x->source < x->target + x->len && x->target < x->source + x->len;
    return source->inode == target->inode && overlap ? STATUS_NOT_SUPPORTED : STATUS_OK;
}

void duplicate_extents(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req)
{
    struct duplicate_job *j = request_new(r, struct duplicate_job);
    bool extended = req->code == FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX;
    ntstatus status = j != NULL ? smb_duplicate_decode(req->input, extended, &j->range)
                                : STATUS_INSUFFICIENT_RESOURCES;
    const struct smb_open *source = NULL;
    if (status == STATUS_OK) {
        source = copy_source(s, r, handle_unpack(j->range.source_id.volatile_));
        if (source != NULL && source->open_id != j->range.source_id.persistent)
            source = NULL;
        status = duplicate_check(source, request_its_open(s, r), &j->range);
    }
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    if (j->range.len == 0) {
        ioctl_reply_empty(s, r, req);
        return;
    }
    j->req = *req;
    j->copying.source = source->self;
    j->copying.ignore_locks = true; /* as ReFS, [MS-FSA] 2.1.5.10.4 <91>, <92> */
    r->scratch = j;
    open_query_info(s, r, source, source_is);
}
