#include "proto/smb/create.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    struct smb_create_req x;
    if (smb_create_decode(slice_of(copy, size), &x) == STATUS_OK) {
        fuzz_touch(x.name);
        fuzz_touch(x.contexts);
    }
    free(copy);
    return 0;
}
