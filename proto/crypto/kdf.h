#pragma once
/* [MS-SMB2] 3.1.4.2: the keys of a session, derived from what authentication left (SP800-108 in
 * counter mode, HMAC-SHA256, 32-bit counter and length). */
#include "proto/crypto/preauth.h"

enum { SMB_SESSION_KEY_SIZE = 16, SMB_KEY_SIZE_MAX = 32 };

/* One derived key; `size` is 16, or 32 for the AES-256 ciphers. */
struct smb_key {
    uint8_t bytes[SMB_KEY_SIZE_MAX];
    size_t size;
};

/* The keys of one session or channel, seen from the server. A client swaps seal and open. */
struct smb_keys {
    struct smb_key signing;     /* always 16 bytes */
    struct smb_key seal;        /* server to client: "EncryptionKey" of the server */
    struct smb_key open;        /* client to server: "DecryptionKey" of the server */
    struct smb_key application; /* what the application sees as the session key */
};

struct kdf_input {
    uint16_t dialect;         /* enum smb_dialect: 0x0300, 0x0302 or 0x0311 */
    uint16_t cipher;          /* enum smb_cipher; decides the size of seal and open */
    struct slice session_key; /* Session.SessionKey: 16 bytes */
    struct slice full_key;    /* Session.FullSessionKey for 256-bit ciphers; empty: session_key */
    struct preauth preauth;   /* 3.1.1: the hash of the session (or of the binding channel) */
};

/* The first 16 bytes of the GSS session key, right-padded with zeros (3.3.5.5.3). */
void smb_session_key(struct slice gss_key, uint8_t key[SMB_SESSION_KEY_SIZE]);
/* All keys of 3.x. False when libcrypto refuses; `*out` is then zeroed. */
bool smb_keys_derive(const struct kdf_input *in, struct smb_keys *out);
/* Before 3.0 the signing key is the session key itself; everything else stays empty. */
void smb_keys_202(const uint8_t session_key[SMB_SESSION_KEY_SIZE], struct smb_keys *out);
/* Zeroes keys in a way the compiler keeps. */
void smb_keys_wipe(struct smb_keys *keys);

/* The primitive: `out_size` bytes (at most 32, one or no repetition of the PRF) from key, label
 * (its terminating zero included by the caller) and context. */
struct kdf_call {
    struct slice key, label, context;
};
bool kdf_sp800_108(const struct kdf_call *call, uint8_t *out, size_t out_size);
