#include "proto/smb/tree.h"
#include "tests/fuzz/fuzz.h"

/* The last byte chooses the dialect. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    bool dialect_311 = size > 0 && (copy[size - 1] & 1) != 0;
    struct smb_tree_connect_req req;
    struct slice server, share;
    if (smb_tree_connect_decode(slice_of(copy, size), dialect_311, &req) == STATUS_OK) {
        fuzz_touch(req.path);
        if (smb_tree_path_split(req.path, &server, &share)) {
            fuzz_touch(server);
            fuzz_touch(share);
        }
    }
    free(copy);
    return 0;
}
