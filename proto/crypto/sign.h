#pragma once
/* [MS-SMB2] 3.1.4.1, 3.1.5.1: signing and verifying messages. A key holds its libcrypto context,
 * made once per session and channel and reused for every message: not for two threads at once. */
#include "proto/base/bytes.h"
#include "proto/base/mem.h"
#include "proto/smb/negotiate.h"

struct sign_key;

/* `key` is 16 bytes. NULL when memory or the algorithm is refused. Free with sign_key_free. */
struct sign_key *sign_key_new(struct mem *mem, enum smb_signing algorithm, struct slice key);
/* Wipes and frees; accepts NULL. */
void sign_key_free(struct sign_key *k);

/* A message in pieces. `parts[0]` begins with the SMB2 header and holds all 64 bytes of it; its
 * signature field is taken as zero, whatever it holds. */
struct sign_message {
    const struct slice *parts;
    size_t count;
    bool from_server; /* the sender's role: part of GMAC's nonce */
};

/* False when libcrypto refuses or parts[0] is shorter than a header. The caller copies the result
 * into the header (at SMB_SIGNATURE_POS), where SMB2_FLAGS_SIGNED must be set already. */
bool sign_message(struct sign_key *k, const struct sign_message *msg, uint8_t signature[16]);
/* Constant-time comparison with the signature in the header; false as well when anything failed. */
bool sign_verify(struct sign_key *k, const struct sign_message *msg);
