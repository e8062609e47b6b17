/* Lists of extended attributes: what is accepted is a set, and merging it with itself changes
 * nothing but the order of what was given twice. */
#include "proto/base/must.h"
#include "proto/smb/ea.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t set[1 << 17], once[1 << 18], twice[1 << 18];
    uint8_t *copy = fuzz_copy(data, size);
    struct slice list = slice_of(copy, size), name;
    struct writer w = writer_of(set, sizeof(set)), a = writer_of(once, sizeof(once));
    while (list.len > 0 && ea_next_name(&list, &name) == STATUS_OK)
        continue;
    if (ea_decode(slice_of(copy, size), &w) == STATUS_OK && ea_is_set(written(&w)) &&
        ea_merge((struct slice){0}, written(&w), &a) == STATUS_OK) {
        struct writer b = writer_of(twice, sizeof(twice));
        must(ea_is_set(written(&a)));
        must(ea_merge(written(&a), written(&a), &b) == STATUS_OK);
        must(slice_equal(written(&a), written(&b)));
    }
    free(copy);
    return 0;
}
