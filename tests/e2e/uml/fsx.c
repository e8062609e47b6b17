/* Random operations on one file, each checked against a copy in memory, as Apple's fsx does.
 *
 *   fsx FILE OTHER SEED OPERATIONS [nomap]
 *
 * FILE is on one mount; OTHER is the same file on another one, of another node: whenever FILE was
 * closed, all of it is read there, too. Reads, writes, truncations, shared mappings written and
 * read, ranges zeroed and holes punched (where the client and the server have them); no mappings
 * with nomap: a mount without a cache promises nothing of them. Prints what
 * was done; at the first difference the operations before it, and ends with 1. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIZE_MAX_BYTES = 300000, PAGE = 4096, LOG_LINES = 12, LINE = 100 };

enum operation { READ, WRITE, TRUNCATE, MAP_READ, MAP_WRITE, ZERO, PUNCH, REOPEN, OPERATIONS };

static const char *const names[] = {"read",      "write", "truncate", "map-read",
                                    "map-write", "zero",  "punch",    "reopen"};

struct fsx {
    const char *path, *other;
    int fd;
    bool map;
    uint64_t random;
    uint32_t size; /* of the file, in the model */
    uint32_t count[OPERATIONS], refused[OPERATIONS];
    char log[LOG_LINES][LINE];
    uint32_t logged;
    uint8_t model[SIZE_MAX_BYTES], seen[SIZE_MAX_BYTES + 1];
};

static uint32_t below(struct fsx *x, uint32_t n) /* xorshift */
{
    x->random ^= x->random << 13;
    x->random ^= x->random >> 7;
    x->random ^= x->random << 17;
    return (uint32_t)((x->random >> 16) % n);
}

_Noreturn static void differ(struct fsx *x, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)printf("\nlast operations, the oldest first:\n");
    for (uint32_t i = x->logged < LOG_LINES ? 0 : x->logged - LOG_LINES; i < x->logged; i++)
        (void)printf("  %u %s\n", i, x->log[i % LOG_LINES]);
    exit(1);
}

static void compare(struct fsx *x, const char *where, uint32_t at, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        if (x->seen[i] != x->model[at + i])
            differ(x, "%s: byte %u is 0x%02x, should be 0x%02x (size %u)", where, at + i,
                   x->seen[i], x->model[at + i], x->size);
}

static void read_all(struct fsx *x, const char *where, int fd, uint32_t at, uint32_t want)
{
    uint32_t got = 0;
    while (got < want) {
        ssize_t n = pread(fd, x->seen + got, want - got, at + got);
        if (n <= 0)
            differ(x, "%s: %u bytes of %u at %u: %s", where, got, want, at,
                   n == 0 ? "end of file" : strerror(errno));
        got += (uint32_t)n;
    }
    compare(x, where, at, want);
}

/* The whole file through the other node, and that it ends where it should. */
static void look_there(struct fsx *x)
{
    int fd = open(x->other, O_RDONLY);
    struct stat s;
    if (fd < 0 || fstat(fd, &s) != 0)
        differ(x, "cannot open %s: %s", x->other, strerror(errno));
    if (s.st_size != x->size)
        differ(x, "%s has %lld bytes, should have %u", x->other, (long long)s.st_size, x->size);
    read_all(x, x->other, fd, 0, x->size);
    if (pread(fd, x->seen, 1, x->size) != 0)
        differ(x, "%s goes on behind its end", x->other);
    (void)close(fd);
}

static void reopen(struct fsx *x)
{
    if (close(x->fd) != 0)
        differ(x, "close: %s", strerror(errno));
    look_there(x);
    x->fd = open(x->path, O_RDWR);
    if (x->fd < 0)
        differ(x, "open again: %s", strerror(errno));
}

static void write_some(struct fsx *x, uint32_t at, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        x->model[at + i] = (uint8_t)below(x, 256);
    if (pwrite(x->fd, x->model + at, len, at) != (ssize_t)len)
        differ(x, "write of %u at %u: %s", len, at, strerror(errno));
    if (at + len > x->size)
        x->size = at + len;
}

