/* Reparse points: what is one, whose it is, and where a symbolic link leads.
 * covers: reparse.c */
#include "proto/base/must.h"
#include "proto/smb/reparse.h"
#include "tests/lib/hex.h"
#include "tests/lib/unit.h"

#define SYMLINK "0C0000A0"
#define OTHERS "34120000" /* not Microsoft's: with a GUID */
#define GUID_A "000102030405060708090A0B0C0D0E0F"

static void test_decode(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes;
        ntstatus status, owner; /* with data; as FSCTL_DELETE_REPARSE_POINT's */
    } rows[] = {
        {"a link", SYMLINK "0E000000 0000 0200 0000 0000 01000000 7800", STATUS_OK,
         STATUS_IO_REPARSE_DATA_INVALID},
        {"one tag", "23000080 0200 0000 6162", STATUS_OK, STATUS_IO_REPARSE_DATA_INVALID},
        {"another's", OTHERS "0200 0000" GUID_A "6162", STATUS_OK, STATUS_IO_REPARSE_DATA_INVALID},
        {"another's, empty", OTHERS "0000 0000" GUID_A, STATUS_OK, STATUS_OK},
        {"another's, half a GUID", OTHERS "0000 0000 00010203", STATUS_IO_REPARSE_DATA_INVALID,
         STATUS_IO_REPARSE_DATA_INVALID},
        {"nothing", "", STATUS_IO_REPARSE_DATA_INVALID, STATUS_IO_REPARSE_DATA_INVALID},
        {"half a head", SYMLINK "0000", STATUS_IO_REPARSE_DATA_INVALID,
         STATUS_IO_REPARSE_DATA_INVALID},
        {"tag 0", "00000000 0000 0000", STATUS_IO_REPARSE_TAG_INVALID,
         STATUS_IO_REPARSE_TAG_INVALID},
        {"tag 1", "01000000 0000 0000", STATUS_IO_REPARSE_TAG_INVALID,
         STATUS_IO_REPARSE_TAG_INVALID},
        {"longer than it says", "23000080 0100 0000 6162", STATUS_IO_REPARSE_DATA_INVALID,
         STATUS_IO_REPARSE_DATA_INVALID},
        {"shorter than it says", "23000080 0300 0000 6162", STATUS_IO_REPARSE_DATA_INVALID,
         STATUS_IO_REPARSE_DATA_INVALID},
        {"a link's owner", SYMLINK "0000 0000", STATUS_IO_REPARSE_DATA_INVALID, STATUS_OK},
        {"a link without a target", SYMLINK "0C000000 0000 0000 0000 0000 01000000",
         STATUS_IO_REPARSE_DATA_INVALID, STATUS_IO_REPARSE_DATA_INVALID},
        {"a link beyond its end", SYMLINK "0E000000 0200 0200 0000 0000 01000000 7800",
         STATUS_IO_REPARSE_DATA_INVALID, STATUS_IO_REPARSE_DATA_INVALID},
        {"a link printed beyond its end", SYMLINK "0E000000 0000 0200 0000 0400 01000000 7800",
         STATUS_IO_REPARSE_DATA_INVALID, STATUS_IO_REPARSE_DATA_INVALID},
        {"half a character", SYMLINK "0F000000 0000 0300 0000 0000 01000000 780079",
         STATUS_IO_REPARSE_DATA_INVALID, STATUS_IO_REPARSE_DATA_INVALID},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[64];
        struct reparse out;
        struct slice s = hex_decode(rows[i].bytes, bytes, sizeof(bytes));
        if (reparse_decode(s, &out) != rows[i].status ||
            reparse_decode_owner(s, &out) != rows[i].owner)
            fail_msg("%s", rows[i].name);
    }
    static uint8_t big[REPARSE_BYTES_MAX + 1] = {0x23, 0, 0, 0x80, 0xF9, 0x3F};
    struct reparse out;
    assert_int_equal(reparse_decode(slice_of(big, sizeof(big)), &out),
                     STATUS_IO_REPARSE_DATA_INVALID);
    big[4] = 0xF8;
    assert_int_equal(reparse_decode(slice_of(big, sizeof(big) - 1), &out), STATUS_OK);
}

static void test_link(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct reparse point;
    struct reparse_symlink link;
    /* The print name first, as Windows writes it. */
    struct slice s =
        hex_decode(SYMLINK "10000000 0200 0200 0000 0200 00000000 70007300", bytes, sizeof(bytes));
    assert_int_equal(reparse_decode(s, &point), STATUS_OK);
    assert_true(reparse_symlink_decode(&point, &link));
    assert_false(link.relative);
    assert_true(slice_equal(link.substitute_name, slice_of("s\0", 2)));
    assert_true(slice_equal(link.print_name, slice_of("p\0", 2)));
    assert_int_equal(reparse_tag(s), IO_REPARSE_TAG_SYMLINK);
    assert_int_equal(reparse_tag((struct slice){0}), 0);
    assert_int_equal(reparse_head(s), 8);
    assert_int_equal(reparse_head(slice_of("\x34\x12\0\0", 4)), 24);
}

static void test_owners(void **state)
{
    (void)state;
    struct reparse a = {.tag = 5, .guid = slice_str("0123456789abcdef")}, b = a;
    assert_int_equal(reparse_same(&a, &b), STATUS_OK);
    b.guid = slice_str("0123456789abcdeF");
    assert_int_equal(reparse_same(&a, &b), STATUS_REPARSE_ATTRIBUTE_CONFLICT);
    b.tag = 6;
    assert_int_equal(reparse_same(&a, &b), STATUS_IO_REPARSE_TAG_MISMATCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_link),
        cmocka_unit_test(test_owners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
