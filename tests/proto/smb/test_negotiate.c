/* covers: negotiate.c negotiate_client.c smb1.c */
#include "proto/base/must.h"
#include "proto/smb/negotiate_client.h"
#include "tests/lib/hex.h"
#include "tests/lib/prefixes.h"
#include "tests/lib/smb_head.h"
#include "tests/lib/smb_vectors.h"
#include "tests/lib/unit.h"

#include <string.h>

static void inside_contexts(struct slice msg, const struct smb_negotiate_contexts *c)
{
    prefix_inside(msg, c->hashes.bytes);
    prefix_inside(msg, c->salt);
    prefix_inside(msg, c->ciphers.bytes);
    prefix_inside(msg, c->compression.bytes);
    prefix_inside(msg, c->rdma_transforms.bytes);
    prefix_inside(msg, c->signing.bytes);
    prefix_inside(msg, c->netname);
}

static ntstatus decode(struct slice msg)
{
    struct smb_negotiate_req req;
    ntstatus status = smb_negotiate_decode(msg, &req);
    if (status != STATUS_OK)
        return status;
    prefix_inside(msg, req.dialects.bytes);
    inside_contexts(msg, &req.contexts);
    return status;
}

static ntstatus decode_answer(struct slice msg)
{
    struct smb_negotiate_answer rsp;
    ntstatus status = smb_negotiate_answer_decode(msg, &rsp);
    if (status != STATUS_OK)
        return status;
    prefix_inside(msg, rsp.security);
    inside_contexts(msg, &rsp.contexts);
    return status;
}

static void test_published_request(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct slice msg = hex_decode(VECTOR_NEGOTIATE_REQ, bytes, sizeof(bytes));
    struct smb_negotiate_req req;
    assert_int_equal(smb_negotiate_decode(msg, &req), STATUS_OK);
    assert_int_equal(req.security_mode, 0);
    assert_int_equal(req.capabilities, 0x3F);
    assert_int_equal(req.client_guid[0], 0xEC);
    assert_int_equal(req.client_guid[15], 0x3A);
    assert_int_equal(smb_id_count(req.dialects), 5);
    assert_int_equal(smb_id_at(req.dialects, 4), SMB_DIALECT_311);
    assert_true(req.contexts.has_preauth);
    assert_true(smb_id_has(req.contexts.hashes, SMB_HASH_SHA512));
    assert_int_equal(req.contexts.salt.len, 32);
    assert_int_equal(req.contexts.salt.at[0], 0xFA);
    assert_true(req.contexts.has_ciphers);
    assert_int_equal(smb_id_at(req.contexts.ciphers, 0), SMB_CIPHER_AES128_GCM);
    assert_int_equal(smb_id_at(req.contexts.ciphers, 1), SMB_CIPHER_AES128_CCM);
    assert_false(req.contexts.has_signing);
    assert_int_equal(prefix_least(msg, decode), msg.len);
}

