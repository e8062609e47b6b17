/* QUERY_DIRECTORY ([MS-SMB2] 3.3.5.18, [MS-FSA] 2.1.5.6.3).
 *
 * The coordinator lists names in order, behind the last one given out; so an enumeration holds
 * no state there, and goes on through changes of the directory without skipping or repeating
 * what stayed.
 *
 *   [META QueryInfo: "." and ".." at the beginning] ─► META QueryDirectory ─► packed ─► reply */
#include "node/smb/files.h"

#include "proto/smb/dir.h"
#include "proto/smb/names.h"

#define DIR_RSP_SIZE 8u
#define DIR_ENTRIES_MAX 1024u /* asked for at once */
#define DIR_ENTRY_LEAST 96u   /* bytes of an entry with a short name: fewer than fit do no harm */

struct dir_job {
    struct smb_query_directory_req req;
    struct writer output;
    struct fscc_packer packer;
    uint32_t limit;
    bool first, full;
    enum fscc_packed outcome;
};

static void dir_run(struct smb *s, struct smb_request *r);

/* ---- the state of the enumeration ---------------------------------------------------------- */

static void start(struct smb_open *o, struct slice pattern)
{
    static const uint8_t all[] = {'*', 0};
    if (pattern.len == 0)
        pattern = slice_of(all, sizeof(all));
    must(pattern.len <= sizeof(o->dir.pattern));
    memcpy(o->dir.pattern, pattern.at, pattern.len);
    o->dir.pattern_len = (uint16_t)pattern.len;
    o->dir.after_len = 0;
    o->dir.dots = 0;
    o->dir.started = true;
}

static ntstatus begin(struct smb_open *o, struct dir_job *j)
{
    const uint8_t flags = j->req.flags;
    bool restart = (flags & (SMB2_RESTART_SCANS | SMB2_REOPEN)) != 0;
    j->first = !o->dir.started || (flags & SMB2_REOPEN) != 0;
    bool new_pattern = j->first || (restart && j->req.pattern.len > 0);
    ntstatus status = name_check_pattern(j->req.pattern);
    if (new_pattern && status != STATUS_OK)
        return status;
    if (new_pattern) {
        start(o, j->req.pattern);
    } else if (restart) {
        o->dir.after_len = 0;
        o->dir.dots = 0;
    }
    return STATUS_OK;
}

static struct slice pattern_of(const struct smb_open *o)
{
    return slice_of(o->dir.pattern, o->dir.pattern_len);
}

/* ---- packing ------------------------------------------------------------------------------- */

static bool add(struct dir_job *j, const Fl__FileInfo *info, struct slice name, uint64_t file_id)
{
    uint8_t room[2 * NAME_SHORT_MAX];
    struct fscc_entry e = {
        .creation_time = info->creation_time,
        .access_time = info->access_time,
        .write_time = info->write_time,
        .change_time = info->change_time,
        .size = info->size,
        .allocation_size = info->allocation_size,
        .file_id = file_id,
        .attributes = info->attributes,
        .ea_size = info->ea_size,
        .reparse_tag = info->reparse_tag,
        .name = name,
        .short_name = name_short(name, room),
    };
    j->outcome = fscc_pack(&j->packer, &e);
    bool single = (j->req.flags & SMB2_RETURN_SINGLE_ENTRY) != 0;
    j->full = j->outcome != FSCC_PACKED || (single && j->packer.count > 0);
    return j->outcome == FSCC_PACKED;
}

/* "." and ".." come first, where the pattern wants them. `info` is the directory itself. */
static void add_dots(struct smb_open *o, struct dir_job *j, const Fl__FileInfo *info)
{
    static const uint8_t dots[] = {'.', 0, '.', 0};
    for (; o->dir.dots < 2 && !j->full; o->dir.dots++) {
        struct slice name = slice_of(dots, (size_t)2 * (o->dir.dots + 1u));
        uint64_t id = o->dir.dots == 0 ? info->inode : info->parent_inode;
        if (utf16_match(pattern_of(o), name) && !add(j, info, name, id))
            return;
    }
}

static void add_names(struct smb_open *o, struct dir_job *j, const Fl__DirectoryReply *reply)
{
    for (size_t i = 0; i < reply->n_entries && !j->full; i++) {
        const Fl__FileInfo *info = reply->entries[i];
        struct slice name = slice_of(info->name.data, info->name.len);
        if (name.len == 0 || name.len > sizeof(o->dir.after) || name.len % 2 != 0)
            continue;
        if (!add(j, info, name, info->inode))
            return;
        memcpy(o->dir.after, name.at, name.len);
        o->dir.after_len = (uint16_t)name.len;
    }
}

static void reply_packed(struct smb *s, struct smb_request *r, struct smb_open *o)
{
    const struct dir_job *j = r->scratch;
    if (j->packer.count > 0 && j->outcome != FSCC_CUT) {
        struct slice output = written(&j->output);
        struct writer *w = request_writer(s, r, DIR_RSP_SIZE + output.len + 8);
        if (w != NULL) {
            smb_query_directory_encode(w, output);
            request_reply(s, r, STATUS_OK);
        }
    } else if (j->outcome == FSCC_CUT) {
        request_fail(s, r, STATUS_BUFFER_OVERFLOW); /* 3.3.4.4: an ERROR response, so without it */
    } else if (j->outcome == FSCC_TOO_SMALL) {
        request_fail(s, r, STATUS_INFO_LENGTH_MISMATCH);
    } else {
        request_fail(s, r, j->first ? STATUS_NO_SUCH_FILE : STATUS_NO_MORE_FILES);
    }
    open_wake(s, o);
}

