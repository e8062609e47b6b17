#include "proto/daemon/heap.h"
#include "proto/rpc/pac.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    struct mem mem;
    struct arena a;
    struct pac_logon logon;
    mem_heap_init(&mem, 4 << 20);
    arena_init(&a, &mem, 2 << 20);
    if (pac_decode(slice_of(copy, size), &a, &logon) && logon.group_count > PAC_GROUPS_MAX)
        abort();
    arena_fini(&a);
    free(copy);
    return mem.used == 0 ? 0 : (abort(), 0);
}
