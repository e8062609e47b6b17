#include "proto/smb/transform.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    struct smb_transform x;
    if (smb_transform_decode(slice_of(copy, size), &x) == STATUS_OK) {
        fuzz_touch(x.aad);
        fuzz_touch(x.body);
    }
    free(copy);
    return 0;
}
