#pragma once
/* What clients may see (INV-1, INV-2). The unit is 512 bytes, which hold the number of the write
 * that put them there. Writes of one unit may overlap in time; a value is certain once its write
 * was acknowledged or it was read; it is overwritten once a write that began, or a read that began,
 * after it was certain has ended with another value. Nobody who begins to read then may see it
 * again. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum {
    UNIT = 512,
    SPANS = 3,
    SPAN_UNITS = 14,
    UNITS = SPANS * SPAN_UNITS,
    WRITES_MAX = 60000,
    CANDIDATES_MAX = 512
};

#define NEVER UINT64_MAX

struct oracle_write {
    uint32_t first, count;   /* units */
    uint64_t began, refused; /* refused: told that nothing was changed */
    uint64_t certain[8], overwritten[8];
};

struct oracle {
    struct oracle_write *writes; /* [0]: the zeros from the beginning */
    uint32_t count;
    uint32_t candidates[UNITS][CANDIDATES_MAX]; /* not overwritten yet */
    uint32_t candidates_count[UNITS];
    const char *wrong;
    uint32_t wrong_unit;
    uint64_t wrong_value;
};

static void oracle_init(struct oracle *o)
{
    *o = (struct oracle){.count = 1};
    o->writes = calloc(WRITES_MAX, sizeof(*o->writes));
    for (uint32_t u = 0; u < UNITS; u++)
        o->candidates[u][o->candidates_count[u]++] = 0;
}

static void oracle_wrong(struct oracle *o, const char *why, uint32_t unit, uint64_t value)
{
    if (o->wrong == NULL)
        o->wrong = why, o->wrong_unit = unit, o->wrong_value = value;
}

/* The initial zeros have no times of their own per unit, so they are kept apart. */
static uint64_t *oracle_time(struct oracle *o, uint32_t write, uint32_t unit, bool overwritten)
{
    static uint64_t zero_overwritten[UNITS], zero_certain;
    struct oracle_write *w = &o->writes[write];
    if (write == 0) {
        zero_certain = 0;
        if (o->count == 1)
            zero_overwritten[unit] = NEVER;
        return overwritten ? &zero_overwritten[unit] : &zero_certain;
    }
    return overwritten ? &w->overwritten[unit - w->first] : &w->certain[unit - w->first];
}

static uint32_t oracle_write_begin(struct oracle *o, uint32_t first, uint32_t count, uint64_t now)
{
    if (o->count == 1)
        for (uint32_t u = 0; u < UNITS; u++)
            (void)oracle_time(o, 0, u, true);
    if (o->count == WRITES_MAX)
        abort();
    uint32_t id = o->count++;
    struct oracle_write *w = &o->writes[id];
    *w = (struct oracle_write){.first = first, .count = count, .began = now, .refused = NEVER};
    for (uint32_t i = 0; i < 8; i++)
        w->certain[i] = w->overwritten[i] = NEVER;
    for (uint32_t u = first; u < first + count; u++) {
        if (o->candidates_count[u] == CANDIDATES_MAX)
            abort();
        o->candidates[u][o->candidates_count[u]++] = id;
    }
    return id;
}

/* `value` was in effect at some time in [began, now]: what was certain before is overwritten. */
static void oracle_effect(struct oracle *o, uint32_t u, uint32_t value, uint64_t began,
                          uint64_t now)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < o->candidates_count[u]; i++) {
        uint32_t v = o->candidates[u][i];
        if (v != value && *oracle_time(o, v, u, false) < began)
            *oracle_time(o, v, u, true) = now;
        else
            o->candidates[u][kept++] = v;
    }
    o->candidates_count[u] = kept;
    if (*oracle_time(o, value, u, false) > now)
        *oracle_time(o, value, u, false) = now;
}

static void oracle_write_acked(struct oracle *o, uint32_t id, uint64_t now)
{
    struct oracle_write *w = &o->writes[id];
    for (uint32_t u = w->first; u < w->first + w->count; u++) {
        /* It may have been overwritten by something certain already: then that is what counts. */
        if (w->overwritten[u - w->first] == NEVER)
            oracle_effect(o, u, id, w->began, now);
    }
}

/* Its client was told that nothing was changed: from now on nobody may see it. */
static void oracle_write_refused(struct oracle *o, uint32_t id, uint64_t now)
{
    struct oracle_write *w = &o->writes[id];
    w->refused = now;
    for (uint32_t u = w->first; u < w->first + w->count; u++) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < o->candidates_count[u]; i++)
            if (o->candidates[u][i] != id)
                o->candidates[u][kept++] = o->candidates[u][i];
        o->candidates_count[u] = kept;
    }
}

static void oracle_read(struct oracle *o, uint32_t u, uint64_t value, uint64_t began, uint64_t now)
{
    if (value >= o->count) {
        oracle_wrong(o, "bytes that nobody wrote", u, value);
        return;
    }
    uint32_t v = (uint32_t)value;
    const struct oracle_write *w = &o->writes[v];
    if (v != 0 && (u < w->first || u >= w->first + w->count))
        oracle_wrong(o, "bytes of another place", u, value);
    else if (v != 0 && w->refused < began)
        oracle_wrong(o, "bytes of a write that was refused", u, value);
    else if (o->count > 1 && *oracle_time(o, v, u, true) < began)
        oracle_wrong(o, "older bytes after newer ones", u, value);
    else if (o->count > 1 && *oracle_time(o, v, u, true) == NEVER)
        oracle_effect(o, u, v, began, now);
}
