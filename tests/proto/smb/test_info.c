/* covers: info.c info_client.c dir.c */
#include "proto/base/must.h"
#include "proto/smb/info_client.h"
#include "proto/smb/notify.h"
#include "tests/lib/hex.h"
#include "tests/lib/prefixes.h"
#include "tests/lib/smb_head.h"
#include "tests/lib/unit.h"

#define FILE_ID "0900000000000000 0A00000000000000"

static ntstatus decode_query(struct slice msg)
{
    struct smb_query_info_req req;
    ntstatus status = smb_query_info_decode(msg, &req);
    if (status == STATUS_OK)
        prefix_inside(msg, req.input);
    return status;
}

static ntstatus decode_set(struct slice msg)
{
    struct smb_set_info_req req;
    ntstatus status = smb_set_info_decode(msg, &req);
    if (status == STATUS_OK)
        prefix_inside(msg, req.buffer);
    return status;
}

static ntstatus decode_dir(struct slice msg)
{
    struct smb_query_directory_req req;
    ntstatus status = smb_query_directory_decode(msg, &req);
    if (status == STATUS_OK)
        prefix_inside(msg, req.pattern);
    return status;
}

static ntstatus decode_notify(struct slice msg)
{
    struct smb_change_notify_req req;
    return smb_change_notify_decode(msg, &req);
}

static void test_query_info(void **state)
{
    (void)state;
    uint8_t bytes[256], again[256];
    struct smb_query_info_req req;
    struct slice msg = hex_decode(SMB_HEAD("10") "2900 01 0F 00000100 6800 0000 04000000 07000000"
                                                 "02000000" FILE_ID "AABBCCDD",
                                  bytes, sizeof(bytes));
    assert_int_equal(smb_query_info_decode(msg, &req), STATUS_OK);
    assert_int_equal(req.info_type, SMB2_0_INFO_FILE);
    assert_int_equal(req.info_class, 15);
    assert_int_equal(req.output_length, 65536);
    assert_int_equal(req.additional, 7);
    assert_int_equal(req.flags, SL_RETURN_SINGLE_ENTRY);
    assert_true(req.file_id.persistent == 9 && req.file_id.volatile_ == 10);
    assert_int_equal(req.input.len, 4);
    assert_int_equal(prefix_least(msg, decode_query), msg.len);
    struct writer w = writer_of(again, sizeof(again));
    write_bytes(&w, slice_sub(msg, 0, SMB_HEADER_SIZE));
    smb_query_info_req_encode(&w, &req);
    assert_true(slice_equal(written(&w), msg));
}

static void test_set_info(void **state)
{
    (void)state;
    uint8_t bytes[256], again[256];
    struct smb_set_info_req req;
    struct slice msg =
        hex_decode(SMB_HEAD("11") "2100 03 00 04000000 6000 0000 04000000" FILE_ID "AABBCCDD",
                   bytes, sizeof(bytes));
    assert_int_equal(smb_set_info_decode(msg, &req), STATUS_OK);
    assert_int_equal(req.info_type, SMB2_0_INFO_SECURITY);
    assert_int_equal(req.additional, 4);
    assert_int_equal(req.buffer.len, 4);
    assert_int_equal(req.buffer.at[3], 0xDD);
    assert_true(req.file_id.persistent == 9 && req.file_id.volatile_ == 10);
    assert_int_equal(prefix_least(msg, decode_set), msg.len);
    struct writer w = writer_of(again, sizeof(again));
    write_bytes(&w, slice_sub(msg, 0, SMB_HEADER_SIZE));
    smb_set_info_req_encode(&w, &req);
    assert_true(slice_equal(written(&w), msg));

    w = writer_of(again, sizeof(again));
    write_bytes(&w, slice_sub(msg, 0, SMB_HEADER_SIZE));
    smb_set_info_encode(&w);
    assert_int_equal(w.pos, SMB_HEADER_SIZE + 2);
    assert_int_equal(smb_set_info_rsp_decode(written(&w)), STATUS_OK);
    assert_int_equal(smb_set_info_rsp_decode(msg), STATUS_INVALID_NETWORK_RESPONSE);
}

static void test_query_directory(void **state)
{
    (void)state;
    uint8_t bytes[256], again[256];
    struct smb_query_directory_req req;
    struct slice msg =
        hex_decode(SMB_HEAD("0E") "2100 25 13 01000000" FILE_ID "6000 0200 00000100 2A00", bytes,
                   sizeof(bytes));
    assert_int_equal(smb_query_directory_decode(msg, &req), STATUS_OK);
    assert_int_equal(req.info_class, 0x25);
    assert_int_equal(req.flags, SMB2_REOPEN | SMB2_RESTART_SCANS | SMB2_RETURN_SINGLE_ENTRY);
    assert_int_equal(req.file_index, 1);
    assert_int_equal(req.output_length, 65536);
    assert_int_equal(req.pattern.len, 2);
    assert_int_equal(req.pattern.at[0], '*');
    assert_int_equal(prefix_least(msg, decode_dir), msg.len);
    struct writer w = writer_of(again, sizeof(again));
    write_bytes(&w, slice_sub(msg, 0, SMB_HEADER_SIZE));
    smb_query_directory_req_encode(&w, &req);
    assert_true(slice_equal(written(&w), msg));
}

