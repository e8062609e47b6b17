/* See readindex.h. */
#include "coordinator/raft/readindex.h"
#include "proto/base/must.h"
#include <string.h>

#define READS_FIRST 64

static size_t reads_count(const struct readindex *r)
{
    return r->confirmed + r->asked + r->waiting;
}

void readindex_init(struct readindex *r, struct mem *mem) { *r = (struct readindex){.mem = mem}; }

void readindex_fini(struct readindex *r)
{
    mem_free(r->mem, r->items, r->cap * sizeof *r->items);
    *r = (struct readindex){0};
}

static bool reads_room(struct readindex *r)
{
    if (r->head + reads_count(r) < r->cap)
        return true;
    if (r->head > r->cap / 2) {
        memmove(r->items, r->items + r->head, reads_count(r) * sizeof *r->items);
        r->head = 0;
        return true;
    }
    size_t cap = r->cap == 0 ? READS_FIRST : r->cap * 2, size = sizeof *r->items;
    void *grown = r->items == NULL ? mem_array(r->mem, cap, size)
                                   : mem_resize(r->mem, r->items, r->cap * size, cap * size);
    if (grown == NULL)
        return false;
    r->items = grown, r->cap = cap;
    return true;
}

bool readindex_add(struct readindex *r, uint64_t token)
{
    if (!reads_room(r))
        return false;
    r->items[r->head + reads_count(r)] = (struct readindex_item){.token = token};
    r->waiting++;
    return true;
}

bool readindex_begin(struct readindex *r, uint64_t commit, uint64_t now_ns)
{
    if (r->asking || r->waiting == 0)
        return false;
    must(r->asked == 0);
    for (size_t i = 0; i < r->waiting; i++)
        r->items[r->head + r->confirmed + i].index = commit;
    r->asked = r->waiting;
    r->waiting = 0;
    r->round++;
    r->asking = true;
    r->sent_ns = now_ns;
    r->ack_count = 0;
    return true;
}

bool readindex_acked(const struct readindex *r, uint64_t peer)
{
    for (size_t i = 0; i < r->ack_count; i++) {
        if (r->acks[i] == peer)
            return true;
    }
    return false;
}

bool readindex_ack(struct readindex *r, uint64_t round, uint64_t peer)
{
    if (!r->asking || round != r->round || readindex_acked(r, peer))
        return false;
    if (r->ack_count == READINDEX_ACKS_MAX)
        return false;
    r->acks[r->ack_count++] = peer;
    return true;
}

void readindex_confirm(struct readindex *r)
{
    must(r->asking);
    r->confirmed += r->asked;
    r->asked = 0;
    r->asking = false;
}

static struct readindex_item reads_pop(struct readindex *r)
{
    struct readindex_item item = r->items[r->head++];
    if (r->confirmed > 0)
        r->confirmed--;
    else if (r->asked > 0)
        r->asked--;
    else
        r->waiting--;
    if (reads_count(r) == 0)
        r->head = 0;
    return item;
}

bool readindex_ready(struct readindex *r, uint64_t applied, struct readindex_item *out)
{
    if (r->confirmed == 0 || r->items[r->head].index > applied)
        return false;
    *out = reads_pop(r);
    return true;
}

bool readindex_fail(struct readindex *r, uint64_t *token)
{
    r->asking = false;
    if (reads_count(r) == 0)
        return false;
    *token = reads_pop(r).token;
    return true;
}
