#pragma once
/* [MS-FSCC] 2.4, 2.5: what the buffers of QUERY_INFO, SET_INFO and QUERY_DIRECTORY hold.
 *
 * Encoders write into a writer whose remaining room is the client's output buffer: the fixed
 * part must fit (STATUS_INFO_LENGTH_MISMATCH), a variable part is cut (STATUS_BUFFER_OVERFLOW,
 * a warning whose reply carries what did fit), as [MS-SMB2] 3.3.5.20.1 wants. Decoders read a
 * stranger's bytes. */
#include "proto/base/bytes.h"
#include "proto/smb/status.h"

/* ---- file attributes ([MS-FSCC] 2.6) ------------------------------------------------------- */

#define FILE_ATTRIBUTE_READONLY UINT32_C(0x00000001)
#define FILE_ATTRIBUTE_HIDDEN UINT32_C(0x00000002)
#define FILE_ATTRIBUTE_SYSTEM UINT32_C(0x00000004)
#define FILE_ATTRIBUTE_DIRECTORY UINT32_C(0x00000010)
#define FILE_ATTRIBUTE_ARCHIVE UINT32_C(0x00000020)
#define FILE_ATTRIBUTE_NORMAL UINT32_C(0x00000080)
#define FILE_ATTRIBUTE_TEMPORARY UINT32_C(0x00000100)
#define FILE_ATTRIBUTE_SPARSE_FILE UINT32_C(0x00000200)
#define FILE_ATTRIBUTE_REPARSE_POINT UINT32_C(0x00000400)
#define FILE_ATTRIBUTE_COMPRESSED UINT32_C(0x00000800)
#define FILE_ATTRIBUTE_OFFLINE UINT32_C(0x00001000)
#define FILE_ATTRIBUTE_NOT_CONTENT_INDEXED UINT32_C(0x00002000)
#define FILE_ATTRIBUTE_ENCRYPTED UINT32_C(0x00004000)
#define FILE_ATTRIBUTE_INTEGRITY_STREAM UINT32_C(0x00008000)
#define FILE_ATTRIBUTE_NO_SCRUB_DATA UINT32_C(0x00020000)
/* What a client may set and we keep; the rest is masked off silently (2.6). */
#define FILE_ATTRIBUTE_SETTABLE                                                                    \
    (FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM |                     \
     FILE_ATTRIBUTE_ARCHIVE | FILE_ATTRIBUTE_TEMPORARY | FILE_ATTRIBUTE_OFFLINE |                  \
     FILE_ATTRIBUTE_NOT_CONTENT_INDEXED)
/* Every bit [MS-FSCC] names: others in a CREATE are STATUS_INVALID_PARAMETER. */
#define FILE_ATTRIBUTE_KNOWN UINT32_C(0x00DFFFB7)

/* ---- ShareAccess, CreateDisposition, CreateOptions, CreateAction ([MS-SMB2] 2.2.13, 2.2.14)  */

#define FILE_SHARE_READ UINT32_C(0x00000001)
#define FILE_SHARE_WRITE UINT32_C(0x00000002)
#define FILE_SHARE_DELETE UINT32_C(0x00000004)
#define FILE_SHARE_VALID UINT32_C(0x00000007)

#define FILE_SUPERSEDE UINT32_C(0)
#define FILE_OPEN UINT32_C(1)
#define FILE_CREATE UINT32_C(2)
#define FILE_OPEN_IF UINT32_C(3)
#define FILE_OVERWRITE UINT32_C(4)
#define FILE_OVERWRITE_IF UINT32_C(5)
#define FILE_DISPOSITION_MAX FILE_OVERWRITE_IF

