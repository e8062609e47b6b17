/* Lists of locked ranges: what is read is written again as it was, and forbids what meets it. */
#include "proto/base/must.h"
#include "proto/cluster/byterange.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size), one[BYTERANGE_BYTES];
    struct slice list = slice_of(copy, size);
    struct reader r = reader_of(list);
    struct byterange held;
    bool whole = byteranges_are_list(list);
    for (size_t at = 0; byterange_read(&r, &held); at += BYTERANGE_BYTES) {
        struct writer w = writer_of(one, sizeof(one));
        byterange_write(&w, &held);
        must(!w.full);
        must(slice_equal(slice_sub(written(&w), 0, BYTERANGE_BYTES - 1),
                         slice_sub(list, at, BYTERANGE_BYTES - 1)));
        struct byterange other = held;
        other.open_id++;
        if (whole && held.exclusive && held.length > 0)
            must(byteranges_forbid(list, &other));
    }
    free(copy);
    return 0;
}
