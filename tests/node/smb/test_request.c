/* Compounds, waiting, cancelling, and ends in the middle of things.
 * covers: cancel.c compound.c reply.c small.c check.c */
#include "tests/lib/unit.h"
#include "tests/node/smb/rig.h"

#include "proto/smb/create_client.h"
#include "proto/smb/data_client.h"
#include "proto/smb/dir.h"
#include "proto/smb/notify.h"
#include "proto/smb/negotiate.h"
#include <stdlib.h>
#include <string.h>

static struct rig rig;
static struct client cl, other;

static int setup(void **state)
{
    (void)state;
    rig_init(&rig);
    memset(&cl, 0, sizeof(cl));
    memset(&other, 0, sizeof(other));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    client_free(&cl);
    client_free(&other);
    rig_fini(&rig);
    return 0;
}

static bool dropped(void) { return rig.closed_conn == cl.conn; }

static ntstatus echo(struct client *c)
{
    smb_empty_encode(client_begin(c, SMB2_ECHO, 0));
    return client_call(c);
}

static ntstatus read_file(struct client *c, struct smb_file_id id, uint32_t len, size_t *got)
{
    struct smb_read_req req = {.length = len, .file_id = id};
    smb_read_req_encode(client_begin(c, SMB2_READ, 0), &req);
    ntstatus status = client_call(c);
    struct smb_read_answer a;
    if (status == STATUS_OK) {
        assert_int_equal(smb_read_answer_decode(c->message, &a), STATUS_OK);
        *got = a.data.len;
        for (size_t i = 0; i < a.data.len; i++)
            assert_int_equal(a.data.at[i], (uint8_t)i);
    }
    return status;
}

/* ---- compounds ------------------------------------------------------------------------------ */

static void test_related(void **state)
{
    (void)state;
    struct smb_read_req read = {.length = 13, .file_id = smb_file_id_related()};
    struct smb_close_req close = {.file_id = smb_file_id_related()};
    for (int sealed = 0; sealed < 2; sealed++) {
        client_ready(&cl, &rig, SMB_DIALECT_311);
        cl.seal = sealed;
        client_put_create(&cl, client_begin(&cl, SMB2_CREATE, 0), "file");
        smb_read_req_encode(client_and(&cl, SMB2_READ, SMB2_FLAGS_RELATED_OPERATIONS), &read);
        smb_close_req_encode(client_and(&cl, SMB2_CLOSE, SMB2_FLAGS_RELATED_OPERATIONS), &close);
        client_send(&cl);
        assert_int_equal(rig.sent_count, 1); /* the replies come together */
        static const uint16_t order[] = {SMB2_CREATE, SMB2_READ, SMB2_CLOSE};
        for (int i = 0; i < 3; i++) {
            assert_true(client_receive(&cl));
            assert_int_equal(cl.header.command, order[i]);
            assert_int_equal(cl.header.status, STATUS_OK);
            assert_int_equal(cl.message.len % 8, 0);
            assert_int_equal((cl.header.flags & SMB2_FLAGS_RELATED_OPERATIONS) != 0, i > 0);
        }
        client_free(&cl);
    }
}

static void test_related_after_failure(void **state)
{
    (void)state;
    struct smb_close_req close = {.file_id = smb_file_id_related()};
    client_ready(&cl, &rig, SMB_DIALECT_311);
    rig.hold_meta = true;
    client_put_create(&cl, client_begin(&cl, SMB2_CREATE, 0), "file");
    smb_close_req_encode(client_and(&cl, SMB2_CLOSE, SMB2_FLAGS_RELATED_OPERATIONS), &close);
    client_send(&cl);
    rig_answer(&rig, STATUS_OBJECT_NAME_NOT_FOUND);
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, STATUS_OBJECT_NAME_NOT_FOUND);
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, STATUS_OBJECT_NAME_NOT_FOUND);
}

