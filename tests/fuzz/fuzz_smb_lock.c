#include "proto/smb/lock.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    struct smb_lock_req req;
    if (smb_lock_decode(slice_of(copy, size), &req) == STATUS_OK)
        for (uint16_t i = 0; i < req.count; i++)
            (void)smb_lock_at(&req, i);
    free(copy);
    return 0;
}
