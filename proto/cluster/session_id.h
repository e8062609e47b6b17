#pragma once
/* Which node a session's id was given by: its upper 16 bits are the node's. The others are random,
 * so that nobody guesses one; what they are worth nobody needs to know. */
#include <stdbool.h>
#include <stdint.h>

#define SESSION_ID_NODE_SHIFT 48

static inline uint64_t session_id_of(uint32_t node_id, uint64_t random)
{
    uint64_t mask = (UINT64_C(1) << SESSION_ID_NODE_SHIFT) - 1;
    return (uint64_t)(node_id & 0xFFFF) << SESSION_ID_NODE_SHIFT | (random & mask);
}

static inline bool session_id_names(uint64_t session_id, uint32_t node_id)
{
    return session_id >> SESSION_ID_NODE_SHIFT == (node_id & 0xFFFF);
}
