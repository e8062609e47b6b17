#include "proto/base/table.h"
#include "tests/lib/faults.h"
#include "tests/lib/unit.h"

static void test_generations(void **state)
{
    (void)state;
    struct mem mem = test_mem(SIZE_MAX);
    struct table t;
    int a, b, c;
    assert_true(table_init(&t, &mem, 2));
    assert_null(table_get(&t, (handle){0}));
    handle ha = table_add(&t, &a), hb = table_add(&t, &b);
    assert_true(handle_none(table_add(&t, &c)));
    assert_ptr_equal(table_get(&t, ha), &a);
    assert_ptr_equal(table_remove(&t, ha), &a);
    assert_null(table_get(&t, ha));
    assert_null(table_remove(&t, ha));
    handle hc = table_add(&t, &c);
    assert_int_equal(hc.slot, ha.slot);
    assert_false(handle_equal(hc, ha));
    assert_null(table_get(&t, ha)); /* the late completion finds nothing */
    assert_ptr_equal(table_get(&t, hc), &c);
    assert_ptr_equal(table_get(&t, handle_unpack(handle_pack(hb))), &b);
    assert_null(table_get(&t, (handle){.slot = 2, .gen = 1}));
    table_fini(&t);
    test_mem_check(&mem);
}

static void test_generation_wraps_past_zero(void **state)
{
    (void)state;
    struct mem mem = test_mem(SIZE_MAX);
    struct table t;
    int a;
    assert_true(table_init(&t, &mem, 1));
    t.slots[0].gen = UINT32_MAX;
    handle last = table_add(&t, &a);
    table_remove(&t, last);
    assert_int_equal(table_add(&t, &a).gen, 1);
    table_fini(&t);
}

static void test_iteration(void **state)
{
    (void)state;
    struct mem mem = test_mem(SIZE_MAX);
    struct table t;
    int things[10];
    handle h[10];
    assert_true(table_init(&t, &mem, 10));
    for (int i = 0; i < 10; i++)
        h[i] = table_add(&t, &things[i]);
    table_remove(&t, h[0]), table_remove(&t, h[9]), table_remove(&t, h[4]);
    handle at = {0};
    int seen = 0;
    for (void *thing; (thing = table_next(&t, &at)) != NULL; seen++) {
        assert_ptr_equal(table_get(&t, at), thing);
        table_remove(&t, at);
    }
    assert_int_equal(seen, 7);
    assert_int_equal(t.used, 0);
    at = (handle){0};
    assert_null(table_next(&t, &at));
    table_fini(&t);
    mem = test_mem(10);
    assert_false(table_init(&t, &mem, 10));
    assert_true(handle_none(table_add(&t, things)));
    table_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generations),
        cmocka_unit_test(test_generation_wraps_past_zero),
        cmocka_unit_test(test_iteration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
