#include "tests/lib/faults.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t countdown; /* allocations until the refused one; 0 when not armed */
static bool fired;

static void *test_alloc(void *ctx, size_t size)
{
    (void)ctx;
    if (countdown > 0 && --countdown == 0) {
        fired = true;
        return NULL;
    }
    return calloc(1, size);
}

static void test_release(void *ctx, void *at, size_t size)
{
    (void)ctx;
    (void)size;
    free(at);
}

struct mem test_mem(size_t max)
{
    return (struct mem){.alloc = test_alloc, .release = test_release, .max = max};
}

void test_mem_check(const struct mem *m)
{
    if (m->used == 0)
        return;
    fprintf(stderr, "%zu bytes of test memory were not given back\n", m->used);
    abort();
}

void faults_arm(uint64_t nth)
{
    countdown = nth;
    fired = false;
}

bool faults_fired(void)
{
    bool was = fired;
    faults_arm(0);
    return was;
}
