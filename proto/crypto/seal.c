#include "proto/crypto/seal.h"

#include "proto/base/must.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

enum { CCM_NONCE_SIZE = 11, GCM_NONCE_SIZE = 12 };

struct seal_key {
    struct mem *mem;
    enum smb_cipher cipher;
    EVP_CIPHER_CTX *ctx;
    int encrypting;  /* the direction the context is set up for: 1, 0, or -1 for none yet */
    uint8_t *gather; /* CCM: where a message in pieces becomes one */
    size_t gather_size;
    uint8_t key[32];
};

static bool is_ccm(enum smb_cipher cipher)
{
    return cipher == SMB_CIPHER_AES128_CCM || cipher == SMB_CIPHER_AES256_CCM;
}

static const char *cipher_name(enum smb_cipher cipher)
{
    switch (cipher) {
    case SMB_CIPHER_AES128_CCM: return "AES-128-CCM";
    case SMB_CIPHER_AES128_GCM: return "AES-128-GCM";
    case SMB_CIPHER_AES256_CCM: return "AES-256-CCM";
    case SMB_CIPHER_AES256_GCM: return "AES-256-GCM";
    case SMB_CIPHER_NONE: break;
    }
    return NULL;
}

size_t seal_nonce_size(enum smb_cipher cipher)
{
    return is_ccm(cipher) ? CCM_NONCE_SIZE : GCM_NONCE_SIZE;
}

struct seal_key *seal_key_new(struct mem *mem, enum smb_cipher cipher, struct slice key)
{
    const char *name = cipher_name(cipher);
    must(name != NULL);
    struct seal_key *k = mem_alloc(mem, sizeof(*k));
    if (k == NULL)
        return NULL;
    k->mem = mem;
    k->cipher = cipher;
    k->encrypting = -1;
    EVP_CIPHER *algorithm = EVP_CIPHER_fetch(NULL, name, NULL);
    k->ctx = EVP_CIPHER_CTX_new();
    bool ok = algorithm != NULL && k->ctx != NULL &&
              EVP_CipherInit_ex2(k->ctx, algorithm, NULL, NULL, 1, NULL) == 1 &&
              EVP_CIPHER_CTX_ctrl(k->ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)seal_nonce_size(cipher),
                                  NULL) == 1;
    if (ok)
        must(key.len == (size_t)EVP_CIPHER_get_key_length(algorithm));
    EVP_CIPHER_free(algorithm);
    if (!ok) {
        seal_key_free(k);
        return NULL;
    }
    memcpy(k->key, key.at, key.len);
    return k;
}

void seal_key_free(struct seal_key *k)
{
    if (k == NULL)
        return;
    EVP_CIPHER_CTX_free(k->ctx);
    if (k->gather != NULL)
        OPENSSL_cleanse(k->gather, k->gather_size);
    mem_free(k->mem, k->gather, k->gather_size);
    OPENSSL_cleanse(k->key, sizeof(k->key));
    mem_free(k->mem, k, sizeof(*k));
}

/* Sets nonce, tag and, when the direction changes, the key: expanding it is the slow part. OpenSSL
 * wants CCM's tag (or its length) before the key, so there the key is set for every message. */
static bool begin(struct seal_key *k, const uint8_t *nonce, const uint8_t *tag)
{
    int encrypting = tag == NULL;
    bool ccm = is_ccm(k->cipher);
    void *expected = (void *)(uintptr_t)tag; /* read only, although ctrl takes no const */
    bool fresh = k->encrypting != encrypting;
    const uint8_t *key = fresh || ccm ? k->key : NULL;
    k->encrypting = -1; /* until all went well */
    if (ccm && (EVP_CipherInit_ex2(k->ctx, NULL, NULL, NULL, encrypting, NULL) != 1 ||
                EVP_CIPHER_CTX_ctrl(k->ctx, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG_SIZE, expected) != 1))
        return false;
    if (EVP_CipherInit_ex2(k->ctx, NULL, key, nonce, encrypting, NULL) != 1)
        return false;
    if (!ccm && !encrypting &&
        EVP_CIPHER_CTX_ctrl(k->ctx, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG_SIZE, expected) != 1)
        return false;
    k->encrypting = encrypting;
    return true;
}

