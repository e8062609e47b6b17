#pragma once
/* [MS-SMB2] 2.2.13, 2.2.14 CREATE and 2.2.15, 2.2.16 CLOSE. The create contexts are handed on as
 * the list they are: create_ctx.h reads and writes it. */
#include "proto/smb/header.h"

enum {
    SMB2_OPLOCK_LEVEL_NONE = 0x00,
    SMB2_OPLOCK_LEVEL_II = 0x01,
    SMB2_OPLOCK_LEVEL_EXCLUSIVE = 0x08,
    SMB2_OPLOCK_LEVEL_BATCH = 0x09,
    SMB2_OPLOCK_LEVEL_LEASE = 0xFF,
};

enum { /* ImpersonationLevel; greater ones get STATUS_BAD_IMPERSONATION_LEVEL */
    SMB2_IMPERSONATION_ANONYMOUS = 0,
    SMB2_IMPERSONATION_IDENTIFICATION = 1,
    SMB2_IMPERSONATION_IMPERSONATION = 2,
    SMB2_IMPERSONATION_DELEGATE = 3,
};

enum { FILE_SHARE_READ = 1, FILE_SHARE_WRITE = 2, FILE_SHARE_DELETE = 4 };

enum smb_disposition {
    FILE_SUPERSEDE = 0,
    FILE_OPEN = 1,
    FILE_CREATE = 2,
    FILE_OPEN_IF = 3,
    FILE_OVERWRITE = 4,
    FILE_OVERWRITE_IF = 5,
};

enum { /* CreateOptions */
    FILE_DIRECTORY_FILE = 0x00000001,
    FILE_WRITE_THROUGH = 0x00000002,
    FILE_SEQUENTIAL_ONLY = 0x00000004,
    FILE_NO_INTERMEDIATE_BUFFERING = 0x00000008,
    FILE_SYNCHRONOUS_IO_ALERT = 0x00000010,
    FILE_SYNCHRONOUS_IO_NONALERT = 0x00000020,
    FILE_NON_DIRECTORY_FILE = 0x00000040,
    FILE_COMPLETE_IF_OPLOCKED = 0x00000100,
    FILE_NO_EA_KNOWLEDGE = 0x00000200,
    FILE_OPEN_REMOTE_INSTANCE = 0x00000400,
    FILE_RANDOM_ACCESS = 0x00000800,
    FILE_DELETE_ON_CLOSE = 0x00001000,
    FILE_OPEN_BY_FILE_ID = 0x00002000,
    FILE_OPEN_FOR_BACKUP_INTENT = 0x00004000,
    FILE_NO_COMPRESSION = 0x00008000,
    FILE_OPEN_REQUIRING_OPLOCK = 0x00010000,
    FILE_DISALLOW_EXCLUSIVE = 0x00020000,
    FILE_RESERVE_OPFILTER = 0x00100000,
    FILE_OPEN_REPARSE_POINT = 0x00200000,
    FILE_OPEN_NO_RECALL = 0x00400000,
    FILE_OPEN_FOR_FREE_SPACE_QUERY = 0x00800000,
};

enum smb_create_action { /* of the response */
    SMB_ACTION_SUPERSEDED = 0,
    SMB_ACTION_OPENED = 1,
    SMB_ACTION_CREATED = 2,
    SMB_ACTION_OVERWRITTEN = 3,
};

enum { SMB2_CREATE_FLAG_REPARSEPOINT = 0x01 }; /* response flags, 3.x */

struct smb_create_req {
    uint8_t oplock_level;
    uint32_t impersonation;
    uint32_t desired_access, file_attributes, share_access;
    uint32_t disposition; /* any value a stranger wrote: > FILE_OVERWRITE_IF is invalid */
    uint32_t options;
    struct slice name;     /* borrowed UTF-16LE, even length; empty: the share's root */
    struct slice contexts; /* borrowed list for create_ctx.h; may be empty */
};

/* STATUS_INVALID_PARAMETER for bad sizes, offsets that leave the message, or an odd name length.
 * The meaning of the fields is the caller's to check. */
ntstatus smb_create_decode(struct slice msg, struct smb_create_req *out);

/* The times and sizes that CREATE and CLOSE responses carry, in their order. */
struct smb_file_facts {
    uint64_t creation_time, last_access_time, last_write_time, change_time; /* FILETIME */
    uint64_t allocation_size, end_of_file;                                  /* bytes */
    uint32_t attributes;
};

struct smb_create_rsp {
    uint8_t oplock_level, flags;
    uint32_t action; /* enum smb_create_action */
    struct smb_file_facts facts;
    struct smb_file_id file_id;
    struct slice contexts; /* an encoded list of create_ctx.h, or empty */
};

void smb_create_encode(struct writer *w, const struct smb_create_rsp *rsp);

enum { SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB = 0x0001 };

struct smb_close_req {
    uint16_t flags;
    struct smb_file_id file_id;
};

ntstatus smb_close_decode(struct slice msg, struct smb_close_req *out);

struct smb_close_rsp {
    uint16_t flags;              /* SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB: facts are valid */
    struct smb_file_facts facts; /* zero otherwise */
};

void smb_close_encode(struct writer *w, const struct smb_close_rsp *rsp);
