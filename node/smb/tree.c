/* Tree connects: the shares of the cluster's configuration and IPC$ ([MS-SMB2] 3.3.5.7,
 * 3.3.5.8), and what a share's permissions leave of somebody's rights. */
#include "node/smb/previous.h"

#include "proto/smb/tree.h"

/* One session's trees; Windows clients use one a share. */
#define TREES_PER_SESSION_MAX 1024u

struct tree_key {
    uint8_t bytes[12];
};

static struct slice key_of(const struct smb_session *session, uint32_t id, struct tree_key *key)
{
    struct writer w = writer_of(key->bytes, sizeof(key->bytes));
    write_u64(&w, session->id);
    write_u32(&w, id);
    return written(&w);
}

struct smb_tree *tree_find(struct smb *s, const struct smb_session *session, uint32_t id)
{
    struct tree_key key;
    struct smb_tree *t = map_get(&s->tree_by_id, key_of(session, id, &key));
    must(t == NULL || t->session == session);
    return t;
}

/* ---- shares --------------------------------------------------------------------------------- */

static bool is_name(const char *utf8, struct slice wanted, struct arena *a)
{
    struct slice name;
    return utf8 != NULL && utf16_from_utf8(slice_str(utf8), a, &name) &&
           utf16_compare_fold(name, wanted) == 0;
}

static const Fl__Share *share_find(const struct smb *s, struct slice name, struct arena *a)
{
    for (size_t i = 0; s->cluster != NULL && i < s->cluster->n_shares; i++)
        if (is_name(s->cluster->shares[i]->name, name, a))
            return s->cluster->shares[i];
    return NULL;
}

/* The most this token gets through the share: what is allowed to it or its groups, less what is
 * denied. A share without permissions is the administrators' alone. */
static uint32_t share_rights(const Fl__Share *share, const struct security_token *token)
{
    uint32_t allowed = 0, denied = 0;
    if (share->n_grants == 0)
        return token->administrator ? FILE_ALL_ACCESS : 0;
    for (size_t i = 0; i < share->n_grants; i++) {
        const Fl__ShareGrant *g = share->grants[i];
        struct sid sid;
        if (!sid_decode(pb_slice(g->sid), &sid) || !security_token_has(token, &sid))
            continue;
        uint32_t mask = access_map_generic(g->access) & FILE_ALL_ACCESS;
        if (g->deny)
            denied |= mask;
        else
            allowed |= mask;
    }
    return allowed & ~denied;
}

static bool take_share(struct smb_tree *t, const Fl__Share *share,
                       const struct security_token *token)
{
    size_t len = strlen(share->name);
    if (len >= sizeof(t->share_name))
        return false;
    memcpy(t->share_name, share->name, len + 1);
    t->volume = share->volume;
    t->root_inode = share->root_inode;
    t->scale_out = share->scale_out;
    t->continuous = share->continuous;
    t->encrypt = share->encrypt;
    t->compress = share->compress;
    t->abe = share->abe;
    t->leasing = share->leasing;
    t->caching = share->caching;
    t->share_mask = share_rights(share, token);
    return true;
}

/* ---- life ----------------------------------------------------------------------------------- */

static struct smb_tree *tree_new(struct smb *s, struct smb_session *session)
{
    if (session->tree_count >= TREES_PER_SESSION_MAX || session->next_tree_id == UINT32_MAX)
        return NULL; /* -1 is reserved (3.3.5.7) */
    struct smb_tree *t = pool_get(&s->tree_pool);
    if (t == NULL)
        return NULL;
    t->id = session->next_tree_id;
    struct tree_key key;
    if (!map_put(&s->tree_by_id, key_of(session, t->id, &key), t)) {
        pool_put(&s->tree_pool, t);
        return NULL;
    }
    session->next_tree_id++;
    t->began_ns = s->now_ns;
    t->self = table_add(&s->trees, t);
    must(!handle_none(t->self));
    t->session = session;
    list_init(&t->work);
    list_init(&t->opens);
    list_init(&t->session_link);
    list_push_back(&session->trees, &t->session_link);
    session->tree_count++;
    return t;
}

void tree_doom(struct smb *s, struct smb_tree *t)
{
    if (t->gone)
        return;
    t->gone = true;
    struct tree_key key;
    (void)map_remove(&s->tree_by_id, key_of(t->session, t->id, &key));
    (void)table_remove(&s->trees, t->self);
    t->previous = t->session->previous;
    previous_hold(s, t->previous);
    must(t->session->tree_count > 0);
    t->session->tree_count--;
    t->session = NULL;
    list_remove(&t->session_link);
    list_push_back(&s->dying_trees, &t->work);
}

