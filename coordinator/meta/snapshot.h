#pragma once
/* The snapshot's form, written by save.c and read by load.c. Little-endian; a blob is u32 length
 * and bytes. After each count follow that many records, in the order of the trees:
 *
 *   u32 'FLMS' | u32 version | u64 index | u8 founded | cluster's blobs | counters
 *   nodes, each with its remembered replies | descriptors | volumes, each with groups and inodes
 *   shares | users | opens | reclaims | invalidations, each with its waits
 *   u64 XXH3-64 of all before
 *
 * Descriptors are referred to by their place in the list, inodes by volume and number. */

#define SNAPSHOT_MAGIC UINT32_C(0x534d4c46)

enum {
    SNAPSHOT_VERSION = 1,
    SNAPSHOT_CHECK = 8,
    SNAPSHOT_INODE_MIN = 97, /* bytes of an inode's record without its name: bounds the count */
};

/* Bits of an open's flags. */
enum {
    OPEN_DELETE_ON_CLOSE = 1,
    OPEN_USER_WRITE_TIME = 2,
    OPEN_USER_CHANGE_TIME = 4,
    OPEN_USER_ACCESS_TIME = 8,
};