/* ---- the coordinator ----------------------------------------------------------------------- */

static void listed(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    struct smb_open *o = request_its_open(s, r);
    if (reply->status == STATUS_OK && reply->body_case == FL__REPLY__BODY_DIRECTORY &&
        reply->directory != NULL) {
        add_names(o, r->scratch, reply->directory);
        reply_packed(s, r, o);
        return;
    }
    /* Nothing more, in whatever words. */
    if (reply->status == STATUS_NO_MORE_FILES || reply->status == STATUS_NO_SUCH_FILE) {
        reply_packed(s, r, o);
        return;
    }
    request_fail(s, r, reply_failure(reply));
    open_wake(s, o);
}

static void list(struct smb *s, struct smb_request *r, struct smb_open *o)
{
    const struct dir_job *j = r->scratch;
    Fl__Query *q = request_query_new(s, r);
    if (q == NULL)
        return;
    Fl__QueryDirectory *ask = request_new(r, Fl__QueryDirectory);
    if (ask == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    bool single = (j->req.flags & SMB2_RETURN_SINGLE_ENTRY) != 0;
    uint32_t fit = j->limit / DIR_ENTRY_LEAST + 1;
    fl__query_directory__init(ask);
    ask->open_id = o->open_id;
    ask->pattern = (ProtobufCBinaryData){o->dir.pattern_len, o->dir.pattern};
    ask->after = (ProtobufCBinaryData){o->dir.after_len, o->dir.after};
    ask->reader = r->tree->abe ? r->session->token : NULL;
    ask->max_entries = single ? 1 : fit < DIR_ENTRIES_MAX ? fit : DIR_ENTRIES_MAX;
    q->body_case = FL__QUERY__BODY_DIRECTORY;
    q->directory = ask;
    request_query(s, r, q, listed);
}

static void about_itself(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    struct smb_open *o = request_its_open(s, r);
    struct dir_job *j = r->scratch;
    const Fl__FileInfo *info = info_of(reply);
    if (info == NULL) {
        request_fail(s, r, reply_failure(reply));
        open_wake(s, o);
        return;
    }
    add_dots(o, j, info);
    if (j->full)
        reply_packed(s, r, o);
    else
        list(s, r, o);
}

/* ---- the command --------------------------------------------------------------------------- */

static bool wants_dots(const struct smb_open *o)
{
    static const uint8_t dots[] = {'.', 0, '.', 0};
    return o->dir.dots < 2 && (utf16_match(pattern_of(o), slice_of(dots, 2)) ||
                               utf16_match(pattern_of(o), slice_of(dots, 4)));
}

/* One after another: two that ran at once would both go on from the same name. */
static void dir_run(struct smb *s, struct smb_request *r)
{
    struct smb_open *o = request_its_open(s, r);
    struct dir_job *j = r->scratch;
    if (o == NULL || o->closing) {
        request_fail(s, r, STATUS_FILE_CLOSED);
        return;
    }
    if (open_working(o, r, SMB2_QUERY_DIRECTORY)) {
        open_wait(s, r, o, dir_run);
        return;
    }
    ntstatus status = begin(o, j);
    void *room = arena_alloc(&r->arena, (size_t)j->limit + 8);
    if (status == STATUS_OK && room == NULL)
        status = STATUS_INSUFFICIENT_RESOURCES;
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        open_wake(s, o);
        return;
    }
    j->output = writer_of(room, (size_t)j->limit + 8);
    j->packer = fscc_packer_of(&j->output, j->req.info_class, j->limit);
    if (wants_dots(o))
        open_query_info(s, r, o, about_itself);
    else
        list(s, r, o);
}

static ntstatus dir_check(const struct smb_request *r, const struct smb_open *o,
                          const struct smb_query_directory_req *req)
{
    if (!o->directory)
        return STATUS_INVALID_PARAMETER;
    if (req->output_length > r->conn->io_max || !request_paid(r, req->output_length))
        return STATUS_INVALID_PARAMETER;
    if ((o->granted_access & FILE_LIST_DIRECTORY) == 0)
        return STATUS_ACCESS_DENIED;
    if (!fscc_is_directory_class(req->info_class))
        return STATUS_INVALID_INFO_CLASS;
    return STATUS_OK;
}

void cmd_query_directory(struct smb *s, struct smb_request *r)
{
    const uint32_t most = SMB_REPLY_MAX - 4096; /* less than asked for is allowed */
    struct dir_job *j = request_new(r, struct dir_job);
    struct smb_open *o;
    ntstatus status =
        j != NULL ? smb_query_directory_decode(r->message, &j->req) : STATUS_INSUFFICIENT_RESOURCES;
    if (status == STATUS_OK)
        status = request_open(s, r, j->req.file_id, &o);
    if (status == STATUS_OK)
        status = dir_check(r, o, &j->req);
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    j->limit = j->req.output_length < most ? j->req.output_length : most;
    r->scratch = j;
    dir_run(s, r);
}
