/* The simulator's command line:
 *
 *   sim --seed N [--verbose] [--planted NAME]          one seed, with its history's hash
 *   sim --seeds N [--from M] [--planted NAME]          many; stops at the first that fails;
 *                                                     --verbose: a line for each
 *   sim --self-test                                    does it find what it must find? */
#include "tests/sim/run.h"

#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SELF_TEST_SEEDS = 200, SELF_TEST_CLEAN = 10 };

static const struct {
    const char *name;
    uint32_t bit;
} planted_bugs[] = {
    {"skip-durable", REP_PLANT_SKIP_DURABLE},
    {"ack-before-evict", REP_PLANT_ACK_BEFORE_EVICT},
    {"read-without-lease", REP_PLANT_READ_NO_LEASE},
    {"share-modes-of-one-node", META_PLANT_SHARING},
    {"open-what-is-marked", META_PLANT_MARKED},
    {"stale-locks", SMB_PLANT_STALE_LOCKS},
};

struct options {
    uint64_t seed, seeds, from;
    uint32_t planted;
    bool one, verbose, self_test;
};

/* A node that is killed leaves behind what libcrypto held for its sessions, as a process would. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }

static uint64_t running; /* for the signal's handler only */

static void on_abort(int number)
{
    char text[64];
    int len = snprintf(text, sizeof text, "seed %llu aborts\n", (unsigned long long)running);
    ssize_t unused = write(STDERR_FILENO, text, (size_t)len);
    (void)unused;
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static bool one(const struct run_options *o, struct run_result *r)
{
    running = o->seed;
    return run_seed(o, r);
}

static void print_result(const struct run_options *o, const struct run_result *r)
{
    printf("seed %llu: %s; %.1f s, %llu operations, %llu events, %llu messages, %llu crashes, "
           "%llu cuts, %llu pauses; %llu on names in %llu spaces, %llu unjudged; %llu takeovers, "
           "%llu evictions, %llu rejoins, %llu local reads, "
           "%llu redirected; hash %016llx\n",
           (unsigned long long)o->seed, r->violated ? r->violation : "ok", (double)r->at_ns / 1e9,
           (unsigned long long)r->operations, (unsigned long long)r->events,
           (unsigned long long)r->messages, (unsigned long long)r->crashes,
           (unsigned long long)r->cuts, (unsigned long long)r->pauses, (unsigned long long)r->names,
           (unsigned long long)r->spaces, (unsigned long long)r->unjudged,
           (unsigned long long)r->takeovers, (unsigned long long)r->evictions,
           (unsigned long long)r->rejoins, (unsigned long long)r->local_reads,
           (unsigned long long)r->redirected, (unsigned long long)r->hash);
}

static int run_one(const struct options *o)
{
    struct run_options run = {o->seed, o->planted, o->verbose};
    struct run_result r;
    bool ok = one(&run, &r);
    print_result(&run, &r);
    return ok ? 0 : 1;
}

static double seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The wall clock is for the person who waits; nothing in a run sees it. */
static int run_many(const struct options *o)
{
    uint64_t operations = 0, crashes = 0, cuts = 0, events = 0, names = 0, spaces = 0, unjudged = 0;
    double start = seconds();
    for (uint64_t i = 0; i < o->seeds; i++) {
        struct run_options run = {o->from + i, o->planted, false};
        struct run_result r;
        if (!one(&run, &r)) {
            print_result(&run, &r);
            printf("replay: make sim SEED=%llu\n", (unsigned long long)run.seed);
            return 1;
        }
        if (o->verbose)
            print_result(&run, &r);
        names += r.names, spaces += r.spaces, unjudged += r.unjudged;
        operations += r.operations, crashes += r.crashes, cuts += r.cuts, events += r.events;
    }
    printf("%llu seeds from %llu: no oracle violated; %llu operations, %llu on names (%llu spaces, "
           "%llu unjudged), %llu events, %llu crashes, %llu cuts; %.1f seeds/s\n",
           (unsigned long long)o->seeds, (unsigned long long)o->from,
           (unsigned long long)operations, (unsigned long long)names, (unsigned long long)spaces,
           (unsigned long long)unjudged, (unsigned long long)events, (unsigned long long)crashes,
           (unsigned long long)cuts, (double)o->seeds / (seconds() - start));
    return 0;
}

static bool finds(uint32_t bit, const char *name, uint64_t from)
{
    for (uint64_t i = 0; i < SELF_TEST_SEEDS; i++) {
        struct run_options run = {from + i, bit, false};
        struct run_result r;
        if (one(&run, &r))
            continue;
        printf("planted %s: found by seed %llu: %s\n", name, (unsigned long long)run.seed,
               r.violation);
        return true;
    }
    printf("planted %s: NOT found within %d seeds\n", name, SELF_TEST_SEEDS);
    return false;
}

static int self_test(const struct options *o)
{
    int failures = 0;
    for (uint64_t i = 0; i < SELF_TEST_CLEAN; i++) {
        struct run_options run = {o->from + i, 0, false};
        struct run_result first, second;
        bool ok = one(&run, &first);
        (void)one(&run, &second);
        if (ok && first.hash == second.hash)
            continue;
        failures++;
        print_result(&run, &first);
        print_result(&run, &second);
    }
    for (size_t i = 0; i < array_len(planted_bugs); i++)
        failures += !finds(planted_bugs[i].bit, planted_bugs[i].name, o->from);
    printf("self-test: %s\n", failures == 0 ? "ok" : "FAILED");
    return failures == 0 ? 0 : 1;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    switch (key) {
    case 's': o->seed = strtoull(arg, NULL, 0), o->one = true; break;
    case 'n': o->seeds = strtoull(arg, NULL, 0); break;
    case 'f': o->from = strtoull(arg, NULL, 0); break;
    case 'v': o->verbose = true; break;
    case 't': o->self_test = true; break;
    case 'p':
        for (size_t i = 0; i < array_len(planted_bugs); i++)
            if (strcmp(arg, planted_bugs[i].name) == 0)
                o->planted |= planted_bugs[i].bit;
        if (o->planted == 0)
            argp_error(state,
                       "planted bugs are skip-durable, ack-before-evict, read-without-lease, "
                       "share-modes-of-one-node, open-what-is-marked, stale-locks");
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct argp_option list[] = {
        {"seed", 's', "N", 0, "run this seed", 0},
        {"seeds", 'n', "N", 0, "run so many seeds", 0},
        {"from", 'f', "N", 0, "the first of them (1)", 0},
        {"planted", 'p', "NAME", 0, "with a bug planted", 0},
        {"verbose", 'v', NULL, 0, "tell the story", 0},
        {"self-test", 't', NULL, 0, "equal hashes twice; planted bugs are found", 0},
        {0},
    };
    static const struct argp argp = {list, parse, NULL, "Flotilla's simulator", NULL, NULL, NULL};
    struct options o = {.seeds = 200, .from = 1};
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0)
        return 2;
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* the story up to the line before an abort */
    (void)signal(SIGABRT, on_abort);
    (void)signal(SIGSEGV, on_abort);
    if (o.self_test)
        return self_test(&o);
    return o.one ? run_one(&o) : run_many(&o);
}
