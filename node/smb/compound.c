/* A frame's parts one after another, and their replies together ([MS-SMB2] 3.3.5.2.7, 3.3.4.1).
 *
 * Replies gather in the request until the last part is done, then leave as one frame. They leave
 * earlier in two cases: a READ whose data is too long to be copied ends the frame it stands in, and
 * STATUS_PENDING for the last part takes those before it along. A READ's data is not copied
 * when it ends a frame: it follows the head in the buffer it was read into, and is signed and
 * sealed there. */
#include "node/smb/channel.h"
#include "node/smb/compress.h"

#include "proto/smb/error.h"
#include "proto/smb/transform.h"

static size_t pad8(size_t n) { return (8 - n % 8) % 8; }

/* ---- one reply ------------------------------------------------------------------------------ */

static bool wants_signature(struct smb *s, const struct smb_request *r)
{
    const struct smb_session *session = table_get(&s->sessions, r->session_at);
    if (session == NULL || !handle_none(r->seal_session) ||
        channel_sign_key(session, r->conn, r->header.command) == NULL)
        return false;
    return r->sign_reply || session->signing_required || (r->header.flags & SMB2_FLAGS_SIGNED) != 0;
}

/* What refuses a binding says SMB2_FLAGS_SIGNED as Windows does and bears no signature: AES-GMAC's
 * nonce is the MessageId (3.1.4.1), the session's key has signed a message of that number on the
 * session's own connection, and whoever sees two messages with one nonce can forge a third. For the
 * same reason nothing is signed with that key for somebody who has not proved that he has it. */
static bool refuses_binding(struct smb *s, const struct smb_request *r, ntstatus status)
{
    const struct smb_session *session = table_get(&s->sessions, r->session_at);
    const struct smb_channel *ch = session != NULL ? channel_find(session, r->conn) : NULL;
    if (session == NULL || r->header.command != SMB2_SESSION_SETUP || (ch != NULL && ch->bound))
        return false;
    return !r->verified || status == STATUS_REQUEST_OUT_OF_SEQUENCE ||
           status == STATUS_NOT_SUPPORTED || status == STATUS_ACCESS_DENIED;
}

/* [MS-SMB2] 3.3.4.2 to 3.3.4.4: the header of a reply is that of the request, changed. */
static void put_header(struct smb *s, struct smb_request *r, struct smb_part *p, ntstatus status)
{
    struct smb_header h = {
        .command = r->header.command,
        .credit_charge = r->header.credit_charge,
        .flags = SMB2_FLAGS_SERVER_TO_REDIR,
        .status = status,
        .tree_id = r->tree_id,
        .message_id = r->header.message_id,
        .session_id = r->session_id,
    };
    bool interim = status == STATUS_PENDING;
    p->session = r->session_at;
    p->command = h.command;
    bool sign = !interim && wants_signature(s, r); /* 3.3.4.2: interim responses are not signed */
    p->sign = sign && !refuses_binding(s, r, status);
    p->hash_conn = r->hash_reply && h.command == SMB2_NEGOTIATE;
    p->hash_session = r->hash_reply && h.command == SMB2_SESSION_SETUP;
    /* A session that is not there has no key; Windows leaves the flag of the request as it was, and
     * clients who demand signatures want to see it. */
    bool echo = status == STATUS_USER_SESSION_DELETED && handle_none(r->seal_session);
    h.flags |= sign ? SMB2_FLAGS_SIGNED : echo ? r->header.flags & SMB2_FLAGS_SIGNED : 0;
    if (r->parts != p)
        h.flags |= r->header.flags & SMB2_FLAGS_RELATED_OPERATIONS;
    /* 3.3.4.2: credits of an asynchronous request are granted with the interim response. */
    if (r->async_id == 0 || interim)
        h.credits =
            window_grant(&r->conn->window, r->header.credits, conn_credit_limit(s, r->conn));
    if (r->async_id != 0) {
        h.flags |= SMB2_FLAGS_ASYNC_COMMAND;
        h.async_id = r->async_id;
    }
    struct writer w = writer_of(p->head, SMB_HEADER_SIZE);
    smb_header_encode(&w, &h);
}

