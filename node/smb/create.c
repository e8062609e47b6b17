/* CREATE on disk shares ([MS-SMB2] 3.3.5.9, [MS-FSA] 2.1.5.1).
 *
 *   decode ─► validate ─► META Open (share modes, access check, creation) ─► smb_open ─► reply
 *
 * What a request says is judged here; everything that depends on the file is the coordinator's. No
 * oplock, lease, durable or persistent handle is granted: all of them are the client's to do
 * without. */
#include "node/smb/lease.h"

#include "proto/smb/create_ctx.h"
#include "proto/smb/names.h"

#define FILE_CREATE_TREE_CONNECTION UINT32_C(0x00000080)
#define CREATE_CONTEXTS_REPLY_MAX 176u

/* [MS-FSA] 2.1.5.1 phase 1 */
#define ACCESS_REFUSED UINT32_C(0x0CE0FE00)
/* [MS-SMB2] 2.2.13: what FileAttributes may name; FILE_ATTRIBUTE_DIRECTORY decides nothing. */
#define ATTRIBUTES_VALID UINT32_C(0x00007FB7)
/* [MS-SMB2] 3.3.5.9: set to zero by the server. */
#define OPTIONS_DROPPED                                                                            \
    (FILE_COMPLETE_IF_OPLOCKED | FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT |        \
     FILE_OPEN_FOR_FREE_SPACE_QUERY)
#define OPTIONS_UNSUPPORTED                                                                        \
    (FILE_CREATE_TREE_CONNECTION | FILE_OPEN_BY_FILE_ID | FILE_RESERVE_OPFILTER)
/* [MS-FSA] 2.1.5.1.1, 2.1.5.1.2: what makes the mode. */
#define OPTIONS_MODE (FILE_WRITE_THROUGH | FILE_SEQUENTIAL_ONLY | FILE_NO_INTERMEDIATE_BUFFERING)

struct job {
    struct smb_create_req req;
    struct name_path name;
    struct create_contexts contexts;
};

static ntstatus check_options(const struct smb_create_req *q)
{
    const uint32_t both = FILE_DIRECTORY_FILE | FILE_NON_DIRECTORY_FILE;
    if ((q->options & ~FILE_CREATE_OPTIONS_VALID) != 0)
        return STATUS_INVALID_PARAMETER;
    if ((q->options & OPTIONS_UNSUPPORTED) != 0)
        return STATUS_NOT_SUPPORTED;
    if ((q->options & both) == both)
        return STATUS_INVALID_PARAMETER;
    bool replaces = q->disposition == FILE_SUPERSEDE || q->disposition == FILE_OVERWRITE ||
                    q->disposition == FILE_OVERWRITE_IF;
    if ((q->options & FILE_DIRECTORY_FILE) != 0 && replaces)
        return STATUS_INVALID_PARAMETER;
    bool deletes = (access_map_generic(q->desired_access) & (ACCESS_DELETE | MAXIMUM_ALLOWED)) != 0;
    if ((q->options & FILE_DELETE_ON_CLOSE) != 0 && !deletes)
        return STATUS_INVALID_PARAMETER;
    return STATUS_OK;
}

/* What can be said without looking at the file. */
static ntstatus check_request(const struct smb_create_req *q)
{
    if (q->impersonation > SMB2_IMPERSONATION_DELEGATE)
        return STATUS_BAD_IMPERSONATION_LEVEL;
    /* ACCESS_SYSTEM_SECURITY alone opens nothing ([MS-SMB2] 3.3.5.9). */
    if ((q->desired_access & ~ACCESS_SYSTEM_SECURITY) == 0 ||
        (q->desired_access & ACCESS_REFUSED) != 0)
        return STATUS_ACCESS_DENIED;
    if ((q->file_attributes & ~ATTRIBUTES_VALID) != 0 ||
        (q->share_access & ~FILE_SHARE_VALID) != 0 || q->disposition > FILE_DISPOSITION_MAX)
        return STATUS_INVALID_PARAMETER;
    /* There is no encryption at rest: a file asked to be encrypted would lie in clear. */
    if ((q->file_attributes & FILE_ATTRIBUTE_ENCRYPTED) != 0)
        return STATUS_ACCESS_DENIED;
    return check_options(q);
}

