/* A peer's bytes as a frame, and the frame's control part as a message. */
#include "proto/cluster/frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        return 0;
    memcpy(copy, data, size);
    struct frame f;
    size_t used;
    if (frame_decode(slice_of(copy, size), &f, &used) == FRAME_OK && used > size)
        abort();
    free(copy);
    return 0;
}
