/* SET_INFO ([MS-SMB2] 3.3.5.21, [MS-FSA] 2.1.5.15): each class is one command to the
 * coordinator.
 *
 * A new end of file that is smaller goes in three steps: META QueryInfo (how long is it?) ─►
 * zero_begin() of what is cut off, on all in-sync members ─► META SetSize, which waits until no
 * node relies on the old size. So bytes cut off never come back when the file grows again. */
#include "node/smb/bulk.h"

#include "proto/smb/info.h"
#include "proto/smb/names.h"
#include "proto/smb/security.h"

struct set_job {
    struct smb_set_info_req req;
    struct fscc_set set;
    struct name_path target;
};

void set_info_reply(struct smb *s, struct smb_request *r)
{
    struct writer *w = request_writer(s, r, 8);
    if (w == NULL)
        return;
    smb_set_info_encode(w);
    request_reply(s, r, STATUS_OK);
}

/* The coordinator has done it: what it says about the file is the newest there is. */
static bool succeeded(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    struct smb_open *o = request_its_open(s, r);
    if (reply->status != STATUS_OK) {
        request_fail(s, r, reply_failure(reply));
        return false;
    }
    const Fl__FileInfo *info = info_of(reply);
    if (info != NULL && !o->directory)
        inode_learn(o->inode, info);
    return true;
}

static void was_set(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    if (succeeded(s, r, reply))
        set_info_reply(s, r);
}

/* A message of the command in the request's arena; NULL: failed already. */
#define NEW_BODY(s, r, type) ((type *)body_of((s), (r), sizeof(type)))

static void *body_of(struct smb *s, struct smb_request *r, size_t size)
{
    void *body = arena_alloc(&r->arena, size);
    if (body == NULL)
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
    return body;
}

/* ---- times and attributes -------------------------------------------------------------------- */

/* [MS-FSA] 2.1.5.15.2: a time that was set stays, whatever is written through this open; -2 undoes
 * it. */
static void basic_was_set(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    const struct set_job *j = r->scratch;
    struct smb_open *o = request_its_open(s, r);
    if (!succeeded(s, r, reply))
        return;
    if (j->set.basic.write_time == -2) {
        o->write_time_set = false;
    } else if (j->set.basic.write_time != 0) {
        o->write_time_set = true;
        o->write_time = 0;
        o->inode->write_time = 0;
    }
    set_info_reply(s, r);
}

static ntstatus check_attributes(const struct smb_open *o, uint32_t attributes)
{
    if (o->directory && (attributes & FILE_ATTRIBUTE_TEMPORARY) != 0)
        return STATUS_INVALID_PARAMETER;
    if (!o->directory && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0)
        return STATUS_INVALID_PARAMETER;
    return STATUS_OK;
}

static void set_basic(struct smb *s, struct smb_request *r, struct smb_open *o)
{
    const struct set_job *j = r->scratch;
    const struct fscc_set_basic *b = &j->set.basic;
    ntstatus status = check_attributes(o, b->attributes);
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    Fl__Command *c = request_command(s, r);
    Fl__SetBasic *body = c != NULL ? NEW_BODY(s, r, Fl__SetBasic) : NULL;
    if (body == NULL)
        return;
    fl__set_basic__init(body);
    body->open_id = o->open_id;
    body->creation_time = b->creation_time;
    body->access_time = b->access_time;
    body->write_time = b->write_time;
    body->change_time = b->change_time;
    /* FILE_ATTRIBUTE_NORMAL alone means: none of the others. */
    const uint32_t kept =
        FILE_ATTRIBUTE_SETTABLE | FILE_ATTRIBUTE_NORMAL | FILE_ATTRIBUTE_DIRECTORY;
    body->attributes = b->attributes & kept;
    c->body_case = FL__COMMAND__BODY_SET_BASIC;
    c->set_basic = body;
    request_meta(s, r, c, basic_was_set);
}

/* ---- names ----------------------------------------------------------------------------------- */

