#pragma once
/* The Raft engine: libraft's raft_step() with our own log, snapshots, wire and reads around it, as
 * one pure core. Events in, effects out; no clock, disk, network or thread inside. Everything is in
 * one `struct raft_engine`; the shell (or the simulator) owns sockets, files and the state machine.
 *
 *      peers ⇄ RECEIVE / SEND          clients ⇄ SUBMIT, READ / SUBMITTED, READ_READY
 *                       ┌───────────────────────────┐
 *      wire.c ──────────►  engine.c: raft_step()    ├──── APPLY, RESTORE, NEED_SNAPSHOT ──► state
 *                       └──┬─────────▲──────────────┘                                       machine
 *            log.c, snapshot.c   DISK_DONE, READ_DONE
 *                          ▼         │
 *                    files (shell: one writer thread, one fdatasync for many)
 *
 * The order a shell must keep:
 *  1. raft_engine_new; load every file of the directory (raft_file_parse tells which are ours) and
 *     make sure that what was read is durable: a process that was killed may have left bytes in the
 *     page cache only (fsync each file, then the directory); one START event. FATAL in its effects
 *     means: do not serve; the text says why.
 *  2. After each raft_engine_step carry out its effects in order. APPLY, RESTORE and NEED_SNAPSHOT
 *     are obeyed at once: NEED_SNAPSHOT names the index the state machine has just reached.
 *  3. Disk effects go, in order, to one writer. SYNC{token} means: when all that was asked before
 *     it is durable (file bytes, and the directory after create, rename, delete), say
 *     DISK_DONE{token}. Many SYNCs may be answered by one DISK_DONE with the highest token: that is
 *     the group commit.
 *     Any error: DISK_FAILED; the engine answers FATAL and takes no further event.
 *  4. SEND goes to the one connection of that peer, in order. Bytes that were not sent when a
 *     connection broke are dropped (guard G5); then PEER_DOWN, and PEER_UP once there is a new one.
 *     The engine itself sends nothing to a peer that is down.
 *  5. TICK when raft_engine_next_deadline() has come; every other event carries the time too.
 *  6. Slices in effects live until raft_effects_reset, whatever steps come between; those in events
 *     only during the step. A shell may feed an event while it still has effects to carry out, if
 * it lets the new ones follow in the same list. `failed` of the list is FATAL too. */
#include "proto/base/arena.h"
#include "proto/base/bytes.h"
#include "proto/base/mem.h"
#include "proto/base/trace.h"
#include <stdbool.h>
#include <stdint.h>

#define RAFT_CLUSTER_ID_BYTES 16
#define RAFT_MEMBERS_MAX 9
#define RAFT_ADDRESS_MAX 255                 /* bytes, without terminator */
#define RAFT_COMMAND_MAX (UINT32_C(4) << 20) /* bytes of one command */
#define RAFT_FRAME_MAX (UINT32_C(8) << 20)   /* bytes of one message between peers */

/* The guards of this engine around libraft 0.22.1; each is explained where it is enforced
 * (guards.c). Removing one is for the schedule fuzzer's own test only. */
enum raft_guard {
    RAFT_GUARD_SPLIT_CHANGES = 1 << 0,   /* G1: a configuration entry begins its message */
    RAFT_GUARD_OWN_TERM = 1 << 1,        /* G2: no change before an entry of this term committed */
    RAFT_GUARD_CONFIG_HELD = 1 << 2,     /* G2: every voter to be holds the last configuration */
    RAFT_GUARD_ONE_TRANSFER = 1 << 3,    /* G4: a snapshot is a descriptor; duplicates dropped */
    RAFT_GUARD_MONOTONE_COMMIT = 1 << 4, /* G5: the commit index never goes back */
    RAFT_GUARD_HOLD_VOTE = 1 << 5,       /* G6: nothing is sent before term and vote are durable */
    RAFT_GUARD_SYNC_BEFORE_ACK = 1 << 6, /* G6: entries count only after their SYNC is done */
    RAFT_GUARD_SOLE_VOTER = 1 << 7,      /* G7: a sole voter takes a new term at every start */
    RAFT_GUARD_READ_QUORUM = 1 << 8,     /* reads ask a majority */
    RAFT_GUARD_STANDBY_VOTES = 1 << 10,  /* G8: a standby votes, and forgets a silent leader */
    RAFT_GUARD_BEHIND = 1 << 11,         /* G9: entries from before our log are not appended */
    RAFT_GUARD_DISK = 1 << 12,           /* G10: a lost disk does not come back under its id */
    RAFT_GUARD_TRAILING = 1 << 9,        /* G5: thousands of entries stay behind a snapshot */
};

