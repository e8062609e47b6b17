/* A client that comes back with a new session: the old one ends first, here or on another node.
 * covers: previous.c */
#include "tests/lib/unit.h"
#include "tests/node/smb/rig.h"

#include "proto/cluster/session_id.h"
#include "proto/smb/create_client.h"
#include "proto/smb/data_client.h"
#include "proto/smb/negotiate.h"
#include <string.h>

#define SECOND UINT64_C(1000000000)

static const uint8_t user_sid[] = {1, 2, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 232, 3, 0, 0};
static struct rig rig;
static struct client old, new;

static int setup(void **state)
{
    (void)state;
    rig_init(&rig);
    memset(&old, 0, sizeof(old));
    memset(&new, 0, sizeof(new));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    client_free(&old);
    client_free(&new);
    rig_fini(&rig);
    return 0;
}

/* The new one says which session it had: what it is told at once, if anything. */
static ntstatus come_back(uint64_t session_id)
{
    client_connect(&new, &rig);
    assert_int_equal(client_negotiate(&new, SMB_DIALECT_311), STATUS_OK);
    return client_setup(&new, "!", session_id);
}

#define NOTHING_YET STATUS_CONNECTION_DISCONNECTED

static void assert_welcome(void)
{
    assert_true(client_receive(&new));
    assert_int_equal(new.header.status, STATUS_OK);
    new.session_id = new.header.session_id;
    new.sign = true;
    assert_int_equal(client_tree(&new, "\\\\server\\general"), STATUS_OK);
}

static void write_and_wait(struct smb_file_id id)
{
    struct smb_write_req req = {.file_id = id, .data = slice_str("data")};
    rig.hold_io = true;
    smb_write_req_encode(client_begin(&old, SMB2_WRITE, 0), &req);
    client_send(&old);
    assert_int_equal(rig.op_count, 1);
}

/* ---- here ----------------------------------------------------------------------------------- */

static void test_idle_session(void **state)
{
    (void)state;
    struct smb_file_id id;
    client_ready(&old, &rig, SMB_DIALECT_311);
    assert_int_equal(client_create(&old, "file", &id), STATUS_OK);
    /* Nothing is under way: it has ended within the step. */
    assert_int_equal(come_back(old.session_id), STATUS_OK);
    assert_int_equal(rig.closes, 1);
    assert_int_equal(client_close(&old, id), STATUS_USER_SESSION_DELETED);
}

static void test_busy_session(void **state)
{
    (void)state;
    struct smb_file_id id;
    client_ready(&old, &rig, SMB_DIALECT_311);
    assert_int_equal(client_create(&old, "file", &id), STATUS_OK);
    write_and_wait(id);
    assert_int_equal(come_back(old.session_id), NOTHING_YET);
    assert_int_equal(rig.closes, 0);
    rig_advance(&rig, SECOND);
    assert_false(client_receive(&new)); /* a logon gets no STATUS_PENDING */
    rig.hold_io = false;
    rig_answer(&rig, STATUS_OK);
    assert_int_equal(rig.closes, 1);
    assert_welcome();
}

static void test_not_for_ever(void **state)
{
    (void)state;
    struct smb_file_id id;
    client_ready(&old, &rig, SMB_DIALECT_311);
    assert_int_equal(client_create(&old, "file", &id), STATUS_OK);
    write_and_wait(id);
    assert_int_equal(come_back(old.session_id), NOTHING_YET);
    rig_advance(&rig, 6 * SECOND);
    assert_welcome();
}

static void test_gone_while_it_waits(void **state)
{
    (void)state;
    struct smb_file_id id;
    client_ready(&old, &rig, SMB_DIALECT_311);
    assert_int_equal(client_create(&old, "file", &id), STATUS_OK);
    write_and_wait(id);
    assert_int_equal(come_back(old.session_id), NOTHING_YET);
    client_leave(&new);
    rig.hold_io = false;
    rig_answer(&rig, STATUS_OK);
    assert_int_equal(rig.closes, 1);
}

static void test_another_user(void **state)
{
    (void)state;
    struct smb_file_id id;
    client_ready(&old, &rig, SMB_DIALECT_311);
    assert_int_equal(client_create(&old, "file", &id), STATUS_OK);
    rig.user = 9;
    assert_int_equal(come_back(old.session_id), STATUS_OK);
    assert_int_equal(client_close(&old, id), STATUS_OK); /* his session is none of theirs */
}

