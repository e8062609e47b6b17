/* QUERY_INFO ([MS-SMB2] 3.3.5.20): files, file systems and security. What the open itself knows is
 * answered at once; the rest is the coordinator's, asked anew each time. */
#include "node/smb/files.h"

#include "proto/smb/info.h"
#include "proto/smb/names.h"
#include "proto/smb/security.h"

/* Bytes in front of the output within a reply. */
#define QUERY_INFO_RSP_SIZE 8u
/* The most a file's information can measure: a path and what goes before it. */
#define FILE_OUTPUT_MAX 66000u
#define VOLUME_OUTPUT_MAX 512u

struct query_job {
    struct smb_query_info_req req;
    struct fscc_volume volume;
};

/* The output in a buffer of its own, so that it can be cut to what the client takes. */
static struct writer output_of(struct smb_request *r, uint32_t wanted, uint32_t most)
{
    uint32_t size = wanted < most ? wanted : most;
    void *at = size > 0 ? arena_alloc(&r->arena, size) : NULL;
    return writer_of(at, at != NULL ? size : 0);
}

void query_info_reply(struct smb *s, struct smb_request *r, ntstatus status, struct slice output)
{
    struct writer *w = request_writer(s, r, QUERY_INFO_RSP_SIZE + output.len + 8);
    if (w == NULL)
        return;
    smb_query_info_encode(w, output);
    request_reply(s, r, status);
}

/* ---- files --------------------------------------------------------------------------------- */

static struct fscc_file file_of(const struct smb *s, const struct smb_open *o,
                                const Fl__FileInfo *info)
{
    struct smb_file_facts facts = facts_of(s, info, o->inode);
    return (struct fscc_file){
        .creation_time = facts.creation_time,
        .access_time = facts.last_access_time,
        .write_time = facts.last_write_time,
        .change_time = facts.change_time,
        .size = facts.end_of_file,
        .allocation_size = facts.allocation_size,
        .attributes = info->attributes,
        .links = info->links,
        .delete_pending = info->delete_pending,
        .directory = o->directory,
        .file_id = file_id_of(info),
        .ea_size = info->ea_size,
        .reparse_tag = info->reparse_tag,
        .volume_serial = volume_serial(s, info->volume),
        .granted_access = o->granted_access,
        .mode = o->mode,
        .position = o->position,
    };
}

static void answer_file(struct smb *s, struct smb_request *r, const struct smb_open *o,
                        const Fl__InfoReply *reply)
{
    const struct query_job *j = r->scratch;
    struct fscc_file file = file_of(s, o, reply->info);
    uint8_t room[2 * NAME_SHORT_MAX];
    struct slice name = name_last(open_path(o));
    file.short_name = name_is_short(name) ? name : name_short(name, room);
    file.path = slice_of(reply->path.data, reply->path.len);
    struct writer out = output_of(r, j->req.output_length, FILE_OUTPUT_MAX);
    ntstatus status = fscc_encode_file(j->req.info_class, &file, &out);
    if (status == STATUS_OK || status == STATUS_BUFFER_OVERFLOW)
        query_info_reply(s, r, status, written(&out));
    else
        request_fail(s, r, status);
}

static void file_info(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    struct smb_open *o = request_its_open(s, r);
    const Fl__FileInfo *info = info_of(reply);
    if (info == NULL) {
        request_fail(s, r, reply_failure(reply));
        return;
    }
    if (!o->directory)
        inode_learn(o->inode, info);
    answer_file(s, r, o, reply->info);
}

/* Classes about the handle and not the file: nothing to ask. */
static bool is_of_handle(uint8_t info_class)
{
    return info_class == FILE_ACCESS_INFORMATION || info_class == FILE_POSITION_INFORMATION ||
           info_class == FILE_MODE_INFORMATION || info_class == FILE_ALIGNMENT_INFORMATION ||
           info_class == FILE_INTERNAL_INFORMATION || info_class == FILE_ID_INFORMATION;
}

static void answer_handle(struct smb *s, struct smb_request *r, struct smb_open *o)
{
    Fl__InfoReply known;
    fl__info_reply__init(&known);
    known.info = &o->info;
    answer_file(s, r, o, &known);
}

static void query_file(struct smb *s, struct smb_request *r, struct smb_open *o)
{
    const struct query_job *j = r->scratch;
    uint32_t needed = fscc_query_access(j->req.info_class);
    if ((o->granted_access & needed) != needed) {
        request_fail(s, r, STATUS_ACCESS_DENIED);
        return;
    }
    /* 3.3.5.20.1: normalized names are 3.1.1's. */
    if (j->req.info_class == FILE_NORMALIZED_NAME_INFORMATION && r->conn->dialect < 0x0311)
        request_fail(s, r, STATUS_NOT_SUPPORTED);
    else if (j->req.info_class == FILE_ID_INFORMATION && r->conn->dialect < 0x0300)
        request_fail(s, r, STATUS_NOT_SUPPORTED);
    else if (is_of_handle(j->req.info_class))
        answer_handle(s, r, o);
    else if (j->req.info_class == FILE_FULL_EA_INFORMATION)
        query_ea(s, r, o, &j->req);
    else if (j->req.info_class == FILE_STREAM_INFORMATION)
        query_streams(s, r, o, &j->req);
    else if (j->req.info_class == FILE_NORMALIZED_NAME_INFORMATION)
        open_query_path(s, r, o, file_info);
    else
        open_query_info(s, r, o, file_info);
}

