/* covers: sign.c algorithms.c */
#include "proto/base/must.h"
#include "proto/crypto/algorithms.h"
#include "proto/crypto/sign.h"
#include "proto/smb/header.h"
#include "tests/lib/faults.h"
#include "tests/lib/hex.h"
#include "tests/lib/smb_vectors.h"
#include "tests/lib/unit.h"

#include <string.h>

/* An ECHO request, and a CANCEL with the same fields, 13 odd bytes behind. */
#define HEAD(command)                                                                              \
    "FE534D4240000100000000000" command "00010008000000000000000500000000000000"                   \
    "0000000001000000190000000010000000000000000000000000000000000000"
#define TAIL "04000000616E6420736F6D65206D6F7265"

#define KEY "2b7e151628aed2a6abf7158809cf4f3c"

/* RFC 4493 section 4, through one context that is used again and again. */
static void test_cmac_rfc_4493(void **state)
{
    (void)state;
    static const char *text = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
                              "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
    static const struct {
        const char *name;
        size_t len;
        const char *mac;
    } rows[] = {
        {"empty", 0, "bb1d6929e95937287fa37d129b756746"},
        {"one block", 16, "070a16b46b4d4144f79bdd9dd04a287c"},
        {"two and a half", 40, "dfa66747de9ae63030ca32611497c827"},
        {"four", 64, "51f0bebf7e3b9d92fc49741779363cfe"},
    };
    uint8_t key[16], message[64];
    (void)hex_decode(KEY, key, sizeof(key));
    (void)hex_decode(text, message, sizeof(message));
    EVP_MAC_CTX *ctx = mac_new("CMAC", "AES-128-CBC", NULL, key, sizeof(key));
    assert_non_null(ctx);
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t expected[16], mac[16];
        size_t size = 0;
        assert_int_equal(EVP_MAC_init(ctx, NULL, 0, NULL), 1);
        assert_int_equal(EVP_MAC_update(ctx, message, rows[i].len), 1);
        assert_int_equal(EVP_MAC_final(ctx, mac, &size, sizeof(mac)), 1);
        struct slice want = hex_decode(rows[i].mac, expected, sizeof(expected));
        assert_row(rows[i].name, slice_equal(slice_of(mac, size), want));
    }
    EVP_MAC_CTX_free(ctx);
    assert_null(mac_new("NO SUCH MAC", NULL, NULL, key, sizeof(key)));
}

/* Expected values from the openssl(1) mac command over the same bytes. */
static const struct {
    const char *name;
    enum smb_signing algorithm;
    bool from_server;
    const char *message, *signature;
} rows[] = {
    {"HMAC-SHA256", SMB_SIGNING_HMAC_SHA256, false, HEAD("D") TAIL,
     "2BA728F5EFBA43F089EEEDF63D706CD2"},
    {"HMAC-SHA256 knows no role", SMB_SIGNING_HMAC_SHA256, true, HEAD("D") TAIL,
     "2BA728F5EFBA43F089EEEDF63D706CD2"},
    {"AES-CMAC", SMB_SIGNING_AES_CMAC, true, HEAD("D") TAIL, "76DC9B668CBD8A5D9849DF8A295A0D60"},
    {"AES-GMAC from a client", SMB_SIGNING_AES_GMAC, false, HEAD("D") TAIL,
     "B75F55F0A69BFB392B9BD2DB174B2A8A"},
    {"AES-GMAC from a server", SMB_SIGNING_AES_GMAC, true, HEAD("D") TAIL,
     "CDAA333AFD7A862ED8776F31956145D5"},
    {"AES-GMAC of CANCEL", SMB_SIGNING_AES_GMAC, false, HEAD("C") TAIL,
     "042752C31E192C1D4D55579EC38DA4E8"},
};

static void test_signatures(void **state)
{
    (void)state;
    struct mem mem = test_mem(SIZE_MAX);
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t key[16], bytes[128], expected[16];
        struct sign_key *k =
            sign_key_new(&mem, rows[i].algorithm, hex_decode(KEY, key, sizeof(key)));
        assert_non_null(k);
        struct slice whole = hex_decode(rows[i].message, bytes, sizeof(bytes));
        struct slice want = hex_decode(rows[i].signature, expected, sizeof(expected));
        /* Wherever it is cut, and however often the key was used. */
        for (size_t cut = SMB_HEADER_SIZE; cut <= whole.len; cut++) {
            const struct slice parts[] = {
                slice_sub(whole, 0, cut),
                {0},
                slice_sub(whole, cut, whole.len - cut),
            };
            struct sign_message msg = {parts, array_len(parts), rows[i].from_server};
            uint8_t signature[16];
            assert_row(rows[i].name, sign_message(k, &msg, signature));
            assert_row(rows[i].name, slice_equal(slice_of(signature, 16), want));
        }
        sign_key_free(k);
    }
    test_mem_check(&mem);
}

/* The server's last SESSION_SETUP response of the published session. */
static void test_published_signature(void **state)
{
    (void)state;
    struct mem mem = test_mem(SIZE_MAX);
    uint8_t key[16], bytes[256];
    struct sign_key *k =
        sign_key_new(&mem, SMB_SIGNING_AES_CMAC,
                     hex_decode("73FE7A9A77BEF0BDE49C650D8CCB5F76", key, sizeof(key)));
    struct slice whole = hex_decode(VECTOR_SETUP_RSP_2, bytes, sizeof(bytes));
    struct sign_message msg = {&whole, 1, true};
    assert_true(sign_verify(k, &msg));
    for (size_t i = 0; i < whole.len; i++) {
        bytes[i] ^= 0x10;
        assert_false(sign_verify(k, &msg));
        bytes[i] ^= 0x10;
    }
    assert_true(sign_verify(k, &msg));
    sign_key_free(k);
    test_mem_check(&mem);
}

static void test_refusals(void **state)
{
    (void)state;
    static const uint8_t key[16], message[SMB_HEADER_SIZE];
    struct mem mem = test_mem(SIZE_MAX);
    struct sign_key *k = sign_key_new(&mem, SMB_SIGNING_AES_CMAC, slice_of(key, sizeof(key)));
    struct slice part = slice_of(message, SMB_HEADER_SIZE - 1);
    struct sign_message short_header = {&part, 1, false};
    struct sign_message nothing = {&part, 0, false};
    uint8_t signature[16];
    assert_false(sign_message(k, &short_header, signature));
    assert_false(sign_message(k, &nothing, signature));
    assert_false(sign_verify(k, &short_header));
    sign_key_free(k);
    sign_key_free(NULL);
    faults_arm(1);
    assert_null(sign_key_new(&mem, SMB_SIGNING_AES_CMAC, slice_of(key, sizeof(key))));
    assert_true(faults_fired());
    test_mem_check(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cmac_rfc_4493),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_published_signature),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
