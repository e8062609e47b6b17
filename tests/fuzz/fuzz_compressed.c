/* Compressed frames, chained and not, with everything negotiated: what is accepted has the size it
 * claims, and no memory beyond it is touched. */
#include "proto/base/must.h"
#include "proto/compress/message.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct compression all = {
        {CODEC_LZ4, CODEC_LZ77, CODEC_LZ77_HUFFMAN, CODEC_LZNT1, CODEC_PATTERN_V1}, 5, true};
    static uint64_t scratch[CODEC_SCRATCH_SIZE / 8];
    uint8_t *copy = fuzz_copy(data, size);
    struct slice frame = slice_of(copy, size);
    size_t most = 1 << 18, len = message_size(frame, most);
    must(len <= most);
    uint8_t *to = malloc(len + 1);
    struct writer w = writer_of(to, len);
    if (len > 0 && message_decompress(&all, frame, &w, scratch)) {
        must(w.pos == len);
        fuzz_touch(slice_of(to, len));
    }
    free(copy);
    free(to);
    return 0;
}
