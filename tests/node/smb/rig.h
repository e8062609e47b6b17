#pragma once
/* A server core with everything around it played by the test: GSSAPI that lets anybody in whose
 * token begins with '!', a coordinator with as many files as anybody opens, disks that hold
 * nothing, and clients that sign, seal and hash as a client must.
 *
 * All buffers and operations are counted: rig_fini fails when one was not given back, or twice. */
#include "node/smb/smb.h"
#include "proto/compress/message.h"
#include "proto/crypto/kdf.h"
#include "proto/crypto/seal.h"
#include "proto/crypto/sign.h"
#include "proto/smb/header.h"
#include "proto/base/ranges.h"
#include "proto/cluster/byterange.h"

/* What GSSAPI gives both sides. */
#define RIG_SESSION_KEY "sixteen byte key"

enum { RIG_SENT_MAX = 512, RIG_OPS_MAX = 512, RIG_BUFFERS_MAX = 1024 };

struct rig_sent {
    uint64_t conn;
    uint8_t *at;
    size_t len;
};

struct rig_op { /* what the core waits for */
    enum smb_effect_type type;
    uint64_t token;
    bool open, info; /* META: what kind of reply it wants */
    bool directory;
    uint64_t len, offset; /* IO */
    enum smb_io_op io;
    uint64_t inode;
    uint64_t asked;     /* META QueryInfo: of which open */
    int command, query; /* META: the body's case; 0 when it is the other */
    uint64_t size;      /* of Extend, SetSize, SetAllocation; the ticket of InvalidateDone */
    struct {            /* Lock, Unlock */
        uint32_t count, sequence_index, sequence_number;
        struct byterange first;
        bool wait;
    } lock;
    bool write, at_end;                          /* QueryAccess, with `offset` and `len` */
    uint32_t oplock, lease_state, lease_version; /* of Open; with SMB2_OPLOCK_LEVEL_LEASE */
};

struct rig {
    struct mem mem, client_mem;
    uint64_t fail_at, allocations; /* the server is refused this allocation (1: its first) */
    struct smb_config config;
    struct smb *smb;
    Fl__ClusterConfig cluster;
    Fl__Node nodes[2], *node_list[2];
    Fl__Share shares[3], *share_list[3];
    Fl__ShareGrant grant, *grant_list[1];
    uint64_t now_ns, entropy;
    struct smb_effects out;

    struct rig_sent sent[RIG_SENT_MAX];
    uint32_t sent_first, sent_count;
    struct rig_op ops[RIG_OPS_MAX];
    uint32_t op_count;
    uint8_t *buffers[RIG_BUFFERS_MAX]; /* by handle.slot - 1 */
    uint64_t closed_conn;              /* the last one closed by the core */
    const char *closed_why;
    uint32_t closes, auth_ends, invalidates_done, cancels;
    uint64_t cancel_id;               /* of the last Cancel */
    uint64_t end_session, end_ticket; /* of the last EndSession */
    uint64_t ended_ticket;            /* of the last SessionEnded */
    uint32_t ended_closes;            /* closes that went before it */
    uint64_t next_open_id, next_conn;
    uint64_t file_size;       /* of every file */
    uint32_t attributes;      /* ... besides ARCHIVE */
    bool zeros;               /* what READ finds */
    const struct ranges *map; /* what MAP says; NULL: data everywhere, and all of it */

    bool hold_meta, hold_io, hold_auth; /* operations stay in `ops` for rig_answer */
    bool anonymous, guest;              /* what GSSAPI says of everybody */
    uint8_t user;                       /* 0: the user; others are others */
    uint64_t expires_s;                 /* how long a logon lasts; 0: for ever */
    bool administrator;
};

