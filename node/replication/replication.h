#pragma once
/* Replication of file data: placement groups, primary-backup (DESIGN: PacificA's protocol, CRAQ's
 * apportioned reads, DRBD's activity log). A pure core over node/store and the links to other
 * nodes.
 *
 * The life of a WRITE. A client's node cuts it at region (1 MiB) and extent boundaries; each part
 * goes to its group's primary (passed on when that is another node: redirected I/O). The primary
 * orders it behind overlapping writes, sends the bytes to all in-sync members and stores its own
 * copy in parallel; when every in-sync member has them on stable storage it acknowledges. A member
 * that does not answer is first evicted by a Raft command (REP_DO_META GroupEvict); only then is
 * the write acknowledged without it, and not before the evicted one's read grant has run out.
 *
 * A READ is served by this node's own copy when it is in sync, holds a read grant of the primary
 * and knows of no unconfirmed write in the range; else by the primary. Without a node lease nothing
 * is served and nothing acknowledged (INV-3).
 *
 * A new primary first makes the in-sync members equal on the regions that may have been in flight
 * (their own memory of unconfirmed writes, and after a restart the durable intents), before it
 * serves those regions. A member that is not in sync is brought up to date by the primary and put
 * back by GroupRejoin, while clients go on.
 *
 * Once a write has been started anywhere it is never abandoned by its primary: it ends committed on
 * all in-sync members, or taken back from all (no space), whether its client still waits or not. */
#include "node/store/store.h"
#include "proto/base/bytes.h"
#include "proto/base/table.h"
#include "proto/cluster/meta.pb-c.h"

enum rep_result {
    REP_OK,
    REP_NO_SPACE,    /* STATUS_DISK_FULL; the old bytes are there as before */
    REP_UNAVAILABLE, /* no primary, no lease, no quorum in time: STATUS_FILE_NOT_AVAILABLE */
    REP_IO_ERROR,    /* every copy failed: STATUS_UNEXPECTED_IO_ERROR or device error */
};

enum rep_op {
    REP_READ,
    REP_WRITE,
    REP_ZERO,
    REP_MAP, /* where the range holds data: of its first extent, or less (see `until`) */
};

struct rep_file {
    uint32_t volume, first_group;
    uint64_t inode;
};

/* ---- events ---------------------------------------------------------------------------------- */

enum rep_event_type {
    REP_EV_SUBMIT,    /* a client's operation, whole: any offset, any length up to 8 MiB (ZERO, MAP:
                         any) */
    REP_EV_PEER,      /* a message from another node */
    REP_EV_PEER_UP,   /* link to a node established, both sides authenticated */
    REP_EV_PEER_DOWN, /* link lost: everything queued on it is lost */
    REP_EV_STORED,    /* outcome of a REP_DO_STORE */
    REP_EV_STORE_READY, /* the store has started; nothing is served before */
    REP_EV_META,        /* outcome of a REP_DO_META */
    REP_EV_CONFIG,      /* groups, volumes, nodes */
    REP_EV_LEASE,       /* valid until `until_ns`; 0 means not at all */
    REP_EV_RECLAIM,     /* drop all extents of an inode */
    REP_EV_TICK,
};

struct rep_submit {
    uint64_t token;
    enum rep_op op;
    struct rep_file file;
    uint64_t offset, len;
    const uint8_t *data;   /* WRITE: stays valid and unchanged until COMPLETE */
    uint8_t *into;         /* READ: room for len, the core's until COMPLETE; also written to by an
                              operation that fails. Aligned to STORE_BLOCK it saves a copy */
    struct ranges *ranges; /* MAP: the core's until COMPLETE; in bytes of the file */
    uint64_t deadline_ns;  /* give up then; 0: config.patience_ns from now */
};

struct rep_event {
    enum rep_event_type type;
    uint64_t now_ns; /* monotonic, never falls */
    union {
        struct rep_submit submit;
        /* Links are numbered: `session` rises with every new link to a node and there is one link
         * to a node at a time. Messages arrive whole and in order, or the link is down. */
        struct {
            uint32_t node_id;
            uint64_t session;
            struct slice control; /* one fl.Peer, not yet decoded; borrowed for the step */
            struct slice data;    /* lives until REP_DO_RELEASE{buf}; no data, no buf */
            handle buf;           /* the core RELEASEs it exactly once, in this step or later */
        } peer;
        struct {
            uint32_t node_id;
            uint64_t session;
        } link; /* PEER_UP, PEER_DOWN */
        struct {
            uint64_t token;
            struct store_outcome outcome;
        } stored;
        struct {
            const struct store_region *hot;
            uint32_t hot_count;
        } store_ready; /* STORE_DO_READY */
        struct {
            uint64_t token;
            const Fl__Reply *reply;
        } meta; /* reply NULL: outcome unknown */
        struct {
            const Fl__ClusterConfig *config;
            uint32_t node_id;
        } config; /* borrowed for the step */
        /* `session`: of the registration that the lease belongs to (Welcome.session). It counts
         * only once a CONFIG has shown this node with that session: a node that was declared down
         * and came back must not serve by the configuration of its former life. */
        struct {
            uint64_t until_ns, session;
        } lease;
        struct {
            uint32_t volume;
            uint64_t inode, ticket;
        } reclaim;
    };
};

