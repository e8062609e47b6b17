#include "tests/lib/prefixes.h"

#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>

size_t prefix_least(struct slice msg, prefix_decoder decode)
{
    size_t least = SIZE_MAX;
    for (size_t len = 0; len <= msg.len; len++) {
        uint8_t *copy = malloc(len > 0 ? len : 1);
        must(copy != NULL);
        if (len > 0)
            memcpy(copy, msg.at, len);
        ntstatus status = decode(slice_of(copy, len));
        free(copy);
        if (status == STATUS_OK && least == SIZE_MAX)
            least = len;
        must(status == STATUS_OK || least == SIZE_MAX);
    }
    must(least != SIZE_MAX); /* msg itself was accepted */
    return least;
}

void prefix_inside(struct slice msg, struct slice part)
{
    if (part.len == 0)
        return;
    must(part.at >= msg.at);
    must(part.at <= msg.at + msg.len);
    must(part.len <= (size_t)(msg.at + msg.len - part.at));
}
