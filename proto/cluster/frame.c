#include "proto/cluster/frame.h"

#include "proto/base/must.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define FRAME_MAGIC UINT32_C(0x4c544c46) /* 'FLTL' on the wire */

enum { FRAME_CHECKED = FRAME_HEADER - 8 }; /* the header without its check */

static uint64_t check_of(struct slice head, struct slice control, struct slice data)
{
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    (void)XXH3_64bits_reset(&state);
    (void)XXH3_64bits_update(&state, head.at, head.len);
    if (control.len > 0)
        (void)XXH3_64bits_update(&state, control.at, control.len);
    if (data.len > 0)
        (void)XXH3_64bits_update(&state, data.at, data.len);
    return XXH3_64bits_digest(&state);
}

static bool kind_known(uint16_t kind)
{
    return kind == FRAME_CONTROL || kind == FRAME_RAFT || kind == FRAME_PEER;
}

enum frame_result frame_decode(struct slice bytes, struct frame *out, size_t *used)
{
    struct reader r = reader_of(bytes);
    if (bytes.len < FRAME_HEADER) {
        /* What is not ours shows itself by its first four bytes: say so as soon as they are here.
         */
        if (bytes.len >= 4 && read_u32(&r) != FRAME_MAGIC)
            return FRAME_BAD;
        *used = FRAME_HEADER;
        return FRAME_MORE;
    }
    uint32_t magic = read_u32(&r);
    uint16_t version = read_u16(&r);
    uint16_t kind = read_u16(&r);
    uint32_t control_len = read_u32(&r);
    uint32_t data_len = read_u32(&r);
    uint64_t check = read_u64(&r);
    if (magic != FRAME_MAGIC || version != FRAME_VERSION || !kind_known(kind) ||
        control_len > FRAME_CONTROL_MAX || data_len > FRAME_DATA_MAX)
        return FRAME_BAD;
    size_t whole = (size_t)FRAME_HEADER + control_len + data_len;
    if (bytes.len < whole) {
        *used = whole;
        return FRAME_MORE;
    }
    struct frame f = {.kind = (enum frame_kind)kind};
    f.control = read_slice(&r, control_len);
    f.data = read_slice(&r, data_len);
    must(!r.bad);
    if (check != check_of(slice_sub(bytes, 0, FRAME_CHECKED), f.control, f.data))
        return FRAME_BAD;
    *out = f;
    *used = whole;
    return FRAME_OK;
}

void frame_header(uint8_t out[FRAME_HEADER], const struct frame *f)
{
    must(f->control.len <= FRAME_CONTROL_MAX);
    must(f->data.len <= FRAME_DATA_MAX);
    must(kind_known((uint16_t)f->kind));
    struct writer w = writer_of(out, FRAME_HEADER);
    write_u32(&w, FRAME_MAGIC);
    write_u16(&w, FRAME_VERSION);
    write_u16(&w, (uint16_t)f->kind);
    write_u32(&w, (uint32_t)f->control.len);
    write_u32(&w, (uint32_t)f->data.len);
    write_u64(&w, check_of(slice_of(out, FRAME_CHECKED), f->control, f->data));
    must(!w.full);
}
