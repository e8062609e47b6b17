#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "proto/cluster/meta.pb-c.h"
#include "proto/cluster/pack.h"

#include <stdlib.h>
#include <string.h>

static void *libc_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return calloc(1, size);
}

static void libc_release(void *ctx, void *at, size_t size)
{
    (void)ctx, (void)size;
    free(at);
}

static struct mem libc_mem(void)
{
    return (struct mem){.alloc = libc_alloc, .release = libc_release, .max = SIZE_MAX};
}

static Fl__Command sample(Fl__Open *open)
{
    fl__open__init(open);
    open->volume = 7;
    open->path = pb_bytes(slice_str("a\0b\0"));
    Fl__Command c = FL__COMMAND__INIT;
    c.sequence = 99;
    c.body_case = FL__COMMAND__BODY_OPEN;
    c.open = open;
    return c;
}

static void test_round_trip(void **state)
{
    (void)state;
    struct mem mem = libc_mem();
    struct arena a;
    arena_init(&a, &mem, 1 << 20);
    Fl__Open open;
    Fl__Command c = sample(&open);
    struct slice bytes = pb_pack(&c.base, &a);
    assert_non_null(bytes.at);
    Fl__Command *back = pb_unpack(&fl__command__descriptor, bytes, &a);
    assert_non_null(back);
    assert_int_equal(back->sequence, 99);
    assert_int_equal(back->body_case, FL__COMMAND__BODY_OPEN);
    assert_int_equal(back->open->volume, 7);
    assert_true(slice_equal(pb_slice(back->open->path), pb_slice(open.path)));
    Fl__Command *copy = pb_copy(&c.base, &a);
    assert_non_null(copy);
    assert_true(slice_equal(bytes, pb_pack(&copy->base, &a)));
    arena_fini(&a);
    assert_int_equal(mem.used, 0);
}

static void test_empty_message(void **state)
{
    (void)state;
    struct mem mem = libc_mem();
    struct arena a;
    arena_init(&a, &mem, 1 << 20);
    Fl__Command c = FL__COMMAND__INIT;
    struct slice bytes = pb_pack(&c.base, &a);
    assert_non_null(bytes.at);
    assert_int_equal(bytes.len, 0);
    assert_non_null(pb_unpack(&fl__command__descriptor, (struct slice){0}, &a));
    arena_fini(&a);
}

/* Every cap from nothing up either refuses and says so, or gives the whole message. */
static void test_cap(void **state)
{
    (void)state;
    struct mem mem = libc_mem();
    struct arena roomy, tight;
    arena_init(&roomy, &mem, 1 << 20);
    Fl__Open open;
    Fl__Command c = sample(&open);
    struct slice bytes = pb_pack(&c.base, &roomy);
    size_t refused = 0;
    for (size_t cap = 0; cap < 2000; cap++) {
        arena_init(&tight, &mem, cap);
        Fl__Command *back = pb_unpack(&fl__command__descriptor, bytes, &tight);
        assert_int_equal(back == NULL, tight.failed);
        refused += back == NULL;
        arena_fini(&tight);
    }
    assert_true(refused > 0);
    assert_true(refused < 2000);
    arena_fini(&roomy);
    assert_int_equal(mem.used, 0);
}

static void test_rubbish(void **state)
{
    (void)state;
    struct mem mem = libc_mem();
    struct arena a;
    arena_init(&a, &mem, 1 << 20);
    assert_null(pb_unpack(&fl__command__descriptor, slice_str("\xff\xff\xff\xff"), &a));
    assert_null(pb_unpack(&fl__open__descriptor,
                          slice_str("\x1a\x05"
                                    "ab"),
                          &a));
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_empty_message),
        cmocka_unit_test(test_cap),
        cmocka_unit_test(test_rubbish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
