/* Connections: from CONNECT to the last object they leave behind, and what a frame is.
 *
 *   NEW ──SMB1 NEGOTIATE "2.???"──► MULTI ──NEGOTIATE──► READY
 *    └───────────────NEGOTIATE───────────────────────────►┘      any ──► CLOSING */
#include "node/smb/channel.h"
#include "node/smb/compress.h"

#include "proto/smb/transform.h"

/* How long somebody may stay connected without having logged on. */
#define LOGON_NS (60 * SMB_SECOND)
/* Credits of a client that has not logged on: enough for the rounds of any mechanism. */
#define CREDITS_BEFORE_LOGON 32u

static const struct sm_state conn_states[] = {
    [CONN_NEW] = {"new", MAY(CONN_MULTI) | MAY(CONN_READY) | MAY(CONN_CLOSING)},
    [CONN_MULTI] = {"multi", MAY(CONN_READY) | MAY(CONN_CLOSING)},
    [CONN_READY] = {"ready", MAY(CONN_CLOSING)},
    [CONN_CLOSING] = {"closing", 0},
};

static void refuse(struct smb *s, uint64_t id, const char *why)
{
    struct smb_effect *e = smb_emit(s, SMB_DO_CLOSE);
    e->close.conn = id;
    e->close.why = why;
}

static void copy_text(char *to, size_t size, const char *text)
{
    size_t len = text == NULL ? 0 : strlen(text);
    if (len > size - 1)
        len = size - 1;
    memcpy(to, text == NULL ? "" : text, len);
    to[len] = 0;
}

void conn_open(struct smb *s, const struct smb_event *ev)
{
    uint64_t id = ev->connect.conn;
    must(map_get_u64(&s->conn_by_id, id) == NULL); /* the shell never reuses a name */
    struct smb_conn *c = pool_get(&s->conn_pool);
    if (c == NULL || !map_put_u64(&s->conn_by_id, id, c)) {
        if (c != NULL)
            pool_put(&s->conn_pool, c);
        refuse(s, id, "too many connections");
        return;
    }
    c->id = id;
    c->self = table_add(&s->conns, c);
    must(!handle_none(c->self));
    sm_init(&c->sm, "connection", conn_states, array_len(conn_states), CONN_NEW);
    list_init(&c->work);
    list_init(&c->channels);
    list_init(&c->requests);
    window_init(&c->window);
    c->io_max = SMB_IO_MAX_202;
    copy_text(c->peer, sizeof(c->peer), ev->connect.peer);
    copy_text(c->local, sizeof(c->local), ev->connect.local);
    smb_timer_arm(s, &c->timer, TIMER_CONN, s->now_ns + LOGON_NS);
}

void conn_doom(struct smb *s, struct smb_conn *c, const char *why)
{
    if (c->sm.state == CONN_CLOSING)
        return;
    trace_put(&s->trace, "conn.close", c->id, c->request_count, c->channel_count);
    sm_move(&c->sm, CONN_CLOSING);
    (void)map_remove_u64(&s->conn_by_id, c->id);
    (void)table_remove(&s->conns, c->self);
    smb_timer_disarm(s, &c->timer);
    list_push_back(&s->dying_conns, &c->work);
    if (!c->gone)
        refuse(s, c->id, why);
}

void conn_gone(struct smb *s, uint64_t id)
{
    struct smb_conn *c = map_get_u64(&s->conn_by_id, id);
    if (c == NULL)
        return; /* closed by us before */
    c->gone = true;
    conn_doom(s, c, "the client has gone");
}

struct smb_conn *conn_of_client(struct smb *s, const uint8_t client_guid[16])
{
    handle at = {0};
    struct smb_conn *c, *oldest = NULL;
    while ((c = table_next(&s->conns, &at)) != NULL)
        if (c->sm.state == CONN_READY && c->dialect != SMB_DIALECT_202 && c->channel_count > 0 &&
            memcmp(c->client_guid, client_guid, sizeof(c->client_guid)) == 0 &&
            (oldest == NULL || c->id < oldest->id))
            oldest = c;
    return oldest;
}

