#include "tests/bench/bench.h"

#include "proto/base/must.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const uint64_t second_ns = UINT64_C(1000000000);

uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * second_ns + (uint64_t)t.tv_nsec;
}

/* ---- processor time ------------------------------------------------------------------------- */

struct process {
    long pid, parent;
    uint64_t ticks;
    bool ours;
};

static bool read_process(const char *name, struct process *p)
{
    char path[300], text[1024];
    (void)snprintf(path, sizeof(path), "/proc/%s/stat", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    if (n <= 0)
        return false;
    text[n] = '\0';
    const char *rest = strrchr(text, ')'); /* the name in brackets may hold anything */
    unsigned long user, system;
    p->pid = strtol(text, NULL, 10);
    if (rest == NULL || sscanf(rest + 2, "%*c %ld %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                               &p->parent, &user, &system) != 3)
        return false;
    p->ticks = user + system;
    return true;
}

static bool named(const char *pids, long pid)
{
    for (const char *at = pids; *at != '\0';) {
        char *end;
        if (strtol(at, &end, 10) == pid)
            return true;
        at = *end == ',' ? end + 1 : end + strlen(end);
    }
    return false;
}

double server_cpu(const char *pids)
{
    static struct process all[8192];
    size_t count = 0;
    DIR *dir = opendir("/proc");
    if (dir == NULL)
        die("no /proc");
    for (struct dirent *e; (e = readdir(dir)) != NULL && count < array_len(all);)
        if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && read_process(e->d_name, &all[count])) {
            all[count].ours = named(pids, all[count].pid);
            count++;
        }
    (void)closedir(dir);
    uint64_t ticks = 0;
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < count; i++)
            for (size_t k = 0; !all[i].ours && k < count; k++)
                if (all[k].ours && all[k].pid == all[i].parent)
                    more = all[i].ours = true;
    }
    for (size_t i = 0; i < count; i++)
        ticks += all[i].ours ? all[i].ticks : 0;
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

double client_cpu(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

void bench_sort(uint32_t *values, size_t count)
{
    qsort(values, count, sizeof(values[0]), by_size);
}

/* ---- options -------------------------------------------------------------------------------- */

struct bench_options bench_options_of(int argc, char **argv, int *first)
{
    struct bench_options o = {.file = "bench.dat", .pids = "", .size = 256 << 20, .seconds = 3};
    int i = 1;
    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        const char *name = argv[i] + 2, *value = argv[i + 1];
        if (strcmp(name, "address") == 0)
            o.to.address = value;
        else if (strcmp(name, "name") == 0)
            o.to.name = value;
        else if (strcmp(name, "share") == 0)
            o.to.share = value;
        else if (strcmp(name, "user") == 0)
            o.to.user = value;
        else if (strcmp(name, "password") == 0)
            o.to.password = value;
        else if (strcmp(name, "file") == 0)
            o.file = value;
        else if (strcmp(name, "pids") == 0)
            o.pids = value;
        else if (strcmp(name, "size") == 0)
            o.size = strtoull(value, NULL, 10) << 20;
        else if (strcmp(name, "seconds") == 0)
            o.seconds = strtod(value, NULL);
        else
            die("what is --%s?", name);
    }
    if (o.to.address == NULL || o.to.name == NULL || o.to.share == NULL || o.to.user == NULL ||
        o.to.password == NULL || o.size == 0 || i >= argc)
        die("usage: --address A --name N --share S --user U --password P [...] STEP...");
    *first = i;
    return o;
}
