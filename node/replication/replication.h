#pragma once
/* Replication of file data: placement groups, primary-backup (DESIGN: PacificA's protocol, CRAQ's
 * apportioned reads, DRBD's activity log). A pure core over node/store and the links to other nodes.
 *
 * The life of a WRITE. A client's node cuts it at extent boundaries; each part goes to its group's
 * primary (passed on when that is another node). The primary orders it behind overlapping writes,
 * sends the bytes to all in-sync members and stores its own copy in parallel; when every in-sync
 * member has them on stable storage it acknowledges. A member that does not answer is first evicted
 * by a Raft command (REP_DO_META GroupEvict); only then is the write acknowledged without it.
 *
 * A READ is served by this node's own copy when it is in sync and nothing is in flight in the range,
 * else by the primary. Without a node lease nothing is served and nothing acknowledged (INV-3).
 *
 * A new primary first makes the in-sync members equal on the regions that may have been in flight
 * (their own memory of unconfirmed writes, and after a restart the durable intents), before it serves
 * those regions. A member that is not in sync is brought up to date by the primary and put back by
 * GroupRejoin, while clients go on. */
#include "proto/base/arena.h"
#include "proto/base/table.h"
#include "proto/cluster/meta.pb-c.h"

enum rep_result {
    REP_OK,
    REP_NO_SPACE,    /* STATUS_DISK_FULL */
    REP_UNAVAILABLE, /* no primary, no lease, no quorum in time: STATUS_FILE_NOT_AVAILABLE */
    REP_IO_ERROR,    /* every copy failed: STATUS_UNEXPECTED_IO_ERROR or device error */
};

enum rep_op { REP_READ, REP_WRITE, REP_ZERO };

struct rep_file {
    uint32_t volume, first_group;
    uint64_t inode;
};

enum rep_event_type {
    REP_EV_SUBMIT,     /* a client's operation, whole: any offset, any length up to 8 MiB (ZERO: any) */
    REP_EV_PEER,       /* a message from another node */
    REP_EV_PEER_UP,    /* link to a node established, both sides authenticated */
    REP_EV_PEER_DOWN,  /* link lost: everything queued on it is lost */
    REP_EV_STORED,     /* outcome of a REP_DO_STORE */
    REP_EV_META,       /* outcome of a REP_DO_META */
    REP_EV_CONFIG,     /* groups, volumes, nodes */
    REP_EV_LEASE,      /* valid until `until_ns`; 0 means not at all */
    REP_EV_RECLAIM,    /* drop all extents of an inode */
    REP_EV_TICK,
};

enum rep_effect_type {
    REP_DO_COMPLETE, /* a SUBMIT is done */
    REP_DO_PEER,     /* send a message: bytes and borrowed data */
    REP_DO_STORE,    /* an operation on this node's store */
    REP_DO_META,     /* GroupEvict, GroupRejoin, ReclaimDone */
    REP_DO_RELEASE,  /* let go of a buffer that came with an event */
};
