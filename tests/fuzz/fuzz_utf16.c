/* Names and patterns: conversions are inverse, matching ends. */
#include "proto/base/must.h"
#include "proto/base/utf16.h"
#include "tests/lib/faults.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    struct mem mem = test_mem(SIZE_MAX);
    struct arena a;
    arena_init(&a, &mem, 1 << 20);
    struct slice pattern = {copy, size / 2 & ~(size_t)1}, back, units;
    struct slice name = {copy + pattern.len, (size - pattern.len) & ~(size_t)1};
    bool equal = utf16_compare_fold(pattern, name) == 0;
    must(!equal || utf16_hash_fold(pattern, 1) == utf16_hash_fold(name, 1));
    must(!equal || utf16_has_wildcard(pattern) || utf16_match(pattern, name));
    (void)utf16_match(pattern, name);
    struct slice text = slice_of(utf16_to_utf8(name, &a), utf16_utf8_len(name));
    must(utf16_from_utf8(text, &a, &back) && slice_equal(back, name));
    if (utf16_from_utf8(slice_of(copy, size), &a, &units))
        must(memcmp(utf16_to_utf8(units, &a), copy, size) == 0);
    arena_fini(&a);
    free(copy);
    return 0;
}
