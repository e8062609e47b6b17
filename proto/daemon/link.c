#include "proto/daemon/link.h"

#include "proto/base/must.h"
#include "proto/daemon/endpoint.h"
#include "proto/daemon/framed.h"
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READ_BYTES = 64 << 10 };

struct link {
    uv_tcp_t tcp;
    uv_timer_t handshake;
    uv_connect_t connect;
    struct framed *framed;
    struct link_callbacks cb;
    void *owner;
    char name[80];
    size_t queued;    /* ciphertext bytes libuv holds */
    unsigned handles; /* uv handles not yet closed */
    bool dead, closing;
    uint8_t scratch[READ_BYTES];
};

static void on_handle_closed(uv_handle_t *handle)
{
    struct link *l = handle->data;
    if (--l->handles > 0)
        return;
    framed_free(l->framed);
    free(l);
}

/* The link's memory goes when libuv has let go of both handles. */
static void destroy(struct link *l)
{
    if (l->dead)
        return;
    l->dead = true;
    uv_close((uv_handle_t *)&l->handshake, on_handle_closed);
    uv_close((uv_handle_t *)&l->tcp, on_handle_closed);
}

static void lost(struct link *l, bool by_peer, const char *why)
{
    if (l->dead)
        return;
    if (!l->closing)
        l->cb.down(l, by_peer, why);
    destroy(l);
}

static bool closed_by_peer(ssize_t error)
{
    return error == UV_EOF || error == UV_ECONNRESET || error == UV_EPIPE ||
           error == UV_ECONNREFUSED;
}

struct write {
    uv_write_t request;
    size_t len;
    uint8_t bytes[];
};

static void on_written(uv_write_t *request, int status)
{
    struct link *l = request->handle->data;
    struct write *w = container_of(request, struct write, request);
    l->queued -= w->len;
    free(w);
    if (status < 0 && status != UV_ECANCELED)
        lost(l, closed_by_peer(status), uv_strerror(status));
    else if (l->closing && l->queued == 0)
        destroy(l);
}

/* Hands what TLS has to say to libuv. */
static void flush(struct link *l)
{
    while (!l->dead && framed_pending(l->framed) > 0) {
        size_t len = framed_pending(l->framed);
        struct write *w = malloc(sizeof *w + len);
        if (w == NULL || l->queued + len > LINK_QUEUE_MAX) {
            free(w);
            lost(l, false, "the other end does not take what it is sent");
            return;
        }
        w->len = framed_pull(l->framed, w->bytes, len);
        uv_buf_t buf = uv_buf_init((char *)w->bytes, (unsigned)w->len);
        l->queued += w->len;
        int r = uv_write(&w->request, (uv_stream_t *)&l->tcp, &buf, 1, on_written);
        if (r < 0) {
            l->queued -= w->len;
            free(w);
            lost(l, closed_by_peer(r), uv_strerror(r));
        }
    }
}

static void come_up(struct link *l)
{
    uv_timer_stop(&l->handshake);
    l->cb.up(l, framed_peer(l->framed));
}

