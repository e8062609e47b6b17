/* covers: preauth.c */
#include "proto/base/must.h"
#include "proto/crypto/preauth.h"
#include "tests/lib/hex.h"
#include "tests/lib/smb_vectors.h"
#include "tests/lib/unit.h"

/* Each message of the published session, and the hash after it. */
static const struct {
    const char *name, *message, *hash;
} rows[] = {
    {"negotiate request", VECTOR_NEGOTIATE_REQ,
     "DD94EFC5321BB618A2E208BA8920D2F422992526947A409B5037DE1E0FE8C7362B8C47122594CDE0"
     "CE26AA9DFC8BCDBDE0621957672623351A7540F1E54A0426"},
    {"negotiate response", VECTOR_NEGOTIATE_RSP,
     "324BFA92A4F3A190E466EBEA08D9C110DC88BFED758D9846ECC6F541CC1D02AE3C94A79F36011E99"
     "7E13F841B91B50957AD07B19C8E2539C0B23FDAE09D2C513"},
    {"first session setup request", VECTOR_SETUP_REQ_1,
     "AC0B0F2B9986257700365E416D142A6EDC96DF03594A19E52A15F6BD0D041CD5D432F8ED42C55E33"
     "197A50C9EC00F1462B50C592211B1471A04B56088FDFD5F9"},
    {"first session setup response", VECTOR_SETUP_RSP_1,
     "2729E3440DFDDD839E37193F6E8F20C20CEFB3469E453A70CD980EEC06B8835740A7376008563336"
     "4C8989895ECE81BF102DEEB14D4B7D48AFA76901A7A38387"},
    {"second session setup request", VECTOR_SETUP_REQ_2,
     "0DD13628CC3ED218EF9DF9772D436D0887AB9814BFAE63A80AA845F36909DB7928622DDDAD522D97"
     "51640A459762C5A9D6BB084CBB3CE6BDADEF5D5BCE3C6C01"},
};

static void test_published_chain(void **state)
{
    (void)state;
    struct preauth p = {0};
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t message[1024], hash[PREAUTH_HASH_SIZE];
        struct slice expected = hex_decode(rows[i].hash, hash, sizeof(hash));
        assert_true(preauth_add(&p, hex_decode(rows[i].message, message, sizeof(message))));
        assert_row(rows[i].name, slice_equal(slice_of(p.hash, sizeof(p.hash)), expected));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
