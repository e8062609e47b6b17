#pragma once
/* Commands that wait (wait.c), and bytes that every node must throw away (reclaim.c). */
#include "coordinator/meta/meta_int.h"

/* Must others let go of what they know of `i` before it may change? STATUS_OK: no. STATUS_PENDING:
 * yes, and the command now waits. Else it is refused. The last thing before a handler's second
 * half. */
ntstatus wait_for_others(struct work *w, struct inode *i);
/* The same, and also those that have let go are asked again: what they have begun since must end.
 */
ntstatus wait_for_others_anew(struct work *w, struct inode *i);
/* The same for these nodes, which may include the asker's. */
ntstatus wait_for_slots(struct work *w, struct inode *i, uint64_t slots);
/* The command waits in `waits`, whatever that list belongs to, until wait_wake. STATUS_PENDING, or
 * it is refused. Whoever owns the list saves and loads it. */
ntstatus wait_for(struct work *w, struct list *waits);
/* All that waits in the list is applied anew after this command. */
void wait_wake(struct meta *m, struct list *waits);
ntstatus apply_cancel(struct work *w, const Fl__Cancel *c);
/* After an open of `i` ended: who has it open no longer blocks. */
void wait_recheck(struct meta *m, struct inode *i);
/* The inode goes away. */
void wait_orphan(struct meta *m, struct inode *i);
/* The node went down: it blocks nobody, and its own commands are forgotten. */
void wait_node_down(struct meta *m, struct node *n);
void wait_free(struct meta *m, struct wait *v);
/* Puts it into the list, and to those of its node. */
void wait_add(struct wait *v, struct list *waits);
struct invalidation *invalidation_get(const struct meta *m, uint64_t ticket);
struct invalidation *invalidation_first(const struct meta *m);
struct invalidation *invalidation_next(const struct invalidation *v);
void invalidation_insert(struct meta *m, struct invalidation *v);
ntstatus apply_invalidate_done(struct work *w, const Fl__InvalidateDone *c);

/* Notices reclaim_begin may need for this volume. */
size_t reclaim_notices(const struct meta *m, const struct volume *v);
/* The bytes named by i->data_id are garbage; takes `i->garbage`. */
void reclaim_begin(struct work *w, struct inode *i);
/* The same for a volume that goes as a whole: nobody is told before he registers. */
void reclaim_quietly(struct meta *m, struct inode *i, uint64_t slots);
struct reclaim *reclaim_first(const struct meta *m);
struct reclaim *reclaim_next(const struct reclaim *r);
void reclaim_insert(struct meta *m, struct reclaim *r);
void reclaim_free(struct meta *m, struct reclaim *r);
/* No node in `slots` will answer any more, e.g. as it left the cluster. */
void reclaim_slots_gone(struct meta *m, uint64_t slots);
ntstatus apply_reclaim_done(struct work *w, const Fl__ReclaimDone *c);
