#pragma once
/* What the files of coordinator/meta share.
 *
 * Every handler has two halves. The first looks and takes memory: it may refuse, and then gives
 * back what it took. The second changes the state and cannot fail. So a command that is refused,
 * for whatever reason, has changed nothing. Containers are trees and lists whose links lie in the
 * records: putting a record in or taking it out needs no memory.
 *
 *   node ──opens──► open ◄──opens── inode ──children──► inode ...
 *    │ window: replies remembered     │ garbage: the record of its bytes, should they be thrown
 * away └ waits: commands that wait      └ invalidation: who must let go of what he knows of it
 *
 * Sets of nodes are bit sets over slots: a node has a slot while it belongs to the cluster. */
#include "coordinator/meta/leases.h"
#include "coordinator/meta/meta.h"
#include "proto/base/list.h"
#include "proto/base/must.h"
#include "proto/base/tree.h"
#include "proto/base/utf16.h"
#include "proto/cluster/pack.h"
#include "proto/cluster/byterange.h"
#include "proto/smb/ea.h"
#include "proto/smb/fscc.h"
#include "proto/smb/names.h"
#include "proto/smb/reparse.h"
#include "proto/smb/security.h"
#include "proto/smb/status.h"
#include <string.h>

enum {
    META_NODES_MAX = 64, /* bits of a slot set */
    META_REPLICAS_MAX = 3,
    META_WINDOW_MAX = 2048, /* replies remembered for one node; those of waiting commands too */
    META_REPLY_MAX = 1152,  /* packed bytes of a reply to a node: one FileInfo and some */
    META_GROUPS_MAX = 1024, /* of one volume */
    META_GROUPS_DEFAULT = 24,
    META_VOLUMES_MAX = 256,
    META_SHARES_MAX = 4096,
    META_GRANTS_MAX = 256, /* of one share */
    META_USERS_MAX = 65536,
    META_LABEL_MAX = 80,  /* UTF-16 units of a share's, volume's, user's or node's name */
    META_TEXT_MAX = 1024, /* bytes of a comment, an address, a path */
    META_PEM_MAX = 65536,
    META_LIST_MAX = 1024,    /* entries of one directory reply */
    META_STREAMS_MAX = 1024, /* named streams of one file: deleting it tells of each */
    META_RECLAIMS_MAX = 1 << 20,
    META_WAITS_MAX = 512,      /* commands of one node that wait: less than its window */
    META_REPLY_LOCKS = 4,      /* locked ranges told in the reply to a command */
    META_CLUSTER_BYTES = 4096, /* what allocation sizes are multiples of */
};
#define META_SIZE_MAX (UINT64_C(1) << 60) /* end of file */

/* Owned bytes; {0} when empty. */
struct blob {
    uint8_t *at;
    size_t len;
};

/* A name of the administrator's: as given, and in the form names are compared in. */
struct label {
    struct blob utf8, utf16;
};

/* Owned by meta.nodes. */
struct node {
    struct tree_node by_id;
    uint32_t id, slot;
    Fl__NodeState state;
    struct label name;
    struct blob address;
    uint32_t data_port, coordinator_port;
    bool coordinator;
    uint64_t incarnation, session;
    struct blob store_id;   /* empty before the first registration */
    struct blob token_hash; /* of an invitation not used yet */
    uint64_t expires;
    struct tree window;    /* remembered by sequence */
    uint64_t window_floor; /* replies to sequences below are forgotten */
    /* derived */
    struct list opens, waits;
    uint32_t wait_count; /* length of `waits` */
    uint32_t primaries;  /* groups whose primary it is */
};

/* The reply to a command of a node, kept until the node says that it has it. Owned by node.window.
 */
struct remembered {
    struct tree_node by_sequence;
    uint64_t sequence;
    bool pending; /* a wait will bring the reply */
    uint32_t len;
    uint8_t bytes[META_REPLY_MAX];
};

