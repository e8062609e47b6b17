#pragma once
/* Telling those who watch directories what has changed ([MS-FSA] 2.1.4.1).
 *
 * A command that changes something reserves room in its first half, by notify_prepare(), and tells
 * of the change in its second. Nothing that is told is remembered here: it leaves as a notice to
 * the node of the watching open, which keeps it for its client. Who watches nothing costs one look
 * at his volume's counter. What does not fit into a command's notices, or has a name that no path
 * can hold, is told as "look for yourself", never left out. */
#include "coordinator/meta/meta_int.h"
#include "proto/smb/notify.h"

enum {
    META_WATCH_NOTICES_MAX = 1024, /* of one command; then each node is told once */
    META_WATCHERS_MAX = 65536,     /* of one volume */
};

/* How many notices one change of `i`, of its name or of its streams may need. */
size_t notify_count(const struct inode *i);
/* The same for a change of a name in `directory`. */
size_t notify_count_in(const struct inode *directory);
/* Room for `others` notices, and for `watch` of those that are counted so. */
bool notify_prepare(struct work *w, size_t others, size_t watch);

/* The name that `i` has now: [MS-FSCC] 2.7.1 action, [MS-SMB2] 2.2.35 filter. */
void notify_inode(struct work *w, const struct inode *i, uint32_t action, uint32_t filter);
/* It has come, or goes. */
void notify_added(struct work *w, const struct inode *i);
void notify_removed(struct work *w, const struct inode *i);
/* Its name changed or goes away, of whichever kind `i` is. */
uint32_t notify_name_filter(const struct inode *i);
/* Data of `i` was written, its size perhaps changed: told when one of its opens ends, so that a
 * file that is being written does not tell of every write. */
void notify_written(struct inode *i, bool sized);
/* Something else to be told then, of the file itself. */
void notify_later(struct inode *i, uint32_t filter);
/* Tells what notify_written and notify_later have left. */
void notify_closed(struct work *w, struct inode *i);
/* A directory was marked for deletion: who has it open is told, and watches nothing more. */
void notify_marked(struct work *w, struct inode *directory);
/* The watches of an open that ends. */
void notify_open_ended(struct open *o);
/* An open that watches was put in place. */
void notify_open_watches(struct open *o);

ntstatus apply_watch(struct work *w, const Fl__Watch *c);
/* Has the node anything that watches? */
bool notify_node_watches(const struct node *n);
