/* What a client decodes while it connects. */
#include "proto/smb/negotiate_client.h"
#include "proto/smb/session_client.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    struct slice msg = slice_of(copy, size);
    struct smb_negotiate_answer negotiate;
    struct smb_session_setup_rsp setup;
    struct smb_tree_connect_rsp tree;
    if (smb_negotiate_answer_decode(msg, &negotiate) == STATUS_OK) {
        fuzz_touch(negotiate.security);
        fuzz_touch(negotiate.contexts.salt);
    }
    if (smb_session_setup_rsp_decode(msg, &setup) == STATUS_OK)
        fuzz_touch(setup.security);
    (void)smb_tree_connect_rsp_decode(msg, &tree);
    free(copy);
    return 0;
}