static void test_related_to_nothing(void **state)
{
    (void)state;
    struct smb_close_req close = {.file_id = smb_file_id_related()};
    client_ready(&cl, &rig, SMB_DIALECT_311);
    smb_close_req_encode(client_begin(&cl, SMB2_CLOSE, SMB2_FLAGS_RELATED_OPERATIONS), &close);
    smb_close_req_encode(client_and(&cl, SMB2_CLOSE, SMB2_FLAGS_RELATED_OPERATIONS), &close);
    client_send(&cl);
    for (int i = 0; i < 2; i++) {
        assert_true(client_receive(&cl));
        assert_int_equal(cl.header.status, STATUS_INVALID_PARAMETER);
    }
    smb_empty_encode(client_begin(&cl, SMB2_ECHO, 0));
    smb_close_req_encode(client_and(&cl, SMB2_CLOSE, SMB2_FLAGS_RELATED_OPERATIONS), &close);
    client_send(&cl);
    assert_true(client_receive(&cl));
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, STATUS_INVALID_HANDLE);
}

/* A part that fails takes along only those that need what it did not make. */
static void test_failure_amid_compound(void **state)
{
    (void)state;
    const uint32_t related = SMB2_FLAGS_RELATED_OPERATIONS;
    struct smb_read_req read = {.length = 13, .file_id = smb_file_id_related()};
    struct smb_close_req close = {.file_id = smb_file_id_related()};
    client_ready(&cl, &rig, SMB_DIALECT_311);
    client_put_create(&cl, client_begin(&cl, SMB2_CREATE, 0), "file");
    write_zeros(client_and(&cl, SMB2_READ, related), 8);
    write_zeros(client_and(&cl, 99, related), 8);
    smb_read_req_encode(client_and(&cl, SMB2_READ, related), &read);
    smb_close_req_encode(client_and(&cl, SMB2_CLOSE, related), &close);
    client_send(&cl);
    static const ntstatus wanted[] = {STATUS_OK, STATUS_INVALID_PARAMETER, STATUS_INVALID_PARAMETER,
                                      STATUS_OK, STATUS_OK};
    for (size_t i = 0; i < 5; i++) {
        assert_true(client_receive(&cl));
        assert_int_equal(cl.header.status, wanted[i]);
    }
}

static void test_related_to_no_session(void **state)
{
    (void)state;
    struct smb_close_req close = {.file_id = smb_file_id_related()};
    client_ready(&cl, &rig, SMB_DIALECT_210);
    cl.sign = false;
    cl.session_id++;
    smb_close_req_encode(client_begin(&cl, SMB2_CLOSE, 0), &close);
    cl.session_id--;
    smb_close_req_encode(client_and(&cl, SMB2_CLOSE, SMB2_FLAGS_RELATED_OPERATIONS), &close);
    client_send(&cl);
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, STATUS_USER_SESSION_DELETED);
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, STATUS_INVALID_PARAMETER);
}

/* A long READ amid a compound is sent on its own, with what stands before it. */
static void test_long_read_in_compound(void **state)
{
    (void)state;
    struct smb_file_id id;
    rig.file_size = 1 << 20;
    client_ready(&cl, &rig, SMB_DIALECT_210);
    assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
    struct smb_read_req read = {.length = 65536, .file_id = id};
    smb_read_req_encode(client_begin(&cl, SMB2_READ, 0), &read);
    smb_read_req_encode(client_and(&cl, SMB2_READ, 0), &read);
    smb_empty_encode(client_and(&cl, SMB2_ECHO, 0));
    client_send(&cl);
    for (int i = 0; i < 3; i++) {
        assert_true(client_receive(&cl));
        assert_int_equal(cl.header.status, STATUS_OK);
    }
}

/* ---- waiting -------------------------------------------------------------------------------- */

static void test_interim(void **state)
{
    (void)state;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    rig.hold_meta = true;
    client_put_create(&cl, client_begin(&cl, SMB2_CREATE, 0), "file");
    client_send(&cl);
    assert_false(client_receive(&cl));
    rig_advance(&rig, UINT64_C(600000000));
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, STATUS_PENDING);
    assert_true(cl.header.credits > 0);
    uint64_t async_id = cl.header.async_id;
    rig_answer(&rig, STATUS_OK);
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, STATUS_OK);
    assert_int_equal(cl.header.async_id, async_id);
    assert_int_equal(cl.header.credits, 0);
}

