#pragma once
/* [MS-SMB2] 2.2.13, 2.2.14 CREATE and 2.2.15, 2.2.16 CLOSE. The create contexts are handed on as
 * the list they are: create_ctx.h reads and writes it. Values of DesiredAccess are in dtyp.h, of
 * FileAttributes, ShareAccess, CreateDisposition, CreateOptions and CreateAction in fscc.h. */
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
    uint32_t action; /* CreateAction: superseded, opened, created, overwritten */
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
