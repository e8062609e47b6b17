/* See names.h. The search puts one operation after the other; next may come any whose request was
 * sent before the first answer to one that has not come yet. Where it has been (which operations
 * are done, and the state they led to) it does not go again. */
#include "tests/sim/names.h"
#include "tests/sim/world.h"

#define XXH_INLINE_ALL
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { VISITED_SLOTS = 1 << 16, VISITED_MOST = VISITED_SLOTS / 4 * 3 };

struct search {
    const struct names_space *space;
    uint64_t *visited; /* hashes; 0 is free */
    uint32_t visited_count;
};

/* Whether it is new there. */
static bool visit(struct search *x, uint64_t done, const struct names_state *s)
{
    uint64_t hash = XXH3_64bits_withSeed(s, sizeof *s, done);
    hash += hash == 0;
    for (uint64_t at = hash % VISITED_SLOTS;; at = (at + 1) % VISITED_SLOTS) {
        if (x->visited[at] == hash)
            return false;
        if (x->visited[at] != 0)
            continue;
        x->visited[at] = hash;
        x->visited_count++;
        return true;
    }
}

static bool as_answered(const struct names_op *op, const struct names_result *r)
{
    if (!op->answered)
        return true;
    if (op->status != r->status)
        return false;
    if (op->kind == NAMES_LIST)
        return op->size_seen == r->size;
    return op->kind != NAMES_CREATE || op->status != STATUS_OK ||
           (op->action == r->action && op->size_seen == r->size);
}

/* Recursion is as deep as there are operations in a space. */
static bool go_on(struct search *x, uint64_t done, const struct names_state *s)
{
    const struct names_space *p = x->space;
    uint64_t first_answer = UINT64_MAX;
    bool finished = true;
    for (uint32_t i = 0; i < p->count; i++) {
        if ((done >> i & 1) != 0 || !p->ops[i].answered)
            continue;
        finished = false;
        if (p->ops[i].end_ns < first_answer)
            first_answer = p->ops[i].end_ns;
    }
    if (finished)
        return true;
    for (uint32_t i = 0; i < p->count; i++) {
        struct names_state next = *s;
        struct names_result r;
        if ((done >> i & 1) != 0 || p->ops[i].begin_ns > first_answer)
            continue;
        if (!names_apply(&next, p->ops, i, &r) || !as_answered(&p->ops[i], &r))
            continue;
        uint64_t then = done | UINT64_C(1) << i;
        if (x->visited_count < VISITED_MOST && visit(x, then, &next) && go_on(x, then, &next))
            return true;
    }
    return false;
}

enum names_verdict names_check(const struct names_space *space)
{
    struct search x = {.space = space, .visited = take(VISITED_SLOTS * sizeof(uint64_t))};
    struct names_state s;
    memset(x.visited, 0, VISITED_SLOTS * sizeof(uint64_t));
    names_state_init(&s);
    bool found = go_on(&x, 0, &s);
    bool gave_up = x.visited_count >= VISITED_MOST;
    free(x.visited);
    return found ? NAMES_FINE : gave_up ? NAMES_TOO_LONG : NAMES_WRONG;
}
