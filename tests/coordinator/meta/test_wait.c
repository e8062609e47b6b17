#include "tests/coordinator/meta/rig.h"
#include "tests/lib/unit.h"

struct shared {
    struct rig r;
    uint64_t one, two; /* opens of "f" on nodes 1 and 2 */
    Fl__FileInfo info;
};

static void setup(struct shared *s)
{
    rig_setup(&s->r);
    s->one = rig_create(&s->r, 1, "f");
    s->info = *rig_info(&s->r, s->one);
    rig_extend(&s->r, 1, &s->info, 10000);
    s->two = rig_create(&s->r, 2, "f");
}

static uint64_t ticket_for(const struct rig *r, uint32_t node)
{
    const Fl__Notice *n = rig_notice(r, node, FL__NOTICE__BODY_CACHE_INVALIDATE, 0);
    return n == NULL ? 0 : n->cache_invalidate->ticket;
}

static void test_alone_nobody_waits(void **state)
{
    (void)state;
    struct shared s;
    setup(&s);
    rig_close(&s.r, 2, s.two);
    assert_int_equal(rig_set_size(&s.r, 1, s.one, 10)->status, STATUS_OK);
    assert_int_equal(s.r.out.notices_count, 0);
    rig_end(&s.r);
}

static void test_growth_tells_and_goes_on(void **state)
{
    (void)state;
    struct shared s;
    setup(&s);
    assert_int_equal(rig_set_size(&s.r, 1, s.one, 20000)->status, STATUS_OK);
    assert_non_null(rig_notice(&s.r, 2, FL__NOTICE__BODY_CACHE_INVALIDATE, 0));
    assert_int_equal(ticket_for(&s.r, 2), 0);
    assert_null(rig_notice(&s.r, 1, FL__NOTICE__BODY_CACHE_INVALIDATE, 0));
    assert_int_equal(rig_extend(&s.r, 2, &s.info, 30000)->status, STATUS_OK);
    assert_non_null(rig_notice(&s.r, 1, FL__NOTICE__BODY_CACHE_INVALIDATE, 0));
    rig_end(&s.r);
}

static void test_shrink_waits(void **state)
{
    (void)state;
    struct shared s;
    setup(&s);
    assert_null(rig_set_size(&s.r, 1, s.one, 10));
    uint64_t sequence = s.r.sequence[1], ticket = ticket_for(&s.r, 2);
    assert_int_not_equal(ticket, 0);
    assert_int_equal(rig_info(&s.r, s.one)->size, 10000); /* not yet */
    assert_false(rig_info(&s.r, s.one)->cacheable);
    rig_reload(&s.r);
    /* Asked again, it still waits; told again, node 2 hears the same. */
    s.r.sequence[1]--;
    assert_null(rig_set_size(&s.r, 1, s.one, 10));
    Fl__Notice **again;
    assert_int_equal(meta_pending_notices(s.r.m, 2, &s.r.a, &again), 1);
    assert_int_equal(again[0]->cache_invalidate->ticket, ticket);
    /* An answer from elsewhere, or to something else, does not count. */
    rig_invalidated(&s.r, 3, ticket);
    rig_invalidated(&s.r, 2, ticket + 1);
    assert_int_equal(s.r.out.completions_count, 0);
    rig_invalidated(&s.r, 2, ticket);
    assert_int_equal(s.r.out.completions_count, 1);
    const struct meta_completion *c = &s.r.out.completions[0];
    assert_int_equal(c->node_id, 1);
    assert_int_equal(c->sequence, sequence);
    assert_int_equal(c->reply->status, STATUS_OK);
    assert_int_equal(c->reply->info->info->size, 10);
    assert_true(c->reply->info->info->cacheable);
    assert_int_equal(rig_info(&s.r, s.one)->size, 10);
    /* Remembered like any other reply. */
    s.r.sequence[1]--;
    assert_int_equal(rig_set_size(&s.r, 1, s.one, 10)->info->info->size, 10);
    rig_end(&s.r);
}

static void test_two_wait_one_is_asked_once(void **state)
{
    (void)state;
    struct shared s;
    setup(&s);
    assert_null(rig_set_size(&s.r, 1, s.one, 10));
    uint64_t ticket = ticket_for(&s.r, 2);
    assert_null(rig_set_size(&s.r, 1, s.one, 5));
    assert_int_equal(ticket_for(&s.r, 2), 0); /* node 2 knows */
    rig_invalidated(&s.r, 2, ticket);
    assert_int_equal(s.r.out.completions_count, 2);
    assert_int_equal(s.r.out.completions[0].reply->info->info->size, 10);
    assert_false(s.r.out.completions[0].reply->info->info->cacheable);
    assert_int_equal(s.r.out.completions[1].reply->info->info->size, 5);
    assert_true(s.r.out.completions[1].reply->info->info->cacheable);
    rig_end(&s.r);
}

