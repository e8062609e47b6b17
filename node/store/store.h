#pragma once
/* What one node keeps on its own disk, as a pure core: extents, the journal of intents, the
 * identity.
 *
 *   node/replication ── OP ──►┌────────────┐── DISK_READ, _WRITE, _RESERVE, ──► node/io/disk.c
 *                    ◄─ DONE ─┤ store_step │   _PUNCH, _DELETE, _LIST           (or the simulated
 *                             └────────────┘◄── DISK ── outcome, same token ───  disk of the tests)
 *
 * An extent is a sparse file; what was never written reads as zeros. A region is 1 MiB of an
 * extent. Before a write touches a cold region, the intent is recorded durably in the journal; a
 * hot region costs nothing more. A region stays hot at least while it is pinned: every WRITE and
 * ZERO pins its region once, and STORE_CONFIRM takes the pin away when replication knows that every
 * in-sync member has the write. So after a crash the hot regions are all that can differ between
 * members.
 *
 * Order: operations that share a block run in the order they were submitted (reads beside reads run
 * together). A write is durable when it is reported done. A write that finds no space leaves the
 * old bytes everywhere (space is reserved before the first byte changes). A crash may leave any
 * mixture of old and new 512-byte sectors in a write that was not reported. */
#include "proto/base/mem.h"
#include "proto/base/ranges.h"
#include <stdbool.h>

enum {
    STORE_BLOCK = 4096,     /* every disk effect is aligned to this: offset, length, memory */
    STORE_REGION = 1 << 20, /* unit of intent; no READ, WRITE, ZERO, HASH crosses one */
    STORE_LIST_MAX = 128,   /* entries of one LIST */
    STORE_ID = 16,          /* bytes of a store or cluster id */
};

enum store_result {
    STORE_OK,
    STORE_NO_SPACE, /* nothing was changed */
    STORE_IO_ERROR, /* the range holds old or new bytes, or cannot be read */
};

/* An extent: part `index` of a file's data, which lies in `group`. */
struct store_extent {
    uint32_t volume, group;
    uint64_t inode, index; /* inode is never 0 */
};

struct store_entry {
    uint64_t inode, index;
    uint64_t size; /* bytes to the end of what was written; a multiple of STORE_BLOCK */
};

struct store_region {
    struct store_extent extent;
    uint32_t region; /* [region * STORE_REGION, +STORE_REGION) of the extent */
};

/* ---- what replication asks ------------------------------------------------------------------- */

enum store_op_type {
    STORE_READ,  /* `len` bytes at `offset` to `into` */
    STORE_WRITE, /* `len` bytes from `data`; pins the region */
    STORE_ZERO,  /* the range reads as zeros, whole blocks are given back; pins the region */
    STORE_HASH,  /* XXH3-128 of the range under `seed` */
    STORE_MAP,  /* which blocks of the range hold data, in bytes of the extent; may cross regions */
    STORE_LIST, /* extents of extent.{volume,group} behind (extent.inode, extent.index), ascending
                 */
    STORE_DELETE,  /* every extent of extent.{volume,inode}, in all groups */
    STORE_CONFIRM, /* takes `len` pins from the region at `offset`; is never answered */
};

/* Any byte offset and length, within one region (MAP: within the extent). Memory stays valid, and
 * is not changed by others, until DONE; it needs no alignment (aligned memory saves a copy). */
struct store_op {
    enum store_op_type type;
    struct store_extent extent;
    uint64_t offset, len;
    const uint8_t *data;         /* WRITE */
    uint8_t *into;               /* READ */
    uint64_t seed;               /* HASH */
    struct store_entry *entries; /* LIST: room for STORE_LIST_MAX */
    struct ranges *ranges;       /* MAP */
};

struct store_outcome {
    enum store_result result;
    uint32_t count;   /* LIST: entries filled; fewer than STORE_LIST_MAX means: no more */
    uint64_t hash[2]; /* HASH */
};

/* ---- events ---------------------------------------------------------------------------------- */

enum store_event_type {
    STORE_EV_START, /* first event, once */
    STORE_EV_OP,
    STORE_EV_DISK, /* outcome of a STORE_DO_DISK */
    STORE_EV_TICK, /* nothing happened; effects that wait may leave */
};

