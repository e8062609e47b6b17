#pragma once
/* The inside of node/smb: its objects, and what its files offer each other.
 *
 *   smb ──► conn ──► channel ──► session ──► tree ──► open ──► inode (shared by all opens of a
 * file) └────► request: one frame, with all its compounded parts
 *
 * Every object is owned by the one before it. Across a wait it is known by a handle; the
 * pointers in a request (conn, session, tree) are set anew by dispatch.c before each handler or
 * continuation and are valid until it returns.
 *
 * A frame becomes one `struct smb_request`, which runs its parts one after another:
 *
 *   PART ──handler──► REPLIED ──► PART ... ──► last part: replies leave together ──► DONE
 *     └──► WAITING (META, IO, AUTH, an idle open) ──continuation──┘
 *     └──► HELD (no node lease) ──lease──► PART         └──► PARKED (until CANCEL or close)
 *
 * A handler ends by exactly one of: request_reply, request_reply_buffer, request_fail,
 * request_meta / request_query / request_io / request_wait_idle (its continuation goes on),
 * request_park. None of them calls back before the handler has returned, so nothing recurses. */
#include "node/smb/smb.h"
#include "node/smb/window.h"
#include "proto/base/heap.h"
#include "proto/base/list.h"
#include "proto/base/map.h"
#include "proto/base/must.h"
#include "proto/base/pool.h"
#include "proto/base/sm.h"
#include "proto/base/trace.h"
#include "proto/base/utf16.h"
#include "proto/cluster/pack.h"
#include "proto/compress/message.h"
#include "proto/crypto/kdf.h"
#include "proto/crypto/seal.h"
#include "proto/crypto/sign.h"
#include "proto/smb/header.h"
#include "proto/smb/security.h"
#include <string.h>

#define SMB_IO_MAX (8u << 20)    /* MaxTransact, MaxRead and MaxWrite with multi-credit */
#define SMB_IO_MAX_202 65536u    /* the same for 2.0.2 */
#define SMB_REPLY_MAX (1u << 20) /* longest reply built in memory, not of a READ's buffer */
#define SMB_ARENA_MAX (4u << 20) /* memory of one request */
#define SMB_PARTS_MAX 256u       /* of one compound */
#define SMB_INLINE_MAX 65536u    /* longest READ body copied to stand amid a compound */
#define SMB_PARKED_MAX                                                                             \
    511u /* sleeping requests of a connection: <209> says 512, Windows one less */
#define SMB_SECOND UINT64_C(1000000000)
#define SMB_INTERIM_NS (SMB_SECOND / 2) /* STATUS_PENDING is due after this */
#define SMB_META_NS (50 * SMB_SECOND)   /* the coordinator's answer is given up after this */
#define SMB_WAIT_NS (600 * SMB_SECOND)  /* the same, once it has said that the command waits */
#define SMB_HOLD_NS (5 * SMB_SECOND)    /* how long a request waits for the node's lease */

struct smb_request;

/* Continuations are called only while the connection, the session and the tree of the part are
 * still there; else the part is ended for them (and a file that META has opened is closed
 * again). META: `reply` is borrowed for the call; its status is the continuation's to check. A
 * reply that does not come within SMB_META_NS is answered STATUS_FILE_NOT_AVAILABLE for it. IO:
 * `io->buf` belongs to the request (dispatch releases it unless request_reply_buffer passed it
 * on). */
struct smb_io_result {
    ntstatus status;
    uint8_t *at;
    size_t len;
    handle buf;
};
typedef void smb_resume(struct smb *s, struct smb_request *r);
typedef void smb_changed(struct smb *s, struct smb_request *r, ntstatus status);
typedef void smb_meta_done(struct smb *s, struct smb_request *r, const Fl__Reply *reply);
typedef void smb_io_done(struct smb *s, struct smb_request *r, const struct smb_io_result *io);

/* ---- objects -------------------------------------------------------------------------------- */

enum smb_timer_kind { TIMER_CONN, TIMER_SESSION, TIMER_REQUEST };

