/* A program of reads over a message: each byte of the first half is an operation. */
#include "proto/base/bytes.h"
#include "proto/base/must.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1), to[64];
    memcpy(copy, data, size);
    struct reader ops = reader_of(slice_of(copy, size / 2));
    struct reader r = reader_of(slice_of(copy + size / 2, size - size / 2));
    while (read_left(&ops) > 0) {
        uint8_t op = read_u8(&ops);
        switch (op & 7) {
        case 0: (void)read_u8(&r), (void)read_u16(&r); break;
        case 1: (void)read_u64(&r), (void)read_u32_be(&r); break;
        case 2: read_align(&r, (size_t)1 << (op >> 3 & 7)); break;
        case 3: read_copy(&r, to, op >> 3); break;
        case 4:
            must(slice_equal(read_slice(&r, op >> 3), (struct slice){0}) == (r.bad || op < 8));
            break;
        case 5: must(read_at(&r, read_u16(&ops), read_u16(&ops)).len <= r.all.len); break;
        case 6: read_skip(&r, op >> 3); break;
        }
    }
    free(copy);
    return 0;
}
