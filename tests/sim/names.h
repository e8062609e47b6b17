#pragma once
/* Names: what clients on different nodes do to a few files in one folder (make, open with share
 * modes, delete, rename, cut to a size, list, close) must look as if it had been done by one after
 * the other, each at some moment between its request and its answer, by the rules of [MS-FSA].
 *
 *   names.c        a client's part: what it does, what was answered       names_model.c  the rules
 *   names_check.c  is there such an order? (Wing and Gong's search, with Lowe's memory of where it
 *                  has been)
 *
 * Names are used in spaces: after some operations everybody moves on to fresh names. Spaces do not
 * touch each other, so each is judged by itself, and no search is long.
 *
 * An operation without an answer may have happened, at any time since, or never. When a client
 * loses its node, what it had open ends by itself at some time: since the last time the node
 * surely had it. */
#include "proto/smb/status.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    NAMES_IN_SPACE = 3,
    NAMES_OPS_MAX = 64,   /* of one space: bits of a set */
    NAMES_BEGUN_MAX = 16, /* operations of one space that are no close; each may need two ends */
    NAMES_OPENS_MAX = 3,  /* of one client */
};

enum names_kind {
    NAMES_CREATE,
    NAMES_CLOSE,
    NAMES_END,
    NAMES_DELETE,
    NAMES_RENAME,
    NAMES_SIZE,
    NAMES_LIST
};

enum { NAMES_READ = 1, NAMES_WRITE = 2, NAMES_REMOVE = 4 }; /* access and sharing */

struct names_op {
    enum names_kind kind;
    uint8_t client, open;                  /* open: the CREATE that it came from */
    uint8_t name;                          /* CREATE; RENAME: the new one */
    uint8_t disposition, access, share;    /* CREATE */
    bool delete_on_close, replace, marked; /* CREATE; RENAME; DELETE: marked, or no longer */
    uint32_t size;                         /* SIZE */
    bool answered;
    ntstatus status;
    uint32_t action, size_seen; /* of an answered CREATE; of LIST: a bit for each name */
    uint64_t begin_ns, end_ns;  /* end: UINT64_MAX without an answer */
};

struct names_space {
    struct names_op ops[NAMES_OPS_MAX];
    uint32_t count, begun;
};

/* ---- names_model.c: the rules, one operation after the other -------------------------------- */

/* Files and opens are known by the operation that made them. */
struct names_state {
    int8_t file_at[8];             /* of the first NAMES_IN_SPACE names; -1: none */
    int8_t file_of[NAMES_OPS_MAX]; /* of an open; -1: not open */
    uint32_t size[NAMES_OPS_MAX];
    uint64_t marked; /* files to be deleted when their last open ends */
};

struct names_result {
    ntstatus status;
    uint32_t action, size;
};

_Static_assert(sizeof(struct names_state) == 8 + 5 * NAMES_OPS_MAX + 8, "hashed: no gaps");

void names_state_init(struct names_state *s);
/* Does `ops[i]`. False when it cannot be at all: an open that is not there. */
bool names_apply(struct names_state *s, const struct names_op *ops, uint32_t i,
                 struct names_result *out);

/* ---- names_check.c -------------------------------------------------------------------------- */

enum names_verdict { NAMES_FINE, NAMES_WRONG, NAMES_TOO_LONG };

enum names_verdict names_check(const struct names_space *space);

/* ---- names.c: see client.h, oracle.h -------------------------------------------------------- */

struct client;
struct oracle;
struct call;
struct slice;

struct names_open {
    enum { NAMES_SHUT, NAMES_OPENING, NAMES_OPEN, NAMES_CLOSING } state;
    uint8_t op; /* its CREATE */
    uint64_t persistent, volatile_;
};

/* A client's part. */
struct names_client {
    uint32_t space;
    bool busy; /* an operation is under way: */
    uint8_t op;
    struct names_open folder; /* for listing; open or opening without being written down */
    struct names_open opens[NAMES_OPENS_MAX];
    uint64_t alive_ns; /* the node surely had our session then */
};

struct names_oracle {
    struct names_space **spaces;
    uint32_t count, cap;
    uint64_t operations, checked, too_long;
};

/* Everything that was done, space by space; a violation of the world when there is no order. */
void names_judge(struct oracle *o);
void names_fini(struct oracle *o);
/* One more operation, if none is under way. */
void names_next(struct client *c);
/* False: an answer that says nothing; the client had better leave. */
bool names_answered(struct client *c, const struct call *call, ntstatus status, struct slice msg);
/* The connection has gone, with all that was open. */
void names_left(struct client *c);