struct raft_engine_config {
    uint64_t id; /* this server's raft id, > 0; never used again once its disk is lost */
    uint8_t cluster[RAFT_CLUSTER_ID_BYTES]; /* files and messages of another cluster are refused */
    uint32_t election_timeout_ms;           /* 0: 500 */
    uint32_t heartbeat_ms;                  /* 0: 50 */
    uint32_t max_inflight;                  /* entries on the way to one peer; 0: 512 */
    uint32_t trailing;                      /* entries kept behind a snapshot; 0: 8192, see G5 */
    uint32_t snapshot_threshold;            /* entries between snapshots, at least; 0: 16384 */
    uint32_t segment_bytes;                 /* size at which a log segment is closed; 0: 8 MiB */
    uint32_t chunk_bytes;                   /* of a snapshot on the wire; 0: 256 KiB */
    uint32_t submits_max;                   /* uncommitted submissions at once; 0: 16384 */
    uint32_t unsafe_without_guard;          /* bits of enum raft_guard; 0 outside the fuzzer */
};

struct raft_member {
    uint64_t id;
    const char *address; /* the shell's; unique, at most RAFT_ADDRESS_MAX */
    bool voter;          /* else a standby: has the log, no vote */
};

/* A file of ours. The shell keeps all of them in one directory under raft_file_name(). */
enum raft_file_kind {
    RAFT_FILE_META = 1, /* term, vote */
    RAFT_FILE_LOG,      /* log segment `number` */
    RAFT_FILE_SNAPSHOT, /* snapshot at index `number` */
    RAFT_FILE_TEMP,     /* a snapshot being written or received; left-overs are deleted at start */
};

struct raft_file {
    enum raft_file_kind kind;
    uint64_t number;
};

#define RAFT_FILE_NAME_BYTES 32
/* "meta", "log-<16 hex>", "snapshot-<16 hex>", "temp-<16 hex>", NUL-terminated. */
void raft_file_name(struct raft_file f, char out[RAFT_FILE_NAME_BYTES]);
/* The inverse; false for a name that is not ours. */
bool raft_file_parse(const char *name, struct raft_file *out);
bool raft_file_equal(struct raft_file a, struct raft_file b);

struct raft_loaded_file {
    struct raft_file file;
    struct slice bytes; /* the whole file; borrowed during START only */
};

enum raft_start_as {
    RAFT_START_MEMBER,    /* this server has a disk; an empty one is refused */
    RAFT_START_BOOTSTRAP, /* first start of a new cluster; the same members on every one of them.
                           * With a disk that is not empty: as RAFT_START_MEMBER. To be said only
                           * until the first DISK_DONE: its peers notice a lost disk (G10), but a
                           * first member that began alone has none to ask */
    RAFT_START_JOIN,      /* first start of a server that was, or will be, added under this new id.
                           * With a disk that is not empty: as RAFT_START_MEMBER */
};

enum raft_member_change {
    RAFT_CHANGE_ADD,    /* add a standby; promoted to voter by itself once it has caught up */
    RAFT_CHANGE_REMOVE, /* remove a server; when it is the leader it steps down afterwards */
};