/* Owned by meta.groups. */
struct group {
    struct tree_node by_id;
    uint32_t id;
    struct volume *volume;
    uint64_t epoch;
    uint32_t members[META_REPLICAS_MAX], in_sync[META_REPLICAS_MAX];
    uint32_t member_count, in_sync_count, primary;
    bool lost; /* the only good copy went with its disk: no primary until the volume is removed */
};

/* Owned by meta.volumes. */
struct volume {
    struct tree_node by_id;
    uint32_t id;
    struct label name;
    uint32_t replicas, group_count, cursor; /* cursor: the next first_group */
    uint64_t extent_bytes, creation_time;
    struct group **groups;
    uint64_t next_inode, next_data;
    struct tree inodes;
    struct inode *root;
    /* derived */
    uint64_t bytes;    /* sizes of its files */
    uint32_t watchers; /* opens that watch something in it */
};

/* A security descriptor, one record for all files that have it. Owned by meta.descriptors. */
struct descriptor {
    struct tree_node by_bytes;
    uint64_t refs;
    uint32_t len;
    uint8_t bytes[];
};

/* Bytes thrown away, until the last node that may hold some has dropped them. A file owns the
 * record from birth on, so that deleting it needs no memory; then meta.reclaims owns it. */
struct reclaim {
    struct tree_node by_ticket;
    uint64_t ticket, data_id;
    uint64_t slots; /* nodes that have not said ReclaimDone */
    uint32_t volume;
};

/* A file or directory, or a named stream of one. Owned by volume.inodes. A stream has what its data
 * needs: number, data id, sizes, opens, reclaim record; whatever is the file's it leaves empty
 * (file_of() leads there), and it lies below its file as that lies below its directory. */
struct inode {
    struct tree_node by_id, by_name; /* by_name: in parent->children or ->streams */
    struct volume *volume;
    struct inode *parent; /* NULL: the volume's root */
    struct tree children, streams;
    struct list opens, leases;
    struct blob ea;      /* a set of proto/smb/ea.h */
    struct blob reparse; /* as proto/smb/reparse.h has it; empty: it is no reparse point */
    uint64_t id, data_id;
    uint64_t creation_time, access_time, write_time, change_time;
    uint64_t size, allocation_size, version;
    uint32_t attributes, first_group;
    uint32_t opens_below; /* derived: opens of what lies below this directory or file */
    uint32_t shares;      /* derived: shares whose root it is: neither renamed nor deleted */
    uint32_t watchers;    /* derived: opens of this directory that watch it */
    uint16_t name_len;
    uint16_t untold; /* FILE_NOTIFY_CHANGE_*: changes told at the next close (notify.h) */
    bool delete_pending, stream;
    struct descriptor *descriptor; /* NULL for a stream */
    struct reclaim *garbage;       /* files and streams only */
    struct invalidation *invalidation;
    struct locks *locks; /* NULL: no byte range is locked (locks.h) */
    uint8_t *name;
};

/* Owned by meta.opens. */
struct open {
    struct tree_node by_id;
    struct list in_inode, in_node, in_lease;
    struct inode *inode;
    struct node *node;   /* whose client holds it */
    struct lease *lease; /* or oplock; NULL: it has none */
    uint64_t id, root_inode;
    uint32_t granted, share_access, options;
    bool delete_on_close;
    /* [MS-FSA] 2.1.1.6 UserSet...Time: the client set it by hand, later use leaves it alone. */
    bool user_write_time, user_change_time, user_access_time;
    /* What it watches, since its first Watch (notify.c); `marked`: the directory was marked for
     * deletion while it was open. */
    bool watches, watch_tree, marked;
    uint32_t watch_filter;
    uint8_t client_guid[16], create_guid[16];
    /* [MS-SMB2] 3.3.1.10 LockSequenceArray, entries 1 to 64: 0 or 0x10 | number (locks.h). */
    uint8_t lock_sequences[64];
    uint32_t lock_count; /* derived: its ranges */
};

