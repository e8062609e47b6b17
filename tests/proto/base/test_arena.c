/* covers: arena.c mem.c pool.c */
#include "proto/base/arena.h"
#include "proto/base/must.h"
#include "proto/base/pool.h"
#include "tests/lib/faults.h"
#include "tests/lib/unit.h"

#include <string.h>

static void test_mem_budget(void **state)
{
    (void)state;
    struct mem mem = test_mem(100);
    void *a = mem_alloc(&mem, 60);
    assert_non_null(a);
    assert_null(mem_alloc(&mem, 41));
    assert_null(mem_alloc(&mem, 0));
    assert_null(mem_array(&mem, SIZE_MAX / 2, 3));
    void *b = mem_array(&mem, 4, 10);
    assert_non_null(b);
    assert_int_equal(mem.used, 100);
    mem_free(&mem, a, 60);
    mem_free(&mem, NULL, 7);
    memcpy(b, "0123456789012345678901234567890123456789", 40);
    uint8_t *c = mem_resize(&mem, b, 40, 50);
    assert_memory_equal(c, "0123456789012345678901234567890123456789\0\0\0\0\0\0\0\0\0", 50);
    assert_null(mem_resize(&mem, c, 50, 51));
    c = mem_resize(&mem, c, 50, 2);
    assert_memory_equal(c, "01", 2);
    mem_free(&mem, c, 2);
    test_mem_check(&mem);
}

static void test_arena_gives(void **state)
{
    (void)state;
    struct mem mem = test_mem(SIZE_MAX);
    struct arena a;
    arena_init(&a, &mem, 100000);
    assert_int_equal(mem.used, 0);
    for (int round = 0; round < 3; round++) {
        for (size_t size = 0; size < 300; size += 7) {
            uint8_t *at = arena_alloc(&a, size);
            assert_non_null(at);
            assert_int_equal((uintptr_t)at & 15, 0);
            for (size_t i = 0; i < size; i++)
                assert_int_equal(at[i], 0);
            memset(at, 0xff, size);
        }
        arena_reset(&a);
        assert_int_equal(mem.used, 4096); /* the first chunk is kept */
    }
    assert_non_null(arena_alloc(&a, 50000)); /* larger than a chunk */
    assert_true(slice_equal(arena_copy(&a, slice_str("text")), slice_str("text")));
    assert_null(arena_copy(&a, (struct slice){0}).at);
    assert_false(a.failed);
    arena_fini(&a);
    test_mem_check(&mem);
}

static void test_arena_refuses(void **state)
{
    (void)state;
    struct mem mem = test_mem(SIZE_MAX);
    struct arena a;
    arena_init(&a, &mem, 64);
    static const struct {
        const char *name;
        size_t count, size;
        bool given;
    } rows[] = {
        {"exactly the cap", 1, 64, true},
        {"one more than the cap", 1, 65, false},
        {"count wraps", SIZE_MAX / 2, 4, false},
        {"size wraps", 1, SIZE_MAX, false},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        bool given = arena_array(&a, rows[i].count, rows[i].size) != NULL;
        assert_row(rows[i].name, given == rows[i].given);
        assert_row(rows[i].name, a.failed == !rows[i].given);
        arena_reset(&a);
        assert_row(rows[i].name, !a.failed);
    }
    arena_fini(&a);
    test_mem_check(&mem);
}

static void test_arena_by_exhaustion(void **state)
{
    (void)state;
    for (uint64_t nth = 1;; nth++) {
        faults_arm(nth);
        struct mem mem = test_mem(SIZE_MAX);
        struct arena a;
        arena_init(&a, &mem, SIZE_MAX);
        unsigned given = 0;
        for (int i = 0; i < 20; i++)
            given += arena_alloc(&a, 1000) != NULL;
        bool failed = a.failed;
        arena_fini(&a);
        test_mem_check(&mem);
        if (!faults_fired()) {
            assert_int_equal(given, 20);
            break;
        }
        assert_true(failed);
        assert_int_equal(given, 19);
    }
}

static void test_pool(void **state)
{
    (void)state;
    struct mem mem = test_mem(SIZE_MAX);
    struct pool p;
    assert_true(pool_init(&p, &mem, 40, 3));
    uint8_t *objects[3];
    for (int i = 0; i < 3; i++) {
        objects[i] = pool_get(&p);
        assert_non_null(objects[i]);
        memset(objects[i], 0xff, 40);
    }
    assert_null(pool_get(&p));
    pool_put(&p, objects[1]);
    assert_int_equal(p.used, 2);
    uint8_t *again = pool_get(&p);
    assert_ptr_equal(again, objects[1]);
    for (int i = 0; i < 40; i++)
        assert_int_equal(again[i], 0);
    pool_fini(&p);
    test_mem_check(&mem);

    mem = test_mem(100);
    assert_false(pool_init(&p, &mem, 40, 3));
    assert_null(pool_get(&p));
    pool_fini(&p);
    assert_true(pool_init(&p, &mem, 40, 0));
    pool_fini(&p);
    test_mem_check(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mem_budget),    cmocka_unit_test(test_arena_gives),
        cmocka_unit_test(test_arena_refuses), cmocka_unit_test(test_arena_by_exhaustion),
        cmocka_unit_test(test_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
