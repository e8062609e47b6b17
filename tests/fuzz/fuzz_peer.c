/* What another node says: records of u16 length, a fl.Peer, each with one byte of file data, taken
 * in by a primary of group 1 that is a member of group 2. The store answers every operation at
 * once. */
#include "node/replication/replication.h"
#include "tests/node/replication/alone.h"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct alone a; /* its memory is used again */
    alone_start(&a);
    struct reader r = reader_of(slice_of(data, size));
    for (int i = 0; i < 16 && read_left(&r) > 2; i++) {
        uint16_t len = read_u16(&r);
        struct slice control = read_slice(&r, len < read_left(&r) ? len : read_left(&r));
        uint8_t *copy = fuzz_copy(control.at, control.len);
        alone_peer(&a, slice_of(copy, control.len));
        free(copy);
        replication_check(a.rep);
    }
    alone_stop(&a);
    return 0;
}
