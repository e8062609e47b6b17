/* See simdisk.h. A file is a linked list of blocks; a block exists when it takes space. */
#include "tests/lib/simdisk.h"

#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512 };

struct simdisk_block {
    struct simdisk_block *next;
    uint64_t at; /* block number */
    uint8_t bytes[STORE_BLOCK];
};

struct simdisk_file {
    struct simdisk_file *next;
    struct store_file name;
    uint64_t size;
    struct simdisk_block *blocks[64];
};

/* Started and not finished; or, on a lying disk, reported and not yet done. */
struct simdisk_op {
    struct simdisk_op *next;
    uint64_t number;
    struct store_disk disk;
    uint8_t *held; /* lying: a copy of the data */
};

void simdisk_init(struct simdisk *d) { *d = (struct simdisk){.next_op = 1}; }

static void drop_file(struct simdisk *d, struct simdisk_file *f)
{
    for (size_t i = 0; i < 64; i++) {
        while (f->blocks[i] != NULL) {
            struct simdisk_block *b = f->blocks[i];
            f->blocks[i] = b->next;
            free(b);
            d->used_blocks--;
        }
    }
    free(f);
}

void simdisk_wipe(struct simdisk *d)
{
    while (d->files != NULL) {
        struct simdisk_file *f = d->files;
        d->files = f->next;
        drop_file(d, f);
    }
}

static void drop_ops(struct simdisk *d)
{
    while (d->ops != NULL) {
        struct simdisk_op *op = d->ops;
        d->ops = op->next;
        free(op->held);
        free(op);
    }
}

void simdisk_fini(struct simdisk *d)
{
    drop_ops(d);
    simdisk_wipe(d);
}

static bool same_file(const struct store_file *a, const struct store_file *b)
{
    if (a->kind != b->kind || a->kind != STORE_FILE_EXTENT)
        return a->kind == b->kind;
    return a->extent.volume == b->extent.volume && a->extent.group == b->extent.group &&
           a->extent.inode == b->extent.inode && a->extent.index == b->extent.index;
}

static struct simdisk_file *find_file(const struct simdisk *d, const struct store_file *name)
{
    struct simdisk_file *f = d->files;
    while (f != NULL && !same_file(&f->name, name))
        f = f->next;
    return f;
}

static struct simdisk_file *make_file(struct simdisk *d, const struct store_file *name)
{
    struct simdisk_file *f = find_file(d, name);
    if (f != NULL)
        return f;
    f = calloc(1, sizeof(*f));
    f->name = *name;
    f->next = d->files;
    d->files = f;
    return f;
}

static struct simdisk_block *find_block(const struct simdisk_file *f, uint64_t at)
{
    struct simdisk_block *b = f->blocks[at % 64];
    while (b != NULL && b->at != at)
        b = b->next;
    return b;
}

static struct simdisk_block *make_block(struct simdisk *d, struct simdisk_file *f, uint64_t at)
{
    struct simdisk_block *b = find_block(f, at);
    if (b != NULL)
        return b;
    b = calloc(1, sizeof(*b));
    b->at = at;
    b->next = f->blocks[at % 64];
    f->blocks[at % 64] = b;
    d->used_blocks++;
    if (f->size < (at + 1) * STORE_BLOCK)
        f->size = (at + 1) * STORE_BLOCK;
    return b;
}

static void drop_block(struct simdisk *d, struct simdisk_file *f, uint64_t at)
{
    struct simdisk_block **link = &f->blocks[at % 64];
    while (*link != NULL && (*link)->at != at)
        link = &(*link)->next;
    if (*link == NULL)
        return;
    struct simdisk_block *b = *link;
    *link = b->next;
    free(b);
    d->used_blocks--;
}

void simdisk_peek(const struct simdisk *d, const struct store_file *file, uint64_t offset,
                  uint64_t len, uint8_t *into)
{
    const struct simdisk_file *f = find_file(d, file);
    for (uint64_t i = 0; i < len;) {
        uint64_t at = offset + i, in_block = at % STORE_BLOCK;
        uint64_t n = STORE_BLOCK - in_block < len - i ? STORE_BLOCK - in_block : len - i;
        const struct simdisk_block *b = f != NULL ? find_block(f, at / STORE_BLOCK) : NULL;
        if (b != NULL)
            memcpy(into + i, b->bytes + in_block, n);
        else
            memset(into + i, 0, n);
        i += n;
    }
}

