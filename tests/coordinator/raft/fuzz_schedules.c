/* fuzz_schedules [--schedules N] [--seed S] [--lie] [--without GUARD]
 *                [--changes | --elections | --partitions] [--verbose] [--self-test]
 *
 * Runs seeded schedules over a simulated cluster of Raft engines (sim_cluster.h). Without options:
 * 500 of them. A violation is printed with its seed; `--seed S --schedules 1` plays it again
 * exactly.
 * `--self-test` shows that the oracles bite: with a disk that lies, and with guards removed, some
 * schedule must be found bad. Exit status 0: as it should be.
 * covers: guards.c members.c receive.c transfer.c update.c snapshot.c */
#include "proto/base/must.h"
#include "tests/coordinator/raft/sim_cluster.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct guard_name {
    const char *name;
    uint32_t bit;
} guard_names[] = {
    {"split-changes", RAFT_GUARD_SPLIT_CHANGES},
    {"own-term", RAFT_GUARD_OWN_TERM},
    {"config-held", RAFT_GUARD_CONFIG_HELD},
    {"one-transfer", RAFT_GUARD_ONE_TRANSFER},
    {"monotone-commit", RAFT_GUARD_MONOTONE_COMMIT},
    {"hold-vote", RAFT_GUARD_HOLD_VOTE},
    {"sync-before-ack", RAFT_GUARD_SYNC_BEFORE_ACK},
    {"sole-voter", RAFT_GUARD_SOLE_VOTER},
    {"read-quorum", RAFT_GUARD_READ_QUORUM},
    {"trailing", RAFT_GUARD_TRAILING},
    {"standby-votes", RAFT_GUARD_STANDBY_VOTES},
    {"behind", RAFT_GUARD_BEHIND},
    {"disk", RAFT_GUARD_DISK},
};

/* When nothing else was said, three seeds of eight lean to what is rare otherwise. */
static void lean(struct sim_options *options, bool plain)
{
    if (!plain)
        return;
    options->changes = options->seed % 8 == 5;
    options->elections = options->seed % 8 == 6;
    options->partitions = options->seed % 8 == 7;
}

static bool schedules(struct sim_options options, uint64_t count, bool quiet)
{
    struct sim_result sum = {0}, r;
    uint64_t first = options.seed, bad = 0;
    bool plain = !options.changes && !options.elections && !options.partitions;
    for (uint64_t i = 0; i < count; i++) {
        options.seed = first + i;
        lean(&options, plain);
        if (!sim_run(&options, &r)) {
            bad++;
            if (!quiet)
                printf("seed %lu, at %lu ms: %s\n", options.seed, r.at_ms, r.violation);
            if (quiet || bad == 10)
                return false;
        }
        sum.steps += r.steps, sum.commits += r.commits, sum.reads += r.reads;
        sum.crashes += r.crashes, sum.elections += r.elections, sum.installs += r.installs;
        sum.changes += r.changes, sum.transfers += r.transfers, sum.snapshots += r.snapshots;
    }
    if (!quiet)
        printf("%lu schedules, %lu bad: %lu steps, %lu commits, %lu reads, %lu crashes, "
               "%lu elections, %lu changes, %lu snapshots, %lu installed\n",
               count, bad, sum.steps, sum.commits, sum.reads, sum.crashes, sum.elections,
               sum.changes, sum.snapshots, sum.installs);
    return bad == 0;
}

/* In a process of its own: an engine without its guards may also stop at an assertion. */
static bool finds(struct sim_options options, uint64_t count)
{
    (void)fflush(stdout);
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        must(freopen("/dev/null", "w", stderr) != NULL);
        _exit(schedules(options, count, true) ? 0 : 1);
    }
    int status = 0;
    must(waitpid(child, &status, 0) == child);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

/* Bad with the fault planted, good without it: so it is the fault that is seen. */
static bool bites(const char *what, struct sim_options options, uint64_t count)
{
    bool caught = finds(options, count);
    options.without = 0;
    options.lie = false;
    bool clean = !finds(options, 50);
    printf("%-32s %s%s\n", what, caught ? "caught" : "NOT CAUGHT",
           clean ? "" : ", BUT BAD WITHOUT IT TOO");
    return caught && clean;
}

static bool self_test(uint64_t seed)
{
    struct sim_options options = {.seed = seed, .lie = true};
    bool ok = bites("a disk that lies", options, 100);
    options = (struct sim_options){.seed = seed, .without = RAFT_GUARD_SYNC_BEFORE_ACK};
    ok = bites("acknowledging before the sync", options, 200) && ok;
    options.without = RAFT_GUARD_READ_QUORUM;
    options.partitions = true;
    ok = bites("reading without a majority", options, 200) && ok;
    options.partitions = false;
    options.elections = true;
    options.without = RAFT_GUARD_HOLD_VOTE;
    ok = bites("voting before the sync", options, 400) && ok;
    options.elections = false;
    options.changes = true;
    options.without = RAFT_GUARD_OWN_TERM | RAFT_GUARD_CONFIG_HELD; /* each covers the other */
    ok = bites("changing before an own commit", options, 600) && ok;
    return ok;
}

static uint32_t guard_bit(const char *name)
{
    for (size_t i = 0; i < array_len(guard_names); i++) {
        if (strcmp(guard_names[i].name, name) == 0)
            return guard_names[i].bit;
    }
    fprintf(stderr, "no guard is called '%s'; there are:", name);
    for (size_t i = 0; i < array_len(guard_names); i++)
        fprintf(stderr, " %s", guard_names[i].name);
    fprintf(stderr, "\n");
    exit(2);
}

int main(int argc, char **argv)
{
    struct sim_options options = {.seed = 1};
    uint64_t count = 500;
    bool test = false;
    for (int i = 1; i < argc; i++) {
        bool value = i + 1 < argc;
        if (strcmp(argv[i], "--schedules") == 0 && value) {
            count = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0 && value) {
            options.seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--without") == 0 && value) {
            options.without |= guard_bit(argv[++i]);
        } else if (strcmp(argv[i], "--lie") == 0) {
            options.lie = true;
        } else if (strcmp(argv[i], "--changes") == 0) {
            options.changes = true;
        } else if (strcmp(argv[i], "--elections") == 0) {
            options.elections = true;
        } else if (strcmp(argv[i], "--partitions") == 0) {
            options.partitions = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            options.verbose = true;
        } else if (strcmp(argv[i], "--self-test") == 0) {
            test = true;
        } else {
            fprintf(stderr, "usage: fuzz_schedules [--schedules N] [--seed S] [--lie] "
                            "[--without GUARD] [--changes | --elections | --partitions] "
                            "[--verbose] [--self-test]\n");
            return 2;
        }
    }
    if (test)
        return self_test(options.seed) ? 0 : 1;
    return schedules(options, count, false) ? 0 : 1;
}
