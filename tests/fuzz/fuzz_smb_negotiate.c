#include "proto/smb/negotiate.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    struct smb_negotiate_req x;
    if (smb_negotiate_decode(slice_of(copy, size), &x) == STATUS_OK) {
        fuzz_touch(x.dialects.bytes);
        fuzz_touch(x.contexts.hashes.bytes);
        fuzz_touch(x.contexts.salt);
        fuzz_touch(x.contexts.ciphers.bytes);
        fuzz_touch(x.contexts.signing.bytes);
        fuzz_touch(x.contexts.compression.bytes);
        fuzz_touch(x.contexts.rdma_transforms.bytes);
        fuzz_touch(x.contexts.netname);
    }
    free(copy);
    return 0;
}
