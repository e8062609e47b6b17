/* What calls on named pipes want done: lists of what this node's clients do, ends to it, and
 * commands to the cluster. */
#include "node/smb/pipe.h"

#include "node/smb/files.h"
#include "proto/rpc/srvsvc.h"

#define CHANNELS_ENDED_MAX 64u /* by one call: each may leave an effect in the same step */

/* ---- lists --------------------------------------------------------------------------------------
 */

/* Is the entry with this index to be listed? Sets outcome->more behind the last one. */
static bool listed(const struct rpc_order *order, uint32_t index, struct rpc_outcome *outcome)
{
    if (index < order->begin)
        return false;
    if (outcome->count == RPC_LIST_MAX)
        outcome->more = true;
    return !outcome->more;
}

static uint32_t seconds_since(const struct smb *s, uint64_t then_ns)
{
    return (uint32_t)((s->now_ns - then_ns) / SMB_SECOND);
}

/* The address a session's client has; it may have come on several channels. {0}: it is none that
 * is logged on. */
static struct slice client_of(const struct smb_session *session)
{
    const struct smb_conn *c = session->token == NULL ? NULL : session_conn(session);
    return slice_str(c == NULL ? "" : c->peer);
}

static bool is_logged_on(const struct smb_session *session)
{
    return session->token != NULL && session_conn(session) != NULL;
}

static uint32_t opens_of(const struct smb_session *session)
{
    uint32_t opens = 0;
    list_each (link, &session->trees)
        opens += container_of(link, struct smb_tree, session_link)->open_count;
    return opens;
}

static bool list_sessions(struct smb *s, struct smb_request *r, const struct rpc_order *order,
                          struct rpc_outcome *out)
{
    struct rpc_session *list = arena_array(&r->arena, RPC_LIST_MAX, sizeof(*list));
    uint32_t index = 0;
    handle at = {0};
    for (struct smb_session *x; list != NULL && (x = table_next(&s->sessions, &at)) != NULL;) {
        if (!is_logged_on(x) || !listed(order, index++, out))
            continue;
        list[out->count++] = (struct rpc_session){
            .client = client_of(x),
            .user = rpc_account_name(x->user),
            .opens = opens_of(x),
            .seconds = seconds_since(s, x->began_ns),
            .idle_seconds = seconds_since(s, x->used_ns),
        };
    }
    out->sessions = list;
    return list != NULL;
}

/* Names an open for as long as it lasts, in 32 bits: the slot, and the number of those who had it.
 */
static uint32_t file_number(const struct smb_open *o)
{
    enum { SLOT_BITS = 20 };
    return (o->self.slot & ((1u << SLOT_BITS) - 1)) | o->self.gen << SLOT_BITS;
}

static void write_below(struct writer *w, struct slice path)
{
    write_bytes(w, slice_str(path.len > 0 ? "\\" : ""));
    for (size_t i = 0; i < path.len; i++)
        write_u8(w, path.at[i] == '/' ? '\\' : path.at[i]);
}

/* "C:\volume\share's directory\path", as srvsvc shows shares; "\PIPE\name" of pipes. {0} without
 * memory. */
static struct slice full_path(struct smb *s, struct smb_request *r, const struct smb_open *o)
{
    const char *path = utf16_to_utf8(open_path(o), &r->arena);
    const Fl__Share *share = o->pipe != NULL ? NULL : share_of_tree(s, o->tree);
    struct slice volume = share == NULL ? (struct slice){0} : rpc_volume_name(s, share->volume);
    struct slice root = slice_str(share == NULL ? "" : share->path);
    size_t cap = 16 + volume.len + root.len + (path == NULL ? 0 : strlen(path));
    uint8_t *at = path == NULL ? NULL : arena_alloc(&r->arena, cap);
    if (at == NULL)
        return (struct slice){0};
    struct writer w = writer_of(at, cap);
    write_bytes(&w, slice_str(o->pipe != NULL ? "\\PIPE" : "C:"));
    write_below(&w, volume);
    write_below(&w, root);
    write_below(&w, slice_str(path));
    must(!w.full);
    return written(&w);
}

static uint32_t permissions_of(const struct smb_open *o)
{
    uint32_t granted = o->granted_access;
    return ((granted & (FILE_READ_DATA | FILE_EXECUTE)) != 0 ? PERM_FILE_READ : 0) |
           ((granted & (FILE_WRITE_DATA | FILE_APPEND_DATA)) != 0 ? PERM_FILE_WRITE : 0);
}

static bool is_open(const struct smb_open *o) { return o->tree != NULL && !o->closing; }