/* Copies a READ's data behind its head, so that replies may follow. */
static bool inline_body(struct smb *s, struct smb_request *r, struct smb_part *p)
{
    size_t len = p->head_len + p->body_len;
    uint8_t *at = arena_alloc(&r->arena, SMB_TRANSFORM_SIZE + len);
    if (at == NULL)
        return false;
    struct writer w = writer_of(at, SMB_TRANSFORM_SIZE + len);
    (void)write_space(&w, SMB_TRANSFORM_SIZE);
    uint8_t *head = write_space(&w, p->head_len);
    memcpy(head, p->head, p->head_len);
    write_bytes(&w, slice_of(p->body, p->body_len));
    must(!w.full);
    p->head = head;
    p->head_len = len;
    p->body = NULL;
    p->body_len = 0;
    smb_release(s, p->buf);
    p->buf = (handle){0};
    return true;
}

/* ---- one frame of replies ------------------------------------------------------------------- */

static bool sign_part(struct smb *s, const struct smb_request *r, const struct smb_part *p,
                      struct slice_mut text)
{
    if (!p->sign)
        return true;
    const struct smb_session *session = table_get(&s->sessions, p->session);
    struct sign_key *key = session != NULL ? channel_sign_key(session, r->conn, p->command) : NULL;
    if (key == NULL)
        return false;
    struct slice parts[] = {slice_of(text.at, text.len), slice_of(p->body, p->body_len)};
    struct sign_message m = {parts, p->body_len > 0 ? 2 : 1, true};
    uint8_t signature[SMB_SIGNATURE_SIZE];
    if (!sign_message(key, &m, signature))
        return false;
    struct writer w = writer_of(text.at, text.len);
    (void)write_space(&w, SMB_SIGNATURE_POS);
    write_bytes(&w, slice_of(signature, sizeof(signature)));
    return true;
}

static bool hash_part(struct smb *s, struct smb_request *r, const struct smb_part *p)
{
    struct slice message = slice_of(p->head, p->head_len);
    if (p->hash_conn)
        return preauth_add(&r->conn->preauth, message);
    struct smb_session *session = table_get(&s->sessions, p->session);
    struct smb_channel *ch = session != NULL ? channel_find(session, r->conn) : NULL;
    if (p->hash_session && ch != NULL)
        return preauth_add(&ch->preauth, message);
    return true;
}

/* One message leaves from where it was built. */
static bool gather_one(struct smb *s, struct smb_request *r, struct outgoing *out)
{
    struct smb_part *p = r->parts;
    *out = (struct outgoing){p->head, p->head_len, p->body, p->body_len, p->buf};
    return sign_part(s, r, p, (struct slice_mut){p->head, p->head_len});
}

/* Several are copied behind each other, each but the last with NextCommand; all padded, also the
 * last (3.3.4.1.3) unless its data lies elsewhere. Signatures cover the padding. */
static bool gather_many(struct smb *s, struct smb_request *r, struct outgoing *out)
{
    size_t len = 0;
    for (struct smb_part *p = r->parts; p != NULL; p = p->next)
        len += p->head_len + pad8(p->head_len);
    uint8_t *base = arena_alloc(&r->arena, SMB_TRANSFORM_SIZE + len);
    if (base == NULL)
        return false;
    struct writer room = writer_of(base, SMB_TRANSFORM_SIZE + len);
    (void)write_space(&room, SMB_TRANSFORM_SIZE);
    *out = (struct outgoing){.at = write_space(&room, len)};
    struct writer w = writer_of(out->at, len);
    for (struct smb_part *p = r->parts; p != NULL; p = p->next) {
        size_t start = w.pos;
        bool bare = p->next == NULL && p->body_len > 0;
        size_t size = p->head_len + (bare ? 0 : pad8(p->head_len));
        uint8_t *at = write_space(&w, size);
        must(at != NULL);
        memset(at, 0, size);
        memcpy(at, p->head, p->head_len);
        if (p->next != NULL) {
            struct writer one = writer_of(at, size);
            one.pos = p->head_len;
            smb_compound_link(&one, 0);
        }
        must(w.pos == start + size);
        if (!sign_part(s, r, p, (struct slice_mut){at, size}))
            return false;
        if (p->next == NULL)
            out->body = p->body, out->body_len = p->body_len, out->buf = p->buf;
    }
    out->len = w.pos;
    return true;
}

