#pragma once
/* [MS-SMB2] 2.2.33 QUERY_DIRECTORY, 2.2.35 CHANGE_NOTIFY and their responses. */
#include "proto/smb/header.h"

enum { /* QUERY_DIRECTORY flags */
       SMB2_RESTART_SCANS = 0x01,
       SMB2_RETURN_SINGLE_ENTRY = 0x02,
       SMB2_INDEX_SPECIFIED = 0x04,
       SMB2_REOPEN = 0x10,
};

struct smb_query_directory_req {
    uint8_t info_class; /* [MS-FSCC] 2.4 */
    uint8_t flags;
    uint32_t file_index;
    struct smb_file_id file_id;
    uint32_t output_length; /* the most the client takes; compare with MaxTransactSize */
    struct slice pattern;   /* borrowed UTF-16LE, even length; may be empty */
};

ntstatus smb_query_directory_decode(struct slice msg, struct smb_query_directory_req *out);
/* The body in front of `output`, and `output` itself. Also QUERY_INFO's and CHANGE_NOTIFY's form:
 * StructureSize 9, offset, length, bytes. */
void smb_query_directory_encode(struct writer *w, struct slice output);

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
