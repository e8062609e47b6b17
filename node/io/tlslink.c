#include "node/io/tlslink.h"

#include "proto/base/must.h"
#include "proto/daemon/endpoint.h"
#include "proto/daemon/framed.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 256 << 10, WRITE_BYTES = 256 << 10 };

struct tlslink {
    struct reactor *reactor;
    struct framed *framed;
    struct tlslink_callbacks cb;
    void *owner;
    int fd;
    bool connected, dead, entered; /* entered: its own code is on the stack, keep the memory */
    uint64_t deadline_ns;          /* of connecting and the handshake; 0 once up */
    struct sockaddr_storage to;
    struct io_op connect, receive, send;
    uint8_t *out; /* ciphertext being sent: [out_at, out_len) */
    size_t out_at, out_len;
    uint8_t in[READ_BYTES];
};

/* ---- sockets --------------------------------------------------------------------------------- */

int socket_listen(const char *address, uint32_t port)
{
    struct sockaddr_storage at;
    int one = 1;
    socklen_t len = endpoint_of(address, port, &at);
    if (len == 0)
        return -EINVAL;
    int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at, len) == 0 && listen(fd, 512) == 0)
        return fd;
    int error = errno;
    (void)close(fd);
    return -error;
}

void socket_tune(int fd, unsigned user_timeout_ms)
{
    int one = 1, idle = 2, interval = 1, count = 3;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof user_timeout_ms);
}

/* ---- life ------------------------------------------------------------------------------------ */

/* The memory goes when the ring has let go of all operations. */
static void release(struct tlslink *l)
{
    if (!l->dead || l->entered || l->connect.busy || l->receive.busy || l->send.busy)
        return;
    framed_free(l->framed);
    free(l->out);
    free(l);
}

/* Closing the socket ends its operations; their completions end the link. */
static void die(struct tlslink *l)
{
    if (l->dead)
        return;
    l->dead = true;
    (void)shutdown(l->fd, SHUT_RDWR);
    (void)close(l->fd);
    reactor_cancel(l->reactor, &l->connect);
    reactor_cancel(l->reactor, &l->receive);
    reactor_cancel(l->reactor, &l->send);
}

static void lost(struct tlslink *l, bool by_peer, const char *why)
{
    if (l->dead)
        return;
    die(l);
    l->cb.down(l, by_peer, why);
}

static bool closed_by_peer(int result)
{
    return result == 0 || result == -ECONNRESET || result == -EPIPE || result == -ECONNREFUSED;
}

static void start_receive(struct tlslink *l)
{
    if (l->dead || l->receive.busy)
        return;
    struct io_uring_sqe *sqe = reactor_entry(l->reactor, &l->receive);
    io_uring_prep_recv(sqe, l->fd, l->in, sizeof l->in, 0);
}

static void start_send(struct tlslink *l)
{
    if (l->dead || l->send.busy || !l->connected)
        return;
    if (l->out_at == l->out_len) {
        l->out_at = 0;
        l->out_len = framed_pull(l->framed, l->out, WRITE_BYTES);
    }
    if (l->out_at == l->out_len)
        return;
    struct io_uring_sqe *sqe = reactor_entry(l->reactor, &l->send);
    io_uring_prep_send(sqe, l->fd, l->out + l->out_at, l->out_len - l->out_at, MSG_NOSIGNAL);
}

static void on_sent(struct io_op *op, int result)
{
    struct tlslink *l = container_of(op, struct tlslink, send);
    if (l->dead) {
        release(l);
        return;
    }
    if (result <= 0) {
        lost(l, closed_by_peer(result), strerror(-result));
        release(l);
        return;
    }
    l->out_at += (size_t)result;
    start_send(l);
}

static void feed(struct tlslink *l, struct slice ciphertext)
{
    struct frame f;
    framed_feed(l->framed, ciphertext);
    while (!l->dead) {
        switch (framed_next(l->framed, &f)) {
        case FRAMED_MORE: start_send(l); return;
        case FRAMED_UP:
            l->deadline_ns = 0;
            l->cb.up(l, framed_peer(l->framed));
            break;
        case FRAMED_FRAME: l->cb.frame(l, &f); break;
        case FRAMED_CLOSED: lost(l, true, "closed"); break;
        case FRAMED_FAILED: lost(l, false, framed_error(l->framed)); break;
        }
    }
}

