#pragma once
/* A snapshot: for Raft a small descriptor, on disk one file.
 *
 *   snapshot-<index>:  header (4096 bytes: the descriptor, with a checksum) | state bytes
 *
 * It is written under a temporary name, synced, renamed, synced: a file with its final name is
 * whole. The hash of the state is in the descriptor; it is checked when a snapshot arrives and at
 * start. */
#include "coordinator/raft/effects.h"
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#define SNAPSHOT_HEADER_BYTES 4096
#define CONFIGURATION_BYTES_MAX 3072 /* encoded: RAFT_MEMBERS_MAX servers with long addresses */

struct snapshot_descriptor {
    uint64_t index, term;  /* of the last entry it includes */
    uint64_t config_index; /* of the configuration below */
    uint64_t size, hash;   /* of the state */
    uint32_t config_len;
    uint8_t config[CONFIGURATION_BYTES_MAX];
};

/* Same contents? By index, term, size and hash. */
bool snapshot_same(const struct snapshot_descriptor *a, const struct snapshot_descriptor *b);
void snapshot_encode(uint8_t out[SNAPSHOT_HEADER_BYTES],
                     const uint8_t cluster[RAFT_CLUSTER_ID_BYTES],
                     const struct snapshot_descriptor *d);
/* Reads and verifies a whole file: header, size, hash. NULL when sound, else what is wrong. */
const char *snapshot_verify(struct slice file, const uint8_t cluster[RAFT_CLUSTER_ID_BYTES],
                            struct snapshot_descriptor *out);

/* Writes a state that comes in pieces to a temporary file. */
struct snapshot_writer {
    struct raft_file temp;
    struct snapshot_descriptor descriptor;
    uint64_t offset; /* bytes of state written so far */
    XXH3_state_t hash;
};

void snapshot_writer_begin(struct snapshot_writer *w, struct raft_effects *fx,
                           struct raft_file temp);
/* The bytes are borrowed by the effect: they must live as it does. */
void snapshot_writer_put(struct snapshot_writer *w, struct raft_effects *fx, struct slice piece);
uint64_t snapshot_writer_hash(const struct snapshot_writer *w);
/* Writes the header; the caller syncs, then renames to snapshot-<index>, then syncs. */
bool snapshot_writer_end(struct snapshot_writer *w, struct raft_effects *fx,
                         const uint8_t cluster[RAFT_CLUSTER_ID_BYTES]);
