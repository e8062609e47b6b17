#include "proto/base/sm.h"

#include "proto/base/must.h"

void sm_init(struct sm *m, const char *what, const struct sm_state *table, uint8_t states,
             uint8_t first)
{
    must(states <= 32);
    must(first < states);
    *m = (struct sm){.table = table, .what = what, .states = states, .state = first};
}

void sm_move(struct sm *m, uint8_t to)
{
    must(to < m->states);
    must((m->table[m->state].may & MAY(to)) != 0);
    m->state = to;
}

const char *sm_name(const struct sm *m) { return m->table[m->state].name; }