/* The coordinator does not answer: the client is told to try again, and what the coordinator opens
 * after all is closed. */
static void test_coordinator_is_silent(void **state)
{
    (void)state;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    rig.hold_meta = true;
    client_put_create(&cl, client_begin(&cl, SMB2_CREATE, 0), "file");
    client_send(&cl);
    rig_advance(&rig, UINT64_C(51000000000));
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, STATUS_PENDING);
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, STATUS_FILE_NOT_AVAILABLE);
    assert_int_equal(rig.closes, 0);
    rig_answer(&rig, STATUS_OK);
    assert_int_equal(rig.closes, 1);
}

static void test_disconnect_amid_create(void **state)
{
    (void)state;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    rig.hold_meta = true;
    client_put_create(&cl, client_begin(&cl, SMB2_CREATE, 0), "file");
    client_send(&cl);
    struct smb_event ev = {.type = SMB_EV_DISCONNECT, .disconnect = {cl.conn}};
    rig_event(&rig, &ev);
    rig_answer(&rig, STATUS_OK);
    assert_int_equal(rig.closes, 1);
}

/* An open is closed only after its last write has ended, or it would land on somebody else's
 * data. */
static void test_disconnect_amid_write(void **state)
{
    (void)state;
    struct smb_file_id id;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
    rig.hold_io = true;
    struct smb_write_req req = {.file_id = id, .data = slice_str("hello"), .length = 5};
    smb_write_req_encode(client_begin(&cl, SMB2_WRITE, 0), &req);
    client_send(&cl);
    assert_int_equal(rig.op_count, 1);
    struct smb_event ev = {.type = SMB_EV_DISCONNECT, .disconnect = {cl.conn}};
    rig_event(&rig, &ev);
    assert_int_equal(rig.closes, 0);
    rig_answer(&rig, STATUS_OK);
    assert_int_equal(rig.closes, 1);
}

static void test_no_lease(void **state)
{
    (void)state;
    struct smb_file_id id;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    rig_lease(&rig, false);
    client_put_create(&cl, client_begin(&cl, SMB2_CREATE, 0), "file");
    client_send(&cl);
    assert_int_equal(rig.op_count, 0);
    rig_advance(&rig, UINT64_C(100000000));
    assert_false(client_receive(&cl));
    assert_int_equal(echo(&cl), STATUS_OK); /* the connection itself lives */
    rig_lease(&rig, true);
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.command, SMB2_CREATE);
    assert_int_equal(cl.header.status, STATUS_OK);
    rig_lease(&rig, false);
    client_put_create(&cl, client_begin(&cl, SMB2_CREATE, 0), "file");
    client_send(&cl);
    rig_advance(&rig, UINT64_C(6000000000));
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, STATUS_PENDING);
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, STATUS_FILE_NOT_AVAILABLE);
    (void)id;
}

static void put_notify(struct client *c, struct smb_file_id id)
{
    struct writer *w = client_begin(c, SMB2_CHANGE_NOTIFY, 0);
    write_u16(w, 32);
    write_u16(w, 0);
    write_u32(w, 1024);
    write_u64(w, id.persistent);
    write_u64(w, id.volatile_);
    write_u32(w, FILE_NOTIFY_CHANGE_FILE_NAME);
    write_u32(w, 0);
}

static void test_change_notify(void **state)
{
    (void)state;
    struct smb_file_id id;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    assert_int_equal(client_create(&cl, "dir", &id), STATUS_OK);
    put_notify(&cl, id);
    assert_int_equal(client_call(&cl), STATUS_PENDING);
    smb_empty_encode(client_begin(&cl, SMB2_CANCEL, SMB2_FLAGS_ASYNC_COMMAND));
    assert_int_equal(client_call(&cl), STATUS_CANCELLED);
    put_notify(&cl, id);
    assert_int_equal(client_call(&cl), STATUS_PENDING);
    assert_int_equal(client_close(&cl, id), STATUS_NOTIFY_CLEANUP);
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.command, SMB2_CLOSE);
    assert_int_equal(cl.header.status, STATUS_OK);
}

