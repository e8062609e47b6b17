#pragma once
/* What coordinators say to each other: libraft's six messages in an encoding of our own, the
 * questions of ReadIndex, and the stream of a snapshot. Frames come from authenticated peers, and
 * are still decoded as a stranger's: libraft parses without bounds, so only what passed here
 * reaches it.
 *
 *   u8 version 1, u8 kind, u16 0, u32 0, u64 cluster tag, from, to, disk, term, then the body
 *
 * `from` and `to` are raft ids: a server that was replaced under the same address is not taken for
 * its predecessor. `disk` is the number of the sender's disk: nor is one that lost its disk taken
 * for itself (G10). */
#include "coordinator/raft/entries.h"
#include "coordinator/raft/raft.h"

enum wire_kind {
    WIRE_APPEND = 1,
    WIRE_APPEND_RESULT,
    WIRE_VOTE,
    WIRE_VOTE_RESULT,
    WIRE_INSTALL, /* a snapshot's descriptor; its bytes are fetched by PULL and CHUNK */
    WIRE_TIMEOUT_NOW,
    WIRE_READ_ASK,    /* am I still your leader in this term? */
    WIRE_READ_ANSWER, /* yes; there is no no */
    WIRE_PULL,        /* the next chunk, please */
    WIRE_CHUNK,       /* len 0 and size > 0: that snapshot is gone */
    WIRE_HELLO,       /* first on every connection, so that disks become known */
    WIRE_STRANGER,    /* you had another disk when we first met */
};

#define WIRE_INDEX_MAX (UINT64_C(1) << 62) /* sums of two never wrap */
#define WIRE_ENTRIES_MAX 4096              /* of one APPEND */
#define WIRE_HEADER_BYTES 48

struct wire_message {
    enum wire_kind kind;
    uint64_t from, to, disk, term;
    union {
        struct {
            uint64_t prev_index, prev_term, commit;
            uint32_t count;
            struct slice entries; /* verified; walk with wire_entry() */
        } append;
        struct {
            uint64_t rejected, last_index;
        } append_result;
        struct {
            uint64_t last_index, last_term;
            bool disrupt;
        } vote; /* and TIMEOUT_NOW */
        struct {
            bool granted;
        } vote_result;
        struct {
            uint64_t index, snapshot_term, config_index, size, hash;
            struct slice config;
        } install;
        struct {
            uint64_t round;
        } read;
        struct {
            uint64_t index, snapshot_term, hash, offset;
            uint32_t len;       /* PULL */
            struct slice bytes; /* CHUNK */
        } chunk;
        struct {
            uint64_t disk; /* the one first seen */
        } stranger;
    };
};

struct wire_entry {
    uint64_t term;
    enum entry_type type;
    struct slice data;
};

/* Short form of the cluster's id. */
uint64_t wire_cluster_tag(const uint8_t cluster[RAFT_CLUSTER_ID_BYTES]);
/* Bytes wire_encode will write for `m` (an APPEND: without its entries). */
size_t wire_size(const struct wire_message *m);
/* Encodes; the entries of an APPEND follow by wire_entry_encode, `append.count` of them. */
void wire_encode(struct writer *w, uint64_t tag, const struct wire_message *m);
size_t wire_entry_size(size_t data_len);
void wire_entry_encode(struct writer *w, const struct wire_entry *e);
/* False when anything is wrong with the frame: it is dropped. Slices are borrowed from it. */
bool wire_decode(struct slice frame, uint64_t tag, struct wire_message *out);
/* The next entry of a verified APPEND. */
struct wire_entry wire_entry(struct reader *r);
/* Is this libraft's encoding of a configuration that this engine would make? */
bool wire_configuration_check(struct slice bytes);
