#include "proto/base/must.h"
#include "proto/smb/fscc.h"
#include "tests/lib/unit.h"
#include <string.h>

static const struct {
    const char *name;
    uint8_t info_class;
    size_t len;
    const char *bytes; /* the first ones; zeros follow */
    size_t given;
    ntstatus status;
} rows[] = {
    {"basic", FILE_BASIC_INFORMATION, 40, "", 0, STATUS_OK},
    {"basic short", FILE_BASIC_INFORMATION, 39, "", 0, STATUS_INFO_LENGTH_MISMATCH},
    {"basic -2", FILE_BASIC_INFORMATION, 40, "\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 8, STATUS_OK},
    {"basic -3", FILE_BASIC_INFORMATION, 40, "\xFD\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 8,
     STATUS_INVALID_PARAMETER},
    {"rename", FILE_RENAME_INFORMATION, 24, "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2\0\0\0a", 21,
     STATUS_OK},
    {"rename short", FILE_RENAME_INFORMATION, 23, "", 0, STATUS_INFO_LENGTH_MISMATCH},
    {"rename nothing", FILE_RENAME_INFORMATION, 24, "", 0, STATUS_INVALID_PARAMETER},
    {"rename odd", FILE_RENAME_INFORMATION, 24, "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\3\0\0\0a", 21,
     STATUS_INVALID_PARAMETER},
    {"rename beyond", FILE_RENAME_INFORMATION, 24, "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\6\0\0\0a", 21,
     STATUS_INVALID_PARAMETER},
    {"rename with root", FILE_RENAME_INFORMATION, 24, "\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0a",
     21, STATUS_INVALID_PARAMETER},
    {"link", FILE_LINK_INFORMATION, 24, "", 0, STATUS_NOT_SUPPORTED},
    {"disposition", FILE_DISPOSITION_INFORMATION, 1, "\1", 1, STATUS_OK},
    {"disposition short", FILE_DISPOSITION_INFORMATION, 0, "", 0, STATUS_INFO_LENGTH_MISMATCH},
    {"disposition ex", FILE_DISPOSITION_INFORMATION_EX, 4, "\3", 1, STATUS_OK},
    {"disposition ex unknown", FILE_DISPOSITION_INFORMATION_EX, 4, "\x20", 1,
     STATUS_INVALID_PARAMETER},
    {"position", FILE_POSITION_INFORMATION, 8, "\1", 1, STATUS_OK},
    {"position negative", FILE_POSITION_INFORMATION, 8, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 8,
     STATUS_INVALID_PARAMETER},
    {"EAs", FILE_FULL_EA_INFORMATION, 8, "", 0, STATUS_OK},
    {"mode", FILE_MODE_INFORMATION, 4, "\x02", 1, STATUS_OK},
    {"mode unknown", FILE_MODE_INFORMATION, 4, "\x01", 1, STATUS_INVALID_PARAMETER},
    {"mode both", FILE_MODE_INFORMATION, 4, "\x30", 1, STATUS_INVALID_PARAMETER},
    {"allocation", FILE_ALLOCATION_INFORMATION, 8, "", 0, STATUS_OK},
    {"end of file", FILE_END_OF_FILE_INFORMATION, 8, "\5", 1, STATUS_OK},
    {"end of file short", FILE_END_OF_FILE_INFORMATION, 7, "", 0, STATUS_INFO_LENGTH_MISMATCH},
    {"valid data", FILE_VALID_DATA_LENGTH_INFORMATION, 8, "", 0, STATUS_OK},
    {"standard", FILE_STANDARD_INFORMATION, 24, "", 0, STATUS_INVALID_INFO_CLASS},
    {"unknown", 200, 24, "", 0, STATUS_INVALID_INFO_CLASS},
};

static void each_class(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[64] = {0};
        struct fscc_set set;
        memcpy(bytes, rows[i].bytes, rows[i].given);
        ntstatus status = fscc_decode_set(rows[i].info_class, slice_of(bytes, rows[i].len), &set);
        if (status != rows[i].status)
            fail_msg("%s: %x", rows[i].name, status);
        if (status == STATUS_OK)
            assert_int_equal(set.info_class, rows[i].info_class);
    }
}

static void a_rename(void **state)
{
    (void)state;
    uint8_t bytes[24] = {0x43, [16] = 4, [20] = 'x', [22] = 'y'};
    struct fscc_set set;
    assert_int_equal(fscc_decode_set(FILE_RENAME_INFORMATION_EX, slice_of(bytes, 24), &set),
                     STATUS_OK);
    assert_true(set.rename.replace && set.rename.posix && set.rename.ignore_readonly);
    assert_true(slice_equal(set.rename.name, slice_of("x\0y", 4)));
    bytes[0] = 0;
    assert_int_equal(fscc_decode_set(FILE_RENAME_INFORMATION, slice_of(bytes, 24), &set),
                     STATUS_OK);
    assert_false(set.rename.replace || set.rename.posix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_class), cmocka_unit_test(a_rename)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