static void test_both_shrink(void **state)
{
    (void)state;
    struct shared s;
    setup(&s);
    assert_null(rig_set_size(&s.r, 1, s.one, 10));
    uint64_t ticket = ticket_for(&s.r, 2);
    assert_null(rig_set_size(&s.r, 2, s.two, 7));
    assert_int_equal(ticket_for(&s.r, 1), ticket);
    rig_invalidated(&s.r, 1, ticket);
    assert_int_equal(s.r.out.completions_count, 1);
    assert_int_equal(s.r.out.completions[0].reply->info->info->size, 7);
    rig_invalidated(&s.r, 2, ticket);
    assert_int_equal(s.r.out.completions_count, 1);
    assert_int_equal(rig_info(&s.r, s.one)->size, 10); /* which is growth by now */
    assert_non_null(rig_notice(&s.r, 2, FL__NOTICE__BODY_CACHE_INVALIDATE, 0));
    rig_end(&s.r);
}

static void test_who_closes_or_dies_blocks_no_more(void **state)
{
    (void)state;
    for (int dies = 0; dies < 2; dies++) {
        struct shared s;
        setup(&s);
        assert_null(rig_set_size(&s.r, 1, s.one, 10));
        if (dies)
            rig_down(&s.r, 2);
        else
            rig_close(&s.r, 2, s.two);
        assert_int_equal(s.r.out.completions_count, 1);
        assert_int_equal(rig_info(&s.r, s.one)->size, 10);
        assert_true(rig_info(&s.r, s.one)->cacheable);
        rig_end(&s.r);
    }
}

static void test_the_asker_dies(void **state)
{
    (void)state;
    struct shared s;
    setup(&s);
    assert_null(rig_set_size(&s.r, 1, s.one, 10));
    uint64_t ticket = ticket_for(&s.r, 2);
    rig_down(&s.r, 1);
    assert_int_equal(s.r.out.completions_count, 0);
    assert_int_equal(rig_info(&s.r, s.two)->size, 10000);
    assert_true(rig_info(&s.r, s.two)->cacheable);
    rig_invalidated(&s.r, 2, ticket);
    assert_int_equal(s.r.out.completions_count, 0);
    rig_end(&s.r);
}

static void test_the_asker_closes(void **state)
{
    (void)state;
    struct shared s;
    setup(&s);
    assert_null(rig_set_size(&s.r, 1, s.one, 10));
    uint64_t ticket = ticket_for(&s.r, 2);
    rig_close(&s.r, 1, s.one);
    rig_invalidated(&s.r, 2, ticket);
    assert_int_equal(s.r.out.completions_count, 1);
    assert_int_equal(s.r.out.completions[0].reply->status, STATUS_FILE_CLOSED);
    rig_end(&s.r);
}

static void test_overwrite_waits(void **state)
{
    (void)state;
    struct shared s;
    setup(&s);
    assert_null(rig_open(&s.r, 3, (struct ask){.path = "F", .disposition = FILE_OVERWRITE}));
    uint64_t ticket = ticket_for(&s.r, 2);
    assert_int_equal(ticket_for(&s.r, 1), ticket);
    assert_int_equal(rig_extend(&s.r, 1, &s.info, 20000)->status, STATUS_OK);
    rig_invalidated(&s.r, 1, ticket);
    assert_int_equal(s.r.out.completions_count, 0);
    rig_reload(&s.r);
    rig_invalidated(&s.r, 2, ticket);
    assert_int_equal(s.r.out.completions_count, 1);
    const Fl__Reply *reply = s.r.out.completions[0].reply;
    assert_int_equal(reply->status, STATUS_OK);
    assert_int_equal(reply->open->action, FILE_OVERWRITTEN);
    assert_int_equal(reply->open->info->size, 0);
    assert_non_null(rig_notice(&s.r, 1, FL__NOTICE__BODY_RECLAIM, 0));
    assert_int_equal(rig_extend(&s.r, 1, &s.info, 30000)->status, STATUS_FILE_CLOSED);
    rig_end(&s.r);
}

/* The file goes while a command waits for it: the command finds what is there then. */
static void test_the_file_goes(void **state)
{
    (void)state;
    struct shared s;
    setup(&s);
    assert_null(rig_open(&s.r, 3, (struct ask){.path = "f", .disposition = FILE_OVERWRITE_IF}));
    rig_dispose(&s.r, 1, s.one, true);
    rig_close(&s.r, 1, s.one);
    assert_int_equal(s.r.out.completions_count, 0);
    rig_close(&s.r, 2, s.two);
    assert_int_equal(s.r.out.completions_count, 1);
    assert_int_equal(s.r.out.completions[0].reply->open->action, FILE_CREATED);
    rig_end(&s.r);
}