struct smb_timer {
    struct deadline deadline;
    enum smb_timer_kind kind; /* whose it is */
};

enum smb_conn_state {
    CONN_NEW,     /* nothing negotiated: NegotiateDialect 0xFFFF */
    CONN_MULTI,   /* SMB1 negotiate answered with 0x02FF */
    CONN_READY,   /* dialect chosen */
    CONN_CLOSING, /* being taken apart; no further frame is looked at */
};

struct smb_conn {
    handle self;
    uint64_t id; /* the shell's name */
    struct sm sm;
    struct list work;     /* in smb.dying_conns */
    struct list channels; /* smb_channel.conn_link */
    struct list requests; /* smb_request.conn_link */
    uint32_t channel_count, bound_count, request_count, parked;
    struct smb_timer timer; /* closes a connection nobody logs on to */

    uint16_t dialect; /* 0x0202 .. 0x0311 once READY */
    uint16_t client_security_mode;
    uint32_t client_capabilities, capabilities;
    uint8_t client_guid[16];
    uint8_t client_dialects[64]; /* as sent, for VALIDATE_NEGOTIATE_INFO */
    uint32_t client_dialects_len;
    uint16_t server_security_mode;
    char peer[64], local[64];             /* addresses, as text */
    bool multi_credit, should_sign, gone; /* gone: the shell has reported DISCONNECT */
    uint16_t cipher, signing_algorithm;   /* 0: no encryption */
    struct compression compression;
    uint32_t io_max;
    struct preauth preauth; /* 3.1.1: after NEGOTIATE request and reply */
    uint64_t next_async_id;
    struct smb_window window;
};

enum smb_session_state {
    SESSION_IN_PROGRESS, /* rounds of SESSION_SETUP */
    SESSION_VALID,
    SESSION_EXPIRED, /* reauthentication wanted; only CLOSE, LOGOFF, LOCK are served */
    SESSION_GONE,    /* no longer found; opens are being closed */
};

struct smb_session {
    handle self;
    uint64_t id;
    struct sm sm;
    struct list work;
    struct list channels; /* smb_channel.session_link, the oldest first; empty once GONE */
    uint32_t channel_count;
    uint16_t dialect, cipher, signing_algorithm; /* of the connection it was set up on */
    struct list trees;                           /* smb_tree.session_link */
    uint32_t tree_count, next_tree_id;
    struct smb_timer expiry;
    struct arena arena; /* token, name */
    handle previous;    /* who waits for its end, also in its trees and opens (previous.h) */

    uint64_t began_ns, used_ns; /* when it was made, and last asked for something */
    bool signing_required, encrypt;
    Fl__Token *token;               /* NULL until logged on; goes into META commands */
    struct security_token security; /* the same, for checks made here */
    const char *user;
    struct sign_key *sign_key;            /* Session.SigningKey; NULL: nothing can be signed yet */
    struct seal_key *seal_key, *open_key; /* NULL: nothing can be sealed */
    uint64_t nonce_next;                  /* never used twice with one key */
};

struct smb_tree {
    handle self;
    uint32_t id;
    struct smb_session *session;
    struct list session_link, work;
    struct list opens; /* smb_open.tree_link */
    uint32_t open_count;
    handle previous; /* as its session's; held since it is gone */
    bool ipc, gone;
    uint64_t began_ns;
    /* Copied from the cluster's configuration, kept fresh by tree_config(). */
    char share_name[256];
    uint32_t volume;
    uint64_t root_inode;
    bool scale_out, continuous, encrypt, compress, abe;
    Fl__Leasing leasing;
    uint32_t caching;    /* of SMB2_SHAREFLAG_*_CACHING */
    uint32_t share_mask; /* the most the share's permissions allow: Open.share_mask */
};

/* The locked byte ranges of a file, as far as this node knows (locks.h). Owned by its inode. */
struct kept_locks {
    struct mem *mem;
    uint8_t *at; /* a list of proto/cluster/byterange.h; NULL: none */
    size_t len;
};

#define SMB_TICKETS_MAX 16u /* changes of one file that wait for this node at once */

