/* covers: kdf.c algorithms.c */
#include "proto/base/must.h"
#include "proto/crypto/kdf.h"
#include "proto/smb/negotiate.h"
#include "tests/lib/hex.h"
#include "tests/lib/unit.h"

/* The published sessions. Their text names the keys as the client sees them; `seal` here is the
 * server's, that is ServerOut, SMBS2CCipherKey. */
static const struct {
    const char *name;
    uint16_t dialect;
    const char *session_key, *preauth, *signing, *seal, *open, *application;
} rows[] = {
    {"3.0, first channel", SMB_DIALECT_300, "7CD451825D0450D235424E44BA6E78CC", "",
     "0B7E9C5CAC36C0F6EA9AB275298CEDCE", "B0F0427F7CEB416D1D9DCC0CD4F99447",
     "FAD27796665B313EBB578F388632B4F7", "BB23A4575AA26C721AF525AF15A87B4F"},
    {"3.0, second channel", SMB_DIALECT_302, "4E01A2B313BCF660CC250BEF021AEDE6", "",
     "BA1A17DBBFEC349BCA105563D598952F", NULL, NULL, NULL},
    {"3.1.1", SMB_DIALECT_311, "270E1BA896585EEB7AF3472D3B4C75A7",
     "0DD13628CC3ED218EF9DF9772D436D0887AB9814BFAE63A80AA845F36909DB7928622DDDAD522D97"
     "51640A459762C5A9D6BB084CBB3CE6BDADEF5D5BCE3C6C01",
     "73FE7A9A77BEF0BDE49C650D8CCB5F76", "E2AF0DCEFAC68DA71A0DFBD0D1350D74",
     "629BCBC54422A0F572B97F45989B6073", "6D7AD7954E9EC61E907B4D473DC178FF"},
};

static bool key_is(const struct smb_key *key, const char *hex)
{
    uint8_t expected[SMB_KEY_SIZE_MAX];
    return hex == NULL || slice_equal(slice_of(key->bytes, key->size),
                                      hex_decode(hex, expected, sizeof(expected)));
}

static void test_published_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t session_key[SMB_SESSION_KEY_SIZE];
        struct kdf_input in = {
            .dialect = rows[i].dialect,
            .cipher = SMB_CIPHER_AES128_GCM,
            .session_key = hex_decode(rows[i].session_key, session_key, sizeof(session_key)),
        };
        (void)hex_decode(rows[i].preauth, in.preauth.hash, sizeof(in.preauth.hash));
        struct smb_keys keys;
        assert_true(smb_keys_derive(&in, &keys));
        assert_row(rows[i].name, key_is(&keys.signing, rows[i].signing));
        assert_row(rows[i].name, key_is(&keys.seal, rows[i].seal));
        assert_row(rows[i].name, key_is(&keys.open, rows[i].open));
        assert_row(rows[i].name, key_is(&keys.application, rows[i].application));
    }
}

/* With a 256-bit cipher only the cipher keys grow, and come from the full key. The expected bytes
 * were computed with Python's hmac from the definition in SP800-108. */
static void test_256_bit_keys(void **state)
{
    (void)state;
    uint8_t session_key[16], full_key[32];
    struct kdf_input in = {
        .dialect = SMB_DIALECT_311,
        .cipher = SMB_CIPHER_AES256_GCM,
        .session_key = hex_decode("270E1BA896585EEB7AF3472D3B4C75A7", session_key, 16),
        .full_key = hex_decode("000102030405060708090A0B0C0D0E0F"
                               "101112131415161718191A1B1C1D1E1F",
                               full_key, 32),
    };
    (void)hex_decode(rows[2].preauth, in.preauth.hash, sizeof(in.preauth.hash));
    struct smb_keys keys;
    assert_true(smb_keys_derive(&in, &keys));
    assert_true(key_is(&keys.signing, rows[2].signing));
    assert_true(key_is(&keys.application, rows[2].application));
    assert_true(key_is(&keys.seal, "4EBC8BF4047484C299D04C4F8FF31ED8"
                                   "243CEA3ED8AA9902EA5833B809AC10E7"));
    assert_true(key_is(&keys.open, "F1A5C66C7C07116904393A1D1C4CB46E"
                                   "ECEB7FD384038C510561FBFDBA9AE683"));
}

static void test_session_key_is_cut_or_padded(void **state)
{
    (void)state;
    static const struct {
        const char *name, *gss, *key;
    } cases[] = {
        {"empty", "", "00000000000000000000000000000000"},
        {"short (DES)", "0102030405060708", "01020304050607080000000000000000"},
        {"as it is", "270E1BA896585EEB7AF3472D3B4C75A7", "270E1BA896585EEB7AF3472D3B4C75A7"},
        {"long (AES-256)", "000102030405060708090A0B0C0D0E0F10111213",
         "000102030405060708090A0B0C0D0E0F"},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        uint8_t gss[32], expected[16], key[16];
        smb_session_key(hex_decode(cases[i].gss, gss, sizeof(gss)), key);
        struct slice want = hex_decode(cases[i].key, expected, sizeof(expected));
        assert_row(cases[i].name, slice_equal(slice_of(key, sizeof(key)), want));
    }
}

static void test_before_3_0_the_session_key_signs(void **state)
{
    (void)state;
    uint8_t session_key[16];
    (void)hex_decode("270E1BA896585EEB7AF3472D3B4C75A7", session_key, sizeof(session_key));
    struct smb_keys keys;
    smb_keys_202(session_key, &keys);
    assert_true(key_is(&keys.signing, "270E1BA896585EEB7AF3472D3B4C75A7"));
    assert_int_equal(keys.seal.size, 0);
    smb_keys_wipe(&keys);
    assert_int_equal(keys.signing.size, 0);
    assert_int_equal(keys.signing.bytes[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_keys),
        cmocka_unit_test(test_256_bit_keys),
        cmocka_unit_test(test_session_key_is_cut_or_padded),
        cmocka_unit_test(test_before_3_0_the_session_key_signs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
