/* Every decoder of a call's stub: endpoint mapper, witness. The first byte chooses. */
#include "proto/rpc/epm.h"
#include "proto/rpc/swn.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t opnums[] = {15, 16, 21, 36, 0, 1, 2, 3, 4, 5};
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    uint16_t opnum = opnums[size > 0 ? copy[0] % 10 : 0];
    struct slice stub = slice_of(copy + (size > 0), size - (size > 0));
    struct swn_call swn;
    struct epm_map_call map;
    (void)swn_decode(opnum, stub, &swn);
    (void)epm_decode_map(stub, &map);
    struct swn_address address;
    (void)swn_address_from_text(stub, &address);
    free(copy);
    return 0;
}
