#pragma once
/* State machines as tables: each state has a name and the set of states it may go to. Every move
 * is checked and traced. Anything that waits has one. */
#include <stdint.h>

struct sm_state {
    const char *name;
    uint32_t may; /* bit set of MAY(state) */
};

#define MAY(state) (UINT32_C(1) << (state))

struct sm {
    const struct sm_state *table;
    const char *what; /* for the trace: "create", "group" */
    uint8_t states, state;
};

/* `what` and `table` live as long as the machine. */
void sm_init(struct sm *m, const char *what, const struct sm_state *table, uint8_t states,
             uint8_t first);
/* A move the table does not allow is a bug. */
void sm_move(struct sm *m, uint8_t to);
const char *sm_name(const struct sm *m);