/* From the fields of the published response, its very bytes. */
static void test_published_response(void **state)
{
    (void)state;
    uint8_t bytes[1024], again[1024];
    struct slice msg = hex_decode(VECTOR_NEGOTIATE_RSP, bytes, sizeof(bytes));
    struct smb_negotiate_answer got;
    assert_int_equal(smb_negotiate_answer_decode(msg, &got), STATUS_OK);
    assert_int_equal(got.dialect, SMB_DIALECT_311);
    assert_int_equal(got.security.len, 0x140);
    struct smb_negotiate_rsp rsp = {
        .security_mode = got.security_mode,
        .dialect = got.dialect,
        .capabilities = got.capabilities,
        .max_transact = got.max_transact,
        .max_read = got.max_read,
        .max_write = got.max_write,
        .system_time = got.system_time,
        .server_start_time = got.server_start_time,
        .security = got.security,
        .salt = got.contexts.salt,
        .has_cipher = got.contexts.has_ciphers,
        .cipher = smb_id_at(got.contexts.ciphers, 0),
    };
    memcpy(rsp.server_guid, got.server_guid, sizeof(rsp.server_guid));
    struct smb_header h;
    assert_int_equal(smb_header_decode(msg, &h), STATUS_OK);
    struct writer w = writer_of(again, sizeof(again));
    smb_header_encode(&w, &h);
    smb_negotiate_encode(&w, &rsp);
    /* Behind the header, whose reserved bytes Windows fills with 0xFEFF. */
    const size_t head = SMB_HEADER_SIZE;
    assert_true(slice_equal(slice_sub(written(&w), head, w.pos - head),
                            slice_sub(msg, head, msg.len - head)));
    assert_int_equal(prefix_least(msg, decode_answer), msg.len);
    for (size_t cap = 0; cap < msg.len; cap++) { /* too small a buffer is full, not broken */
        w = writer_of(again, cap);
        smb_header_encode(&w, &h);
        smb_negotiate_encode(&w, &rsp);
        assert_true(w.full);
    }
}

/* Body of a request for 3.1.1 alone, up to the count and the list of contexts, which begins at
 * 0x68: 64 + 36 + 2 and two bytes of padding. */
#define ASK(offset, count)                                                                         \
    SMB_HEAD("00")                                                                                 \
    "2400 0100 0100 0000 7F000000 000102030405060708090A0B0C0D0E0F" offset count "0000 1103 0000"

#define PREAUTH "0100 0800 00000000 0100 0200 0100 AAAA"
#define CIPHERS "0200 0400 00000000 0100 0200"
#define SIGNING "0800 0600 00000000 0200 0200 0100"
#define PAD2 "0000"
#define PAD4 "00000000"

static void test_contexts(void **state)
{
    (void)state;
    static const struct {
        const char *name, *message;
        ntstatus status;
    } rows[] = {
        {"preauth alone", ASK("68000000", "0100") PREAUTH, STATUS_OK},
        {"all we know", ASK("68000000", "0300") PREAUTH CIPHERS PAD4 SIGNING, STATUS_OK},
        {"in another order", ASK("68000000", "0200") CIPHERS PAD4 PREAUTH, STATUS_OK},
        {"unknown and reserved",
         ASK("68000000", "0300") "0001 0000 00000000 77770100 00000000 00"
                                 "00000000000000" PREAUTH,
         STATUS_OK},
        {"none", ASK("68000000", "0000"), STATUS_INVALID_PARAMETER},
        {"no preauth", ASK("68000000", "0100") CIPHERS, STATUS_INVALID_PARAMETER},
        {"two preauths", ASK("68000000", "0200") PREAUTH PREAUTH, STATUS_INVALID_PARAMETER},
        {"two ciphers", ASK("68000000", "0300") PREAUTH CIPHERS PAD4 CIPHERS,
         STATUS_INVALID_PARAMETER},
        {"two signings", ASK("68000000", "0300") PREAUTH SIGNING PAD2 SIGNING,
         STATUS_INVALID_PARAMETER},
        {"no hash", ASK("68000000", "0100") "0100 0400 00000000 0000 0000",
         STATUS_INVALID_PARAMETER},
        {"salt past its context", ASK("68000000", "0100") "0100 0800 00000000 0100 0300 0100 AAAA",
         STATUS_INVALID_PARAMETER},
        {"ciphers past their context",
         ASK("68000000", "0200") PREAUTH "0200 0400 00000000 0200 0200 0100",
         STATUS_INVALID_PARAMETER},
        {"no cipher", ASK("68000000", "0200") PREAUTH "0200 0200 00000000 0000",
         STATUS_INVALID_PARAMETER},
        {"count past the end", ASK("68000000", "0200") PREAUTH, STATUS_INVALID_PARAMETER},
        {"too many", ASK("68000000", "4100") PREAUTH, STATUS_INVALID_PARAMETER},
        {"not aligned", ASK("66000000", "0100") PREAUTH, STATUS_INVALID_PARAMETER},
        {"in the fixed part", ASK("60000000", "0100") PREAUTH, STATUS_INVALID_PARAMETER},
        {"far away", ASK("F8FFFFFF", "0100") PREAUTH, STATUS_INVALID_PARAMETER},
        {"compression",
         ASK("68000000", "0200") PREAUTH "0300 0A00 00000000 0100 0000 01000000 0500", STATUS_OK},
        {"compression without algorithm",
         ASK("68000000", "0200") PREAUTH "0300 0800 00000000 0000 0000 00000000",
         STATUS_INVALID_PARAMETER},
        {"compression past its context",
         ASK("68000000", "0200") PREAUTH "0300 0A00 00000000 0200 0000 01000000 0500",
         STATUS_INVALID_PARAMETER},
        {"compression that is too short",
         ASK("68000000", "0200") PREAUTH "0300 0400 00000000 0100 0000", STATUS_INVALID_PARAMETER},
        {"two compressions",
         ASK("68000000", "0300") PREAUTH
         "0300 0A00 00000000 0100 0000 01000000"
         "0100 000000000000 0300 0A00 00000000 0100 0000 01000000 0100",
         STATUS_INVALID_PARAMETER},
        {"two RDMA transforms",
         ASK("68000000", "0300") PREAUTH "0700 0A00 00000000 0100 0000 00000000 0100 000000000000"
                                         "0700 0A00 00000000 0100 0000 00000000 0100",
         STATUS_INVALID_PARAMETER},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[512];
        struct slice msg = hex_decode(rows[i].message, bytes, sizeof(bytes));
        assert_row(rows[i].name, decode(msg) == rows[i].status);
        if (rows[i].status == STATUS_OK)
            assert_row(rows[i].name, prefix_least(msg, decode) == msg.len);
    }
}

