#include "proto/smb/ioctl_range.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    struct slice input = slice_of(copy, size);
    struct range range;
    struct smb_region region;
    struct smb_trim_req trim;
    (void)smb_set_sparse_decode(input);
    (void)smb_zero_data_decode(input, &range);
    (void)smb_allocated_decode(input, &range);
    (void)smb_region_decode(input, &region);
    if (smb_trim_decode(input, &trim) == STATUS_OK)
        for (uint32_t i = 0; i < trim.count; i++)
            (void)smb_trim_at(&trim, i);
    free(copy);
    return 0;
}
