#pragma once
/* Typed records into a ring: what pure code says instead of logging. Always on; the shell dumps the
 * newest records on SIGUSR1 and after a failed must(). Writing one costs a few stores. */
#include "proto/base/mem.h"
#include <stdbool.h>

struct trace_record {
    uint64_t now_ns;
    const char *what; /* string literal: "group.evict", "create.done" */
    uint64_t a, b, c; /* meaning belongs to `what` */
};

struct trace {
    struct mem *mem;
    struct trace_record *ring;
    uint32_t cap;
    uint64_t written, now_ns; /* records ever written; time of the step in progress */
};

/* `cap` is a power of two. False when memory is refused: then tracing is off, not an error. */
bool trace_init(struct trace *t, struct mem *mem, uint32_t cap);
void trace_fini(struct trace *t);
/* Accepts t == NULL and a trace without ring. */
void trace_put(struct trace *t, const char *what, uint64_t a, uint64_t b, uint64_t c);
/* The i-th newest record (0 is the newest), or NULL. */
const struct trace_record *trace_newest(const struct trace *t, uint32_t i);
