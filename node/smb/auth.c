/* SESSION_SETUP ([MS-SMB2] 3.3.5.5): rounds of GSSAPI in the shell's threads, then keys.
 *
 *   SESSION_SETUP ──► SMB_DO_AUTH ──► MORE ──► STATUS_MORE_PROCESSING_REQUIRED, next round
 *                                 ├──► OK ────► keys, signed reply, the session is VALID
 *                                 └──► FAILED ► the session is gone
 *
 * The same rounds renew a session that has its keys, which it keeps, and bind it to another
 * connection (bind.c), where OK makes that channel's key and FAILED ends the channel alone.
 *
 * A guest or an anonymous client has no key, so nothing it says could be protected, and nobody's
 * rights: it is refused. */
#include "node/smb/channel.h"
#include "node/smb/previous.h"

#include "proto/smb/session.h"

/* Sessions of one connection whose client has not proved who it is. */
#define HALF_OPEN_MAX 16u

struct setup { /* scratch of a SESSION_SETUP part */
    uint8_t security_mode;
    bool binding;
    uint64_t previous_session_id;
    struct slice blob; /* the last token to the client */
};

static bool is_v3(const struct smb_conn *c) { return c->dialect >= SMB_DIALECT_300; }

static uint32_t half_open(const struct smb_conn *c) { return c->channel_count - c->bound_count; }

