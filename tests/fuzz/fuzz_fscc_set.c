#include "proto/smb/fscc.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1); /* exactly as long: ASan sees one byte beyond */
    memcpy(copy, data, size);
    struct fscc_set set;
    if (size > 0) /* the first byte chooses the class; the rest is looked at without it */
        (void)fscc_decode_set(copy[0], slice_of(copy + 1, size - 1), &set);
    free(copy);
    return 0;
}