/* What this node knows of a file that some of its sessions have open. One record per (volume,
 * inode): all opens here share one cached size. Owned by its opens (`opens` counts them).
 *
 * The cached size is never more than the true one while size_valid: only a change that this node
 * is told of beforehand (SMB_EV_INVALIDATE) makes a file smaller. Others may have made it
 * longer. */
struct smb_inode {
    uint64_t inode;
    struct smb_file_ref file; /* its `inode` is FileInfo.data_id */
    uint32_t opens;
    uint64_t size;           /* meaningful when size_valid */
    struct kept_locks locks; /* the same */
    bool size_valid;         /* false: ask the coordinator before the next READ or WRITE */
    uint64_t version;        /* FileInfo.version of the size: an older reply never overwrites it */
    uint64_t cached_by;      /* FileInfo.cached_by, as certain as the size */
    uint64_t write_time;     /* of the last write here that the coordinator may not have heard of */
    /* Writes that rely on the cached size. InvalidateDone waits for them: a write still on its way
     * must not land beyond an end of file that another node has already made zero and moved. */
    uint32_t writes_busy;
    uint32_t ticket_count; /* of invalidations not answered yet */
    uint64_t tickets[SMB_TICKETS_MAX];
    /* A request here is making the file shorter: no write begins until it has ended, and it began
     * when the last one had. So what it has made zero beyond the new end stays zero. */
    bool cutting;
    struct list waiters; /* smb_request.work: writes behind the cut, or the cut behind writes */
};

struct smb_open {
    handle self;      /* packed: FileId.Volatile */
    uint64_t open_id; /* FileId.Persistent; of pipes: made up here */
    struct smb_tree *tree;
    struct list tree_link, work;
    struct list requests;  /* smb_request.open_link of parts that use it */
    uint32_t busy;         /* length of `requests` without the parked ones */
    bool closing;          /* found no more; META Close leaves when busy is 0 */
    handle previous;       /* as its tree's; held since that is gone */
    handle closer;         /* the CLOSE request that waits for busy to become 1 (itself) */
    struct rpc_pipe *pipe; /* opens of IPC$ */
    handle pipe_user;      /* the request that has a call of it answered by the cluster */

    struct smb_inode *inode; /* NULL: a pipe */
    uint32_t granted_access, maximal_access, create_options;
    bool directory, write_through;
    Fl__FileInfo info; /* as of the open, for what does not change; `name` is not kept */
    uint8_t *path;     /* UTF-16LE from the share's root, as opened or renamed; in smb.mem */
    uint32_t path_len;
    uint64_t write_time; /* of the last write through this open; 0: none. Goes with META Close */
    bool write_time_set; /* the client has set it: writes through this open leave it alone */
    bool meta_closed;    /* the coordinator has been told */
    uint64_t position;   /* FilePositionInformation */
    uint32_t mode;       /* FileModeInformation */
    uint32_t ea_index;   /* [MS-SMB2] 3.3.5.20.1 CurrentEaIndex, from 0 */
    struct list waiters; /* smb_request.work: a FLUSH, a QUERY_DIRECTORY behind another */
    struct smb_watch *watch; /* notify.h; NULL: it watches nothing */

    struct { /* [MS-SMB2] 3.3.5.18 */
        bool started;
        uint8_t dots; /* of "." and "..", how many are behind us */
        uint16_t pattern_len, after_len;
        uint8_t pattern[512], after[512]; /* UTF-16LE; `after`: last name given out */
    } dir;

    /* [MS-SMB2] 3.3.5.2.10: OutstandingRequestCount, OutstandingPreRequestCount */
    uint16_t channel_sequence;
    uint8_t oplock_level; /* SMB2_OPLOCK_LEVEL_*, as it was granted or acknowledged last */
    bool has_oplock;      /* in smb.oplock_by_id */
    uint64_t lease_id;    /* what FileInfo.cached_by calls it; 0: it has none */
    uint32_t outstanding, outstanding_before, sequence_round; /* round: of channel_sequence */
};