static void map(struct fsx *x, uint32_t at, uint32_t len, bool writing)
{
    uint32_t from = at / PAGE * PAGE, skip = at - from;
    int protection = writing ? PROT_READ | PROT_WRITE : PROT_READ;
    uint8_t *bytes = mmap(NULL, skip + len, protection, MAP_SHARED, x->fd, from);
    if (bytes == MAP_FAILED)
        differ(x, "mmap of %u at %u: %s", len, at, strerror(errno));
    memcpy(x->seen, bytes + skip, len);
    compare(x, "the mapping", at, len);
    for (uint32_t i = 0; writing && i < len; i++)
        bytes[skip + i] = x->model[at + i] = (uint8_t)below(x, 256);
    if (writing && msync(bytes, skip + len, MS_SYNC) != 0)
        differ(x, "msync of %u at %u: %s", len, at, strerror(errno));
    (void)munmap(bytes, skip + len);
}

/* False when the client or the server has no such thing. */
static bool blank(struct fsx *x, enum operation what, uint32_t at, uint32_t len)
{
    int mode = what == PUNCH ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
                             : FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
    if (fallocate(x->fd, mode, at, len) != 0) {
        if (errno == EOPNOTSUPP)
            return false;
        differ(x, "%s of %u at %u: %s", names[what], len, at, strerror(errno));
    }
    memset(x->model + at, 0, len);
    return true;
}

static void truncate_to(struct fsx *x, uint32_t to)
{
    if (ftruncate(x->fd, to) != 0)
        differ(x, "truncate to %u: %s", to, strerror(errno));
    if (to < x->size)
        memset(x->model + to, 0, x->size - to);
    x->size = to;
}

static void one(struct fsx *x)
{
    enum operation what = below(x, 40) == 0 ? REOPEN : (enum operation)below(x, REOPEN);
    if (!x->map && (what == MAP_READ || what == MAP_WRITE))
        what = READ;
    if (x->size == 0)
        what = WRITE;
    bool inside = what != WRITE && what != TRUNCATE && what != REOPEN; /* within the file */
    uint32_t at = below(x, inside ? x->size : SIZE_MAX_BYTES - 1);
    uint32_t most = (inside ? x->size : SIZE_MAX_BYTES) - at;
    uint32_t len = 1 + below(x, most < 70000 ? most : 70000);
    (void)snprintf(x->log[x->logged++ % LOG_LINES], LINE, "%s at %u, %u bytes, file of %u",
                   names[what], at, len, x->size);
    x->count[what]++;
    switch (what) {
    case READ: read_all(x, "read", x->fd, at, len); break;
    case WRITE: write_some(x, at, len); break;
    case TRUNCATE: truncate_to(x, at); break;
    case MAP_READ: map(x, at, len, false); break;
    case MAP_WRITE: map(x, at, len, true); break;
    case ZERO:
    case PUNCH: x->refused[what] += blank(x, what, at, len) ? 0 : 1; break;
    case REOPEN: reopen(x); break;
    case OPERATIONS: break;
    }
}

int main(int argc, char **argv)
{
    static struct fsx x;
    if (argc != 5 && argc != 6) {
        (void)printf("usage: fsx FILE OTHER SEED OPERATIONS [nomap]\n");
        return 2;
    }
    x.map = argc == 5;
    x.path = argv[1];
    x.other = argv[2];
    x.random = strtoull(argv[3], NULL, 10) * 2654435761u + 1;
    uint32_t operations = (uint32_t)strtoul(argv[4], NULL, 10);
    x.fd = open(x.path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (x.fd < 0)
        differ(&x, "cannot make %s: %s", x.path, strerror(errno));
    for (uint32_t i = 0; i < operations; i++)
        one(&x);
    reopen(&x);
    (void)close(x.fd);
    for (enum operation what = READ; what < OPERATIONS; what++)
        (void)printf("%s %u (refused %u)\n", names[what], x.count[what], x.refused[what]);
    return 0;
}
