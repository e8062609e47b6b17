/* The registers' history: invariants 1 and 2; see oracle.h. */
#include "tests/sim/oracle.h"

#include "tests/sim/oracle_int.h"

#include <stdlib.h>
#include <string.h>

#define ATOM_MAGIC 0x53544C46u

void oracle_init(struct oracle *o, struct world *w)
{
    memset(o, 0, sizeof *o);
    o->w = w;
    o->mem = sim_mem();
    o->version_count = o->write_count = 1;
    o->version_cap = 4096;
    o->write_cap = 256;
    o->versions = take(o->version_cap * sizeof *o->versions);
    o->writes = take(o->write_cap * sizeof *o->writes);
}

void oracle_fini(struct oracle *o)
{
    free(o->versions);
    free(o->writes);
    names_fini(o);
    free(o->locks);
    free(o->ios);
}

/* ---- bytes that say who wrote them -------------------------------------------------------------
 */

static void atom_fill(uint8_t *to, uint32_t write, uint32_t file, uint32_t atom)
{
    uint64_t words[ATOM / 8];
    words[0] = (uint64_t)write << 32 | ATOM_MAGIC;
    words[1] = (uint64_t)atom << 32 | file;
    uint64_t x = words[0] ^ words[1];
    for (uint32_t i = 2; i < ATOM / 8; i++)
        words[i] = x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
    memcpy(to, words, ATOM);
}

bool atom_name(const struct oracle *o, const uint8_t *at, uint32_t file, uint32_t atom,
               uint32_t *write)
{
    static const uint8_t zeros[ATOM];
    uint8_t expected[ATOM];
    struct reader r = reader_of(slice_of(at, ATOM));
    *write = 0;
    if (memcmp(at, zeros, ATOM) == 0)
        return true;
    read_skip(&r, 4);
    *write = read_u32(&r);
    if (*write == 0 || *write >= o->write_count)
        return false;
    atom_fill(expected, *write, file, atom);
    return memcmp(at, expected, ATOM) == 0;
}

/* ---- zones ---- */

static uint32_t version_add(struct oracle *o, uint32_t file, uint32_t atom, uint32_t write)
{
    if (o->version_count == o->version_cap) {
        o->version_cap *= 2;
        o->versions = realloc(o->versions, o->version_cap * sizeof *o->versions);
        must(o->versions != NULL);
    }
    uint32_t *head = &o->heads[file][atom];
    o->versions[o->version_count] =
        (struct version){.write = write, .next = *head, .first_end = write == 0 ? 0 : UINT64_MAX};
    return *head = o->version_count++;
}

struct version *version_of(struct oracle *o, uint32_t file, uint32_t atom, uint32_t write)
{
    uint32_t i = o->heads[file][atom];
    if (i == 0)
        i = version_add(o, file, atom, 0);
    while (i != 0 && o->versions[i].write != write)
        i = o->versions[i].next;
    return i == 0 ? NULL : &o->versions[i];
}

const struct version *zone_clash(const struct oracle *o, uint32_t file, uint32_t atom,
                                 const struct version *v)
{
    for (uint32_t i = o->heads[file][atom]; i != 0; i = o->versions[i].next) {
        const struct version *x = &o->versions[i];
        if (x->write != v->write && v->first_end < x->last_begin && x->first_end < v->last_begin)
            return x;
    }
    return NULL;
}

bool atom_zeroed(const struct oracle *o, uint32_t file, uint32_t atom)
{
    for (uint32_t i = o->heads[file][atom]; i != 0; i = o->versions[i].next)
        if (o->writes[o->versions[i].write].zero)
            return true;
    return false;
}

bool zeros_clash(struct oracle *o, uint32_t file, uint32_t atom, const struct version *seen)
{
    for (uint32_t i = o->heads[file][atom]; i != 0; i = o->versions[i].next) {
        struct version v = o->versions[i];
        if (v.write != 0 && !o->writes[v.write].zero)
            continue;
        v.first_end = v.first_end < seen->first_end ? v.first_end : seen->first_end;
        v.last_begin = v.last_begin > seen->last_begin ? v.last_begin : seen->last_begin;
        if (zone_clash(o, file, atom, &v) == NULL)
            return false;
    }
    return true;
}