#define FILE_DIRECTORY_FILE UINT32_C(0x00000001)
#define FILE_WRITE_THROUGH UINT32_C(0x00000002)
#define FILE_SEQUENTIAL_ONLY UINT32_C(0x00000004)
#define FILE_NO_INTERMEDIATE_BUFFERING UINT32_C(0x00000008)
#define FILE_SYNCHRONOUS_IO_ALERT UINT32_C(0x00000010)
#define FILE_SYNCHRONOUS_IO_NONALERT UINT32_C(0x00000020)
#define FILE_NON_DIRECTORY_FILE UINT32_C(0x00000040)
#define FILE_COMPLETE_IF_OPLOCKED UINT32_C(0x00000100)
#define FILE_NO_EA_KNOWLEDGE UINT32_C(0x00000200)
#define FILE_OPEN_REMOTE_INSTANCE UINT32_C(0x00000400)
#define FILE_RANDOM_ACCESS UINT32_C(0x00000800)
#define FILE_DELETE_ON_CLOSE UINT32_C(0x00001000)
#define FILE_OPEN_BY_FILE_ID UINT32_C(0x00002000)
#define FILE_OPEN_FOR_BACKUP_INTENT UINT32_C(0x00004000)
#define FILE_NO_COMPRESSION UINT32_C(0x00008000)
#define FILE_OPEN_REQUIRING_OPLOCK UINT32_C(0x00010000)
#define FILE_DISALLOW_EXCLUSIVE UINT32_C(0x00020000)
#define FILE_RESERVE_OPFILTER UINT32_C(0x00100000)
#define FILE_OPEN_REPARSE_POINT UINT32_C(0x00200000)
#define FILE_OPEN_NO_RECALL UINT32_C(0x00400000)
#define FILE_OPEN_FOR_FREE_SPACE_QUERY UINT32_C(0x00800000)
#define FILE_CREATE_OPTIONS_VALID UINT32_C(0x00FFFFFF)

#define FILE_SUPERSEDED UINT32_C(0)
#define FILE_OPENED UINT32_C(1)
#define FILE_CREATED UINT32_C(2)
#define FILE_OVERWRITTEN UINT32_C(3)

/* ---- classes ------------------------------------------------------------------------------- */

enum fscc_file_class { /* [MS-FSCC] 2.4 */
                       FILE_DIRECTORY_INFORMATION = 1,
                       FILE_FULL_DIRECTORY_INFORMATION = 2,
                       FILE_BOTH_DIRECTORY_INFORMATION = 3,
                       FILE_BASIC_INFORMATION = 4,
                       FILE_STANDARD_INFORMATION = 5,
                       FILE_INTERNAL_INFORMATION = 6,
                       FILE_EA_INFORMATION = 7,
                       FILE_ACCESS_INFORMATION = 8,
                       FILE_NAME_INFORMATION = 9,
                       FILE_RENAME_INFORMATION = 10,
                       FILE_LINK_INFORMATION = 11,
                       FILE_NAMES_INFORMATION = 12,
                       FILE_DISPOSITION_INFORMATION = 13,
                       FILE_POSITION_INFORMATION = 14,
                       FILE_FULL_EA_INFORMATION = 15,
                       FILE_MODE_INFORMATION = 16,
                       FILE_ALIGNMENT_INFORMATION = 17,
                       FILE_ALL_INFORMATION = 18,
                       FILE_ALLOCATION_INFORMATION = 19,
                       FILE_END_OF_FILE_INFORMATION = 20,
                       FILE_ALTERNATE_NAME_INFORMATION = 21,
                       FILE_STREAM_INFORMATION = 22,
                       FILE_PIPE_INFORMATION = 23,
                       FILE_PIPE_LOCAL_INFORMATION = 24,
                       FILE_PIPE_REMOTE_INFORMATION = 25,
                       FILE_COMPRESSION_INFORMATION = 28,
                       FILE_OBJECT_ID_INFORMATION = 29,
                       FILE_QUOTA_INFORMATION = 32,
                       FILE_REPARSE_POINT_INFORMATION = 33,
                       FILE_NETWORK_OPEN_INFORMATION = 34,
                       FILE_ATTRIBUTE_TAG_INFORMATION = 35,
                       FILE_ID_BOTH_DIRECTORY_INFORMATION = 37,
                       FILE_ID_FULL_DIRECTORY_INFORMATION = 38,
                       FILE_VALID_DATA_LENGTH_INFORMATION = 39,
                       FILE_SHORT_NAME_INFORMATION = 40,
                       FILE_HARD_LINK_INFORMATION = 46,
                       FILE_NORMALIZED_NAME_INFORMATION = 48,
                       FILE_STANDARD_LINK_INFORMATION = 54,
                       FILE_ID_INFORMATION = 59,
                       FILE_ID_EXTD_DIRECTORY_INFORMATION = 60,
                       FILE_DISPOSITION_INFORMATION_EX = 64,
                       FILE_RENAME_INFORMATION_EX = 65,
                       FILE_ID_64_EXTD_DIRECTORY_INFORMATION = 78,
                       FILE_ID_64_EXTD_BOTH_DIRECTORY_INFORMATION = 79,
                       FILE_ID_ALL_EXTD_DIRECTORY_INFORMATION = 80,
                       FILE_ID_ALL_EXTD_BOTH_DIRECTORY_INFORMATION = 81,
};

