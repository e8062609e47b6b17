/* Buffers that outlive a step: their sizes, their budget, and what happens to a handle too old. */
#include "node/buffers.h"
#include "tests/lib/faults.h"
#include "tests/lib/unit.h"
#include <string.h>

enum { SMALL = 4096, LARGE = (8 << 20) + (64 << 10) };

static void every_size_fits_and_is_aligned(void **state)
{
    (void)state;
    const struct row {
        const char *name;
        size_t len;
    } rows[] = {
        {"nothing", 0},
        {"a byte", 1},
        {"a small request", SMALL},
        {"one more", SMALL + 1},
        {"a small I/O", 20480},
        {"one more", 20481},
        {"128 KiB and headers", (128 << 10) + 4096},
        {"a megabyte and headers", (1 << 20) + 4096},
        {"one more", (1 << 20) + 4097},
        {"the largest", LARGE},
    };
    struct mem mem = test_mem(SIZE_MAX);
    struct buffers b;
    assert_true(buffers_init(&b, &mem, 64 << 20));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t *at = NULL;
        handle h = buffers_get(&b, rows[i].len, &at);
        assert_row(rows[i].name, !handle_none(h));
        assert_row(rows[i].name, (uintptr_t)at % BUFFER_ALIGN == 0);
        memset(at, 0xa5, rows[i].len); /* ASan sees where it ends */
    }
    buffers_fini(&b);
    test_mem_check(&mem);
}

static void what_is_put_back_is_used_again(void **state)
{
    (void)state;
    struct mem mem = test_mem(SIZE_MAX);
    struct buffers b;
    uint8_t *first, *second, *third;
    assert_true(buffers_init(&b, &mem, 1 << 20));
    handle h = buffers_get(&b, 100, &first);
    uint64_t bytes = b.bytes;
    buffers_put(&b, h);
    assert_int_equal(b.bytes, bytes); /* kept for the next one */
    handle again = buffers_get(&b, SMALL, &second);
    assert_ptr_equal(first, second);
    assert_int_equal(b.bytes, bytes);
    /* A second put, or a put of what has a new owner, takes nothing from anybody. */
    buffers_put(&b, h);
    buffers_put(&b, (handle){0});
    handle other = buffers_get(&b, 100, &third);
    assert_ptr_not_equal(second, third);
    buffers_put(&b, again);
    buffers_put(&b, again);
    buffers_put(&b, other);
    handle x = buffers_get(&b, 100, &first), y = buffers_get(&b, 100, &second);
    assert_ptr_not_equal(first, second);
    buffers_put(&b, x);
    buffers_put(&b, y);
    buffers_fini(&b);
    test_mem_check(&mem);
}

static void the_budget_is_kept(void **state)
{
    (void)state;
    struct mem mem = test_mem(SIZE_MAX);
    struct buffers b;
    uint8_t *at;
    handle held[64];
    size_t count = 0;
    assert_true(buffers_init(&b, &mem, 10 << 20));
    handle large = buffers_get(&b, LARGE, &at);
    assert_false(handle_none(large));
    assert_true(handle_none(buffers_get(&b, LARGE, &at)));
    for (; count < 64 && !handle_none(held[count] = buffers_get(&b, 100 << 10, &at)); count++)
        assert_true(b.bytes <= b.bytes_max);
    assert_true(count > 0 && count < 64);
    /* Idle buffers of one size give way to another. */
    for (size_t i = 0; i < count; i++)
        buffers_put(&b, held[i]);
    handle megabyte = buffers_get(&b, 1 << 20, &at);
    assert_false(handle_none(megabyte));
    buffers_put(&b, large);
    buffers_put(&b, megabyte);
    assert_false(handle_none(buffers_get(&b, LARGE, &at)));
    assert_true(b.bytes <= b.bytes_max);
    buffers_fini(&b); /* those in use too */
    test_mem_check(&mem);
}

static void memory_refused_is_an_answer(void **state)
{
    (void)state;
    for (uint64_t nth = 1;; nth++) {
        struct mem mem = test_mem(SIZE_MAX);
        struct buffers b;
        uint8_t *at;
        faults_arm(nth);
        if (buffers_init(&b, &mem, 1 << 20))
            for (int i = 0; i < 3; i++)
                (void)buffers_get(&b, 100, &at);
        bool fired = faults_fired();
        buffers_fini(&b);
        test_mem_check(&mem);
        if (!fired)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_fits_and_is_aligned),
        cmocka_unit_test(what_is_put_back_is_used_again),
        cmocka_unit_test(the_budget_is_kept),
        cmocka_unit_test(memory_refused_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
