#include "proto/base/must.h"
#include "proto/smb/names.h"
#include "tests/lib/unit.h"
#include <stdlib.h>
#include <string.h>

/* UTF-16LE of ASCII; "^" stands for the unit 0x0001, "~" for 300 times "x". */
static struct slice wide(const char *text, uint8_t *room)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        for (int times = *text == '~' ? 300 : 1; times > 0; times--, n += 2) {
            room[n] = (uint8_t)(*text == '~' ? 'x' : *text == '^' ? 1 : *text);
            room[n + 1] = 0;
        }
    return slice_of(room, n);
}

static const struct {
    const char *wire;
    ntstatus status;
    const char *path, *stream;
    bool has_stream, index, trailing;
} rows[] = {
    {"", STATUS_OK, "", "", false, false, false},
    {"a", STATUS_OK, "a", "", false, false, false},
    {"a\\b c\\d.e", STATUS_OK, "a\\b c\\d.e", "", false, false, false},
    {"a\\", STATUS_OK, "a", "", false, false, true},
    {"...", STATUS_OK, "...", "", false, false, false},
    {"\\", STATUS_INVALID_PARAMETER, NULL, NULL, false, false, false},
    {"\\a", STATUS_INVALID_PARAMETER, NULL, NULL, false, false, false},
    {"a\\\\b", STATUS_OBJECT_NAME_INVALID, NULL, NULL, false, false, false},
    {"a\\\\", STATUS_OBJECT_NAME_INVALID, NULL, NULL, false, false, false},
    {".", STATUS_OBJECT_NAME_INVALID, NULL, NULL, false, false, false},
    {"a\\..\\b", STATUS_OBJECT_NAME_INVALID, NULL, NULL, false, false, false},
    {"..\\..\\a", STATUS_OBJECT_PATH_SYNTAX_BAD, NULL, NULL, false, false, false},
    {"a*", STATUS_OBJECT_NAME_INVALID, NULL, NULL, false, false, false},
    {"a?b", STATUS_OBJECT_NAME_INVALID, NULL, NULL, false, false, false},
    {"<", STATUS_OBJECT_NAME_INVALID, NULL, NULL, false, false, false},
    {"a/b", STATUS_OBJECT_NAME_INVALID, NULL, NULL, false, false, false},
    {"a|b", STATUS_OBJECT_NAME_INVALID, NULL, NULL, false, false, false},
    {"a^", STATUS_OBJECT_NAME_INVALID, NULL, NULL, false, false, false},
    {"~", STATUS_OBJECT_NAME_INVALID, NULL, NULL, false, false, false},
    {"f:s", STATUS_OK, "f", "s", true, false, false},
    {"d\\f:s:$DATA", STATUS_OK, "d\\f", "s", true, false, false},
    {"f::$data", STATUS_OK, "f", "", true, false, false},
    {"d::$INDEX_ALLOCATION", STATUS_OK, "d", "", true, true, false},
    {"d:$I30:$INDEX_ALLOCATION", STATUS_OK, "d", "", true, true, false},
    {"d:x:$INDEX_ALLOCATION", STATUS_OBJECT_NAME_INVALID, NULL, NULL, false, false, false},
    {"::$DATA", STATUS_OK, "", "", true, false, false},
    {"f:", STATUS_OBJECT_NAME_INVALID, NULL, NULL, false, false, false},
    {"f::", STATUS_OBJECT_NAME_INVALID, NULL, NULL, false, false, false},
    {"f:s:$BITMAP", STATUS_OBJECT_NAME_INVALID, NULL, NULL, false, false, false},
    {"f:s:$DATA:x", STATUS_OBJECT_NAME_INVALID, NULL, NULL, false, false, false},
    {"f:s\\g", STATUS_OBJECT_NAME_INVALID, NULL, NULL, false, false, false},
    {"f:~", STATUS_OBJECT_NAME_INVALID, NULL, NULL, false, false, false},
};

static void paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t wire[1024], path[1024], stream[1024];
        struct name_path p;
        ntstatus status = name_parse(wide(rows[i].wire, wire), &p);
        if (status != rows[i].status)
            fail_msg("%s: %x", rows[i].wire, status);
        if (status != STATUS_OK)
            continue;
        assert_true(slice_equal(p.path, wide(rows[i].path, path)));
        assert_true(slice_equal(p.stream, wide(rows[i].stream, stream)));
        assert_int_equal(p.has_stream, rows[i].has_stream);
        assert_int_equal(p.index, rows[i].index);
        assert_int_equal(p.trailing, rows[i].trailing);
    }
}

