#pragma once
/* Byte-range locks ([MS-FSA] 2.1.5.8, 2.1.5.9): the ranges of a file that its opens have locked.
 *
 * A range is locked only when no other node relies on a list without it (wait.c). Removing one need
 * not wait: who goes by an old list finds a conflict, and asks before he refuses. A command that
 * waits for a lock is in the file's list, and tried again whenever a range has gone. */
#include "coordinator/meta/meta_int.h"

enum {
    META_FILE_LOCKS_MAX = 4096, /* ranges of one file */
    META_OPEN_LOCKS_MAX = 2048, /* of one open; a request has no more either */
};

/* Owned by its file's `locks`. */
struct range {
    struct list in_file;
    struct open *open;
    struct byterange at;
};

/* While a file has any. Owned by the inode. */
struct locks {
    struct list ranges; /* the oldest first */
    struct list waits;  /* commands that wait for some of them to go */
    uint32_t count;
};

struct range *range_first(const struct inode *i);
struct range *range_next(const struct inode *i, const struct range *r);
/* A range as it was saved; its open is among its file's. False when memory is refused. */
bool range_restore(struct meta *m, struct open *o, const struct byterange *at);

/* How many ranges a query tells of. */
size_t locks_told(const struct inode *i);
/* The ranges into `w` and into `info`; when they do not fit, nothing may be kept. */
void locks_fill(const struct inode *i, struct writer *w, Fl__FileInfo *info);
/* Is this read or write forbidden? */
bool locks_forbid(const struct inode *i, const struct byterange *wanted);
/* The open ends, and with it all its ranges. True if it had any. */
bool locks_end(struct meta *m, struct open *o);
/* The first invariant that does not hold (INV-5 is one), or NULL. */
const char *locks_violated(const struct inode *i);

ntstatus apply_lock(struct work *w, const Fl__Lock *c);
ntstatus apply_unlock(struct work *w, const Fl__Unlock *c);