/* [MS-SMB2] 3.1.4.3: everything in place, with one tag. The transform header goes before `at`. */
static bool seal(struct smb *s, struct smb_session *session, struct outgoing *out)
{
    (void)s;
    if (session == NULL || session->seal_key == NULL)
        return false;
    struct smb_transform t = {
        .original_size = (uint32_t)(out->len + out->body_len),
        .flags = SMB_TRANSFORM_ENCRYPTED,
        .session_id = session->id,
    };
    /* The nonce is a counter: this key seals nothing but what this session sends. */
    must(session->nonce_next < UINT64_MAX);
    struct writer nonce = writer_of(t.nonce, sizeof(t.nonce));
    write_u64(&nonce, session->nonce_next++);
    uint8_t *head = out->at - SMB_TRANSFORM_SIZE;
    struct writer w = writer_of(head, SMB_TRANSFORM_SIZE);
    smb_transform_encode(&w, &t);
    struct slice_mut parts[] = {{out->at, out->len}, {out->body, out->body_len}};
    struct sealed sealed = {
        .nonce = t.nonce,
        .aad = slice_sub(slice_of(head, SMB_TRANSFORM_SIZE), SMB_TRANSFORM_AAD_POS,
                         SMB_TRANSFORM_AAD_SIZE),
        .parts = parts,
        .count = out->body_len > 0 ? 2 : 1,
    };
    if (!seal_parts(session->seal_key, &sealed, t.signature))
        return false;
    w = writer_of(head, SMB_TRANSFORM_SIZE);
    smb_transform_encode(&w, &t);
    out->at = head;
    out->len += SMB_TRANSFORM_SIZE;
    return true;
}

/* Sends what has gathered. A reply that cannot be signed or sealed as it must be is never sent
 * in the open: the connection ends instead. */
static void flush(struct smb *s, struct smb_request *r)
{
    if (r->parts == NULL)
        return;
    struct outgoing out = {0};
    bool ok = r->parts->next == NULL ? gather_one(s, r, &out) : gather_many(s, r, &out);
    /* As it leaves: the answers of a binding are signed, and the signature is hashed too. */
    for (struct smb_part *p = r->parts; p != NULL; p = p->next)
        ok = ok && hash_part(s, r, p);
    if (ok)
        compress_reply(s, r, &out); /* 3.3.4.1.5: between signing and sealing */
    if (ok && !handle_none(r->seal_session))
        ok = seal(s, table_get(&s->sessions, r->seal_session), &out);
    if (!ok) {
        conn_doom(s, r->conn, "a reply could not be protected");
        return; /* request_finish releases the parts' buffers */
    }
    struct smb_effect *e = smb_emit(s, SMB_DO_SEND);
    e->send.conn = r->conn->id;
    e->send.head = slice_of(out.at, out.len);
    e->send.body = slice_of(out.body, out.body_len);
    e->send.buf = out.buf;
    r->parts = r->parts_last = NULL;
}

struct writer compound_notification(struct smb *s, size_t max)
{
    uint8_t *at = arena_alloc(&s->step, SMB_TRANSFORM_SIZE + max);
    struct writer w = writer_of(at, at != NULL ? SMB_TRANSFORM_SIZE + max : 0);
    (void)write_space(&w, SMB_TRANSFORM_SIZE);
    return writer_of(at != NULL ? at + SMB_TRANSFORM_SIZE : NULL, at != NULL ? max : 0);
}

