#pragma once
/* The structs behind replication.h.
 *
 *   SUBMIT ─► request ─► part ──┬─ own copy ─────────────► STORE
 *                               ├─ this node is primary ─► op ─┬─► STORE, own
 *                               └─ passed on ─► PEER ─► op     └─► PEER ─► apply ─► STORE, a member
 *
 * What waits for an answer from outside is a `call`, named by a handle: a late answer finds
 * nothing. */
#include "node/replication/replication.h"
#include "proto/base/heap.h"
#include "proto/base/list.h"
#include "proto/base/must.h"
#include "proto/base/pool.h"
#include "proto/base/sm.h"
#include "proto/cluster/pack.h"
#include "proto/cluster/replication.pb-c.h"

enum {
    PEER_VERSION = 1,
    SLOTS_MAX = 8, /* nodes a group has to do with at a time: members, and fenced former ones */
    ORIGIN_WINDOW = 4096, /* client writes of one node that may be remembered as done */
    CONFIRMS_MAX = 128,   /* confirmations gathered for one node before they are sent */
    CLEANS_MAX = 8,       /* regions of a group that are made equal at a time */
    COPIES_MAX = 4,       /* regions of a resync compared or copied at a time */
    RESYNCS_MAX = 4,
    RING_SPARE = 1024,
    DIRTY_HASH = 4096,
};

#define MS UINT64_C(1000000)
#define TICK_NS (20 * MS)
#define CONFIRM_DELAY_NS (2 * MS)
#define RETRY_NS (30 * MS)
#define META_RETRY_NS (200 * MS)
#define RESYNC_RETRY_NS (2000 * MS)

/* ---- nodes and links ------------------------------------------------------------------------- */

struct peer {
    uint32_t node_id; /* 0: unused */
    uint64_t session; /* of the link; 0: down */
    uint64_t down_since;
    bool declared_up; /* by the configuration; false: it has no lease, or its process is gone */
    uint64_t config_session;
    uint64_t life; /* Node.incarnation, by the configuration */
    uint64_t confirms[CONFIRMS_MAX];
    uint32_t confirms_count;
    uint64_t confirm_due;
    uint64_t grant_asked;
    /* Writes of its clients that were carried out: bit id % ORIGIN_WINDOW for ids from window_base.
     */
    uint64_t window_base;
    uint64_t window[ORIGIN_WINDOW / 64];
    uint64_t window_unsure[ORIGIN_WINDOW / 64]; /* ... that may have been carried out or not */
};

struct volume {
    uint32_t id;
    uint64_t extent_bytes;
    uint32_t *groups;
    uint32_t groups_count, groups_cap;
};

struct origin {
    uint32_t node_id;
    uint64_t id, acked_below;
};

/* ---- groups ---------------------------------------------------------------------------------- */

/* This node's part in a group: MEMBER ──► COLLECTING ──► SERVING ──► MEMBER. MEMBER also stands for
 * having no part in it. */
enum group_state { GROUP_MEMBER, GROUP_COLLECTING, GROUP_SERVING, GROUP_STATES };

enum collect_state { COLLECT_NEEDED, COLLECT_ASKED, COLLECT_DONE };

/* Another node of a group, as the primary sees it. */
struct slot {
    uint32_t node_id; /* 0: unused */
    bool in_sync, member;
    bool catching;  /* a resync is under way: writes are sent to it too */
    bool rejoining; /* GroupRejoin was sent and its outcome is not known: counts as in sync */
    bool ask_again; /* ... and no answer will come: send it once more, to know */
    bool evicting;  /* GroupEvict was sent */
    bool lost;      /* an answer showed that it cannot go on */
    enum collect_state collect;
    uint64_t retry_at;          /* of evictions, collects, resyncs */
    uint64_t granted_until;     /* it may serve reads until then, whatever it is told */
    uint32_t catch_outstanding; /* writes sent to it while catching, unanswered */
};

/* A region that must be made equal before clients may use it. */
struct stain {
    struct list in_group;
    struct store_region region;
    struct op *op; /* the CLEAN under way */
};