bool tree_unwind(struct smb *s)
{
    struct smb_tree *t = container_of(list_first(&s->dying_trees), struct smb_tree, work);
    struct list *link = list_first(&t->opens);
    if (link != NULL) {
        open_doom(s, container_of(link, struct smb_open, tree_link));
        return true;
    }
    must(t->open_count == 0);
    list_remove(&t->work);
    previous_release(s, t->previous);
    pool_put(&s->tree_pool, t);
    return true;
}

void open_doom(struct smb *s, struct smb_open *o)
{
    must(o->tree != NULL);
    must(o->tree->open_count > 0);
    o->previous = o->tree->previous;
    previous_hold(s, o->previous);
    o->tree->open_count--;
    o->tree = NULL;
    list_remove(&o->tree_link);
    o->closing = true;
    open_wake_parked(s, o);
    /* Parts that wait for each other find the tree gone. */
    list_each (link, &o->requests) {
        struct smb_request *r = container_of(link, struct smb_request, open_link);
        if (r->sm.state == REQUEST_WAITING && r->wait == WAIT_IDLE)
            request_wake_later(s, r, STATUS_OK);
    }
    open_idle(s, o);
}

void open_force_close(struct smb *s, struct smb_open *o)
{
    must(!o->closing);
    o->closing = true;
    open_wake_parked(s, o);
    open_idle(s, o);
}

void open_wake_parked(struct smb *s, struct smb_open *o)
{
    list_each (link, &o->requests) {
        struct smb_request *r = container_of(link, struct smb_request, open_link);
        if (r->sm.state == REQUEST_PARKED)
            request_wake_later(s, r, o->pipe != NULL ? STATUS_PIPE_BROKEN : STATUS_NOTIFY_CLEANUP);
        else if (request_waits_for_lock(r))
            request_wake_later(s, r, STATUS_RANGE_NOT_LOCKED); /* the open's end ends its command */
    }
}

void open_idle(struct smb *s, struct smb_open *o)
{
    if (!o->closing)
        return;
    struct smb_request *closer = table_get(&s->requests, o->closer);
    bool waits = closer != NULL && closer->sm.state == REQUEST_WAITING && closer->wait == WAIT_IDLE;
    if (o->busy == 1 && waits)
        request_wake_later(s, closer, STATUS_OK);
    if (o->busy > 0)
        return;
    list_remove(&o->work);
    list_push_back(&s->dying_opens, &o->work);
}

/* The share a tree was connected to: by its name as the cluster stores it, so no memory is needed
 * and no tree can be lost for the lack of it. */
const Fl__Share *share_of_tree(const struct smb *s, const struct smb_tree *t)
{
    for (size_t i = 0; i < s->cluster->n_shares; i++)
        if (slice_equal(slice_str(s->cluster->shares[i]->name), slice_str(t->share_name)))
            return s->cluster->shares[i];
    return NULL;
}

void tree_config(struct smb *s)
{
    handle at = {0};
    struct smb_tree *t;
    while ((t = table_next(&s->trees, &at)) != NULL) {
        if (t->ipc)
            continue;
        const Fl__Share *share = share_of_tree(s, t);
        /* A share that was taken away, or given another place, ends for those who use it. */
        if (share == NULL || share->volume != t->volume || share->root_inode != t->root_inode ||
            !take_share(t, share, &t->session->security))
            tree_doom(s, t);
    }
}

/* ---- TREE_CONNECT --------------------------------------------------------------------------- */

static bool may_seal(const struct smb_session *session) { return session->seal_key != NULL; }

static bool many_nodes(const struct smb *s)
{
    uint32_t count = 0;
    for (size_t i = 0; i < s->cluster->n_nodes; i++)
        count += s->cluster->nodes[i]->state != FL__NODE_STATE__NODE_INVITED;
    return count > 1;
}

