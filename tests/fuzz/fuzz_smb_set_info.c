#include "proto/smb/info.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    struct smb_set_info_req x;
    if (smb_set_info_decode(slice_of(copy, size), &x) == STATUS_OK)
        fuzz_touch(x.buffer);
    free(copy);
    return 0;
}
