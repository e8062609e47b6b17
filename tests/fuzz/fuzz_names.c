#include "proto/smb/names.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1); /* exactly as long: ASan sees one byte beyond */
    memcpy(copy, data, size);
    struct name_path path;
    (void)name_parse(slice_of(copy, size), &path);
    (void)name_check_pattern(slice_of(copy, size));
    free(copy);
    return 0;
}
