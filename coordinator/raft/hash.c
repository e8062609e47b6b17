/* See hash.h. */
#include "coordinator/raft/hash.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash64(struct slice bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes.at, bytes.len, seed);
}
