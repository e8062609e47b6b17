/* Encoding of the identity block, and the checksums. See layout.h. */
#include "node/store/layout.h"

#include "proto/base/bytes.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t layout_hash(const uint8_t *at, size_t len) { return XXH3_64bits(at, len); }

void layout_hash128(const uint8_t *at, size_t len, uint64_t seed, uint64_t out[2])
{
    XXH128_hash_t h = XXH3_128bits_withSeed(at, len, seed);
    out[0] = h.low64, out[1] = h.high64;
}

void layout_seal(uint8_t *block, size_t len)
{
    struct writer w = writer_of(block + len, 8);
    write_u64(&w, layout_hash(block, len));
}

bool layout_sealed(const uint8_t *block, size_t len)
{
    struct reader r = reader_of(slice_of(block + len, 8));
    return read_u64(&r) == layout_hash(block, len);
}

bool layout_blank(const uint8_t *block)
{
    return block[0] == 0 && memcmp(block, block + 1, STORE_BLOCK - 1) == 0;
}

void layout_identity_encode(uint8_t *block, const uint8_t *store_id, const uint8_t *cluster_id)
{
    memset(block, 0, STORE_BLOCK);
    struct writer w = writer_of(block, IDENTITY_CHECK_AT);
    write_u64(&w, IDENTITY_MAGIC);
    write_u32(&w, LAYOUT_VERSION);
    write_u32(&w, 0);
    write_bytes(&w, slice_of(store_id, STORE_ID));
    write_bytes(&w, slice_of(cluster_id, STORE_ID));
    layout_seal(block, IDENTITY_CHECK_AT);
}

bool layout_identity_decode(const uint8_t *block, uint8_t *store_id, uint8_t *cluster_id,
                            uint32_t *version)
{
    struct reader r = reader_of(slice_of(block, IDENTITY_CHECK_AT));
    uint64_t magic = read_u64(&r);
    *version = read_u32(&r);
    read_skip(&r, 4);
    read_copy(&r, store_id, STORE_ID);
    read_copy(&r, cluster_id, STORE_ID);
    return magic == IDENTITY_MAGIC && layout_sealed(block, IDENTITY_CHECK_AT) &&
           *version == LAYOUT_VERSION;
}