struct raft_submission {
    uint64_t token;       /* the shell's, not 0 */
    struct slice command; /* 1..RAFT_COMMAND_MAX bytes */
};

enum raft_engine_event_kind {
    RAFT_EV_START,
    RAFT_EV_TICK,
    RAFT_EV_RECEIVE,
    RAFT_EV_PEER_UP,
    RAFT_EV_PEER_DOWN,
    RAFT_EV_DISK_DONE,
    RAFT_EV_DISK_FAILED,
    RAFT_EV_READ_DONE,
    RAFT_EV_SUBMIT,
    RAFT_EV_READ,
    RAFT_EV_CHANGE,
    RAFT_EV_TRANSFER,
    RAFT_EV_SNAPSHOT,
};

struct raft_engine_event {
    enum raft_engine_event_kind kind;
    uint64_t now_ns; /* monotonic, never backwards */
    union {
        struct {
            enum raft_start_as as;
            const struct raft_member *members; /* BOOTSTRAP: the first voters, any order */
            size_t member_count;
            const struct raft_loaded_file *files; /* every file of ours in the directory */
            size_t file_count;
            uint64_t seed; /* entropy for election timers */
        } start;
        struct {
            uint64_t peer;      /* raft id the connection was authenticated for */
            struct slice frame; /* one whole message */
        } receive;
        uint64_t peer; /* PEER_UP, PEER_DOWN */
        struct {
            uint64_t token; /* all SYNCs up to this one are done */
        } disk_done;
        struct {
            const char *why; /* "No space left on device", ... */
        } disk_failed;
        struct {
            uint64_t token;     /* of the READ_FILE effect */
            struct slice bytes; /* shorter than asked: the file could not be read */
        } read_done;
        struct {
            const struct raft_submission *items; /* go out in one message and one log write */
            size_t count;
        } submit;
        struct {
            uint64_t token;
        } read;
        struct {
            uint64_t token;
            enum raft_member_change change;
            uint64_t id;
            const char *address; /* ADD */
        } change;
        struct {
            uint64_t to; /* 0: whoever is best */
        } transfer;
        struct {
            uint64_t index;     /* as NEED_SNAPSHOT said */
            struct slice bytes; /* the next piece of the state, any size */
            bool last, failed;  /* failed: the shell gives up; it will be asked again */
        } snapshot;
    };
};

enum raft_submit_status {
    RAFT_SUBMIT_COMMITTED,  /* applied at `index` */
    RAFT_SUBMIT_NOT_LEADER, /* surely not proposed; `leader` is a hint or 0 */
    RAFT_SUBMIT_BUSY,       /* surely not proposed: too much under way; try again */
    RAFT_SUBMIT_AMBIGUOUS,  /* leadership was lost: it may or may not be applied one day */
};

enum raft_change_status {
    RAFT_CHANGE_DONE, /* committed (ADD: as a standby) */
    RAFT_CHANGE_NOT_LEADER,
    RAFT_CHANGE_BUSY,      /* a guard or another change is in the way for now; try again */
    RAFT_CHANGE_REFUSED,   /* wrong id or address, or it would leave nobody to lead */
    RAFT_CHANGE_AMBIGUOUS, /* leadership was lost meanwhile */
};

enum raft_role { RAFT_ROLE_FOLLOWER, RAFT_ROLE_CANDIDATE, RAFT_ROLE_LEADER };

enum raft_effect_kind {
    RAFT_FX_SEND,
    RAFT_FX_FILE_CREATE, /* an empty file; one of the same name is replaced */
    RAFT_FX_FILE_WRITE,
    RAFT_FX_FILE_RENAME,
    RAFT_FX_FILE_DELETE, /* absent is fine */
    RAFT_FX_SYNC,
    RAFT_FX_FILE_READ, /* of a complete, durable file; answered by READ_DONE */
    RAFT_FX_APPLY,
    RAFT_FX_SUBMITTED,
    RAFT_FX_READ_READY,
    RAFT_FX_READ_FAILED,
    RAFT_FX_CHANGED,
    RAFT_FX_ROLE,
    RAFT_FX_RESTORE,
    RAFT_FX_NEED_SNAPSHOT,
    RAFT_FX_FATAL,
};

