#pragma once
/* [MS-DTYP]: security identifiers, access masks, and the time format of everything in SMB. */
#include "proto/base/bytes.h"

/* ---- SIDs ([MS-DTYP] 2.4.2) ---------------------------------------------------------------- */

#define SID_SUB_MAX 15u
#define SID_BYTES_MAX 68u /* 8 + 4 * SID_SUB_MAX */
#define SID_TEXT_MAX 192u /* "S-1-0x" and twelve digits, fifteen times "-4294967295", NUL */

struct sid {
    uint8_t revision, count; /* 1; subauthorities used */
    uint8_t authority[6];    /* big-endian */
    uint32_t sub[15];
};

/* Reads one SID where the reader stands. A malformed one makes the reader bad. */
void sid_read(struct reader *r, struct sid *out);
/* A whole slice must be one SID; false otherwise, and `out` is untouched. */
bool sid_decode(struct slice bytes, struct sid *out);
/* Bytes of its binary form. */
size_t sid_size(const struct sid *s);
void sid_write(struct writer *w, const struct sid *s);
/* The binary form into `out`; the slice borrows it. */
struct slice sid_bytes(const struct sid *s, uint8_t out[SID_BYTES_MAX]);
bool sid_equal(const struct sid *a, const struct sid *b);
/* A total order: <0, 0, >0. */
int sid_compare(const struct sid *a, const struct sid *b);
/* "S-1-5-21-..." with NUL; returns its length. */
size_t sid_to_text(const struct sid *s, char out[SID_TEXT_MAX]);
/* The inverse, letter case ignored. False when it is not a SID; `out` is untouched. */
bool sid_from_text(struct slice text, struct sid *out);
/* Is it `domain` with one more subauthority? */
bool sid_is_below(const struct sid *s, const struct sid *domain);
/* `domain` with `rid` behind it; false when it has no room. */
bool sid_append(const struct sid *domain, uint32_t rid, struct sid *out);

/* [MS-DTYP] 2.4.2.4. */
extern const struct sid sid_null;                   /* S-1-0-0 */
extern const struct sid sid_everyone;               /* S-1-1-0 */
extern const struct sid sid_creator_owner;          /* S-1-3-0 */
extern const struct sid sid_creator_group;          /* S-1-3-1 */
extern const struct sid sid_owner_rights;           /* S-1-3-4 */
extern const struct sid sid_network;                /* S-1-5-2 */
extern const struct sid sid_anonymous;              /* S-1-5-7 */
extern const struct sid sid_self;                   /* S-1-5-10 */
extern const struct sid sid_authenticated_users;    /* S-1-5-11 */
extern const struct sid sid_system;                 /* S-1-5-18 */
extern const struct sid sid_builtin_administrators; /* S-1-5-32-544 */
extern const struct sid sid_builtin_users;          /* S-1-5-32-545 */
extern const struct sid sid_builtin_guests;         /* S-1-5-32-546 */

/* ---- access masks ([MS-DTYP] 2.4.3, [MS-SMB2] 2.2.13.1) ------------------------------------ */

#define FILE_READ_DATA UINT32_C(0x00000001)
#define FILE_WRITE_DATA UINT32_C(0x00000002)
#define FILE_APPEND_DATA UINT32_C(0x00000004)
#define FILE_READ_EA UINT32_C(0x00000008)
#define FILE_WRITE_EA UINT32_C(0x00000010)
#define FILE_EXECUTE UINT32_C(0x00000020)
#define FILE_DELETE_CHILD UINT32_C(0x00000040)
#define FILE_READ_ATTRIBUTES UINT32_C(0x00000080)
#define FILE_WRITE_ATTRIBUTES UINT32_C(0x00000100)
#define FILE_LIST_DIRECTORY FILE_READ_DATA
#define FILE_ADD_FILE FILE_WRITE_DATA
#define FILE_ADD_SUBDIRECTORY FILE_APPEND_DATA
#define FILE_TRAVERSE FILE_EXECUTE
#define ACCESS_DELETE UINT32_C(0x00010000) /* DELETE in the specifications */
#define READ_CONTROL UINT32_C(0x00020000)
#define WRITE_DAC UINT32_C(0x00040000)
#define WRITE_OWNER UINT32_C(0x00080000)
#define SYNCHRONIZE UINT32_C(0x00100000)
#define ACCESS_SYSTEM_SECURITY UINT32_C(0x01000000)
#define MAXIMUM_ALLOWED UINT32_C(0x02000000)
#define GENERIC_ALL UINT32_C(0x10000000)
#define GENERIC_EXECUTE UINT32_C(0x20000000)
#define GENERIC_WRITE UINT32_C(0x40000000)
#define GENERIC_READ UINT32_C(0x80000000)

#define FILE_ALL_ACCESS UINT32_C(0x001F01FF)
#define FILE_GENERIC_READ UINT32_C(0x00120089)
#define FILE_GENERIC_WRITE UINT32_C(0x00120116)
#define FILE_GENERIC_EXECUTE UINT32_C(0x001200A0)
#define ACCESS_GENERIC_ANY (GENERIC_ALL | GENERIC_EXECUTE | GENERIC_WRITE | GENERIC_READ)
/* What a CREATE may ask for; other bits are STATUS_ACCESS_DENIED ([MS-SMB2] 3.3.5.9). */
#define ACCESS_VALID                                                                               \
    (FILE_ALL_ACCESS | ACCESS_SYSTEM_SECURITY | MAXIMUM_ALLOWED | ACCESS_GENERIC_ANY)

/* Generic rights replaced by the file rights they stand for ([MS-SMB2] 2.2.13.1.1); the same for
 * files and directories, as the bits have two names. Other bits are kept. */
uint32_t access_map_generic(uint32_t mask);

/* ---- FILETIME ([MS-DTYP] 2.3.3): 100 ns since 1601-01-01 UTC ------------------------------- */

#define FILETIME_UNIX_EPOCH UINT64_C(116444736000000000)
#define FILETIME_SECOND UINT64_C(10000000)

/* Nanoseconds since 1970, never negative here; no overflow for any argument. */
uint64_t filetime_from_unix_ns(uint64_t unix_ns);
/* 0 for times before 1970; saturates at UINT64_MAX. */
uint64_t filetime_to_unix_ns(uint64_t filetime);
