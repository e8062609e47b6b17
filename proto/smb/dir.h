#pragma once
/* [MS-SMB2] 2.2.33 QUERY_DIRECTORY and its response. */
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
