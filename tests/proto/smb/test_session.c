/* covers: session.c session_client.c tree.c */
#include "proto/base/must.h"
#include "proto/smb/session_client.h"
#include "tests/lib/hex.h"
#include "tests/lib/prefixes.h"
#include "tests/lib/smb_head.h"
#include "tests/lib/smb_vectors.h"
#include "tests/lib/unit.h"

static ntstatus decode_setup(struct slice msg)
{
    struct smb_session_setup_req req;
    ntstatus status = smb_session_setup_decode(msg, &req);
    if (status == STATUS_OK)
        prefix_inside(msg, req.security);
    return status;
}

static ntstatus decode_setup_rsp(struct slice msg)
{
    struct smb_session_setup_rsp rsp;
    ntstatus status = smb_session_setup_rsp_decode(msg, &rsp);
    if (status == STATUS_OK)
        prefix_inside(msg, rsp.security);
    return status;
}

static void test_published_setup(void **state)
{
    (void)state;
    uint8_t bytes[1024], again[1024];
    struct slice msg = hex_decode(VECTOR_SETUP_REQ_2, bytes, sizeof(bytes));
    struct smb_session_setup_req req;
    assert_int_equal(smb_session_setup_decode(msg, &req), STATUS_OK);
    assert_int_equal(req.flags, 0);
    assert_int_equal(req.security_mode, 1);
    assert_int_equal(req.capabilities, 1);
    assert_true(req.previous_session_id == 0);
    assert_int_equal(req.security.len, 0x1CF);
    assert_int_equal(req.security.at[0], 0xA1);
    assert_int_equal(prefix_least(msg, decode_setup), msg.len);
    struct writer w = writer_of(again, sizeof(again));
    write_bytes(&w, slice_sub(msg, 0, SMB_HEADER_SIZE));
    smb_session_setup_req_encode(&w, &req);
    assert_true(slice_equal(written(&w), msg));

    msg = hex_decode(VECTOR_SETUP_RSP_1, bytes, sizeof(bytes));
    struct smb_session_setup_rsp rsp;
    assert_int_equal(smb_session_setup_rsp_decode(msg, &rsp), STATUS_OK);
    assert_int_equal(rsp.session_flags, 0);
    assert_int_equal(rsp.security.len, 0xB3);
    assert_int_equal(prefix_least(msg, decode_setup_rsp), msg.len);
    w = writer_of(again, sizeof(again));
    write_bytes(&w, slice_sub(msg, 0, SMB_HEADER_SIZE));
    smb_session_setup_encode(&w, &rsp);
    assert_true(slice_equal(written(&w), msg));
}

static void test_setup_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name, *message;
        ntstatus status;
    } rows[] = {
        {"binding, previous session",
         SMB_HEAD("01") "1900 01 02 01000000 00000000 5800 0200 0800000000000000 AABB", STATUS_OK},
        {"no token", SMB_HEAD("01") "1900 00 01 01000000 00000000 0000 0000 0000000000000000",
         STATUS_OK},
        {"token over the fixed part",
         SMB_HEAD("01") "1900 00 01 01000000 00000000 5700 0200 0000000000000000 AABB",
         STATUS_INVALID_PARAMETER},
        {"token past the end",
         SMB_HEAD("01") "1900 00 01 01000000 00000000 5800 0300 0000000000000000 AABB",
         STATUS_INVALID_PARAMETER},
        {"another structure",
         SMB_HEAD("01") "1800 00 01 01000000 00000000 5800 0200 0000000000000000 AABB",
         STATUS_INVALID_PARAMETER},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[256];
        struct slice msg = hex_decode(rows[i].message, bytes, sizeof(bytes));
        assert_row(rows[i].name, decode_setup(msg) == rows[i].status);
    }
    uint8_t bytes[256];
    struct smb_session_setup_req req;
    struct slice msg = hex_decode(rows[0].message, bytes, sizeof(bytes));
    assert_int_equal(smb_session_setup_decode(msg, &req), STATUS_OK);
    assert_int_equal(req.flags, SMB2_SESSION_FLAG_BINDING);
    assert_int_equal(req.security_mode, 2);
    assert_true(req.previous_session_id == 8);
    assert_int_equal(req.security.len, 2);
}

static ntstatus decode_tree(struct slice msg)
{
    struct smb_tree_connect_req req;
    ntstatus status = smb_tree_connect_decode(msg, true, &req);
    if (status == STATUS_OK)
        prefix_inside(msg, req.path);
    return status;
}

/* \\s\v */
#define PATH "5C005C0073005C007600"