struct group {
    uint32_t id, volume;
    uint64_t epoch; /* 0: not known yet */
    uint64_t
        promised; /* highest epoch seen in a message; above `epoch`: wait for the configuration */
    uint32_t primary;
    bool self_in_sync, gone;
    struct sm sm;
    struct slot slots[SLOTS_MAX];
    struct list ops;    /* in order of arrival */
    struct list stains; /* regions to be made equal */
    struct list dirty;  /* unconfirmed writes of this node's copy */
    struct list in_pump;
    uint32_t cleans; /* CLEAN ops under way */
    uint64_t starts; /* ops ever started */
    uint64_t collecting_since;
    uint64_t memory_since; /* this node knows what became of every write first sent in this epoch or
                              a later one */
    uint64_t grant_until;  /* this node may serve reads of its own copy */
    uint64_t fence_until; /* after a start: grants of unknown former members may count until then */
    bool self_evicting;
    uint64_t self_retry_at;
    struct resync *resync;
};

/* A write to this node's copy that is not known to be on all in-sync members. */
struct dirty {
    struct list in_group;
    struct store_extent extent;
    uint64_t offset, len;
    struct dirty *next_hash;
    uint32_t node_id;  /* the primary it came from, which named it */
    uint64_t write_id; /* 0: recovered from the journal, or not yet named */
    uint64_t epoch;    /* under which it came */
    struct origin origin;
    uint32_t pins;  /* of the store */
    uint32_t busy;  /* store operations under way */
    bool stored;    /* the bytes are durable here */
    bool undone;    /* ... or were taken back, or failed */
    bool unsure;    /* its region was overwritten by a primary's, which may have held it or not */
    bool confirmed; /* goes away when it is no longer busy */
};

/* ---- clients' operations --------------------------------------------------------------------- */

struct request {
    struct list in_requests; /* those with parts yet to be made */
    struct rep_submit submit;
    uint64_t issued, deadline;
    uint64_t life; /* of this node when it came; 0: not known then */
    uint32_t parts;
    enum rep_result result;
    bool failed;
};

enum part_state { PART_WAITING, PART_READING, PART_PRIMARY, PART_FORWARDED, PART_STATES };

struct part {
    struct list in_parts; /* r->parts, by id */
    struct request *request;
    struct sm sm;
    struct group *group;
    struct store_extent extent;
    uint64_t offset, len, id, retry_at, backoff, sent_epoch;
    uint64_t base; /* of the extent in the file */
    uint64_t
        first_epoch; /* of the first attempt that may have been carried out; 0: there is none */
    const uint8_t *data;
    uint8_t *into;
    struct ranges *ranges; /* MAP */
    handle call;
    bool poisoned;  /* READING: the range was written meanwhile */
    bool avoid_own; /* the own copy could not be read */
    bool given_up;
};

enum op_kind { OP_READ, OP_MAP, OP_WRITE, OP_ZERO, OP_CLEAN, OP_COPY };

/* At the primary, in order of arrival.
 *
 *   READ    QUEUED ─► READING ─► (answered)          ELSEWHERE when the own copy cannot be read
 *   MAP     QUEUED ─► READING ─► (answered)
 *   WRITE   QUEUED ─► WRITING ─► (acknowledged)      UNDO_FETCH ─► UNDO_WRITE when a member is full
 *   CLEAN,  QUEUED ─► COMPARING ─► FETCHING ─► PUSHING ─► (equal)
 *   COPY
 *   any     ─► REFUSED when a write failed: answered when its region is equal again
 *           ─► DEPOSED when this node is no longer the primary and its store is still busy */
enum op_state {
    OP_QUEUED,
    OP_READING,
    OP_ELSEWHERE,
    OP_WRITING,
    OP_UNDO_FETCH,
    OP_UNDO_WRITE,
    OP_COMPARING,
    OP_FETCHING,
    OP_PUSHING,
    OP_REFUSED,
    OP_DEPOSED,
    OP_STATES
};