/* The session this request is about, by its channel: a new one, or one to be gone on with. */
static ntstatus find_or_make(struct smb *s, struct smb_request *r,
                             const struct smb_session_setup_req *req, struct smb_channel **out)
{
    struct smb_conn *c = r->conn;
    if (s->config->require_encryption && (!is_v3(c) || c->cipher == SMB_CIPHER_NONE))
        return STATUS_ACCESS_DENIED;
    if ((req->flags & SMB2_SESSION_FLAG_BINDING) != 0)
        return half_open(c) < HALF_OPEN_MAX ? bind_channel(s, r, out) : STATUS_REQUEST_NOT_ACCEPTED;
    if (r->header.session_id != 0) {
        struct smb_session *session = session_find(s, c, r->header.session_id);
        if (session == NULL)
            return STATUS_USER_SESSION_DELETED;
        struct smb_channel *ch = channel_find(session, c);
        if (ch->auth_busy)
            return STATUS_REQUEST_NOT_ACCEPTED;
        *out = ch;
        return STATUS_OK;
    }
    if (half_open(c) >= HALF_OPEN_MAX)
        return STATUS_REQUEST_NOT_ACCEPTED;
    struct smb_session *session = session_new(s, c);
    if (session == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    *out = channel_find(session, c);
    return STATUS_OK;
}

static void start_round(struct smb *s, struct smb_request *r, struct smb_channel *ch,
                        struct slice blob)
{
    bool first = ch->auth_context == 0;
    if (first)
        ch->auth_context = s->next_auth_context++;
    ch->auth_busy = true;
    request_auth(s, r, ch->auth_context, blob);
    s->out->items[s->out->count - 1].auth.first = first;
}

void cmd_session_setup(struct smb *s, struct smb_request *r)
{
    struct smb_session_setup_req req;
    struct smb_channel *ch = NULL;
    struct setup *setup = request_new(r, struct setup);
    ntstatus status = smb_session_setup_decode(r->message, &req);
    if (status == STATUS_OK && setup == NULL)
        status = STATUS_INSUFFICIENT_RESOURCES;
    if (status == STATUS_OK)
        status = find_or_make(s, r, &req, &ch);
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    *setup = (struct setup){req.security_mode,
                            (req.flags & SMB2_SESSION_FLAG_BINDING) != 0,
                            req.previous_session_id,
                            {0}};
    r->scratch = setup;
    r->session = ch->session;
    r->session_at = ch->session->self;
    r->session_id = r->chain.session_id = ch->session->id;
    if (r->conn->dialect == SMB_DIALECT_311 && !ch->bound) {
        r->hash_reply = true;
        if (!preauth_add(&ch->preauth, r->message)) {
            request_disconnect(s, r, "no memory for the preauthentication hash");
            return;
        }
    }
    start_round(s, r, ch, req.security);
}

/* ---- success -------------------------------------------------------------------------------- */

static bool copy_token(struct smb_session *session, const struct smb_principal *who)
{
    struct arena *a = &session->arena;
    Fl__Token *t = arena_alloc(a, sizeof(*t));
    struct slice *groups = arena_array(a, (size_t)who->group_count + 1, sizeof(*groups));
    ProtobufCBinaryData *wire = arena_array(a, (size_t)who->group_count + 1, sizeof(*wire));
    struct slice name = arena_copy(a, slice_of(who->name, strlen(who->name) + 1));
    if (t == NULL || groups == NULL || wire == NULL || name.at == NULL)
        return false;
    fl__token__init(t);
    t->user_sid = pb_bytes(arena_copy(a, who->user_sid));
    for (uint32_t i = 0; i < who->group_count; i++) {
        groups[i] = arena_copy(a, who->group_sids[i]);
        wire[i] = pb_bytes(groups[i]);
    }
    t->group_sids = wire;
    t->n_group_sids = who->group_count;
    t->administrator = who->administrator;
    session->token = t;
    session->user = (const char *)name.at;
    session->security = (struct security_token){
        .user = pb_slice(t->user_sid),
        .groups = groups,
        .group_count = who->group_count,
        .administrator = who->administrator,
    };
    return !a->failed;
}

/* [MS-SMB2] 3.3.5.5.3 and 3.1.4.2 */
static bool derive(const struct smb_channel *ch, struct slice gss_key, struct smb_keys *keys)
{
    const struct smb_conn *c = ch->conn;
    uint8_t session_key[SMB_SESSION_KEY_SIZE];
    smb_session_key(gss_key, session_key);
    bool ok = true;
    if (is_v3(c)) {
        struct kdf_input in = {
            .dialect = c->dialect,
            .cipher = c->cipher,
            .session_key = slice_of(session_key, sizeof(session_key)),
            .full_key = gss_key,
            .preauth = ch->preauth,
        };
        ok = smb_keys_derive(&in, keys);
    } else {
        smb_keys_202(session_key, keys);
    }
    memset(session_key, 0, sizeof(session_key));
    return ok;
}

static struct sign_key *signing_key(struct smb *s, const struct smb_conn *c,
                                    const struct smb_keys *keys)
{
    return sign_key_new(s->mem, (enum smb_signing)c->signing_algorithm,
                        slice_of(keys->signing.bytes, keys->signing.size));
}

/* The keys of a new session. */
static bool make_keys(struct smb *s, struct smb_channel *ch, struct slice gss_key)
{
    const struct smb_conn *c = ch->conn;
    struct smb_session *session = ch->session;
    struct smb_keys keys = {0};
    bool ok = derive(ch, gss_key, &keys);
    if (ok)
        session->sign_key = signing_key(s, c, &keys);
    ok = ok && session->sign_key != NULL;
    if (ok && is_v3(c) && c->cipher != SMB_CIPHER_NONE) {
        enum smb_cipher cipher = (enum smb_cipher)c->cipher;
        session->seal_key = seal_key_new(s->mem, cipher, slice_of(keys.seal.bytes, keys.seal.size));
        session->open_key = seal_key_new(s->mem, cipher, slice_of(keys.open.bytes, keys.open.size));
        ok = session->seal_key != NULL && session->open_key != NULL;
    }
    smb_keys_wipe(&keys);
    return ok;
}

/* The one key a bound channel has of its own: Channel.SigningKey. */
static bool make_channel_key(struct smb *s, struct smb_channel *ch, struct slice gss_key)
{
    struct smb_keys keys = {0};
    if (derive(ch, gss_key, &keys))
        ch->sign_key = signing_key(s, ch->conn, &keys);
    smb_keys_wipe(&keys);
    return ch->sign_key != NULL;
}

static void set_expiry(struct smb *s, struct smb_session *session, uint64_t expires)
{
    uint64_t at = DEADLINE_NEVER;
    if (expires != 0) {
        uint64_t left = expires > s->filetime ? expires - s->filetime : 0;
        if (left < UINT64_MAX / 200 - s->now_ns / 100)
            at = s->now_ns + left * 100;
    }
    smb_timer_arm(s, &session->expiry, TIMER_SESSION, at);
}

static ntstatus first_logon(struct smb *s, const struct smb_request *r, struct smb_channel *ch,
                            const struct smb_event *ev)
{
    const struct setup *setup = r->scratch;
    struct smb_session *session = ch->session;
    if (!make_keys(s, ch, ev->auth.session_key) || !copy_token(session, ev->auth.principal))
        return STATUS_INSUFFICIENT_RESOURCES;
    session->encrypt = s->config->require_encryption;
    session->signing_required =
        !session->encrypt && (s->config->require_signing || ch->conn->should_sign ||
                              (setup->security_mode & SMB2_NEGOTIATE_SIGNING_REQUIRED) != 0);
    channel_set_bound(ch);
    return STATUS_OK;
}

static bool is_same_user(const struct smb_session *session, const struct smb_principal *who)
{
    return slice_equal(session->security.user, who->user_sid);
}

/* The same user may prolong a session; somebody else must begin one. The keys stay (3.3.5.5.2). */
static ntstatus renewed_logon(struct smb_session *session, const struct smb_principal *who)
{
    if (!is_same_user(session, who))
        return STATUS_ACCESS_DENIED;
    session->token = NULL;
    arena_reset(&session->arena);
    return copy_token(session, who) ? STATUS_OK : STATUS_INSUFFICIENT_RESOURCES;
}

static ntstatus bound_logon(struct smb *s, struct smb_channel *ch, const struct smb_event *ev)
{
    /* 3.3.5.5 says STATUS_NOT_SUPPORTED; Windows says that. */
    if (!is_same_user(ch->session, ev->auth.principal))
        return STATUS_ACCESS_DENIED;
    if (!make_channel_key(s, ch, ev->auth.session_key))
        return STATUS_INSUFFICIENT_RESOURCES;
    channel_set_bound(ch);
    return STATUS_OK;
}

static ntstatus accept(struct smb *s, struct smb_request *r, struct smb_channel *ch,
                       const struct smb_event *ev)
{
    const struct setup *setup = r->scratch;
    const struct smb_principal *who = ev->auth.principal;
    struct smb_session *session = ch->session;
    must(who != NULL);
    if (who->anonymous)
        return STATUS_ACCESS_DENIED;
    if (who->guest || who->user_sid.len == 0 || ev->auth.session_key.len == 0)
        return STATUS_LOGON_FAILURE;
    if (setup->binding)
        return bound_logon(s, ch, ev);
    ntstatus status = ch->bound ? renewed_logon(session, who) : first_logon(s, r, ch, ev);
    if (status != STATUS_OK)
        return status;
    set_expiry(s, session, who->expires);
    if (session->sm.state != SESSION_VALID)
        sm_move(&session->sm, SESSION_VALID);
    return STATUS_OK;
}

/* ---- outcome of a round --------------------------------------------------------------------- */

static void reply(struct smb *s, struct smb_request *r, ntstatus status, struct slice blob)
{
    const struct smb_session *session = r->session;
    const struct setup *setup = r->scratch;
    struct smb_session_setup_rsp rsp = {.security = blob};
    if (status == STATUS_OK && session->encrypt && !setup->binding)
        rsp.session_flags = SMB2_SESSION_FLAG_ENCRYPT_DATA;
    struct writer *w = request_writer(s, r, 16 + blob.len);
    if (w == NULL)
        return;
    smb_session_setup_encode(w, &rsp);
    request_reply(s, r, status);
}

/* 3.3.5.5.3: whoever fails to log on, also anew, loses the session. A binding that fails costs the
 * session nothing: anybody may try. */
static void refuse(struct smb *s, struct smb_request *r, struct smb_channel *ch, ntstatus status)
{
    const struct setup *setup = r->scratch;
    trace_put(&s->trace, "auth.refused", r->session->id, status, setup->binding);
    r->hash_reply = false;
    if (setup->binding)
        channel_drop(s, ch);
    else
        r->doom_session = r->session_at;
    request_fail(s, r, status);
}

static void welcome(struct smb *s, struct smb_request *r)
{
    const struct setup *setup = r->scratch;
    reply(s, r, STATUS_OK, setup->blob);
}

static void on_outcome(struct smb *s, struct smb_request *r, const struct smb_event *ev)
{
    struct smb_channel *ch = channel_find(r->session, r->conn);
    must(ch !=
         NULL); /* nothing drops it while a round is under way but what ends the request too */
    ch->auth_busy = false;
    if (ev->auth.state == SMB_AUTH_MORE) {
        reply(s, r, STATUS_MORE_PROCESSING_REQUIRED, ev->auth.blob);
        return;
    }
    ch->auth_context = 0; /* ended by its outcome */
    struct setup *setup = r->scratch;
    bool is_new = !ch->bound && !setup->binding;
    ntstatus status = STATUS_LOGON_FAILURE;
    if (ev->auth.state == SMB_AUTH_OK)
        status = accept(s, r, ch, ev);
    if (status != STATUS_OK) {
        refuse(s, r, ch, status);
        return;
    }
    r->hash_reply = false; /* the last reply is not part of the hash: the key signs it */
    r->sign_reply = true;
    setup->blob = arena_copy(&r->arena, ev->auth.blob);
    if (is_new && previous_end(s, r, setup->previous_session_id, welcome))
        return;
    welcome(s, r);
}

void auth_on_event(struct smb *s, const struct smb_event *ev)
{
    struct smb_request *r = request_auth_end(s, ev->auth.token);
    if (r == NULL)
        return;
    if (r->conn->sm.state == CONN_CLOSING)
        request_finish(s, r);
    else if (!request_resolve(s, r))
        request_fail(s, r, STATUS_USER_SESSION_DELETED);
    else
        on_outcome(s, r, ev);
    request_run(s, r);
}
