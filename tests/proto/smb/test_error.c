/* covers: error.c */
#include "proto/base/must.h"
#include "proto/smb/error.h"
#include "tests/lib/hex.h"
#include "tests/lib/unit.h"

static bool is(const struct writer *w, const char *hex)
{
    uint8_t want[128];
    return slice_equal(written(w), hex_decode(hex, want, sizeof(want)));
}

static void test_bodies(void **state)
{
    (void)state;
    uint8_t bytes[128];
    struct writer w = writer_of(bytes, sizeof(bytes));
    smb_error_encode(&w);
    assert_true(is(&w, "0900 00 00 00000000 00"));
    w = writer_of(bytes, sizeof(bytes));
    smb_error_data_encode(&w, true, SMB2_ERROR_ID_DEFAULT, (struct slice){0});
    assert_true(is(&w, "0900 00 00 00000000 00"));
    w = writer_of(bytes, sizeof(bytes));
    smb_error_data_encode(&w, false, SMB2_ERROR_ID_SHARE_REDIRECT, slice_str("ab"));
    assert_true(is(&w, "0900 00 00 02000000 6162"));
    w = writer_of(bytes, sizeof(bytes));
    smb_error_data_encode(&w, true, SMB2_ERROR_ID_SHARE_REDIRECT, slice_str("ab"));
    assert_true(is(&w, "0900 01 00 0A000000 02000000 53526472 6162"));
    w = writer_of(bytes, sizeof(bytes));
    smb_error_length_encode(&w, false, 0x1234);
    assert_true(is(&w, "0900 00 00 04000000 34120000"));
    w = writer_of(bytes, sizeof(bytes));
    smb_error_length_encode(&w, true, 0x1234);
    assert_true(is(&w, "0900 01 00 0C000000 04000000 00000000 34120000"));
}

static void test_symlink(void **state)
{
    (void)state;
    uint8_t bytes[128], name[16];
    struct slice target = hex_decode("2E002E00", name, sizeof(name));
    struct smb_symlink_error err = {
        .unparsed_length = 0x2E, .relative = true, .substitute_name = target, .print_name = target};
    struct writer w = writer_of(bytes, sizeof(bytes));
    smb_symlink_error_encode(&w, false, &err);
    assert_true(is(&w, "0900 00 00 24000000"
                       "20000000 53594D4C 0C0000A0 1400 2E00 0000 0400 0400 0400 01000000"
                       "2E002E00 2E002E00"));
    w = writer_of(bytes, sizeof(bytes));
    smb_symlink_error_encode(&w, true, &err);
    assert_true(is(&w, "0900 01 00 2C000000 24000000 00000000"
                       "20000000 53594D4C 0C0000A0 1400 2E00 0000 0400 0400 0400 01000000"
                       "2E002E00 2E002E00"));
}

static void test_who_has_its_own_body(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint16_t command;
        ntstatus status;
        bool own;
    } rows[] = {
        {"success", SMB2_CREATE, STATUS_OK, true},
        {"pending", SMB2_CREATE, STATUS_PENDING, false},
        {"more processing", SMB2_SESSION_SETUP, STATUS_MORE_PROCESSING_REQUIRED, true},
        {"more processing elsewhere", SMB2_READ, STATUS_MORE_PROCESSING_REQUIRED, false},
        {"overflow of QUERY_INFO", SMB2_QUERY_INFO, STATUS_BUFFER_OVERFLOW, true},
        {"overflow of READ", SMB2_READ, STATUS_BUFFER_OVERFLOW, true},
        {"overflow of IOCTL", SMB2_IOCTL, STATUS_BUFFER_OVERFLOW, true},
        {"overflow of QUERY_DIRECTORY", SMB2_QUERY_DIRECTORY, STATUS_BUFFER_OVERFLOW, false},
        {"enumerate yourself", SMB2_CHANGE_NOTIFY, STATUS_NOTIFY_ENUM_DIR, true},
        {"watcher closed", SMB2_CHANGE_NOTIFY, STATUS_NOTIFY_CLEANUP, false},
        {"error", SMB2_CREATE, STATUS_ACCESS_DENIED, false},
        {"warning", SMB2_QUERY_DIRECTORY, STATUS_NO_MORE_FILES, false},
    };
    for (size_t i = 0; i < array_len(rows); i++)
        assert_row(rows[i].name,
                   smb_status_has_own_body(rows[i].command, rows[i].status) == rows[i].own);
    assert_true(status_is_error(STATUS_ACCESS_DENIED));
    assert_false(status_is_error(STATUS_BUFFER_OVERFLOW));
    assert_false(status_is_error(STATUS_OK));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_symlink),
        cmocka_unit_test(test_who_has_its_own_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