enum smb_request_state {
    REQUEST_NEXT,    /* the next part is to be looked at, or there is none left */
    REQUEST_RUNNING, /* its handler or a continuation is at work */
    REQUEST_WAITING, /* META, IO, AUTH or an idle open; see `wait` */
    REQUEST_HELD,    /* the part waits for the node's lease */
    REQUEST_PARKED,  /* until CANCEL, close or the connection's end: CHANGE_NOTIFY */
    REQUEST_REPLIED, /* the part's reply is built, or it has none */
    REQUEST_DONE,    /* everything sent; memory lives until the next step */
};

enum smb_wait { WAIT_NONE, WAIT_META, WAIT_IO, WAIT_AUTH, WAIT_IDLE, WAIT_PREVIOUS };

/* The reply of one part: `head` lies in the arena with room for a transform header before it. */
struct smb_part {
    struct smb_part *next;
    uint8_t *head; /* SMB2 header and body, unpadded */
    size_t head_len;
    uint8_t *body; /* READ: follows head, in `buf` */
    size_t body_len;
    handle buf;
    handle session; /* signs it */
    uint16_t command;
    bool sign, hash_conn, hash_session; /* NEGOTIATE and SESSION_SETUP of 3.1.1 are hashed */
};

struct smb_memory { /* from smb.mem */
    uint8_t *at;
    size_t len;
};

struct smb_request {
    handle self;
    struct sm sm;
    struct list conn_link, work, open_link;
    struct arena arena; /* everything of this frame */
    struct smb_timer timer;
    uint64_t interim_ns, give_up_ns; /* when STATUS_PENDING, and when a refusal, is due */

    /* The frame. */
    handle frame;         /* buffer, {0} once released */
    struct smb_walk walk; /* parts not yet begun */
    struct slice message; /* this part: offsets of its body count from here */
    struct smb_header header;
    uint32_t part_index; /* 1: the first */
    bool last_part;
    bool sealed;         /* the frame came encrypted */
    handle seal_session; /* its replies are sealed with this session's key; {0}: not at all */

    bool compress_reply; /* the client asks for it: SMB2_READFLAG_REQUEST_COMPRESSED */
    struct smb_memory plain,
        packed; /* of compress.c: the frame decompressed, its reply compressed */

    /* Valid while a handler runs. */
    struct smb_conn *conn;       /* NULL only for an orphan, whose continuations are not called */
    struct smb_session *session; /* NULL when the command needs none */
    struct smb_tree *tree;
    handle session_at, tree_at, open_at;
    bool uncertain;    /* it changes bytes that others may begin to cache meanwhile (lease.h) */
    bool meta_waits;   /* the command waits at the coordinator; CANCEL reaches it there */
    uint32_t sequence; /* in_sequence: counted in the open's requests of this sequence_round */
    bool in_sequence;
    bool verified;  /* the part is signed, and by whom it says */
    bool size_held; /* counted in the inode's writes_busy until the part ends */
    bool cancelled; /* a CANCEL came while the part waited for something that cannot be cancelled */
    bool cuts;      /* the inode is `cutting` for it until the part ends */
    void *scratch;  /* the handler's own, from the arena; NULL at the start of each part */

    /* [MS-SMB2] 3.3.5.2.7.2: what a related part takes from the one before. */
    struct {
        struct smb_file_id file_id;
        uint64_t session_id;
        uint32_t tree_id;
        bool has_file, broken;
        ntstatus status; /* of the part before */
    } chain;

    /* What it waits for. */
    enum smb_wait wait;
    handle op;            /* in smb.ops: its packed form is the effect's token */
    handle io_buf;        /* of the IO result being handled; released after the continuation */
    handle kept;          /* one that the part goes on to use: request_keep, released with it */
    ntstatus wake_status; /* what a woken request is completed with; STATUS_OK: go on */
    handle previous;      /* what it waits for with WAIT_PREVIOUS (previous.h) */
    handle doom_session;  /* LOGOFF: this session ends when the reply has left */
    smb_resume *on_idle;
    smb_meta_done *on_meta;
    smb_changed *on_change; /* lease.h */
    smb_io_done *on_io;

