#include "proto/crypto/algorithms.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <stdint.h>

EVP_MAC_CTX *mac_new(const char *mac, const char *cipher, const char *digest,
                     const unsigned char *key, size_t key_size)
{
    OSSL_PARAM params[3] = {OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end(),
                            OSSL_PARAM_construct_end()};
    size_t count = 0;
    /* The parameters are inputs, although OSSL_PARAM has no const for them. */
    if (cipher != NULL)
        params[count++] =
            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, (char *)(uintptr_t)cipher, 0);
    if (digest != NULL)
        params[count++] =
            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)digest, 0);
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, mac, NULL);
    EVP_MAC_CTX *ctx = algorithm != NULL ? EVP_MAC_CTX_new(algorithm) : NULL;
    EVP_MAC_free(algorithm);
    if (ctx != NULL && EVP_MAC_init(ctx, key, key_size, params) != 1) {
        EVP_MAC_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}
