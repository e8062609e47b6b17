#include "proto/crypto/preauth.h"

#include <openssl/evp.h>
#include <string.h>

bool preauth_add(struct preauth *p, struct slice message)
{
    uint8_t hash[PREAUTH_HASH_SIZE];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha512(), NULL) == 1 &&
              EVP_DigestUpdate(ctx, p->hash, sizeof(p->hash)) == 1 &&
              EVP_DigestUpdate(ctx, message.at, message.len) == 1 &&
              EVP_DigestFinal_ex(ctx, hash, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    if (ok)
        memcpy(p->hash, hash, sizeof(hash));
    return ok;
}