    /* The reply. */
    struct writer reply; /* position 0 is the SMB2 header */
    struct smb_part *parts, *parts_last, *part;
    uint64_t async_id;   /* not 0: STATUS_PENDING was sent */
    uint64_t session_id; /* of the reply's header */
    uint32_t tree_id;
    ntstatus status;
    bool sign_reply, hash_reply; /* the last SESSION_SETUP; all that 3.1.1 hashes */
};

struct smb {
    struct mem *mem;
    const struct smb_config *config;
    const Fl__ClusterConfig *cluster; /* NULL until the first SMB_EV_CONFIG */
    uint32_t node_id;
    bool lease;

    struct pool conn_pool, session_pool, channel_pool, previous_pool, tree_pool, open_pool,
        inode_pool, request_pool;
    struct table conns, sessions, previous, trees, opens, requests, ops;
    struct map conn_by_id, session_by_id, tree_by_id, inode_by_id;
    struct map watch_by_id;  /* opens that watch, by FileId.Persistent */
    struct map oplock_by_id; /* those with an oplock */
    struct heap timers;
    struct smb_interface interfaces[SMB_INTERFACES_MAX];
    uint32_t interface_count;
    bool state_lost; /* every connection is to go */
    struct list dying_conns, dying_sessions, dying_trees, dying_opens;
    struct list woken; /* requests to be run again: lease back, cancelled, open closed */
    struct list held;  /* requests that wait for the lease, oldest first */
    struct list done;  /* requests freed when the next step begins */
    struct list spare; /* requests with their arenas warm */
    void *codec_scratch;
    size_t codec_bytes; /* of all requests' `plain` and `packed` */
    struct arena step;  /* effects that belong to no request; reset when the next step begins */
    uint64_t next_auth_context, next_pipe_id;
    struct trace trace;
    struct smb_stats stats;

    /* The step in progress. */
    uint64_t now_ns, filetime;
    uint64_t started; /* FILETIME of the first step */
    uint64_t entropy[4];
    uint32_t entropy_used; /* bytes */
    uint64_t random;       /* goes on where the event's bits end */
    struct smb_effects *out;
};

/* ---- request.c, reply.c: what handlers use -------------------------------------------------- */

/* A zeroed object from the request's arena; NULL when it is exhausted. */
#define request_new(r, type) ((type *)arena_alloc(&(r)->arena, sizeof(type)))

/* Room for a reply body of at most `body_max` bytes behind the SMB2 header: position 64 is where
 * the body begins, so offsets from the header are positions of the writer. NULL: no memory, and
 * the request has been failed with STATUS_INSUFFICIENT_RESOURCES; just return. */
struct writer *request_writer(struct smb *s, struct smb_request *r, size_t body_max);
/* The body is in the writer. Success, or one of the statuses whose replies have a body. A writer
 * that ran full becomes STATUS_INSUFFICIENT_RESOURCES (size it right). */
void request_reply(struct smb *s, struct smb_request *r, ntstatus status);
/* As request_reply, followed by the `len` bytes at `io->at`; takes io->buf from the request. */
void request_reply_buffer(struct smb *s, struct smb_request *r, ntstatus status,
                          const struct smb_io_result *io, size_t len);
/* [MS-SMB2] 2.2.2 ERROR response without data. */
void request_fail(struct smb *s, struct smb_request *r, ntstatus status);
/* The same with ErrorData, e.g. STATUS_BUFFER_TOO_SMALL's needed size (4 bytes). */
void request_fail_data(struct smb *s, struct smb_request *r, ntstatus status, struct slice data);

/* A command in the request's arena: fill it in, then request_meta. NULL: failed already, return. */
Fl__Command *request_command(struct smb *s, struct smb_request *r);
void request_meta(struct smb *s, struct smb_request *r, Fl__Command *c, smb_meta_done *done);
Fl__Query *request_query_new(struct smb *s, struct smb_request *r);
void request_query(struct smb *s, struct smb_request *r, const Fl__Query *q, smb_meta_done *done);

