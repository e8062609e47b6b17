#include "proto/cluster/byterange.h"
#include "proto/base/must.h"
#include "tests/lib/unit.h"

enum { MINE = 1, THEIRS = 2 };

static void test_what_is_valid(void **state)
{
    (void)state;
    assert_true(byterange_is_valid(0, 0));
    assert_true(byterange_is_valid(UINT64_MAX, 0));
    assert_true(byterange_is_valid(UINT64_MAX, 1));
    assert_true(byterange_is_valid(1, UINT64_MAX));
    assert_false(byterange_is_valid(UINT64_MAX, 2));
    assert_false(byterange_is_valid(2, UINT64_MAX));
}

/* [MS-FSA] 2.1.4.10. */
static void test_what_conflicts(void **state)
{
    (void)state;
    const struct {
        const char *name;
        struct byterange held, wanted;
        bool lock, io; /* does it conflict with a lock, with a read or write? */
    } rows[] = {
        {"apart", {MINE, 0, 10, true}, {THEIRS, 10, 10, true}, false, false},
        {"one byte common", {MINE, 0, 11, true}, {THEIRS, 10, 10, true}, true, true},
        {"behind", {MINE, 20, 1, true}, {THEIRS, 10, 10, true}, false, false},
        {"reads of others", {MINE, 0, 10, true}, {THEIRS, 5, 1, false}, true, true},
        {"both shared", {MINE, 0, 10, false}, {THEIRS, 5, 1, false}, false, false},
        {"write on another's shared", {MINE, 0, 10, false}, {THEIRS, 5, 1, true}, true, true},
        {"own shared forbids own writes", {MINE, 0, 10, false}, {MINE, 5, 1, true}, true, true},
        {"own exclusive", {MINE, 0, 10, true}, {MINE, 5, 1, true}, true, false},
        {"shared on own exclusive", {MINE, 0, 10, true}, {MINE, 5, 1, false}, false, false},
        {"{0,0} held", {MINE, 0, 0, true}, {THEIRS, 0, 10, true}, false, false},
        {"{0,0} wanted", {MINE, 0, 10, true}, {THEIRS, 0, 0, true}, false, false},
        {"nothing at the edge", {MINE, 10, 0, true}, {THEIRS, 10, 2, true}, false, false},
        {"nothing amid", {MINE, 10, 0, true}, {THEIRS, 9, 2, true}, true, true},
        {"amid, the other way", {MINE, 9, 2, true}, {THEIRS, 10, 0, true}, true, true},
        {"nothing twice", {MINE, 10, 0, true}, {THEIRS, 10, 0, true}, false, false},
        {"the last byte", {MINE, UINT64_MAX, 1, true}, {THEIRS, 1, UINT64_MAX, true}, true, true},
        {"all but the last",
         {MINE, UINT64_MAX, 1, true},
         {THEIRS, 0, UINT64_MAX, true},
         false,
         false},
        {"nothing at the very end",
         {MINE, UINT64_MAX, 0, true},
         {THEIRS, UINT64_MAX, 0, true},
         false,
         false},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        assert_row(rows[i].name,
                   byterange_conflicts(&rows[i].held, &rows[i].wanted, true) == rows[i].lock);
        assert_row(rows[i].name,
                   byterange_conflicts(&rows[i].held, &rows[i].wanted, false) == rows[i].io);
    }
}

static void test_lists(void **state)
{
    (void)state;
    uint8_t room[3 * BYTERANGE_BYTES];
    struct writer w = writer_of(room, sizeof(room));
    const struct byterange all[] = {
        {MINE, 0, 10, true}, {THEIRS, 20, 5, false}, {MINE, UINT64_MAX, 1, true}};
    for (size_t i = 0; i < array_len(all); i++)
        byterange_write(&w, &all[i]);
    struct slice list = written(&w);
    assert_int_equal(list.len, sizeof(room));
    assert_true(byteranges_are_list(list));
    assert_true(byteranges_are_list((struct slice){0}));
    struct reader r = reader_of(list);
    struct byterange one;
    for (size_t i = 0; i < array_len(all); i++) {
        assert_true(byterange_read(&r, &one));
        assert_int_equal(one.open_id, all[i].open_id);
        assert_int_equal(one.offset, all[i].offset);
        assert_int_equal(one.length, all[i].length);
        assert_int_equal(one.exclusive, all[i].exclusive);
    }
    assert_false(byterange_read(&r, &one));
    assert_true(byteranges_forbid(list, &(struct byterange){THEIRS, 9, 1, false}));
    assert_true(byteranges_forbid(list, &(struct byterange){MINE, 24, 1, true}));
    assert_false(byteranges_forbid(list, &(struct byterange){MINE, 24, 1, false}));
    assert_false(byteranges_forbid(list, &(struct byterange){THEIRS, 10, 10, true}));
    assert_false(byteranges_are_list(slice_sub(list, 0, BYTERANGE_BYTES - 1)));
    w = writer_of(room, sizeof(room));
    byterange_write(&w, &(struct byterange){MINE, UINT64_MAX, 2, true});
    assert_false(byteranges_are_list(written(&w)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_valid),
        cmocka_unit_test(test_what_conflicts),
        cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
