#pragma once
/* The simulated world: one clock, one heap of events, one generator of chance. Everything that
 * happens is an event at a time; nothing else moves the clock. So a seed gives one history, and the
 * hash over all events tells whether two histories are the same.
 *
 * A process is something that can be killed and can stand still. Its events name its life: those of
 * a former life find nobody; those for a process that stands still wait, in their order. */
#include "proto/base/bytes.h"
#include "proto/base/heap.h"
#include "proto/base/list.h"
#include "proto/base/mem.h"
#include "proto/base/must.h"
#include "proto/base/prng.h"
#include <stdbool.h>

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)

enum { MACHINES = 3, CLIENTS_MAX = 8, HOSTS = MACHINES + CLIENTS_MAX + 1 };

struct world;

struct proc {
    uint64_t life; /* raised by every start and every death */
    bool alive;
    uint64_t paused_until; /* stands still before this time */
    uint32_t host;
    const char *kind;
    uint32_t number; /* 1.. */
};

/* `data` is the event's own, freed after it ran or was dropped. */
typedef void (*event_fn)(struct world *w, void *object, uint64_t arg, void *data);

struct event {
    uint64_t at_ns;
    struct proc *proc; /* NULL: belongs to nobody */
    event_fn run;
    void *object;
    uint64_t arg;
    void *data;
    /* filled in by world_at */
    uint64_t seq, life;
};

/* A host's monotonic clock: it began anywhere and runs a little fast or slow. */
struct clock {
    uint64_t base_ns;
    int64_t drift_ppm;
};

struct world {
    uint64_t seed, now_ns, hash, events, seq;
    struct prng prng;
    struct event *heap;
    size_t count, cap;
    struct clock clocks[HOSTS];
    bool verbose, broken, stopped;
    char violation[512];
    struct net *net;
    struct cluster *cluster;
};

void world_init(struct world *w, uint64_t seed, bool verbose);
void world_fini(struct world *w);
/* Puts an event into the heap; events of the same time run in the order they were put in. */
void world_at(struct world *w, struct event e);
/* Runs events until `until_ns`, or until the world is broken or stopped. */
void world_run(struct world *w, uint64_t until_ns);
/* An oracle was violated: remembered (the first one), and the run ends. */
void world_violation(struct world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A line of the story, when the run is verbose. */
void world_tell(const struct world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Mixes something that happened into the history's hash. */
void world_note(struct world *w, uint64_t what);

/* Chance. */
uint64_t draw(struct world *w, uint64_t least, uint64_t most); /* both included */
bool chance(struct world *w, uint32_t per_mille);

/* What a host's monotonic clock shows now; and when, in the world's time, it will show `local_ns`
 * (never before now; UINT64_MAX for DEADLINE_NEVER). */
uint64_t local_now(const struct world *w, uint32_t host);
uint64_t world_time(const struct world *w, uint32_t host, uint64_t local_ns);
/* The wall clock, 100 ns since 1601; the same everywhere. */
uint64_t filetime(const struct world *w);

void proc_start(struct proc *p);
void proc_end(struct proc *p);

/* A mem over calloc without a limit: an allocation that fails is another test's matter. */
struct mem sim_mem(void);

/* The memory of a process: all of it is given back when the process dies. */
struct heap_block {
    struct list link;
    _Alignas(16) uint8_t bytes[];
};
struct process_heap {
    struct list blocks;
    struct mem mem;
};
void process_heap_init(struct process_heap *h);
void process_heap_drop(struct process_heap *h);

/* malloc that must not fail. */
void *take(size_t size);