struct smb_io {
    enum smb_io_op op;
    struct smb_file_ref file;
    uint64_t offset, len;
    struct slice data; /* WRITE: within the frame */
};
/* The frame stays until the outcome is there, whatever becomes of the connection. */
void request_io(struct smb *s, struct smb_request *r, const struct smb_io *io, smb_io_done *done);

/* STATUS_PENDING now, if it was not sent before; the request sleeps until it is cancelled
 * (STATUS_CANCELLED), its open is closed (STATUS_NOTIFY_CLEANUP), or request_wake_later lets it go
 * on in `on_idle`. The frame is let go. */
void request_park(struct smb *s, struct smb_request *r);

/* The open a FileId names, under the rules for related parts ([MS-SMB2] 3.3.5.2.7.2): pass what the
 * body says. Checks session and tree. On STATUS_OK the part uses the open until its reply is built
 * (open->busy), so it cannot go away under it. Otherwise the status to fail with. */
ntstatus request_open(struct smb *s, struct smb_request *r, struct smb_file_id id,
                      struct smb_open **out);
/* The part's write relies on the inode's cached size: counted in writes_busy until the part ends,
 * however it ends; then inode_settled() is called. */
void request_hold_size(struct smb *s, struct smb_request *r);
/* ... or until it says so itself. */
void request_release_size(struct smb *s, struct smb_request *r);
/* The buffer of the IO result being handled stays until request_unkeep, or the part ends. */
void request_keep(struct smb *s, struct smb_request *r);
void request_unkeep(struct smb *s, struct smb_request *r);
/* The open this part uses; NULL when it has none. */
struct smb_open *request_its_open(struct smb *s, struct smb_request *r);
/* A CREATE has made this open: related parts that follow use it. */
void request_set_open(struct smb *s, struct smb_request *r, struct smb_open *o);
/* For CLOSE: marks the open closing, wakes what is parked on it and goes on in `then` when no other
 * part uses it any more (perhaps at once, still after the handler has returned). */
void request_wait_idle(struct smb *s, struct smb_request *r, struct smb_open *o, smb_resume *then);
/* [MS-SMB2] 3.3.5.2.5: false when the header's CreditCharge does not pay for `payload` bytes;
 * the caller fails the part with STATUS_INVALID_PARAMETER. The greater of what is sent and what
 * is wanted. */
bool request_paid(const struct smb_request *r, uint64_t payload);

/* A META command nobody waits for, e.g. Close of a dying open, InvalidateDone: memory from the
 * step's arena. NULL when refused. */
Fl__Command *smb_command(struct smb *s);
void smb_meta_forget(struct smb *s, const Fl__Command *c);

/* ---- smb.c ---------------------------------------------------------------------------------- */

struct smb_effect *smb_emit(struct smb *s, enum smb_effect_type type);
/* Accepts {0}. */
void smb_release(struct smb *s, handle buf);
/* Bits from the event: unique, no secrets (one event has 256). */
void smb_random(struct smb *s, void *to, size_t len);
/* `at_ns` DEADLINE_NEVER disarms. */
void smb_timer_arm(struct smb *s, struct smb_timer *t, enum smb_timer_kind kind, uint64_t at_ns);
void smb_timer_disarm(struct smb *s, struct smb_timer *t);

/* ---- request.c: the life of a request ------------------------------------------------------- */

/* A request for a frame of `c`; owns `frame` from now on. NULL when all are in use. */
struct smb_request *request_begin(struct smb *s, struct smb_conn *c, handle frame);
/* Everything of it is over: buffers go, the memory with the next step. */
void request_finish(struct smb *s, struct smb_request *r);
/* Frees what the former step has finished. */
void request_collect(struct smb *s);
/* The command it waits for is to end at the coordinator: its outcome comes as STATUS_CANCELLED. */
void request_cancel_meta(struct smb *s, const struct smb_request *r);
/* The coordinator has taken the command with this token, which must wait there: for a lease to be
 * broken, say. The client learns so at once ([MS-SMB2] 3.3.4.2). */
