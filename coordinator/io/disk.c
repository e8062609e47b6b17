#include "coordinator/io/disk.h"

#include "proto/base/list.h"
#include "proto/base/must.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN_MAX = 8, ERROR_MAX = 256 };

struct op {
    struct list link;
    struct raft_effect fx;
    uint8_t *read; /* FILE_READ: what was read */
    size_t read_len;
    uint8_t bytes[];
};

struct open_file {
    struct raft_file file;
    int fd; /* -1: this place is free */
    bool dirty;
    uint64_t used;
};

struct disk {
    uv_async_t wake;
    struct disk_callbacks cb;
    int directory;
    pthread_t writer;
    pthread_mutex_t lock;
    pthread_cond_t work;
    /* Under the lock. */
    struct list queue, finished_reads;
    uint64_t synced, reported;
    bool stop, broken;
    char why[ERROR_MAX];
    /* The writer's own. */
    struct open_file open[OPEN_MAX];
    uint64_t use_clock;
    bool directory_dirty;
    /* The loop's own. */
    bool told;
};

/* ---- the writer's thread --------------------------------------------------------------------- */

static int fail(struct disk *d, const char *what, struct raft_file f)
{
    char name[RAFT_FILE_NAME_BYTES];
    int error = errno;
    raft_file_name(f, name);
    pthread_mutex_lock(&d->lock);
    d->broken = true;
    (void)snprintf(d->why, sizeof d->why, "cannot %s %s: %s", what, name, strerror(error));
    pthread_mutex_unlock(&d->lock);
    return -1;
}

static int close_one(struct disk *d, struct open_file *o)
{
    if (o->fd < 0)
        return 0;
    if (o->dirty && fdatasync(o->fd) != 0)
        return fail(d, "sync", o->file);
    (void)close(o->fd);
    o->fd = -1;
    o->dirty = false;
    return 0;
}

static int forget(struct disk *d, struct raft_file f)
{
    for (int i = 0; i < OPEN_MAX; i++)
        if (d->open[i].fd >= 0 && raft_file_equal(d->open[i].file, f))
            return close_one(d, &d->open[i]);
    return 0;
}

static struct open_file *opened(struct disk *d, struct raft_file f, int flags)
{
    struct open_file *oldest = &d->open[0];
    for (int i = 0; i < OPEN_MAX; i++) {
        struct open_file *o = &d->open[i];
        if (o->fd >= 0 && raft_file_equal(o->file, f)) {
            o->used = ++d->use_clock;
            return o;
        }
        if (o->fd < 0 || (oldest->fd >= 0 && o->used < oldest->used))
            oldest = o;
    }
    if (close_one(d, oldest) != 0)
        return NULL;
    char name[RAFT_FILE_NAME_BYTES];
    raft_file_name(f, name);
    oldest->fd = openat(d->directory, name, O_RDWR | O_CLOEXEC | flags, 0600);
    if (oldest->fd < 0) {
        (void)fail(d, "open", f);
        return NULL;
    }
    oldest->file = f;
    oldest->used = ++d->use_clock;
    return oldest;
}

static int do_create(struct disk *d, const struct op *op)
{
    if (forget(d, op->fx.file.file) != 0)
        return -1;
    d->directory_dirty = true;
    return opened(d, op->fx.file.file, O_CREAT | O_TRUNC) != NULL ? 0 : -1;
}

static int do_write(struct disk *d, const struct op *op)
{
    struct open_file *o = opened(d, op->fx.file.file, 0);
    if (o == NULL)
        return -1;
    size_t done = 0, len = op->fx.file.bytes.len;
    o->dirty = true;
    while (done < len) {
        ssize_t n = pwrite(o->fd, op->bytes + done, len - done, (off_t)(op->fx.file.offset + done));
        if (n <= 0) {
            errno = n == 0 ? EIO : errno;
            return fail(d, "write", o->file);
        }
        done += (size_t)n;
    }
    return 0;
}

static int do_rename(struct disk *d, const struct op *op)
{
    char from[RAFT_FILE_NAME_BYTES], to[RAFT_FILE_NAME_BYTES];
    raft_file_name(op->fx.file.file, from);
    raft_file_name(op->fx.file.to, to);
    if (forget(d, op->fx.file.file) != 0 || forget(d, op->fx.file.to) != 0)
        return -1;
    d->directory_dirty = true;
    return renameat(d->directory, from, d->directory, to) == 0
               ? 0
               : fail(d, "rename", op->fx.file.file);
}

static int do_delete(struct disk *d, const struct op *op)
{
    char name[RAFT_FILE_NAME_BYTES];
    raft_file_name(op->fx.file.file, name);
    if (forget(d, op->fx.file.file) != 0)
        return -1;
    d->directory_dirty = true;
    if (unlinkat(d->directory, name, 0) != 0 && errno != ENOENT)
        return fail(d, "delete", op->fx.file.file);
    return 0;
}

