#pragma once
/* The snapshot's form, written by save.c and read by load.c. Little-endian; a blob is u32 length
 * and bytes. After each count follow that many records, in the order of the trees:
 *
 *   u32 'FLMS' | u32 version | u64 index | u8 founded | cluster's blobs | counters
 *   nodes, each with its remembered replies | descriptors | volumes, each with groups and inodes
 *   shares | users | leases | opens | locks of files | reclaims | invalidations
 *   u64 XXH3-64 of all before
 *
 * Leases, locks and invalidations come each with the commands that wait for them.
 *
 * Descriptors are referred to by their place in the list, inodes by volume and number. */

#define SNAPSHOT_MAGIC UINT32_C(0x534d4c46)

enum {
    SNAPSHOT_VERSION = 3,
    SNAPSHOT_CHECK = 8,
    /* Bytes of an inode's record without its name and attributes: bounds the count. */
    SNAPSHOT_INODE_MIN = 109,
};

/* Bits of an inode's flags. */
enum {
    INODE_DELETE_PENDING = 1,
    INODE_STREAM = 2, /* its parent is the file; it has no descriptor: the place is 0 */
};

/* Bits of an open's flags. */
enum {
    OPEN_DELETE_ON_CLOSE = 1,
    OPEN_USER_WRITE_TIME = 2,
    OPEN_USER_CHANGE_TIME = 4,
    OPEN_USER_ACCESS_TIME = 8,
    OPEN_WATCHES = 16,
    OPEN_WATCH_TREE = 32,
    OPEN_MARKED = 64,
    OPEN_LOCK_SEQUENCES = 128, /* they follow */
    OPEN_FLAGS = 255,
};
