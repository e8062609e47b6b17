#include "proto/smb/dtyp.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1); /* exactly as long: ASan sees one byte beyond */
    memcpy(copy, data, size);
    struct sid sid;
    char text[SID_TEXT_MAX];
    if (sid_decode(slice_of(copy, size), &sid) || sid_from_text(slice_of(copy, size), &sid))
        (void)sid_to_text(&sid, text);
    free(copy);
    return 0;
}
