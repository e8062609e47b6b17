#pragma once
/* [MS-SMB2] 2.2.2 ERROR response: the body that goes with an error, or with STATUS_PENDING. Which
 * statuses instead carry the command's own body is 3.3.4.4: smb_status_has_own_body. */
#include "proto/smb/header.h"

enum {
    SMB2_ERROR_ID_DEFAULT = 0,
    SMB2_ERROR_ID_SHARE_REDIRECT = 0x72645253,
};

/* No error data: ByteCount 0 and the one byte that must follow it. */
void smb_error_encode(struct writer *w);
/* With error data; in 3.1.1 it is wrapped into one error context of id `error_id`. */
void smb_error_data_encode(struct writer *w, bool dialect_311, uint32_t error_id,
                           struct slice data);
/* STATUS_BUFFER_TOO_SMALL with the length that would do (2.2.2.2). */
void smb_error_length_encode(struct writer *w, bool dialect_311, uint32_t needed);

/* 2.2.2.2.1, the data of STATUS_STOPPED_ON_SYMLINK. Names are UTF-16LE. */
struct smb_symlink_error {
    uint16_t unparsed_length; /* bytes at the end of the path behind the link */
    bool relative;
    struct slice substitute_name, print_name;
};

/* Just the data. */
void smb_symlink_error_write(struct writer *w, const struct smb_symlink_error *err);
void smb_symlink_error_encode(struct writer *w, bool dialect_311,
                              const struct smb_symlink_error *err);

/* True when a response with this status carries the command's own body and not an ERROR one
 * (3.3.4.4): successes other than STATUS_PENDING, STATUS_MORE_PROCESSING_REQUIRED of SESSION_SETUP,
 * STATUS_BUFFER_OVERFLOW of QUERY_INFO, READ and IOCTL, STATUS_NOTIFY_ENUM_DIR, and
 * STATUS_INVALID_PARAMETER of FSCTL_SRV_COPYCHUNK is the caller's own to know. */
bool smb_status_has_own_body(uint16_t command, ntstatus status);
