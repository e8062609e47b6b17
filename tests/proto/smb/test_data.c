/* covers: data.c data_client.c */
#include "proto/base/must.h"
#include "proto/smb/data_client.h"
#include "tests/lib/hex.h"
#include "tests/lib/prefixes.h"
#include "tests/lib/smb_head.h"
#include "tests/lib/smb_vectors.h"
#include "tests/lib/unit.h"

#define FILE_ID "0900000000000000 0A00000000000000"

static ntstatus decode_read(struct slice msg)
{
    struct smb_read_req req;
    ntstatus status = smb_read_decode(msg, &req);
    if (status == STATUS_OK)
        prefix_inside(msg, req.channel_info);
    return status;
}

static ntstatus decode_write(struct slice msg)
{
    struct smb_write_req req;
    ntstatus status = smb_write_decode(msg, &req);
    if (status != STATUS_OK)
        return status;
    prefix_inside(msg, req.data);
    prefix_inside(msg, req.channel_info);
    return status;
}

static void test_read(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct smb_read_req req;
    struct slice msg = hex_decode(SMB_HEAD("08") "3100 50 01 00008000 0010000000000000" FILE_ID
                                                 "01000000 00000000 02000000 0000 0000 00",
                                  bytes, sizeof(bytes));
    assert_int_equal(smb_read_decode(msg, &req), STATUS_OK);
    assert_int_equal(req.flags, SMB2_READFLAG_READ_UNBUFFERED);
    assert_int_equal(req.length, 8u << 20);
    assert_true(req.offset == 4096);
    assert_true(req.file_id.persistent == 9 && req.file_id.volatile_ == 10);
    assert_int_equal(req.minimum_count, 1);
    assert_int_equal(req.remaining, 2);
    assert_int_equal(req.channel_info.len, 0);
    assert_int_equal(prefix_least(msg, decode_read), msg.len - 1); /* the byte is not needed */
}

static void test_read_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name, *message;
        ntstatus status;
        size_t info;
    } rows[] = {
        {"channel info without a channel is ignored",
         SMB_HEAD("08") "3100 50 00 00000100 0000000000000000" FILE_ID
                        "00000000 00000000 00000000 FFFF FFFF",
         STATUS_OK, 0},
        {"RDMA",
         SMB_HEAD("08") "3100 50 00 00000100 0000000000000000" FILE_ID
                        "00000000 01000000 00000000 7000 0400 AABBCCDD",
         STATUS_OK, 4},
        {"RDMA past the end",
         SMB_HEAD("08") "3100 50 00 00000100 0000000000000000" FILE_ID
                        "00000000 01000000 00000000 7000 0500 AABBCCDD",
         STATUS_INVALID_PARAMETER, 0},
        {"another structure",
         SMB_HEAD("08") "3000 50 00 00000100 0000000000000000" FILE_ID
                        "00000000 00000000 00000000 0000 0000",
         STATUS_INVALID_PARAMETER, 0},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[256];
        struct smb_read_req req = {0};
        struct slice msg = hex_decode(rows[i].message, bytes, sizeof(bytes));
        assert_row(rows[i].name, smb_read_decode(msg, &req) == rows[i].status);
        assert_row(rows[i].name, req.channel_info.len == rows[i].info);
    }
}

static void test_read_response(void **state)
{
    (void)state;
    uint8_t bytes[128], want[32];
    struct smb_header h = {.command = SMB2_READ};
    struct writer w = writer_of(bytes, sizeof(bytes));
    smb_header_encode(&w, &h);
    smb_read_encode(&w, &(struct smb_read_rsp){.data_length = 3, .data_remaining = 1});
    struct slice body = slice_sub(written(&w), SMB_HEADER_SIZE, SMB_READ_RSP_SIZE);
    assert_true(slice_equal(body, hex_decode("1100 50 00 03000000 01000000 00000000", want, 32)));
    assert_int_equal(w.pos, SMB_READ_DATA_OFFSET);
    write_bytes(&w, slice_str("abc"));
    struct smb_read_answer got;
    assert_int_equal(smb_read_answer_decode(written(&w), &got), STATUS_OK);
    assert_true(slice_equal(got.data, slice_str("abc")));
    assert_int_equal(got.remaining, 1);
    for (size_t len = 0; len < w.pos; len++)
        assert_int_equal(smb_read_answer_decode(slice_of(bytes, len), &got),
                         STATUS_INVALID_NETWORK_RESPONSE);
}

/* Both published WRITEs, and their responses. */
static void test_published_write(void **state)
{
    (void)state;
    static const struct {
        const char *name, *request, *response;
        uint64_t persistent;
    } rows[] = {
        {"3.0", VECTOR_CCM_WRITE_REQ, VECTOR_CCM_WRITE_RSP, UINT64_C(0x200003900000115)},
        {"3.1.1", VECTOR_GCM_WRITE_REQ, VECTOR_GCM_WRITE_RSP, UINT64_C(0x400000006)},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[256], again[256];
        struct smb_write_req req;
        struct slice msg = hex_decode(rows[i].request, bytes, sizeof(bytes));
        assert_row(rows[i].name, smb_write_decode(msg, &req) == STATUS_OK);
        assert_row(rows[i].name, slice_equal(req.data, slice_str("Smb3 encryption testing")));
        assert_row(rows[i].name, req.file_id.persistent == rows[i].persistent);
        assert_row(rows[i].name, req.length == 23 && req.offset == 0 && req.flags == 0);
        assert_row(rows[i].name, prefix_least(msg, decode_write) == msg.len);
        struct smb_write_rsp rsp;
        msg = hex_decode(rows[i].response, bytes, sizeof(bytes));
        assert_row(rows[i].name, smb_write_rsp_decode(msg, &rsp) == STATUS_OK && rsp.count == 23);
        struct writer w = writer_of(again, sizeof(again));
        write_bytes(&w, slice_sub(msg, 0, SMB_HEADER_SIZE));
        smb_write_encode(&w, &rsp);
        assert_row(rows[i].name, slice_equal(written(&w), msg));
    }
}

