/* Bytes as commands one after another (u16 length each), on a machine with three nodes that are up.
 */
#include "coordinator/meta/meta.h"
#include "tests/coordinator/meta/rig.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rig r;
    uint8_t *copy = fuzz_copy(data, size);
    struct reader in = reader_of(slice_of(copy, size));
    rig_setup(&r);
    while (read_left(&in) >= 2) {
        uint16_t want = read_u16(&in);
        size_t len = want < read_left(&in) ? want : read_left(&in);
        Fl__Command *c = pb_unpack(&fl__command__descriptor, read_slice(&in, len), &r.a);
        if (c == NULL)
            break;
        if (c->node_id > 0 && c->node_id <= RIG_NODES)
            c->incarnation = r.incarnation[c->node_id];
        meta_apply(r.m, ++r.index, c, &r.a, &r.out);
        meta_check(r.m);
    }
    rig_reload(&r);
    rig_end(&r);
    free(copy);
    return 0;
}
