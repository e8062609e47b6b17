/* SMB clients: [MS-SMB2] 2.1 direct TCP, a zero byte and a 24-bit length before each message.
 *
 * A message is received into a buffer of the node so that the data of a WRITE lies aligned for the
 * disk: the start is chosen by the kind of message that its first bytes announce. */
#include "node/io/shell.h"

#include "proto/base/list.h"
#include "proto/base/map.h"
#include "proto/base/must.h"
#include "proto/daemon/log.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    FRAME_MAX_BYTES = (8 << 20) + (16 << 10),
    SCRATCH_BYTES = 16 << 10,
    WRITE_DATA_AT = 64 + 48, /* where every known client puts the data of a WRITE */
    TRANSFORM_BYTES = 52,
    SMALL_BYTES = 8192, /* below this alignment does not matter */
    QUEUE_BYTES_MAX = 64 << 20,
    IOVECS_MAX = 64,
    IDLE_USER_TIMEOUT_MS = 30000,
};

/* Something to send: the head is a copy, the body lies in a buffer of the node. */
struct out {
    struct list link;
    handle buf;
    struct slice body;
    size_t head_len;
    uint8_t head[];
};

struct conn {
    struct smbnet *net;
    uint64_t id;
    int fd;
    bool dead, closing; /* closing: gone when the queue has left */
    bool entered;       /* somebody up the stack goes on with it: it is not to be freed */
    struct io_op receive, send;
    uint8_t scratch[SCRATCH_BYTES];
    size_t have;  /* bytes in scratch */
    handle frame; /* a large message being received */
    uint8_t *frame_at;
    size_t frame_len, frame_have;
    struct list queue;
    size_t queued, head_sent; /* bytes queued; of the first item already sent */
    struct msghdr message;
    struct iovec iov[IOVECS_MAX];
};

struct listener {
    struct smbnet *net;
    int fd;
    struct io_op accept;
};

struct smbnet {
    struct shell *shell;
    struct listener listeners[1 + SETTINGS_SMB_ADDRESSES_MAX];
    uint32_t listener_count;
    struct map conns; /* id → struct conn */
    uint64_t next_id;
};

static void start_receive(struct conn *c);
static void start_send(struct conn *c);

/* ---- the end of a connection ----------------------------------------------------------------- */

static void drop_queue(struct conn *c)
{
    for (struct list *l; (l = list_pop(&c->queue)) != NULL;) {
        struct out *o = container_of(l, struct out, link);
        node_buffer_put(c->net->shell->node, o->buf);
        free(o);
    }
    c->queued = 0;
}

static void release(struct conn *c)
{
    if (!c->dead || c->entered || c->receive.busy || c->send.busy)
        return;
    drop_queue(c);
    node_buffer_put(c->net->shell->node, c->frame);
    free(c);
}

/* `tell`: the node does not know yet. */
static void die(struct conn *c, bool tell)
{
    if (c->dead)
        return;
    c->dead = true;
    (void)map_remove_u64(&c->net->conns, c->id);
    (void)shutdown(c->fd, SHUT_RDWR);
    (void)close(c->fd);
    reactor_cancel(&c->net->shell->reactor, &c->receive);
    reactor_cancel(&c->net->shell->reactor, &c->send);
    if (tell) {
        struct smb_event smb = {.type = SMB_EV_DISCONNECT, .disconnect = {c->id}};
        shell_post(c->net->shell, &(struct node_event){.type = NODE_EV_SMB, .smb = &smb});
    }
}

void smbnet_close(struct smbnet *n, uint64_t id, const char *why)
{
    struct conn *c = map_get_u64(&n->conns, id);
    if (c == NULL)
        return;
    log_debug("closing SMB connection %llu: %s", (unsigned long long)id, why != NULL ? why : "");
    c->closing = true;
    if (list_empty(&c->queue)) {
        die(c, false);
        release(c);
    }
}

/* ---- sending --------------------------------------------------------------------------------- */

static void on_sent(struct io_op *op, int result)
{
    struct conn *c = container_of(op, struct conn, send);
    if (!c->dead && result <= 0)
        die(c, !c->closing);
    if (c->dead) {
        release(c);
        return;
    }
    size_t left = (size_t)result;
    c->queued -= left;
    while (left > 0) {
        struct out *o = container_of(list_first(&c->queue), struct out, link);
        size_t rest = o->head_len + o->body.len - c->head_sent;
        if (left < rest) {
            c->head_sent += left;
            break;
        }
        left -= rest;
        c->head_sent = 0;
        list_remove(&o->link);
        node_buffer_put(c->net->shell->node, o->buf);
        free(o);
    }
    start_send(c);
    if (c->closing && list_empty(&c->queue)) {
        die(c, false);
        release(c);
    }
}

