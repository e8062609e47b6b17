#include "proto/daemon/ntlm_seal.h"
#include "proto/base/must.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define MD5_SIZE 16u
#define CHECKSUM_SIZE 8u

/* [MS-NLMP] 3.4.5.2 and 3.4.5.3; the terminating NUL belongs to them. */
static const char sign_to_server[] = "session key to client-to-server signing key magic constant";
static const char sign_to_client[] = "session key to server-to-client signing key magic constant";
static const char seal_to_server[] = "session key to client-to-server sealing key magic constant";
static const char seal_to_client[] = "session key to server-to-client sealing key magic constant";

static void rc4_init(struct ntlm_rc4 *r, const uint8_t key[MD5_SIZE])
{
    uint8_t j = 0;
    for (unsigned i = 0; i < 256; i++)
        r->s[i] = (uint8_t)i;
    for (unsigned i = 0; i < 256; i++) {
        uint8_t a = r->s[i];
        j = (uint8_t)(j + a + key[i % MD5_SIZE]);
        r->s[i] = r->s[j];
        r->s[j] = a;
    }
    r->i = r->j = 0;
}

static void rc4(struct ntlm_rc4 *r, uint8_t *bytes, size_t len)
{
    for (size_t n = 0; n < len; n++) {
        uint8_t a = r->s[++r->i];
        r->j = (uint8_t)(r->j + a);
        uint8_t b = r->s[r->j];
        r->s[r->i] = b;
        r->s[r->j] = a;
        bytes[n] ^= r->s[(uint8_t)(a + b)];
    }
}

static bool derive(struct slice session_key, const char *constant, size_t len,
                   uint8_t out[MD5_SIZE])
{
    uint8_t text[16 + 64];
    must(session_key.len == 16);
    must(len <= 64);
    memcpy(text, session_key.at, 16);
    memcpy(text + 16, constant, len);
    return EVP_Digest(text, 16 + len, out, NULL, EVP_md5(), NULL) == 1;
}

bool ntlm_seal_init(struct ntlm_seal *n, struct slice session_key, uint32_t flags)
{
    uint32_t need =
        NTLM_NEGOTIATE_SEAL | NTLM_NEGOTIATE_128 | NTLM_NEGOTIATE_EXTENDED_SESSIONSECURITY;
    uint8_t in[MD5_SIZE], out[MD5_SIZE];
    memset(n, 0, sizeof *n);
    if ((flags & need) != need || session_key.len != 16)
        return false;
    if (!derive(session_key, sign_to_server, sizeof sign_to_server, n->receive.sign_key) ||
        !derive(session_key, sign_to_client, sizeof sign_to_client, n->send.sign_key) ||
        !derive(session_key, seal_to_server, sizeof seal_to_server, in) ||
        !derive(session_key, seal_to_client, sizeof seal_to_client, out))
        return false;
    rc4_init(&n->receive.rc4, in);
    rc4_init(&n->send.rc4, out);
    n->key_exchange = flags & NTLM_NEGOTIATE_KEY_EXCH;
    return true;
}

/* [MS-NLMP] 3.4.4.2: version, checksum over sequence number and message, sequence number. */
static void mac(const uint8_t key[16], uint32_t sequence, struct slice whole,
                uint8_t out[NTLM_SIGNATURE_SIZE])
{
    uint8_t digest[EVP_MAX_MD_SIZE], text[4 + NTLM_MESSAGE_MAX];
    unsigned len = 0;
    struct writer t = writer_of(text, sizeof text), w = writer_of(out, NTLM_SIGNATURE_SIZE);
    write_u32(&t, sequence);
    write_bytes(&t, whole);
    must(!t.full);
    must(HMAC(EVP_md5(), key, 16, text, t.pos, digest, &len) != NULL);
    write_u32(&w, 1);
    write_bytes(&w, slice_of(digest, CHECKSUM_SIZE));
    write_u32(&w, sequence);
}

void ntlm_seal_protect(struct ntlm_seal *n, struct slice whole, uint8_t *data, size_t len,
                       uint8_t signature[NTLM_SIGNATURE_SIZE])
{
    mac(n->send.sign_key, n->send.sequence++, whole, signature);
    rc4(&n->send.rc4, data, len);
    if (n->key_exchange)
        rc4(&n->send.rc4, signature + 4, CHECKSUM_SIZE);
}

void ntlm_seal_open(struct ntlm_seal *n, uint8_t *data, size_t len)
{
    rc4(&n->receive.rc4, data, len);
}

bool ntlm_seal_check(struct ntlm_seal *n, struct slice whole, struct slice signature)
{
    uint8_t want[NTLM_SIGNATURE_SIZE];
    struct reader r = reader_of(signature);
    read_skip(&r, NTLM_SIGNATURE_SIZE - 4);
    /* [MS-SPNG] 3.2.5.1: mechListMICs take number 0 of each direction and leave the RC4 streams;
     * the number of the first message tells whether they were exchanged. */
    if (n->receive.sequence == 0 && n->send.sequence == 0 && read_u32(&r) == 1)
        n->receive.sequence = n->send.sequence = 1;
    mac(n->receive.sign_key, n->receive.sequence++, whole, want);
    if (n->key_exchange)
        rc4(&n->receive.rc4, want + 4, CHECKSUM_SIZE);
    return slice_equal_secret(signature, slice_of(want, sizeof want));
}
