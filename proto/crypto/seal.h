#pragma once
/* [MS-SMB2] 3.1.4.3, 3.3.5.2.1.1: encrypting and decrypting messages (AES-CCM and AES-GCM, 128 and
 * 256 bits). A key holds its libcrypto context, made once per session and direction and reused for
 * every message: not for two threads at once.
 *
 * CCM authenticates its length first and takes its text in one piece; seal_parts and open_parts
 * therefore gather the pieces of a CCM message in a buffer of the key and scatter them again. A
 * caller that has one contiguous piece (count 1) pays for no copy with either cipher. */
#include "proto/base/bytes.h"
#include "proto/base/mem.h"
#include "proto/smb/negotiate.h"

enum { SEAL_TAG_SIZE = 16, SEAL_NONCE_SIZE_MAX = 12 };

struct seal_key;

/* Writable bytes; borrowed. */
struct slice_mut {
    uint8_t *at;
    size_t len;
};

/* `key` is 16 or 32 bytes, as the cipher wants. NULL when memory or the cipher is refused. */
struct seal_key *seal_key_new(struct mem *mem, enum smb_cipher cipher, struct slice key);
/* Wipes and frees; accepts NULL. */
void seal_key_free(struct seal_key *k);

/* 11 for CCM, 12 for GCM: how many bytes of the transform header's nonce count. */
size_t seal_nonce_size(enum smb_cipher cipher);

/* One message: everything except the text, and the text in pieces, changed in place. */
struct sealed {
    const uint8_t *nonce; /* seal_nonce_size bytes, never used twice with one key */
    struct slice aad;     /* transform header from SMB_TRANSFORM_AAD_POS, 32 bytes */
    struct slice_mut *parts;
    size_t count;
};

/* Encrypts in place and gives the tag. On false the parts are undefined and must not be sent. */
bool seal_parts(struct seal_key *k, const struct sealed *s, uint8_t tag[SEAL_TAG_SIZE]);
/* Decrypts in place and verifies. On false (forged, or libcrypto refuses) the parts are wiped. */
bool open_parts(struct seal_key *k, const struct sealed *s, const uint8_t tag[SEAL_TAG_SIZE]);
