/* See sim_disk.h. Durable files are kept as bytes; what is not synced is a queue of operations. */
#include "tests/coordinator/raft/sim_disk.h"
#include "proto/base/must.h"
#include <stdlib.h>
#include <string.h>

#define SECTOR 512

void sim_disk_init(struct sim_disk *d, struct prng *prng, uint32_t latency_ms, uint32_t lie)
{
    memset(d, 0, sizeof *d);
    d->prng = prng;
    d->latency_ms = latency_ms;
    d->lie_per_mille = lie;
}

static struct sim_file *file_find(const struct sim_disk *d, struct raft_file file)
{
    for (size_t i = 0; i < SIM_FILES_MAX; i++) {
        if (d->files[i].used && raft_file_equal(d->files[i].file, file))
            return (struct sim_file *)(uintptr_t)&d->files[i];
    }
    return NULL;
}

static void file_drop(struct sim_file *f)
{
    if (f == NULL)
        return;
    free(f->bytes);
    *f = (struct sim_file){0};
}

static void file_create(struct sim_disk *d, struct raft_file file)
{
    file_drop(file_find(d, file));
    for (size_t i = 0; i < SIM_FILES_MAX; i++) {
        if (d->files[i].used)
            continue;
        d->files[i] = (struct sim_file){.file = file, .used = true};
        return;
    }
    must(false);
}

static void file_write(struct sim_disk *d, struct raft_file file, uint64_t offset,
                       struct slice bytes)
{
    struct sim_file *f = file_find(d, file);
    if (f == NULL || bytes.len == 0)
        return; /* its creation was lost */
    if (offset + bytes.len > f->len) {
        f->bytes = realloc(f->bytes, offset + bytes.len);
        must(f->bytes != NULL);
        memset(f->bytes + f->len, 0, offset + bytes.len - f->len);
        f->len = offset + bytes.len;
    }
    memcpy(f->bytes + offset, bytes.at, bytes.len);
}

static void file_rename(struct sim_disk *d, struct raft_file file, struct raft_file to)
{
    struct sim_file *f = file_find(d, file);
    if (f == NULL)
        return;
    file_drop(file_find(d, to));
    f->file = to;
}

static void op_apply(struct sim_disk *d, const struct sim_op *op)
{
    const struct raft_effect *e = &op->effect;
    if (e->kind == RAFT_FX_FILE_CREATE)
        file_create(d, e->file.file);
    else if (e->kind == RAFT_FX_FILE_WRITE)
        file_write(d, e->file.file, e->file.offset, e->file.bytes);
    else if (e->kind == RAFT_FX_FILE_RENAME)
        file_rename(d, e->file.file, e->file.to);
    else if (e->kind == RAFT_FX_FILE_DELETE)
        file_drop(file_find(d, e->file.file));
}

/* Some sectors of a write reach the disk, some do not. */
static void op_tear(struct sim_disk *d, const struct sim_op *op)
{
    const struct raft_effect *e = &op->effect;
    bool prefix = prng_chance(d->prng, 500);
    if (e->kind != RAFT_FX_FILE_WRITE) {
        op_apply(d, op);
        return;
    }
    if (prefix) {
        size_t len = prng_below(d->prng, e->file.bytes.len + 1);
        file_write(d, e->file.file, e->file.offset, slice_sub(e->file.bytes, 0, len));
        return;
    }
    for (size_t at = 0; at < e->file.bytes.len;) {
        size_t len = SECTOR - (e->file.offset + at) % SECTOR;
        if (len > e->file.bytes.len - at)
            len = e->file.bytes.len - at;
        if (prng_chance(d->prng, 500))
            file_write(d, e->file.file, e->file.offset + at, slice_sub(e->file.bytes, at, len));
        at += len;
    }
}

static void op_pop(struct sim_disk *d)
{
    struct sim_op *op = d->head;
    d->head = op->next;
    if (d->head == NULL)
        d->tail = NULL;
    free(op->bytes);
    free(op);
}

