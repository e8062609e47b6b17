#pragma once
/* A framed TLS connection on the reactor: the node's line to a coordinator, and its links to other
 * nodes. As proto/daemon/link.h, for this loop.
 *
 * `down` comes exactly once unless the owner closed the link; afterwards the link is gone. */
#include "node/io/reactor.h"
#include "proto/cluster/frame.h"
#include "proto/daemon/tls.h"

enum { TLSLINK_QUEUE_MAX = 128 << 20, TLSLINK_CONNECT_MS = 3000, TLSLINK_USER_TIMEOUT_MS = 2000 };

struct tlslink;

struct tlslink_callbacks {
    void (*up)(struct tlslink *l, const struct tls_peer *peer);
    void (*frame)(struct tlslink *l, const struct frame *f); /* borrowed for the call */
    void (*down)(struct tlslink *l, bool by_peer, const char *why);
};

/* Begins to connect to "address:port" from the IP literal `from`. NULL when an address is bad or
 * memory is refused. */
struct tlslink *tlslink_connect(struct reactor *r, struct tls_context *tls, const char *to,
                                const char *from, const struct tlslink_callbacks *cb);
/* Takes an accepted socket; it is the link's. */
struct tlslink *tlslink_accept(struct reactor *r, struct tls_context *tls, int fd,
                               const struct tlslink_callbacks *cb, void *owner);
/* Whatever the owner wants to find again; set right after connecting. NULL is let pass. */
void tlslink_own(struct tlslink *l, void *owner);
void *tlslink_owner(const struct tlslink *l);
/* Queues a whole frame, or one made of parts; ignored when the link is not up. */
void tlslink_send(struct tlslink *l, struct slice bytes);
void tlslink_send_frame(struct tlslink *l, const struct frame *f);
/* No callback follows. What was queued is given up. */
void tlslink_close(struct tlslink *l);
/* Checks the time limit of connecting; call now and then. */
void tlslink_check_time(struct tlslink *l, uint64_t now_ns);

/* A listening socket on "address:port"; -errno on failure. */
int socket_listen(const char *address, uint32_t port);
/* Small messages at once, a dead peer noticed in seconds. */
void socket_tune(int fd, unsigned user_timeout_ms);
