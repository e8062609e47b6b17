/* The one file of this folder that may call the C library: a process that holds a broken belief has
 * nobody left to return an error to. */
#include "proto/base/must.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void must_failed(const char *cond, const char *file, int line, const char *func)
{
    fprintf(stderr, "<2>%s:%d: %s: must(%s)\n", file, line, func, cond);
    abort();
}