static void test_contexts_we_do_not_implement(void **state)
{
    (void)state;
    uint8_t bytes[512];
    struct smb_negotiate_req req;
    struct slice msg = hex_decode(ASK("68000000", "0500") PREAUTH
                                  "0300 0C00 00000000 0200 0000 01000000 0100 0300 00000000"
                                  "0500 0400 00000000 6100 6200 00000000"
                                  "0600 0400 00000000 01000000 00000000"
                                  "0700 0C00 00000000 0200 0000 00000000 0100 0200",
                                  bytes, sizeof(bytes));
    assert_int_equal(smb_negotiate_decode(msg, &req), STATUS_OK);
    assert_true(req.contexts.has_compression);
    assert_int_equal(req.contexts.compression_flags, 1);
    assert_true(smb_id_has(req.contexts.compression, 3));
    assert_true(req.contexts.has_netname);
    assert_int_equal(req.contexts.netname.len, 4);
    assert_true(req.contexts.has_transport);
    assert_int_equal(req.contexts.transport_flags, 1);
    assert_true(req.contexts.has_rdma);
    assert_int_equal(smb_id_count(req.contexts.rdma_transforms), 2);
}

static void test_older_requests(void **state)
{
    (void)state;
    static const struct {
        const char *name, *message;
        ntstatus status;
    } rows[] = {
        {"2.0.2, ClientStartTime is ignored",
         SMB_HEAD("00") "2400 0100 0100 0000 00000000 00000000000000000000000000000000"
                        "FFFFFFFFFFFFFFFF 0202",
         STATUS_OK},
        {"no dialect",
         SMB_HEAD("00") "2400 0000 0100 0000 00000000 00000000000000000000000000000000"
                        "0000000000000000 0202",
         STATUS_INVALID_PARAMETER},
        {"dialects past the end",
         SMB_HEAD("00") "2400 FFFF 0100 0000 00000000 00000000000000000000000000000000"
                        "0000000000000000 0202",
         STATUS_INVALID_PARAMETER},
        {"another structure",
         SMB_HEAD("00") "2500 0100 0100 0000 00000000 00000000000000000000000000000000"
                        "0000000000000000 0202",
         STATUS_INVALID_PARAMETER},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[256];
        struct slice msg = hex_decode(rows[i].message, bytes, sizeof(bytes));
        assert_row(rows[i].name, decode(msg) == rows[i].status);
    }
}

