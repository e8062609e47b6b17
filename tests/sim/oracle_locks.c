/* Invariant 5 for byte-range locks. A lock is looked at when its unlock has succeeded, which shows
 * that it was held from the moment its grant arrived to that at which the unlock was sent. In this
 * time nobody else may have been granted one that excludes it, and no READ or WRITE that it forbids
 * may have begun and succeeded ([MS-FSA] 2.1.4.10). */
#include "tests/sim/oracle.h"

#include <stdlib.h>

static bool overlap(const struct lock_seen *l, uint64_t offset, uint64_t len)
{
    return l->offset < offset + len && offset < l->offset + l->len;
}

static void against_lock(struct oracle *o, const struct lock_seen *a, const struct lock_seen *b)
{
    bool together = a->from_ns < b->until_ns && b->from_ns < a->until_ns;
    if (a->client == b->client || a->file != b->file || !together ||
        !overlap(a, b->offset, b->len) || (!a->exclusive && !b->exclusive))
        return;
    world_violation(o->w,
                    "INV-5: clients %u and %u both hold locks of file %u, bytes %lu and %lu, "
                    "from %lu and %lu on",
                    a->client, b->client, a->file, a->offset, b->offset, a->from_ns, b->from_ns);
}

static void against_io(struct oracle *o, const struct lock_seen *l, const struct io_seen *io)
{
    bool within = l->from_ns <= io->begin_ns && io->end_ns <= l->until_ns;
    bool forbidden = l->exclusive ? io->client != l->client : io->write;
    if (io->file != l->file || !within || !forbidden || !overlap(l, io->offset, io->len))
        return;
    world_violation(o->w,
                    "INV-5: client %u %s file %u, bytes %lu to %lu, at %lu, which client %u has "
                    "locked since %lu",
                    io->client, io->write ? "writes" : "reads", io->file, io->offset,
                    io->offset + io->len, io->begin_ns, l->client, l->from_ns);
}

static void *room(void *all, uint32_t count, uint32_t *cap, size_t size)
{
    if (count < *cap)
        return all;
    *cap = *cap == 0 ? 256 : *cap * 2;
    all = realloc(all, *cap * size);
    must(all != NULL);
    return all;
}

void oracle_locked(struct oracle *o, const struct lock_seen *l)
{
    for (uint32_t i = 0; i < o->lock_count && !o->w->broken; i++)
        against_lock(o, l, &o->locks[i]);
    for (uint32_t i = 0; i < o->io_count && !o->w->broken; i++)
        against_io(o, l, &o->ios[i]);
    o->locks = room(o->locks, o->lock_count, &o->lock_cap, sizeof *o->locks);
    o->locks[o->lock_count++] = *l;
}

void oracle_io(struct oracle *o, const struct io_seen *io)
{
    o->ios = room(o->ios, o->io_count, &o->io_cap, sizeof *o->ios);
    o->ios[o->io_count] = *io;
    o->ios[o->io_count++].end_ns = o->w->now_ns;
}