static void test_change_notify(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct smb_change_notify_req req;
    struct slice msg = hex_decode(SMB_HEAD("0F") "2000 0100 00100000" FILE_ID "17000000 00000000",
                                  bytes, sizeof(bytes));
    assert_int_equal(smb_change_notify_decode(msg, &req), STATUS_OK);
    assert_int_equal(req.flags, SMB2_WATCH_TREE);
    assert_int_equal(req.output_length, 4096);
    assert_true(req.file_id.persistent == 9 && req.file_id.volatile_ == 10);
    assert_int_equal(req.filter, FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_DIR_NAME |
                                     FILE_NOTIFY_CHANGE_ATTRIBUTES | FILE_NOTIFY_CHANGE_LAST_WRITE);
    assert_int_equal(prefix_least(msg, decode_notify), msg.len);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        prefix_decoder decode;
        const char *message;
        ntstatus status;
    } rows[] = {
        {"query: input unset", decode_query,
         SMB_HEAD("10") "2900 01 05 00000100 0000 0000 00000000 00000000 00000000" FILE_ID,
         STATUS_OK},
        {"query: input past the end", decode_query,
         SMB_HEAD("10") "2900 01 05 00000100 6800 0000 01000000 00000000 00000000" FILE_ID,
         STATUS_INVALID_PARAMETER},
        {"query: length wraps", decode_query,
         SMB_HEAD("10") "2900 01 05 00000100 6800 0000 FFFFFFFF 00000000 00000000" FILE_ID,
         STATUS_INVALID_PARAMETER},
        {"query: input in the header", decode_query,
         SMB_HEAD("10") "2900 01 05 00000100 0800 0000 04000000 00000000 00000000" FILE_ID,
         STATUS_INVALID_PARAMETER},
        {"set: nothing", decode_set,
         SMB_HEAD("11") "2100 01 04 00000000 0000 0000 00000000" FILE_ID, STATUS_OK},
        {"set: past the end", decode_set,
         SMB_HEAD("11") "2100 01 04 08000000 6000 0000 00000000" FILE_ID "00",
         STATUS_INVALID_PARAMETER},
        {"set: over the fixed part", decode_set,
         SMB_HEAD("11") "2100 01 04 08000000 5F00 0000 00000000" FILE_ID "0000000000000000",
         STATUS_INVALID_PARAMETER},
        {"directory: no pattern", decode_dir,
         SMB_HEAD("0E") "2100 25 00 00000000" FILE_ID "0000 0000 00000100", STATUS_OK},
        {"directory: odd pattern", decode_dir,
         SMB_HEAD("0E") "2100 25 00 00000000" FILE_ID "6000 0100 00000100 2A00",
         STATUS_INVALID_PARAMETER},
        {"directory: pattern past the end", decode_dir,
         SMB_HEAD("0E") "2100 25 00 00000000" FILE_ID "6000 0400 00000100 2A00",
         STATUS_INVALID_PARAMETER},
        {"notify: another structure", decode_notify,
         SMB_HEAD("0F") "2100 0100 00100000" FILE_ID "17000000 00000000", STATUS_INVALID_PARAMETER},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[256];
        struct slice msg = hex_decode(rows[i].message, bytes, sizeof(bytes));
        assert_row(rows[i].name, rows[i].decode(msg) == rows[i].status);
    }
}

static void test_outputs(void **state)
{
    (void)state;
    static const struct {
        const char *name, *output, *body;
        void (*encode)(struct writer *w, struct slice output);
    } rows[] = {
        {"query info", "AABBCC", "0900 4800 03000000 AABBCC", smb_query_info_encode},
        {"query info, nothing", "", "0900 0000 00000000", smb_query_info_encode},
        {"query directory", "AABBCC", "0900 4800 03000000 AABBCC", smb_query_directory_encode},
        {"change notify", "AABBCC", "0900 4800 03000000 AABBCC", smb_change_notify_encode},
        {"notify: enumerate yourself", "", "0900 0000 00000000", smb_change_notify_encode},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[128], out_bytes[8], want[32];
        struct smb_header h = {0};
        struct slice got, output = hex_decode(rows[i].output, out_bytes, sizeof(out_bytes));
        struct writer w = writer_of(bytes, sizeof(bytes));
        smb_header_encode(&w, &h);
        rows[i].encode(&w, output);
        struct slice body = slice_sub(written(&w), SMB_HEADER_SIZE, w.pos - SMB_HEADER_SIZE);
        assert_row(rows[i].name, slice_equal(body, hex_decode(rows[i].body, want, sizeof(want))));
        assert_row(rows[i].name, smb_output_decode(written(&w), &got) == STATUS_OK);
        assert_row(rows[i].name, slice_equal(got, output));
        for (size_t len = 0; len < w.pos; len++)
            assert_row(rows[i].name, smb_output_decode(slice_of(bytes, len), &got) ==
                                         STATUS_INVALID_NETWORK_RESPONSE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query_info),      cmocka_unit_test(test_set_info),
        cmocka_unit_test(test_query_directory), cmocka_unit_test(test_change_notify),
        cmocka_unit_test(test_refusals),        cmocka_unit_test(test_outputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
