#include "proto/smb/ioctl_copy.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    struct slice input = slice_of(copy, size);
    struct smb_copy_req req;
    struct smb_copy_rsp rsp;
    struct smb_duplicate_req duplicate;
    if (smb_copy_decode(input, &req) == STATUS_OK && smb_copy_within_limits(&req))
        for (uint32_t i = 0; i < req.count; i++)
            (void)smb_copy_chunk_at(&req, i);
    (void)smb_copy_rsp_decode(input, &rsp);
    (void)smb_duplicate_decode(input, false, &duplicate);
    (void)smb_duplicate_decode(input, true, &duplicate);
    free(copy);
    return 0;
}