void compound_notify(struct smb *s, struct smb_conn *c, struct smb_session *session,
                     const struct writer *w)
{
    struct outgoing out = {.at = w->at, .len = w->pos};
    if (w->full || (session != NULL && !seal(s, session, &out)))
        return;
    struct smb_effect *e = smb_emit(s, SMB_DO_SEND);
    e->send.conn = c->id;
    e->send.head = slice_of(out.at, out.len);
}

void compound_interim(struct smb *s, struct smb_request *r)
{
    must(r->async_id == 0);
    must(r->last_part);
    struct smb_part *p = request_new(r, struct smb_part);
    size_t room = SMB_HEADER_SIZE + 16;
    uint8_t *at = p != NULL ? arena_alloc(&r->arena, SMB_TRANSFORM_SIZE + room) : NULL;
    if (at == NULL)
        return; /* the final reply will do */
    struct writer all = writer_of(at, SMB_TRANSFORM_SIZE + room);
    (void)write_space(&all, SMB_TRANSFORM_SIZE);
    p->head = write_space(&all, room);
    struct writer w = writer_of(p->head, room);
    write_zeros(&w, SMB_HEADER_SIZE);
    smb_error_encode(&w);
    p->head_len = w.pos;
    if (r->parts_last != NULL)
        r->parts_last->next = p;
    else
        r->parts = p;
    r->parts_last = p;
    r->async_id = ++r->conn->next_async_id;
    put_header(s, r, p, STATUS_PENDING);
    flush(s, r);
}

/* ---- the parts ------------------------------------------------------------------------------ */

/* The part's handler is done: its reply gets its header. */
static void end_part(struct smb *s, struct smb_request *r)
{
    request_part_end(s, r);
    smb_timer_disarm(s, &r->timer);
    struct smb_part *p = r->part;
    r->part = NULL;
    if (p == NULL)
        return; /* CANCEL */
    r->chain.status = r->status;
    put_header(s, r, p, r->status);
    bool alone = r->last_part && r->parts == p;
    if (p->body_len == 0 || alone)
        return;
    if (p->body_len <= SMB_INLINE_MAX && inline_body(s, r, p))
        return;
    flush(s, r);
}

static void begin_part(struct smb *s, struct smb_request *r)
{
    enum smb_walked walked = smb_walk_next(&r->walk, &r->message, &r->header);
    switch (walked) {
    case SMB_WALK_END:
        flush(s, r);
        if (!handle_none(r->doom_session))
            session_doom(s, table_get(&s->sessions, r->doom_session));
        request_finish(s, r);
        return;
    case SMB_WALK_BAD:
        /* 3.3.5.2.6, 3.3.5.2.7 <267> */
        request_disconnect(s, r, "malformed header or compound");
        return;
    case SMB_WALK_MESSAGE: break;
    }
    if (++r->part_index > SMB_PARTS_MAX) {
        request_disconnect(s, r, "too many parts in a compound");
        return;
    }
    r->last_part = r->header.next_command == 0;
    r->session = NULL;
    r->tree = NULL;
    r->session_at = r->tree_at = (handle){0};
    r->scratch = NULL;
    r->cancelled = false;
    r->part = NULL;
    r->reply = (struct writer){0};
    r->async_id = 0;
    r->wake_status = STATUS_OK;
    r->sign_reply = r->hash_reply = r->verified = r->compress_reply = false;
    sm_move(&r->sm, REQUEST_RUNNING);
    dispatch_part(s, r);
}

void request_run(struct smb *s, struct smb_request *r)
{
    while (r->sm.state == REQUEST_NEXT || r->sm.state == REQUEST_REPLIED) {
        if (r->conn->sm.state == CONN_CLOSING) {
            request_finish(s, r);
            return;
        }
        if (r->sm.state == REQUEST_REPLIED) {
            end_part(s, r);
            sm_move(&r->sm, REQUEST_NEXT);
        } else {
            begin_part(s, r);
        }
    }
    must(r->sm.state != REQUEST_RUNNING); /* a handler that neither replied nor waits */
}
