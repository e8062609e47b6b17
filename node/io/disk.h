#pragma once
/* The store's files on a real disk: sparse extent files under the node's data directory, O_DIRECT.
 *
 *   DIR/identity  DIR/journal  DIR/extents/<volume>/<group>/<xx>/<inode>.<index>   (xx: low byte)
 *
 * A write is durable when it is reported: RWF_DSYNC. A file that is new to the disk is made durable
 * by the same journal commit (ext4 and XFS order a file's creation before its first synced data).
 * A directory is used by one process at a time (lock). */
#include "node/io/extents.h"
#include "node/io/reactor.h"

struct disk;

struct disk_callbacks {
    /* Outcome of disk_submit, never from within it. */
    void (*done)(void *ctx, uint64_t token, enum store_result result, uint64_t count);
    void *ctx;
};

/* Opens the directory, made when missing. NULL with a sentence in `error` (256 bytes). */
struct disk *disk_open(struct reactor *r, struct mem *mem, const char *directory,
                       const struct disk_callbacks *cb, char *error);
/* Nothing may be under way. Accepts NULL. */
void disk_close(struct disk *d);
/* Begins an operation; what it points to stays valid until its outcome. */
void disk_submit(struct disk *d, uint64_t token, const struct store_disk *op);
/* Operations under way. */
uint32_t disk_busy(const struct disk *d);
/* Outcomes that were known at once; call before waiting for the reactor. True when there were some.
 */
bool disk_deliver(struct disk *d);
/* Bytes free and in all on the file system. */
void disk_space(const struct disk *d, uint64_t *free_bytes, uint64_t *total_bytes);
