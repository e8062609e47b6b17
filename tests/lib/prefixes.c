#include "tests/lib/prefixes.h"

#include "tests/lib/unit.h"

#include <stdlib.h>
#include <string.h>

size_t prefix_least(struct slice msg, prefix_decoder decode)
{
    size_t least = SIZE_MAX;
    for (size_t len = 0; len <= msg.len; len++) {
        uint8_t *copy = malloc(len > 0 ? len : 1);
        assert_non_null(copy);
        if (len > 0)
            memcpy(copy, msg.at, len);
        ntstatus status = decode(slice_of(copy, len));
        free(copy);
        if (status == STATUS_OK && least == SIZE_MAX)
            least = len;
        if (status != STATUS_OK && least != SIZE_MAX)
            fail_msg("%zu bytes accepted, but %zu refused", least, len);
    }
    if (least == SIZE_MAX)
        fail_msg("the whole message was refused");
    return least;
}

void prefix_inside(struct slice msg, struct slice part)
{
    if (part.len == 0)
        return;
    assert_true(part.at >= msg.at && part.at <= msg.at + msg.len);
    assert_true(part.len <= (size_t)(msg.at + msg.len - part.at));
}
