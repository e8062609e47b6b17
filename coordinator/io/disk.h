#pragma once
/* The Raft engine's files on a real disk: one directory, one writer thread.
 *
 * Operations are carried out in the order they were asked for. A SYNC is answered when everything
 * before it is durable; SYNCs that have gathered meanwhile share one fdatasync: that is the group
 * commit. A rename or a deletion never overtakes a SYNC asked for before it. The first error ends
 * all work: nothing that follows a lost write may reach the disk. */
#include "coordinator/raft/raft.h"
#include <uv.h>

struct disk;

/* Called on the loop's thread. */
struct disk_callbacks {
    void (*done)(void *ctx, uint64_t token); /* all SYNCs up to this one */
    void (*failed)(void *ctx, const char *why);
    void (*read)(void *ctx, uint64_t token, struct slice bytes);
    void *ctx;
};

/* Makes the directory when it is missing, takes its lock (one process a directory) and starts the
 * writer. NULL with a sentence in `error` (256 bytes). */
struct disk *disk_new(uv_loop_t *loop, const char *directory, const struct disk_callbacks *cb,
                      char *error);
/* Carries out what is queued, stops the writer, frees. No callback follows. Accepts NULL. */
void disk_free(struct disk *d);
/* A FILE_* or SYNC effect; its bytes are copied. */
void disk_submit(struct disk *d, const struct raft_effect *fx);

/* Every file of the engine in the directory, whole, for its START event. `files` and the bytes are
 * malloc'ed, to be given to disk_unload. -1 with a sentence in `error`. */
int disk_load(const struct disk *d, struct raft_loaded_file **files, size_t *count, char *error);
void disk_unload(struct raft_loaded_file *files, size_t count);
/* Reads [offset, offset+len) of a complete file, now. */
bool disk_read_now(const struct disk *d, struct raft_file file, uint64_t offset, uint8_t *to,
                   size_t len);
