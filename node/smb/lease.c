#include "node/smb/lease.h"

#include "proto/smb/oplock.h"

#define LEASE_ALL (SMB2_LEASE_READ_CACHING | SMB2_LEASE_HANDLE_CACHING | SMB2_LEASE_WRITE_CACHING)

/* ---- asking ---------------------------------------------------------------------------------- */

bool lease_room(struct smb_request *r, Fl__Open *open)
{
    open->lease = request_new(r, Fl__Caching);
    if (open->lease != NULL)
        fl__caching__init(open->lease);
    return open->lease != NULL;
}

/* Only reading is cached: on a share that many nodes serve at once ([MS-SMB2] 3.3.5.9, 3.3.5.9.8),
 * or where the administrator says so. */
static bool only_reads(const struct smb_tree *t)
{
    return t->scale_out || t->leasing == FL__LEASING__LEASING_SHARED;
}

static uint32_t level_allowed(const struct smb_tree *t, uint8_t level)
{
    bool more = level == SMB2_OPLOCK_LEVEL_EXCLUSIVE || level == SMB2_OPLOCK_LEVEL_BATCH;
    if (!more && level != SMB2_OPLOCK_LEVEL_II)
        return SMB2_OPLOCK_LEVEL_NONE;
    return more && only_reads(t) ? SMB2_OPLOCK_LEVEL_II : level;
}

static void wish_lease(const struct smb_request *r, const struct create_lease *l, Fl__Open *open)
{
    Fl__Caching *c = open->lease;
    bool v2 = l->v2 && r->conn->dialect >= SMB_DIALECT_300;
    open->oplock = SMB2_OPLOCK_LEVEL_LEASE;
    c->key = borrowed(slice_of(l->key, sizeof(l->key)));
    c->version = v2 ? 2 : 1;
    c->state = l->state & LEASE_ALL;
    if (only_reads(r->tree))
        c->state &= SMB2_LEASE_READ_CACHING;
    c->directory =
        !only_reads(r->tree) && (r->conn->capabilities & SMB2_GLOBAL_CAP_DIRECTORY_LEASING) != 0;
    if (!v2)
        return;
    c->epoch = l->epoch;
    if ((l->flags & SMB2_LEASE_FLAG_PARENT_LEASE_KEY_SET) != 0)
        c->parent_key = borrowed(slice_of(l->parent_key, sizeof(l->parent_key)));
}

void lease_wish(const struct smb_request *r, const struct smb_create_req *req,
                const struct create_contexts *contexts, Fl__Open *open)
{
    bool leases = (r->conn->capabilities & SMB2_GLOBAL_CAP_LEASING) != 0;
    bool v1_only = r->conn->dialect < SMB_DIALECT_300;
    open->oplock = SMB2_OPLOCK_LEVEL_NONE;
    if (r->tree->leasing == FL__LEASING__LEASING_NONE)
        return;
    if (req->oplock_level != SMB2_OPLOCK_LEVEL_LEASE)
        open->oplock = level_allowed(r->tree, req->oplock_level);
    /* 3.3.5.9.11: a lease of version 2 is ignored where nobody knows it. */
    else if (leases && contexts->lease_set && !(contexts->lease.v2 && v1_only))
        wish_lease(r, &contexts->lease, open);
}

bool lease_granted(struct smb *s, struct smb_open *o, const Fl__OpenReply *got)
{
    o->oplock_level = (uint8_t)got->oplock;
    o->lease_id = got->lease_id;
    bool oplock =
        o->oplock_level != SMB2_OPLOCK_LEVEL_NONE && o->oplock_level != SMB2_OPLOCK_LEVEL_LEASE;
    if (!oplock)
        return true;
    o->has_oplock = map_put_u64(&s->oplock_by_id, o->open_id, o);
    return o->has_oplock;
}

void lease_end(struct smb *s, struct smb_open *o)
{
    if (o->has_oplock)
        (void)map_remove_u64(&s->oplock_by_id, o->open_id);
    o->has_oplock = false;
}