/* DIFFERS: of COMPARING; becomes UNSENT for PUSHING. */
enum target_state {
    TARGET_NONE,
    TARGET_UNSENT,
    TARGET_SENT,
    TARGET_OK,
    TARGET_FULL,
    TARGET_DIFFERS
};

struct target {
    enum target_state state;
    handle call;
    uint64_t since; /* when it was first needed */
    uint64_t hash[2];
    uint64_t retry_at;
};

struct op {
    struct list in_group;
    struct group *group;
    struct sm sm;
    enum op_kind kind;
    struct store_extent extent;
    uint64_t offset, len;
    struct origin origin;
    struct part *part;   /* of this node's client, or NULL */
    uint32_t reply_node; /* of another node's client: where the answer goes, or 0 */
    uint64_t reply_session, reply_call;
    const uint8_t *data;  /* WRITE: of the SUBMIT, or within buf */
    handle buf, undo_buf; /* of the shell */
    const uint8_t *undo_data;
    uint8_t *buffer; /* 1 MiB, of the pool */
    uint64_t write_id, start_number, seed, first_epoch;
    Fl__PeerResult refusal; /* REFUSED: the answer, once the members are equal again */
    bool equal;
    struct dirty *dirty;
    bool own_busy, own_ok, own_full, own_failed;
    uint64_t own_hash[2];
    uint32_t tried; /* ELSEWHERE: bit set of slots */
    uint32_t undo_slot;
    struct target targets[SLOTS_MAX];
    struct stain *stain; /* CLEAN */
    uint32_t copy_slot;  /* COPY */
    uint64_t copy_run;   /* ... of this resync */
};

/* At a member: one PeerApply. */
struct apply {
    struct list in_applies;
    struct group *group;
    uint32_t node_id;
    uint64_t session, call;
    Fl__PeerOp op;
    bool list; /* a PeerList: entries in buffer */
    struct store_extent extent;
    uint64_t offset, len, seed, cursor, piece;
    const uint8_t *data;
    handle buf;
    uint8_t *buffer;
    struct dirty *dirty;
    bool sparse, answered;
};

/* ---- resync ---------------------------------------------------------------------------------- */

enum resync_phase { RESYNC_BARRIER, RESYNC_LISTING, RESYNC_WALKING, RESYNC_DRAIN, RESYNC_REJOIN };

struct resync {
    struct group *group;
    uint32_t slot;
    enum resync_phase phase;
    uint64_t barrier, run; /* run: which resync of this process it is */
    struct store_entry own[STORE_LIST_MAX], theirs[STORE_LIST_MAX], walk[2 * STORE_LIST_MAX];
    uint32_t own_count, theirs_count, walk_count, walk_at, copies;
    uint64_t region; /* of walk[walk_at]: the next to be compared */
    struct store_entry cursor;
    bool own_busy, own_done, theirs_done, theirs_more, last_page, failed;
    handle call;
};

/* ---- what answers come back to --------------------------------------------------------------- */

enum call_kind {
    CALL_STORE_PART,
    CALL_STORE_OP,
    CALL_STORE_APPLY,
    CALL_STORE_LIST,
    CALL_STORE_RECLAIM,
    CALL_FORWARD,
    CALL_APPLY, /* to a target of an op */
    CALL_CATCH, /* to a catching member: nobody waits */
    CALL_COLLECT,
    CALL_LIST,
    CALL_READ, /* a member's bytes: op in ELSEWHERE or UNDO_FETCH */
    CALL_EVICT,
    CALL_REJOIN,
    CALL_RECLAIM_DONE,
};

struct call {
    enum call_kind kind;
    handle self;
    uint32_t node_id; /* to a peer */
    uint64_t session, sent_at;
    union {
        struct part *part;
        struct op *op;
        struct apply *apply;
        struct group *group;
        struct resync *resync;
        struct reclaim *reclaim;
    };
    uint32_t slot_node;
};

struct reclaim {
    struct list in_reclaims;
    uint32_t volume;
    uint64_t inode, ticket, retry_at;
    bool deleted, busy;
};