/* While somebody wants to change what other nodes keep of a file. One ticket a file, however many
 * commands wait. Owned by the inode, or by its waits when the inode has gone. */
struct invalidation {
    struct tree_node by_ticket;
    uint64_t ticket;
    struct inode *inode; /* NULL: it has gone, all waits are ready */
    uint64_t asked;      /* slots told, no answer yet */
    uint64_t clean;      /* slots that answered: nothing is kept there until this ends */
    struct list waits;   /* those that are blocked, oldest first */
    uint32_t wait_count; /* also those that are ready */
};

/* A command that waits; it is applied anew when what it waits for has come. Owned by the list it
 * is in. */
struct wait {
    struct list in_blocker; /* of what it waits for, or in meta.ready */
    struct list in_node;
    struct invalidation *invalidation; /* NULL: it waits for something else than nodes */
    struct node *node;
    uint64_t sequence, now, cancel_id;
    uint64_t blocked; /* slots, when it waits for nodes */
    bool cancelled;
    struct blob command;
};

struct grant {
    struct blob principal, sid;
    uint32_t access;
    bool deny;
};

/* Owned by meta.shares. */
struct share {
    struct tree_node by_name;
    struct label name;
    struct inode *root;
    struct blob path, comment;
    bool scale_out, continuous, encrypt, compress, abe;
    Fl__Leasing leasing;
    uint32_t uses_max, caching;
    struct grant *grants;
    uint32_t grant_count;
};

/* Owned by meta.users. */
struct user {
    struct tree_node by_name;
    struct label name;
    uint8_t nt_hash[16];
    uint32_t rid;
    bool administrator;
};

struct meta {
    struct mem *mem;
    uint64_t index;
    bool founded;
    struct blob cluster_id, cluster_name, domain_sid, ca_key, ca_cert;
    uint64_t next_open, next_ticket, next_lease;
    uint32_t next_rid, next_node, next_volume, next_group;
    struct tree nodes, volumes, groups, shares, users, opens, reclaims, invalidations, descriptors;
    struct tree leases, lease_keys, breaks; /* all, by the client's key, and those that break */
    struct list ready;                      /* waits nobody blocks; empty between commands */
    uint64_t files;                         /* derived: inodes of all volumes */
    uint32_t planted;                       /* enum meta_planted; not of the state */
};

/* ---- a command being applied (work.c) -------------------------------------------------------- */

/* The reply and all it may need, taken in one piece before anything changes. */
struct answer {
    Fl__Reply reply;
    union {
        Fl__OpenReply open;
        Fl__InfoReply info;
        Fl__RegisterReply registered;
        Fl__GroupReply group;
        Fl__AdminReply admin;
        Fl__ReparseReply reparse;
    };
    Fl__FileInfo file;
    Fl__Caching lease;
    uint8_t lease_key[16], parent_key[16];
    uint8_t name[NAME_COMPONENT_MAX * 2];
    uint8_t locks[META_REPLY_LOCKS * BYTERANGE_BYTES];
    Fl__Group group_now;
    uint32_t members[META_REPLICAS_MAX], in_sync[META_REPLICAS_MAX];
};

/* Notices of one command; room is reserved before the state changes. */
struct outbox {
    Fl__Notice **items;
    size_t count, cap;
};

struct place;

struct work {
    struct meta *m;
    struct arena *a;
    const Fl__Command *command;
    struct outbox *box;
    struct answer *answer;
    struct node *node;          /* who asks; NULL: an administrator or the leader */
    struct wait *resumed;       /* the wait that ended, when the command is applied anew */
    uint64_t *lost;             /* room for ids of opens_lost_commit */
    size_t watch_left;          /* notices reserved for those who watch (notify.h) */
    uint64_t watch_missed;      /* slots of the nodes that were told to look for themselves */
    uint64_t now;               /* when the command came */
    uint64_t clock;             /* when it is applied: later, if it has waited */
    struct lease_author author; /* whose change it is to those who cache the directory */
};

