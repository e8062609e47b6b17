/* CHANGE_NOTIFY through the whole core: what is kept, what is told, and to which request.
 * covers: notify.c */
#include "tests/lib/unit.h"
#include "tests/node/smb/rig.h"

#include "proto/base/must.h"
#include "proto/smb/notify.h"
#include <string.h>

enum { WATCH = FL__COMMAND__BODY_WATCH };

static struct rig rig;
static struct client cl;
static struct smb_file_id id;

static int setup(void **state)
{
    (void)state;
    rig_init(&rig);
    memset(&cl, 0, sizeof(cl));
    client_ready(&cl, &rig, SMB_DIALECT_311);
    assert_int_equal(client_create(&cl, "dir", &id), STATUS_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    client_free(&cl);
    rig_fini(&rig);
    return 0;
}

static uint64_t ask(uint32_t length)
{
    struct writer *w = client_begin(&cl, SMB2_CHANGE_NOTIFY, 0);
    uint64_t message_id = cl.message_id - 1;
    write_u16(w, 32);
    write_u16(w, SMB2_WATCH_TREE);
    write_u32(w, length);
    write_u64(w, id.persistent);
    write_u64(w, id.volatile_);
    write_u32(w, FILE_NOTIFY_CHANGE_FILE_NAME);
    write_u32(w, 0);
    client_send(&cl);
    return message_id;
}

static void happens(uint64_t open_id, uint32_t action, const char *name)
{
    uint8_t wide[64];
    struct writer w = writer_of(wide, sizeof(wide));
    for (; *name != 0; name++)
        write_u16(&w, (uint16_t)*name);
    struct smb_event ev = {.type = SMB_EV_WATCH,
                           .watch = {.open_id = open_id, .action = action, .name = written(&w)}};
    rig_event(&rig, &ev);
}

static void add(const char *name) { happens(id.persistent, FILE_ACTION_ADDED, name); }

static void quiet(void) { assert_false(client_receive(&cl)); }

static void answered(ntstatus status)
{
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.command, SMB2_CHANGE_NOTIFY);
    assert_int_equal(cl.header.status, status);
}

/* The next message tells of these, e.g. "1a 1b": action and name. */
static void told(const char *text)
{
    char got[256];
    size_t at = 0;
    answered(STATUS_OK);
    struct reader body = reader_of(cl.message);
    read_skip(&body, SMB_HEADER_SIZE + 2);
    uint16_t off = read_u16(&body);
    uint32_t len = read_u32(&body), next = 1;
    struct slice list = read_at(&body, off, len);
    assert_false(body.bad);
    for (size_t from = 0; next != 0; from += next) {
        struct reader r = reader_of(slice_sub(list, from, list.len - from));
        next = read_u32(&r);
        assert_int_equal(next % 4, 0);
        if (at > 0)
            got[at++] = ' ';
        got[at++] = (char)('0' + read_u32(&r));
        for (uint32_t units = read_u32(&r) / 2; units > 0; units--)
            got[at++] = (char)read_u16(&r);
        assert_false(r.bad);
    }
    got[at] = 0;
    assert_string_equal(got, text);
}

static void test_told(void **state)
{
    (void)state;
    ask(1000);
    answered(STATUS_PENDING);
    add("a");
    told("1a");
    add("b");
    add("c");
    quiet(); /* nobody asks */
    ask(1000);
    told("1b 1c"); /* at once */
    ask(1000);
    answered(STATUS_PENDING);
    happens(id.persistent + 1, FILE_ACTION_ADDED, "x"); /* of an open that is gone */
    quiet();
    happens(id.persistent, FILE_ACTION_RENAMED_OLD_NAME, "o");
    quiet(); /* both names or none */
    happens(id.persistent, FILE_ACTION_RENAMED_NEW_NAME, "n");
    told("4o 5n");
}

static void test_oldest_first(void **state)
{
    (void)state;
    uint64_t first = ask(1000);
    answered(STATUS_PENDING);
    uint64_t second = ask(1000);
    answered(STATUS_PENDING);
    add("a");
    told("1a");
    assert_int_equal(cl.header.message_id, first);
    add("b");
    told("1b");
    assert_int_equal(cl.header.message_id, second);
}

static void test_watch_is_begun_once(void **state)
{
    (void)state;
    rig.hold_meta = true;
    uint64_t first = ask(1000);
    uint64_t second = ask(1000);
    assert_int_equal(rig.op_count, 1);
    assert_int_equal(rig.ops[0].command, WATCH);
    quiet(); /* "pending" is said when the watch stands */
    rig_answer(&rig, STATUS_OK);
    assert_int_equal(rig.op_count, 0);
    answered(STATUS_PENDING);
    answered(STATUS_PENDING);
    add("a");
    told("1a");
    assert_int_equal(cl.header.message_id, first);
    add("b");
    told("1b");
    assert_int_equal(cl.header.message_id, second);
}