static bool list_files(struct smb *s, struct smb_request *r, const struct rpc_order *order,
                       struct rpc_outcome *out)
{
    struct rpc_file *list = arena_array(&r->arena, RPC_LIST_MAX, sizeof(*list));
    uint32_t index = 0;
    handle at = {0};
    for (struct smb_open *o; list != NULL && (o = table_next(&s->opens, &at)) != NULL;) {
        if (!is_open(o) || (order->file_id != 0 && order->file_id != file_number(o)) ||
            !listed(order, index++, out))
            continue;
        list[out->count++] = (struct rpc_file){
            .id = file_number(o),
            .permissions = permissions_of(o),
            .path = full_path(s, r, o),
            .user = rpc_account_name(o->tree->session->user),
        };
    }
    out->files = list;
    return list != NULL && !r->arena.failed;
}

static bool list_connections(struct smb *s, struct smb_request *r, const struct rpc_order *order,
                             struct rpc_outcome *out)
{
    struct rpc_connection *list = arena_array(&r->arena, RPC_LIST_MAX, sizeof(*list));
    uint32_t index = 0;
    handle at = {0};
    for (struct smb_tree *t; list != NULL && (t = table_next(&s->trees, &at)) != NULL;) {
        if (t->gone || !is_logged_on(t->session) || !listed(order, index++, out))
            continue;
        list[out->count++] = (struct rpc_connection){
            .id = t->self.slot | t->self.gen << 20,
            .type = t->ipc ? STYPE_IPC : STYPE_DISKTREE,
            .opens = t->open_count,
            .seconds = seconds_since(s, t->began_ns),
            .user = rpc_account_name(t->session->user),
            .client = client_of(t->session),
            .share = slice_str(t->ipc ? "IPC$" : t->share_name),
        };
    }
    out->connections = list;
    return list != NULL;
}

/* ---- ends ---------------------------------------------------------------------------------------
 */

static bool is_name(struct slice have, struct slice want, struct arena *a)
{
    struct slice one, other;
    return want.len == 0 || (utf16_from_utf8(have, a, &one) && utf16_from_utf8(want, a, &other) &&
                             utf16_compare_fold(one, other) == 0);
}

static void end_sessions(struct smb *s, struct smb_request *r, const struct rpc_order *order,
                         struct rpc_outcome *out)
{
    uint32_t channels = 0;
    handle at = {0};
    struct smb_session *x;
    while (channels < CHANNELS_ENDED_MAX && (x = table_next(&s->sessions, &at)) != NULL) {
        if (!is_logged_on(x) || !is_name(client_of(x), order->client, &r->arena) ||
            !is_name(rpc_account_name(x->user), order->user, &r->arena))
            continue;
        out->count++;
        channels += x->channel_count;
        if (x == r->session)
            r->doom_session = r->session_at; /* it still has to carry the answer */
        else
            session_doom(s, x);
    }
}

static void close_file(struct smb *s, const struct rpc_order *order, struct rpc_outcome *out)
{
    handle at = {0};
    struct smb_open *o;
    while (out->count == 0 && (o = table_next(&s->opens, &at)) != NULL) {
        if (!is_open(o) || file_number(o) != order->file_id)
            continue;
        out->count = 1;
        open_force_close(s, o);
    }
}

/* ---- commands -----------------------------------------------------------------------------------
 */

static char *text_of(struct smb_request *r, struct slice text)
{
    char *copy = arena_alloc(&r->arena, text.len + 1);
    if (copy != NULL && text.len > 0)
        memcpy(copy, text.at, text.len);
    return copy;
}

/* The order's grants, named by their SIDs: the cluster knows nobody else's names. */
static bool put_grants(struct smb_request *r, const struct rpc_order *order, Fl__Share *to)
{
    uint32_t count = order->share.grant_count;
    Fl__ShareGrant *grants = arena_array(&r->arena, (size_t)count + 1, sizeof(*grants));
    to->grants = arena_array(&r->arena, (size_t)count + 1, sizeof(*to->grants));
    for (uint32_t i = 0; grants != NULL && to->grants != NULL && i < count; i++) {
        uint8_t *sid = arena_alloc(&r->arena, SID_BYTES_MAX);
        char *text = arena_alloc(&r->arena, SID_TEXT_MAX);
        if (sid == NULL || text == NULL)
            return false;
        fl__share_grant__init(&grants[i]);
        (void)sid_to_text(&order->grants[i].sid, text);
        grants[i].principal = text;
        grants[i].sid = pb_bytes(sid_bytes(&order->grants[i].sid, sid));
        grants[i].access = order->grants[i].access;
        grants[i].deny = order->grants[i].deny;
        to->grants[to->n_grants++] = &grants[i];
    }
    return !r->arena.failed;
}