static void test_no_such_session(void **state)
{
    (void)state;
    client_ready(&old, &rig, SMB_DIALECT_311);
    assert_int_equal(old.session_id >> SESSION_ID_NODE_SHIFT, 1); /* this node's */
    assert_int_equal(come_back(old.session_id ^ 1), STATUS_OK);
    assert_int_equal(rig.end_session, 0); /* and nobody else was asked */
}

/* ---- on another node ------------------------------------------------------------------------ */

static void answer(uint64_t ticket)
{
    struct smb_event ev = {.type = SMB_EV_SESSION_ENDED, .session_end = {.ticket = ticket}};
    rig_event(&rig, &ev);
}

static void test_another_node(void **state)
{
    (void)state;
    uint64_t id = session_id_of(2, 12345);
    assert_int_equal(come_back(id), NOTHING_YET);
    assert_true(rig.end_session == id);
    answer(rig.end_ticket + 1);
    assert_false(client_receive(&new));
    answer(rig.end_ticket);
    assert_welcome();
    answer(rig.end_ticket); /* again: nobody waits */
}

static void test_another_node_says_nothing(void **state)
{
    (void)state;
    assert_int_equal(come_back(session_id_of(2, 12345)), NOTHING_YET);
    rig_advance(&rig, 6 * SECOND);
    assert_welcome();
    answer(rig.end_ticket); /* too late */
}

static void test_gone_before_the_answer(void **state)
{
    (void)state;
    assert_int_equal(come_back(session_id_of(2, 12345)), NOTHING_YET);
    client_leave(&new);
    answer(rig.end_ticket);
    assert_int_equal(come_back(session_id_of(2, 12345)), NOTHING_YET);
    answer(rig.end_ticket);
    assert_welcome();
}

static void test_node_that_is_down(void **state)
{
    (void)state;
    rig.nodes[1].state = FL__NODE_STATE__NODE_DOWN;
    assert_int_equal(come_back(session_id_of(2, 12345)), STATUS_OK);
    assert_int_equal(rig.end_session, 0);
    client_leave(&new);
    assert_int_equal(come_back(session_id_of(77, 12345)), STATUS_OK); /* nor is there one */
}

/* ---- asked by another node ------------------------------------------------------------------ */

static void ask(uint64_t session_id, uint8_t user, uint64_t ticket)
{
    uint8_t sid[sizeof(user_sid)];
    memcpy(sid, user_sid, sizeof(sid));
    sid[sizeof(sid) - 1] = user;
    struct smb_event ev = {.type = SMB_EV_SESSION_END,
                           .session_end = {session_id, {sid, sizeof(sid)}, 2, ticket}};
    rig_event(&rig, &ev);
}

static void test_asked(void **state)
{
    (void)state;
    struct smb_file_id id, other;
    client_ready(&old, &rig, SMB_DIALECT_311);
    assert_int_equal(client_create(&old, "file", &id), STATUS_OK);
    assert_int_equal(client_create(&old, "other", &other), STATUS_OK);
    ask(old.session_id ^ 1, 0, 7); /* none */
    assert_int_equal(rig.ended_ticket, 7);
    ask(old.session_id, 5, 8); /* somebody else's */
    assert_int_equal(rig.ended_ticket, 8);
    assert_int_equal(client_close(&old, other), STATUS_OK);
    write_and_wait(id);
    ask(old.session_id, 0, 9);
    assert_int_equal(rig.ended_ticket, 8); /* its write has not ended */
    rig.hold_io = false;
    rig_answer(&rig, STATUS_OK);
    assert_int_equal(rig.ended_ticket, 9);
    assert_int_equal(rig.ended_closes, 2); /* behind the close */
    assert_int_equal(client_close(&old, id), STATUS_USER_SESSION_DELETED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_idle_session),
        T(test_busy_session),
        T(test_not_for_ever),
        T(test_gone_while_it_waits),
        T(test_another_user),
        T(test_no_such_session),
        T(test_another_node),
        T(test_another_node_says_nothing),
        T(test_gone_before_the_answer),
        T(test_node_that_is_down),
        T(test_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
