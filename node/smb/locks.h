#pragma once
/* Byte-range locks as this node keeps them: a list with each file that some of its clients have
 * open, true as long as the cached size is (smb_inode.size_valid). It may have locks that have gone
 * meanwhile, but lacks none: so what it allows is allowed, and what it forbids must be asked. */
#include "node/smb/files.h"
#include "proto/cluster/byterange.h"

/* Takes over what FileInfo.locks says; false without memory, or when it is no list: then nothing
 * may be kept of the file. */
bool locks_keep(struct kept_locks *kept, struct slice list);
void locks_forget(struct kept_locks *kept);

/* Do all locks kept of its file let the open read (or write) these bytes? */
bool locks_allow(const struct smb_open *o, uint64_t offset, uint64_t length, bool write);

/* Asks about the open's file as open_query_info, and whether these bytes may be read (or written):
 * STATUS_FILE_LOCK_CONFLICT when not. */
struct lock_query {
    uint64_t offset, length;
    bool write, at_end; /* at_end: they follow the end of file, `offset` does not count */
};
void open_query_access(struct smb *s, struct smb_request *r, const struct smb_open *o,
                       const struct lock_query *query, smb_meta_done *done);
