#include "proto/smb/session.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    struct smb_session_setup_req x;
    if (smb_session_setup_decode(slice_of(copy, size), &x) == STATUS_OK)
        fuzz_touch(x.security);
    free(copy);
    return 0;
}
