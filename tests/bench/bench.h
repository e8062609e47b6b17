#pragma once
/* What the loads of `make bench` share: their options, the clock, processor time. */
#include "tests/bench/dial.h"
#include <stddef.h>
#include <stdint.h>

struct bench_options {
    struct dial_target to;
    const char *file, *pids; /* processes of the server, "1,2,3" */
    uint64_t size;           /* bytes */
    double seconds;          /* of a step */
};

/* --name value ..., then at least one word: argv[*first]. Ends the program when it is not so. */
struct bench_options bench_options_of(int argc, char **argv, int *first);

uint64_t now_ns(void);
/* Seconds of the processes in `pids` and their living descendants, user and system. */
double server_cpu(const char *pids);
double client_cpu(void);
void bench_sort(uint32_t *values, size_t count);