enum fscc_fs_class { /* [MS-FSCC] 2.5 */
                     FILE_FS_VOLUME_INFORMATION = 1,
                     FILE_FS_LABEL_INFORMATION = 2,
                     FILE_FS_SIZE_INFORMATION = 3,
                     FILE_FS_DEVICE_INFORMATION = 4,
                     FILE_FS_ATTRIBUTE_INFORMATION = 5,
                     FILE_FS_CONTROL_INFORMATION = 6,
                     FILE_FS_FULL_SIZE_INFORMATION = 7,
                     FILE_FS_OBJECT_ID_INFORMATION = 8,
                     FILE_FS_SECTOR_SIZE_INFORMATION = 11,
};

/* ---- files --------------------------------------------------------------------------------- */

struct fscc_file {
    uint64_t creation_time, access_time, write_time, change_time; /* FILETIME */
    uint64_t size, allocation_size;
    uint32_t attributes; /* as stored: 0 is shown as FILE_ATTRIBUTE_NORMAL */
    uint32_t links;
    bool delete_pending, directory;
    uint64_t file_id, volume_serial;
    uint32_t ea_size; /* of the extended attributes as a set (ea.h) */
    uint32_t reparse_tag;
    uint32_t granted_access, mode;
    uint64_t position;
    struct slice short_name; /* UTF-16LE: AlternateName; empty: there is none */
    struct slice
        path; /* UTF-16LE from the share's root, without leading separator: NormalizedName */
};

/* EaSize as clients know it: of the set (ea.h), and four more for a header, as OS/2 had it
 * ([MS-FSA] 2.1.5.12.10; Windows has it so in directory entries too). */
uint32_t fscc_ea_size(uint32_t set_len);
/* Attributes as the wire has them: never all zero. */
uint32_t fscc_attributes(uint32_t stored);
/* QUERY_INFO of SMB2_0_INFO_FILE. STATUS_INVALID_INFO_CLASS for what cannot be queried,
 * STATUS_NOT_SUPPORTED for classes of local use ([MS-SMB2] 3.3.5.20.1),
 * STATUS_OBJECT_NAME_NOT_FOUND for an alternate name that there is not. Extended attributes are
 * written by ea_write, streams by fscc_write_stream. */
ntstatus fscc_encode_file(uint8_t info_class, const struct fscc_file *f, struct writer *w);
/* The access the handle needs for this query ([MS-FSA] 2.1.5.12): 0 or FILE_READ_ATTRIBUTES ... */
uint32_t fscc_query_access(uint8_t info_class);

#define FSCC_STREAM_LEAST                                                                          \
    32u /* of FileStreamInformation's buffer: the size of Windows' structure */
#define FSCC_NO_STREAM SIZE_MAX
struct fscc_stream {
    struct slice name; /* UTF-16LE, bare; empty: the file's own data */
    uint64_t size, allocation_size;
};
/* Appends an entry of FileStreamInformation; `*last` is where the one before begins, FSCC_NO_STREAM
 * for none. False, and nothing written, when it does not fit. */
