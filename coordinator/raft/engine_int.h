#pragma once
/* The inside of the engine: one struct, and which file does what with it.
 *
 *   engine.c    the public functions, dispatch of events, what is done at the end of every step
 *   start.c     START: recovery, bootstrap, joining
 *   update.c    raft_step() and what its update asks for: term, entries, messages, commit
 *   receive.c   messages from peers
 *   transfer.c  snapshots: taken here, fetched from the leader, served to a peer
 *   members.c   membership changes
 *   guards.c    what keeps libraft 0.22.1 safe */
#include <raft.h>

#include "coordinator/raft/effects.h"
#include "coordinator/raft/log.h"
#include "coordinator/raft/raft.h"
#include "coordinator/raft/readindex.h"
#include "coordinator/raft/snapshot.h"
#include "coordinator/raft/wire.h"
#include "proto/base/must.h"
#include "proto/base/sm.h"

#define NS_PER_MS UINT64_C(1000000)
#define PEERS_MAX 32
#define SNAPSHOTS_KEPT 2
#define TEMP_RECEIVED 1
#define TEMP_TAKEN 2
#define TRAILING_MIN 4096 /* G5 */

struct peer {
    uint64_t id; /* 0: free */
    bool up;
    uint64_t read_token;      /* of the FILE_READ under way for it, or 0 */
    struct wire_message pull; /* what it asked for */
    uint64_t pulled_ns;       /* when it last asked; 0: never */
    uint64_t told_ns;         /* when it was last told that it is a stranger */
};

/* A message that waits until term and vote are durable (G6). */
struct held {
    uint64_t peer;
    uint8_t *bytes;
    size_t len;
};

/* What one SYNC covers. */
struct written {
    uint64_t token, seq;
    uint64_t first, last; /* entries; none when last < first */
};

/* Saving a snapshot: IDLE ─► WRITING ─► SYNCING ─► RENAMING ─► IDLE when it was taken here, HELD
 * when it was fetched: until libraft takes it, or has no use for it. WRITING and HELD may be given
 * up. */
enum save_state { SAVE_IDLE, SAVE_WRITING, SAVE_SYNCING, SAVE_RENAMING, SAVE_HELD, SAVE_STATES };

struct save {
    struct sm state;
    uint64_t token; /* the SYNC it waits for */
    struct snapshot_writer writer;
};

/* A snapshot being fetched. writer.descriptor is what was promised. */
struct fetch {
    struct save save;
    uint64_t from;                   /* the peer that offered it */
    uint64_t offer_from, offer_term; /* of the last offer; in its name the snapshot is installed */
    struct snapshot_descriptor want;
    uint64_t asked_ns, progress_ns;
};

struct raft_engine {
    struct mem *mem;
    struct trace *trace;
    struct raft_engine_config config;
    uint64_t tag; /* of the cluster, for the wire */
    bool started, failed;

    struct raft raft;
    bool voting; /* G8: between guard_vote_begin and _end */
    struct raft_server voting_self;
    struct raft_configuration own_view;
    struct raft_tracer tracer;
    struct raft_entry *scratch; /* WIRE_ENTRIES_MAX of them */
    struct entries entries;
    struct raftlog log;

    uint64_t now_ns;
    struct raft_effects *out; /* of the step in progress */
    bool dirty;               /* this step wrote something: it ends with a SYNC */
    uint64_t token;           /* of the last SYNC asked for */
    uint64_t durable_token;
    uint64_t hold_token, meta_token; /* sends wait for the one; the other: the last write of meta */
    struct written *written;         /* SYNCs under way, oldest first */
    size_t written_count, written_cap;
    uint64_t step_first, step_last; /* entries written in this step */
    struct held *held;
    size_t held_count, held_cap;

    enum raft_role role;
    uint64_t role_term, role_leader; /* as last told to the shell */
    uint64_t lead_term;              /* term we lead, or 0 */
    uint64_t commit, applied;
    bool applying;
    size_t submits;                           /* uncommitted, with a token */
    const struct raft_submission *submitting; /* during the call */
    size_t submitting_count;

    struct readindex reads;
    struct peer peers[PEERS_MAX];
    uint64_t read_token; /* of the last FILE_READ */

    uint64_t change_token, change_index; /* membership change under way, index 0: none */

    uint64_t config_index; /* the last applied configuration */
    uint32_t config_len;
    uint8_t config_bytes[CONFIGURATION_BYTES_MAX];

    struct snapshot_descriptor snapshot; /* the newest durable one; index 0: none */
    struct snapshot_descriptor older;    /* the one before, still served; index 0: none */
    struct save taking;
    struct fetch fetch;
};