static void was_renamed(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    const struct set_job *j = r->scratch;
    struct smb_open *o = request_its_open(s, r);
    if (!succeeded(s, r, reply))
        return;
    if (!open_is_stream(o))
        (void)open_set_path(s, o, j->target.path); /* without memory it shows its old name */
    set_info_reply(s, r);
}

static ntstatus check_target(const struct smb_open *o, struct set_job *j)
{
    struct slice name = j->set.rename.name;
    ntstatus status = name_parse(name, &j->target);
    if (name.len >= 2 && name.at[0] == ':' && name.at[1] == 0) /* [MS-FSA] 2.1.5.15.12.1 */
        return status == STATUS_OK ? STATUS_OK : STATUS_INVALID_PARAMETER;
    if (status != STATUS_OK)
        return status;
    if (j->target.path.len == 0 || j->target.trailing || j->target.has_stream)
        return STATUS_OBJECT_NAME_INVALID;
    /* The share's root stays where it is. */
    return o->path_len == 0 ? STATUS_INVALID_PARAMETER : STATUS_OK;
}

static void set_name(struct smb *s, struct smb_request *r, struct smb_open *o)
{
    struct set_job *j = r->scratch;
    ntstatus status = check_target(o, j);
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    Fl__Command *c = request_command(s, r);
    Fl__Rename *body = c != NULL ? NEW_BODY(s, r, Fl__Rename) : NULL;
    if (body == NULL)
        return;
    fl__rename__init(body);
    body->open_id = o->open_id;
    body->root_inode = r->tree->root_inode;
    body->target = borrowed(j->target.has_stream ? j->set.rename.name : j->target.path);
    body->replace = j->set.rename.replace;
    body->token = r->session->token;
    c->body_case = FL__COMMAND__BODY_RENAME;
    c->rename = body;
    request_meta(s, r, c, was_renamed);
}

