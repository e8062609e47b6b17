#include "node/smb/window.h"

#include "proto/base/must.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after its prerequisites */
#include <cmocka.h>

struct row {
    const char *name;
    char op;         /* 't' take, 'g' grant */
    uint64_t id;     /* t: message id; g: wanted */
    uint32_t charge; /* t: credit charge; g: limit */
    uint32_t expect; /* t: accepted; g: granted */
};

static const struct row rows[] = {
    {"id 1 is not yet granted", 't', 1, 1, 0},
    {"the first id is 0", 't', 0, 1, 1},
    {"no id twice", 't', 0, 1, 0},
    {"nothing asked, none left: one is granted", 'g', 0, 8, 1},
    {"four more make five", 'g', 4, 8, 4},
    {"nothing asked, some left: nothing is granted", 'g', 0, 8, 0},
    {"the limit holds", 'g', 100, 8, 3},
    {"a charge past the end", 't', 6, 4, 0},
    {"out of order", 't', 3, 2, 1},
    {"a range with a used id", 't', 1, 3, 0},
    {"charge 0 counts as one", 't', 1, 0, 1},
    {"one below was left out", 't', 2, 1, 1},
    {"used long ago", 't', 2, 1, 0},
    {"far away", 't', UINT64_MAX, 1, 0},
    {"far away with a charge", 't', UINT64_MAX - 2, 65535, 0},
};

static void test_rows(void **state)
{
    (void)state;
    struct smb_window w;
    window_init(&w);
    for (size_t i = 0; i < array_len(rows); i++) {
        const struct row *r = &rows[i];
        uint32_t got = r->op == 't' ? window_take(&w, r->id, r->charge)
                                    : window_grant(&w, (uint32_t)r->id, r->charge);
        if (got != r->expect)
            fail_msg("%s: got %u", r->name, got);
        window_check(&w);
    }
}

/* A client that never uses its oldest id is held back, not let run ahead for ever. */
static void test_span_is_bounded(void **state)
{
    (void)state;
    struct smb_window w;
    window_init(&w);
    assert_int_equal(window_grant(&w, SMB_CREDITS_MAX, SMB_CREDITS_MAX), SMB_CREDITS_MAX - 1);
    uint64_t id = 1;
    while (window_take(&w, id, 1)) {
        id++;
        window_grant(&w, 1, SMB_CREDITS_MAX);
    }
    assert_int_equal(id, SMB_WINDOW_MAX);
    assert_int_equal(w.credits, 1);
    assert_int_equal(window_grant(&w, 10, SMB_CREDITS_MAX), 0);
    window_check(&w);
    assert_true(window_take(&w, 0, 1));
    assert_int_equal(window_grant(&w, 9000, SMB_CREDITS_MAX), SMB_CREDITS_MAX);
    window_check(&w);
}

static void test_long_run(void **state)
{
    (void)state;
    struct smb_window w;
    window_init(&w);
    window_grant(&w, 511, 512);
    for (uint64_t id = 0; id < 100000; id += 4) {
        assert_true(window_take(&w, id, 4));
        assert_int_equal(window_grant(&w, 4, 512), 4);
    }
    window_check(&w);
    assert_int_equal(w.low, 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_span_is_bounded),
        cmocka_unit_test(test_long_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
