#pragma once
/* A connection between daemons on a libuv loop: TCP, TLS, frames. The coordinators and the witness
 * use it from both ends.
 *
 *   link_connect / link_accept ──► up(peer) ── frame()* ──► down(by_peer, why)
 *
 * `down` comes exactly once for every link that was not closed by link_close, also when it never
 * came up; afterwards the link is gone. A link whose other end does not take what it is sent is
 * broken off at LINK_QUEUE_MAX: nothing is unbounded. */
#include "proto/cluster/frame.h"
#include "proto/daemon/tls.h"
#include <uv.h>

enum { LINK_QUEUE_MAX = 64 << 20, LINK_HANDSHAKE_MS = 5000, LINK_USER_TIMEOUT_MS = 2000 };

struct link;

struct link_callbacks {
    void (*up)(struct link *l, const struct tls_peer *peer);
    void (*frame)(struct link *l, const struct frame *f); /* borrowed for the call */
    /* by_peer: the other end closed, reset or refused it, rather than fell silent. */
    void (*down)(struct link *l, bool by_peer, const char *why);
};

/* Begins to connect to `to`, from `from` (an IP literal, or NULL for any). NULL when there is no
 * memory or an address is bad. Then link_own. */
struct link *link_connect(uv_loop_t *loop, struct tls_context *tls, const char *to,
                          const char *from, const struct link_callbacks *cb);
/* Takes the connection that `server` has waiting. NULL on failure. */
struct link *link_accept(uv_stream_t *server, struct tls_context *tls,
                         const struct link_callbacks *cb, void *owner);
/* Whatever the owner wants to find again; set right after connecting. NULL is let pass. */
void link_own(struct link *l, void *owner);
void *link_owner(const struct link *l);
/* "address:port" of the other end. */
const char *link_name(const struct link *l);
/* Queues whole frames; ignored when the link is not up. */
void link_send(struct link *l, struct slice bytes);
/* Queues one frame made of parts. */
void link_send_frame(struct link *l, const struct frame *f);
/* Says goodbye once everything queued has left, and is gone. No callback follows. */
void link_close(struct link *l);
/* Drops it at once. No callback follows. */
void link_abort(struct link *l);
