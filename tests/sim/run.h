#pragma once
/* One seed: the cluster is founded, works while things go wrong (safety), and must then come to
 * rest with everything done (liveness), as TigerBeetle's VOPR does it. */
#include "tests/sim/cluster.h"

struct run_options {
    uint64_t seed;
    uint32_t planted; /* enum rep_planted | enum meta_planted | enum smb_planted */
    bool verbose;
};

struct run_result {
    bool violated;
    char violation[512];
    uint64_t at_ns, hash, events, messages, operations, crashes, cuts, pauses, atoms;
    uint64_t evictions, rejoins, takeovers, local_reads, redirected;
    uint64_t names, spaces, unjudged; /* operations on names; unjudged: the search was too long */
};

/* True when no oracle was violated. */
bool run_seed(const struct run_options *o, struct run_result *r);
