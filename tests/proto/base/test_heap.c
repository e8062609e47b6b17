/* covers: heap.c prng.c */
#include "proto/base/heap.h"
#include "proto/base/prng.h"
#include "tests/lib/faults.h"
#include "tests/lib/unit.h"

enum { DEADLINES = 64, STEPS = 20000 };

static uint64_t least_of(const struct deadline *all)
{
    uint64_t least = DEADLINE_NEVER;
    for (int i = 0; i < DEADLINES; i++)
        if (all[i].index != 0 && all[i].at_ns < least)
            least = all[i].at_ns;
    return least;
}

static void test_against_model(void **state)
{
    (void)state;
    struct mem mem = test_mem(SIZE_MAX);
    struct heap h;
    struct prng p;
    struct deadline all[DEADLINES] = {0};
    prng_init(&p, 11);
    assert_true(heap_init(&h, &mem, DEADLINES));
    uint64_t now = 0;
    for (int i = 0; i < STEPS; i++) {
        struct deadline *d = &all[prng_below(&p, DEADLINES)];
        if (prng_chance(&p, 600))
            heap_arm(&h, d, now + prng_below(&p, 100));
        else if (prng_chance(&p, 500))
            heap_disarm(&h, d);
        else
            now += prng_below(&p, 10);
        assert_true(heap_next(&h) == least_of(all));
        for (struct deadline *due; (due = heap_pop_due(&h, now)) != NULL;)
            assert_true(due->index == 0 && due->at_ns == DEADLINE_NEVER);
        assert_true(heap_next(&h) > now);
    }
    heap_arm(&h, &all[0], 5);
    heap_arm(&h, &all[0], DEADLINE_NEVER);
    assert_int_equal(all[0].index, 0);
    heap_fini(&h);
    test_mem_check(&mem);
    mem = test_mem(1);
    assert_false(heap_init(&h, &mem, DEADLINES));
    assert_true(heap_next(&h) == DEADLINE_NEVER);
    assert_null(heap_pop_due(&h, DEADLINE_NEVER));
    heap_fini(&h);
}

static void test_prng(void **state)
{
    (void)state;
    struct prng p, q;
    prng_init(&p, 42), prng_init(&q, 42);
    unsigned buckets[10] = {0}, chances = 0;
    for (int i = 0; i < 100000; i++) {
        uint64_t v = prng_below(&p, 10);
        assert_true(v == prng_below(&q, 10));
        buckets[v]++;
        chances += prng_chance(&p, 250), (void)prng_chance(&q, 250);
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(buckets[i], 9500, 10500);
    assert_in_range(chances, 24000, 26000);
    assert_true(prng_below(&p, 1) == 0);
    assert_false(prng_chance(&p, 0));
    assert_true(prng_chance(&p, 1000));
    /* The published first outputs of splitmix64 seeded with 0 make up the state. */
    prng_init(&p, 0);
    assert_true(p.s[0] == UINT64_C(0xe220a8397b1dcdaf));
    assert_true(p.s[1] == UINT64_C(0x6e789e6aa1b965f4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_prng),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
