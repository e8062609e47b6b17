#include "proto/daemon/framed.h"

#include "proto/base/must.h"
#include <stdlib.h>
#include <string.h>

enum { GROW_BYTES = 64 << 10 };

struct framed {
    struct tls *tls;
    uint8_t *in; /* plaintext: [at, len) is not yet dealt with */
    size_t at, len, cap;
    size_t wanted;          /* bytes of the frame that begins at `at`, as far as known */
    enum framed_event fate; /* MORE while all is well */
    bool up;
    const char *why;
};

struct framed *framed_new(struct tls_context *context, bool server)
{
    struct framed *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    f->tls = tls_new(context, server);
    if (f->tls == NULL) {
        free(f);
        return NULL;
    }
    f->wanted = FRAME_HEADER;
    return f;
}

void framed_free(struct framed *f)
{
    if (f == NULL)
        return;
    tls_free(f->tls);
    free(f->in);
    free(f);
}

static enum framed_event end(struct framed *f, enum framed_event fate, const char *why)
{
    f->fate = fate;
    f->why = why;
    return fate;
}

void framed_feed(struct framed *f, struct slice ciphertext)
{
    if (f->fate == FRAMED_MORE && tls_feed(f->tls, ciphertext) == TLS_FAILED)
        (void)end(f, FRAMED_FAILED, tls_error(f->tls));
}

/* Room for the frame that is under way, and some; what was dealt with is moved out. */
static bool make_room(struct framed *f)
{
    if (f->at > 0) {
        memmove(f->in, f->in + f->at, f->len - f->at);
        f->len -= f->at;
        f->at = 0;
    }
    size_t cap = f->wanted > f->len + GROW_BYTES ? f->wanted : f->len + GROW_BYTES;
    if (cap <= f->cap)
        return true;
    uint8_t *grown = realloc(f->in, cap);
    if (grown == NULL)
        return false;
    f->in = grown;
    f->cap = cap;
    return true;
}

static enum framed_event read_more(struct framed *f)
{
    if (!make_room(f))
        return end(f, FRAMED_FAILED, "out of memory");
    size_t got = 0;
    switch (tls_read(f->tls, f->in + f->len, f->cap - f->len, &got)) {
    case TLS_OK: f->len += got; return FRAMED_FRAME;
    case TLS_WANT: return FRAMED_MORE;
    case TLS_CLOSED: return end(f, FRAMED_CLOSED, "closed");
    case TLS_FAILED: return end(f, FRAMED_FAILED, tls_error(f->tls));
    }
    return end(f, FRAMED_FAILED, "unknown");
}

enum framed_event framed_next(struct framed *f, struct frame *out)
{
    if (f->fate != FRAMED_MORE)
        return f->fate;
    if (!f->up) {
        f->up = tls_established(f->tls);
        return f->up ? FRAMED_UP : FRAMED_MORE;
    }
    for (;;) {
        size_t used = 0;
        switch (frame_decode(slice_of(f->in ? f->in + f->at : NULL, f->len - f->at), out, &used)) {
        case FRAME_OK:
            f->at += used;
            f->wanted = FRAME_HEADER;
            return FRAMED_FRAME;
        case FRAME_BAD: return end(f, FRAMED_FAILED, "what arrived is not a frame");
        case FRAME_MORE: f->wanted = used; break;
        }
        enum framed_event r = read_more(f);
        if (r != FRAMED_FRAME)
            return r;
    }
}

const struct tls_peer *framed_peer(const struct framed *f) { return tls_peer(f->tls); }
bool framed_up(const struct framed *f) { return f->up && f->fate == FRAMED_MORE; }

bool framed_send(struct framed *f, struct slice bytes)
{
    if (!framed_up(f))
        return false;
    if (tls_write(f->tls, bytes) == TLS_OK)
        return true;
    (void)end(f, FRAMED_FAILED, tls_error(f->tls));
    return false;
}

bool framed_send_parts(struct framed *f, const struct frame *frame)
{
    uint8_t header[FRAME_HEADER];
    frame_header(header, frame);
    return framed_send(f, slice_of(header, sizeof header)) && framed_send(f, frame->control) &&
           framed_send(f, frame->data);
}

void framed_goodbye(struct framed *f) { tls_goodbye(f->tls); }
size_t framed_pull(struct framed *f, uint8_t *to, size_t cap) { return tls_pull(f->tls, to, cap); }
size_t framed_pending(const struct framed *f) { return tls_pending(f->tls); }
const char *framed_error(const struct framed *f)
{
    return f->why != NULL ? f->why : tls_error(f->tls);
}
