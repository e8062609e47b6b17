#include "proto/smb/dir.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    struct smb_query_directory_req x;
    if (smb_query_directory_decode(slice_of(copy, size), &x) == STATUS_OK)
        fuzz_touch(x.pattern);
    free(copy);
    return 0;
}
