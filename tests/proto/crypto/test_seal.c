/* covers: seal.c */
#include "proto/base/must.h"
#include "proto/crypto/seal.h"
#include "proto/smb/transform.h"
#include "tests/lib/faults.h"
#include "tests/lib/hex.h"
#include "tests/lib/smb_vectors.h"
#include "tests/lib/unit.h"

#include <string.h>

/* Published frames. */
static const struct {
    const char *name;
    enum smb_cipher cipher;
    const char *key, *clear, *sealed;
} rows[] = {
    {"CCM request", SMB_CIPHER_AES128_CCM, VECTOR_CCM_C2S_KEY, VECTOR_CCM_WRITE_REQ,
     VECTOR_CCM_WRITE_REQ_SEALED},
    {"CCM response", SMB_CIPHER_AES128_CCM, VECTOR_CCM_S2C_KEY, VECTOR_CCM_WRITE_RSP,
     VECTOR_CCM_WRITE_RSP_SEALED},
    {"GCM request", SMB_CIPHER_AES128_GCM, VECTOR_GCM_C2S_KEY, VECTOR_GCM_WRITE_REQ,
     VECTOR_GCM_WRITE_REQ_SEALED},
    {"GCM response", SMB_CIPHER_AES128_GCM, VECTOR_GCM_S2C_KEY, VECTOR_GCM_WRITE_RSP,
     VECTOR_GCM_WRITE_RSP_SEALED},
};

/* A frame of `rows`, decoded, with its two texts in memory that may be changed. */
struct frame {
    uint8_t key_bytes[32], clear[256], sealed[256], work[256];
    struct slice key;
    struct smb_transform head;
    size_t len;
};

static void frame_load(struct frame *f, size_t row)
{
    f->key = hex_decode(rows[row].key, f->key_bytes, sizeof(f->key_bytes));
    f->len = hex_decode(rows[row].clear, f->clear, sizeof(f->clear)).len;
    struct slice frame = hex_decode(rows[row].sealed, f->sealed, sizeof(f->sealed));
    assert_row(rows[row].name, smb_transform_decode(frame, &f->head) == STATUS_OK);
    assert_row(rows[row].name, f->head.body.len == f->len);
}

/* The work area in three pieces, the first of `cut` bytes and the second empty. */
static struct sealed pieces(struct frame *f, struct slice_mut parts[3], size_t cut)
{
    parts[0] = (struct slice_mut){f->work, cut};
    parts[1] = (struct slice_mut){f->work + cut, 0};
    parts[2] = (struct slice_mut){f->work + cut, f->len - cut};
    return (struct sealed){f->head.nonce, f->head.aad, parts, cut == f->len ? 1 : 3};
}

static void test_published_frames(void **state)
{
    (void)state;
    struct mem mem = test_mem(SIZE_MAX);
    for (size_t i = 0; i < array_len(rows); i++) {
        struct frame f;
        frame_load(&f, i);
        struct sealed s;
        struct slice_mut parts[3];
        uint8_t tag[SEAL_TAG_SIZE];
        struct seal_key *k = seal_key_new(&mem, rows[i].cipher, f.key);
        assert_non_null(k);
        for (size_t cut = 0; cut <= f.len; cut++) {
            memcpy(f.work, f.clear, f.len);
            s = pieces(&f, parts, cut);
            assert_row(rows[i].name, seal_parts(k, &s, tag));
            assert_row(rows[i].name, memcmp(f.work, f.head.body.at, f.len) == 0);
            assert_row(rows[i].name, memcmp(tag, f.head.signature, sizeof(tag)) == 0);
            assert_row(rows[i].name, open_parts(k, &s, tag));
            assert_row(rows[i].name, memcmp(f.work, f.clear, f.len) == 0);
        }
        seal_key_free(k);
    }
    test_mem_check(&mem);
}

static bool all_zero(const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (at[i] != 0)
            return false;
    return true;
}

/* Every byte of tag, header and text counts; what fails to verify is not left readable. */
static void test_forgeries(void **state)
{
    (void)state;
    struct mem mem = test_mem(SIZE_MAX);
    for (size_t i = 0; i < array_len(rows); i++) {
        struct frame f;
        frame_load(&f, i);
        struct slice_mut parts[3];
        struct seal_key *k = seal_key_new(&mem, rows[i].cipher, f.key);
        for (size_t at = 4; at < SMB_TRANSFORM_SIZE + f.len; at++) {
            f.sealed[at] ^= 1; /* head.aad and head.body look at these very bytes */
            memcpy(f.work, f.head.body.at, f.len);
            struct sealed s = pieces(&f, parts, f.len / 2);
            s.nonce = f.sealed + SMB_TRANSFORM_AAD_POS;
            assert_row(rows[i].name, !open_parts(k, &s, f.sealed + 4));
            assert_row(rows[i].name, all_zero(f.work, f.len));
            f.sealed[at] ^= 1;
        }
        memcpy(f.work, f.head.body.at, f.len);
        struct sealed s = pieces(&f, parts, f.len / 2);
        assert_row(rows[i].name, open_parts(k, &s, f.sealed + 4)); /* the key survived all that */
        seal_key_free(k);
    }
    test_mem_check(&mem);
}

