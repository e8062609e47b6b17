#include "proto/base/ranges.h"
#include "proto/base/must.h"
#include "tests/lib/unit.h"

static void test_add(void **state)
{
    (void)state;
    struct ranges r;
    ranges_init(&r, 10000);
    assert_true(ranges_add(&r, 100, 50));
    assert_true(ranges_add(&r, 150, 50)); /* touches: one range */
    assert_true(ranges_add(&r, 300, 1));
    assert_int_equal(r.count, 2);
    assert_int_equal(r.items[0].offset, 100);
    assert_int_equal(r.items[0].len, 100);
    assert_int_equal(r.until, 10000);
    assert_true(ranges_valid(&r));
    ranges_shift(&r, 1000);
    assert_int_equal(r.items[1].offset, 1300);
    assert_int_equal(r.until, 11000);
}

static void test_full(void **state)
{
    (void)state;
    struct ranges r;
    ranges_init(&r, 10000);
    for (uint64_t i = 0; i < RANGES_MAX; i++)
        assert_true(ranges_add(&r, 2 * i, 1));
    assert_int_equal(r.until, 10000);
    assert_true(ranges_add(&r, 2 * RANGES_MAX - 1, 1)); /* longer, not more */
    assert_false(ranges_add(&r, 2 * RANGES_MAX + 1, 1));
    assert_int_equal(r.until, 2 * RANGES_MAX);
    assert_true(ranges_valid(&r));
}

static void test_clip(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t from, to, count, first, last, until;
    } rows[] = {
        {"all", 0, 1000, 2, 100, 400, 1000},      {"within both", 150, 350, 2, 150, 350, 350},
        {"one only", 150, 300, 1, 150, 200, 300}, {"between", 200, 300, 0, 0, 0, 300},
        {"behind", 400, 2000, 0, 0, 0, 1000},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct ranges r;
        ranges_init(&r, 1000);
        (void)ranges_add(&r, 100, 100);
        (void)ranges_add(&r, 300, 100);
        ranges_clip(&r, rows[i].from, rows[i].to);
        bool ok = r.count == rows[i].count && r.until == rows[i].until && ranges_valid(&r);
        if (ok && r.count > 0)
            ok = r.items[0].offset == rows[i].first &&
                 r.items[r.count - 1].offset + r.items[r.count - 1].len == rows[i].last;
        if (!ok)
            fail_msg("%s", rows[i].name);
    }
}

static void test_valid(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct ranges r;
    } rows[] = {
        {"empty range", {100, 1, 0, {{5, 0}}}},
        {"wraps", {UINT64_MAX, 1, 0, {{5, UINT64_MAX}}}},
        {"descends", {100, 2, 0, {{50, 5}, {10, 5}}}},
        {"touches", {100, 2, 0, {{10, 5}, {15, 5}}}},
        {"beyond its end", {12, 1, 0, {{10, 5}}}},
        {"too many", {100, RANGES_MAX + 1, 0, {{10, 5}}}},
    };
    for (size_t i = 0; i < array_len(rows); i++)
        if (ranges_valid(&rows[i].r))
            fail_msg("%s", rows[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
