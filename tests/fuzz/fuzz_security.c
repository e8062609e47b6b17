#include "proto/smb/security.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1); /* exactly as long: ASan sees one byte beyond */
    memcpy(copy, data, size);
    struct slice sd = slice_of(copy, size);
    const struct security_token token = {.user = sd};
    const struct security_creation c = {.parent = sd, .token = &token, .directory = size & 1};
    static uint8_t out[2 * SECURITY_BYTES_MAX];
    struct writer w = writer_of(out, sizeof(out)), v = w;
    (void)security_inherit(&c, &w);
    (void)security_merge(sd, sd, 0xF, &token, &v);
    struct security_descriptor d;
    if (security_decode(sd, &d) == STATUS_OK)
        (void)security_maximal_access(&d, &token);
    free(copy);
    return 0;
}
