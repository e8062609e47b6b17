#include "proto/crypto/sign.h"

#include "proto/base/must.h"
#include "proto/crypto/algorithms.h"
#include "proto/smb/header.h"

#include <string.h>

enum { SIGN_KEY_SIZE = 16, GMAC_IV_SIZE = 12, MAC_SIZE_MAX = 32 };

struct sign_key {
    struct mem *mem;
    enum smb_signing algorithm;
    EVP_MAC_CTX *mac;     /* HMAC-SHA256, AES-CMAC */
    EVP_CIPHER_CTX *gmac; /* AES-GMAC: GCM without a text, where only the IV is set anew */
};

static EVP_CIPHER_CTX *gmac_new(const uint8_t *key)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok =
        cipher != NULL && ctx != NULL && EVP_EncryptInit_ex2(ctx, cipher, key, NULL, NULL) == 1;
    EVP_CIPHER_free(cipher);
    if (!ok) {
        EVP_CIPHER_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

struct sign_key *sign_key_new(struct mem *mem, enum smb_signing algorithm, struct slice key)
{
    must(key.len == SIGN_KEY_SIZE);
    struct sign_key *k = mem_alloc(mem, sizeof(*k));
    if (k == NULL)
        return NULL;
    k->mem = mem;
    k->algorithm = algorithm;
    switch (algorithm) {
    case SMB_SIGNING_HMAC_SHA256: k->mac = mac_new("HMAC", NULL, "SHA256", key.at, key.len); break;
    case SMB_SIGNING_AES_CMAC:
        k->mac = mac_new("CMAC", "AES-128-CBC", NULL, key.at, key.len);
        break;
    case SMB_SIGNING_AES_GMAC: k->gmac = gmac_new(key.at); break;
    }
    if (k->mac == NULL && k->gmac == NULL) {
        sign_key_free(k);
        return NULL;
    }
    return k;
}

void sign_key_free(struct sign_key *k)
{
    if (k == NULL)
        return;
    EVP_MAC_CTX_free(k->mac); /* libcrypto wipes the keys inside */
    EVP_CIPHER_CTX_free(k->gmac);
    mem_free(k->mem, k, sizeof(*k));
}

/* 3.1.4.1: MessageId, then a bit for the sender's role and one for CANCEL. The bits are those of a
 * little-endian 32-bit integer, as the rest of the protocol. */
static void gmac_iv(struct slice header, bool from_server, uint8_t iv[GMAC_IV_SIZE])
{
    enum { COMMAND_POS = 12, MESSAGE_ID_POS = 24 };
    struct reader r = reader_of(header);
    memset(iv, 0, GMAC_IV_SIZE);
    struct reader id = r;
    read_skip(&id, MESSAGE_ID_POS);
    read_copy(&id, iv, 8);
    read_skip(&r, COMMAND_POS);
    bool cancel = read_u16(&r) == SMB2_CANCEL;
    iv[8] = (uint8_t)((from_server ? 1 : 0) | (cancel ? 2 : 0));
}

static bool add(struct sign_key *k, struct slice part)
{
    if (part.len == 0)
        return true;
    if (k->mac != NULL)
        return EVP_MAC_update(k->mac, part.at, part.len) == 1;
    int done = 0;
    return part.len <= INT32_MAX &&
           EVP_EncryptUpdate(k->gmac, NULL, &done, part.at, (int)part.len) == 1;
}

static bool begin(struct sign_key *k, const struct sign_message *msg)
{
    if (k->mac != NULL)
        return EVP_MAC_init(k->mac, NULL, 0, NULL) == 1; /* the key stays */
    uint8_t iv[GMAC_IV_SIZE];
    gmac_iv(msg->parts[0], msg->from_server, iv);
    return EVP_EncryptInit_ex2(k->gmac, NULL, NULL, iv, NULL) == 1;
}

static bool finish(struct sign_key *k, uint8_t signature[16])
{
    uint8_t mac[MAC_SIZE_MAX];
    size_t size = 0;
    int done = 0;
    if (k->mac == NULL)
        return EVP_EncryptFinal_ex(k->gmac, mac, &done) == 1 &&
               EVP_CIPHER_CTX_ctrl(k->gmac, EVP_CTRL_AEAD_GET_TAG, SMB_SIGNATURE_SIZE, signature) ==
                   1;
    if (EVP_MAC_final(k->mac, mac, &size, sizeof(mac)) != 1 || size < SMB_SIGNATURE_SIZE)
        return false;
    memcpy(signature, mac, SMB_SIGNATURE_SIZE); /* the first half of a SHA-256 */
    return true;
}

bool sign_message(struct sign_key *k, const struct sign_message *msg, uint8_t signature[16])
{
    static const uint8_t zero[SMB_SIGNATURE_SIZE];
    if (msg->count == 0 || msg->parts[0].len < SMB_HEADER_SIZE)
        return false;
    struct slice first = msg->parts[0];
    bool ok = begin(k, msg) && add(k, slice_sub(first, 0, SMB_SIGNATURE_POS)) &&
              add(k, slice_of(zero, sizeof(zero))) &&
              add(k, slice_sub(first, SMB_HEADER_SIZE, first.len - SMB_HEADER_SIZE));
    for (size_t i = 1; ok && i < msg->count; i++)
        ok = add(k, msg->parts[i]);
    return ok && finish(k, signature);
}

bool sign_verify(struct sign_key *k, const struct sign_message *msg)
{
    uint8_t expected[SMB_SIGNATURE_SIZE];
    if (!sign_message(k, msg, expected))
        return false;
    struct slice got = slice_sub(msg->parts[0], SMB_SIGNATURE_POS, SMB_SIGNATURE_SIZE);
    return slice_equal_secret(got, slice_of(expected, sizeof(expected)));
}
