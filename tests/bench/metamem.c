/* What a million files and many open handles cost the coordinator's state machine, in this process:
 *
 *   metamem [FILES [OPENS]]       1000000 and 100000 when not said
 *
 * Files lie in folders of 1000, with names of 24 characters, 4 descriptors among them, as if made
 * through SMB; opens are of as many files. Prints bytes a file and an open (as the core's budget
 * counts them, and as the process grows), the size of the snapshot, and the seconds to apply, to
 * save and to load. Checks that what was loaded saves to the same bytes. */
#include "proto/daemon/heap.h"
#include "tests/bench/bench.h"
#include "tests/coordinator/meta/rig.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FOLDER = 1000 };

static double resident(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%*s %ld", &pages) != 1)
        die("no /proc/self/statm");
    (void)fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

struct mark {
    double seconds, used, resident;
};

static struct mark mark_of(const struct rig *r)
{
    return (struct mark){(double)now_ns() / 1e9, (double)r->mem.used, resident()};
}

static void report(const char *what, const struct rig *r, const struct mark *since, uint64_t count)
{
    struct mark now = mark_of(r);
    double n = (double)count;
    (void)printf("{\"step\":\"%s\",\"count\":%llu,\"seconds\":%.2f,\"per_s\":%.0f,"
                 "\"bytes_each\":%.0f,\"resident_each\":%.0f}\n",
                 what, (unsigned long long)count, now.seconds - since->seconds,
                 n / (now.seconds - since->seconds), (now.used - since->used) / n,
                 (now.resident - since->resident) / n);
    (void)fflush(stdout);
}

static uint64_t open_it(struct rig *r, const char *path, uint32_t options, uint32_t disposition)
{
    return rig_must_open(
        r, 1, (struct ask){.path = path, .disposition = disposition, .options = options});
}

static void make_files(struct rig *r, uint64_t files)
{
    char path[64];
    for (uint64_t i = 0; i < files; i++) {
        if (i % FOLDER == 0) {
            (void)snprintf(path, sizeof(path), "folder-%06llu", (unsigned long long)(i / FOLDER));
            (void)rig_close(r, 1, open_it(r, path, FILE_DIRECTORY_FILE, FILE_CREATE));
        }
        (void)snprintf(path, sizeof(path), "folder-%06llu\\a file of number %07llu",
                       (unsigned long long)(i / FOLDER), (unsigned long long)i);
        (void)rig_close(r, 1, open_it(r, path, FILE_NON_DIRECTORY_FILE, FILE_CREATE));
        arena_reset(&r->a);
    }
}

static void make_opens(struct rig *r, uint64_t files, uint64_t opens)
{
    char path[64];
    for (uint64_t i = 0; i < opens; i++) {
        uint64_t file = i * (files / opens);
        (void)snprintf(path, sizeof(path), "folder-%06llu\\a file of number %07llu",
                       (unsigned long long)(file / FOLDER), (unsigned long long)file);
        (void)open_it(r, path, FILE_NON_DIRECTORY_FILE, FILE_OPEN);
        arena_reset(&r->a);
    }
}

static void save_and_load(struct rig *r, uint64_t files)
{
    uint8_t *bytes, *again;
    size_t len, len_again;
    struct mark since = mark_of(r);
    if (!meta_save(r->m, &r->mem, &bytes, &len))
        die("no memory to save");
    report("save", r, &since, files);
    meta_free(r->m);
    since = mark_of(r);
    r->m = meta_load(&r->mem, slice_of(bytes, len));
    if (r->m == NULL)
        die("what was saved cannot be loaded");
    report("load", r, &since, files);
    if (!meta_save(r->m, &r->mem, &again, &len_again) || len != len_again ||
        memcmp(bytes, again, len) != 0)
        die("what was loaded is another state");
    (void)printf("{\"step\":\"snapshot\",\"bytes\":%zu,\"bytes_each\":%.0f}\n", len,
                 (double)len / (double)files);
    mem_free(&r->mem, bytes, len);
    mem_free(&r->mem, again, len_again);
}

int main(int argc, char **argv)
{
    static struct rig r;
    uint64_t files = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    uint64_t opens = argc > 2 ? strtoull(argv[2], NULL, 10) : 100000;
    if (files == 0 || opens == 0 || opens > files)
        die("usage: metamem [FILES [OPENS]], not more opens than files");
    rig_setup(&r);
    r.unchecked = true;
    struct mark since = mark_of(&r);
    make_files(&r, files);
    report("files", &r, &since, files);
    since = mark_of(&r);
    make_opens(&r, files, opens);
    report("opens", &r, &since, opens);
    save_and_load(&r, files);
    meta_check(r.m);
    rig_end(&r);
    return 0;
}