static Fl__Reply *cancel(struct rig *r, uint32_t node, uint64_t id)
{
    Fl__Cancel c = FL__CANCEL__INIT;
    c.cancel_id = id;
    RIG_COMMAND(CANCEL, cancel, &c);
    return rig_apply(r, node, &command);
}

/* A wait that its client gives up ends, for it alone, and has changed nothing. */
static void test_cancelled(void **state)
{
    (void)state;
    struct shared s;
    setup(&s);
    Fl__SetSize size = FL__SET_SIZE__INIT;
    size.open_id = s.one;
    size.size = 10;
    RIG_COMMAND(SET_SIZE, set_size, &size);
    command.cancel_id = 77;
    assert_null(rig_apply(&s.r, 1, &command));
    assert_null(rig_set_size(&s.r, 1, s.one, 5));
    rig_reload(&s.r);
    assert_int_equal(cancel(&s.r, 2, 77)->status, STATUS_OK); /* of another node */
    assert_int_equal(cancel(&s.r, 1, 78)->status, STATUS_OK);
    assert_int_equal(s.r.out.completions_count, 0);
    assert_int_equal(cancel(&s.r, 1, 0)->status, STATUS_INVALID_PARAMETER);
    assert_int_equal(cancel(&s.r, 1, 77)->status, STATUS_OK);
    assert_int_equal(s.r.out.completions_count, 1);
    assert_int_equal(s.r.out.completions[0].sequence, command.sequence);
    assert_int_equal(s.r.out.completions[0].reply->status, STATUS_CANCELLED);
    assert_int_equal(rig_info(&s.r, s.one)->size, 10000);
    assert_false(rig_info(&s.r, s.one)->cacheable);
    assert_int_equal(rig_apply(&s.r, 1, &command)->status, STATUS_CANCELLED); /* remembered */
    rig_end(&s.r);
}

/* What waits long does not keep its node from having more than a window of commands answered, and
 * its own answer stays until the node has it. */
static void test_the_window_goes_on(void **state)
{
    (void)state;
    struct shared s;
    setup(&s);
    assert_null(rig_set_size(&s.r, 1, s.one, 10));
    uint64_t waiting = s.r.sequence[1], ticket = ticket_for(&s.r, 2);
    for (int i = 0; i < 3000; i++) {
        Fl__Close close = FL__CLOSE__INIT;
        RIG_COMMAND(CLOSE, close, &close);
        command.acked_below = s.r.sequence[1] + 1;
        command.waiting = &waiting;
        command.n_waiting = 1;
        assert_int_equal(rig_apply(&s.r, 1, &command)->status, STATUS_FILE_CLOSED);
        if (i == 1500)
            rig_invalidated(&s.r, 2, ticket);
        if (i == 2000)
            rig_reload(&s.r);
        arena_reset(&s.r.a);
    }
    Fl__SetSize size = FL__SET_SIZE__INIT;
    RIG_COMMAND(SET_SIZE, set_size, &size);
    command.sequence = waiting;
    assert_int_equal(rig_apply(&s.r, 1, &command)->info->info->size, 10);
    command.sequence = waiting + 1;
    assert_int_equal(rig_apply(&s.r, 1, &command)->status, STATUS_REQUEST_OUT_OF_SEQUENCE);
    rig_end(&s.r);
}

/* A node's waits are bounded. */
static void test_too_many_wait(void **state)
{
    (void)state;
    struct shared s;
    setup(&s);
    for (int i = 0; i < 512; i++)
        assert_null(rig_set_size(&s.r, 1, s.one, 10));
    assert_int_equal(rig_set_size(&s.r, 1, s.one, 10)->status, STATUS_INSUFFICIENT_RESOURCES);
    rig_reload(&s.r);
    rig_close(&s.r, 2, s.two);
    assert_int_equal(s.r.out.completions_count, 512);
    rig_end(&s.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone_nobody_waits),
        cmocka_unit_test(test_growth_tells_and_goes_on),
        cmocka_unit_test(test_shrink_waits),
        cmocka_unit_test(test_two_wait_one_is_asked_once),
        cmocka_unit_test(test_both_shrink),
        cmocka_unit_test(test_who_closes_or_dies_blocks_no_more),
        cmocka_unit_test(test_the_asker_dies),
        cmocka_unit_test(test_the_asker_closes),
        cmocka_unit_test(test_overwrite_waits),
        cmocka_unit_test(test_the_file_goes),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_the_window_goes_on),
        cmocka_unit_test(test_too_many_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
