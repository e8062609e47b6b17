#include "proto/smb/negotiate.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    struct smb1_negotiate neg;
    (void)smb1_negotiate_decode(slice_of(copy, size), &neg);
    free(copy);
    return 0;
}