static void test_write_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name, *message;
        ntstatus status;
        size_t data, info;
    } rows[] = {
        {"nothing",
         SMB_HEAD("09") "3100 7000 00000000 0000000000000000" FILE_ID
                        "00000000 00000000 0000 0000 01000000",
         STATUS_OK, 0, 0},
        {"behind a gap",
         SMB_HEAD("09") "3100 7200 02000000 0000000000000000" FILE_ID
                        "00000000 00000000 0000 0000 00000000 AABBCCDD",
         STATUS_OK, 2, 0},
        {"one too many",
         SMB_HEAD("09") "3100 7000 05000000 0000000000000000" FILE_ID
                        "00000000 00000000 0000 0000 00000000 AABBCCDD",
         STATUS_INVALID_PARAMETER, 0, 0},
        {"length wraps",
         SMB_HEAD("09") "3100 7000 FFFFFFFF 0000000000000000" FILE_ID
                        "00000000 00000000 0000 0000 00000000 AABBCCDD",
         STATUS_INVALID_PARAMETER, 0, 0},
        {"over the fixed part",
         SMB_HEAD("09") "3100 6F00 04000000 0000000000000000" FILE_ID
                        "00000000 00000000 0000 0000 00000000 AABBCCDD",
         STATUS_INVALID_PARAMETER, 0, 0},
        {"offset beyond 0x100, even for nothing",
         SMB_HEAD("09") "3100 0101 00000000 0000000000000000" FILE_ID
                        "00000000 00000000 0000 0000 00000000",
         STATUS_INVALID_PARAMETER, 0, 0},
        {"RDMA",
         SMB_HEAD("09") "3100 0000 00000100 0000000000000000" FILE_ID
                        "01000000 00000000 7000 0400 00000000 AABBCCDD",
         STATUS_OK, 0, 4},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[256];
        struct smb_write_req req = {0};
        struct slice msg = hex_decode(rows[i].message, bytes, sizeof(bytes));
        assert_row(rows[i].name, smb_write_decode(msg, &req) == rows[i].status);
        assert_row(rows[i].name, req.data.len == rows[i].data);
        assert_row(rows[i].name, req.channel_info.len == rows[i].info);
    }
}

static ntstatus decode_flush(struct slice msg)
{
    struct smb_flush_req req;
    return smb_flush_decode(msg, &req);
}

static void test_flush(void **state)
{
    (void)state;
    uint8_t bytes[128];
    struct smb_flush_req req;
    struct slice msg =
        hex_decode(SMB_HEAD("07") "1800 FFFF FFFFFFFF" FILE_ID, bytes, sizeof(bytes));
    assert_int_equal(smb_flush_decode(msg, &req), STATUS_OK);
    assert_true(req.file_id.persistent == 9 && req.file_id.volatile_ == 10);
    assert_int_equal(prefix_least(msg, decode_flush), msg.len);
}

static void test_round_trip(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct smb_header h = {0};
    struct smb_read_req read, read_ask = {.length = 1,
                                          .offset = 2,
                                          .file_id = {3, 4},
                                          .minimum_count = 5,
                                          .remaining = 6,
                                          .flags = 1};
    struct writer w = writer_of(bytes, sizeof(bytes));
    smb_header_encode(&w, &h);
    smb_read_req_encode(&w, &read_ask);
    assert_int_equal(smb_read_decode(written(&w), &read), STATUS_OK);
    assert_true(read.length == 1 && read.offset == 2 && read.minimum_count == 5);
    assert_true(smb_file_id_equal(read.file_id, read_ask.file_id) && read.remaining == 6);

    struct smb_write_req write, write_ask = {.offset = 7,
                                             .file_id = {8, 9},
                                             .remaining = 1,
                                             .flags = SMB2_WRITEFLAG_WRITE_THROUGH,
                                             .data = slice_str("bytes")};
    w = writer_of(bytes, sizeof(bytes));
    smb_header_encode(&w, &h);
    smb_write_req_encode(&w, &write_ask);
    assert_int_equal(smb_write_decode(written(&w), &write), STATUS_OK);
    assert_true(slice_equal(write.data, write_ask.data) && write.length == 5);
    assert_true(write.offset == 7 && write.flags == SMB2_WRITEFLAG_WRITE_THROUGH);

    struct smb_flush_req flush, flush_ask = {.file_id = {10, 11}};
    w = writer_of(bytes, sizeof(bytes));
    smb_header_encode(&w, &h);
    smb_flush_req_encode(&w, &flush_ask);
    assert_int_equal(smb_flush_decode(written(&w), &flush), STATUS_OK);
    assert_true(smb_file_id_equal(flush.file_id, flush_ask.file_id));

    w = writer_of(bytes, sizeof(bytes));
    smb_header_encode(&w, &h);
    smb_empty_encode(&w);
    assert_int_equal(smb_empty_rsp_decode(written(&w)), STATUS_OK);
    assert_int_equal(smb_empty_rsp_decode(slice_of(bytes, w.pos - 1)),
                     STATUS_INVALID_NETWORK_RESPONSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),          cmocka_unit_test(test_read_rows),
        cmocka_unit_test(test_read_response), cmocka_unit_test(test_published_write),
        cmocka_unit_test(test_write_rows),    cmocka_unit_test(test_flush),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