/* False when the arena refuses. */
bool work_prepare(struct work *w);
/* Room for `count` more notices; false when the arena refuses. */
bool outbox_reserve(struct work *w, size_t count);
/* The next reserved notice; `body` says which. The caller fills it in. */
Fl__Notice *outbox_post(struct work *w, uint32_t node_id, Fl__Notice__BodyCase body);
/* Posts config_changed, once a command; needs one reserved notice. */
void post_config_changed(struct work *w);
/* An error with a sentence for the administrator (a literal). Returns `status`. */
ntstatus refuse(struct work *w, ntstatus status, const char *message);
/* A reply that needs no memory. */
Fl__Reply *meta_reply_no_memory(void);
void reply_info(struct work *w, const struct inode *i);
/* Says what the open is; its file's name too. */
void reply_open(struct work *w, const struct open *o, uint32_t action, uint32_t maximal_access);
/* What an open met on its way, instead of an open. Returns the status. */
ntstatus reply_stopped(struct work *w, const struct place *p);
void reply_group(struct work *w, const struct group *g);
void reply_admin(struct work *w, uint32_t id);
/* The facts of `i` into `out` except its name; cacheable for whoever asked by `w` (may be NULL). */
void info_fill(const struct inode *i, const struct work *w, Fl__FileInfo *out);

/* ---- remembered replies (window.c) ----------------------------------------------------------- */

struct remembered *window_get(const struct node *n, uint64_t sequence);
/* Forgets replies that the node of this command says it has. */
void window_trim(struct meta *m, struct node *n, const Fl__Command *c);
/* Is there room for one more, after that trim? */
bool window_has_room(const struct node *n, const Fl__Command *c);
void window_add(struct node *n, struct remembered *r);
void window_clear(struct meta *m, struct node *n);
void window_forget(struct meta *m, struct node *n, uint64_t sequence);
/* Packs `reply` into the record, or just its status when it is too long. */
void remember(struct remembered *r, const Fl__Reply *reply);

/* ---- small things (blob.c) ------------------------------------------------------------------- */

bool blob_copy(struct mem *mem, struct slice s, struct blob *out);
void blob_free(struct mem *mem, struct blob *b);
struct slice blob_slice(const struct blob *b);
/* NUL-terminated copy in the arena; NULL when refused. */
char *blob_text(const struct blob *b, struct arena *a);
/* A valid name (1..META_LABEL_MAX units, no control characters, none of \/:*?"<>|), or NULL and
 * out, else a sentence saying what is wrong with it. */
const char *label_make(struct work *w, const char *text, struct label *out);
void label_free(struct mem *mem, struct label *l);
/* What label_make and others say when memory is the reason; refuse() then answers
 * STATUS_INSUFFICIENT_RESOURCES, whatever it was given. */
extern const char meta_no_memory[];
bool label_is(const struct label *l, const struct label *other);
/* strlen that accepts NULL. */
size_t text_len(const char *text);
int compare_u64(uint64_t a, uint64_t b);
uint64_t slot_bit(const struct node *n);
uint64_t round_allocation(uint64_t size);

/* ---- nodes.c, groups.c ----------------------------------------------------------------------- */

struct node *node_get(const struct meta *m, uint32_t id);
struct node *node_by_name(const struct meta *m, const struct label *name);
struct node *node_by_slot(const struct meta *m, uint32_t slot);
struct node *node_first(const struct meta *m);
struct node *node_next(const struct node *n);
void node_free(struct meta *m, struct node *n);
void node_insert(struct meta *m, struct node *n);
ntstatus apply_cluster_init(struct work *w, const Fl__ClusterInit *c);
ntstatus apply_node_add(struct work *w, const Fl__NodeAdd *c);
ntstatus apply_node_join(struct work *w, const Fl__NodeJoin *c);
ntstatus apply_node_remove(struct work *w, const Fl__NodeRemove *c);
ntstatus apply_register(struct work *w, const Fl__Register *c);
ntstatus apply_node_down(struct work *w, const Fl__NodeDown *c);
/* sessions.c: a client's session ends on whichever node has it. */
ntstatus apply_end_session(struct work *w, const Fl__EndSession *c);
ntstatus apply_session_ended(struct work *w, const Fl__SessionEnded *c);