static void describe(const struct smb *s, const struct smb_request *r, const struct smb_tree *t,
                     struct smb_tree_connect_rsp *rsp)
{
    rsp->share_type = t->ipc ? SMB2_SHARE_TYPE_PIPE : SMB2_SHARE_TYPE_DISK;
    rsp->maximal_access = t->share_mask;
    rsp->share_flags = t->caching;
    if (t->abe)
        rsp->share_flags |= SMB2_SHAREFLAG_ACCESS_BASED_DIRECTORY_ENUM;
    if (r->conn->dialect < SMB_DIALECT_300)
        return;
    if (t->encrypt)
        rsp->share_flags |= SMB2_SHAREFLAG_ENCRYPT_DATA;
    if (t->compress && r->conn->compression.count > 0)
        rsp->share_flags |= SMB2_SHAREFLAG_COMPRESS_DATA;
    /* CLUSTER promises a witness on another node, so one node alone does not say it. There are
     * no persistent handles: CONTINUOUS_AVAILABILITY would make clients ask for them on every
     * create. */
    if (t->scale_out && many_nodes(s))
        rsp->capabilities |= SMB2_SHARE_CAP_SCALEOUT | SMB2_SHARE_CAP_CLUSTER;
}

uint32_t share_uses(const struct smb *s, const Fl__Share *share)
{
    uint32_t uses = 0;
    handle at = {0};
    for (const struct smb_tree *t; (t = table_next(&s->trees, &at)) != NULL;)
        uses += !t->ipc && slice_equal(slice_str(t->share_name), slice_str(share->name));
    return uses;
}

static ntstatus connect_share(struct smb *s, struct smb_request *r, struct slice name,
                              struct smb_tree **out)
{
    struct smb_session *session = r->session;
    bool ipc = is_name("IPC$", name, &r->arena);
    const Fl__Share *share = ipc ? NULL : share_find(s, name, &r->arena);
    if (!ipc && share == NULL)
        return STATUS_BAD_NETWORK_NAME;
    if (!ipc && share->encrypt && !may_seal(session))
        return STATUS_ACCESS_DENIED;
    if (!ipc && share_rights(share, &session->security) == 0)
        return STATUS_ACCESS_DENIED;
    if (!ipc && share->uses_max > 0 && share_uses(s, share) >= share->uses_max)
        return STATUS_REQUEST_NOT_ACCEPTED; /* 3.3.5.7 */
    struct smb_tree *t = tree_new(s, session);
    if (t == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    t->ipc = ipc;
    t->share_mask = FILE_GENERIC_READ | FILE_GENERIC_WRITE | FILE_GENERIC_EXECUTE;
    if (!ipc && !take_share(t, share, &session->security)) {
        tree_doom(s, t);
        return STATUS_BAD_NETWORK_NAME;
    }
    *out = t;
    return STATUS_OK;
}

void cmd_tree_connect(struct smb *s, struct smb_request *r)
{
    bool v311 = r->conn->dialect == SMB_DIALECT_311;
    bool is_signed = (r->header.flags & SMB2_FLAGS_SIGNED) != 0;
    if (v311 && !is_signed && !r->sealed) {
        /* 3.3.5.7: this is where a changed NEGOTIATE comes to light. */
        request_disconnect(s, r, "TREE_CONNECT of 3.1.1 without protection");
        return;
    }
    struct smb_tree_connect_req req;
    struct slice server, share;
    struct smb_tree *t = NULL;
    ntstatus status = smb_tree_connect_decode(r->message, v311, &req);
    if (status == STATUS_OK && !smb_tree_path_split(req.path, &server, &share))
        status = STATUS_INVALID_PARAMETER;
    if (status == STATUS_OK)
        status = connect_share(s, r, share, &t);
    struct writer *w = status == STATUS_OK ? request_writer(s, r, 16) : NULL;
    if (w == NULL) {
        if (t != NULL)
            tree_doom(s, t);
        if (status != STATUS_OK)
            request_fail(s, r, status);
        return;
    }
    struct smb_tree_connect_rsp rsp = {0};
    describe(s, r, t, &rsp);
    r->tree_id = r->chain.tree_id = t->id;
    smb_tree_connect_encode(w, &rsp);
    request_reply(s, r, STATUS_OK);
}

void cmd_tree_disconnect(struct smb *s, struct smb_request *r)
{
    ntstatus status = smb_empty_decode(r->message);
    struct writer *w = status == STATUS_OK ? request_writer(s, r, 4) : NULL;
    if (w == NULL) {
        if (status != STATUS_OK)
            request_fail(s, r, status);
        return;
    }
    tree_doom(s, r->tree);
    smb_empty_encode(w);
    request_reply(s, r, STATUS_OK);
}
