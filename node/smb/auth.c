/* SESSION_SETUP ([MS-SMB2] 3.3.5.5): rounds of GSSAPI in the shell's threads, then keys.
 *
 *   SESSION_SETUP ──► SMB_DO_AUTH ──► MORE ──► STATUS_MORE_PROCESSING_REQUIRED, next round
 *                                 ├──► OK ────► keys, signed reply, the session is VALID
 *                                 └──► FAILED ► the session is gone
 *
 * A guest or an anonymous client has no key, so nothing it says could be protected, and nobody's
 * rights: it is refused. */
#include "node/smb/smb_int.h"

#include "proto/smb/session.h"

/* Sessions of one connection whose client has not proved who it is. */
#define HALF_OPEN_MAX 16u

struct setup { /* scratch of a SESSION_SETUP part */
    uint8_t security_mode;
    uint64_t previous_session_id;
};

static bool is_v3(const struct smb_conn *c) { return c->dialect >= SMB_DIALECT_300; }

static uint32_t half_open(const struct smb_conn *c)
{
    uint32_t count = 0;
    list_each (link, &c->sessions)
        count += container_of(link, struct smb_session, conn_link)->token == NULL;
    return count;
}

/* The session this request is about: a new one, or one to be gone on with. */
static ntstatus find_or_make(struct smb *s, struct smb_request *r,
                             const struct smb_session_setup_req *req, struct smb_session **out)
{
    struct smb_conn *c = r->conn;
    if (s->config->require_encryption && (!is_v3(c) || c->cipher == SMB_CIPHER_NONE))
        return STATUS_ACCESS_DENIED;
    if ((req->flags & SMB2_SESSION_FLAG_BINDING) != 0)
        return STATUS_REQUEST_NOT_ACCEPTED; /* one channel a session */
    if (r->header.session_id != 0) {
        struct smb_session *session = session_find(s, c, r->header.session_id);
        if (session == NULL)
            return STATUS_USER_SESSION_DELETED;
        if (session->auth_busy)
            return STATUS_REQUEST_NOT_ACCEPTED;
        *out = session;
        return STATUS_OK;
    }
    if (half_open(c) >= HALF_OPEN_MAX)
        return STATUS_REQUEST_NOT_ACCEPTED;
    *out = session_new(s, c);
    return *out != NULL ? STATUS_OK : STATUS_INSUFFICIENT_RESOURCES;
}

/* A session that was logged on before keeps its keys; this is about its right to go on. */
static bool is_reauth(const struct smb_session *session) { return session->token != NULL; }

static void start_round(struct smb *s, struct smb_request *r, struct smb_session *session,
                        struct slice blob)
{
    bool first = session->auth_context == 0;
    if (first)
        session->auth_context = s->next_auth_context++;
    session->auth_busy = true;
    request_auth(s, r, session->auth_context, blob);
    s->out->items[s->out->count - 1].auth.first = first;
}