static void add_iovec(struct conn *c, struct slice s, size_t *skip)
{
    if (*skip >= s.len) {
        *skip -= s.len;
        return;
    }
    c->iov[c->message.msg_iovlen++] =
        (struct iovec){(void *)(uintptr_t)(s.at + *skip), s.len - *skip};
    *skip = 0;
}

static void start_send(struct conn *c)
{
    if (c->dead || c->send.busy || list_empty(&c->queue))
        return;
    c->message = (struct msghdr){.msg_iov = c->iov};
    size_t skip = c->head_sent;
    list_each (l, &c->queue) {
        struct out *o = container_of(l, struct out, link);
        if (c->message.msg_iovlen + 2 > IOVECS_MAX)
            break;
        add_iovec(c, slice_of(o->head, o->head_len), &skip);
        add_iovec(c, o->body, &skip);
    }
    io_uring_prep_sendmsg(reactor_entry(&c->net->shell->reactor, &c->send), c->fd, &c->message,
                          MSG_NOSIGNAL);
}

void smbnet_send(struct smbnet *n, const struct smb_effect *e)
{
    struct conn *c = map_get_u64(&n->conns, e->send.conn);
    size_t len = e->send.head.len + e->send.body.len;
    struct out *o = NULL;
    if (c != NULL && !c->closing && c->queued + len <= QUEUE_BYTES_MAX)
        o = malloc(sizeof *o + 4 + e->send.head.len);
    if (o == NULL) {
        node_buffer_put(n->shell->node, e->send.buf);
        if (c != NULL && !c->closing) { /* it asks but does not read the answers */
            die(c, true);
            release(c);
        }
        return;
    }
    o->buf = e->send.buf;
    o->body = e->send.body;
    o->head_len = 4 + e->send.head.len;
    struct writer w = writer_of(o->head, o->head_len);
    write_u32_be(&w, (uint32_t)len);
    write_bytes(&w, e->send.head);
    list_push_back(&c->queue, &o->link);
    c->queued += o->head_len + o->body.len;
    start_send(c);
}

/* ---- receiving ------------------------------------------------------------------------------- */

static void deliver(struct conn *c, uint8_t *at, size_t len, handle buf)
{
    struct smb_event smb = {.type = SMB_EV_FRAME};
    smb.frame.conn = c->id;
    smb.frame.at = at;
    smb.frame.len = len;
    smb.frame.buf = buf;
    shell_step(c->net->shell, &(struct node_event){.type = NODE_EV_SMB, .smb = &smb});
}

/* Where in a page the message begins, so that the data of a WRITE begins one. */
static size_t offset_for(uint8_t first, size_t len)
{
    if (len < SMALL_BYTES)
        return 0;
    return STORE_BLOCK - WRITE_DATA_AT - (first == 0xFD ? TRANSFORM_BYTES : 0);
}

/* Takes one message from the scratch, or begins a large one. False: more bytes are needed, or the
 * connection is gone. */
