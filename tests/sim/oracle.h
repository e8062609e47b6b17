#pragma once
/* What must be true, whatever happens. Invariants of the design that are checked here:
 *
 *   1, 2  Every 512 bytes of every file are one register. Each write has a name of its own, written
 *         into its bytes; each read says which name it saw. A history of such a register is
 *         linearizable exactly when no two names' zones clash (Gibbons and Korach, 1997): a name's
 *         zone lies between the first moment at which it surely was there and the last at which it
 *         was still asked for. A write without an answer may have happened, or happen later, once.
 *         Zeros have no name: they are wrong when they can be nobody's, neither the beginning's nor
 *         any ZERO's.
 *   5     A range that is locked is locked for nobody else, and read and written by nobody
 *         whom the lock forbids it (oracle_locks.c).
 *   3     At most one node would acknowledge writes for a group.
 *   4     No group is without in-sync members, and the disk of each of them holds every
 * acknowledged write: the durable bytes are looked at whenever a write is acknowledged. 7
 * Coordinators that have applied the same log hold the same bytes. */
#include "coordinator/service/coordinator.h"
#include "tests/sim/names.h"
#include "tests/sim/world.h"

enum {
    ATOM = 512,
    FILES_MAX = 4,
    FILE_BYTES_MAX = 5 << 19, /* two and a half extents */
    FILE_ATOMS = FILE_BYTES_MAX / ATOM,
    GROUPS_MAX = 16,
    SEEN_MAX = 64,
};

/* One name a register had, or may have had. */
struct version {
    uint32_t write, next; /* next: of the same register; 0 ends */
    uint64_t first_end;   /* of a write or a read of it; UINT64_MAX: not surely there yet */
    uint64_t last_begin;  /* of its write or a read of it */
};

struct write {
    uint32_t client, file, atom, count;
    uint64_t begin_ns;
    bool done, zero; /* zero: its bytes are zeros, which say nothing */
};

/* A byte-range lock that surely was held all this time. */
struct lock_seen {
    uint32_t client, file;
    uint64_t offset, len;
    bool exclusive;
    uint64_t from_ns, until_ns;
};

/* A READ or WRITE that succeeded. */
struct io_seen {
    uint32_t client, file;
    bool write;
    uint64_t offset, len, begin_ns, end_ns;
};

struct placement { /* where a file's data lies */
    bool known;
    uint32_t volume, first_group;
    uint64_t data_id;
};

struct group_view {
    uint32_t id, primary, in_sync[MACHINES], in_sync_count;
    uint64_t epoch;
    uint32_t lost; /* bit set of members whose disk is new, which the cluster does not know yet */
};

struct oracle {
    struct world *w;
    struct version *versions; /* [0] is nobody */
    uint32_t version_count, version_cap;
    uint32_t heads[FILES_MAX][FILE_ATOMS];
    struct write *writes; /* [0] is what was there before: zeros */
    uint32_t write_count, write_cap;
    struct lock_seen *locks;
    struct io_seen *ios;
    uint32_t lock_count, lock_cap, io_count, io_cap;
    struct placement files[FILES_MAX];
    /* The configuration as of the newest log entry that any coordinator has applied. */
    uint64_t index;
    const struct coordinator *newest; /* not looked at yet; NULL: looked at */
    struct group_view groups[GROUPS_MAX];
    uint32_t group_count, volume_groups[GROUPS_MAX], volume_group_count;
    struct mem mem;
    struct {
        uint64_t index, hash;
    } seen[SEEN_MAX]; /* saved states */
    uint32_t seen_next;
    struct names_oracle names;
    uint64_t reads, acknowledged, disk_atoms, saves;
};

void oracle_init(struct oracle *o, struct world *w);
void oracle_fini(struct oracle *o);

/* A client writes: returns the write's name and fills in its bytes. Offset and length are multiples
 * of ATOM. */
uint32_t oracle_write(struct oracle *o, uint32_t client, uint32_t file, uint64_t offset,
                      struct writer *to);
/* A client makes a range zero. */
uint32_t oracle_zero(struct oracle *o, uint32_t client, uint32_t file, uint64_t offset,
                     uint64_t len);
/* It was acknowledged. */
void oracle_written(struct oracle *o, uint32_t write);
struct read_seen {
    uint32_t client, file;
    uint64_t offset, len; /* asked for; what is missing in `bytes` lies beyond the end: zeros */
    uint64_t begin_ns;
    struct slice bytes;
};
void oracle_read(struct oracle *o, const struct read_seen *r);
/* Its unlock has succeeded. */
void oracle_locked(struct oracle *o, const struct lock_seen *l);
/* One has just succeeded: `end_ns` is now. */
void oracle_io(struct oracle *o, const struct io_seen *io);
/* A client has the file open: the coordinators know where it lies. */
void oracle_opened(struct oracle *o, uint32_t file, uint64_t open_id);

/* A coordinator has made a step; is about to go. */
void oracle_coordinator(struct oracle *o, const struct coordinator *c);
void oracle_coordinator_gone(struct oracle *o, const struct coordinator *c);
void oracle_refresh(struct oracle *o);
/* Invariant 3, now. */
void oracle_primaries(struct oracle *o);
/* Invariant 4 for all that was ever acknowledged. */
void oracle_disks(struct oracle *o);
/* Invariant 7 for the coordinators as they stand now. */
void oracle_states(struct oracle *o);
/* Would every group still have a good copy on another disk? */
bool oracle_may_lose(struct oracle *o, uint32_t node);
/* The node's disk is empty now: nobody expects its bytes until it was out of sync once. */
void oracle_lost(struct oracle *o, uint32_t node);
/* Every group has a primary, and all its replicas are in sync. */
bool oracle_whole(struct oracle *o, uint32_t replicas);
