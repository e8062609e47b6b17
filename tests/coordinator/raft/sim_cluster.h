#pragma once
/* A cluster of Raft engines under one seed: virtual time, disks that lose what was not synced,
 * connections that keep the order and break, crashes, partitions, stalls, membership changes,
 * replaced servers, snapshots. The state machine is a hash chain over the commands it applied, so
 * that two servers agree on it only if they applied the same commands in the same order.
 *
 * Oracles, checked all the time: at most one leader a term; the same command at the same index
 * everywhere, chains equal; nothing applied is ever replaced; an acknowledged command is where the
 * acknowledgement said; a read sees every command that was acknowledged before it was asked.
 * At the end, after some seconds without faults: a leader, a commit, a read, all members equal. */
#include "coordinator/raft/raft.h"

struct sim_options {
    uint64_t seed;
    uint32_t without; /* enum raft_guard bits removed from the engines */
    bool lie;         /* disks say "durable" and forget */
    bool changes;     /* mostly membership changes, on four voters */
    bool elections;   /* mostly crashes, short ones, on slow disks */
    bool partitions;  /* mostly leaders cut off, on a fast network */
    bool verbose;
};

struct sim_result {
    char violation[256]; /* empty: none */
    uint64_t at_ms;
    uint64_t steps, commits, reads, crashes, elections, installs, changes, transfers, snapshots;
};

/* Runs one schedule. False when an oracle was violated. */
bool sim_run(const struct sim_options *options, struct sim_result *result);
