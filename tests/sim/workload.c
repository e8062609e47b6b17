/* What clients do: overlapping reads and writes at random places, many of them at the same few, and
 * at the end every file is read through every node. */
#include "tests/sim/client.h"

enum { VERIFY_BYTES = 256 << 10, LAST_WORK = 10 };

void workload_draw(struct client *c)
{
    struct world *w = c->w;
    const struct cluster *k = w->cluster;
    c->left = k->operations;
    c->depth = (uint32_t)draw(w, 1, 4);
    c->files_used = chance(w, 600) ? 1 : (uint32_t)draw(w, 1, FILES_MAX);
    c->read_per_mille = (uint32_t)draw(w, 200, 700);
    c->large_per_mille = chance(w, 300) ? (uint32_t)draw(w, 20, 200) : 10;
    c->scratch_per_mille = chance(w, 400) ? (uint32_t)draw(w, 20, 300) : 0;
    c->names_per_mille = chance(w, 600) ? (uint32_t)draw(w, 50, 500) : 0;
    c->lock_per_mille = chance(w, 700) ? (uint32_t)draw(w, 20, 300) : 0;
    /* Bursts: mostly no time to think, and now and then enough to fill the phase. */
    c->zero_per_mille = chance(w, 500) ? (uint32_t)draw(w, 10, 300) : 0;
    c->copy_per_mille = chance(w, 500) ? (uint32_t)draw(w, 50, 600) : 0;
    c->think_per_mille = (uint32_t)draw(w, 50, 500);
    c->think_ns = 2 * k->safety_ns / k->operations * c->depth * 1000 / c->think_per_mille;
    c->file_bytes = draw(w, 1, FILE_BYTES_MAX / (256 << 10)) * (256 << 10);
    c->hot_bytes = draw(w, 1, chance(w, 500) ? 3 : 32) * 4096;
    c->hot_per_mille = (uint32_t)draw(w, 300, 1000);
}

/* Multiples of ATOM; most of them of a block, some not. */
static uint32_t draw_len(struct client *c)
{
    struct world *w = c->w;
    if (chance(w, c->large_per_mille))
        return (uint32_t)draw(w, 16, MIXED_MOST / 4096) * 4096;
    if (chance(w, 200))
        return (uint32_t)draw(w, 1, 24) * ATOM;
    return (uint32_t)draw(w, 1, 4) * 4096;
}

static uint64_t draw_offset(struct client *c, uint32_t len)
{
    struct world *w = c->w;
    uint64_t span = chance(w, c->hot_per_mille) ? c->hot_bytes : c->file_bytes;
    uint64_t unit = len % 4096 != 0 || chance(w, 150) ? ATOM : 4096;
    uint64_t extra = chance(w, 300) ? EXTENT_BYTES - 16384 : 0; /* near the end of an extent */
    uint64_t at = extra + draw(w, 0, span / unit - 1) * unit;
    return at + len <= FILE_BYTES_MAX ? at : (FILE_BYTES_MAX - len) / unit * unit;
}

static void one(struct client *c)
{
    struct world *w = c->w;
    uint32_t file = (uint32_t)draw(w, 0, c->files_used - 1);
    struct client_file *f = &c->files[file];
    if (chance(w, c->names_per_mille)) {
        names_next(c);
        return;
    }
    if (chance(w, c->scratch_per_mille)) {
        scratch_next(c);
        return;
    }
    if (chance(w, c->lock_per_mille)) {
        locks_next(c);
        return;
    }
    if (chance(w, c->copy_per_mille)) {
        copies_next(c);
        return;
    }
    if (f->state == FILE_IS_SHUT) {
        client_open(c, file);
    } else if (f->state == FILE_IS_OPEN && chance(w, 10) && !client_file_busy(c, file)) {
        client_shut(c, file);
    } else if (f->state == FILE_IS_OPEN) {
        uint32_t len = draw_len(c);
        uint64_t offset = draw_offset(c, len);
        if (chance(w, c->read_per_mille))
            client_read(c, file, offset, len);
        else if (chance(w, c->zero_per_mille))
            client_zero(c, file, offset, len);
        else
            client_write(c, file, offset, len), faults_write(w);
    }
}

static void verify_next(struct client *c)
{
    while (client_calls(c) < CALLS_MAX / 2 && c->verify_file < FILES_MAX) {
        struct client_file *f = &c->files[c->verify_file];
        if (f->state == FILE_IS_SHUT)
            client_open(c, c->verify_file);
        if (f->state != FILE_IS_OPEN || c->credits < VERIFY_BYTES / 65536)
            return;
        client_read(c, c->verify_file, c->verify_offset, VERIFY_BYTES);
        c->verify_offset += VERIFY_BYTES;
        if (c->verify_offset < FILE_BYTES_MAX)
            continue;
        c->verify_offset = 0;
        c->verify_file++;
    }
    if (client_calls(c) > 0 || c->verify_file < FILES_MAX)
        return;
    c->verify_file = 0;
    c->verify_node++;
    client_leave(c, "all of it was read");
}

static void think(struct world *w, void *object, uint64_t arg, void *data)
{
    (void)w;
    (void)arg;
    (void)data;
    struct client *c = object;
    if (c->state == CLIENT_READY && !c->verifying && client_calls(c) < c->depth && c->left > 0)
        one(c);
}

static uint64_t think_time(struct client *c)
{
    return draw(c->w, 0, chance(c->w, c->think_per_mille) ? c->think_ns : MS);
}

void workload_next(struct client *c)
{
    struct world *w = c->w;
    if (c->state != CLIENT_READY)
        return;
    if (c->verifying) {
        verify_next(c);
        return;
    }
    if (c->left == 0)
        locks_end(c);
    for (uint32_t i = client_calls(c); i < c->depth && c->left > 0; i++)
        world_at(w, (struct event){.at_ns = w->now_ns + think_time(c),
                                   .proc = &c->proc,
                                   .run = think,
                                   .object = c});
}

void workload_ended(struct client *c, const struct call *call, bool ok)
{
    bool data = call->kind == CALL_READ || call->kind == CALL_WRITE || call->kind == CALL_ZERO;
    if (c->verifying && !ok) { /* once more from the beginning of this node */
        c->verify_file = 0;
        c->verify_offset = 0;
    } else if (data && ok && c->left > 0) {
        c->left--;
    }
}

void client_last_work(struct client *c)
{
    if (c->left > LAST_WORK)
        c->left = LAST_WORK;
    c->think_ns = 10 * MS;
}

void client_verify(struct client *c)
{
    c->verifying = true;
    c->verify_node = 1;
    client_leave(c, "to read everything");
}

bool client_finished(const struct client *c)
{
    return c->verifying ? c->verify_node > MACHINES
                        : c->left == 0 && client_calls(c) == 0 && c->lock.state == LOCK_NONE;
}

void client_tell(const struct client *c)
{
    world_tell(c->w,
               "client %u: %lu reads, %lu writes, %lu locks, %lu conflicts, left its node %lu "
               "times; %u to do, state %d",
               c->proc.number, c->reads, c->writes, c->locks, c->conflicts, c->failures, c->left,
               (int)c->state);
}
