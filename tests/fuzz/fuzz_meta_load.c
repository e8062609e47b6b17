/* Bytes as a snapshot, with a checksum that fits; what loads saves as the same bytes. */
#include "coordinator/meta/meta.h"
#include "tests/coordinator/meta/rig.h"
#include "tests/fuzz/fuzz.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rig r = {.mem = test_mem((size_t)256 << 20)};
    arena_init(&r.a, &r.mem, (size_t)64 << 20);
    uint8_t *bytes = mem_alloc(&r.mem, size + 8);
    struct writer w = writer_of(bytes, size + 8);
    write_bytes(&w, slice_of(data, size));
    write_u64(&w, XXH3_64bits(data, size));
    r.m = meta_load(&r.mem, written(&w));
    if (r.m != NULL)
        rig_reload(&r);
    mem_free(&r.mem, bytes, size + 8);
    rig_end(&r);
    return 0;
}
