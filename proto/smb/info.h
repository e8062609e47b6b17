#pragma once
/* [MS-SMB2] 2.2.37 QUERY_INFO, 2.2.39 SET_INFO and their responses. What the buffers hold is
 * [MS-FSCC] (fscc.h) or a security descriptor. */
#include "proto/smb/header.h"

enum smb_info_type {
    SMB2_0_INFO_FILE = 1,
    SMB2_0_INFO_FILESYSTEM = 2,
    SMB2_0_INFO_SECURITY = 3,
    SMB2_0_INFO_QUOTA = 4,
};

enum { /* QUERY_INFO flags of FileFullEaInformation */
       SL_RESTART_SCAN = 0x00000001,
       SL_RETURN_SINGLE_ENTRY = 0x00000002,
       SL_INDEX_SPECIFIED = 0x00000004,
};

struct smb_query_info_req {
    uint8_t info_type; /* enum smb_info_type, or anything */
    uint8_t info_class;
    uint32_t output_length; /* the most the client takes; compare with MaxTransactSize */
    uint32_t additional;    /* *_SECURITY_INFORMATION bits, or an EA index */
    uint32_t flags;
    struct smb_file_id file_id;
    struct slice input; /* borrowed; may be empty */
};

ntstatus smb_query_info_decode(struct slice msg, struct smb_query_info_req *out);
/* Also with STATUS_BUFFER_OVERFLOW, which is no ERROR response here (3.3.4.4). */
void smb_query_info_encode(struct writer *w, struct slice output);

struct smb_set_info_req {
    uint8_t info_type;
    uint8_t info_class;
    uint32_t additional;
    struct smb_file_id file_id;
    struct slice buffer; /* borrowed; may be empty */
};

ntstatus smb_set_info_decode(struct slice msg, struct smb_set_info_req *out);
void smb_set_info_encode(struct writer *w);