struct group *group_get(const struct meta *m, uint32_t id);
struct group *group_first(const struct meta *m);
struct group *group_next(const struct group *g);
void group_insert(struct meta *m, struct group *g);
bool group_has_member(const struct group *g, uint32_t node_id);
bool group_has_in_sync(const struct group *g, uint32_t node_id);
/* Another primary, or none (0); the caller raises the epoch. */
void group_set_primary(struct meta *m, struct group *g, uint32_t node_id);
/* Every group of which the node was primary gets another one, or none. */
void groups_node_down(struct meta *m, struct node *n);
/* Groups that wait for a primary get the node, if it is in sync. */
void groups_node_up(struct meta *m, struct node *n);
/* The node's disk is empty: it is in sync nowhere where another one is. */
void groups_node_emptied(struct meta *m, struct node *n);
/* The node leaves the cluster; it is not the last one in sync. */
void group_leave(struct meta *m, struct group *g, uint32_t node_id);
ntstatus apply_group_evict(struct work *w, const Fl__GroupEvict *c);
ntstatus apply_group_rejoin(struct work *w, const Fl__GroupRejoin *c);
/* An in-sync member that is up, the one with the fewest groups; 0: none. */
uint32_t group_choose_primary(const struct meta *m, const struct group *g);
/* Where the first extent of a new file lies: in a group whose primary is `n` (may be NULL), so that
 * its writes need no redirection; these in turn. Else anywhere. */
uint32_t group_choose_first(struct volume *v, const struct node *n, uint64_t inode);

/* ---- volumes.c, shares.c, users.c ------------------------------------------------------------ */

struct volume *volume_get(const struct meta *m, uint32_t id);
struct volume *volume_by_name(const struct meta *m, const struct label *name);
struct volume *volume_first(const struct meta *m);
struct volume *volume_next(const struct volume *v);
void volume_free(struct meta *m, struct volume *v);
void volume_insert(struct meta *m, struct volume *v);
/* Slots of the nodes that may hold data of the volume. */
uint64_t volume_slots(const struct meta *m, const struct volume *v);
ntstatus apply_volume_create(struct work *w, const Fl__VolumeCreate *c);
ntstatus apply_volume_remove(struct work *w, const Fl__VolumeRemove *c);

struct share *share_first(const struct meta *m);
struct share *share_next(const struct share *s);
void share_free(struct meta *m, struct share *s);
bool share_caching_valid(uint32_t caching);
/* Takes effect on root->shares too. */
void share_insert(struct meta *m, struct share *s);
ntstatus apply_share_create(struct work *w, const Fl__ShareCreate *c);
ntstatus apply_share_remove(struct work *w, const Fl__ShareRemove *c);
ntstatus apply_share_set(struct work *w, const Fl__ShareSet *c);

struct user *user_first(const struct meta *m);
struct user *user_next(const struct user *u);
void user_free(struct meta *m, struct user *u);
void user_insert(struct meta *m, struct user *u);
struct user *user_by_name(const struct meta *m, const struct label *name);
bool user_sid(const struct meta *m, const struct user *u, struct sid *out);
ntstatus apply_user_add(struct work *w, const Fl__UserAdd *c);
ntstatus apply_user_passwd(struct work *w, const Fl__UserPasswd *c);
ntstatus apply_user_remove(struct work *w, const Fl__UserRemove *c);

/* ---- names and files (names.c, files.c) ------------------------------------------------------ */

