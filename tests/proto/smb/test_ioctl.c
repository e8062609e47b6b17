/* covers: ioctl.c */
#include "proto/base/must.h"
#include "proto/smb/ioctl.h"
#include "tests/lib/hex.h"
#include "tests/lib/prefixes.h"
#include "tests/lib/smb_head.h"
#include "tests/lib/unit.h"

#define FILE_ID "FFFFFFFFFFFFFFFF FFFFFFFFFFFFFFFF"

/* FSCTL_VALIDATE_NEGOTIATE_INFO with four bytes behind; the rows vary the ranges. */
#define IOCTL(input, output)                                                                       \
    SMB_HEAD("0B")                                                                                 \
    "3900 0000 04021400" FILE_ID input "00000000" output "18000000 01000000 00000000 AABBCCDD"

static ntstatus decode(struct slice msg)
{
    struct smb_ioctl_req req;
    ntstatus status = smb_ioctl_decode(msg, &req);
    if (status == STATUS_OK)
        prefix_inside(msg, req.input);
    return status;
}

static void test_fields(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct smb_ioctl_req req;
    struct slice msg =
        hex_decode(IOCTL("78000000 04000000", "78000000 00000000"), bytes, sizeof(bytes));
    assert_int_equal(smb_ioctl_decode(msg, &req), STATUS_OK);
    assert_int_equal(req.code, FSCTL_VALIDATE_NEGOTIATE_INFO);
    assert_true(smb_file_id_is_related(req.file_id));
    assert_int_equal(req.flags, SMB2_0_IOCTL_IS_FSCTL);
    assert_int_equal(req.max_input_response, 0);
    assert_int_equal(req.max_output_response, 24);
    assert_int_equal(req.input.len, 4);
    assert_int_equal(req.input.at[0], 0xAA);
    assert_int_equal(prefix_least(msg, decode), msg.len);
}

static void test_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *name, *message;
        ntstatus status;
    } rows[] = {
        {"no input, offset unset", IOCTL("00000000 00000000", "00000000 00000000"), STATUS_OK},
        {"input past the end", IOCTL("78000000 05000000", "00000000 00000000"),
         STATUS_INVALID_PARAMETER},
        {"input wraps", IOCTL("78000000 FFFFFFFF", "00000000 00000000"), STATUS_INVALID_PARAMETER},
        {"input far away", IOCTL("FFFFFFFF 04000000", "00000000 00000000"),
         STATUS_INVALID_PARAMETER},
        {"input over the fixed part", IOCTL("76000000 04000000", "00000000 00000000"),
         STATUS_INVALID_PARAMETER},
        {"output inside", IOCTL("00000000 00000000", "78000000 04000000"), STATUS_OK},
        {"output past the end", IOCTL("00000000 00000000", "78000000 05000000"),
         STATUS_INVALID_PARAMETER},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[256];
        struct slice msg = hex_decode(rows[i].message, bytes, sizeof(bytes));
        assert_row(rows[i].name, decode(msg) == rows[i].status);
    }
}

static void test_response(void **state)
{
    (void)state;
    static const struct {
        const char *name, *output, *body;
    } rows[] = {
        {"bytes", "AABBCC",
         "3100 0000 04021400" FILE_ID
         "70000000 00000000 70000000 03000000 00000000 00000000 AABBCC"},
        {"nothing", "",
         "3100 0000 04021400" FILE_ID "70000000 00000000 70000000 00000000 00000000 00000000"},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[256], out_bytes[8], want[128];
        struct smb_header h = {0};
        struct smb_ioctl_rsp rsp = {
            .code = FSCTL_VALIDATE_NEGOTIATE_INFO,
            .file_id = smb_file_id_related(),
            .output = hex_decode(rows[i].output, out_bytes, sizeof(out_bytes)),
        };
        struct writer w = writer_of(bytes, sizeof(bytes));
        smb_header_encode(&w, &h);
        smb_ioctl_encode(&w, &rsp);
        struct slice body = slice_sub(written(&w), SMB_HEADER_SIZE, w.pos - SMB_HEADER_SIZE);
        assert_row(rows[i].name, slice_equal(body, hex_decode(rows[i].body, want, sizeof(want))));
    }
}

static ntstatus decode_validate(struct slice input)
{
    struct smb_validate_req req;
    ntstatus status = smb_validate_decode(input, &req);
    if (status == STATUS_OK)
        prefix_inside(input, req.dialects.bytes);
    return status;
}

static void test_validate_negotiate(void **state)
{
    (void)state;
    uint8_t bytes[64], out[SMB_VALIDATE_RSP_SIZE], want[SMB_VALIDATE_RSP_SIZE];
    struct smb_validate_req req;
    struct slice input = hex_decode("7F000000 000102030405060708090A0B0C0D0E0F 0100 0200 1002 0203",
                                    bytes, sizeof(bytes));
    assert_int_equal(smb_validate_decode(input, &req), STATUS_OK);
    assert_int_equal(req.capabilities, 0x7F);
    assert_int_equal(req.client_guid[15], 15);
    assert_int_equal(req.security_mode, 1);
    assert_int_equal(smb_id_count(req.dialects), 2);
    assert_true(smb_id_has(req.dialects, SMB_DIALECT_302));
    assert_int_equal(prefix_least(input, decode_validate), input.len);

    struct smb_validate_rsp rsp = {
        .capabilities = 1, .server_guid = {2}, .security_mode = 3, .dialect = SMB_DIALECT_302};
    struct writer w = writer_of(out, sizeof(out));
    smb_validate_encode(&w, &rsp);
    assert_true(
        slice_equal(written(&w), hex_decode("01000000 02000000000000000000000000000000 0300 0203",
                                            want, sizeof(want))));
}

static void test_interfaces(void **state)
{
    (void)state;
    static const struct smb_interface v4 = {.index = 2,
                                            .capability = SMB_INTERFACE_RSS_CAPABLE,
                                            .link_speed = 10,
                                            .is_v6 = false,
                                            .address = {127, 0, 0, 11}};
    static const struct smb_interface v6 = {.index = 3, .is_v6 = true, .address = {0xFE, 0x80}};
    uint8_t bytes[2 * SMB_INTERFACE_SIZE], want[64];
    struct writer w = writer_of(bytes, sizeof(bytes));
    smb_interface_encode(&w, &v4, false);
    assert_int_equal(w.pos, SMB_INTERFACE_SIZE);
    smb_interface_encode(&w, &v6, true);
    assert_int_equal(w.pos, 2 * SMB_INTERFACE_SIZE);
    assert_false(w.full);
    struct slice first = hex_decode("98000000 02000000 01000000 00000000 0A00000000000000"
                                    "0200 0000 7F00000B 0000000000000000",
                                    want, sizeof(want));
    assert_true(slice_equal(slice_sub(written(&w), 0, first.len), first));
    struct slice second = hex_decode("00000000 03000000 00000000 00000000 0000000000000000"
                                     "1700 0000 00000000 FE800000",
                                     want, sizeof(want));
    assert_true(slice_equal(slice_sub(written(&w), SMB_INTERFACE_SIZE, second.len), second));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),     cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_response),   cmocka_unit_test(test_validate_negotiate),
        cmocka_unit_test(test_interfaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
