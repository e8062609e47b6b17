/* POSIX locks of two clients on one file, by fcntl(), in the manner of the Connectathon's tests.
 *
 *   locks HERE THERE     the same file on the mounts of two nodes
 *
 * A child that holds nothing but its file on THERE does what the parent says, so each row below is
 * what one client finds of what the other one holds. Prints the row that fails; ends with 1. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum who { HERE, THERE };

struct row {
    const char *what;
    enum who who;
    short type; /* F_RDLCK, F_WRLCK, F_UNLCK */
    off_t at, len;
    bool granted;
};

/* One after the other: a row stands on those before it. SMB's locks are mandatory, exact ranges:
 * what POSIX would merge or split is left out. */
static const struct row rows[] = {
    {"a lock on a new range", HERE, F_WRLCK, 0, 100, true},
    {"the other client cannot have it", THERE, F_WRLCK, 0, 100, false},
    {"nor read it locked", THERE, F_RDLCK, 0, 100, false},
    {"nor a part", THERE, F_WRLCK, 50, 10, false},
    {"nor more than it", THERE, F_WRLCK, 0, 1000, false},
    {"but what is beside it", THERE, F_WRLCK, 100, 100, true},
    {"which then is taken here", HERE, F_WRLCK, 150, 1, false},
    {"unlocked", HERE, F_UNLCK, 0, 100, true},
    {"the other client gets it", THERE, F_WRLCK, 0, 100, true},
    {"and gives it back", THERE, F_UNLCK, 0, 100, true},
    {"so does the one beside", THERE, F_UNLCK, 100, 100, true},
    {"a shared lock", HERE, F_RDLCK, 0, 100, true},
    {"is shared", THERE, F_RDLCK, 0, 100, true},
    {"excludes a writer", THERE, F_WRLCK, 20, 1, false},
    {"on both sides", HERE, F_WRLCK, 20, 1, false},
    {"until it is gone there", THERE, F_UNLCK, 0, 100, true},
    {"and here", HERE, F_UNLCK, 0, 100, true},
    {"a writer then", THERE, F_WRLCK, 20, 1, true},
    {"behind the end of the file", HERE, F_WRLCK, 1 << 30, 5, true},
    {"is locked, too", THERE, F_WRLCK, 1 << 30, 1, false},
    {"over 4 GiB", THERE, F_WRLCK, (off_t)5 << 32, 10, true},
    {"is not below it", HERE, F_WRLCK, 1 << 20, 10, true},
    {"all the rest is another's as long as anything of it is", HERE, F_WRLCK, 2 << 20, 0, false},
};

static int attempt(int fd, const struct row *r)
{
    struct flock l = {.l_type = r->type, .l_whence = SEEK_SET, .l_start = r->at, .l_len = r->len};
    return fcntl(fd, F_SETLK, &l) == 0 ? 0 : errno;
}

/* The child: takes the number of a row, answers with errno. */
static void serve(const char *path, int in, int out)
{
    int fd = open(path, O_RDWR), number, error;
    while (read(in, &number, sizeof(number)) == sizeof(number)) {
        error = fd < 0 ? EBADF : attempt(fd, &rows[number]);
        if (write(out, &error, sizeof(error)) != sizeof(error))
            break;
    }
    exit(0);
}

/* A lock that waits gets what another client gives back. The child waits; the parent unlocks. */
static bool waits(int fd, const char *there)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 7000, .l_len = 10};
    int ready[2];
    if (fcntl(fd, F_SETLK, &l) != 0 || pipe(ready) != 0)
        return false;
    pid_t child = fork();
    if (child == 0) {
        int other = open(there, O_RDWR);
        bool refused = fcntl(other, F_SETLK, &l) != 0;
        (void)!write(ready[1], "x", 1);
        exit(refused && fcntl(other, F_SETLKW, &l) == 0 ? 0 : 1);
    }
    char x;
    int status = 1;
    bool started = read(ready[0], &x, 1) == 1;
    l.l_type = F_UNLCK;
    return fcntl(fd, F_SETLK, &l) == 0 && waitpid(child, &status, 0) == child && started &&
           status == 0;
}

/* What a client held is free when it has closed its file. */
static bool freed_by_close(const char *here, const char *there)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 9000, .l_len = 10};
    int fd = open(here, O_RDWR), other = open(there, O_RDWR);
    bool held = fcntl(fd, F_SETLK, &l) == 0 && fcntl(other, F_SETLK, &l) != 0;
    (void)close(fd);
    bool freed = fcntl(other, F_SETLK, &l) == 0;
    (void)close(other);
    return held && freed;
}

int main(int argc, char **argv)
{
    int to[2], from[2];
    if (argc != 3 || pipe(to) != 0 || pipe(from) != 0)
        return 2;
    int fd = open(argv[1], O_RDWR | O_CREAT, 0644);
    pid_t child = fork();
    if (child == 0) {
        (void)close(to[1]);
        (void)close(from[0]);
        serve(argv[2], to[0], from[1]);
    }
    for (int i = 0; i < (int)(sizeof(rows) / sizeof(rows[0])); i++) {
        int error = fd < 0 ? EBADF : 0;
        if (rows[i].who == HERE && error == 0)
            error = attempt(fd, &rows[i]);
        else if (write(to[1], &i, sizeof(i)) != sizeof(i) ||
                 read(from[0], &error, sizeof(error)) < 1)
            error = EPIPE;
        if ((error == 0) != rows[i].granted || (error != 0 && error != EACCES && error != EAGAIN)) {
            (void)printf("row %d, %s: %s\n", i, rows[i].what,
                         error == 0 ? "granted" : strerror(error));
            return 1;
        }
    }
    (void)close(to[1]);
    (void)waitpid(child, NULL, 0);
    if (!waits(fd, argv[2])) {
        (void)printf("a lock that waits does not get it\n");
        return 1;
    }
    (void)close(fd);
    if (!freed_by_close(argv[1], argv[2])) {
        (void)printf("a file that was closed is still locked\n");
        return 1;
    }
    return 0;
}