static void judge(struct oracle *o, uint32_t file, uint32_t atom, const struct version *v,
                  const char *what)
{
    const struct version *x = zone_clash(o, file, atom, v);
    if (x == NULL)
        return;
    world_violation(o->w,
                    "INV-1/2: %s file %u byte %u: write %u was there at %.3f ms and is asked for "
                    "until %.3f ms, write %u was there at %.3f ms and is asked for until %.3f ms",
                    what, file, atom * ATOM, v->write, (double)v->first_end / 1e6,
                    (double)v->last_begin / 1e6, x->write, (double)x->first_end / 1e6,
                    (double)x->last_begin / 1e6);
}

/* ---- clients ---- */

static uint32_t write_add(struct oracle *o, const struct write *x)
{
    if (o->write_count == o->write_cap) {
        o->write_cap *= 2;
        o->writes = realloc(o->writes, o->write_cap * sizeof *o->writes);
        must(o->writes != NULL);
    }
    uint32_t write = o->write_count++;
    o->writes[write] = *x;
    o->writes[write].begin_ns = o->w->now_ns;
    for (uint32_t i = 0; i < x->count; i++) {
        (void)version_of(o, x->file, x->atom + i, 0);
        uint32_t version = version_add(o, x->file, x->atom + i, write);
        o->versions[version].last_begin = o->w->now_ns;
    }
    return write;
}

uint32_t oracle_write(struct oracle *o, uint32_t client, uint32_t file, uint64_t offset,
                      struct writer *to)
{
    struct write x = {.client = client, .file = file, .atom = (uint32_t)(offset / ATOM)};
    x.count = (uint32_t)((to->cap - to->pos) / ATOM);
    uint32_t write = write_add(o, &x);
    for (uint32_t i = 0; i < x.count; i++)
        atom_fill(write_space(to, ATOM), write, file, x.atom + i);
    return write;
}

uint32_t oracle_zero(struct oracle *o, uint32_t client, uint32_t file, uint64_t offset,
                     uint64_t len)
{
    struct write x = {.client = client, .file = file, .atom = (uint32_t)(offset / ATOM)};
    x.count = (uint32_t)(len / ATOM);
    x.zero = true;
    return write_add(o, &x);
}

void oracle_written(struct oracle *o, uint32_t write)
{
    struct write *x = &o->writes[write];
    x->done = true;
    o->acknowledged++;
    for (uint32_t i = 0; i < x->count && !o->w->broken; i++) {
        struct version *v = version_of(o, x->file, x->atom + i, write);
        if (o->w->now_ns < v->first_end)
            v->first_end = o->w->now_ns;
        judge(o, x->file, x->atom + i, v, "a write is acknowledged.");
    }
    oracle_disk_range(o, x->file, x->atom, x->count);
}

static void read_atom(struct oracle *o, const struct read_seen *r, uint64_t at)
{
    static const uint8_t zeros[ATOM];
    uint32_t atom = (uint32_t)((r->offset + at) / ATOM), write;
    bool beyond = at + ATOM > r->bytes.len;
    if (!atom_name(o, beyond ? zeros : r->bytes.at + at, r->file, atom, &write)) {
        world_violation(o->w, "INV-1: client %u reads bytes nobody wrote, file %u byte %u",
                        r->client, r->file, atom * ATOM);
        return;
    }
    if (write == 0 && atom_zeroed(o, r->file, atom)) {
        struct version seen = {.first_end = o->w->now_ns, .last_begin = r->begin_ns};
        if (zeros_clash(o, r->file, atom, &seen))
            world_violation(o->w, "INV-1/2: client %u reads zeros that are nobody's, byte %u",
                            r->client, atom * ATOM);
        return;
    }
    struct version *v = version_of(o, r->file, atom, write);
    if (v == NULL) {
        world_violation(o->w, "INV-1: client %u reads write %u where it did not write, byte %u",
                        r->client, write, atom * ATOM);
        return;
    }
    if (o->w->now_ns < v->first_end)
        v->first_end = o->w->now_ns;
    if (r->begin_ns > v->last_begin)
        v->last_begin = r->begin_ns;
    judge(o, r->file, atom, v, "a read ends.");
}

void oracle_read(struct oracle *o, const struct read_seen *r)
{
    o->reads++;
    if (r->bytes.len % ATOM != 0 || r->bytes.len > r->len) {
        world_violation(o->w, "INV-1: client %u reads %zu of %lu bytes", r->client, r->bytes.len,
                        r->len);
        return;
    }
    for (uint64_t at = 0; at < r->len && !o->w->broken; at += ATOM)
        read_atom(o, r, at);
}
