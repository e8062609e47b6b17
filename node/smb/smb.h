#pragma once
/* The SMB server of one node as a function: events in, effects out. It makes no system call,
 * reads no clock and calls nobody back; what it wants done it writes into `struct smb_effects`,
 * and the outcome comes back as an event with the same token.
 *
 *   client bytes ── FRAME ──►┌──────────┐── SEND, CLOSE ──► connection
 *   GSSAPI thread ── AUTH ──►│          │── AUTH ──► GSSAPI thread
 *   coordinator ──── META ──►│ smb_step │── META ──► node/control
 *   replication ──── IO ────►│          │── IO ──► node/replication
 *   control ── CONFIG/LEASE ►└──────────┘── RELEASE ──► buffers of the shell
 *
 * Lifetimes: what an event points to is borrowed for that step, except buffers that come with a
 * handle: those stay until the core says RELEASE, exactly once. What an effect points to lives
 * until the next smb_step, except bodies in buffers: a SEND that names a buffer passes its
 * ownership to the shell, which lets it go when the bytes have left. */
#include "proto/base/arena.h"
#include "proto/base/table.h"
#include "proto/cluster/meta.pb-c.h"
#include "proto/smb/ioctl.h"

/* Where a file's data lies; node/replication finds groups and members from it. */
struct smb_file_ref {
    uint32_t volume, first_group;
    uint64_t inode;
};

/* Everything GSSAPI learned about a client. Slices are borrowed for the step. */
struct smb_principal {
    const char *name;      /* "DOMAIN\\user" or "user@REALM", UTF-8 */
    struct slice user_sid; /* binary SID */
    const struct slice *group_sids;
    uint32_t group_count;
    bool administrator, guest, anonymous;
    uint64_t expires; /* FILETIME; 0: never */
};

enum smb_auth_state { SMB_AUTH_MORE, SMB_AUTH_OK, SMB_AUTH_FAILED };

enum smb_event_type {
    SMB_EV_CONNECT,     /* a client connected */
    SMB_EV_DISCONNECT,  /* its connection is gone; no event for it follows */
    SMB_EV_FRAME,       /* one whole NetBIOS-framed message, header stripped */
    SMB_EV_AUTH,        /* outcome of SMB_DO_AUTH */
    SMB_EV_META,        /* outcome of SMB_DO_META */
    SMB_EV_IO,          /* outcome of SMB_DO_IO */
    SMB_EV_CONFIG,      /* the cluster's configuration changed */
    SMB_EV_LEASE,       /* the node's right to serve begins or ends */
    SMB_EV_INVALIDATE,  /* cached size of a file must be forgotten; answer with InvalidateDone */
    SMB_EV_INTERFACES,  /* where clients reach this node; until then nowhere else */
    SMB_EV_WATCH,       /* something has changed in a directory that a client watches */
    SMB_EV_LEASE_BREAK, /* a client's lease or oplock breaks: it is to be told */
    SMB_EV_OPLOCK_BREAK,
    SMB_EV_STATE_LOST,    /* our opens are gone: drop every session */
    SMB_EV_SESSION_END,   /* a client of ours is another node's now: SessionEnded when it is done */
    SMB_EV_SESSION_ENDED, /* the other node's answer to our EndSession */
    SMB_EV_TICK,
};

struct smb_event {
    enum smb_event_type type;
    uint64_t now_ns;     /* monotonic */
    uint64_t filetime;   /* wall clock */
    uint64_t entropy[4]; /* fresh random bits, every event */
    union {
        struct {
            uint64_t conn;            /* the shell's name for it, never reused */
            const char *peer, *local; /* addresses for logs and interface lists */
        } connect;
        struct {
            uint64_t conn;
        } disconnect;
        struct {
            uint64_t conn;
            uint8_t *at; /* mutable: opened (decrypted) in place */
            size_t len;
            handle buf; /* the core RELEASEs it once, in this step or later */
        } frame;
        struct {
            uint64_t token;
            enum smb_auth_state state;
            struct slice blob;                     /* to the client, also with FAILED */
            struct slice session_key;              /* with OK */
            const struct smb_principal *principal; /* with OK */
            const char *why;                       /* with FAILED, for the trace */
        } auth;
        struct {
            uint64_t token;
            const Fl__Reply *reply;
        } meta;
        struct {
            uint64_t token;
            ntstatus status;
            uint8_t *at; /* READ: the bytes; mutable, so that they can be sealed in place */
            size_t len;
            handle buf; /* READ: as with frames; none when len is 0 */
        } io;
        struct { /* valid until the next */
            const Fl__ClusterConfig *config;
            uint32_t node_id;
        } config;
        struct { /* copied; SMB_INTERFACES_MAX at most */
            const struct smb_interface *list;
            uint32_t count;
        } interfaces;
        struct {
            uint64_t session_id;
            struct slice user_sid; /* who wants it to end */
            uint32_t asker;
            uint64_t ticket; /* SESSION_ENDED: of ours, and all there is */
        } session_end;
        struct {
            bool valid;
        } lease;
        struct {
            uint32_t volume;
            uint64_t inode, ticket;
        } invalidate;
        struct { /* WatchEvent in proto/cluster/meta.proto; `name` is borrowed for the step */
            uint64_t open_id;
            uint32_t action;
            struct slice name;
            bool deleted;
        } watch;
        const Fl__LeaseBreak *lease_break;
        const Fl__OplockBreak *oplock_break;
    };
};