void simdisk_poke(struct simdisk *d, const struct store_file *file, uint64_t offset, uint64_t len,
                  const uint8_t *from)
{
    struct simdisk_file *f = make_file(d, file);
    for (uint64_t i = 0; i < len;) {
        uint64_t at = offset + i, in_block = at % STORE_BLOCK;
        uint64_t n = STORE_BLOCK - in_block < len - i ? STORE_BLOCK - in_block : len - i;
        memcpy(make_block(d, f, at / STORE_BLOCK)->bytes + in_block, from + i, n);
        i += n;
    }
}

uint64_t simdisk_start(struct simdisk *d, const struct store_disk *disk)
{
    struct simdisk_op *op = calloc(1, sizeof(*op));
    op->number = d->next_op++;
    op->disk = *disk;
    struct simdisk_op **end = &d->ops;
    while (*end != NULL)
        end = &(*end)->next;
    *end = op;
    return op->number;
}

static bool space_for(const struct simdisk *d, const struct store_disk *disk)
{
    const struct simdisk_file *f = find_file(d, &disk->file);
    uint64_t needed = 0;
    for (uint64_t at = disk->offset; at < disk->offset + disk->len; at += STORE_BLOCK)
        needed += f == NULL || find_block(f, at / STORE_BLOCK) == NULL;
    return d->capacity_blocks == 0 || d->used_blocks + needed <= d->capacity_blocks;
}

static void do_reserve(struct simdisk *d, const struct store_disk *disk)
{
    struct simdisk_file *f = make_file(d, &disk->file);
    for (uint64_t at = disk->offset; at < disk->offset + disk->len; at += STORE_BLOCK)
        make_block(d, f, at / STORE_BLOCK);
}

static void do_punch(struct simdisk *d, const struct store_disk *disk)
{
    struct simdisk_file *f = find_file(d, &disk->file);
    for (uint64_t at = 0; f != NULL && at < disk->len; at += STORE_BLOCK)
        drop_block(d, f, (disk->offset + at) / STORE_BLOCK);
}

static void do_delete(struct simdisk *d, const struct store_disk *disk)
{
    struct simdisk_file **link = &d->files;
    while (*link != NULL) {
        struct simdisk_file *f = *link;
        if (f->name.kind == STORE_FILE_EXTENT && f->name.extent.inode == disk->file.extent.inode &&
            f->name.extent.volume == disk->file.extent.volume) {
            *link = f->next;
            drop_file(d, f);
        } else {
            link = &f->next;
        }
    }
}

static bool less(const struct store_entry *a, const struct store_entry *b)
{
    return a->inode != b->inode ? a->inode < b->inode : a->index < b->index;
}

static uint64_t do_list(const struct simdisk *d, const struct store_disk *disk)
{
    uint64_t count = 0;
    struct store_entry last = {.inode = disk->file.extent.inode, .index = disk->file.extent.index};
    while (count < disk->len) {
        struct store_entry best = {0};
        for (const struct simdisk_file *f = d->files; f != NULL; f = f->next) {
            struct store_entry e = {f->name.extent.inode, f->name.extent.index, f->size};
            if (f->name.kind != STORE_FILE_EXTENT || !less(&last, &e) ||
                f->name.extent.volume != disk->file.extent.volume ||
                f->name.extent.group != disk->file.extent.group)
                continue;
            if (best.inode == 0 || less(&e, &best))
                best = e;
        }
        if (best.inode == 0)
            break;
        disk->entries[count++] = last = best;
    }
    return count;
}

static void do_map(const struct simdisk *d, const struct store_disk *disk)
{
    const struct simdisk_file *f = find_file(d, &disk->file);
    ranges_init(disk->ranges, disk->offset + disk->len);
    for (uint64_t at = disk->offset; f != NULL && at < disk->offset + disk->len; at += STORE_BLOCK)
        if (find_block(f, at / STORE_BLOCK) != NULL && !ranges_add(disk->ranges, at, STORE_BLOCK))
            break;
}

static struct simdisk_op *take(struct simdisk *d, uint64_t number)
{
    struct simdisk_op **link = &d->ops;
    while (*link != NULL && (*link)->number != number)
        link = &(*link)->next;
    if (*link == NULL)
        abort();
    struct simdisk_op *op = *link;
    *link = op->next;
    return op;
}

