#pragma once
/* The bytes of the log's files; shared by log.c (writes) and recover.c (reads). */
#include "coordinator/raft/log.h"

#define RAFTLOG_VERSION 1
#define META_MAGIC UINT64_C(0x4154454d54464c46) /* "FLFTMETA" */
#define META_SLOT_BYTES (88 + 16 * RAFTLOG_ROSTER)
#define META_SLOT_APART 4096
#define SEGMENT_MAGIC UINT64_C(0x474f4c5454464c46) /* "FLFTTLOG" */
#define SEGMENT_HEADER_BYTES 112
#define RECORD_HEADER_BYTES 56
#define SEGMENT_RESET 1u /* flag: nothing before this segment counts */

struct meta_slot {
    uint64_t generation, server, term, vote, durable, disk;
    uint8_t cluster[RAFT_CLUSTER_ID_BYTES];
    struct raftlog_peer roster[RAFTLOG_ROSTER];
};

struct segment_header {
    uint32_t flags;
    uint64_t server, number, seq, durable, chain, first_index, prev_number, prev_bytes;
    uint8_t cluster[RAFT_CLUSTER_ID_BYTES];
};

struct record {
    uint64_t chain, seq, durable, index, term;
    enum entry_type type;
    struct slice data;
    uint64_t checksum; /* set by reading and by writing */
};

/* Bytes a record takes, padding included. */
size_t record_bytes(size_t data_len);
void meta_encode(uint8_t out[META_SLOT_BYTES], const struct meta_slot *m);
bool meta_decode(struct slice bytes, struct meta_slot *out);
void segment_encode(uint8_t out[SEGMENT_HEADER_BYTES], struct segment_header *h,
                    uint64_t *checksum);
bool segment_decode(struct slice bytes, struct segment_header *out, uint64_t *checksum);
/* Writes `r` and sets its checksum. `segment`: number of the segment it stands in. */
void record_encode(struct writer *w, struct record *r, uint64_t segment);
/* Reads the record at the head of `bytes`; false when there is no sound one. `at_least`: the least
 * `durable` it must have, asked before the checksum is computed (a scan is cheap that way). */
bool record_decode(struct slice bytes, uint64_t segment, uint64_t at_least, struct record *out);