struct raft_effect {
    enum raft_effect_kind kind;
    union {
        struct {
            uint64_t peer;
            struct slice bytes;
        } send;
        struct {
            struct raft_file file, to; /* `to`: RENAME's new name */
            uint64_t offset;
            struct slice bytes; /* WRITE */
            uint64_t len;       /* READ */
            uint64_t token;     /* READ */
        } file;
        struct {
            uint64_t token;
        } sync;
        struct {
            uint64_t index, term;
            struct slice command;
            uint64_t token; /* of the SUBMIT here that this is, or 0 */
        } apply;            /* each index once, ascending; not every index is a command */
        struct {
            uint64_t token;
            enum raft_submit_status status;
            uint64_t index, leader;
        } submitted; /* COMMITTED comes right after its APPLY */
        struct {
            uint64_t token, index; /* READY: the state machine now holds at least this index */
            uint64_t leader;       /* FAILED: a hint or 0 */
        } read;
        struct {
            uint64_t token;
            enum raft_change_status status;
            uint64_t leader;
        } changed;
        struct {
            enum raft_role role;
            uint64_t term, leader; /* leader 0: not known */
        } role;
        struct {
            uint64_t index, term;
            struct raft_file file; /* durable and verified */
            uint64_t offset, len;  /* where in it the state is */
        } restore; /* replace the whole state machine by this, now; if that fails: stop */
        struct {
            uint64_t index;
        } need_snapshot; /* save the state as it is now, and hand it over by SNAPSHOT events */
        struct {
            const char *why; /* for the log; a literal, or lives as long as the engine */
        } fatal;
    };
};

/* A list that grows; owns the bytes of what is sent and written. */
struct raft_effects {
    struct mem *mem;
    struct arena arena;
    struct raft_effect *items;
    size_t count, cap;
    bool failed; /* memory was refused; the engine turns this into FATAL */
};

void raft_effects_init(struct raft_effects *fx, struct mem *mem);
void raft_effects_reset(struct raft_effects *fx);
void raft_effects_fini(struct raft_effects *fx);

struct raft_engine;

/* NULL when memory is refused. `mem` and `trace` (may be NULL) outlive the engine. */
struct raft_engine *raft_engine_new(const struct raft_engine_config *config, struct mem *mem,
                                    struct trace *trace);
/* Accepts NULL. Says nothing to anybody: as a crash, minus the torn writes. */
void raft_engine_free(struct raft_engine *e);
/* Appends to `out`. After FATAL every further event is ignored. */
void raft_engine_step(struct raft_engine *e, const struct raft_engine_event *event,
                      struct raft_effects *out);
/* When TICK is due, at the latest. */
uint64_t raft_engine_next_deadline(const struct raft_engine *e);

struct raft_engine_status {
    enum raft_role role;
    uint64_t id, term, leader;
    uint64_t commit, applied, last, stored, first; /* log indexes */
    uint64_t snapshot;                             /* index of the newest, 0: none */
    uint64_t config_index;                         /* of the configuration in force */
    size_t member_count;
    bool failed, change_pending;
};

void raft_engine_status(const struct raft_engine *e, struct raft_engine_status *out);
/* The i-th member in force (committed or not); false when there is none. The address lives until
 * the next step. */
bool raft_engine_member(const struct raft_engine *e, size_t i, struct raft_member *out);
/* On the leader: the last index the peer is known to hold; false elsewhere. */
bool raft_engine_match(const struct raft_engine *e, uint64_t peer, uint64_t *index);
/* Every invariant of the engine; must() when one is broken. For tests. */
void raft_engine_check(const struct raft_engine *e);
