#include "proto/smb/create_ctx.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1); /* exactly as long: ASan sees one byte beyond */
    memcpy(copy, data, size);
    struct create_contexts contexts;
    (void)create_contexts_decode(slice_of(copy, size), &contexts);
    free(copy);
    return 0;
}