static void on_received(struct io_op *op, int result)
{
    struct tlslink *l = container_of(op, struct tlslink, receive);
    if (!l->dead && result <= 0)
        lost(l, closed_by_peer(result), result == 0 ? "closed" : strerror(-result));
    if (l->dead) {
        release(l);
        return;
    }
    l->entered = true;
    feed(l, slice_of(l->in, (size_t)result));
    l->entered = false;
    start_receive(l);
    release(l);
}

static void on_connected(struct io_op *op, int result)
{
    struct tlslink *l = container_of(op, struct tlslink, connect);
    if (!l->dead && result < 0)
        lost(l, closed_by_peer(result), strerror(-result));
    if (l->dead) {
        release(l);
        return;
    }
    l->connected = true;
    socket_tune(l->fd, TLSLINK_USER_TIMEOUT_MS);
    start_receive(l);
    l->entered = true;
    feed(l, (struct slice){0});
    l->entered = false;
    release(l);
}

static struct tlslink *link_new(struct reactor *r, struct tls_context *tls, int fd, bool server,
                                const struct tlslink_callbacks *cb)
{
    struct tlslink *l = calloc(1, sizeof *l);
    if (l != NULL) {
        l->out = malloc(WRITE_BYTES);
        l->framed = framed_new(tls, server);
    }
    if (l == NULL || l->out == NULL || l->framed == NULL) {
        if (l != NULL) {
            framed_free(l->framed);
            free(l->out);
        }
        free(l);
        (void)close(fd);
        return NULL;
    }
    l->reactor = r;
    l->fd = fd;
    l->cb = *cb;
    l->connect.done = on_connected;
    l->receive.done = on_received;
    l->send.done = on_sent;
    l->deadline_ns = reactor_now() + TLSLINK_CONNECT_MS * UINT64_C(1000000);
    return l;
}

struct tlslink *tlslink_connect(struct reactor *r, struct tls_context *tls, const char *to,
                                const char *from, const struct tlslink_callbacks *cb)
{
    struct sockaddr_storage target, source;
    socklen_t target_len = endpoint_parse(to, &target), source_len = endpoint_of(from, 0, &source);
    if (target_len == 0 || source_len == 0)
        return NULL;
    int fd = socket(target.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return NULL;
    if (bind(fd, (struct sockaddr *)&source, source_len) != 0) {
        (void)close(fd);
        return NULL;
    }
    struct tlslink *l = link_new(r, tls, fd, false, cb);
    if (l == NULL)
        return NULL;
    l->to = target;
    struct io_uring_sqe *sqe = reactor_entry(r, &l->connect);
    io_uring_prep_connect(sqe, fd, (struct sockaddr *)&l->to, target_len);
    return l;
}

struct tlslink *tlslink_accept(struct reactor *r, struct tls_context *tls, int fd,
                               const struct tlslink_callbacks *cb, void *owner)
{
    struct tlslink *l = link_new(r, tls, fd, true, cb);
    if (l == NULL)
        return NULL;
    l->owner = owner;
    l->connected = true;
    socket_tune(fd, TLSLINK_USER_TIMEOUT_MS);
    start_receive(l);
    return l;
}

void tlslink_own(struct tlslink *l, void *owner)
{
    if (l != NULL)
        l->owner = owner;
}

void *tlslink_owner(const struct tlslink *l) { return l->owner; }

static void sent(struct tlslink *l, bool ok)
{
    if (!ok)
        lost(l, false, framed_error(l->framed));
    else if (framed_pending(l->framed) > TLSLINK_QUEUE_MAX)
        lost(l, false, "the other end does not take what it is sent");
    else
        start_send(l);
}

void tlslink_send(struct tlslink *l, struct slice bytes)
{
    if (!l->dead && framed_up(l->framed))
        sent(l, framed_send(l->framed, bytes));
}

void tlslink_send_frame(struct tlslink *l, const struct frame *f)
{
    if (!l->dead && framed_up(l->framed))
        sent(l, framed_send_parts(l->framed, f));
}

void tlslink_close(struct tlslink *l)
{
    die(l);
    release(l);
}

void tlslink_check_time(struct tlslink *l, uint64_t now_ns)
{
    if (l->deadline_ns != 0 && l->deadline_ns <= now_ns) {
        lost(l, false, "no answer in time");
        release(l);
    }
}
