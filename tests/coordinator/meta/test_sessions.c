#include "proto/cluster/session_id.h"
#include "tests/coordinator/meta/rig.h"
#include "tests/lib/unit.h"

static Fl__Reply *end_session(struct rig *r, uint32_t node, uint64_t session_id, size_t sid_len)
{
    static uint8_t sid[256] = {1, 2, 3};
    Fl__EndSession e = FL__END_SESSION__INIT;
    e.session_id = session_id;
    e.user_sid = pb_bytes(slice_of(sid, sid_len));
    e.ticket = 77;
    RIG_COMMAND(END_SESSION, end_session, &e);
    return rig_apply(r, node, &command);
}

static Fl__Reply *session_ended(struct rig *r, uint32_t node, uint32_t asker)
{
    Fl__SessionEnded e = FL__SESSION_ENDED__INIT;
    e.asker = asker;
    e.ticket = 77;
    RIG_COMMAND(SESSION_ENDED, session_ended, &e);
    return rig_apply(r, node, &command);
}

static const Fl__SessionNotice *told(const struct rig *r, uint32_t node)
{
    const Fl__Notice *n = rig_notice(r, node, FL__NOTICE__BODY_SESSION, 0);
    return n == NULL ? NULL : n->session;
}

static void test_there_and_back(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t id = session_id_of(2, 0x123456789);
    assert_int_equal(end_session(&r, 1, id, 3)->status, STATUS_OK);
    assert_int_equal(r.out.notices_count, 1);
    const Fl__SessionNotice *n = told(&r, 2);
    assert_non_null(n);
    assert_true(n->session_id == id && n->asker == 1 && n->ticket == 77 && !n->ended);
    assert_int_equal(n->user_sid.len, 3);
    assert_int_equal(session_ended(&r, 2, 1)->status, STATUS_OK);
    n = told(&r, 1);
    assert_non_null(n);
    assert_true(n->ended && n->ticket == 77);
    rig_end(&r);
}

/* Whoever has nothing to end is not asked. */
static void test_answered_at_once(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    const uint64_t ids[] = {session_id_of(1, 5), session_id_of(9, 5), 5};
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
        assert_int_equal(end_session(&r, 1, ids[i], 3)->status, STATUS_OK);
        assert_int_equal(r.out.notices_count, 1);
        assert_true(told(&r, 1)->ended);
    }
    rig_down(&r, 2);
    assert_int_equal(end_session(&r, 1, session_id_of(2, 5), 3)->status, STATUS_OK);
    assert_true(told(&r, 1)->ended);
    assert_int_equal(session_ended(&r, 1, 2)->status, STATUS_OK); /* who asked is gone */
    assert_int_equal(r.out.notices_count, 0);
    rig_end(&r);
}

static void test_refusals(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    assert_int_equal(end_session(&r, 0, session_id_of(2, 5), 3)->status, STATUS_INVALID_PARAMETER);
    assert_int_equal(end_session(&r, 1, session_id_of(2, 5), SID_BYTES_MAX + 1)->status,
                     STATUS_INVALID_PARAMETER);
    assert_int_equal(session_ended(&r, 0, 1)->status, STATUS_INVALID_PARAMETER);
    assert_int_equal(session_ended(&r, 1, 99)->status, STATUS_OK);
    assert_int_equal(r.out.notices_count, 0);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_answered_at_once),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
