#pragma once
/* What works through long ranges of files (sparse.c, zero.c, copy.c, copychunk.c): the data moves
 * between the nodes, a piece at a time, while the client waits. Between two pieces a CANCEL, a
 * closed open or a cut takes effect, and whoever waits for this node's writes gets his turn. */
#include "node/smb/files.h"
#include "proto/base/ranges.h"

struct smb_ioctl_req;

typedef void bulk_done(struct smb *s, struct smb_request *r, ntstatus status);

/* A range of the part's open on its way to be zeros. The first member of what r->scratch points to
 * while it is at work. */
struct zeroing {
    uint64_t at, end; /* what is still to be done; never beyond the end of file */
    bulk_done *done;
    struct smb_file_ref file;
    uint32_t next; /* of map.items */
    struct ranges map;
};

/* The range reads as zeros, its whole blocks are given back, and both are durable on all in-sync
 * members, when `done` is called with STATUS_OK. Only what holds data is touched. */
void zero_begin(struct smb *s, struct smb_request *r, struct range range, bulk_done *done);

/* A range of another open on its way to the part's. The first member of what r->scratch points to
 * while it is at work. */
struct copying {
    handle source;
    uint64_t from, to, left; /* what is still to be done */
    bool append;             /* `to` is the end of file */
    bool ignore_locks;       /* of others, in both files */
    bulk_done *done;
    uint64_t len; /* of the piece */
    struct smb_file_ref file;
    uint64_t size; /* of the target, when it was last asked */
    uint32_t attempts;
    uint8_t *bytes; /* of the piece, in r->kept */
};

#define COPY_PIECE_BYTES (UINT64_C(4) << 20) /* read, then written; the memory of one copy */

/* Copies `left` bytes, the target growing as it must, and durable on all in-sync members when
 * `done` is called with STATUS_OK. Fill in source, from, to, left, append and ignore_locks. A piece
 * is read as a whole before it is written, so a range of one piece may overlap its target. */
void copy_begin(struct smb *s, struct smb_request *r, bulk_done *done);
/* An open of the part's session, in whichever of its shares; NULL when it is not one. */
struct smb_open *copy_source(struct smb *s, const struct smb_request *r, handle at);

/* ---- FSCTLs, called by ioctl.c; `req` is borrowed -------------------------------------------- */
typedef void bulk_ioctl(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req);
bulk_ioctl sparse_set, sparse_zero_data, sparse_query_ranges, sparse_query_regions, sparse_trim;
bulk_ioctl reparse_set, reparse_get, reparse_delete;
bulk_ioctl copychunk_key, copychunk, duplicate_extents;
/* The reply without output. */
void ioctl_reply_empty(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req);