enum smb_effect_type {
    SMB_DO_SEND,
    SMB_DO_CLOSE,
    SMB_DO_RELEASE,
    SMB_DO_AUTH,
    SMB_DO_META,
    SMB_DO_IO,
};
enum smb_io_op {
    SMB_IO_READ,
    SMB_IO_WRITE,
    SMB_IO_ZERO,
    SMB_IO_MAP, /* where [offset, +len) holds data: the outcome's bytes are a struct ranges, which
                   may say less than was asked (`until`) */
};

struct smb_effect {
    enum smb_effect_type type;
    union {
        struct {
            uint64_t conn;
            struct slice head; /* copied by the shell at once; NetBIOS length not included */
            struct slice body; /* follows head; empty, or within `buf` */
            handle buf;        /* ownership passes to the shell; {0} when body is empty */
        } send;
        struct {
            uint64_t conn;
            const char *why;
        } close; /* after what was sent before has left */
        struct {
            handle buf;
        } release;
        struct {
            uint64_t token;   /* of this round */
            uint64_t context; /* of this logon: the same in all its rounds; OK and FAILED end it */
            bool first, last; /* last: forget the context, no round wanted, token is 0 */
            struct slice blob;
        } auth;
        struct {
            uint64_t token;             /* 0: nobody waits for the reply */
            const Fl__Command *command; /* exactly one of the two */
            const Fl__Query *query;
        } meta;
        struct {
            uint64_t token;
            enum smb_io_op op;
            struct smb_file_ref file;
            uint64_t offset, len;
            struct slice data; /* WRITE: within a frame the core keeps until the IO event */
        } io;
    };
};

enum { SMB_INTERFACES_MAX = 64 };
enum { SMB_EFFECTS_MAX = 256, SMB_CIPHERS_MAX = 4, SMB_SIGNINGS_MAX = 3 };

struct smb_effects {
    uint32_t count;
    struct smb_effect items[SMB_EFFECTS_MAX];
};

/* Bugs that the simulator's own test plants, to prove that it would find them. 0 in every program.
 */
enum smb_planted {
    SMB_PLANT_STALE_LOCKS = 1 << 24, /* what others change of a file is not forgotten */
};

struct smb_config {
    uint8_t server_guid[16];
    const char *server_name; /* the cluster's, for pipes */
    uint32_t connections_max, sessions_max, channels_max, trees_max, opens_max, requests_max;
    struct slice gss_hint; /* NegTokenInit2 of NEGOTIATE replies ([MS-SPNG] 3.2.5.2), or empty */
    bool require_signing;
    bool require_encryption;
    uint32_t planted; /* enum smb_planted: 0 */
    /* What 3.1.1 may use, most preferred first: enum smb_cipher, enum smb_signing. None: all of
     * them. 3.0 and 3.0.2 know AES-128-CCM and AES-CMAC only; without that cipher they do not seal.
     */
    uint16_t ciphers[SMB_CIPHERS_MAX], signings[SMB_SIGNINGS_MAX];
    uint32_t cipher_count, signing_count;
    bool compression; /* offered to who asks */
};

struct smb;

/* NULL when memory is refused. Pools are sized here. `mem` and `config` outlive it. */
struct smb *smb_new(struct mem *mem, const struct smb_config *config);
void smb_free(struct smb *s);
/* `out` is empty on entry. */
void smb_step(struct smb *s, const struct smb_event *ev, struct smb_effects *out);
/* When a TICK is wanted at the latest; 0: there is more to do at once than one step's effects hold;
 * DEADLINE_NEVER (UINT64_MAX): not at all. */
uint64_t smb_next_deadline(const struct smb *s);
/* Every invariant of the folder; fails by must(). */
void smb_check(const struct smb *s);

/* What the node's status shows. */
struct smb_stats {
    uint32_t connections, sessions, trees, opens, requests;
    uint64_t reads, writes, read_bytes, written_bytes, creates;
};
void smb_stats(const struct smb *s, struct smb_stats *out);
