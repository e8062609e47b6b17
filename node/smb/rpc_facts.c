/* What calls on named pipes are answered from: the cluster's configuration, and who asks. */
#include "node/smb/pipe.h"

#include "proto/rpc/srvsvc.h"

/* Lives in the request's memory. */
struct view {
    struct rpc_facts facts;
    struct smb *s;
};

static const struct view *view_of(const void *context) { return context; }

struct slice rpc_volume_name(const struct smb *s, uint32_t id)
{
    for (size_t i = 0; i < s->cluster->n_volumes; i++)
        if (s->cluster->volumes[i]->id == id)
            return slice_str(s->cluster->volumes[i]->name);
    return slice_str("?"); /* its volume is just being removed */
}

static uint32_t flags_of(const Fl__Share *share)
{
    return (share->compress ? SHI1005_FLAGS_COMPRESS_DATA : 0) |
           (share->abe ? SHI1005_FLAGS_ACCESS_BASED_DIRECTORY_ENUM : 0) |
           (share->encrypt ? SHI1005_FLAGS_ENCRYPT_DATA : 0) |
           (share->continuous ? SHI1005_FLAGS_ENABLE_CA : 0) |
           (share->leasing != FL__LEASING__LEASING_FULL ? SHI1005_FLAGS_FORCE_LEVELII_OPLOCK : 0) |
           share->caching;
}

static void share_at(const void *context, uint32_t at, struct rpc_share *out)
{
    struct smb *s = view_of(context)->s;
    size_t count = s->cluster != NULL ? s->cluster->n_shares : 0;
    must(at <= count);
    if (at == count) {
        *out = (struct rpc_share){.name = slice_str("IPC$"),
                                  .comment = slice_str("Remote IPC"),
                                  .type = STYPE_IPC | STYPE_SPECIAL,
                                  .uses_max = UINT32_MAX};
        return;
    }
    const Fl__Share *share = s->cluster->shares[at];
    *out = (struct rpc_share){
        .name = slice_str(share->name),
        .comment = slice_str(share->comment),
        .volume = rpc_volume_name(s, share->volume),
        .path = slice_str(share->path),
        .type = STYPE_DISKTREE,
        .flags_1005 = flags_of(share),
        .uses_max = share->uses_max == 0 ? UINT32_MAX : share->uses_max,
        .uses = share_uses(s, share),
        .grant_count = (uint32_t)share->n_grants,
    };
}

static bool grant_at(const void *context, uint32_t share, uint32_t at, struct rpc_grant *out)
{
    const Fl__ShareGrant *g = view_of(context)->s->cluster->shares[share]->grants[at];
    out->access = g->access;
    out->deny = g->deny;
    return sid_decode(pb_slice(g->sid), &out->sid);
}

static bool user_at(const void *context, uint32_t at, struct rpc_user *out)
{
    const Fl__User *u = view_of(context)->s->cluster->users[at];
    out->name = slice_str(u->name);
    out->administrator = u->administrator;
    return sid_decode(pb_slice(u->sid), &out->sid);
}

struct slice rpc_account_name(const char *user)
{
    struct slice name = slice_str(user == NULL ? "" : user);
    for (size_t i = 0; i < name.len; i++) {
        if (name.at[i] == '\\')
            return slice_sub(name, i + 1, name.len - i - 1);
        if (name.at[i] == '@')
            return slice_sub(name, 0, i);
    }
    return name;
}

/* The other part. */
static struct slice domain_of(const char *user)
{
    struct slice all = slice_str(user == NULL ? "" : user), name = rpc_account_name(user);
    if (all.len == name.len)
        return (struct slice){0};
    bool first = name.at != all.at; /* DOMAIN\user */
    size_t len = all.len - name.len - 1;
    return slice_sub(all, first ? 0 : name.len + 1, len);
}

const struct rpc_facts *rpc_facts_of(struct smb *s, struct smb_request *r)
{
    struct view *v = request_new(r, struct view);
    if (v == NULL)
        return NULL;
    v->s = s;
    struct rpc_facts *f = &v->facts;
    *f = (struct rpc_facts){
        .server_name = slice_str(s->config->server_name),
        .address = slice_str(r->conn->local),
        .now = s->filetime,
        .started = s->started,
        .context = v,
        .share_count = (s->cluster != NULL ? (uint32_t)s->cluster->n_shares : 0) + 1,
        .user_count = s->cluster != NULL ? (uint32_t)s->cluster->n_users : 0,
        .share = share_at,
        .grant = grant_at,
        .user = user_at,
    };
    f->caller.name = rpc_account_name(r->session->user);
    f->caller.domain = domain_of(r->session->user);
    f->caller.administrator = r->session->security.administrator;
    (void)sid_decode(r->session->security.user, &f->caller.sid);
    if (s->cluster != NULL)
        (void)sid_decode(pb_slice(s->cluster->domain_sid), &f->domain_sid);
    if (sid_is_below(&f->caller.sid, &f->domain_sid)) /* whatever he called it when he logged on */
        f->caller.domain = f->server_name;
    f->counted.sessions = s->sessions.used;
    f->counted.opens = s->opens.used;
    f->counted.sent = s->stats.read_bytes;
    f->counted.received = s->stats.written_bytes;
    return f;
}
