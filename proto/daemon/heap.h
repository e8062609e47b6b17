#pragma once
/* The shell's `struct mem`: the C library's allocator behind a budget. */
#include "proto/base/mem.h"

/* Memory from calloc(), at most `max` bytes at a time (SIZE_MAX: no cap). The mem may be shared by
 * the cores of one thread; it is not thread-safe. */
void mem_heap_init(struct mem *m, size_t max);
