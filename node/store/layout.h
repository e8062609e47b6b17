#pragma once
/* Bytes on disk. All integers little-endian, written through proto/base/bytes.h; every block
 * carries its format version and XXH3-64 over the rest of it, so that a torn or foreign block is
 * recognised.
 *
 * Identity, one sector, which a disk writes whole or not at all (the rest of its block is zeros):
 *   u64 magic 'FLSTORE1' | u32 version | u32 0 | store_id[16] | cluster_id[16] | zeros | u64 check
 *
 * Journal: a ring of JOURNAL_BLOCKS blocks, each one transaction; transaction n lies in block
 * n % JOURNAL_BLOCKS:
 *   u64 magic 'FLJOURN1' | u32 version | u32 count | u64 sequence | u64 0 | records | zeros | u64
 * check record: u32 slot | u32 volume | u32 group | u32 region | u64 inode | u64 index   (inode 0:
 * empty) A record says what a slot of the hot set holds from then on. Beside its news every
 * transaction repeats JOURNAL_CONTEXT slots in rotation, so the last JOURNAL_COVER transactions
 * tell the whole set, and the transaction whose block a torn write destroys (JOURNAL_BLOCKS ago) is
 * never needed. */
#include "node/store/store.h"

#define IDENTITY_MAGIC UINT64_C(0x3145524f54534c46) /* "FLSTORE1" */
#define JOURNAL_MAGIC UINT64_C(0x314e52554f4a4c46)  /* "FLJOURN1" */

enum {
    LAYOUT_VERSION = 1,
    LAYOUT_SECTOR = 512,
    IDENTITY_CHECK_AT = LAYOUT_SECTOR - 8,
    LAYOUT_CHECK_AT = STORE_BLOCK - 8,
    JOURNAL_BLOCKS = 64,
    JOURNAL_BYTES = JOURNAL_BLOCKS * STORE_BLOCK,
    JOURNAL_HEAD = 32,
    JOURNAL_RECORD = 32,
    JOURNAL_CONTEXT = 64,
    JOURNAL_NEWS = 60,
    JOURNAL_COVER = STORE_HOT_MAX / JOURNAL_CONTEXT,
};

_Static_assert(JOURNAL_HEAD + (JOURNAL_CONTEXT + JOURNAL_NEWS) * JOURNAL_RECORD <= LAYOUT_CHECK_AT,
               "a transaction fits its block");
_Static_assert(JOURNAL_COVER + 1 < JOURNAL_BLOCKS, "a torn transaction destroys nothing needed");
_Static_assert((int)JOURNAL_BYTES <= (int)STORE_REGION,
               "the journal is read into one bounce buffer");

/* XXH3-64. */
uint64_t layout_hash(const uint8_t *at, size_t len);
/* XXH3-128 under a seed. */
void layout_hash128(const uint8_t *at, size_t len, uint64_t seed, uint64_t out[2]);

/* Writes one block. */
void layout_identity_encode(uint8_t *block, const uint8_t *store_id, const uint8_t *cluster_id);
/* False when the block is damaged or of another kind; `version` is set when only that is unknown.
 */
bool layout_identity_decode(const uint8_t *block, uint8_t *store_id, uint8_t *cluster_id,
                            uint32_t *version);
/* Writes the check of the `len` bytes before it, and verifies it. */
void layout_seal(uint8_t *block, size_t len);
bool layout_sealed(const uint8_t *block, size_t len);
/* Nothing was ever written here. */
bool layout_blank(const uint8_t *block);
