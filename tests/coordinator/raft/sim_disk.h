#pragma once
/* A directory of the engine's files on a disk that keeps only what was synced: everything else may
 * be lost, torn or kept by a crash, in any combination. */
#include "coordinator/raft/raft.h"
#include "proto/base/prng.h"

#define SIM_FILES_MAX 256

struct sim_op {
    struct raft_effect effect;
    uint8_t *bytes; /* owned */
    uint64_t due_ns;
    bool reported; /* a lie: said to be durable, and is not */
    struct sim_op *next;
};

struct sim_file {
    struct raft_file file;
    uint8_t *bytes;
    size_t len;
    bool used;
};

struct sim_disk {
    struct sim_file files[SIM_FILES_MAX];
    struct sim_op *head, *tail;
    struct prng *prng;
    uint32_t latency_ms, lie_per_mille;
    uint64_t last_due_ns;
};

void sim_disk_init(struct sim_disk *d, struct prng *prng, uint32_t latency_ms, uint32_t lie);
void sim_disk_fini(struct sim_disk *d);
/* A FILE_* (not READ) or SYNC effect. */
void sim_disk_do(struct sim_disk *d, const struct raft_effect *effect, uint64_t now_ns);
/* When the next SYNC is done; UINT64_MAX: none under way. */
uint64_t sim_disk_due(const struct sim_disk *d);
/* The highest token of the SYNCs that are done at `now_ns`; 0: none. */
uint64_t sim_disk_done(struct sim_disk *d, uint64_t now_ns);
/* What was not synced is lost, kept or torn. */
void sim_disk_crash(struct sim_disk *d);
/* Nothing is left. */
void sim_disk_wipe(struct sim_disk *d);
/* The durable files, for START; returns how many. */
size_t sim_disk_load(struct sim_disk *d, struct raft_loaded_file out[SIM_FILES_MAX]);
/* Bytes of a durable file; empty when it is not there. */
struct slice sim_disk_file(const struct sim_disk *d, struct raft_file file);