/* [MS-SMB2] 3.3.5.9.1 to .13, as far as they can refuse. */
static ntstatus check_contexts(const struct create_contexts *c)
{
    int others = c->dhnq + c->dhnc + c->dh2c;
    if ((c->dh2q && others > 0) || (c->dh2c && (c->dhnq || c->dhnc)))
        return STATUS_INVALID_PARAMETER; /* 3.3.5.9.10, 3.3.5.9.12 */
    if (c->dhnc || c->dh2c)
        return STATUS_OBJECT_NAME_NOT_FOUND; /* nothing durable was ever granted */
    if (c->twrp && c->timewarp != 0)
        return STATUS_OBJECT_NAME_NOT_FOUND; /* there are no earlier versions */
    if (c->has_security && c->security.len > SECURITY_BYTES_MAX)
        return STATUS_INVALID_PARAMETER;
    return STATUS_OK;
}

/* [MS-FSA] 2.1.5.1 phase 7: what the form of the name says about what it may name. */
static ntstatus check_name(struct job *j)
{
    uint32_t *options = &j->req.options;
    if (j->name.stream.len > 0)
        return (*options & FILE_DIRECTORY_FILE) != 0 ? STATUS_NOT_A_DIRECTORY : STATUS_OK;
    if (j->name.index || j->name.trailing) {
        bool may_be_file =
            (*options & FILE_NON_DIRECTORY_FILE) != 0 ||
            ((*options & FILE_DIRECTORY_FILE) == 0 && j->req.disposition != FILE_OPEN);
        if (may_be_file)
            return STATUS_OBJECT_NAME_INVALID;
        *options |= FILE_DIRECTORY_FILE;
        return STATUS_OK;
    }
    if (j->name.has_stream && (*options & FILE_DIRECTORY_FILE) != 0)
        return STATUS_NOT_A_DIRECTORY;
    if (j->name.has_stream) /* "::$DATA" */
        *options |= FILE_NON_DIRECTORY_FILE;
    return STATUS_OK;
}

/* [MS-SMB2] 3.3.5.9: who may not do that on this share at all is not told whether there is such a
 * file, if the share hides what may not be read. */
static bool is_hidden(const struct smb_tree *t, const struct smb_create_req *q)
{
    uint32_t wanted = access_map_generic(q->desired_access) &
                      ~(MAXIMUM_ALLOWED | ACCESS_SYSTEM_SECURITY | t->share_mask);
    return t->abe && q->disposition == FILE_OPEN && wanted != 0;
}

static ntstatus parse(const struct smb_request *r, struct job *j)
{
    ntstatus status = smb_create_decode(r->message, &j->req);
    if (status == STATUS_OK)
        status = create_contexts_decode(j->req.contexts, &j->contexts);
    if (status == STATUS_OK)
        status = check_request(&j->req);
    if (status == STATUS_OK)
        status = check_contexts(&j->contexts);
    if (status == STATUS_OK)
        status = name_parse(j->req.name, &j->name);
    if (status == STATUS_OK)
        status = check_name(j);
    if (status == STATUS_OK && is_hidden(r->tree, &j->req))
        status = STATUS_OBJECT_NAME_NOT_FOUND;
    if (status != STATUS_OK)
        return status;
    j->req.options &= ~OPTIONS_DROPPED;
    if ((j->req.options & FILE_NO_INTERMEDIATE_BUFFERING) != 0 &&
        (j->req.desired_access & ~(FILE_APPEND_DATA | ACCESS_SYSTEM_SECURITY)) != 0)
        j->req.desired_access &= ~FILE_APPEND_DATA;
    if (r->tree->continuous)
        j->req.options |= FILE_WRITE_THROUGH;
    return STATUS_OK;
}

static ntstatus fill_open(struct smb_request *r, const struct job *j, Fl__Open *open)
{
    fl__open__init(open);
    open->volume = r->tree->volume;
    open->root_inode = r->tree->root_inode;
    open->path = borrowed(j->name.stream.len > 0 ? j->req.name : j->name.path);
    open->desired_access = j->req.desired_access;
    open->share_access = j->req.share_access;
    open->disposition = j->req.disposition;
    open->options = j->req.options;
    open->attributes = j->req.file_attributes & FILE_ATTRIBUTE_SETTABLE;
    open->allocation_size = j->contexts.alsi ? j->contexts.allocation_size : 0;
    if (j->contexts.has_security)
        open->security_descriptor = borrowed(j->contexts.security);
    open->token = r->session->token;
    open->share_mask = r->tree->share_mask;
    open->client_guid = borrowed(slice_of(r->conn->client_guid, sizeof(r->conn->client_guid)));
    if (j->contexts.dh2q)
        open->create_guid =
            borrowed(slice_of(j->contexts.create_guid, sizeof(j->contexts.create_guid)));
    if (!lease_room(r, open))
        return STATUS_INSUFFICIENT_RESOURCES;
    lease_wish(r, &j->req, &j->contexts, open);
    bool has_ea = j->contexts.has_ea && j->contexts.ea.len > 0;
    return has_ea ? ea_changes(r, j->contexts.ea, &open->ea) : STATUS_OK;
}