static void do_write(struct simdisk *d, const struct store_disk *disk)
{
    d->writes++;
    simdisk_poke(d, &disk->file, disk->offset, disk->len, disk->data);
}

static bool overlap(const struct store_disk *a, const struct store_disk *b)
{
    return same_file(&a->file, &b->file) && a->offset < b->offset + b->len &&
           b->offset < a->offset + a->len;
}

/* A lying disk: everything held back that `disk` would see or change gets done first. */
static void settle(struct simdisk *d, const struct store_disk *disk)
{
    for (struct simdisk_op *op = d->ops, *next; op != NULL; op = next) {
        next = op->next;
        if (op->held == NULL || !(disk->type == DISK_DELETE || overlap(&op->disk, disk)))
            continue;
        do_write(d, &op->disk);
        op = take(d, op->number);
        free(op->held);
        free(op);
    }
}

static bool hold_back(struct simdisk *d, const struct simdisk_op *op)
{
    if (!d->lying || op->disk.file.kind != STORE_FILE_EXTENT)
        return false;
    struct simdisk_op *held = calloc(1, sizeof(*held));
    held->number = d->next_op++;
    held->disk = op->disk;
    held->held = malloc(op->disk.len);
    memcpy(held->held, op->disk.data, op->disk.len);
    held->disk.data = held->held;
    held->next = d->ops;
    d->ops = held;
    return true;
}

static enum store_result carry_out(struct simdisk *d, const struct simdisk_op *op, uint64_t *count)
{
    const struct store_disk *disk = &op->disk;
    const struct simdisk_file *f = find_file(d, &disk->file);
    settle(d, disk);
    switch (disk->type) {
    case DISK_READ:
        d->reads++;
        simdisk_peek(d, &disk->file, disk->offset, disk->len, disk->into);
        *count = f == NULL || f->size <= disk->offset ? 0 : f->size - disk->offset;
        *count = *count < disk->len ? *count : disk->len;
        break;
    case DISK_WRITE:
        if (!space_for(d, disk))
            return STORE_NO_SPACE;
        if (!hold_back(d, op))
            do_write(d, disk);
        break;
    case DISK_RESERVE:
        if (!space_for(d, disk))
            return STORE_NO_SPACE;
        do_reserve(d, disk);
        break;
    case DISK_PUNCH: do_punch(d, disk); break;
    case DISK_DELETE: do_delete(d, disk); break;
    case DISK_MAP: do_map(d, disk); break;
    case DISK_LIST: *count = do_list(d, disk); break;
    }
    return STORE_OK;
}

static bool only_looks(const struct store_disk *disk)
{
    return disk->type == DISK_READ || disk->type == DISK_MAP || disk->type == DISK_LIST;
}

enum store_result simdisk_finish(struct simdisk *d, uint64_t number, struct prng *rng,
                                 uint64_t *count)
{
    struct simdisk_op *op = take(d, number);
    *count = 0;
    bool read = only_looks(&op->disk);
    enum store_result result = STORE_IO_ERROR;
    if (!prng_chance(rng, read ? d->fail_read_per_mille : d->fail_write_per_mille))
        result = carry_out(d, op, count);
    free(op);
    return result;
}

static void tear(struct simdisk *d, const struct store_disk *disk, struct prng *rng, uint32_t done)
{
    struct store_disk piece = *disk;
    uint64_t unit = disk->type == DISK_WRITE ? SECTOR : STORE_BLOCK;
    for (uint64_t at = 0; at < disk->len; at += unit) {
        piece.offset = disk->offset + at, piece.len = unit;
        if (!prng_chance(rng, done))
            continue;
        if (disk->type == DISK_WRITE)
            simdisk_poke(d, &disk->file, piece.offset, unit, disk->data + at);
        else if (disk->type == DISK_PUNCH)
            do_punch(d, &piece);
        else if (disk->type == DISK_RESERVE && space_for(d, &piece))
            do_reserve(d, &piece);
    }
}

void simdisk_crash(struct simdisk *d, struct prng *rng, uint32_t done_per_mille)
{
    for (struct simdisk_op *op = d->ops; op != NULL; op = op->next) {
        if (op->disk.type == DISK_DELETE && prng_chance(rng, done_per_mille))
            do_delete(d, &op->disk);
        else if (!only_looks(&op->disk))
            tear(d, &op->disk, rng, done_per_mille);
    }
    drop_ops(d);
}