/* An effect that waits for room, and a buffer that is free once the effect was carried out. */
struct ring_item {
    struct rep_effect effect;
    uint8_t *buffer;
};

struct replication {
    struct mem *mem;
    struct replication_config config;
    uint64_t now, next_tick;
    uint32_t node_id;
    bool store_ready, have_config;
    uint64_t lease_until, lease_session, config_session, config_version;
    uint64_t life; /* Node.incarnation of this node; 0: no configuration has told it yet */
    uint64_t next_part_id, next_write_id, resync_runs;
    struct arena in, out_arena;
    struct peer *peers;
    struct group **groups;
    uint32_t groups_count;
    struct volume *volumes;
    uint32_t volumes_count, volumes_cap;
    struct pool requests, parts, ops, applies, dirties, stains, calls, reclaims, resyncs;
    struct table call_table;
    struct list request_queue, part_list, apply_list, pump_list, reclaim_list;
    struct dirty *dirty_hash[DIRTY_HASH];
    uint8_t *buffer_memory, **buffers, **lent;
    uint32_t buffers_free, lent_count;
    struct ring_item *ring;
    uint32_t ring_head, ring_count, ring_max;
    struct rep_effects *out;
    struct replication_stats stats;
};

/* ---- replication.c --------------------------------------------------------------------------- */
void rep_emit(struct replication *r, const struct rep_effect *e, uint8_t *buffer_after);
/* Is there room for many more effects? Loops that start work ask first. */
bool rep_room(const struct replication *r);
struct call *call_new(struct replication *r, enum call_kind kind); /* NULL: none left */
void call_end(struct replication *r, struct call *c);
/* Accepts {0} and handles of calls that have ended. */
void call_cancel(struct replication *r, handle h);
void rep_store(struct replication *r, const struct call *c, const struct store_op *op);
void rep_confirm_pins(struct replication *r, const struct store_extent *x, uint64_t off,
                      uint32_t n);
void rep_release(struct replication *r, handle buf);
uint8_t *buffer_get(struct replication *r); /* NULL: none left */
void buffer_put(struct replication *r, uint8_t *buffer);
bool lease_valid(const struct replication *r);
struct group *group_get(const struct replication *r, uint32_t id);
/* Made when it is not known yet; NULL when there are too many. */
struct group *group_make(struct replication *r, uint32_t id);
struct slot *slot_of(struct group *g, uint32_t node_id);
void group_wake(struct replication *r, struct group *g);

static inline bool group_current(const struct group *g) { return g->promised <= g->epoch; }
static inline bool slot_required(const struct slot *s) { return s->in_sync || s->rejoining; }
static inline bool slot_target(const struct slot *s) { return slot_required(s) || s->catching; }
static inline bool extent_equal(const struct store_extent *a, const struct store_extent *b)
{
    return a->inode == b->inode && a->index == b->index && a->group == b->group &&
           a->volume == b->volume;
}
static inline bool ranges_meet(uint64_t a, uint64_t alen, uint64_t b, uint64_t blen)
{
    return a < b + blen && b < a + alen;
}

/* ---- peers.c: links, messages out and in, windows of done writes ----------------------------- */
struct peer *peer_get(const struct replication *r, uint32_t node_id);
struct peer *peer_make(struct replication *r, uint32_t node_id); /* NULL when there are too many */
bool peer_linked(const struct replication *r, uint32_t node_id);
/* Sends on the peer's link; false when it is down or memory is refused. `body` lacks call number
 * and confirmations. `buffer` (may be NULL) returns to the pool when the message has left. */
