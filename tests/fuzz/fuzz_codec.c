/* Every decompressor, chosen by the first byte, for a length given by the next two; and what the
 * compressors make of the rest comes back as it was. */
#include "proto/base/must.h"
#include "proto/compress/codec.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum codec codecs[] = {CODEC_LZNT1, CODEC_LZ77, CODEC_LZ77_HUFFMAN, CODEC_LZ4};
    static uint64_t scratch[CODEC_SCRATCH_SIZE / 8];
    static uint8_t packed[1 << 19];
    if (size < 3)
        return 0;
    enum codec codec = codecs[data[0] % 4];
    size_t len = data[1] | (size_t)data[2] << 8, rest = size - 3;
    uint8_t *copy = fuzz_copy(data + 3, rest), *to = malloc(len + 1), *back = malloc(rest + 1);
    struct slice in = slice_of(copy, rest);
    struct writer w = writer_of(to, len);
    if (codec_decompress(codec, in, &w, len, scratch))
        fuzz_touch(slice_of(to, len));
    w = writer_of(packed, sizeof(packed));
    if (rest > 0 && rest < sizeof(packed) / 4) {
        struct writer again = writer_of(back, rest);
        must(codec_compress(codec, in, &w, scratch));
        must(codec_decompress(codec, written(&w), &again, rest, scratch));
        must(memcmp(back, copy, rest) == 0);
    }
    free(copy);
    free(to);
    free(back);
    return 0;
}
