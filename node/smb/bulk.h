#pragma once
/* What works through long ranges of files (sparse.c, zero.c, copy.c): the data moves between the
 * nodes, a piece at a time, while the client waits. Between two pieces a CANCEL, a closed open or a
 * cut takes effect, and whoever waits for this node's writes gets his turn. */
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
/* The part's open has written: its times are to say so ([MS-FSA] 2.1.4.17). */
void bulk_modified(struct smb *s, struct smb_open *o);

/* ---- FSCTLs, called by ioctl.c; `req` is borrowed -------------------------------------------- */
typedef void bulk_ioctl(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req);
bulk_ioctl sparse_set, sparse_zero_data, sparse_query_ranges, sparse_query_regions, sparse_trim;
/* The reply without output. */
void ioctl_reply_empty(struct smb *s, struct smb_request *r, const struct smb_ioctl_req *req);