struct message {
    uint32_t node_id;
    uint64_t session; /* 0: whatever link there is */
    uint64_t call;
    Fl__Peer *body;
    struct slice data;
    uint8_t *buffer;
};
bool peer_send(struct replication *r, const struct message *m);
/* As peer_send for a request that is answered to `c`; the call ends when it could not be sent. */
bool peer_request(struct replication *r, struct call *c, const struct message *m);
void peer_confirm(struct replication *r, uint32_t node_id, uint64_t write_id);
void peer_flush_confirms(struct replication *r, bool all);
void peers_event(struct replication *r, const struct rep_event *ev);
void peers_up(struct replication *r, uint32_t node_id, uint64_t session);
void peers_down(struct replication *r, uint32_t node_id, uint64_t session);
/* Was it carried out, or may it have been? */
bool origin_done(const struct replication *r, const struct origin *o);
bool origin_unsure(const struct replication *r, const struct origin *o);
void origin_set_done(struct replication *r, const struct origin *o);
void origin_set_unsure(struct replication *r, const struct origin *o);
void origin_acked_below(struct replication *r, const struct origin *o);
void extent_to_wire(const struct store_extent *x, Fl__PeerExtent *out);
bool extent_from_wire(const Fl__PeerExtent *x, struct store_extent *out);
void origin_to_wire(const struct origin *o, Fl__PeerOrigin *out);
struct origin origin_from_wire(const Fl__PeerOrigin *o);

/* A decoded message on its way to its handler. */
struct incoming {
    struct peer *peer;
    uint64_t session;
    Fl__Peer *m;
    struct slice data;
    handle buf;
    bool kept; /* the handler has taken buf over */
};

/* ---- config.c -------------------------------------------------------------------------------- */
void config_event(struct replication *r, const struct rep_event *ev);
void config_group(struct replication *r, const Fl__Group *g);
void config_free(struct replication *r);
const struct volume *volume_get(const struct replication *r, uint32_t id);

/* ---- frontend.c ------------------------------------------------------------------------------ */
void frontend_submit(struct replication *r, const struct rep_submit *s);
void frontend_pump(struct replication *r);
void frontend_tick(struct replication *r);
void frontend_wake(struct replication *r);
void frontend_stored(struct replication *r, struct part *p, const struct store_outcome *o);
void frontend_forwarded(struct replication *r, struct part *p, const struct incoming *in);
void frontend_link_lost(struct replication *r, struct part *p);
void frontend_regrouped(struct replication *r, struct group *g);
/* The cluster had declared this node down, and it has begun anew. */
void frontend_new_life(struct replication *r);
/* The primary here has an answer for the part; PEER_RETRY sends it round again. */
void part_answer(struct replication *r, struct part *p, Fl__PeerResult result);
/* A write to the range is about to be stored: reads of the own copy under way are no longer sure.
 */
void frontend_poison(struct replication *r, const struct store_extent *x, uint64_t off,
                     uint64_t len);
uint64_t frontend_lowest(const struct replication *r);

/* ---- arrivals.c, primary.c, fanout.c, clean.c ------------------------------------------------ */
bool primary_serves(const struct replication *r, const struct group *g);
/* NULL when none is left. */
struct op *op_new(struct replication *r, struct group *g, enum op_kind kind);
void op_free(struct replication *r, struct op *op);
void op_answer(struct replication *r, struct op *op, Fl__PeerResult result);
void op_stored(struct replication *r, struct op *op, const struct store_outcome *o);
void primary_forward(struct replication *r, struct incoming *in);
bool primary_submit(struct replication *r, struct part *p);
void primary_pump(struct replication *r, struct group *g);
/* The part's client gives up. True when the part is free now, false when the store holds its
 * memory. */
bool primary_abandon(struct replication *r, struct part *p);
void primary_step_down(struct replication *r, struct group *g);
void primary_origin_gone(struct replication *r, uint32_t node_id);
bool op_conflict(const struct op *a, const struct op *b);
bool op_running(const struct op *op);
/* READ and MAP: they change nothing. */
static inline bool op_looks(const struct op *op)
{
    return op->kind == OP_READ || op->kind == OP_MAP;
}
/* The region is equal: writes in it that failed may be answered. */
void primary_answer_refused(struct replication *r, const struct op *clean);

void fanout_begin(struct replication *r, struct op *op);
void fanout_send(struct replication *r, struct op *op);
void fanout_applied(struct replication *r, struct op *op, uint32_t node_id,
                    const struct incoming *in);