static void limits(void **state)
{
    (void)state;
    struct name_path p;
    static uint8_t deep[4 * (NAME_DEPTH_MAX + 1)], big[2 * (NAME_PATH_MAX + 1)];
    for (size_t i = 0; i < sizeof(deep); i += 4)
        deep[i] = 'a', deep[i + 2] = '\\';
    assert_int_equal(name_parse(slice_of(deep, sizeof(deep) - 4), &p), STATUS_OK);
    assert_int_equal(name_parse(slice_of(deep, sizeof(deep)), &p), STATUS_NAME_TOO_LONG);
    assert_int_equal(name_parse(slice_of(deep, 3), &p), STATUS_INVALID_PARAMETER);
    memset(big, 'a', sizeof(big));
    assert_int_equal(name_parse(slice_of(big, sizeof(big)), &p), STATUS_NAME_TOO_LONG);
}

static void patterns(void **state)
{
    (void)state;
    uint8_t room[1024];
    assert_int_equal(name_check_pattern(wide("", room)), STATUS_OK);
    assert_int_equal(name_check_pattern(wide("*", room)), STATUS_OK);
    assert_int_equal(name_check_pattern(wide("a<.?\"", room)), STATUS_OK);
    assert_int_equal(name_check_pattern(wide(".", room)), STATUS_OK);
    assert_int_equal(name_check_pattern(wide("a\\*", room)), STATUS_OBJECT_NAME_INVALID);
    assert_int_equal(name_check_pattern(wide("a|", room)), STATUS_OBJECT_NAME_INVALID);
    assert_int_equal(name_check_pattern(wide("~", room)), STATUS_OBJECT_NAME_INVALID);
}

static void components(void **state)
{
    (void)state;
    uint8_t room[64], part[64];
    struct slice path = wide("ab\\c\\d", room), c;
    assert_true(slice_equal(name_last(path), wide("d", part)));
    assert_true(name_next(&path, &c) && slice_equal(c, wide("ab", part)));
    assert_true(name_next(&path, &c) && slice_equal(c, wide("c", part)));
    assert_true(name_next(&path, &c) && slice_equal(c, wide("d", part)));
    assert_false(name_next(&path, &c));
}

static const struct {
    const char *name, *form; /* '#' stands for a digit or letter of the hash */
} shorts[] = {
    {"README.TXT", ""},
    {"a", ""},
    {"12345678.123", ""},
    {".", ""},
    {"..", ""},
    {"a.b.c", "A#####~#.C"},
    {"long name.html", "L#####~#.HTM"},
    {"with sp", "W#####~#"},
    {"testsmb2_file.dat", "T#####~#.DAT"},
    {".profile", "_#####~#"},
    {"noextension.", "N#####~#"},
    {"abc.d e f", "A#####~#.DEF"},
    {"x+y", "X#####~#"},
    {"123456789", "1#####~#"},
};

static void short_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(shorts); i++) {
        uint8_t room[64], out[2 * NAME_SHORT_MAX], again[2 * NAME_SHORT_MAX];
        struct slice name = wide(shorts[i].name, room);
        struct slice made = name_short(name, out);
        assert_row(shorts[i].name, made.len == 2 * strlen(shorts[i].form));
        for (size_t c = 0; c < strlen(shorts[i].form); c++)
            assert_row(shorts[i].name, shorts[i].form[c] == '#' || out[2 * c] == shorts[i].form[c]);
        if (made.len == 0)
            continue;
        assert_row(shorts[i].name, name_is_short(made));
        assert_row(shorts[i].name, name_short(made, again).len == 0);
    }
    uint8_t a[64], b[64], x[24], y[24];
    assert_true(slice_equal(name_short(wide("Some File.txt", a), x),
                            name_short(wide("sOME fILE.TXT", b), y)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(paths), cmocka_unit_test(limits),
                                       cmocka_unit_test(patterns), cmocka_unit_test(short_names),
                                       cmocka_unit_test(components)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