/* The open that the coordinator has granted and that cannot be kept here. */
static void refuse(struct smb *s, struct smb_request *r, uint64_t open_id)
{
    Fl__Command *c = smb_command(s);
    Fl__Close *close = c != NULL ? arena_alloc(&s->step, sizeof(*close)) : NULL;
    if (close != NULL) {
        fl__close__init(close);
        close->open_id = open_id;
        c->body_case = FL__COMMAND__BODY_CLOSE;
        c->close = close;
        smb_meta_forget(s, c);
    }
    request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
}

/* [MS-SMB2] 3.3.5.9.5: the maximal access is not wanted of a file that has not changed since. */
static struct create_contexts_reply contexts_of(const struct smb *s, const struct job *j,
                                                const Fl__OpenReply *opened)
{
    bool unchanged =
        j->contexts.mxac_timestamp != 0 && opened->info->write_time <= j->contexts.mxac_timestamp;
    return (struct create_contexts_reply){
        .mxac = j->contexts.mxac,
        .mxac_status = unchanged ? STATUS_NONE_MAPPED : STATUS_OK,
        .maximal_access = unchanged ? 0 : opened->maximal_access,
        .qfid = j->contexts.qfid,
        .file_id = file_id_of(opened->info),
        .volume_id = volume_serial(s, opened->info->volume),
    };
}

static void reply(struct smb *s, struct smb_request *r, struct smb_open *o,
                  const Fl__OpenReply *opened)
{
    uint8_t room[CREATE_CONTEXTS_REPLY_MAX];
    struct writer contexts = writer_of(room, sizeof(room));
    struct create_contexts_reply rsp_contexts = contexts_of(s, r->scratch, opened);
    struct smb_create_rsp rsp = {
        .action = opened->action,
        .facts = facts_of(s, opened->info, o->inode),
        .file_id = {o->open_id, handle_pack(o->self)},
    };
    lease_reply(opened, &rsp, &rsp_contexts);
    if (opened->info->reparse_tag != 0 && r->conn->dialect >= SMB_DIALECT_300)
        rsp.flags |= SMB2_CREATE_FLAG_REPARSEPOINT;
    (void)create_contexts_write(&contexts, &rsp_contexts);
    rsp.contexts = written(&contexts);
    struct writer *w = request_writer(s, r, 96 + CREATE_CONTEXTS_REPLY_MAX);
    if (w == NULL) {
        open_finish(s, o);
        return;
    }
    request_set_open(s, r, o);
    smb_create_encode(w, &rsp);
    request_reply(s, r, STATUS_OK);
}

static void opened(struct smb *s, struct smb_request *r, const Fl__Reply *reply_)
{
    const struct job *j = r->scratch;
    if (reply_->status == STATUS_STOPPED_ON_SYMLINK) {
        reparse_stopped(s, r, reply_, j->req.name);
        return;
    }
    if (reply_->status != STATUS_OK || reply_->body_case != FL__REPLY__BODY_OPEN ||
        reply_->open == NULL || reply_->open->info == NULL) {
        request_fail(s, r, reply_failure(reply_));
        return;
    }
    const Fl__OpenReply *got = reply_->open;
    struct smb_open *o = open_new(s, r->tree, got->info);
    if (o == NULL) {
        refuse(s, r, got->open_id);
        return;
    }
    o->open_id = got->open_id;
    o->granted_access = got->granted_access;
    o->maximal_access = got->maximal_access;
    o->create_options = j->req.options;
    o->write_through = (j->req.options & FILE_WRITE_THROUGH) != 0;
    o->mode = j->req.options & OPTIONS_MODE;
    o->channel_sequence = r->header.channel_sequence;
    s->stats.creates++;
    if (!open_set_path(s, o, j->name.path) || !lease_granted(s, o, got)) {
        open_finish(s, o);
        request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    reply(s, r, o, got);
}

void cmd_create(struct smb *s, struct smb_request *r)
{
    struct job *j = request_new(r, struct job);
    ntstatus status = j != NULL ? parse(r, j) : STATUS_INSUFFICIENT_RESOURCES;
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    Fl__Command *c = request_command(s, r);
    if (c == NULL)
        return;
    Fl__Open *open = request_new(r, Fl__Open);
    status = open != NULL ? fill_open(r, j, open) : STATUS_INSUFFICIENT_RESOURCES;
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    c->body_case = FL__COMMAND__BODY_OPEN;
    c->open = open;
    r->scratch = j;
    request_meta(s, r, c, opened);
}
