#include "coordinator/meta/oplock.h"

enum { ALL = CACHE_READ | CACHE_HANDLE | CACHE_WRITE };

/* 2.1.4.12 BreakCacheState. */
static uint8_t lost_by(enum cache_use use)
{
    switch (use) {
    case USE_ATTRIBUTES:
    case USE_CONTROL: return 0;
    case USE_OPEN: return CACHE_WRITE;
    case USE_SHARE:
    case USE_HANDLE: return CACHE_HANDLE;
    case USE_OVERWRITE:
    case USE_DATA:
    case USE_ENTRIES: break;
    }
    return CACHE_READ | CACHE_WRITE;
}

/* Who loses READ has nothing left. */
static uint8_t remains(uint8_t state, uint8_t lost)
{
    return (lost & CACHE_READ) != 0 ? 0 : (uint8_t)(state & ALL & ~lost);
}

static struct cache_verdict judge_lease(const struct cache_hold *hold, enum cache_use use)
{
    uint8_t lost = lost_by(use);
    struct cache_verdict v = {.to = hold->breaking ? remains(hold->to, lost)
                                                   : remains(hold->state, lost)};
    if ((hold->state & lost) == 0)
        return (struct cache_verdict){.to = hold->breaking ? hold->to : hold->state};
    v.breaks = true;
    /* An exclusive one always waits: what was written into the cache has to come first. Handles
     * that are kept open in a cache have to be closed first. */
    v.wait = (hold->state & CACHE_WRITE) != 0 || (lost & CACHE_HANDLE) != 0;
    return v;
}

static struct cache_verdict judge_oplock(const struct cache_hold *hold, enum cache_use use)
{
    struct cache_verdict v = {.to = hold->breaking ? hold->to : hold->state};
    bool exclusive = (hold->state & CACHE_WRITE) != 0;
    bool none = use == USE_OVERWRITE || use == USE_DATA;             /* BreakToNone */
    bool two = (use == USE_OPEN || use == USE_CONTROL) && exclusive; /* BreakToTwo */
    if (hold->state == 0 || (!none && !two))
        return v;
    v.breaks = true;
    v.wait = exclusive;
    v.to = none ? 0 : (uint8_t)(v.to & CACHE_READ);
    return v;
}

struct cache_verdict cache_judge(const struct cache_hold *hold, enum cache_use use)
{
    return hold->oplock ? judge_oplock(hold, use) : judge_lease(hold, use);
}

bool cache_acknowledges(uint8_t state) { return (state & (CACHE_WRITE | CACHE_HANDLE)) != 0; }

/* Can it be held beside the others? 2.1.5.18.1, 2.1.5.18.2. */
static bool fits(bool oplock, uint8_t state, const struct cache_others *others)
{
    if ((state & CACHE_WRITE) != 0)
        return !others->any && !others->exclusive && !others->opens;
    if (others->exclusive || others->locked)
        return false;
    if (oplock)
        return !others->handle;
    return (state & CACHE_HANDLE) == 0 || !others->level_two;
}

/* READ alone, or with the others; HANDLE and WRITE without READ are nothing. */
static bool valid(uint8_t state) { return (state & CACHE_READ) != 0 && (state & ~ALL) == 0; }

uint8_t cache_grant(bool oplock, uint8_t wanted, const struct cache_others *others)
{
    const uint8_t lesser[] = {wanted, (uint8_t)(wanted & ~CACHE_WRITE), CACHE_READ};
    if (!valid(wanted))
        return 0;
    for (int i = 0; i < 3; i++) {
        /* No oplock has HANDLE without WRITE. */
        bool is_oplock = (lesser[i] & CACHE_HANDLE) == 0 || (lesser[i] & CACHE_WRITE) != 0;
        if ((!oplock || is_oplock) && fits(oplock, lesser[i], others))
            return lesser[i];
    }
    return 0;
}

uint8_t cache_upgrade(uint8_t held, uint8_t wanted, const struct cache_others *others)
{
    if (held == 0)
        return cache_grant(false, wanted, others);
    bool more = valid(wanted) && (held & ~wanted) == 0 && wanted != held;
    return more && fits(false, wanted, others) ? wanted : held;
}