void cmd_session_setup(struct smb *s, struct smb_request *r)
{
    struct smb_session_setup_req req;
    struct smb_session *session = NULL;
    struct setup *setup = request_new(r, struct setup);
    ntstatus status = smb_session_setup_decode(r->message, &req);
    if (status == STATUS_OK && setup == NULL)
        status = STATUS_INSUFFICIENT_RESOURCES;
    if (status == STATUS_OK)
        status = find_or_make(s, r, &req, &session);
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    *setup = (struct setup){req.security_mode, req.previous_session_id};
    r->scratch = setup;
    r->session = session;
    r->session_at = session->self;
    r->session_id = session->id;
    r->chain.session_id = session->id;
    if (r->conn->dialect == SMB_DIALECT_311 && !is_reauth(session)) {
        r->hash_reply = true;
        if (!preauth_add(&session->preauth, r->message)) {
            request_disconnect(s, r, "no memory for the preauthentication hash");
            return;
        }
    }
    start_round(s, r, session, req.security);
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
static bool make_keys(struct smb *s, struct smb_session *session, struct slice gss_key)
{
    const struct smb_conn *c = session->conn;
    uint8_t session_key[SMB_SESSION_KEY_SIZE];
    struct smb_keys keys = {0};
    smb_session_key(gss_key, session_key);
    bool ok = true;
    if (is_v3(c)) {
        struct kdf_input in = {
            .dialect = c->dialect,
            .cipher = c->cipher,
            .session_key = slice_of(session_key, sizeof(session_key)),
            .full_key = gss_key,
            .preauth = session->preauth,
        };
        ok = smb_keys_derive(&in, &keys);
    } else {
        smb_keys_202(session_key, &keys);
    }
    if (ok)
        session->sign_key = sign_key_new(s->mem, (enum smb_signing)c->signing_algorithm,
                                         slice_of(keys.signing.bytes, keys.signing.size));
    ok = ok && session->sign_key != NULL;
    if (ok && is_v3(c) && c->cipher != SMB_CIPHER_NONE) {
        enum smb_cipher cipher = (enum smb_cipher)c->cipher;
        session->seal_key = seal_key_new(s->mem, cipher, slice_of(keys.seal.bytes, keys.seal.size));
        session->open_key = seal_key_new(s->mem, cipher, slice_of(keys.open.bytes, keys.open.size));
        ok = session->seal_key != NULL && session->open_key != NULL;
    }
    smb_keys_wipe(&keys);
    memset(session_key, 0, sizeof(session_key));
    return ok;
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

static ntstatus first_logon(struct smb *s, const struct smb_request *r, struct smb_session *session,
                            const struct smb_event *ev)
{
    const struct setup *setup = r->scratch;
    const struct smb_conn *c = session->conn;
    if (!copy_token(session, ev->auth.principal) || !make_keys(s, session, ev->auth.session_key))
        return STATUS_INSUFFICIENT_RESOURCES;
    session->encrypt = s->config->require_encryption;
    session->signing_required =
        !session->encrypt && (s->config->require_signing || c->should_sign ||
                              (setup->security_mode & SMB2_NEGOTIATE_SIGNING_REQUIRED) != 0);
    session_end_previous(s, session, setup->previous_session_id);
    return STATUS_OK;
}

/* The same user may prolong a session; somebody else must begin one. */
static ntstatus renewed_logon(struct smb_session *session, const struct smb_principal *who)
{
    if (!slice_equal(session->security.user, who->user_sid))
        return STATUS_ACCESS_DENIED;
    session->token = NULL;
    arena_reset(&session->arena);
    return copy_token(session, who) ? STATUS_OK : STATUS_INSUFFICIENT_RESOURCES;
}

static ntstatus accept(struct smb *s, struct smb_request *r, struct smb_session *session,
                       const struct smb_event *ev)
{
    const struct smb_principal *who = ev->auth.principal;
    must(who != NULL);
    if (who->anonymous)
        return STATUS_ACCESS_DENIED;
    if (who->guest || who->user_sid.len == 0 || ev->auth.session_key.len == 0)
        return STATUS_LOGON_FAILURE;
    ntstatus status =
        is_reauth(session) ? renewed_logon(session, who) : first_logon(s, r, session, ev);
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
    struct smb_session_setup_rsp rsp = {.security = blob};
    if (status == STATUS_OK && session->encrypt)
        rsp.session_flags = SMB2_SESSION_FLAG_ENCRYPT_DATA;
    struct writer *w = request_writer(s, r, 16 + blob.len);
    if (w == NULL)
        return;
    smb_session_setup_encode(w, &rsp);
    request_reply(s, r, status);
}

/* 3.3.5.5.3: whoever fails to log on, also anew, loses the session. */
static void refuse(struct smb *s, struct smb_request *r, ntstatus status, const char *why)
{
    trace_put(&s->trace, why != NULL ? why : "auth.refused", r->session->id, status, 0);
    r->hash_reply = false;
    r->doom_session = r->session_at;
    request_fail(s, r, status);
}

static void on_outcome(struct smb *s, struct smb_request *r, const struct smb_event *ev)
{
    struct smb_session *session = r->session;
    session->auth_busy = false;
    if (ev->auth.state == SMB_AUTH_MORE) {
        reply(s, r, STATUS_MORE_PROCESSING_REQUIRED, ev->auth.blob);
        return;
    }
    session->auth_context = 0; /* ended by its outcome */
    ntstatus status = STATUS_LOGON_FAILURE;
    if (ev->auth.state == SMB_AUTH_OK)
        status = accept(s, r, session, ev);
    if (status != STATUS_OK) {
        refuse(s, r, status, NULL);
        return;
    }
    r->hash_reply = false; /* the last reply is not part of the hash: the key signs it */
    r->sign_reply = true;
    reply(s, r, STATUS_OK, ev->auth.blob);
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
