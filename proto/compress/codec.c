#include "proto/compress/codec_int.h"

#include "proto/base/must.h"

bool codec_exists(uint16_t codec)
{
    return codec == CODEC_LZNT1 || codec == CODEC_LZ77 || codec == CODEC_LZ77_HUFFMAN ||
           codec == CODEC_LZ4;
}

bool codec_decompress(enum codec codec, struct slice in, struct writer *out, size_t len,
                      void *scratch)
{
    if (out->full || len > out->cap - out->pos)
        return false;
    size_t end = out->pos + len;
    bool ok = false;
    switch (codec) {
    case CODEC_LZNT1: ok = lznt1_decompress(in, out, end); break;
    case CODEC_LZ77: ok = lz77_decompress(in, out, end); break;
    case CODEC_LZ77_HUFFMAN: ok = huffman_decompress(in, out, end, scratch); break;
    case CODEC_LZ4: ok = lz4_decompress(in, out, end); break;
    case CODEC_NONE:
    case CODEC_PATTERN_V1: break;
    }
    must(out->pos <= end);
    return ok && !out->full && out->pos == end;
}

bool codec_compress(enum codec codec, struct slice in, struct writer *out, void *scratch)
{
    must(in.len > 0);
    must(in.len <= CODEC_INPUT_MAX);
    bool ok = false;
    switch (codec) {
    case CODEC_LZNT1: ok = lznt1_compress(in, out, scratch); break;
    case CODEC_LZ77: ok = lz77_compress(in, out, scratch); break;
    case CODEC_LZ77_HUFFMAN: ok = huffman_compress(in, out, scratch); break;
    case CODEC_LZ4: ok = lz4_compress(in, out, scratch); break;
    case CODEC_NONE:
    case CODEC_PATTERN_V1: break;
    }
    return ok && !out->full;
}

bool copy_back(struct writer *w, size_t start, size_t end, struct match m)
{
    must(w->pos >= start);
    must(end <= w->cap);
    if (w->full || m.distance == 0 || m.distance > w->pos - start || m.len > end - w->pos)
        return false;
    size_t from = w->pos - m.distance, to = w->pos;
    for (size_t i = 0; i < m.len; i++)
        w->at[to + i] = w->at[from + i];
    w->pos += m.len;
    return true;
}