void request_meta_waits(struct smb *s, uint64_t token);
/* Is it a LOCK of which that is so? When its open ends, so does its command. */
bool request_waits_for_lock(const struct smb_request *r);
/* Its connection is gone: ends it, or leaves it to the IO event it waits for. */
void request_abandon(struct smb *s, struct smb_request *r);
/* The part holds nothing any more: its open, its share of the inode's size. */
void request_part_end(struct smb *s, struct smb_request *r);
/* Starts or ends its timer: STATUS_PENDING after SMB_INTERIM_NS, and `give_up_ns` (absolute). */
void request_wait(struct smb *s, struct smb_request *r, enum smb_wait wait, uint64_t give_up_ns);
/* Sleeps in `held` until the node has its lease, SMB_HOLD_NS at most. */
void request_hold(struct smb *s, struct smb_request *r);
/* Put on `woken`: completed with `status` in the work of this step, or run again on STATUS_OK. */
void request_wake_later(struct smb *s, struct smb_request *r, ntstatus status);
void request_wake(struct smb *s, struct smb_request *r);
void request_on_timer(struct smb *s, struct smb_request *r);
void request_on_meta(struct smb *s, const struct smb_event *ev);
void request_on_io(struct smb *s, const struct smb_event *ev);
void request_auth(struct smb *s, struct smb_request *r, uint64_t context, struct slice blob);
/* The request that waits for this round, running again; NULL when it is gone. */
struct smb_request *request_auth_end(struct smb *s, uint64_t token);
/* The part has no reply: CANCEL. */
void request_no_reply(struct smb *s, struct smb_request *r);
/* The peer broke the protocol beyond repair: its connection ends, nothing is answered. */
void request_disconnect(struct smb *s, struct smb_request *r, const char *why);
/* Sets conn, session and tree from the handles; false when one that the part had is gone. */
bool request_resolve(struct smb *s, struct smb_request *r);

/* ---- compound.c, dispatch.c ----------------------------------------------------------------- */

/* Goes on with the request until it waits or is done. */
void request_run(struct smb *s, struct smb_request *r);
/* STATUS_PENDING for the last part, with the replies before it. */
void compound_interim(struct smb *s, struct smb_request *r);
/* Room in the step's memory for a message of at most `max` bytes that no request asked for, and its
 * way to the client; sealed for `session` unless that is NULL. Without memory nothing is sent. */
struct writer compound_notification(struct smb *s, size_t max);
void compound_notify(struct smb *s, struct smb_conn *c, struct smb_session *session,
                     const struct writer *w);
/* Everything between a parsed header and its handler. */
void dispatch_part(struct smb *s, struct smb_request *r);
/* Runs the handler of a part that was held. */
void dispatch_handler(struct smb *s, struct smb_request *r);

/* ---- conn.c, auth.c, session.c, tree.c ------------------------------------------------------ */

void conn_open(struct smb *s, const struct smb_event *ev);
void conn_gone(struct smb *s, uint64_t id);
void conn_frame(struct smb *s, const struct smb_event *ev);
void conn_on_timer(struct smb *s, struct smb_conn *c);
/* The oldest connection of the client with this ClientGuid that knows leases; NULL: none is left.
 */
struct smb_conn *conn_of_client(struct smb *s, const uint8_t client_guid[16]);
/* CLOSE leaves now; its objects are taken apart by conn_unwind. Safe to call again. */
void conn_doom(struct smb *s, struct smb_conn *c, const char *why);
/* The `x_unwind` do one piece of work on the first dying one; false when it has to wait. */
bool conn_unwind(struct smb *s);
/* How many credits a client of this connection may hold now. */
uint32_t conn_credit_limit(const struct smb *s, const struct smb_conn *c);

void auth_on_event(struct smb *s, const struct smb_event *ev);