static inline bool guarded(const struct raft_engine *e, enum raft_guard guard)
{
    return (e->config.unsafe_without_guard & (uint32_t)guard) == 0;
}

/* engine.c */
void engine_fail(struct raft_engine *e, const char *why);
/* Encodes and sends, or holds (G6); to a peer that is down: nothing. */
void engine_send(struct raft_engine *e, struct wire_message *m);
/* The same for bytes already encoded; copied when held. */
void engine_send_bytes(struct raft_engine *e, uint64_t peer, struct slice bytes);
struct peer *engine_peer(struct raft_engine *e, uint64_t id);
uint64_t engine_leader(const struct raft_engine *e);
/* The token that the SYNC of this step will have; the step will end with one. */
uint64_t engine_sync(struct raft_engine *e);

/* start.c */
void engine_start(struct raft_engine *e, const struct raft_engine_event *event);
extern const struct sm_state save_states[];

/* update.c */
/* Calls raft_step and does what it asks; its return value. */
int engine_call(struct raft_engine *e, struct raft_event *event);
/* The same where any failure means the engine cannot go on. */
void engine_must_call(struct raft_engine *e, struct raft_event *event);
/* Proposes one entry of ours; a raft error code. */
int engine_propose(struct raft_engine *e, enum entry_type type, struct slice data);
void engine_submit(struct raft_engine *e, const struct raft_engine_event *event);
void engine_apply(struct raft_engine *e);
/* Decodes a checked configuration; false when memory is refused. */
bool configuration_decode(struct slice bytes, struct raft_configuration *out);

/* receive.c */
void engine_receive(struct raft_engine *e, uint64_t peer, struct slice frame);
void engine_reads(struct raft_engine *e);

/* transfer.c */
void transfer_offered(struct raft_engine *e, const struct wire_message *m);
void transfer_pull(struct raft_engine *e, const struct wire_message *m);
void transfer_chunk(struct raft_engine *e, const struct wire_message *m);
void transfer_read_done(struct raft_engine *e, uint64_t token, struct slice bytes);
void transfer_piece(struct raft_engine *e, const struct raft_engine_event *event);
/* After DISK_DONE: moves saves along. */
void transfer_durable(struct raft_engine *e);
/* Asks again for what did not come. */
void transfer_tick(struct raft_engine *e);
uint64_t transfer_deadline(const struct raft_engine *e);
/* Asks the shell for a snapshot when it is time. */
void transfer_threshold(struct raft_engine *e);
/* libraft took the offered snapshot: the log begins anew behind it. */
void transfer_install(struct raft_engine *e, struct raft_snapshot_metadata *metadata);

/* members.c */
void members_change(struct raft_engine *e, const struct raft_engine_event *event);
/* Promotes a standby that has caught up. */
void members_promote(struct raft_engine *e);
/* An entry of type change is being applied. */
void members_applied(struct raft_engine *e, uint64_t index, const struct entry *entry);
void members_lost(struct raft_engine *e);
size_t members_voters(const struct raft_configuration *c);
bool members_is_voter(const struct raft_configuration *c, uint64_t id);

/* guards.c */
/* G1: how many of the `count` entries from `at` on may be in one message. */
uint32_t guard_split(const struct raft_engine *e, const struct raft_entry *at, uint32_t count);
/* G2: may this configuration be proposed now? */
bool guard_change(const struct raft_engine *e, const struct raft_configuration *next);
bool guard_own_term(const struct raft_engine *e);
/* G4: is this offer the one being fetched already? */
bool guard_same_transfer(const struct raft_engine *e, const struct wire_message *m);
/* G5: the commit index as we believe it. */
uint64_t guard_commit(const struct raft_engine *e, uint64_t commit);
uint32_t guard_trailing(const struct raft_engine *e);
/* G6: must this send wait? */
bool guard_hold(const struct raft_engine *e);
/* G7: the term to start with, given the last configuration in the log. */
uint64_t guard_start_term(const struct raft_engine *e, const struct raft_configuration *c,
                          uint64_t term);
/* G8: around the handling of a request for a vote; and when a follower's timer runs out. */
void guard_vote_begin(struct raft_engine *e);
void guard_vote_end(struct raft_engine *e);
void guard_forget_leader(struct raft_engine *e);
/* G9: trims an AppendEntries that reaches back behind our log. */
void guard_behind(const struct raft_engine *e, struct wire_message *m);
/* G10: is this message from the disk its sender has always had? Learns the disks of newcomers. */
bool guard_disk(struct raft_engine *e, const struct wire_message *m);
bool guard_leaves_leader(const struct raft_engine *e, const struct raft_configuration *next);
