/* covers: sm.c trace.c list.h */
#include "proto/base/list.h"
#include "proto/base/must.h"
#include "proto/base/sm.h"
#include "proto/base/trace.h"
#include "tests/lib/faults.h"
#include "tests/lib/unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IDLE, BUSY, GONE };
static const struct sm_state table[] = {
    [IDLE] = {"idle", MAY(BUSY) | MAY(GONE)},
    [BUSY] = {"busy", MAY(IDLE)},
    [GONE] = {"gone", 0},
};

static void test_moves(void **state)
{
    (void)state;
    struct sm m;
    sm_init(&m, "thing", table, array_len(table), IDLE);
    assert_string_equal(sm_name(&m), "idle");
    sm_move(&m, BUSY);
    sm_move(&m, IDLE);
    sm_move(&m, GONE);
    assert_string_equal(sm_name(&m), "gone");
}

/* A move the table does not allow ends the process. */
static void test_forbidden_move_aborts(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(1);
        signal(SIGABRT, SIG_DFL);
        struct sm m;
        sm_init(&m, "thing", table, array_len(table), BUSY);
        sm_move(&m, GONE);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void test_trace(void **state)
{
    (void)state;
    struct mem mem = test_mem(SIZE_MAX);
    struct trace t;
    trace_put(NULL, "nowhere", 0, 0, 0);
    assert_null(trace_newest(NULL, 0));
    assert_true(trace_init(&t, &mem, 4));
    assert_null(trace_newest(&t, 0));
    for (uint64_t i = 0; i < 10; i++) {
        t.now_ns = i * 100;
        trace_put(&t, "step", i, 0, 0);
    }
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(trace_newest(&t, i)->a, 9 - i);
    assert_int_equal(trace_newest(&t, 0)->now_ns, 900);
    assert_null(trace_newest(&t, 4)); /* overwritten */
    trace_fini(&t);
    test_mem_check(&mem);
    mem = test_mem(1);
    assert_false(trace_init(&t, &mem, 4));
    trace_put(&t, "off", 0, 0, 0);
    assert_null(trace_newest(&t, 0));
}

static void test_list(void **state)
{
    (void)state;
    struct list l, n[4];
    list_init(&l);
    assert_true(list_empty(&l));
    assert_null(list_pop(&l));
    for (int i = 1; i < 4; i++)
        list_push_back(&l, &n[i]);
    list_push_front(&l, &n[0]);
    int i = 0;
    list_each (it, &l) {
        assert_ptr_equal(it, &n[i]);
        if (i++ % 2 == 0)
            list_remove(it);
    }
    assert_int_equal(i, 4);
    assert_ptr_equal(list_pop(&l), &n[1]);
    assert_ptr_equal(list_first(&l), &n[3]);
    list_remove(&n[3]);
    list_remove(&n[3]); /* safe when in no list */
    assert_true(list_empty(&l));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_forbidden_move_aborts),
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
