#include "tests/lib/unit.h"

#include "proto/base/must.h"
#include "proto/daemon/ntlm_seal.h"
#include "tests/lib/hex.h"
#include <string.h>

#define ALL_FLAGS                                                                                  \
    (NTLM_NEGOTIATE_SEAL | NTLM_NEGOTIATE_EXTENDED_SESSIONSECURITY | NTLM_NEGOTIATE_128 |          \
     NTLM_NEGOTIATE_KEY_EXCH)

/* [MS-NLMP] 4.2.4.4: the session key of 16 times 0x55, "Plaintext" sealed by the client. */
static void as_the_specification_computes_it(void **state)
{
    (void)state;
    uint8_t key[16], data[32], whole[32], signature[16];
    memset(key, 0x55, sizeof key);
    struct ntlm_seal n;
    assert_true(ntlm_seal_init(&n, slice_of(key, 16), ALL_FLAGS));
    struct slice sealed = hex_decode("54e50165bf1936dc996020c1811b0f06fb5f", data, sizeof data);
    struct slice mark = hex_decode("010000007fb38ec5c55d497600000000", signature, sizeof signature);
    ntlm_seal_open(&n, data, sealed.len);
    assert_memory_equal(data, "P\0l\0a\0i\0n\0t\0e\0x\0t\0", 18);
    memcpy(whole, data, 18);
    assert_true(ntlm_seal_check(&n, slice_of(whole, 18), mark));
}

static void what_is_changed_is_noticed(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t at;
    } rows[] = {{"version", 0}, {"checksum", 4}, {"end of checksum", 11}, {"number", 12}};
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t key[16], data[32], signature[16];
        struct ntlm_seal n;
        memset(key, 0x55, sizeof key);
        assert_true(ntlm_seal_init(&n, slice_of(key, 16), ALL_FLAGS));
        (void)hex_decode("54e50165bf1936dc996020c1811b0f06fb5f", data, sizeof data);
        struct slice mark =
            hex_decode("010000007fb38ec5c55d497600000000", signature, sizeof signature);
        signature[rows[i].at] ^= 4;
        ntlm_seal_open(&n, data, 18);
        assert_row(rows[i].name, !ntlm_seal_check(&n, slice_of(data, 18), mark));
    }
}

static void nothing_weak_is_done(void **state)
{
    (void)state;
    uint8_t key[16] = {0};
    struct ntlm_seal n;
    assert_false(ntlm_seal_init(&n, slice_of(key, 16), ALL_FLAGS & ~NTLM_NEGOTIATE_128));
    assert_false(ntlm_seal_init(&n, slice_of(key, 16), ALL_FLAGS & ~NTLM_NEGOTIATE_SEAL));
    assert_false(ntlm_seal_init(&n, slice_of(key, 16),
                                ALL_FLAGS & ~NTLM_NEGOTIATE_EXTENDED_SESSIONSECURITY));
    assert_false(ntlm_seal_init(&n, slice_of(key, 8), ALL_FLAGS));
}

/* Numbers count up, and the mark covers more than what is sealed. */
static void sending(void **state)
{
    (void)state;
    uint8_t key[16] = {1}, data[16] = {0}, mark[16], again[16];
    struct ntlm_seal n;
    assert_true(ntlm_seal_init(&n, slice_of(key, 16), ALL_FLAGS));
    struct ntlm_seal other = n;
    ntlm_seal_protect(&n, slice_str("head, data, tail"), data, sizeof data, mark);
    memset(data, 0, sizeof data);
    ntlm_seal_protect(&other, slice_str("HEAD, data, tail"), data, sizeof data, again);
    assert_memory_not_equal(mark + 4, again + 4, 8);
    ntlm_seal_protect(&n, slice_str("head, data, tail"), data, sizeof data, mark);
    assert_memory_equal(mark + 12, "\1\0\0\0", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_specification_computes_it),
        cmocka_unit_test(what_is_changed_is_noticed),
        cmocka_unit_test(nothing_weak_is_done),
        cmocka_unit_test(sending),
    };
    return cmocka_run_group_tests_name("daemon/ntlm_seal", tests, NULL, NULL);
}