void lease_reply(const Fl__OpenReply *got, struct smb_create_rsp *rsp,
                 struct create_contexts_reply *contexts)
{
    const Fl__Caching *c = got->lease;
    struct create_lease *l = &contexts->lease;
    rsp->oplock_level = (uint8_t)got->oplock;
    if (got->oplock != SMB2_OPLOCK_LEVEL_LEASE || c == NULL || c->key.len != sizeof(l->key))
        return;
    contexts->lease_set = true;
    l->v2 = c->version == 2;
    memcpy(l->key, c->key.data, sizeof(l->key));
    l->state = c->state;
    l->epoch = (uint16_t)c->epoch;
    l->flags = c->breaking ? SMB2_LEASE_FLAG_BREAK_IN_PROGRESS : 0;
    if (c->parent_key.len != sizeof(l->parent_key))
        return;
    memcpy(l->parent_key, c->parent_key.data, sizeof(l->parent_key));
    l->flags |= SMB2_LEASE_FLAG_PARENT_LEASE_KEY_SET;
}

/* ---- telling ----------------------------------------------------------------------------------
 */

static struct writer notification(struct smb *s, uint64_t session_id)
{
    struct smb_header h = {.command = SMB2_OPLOCK_BREAK,
                           .flags = SMB2_FLAGS_SERVER_TO_REDIR,
                           .message_id = SMB_MESSAGE_ID_UNSOLICITED,
                           .session_id = session_id};
    struct writer w = compound_notification(s, SMB_HEADER_SIZE + 64);
    smb_header_encode(&w, &h);
    return w;
}

void lease_break_event(struct smb *s, const Fl__LeaseBreak *b)
{
    if (b->client_guid.len != 16 || b->key.len != 16)
        return;
    struct smb_conn *c = conn_of_client(s, b->client_guid.data);
    if (c == NULL)
        return; /* its opens are being closed */
    struct smb_lease_break out = {
        .new_epoch = (uint16_t)b->epoch,
        .flags = b->acknowledge ? SMB2_NOTIFY_BREAK_LEASE_FLAG_ACK_REQUIRED : 0,
        .current_state = b->current_state,
        .new_state = b->new_state,
    };
    memcpy(out.lease_key, b->key.data, sizeof(out.lease_key));
    trace_put(&s->trace, "lease.break", c->id, b->current_state, b->new_state);
    struct writer w = notification(s, 0); /* [MS-SMB2] 3.3.4.7 */
    smb_lease_break_encode(&w, &out);
    compound_notify(s, c, NULL, &w);
}

/* 3.3.4.6 */
void oplock_break_event(struct smb *s, const Fl__OplockBreak *b)
{
    struct smb_open *o = map_get_u64(&s->oplock_by_id, b->open_id);
    struct smb_session *session = o != NULL && o->tree != NULL ? o->tree->session : NULL;
    struct smb_conn *c = session != NULL ? session_conn(session) : NULL;
    if (c == NULL)
        return; /* the open is being closed */
    trace_put(&s->trace, "oplock.break", c->id, b->open_id, b->level);
    bool seals = session->encrypt || o->tree->encrypt;
    struct writer w = notification(s, session->id);
    smb_oplock_break_encode(&w, (uint8_t)b->level,
                            (struct smb_file_id){o->open_id, handle_pack(o->self)});
    compound_notify(s, c, seals ? session : NULL, &w);
}

/* ---- acknowledgements --------------------------------------------------------------------------
 */

static void lease_was_acked(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    const struct smb_break_ack *ack = r->scratch;
    struct writer *w = reply->status == STATUS_OK ? request_writer(s, r, 64) : NULL;
    if (reply->status != STATUS_OK)
        request_fail(s, r, reply_failure(reply));
    if (w == NULL)
        return;
    smb_lease_break_rsp_encode(w, ack->lease_key, ack->lease_state);
    request_reply(s, r, STATUS_OK);
}

