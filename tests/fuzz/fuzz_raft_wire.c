/* Frames between coordinators: what is accepted can be encoded again to the same bytes. */
#include "coordinator/raft/wire.h"
#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1), *again = malloc(size + 1);
    struct wire_message m;
    memcpy(copy, data, size);
    if (wire_decode(slice_of(copy, size), UINT64_C(0x1122334455667788), &m)) {
        struct writer w = writer_of(again, size + 1);
        wire_encode(&w, UINT64_C(0x1122334455667788), &m);
        must(!w.full && w.pos <= size && memcmp(again, copy, w.pos) == 0);
    }
    (void)wire_configuration_check(slice_of(copy, size));
    free(copy), free(again);
    return 0;
}