static void do_read(struct disk *d, struct op *op)
{
    op->read = malloc(op->fx.file.len + 1);
    if (op->read != NULL &&
        disk_read_now(d, op->fx.file.file, op->fx.file.offset, op->read, op->fx.file.len))
        op->read_len = op->fx.file.len;
    pthread_mutex_lock(&d->lock);
    list_push_back(&d->finished_reads, &op->link);
    pthread_mutex_unlock(&d->lock);
}

static int sync_all(struct disk *d, uint64_t token)
{
    for (int i = 0; i < OPEN_MAX; i++) {
        struct open_file *o = &d->open[i];
        if (o->fd >= 0 && o->dirty && fdatasync(o->fd) != 0)
            return fail(d, "sync", o->file);
        o->dirty = false;
    }
    if (d->directory_dirty && fsync(d->directory) != 0)
        return fail(d, "sync the directory of", (struct raft_file){.kind = RAFT_FILE_META});
    d->directory_dirty = false;
    pthread_mutex_lock(&d->lock);
    d->synced = token;
    pthread_mutex_unlock(&d->lock);
    (void)uv_async_send(&d->wake);
    return 0;
}

/* One operation; *due is the highest SYNC not yet answered. Frees the operation, unless it was a
 * read. */
static int carry_out(struct disk *d, struct op *op, uint64_t *due)
{
    int r = 0;
    enum raft_effect_kind kind = op->fx.kind;
    bool reorders = kind == RAFT_FX_FILE_RENAME || kind == RAFT_FX_FILE_DELETE;
    if (reorders && *due != 0) {
        r = sync_all(d, *due);
        *due = 0;
    }
    if (kind == RAFT_FX_FILE_READ) {
        do_read(d, op);
        (void)uv_async_send(&d->wake);
        return 0;
    }
    if (r == 0 && kind == RAFT_FX_FILE_CREATE)
        r = do_create(d, op);
    else if (r == 0 && kind == RAFT_FX_FILE_WRITE)
        r = do_write(d, op);
    else if (r == 0 && kind == RAFT_FX_FILE_RENAME)
        r = do_rename(d, op);
    else if (r == 0 && kind == RAFT_FX_FILE_DELETE)
        r = do_delete(d, op);
    else if (kind == RAFT_FX_SYNC)
        *due = op->fx.sync.token;
    free(op);
    return r;
}

static void *writer_main(void *arg)
{
    struct disk *d = arg;
    for (;;) {
        struct list batch;
        list_init(&batch);
        pthread_mutex_lock(&d->lock);
        while (list_empty(&d->queue) && !d->stop)
            pthread_cond_wait(&d->work, &d->lock);
        for (struct list *l; (l = list_pop(&d->queue)) != NULL;)
            list_push_back(&batch, l);
        bool stop = d->stop && list_empty(&batch), broken = d->broken;
        pthread_mutex_unlock(&d->lock);
        if (stop)
            return NULL;
        uint64_t due = 0;
        for (struct list *l; (l = list_pop(&batch)) != NULL;) {
            struct op *op = container_of(l, struct op, link);
            if (broken)
                free(op);
            else if (carry_out(d, op, &due) != 0)
                broken = true;
        }
        if (!broken && due != 0)
            broken = sync_all(d, due) != 0;
        if (broken)
            (void)uv_async_send(&d->wake);
    }
}

/* ---- the loop's thread ----------------------------------------------------------------------- */

static void on_wake(uv_async_t *wake)
{
    struct disk *d = wake->data;
    struct list reads;
    char why[ERROR_MAX];
    list_init(&reads);
    pthread_mutex_lock(&d->lock);
    uint64_t synced = d->synced, before = d->reported;
    d->reported = synced;
    bool broken = d->broken;
    memcpy(why, d->why, sizeof why);
    for (struct list *l; (l = list_pop(&d->finished_reads)) != NULL;)
        list_push_back(&reads, l);
    pthread_mutex_unlock(&d->lock);
    for (struct list *l; (l = list_pop(&reads)) != NULL;) {
        struct op *op = container_of(l, struct op, link);
        d->cb.read(d->cb.ctx, op->fx.file.token, slice_of(op->read, op->read_len));
        free(op->read);
        free(op);
    }
    if (synced > before)
        d->cb.done(d->cb.ctx, synced);
    if (broken && !d->told) {
        d->told = true;
        d->cb.failed(d->cb.ctx, why);
    }
}

void disk_submit(struct disk *d, const struct raft_effect *fx)
{
    bool write = fx->kind == RAFT_FX_FILE_WRITE;
    size_t len = write ? fx->file.bytes.len : 0;
    struct op *op = malloc(sizeof *op + len);
    must(op != NULL); /* the log must not lose a write: a coordinator without memory stops */
    *op = (struct op){.fx = *fx};
    if (len > 0)
        memcpy(op->bytes, fx->file.bytes.at, len);
    pthread_mutex_lock(&d->lock);
    list_push_back(&d->queue, &op->link);
    pthread_cond_signal(&d->work);
    pthread_mutex_unlock(&d->lock);
}

