#pragma once
/* Leases and oplocks: what clients may cache of a file, and who must be told before it is no longer
 * so
 * ([MS-SMB2] 3.3.1.12, 3.3.4.6, 3.3.4.7; the rules are in oplock.h).
 *
 *              somebody else's use                acknowledged, or its time is up
 *   HELD ─────────────────────────────► BREAKING ────────────────────────────────► HELD, with less
 *    │ only READ: HELD with nothing        │ more must go: told again ◄──┘            │
 *    └──────────────────── the last open that has it ends: gone ◄───────────────────┘
 *
 * A use that must wait for an acknowledgement waits in the lease (lease.waits). */
#include "coordinator/meta/oplock.h"
#include "proto/base/list.h"
#include "proto/base/tree.h"
#include "proto/cluster/meta.pb-c.h"
#include "proto/smb/status.h"

struct meta;
struct work;
struct inode;
struct open;
struct node;

/* Owned by meta.leases; goes with the last of its opens. */
struct lease {
    struct tree_node by_id, by_key, by_deadline;
    struct list in_inode, opens, waits;
    struct inode *inode;
    uint64_t id, deadline; /* FILETIME; while it breaks */
    uint8_t client_guid[16], key[16], parent_key[16];
    uint32_t version; /* 1, 2; 0: it is the oplock of its one open */
    uint16_t epoch;
    bool has_parent, breaking;
    bool lost;     /* nothing is left of it, of which the client may not have heard yet */
    uint8_t state; /* CACHE_*; while it breaks: as before */
    uint8_t sent;  /* while it breaks: what the client was told to keep */
    uint8_t to;    /* while it breaks: what it is to become; part of `sent` */
};

/* Whose change it is to those who cache the directory it shows in: the key that its author gave the
 * directory's lease. [MS-FSA] 2.1.4.12.2. */
struct lease_author {
    bool known;
    uint8_t parent_key[16];
};

/* What an Open asks for, on its way through the two halves. */
struct lease_asking {
    const Fl__Open *c;
    struct lease *held;  /* with that key on this file already */
    struct lease *fresh; /* taken in the first half; owned by the asker until lease_attach */
    uint8_t wanted;      /* CACHE_* */
    bool none;           /* nothing is asked for, or it cannot be had at all */
};

/* First half. `i` is the file, or NULL when it is to be created. STATUS_INVALID_PARAMETER when the
 * key is another file's ([MS-SMB2] 3.3.5.9.8). */
ntstatus lease_ask(struct work *w, struct lease_asking *a, const struct inode *i, bool directory);
/* The record it may need; false when memory is refused. */
bool lease_take(struct work *w, struct lease_asking *a);
/* The first half was in vain. */
void lease_give_back(struct work *w, struct lease_asking *a);
/* Nodes that must stop relying on nobody's caching before what is asked for can be granted (slots).
 */
uint64_t lease_writers(const struct lease_asking *a, const struct inode *i);
/* Second half: the open, already in its file, gets what there is to get; says so in the reply. */
void lease_attach(struct work *w, struct lease_asking *a, struct open *o);
/* The open ends. */
void lease_detach(struct meta *m, struct open *o);

/* What opening a file with these rights is to those who cache it ([MS-FSA] 2.1.4.12). */
enum cache_use cache_use_of(uint32_t access, bool overwrites);
/* Does somebody hold a batch oplock? It goes before sharing is looked at ([MS-FSA] 2.1.5.1.2). */
bool lease_batch(const struct inode *i);
/* Notices that leases_break may need. */
size_t lease_notices(const struct inode *i);
/* The last thing before a handler's second half. STATUS_OK: what `use` breaks need not be waited
 * for. STATUS_PENDING: it breaks now, and the command waits. Else it is refused. `own` (may be
 * NULL) is the user's and stays, unless it is an oplock of level II. */
ntstatus leases_wait(struct work *w, struct inode *i, enum cache_use use, const struct lease *own);
/* In the second half: all that `use` breaks is told so. Notices are reserved: lease_notices. */
void leases_break(struct work *w, struct inode *i, enum cache_use use, const struct lease *own);
/* The command's changes are made for this open, or by what this Open asks for (either may be NULL).
 */
void lease_author(struct work *w, const struct open *o, const Fl__Open *c);
/* In the second half: an entry of the directory, or what it says of a file, has changed. Notices
 * are reserved: lease_notices of the directory. `directory` may be NULL. */
void leases_break_entries(struct work *w, struct inode *directory);
/* Notices for that, of the directory where the file lies. */
size_t lease_entry_notices(const struct inode *i);
/* The same as leases_wait for the first file with cached handles below the directory `i`. */
ntstatus leases_wait_below(struct work *w, struct inode *i);
/* FileInfo.cached_by. */
uint64_t lease_cached_by(const struct inode *i);

ntstatus apply_break_caching(struct work *w, const Fl__BreakCaching *c);
ntstatus apply_lease_ack(struct work *w, const Fl__LeaseAck *c);
ntstatus apply_oplock_ack(struct work *w, const Fl__OplockAck *c);
ntstatus apply_break_timeout(struct work *w);

struct lease *lease_get(const struct meta *m, uint64_t id);
struct lease *lease_first(const struct meta *m);
struct lease *lease_next(const struct lease *l);
struct lease *lease_by_key(const struct meta *m, const uint8_t client_guid[16],
                           const uint8_t key[16]);
/* What others than the holder of `own` (may be NULL) have of the file. */
struct cache_others lease_others(const struct inode *i, const struct lease *own);
void lease_insert_breaking(struct meta *m, struct lease *l);
/* Into all containers it belongs to. */
void lease_insert(struct meta *m, struct lease *l);
void lease_join(struct lease *l, struct open *o);
void lease_free(struct meta *m, struct lease *l);
/* The one whose time is up first; NULL: none breaks. */
struct lease *lease_breaking_first(const struct meta *m);
struct lease *lease_breaking_next(const struct lease *l);
void lease_trees_init(struct meta *m);
/* Is its client, on this node, to be told again what it was told last? Notices may get lost. */
bool lease_owes(const struct lease *l, const struct node *n);
/* The notice of it into `n`, which has a body of this kind. */
Fl__Notice__BodyCase lease_notice_body(const struct lease *l);
void lease_notice(const struct lease *l, Fl__Notice *n);
/* An invariant that does not hold, or NULL. */
const char *lease_violated(const struct meta *m, const struct lease *l);
