#pragma once
/* Memory for tests: it knows what is still out, and refuses the n-th allocation when told to. A
 * scenario is tried by exhaustion:
 *
 *     for (uint64_t nth = 1;; nth++) {
 *         faults_arm(nth);
 *         struct mem mem = test_mem(SIZE_MAX);
 *         ... the scenario, which must cope ...
 *         test_mem_check(&mem);
 *         if (!faults_fired())
 *             break;
 *     }
 */
#include "proto/base/mem.h"
#include <stdbool.h>

/* A mem over calloc() with a budget of `max` bytes; blocks are exact, so ASan sees one byte too
 * far. */
struct mem test_mem(size_t max);
/* Fails the running test when anything taken from `m` has not been given back. */
void test_mem_check(const struct mem *m);

/* From now on the `nth` allocation (1 is the next) of any test_mem is refused, once; 0: none. */
void faults_arm(uint64_t nth);
/* Whether the armed allocation was reached (and refused). Disarms. */
bool faults_fired(void);
