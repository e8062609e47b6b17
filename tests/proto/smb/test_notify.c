/* Lists of FILE_NOTIFY_INFORMATION, byte by byte.
 * covers: notify.c */
#include "proto/base/must.h"
#include "proto/smb/notify.h"
#include "tests/lib/hex.h"
#include "tests/lib/unit.h"

static void test_list(void **state)
{
    (void)state;
    static const struct {
        const char *name, *names[3];
        const char *list;
    } rows[] = {
        {"one", {"6100"}, "00000000 01000000 02000000 6100"},
        {"the second begins at a multiple of four",
         {"6100", "62006300"},
         "10000000 01000000 02000000 6100 0000"
         "00000000 02000000 04000000 62006300"},
        {"nothing to fill up",
         {"61006200", "63006400", "6500"},
         "10000000 01000000 04000000 61006200"
         "10000000 02000000 04000000 63006400"
         "00000000 03000000 02000000 6500"},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t list[128], want_bytes[128], name_bytes[16];
        size_t len = 0, last = 0;
        for (uint32_t k = 0; k < 3 && rows[i].names[k] != NULL; k++) {
            struct slice name = hex_decode(rows[i].names[k], name_bytes, sizeof(name_bytes));
            size_t grown = notify_list_grown(len, name.len);
            notify_list_add(list, &len, &last, FILE_ACTION_ADDED + k, name);
            assert_int_equal(len, grown);
        }
        struct slice want = hex_decode(rows[i].list, want_bytes, sizeof(want_bytes));
        if (!slice_equal(slice_of(list, len), want))
            fail_msg("%s", rows[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_list)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
