#include "witness/io/follow.h"
#include "proto/base/must.h"
#include "proto/daemon/link.h"
#include "proto/daemon/log.h"
#include <stdlib.h>
#include <string.h>

#define CONTROL_VERSION 1u
#define BEAT_MS 500u
#define SILENCE_NS UINT64_C(1500000000)
#define RETRY_MS 300u

struct follow {
    uv_timer_t beat;
    const struct settings *settings;
    struct tls_context *tls;
    uv_loop_t *loop;
    follow_config on_config;
    void *context;
    struct link *link;
    bool welcome, closing, said_down;
    uint32_t next;   /* coordinator to try */
    char leader[80]; /* where NotLeader sent us; "" otherwise */
    uint64_t heard_ns, retry_ns, nonce;
};

static void send_control(struct follow *f, const Fl__Control *message)
{
    size_t len = fl__control__get_packed_size(message);
    uint8_t *bytes = malloc(len + 1);
    if (bytes == NULL)
        return;
    (void)fl__control__pack(message, bytes);
    struct frame frame = {.kind = FRAME_CONTROL, .control = slice_of(bytes, len)};
    link_send_frame(f->link, &frame);
    free(bytes);
}

static void retry_later(struct follow *f)
{
    f->link = NULL;
    f->welcome = false;
    f->retry_ns = uv_hrtime() + RETRY_MS * UINT64_C(1000000);
}

static void give_up_link(struct follow *f, const char *why)
{
    if (!f->said_down)
        log_warn("%s: %s; trying the others, and going on with what is known",
                 f->link != NULL ? link_name(f->link) : "coordinator", why);
    f->said_down = true;
    if (f->link != NULL)
        link_abort(f->link);
    retry_later(f);
}

static void on_up(struct link *l, const struct tls_peer *peer)
{
    struct follow *f = link_owner(l);
    if (peer->role != TLS_ROLE_NODE) {
        give_up_link(f, "does not show a node's certificate");
        return;
    }
    Fl__Hello hello = FL__HELLO__INIT;
    hello.version = CONTROL_VERSION;
    hello.cluster_id.data = (uint8_t *)(uintptr_t)f->settings->cluster_id;
    hello.cluster_id.len = sizeof f->settings->cluster_id;
    hello.role = FL__ROLE__ROLE_WITNESS;
    hello.node_id = f->settings->node_id;
    Fl__Control m = FL__CONTROL__INIT;
    m.body_case = FL__CONTROL__BODY_HELLO;
    m.hello = &hello;
    send_control(f, &m);
}

static void on_welcome(struct follow *f)
{
    f->welcome = true;
    f->said_down = false;
    log_info("following the cluster at %s", link_name(f->link));
    Fl__Subscribe subscribe = FL__SUBSCRIBE__INIT;
    subscribe.secrets = f->settings->ntlm;
    Fl__Control m = FL__CONTROL__INIT;
    m.body_case = FL__CONTROL__BODY_SUBSCRIBE;
    m.subscribe = &subscribe;
    send_control(f, &m);
}

static void on_not_leader(struct follow *f, const Fl__NotLeader *away)
{
    size_t len = strlen(away->leader);
    f->leader[0] = 0;
    if (len < sizeof f->leader)
        memcpy(f->leader, away->leader, len + 1);
    link_abort(f->link);
    retry_later(f);
    if (f->leader[0] != 0)
        f->retry_ns = 0;
}

static void on_frame(struct link *l, const struct frame *frame)
{
    struct follow *f = link_owner(l);
    Fl__Control *m = frame->kind != FRAME_CONTROL
                         ? NULL
                         : fl__control__unpack(NULL, frame->control.len, frame->control.at);
    if (m == NULL) {
        give_up_link(f, "sent what is no control message");
        return;
    }
    f->heard_ns = uv_hrtime();
    if (m->body_case == FL__CONTROL__BODY_WELCOME)
        on_welcome(f);
    else if (m->body_case == FL__CONTROL__BODY_CONFIG)
        f->on_config(f->context, m->config);
    else if (m->body_case == FL__CONTROL__BODY_NOT_LEADER)
        on_not_leader(f, m->not_leader);
    else if (m->body_case == FL__CONTROL__BODY_REFUSED)
        give_up_link(f, m->refused->why);
    fl__control__free_unpacked(m, NULL); /* lease grants only say that the line is alive */
}

static void on_down(struct link *l, bool by_peer, const char *why)
{
    struct follow *f = link_owner(l);
    (void)by_peer;
    if (!f->said_down)
        log_warn("%s: %s; trying the others, and going on with what is known", link_name(l), why);
    f->said_down = true;
    retry_later(f);
}

static void try_next(struct follow *f)
{
    static const struct link_callbacks callbacks = {on_up, on_frame, on_down};
    const struct settings *s = f->settings;
    const char *to = f->leader;
    if (f->leader[0] == 0)
        to = s->coordinators[f->next++ % s->coordinator_count].address;
    f->heard_ns = uv_hrtime();
    f->link = link_connect(f->loop, f->tls, to, s->address, &callbacks);
    link_own(f->link, f);
    f->leader[0] = 0;
    if (f->link == NULL)
        retry_later(f);
}

static void on_beat(uv_timer_t *timer)
{
    struct follow *f = timer->data;
    uint64_t now = uv_hrtime();
    if (f->link == NULL) {
        if (now >= f->retry_ns)
            try_next(f);
        return;
    }
    if (!f->welcome && now - f->heard_ns < LINK_HANDSHAKE_MS * UINT64_C(1000000))
        return;
    if (now - f->heard_ns > SILENCE_NS) {
        give_up_link(f, "has fallen silent");
        return;
    }
    Fl__LeaseRequest request = FL__LEASE_REQUEST__INIT;
    request.nonce = ++f->nonce;
    Fl__Control m = FL__CONTROL__INIT;
    m.body_case = FL__CONTROL__BODY_LEASE_REQUEST;
    m.lease_request = &request;
    send_control(f, &m);
}

struct follow *follow_new(uv_loop_t *loop, const struct settings *settings, struct tls_context *tls,
                          follow_config on_config, void *context)
{
    must(settings->coordinator_count > 0);
    struct follow *f = calloc(1, sizeof *f);
    must(f != NULL);
    f->settings = settings;
    f->tls = tls;
    f->loop = loop;
    f->on_config = on_config;
    f->context = context;
    must(uv_timer_init(loop, &f->beat) == 0);
    f->beat.data = f;
    must(uv_timer_start(&f->beat, on_beat, 0, BEAT_MS) == 0);
    return f;
}

static void on_closed(uv_handle_t *handle) { free(handle->data); }

void follow_close(struct follow *f)
{
    if (f->closing)
        return;
    f->closing = true;
    if (f->link != NULL)
        link_abort(f->link);
    uv_close((uv_handle_t *)&f->beat, on_closed);
}