void sim_disk_fini(struct sim_disk *d)
{
    while (d->head != NULL)
        op_pop(d);
    sim_disk_wipe(d);
}

void sim_disk_wipe(struct sim_disk *d)
{
    while (d->head != NULL)
        op_pop(d);
    for (size_t i = 0; i < SIM_FILES_MAX; i++)
        file_drop(&d->files[i]);
}

void sim_disk_do(struct sim_disk *d, const struct raft_effect *effect, uint64_t now_ns)
{
    struct sim_op *op = calloc(1, sizeof *op);
    must(op != NULL);
    op->effect = *effect;
    if (effect->kind == RAFT_FX_FILE_WRITE) {
        op->bytes = malloc(effect->file.bytes.len + 1);
        must(op->bytes != NULL);
        memcpy(op->bytes, effect->file.bytes.at, effect->file.bytes.len);
        op->effect.file.bytes.at = op->bytes;
    }
    if (effect->kind == RAFT_FX_SYNC) {
        uint64_t latency = (1 + prng_below(d->prng, d->latency_ms)) * UINT64_C(1000000);
        op->due_ns = now_ns + latency;
        if (op->due_ns < d->last_due_ns)
            op->due_ns = d->last_due_ns;
        d->last_due_ns = op->due_ns;
    }
    if (d->tail == NULL)
        d->head = op;
    else
        d->tail->next = op;
    d->tail = op;
}

uint64_t sim_disk_due(const struct sim_disk *d)
{
    for (const struct sim_op *op = d->head; op != NULL; op = op->next) {
        if (op->effect.kind == RAFT_FX_SYNC && !op->reported)
            return op->due_ns;
    }
    return UINT64_MAX;
}

uint64_t sim_disk_done(struct sim_disk *d, uint64_t now_ns)
{
    struct sim_op *last = NULL;
    for (struct sim_op *op = d->head; op != NULL; op = op->next) {
        if (op->effect.kind == RAFT_FX_SYNC && !op->reported && op->due_ns <= now_ns)
            last = op;
    }
    if (last == NULL)
        return 0;
    uint64_t token = last->effect.sync.token;
    if (prng_chance(d->prng, d->lie_per_mille)) {
        for (struct sim_op *op = d->head; op != last->next; op = op->next)
            op->reported = true;
        return token;
    }
    while (d->head != last) {
        op_apply(d, d->head);
        op_pop(d);
    }
    op_pop(d);
    return token;
}

void sim_disk_crash(struct sim_disk *d)
{
    enum { NOTHING, ALL, PREFIX, ANY, MODES };
    uint64_t mode = prng_below(d->prng, MODES);
    uint32_t keep = (uint32_t)prng_below(d->prng, 1000);
    bool alive = true;
    for (; d->head != NULL; op_pop(d)) {
        bool kept = prng_chance(d->prng, keep);
        if (mode == ALL)
            op_apply(d, d->head);
        else if (mode == ANY && kept)
            op_tear(d, d->head);
        else if (mode == PREFIX && alive && kept)
            op_apply(d, d->head);
        else if (mode == PREFIX && alive)
            op_tear(d, d->head), alive = false;
    }
    d->last_due_ns = 0;
}

size_t sim_disk_load(struct sim_disk *d, struct raft_loaded_file out[SIM_FILES_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < SIM_FILES_MAX; i++) {
        const struct sim_file *f = &d->files[i];
        if (f->used)
            out[count++] =
                (struct raft_loaded_file){.file = f->file, .bytes = slice_of(f->bytes, f->len)};
    }
    return count;
}

struct slice sim_disk_file(const struct sim_disk *d, struct raft_file file)
{
    const struct sim_file *f = file_find(d, file);
    return f == NULL ? (struct slice){0} : slice_of(f->bytes, f->len);
}