void fanout_unsent(struct replication *r, struct op *op, uint32_t node_id);
void fanout_drop_slot(struct replication *r, struct group *g, uint32_t slot);
void fanout_cancel(struct replication *r, struct op *op);
bool fanout_all(const struct op *op, enum target_state state);
/* May what all required members have be acknowledged now? */
bool may_acknowledge(struct replication *r, const struct group *g);
bool read_from_member(struct replication *r, struct op *op, uint32_t slot);

void clean_begin(struct replication *r, struct op *op);
void clean_advance(struct replication *r, struct op *op);
void clean_pump(struct replication *r, struct group *g);
/* False when there is no room to remember it. */
bool stain_add(struct replication *r, struct group *g, const struct store_region *region);
bool stain_covers(const struct group *g, const struct op *op);
void stains_drop(struct replication *r, struct group *g);

/* ---- replica.c: this node as a member -------------------------------------------------------- */
/* NULL when none is left. `node_id` is the primary whose write it is, 0 and 0: of the journal. */
struct dirty *dirty_new(struct replication *r, struct group *g, uint32_t node_id,
                        uint64_t write_id);
void dirty_drop(struct replication *r, struct dirty *d); /* as soon as it is not busy */
void dirty_idle(struct replication *r, struct dirty *d); /* a store operation has ended */
bool dirty_meets(const struct group *g, const struct store_extent *x, uint64_t off, uint64_t len);
/* Those of `epoch` and before: this copy is not in sync any more, it will be compared as a whole.
 */
void dirty_drop_until(struct replication *r, struct group *g, uint64_t epoch);
void replica_apply(struct replication *r, struct incoming *in);
void replica_stored(struct replication *r, struct apply *a, const struct store_outcome *o);
void replica_collect(struct replication *r, struct incoming *in);
void replica_clean(struct replication *r, struct incoming *in);
void replica_confirmed(struct replication *r, uint32_t node_id, const Fl__Peer *m);
void replica_list(struct replication *r, struct incoming *in);
void replica_recovered(struct replication *r, const struct store_region *hot, uint32_t count);
/* Epoch rules for a message of a primary. False: it was refused or cannot be served now. */
bool replica_admits(struct replication *r, struct group *g, uint32_t node_id, uint64_t epoch);

/* ---- takeover.c ------------------------------------------------------------------------------ */
void takeover_begin(struct replication *r, struct group *g);
void takeover_pump(struct replication *r, struct group *g);
void takeover_collected(struct replication *r, struct group *g, uint32_t node_id,
                        const struct incoming *in);
void takeover_unanswered(struct group *g, uint32_t node_id);

/* ---- grants.c -------------------------------------------------------------------------------- */
void grants_tick(struct replication *r);
void grants_requested(struct replication *r, const struct incoming *in);
void grants_given(struct replication *r, const struct incoming *in);
bool grant_valid(const struct replication *r, const struct group *g);
/* How long a grant counts for the one who gave it: clocks may run apart by a tenth. */
static inline uint64_t grant_length(const struct replication *r)
{
    return r->config.grant_ns + r->config.grant_ns / 10;
}

/* ---- membership.c: evictions, rejoins, reclaims ---------------------------------------------- */
void membership_tick(struct replication *r, struct group *g);
void membership_reply(struct replication *r, struct call *c, const Fl__Reply *reply);
bool membership_rejoin(struct replication *r, struct group *g, struct slot *s);
void membership_evict_self(struct replication *r, struct group *g);
void reclaim_event(struct replication *r, const struct rep_event *ev);
void reclaim_stored(struct replication *r, struct reclaim *rc, const struct store_outcome *o);
void reclaim_tick(struct replication *r);

/* ---- resync.c -------------------------------------------------------------------------------- */
void resync_pump(struct replication *r, struct group *g);
void resync_fail(struct replication *r, struct group *g);
void resync_own_listed(struct replication *r, struct resync *y, const struct store_outcome *o);
void resync_listed(struct replication *r, struct resync *y, const struct incoming *in);
void resync_copied(struct replication *r, struct op *op, bool ok);