struct store_event {
    enum store_event_type type;
    uint64_t now_ns;
    union {
        struct {
            uint8_t new_store_id[STORE_ID]; /* random; used when the directory is empty */
            uint8_t cluster_id[STORE_ID];
        } start;
        struct {
            uint64_t token;
            struct store_op op;
        } op;
        struct {
            uint64_t token;
            enum store_result result;
            uint64_t count; /* DISK_LIST: entries filled; DISK_READ: bytes there are up to the
                               file's end (the rest was filled with zeros) */
        } disk;
    };
};

/* ---- effects --------------------------------------------------------------------------------- */

enum store_file_kind { STORE_FILE_IDENTITY, STORE_FILE_JOURNAL, STORE_FILE_EXTENT };

struct store_file {
    enum store_file_kind kind;
    struct store_extent extent; /* EXTENT only */
};

/* offset, len, data and into are multiples of STORE_BLOCK. The memory belongs to the store or to
 * the one who submitted the operation; it stays valid until the DISK event that carries the token,
 * and the disk must not touch it afterwards. Effects of one step may be carried out in any order,
 * and those without an outcome so far beside each other. */
enum store_disk_type {
    DISK_READ,    /* what lies beyond the end of the file, or has no file, is zeros: not an error */
    DISK_WRITE,   /* creates what is missing; bytes, size and names are durable when reported */
    DISK_RESERVE, /* allocates [offset, +len) without changing what is read there (fallocate);
                     creates the file; NO_SPACE changes nothing. A DISK_WRITE that lies in reserved
                     or written blocks never gives NO_SPACE */
    DISK_PUNCH,   /* gives the blocks back; zeros are read; durable when reported; no file: nothing.
                     Never NO_SPACE: where a file system needs space for that, zeros are written */
    DISK_DELETE,  /* every extent file of file.extent.{volume,inode}, in all groups; durable */
    DISK_MAP,     /* where [offset, +len) holds data, to `ranges`; the rest of it reads as zeros. No
                     file: nowhere */
    DISK_LIST,    /* extent files of {volume,group} with (inode,index) > the given ones, ascending,
                     `len` entries at most, to `entries` */
};

struct store_disk {
    enum store_disk_type type;
    struct store_file file;
    uint64_t offset, len;
    const uint8_t *data;         /* WRITE */
    uint8_t *into;               /* READ */
    struct store_entry *entries; /* LIST */
    struct ranges *ranges;       /* MAP */
};

enum store_effect_type {
    STORE_DO_DISK,
    STORE_DO_DONE,    /* outcome of an operation; its memory is the submitter's again */
    STORE_DO_READY,   /* once: START has finished; operations before it were queued */
    STORE_DO_REFUSED, /* once, instead of READY: this directory must not be used; nothing follows */
};

struct store_effect {
    enum store_effect_type type;
    uint64_t token;
    union {
        struct store_disk disk;
        struct store_outcome done;
        struct {
            uint8_t store_id[STORE_ID];
            bool fresh;                     /* the directory was empty */
            const struct store_region *hot; /* each pinned once; valid until the next step */
            uint32_t hot_count;
        } ready;
        struct {
            const char *why;
        } refused; /* a sentence for the log */
    };
};

enum { STORE_EFFECTS_MAX = 256 };

struct store_effects {
    uint32_t count;
    struct store_effect items[STORE_EFFECTS_MAX];
};

/* ---- the core -------------------------------------------------------------------------------- */

struct store_config {
    uint32_t ops_max;     /* operations in progress; more are a bug of the caller: see store_room */
    uint32_t bounces_max; /* 1 MiB buffers for unaligned edges and hashes; at least 1 */
    uint32_t hot_max;     /* hot regions, at most STORE_HOT_MAX */
};

enum { STORE_HOT_MAX = 1024 };

struct store_stats {
    uint64_t reads, writes, read_bytes, written_bytes, bounced, intents, journal_writes;
    uint32_t ops, hot, pinned;
};

struct store;

/* NULL when memory is refused. All memory is taken here. */
struct store *store_new(struct mem *mem, const struct store_config *config);
/* Accepts NULL. */
void store_free(struct store *s);
/* `out` is empty on entry. What does not fit waits: see store_next_deadline. */
void store_step(struct store *s, const struct store_event *ev, struct store_effects *out);
/* 0 when effects wait that did not fit in `out` (a TICK fetches them), else DEADLINE_NEVER. */
uint64_t store_next_deadline(const struct store *s);
/* How many more operations may be submitted now. */
uint32_t store_room(const struct store *s);
/* Every invariant of the folder; fails by must(). */
void store_check(const struct store *s);
void store_stats(const struct store *s, struct store_stats *out);
