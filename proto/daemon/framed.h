#pragma once
/* Frames inside TLS, without I/O: ciphertext in, frames out, frames in, ciphertext out. Every
 * daemon's links and the administrator's command are thin loops around it. */
#include "proto/cluster/frame.h"
#include "proto/daemon/tls.h"

struct framed;

enum framed_event {
    FRAMED_MORE,   /* feed more ciphertext */
    FRAMED_UP,     /* once: the handshake is done, framed_peer knows who it is */
    FRAMED_FRAME,  /* `*out` is a whole frame, borrowed until the next framed_next */
    FRAMED_CLOSED, /* the other end said goodbye */
    FRAMED_FAILED, /* see framed_error; send what framed_pull still gives, then close */
};

/* The context outlives it. NULL when memory is refused. */
struct framed *framed_new(struct tls_context *context, bool server);
/* Accepts NULL. */
void framed_free(struct framed *f);
/* Ciphertext as it arrived; a client begins with an empty slice. Then call framed_next until MORE.
 */
void framed_feed(struct framed *f, struct slice ciphertext);
enum framed_event framed_next(struct framed *f, struct frame *out);
const struct tls_peer *framed_peer(const struct framed *f);
bool framed_up(const struct framed *f);
/* Queues whole frames as they are; false when the connection is not up or broken. */
bool framed_send(struct framed *f, struct slice bytes);
/* Queues one frame made of parts. */
bool framed_send_parts(struct framed *f, const struct frame *frame);
void framed_goodbye(struct framed *f);
/* Ciphertext to send. */
size_t framed_pull(struct framed *f, uint8_t *to, size_t cap);
size_t framed_pending(const struct framed *f);
const char *framed_error(const struct framed *f);