/* The oldest operation is not over: it waits at the coordinator. */
static void op_waits(void)
{
    struct rig_op op = rig.ops[0];
    Fl__Reply waits = FL__REPLY__INIT;
    waits.status = STATUS_PENDING;
    rig_reply(&rig, &waits);
    rig.ops[rig.op_count++] = op;
}

/* A command that waits at the coordinator: the client learns it at once, and may cancel it. */
static void test_waits_at_the_coordinator(void **state)
{
    (void)state;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    rig.hold_meta = true;
    client_put_create(&cl, client_begin(&cl, SMB2_CREATE, 0), "file");
    client_send(&cl);
    op_waits();
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, STATUS_PENDING);
    op_waits(); /* said again: once is enough */
    rig_advance(&rig, UINT64_C(120000000000));
    assert_false(client_receive(&cl));
    smb_empty_encode(client_begin(&cl, SMB2_CANCEL, SMB2_FLAGS_ASYNC_COMMAND));
    client_send(&cl);
    assert_int_equal(rig.cancels, 1);
    assert_int_equal(rig.cancel_id, rig.ops[0].token);
    rig_answer(&rig, STATUS_CANCELLED);
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, STATUS_CANCELLED);
}

/* Nobody waits any more for what waits there. */
static void test_disconnect_amid_wait(void **state)
{
    (void)state;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    rig.hold_meta = true;
    client_put_create(&cl, client_begin(&cl, SMB2_CREATE, 0), "file");
    client_send(&cl);
    op_waits();
    struct smb_event ev = {.type = SMB_EV_DISCONNECT, .disconnect = {cl.conn}};
    rig_event(&rig, &ev);
    assert_int_equal(rig.cancels, 1);
    op_waits(); /* known there only now */
    assert_int_equal(rig.cancels, 2);
    rig_answer(&rig, STATUS_OK); /* too late to be cancelled */
    assert_int_equal(rig.closes, 1);
}

static void test_credits(void **state)
{
    (void)state;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(echo(&cl), STATUS_OK);
    struct smb_file_id id;
    assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
    size_t got;
    assert_int_equal(read_file(&cl, id, 70000, &got), STATUS_INVALID_PARAMETER);
    cl.message_id += 100000;
    assert_int_equal(echo(&cl), STATUS_CONNECTION_DISCONNECTED);
    assert_true(dropped());
}

static void test_state_lost(void **state)
{
    (void)state;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    client_ready(&other, &rig, SMB_DIALECT_311);
    struct smb_event ev = {.type = SMB_EV_STATE_LOST};
    rig_event(&rig, &ev);
    struct smb_stats stats;
    smb_stats(rig.smb, &stats);
    assert_int_equal(stats.connections, 0);
    assert_int_equal(stats.sessions, 0);
}

/* Whichever allocation is refused: the core stays whole, and gives back all it took. */
static void test_no_memory(void **state)
{
    (void)state;
    uint64_t nth = 0;
    do {
        if (!rig_init_failing(&rig, ++nth))
            continue;
        struct smb_file_id id;
        size_t got;
        client_connect(&cl, &rig);
        if (client_negotiate(&cl, SMB_DIALECT_311) == STATUS_OK && client_logon(&cl) == STATUS_OK &&
            client_tree(&cl, "\\\\s\\general") == STATUS_OK &&
            client_create(&cl, "file", &id) == STATUS_OK) {
            cl.seal = true;
            (void)read_file(&cl, id, 100, &got);
            (void)client_close(&cl, id);
        }
        client_free(&cl);
        rig_fini(&rig);
    } while (rig.allocations >= nth); /* until none was refused */
    assert_true(nth > 20);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_related),
        T(test_related_after_failure),
        T(test_related_to_nothing),
        T(test_failure_amid_compound),
        T(test_related_to_no_session),
        T(test_long_read_in_compound),
        T(test_interim),
        T(test_coordinator_is_silent),
        T(test_disconnect_amid_create),
        T(test_disconnect_amid_write),
        T(test_no_lease),
        T(test_change_notify),
        T(test_credits),
        T(test_state_lost),
        T(test_waits_at_the_coordinator),
        T(test_disconnect_amid_wait),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