static void ack_lease(struct smb *s, struct smb_request *r, const struct smb_break_ack *ack)
{
    Fl__Command *c = request_command(s, r);
    Fl__LeaseAck *body = c != NULL ? request_new(r, Fl__LeaseAck) : NULL;
    if (body == NULL) {
        if (c != NULL)
            request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    fl__lease_ack__init(body);
    body->client_guid = borrowed(slice_of(r->conn->client_guid, sizeof(r->conn->client_guid)));
    body->key = borrowed(slice_of(ack->lease_key, sizeof(ack->lease_key)));
    body->state = ack->lease_state;
    c->body_case = FL__COMMAND__BODY_LEASE_ACK;
    c->lease_ack = body;
    request_meta(s, r, c, lease_was_acked);
}

static void oplock_was_acked(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    const struct smb_break_ack *ack = r->scratch;
    struct smb_open *o = request_its_open(s, r);
    struct writer *w = reply->status == STATUS_OK ? request_writer(s, r, 64) : NULL;
    if (reply->status != STATUS_OK)
        request_fail(s, r, reply_failure(reply));
    if (w == NULL)
        return;
    o->oplock_level =
        ack->oplock_level == SMB2_OPLOCK_LEVEL_II ? SMB2_OPLOCK_LEVEL_II : SMB2_OPLOCK_LEVEL_NONE;
    if (o->oplock_level == SMB2_OPLOCK_LEVEL_II)
        o->inode->cached_by = UINT64_MAX; /* its own writes break that, too */
    smb_oplock_break_encode(w, o->oplock_level,
                            (struct smb_file_id){o->open_id, handle_pack(o->self)});
    request_reply(s, r, STATUS_OK);
}

static void ack_oplock(struct smb *s, struct smb_request *r, const struct smb_break_ack *ack)
{
    struct smb_open *o;
    ntstatus status = request_open(s, r, ack->file_id, &o);
    if (status == STATUS_OK && o->inode == NULL)
        status = STATUS_INVALID_DEVICE_STATE; /* a pipe */
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    Fl__Command *c = request_command(s, r);
    Fl__OplockAck *body = c != NULL ? request_new(r, Fl__OplockAck) : NULL;
    if (body == NULL) {
        if (c != NULL)
            request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    fl__oplock_ack__init(body);
    body->open_id = o->open_id;
    body->level = ack->oplock_level;
    c->body_case = FL__COMMAND__BODY_OPLOCK_ACK;
    c->oplock_ack = body;
    request_meta(s, r, c, oplock_was_acked);
}

/* [MS-SMB2] 3.3.5.22: the coordinator judges it. */
void cmd_oplock_break(struct smb *s, struct smb_request *r)
{
    struct smb_break_ack *ack = request_new(r, struct smb_break_ack);
    ntstatus status =
        ack != NULL ? smb_break_ack_decode(r->message, ack) : STATUS_INSUFFICIENT_RESOURCES;
    if (status == STATUS_OK && ack->is_lease && r->conn->dialect == SMB_DIALECT_202)
        status = STATUS_INVALID_PARAMETER;
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    r->scratch = ack;
    if (ack->is_lease)
        ack_lease(s, r, ack);
    else
        ack_oplock(s, r, ack);
}

/* ---- heeding -----------------------------------------------------------------------------------
 */

static bool caching_disturbed(const struct smb_open *o)
{
    uint64_t by = o->inode->cached_by;
    return by != 0 && (by != o->lease_id || by == UINT64_MAX);
}

static void caching_break(struct smb *s, struct smb_request *r, const struct smb_open *o,
                          smb_meta_done *done)
{
    Fl__Command *c = request_command(s, r);
    Fl__BreakCaching *body = c != NULL ? request_new(r, Fl__BreakCaching) : NULL;
    if (body == NULL) {
        if (c != NULL)
            request_fail(s, r, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    fl__break_caching__init(body);
    body->open_id = o->open_id;
    c->body_case = FL__COMMAND__BODY_BREAK_CACHING;
    c->break_caching = body;
    request_meta(s, r, c, done);
}

static void broken(struct smb *s, struct smb_request *r, const Fl__Reply *reply)
{
    const Fl__FileInfo *info = info_of(reply);
    if (info != NULL) {
        inode_learn(request_its_open(s, r)->inode, info);
        r->uncertain = !info->cacheable;
    }
    r->on_change(s, r, info != NULL ? STATUS_OK : reply_failure(reply));
}

void change_begin(struct smb *s, struct smb_request *r, struct smb_open *o, smb_changed *then)
{
    request_hold_size(s, r);
    r->uncertain = false;
    r->on_change = then;
    if (o->inode->size_valid && !caching_disturbed(o))
        then(s, r, STATUS_OK);
    else
        caching_break(s, r, o, broken);
}

void change_end(struct smb *s, struct smb_request *r, struct smb_open *o, smb_changed *then)
{
    r->on_change = then;
    if (!r->uncertain)
        then(s, r, STATUS_OK);
    else
        caching_break(s, r, o, broken);
}