static int make_directories(const char *path)
{
    char part[4096];
    for (const char *slash = path + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        (void)snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (mkdir(part, 0750) != 0 && errno != EEXIST)
            return -1;
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : -1;
}

struct disk *disk_new(uv_loop_t *loop, const char *directory, const struct disk_callbacks *cb,
                      char *error)
{
    struct disk *d = calloc(1, sizeof *d);
    must(d != NULL);
    d->cb = *cb;
    d->directory = -1;
    if (make_directories(directory) == 0)
        d->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->directory < 0 || flock(d->directory, LOCK_EX | LOCK_NB) != 0) {
        (void)snprintf(error, ERROR_MAX, "cannot use %s: %s", directory,
                       errno == EWOULDBLOCK ? "another coordinator uses it" : strerror(errno));
        if (d->directory >= 0)
            (void)close(d->directory);
        free(d);
        return NULL;
    }
    for (int i = 0; i < OPEN_MAX; i++)
        d->open[i].fd = -1;
    list_init(&d->queue);
    list_init(&d->finished_reads);
    must(pthread_mutex_init(&d->lock, NULL) == 0);
    must(pthread_cond_init(&d->work, NULL) == 0);
    must(uv_async_init(loop, &d->wake, on_wake) == 0);
    d->wake.data = d;
    must(pthread_create(&d->writer, NULL, writer_main, d) == 0);
    return d;
}

static void on_closed(uv_handle_t *handle) { free(handle->data); }

void disk_free(struct disk *d)
{
    if (d == NULL)
        return;
    pthread_mutex_lock(&d->lock);
    d->stop = true;
    pthread_cond_signal(&d->work);
    pthread_mutex_unlock(&d->lock);
    (void)pthread_join(d->writer, NULL);
    for (int i = 0; i < OPEN_MAX; i++)
        (void)close_one(d, &d->open[i]);
    for (struct list *l; (l = list_pop(&d->finished_reads)) != NULL;) {
        struct op *op = container_of(l, struct op, link);
        free(op->read);
        free(op);
    }
    (void)close(d->directory);
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->work);
    uv_close((uv_handle_t *)&d->wake, on_closed);
}

bool disk_read_now(const struct disk *d, struct raft_file file, uint64_t offset, uint8_t *to,
                   size_t len)
{
    char name[RAFT_FILE_NAME_BYTES];
    raft_file_name(file, name);
    int fd = openat(d->directory, name, O_RDONLY | O_CLOEXEC);
    size_t done = 0;
    while (fd >= 0 && done < len) {
        ssize_t n = pread(fd, to + done, len - done, (off_t)(offset + done));
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (fd >= 0)
        (void)close(fd);
    return fd >= 0 && done == len;
}

static int load_one(const struct disk *d, const char *name, struct raft_file f,
                    struct raft_loaded_file *out, char *error)
{
    struct stat st;
    uint8_t *bytes = NULL;
    /* A process that was killed may have left bytes in the page cache only. What the engine reads
     * it promises again to others, so it must be durable before. */
    int fd = openat(d->directory, name, O_RDONLY | O_CLOEXEC);
    bool durable = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        (void)close(fd);
    if (durable && fstatat(d->directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        bytes = malloc((size_t)st.st_size + 1);
    if (bytes == NULL || !disk_read_now(d, f, 0, bytes, (size_t)st.st_size)) {
        (void)snprintf(error, ERROR_MAX, "cannot read %.40s: %s", name, strerror(errno));
        free(bytes);
        return -1;
    }
    out->file = f;
    out->bytes = slice_of(bytes, (size_t)st.st_size);
    return 0;
}

int disk_load(const struct disk *d, struct raft_loaded_file **files, size_t *count, char *error)
{
    *files = NULL;
    *count = 0;
    int fd = dup(d->directory);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        (void)snprintf(error, ERROR_MAX, "cannot list the directory: %s", strerror(errno));
        return -1;
    }
    rewinddir(dir);
    int r = 0;
    for (struct dirent *entry; r == 0 && (entry = readdir(dir)) != NULL;) {
        struct raft_file f;
        if (!raft_file_parse(entry->d_name, &f))
            continue;
        struct raft_loaded_file *grown = realloc(*files, (*count + 1) * sizeof *grown);
        must(grown != NULL);
        *files = grown;
        r = load_one(d, entry->d_name, f, &grown[*count], error);
        *count += r == 0 ? 1 : 0;
    }
    (void)closedir(dir);
    if (r == 0 && fsync(d->directory) != 0) {
        (void)snprintf(error, ERROR_MAX, "cannot sync the directory: %s", strerror(errno));
        r = -1;
    }
    if (r != 0)
        disk_unload(*files, *count);
    return r;
}

void disk_unload(struct raft_loaded_file *files, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)files[i].bytes.at);
    free(files);
}