/* ---- file systems -------------------------------------------------------------------------- */

static struct slice volume_label(const struct smb *s, struct smb_request *r, uint32_t volume)
{
    struct slice label = {0};
    for (size_t i = 0; s->cluster != NULL && i < s->cluster->n_volumes; i++)
        if (s->cluster->volumes[i]->id == volume)
            (void)utf16_from_utf8(slice_str(s->cluster->volumes[i]->name), &r->arena, &label);
    return label;
}

static void volume_info(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    struct query_job *j = r->scratch;
    if (reply->status != STATUS_OK || reply->body_case != FL__REPLY__BODY_VOLUME ||
        reply->volume == NULL) {
        request_fail(s, r, reply_failure(reply));
        return;
    }
    j->volume.creation_time = reply->volume->creation_time;
    j->volume.free_bytes = reply->volume->free_bytes;
    j->volume.total_bytes = reply->volume->total_bytes;
    struct writer out = output_of(r, j->req.output_length, VOLUME_OUTPUT_MAX);
    ntstatus status = fscc_encode_volume(j->req.info_class, &j->volume, &out);
    if (status == STATUS_OK || status == STATUS_BUFFER_OVERFLOW)
        query_info_reply(s, r, status, written(&out));
    else
        request_fail(s, r, status);
}

static void query_volume(struct smb *s, struct smb_request *r)
{
    struct query_job *j = r->scratch;
    uint32_t volume = r->tree->volume;
    j->volume.serial = volume_serial(s, volume);
    j->volume.label = volume_label(s, r, volume);
    struct writer w = writer_of(j->volume.object_id, sizeof(j->volume.object_id));
    write_u32(&w, j->volume.serial);
    write_u32(&w, volume);
    Fl__Query *q = request_query_new(s, r);
    if (q == NULL)
        return;
    Fl__QueryVolume *ask = request_new(r, Fl__QueryVolume);
    if (ask == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    fl__query_volume__init(ask);
    ask->volume = volume;
    q->body_case = FL__QUERY__BODY_VOLUME;
    q->volume = ask;
    request_query(s, r, q, volume_info);
}

/* ---- security ------------------------------------------------------------------------------ */

static void security_info(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    const struct query_job *j = r->scratch;
    if (reply->status != STATUS_OK || reply->body_case != FL__REPLY__BODY_SECURITY ||
        reply->security == NULL) {
        request_fail(s, r, reply_failure(reply));
        return;
    }
    const ProtobufCBinaryData *sd = &reply->security->security_descriptor;
    if (sd->len > j->req.output_length) {
        /* 3.3.5.20.3: with the size that would do. */
        uint8_t needed[4];
        struct writer w = writer_of(needed, sizeof(needed));
        write_u32(&w, (uint32_t)sd->len);
        request_fail_data(s, r, STATUS_BUFFER_TOO_SMALL, written(&w));
        return;
    }
    query_info_reply(s, r, STATUS_OK, slice_of(sd->data, sd->len));
}

static void query_security(struct smb *s, struct smb_request *r, const struct smb_open *o)
{
    const struct query_job *j = r->scratch;
    uint32_t needed = security_query_access(j->req.additional);
    if ((o->granted_access & needed) != needed) {
        request_fail(s, r, STATUS_ACCESS_DENIED);
        return;
    }
    Fl__Query *q = request_query_new(s, r);
    if (q == NULL)
        return;
    Fl__QuerySecurity *ask = request_new(r, Fl__QuerySecurity);
    if (ask == NULL) {
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    fl__query_security__init(ask);
    ask->open_id = o->open_id;
    ask->parts = j->req.additional;
    q->body_case = FL__QUERY__BODY_SECURITY;
    q->security = ask;
    request_query(s, r, q, security_info);
}

/* ---- the command --------------------------------------------------------------------------- */

static ntstatus query_check(const struct smb_request *r, const struct smb_query_info_req *req)
{
    uint64_t payload = req->input.len > req->output_length ? req->input.len : req->output_length;
    if (req->output_length > r->conn->io_max || !request_paid(r, payload))
        return STATUS_INVALID_PARAMETER;
    return STATUS_OK;
}

void cmd_query_info(struct smb *s, struct smb_request *r)
{
    struct query_job *j = request_new(r, struct query_job);
    struct smb_open *o;
    ntstatus status =
        j != NULL ? smb_query_info_decode(r->message, &j->req) : STATUS_INSUFFICIENT_RESOURCES;
    if (status == STATUS_OK)
        status = request_open(s, r, j->req.file_id, &o);
    if (status == STATUS_OK)
        status = query_check(r, &j->req);
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    r->scratch = j;
    if (j->req.info_type == SMB2_0_INFO_FILE)
        query_file(s, r, o);
    else if (j->req.info_type == SMB2_0_INFO_FILESYSTEM)
        query_volume(s, r);
    else if (j->req.info_type == SMB2_0_INFO_SECURITY)
        query_security(s, r, o);
    else if (j->req.info_type == SMB2_0_INFO_QUOTA)
        request_fail(s, r, STATUS_NOT_SUPPORTED);
    else
        request_fail(s, r, STATUS_INVALID_PARAMETER);
}
