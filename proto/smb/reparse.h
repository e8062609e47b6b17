#pragma once
/* Reparse points ([MS-FSCC] 2.1.2): what a file carries that is not a file but leads elsewhere. It
 * is kept as it comes, REPARSE_DATA_BUFFER or REPARSE_GUID_DATA_BUFFER, and never followed here: a
 * symbolic link is told to the client, which goes where it leads by itself. */
#include "proto/base/bytes.h"
#include "proto/smb/status.h"

#define REPARSE_BYTES_MAX 16384u /* MAXIMUM_REPARSE_DATA_BUFFER_SIZE */
#define IO_REPARSE_TAG_SYMLINK UINT32_C(0xA000000C)
#define IO_REPARSE_TAG_MOUNT_POINT UINT32_C(0xA0000003)

struct reparse {
    uint32_t tag;
    struct slice guid; /* 16 bytes when the tag is not Microsoft's, else empty */
    struct slice data;
};

/* Where a symbolic link leads. Names are UTF-16LE. */
struct reparse_symlink {
    bool relative; /* to the link's directory */
    struct slice substitute_name, print_name;
};

/* STATUS_IO_REPARSE_TAG_INVALID, STATUS_IO_REPARSE_DATA_INVALID ([MS-FSA] 2.1.5.10.37), or OK. The
 * data of a symbolic link must be that of one. */
ntstatus reparse_decode(struct slice bytes, struct reparse *out);
/* The same of bytes that name an owner and hold no data: FSCTL_DELETE_REPARSE_POINT's. */
ntstatus reparse_decode_owner(struct slice bytes, struct reparse *out);
/* Of bytes that reparse_decode has accepted, with the symbolic link's tag. */
bool reparse_symlink_decode(const struct reparse *r, struct reparse_symlink *out);
/* The tag of such bytes; 0 when there are none. */
uint32_t reparse_tag(struct slice bytes);
/* Bytes before the data: what FSCTL_GET_REPARSE_POINT must have room for at least. */
size_t reparse_head(struct slice bytes);
/* Do these two have one owner: the same tag, and the same GUID where the tag is not Microsoft's?
 * STATUS_IO_REPARSE_TAG_MISMATCH, STATUS_REPARSE_ATTRIBUTE_CONFLICT, or OK. */
ntstatus reparse_same(const struct reparse *a, const struct reparse *b);