void rig_init(struct rig *g);
/* The same, with the server's `fail_at`-th allocation refused; false when it cannot even start. */
bool rig_init_failing(struct rig *g, uint64_t fail_at);
void rig_fini(struct rig *g);
/* Steps the core until it wants nothing at once; answers what is not held; runs smb_check. */
void rig_event(struct rig *g, struct smb_event *ev);
void rig_advance(struct rig *g, uint64_t ns);
/* One frame of bytes, exact size, so that a byte too far is seen. */
void rig_frame(struct rig *g, uint64_t conn, struct slice frame);
/* Answers the oldest held operation. */
void rig_answer(struct rig *g, ntstatus status);
/* Answers the oldest held operation, which is META, with just this. */
void rig_reply(struct rig *g, const Fl__Reply *reply);
void rig_lease(struct rig *g, bool valid);

struct client {
    struct rig *rig;
    uint64_t conn, message_id, session_id, credits;
    uint32_t tree_id;
    uint16_t dialect, cipher, signing;
    bool sign, seal; /* what it does with its requests */
    bool bad_signature;
    uint16_t ciphers[4], signings[4]; /* what it offers, up to a 0xFFFF; none: a default */
    struct compression compression;   /* what it offers, then what was agreed */
    bool compress, was_compressed;    /* its requests; the frame received last */
    size_t sent, received, bend; /* bytes on the wire; which byte of a compressed frame is wrong */
    uint8_t *plain;              /* of the frame received last */
    uint32_t capabilities;       /* beside ENCRYPTION and LARGE_MTU */
    bool strict;                 /* it fails when a sealed request has an open answer */
    uint16_t channel_sequence;
    struct preauth preauth, session_preauth;
    struct smb_keys keys; /* of the session, also in those that are bound to it */
    struct sign_key *sign_key;
    struct seal_key *seal_key, *open_key;
    uint64_t nonce;

    uint8_t out[1 << 17]; /* the frame being built, with room for a transform header */
    struct writer w;
    size_t part; /* where the current message begins */
    uint8_t *in; /* the frame received last */
    struct smb_walk walk;
    struct smb_header header; /* of the message received last */
    struct slice message;
};

void client_connect(struct client *c, struct rig *g);
void client_free(struct client *c);
/* Its connection is gone, and so is it. */
void client_leave(struct client *c);
/* Begins a message; the body is then encoded into the writer returned. */
struct writer *client_begin(struct client *c, uint16_t command, uint32_t flags);
/* Another message in the same frame. */
struct writer *client_and(struct client *c, uint16_t command, uint32_t flags);
/* Sends what was built. */
void client_send(struct client *c);
void client_send_raw(struct client *c, struct slice frame);
/* The next message from the server; false when there is none. Verifies and unseals. */
bool client_receive(struct client *c);
/* Sends and receives: the status, or STATUS_CONNECTION_DISCONNECTED when nothing comes. */
ntstatus client_call(struct client *c);

#define CLIENT_NO_MORE 0xFFFFu
/* It offers just these in 3.1.1. */
void client_offer(struct client *c, uint16_t cipher, uint16_t signing);
ntstatus client_negotiate(struct client *c, uint16_t dialect);
/* One round of SESSION_SETUP with this token. */
ntstatus client_setup(struct client *c, const char *token, uint64_t previous);
/* All of it, and keys. */
ntstatus client_logon(struct client *c);
/* One round that binds the session it names; signed, unless `sign` is off. */
ntstatus client_bind_round(struct client *c, const char *token);
/* Takes the session of `of` as its own, with the key that signs a binding, and its tree. */
void client_adopt(struct client *c, const struct client *of);
/* Connected and negotiated as `of`, and bound to its session. */
ntstatus client_bind(struct client *c, const struct client *of);
ntstatus client_tree(struct client *c, const char *path);
/* Opens `name`; files called "dir..." are directories. */
ntstatus client_create(struct client *c, const char *name, struct smb_file_id *id);
void client_put_create(struct client *c, struct writer *w, const char *name);
ntstatus client_close(struct client *c, struct smb_file_id id);
/* Connected, logged on, and in the share "general" with this dialect. */
void client_ready(struct client *c, struct rig *g, uint16_t dialect);

/* What an adversary who has logged on may do, read from `script`: frames of any content, dressed
 * with valid ids and signatures or not, amid time, answers, and a lease that comes and goes. */
void rig_play(struct rig *g, struct client *c, struct reader *script);
