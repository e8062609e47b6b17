#pragma once
/* [MS-FSCC] 2.3: the structures of the FSCTLs that speak of ranges of a file. Offsets and lengths
 * are signed there: what is negative, or ends behind 2^63, is STATUS_INVALID_PARAMETER. `input` is
 * the IOCTL's; more of it than is needed does no harm. */
#include "proto/base/bytes.h"
#include "proto/base/ranges.h"
#include "proto/smb/status.h"

/* FSCTL_SET_SPARSE, 2.3.83: without a buffer it means true. */
bool smb_set_sparse_decode(struct slice input);
/* FSCTL_SET_ZERO_DATA, 2.3.85. */
ntstatus smb_zero_data_decode(struct slice input, struct range *out);

/* FSCTL_QUERY_ALLOCATED_RANGES, 2.3.51, 2.3.52: a FILE_ALLOCATED_RANGE_BUFFER. */
enum { SMB_ALLOCATED_RANGE_SIZE = 16 };
ntstatus smb_allocated_decode(struct slice input, struct range *out);
void smb_allocated_encode(struct writer *w, struct range r);

/* FSCTL_QUERY_FILE_REGIONS, 2.3.55, 2.3.56. */
enum { SMB_REGIONS_HEADER = 16, SMB_REGION_SIZE = 24 };
enum { FILE_REGION_USAGE_VALID_CACHED_DATA = 1, FILE_REGION_USAGE_VALID_NONCACHED_DATA = 2 };

struct smb_region {
    struct range range;
    uint32_t usage;
};

ntstatus smb_region_decode(struct slice input, struct smb_region *out);
/* The header, and the one region there is unless `region` is NULL. */
void smb_region_encode(struct writer *w, const struct smb_region *region);

/* FSCTL_FILE_LEVEL_TRIM, 2.3.13, 2.3.14. */
enum { SMB_TRIM_RANGES_MAX = 4096, SMB_TRIM_RSP_SIZE = 4 };

struct smb_trim_req {
    uint32_t count;      /* 1 .. SMB_TRIM_RANGES_MAX */
    struct slice ranges; /* borrowed */
};

ntstatus smb_trim_decode(struct slice input, struct smb_trim_req *out);
/* Unsigned here: the sum may wrap. */
struct range smb_trim_at(const struct smb_trim_req *req, uint32_t index);