/* Where a path leads. */
struct place {
    struct inode *parent; /* NULL: the path is the root itself */
    struct inode *inode;  /* NULL: no such name in parent */
    struct slice name;    /* last component as asked for, borrowed */
    struct slice stream;  /* the named stream asked for, borrowed; empty: none */
    bool directory;       /* the path's form says that only a directory will do */
    bool data;            /* the path's form says that no directory will do: it names a stream */
    size_t parsed;        /* bytes of the path up to the end of `name` */
};

/* Walks `path` below `root` ([MS-FSA] 2.1.5.1, phases 5 and 6). STATUS_STOPPED_ON_SYMLINK:
 * out->inode is a reparse point in the middle of the path. */
ntstatus walk(struct inode *root, struct slice path, struct place *out);
struct inode *child_get(const struct inode *parent, struct slice name);
struct inode *child_first(const struct inode *parent);
/* First child behind `name` in order. */
struct inode *child_after(const struct inode *parent, struct slice name);
struct inode *child_next(const struct inode *child);
void child_insert(struct inode *parent, struct inode *child);
void child_remove(struct inode *child);
struct slice inode_name(const struct inode *i);
/* The file or directory whose stream `i` is; `i` itself when it is none. */
struct inode *file_of(const struct inode *i);
struct inode *stream_get(const struct inode *file, struct slice name);
struct inode *stream_first(const struct inode *file);
struct inode *stream_next(const struct inode *stream);
/* `stream` below `file`; it is a stream from now on, and gives up what only a file has. */
void stream_insert(struct inode *file, struct inode *stream);
void stream_remove(struct inode *stream);
bool is_directory(const struct inode *i);
/* Is `i` the directory `ancestor` or below it? */
bool is_below(const struct inode *i, const struct inode *ancestor);
/* Adds `by` (may be negative) to opens_below of all directories above `i`. */
void count_opens_above(struct inode *i, int64_t by);

struct inode *inode_get(const struct volume *v, uint64_t id);
struct inode *inode_first(const struct volume *v);
struct inode *inode_next(const struct inode *i);
/* A new inode in memory only: its name copied, its garbage record taken for a file. `d`'s reference
 * goes to it (NULL for a stream to be). NULL when memory is refused (then `d` is still the
 * caller's). */
struct inode *inode_new(struct meta *m, struct slice name, bool directory, struct descriptor *d);
/* Frees one that is in no container. */
void inode_free(struct meta *m, struct inode *i);
/* Gives it its number (and data id) and puts it into the volume. */
void inode_attach(struct meta *m, struct volume *v, struct inode *i);
void inode_insert(struct meta *m, struct volume *v, struct inode *i);
/* Takes it out of the volume without freeing it. */
void inode_remove(struct meta *m, struct inode *i);
/* Takes it out of its directory (a stream: out of its file) and volume, with its streams; their
 * bytes go to reclaim (which needs notices reserved by unlink_notices). No opens are left. */
void inode_unlink(struct work *w, struct inode *i);
/* How many notices that may need. */
size_t unlink_notices(const struct meta *m, const struct inode *i);
/* What is in `ea` now, and what `changes` make of it: a blob to be put in its place. */
ntstatus ea_merged(struct work *w, struct slice ea, struct slice changes, struct blob *out);
void inode_resize(struct inode *i, uint64_t size);
/* Something about `i` changed now. */
void inode_changed(struct work *w, struct inode *i);
void directory_changed(struct work *w, struct inode *directory);
/* Slots of the nodes that have it open. */
uint64_t inode_slots(const struct inode *i);
/* Tells other nodes that have it open that it changed, without waiting. Reserved notices:
 * META_NODES_MAX at most; see inode_notices. */
void inode_tell_others(struct work *w, const struct inode *i);
size_t inode_notices(const struct inode *i);
ntstatus apply_extend(struct work *w, const Fl__Extend *c);
ntstatus apply_set_size(struct work *w, const Fl__SetSize *c);
ntstatus apply_set_allocation(struct work *w, const Fl__SetAllocation *c);
ntstatus apply_set_basic(struct work *w, const Fl__SetBasic *c);
ntstatus apply_set_sparse(struct work *w, const Fl__SetSparse *c);
ntstatus apply_set_ea(struct work *w, const Fl__SetEa *c);
ntstatus apply_set_reparse(struct work *w, const Fl__SetReparse *c);
ntstatus apply_delete_reparse(struct work *w, const Fl__DeleteReparse *c);