bool fscc_write_stream(struct writer *w, size_t *last, const struct fscc_stream *stream);

/* ---- directories --------------------------------------------------------------------------- */

struct fscc_entry {
    uint64_t creation_time, access_time, write_time, change_time;
    uint64_t size, allocation_size, file_id;
    uint32_t attributes, ea_size, reparse_tag;
    struct slice name;       /* UTF-16LE */
    struct slice short_name; /* at most 24 bytes; empty: it has none */
};

/* Packs entries until one does not fit. */
struct fscc_packer {
    struct writer *w;
    uint8_t info_class;
    size_t start, limit, last; /* offsets in w; `last`: NextEntryOffset of the newest entry */
    uint32_t count;
};

enum fscc_packed {
    FSCC_PACKED,
    FSCC_FULL,      /* it does not fit behind the others: come again */
    FSCC_TOO_SMALL, /* not even the fixed part of a first entry fits: STATUS_INFO_LENGTH_MISMATCH */
    FSCC_CUT,       /* a first entry was written with part of its name: STATUS_BUFFER_OVERFLOW */
};

/* Is it a class of QUERY_DIRECTORY? */
bool fscc_is_directory_class(uint8_t info_class);
/* Packs where `w` stands (8-aligned), at most `limit` bytes. */
struct fscc_packer fscc_packer_of(struct writer *w, uint8_t info_class, size_t limit);
enum fscc_packed fscc_pack(struct fscc_packer *p, const struct fscc_entry *e);

/* ---- file systems -------------------------------------------------------------------------- */

#define FSCC_CLUSTER_BYTES 4096u
#define FSCC_SECTOR_BYTES 512u

struct fscc_volume {
    uint64_t creation_time;
    uint32_t serial;
    struct slice label; /* UTF-16LE */
    uint64_t total_bytes, free_bytes;
    uint8_t object_id[16];
};

ntstatus fscc_encode_volume(uint8_t info_class, const struct fscc_volume *v, struct writer *w);

/* ---- SET_INFO ------------------------------------------------------------------------------ */

struct fscc_set_basic { /* times: 0 leave, -1 freeze, -2 thaw */
    int64_t creation_time, access_time, write_time, change_time;
    uint32_t attributes; /* 0: leave */
};

struct fscc_set_rename { /* also links */
    bool replace, posix, ignore_readonly;
    uint64_t root_directory; /* must be 0 */
    struct slice name;       /* borrowed UTF-16LE */
};

#define FILE_DISPOSITION_DELETE UINT32_C(0x01)
#define FILE_DISPOSITION_POSIX_SEMANTICS UINT32_C(0x02)
#define FILE_DISPOSITION_FORCE_IMAGE_SECTION_CHECK UINT32_C(0x04)
#define FILE_DISPOSITION_ON_CLOSE UINT32_C(0x08)
#define FILE_DISPOSITION_IGNORE_READONLY_ATTRIBUTE UINT32_C(0x10)

struct fscc_set {
    uint8_t info_class;
    union {
        struct fscc_set_basic basic;
        struct fscc_set_rename rename; /* Rename, RenameEx, Link */
        uint32_t disposition;          /* FILE_DISPOSITION_*; plain Disposition: 0 or DELETE */
        uint64_t size;                 /* Allocation, EndOfFile, ValidDataLength, Position */
        uint32_t mode;
        struct slice ea; /* a list for ea_decode, borrowed */
    };
};

/* STATUS_INVALID_INFO_CLASS for what cannot be set, STATUS_NOT_SUPPORTED for what this server
 * has not (links, short names, quotas),
 * STATUS_INFO_LENGTH_MISMATCH for a short buffer, STATUS_INVALID_PARAMETER for values out of
 * range. */
ntstatus fscc_decode_set(uint8_t info_class, struct slice buffer, struct fscc_set *out);
/* The access the handle needs for this change ([MS-FSA] 2.1.5.15). */
uint32_t fscc_set_access(uint8_t info_class);