static void set_disposition(struct smb *s, struct smb_request *r, struct smb_open *o)
{
    const struct set_job *j = r->scratch;
    /* [MS-FSCC] 2.4.12: only what was opened with FILE_DELETE_ON_CLOSE has that state to
     * change. */
    if ((j->set.disposition & FILE_DISPOSITION_ON_CLOSE) != 0) {
        request_fail(s, r, STATUS_NOT_SUPPORTED);
        return;
    }
    Fl__Command *c = request_command(s, r);
    Fl__SetDisposition *body = c != NULL ? NEW_BODY(s, r, Fl__SetDisposition) : NULL;
    if (body == NULL)
        return;
    fl__set_disposition__init(body);
    body->open_id = o->open_id;
    body->delete_pending = (j->set.disposition & FILE_DISPOSITION_DELETE) != 0;
    c->body_case = FL__COMMAND__BODY_SET_DISPOSITION;
    c->set_disposition = body;
    request_meta(s, r, c, was_set);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static void send_allocation(struct smb *s, struct smb_request *r, const struct smb_open *o)
{
    const struct set_job *j = r->scratch;
    Fl__Command *c = request_command(s, r);
    Fl__SetAllocation *body = c != NULL ? NEW_BODY(s, r, Fl__SetAllocation) : NULL;
    if (body == NULL)
        return;
    fl__set_allocation__init(body);
    body->open_id = o->open_id;
    body->allocation_size = j->set.size;
    c->body_case = FL__COMMAND__BODY_SET_ALLOCATION;
    c->set_allocation = body;
    o->inode->size_valid = false; /* until the answer says what it is now */
    request_meta(s, r, c, was_set);
}

static void send_size(struct smb *s, struct smb_request *r, struct smb_open *o)
{
    const struct set_job *j = r->scratch;
    Fl__Command *c = request_command(s, r);
    Fl__SetSize *body = c != NULL ? NEW_BODY(s, r, Fl__SetSize) : NULL;
    if (body == NULL)
        return;
    fl__set_size__init(body);
    body->open_id = o->open_id;
    body->size = j->set.size;
    c->body_case = FL__COMMAND__BODY_SET_SIZE;
    c->set_size = body;
    o->inode->size_valid = false; /* until the answer says what it is now */
    request_meta(s, r, c, was_set);
}

static void send_either(struct smb *s, struct smb_request *r, struct smb_open *o)
{
    const struct set_job *j = r->scratch;
    if (j->set.info_class == FILE_ALLOCATION_INFORMATION)
        send_allocation(s, r, o);
    else
        send_size(s, r, o);
}

/* What is at work while the end of a file becomes zeros. */
struct cut_job {
    struct zeroing zeroing; /* first: see bulk.h */
    struct set_job *set;
};

static void was_zeroed(struct smb *s, struct smb_request *r, ntstatus status)
{
    const struct cut_job *cut = r->scratch;
    r->scratch = cut->set;
    if (status != STATUS_OK)
        request_fail(s, r, status);
    else
        send_either(s, r, request_its_open(s, r));
}

/* [MS-FSA] 2.1.5.15.1, 2.1.5.15.5: where the file ends afterwards, if that is less than now. Of an
 * allocation whole clusters count. */
static uint64_t new_end(const struct set_job *j)
{
    const uint64_t cluster = FSCC_CLUSTER_BYTES;
    if (j->set.info_class != FILE_ALLOCATION_INFORMATION)
        return j->set.size;
    return (j->set.size + cluster - 1) / cluster * cluster;
}

static void size_is(struct smb *s, struct smb_request *r, const Fl__Reply *reply);

/* Alone with the file, as far as this node goes, before looking how long it is. */
static void size_begin(struct smb *s, struct smb_request *r)
{
    struct smb_open *o = request_its_open(s, r);
    if (o->inode->cutting && !r->cuts) {
        inode_wait(s, r, o->inode, size_begin);
        return;
    }
    o->inode->cutting = r->cuts = true; /* until the part ends */
    if (o->inode->writes_busy > 0)
        inode_wait(s, r, o->inode, size_begin);
    else
        open_query_info(s, r, o, size_is);
}

static void size_is(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    struct set_job *j = r->scratch;
    struct smb_open *o = request_its_open(s, r);
    const Fl__FileInfo *info = info_of(reply);
    if (info == NULL) {
        request_fail(s, r, reply_failure(reply));
        return;
    }
    inode_learn(o->inode, info);
    uint64_t end = new_end(j);
    if (end >= info->size) {
        send_either(s, r, o);
        return;
    }
    struct cut_job *cut = request_new(r, struct cut_job);
    if (cut == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    cut->set = j;
    r->scratch = cut;
    zero_begin(s, r, (struct range){end, info->size - end}, was_zeroed);
}

static void set_size(struct smb *s, struct smb_request *r, struct smb_open *o)
{
    const struct set_job *j = r->scratch;
    if (o->directory || j->set.size > SMB_FILE_SIZE_MAX)
        request_fail(s, r, STATUS_INVALID_PARAMETER);
    else
        size_begin(s, r);
}

/* [MS-FSA] 2.1.5.15.15: every byte up to the end of file is valid already; more is not to be had.
 */
static void valid_length_is(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    const struct set_job *j = r->scratch;
    const Fl__FileInfo *info = info_of(reply);
    if (info == NULL)
        request_fail(s, r, reply_failure(reply));
    else if (j->set.size > info->size)
        request_fail(s, r, STATUS_INVALID_PARAMETER);
    else
        set_info_reply(s, r);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void set_mode(struct smb *s, struct smb_request *r, struct smb_open *o)
{
    const struct set_job *j = r->scratch;
    o->mode = j->set.mode;
    set_info_reply(s, r); /* everything is written through in any case */
}

static void set_file(struct smb *s, struct smb_request *r, struct smb_open *o)
{
    struct set_job *j = r->scratch;
    uint32_t needed = fscc_set_access(j->req.info_class);
    ntstatus status = fscc_decode_set(j->req.info_class, j->req.buffer, &j->set);
    if (status == STATUS_OK && (o->granted_access & needed) != needed)
        status = STATUS_ACCESS_DENIED;
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    uint8_t info_class = j->set.info_class;
    if (info_class == FILE_BASIC_INFORMATION)
        set_basic(s, r, o);
    else if (info_class == FILE_RENAME_INFORMATION || info_class == FILE_RENAME_INFORMATION_EX)
        set_name(s, r, o);
    else if (info_class == FILE_DISPOSITION_INFORMATION ||
             info_class == FILE_DISPOSITION_INFORMATION_EX)
        set_disposition(s, r, o);
    else if (info_class == FILE_END_OF_FILE_INFORMATION ||
             info_class == FILE_ALLOCATION_INFORMATION)
        set_size(s, r, o);
    else if (info_class == FILE_VALID_DATA_LENGTH_INFORMATION)
        open_query_info(s, r, o, valid_length_is);
    else if (info_class == FILE_MODE_INFORMATION)
        set_mode(s, r, o);
    else if (info_class == FILE_FULL_EA_INFORMATION)
        set_ea(s, r, o, j->set.ea);
    else if (info_class == FILE_POSITION_INFORMATION) {
        o->position = j->set.size;
        set_info_reply(s, r);
    } else
        request_fail(s, r, STATUS_NOT_SUPPORTED);
}

/* ---- security -------------------------------------------------------------------------------- */

static void set_security(struct smb *s, struct smb_request *r, struct smb_open *o)
{
    const struct set_job *j = r->scratch;
    uint32_t needed = security_set_access(j->req.additional);
    struct security_descriptor sd;
    ntstatus status = security_decode(j->req.buffer, &sd);
    if ((o->granted_access & needed) != needed)
        status = STATUS_ACCESS_DENIED;
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    Fl__Command *c = request_command(s, r);
    Fl__SetSecurity *body = c != NULL ? NEW_BODY(s, r, Fl__SetSecurity) : NULL;
    if (body == NULL)
        return;
    fl__set_security__init(body);
    body->open_id = o->open_id;
    body->parts = j->req.additional;
    body->security_descriptor = borrowed(j->req.buffer);
    body->token = r->session->token;
    c->body_case = FL__COMMAND__BODY_SET_SECURITY;
    c->set_security = body;
    request_meta(s, r, c, was_set);
}

/* ---- the command ----------------------------------------------------------------------------- */

/* 3.3.5.21.2: the file system has nothing that a client could set. */
static ntstatus file_system_status(uint8_t info_class)
{
    bool settable = info_class == FILE_FS_LABEL_INFORMATION ||
                    info_class == FILE_FS_CONTROL_INFORMATION ||
                    info_class == FILE_FS_OBJECT_ID_INFORMATION;
    return settable ? STATUS_NOT_SUPPORTED : STATUS_INVALID_INFO_CLASS;
}

static ntstatus set_check(const struct smb_request *r, const struct smb_set_info_req *req)
{
    if (req->buffer.len > r->conn->io_max || !request_paid(r, req->buffer.len))
        return STATUS_INVALID_PARAMETER;
    return STATUS_OK;
}

void cmd_set_info(struct smb *s, struct smb_request *r)
{
    struct set_job *j = request_new(r, struct set_job);
    struct smb_open *o;
    ntstatus status =
        j != NULL ? smb_set_info_decode(r->message, &j->req) : STATUS_INSUFFICIENT_RESOURCES;
    if (status == STATUS_OK)
        status = request_open(s, r, j->req.file_id, &o);
    if (status == STATUS_OK)
        status = set_check(r, &j->req);
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    r->scratch = j;
    if (j->req.info_type == SMB2_0_INFO_FILE)
        set_file(s, r, o);
    else if (j->req.info_type == SMB2_0_INFO_SECURITY)
        set_security(s, r, o);
    else if (j->req.info_type == SMB2_0_INFO_FILESYSTEM)
        request_fail(s, r, file_system_status(j->req.info_class));
    else if (j->req.info_type == SMB2_0_INFO_QUOTA)
        request_fail(s, r, STATUS_NOT_SUPPORTED);
    else
        request_fail(s, r, STATUS_INVALID_PARAMETER);
}
