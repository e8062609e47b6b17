/* Message ids and credits, [MS-SMB2] 3.3.1.1, 3.3.1.2 and 3.3.5.2.3.
 *
 * The ids a client may use are those in [low, high) whose bit is clear. `high` moves up by every
 * credit granted, `low` over every id used; neither ever moves back, so no id is accepted twice.
 * Their distance is bounded by the ring: a client that leaves its oldest id unused gets no more
 * credits until it uses it, as 3.3.1.1 allows. */
#include "node/smb/window.h"

#include "proto/base/must.h"

static uint64_t word_bit(uint64_t id) { return UINT64_C(1) << (id % 64); }

static size_t word_index(uint64_t id) { return (size_t)(id % SMB_WINDOW_MAX) / 64; }

static bool is_used(const struct smb_window *w, uint64_t id)
{
    return (w->used[word_index(id)] & word_bit(id)) != 0;
}

void window_init(struct smb_window *w)
{
    *w = (struct smb_window){.low = 0, .high = 1, .credits = 1};
}

bool window_take(struct smb_window *w, uint64_t id, uint32_t charge)
{
    if (charge == 0)
        charge = 1;
    if (id < w->low || id >= w->high || w->high - id < charge)
        return false;
    for (uint64_t i = id; i < id + charge; i++)
        if (is_used(w, i))
            return false;
    for (uint64_t i = id; i < id + charge; i++)
        w->used[word_index(i)] |= word_bit(i);
    while (w->low < w->high && is_used(w, w->low)) {
        w->used[word_index(w->low)] &= ~word_bit(w->low);
        w->low++;
    }
    must(w->credits >= charge);
    w->credits -= charge;
    return true;
}

uint16_t window_grant(struct smb_window *w, uint32_t wanted, uint32_t limit)
{
    must(limit >= 1);
    must(limit <= SMB_CREDITS_MAX);
    if (wanted == 0 && w->credits == 0)
        wanted = 1; /* 3.3.1.2: a client without credits could never ask for one */
    uint64_t room = SMB_WINDOW_MAX - (w->high - w->low);
    if (w->high > UINT64_MAX - SMB_WINDOW_MAX)
        room = 0; /* 3.3.1.1: the numbers must not wrap; the connection runs dry instead */
    if (wanted > room)
        wanted = (uint32_t)room;
    uint32_t spare = w->credits < limit ? limit - w->credits : 0;
    if (wanted > spare)
        wanted = spare;
    w->high += wanted;
    w->credits += wanted;
    return (uint16_t)wanted;
}

void window_check(const struct smb_window *w)
{
    must(w->low <= w->high);
    must(w->high - w->low <= SMB_WINDOW_MAX);
    must(w->low == w->high || !is_used(w, w->low));
    uint32_t unused = 0;
    for (uint64_t i = w->low; i < w->high; i++)
        unused += !is_used(w, i);
    must(unused == w->credits);
}