static void test_dialect_choice(void **state)
{
    (void)state;
    static const struct {
        const char *name, *offered;
        uint16_t least, most;
        enum smb_dialect chosen;
    } rows[] = {
        {"the greatest", "0202 1002 0003 0203 1103", 0x0202, 0x0311, SMB_DIALECT_311},
        {"in any order", "1103 0202", 0x0202, 0x0311, SMB_DIALECT_311},
        {"not above our most", "0202 1002 0003 0203 1103", 0x0202, 0x0300, SMB_DIALECT_300},
        {"not below our least", "0202 1002", 0x0300, 0x0311, SMB_DIALECT_NONE},
        {"what only exists elsewhere", "2222 FF02 1003", 0x0202, 0x0311, SMB_DIALECT_NONE},
        {"nothing", "", 0x0202, 0x0311, SMB_DIALECT_NONE},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[32];
        struct smb_id_list list = {hex_decode(rows[i].offered, bytes, sizeof(bytes))};
        enum smb_dialect got = smb_dialect_choose(list, rows[i].least, rows[i].most);
        assert_row(rows[i].name, got == rows[i].chosen);
    }
}

/* Offers that our client makes are what our server reads, and our answers what our client reads,
 * also in the middle of a frame that is not aligned to 8. */
static void test_round_trip(void **state)
{
    (void)state;
    static const uint8_t dialects[] = {0x02, 0x02, 0x11, 0x03}, ciphers[] = {2, 0, 1, 0},
                         signing[] = {1, 0};
    uint8_t bytes[512];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct smb_header h = {.command = SMB2_NEGOTIATE};
    struct smb_negotiate_offer offer = {
        .security_mode = SMB2_NEGOTIATE_SIGNING_REQUIRED,
        .capabilities = SMB2_GLOBAL_CAP_LEASING,
        .client_guid = {1, 2, 3},
        .dialects = {slice_of(dialects, sizeof(dialects))},
        .salt = slice_str("salt of 19 byte(s)."),
        .ciphers = {slice_of(ciphers, sizeof(ciphers))},
        .signing = {slice_of(signing, sizeof(signing))},
        .compression = {slice_of(ciphers, sizeof(ciphers))},
        .compression_flags = 1,
    };
    write_zeros(&w, 4);
    smb_header_encode(&w, &h);
    smb_negotiate_offer_encode(&w, &offer);
    struct slice msg = slice_sub(written(&w), 4, w.pos - 4);
    struct smb_negotiate_req req;
    assert_int_equal(smb_negotiate_decode(msg, &req), STATUS_OK);
    assert_int_equal(req.security_mode, SMB2_NEGOTIATE_SIGNING_REQUIRED);
    assert_int_equal(req.client_guid[2], 3);
    assert_true(slice_equal(req.contexts.salt, offer.salt));
    assert_true(slice_equal(req.contexts.ciphers.bytes, offer.ciphers.bytes));
    assert_true(slice_equal(req.contexts.signing.bytes, offer.signing.bytes));
    assert_true(slice_equal(req.contexts.compression.bytes, offer.compression.bytes));
    assert_int_equal(req.contexts.compression_flags, 1);

    struct smb_negotiate_rsp rsp = {
        .dialect = SMB_DIALECT_311,
        .salt = slice_str("odd"),
        .has_cipher = true,
        .cipher = SMB_CIPHER_NONE,
        .has_signing = true,
        .signing = SMB_SIGNING_AES_CMAC,
        .has_compression = true, /* with none in common */
        .security = slice_str("GSS"),
        .max_read = 8u << 20,
        .max_write = 4096,
    };
    struct smb_negotiate_answer got;
    w = writer_of(bytes, sizeof(bytes));
    write_zeros(&w, 52);
    smb_header_encode(&w, &h);
    smb_negotiate_encode(&w, &rsp);
    msg = slice_sub(written(&w), 52, w.pos - 52);
    assert_int_equal(smb_negotiate_answer_decode(msg, &got), STATUS_OK);
    assert_int_equal(got.max_read, 8u << 20);
    assert_true(slice_equal(got.security, rsp.security));
    assert_int_equal(smb_id_at(got.contexts.ciphers, 0), SMB_CIPHER_NONE);
    assert_int_equal(smb_id_at(got.contexts.signing, 0), SMB_SIGNING_AES_CMAC);
    assert_true(got.contexts.has_compression);
    assert_int_equal(smb_id_at(got.contexts.compression, 0), 0);

    rsp.dialect = SMB_DIALECT_302; /* no contexts before 3.1.1 */
    w = writer_of(bytes, sizeof(bytes));
    smb_header_encode(&w, &h);
    smb_negotiate_encode(&w, &rsp);
    assert_int_equal(w.pos, SMB_HEADER_SIZE + 64 + 3);
    assert_int_equal(smb_negotiate_answer_decode(written(&w), &got), STATUS_OK);
    assert_false(got.contexts.has_preauth);
}