static bool put_share(struct smb_request *r, const struct rpc_order *order, Fl__Share *to)
{
    const struct rpc_share *from = &order->share;
    uint32_t flags = from->flags_1005;
    to->name = text_of(r, from->name);
    to->comment = text_of(r, from->comment);
    to->path = text_of(r, from->path);
    to->uses_max = from->uses_max == UINT32_MAX ? 0 : from->uses_max;
    to->caching = flags & SHI1005_CSC_MASK;
    to->abe = (flags & SHI1005_FLAGS_ACCESS_BASED_DIRECTORY_ENUM) != 0;
    to->compress = (flags & SHI1005_FLAGS_COMPRESS_DATA) != 0;
    to->encrypt = (flags & SHI1005_FLAGS_ENCRYPT_DATA) != 0;
    to->continuous = (flags & SHI1005_FLAGS_ENABLE_CA) != 0;
    to->leasing = (flags & SHI1005_FLAGS_FORCE_LEVELII_OPLOCK) != 0 ? FL__LEASING__LEASING_SHARED
                                                                    : FL__LEASING__LEASING_FULL;
    return put_grants(r, order, to);
}

static uint32_t fields_of(uint32_t order)
{
    uint32_t flags = FL__SHARE_FIELD__SHARE_FIELD_ENCRYPT |
                     FL__SHARE_FIELD__SHARE_FIELD_CONTINUOUS |
                     FL__SHARE_FIELD__SHARE_FIELD_LEASING | FL__SHARE_FIELD__SHARE_FIELD_CACHING |
                     FL__SHARE_FIELD__SHARE_FIELD_ABE | FL__SHARE_FIELD__SHARE_FIELD_COMPRESS;
    return (order & RPC_SHARE_COMMENT ? FL__SHARE_FIELD__SHARE_FIELD_COMMENT : 0) |
           (order & RPC_SHARE_GRANTS ? FL__SHARE_FIELD__SHARE_FIELD_GRANTS : 0) |
           (order & RPC_SHARE_USES ? FL__SHARE_FIELD__SHARE_FIELD_USES_MAX : 0) |
           (order & RPC_SHARE_FLAGS ? flags : 0);
}

/* The command in the request's memory; false without it. */
static bool put_command(struct smb_request *r, const struct rpc_order *order, Fl__Command *c)
{
    Fl__Share *share = request_new(r, Fl__Share);
    Fl__ShareCreate *create = request_new(r, Fl__ShareCreate);
    Fl__ShareSet *set = request_new(r, Fl__ShareSet);
    Fl__ShareRemove *remove = request_new(r, Fl__ShareRemove);
    if (r->arena.failed)
        return false;
    fl__share__init(share), fl__share_create__init(create);
    fl__share_set__init(set), fl__share_remove__init(remove);
    if (!put_share(r, order, share))
        return false;
    if (order->kind == RPC_SHARE_ADD) {
        create->share = share;
        create->volume = text_of(r, order->share.volume);
        c->body_case = FL__COMMAND__BODY_SHARE_CREATE, c->share_create = create;
    } else if (order->kind == RPC_SHARE_SET) {
        set->to = share;
        set->name = share->name;
        set->fields = fields_of(order->fields);
        c->body_case = FL__COMMAND__BODY_SHARE_SET, c->share_set = set;
    } else {
        remove->name = share->name;
        c->body_case = FL__COMMAND__BODY_SHARE_REMOVE, c->share_remove = remove;
    }
    return !r->arena.failed;
}

bool rpc_carry_out(struct smb *s, struct smb_request *r, const struct rpc_order *order,
                   struct rpc_outcome *outcome, smb_meta_done *done)
{
    bool ok = true;
    *outcome = (struct rpc_outcome){.status = STATUS_OK};
    switch (order->kind) {
    case RPC_LIST_SESSIONS: ok = list_sessions(s, r, order, outcome); break;
    case RPC_LIST_FILES: ok = list_files(s, r, order, outcome); break;
    case RPC_LIST_CONNECTIONS: ok = list_connections(s, r, order, outcome); break;
    case RPC_END_SESSIONS: end_sessions(s, r, order, outcome); break;
    case RPC_CLOSE_FILE: close_file(s, order, outcome); break;
    case RPC_SHARE_ADD:
    case RPC_SHARE_SET:
    case RPC_SHARE_REMOVE: {
        Fl__Command *c = request_command(s, r);
        if (c == NULL)
            return false;
        if (put_command(r, order, c)) {
            request_meta(s, r, c, done);
            return false;
        }
        ok = false;
        break;
    }
    }
    if (!ok)
        *outcome = (struct rpc_outcome){.status = STATUS_INSUFFICIENT_RESOURCES};
    return true;
}
