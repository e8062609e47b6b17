#include "proto/base/must.h"
#include "proto/smb/dtyp.h"
#include "tests/lib/unit.h"
#include <string.h>

static const struct {
    const char *text;
    uint8_t bytes[28];
    size_t len;
} sids[] = {
    {"S-1-0-0", {1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 12},
    {"S-1-5", {1, 0, 0, 0, 0, 0, 0, 5}, 8},
    {"S-1-5-32-544", {1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0}, 16},
    {"S-1-0x123456789ABC-4294967295",
     {1, 1, 0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0xFF, 0xFF, 0xFF, 0xFF},
     12},
    {"S-1-5-21-1-2-3-500",
     {1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0xF4, 1, 0, 0},
     28},
};

static void sids_go_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(sids); i++) {
        struct sid from_text, from_bytes;
        char text[SID_TEXT_MAX];
        uint8_t room[SID_BYTES_MAX];
        assert_true(sid_from_text(slice_str(sids[i].text), &from_text));
        assert_true(sid_decode(slice_of(sids[i].bytes, sids[i].len), &from_bytes));
        assert_true(sid_equal(&from_text, &from_bytes));
        assert_int_equal(sid_to_text(&from_bytes, text), strlen(sids[i].text));
        assert_string_equal(text, sids[i].text);
        assert_true(slice_equal(sid_bytes(&from_text, room), slice_of(sids[i].bytes, sids[i].len)));
        for (size_t len = 0; len < sids[i].len; len++)
            assert_false(sid_decode(slice_of(sids[i].bytes, len), &from_bytes));
    }
}

static void bad_sid_texts(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "S",
                                      "S-",
                                      "S-1",
                                      "S-1-",
                                      "S-2-5",
                                      "X-1-5",
                                      "S-1-5-",
                                      "S-1-5--1",
                                      "S-1-5-4294967296",
                                      "S-1-0x1000000000000",
                                      "S-1-5-1x",
                                      "S-1-5-0x",
                                      "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16",
                                      " S-1-5",
                                      "S-1-5 "};
    struct sid s;
    for (size_t i = 0; i < array_len(bad); i++)
        assert_false(sid_from_text(slice_str(bad[i]), &s));
    const uint8_t many[72] = {1, 16}, other[8] = {2, 0};
    assert_false(sid_decode(slice_of(many, sizeof(many)), &s));
    assert_false(sid_decode(slice_of(other, sizeof(other)), &s));
    const uint8_t longer[16] = {1, 1, 0, 0, 0, 0, 0, 5, 7};
    assert_false(sid_decode(slice_of(longer, sizeof(longer)), &s));
}

static void sids_are_ordered(void **state)
{
    (void)state;
    assert_true(sid_compare(&sid_null, &sid_everyone) < 0);
    assert_true(sid_compare(&sid_builtin_users, &sid_builtin_administrators) > 0);
    assert_int_equal(sid_compare(&sid_system, &sid_system), 0);
    struct sid appended;
    assert_true(sid_append(&sid_null, 7, &appended));
    assert_true(sid_compare(&sid_null, &appended) < 0);
    assert_true(sid_is_below(&appended, &sid_null));
    assert_false(sid_is_below(&appended, &sid_everyone));
    assert_false(sid_is_below(&sid_null, &sid_null));
    assert_false(sid_is_below(&sid_null, &appended));
    struct sid full = {.revision = 1, .count = SID_SUB_MAX};
    assert_false(sid_append(&full, 7, &appended));
    for (uint8_t i = 0; i < SID_SUB_MAX; i++)
        full.sub[i] = UINT32_MAX;
    memset(full.authority, 0xFF, sizeof(full.authority));
    char text[SID_TEXT_MAX];
    struct sid back;
    size_t len = sid_to_text(&full, text);
    assert_true(sid_from_text(slice_of(text, len), &back));
    assert_true(sid_equal(&full, &back));
}

static void generic_rights(void **state)
{
    (void)state;
    assert_int_equal(access_map_generic(GENERIC_ALL), FILE_ALL_ACCESS);
    assert_int_equal(access_map_generic(GENERIC_READ | MAXIMUM_ALLOWED),
                     FILE_GENERIC_READ | MAXIMUM_ALLOWED);
    assert_int_equal(access_map_generic(GENERIC_WRITE | GENERIC_EXECUTE), 0x001201B6);
}

static void filetimes(void **state)
{
    (void)state;
    assert_int_equal(filetime_from_unix_ns(0), FILETIME_UNIX_EPOCH);
    assert_int_equal(filetime_to_unix_ns(FILETIME_UNIX_EPOCH + 1), 100);
    assert_int_equal(filetime_to_unix_ns(5), 0);
    assert_int_equal(filetime_to_unix_ns(UINT64_MAX), UINT64_MAX);
    assert_int_equal(filetime_from_unix_ns(UINT64_MAX), UINT64_MAX / 100 + FILETIME_UNIX_EPOCH);
    /* 2024-02-29 12:00:00 UTC */
    assert_int_equal(filetime_from_unix_ns(UINT64_C(1709208000000000000)), 133536816000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sids_go_both_ways), cmocka_unit_test(bad_sid_texts),
        cmocka_unit_test(sids_are_ordered),  cmocka_unit_test(generic_rights),
        cmocka_unit_test(filetimes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
