#include "node/io/disk.h"

#include "proto/base/list.h"
#include "proto/base/map.h"
#include "proto/base/must.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { FILES_OPEN_MAX = 768, PATH_BYTES = 96 };

/* An open file; in `lru` while nobody uses it. */
struct file {
    struct list lru;
    struct store_file name;
    int fd;
    uint32_t users;
};

struct request {
    struct io_op op;
    struct list finished; /* in disk.finished once the outcome is known */
    struct disk *disk;
    struct store_disk what;
    struct file *file;
    uint64_t token, count;
    size_t progress;
    enum store_result result;
    bool syncing; /* PUNCH: the second half */
    int parent;   /* DELETE: the directory being synced */
};

struct disk {
    struct reactor *reactor;
    struct mem *mem;
    struct disk_callbacks cb;
    struct extents extents;
    struct map files; /* struct store_file as bytes → struct file */
    struct list lru, finished;
    uint32_t open_count, busy;
    int directory;
};

/* ---- names ----------------------------------------------------------------------------------- */

static void path_of(const struct store_file *f, char out[PATH_BYTES])
{
    switch (f->kind) {
    case STORE_FILE_IDENTITY: (void)snprintf(out, PATH_BYTES, "identity"); break;
    case STORE_FILE_JOURNAL: (void)snprintf(out, PATH_BYTES, "journal"); break;
    case STORE_FILE_EXTENT:
        (void)snprintf(out, PATH_BYTES, "extents/%u/%u/%02x/%016llx.%llx", f->extent.volume,
                       f->extent.group, (unsigned)(f->extent.inode & 0xff),
                       (unsigned long long)f->extent.inode, (unsigned long long)f->extent.index);
        break;
    }
}

static struct slice key_of(const struct store_file *f, uint8_t out[32])
{
    struct writer w = writer_of(out, 32);
    write_u32(&w, f->kind);
    write_u32(&w, f->extent.volume);
    write_u32(&w, f->extent.group);
    write_u64(&w, f->extent.inode);
    write_u64(&w, f->extent.index);
    return written(&w);
}

