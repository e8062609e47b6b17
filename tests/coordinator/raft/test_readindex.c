/* readindex.c: reads ride rounds; an answer counts once, and only for its round. */
#include "coordinator/raft/readindex.h"
#include "tests/lib/unit.h"
#include <stdlib.h>

static void *take(void *ctx, size_t size)
{
    (void)ctx;
    return calloc(1, size);
}

static void give(void *ctx, void *at, size_t size)
{
    (void)ctx, (void)size;
    free(at);
}

static struct mem memory(void)
{
    return (struct mem){.alloc = take, .release = give, .max = SIZE_MAX};
}

static void a_round_serves_all_that_waited(void **state)
{
    (void)state;
    struct mem mem = memory();
    struct readindex r;
    struct readindex_item item;
    readindex_init(&r, &mem);
    assert_false(readindex_begin(&r, 10, 0));
    for (uint64_t token = 1; token <= 300; token++)
        assert_true(readindex_add(&r, token));
    assert_true(readindex_begin(&r, 10, 5));
    assert_true(readindex_add(&r, 301)); /* came after the question */
    assert_false(readindex_begin(&r, 11, 6));
    assert_true(readindex_ack(&r, r.round, 2));
    assert_false(readindex_ack(&r, r.round, 2));
    assert_false(readindex_ack(&r, r.round - 1, 3));
    assert_true(readindex_acked(&r, 2));
    assert_false(readindex_ready(&r, 10, &item));
    readindex_confirm(&r);
    assert_false(readindex_ready(&r, 9, &item)); /* not applied that far */
    for (uint64_t token = 1; token <= 300; token++) {
        assert_true(readindex_ready(&r, 10, &item));
        assert_int_equal(item.token, token);
        assert_int_equal(item.index, 10);
    }
    assert_false(readindex_ready(&r, 100, &item));
    assert_true(readindex_begin(&r, 12, 7));
    readindex_confirm(&r);
    assert_true(readindex_ready(&r, 12, &item));
    assert_int_equal(item.token, 301);
    assert_int_equal(item.index, 12);
    readindex_fini(&r);
    assert_int_equal(mem.used, 0);
}

static void a_lost_leader_fails_every_read(void **state)
{
    (void)state;
    struct mem mem = memory();
    struct readindex r;
    uint64_t token;
    readindex_init(&r, &mem);
    assert_true(readindex_add(&r, 1));
    assert_true(readindex_begin(&r, 10, 0));
    readindex_confirm(&r);
    assert_true(readindex_add(&r, 2));
    assert_true(readindex_begin(&r, 10, 0));
    assert_true(readindex_add(&r, 3));
    for (uint64_t i = 1; i <= 3; i++) {
        assert_true(readindex_fail(&r, &token));
        assert_int_equal(token, i);
    }
    assert_false(readindex_fail(&r, &token));
    assert_false(r.asking);
    assert_false(readindex_ack(&r, r.round, 4)); /* late */
    readindex_fini(&r);
    assert_int_equal(mem.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_serves_all_that_waited),
        cmocka_unit_test(a_lost_leader_fails_every_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
