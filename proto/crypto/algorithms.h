#pragma once
/* libcrypto's algorithms by name, for the files of this folder. Fetching one is slow; it happens
 * when a key is made, not when a message is handled. */
#include <openssl/evp.h>

/* A MAC context with its key set; NULL when refused. `cipher` or `digest` may be NULL. */
EVP_MAC_CTX *mac_new(const char *mac, const char *cipher, const char *digest,
                     const unsigned char *key, size_t key_size);
