/* What a client may send the leader: the first byte says as whom (and whether it has said Hello),
 * then records of u16 length, a fl.Control. */
#include "coordinator/service/coordinator.h"
#include "tests/coordinator/service/council.h"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct council k;
    static const uint8_t hash[32];
    struct reader r = reader_of(slice_of(data, size));
    uint8_t as = read_u8(&r);
    Fl__Role role = (Fl__Role)(as % 4), shown = role == FL__ROLE__ROLE_WITNESS ? 0 : role;
    uint32_t node_id = role == FL__ROLE__ROLE_NODE || role == FL__ROLE__ROLE_WITNESS ? 2 : 0;
    (void)council_found(&k, 1);
    client_connect(&k, 5, (struct caller){1, shown, node_id});
    if (as & 4)
        client_greets(&k, 5, hello_of(role, node_id, 10));
    for (int i = 0; i < 32 && read_left(&r) > 2; i++) {
        uint16_t len = read_u16(&r);
        struct slice part = read_slice(&r, len < read_left(&r) ? len : read_left(&r));
        uint8_t *copy = fuzz_copy(part.at, part.len);
        client_bytes(&k, 5, slice_of(copy, part.len), slice_of(hash, as & 8 ? 32 : 0));
        free(copy);
        (void)council_said(&k);
    }
    council_fini(&k);
    return 0;
}