bool conn_unwind(struct smb *s)
{
    struct smb_conn *c = container_of(list_first(&s->dying_conns), struct smb_conn, work);
    struct list *link;
    if ((link = list_first(&c->requests)) != NULL) {
        request_abandon(s, container_of(link, struct smb_request, conn_link));
    } else if ((link = list_first(&c->channels)) != NULL) {
        channel_lost(s, container_of(link, struct smb_channel, conn_link));
    } else {
        must(c->request_count == 0);
        must(c->channel_count == 0);
        list_remove(&c->work);
        pool_put(&s->conn_pool, c);
    }
    return true;
}

void conn_on_timer(struct smb *s, struct smb_conn *c)
{
    if (c->bound_count == 0)
        conn_doom(s, c, "nobody logged on in time");
}

/* Requests are what credits buy: when few are left, clients get fewer. */
uint32_t conn_credit_limit(const struct smb *s, const struct smb_conn *c)
{
    if (c->bound_count == 0)
        return CREDITS_BEFORE_LOGON;
    uint32_t total = s->config->requests_max, used = s->requests.used;
    if (used > total - total / 8)
        return 16;
    if (used > total / 2)
        return 256;
    return SMB_CREDITS_MAX;
}

/* [MS-SMB2] 3.3.5.2.1.1: opens the frame in place. NULL, or why the connection must go. */
static const char *open_frame(struct smb *s, struct smb_request *r, const struct smb_event *ev,
                              struct slice *message)
{
    struct smb_transform t;
    if (smb_transform_decode(slice_of(ev->frame.at, ev->frame.len), &t) != STATUS_OK)
        return "a malformed sealed frame";
    struct smb_session *session = session_find(s, r->conn, t.session_id);
    if (session == NULL || session->open_key == NULL)
        return "a frame sealed for no session";
    struct writer w = writer_of(ev->frame.at, ev->frame.len);
    (void)write_space(&w, SMB_TRANSFORM_SIZE);
    struct slice_mut text = {write_space(&w, t.body.len), t.body.len};
    must(text.at == t.body.at);
    struct sealed sealed = {t.nonce, t.aad, &text, 1};
    if (!open_parts(session->open_key, &sealed, t.signature))
        return "a sealed frame that is not authentic";
    *message = slice_of(text.at, text.len);
    r->sealed = true;
    r->seal_session = session->self;
    if (smb_frame_kind(*message) == SMB_FRAME_COMPRESSED)
        return compress_open(s, r, message);
    return smb_frame_kind(*message) == SMB_FRAME_SMB2 ? NULL : "something else in a sealed frame";
}

void conn_frame(struct smb *s, const struct smb_event *ev)
{
    struct smb_conn *c = map_get_u64(&s->conn_by_id, ev->frame.conn);
    struct smb_request *r = c != NULL ? request_begin(s, c, ev->frame.buf) : NULL;
    if (r == NULL) {
        smb_release(s, ev->frame.buf);
        if (c != NULL)
            conn_doom(s, c, "too many requests");
        return;
    }
    struct slice message = slice_of(ev->frame.at, ev->frame.len);
    const char *fault = NULL;
    switch (smb_frame_kind(message)) {
    case SMB_FRAME_SMB1: negotiate_smb1(s, r, message); return;
    case SMB_FRAME_TRANSFORM: fault = open_frame(s, r, ev, &message); break;
    case SMB_FRAME_SMB2: break;
    case SMB_FRAME_COMPRESSED: fault = compress_open(s, r, &message); break;
    case SMB_FRAME_OTHER: fault = "not an SMB message"; break;
    }
    /* 3.3.5.2: MaxTransactSize + 256, and the data of a WRITE within the same limit. */
    if (fault == NULL && message.len > c->io_max + 4096)
        fault = "an oversized frame";
    if (fault != NULL) {
        request_disconnect(s, r, fault);
        return;
    }
    r->walk = smb_walk_of(message);
    request_run(s, r);
}