static void test_tree_connect(void **state)
{
    (void)state;
    static const struct {
        const char *name, *message;
        bool dialect_311;
        ntstatus status;
        uint16_t flags;
        size_t path;
    } rows[] = {
        {"plain", SMB_HEAD("03") "0900 0000 4800 0A00" PATH, false, STATUS_OK, 0, 10},
        {"flags mean nothing before 3.1.1", SMB_HEAD("03") "0900 0500 4800 0A00" PATH, false,
         STATUS_OK, 0, 10},
        {"reconnect", SMB_HEAD("03") "0900 0100 4800 0A00" PATH, true, STATUS_OK, 1, 10},
        {"extension", SMB_HEAD("03") "0900 0400 5800 0A00 6000 0000 0000 00000000000000000000" PATH,
         true, STATUS_OK, 4, 10},
        {"path over the extension",
         SMB_HEAD("03") "0900 0400 4800 0A00 6000 0000 0000 00000000000000000000" PATH, true,
         STATUS_INVALID_PARAMETER, 0, 0},
        {"extension cut", SMB_HEAD("03") "0900 0400 4800 0A00" PATH, true, STATUS_INVALID_PARAMETER,
         0, 0},
        {"no path", SMB_HEAD("03") "0900 0000 4800 0000", true, STATUS_OK, 0, 0},
        {"odd path", SMB_HEAD("03") "0900 0000 4800 0900" PATH, true, STATUS_INVALID_PARAMETER, 0,
         0},
        {"path past the end", SMB_HEAD("03") "0900 0000 4800 0C00" PATH, true,
         STATUS_INVALID_PARAMETER, 0, 0},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[256];
        struct smb_tree_connect_req req = {0};
        struct slice msg = hex_decode(rows[i].message, bytes, sizeof(bytes));
        ntstatus status = smb_tree_connect_decode(msg, rows[i].dialect_311, &req);
        assert_row(rows[i].name, status == rows[i].status && req.flags == rows[i].flags);
        assert_row(rows[i].name, req.path.len == rows[i].path);
    }
    uint8_t bytes[256];
    struct slice msg = hex_decode(rows[0].message, bytes, sizeof(bytes));
    assert_int_equal(prefix_least(msg, decode_tree), msg.len);
}

static void test_tree_path(void **state)
{
    (void)state;
    static const struct {
        const char *name, *path;
        size_t server, share; /* 0: refused */
    } rows[] = {
        {"as it should be", PATH, 2, 2},
        {"no share", "5C005C0073005C00", 0, 0},
        {"no server", "5C005C005C007600", 0, 0},
        {"one backslash", "5C0073005C007600", 0, 0},
        {"only a server", "5C005C0073007600", 0, 0},
        {"something behind the share", PATH "5C007700", 0, 0},
        {"empty", "", 0, 0},
        {"backslash as a high byte is none", "5C005C00735C5C007600", 2, 2},
        {"odd", PATH "00", 0, 0},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[64];
        struct slice server = {0}, share = {0};
        struct slice path = hex_decode(rows[i].path, bytes, sizeof(bytes));
        bool ok = smb_tree_path_split(path, &server, &share);
        assert_row(rows[i].name, ok == (rows[i].share != 0));
        assert_row(rows[i].name, server.len == rows[i].server && share.len == rows[i].share);
        assert_row(rows[i].name, !ok || share.at[0] == 'v');
    }
}

static void test_tree_round_trip(void **state)
{
    (void)state;
    uint8_t bytes[256], path[16];
    struct smb_header h = {.command = SMB2_TREE_CONNECT};
    struct smb_tree_connect_req req, ask = {.path = hex_decode(PATH, path, sizeof(path))};
    struct writer w = writer_of(bytes, sizeof(bytes));
    smb_header_encode(&w, &h);
    smb_tree_connect_req_encode(&w, &ask);
    assert_int_equal(smb_tree_connect_decode(written(&w), true, &req), STATUS_OK);
    assert_true(slice_equal(req.path, ask.path));

    struct smb_tree_connect_rsp got,
        rsp = {
            .share_type = SMB2_SHARE_TYPE_DISK,
            .share_flags = SMB2_SHAREFLAG_NO_CACHING,
            .capabilities = SMB2_SHARE_CAP_CONTINUOUS_AVAILABILITY | SMB2_SHARE_CAP_CLUSTER,
            .maximal_access = 0x001F01FF,
        };
    uint8_t want[32];
    w = writer_of(bytes, sizeof(bytes));
    smb_header_encode(&w, &h);
    smb_tree_connect_encode(&w, &rsp);
    struct slice body = hex_decode("1000 01 00 30000000 50000000 FF011F00", want, sizeof(want));
    assert_true(slice_equal(slice_sub(written(&w), SMB_HEADER_SIZE, 16), body));
    assert_int_equal(smb_tree_connect_rsp_decode(written(&w), &got), STATUS_OK);
    assert_int_equal(got.share_type, SMB2_SHARE_TYPE_DISK);
    assert_int_equal(got.maximal_access, 0x001F01FF);
    assert_int_equal(smb_tree_connect_rsp_decode(slice_sub(written(&w), 0, w.pos - 1), &got),
                     STATUS_INVALID_NETWORK_RESPONSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_setup), cmocka_unit_test(test_setup_rows),
        cmocka_unit_test(test_tree_connect),    cmocka_unit_test(test_tree_path),
        cmocka_unit_test(test_tree_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
