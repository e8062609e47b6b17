/* What a client decodes: the answers of a server that may be none. */
#include "proto/smb/create_client.h"
#include "proto/smb/data_client.h"
#include "proto/smb/info_client.h"
#include "proto/smb/ioctl_client.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    struct slice msg = slice_of(copy, size), output;
    struct smb_create_rsp create;
    struct smb_close_rsp close;
    struct smb_read_answer read;
    struct smb_write_rsp write;
    if (smb_create_rsp_decode(msg, &create) == STATUS_OK)
        fuzz_touch(create.contexts);
    if (smb_read_answer_decode(msg, &read) == STATUS_OK)
        fuzz_touch(read.data);
    if (smb_ioctl_answer_decode(msg, &output) == STATUS_OK)
        fuzz_touch(output);
    if (smb_output_decode(msg, &output) == STATUS_OK)
        fuzz_touch(output);
    (void)(smb_close_rsp_decode(msg, &close) | smb_write_rsp_decode(msg, &write));
    free(copy);
    return 0;
}
