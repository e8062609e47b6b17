#include "proto/smb/data.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    struct smb_read_req x;
    if (smb_read_decode(slice_of(copy, size), &x) == STATUS_OK)
        fuzz_touch(x.channel_info);
    free(copy);
    return 0;
}
