#include "proto/base/must.h"
#include "proto/smb/header.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    struct smb_walk walk = smb_walk_of(slice_of(copy, size));
    struct slice msg;
    struct smb_header h;
    size_t seen = 0;
    while (smb_walk_next(&walk, &msg, &h) == SMB_WALK_MESSAGE) {
        must(smb_frame_kind(msg) == SMB_FRAME_SMB2);
        must(seen % 8 == 0 && msg.len >= SMB_HEADER_SIZE && msg.len <= size - seen);
        seen += msg.len;
        fuzz_touch(msg);
    }
    free(copy);
    return 0;
}
