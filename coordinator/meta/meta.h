#pragma once
/* The cluster's metadata as a deterministic state machine: equal logs give equal states and
 * byte-equal snapshots (INV-7). It holds nodes, volumes, placement groups, shares, users, the
 * namespace, files, opens with share modes and delete-on-close; proto/cluster/meta.proto says what
 * can be asked of it. It knows no clock, no network and no Raft: commands carry the leader's time
 * and entropy, and whatever others must be told comes back as notices.
 *
 * A command may have to wait, e.g. a shrink for other nodes to let go of a cached size. Then its
 * reply is NULL now, and comes later among the `completions` of the command that ended the wait (an
 * InvalidateDone, or the NodeDown of the node that did not answer). No thread waits anywhere. */
#include "proto/base/arena.h"
#include "proto/cluster/meta.pb-c.h"

struct meta;

/* The answer to a command applied earlier, for the client that sent it. */
struct meta_completion {
    uint32_t node_id;
    uint64_t incarnation, sequence;
    Fl__Reply *reply;
};

/* What applying one command said; everything lives in the arena given to meta_apply. */
struct meta_output {
    Fl__Reply *reply; /* NULL: pending */
    struct meta_completion *completions;
    size_t completions_count;
    Fl__Notice **notices;
    size_t notices_count;
};

/* An empty state. `mem` outlives it and bounds it. NULL when refused. */
struct meta *meta_new(struct mem *mem);
/* Accepts NULL. */
void meta_free(struct meta *m);

/* Applies the command at log index `index` (strictly rising). A command already applied (same
 * node, incarnation, sequence) changes nothing and gives the remembered reply. Memory exhausted
 * gives STATUS_INSUFFICIENT_RESOURCES and leaves the state as it was. */
void meta_apply(struct meta *m, uint64_t index, const Fl__Command *command, struct arena *a,
                struct meta_output *out);

/* Answers from the state as it is; the caller has made sure that it is recent (ReadIndex). */
Fl__Reply *meta_query(const struct meta *m, const Fl__Query *query, struct arena *a);

/* The configuration every node serves by, in the arena; `secrets` includes the users' NT hashes. */
Fl__ClusterConfig *meta_config(const struct meta *m, bool secrets, struct arena *a);

/* For the leader's service: sessions and states of nodes without packing a whole configuration.
 * False when there is no such node. */
struct meta_node {
    uint32_t id;
    uint64_t incarnation, session;
    Fl__NodeState state;
};
bool meta_node(const struct meta *m, uint32_t node_id, struct meta_node *out);
/* The i-th node in id order; false past the end. */
bool meta_node_at(const struct meta *m, uint32_t i, struct meta_node *out);

/* FILETIME from which a BreakTimeout is due; UINT64_MAX: nothing waits for an acknowledgement. */
uint64_t meta_break_deadline(const struct meta *m);

/* The notices that a node which just registered must be told again: pending reclaims,
 * invalidations and breaks. In the arena. */
size_t meta_pending_notices(const struct meta *m, uint32_t node_id, struct arena *a,
                            Fl__Notice ***out);

/* The cluster's CA, for signing a joining machine's request; empty before ClusterInit. */
struct slice meta_ca_key(const struct meta *m);
struct slice meta_ca_cert(const struct meta *m);
/* The number of the node invited by this token hash, and its name in the arena; 0 when there is no
 * such invitation, or it has run out. */
uint32_t meta_invitation(const struct meta *m, struct slice token_hash, uint64_t now,
                         struct arena *a, char **name);

/* Canonical snapshot: equal states give equal bytes. The bytes are in memory taken from `mem` with
 * exactly `len`; the caller frees them with mem_free. False when refused. */
bool meta_save(const struct meta *m, struct mem *mem, uint8_t **bytes, size_t *len);
/* NULL when the bytes are not a whole, well-formed snapshot of a known format version. */
struct meta *meta_load(struct mem *mem, struct slice bytes);
/* The log index of the last command applied (also in the snapshot). */
uint64_t meta_index(const struct meta *m);

/* Bugs for the simulator to find. 0 everywhere else. */
enum meta_planted {
    META_PLANT_SHARING = 1 << 16, /* share modes hold among the opens of one node only */
    META_PLANT_MARKED = 1 << 17,  /* what is marked for deletion can still be opened */
};
void meta_plant(struct meta *m, uint32_t planted);

/* Every invariant of the state; fails by must(). For tests, the simulator, and on demand. */
void meta_check(const struct meta *m);
