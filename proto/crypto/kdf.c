#include "proto/crypto/kdf.h"

#include "proto/base/must.h"
#include "proto/crypto/algorithms.h"
#include "proto/smb/negotiate.h"

#include <openssl/crypto.h>
#include <string.h>

enum { PRF_SIZE = 32, KEY_128 = 16, KEY_256 = 32 };

bool kdf_sp800_108(const struct kdf_call *call, uint8_t *out, size_t out_size)
{
    must(out_size <= PRF_SIZE); /* one iteration of the counter is enough */
    const uint8_t counter[4] = {0, 0, 0, 1};
    const uint8_t zero = 0;
    uint32_t bits = (uint32_t)out_size * 8;
    const uint8_t length[4] = {0, 0, (uint8_t)(bits >> 8), (uint8_t)bits};
    const struct slice parts[] = {
        slice_of(counter, sizeof(counter)), call->label, slice_of(&zero, 1), call->context,
        slice_of(length, sizeof(length)),
    };
    uint8_t prf[PRF_SIZE];
    size_t prf_size = 0;
    EVP_MAC_CTX *ctx = mac_new("HMAC", NULL, "SHA256", call->key.at, call->key.len);
    bool ok = ctx != NULL;
    for (size_t i = 0; ok && i < array_len(parts); i++)
        ok = EVP_MAC_update(ctx, parts[i].at, parts[i].len) == 1;
    ok = ok && EVP_MAC_final(ctx, prf, &prf_size, sizeof(prf)) == 1 && prf_size == sizeof(prf);
    EVP_MAC_CTX_free(ctx);
    if (ok)
        memcpy(out, prf, out_size);
    OPENSSL_cleanse(prf, sizeof(prf));
    return ok;
}

void smb_session_key(struct slice gss_key, uint8_t key[SMB_SESSION_KEY_SIZE])
{
    size_t len = gss_key.len < SMB_SESSION_KEY_SIZE ? gss_key.len : SMB_SESSION_KEY_SIZE;
    memset(key, 0, SMB_SESSION_KEY_SIZE);
    if (len > 0)
        memcpy(key, gss_key.at, len);
}

/* 3.3.5.5.3: labels and contexts before 3.1.1; lengths include the terminating zero. In 3.1.1 the
 * context is always the preauthentication hash. */
struct purpose {
    struct slice label_300, context_300, label_311;
};

#define WITH_ZERO(text)                                                                            \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text)                                                      \
    }

static const struct purpose signing = {WITH_ZERO("SMB2AESCMAC"), WITH_ZERO("SmbSign"),
                                       WITH_ZERO("SMBSigningKey")};
static const struct purpose application = {WITH_ZERO("SMB2APP"), WITH_ZERO("SmbRpc"),
                                           WITH_ZERO("SMBAppKey")};
static const struct purpose server_to_client = {WITH_ZERO("SMB2AESCCM"), WITH_ZERO("ServerOut"),
                                                WITH_ZERO("SMBS2CCipherKey")};
static const struct purpose client_to_server = {WITH_ZERO("SMB2AESCCM"), WITH_ZERO("ServerIn "),
                                                WITH_ZERO("SMBC2SCipherKey")};

static bool derive(const struct kdf_input *in, struct slice key, const struct purpose *purpose,
                   struct smb_key *out)
{
    bool is_311 = in->dialect == SMB_DIALECT_311;
    struct kdf_call call = {
        .key = key,
        .label = is_311 ? purpose->label_311 : purpose->label_300,
        .context = is_311 ? slice_of(in->preauth.hash, PREAUTH_HASH_SIZE) : purpose->context_300,
    };
    return kdf_sp800_108(&call, out->bytes, out->size);
}

bool smb_keys_derive(const struct kdf_input *in, struct smb_keys *out)
{
    must(in->dialect == SMB_DIALECT_300 || in->dialect == SMB_DIALECT_302 ||
         in->dialect == SMB_DIALECT_311);
    bool wide = in->cipher == SMB_CIPHER_AES256_CCM || in->cipher == SMB_CIPHER_AES256_GCM;
    size_t cipher_size = wide ? KEY_256 : KEY_128;
    struct slice cipher_key = wide && in->full_key.len > 0 ? in->full_key : in->session_key;
    struct smb_keys keys = {
        .signing.size = KEY_128,
        .application.size = KEY_128,
        .seal.size = cipher_size,
        .open.size = cipher_size,
    };
    bool ok = derive(in, in->session_key, &signing, &keys.signing) &&
              derive(in, in->session_key, &application, &keys.application) &&
              derive(in, cipher_key, &server_to_client, &keys.seal) &&
              derive(in, cipher_key, &client_to_server, &keys.open);
    if (ok)
        *out = keys;
    else
        *out = (struct smb_keys){0};
    smb_keys_wipe(&keys);
    return ok;
}

void smb_keys_202(const uint8_t session_key[SMB_SESSION_KEY_SIZE], struct smb_keys *out)
{
    *out = (struct smb_keys){0};
    memcpy(out->signing.bytes, session_key, SMB_SESSION_KEY_SIZE);
    out->signing.size = SMB_SESSION_KEY_SIZE;
    /* What RPC over a pipe sees is the session key too. */
    out->application = out->signing;
}

void smb_keys_wipe(struct smb_keys *keys) { OPENSSL_cleanse(keys, sizeof(*keys)); }
