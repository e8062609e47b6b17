/* What a coordinator may send a node: the first byte says in which state of the line, then records
 * of u16 length, a fl.Control. */
#include "node/control/control.h"
#include "tests/node/control/line.h"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct line l;
    struct reader r = reader_of(slice_of(data, size));
    uint8_t in = read_u8(&r);
    line_init(&l);
    for (uint64_t i = 1; i < 4; i++)
        (void)(i == 2 ? line_query(&l, i) : line_command(&l, i));
    if (in % 4 == 0)
        line_serve(&l);
    else if (in % 4 < 3 && line_after(&l, 0) != NULL && in % 4 == 1)
        (void)line_up(&l);
    for (int i = 0; i < 32 && read_left(&r) > 2; i++) {
        uint16_t len = read_u16(&r);
        struct slice part = read_slice(&r, len < read_left(&r) ? len : read_left(&r));
        uint8_t *copy = fuzz_copy(part.at, part.len);
        struct control_event ev = {.type = CONTROL_EV_MESSAGE};
        ev.message.bytes = slice_of(copy, part.len);
        (void)line_step(&l, ev);
        free(copy);
        (void)line_after(&l, in / 4 * 8);
    }
    line_fini(&l);
    return 0;
}