static bool take_message(struct conn *c, size_t *at)
{
    size_t left = c->have - *at;
    if (left < 4)
        return false;
    const uint8_t *p = c->scratch + *at;
    size_t len = (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    if (p[0] != 0 || len > FRAME_MAX_BYTES || len == 0) {
        log_debug("SMB connection %llu: not an SMB message", (unsigned long long)c->id);
        die(c, true);
        return false;
    }
    if (left < 5)
        return false;
    size_t offset = offset_for(p[4], len);
    uint8_t *to = NULL;
    handle buf = node_buffer_get(c->net->shell->node, offset + len, &to);
    if (handle_none(buf)) {
        log_warn("no memory for a message of %zu bytes: closing connection %llu", len,
                 (unsigned long long)c->id);
        die(c, true);
        return false;
    }
    size_t here = left - 4 < len ? left - 4 : len;
    memcpy(to + offset, p + 4, here);
    *at += 4 + here;
    if (here == len) {
        deliver(c, to + offset, len, buf);
        return !c->dead;
    }
    c->frame = buf;
    c->frame_at = to + offset;
    c->frame_len = len;
    c->frame_have = here;
    return false;
}

static void take_messages(struct conn *c)
{
    size_t at = 0;
    while (!c->dead && take_message(c, &at))
        continue;
    if (c->dead)
        return;
    memmove(c->scratch, c->scratch + at, c->have - at);
    c->have -= at;
}

static void on_received(struct io_op *op, int result)
{
    struct conn *c = container_of(op, struct conn, receive);
    if (!c->dead && result <= 0)
        die(c, !c->closing);
    if (c->dead) {
        release(c);
        return;
    }
    c->entered = true; /* what the node makes of a message may be the end of the connection */
    if (handle_none(c->frame)) {
        c->have += (size_t)result;
        take_messages(c);
    } else if ((c->frame_have += (size_t)result) == c->frame_len) {
        handle buf = c->frame;
        c->frame = (handle){0};
        deliver(c, c->frame_at, c->frame_len, buf);
    }
    c->entered = false;
    if (!c->dead)
        start_receive(c);
    release(c);
}

static void start_receive(struct conn *c)
{
    if (c->closing)
        return;
    struct io_uring_sqe *sqe = reactor_entry(&c->net->shell->reactor, &c->receive);
    if (handle_none(c->frame))
        io_uring_prep_recv(sqe, c->fd, c->scratch + c->have, SCRATCH_BYTES - c->have, 0);
    else
        io_uring_prep_recv(sqe, c->fd, c->frame_at + c->frame_have, c->frame_len - c->frame_have,
                           MSG_WAITALL);
}

/* ---- accepting ------------------------------------------------------------------------------- */

static void address_text(int fd, bool peer, char out[64])
{
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    int r = peer ? getpeername(fd, (struct sockaddr *)&a, &len)
                 : getsockname(fd, (struct sockaddr *)&a, &len);
    const void *ip = a.ss_family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)&a)->sin6_addr
                                             : (void *)&((struct sockaddr_in *)&a)->sin_addr;
    if (r != 0 || inet_ntop(a.ss_family, ip, out, 64) == NULL)
        memcpy(out, "?", 2);
}

static void start_accept(struct listener *l)
{
    io_uring_prep_accept(reactor_entry(&l->net->shell->reactor, &l->accept), l->fd, NULL, NULL,
                         SOCK_CLOEXEC);
}

static void open_conn(struct smbnet *n, int fd)
{
    char peer[64], local[64];
    struct conn *c = map_count(&n->conns) < SHELL_CONNS_MAX ? calloc(1, sizeof *c) : NULL;
    if (c == NULL || !map_put_u64(&n->conns, n->next_id + 1, c)) {
        free(c);
        (void)close(fd);
        return;
    }
    c->net = n;
    c->id = ++n->next_id;
    c->fd = fd;
    c->receive.done = on_received;
    c->send.done = on_sent;
    list_init(&c->queue);
    socket_tune(fd, IDLE_USER_TIMEOUT_MS);
    address_text(fd, true, peer);
    address_text(fd, false, local);
    struct smb_event smb = {.type = SMB_EV_CONNECT};
    smb.connect.conn = c->id;
    smb.connect.peer = peer;
    smb.connect.local = local;
    shell_step(n->shell, &(struct node_event){.type = NODE_EV_SMB, .smb = &smb});
    if (map_get_u64(&n->conns, n->next_id) == c)
        start_receive(c);
}

static void on_accepted(struct io_op *op, int result)
{
    struct listener *l = container_of(op, struct listener, accept);
    if (result >= 0)
        open_conn(l->net, result);
    else if (result != -ECONNABORTED)
        log_warn("cannot accept an SMB connection: %s", strerror(-result));
    start_accept(l);
}

struct smbnet *smbnet_new(struct shell *s)
{
    struct smbnet *n = calloc(1, sizeof *n);
    must(n != NULL);
    n->shell = s;
    map_init(&n->conns, &s->mem, (uintptr_t)n);
    return n;
}

int smbnet_listen(struct smbnet *n, const char *address, uint32_t port)
{
    must(n->listener_count < array_len(n->listeners));
    int fd = socket_listen(address, port);
    if (fd < 0)
        return fd;
    struct listener *l = &n->listeners[n->listener_count++];
    *l = (struct listener){.net = n, .fd = fd, .accept = {.done = on_accepted}};
    start_accept(l);
    return 0;
}