static void test_slow_watch(void **state)
{
    (void)state;
    rig.hold_meta = true;
    ask(1000);
    rig_advance(&rig, UINT64_C(600000000));
    answered(STATUS_PENDING); /* as any request that takes long; not said again */
    rig_answer(&rig, STATUS_OK);
    quiet();
    add("a");
    told("1a");
}

static void test_refused_watch(void **state)
{
    (void)state;
    rig.hold_meta = true;
    ask(1000);
    ask(1000);
    rig_answer(&rig, STATUS_DELETE_PENDING);
    answered(STATUS_DELETE_PENDING);
    assert_int_equal(rig.op_count, 1); /* the next tries for itself */
    rig_answer(&rig, STATUS_OK);
    answered(STATUS_PENDING);
}

static void cancel(uint64_t message_id)
{
    uint64_t next = cl.message_id;
    cl.message_id = message_id + 1; /* the rig cancels the one before */
    smb_empty_encode(client_begin(&cl, SMB2_CANCEL, 0));
    cl.message_id = next;
    client_send(&cl);
}

/* A CANCEL that comes while the watch is begun is heeded when it stands. */
static void test_cancel(void **state)
{
    (void)state;
    rig.hold_meta = true;
    uint64_t first = ask(1000);
    cancel(first);
    quiet();
    rig_answer(&rig, STATUS_OK);
    answered(STATUS_CANCELLED);
    add("a"); /* the watch stands nevertheless */
    cancel(ask(1000));
    told("1a");
    first = ask(1000);
    answered(STATUS_PENDING);
    uint64_t second = ask(1000);
    answered(STATUS_PENDING);
    cancel(first);
    answered(STATUS_CANCELLED);
    add("b");
    told("1b");
    assert_int_equal(cl.header.message_id, second);
}

static void test_too_much(void **state)
{
    (void)state;
    /* Room for one: the limit of the first request holds. */
    ask(16);
    answered(STATUS_PENDING);
    add("a");
    told("1a");
    add("a");
    add("b");
    ask(1000);
    answered(STATUS_NOTIFY_ENUM_DIR);
    add("c");
    ask(1000);
    told("1c");
    add("d");
    ask(4); /* no room now */
    answered(STATUS_NOTIFY_ENUM_DIR);
    ask(1000);
    answered(STATUS_PENDING);
    happens(id.persistent, 0, "");
    answered(STATUS_NOTIFY_ENUM_DIR);
    ask(1000);
    answered(STATUS_PENDING);
    happens(0, 0, ""); /* all that this node watches */
    answered(STATUS_NOTIFY_ENUM_DIR);
    add("e");
    happens(0, 0, "");
    ask(1000);
    answered(STATUS_NOTIFY_ENUM_DIR);
    ask(1000);
    answered(STATUS_PENDING);
}

static void test_without_memory(void **state)
{
    (void)state;
    ask(1000);
    answered(STATUS_PENDING);
    rig.fail_at = rig.allocations + 1;
    add("a");
    answered(STATUS_NOTIFY_ENUM_DIR);
}

static void test_deleted(void **state)
{
    (void)state;
    ask(1000);
    answered(STATUS_PENDING);
    ask(1000);
    answered(STATUS_PENDING);
    struct smb_event ev = {.type = SMB_EV_WATCH,
                           .watch = {.open_id = id.persistent, .deleted = true}};
    rig_event(&rig, &ev);
    answered(STATUS_DELETE_PENDING);
    answered(STATUS_DELETE_PENDING);
    ask(1000);
    answered(STATUS_DELETE_PENDING);
}

static void test_close(void **state)
{
    (void)state;
    ask(1000);
    answered(STATUS_PENDING);
    ask(1000);
    answered(STATUS_PENDING);
    assert_int_equal(client_close(&cl, id), STATUS_NOTIFY_CLEANUP);
    answered(STATUS_NOTIFY_CLEANUP);
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.command, SMB2_CLOSE);
    add("a");
    quiet();
}

/* CLOSE while the watch is begun. */
static void test_close_meanwhile(void **state)
{
    (void)state;
    rig.hold_meta = true;
    ask(1000);
    ask(1000);
    assert_int_equal(client_close(&cl, id), STATUS_NOTIFY_CLEANUP); /* the second, which waited */
    rig.hold_meta = false;
    rig_answer(&rig, STATUS_OK);
    answered(STATUS_NOTIFY_CLEANUP);
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.command, SMB2_CLOSE);
    assert_int_equal(cl.header.status, STATUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oldest_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watch_is_begun_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slow_watch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_watch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_much, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deleted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_meanwhile, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