static int make_parents(const struct disk *d, const char *path)
{
    char part[PATH_BYTES];
    for (const char *slash = path; (slash = strchr(slash, '/')) != NULL; slash++) {
        (void)snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (mkdirat(d->directory, part, 0700) != 0 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

/* ---- open files ------------------------------------------------------------------------------ */

static void file_close(struct disk *d, struct file *f)
{
    uint8_t key[32];
    must(f->users == 0);
    list_remove(&f->lru);
    (void)map_remove(&d->files, key_of(&f->name, key));
    (void)close(f->fd);
    d->open_count--;
    mem_free(d->mem, f, sizeof *f);
}

static int open_path(const struct disk *d, const char *path, bool create)
{
    int flags = O_RDWR | O_DIRECT | O_CLOEXEC | (create ? O_CREAT : 0);
    int fd = openat(d->directory, path, flags, 0600);
    if (fd < 0 && errno == ENOENT && create) {
        int r = make_parents(d, path);
        if (r < 0)
            return r;
        fd = openat(d->directory, path, flags, 0600);
    }
    return fd < 0 ? -errno : fd;
}

/* 0 and `*out` held by one more user; -ENOENT; or another error. */
static int file_hold(struct disk *d, const struct store_file *name, bool create, struct file **out)
{
    uint8_t key[32];
    char path[PATH_BYTES];
    struct file *f = map_get(&d->files, key_of(name, key));
    if (f == NULL) {
        while (d->open_count >= FILES_OPEN_MAX && !list_empty(&d->lru))
            file_close(d, container_of(list_first(&d->lru), struct file, lru));
        path_of(name, path);
        int fd = open_path(d, path, create);
        if (fd < 0)
            return fd;
        f = mem_alloc(d->mem, sizeof *f);
        if (f == NULL || !map_put(&d->files, key_of(name, key), f)) {
            mem_free(d->mem, f, sizeof *f);
            (void)close(fd);
            return -ENOMEM;
        }
        *f = (struct file){.name = *name, .fd = fd};
        list_init(&f->lru);
        d->open_count++;
    }
    f->users++;
    list_remove(&f->lru);
    *out = f;
    return 0;
}

static void file_let_go(struct disk *d, struct file *f)
{
    if (f != NULL && --f->users == 0)
        list_push_back(&d->lru, &f->lru);
}

/* ---- outcomes -------------------------------------------------------------------------------- */

static void finish(struct request *q, int error)
{
    q->result = error == 0                                                ? STORE_OK
                : error == -ENOSPC || error == -EDQUOT || error == -EFBIG ? STORE_NO_SPACE
                                                                          : STORE_IO_ERROR;
    file_let_go(q->disk, q->file);
    q->file = NULL;
    list_push_back(&q->disk->finished, &q->finished);
}

static void note_size(struct disk *d, const struct store_disk *op)
{
    if (op->file.kind != STORE_FILE_EXTENT)
        return;
    struct extent *one = extents_put(&d->extents, &op->file.extent);
    must(one != NULL); /* a file nobody would find again: stop rather than forget it */
    if (op->offset + op->len > one->size)
        one->size = op->offset + op->len;
}

static void start(struct request *q);
static void delete_next(struct request *q);

static void on_directory_synced(struct request *q, int result)
{
    (void)close(q->parent);
    if (result < 0)
        finish(q, result);
    else
        delete_next(q);
}

static void on_done(struct io_op *op, int result)
{
    struct request *q = container_of(op, struct request, op);
    if (q->what.type == DISK_DELETE) {
        on_directory_synced(q, result);
        return;
    }
    if (result == -EINTR || result == -EAGAIN) {
        start(q);
        return;
    }
    if (result < 0) {
        finish(q, result);
        return;
    }
    switch (q->what.type) {
    case DISK_READ:
        q->count += (uint64_t)result;
        q->progress += (size_t)result;
        if (result == 0 || q->progress % STORE_BLOCK != 0) { /* the end of the file */
            memset(q->what.into + q->progress, 0, (size_t)q->what.len - q->progress);
            q->progress = (size_t)q->what.len;
        }
        break;
    case DISK_WRITE:
        if (result == 0 || result % STORE_BLOCK != 0) {
            finish(q, -EIO);
            return;
        }
        q->progress += (size_t)result;
        break;
    case DISK_PUNCH:
        q->progress = q->syncing ? (size_t)q->what.len : 0;
        q->syncing = true;
        break;
    case DISK_RESERVE:
    case DISK_DELETE:
    case DISK_MAP:
    case DISK_LIST: q->progress = (size_t)q->what.len; break;
    }
    if (q->progress < q->what.len)
        start(q);
    else
        finish(q, 0);
}

/* ---- operations ------------------------------------------------------------------------------ */

static void start(struct request *q)
{
    struct io_uring_sqe *sqe = reactor_entry(q->disk->reactor, &q->op);
    const struct store_disk *w = &q->what;
    int fd = q->file->fd;
    uint64_t at = w->offset + q->progress;
    unsigned left = (unsigned)(w->len - q->progress);
    switch (w->type) {
    case DISK_READ: io_uring_prep_read(sqe, fd, w->into + q->progress, left, at); break;
    case DISK_WRITE:
        io_uring_prep_write(sqe, fd, w->data + q->progress, left, at);
        sqe->rw_flags = RWF_DSYNC;
        break;
    case DISK_RESERVE:
        io_uring_prep_fallocate(sqe, fd, FALLOC_FL_KEEP_SIZE, (off_t)w->offset, (off_t)w->len);
        break;
    case DISK_PUNCH:
        if (q->syncing)
            io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
        else
            io_uring_prep_fallocate(sqe, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                    (off_t)w->offset, (off_t)w->len);
        break;
    case DISK_DELETE:
    case DISK_MAP:
    case DISK_LIST: must(false); break; /* have no file of their own */
    }
}

/* One file after another: unlinked, then its directory synced, so that no extent of a deleted file
 * ever comes back. */
static void delete_next(struct request *q)
{
    struct disk *d = q->disk;
    const struct store_extent *key = &q->what.file.extent;
    struct extent *one = extents_of_inode(&d->extents, key->volume, key->inode);
    if (one == NULL) {
        finish(q, 0);
        return;
    }
    struct store_file name = {STORE_FILE_EXTENT, one->key};
    uint8_t bytes[32];
    char path[PATH_BYTES];
    struct file *f = map_get(&d->files, key_of(&name, bytes));
    if (f != NULL && f->users == 0)
        file_close(d, f);
    path_of(&name, path);
    if (unlinkat(d->directory, path, 0) != 0 && errno != ENOENT) {
        finish(q, -errno);
        return;
    }
    extents_remove(&d->extents, one);
    *strrchr(path, '/') = '\0';
    q->parent = openat(d->directory, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (q->parent < 0)
        finish(q, -errno);
    else
        io_uring_prep_fsync(reactor_entry(d->reactor, &q->op), q->parent, 0);
}

/* What the file system knows, without reading data: space that is only reserved is none. Blocks may
 * be larger than ours, or smaller: what is reported begins and ends at ours. */
static int map_file(int fd, const struct store_disk *w)
{
    uint64_t at = w->offset, end = w->offset + w->len;
    ranges_init(w->ranges, end);
    while (at < end) {
        off_t data = lseek(fd, (off_t)at, SEEK_DATA);
        if (data < 0)
            return errno == ENXIO ? 0 : -errno; /* nothing behind `at` */
        uint64_t from = (uint64_t)data / STORE_BLOCK * STORE_BLOCK;
        from = from > at ? from : at;
        if (from >= end)
            return 0;
        off_t hole = lseek(fd, data, SEEK_HOLE);
        if (hole < 0)
            return -errno;
        at = ((uint64_t)hole + STORE_BLOCK - 1) / STORE_BLOCK * STORE_BLOCK;
        if (!ranges_add(w->ranges, from, (at < end ? at : end) - from))
            return 0;
    }
    return 0;
}

static void begin_map(struct request *q)
{
    int r = file_hold(q->disk, &q->what.file, false, &q->file);
    ranges_init(q->what.ranges, q->what.offset + q->what.len);
    if (r == 0)
        r = map_file(q->file->fd, &q->what);
    finish(q, r == -ENOENT ? 0 : r);
}

static void begin(struct request *q)
{
    struct disk *d = q->disk;
    const struct store_disk *w = &q->what;
    bool creates = w->type == DISK_WRITE || w->type == DISK_RESERVE;
    if (w->type == DISK_LIST) {
        q->count = extents_list(&d->extents, &w->file.extent, (uint32_t)w->len, w->entries);
        finish(q, 0);
        return;
    }
    if (w->type == DISK_DELETE) {
        delete_next(q);
        return;
    }
    if (w->type == DISK_MAP) {
        begin_map(q);
        return;
    }
    int r = file_hold(d, &w->file, creates, &q->file);
    if (r == -ENOENT && w->type == DISK_READ)
        memset(w->into, 0, (size_t)w->len);
    if (r == 0 && creates)
        note_size(d, w);
    if (r == 0)
        start(q);
    else
        finish(q, r == -ENOENT ? 0 : r);
}

void disk_submit(struct disk *d, uint64_t token, const struct store_disk *op)
{
    struct request *q = mem_alloc(d->mem, sizeof *q);
    must(q != NULL); /* bounded by the store's operations, which are counted */
    q->op.done = on_done;
    q->disk = d;
    q->what = *op;
    q->token = token;
    list_init(&q->finished);
    d->busy++;
    begin(q);
}

bool disk_deliver(struct disk *d)
{
    bool any = false;
    for (struct list *l; (l = list_pop(&d->finished)) != NULL; any = true) {
        struct request *q = container_of(l, struct request, finished);
        uint64_t token = q->token, count = q->count;
        enum store_result result = q->result;
        mem_free(d->mem, q, sizeof *q);
        d->busy--;
        d->cb.done(d->cb.ctx, token, result, count);
    }
    return any;
}

uint32_t disk_busy(const struct disk *d) { return d->busy; }

void disk_space(const struct disk *d, uint64_t *free_bytes, uint64_t *total_bytes)
{
    struct statvfs v;
    if (fstatvfs(d->directory, &v) != 0)
        v = (struct statvfs){0};
    *free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
    *total_bytes = (uint64_t)v.f_blocks * v.f_frsize;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* extents/V/G/xx/INODE.INDEX, found by one walk of four levels. */
static int walk(struct disk *d, int parent, const char *name, int depth, struct store_extent *key)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL)
        return depth == 0 && errno == ENOENT ? 0 : -errno;
    int r = 0;
    for (struct dirent *entry; r == 0 && (entry = readdir(dir)) != NULL;) {
        unsigned long long inode, index;
        struct stat st;
        if (entry->d_name[0] == '.')
            continue;
        if (depth == 0)
            key->volume = (uint32_t)strtoul(entry->d_name, NULL, 10);
        if (depth == 1)
            key->group = (uint32_t)strtoul(entry->d_name, NULL, 10);
        if (depth < 3) {
            r = walk(d, fd, entry->d_name, depth + 1, key);
        } else if (sscanf(entry->d_name, "%llx.%llx", &inode, &index) == 2 &&
                   fstatat(fd, entry->d_name, &st, 0) == 0) {
            key->inode = inode;
            key->index = index;
            struct extent *one = extents_put(&d->extents, key);
            r = one != NULL ? 0 : -ENOMEM;
            if (one != NULL)
                one->size = ((uint64_t)st.st_size + STORE_BLOCK - 1) / STORE_BLOCK * STORE_BLOCK;
        }
    }
    (void)closedir(dir);
    return r;
}

static int make_directory(const char *path)
{
    char part[4096];
    for (const char *slash = path + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        (void)snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (mkdir(part, 0750) != 0 && errno != EEXIST)
            return -errno;
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : -errno;
}

static int check_direct(const struct disk *d)
{
    int fd = openat(d->directory, "journal", O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    (void)close(fd);
    return fsync(d->directory) == 0 ? 0 : -errno;
}

/* A node that was stopped or killed gives up its lock only after its last request to the kernel, a
 * moment after its process is gone to everybody else: so its successor is patient. */
static int lock_directory(int directory)
{
    const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
    for (int tries = 0; tries < 100; tries++) {
        if (flock(directory, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        (void)nanosleep(&pause, NULL);
    }
    return -EWOULDBLOCK;
}

struct disk *disk_open(struct reactor *r, struct mem *mem, const char *directory,
                       const struct disk_callbacks *cb, char *error)
{
    struct disk *d = mem_alloc(mem, sizeof *d);
    must(d != NULL);
    d->reactor = r;
    d->mem = mem;
    d->cb = *cb;
    list_init(&d->lru);
    list_init(&d->finished);
    map_init(&d->files, mem, (uintptr_t)d);
    extents_init(&d->extents, mem);
    struct store_extent key = {0};
    int result = make_directory(directory);
    d->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (result == 0 && d->directory < 0)
        result = -errno;
    if (result == 0)
        result = lock_directory(d->directory);
    const char *hint = result == -EWOULDBLOCK ? " (another node uses it)" : "";
    if (result == 0 && (result = check_direct(d)) == -EINVAL)
        hint = " (its file system has no O_DIRECT; use XFS or ext4)";
    if (result == 0)
        result = walk(d, d->directory, "extents", 0, &key);
    if (result == 0)
        return d;
    (void)snprintf(error, 256, "cannot use %.120s: %s%s", directory, strerror(-result), hint);
    disk_close(d);
    return NULL;
}

void disk_close(struct disk *d)
{
    if (d == NULL)
        return;
    while (!list_empty(&d->lru))
        file_close(d, container_of(list_first(&d->lru), struct file, lru));
    map_fini(&d->files);
    extents_fini(&d->extents);
    if (d->directory >= 0)
        (void)close(d->directory);
    mem_free(d->mem, d, sizeof *d);
}
