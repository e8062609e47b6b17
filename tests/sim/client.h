#pragma once
/* The inside of a client: client.c speaks SMB, workload.c decides what it does. */
#include "tests/sim/cluster.h"
#include "tests/sim/names.h"

enum { CALLS_MAX = 8, CLIENT_BUFFER = 1 << 20, MIXED_MOST = 512 << 10 };

enum call_kind {
    CALL_NEGOTIATE,
    CALL_SETUP,
    CALL_TREE,
    CALL_CREATE,
    CALL_CLOSE,
    CALL_READ,
    CALL_WRITE,
    CALL_LOCK,
    CALL_UNLOCK,
    CALL_ZERO,
    CALL_SCRATCH_OPEN, /* from here on: of the file nobody verifies */
    CALL_SCRATCH_CLOSE,
    CALL_SCRATCH,
    CALL_NAMES,     /* names.h */
    CALL_COPY_OPEN, /* from here on: a copy of a part of a file, and what was copied */
    CALL_COPY_KEY,
    CALL_COPY,
    CALL_COPY_READ,
    CALL_COPY_CLOSE,
};

/* A request without an answer. */
struct call {
    bool used;
    enum call_kind kind;
    uint64_t message_id, begin_ns, offset;
    uint32_t file, len, write;
    uint32_t charge;
};

enum file_state { FILE_IS_SHUT, FILE_IS_OPENING, FILE_IS_OPEN, FILE_IS_CLOSING };

struct client_file {
    enum file_state state;
    uint64_t persistent, volatile_;
};

enum lock_state { LOCK_NONE, LOCK_ASKED, LOCK_HELD, LOCK_LEAVING };

struct client_lock {
    enum lock_state state;
    uint32_t file;
    uint64_t offset, len;
    bool exclusive;
    uint64_t message_id;        /* of what is asked */
    uint64_t from_ns, until_ns; /* granted; the unlock was sent */
};

/* What a client copies into a file of its own, reads back, and throws away. */
struct copy {
    struct client_file own;
    uint32_t number, file, len; /* number: of the own file's name */
    uint64_t offset, begin_ns;
    bool busy, spoiled; /* spoiled: a copy failed that may still be carried out */
    uint8_t key[24];
};

enum client_state { CLIENT_AWAY, CLIENT_DIALLING, CLIENT_GREETING, CLIENT_READY };

struct client {
    struct world *w;
    struct proc proc;
    enum client_state state;
    struct conn *conn;
    uint32_t node; /* connected with, 1.. */
    uint16_t dialect;
    uint64_t session_id, message_id, last_heard_ns;
    uint32_t tree_id, credits;
    struct client_file files[FILES_MAX], scratch;
    struct copy copy;
    struct names_client names;
    struct call calls[CALLS_MAX];
    struct client_lock lock;
    uint64_t patience_ns;
    /* the work */
    uint32_t depth, left, files_used, read_per_mille, large_per_mille, scratch_per_mille,
        names_per_mille, lock_per_mille;
    uint32_t think_per_mille, hot_per_mille, zero_per_mille, copy_per_mille;
    uint64_t think_ns, file_bytes, hot_bytes;
    bool verifying;
    uint32_t verify_node;   /* through which node now; behind the last one: finished */
    uint64_t verify_offset; /* of which file: verify_file */
    uint32_t verify_file;
    uint64_t reads, writes, zeros, copies, locks, conflicts, failures, connects;
    uint8_t buffer[CLIENT_BUFFER + 1024];
};

/* ---- client.c ---- */
void client_read(struct client *c, uint32_t file, uint64_t offset, uint32_t len);
void client_write(struct client *c, uint32_t file, uint64_t offset, uint32_t len);
void client_zero(struct client *c, uint32_t file, uint64_t offset, uint32_t len);
void client_open(struct client *c, uint32_t file);
void client_shut(struct client *c, uint32_t file);
/* Begins a request with its header; false when there is no credit or no room. */
struct ask {
    enum call_kind kind;
    uint16_t command;
    uint32_t payload; /* bytes of data, one way or the other */
};
bool client_request(struct client *c, const struct ask *a, struct writer *w);
void client_sent(struct client *c, const struct writer *w);
/* CANCEL of a request. */
void client_cancel(struct client *c, uint64_t message_id);
/* Gives the connection up: what was under way may or may not have happened. */
void client_leave(struct client *c, const char *why);
uint32_t client_calls(const struct client *c);
bool client_file_busy(const struct client *c, uint32_t file);
struct smb_file_id client_file_id(const struct client_file *f);
/* IOCTL, of the kind of `a`. False when there is no credit or no room. */
struct smb_ioctl_req;
bool client_ioctl(struct client *c, enum call_kind kind, const struct smb_ioctl_req *req);

/* ---- workload.c ---- */
void workload_draw(struct client *c);
/* The next thing to do, if there is something that can be done now. */
void workload_next(struct client *c);
/* A READ or WRITE ended well (`ok`) or not. */
void workload_ended(struct client *c, const struct call *call, bool ok);

/* ---- locks.c ---- */
/* Asks for a lock, or gives up the one it has. */
void locks_next(struct client *c);
/* The work is done: nobody is to wait for it. */
void locks_end(struct client *c);
/* From time to time: perhaps it has waited long enough. */
void locks_look(struct client *c);
/* False when this is no answer to go on with. */
bool locks_answered(struct client *c, const struct call *call, ntstatus status);
/* ---- copies.c ---- */
void copies_next(struct client *c);
void copies_answered(struct client *c, const struct call *call, ntstatus status, struct slice msg);

/* ---- scratch.c ---- */
void scratch_next(struct client *c);
void scratch_answered(struct client *c, const struct call *call, ntstatus status, struct slice msg);