/* The specification of GCM by McGrew and Viega, test cases 4 and 16. */
static void test_gcm_published(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum smb_cipher cipher;
        const char *key, *text, *tag;
    } cases[] = {
        {"128 bits", SMB_CIPHER_AES128_GCM, "feffe9928665731c6d6a8f9467308308",
         "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
         "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
         "5bc94fbc3221a5db94fae95ae7121a47"},
        {"256 bits", SMB_CIPHER_AES256_GCM,
         "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
         "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
         "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
         "76fc6ece0f4e1768cddf8853bb2d551b"},
    };
    static const char *text = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                              "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
    struct mem mem = test_mem(SIZE_MAX);
    for (size_t i = 0; i < array_len(cases); i++) {
        uint8_t key[32], nonce[12], aad[20], work[64], want[64], tag[16], want_tag[16];
        struct slice_mut part = {work, hex_decode(text, work, sizeof(work)).len};
        struct sealed s = {
            hex_decode("cafebabefacedbaddecaf888", nonce, sizeof(nonce)).at,
            hex_decode("feedfacedeadbeeffeedfacedeadbeefabaddad2", aad, sizeof(aad)),
            &part,
            1,
        };
        struct seal_key *k =
            seal_key_new(&mem, cases[i].cipher, hex_decode(cases[i].key, key, sizeof(key)));
        assert_row(cases[i].name, seal_parts(k, &s, tag));
        struct slice expected = hex_decode(cases[i].text, want, sizeof(want));
        assert_row(cases[i].name, slice_equal(slice_of(work, part.len), expected));
        (void)hex_decode(cases[i].tag, want_tag, sizeof(want_tag));
        assert_row(cases[i].name, memcmp(tag, want_tag, sizeof(tag)) == 0);
        seal_key_free(k);
    }
    test_mem_check(&mem);
}

/* One key and one direction for many messages, each with its own nonce, opened by another key. */
static void test_many_messages_both_ways(void **state)
{
    (void)state;
    static const enum smb_cipher ciphers[] = {SMB_CIPHER_AES128_CCM, SMB_CIPHER_AES128_GCM,
                                              SMB_CIPHER_AES256_CCM, SMB_CIPHER_AES256_GCM};
    static const uint8_t key[32] = {1, 2, 3}, aad[32] = {4};
    struct mem mem = test_mem(SIZE_MAX);
    for (size_t i = 0; i < array_len(ciphers); i++) {
        struct slice bytes = slice_of(key, ciphers[i] >= SMB_CIPHER_AES256_CCM ? 32 : 16);
        struct seal_key *sender = seal_key_new(&mem, ciphers[i], bytes);
        struct seal_key *receiver = seal_key_new(&mem, ciphers[i], bytes);
        for (uint8_t n = 1; n < 50; n++) {
            uint8_t text[200], nonce[12] = {n}, tag[SEAL_TAG_SIZE];
            memset(text, n, sizeof(text));
            struct slice_mut parts[] = {{text, n}, {text + n, sizeof(text) - n}};
            struct sealed s = {nonce, slice_of(aad, sizeof(aad)), parts, 2};
            assert_true(seal_parts(sender, &s, tag));
            assert_true(text[0] != n || text[1] != n);
            assert_true(open_parts(receiver, &s, tag));
            assert_true(text[0] == n && text[199] == n);
        }
        seal_key_free(sender);
        seal_key_free(receiver);
    }
    test_mem_check(&mem);
}

static void test_refusals(void **state)
{
    (void)state;
    static const uint8_t key[16], nonce[12];
    struct mem mem = test_mem(SIZE_MAX);
    uint8_t text[8] = {1}, tag[SEAL_TAG_SIZE];
    struct slice_mut parts[] = {{text, 4}, {text + 4, 4}};
    struct sealed empty = {nonce, slice_of(nonce, 12), parts, 0};
    struct sealed two = {nonce, slice_of(nonce, 12), parts, 2};
    struct seal_key *k = seal_key_new(&mem, SMB_CIPHER_AES128_CCM, slice_of(key, 16));
    assert_false(seal_parts(k, &empty, tag));
    faults_arm(1); /* no memory to gather the pieces */
    assert_false(seal_parts(k, &two, tag));
    assert_true(faults_fired());
    assert_int_equal(text[0], 1);
    assert_true(seal_parts(k, &two, tag));
    seal_key_free(k);
    seal_key_free(NULL);
    faults_arm(1);
    assert_null(seal_key_new(&mem, SMB_CIPHER_AES128_CCM, slice_of(key, 16)));
    assert_true(faults_fired());
    test_mem_check(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_frames), cmocka_unit_test(test_forgeries),
        cmocka_unit_test(test_gcm_published),    cmocka_unit_test(test_many_messages_both_ways),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