/* With its first channel. */
struct smb_session *session_new(struct smb *s, struct smb_conn *c);
/* A connection by which the client can be told something now; NULL: none is left. */
struct smb_conn *session_conn(const struct smb_session *session);
/* By SessionId, among those that `c` is a channel of, or is being set up on it; NULL when there is
 * none or it is gone. */
struct smb_session *session_find(struct smb *s, struct smb_conn *c, uint64_t id);
void session_doom(struct smb *s, struct smb_session *session);
bool session_unwind(struct smb *s);
void session_on_timer(struct smb *s, struct smb_session *session);

struct smb_tree *tree_find(struct smb *s, const struct smb_session *session, uint32_t id);
void tree_doom(struct smb *s, struct smb_tree *t);
bool tree_unwind(struct smb *s);
/* The configuration has changed: rights anew, and an end to trees whose share is gone. */
void tree_config(struct smb *s);
/* How many trees of this node are connected to the share. */
uint32_t share_uses(const struct smb *s, const Fl__Share *share);
/* The share in the configuration; NULL when it is there no more. */
const Fl__Share *share_of_tree(const struct smb *s, const struct smb_tree *t);

/* open.c calls these never; session and tree teardown do. Out of its tree, ended once idle. */
void open_doom(struct smb *s, struct smb_open *o);
/* What sleeps on it is completed with STATUS_NOTIFY_CLEANUP in the work of this step. */
void open_wake_parked(struct smb *s, struct smb_open *o);
/* As if its client had closed it, which it has not: it is found no more, and ends once idle. */
void open_force_close(struct smb *s, struct smb_open *o);
/* A part has stopped using it: may let the CLOSE or the teardown that waits go on. */
void open_idle(struct smb *s, struct smb_open *o);
/* ---- open.c (second half of the folder) ----------------------------------------------------- */

/* A new open in `tree` with its handle; NULL when the pool is empty. `info` may be NULL (pipe):
 * then there is no inode record. */
struct smb_open *open_new(struct smb *s, struct smb_tree *tree, const Fl__FileInfo *info);
/* Takes it out of all lists and tables, forgets the inode record with the last open. No META. */
void open_free(struct smb *s, struct smb_open *o);
/* Called when a dying open is idle (busy == 0): META Close without waiting, then open_free.
 * Frees the pipe when it is one (pipe_free). Emits at most one effect. */
void open_finish(struct smb *s, struct smb_open *o);
/* The cut of this part has ended, whatever became of it. */
void inode_cut_end(struct smb *s, struct smb_inode *inode);
/* The last write that relied on the cached size has ended: a waiting ticket is answered. */
void inode_settled(struct smb *s, struct smb_inode *inode);
/* Another node changes the file: forget its size, and answer the ticket (0: none is wanted) when
 * writes_busy allows. */
void inode_invalidate(struct smb *s, uint32_t volume, uint64_t inode, uint64_t ticket);

/* ---- handlers: dispatch.c has the table ----------------------------------------------------- */

smb_resume cmd_negotiate, cmd_session_setup, cmd_logoff, cmd_tree_connect, cmd_tree_disconnect,
    cmd_echo, cmd_cancel, cmd_ioctl, cmd_lock, cmd_change_notify, cmd_oplock_break;
/* [MS-SMB2] 3.3.5.3: an SMB1 frame; ends the request. */
void negotiate_smb1(struct smb *s, struct smb_request *r, struct slice frame);
/* Second half. Trees of IPC$ never come here: pipe.c serves them. */
smb_resume cmd_create, cmd_close, cmd_flush, cmd_read, cmd_write, cmd_query_directory,
    cmd_query_info, cmd_set_info;
smb_resume pipe_create, pipe_close, pipe_flush, pipe_read, pipe_write, pipe_query_info,
    pipe_set_info, pipe_refuse;
struct smb_ioctl_req;
void pipe_ioctl(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req);
struct ioctl_result {
    ntstatus status; /* STATUS_OK or STATUS_BUFFER_OVERFLOW */
    struct slice output;
};
void ioctl_reply(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req,
                 struct ioctl_result result);
void pipe_free(struct smb *s, struct smb_open *o);