/* ---- effects --------------------------------------------------------------------------------- */

enum rep_effect_type {
    REP_DO_COMPLETE, /* a SUBMIT is done */
    REP_DO_PEER,     /* send a message: bytes and borrowed data */
    REP_DO_STORE,    /* an operation on this node's store */
    REP_DO_META,     /* GroupEvict, GroupRejoin, ReclaimDone */
    REP_DO_RELEASE,  /* let go of a buffer that came with an event */
};

struct rep_effect {
    enum rep_effect_type type;
    union {
        struct {
            uint64_t token;
            enum rep_result result;
        } complete;
        /* Borrowed until the next step: the shell encrypts or copies while it carries the effect
         * out. On a link whose session is another one by now: dropped without a word. */
        struct {
            uint32_t node_id;
            uint64_t session;
            struct slice control, data;
        } peer;
        /* To the store at once and in order; never answered for STORE_CONFIRM. */
        struct {
            uint64_t token;
            struct store_op op;
        } store;
        /* The command lacks its node_id, incarnation and sequence: node/control adds them. Borrowed
         * until the next step. Always answered by a META event. */
        struct {
            uint64_t token;
            const Fl__Command *command;
        } meta;
        struct {
            handle buf;
        } release;
    };
};

enum { REP_EFFECTS_MAX = 256 };

struct rep_effects {
    uint32_t count;
    struct rep_effect items[REP_EFFECTS_MAX];
};

/* ---- the core -------------------------------------------------------------------------------- */

/* Bugs that the simulator's own test plants, to prove that it would find them. 0 in every program.
 */
enum rep_planted {
    REP_PLANT_SKIP_DURABLE = 1, /* a member answers before its store has the bytes durable */
    REP_PLANT_ACK_BEFORE_EVICT =
        2,                       /* acknowledge without a member whose eviction is not committed */
    REP_PLANT_READ_NO_LEASE = 4, /* serve a read without a node lease and read grant */
};

struct replication_config {
    uint32_t requests_max; /* SUBMITs in progress; one more is answered REP_UNAVAILABLE */
    uint32_t parts_max;    /* pieces of them on their way at a time; at most 1024 */
    uint32_t ops_max;      /* pieces in progress here as a primary, of all nodes */
    uint32_t applies_max;  /* writes in progress here as a member */
    uint32_t dirty_max;    /* unconfirmed writes remembered */
    uint32_t hot_max;      /* of the store: regions that may be recovered after a crash */
    uint32_t buffers_max;  /* 1 MiB buffers for reads that go to other nodes */
    uint32_t groups_max, nodes_max;
    uint64_t patience_ns;       /* how long a SUBMIT is retried */
    uint64_t member_timeout_ns; /* an in-sync member that leaves a message unanswered so long is
                                   evicted */
    uint64_t link_grace_ns;     /* ... or whose link has been down so long while it is needed */
    uint64_t grant_ns;          /* length of a read grant */
    uint64_t incarnation; /* of this process, rises with every start of the node: nanoseconds of the
                             wall clock, or a counter of starts below 2^32 */
    uint32_t planted;     /* enum rep_planted: 0 */
};

/* The defaults for a node. */
struct replication_config replication_defaults(void);

struct replication_stats {
    uint64_t reads, writes; /* SUBMITs completed well */
    uint64_t local_reads;   /* parts read from this node's own copy */
    uint64_t redirected;    /* parts passed on to another node: redirected I/O */
    uint64_t failed;        /* SUBMITs not completed well */
    uint64_t evictions, rejoins, takeovers;
    uint64_t cleaned_regions;               /* made equal after a takeover */
    uint64_t resync_regions, resync_bytes;  /* compared, copied */
    uint32_t requests, ops, dirty, resyncs; /* now */
};

struct replication;

/* NULL when memory is refused. Pools are sized here; `mem` outlives it, `config` is copied. */
struct replication *replication_new(struct mem *mem, const struct replication_config *config);
/* Accepts NULL. Buffers and SUBMITs in progress are forgotten: for the end of the process. */
void replication_free(struct replication *r);
/* `out` is empty on entry. What does not fit waits: replication_next_deadline is 0 then. */
void replication_step(struct replication *r, const struct rep_event *ev, struct rep_effects *out);
/* When a TICK is wanted at the latest; DEADLINE_NEVER for not at all. */
uint64_t replication_next_deadline(const struct replication *r);
/* Every invariant of the folder; fails by must(). */
void replication_check(const struct replication *r);
void replication_stats(const struct replication *r, struct replication_stats *out);
/* Until when, on this node's clock, it would acknowledge writes of the group as its primary; 0: it
 * would not. For the simulator's oracle of INV-3. */
uint64_t replication_serves_until(const struct replication *r, uint32_t group);