static bool update(struct seal_key *k, struct slice_mut part)
{
    int done = 0;
    if (part.len == 0)
        return true;
    return part.len <= INT32_MAX &&
           EVP_CipherUpdate(k->ctx, part.at, &done, part.at, (int)part.len) == 1 &&
           (size_t)done == part.len;
}

static bool add_aad(struct seal_key *k, struct slice aad)
{
    int done = 0;
    return EVP_CipherUpdate(k->ctx, NULL, &done, aad.at, (int)aad.len) == 1;
}

static size_t total(const struct sealed *s)
{
    size_t len = 0;
    for (size_t i = 0; i < s->count; i++) {
        must(s->parts[i].len <= SIZE_MAX - len);
        len += s->parts[i].len;
    }
    return len;
}

static bool crypt_gcm(struct seal_key *k, const struct sealed *s, const uint8_t *tag)
{
    uint8_t none[16];
    int done = 0;
    bool ok = begin(k, s->nonce, tag) && add_aad(k, s->aad);
    for (size_t i = 0; ok && i < s->count; i++)
        ok = update(k, s->parts[i]);
    return ok && EVP_CipherFinal_ex(k->ctx, none, &done) == 1;
}

static bool crypt_ccm_one(struct seal_key *k, const struct sealed *s, struct slice_mut text,
                          const uint8_t *tag)
{
    int done = 0;
    return text.len <= INT32_MAX && begin(k, s->nonce, tag) &&
           EVP_CipherUpdate(k->ctx, NULL, &done, NULL, (int)text.len) == 1 && add_aad(k, s->aad) &&
           update(k, text);
}

/* Room for `len` bytes in the key's own buffer; it keeps its greatest size. */
static bool gather_reserve(struct seal_key *k, size_t len)
{
    if (len <= k->gather_size)
        return true;
    uint8_t *room = mem_alloc(k->mem, len);
    if (room == NULL)
        return false;
    mem_free(k->mem, k->gather, k->gather_size);
    k->gather = room;
    k->gather_size = len;
    return true;
}

static bool crypt_ccm(struct seal_key *k, const struct sealed *s, const uint8_t *tag)
{
    if (s->count == 1)
        return crypt_ccm_one(k, s, s->parts[0], tag);
    size_t len = total(s);
    if (!gather_reserve(k, len))
        return false;
    struct writer all = writer_of(k->gather, k->gather_size);
    for (size_t i = 0; i < s->count; i++)
        write_bytes(&all, slice_of(s->parts[i].at, s->parts[i].len));
    bool ok = crypt_ccm_one(k, s, (struct slice_mut){k->gather, len}, tag);
    struct reader r = reader_of(slice_of(k->gather, len));
    for (size_t i = 0; ok && i < s->count; i++)
        read_copy(&r, s->parts[i].at, s->parts[i].len);
    if (len > 0)
        OPENSSL_cleanse(k->gather, len);
    return ok;
}

static bool crypt(struct seal_key *k, const struct sealed *s, const uint8_t *tag)
{
    if (s->aad.len > INT32_MAX || total(s) == 0)
        return false;
    return is_ccm(k->cipher) ? crypt_ccm(k, s, tag) : crypt_gcm(k, s, tag);
}

bool seal_parts(struct seal_key *k, const struct sealed *s, uint8_t tag[SEAL_TAG_SIZE])
{
    return crypt(k, s, NULL) &&
           EVP_CIPHER_CTX_ctrl(k->ctx, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG_SIZE, tag) == 1;
}

bool open_parts(struct seal_key *k, const struct sealed *s, const uint8_t tag[SEAL_TAG_SIZE])
{
    if (crypt(k, s, tag))
        return true;
    for (size_t i = 0; i < s->count; i++)
        if (s->parts[i].len > 0)
            OPENSSL_cleanse(s->parts[i].at, s->parts[i].len);
    return false;
}