/* ---- opens (opens.c, access.c, create.c) ----------------------------------------------------- */

struct open *open_get(const struct meta *m, uint64_t id);
/* Of the asking node's clients only; NULL otherwise. */
struct open *open_of(const struct work *w, uint64_t id);
struct open *open_first(const struct meta *m);
struct open *open_next(const struct open *o);
void open_insert(struct meta *m, struct open *o);
/* Ends an open, with delete-on-close. Notices reserved: open_notices. */
void open_end(struct work *w, struct open *o);
/* How many notices open_end may need. */
size_t open_notices(const struct meta *m, const struct open *o);
/* The same for those who watch. */
size_t open_watch_notices(const struct open *o);
/* Ends all opens of a node; node_opens_prepare has reserved the notices for it and `others` more.
 */
void node_opens_end(struct work *w, struct node *n);
bool node_opens_prepare(struct work *w, const struct node *n, size_t others);
/* Ends all opens on a volume (below root_inode when that is not 0) and tells their nodes. */
bool opens_lost_prepare(struct work *w, const struct volume *v, uint64_t root_inode);
void opens_lost_commit(struct work *w, const struct volume *v, uint64_t root_inode);
/* [MS-FSA] 2.1.5.1.2.1 (its end) and 2.1.5.1.2.2: would an open with these rights and this sharing
 * conflict with one there? Streams are shared each by itself, but deleting the file deletes all. */
bool sharing_violated(const struct inode *i, uint32_t access, uint32_t share_access);
ntstatus apply_open(struct work *w, const Fl__Open *c);
ntstatus apply_close(struct work *w, const Fl__Close *c);
ntstatus apply_set_disposition(struct work *w, const Fl__SetDisposition *c);
ntstatus apply_rename(struct work *w, const Fl__Rename *c);

/* ---- security.c ------------------------------------------------------------------------------ */

/* The descriptor with these bytes, one reference taken; NULL when memory is refused. */
struct descriptor *descriptor_take(struct meta *m, struct slice bytes);
void descriptor_put(struct meta *m, struct descriptor *d);
struct slice descriptor_slice(const struct descriptor *d);
/* The asker as the access check wants it, in the arena. STATUS_ACCESS_DENIED without a user. */
ntstatus token_of(struct work *w, const Fl__Token *token, bool backup, struct security_token *out);
/* All rights the descriptor of `i` gives the token, and what its directory adds ([MS-FSA]
 * 2.1.5.1.2.1). */
uint32_t rights_on(const struct inode *i, const struct security_token *token);
/* Those of the descriptor alone. */
uint32_t rights_by(const struct descriptor *d, const struct security_token *token);
/* The descriptor of something new in `parent`. */
ntstatus descriptor_inherit(struct work *w, const struct inode *parent,
                            const struct security_creation *c, struct descriptor **out);
/* That of a volume's root. */
struct descriptor *descriptor_root(struct work *w);
ntstatus apply_set_security(struct work *w, const Fl__SetSecurity *c);

/* ---- the whole (check.c, meta.c) ---------------------------------------------------------------
 */

/* The first invariant that does not hold, or NULL (check.c). */
const char *meta_violated(const struct meta *m);
/* The same for a volume's tree: all inodes hang below the root, without a circle. */
const char *volume_violated(const struct volume *v);
/* Frees all that hangs in `m`, also when it is half loaded. */
void meta_clear(struct meta *m);

/* ---- trees (index.c) ------------------------------------------------------------------------- */

void meta_trees_init(struct meta *m);
void inode_trees_init(struct inode *i);
