#pragma once
/* [MS-SMB2] 2.2.35 CHANGE_NOTIFY and its response, and what is told in it: a list of
 * FILE_NOTIFY_INFORMATION ([MS-FSCC] 2.7.1). */
#include "proto/smb/header.h"

enum { SMB2_WATCH_TREE = 0x0001 };

enum { /* CompletionFilter */
       FILE_NOTIFY_CHANGE_FILE_NAME = 0x00000001,
       FILE_NOTIFY_CHANGE_DIR_NAME = 0x00000002,
       FILE_NOTIFY_CHANGE_ATTRIBUTES = 0x00000004,
       FILE_NOTIFY_CHANGE_SIZE = 0x00000008,
       FILE_NOTIFY_CHANGE_LAST_WRITE = 0x00000010,
       FILE_NOTIFY_CHANGE_LAST_ACCESS = 0x00000020,
       FILE_NOTIFY_CHANGE_CREATION = 0x00000040,
       FILE_NOTIFY_CHANGE_EA = 0x00000080,
       FILE_NOTIFY_CHANGE_SECURITY = 0x00000100,
       FILE_NOTIFY_CHANGE_STREAM_NAME = 0x00000200,
       FILE_NOTIFY_CHANGE_STREAM_SIZE = 0x00000400,
       FILE_NOTIFY_CHANGE_STREAM_WRITE = 0x00000800,
};

struct smb_change_notify_req {
    uint16_t flags;
    uint32_t output_length;
    struct smb_file_id file_id;
    uint32_t filter;
};

ntstatus smb_change_notify_decode(struct slice msg, struct smb_change_notify_req *out);
/* `output` is a list of FILE_NOTIFY_INFORMATION, or empty with STATUS_NOTIFY_ENUM_DIR. */
void smb_change_notify_encode(struct writer *w, struct slice output);

enum { /* [MS-FSCC] 2.7.1 Action */
       FILE_ACTION_ADDED = 1,
       FILE_ACTION_REMOVED = 2,
       FILE_ACTION_MODIFIED = 3,
       FILE_ACTION_RENAMED_OLD_NAME = 4,
       FILE_ACTION_RENAMED_NEW_NAME = 5,
       FILE_ACTION_ADDED_STREAM = 6,
       FILE_ACTION_REMOVED_STREAM = 7,
       FILE_ACTION_MODIFIED_STREAM = 8,
};

/* Bytes of a list that has `len` bytes when an entry with this name has been added to it. */
size_t notify_list_grown(size_t len, size_t name_len);
/* Adds an entry to the list of `*len` bytes at `list`, which begins with `*last` as its last
 * entry's offset and has room for notify_list_grown() bytes; both are updated. */
void notify_list_add(uint8_t *list, size_t *len, size_t *last, uint32_t action, struct slice name);