static void feed(struct link *l, struct slice ciphertext)
{
    struct frame f;
    framed_feed(l->framed, ciphertext);
    flush(l);
    while (!l->dead) {
        switch (framed_next(l->framed, &f)) {
        case FRAMED_MORE: flush(l); return;
        case FRAMED_UP: come_up(l); break;
        case FRAMED_FRAME:
            if (!l->closing)
                l->cb.frame(l, &f);
            break;
        case FRAMED_CLOSED: lost(l, true, "closed"); break;
        case FRAMED_FAILED:
            flush(l); /* the alert that tells the other end why */
            lost(l, false, framed_error(l->framed));
            break;
        }
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct link *l = handle->data;
    *buf = uv_buf_init((char *)l->scratch, sizeof l->scratch);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct link *l = stream->data;
    if (l->dead || n == 0)
        return;
    if (n < 0)
        lost(l, closed_by_peer(n), n == UV_EOF ? "closed" : uv_strerror((int)n));
    else
        feed(l, slice_of(buf->base, (size_t)n));
}

static void on_handshake_late(uv_timer_t *timer) { lost(timer->data, false, "no answer in time"); }

/* A dead peer is noticed in seconds, not at TCP's pace; small messages leave at once. */
static void tune(struct link *l)
{
    uv_os_fd_t fd;
    unsigned user_timeout = LINK_USER_TIMEOUT_MS;
    (void)uv_tcp_nodelay(&l->tcp, 1);
    (void)uv_tcp_keepalive(&l->tcp, 1, 1);
    if (uv_fileno((uv_handle_t *)&l->tcp, &fd) == 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout, sizeof user_timeout);
}

static struct link *link_new(uv_loop_t *loop, struct tls_context *context, bool server,
                             const struct link_callbacks *cb, void *owner)
{
    struct link *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->framed = framed_new(context, server);
    if (l->framed == NULL) {
        free(l);
        return NULL;
    }
    l->cb = *cb;
    l->owner = owner;
    must(uv_tcp_init(loop, &l->tcp) == 0);
    must(uv_timer_init(loop, &l->handshake) == 0);
    l->handles = 2;
    l->tcp.data = l->handshake.data = l;
    (void)uv_timer_start(&l->handshake, on_handshake_late, LINK_HANDSHAKE_MS, 0);
    return l;
}

static void on_connected(uv_connect_t *request, int status)
{
    struct link *l = request->data;
    if (l->dead)
        return;
    if (status < 0) {
        lost(l, closed_by_peer(status), uv_strerror(status));
        return;
    }
    tune(l);
    (void)uv_read_start((uv_stream_t *)&l->tcp, on_alloc, on_read);
    feed(l, (struct slice){0});
}

struct link *link_connect(uv_loop_t *loop, struct tls_context *tls, const char *to,
                          const char *from, const struct link_callbacks *cb)
{
    struct sockaddr_storage target, source;
    if (endpoint_parse(to, &target) == 0)
        return NULL;
    struct link *l = link_new(loop, tls, false, cb, NULL);
    if (l == NULL)
        return NULL;
    (void)snprintf(l->name, sizeof l->name, "%s", to);
    bool bad = false;
    if (from != NULL)
        bad = endpoint_of(from, 0, &source) == 0 ||
              uv_tcp_bind(&l->tcp, (struct sockaddr *)&source, 0) != 0;
    l->connect.data = l;
    if (bad ||
        uv_tcp_connect(&l->connect, &l->tcp, (struct sockaddr *)&target, on_connected) != 0) {
        destroy(l);
        return NULL;
    }
    return l;
}

struct link *link_accept(uv_stream_t *server, struct tls_context *tls,
                         const struct link_callbacks *cb, void *owner)
{
    struct link *l = link_new(server->loop, tls, true, cb, owner);
    if (l == NULL)
        return NULL;
    if (uv_accept(server, (uv_stream_t *)&l->tcp) != 0) {
        destroy(l);
        return NULL;
    }
    struct sockaddr_storage peer;
    int len = sizeof peer;
    char host[64] = "?";
    if (uv_tcp_getpeername(&l->tcp, (struct sockaddr *)&peer, &len) == 0)
        (void)uv_ip_name((struct sockaddr *)&peer, host, sizeof host);
    (void)snprintf(l->name, sizeof l->name, "%s:%u", host,
                   (unsigned)ntohs(((struct sockaddr_in *)&peer)->sin_port));
    tune(l);
    (void)uv_read_start((uv_stream_t *)&l->tcp, on_alloc, on_read);
    return l;
}

void link_own(struct link *l, void *owner)
{
    if (l != NULL)
        l->owner = owner;
}

void *link_owner(const struct link *l) { return l->owner; }
const char *link_name(const struct link *l) { return l->name; }

static void sent(struct link *l, bool ok)
{
    if (ok)
        flush(l);
    else
        lost(l, false, framed_error(l->framed));
}

void link_send(struct link *l, struct slice bytes)
{
    if (!l->dead && !l->closing && framed_up(l->framed))
        sent(l, framed_send(l->framed, bytes));
}

void link_send_frame(struct link *l, const struct frame *f)
{
    if (!l->dead && !l->closing && framed_up(l->framed))
        sent(l, framed_send_parts(l->framed, f));
}

void link_close(struct link *l)
{
    if (l->dead || l->closing)
        return;
    framed_goodbye(l->framed);
    l->closing = true;
    flush(l);
    if (!l->dead && l->queued == 0)
        destroy(l);
    else if (!l->dead)
        (void)uv_timer_start(&l->handshake, on_handshake_late, LINK_HANDSHAKE_MS, 0);
}

void link_abort(struct link *l)
{
    l->closing = true;
    destroy(l);
}
