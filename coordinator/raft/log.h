#pragma once
/* The durable log: segments of checksummed records, and the file of term and vote.
 *
 *   log-<n>:  header | record | record | ...          meta:  slot A (at 0) | slot B (at 4096)
 *
 * Everything written has a sequence number (headers too, never reused within what counts), the
 * checksum of its predecessor (the chain), and `durable`: the highest sequence number known to be
 * on stable storage when it was written. That last number decides what damage means:
 *
 *   - an unreadable record that nothing claims to be durable is a write torn by a crash: it and all
 *     after it are cut off;
 *   - an unreadable record at or below a `durable` found anywhere behind it, or in `meta`, is a
 *     hole in what was promised: the server refuses to start, nothing is truncated.
 *
 * A record whose index is not beyond the last one cuts the log there and takes its place (a
 * conflict with a new leader's log); nothing is ever overwritten. A segment names its predecessor
 * and how many bytes of it count, so what a recovery cut off stays cut off. A segment with the flag
 * RESET begins the log anew behind an installed snapshot.
 *
 * Term and vote have two slots and a generation. A new generation never goes to the slot that holds
 * the last durable one; once it is durable itself the other slot gets a copy, so that one damaged
 * slot loses nothing. Beside them stands the roster: which disk each server was first seen with. */
#include "coordinator/raft/effects.h"
#include "coordinator/raft/entries.h"

#define RAFTLOG_ROSTER 32

/* A server, and the disk it was first seen with. */
struct raftlog_peer {
    uint64_t id, disk;
};

struct raftlog_segment {
    uint64_t number, seq, first_index; /* seq: of its header */
};

struct raftlog {
    struct mem *mem;
    uint8_t cluster[RAFT_CLUSTER_ID_BYTES];
    uint64_t server;
    uint32_t segment_bytes;
    struct raftlog_segment *segments; /* oldest first */
    size_t segment_count, segment_cap;
    uint64_t next_number;     /* of the next segment */
    uint64_t tail_bytes;      /* how much of the last segment counts */
    bool open;                /* the last segment takes appends */
    uint64_t next_seq, chain; /* for the next record */
    uint64_t durable;         /* sequence number */
    uint64_t generation, term, vote;
    uint32_t slot; /* of meta: holds the last durable generation */
    uint64_t disk; /* this disk's own number, drawn when it was formatted */
    struct raftlog_peer roster[RAFTLOG_ROSTER]; /* id 0: free */
    bool slot_pending;                          /* the other one has been given a newer one */
};

void raftlog_init(struct raftlog *l, struct mem *mem, const struct raft_engine_config *config);
void raftlog_fini(struct raftlog *l);

/* Reads meta and log. `out` receives the entries. Emits deletions of segments that do not count.
 * NULL when all is well, else why this server must not start (a literal). */
const char *raftlog_recover(struct raftlog *l, const struct raft_loaded_file *files, size_t count,
                            struct entries *out, struct raft_effects *fx);
/* Was a disk never used: no meta, no log? */
bool raftlog_empty(const struct raftlog *l);

/* The first write of all: creates meta. `disk`: a random number, not 0. */
bool raftlog_format(struct raftlog *l, struct raft_effects *fx, uint64_t term, uint64_t disk);
/* Rewrites term and vote as they are, with the roster as it is now. */
bool raftlog_roster(struct raftlog *l, struct raft_effects *fx);
/* Writes term and vote. The caller emits a SYNC and lets nothing out before it is done. False when
 * memory is refused, here and below. */
bool raftlog_term_vote(struct raftlog *l, struct raft_effects *fx, uint64_t term, uint64_t vote);
/* The last term and vote written are durable: copies them to the other slot. */
bool raftlog_term_vote_durable(struct raftlog *l, struct raft_effects *fx);
/* Writes entries [from, to] of `entries`, opening a new segment when the last one is full. */
bool raftlog_append(struct raftlog *l, struct raft_effects *fx, const struct entries *entries,
                    uint64_t from, uint64_t to);
/* Begins the log anew: the next entry has index `next`. Older segments go by raftlog_drop. */
bool raftlog_reset(struct raftlog *l, struct raft_effects *fx, uint64_t next);
/* All up to sequence number `seq` is durable. */
void raftlog_durable(struct raftlog *l, uint64_t seq);
/* Deletes segments that hold nothing at or after index `keep`. */
void raftlog_drop(struct raftlog *l, struct raft_effects *fx, uint64_t keep);
/* Sequence number of the last thing written. */
uint64_t raftlog_written(const struct raftlog *l);