#define SMB1_HEAD "FF534D42 72 00000000 18 53C8 0000 0000000000000000 0000 0000 FFFE 0000 0000"

static void test_smb1(void **state)
{
    (void)state;
    static const struct {
        const char *name, *frame;
        ntstatus status;
        bool v2002, wildcard;
    } rows[] = {
        {"both", SMB1_HEAD "00 1600 02534D4220322E30303200 02534D4220322E3F3F3F00", STATUS_OK, true,
         true},
        {"2.002 among older", SMB1_HEAD "00 1700 024E54204C4D20302E313200 02534D4220322E30303200",
         STATUS_OK, true, false},
        {"only SMB1", SMB1_HEAD "00 0C00 024E54204C4D20302E313200", STATUS_OK, false, false},
        {"no dialect", SMB1_HEAD "00 0000", STATUS_OK, false, false},
        {"no terminator", SMB1_HEAD "00 0A00 02534D4220322E303032", STATUS_INVALID_PARAMETER, false,
         false},
        {"another format", SMB1_HEAD "00 0B00 03534D4220322E30303200", STATUS_INVALID_PARAMETER,
         false, false},
        {"words", SMB1_HEAD "01 0000 0000", STATUS_INVALID_PARAMETER, false, false},
        {"more bytes than there are", SMB1_HEAD "00 0C00 02534D4220322E30303200",
         STATUS_INVALID_PARAMETER, false, false},
        {"another command",
         "FF534D42 73 00000000 18 53C8 0000 0000000000000000 0000 0000 FFFE 0000 0000 00 0000",
         STATUS_NOT_SUPPORTED, false, false},
        {"SMB2", SMB_HEAD("00") "00 0000", STATUS_INVALID_PARAMETER, false, false},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[256];
        struct smb1_negotiate neg = {0};
        struct slice frame = hex_decode(rows[i].frame, bytes, sizeof(bytes));
        assert_row(rows[i].name, smb1_negotiate_decode(frame, &neg) == rows[i].status);
        assert_row(rows[i].name, neg.smb_2_002 == rows[i].v2002);
        assert_row(rows[i].name, neg.smb_2_wildcard == rows[i].wildcard);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_request),
        cmocka_unit_test(test_published_response),
        cmocka_unit_test(test_contexts),
        cmocka_unit_test(test_contexts_we_do_not_implement),
        cmocka_unit_test(test_older_requests),
        cmocka_unit_test(test_dialect_choice),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_smb1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
