/* LOCK through the whole core, and what locks do to READ and WRITE. The coordinator is played by
 * hand.
 * covers: cancel.c */
#include "tests/lib/unit.h"
#include "tests/node/smb/rig.h"

#include "proto/base/must.h"
#include "proto/cluster/pack.h"
#include "proto/smb/data_client.h"
#include "proto/smb/fscc.h"
#include "proto/smb/lock.h"
#include "proto/smb/negotiate.h"
#include <string.h>

enum {
    LOCK = FL__COMMAND__BODY_LOCK,
    UNLOCK = FL__COMMAND__BODY_UNLOCK,
    CLOSE = FL__COMMAND__BODY_CLOSE,
    ACCESS = FL__QUERY__BODY_ACCESS,
    SHARED = SMB2_LOCKFLAG_SHARED_LOCK,
    EXCLUSIVE = SMB2_LOCKFLAG_EXCLUSIVE_LOCK,
    UN = SMB2_LOCKFLAG_UNLOCK,
    FAIL = SMB2_LOCKFLAG_FAIL_IMMEDIATELY,
};

static struct rig rig;
static struct client cl;
static struct smb_file_id id;
static Fl__FileInfo file;
static uint8_t locks[(BYTERANGES_MAX + 1) * BYTERANGE_BYTES];

static void begin(uint16_t dialect, uint32_t capabilities)
{
    rig_init(&rig);
    memset(&cl, 0, sizeof(cl));
    client_connect(&cl, &rig);
    cl.capabilities = capabilities;
    assert_int_equal(client_negotiate(&cl, dialect), STATUS_OK);
    assert_int_equal(client_logon(&cl), STATUS_OK);
    assert_int_equal(client_tree(&cl, "\\\\server\\general"), STATUS_OK);
    rig.file_size = 100;
    assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
    fl__file_info__init(&file);
    file.volume = 1;
    file.inode = file.data_id = 1000 + id.persistent;
    file.size = 100;
    file.cacheable = true;
    file.version = 2;
    file.attributes = FILE_ATTRIBUTE_ARCHIVE;
    rig.hold_meta = rig.hold_io = true;
}

static void end(void)
{
    rig.hold_meta = rig.hold_io = false;
    while (rig.op_count > 0)
        rig_answer(&rig, STATUS_FILE_NOT_AVAILABLE);
    client_free(&cl);
    rig_fini(&rig);
}

static int setup(void **state)
{
    (void)state;
    begin(SMB_DIALECT_311, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    end();
    return 0;
}

/* ---- what the client says ------------------------------------------------------------------- */

static void put_lock(struct writer *w, uint32_t sequence, const struct smb_lock_element *all,
                     uint16_t count)
{
    write_u16(w, 48);
    write_u16(w, count);
    write_u32(w, sequence);
    write_u64(w, id.persistent);
    write_u64(w, id.volatile_);
    for (uint16_t i = 0; i < count; i++) {
        write_u64(w, all[i].offset);
        write_u64(w, all[i].length);
        write_u32(w, all[i].flags);
        write_u32(w, 0);
    }
}

static void send_lock(uint64_t offset, uint64_t length, uint32_t flags)
{
    const struct smb_lock_element one = {offset, length, flags};
    put_lock(client_begin(&cl, SMB2_LOCK, 0), 0, &one, 1);
    client_send(&cl);
}

static void send_io(bool write, uint64_t offset, uint32_t len)
{
    static uint8_t bytes[256];
    struct smb_write_req put = {
        .file_id = id, .offset = offset, .length = len, .data = {bytes, len}};
    struct smb_read_req get = {.file_id = id, .offset = offset, .length = len};
    struct writer *w = client_begin(&cl, write ? SMB2_WRITE : SMB2_READ, 0);
    if (write)
        smb_write_req_encode(w, &put);
    else
        smb_read_req_encode(w, &get);
    client_send(&cl);
}

static void send_close(void)
{
    struct writer *w = client_begin(&cl, SMB2_CLOSE, 0);
    write_u16(w, 24);
    write_u16(w, 0);
    write_u32(w, 0);
    write_u64(w, id.persistent);
    write_u64(w, id.volatile_);
    client_send(&cl);
}

static void quiet(void) { assert_false(client_receive(&cl)); }

static void answered(uint16_t command, ntstatus status)
{
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.command, command);
    assert_int_equal(cl.header.status, status);
}

/* ---- what the coordinator hears and says ---------------------------------------------------- */

static const struct rig_op *wanted(int command, int query)
{
    assert_true(rig.op_count > 0);
    assert_int_equal(rig.ops[0].type, SMB_DO_META);
    assert_int_equal(rig.ops[0].command, command);
    assert_int_equal(rig.ops[0].query, query);
    return &rig.ops[0];
}

static void io_wanted(enum smb_io_op op)
{
    assert_true(rig.op_count > 0);
    assert_int_equal(rig.ops[0].type, SMB_DO_IO);
    assert_int_equal(rig.ops[0].io, op);
    rig_answer(&rig, STATUS_OK);
}

/* The file's locks from now on. */
static void locked(const struct byterange *all, size_t count)
{
    struct writer w = writer_of(locks, sizeof(locks));
    for (size_t i = 0; i < count; i++)
        byterange_write(&w, &all[i]);
    file.locks = pb_bytes(written(&w));
    file.version++;
}

static void replied(ntstatus status)
{
    Fl__InfoReply info = FL__INFO_REPLY__INIT;
    Fl__Reply reply = FL__REPLY__INIT;
    info.info = &file;
    reply.status = status;
    if (status == STATUS_OK) {
        reply.info = &info;
        reply.body_case = FL__REPLY__BODY_INFO;
    }
    rig_reply(&rig, &reply);
}

/* What was asked last waits there. */
static void waits(void)
{
    struct rig_op op = rig.ops[0];
    replied(STATUS_PENDING);
    rig.ops[rig.op_count++] = op;
}

/* ---- LOCK ----------------------------------------------------------------------------------- */

static void test_what_is_asked(void **state)
{
    (void)state;
    send_lock(5, 10, EXCLUSIVE | FAIL);
    const struct rig_op *op = wanted(LOCK, 0);
    assert_int_equal(op->lock.count, 1);
    assert_int_equal(op->lock.first.offset, 5);
    assert_int_equal(op->lock.first.length, 10);
    assert_true(op->lock.first.exclusive);
    assert_false(op->lock.wait);
    replied(STATUS_OK);
    answered(SMB2_LOCK, STATUS_OK);
    send_lock(5, 10, SHARED);
    op = wanted(LOCK, 0);
    assert_false(op->lock.first.exclusive);
    assert_true(op->lock.wait);
    replied(STATUS_LOCK_NOT_GRANTED);
    answered(SMB2_LOCK, STATUS_LOCK_NOT_GRANTED);
    send_lock(5, 10, UN);
    assert_int_equal(wanted(UNLOCK, 0)->lock.first.offset, 5);
    replied(STATUS_RANGE_NOT_LOCKED);
    answered(SMB2_LOCK, STATUS_RANGE_NOT_LOCKED);
}

static void test_flags(void **state)
{
    (void)state;
    const struct row {
        const char *name;
        uint32_t first, second; /* second 0: one element */
        int command;            /* asked of the coordinator, or 0 */
        uint32_t count;
        ntstatus status; /* when all goes well there */
    } rows[] = {
        {"none", 0, 0, 0, 0, STATUS_INVALID_PARAMETER},
        {"both", SHARED | EXCLUSIVE, 0, 0, 0, STATUS_INVALID_PARAMETER},
        {"unknown", SHARED | 0x20, 0, 0, 0, STATUS_INVALID_PARAMETER},
        {"only fail", FAIL, 0, 0, 0, STATUS_INVALID_PARAMETER},
        {"unlock and fail", UN | FAIL, 0, 0, 0, STATUS_INVALID_PARAMETER},
        {"unlock and lock", UN | EXCLUSIVE, 0, 0, 0, STATUS_INVALID_PARAMETER},
        {"one waits", SHARED, 0, LOCK, 1, STATUS_OK},
        {"two", SHARED | FAIL, EXCLUSIVE | FAIL, LOCK, 2, STATUS_OK},
        {"of two one waits", SHARED | FAIL, SHARED, 0, 0, STATUS_INVALID_PARAMETER},
        {"lock, then unlock", SHARED | FAIL, UN, 0, 0, STATUS_INVALID_PARAMETER},
        {"two unlocks", UN, UN, UNLOCK, 2, STATUS_OK},
        {"unlock, then lock", UN, SHARED | FAIL, UNLOCK, 1, STATUS_INVALID_PARAMETER},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        const struct row *row = &rows[i];
        const struct smb_lock_element all[] = {{0, 1, row->first}, {1, 1, row->second}};
        put_lock(client_begin(&cl, SMB2_LOCK, 0), 0, all, row->second != 0 ? 2 : 1);
        client_send(&cl);
        assert_row(row->name, rig.op_count == (row->command != 0));
        if (row->command != 0) {
            assert_row(row->name, rig.ops[0].command == row->command);
            assert_row(row->name, rig.ops[0].lock.count == row->count);
            replied(STATUS_OK);
        }
        assert_row(row->name, client_receive(&cl));
        assert_row(row->name, cl.header.status == row->status);
    }
    /* What comes first counts. */
    const struct smb_lock_element all[] = {{0, 1, UN}, {1, 1, 0}};
    put_lock(client_begin(&cl, SMB2_LOCK, 0), 0, all, 2);
    client_send(&cl);
    replied(STATUS_RANGE_NOT_LOCKED);
    answered(SMB2_LOCK, STATUS_RANGE_NOT_LOCKED);
}

/* [MS-SMB2] 3.3.5.14: who may have sent it before on another channel. */
static void test_sequence(void **state)
{
    (void)state;
    const struct {
        const char *name;
        uint16_t dialect;
        uint32_t capabilities;
        bool kept;
    } rows[] = {
        {"2.1", SMB_DIALECT_210, SMB2_GLOBAL_CAP_MULTI_CHANNEL, false},
        {"3.0", SMB_DIALECT_300, SMB2_GLOBAL_CAP_MULTI_CHANNEL, true},
        {"3.1.1, one channel", SMB_DIALECT_311, 0, false},
        {"3.1.1", SMB_DIALECT_311, SMB2_GLOBAL_CAP_MULTI_CHANNEL, true},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        begin(rows[i].dialect, rows[i].capabilities);
        struct smb_lock_element one = {0, 1, SHARED | FAIL};
        for (size_t unlock = 0; unlock < 2; unlock++) {
            put_lock(client_begin(&cl, SMB2_LOCK, 0), 7 << 4 | 5, &one, 1);
            client_send(&cl);
            const struct rig_op *op = wanted(unlock ? UNLOCK : LOCK, 0);
            assert_row(rows[i].name, op->lock.sequence_index == (rows[i].kept ? 7 : 0));
            assert_row(rows[i].name, op->lock.sequence_number == 5);
            replied(STATUS_OK);
            answered(SMB2_LOCK, STATUS_OK);
            one.flags = UN;
        }
        end();
    }
}

static void test_of_a_pipe(void **state)
{
    (void)state;
    struct smb_file_id pipe;
    assert_int_equal(client_tree(&cl, "\\\\server\\IPC$"), STATUS_OK);
    assert_int_equal(client_create(&cl, "srvsvc", &pipe), STATUS_OK);
    id = pipe;
    send_lock(0, 1, SHARED | FAIL);
    answered(SMB2_LOCK, STATUS_INVALID_DEVICE_REQUEST);
}

/* ---- waiting -------------------------------------------------------------------------------- */

static void test_waits_for_hours(void **state)
{
    (void)state;
    send_lock(0, 10, EXCLUSIVE);
    waits();
    answered(SMB2_LOCK, STATUS_PENDING);
    rig_advance(&rig, UINT64_C(36000) * 1000000000);
    quiet();
    locked(&(struct byterange){id.persistent, 0, 10, true}, 1);
    replied(STATUS_OK);
    answered(SMB2_LOCK, STATUS_OK);
    assert_int_equal(cl.header.credits, 0); /* they came with the interim reply */
}

static void test_cancelled(void **state)
{
    (void)state;
    send_lock(0, 10, EXCLUSIVE);
    waits();
    answered(SMB2_LOCK, STATUS_PENDING);
    smb_empty_encode(client_begin(&cl, SMB2_CANCEL, SMB2_FLAGS_ASYNC_COMMAND));
    client_send(&cl);
    assert_int_equal(rig.cancels, 1);
    quiet();
    replied(STATUS_CANCELLED);
    answered(SMB2_LOCK, STATUS_CANCELLED);
}

/* The CANCEL overtakes the coordinator's word that it waits. */
static void test_cancelled_early(void **state)
{
    (void)state;
    send_lock(0, 10, EXCLUSIVE);
    smb_empty_encode(client_begin(&cl, SMB2_CANCEL, 0));
    client_send(&cl);
    assert_int_equal(rig.cancels, 0);
    waits();
    assert_int_equal(rig.cancels, 1);
    answered(SMB2_LOCK, STATUS_PENDING);
    replied(STATUS_CANCELLED);
    answered(SMB2_LOCK, STATUS_CANCELLED);
}

/* The end of the open ends what waits through it; its Close ends the command at the coordinator. */
static void test_closed(void **state)
{
    (void)state;
    for (int before = 0; before < 2; before++) { /* it was told that it waits before the CLOSE */
        begin(SMB_DIALECT_311, 0);
        send_lock(0, 10, EXCLUSIVE);
        if (before)
            waits();
        if (before)
            answered(SMB2_LOCK, STATUS_PENDING);
        send_close();
        if (!before) {
            quiet();
            waits();
            answered(SMB2_LOCK, STATUS_PENDING);
        }
        answered(SMB2_LOCK, STATUS_RANGE_NOT_LOCKED);
        assert_int_equal(rig.op_count, 2);
        assert_int_equal(rig.ops[before].command, CLOSE);
        replied(STATUS_OK);
        replied(STATUS_OK); /* to the Lock: nobody is there */
        answered(SMB2_CLOSE, STATUS_OK);
        end();
    }
}

static void test_tree_and_session_end(void **state)
{
    (void)state;
    static const uint16_t commands[] = {SMB2_TREE_DISCONNECT, SMB2_LOGOFF};
    for (size_t i = 0; i < array_len(commands); i++) {
        begin(SMB_DIALECT_311, 0);
        send_lock(0, 10, EXCLUSIVE);
        waits();
        answered(SMB2_LOCK, STATUS_PENDING);
        smb_empty_encode(client_begin(&cl, commands[i], 0));
        client_send(&cl);
        bool lock = false, other = false;
        while (client_receive(&cl)) {
            lock |= cl.header.command == SMB2_LOCK && cl.header.status == STATUS_RANGE_NOT_LOCKED;
            other |= cl.header.command == commands[i] && cl.header.status == STATUS_OK;
        }
        assert_true(other);
        assert_true(lock || commands[i] == SMB2_LOGOFF);
        assert_int_equal(rig.closes, 1);
        end();
    }
}

static void test_client_goes(void **state)
{
    (void)state;
    send_lock(0, 10, EXCLUSIVE);
    waits();
    client_leave(&cl);
    assert_int_equal(rig.cancels, 1);
    assert_int_equal(rig.closes, 1);
    replied(STATUS_CANCELLED);
}

/* Amid a compound nothing waits ([MS-SMB2] 3.3.5.2.7 <266>). */
static void test_in_a_compound(void **state)
{
    (void)state;
    const struct smb_lock_element one = {0, 10, EXCLUSIVE};
    put_lock(client_begin(&cl, SMB2_LOCK, 0), 0, &one, 1);
    put_lock(client_and(&cl, SMB2_LOCK, SMB2_FLAGS_RELATED_OPERATIONS), 0, &one, 1);
    client_send(&cl);
    assert_false(wanted(LOCK, 0)->lock.wait);
    replied(STATUS_OK);
    assert_true(wanted(LOCK, 0)->lock.wait);
    waits();
    answered(SMB2_LOCK, STATUS_OK);
    answered(SMB2_LOCK, STATUS_PENDING);
    replied(STATUS_OK);
    answered(SMB2_LOCK, STATUS_OK);
}

/* ---- READ and WRITE ------------------------------------------------------------------------- */

/* The client learns of locks by its own LOCK. */
static void learn(const struct byterange *all, size_t count)
{
    send_lock(0, 0, SHARED | FAIL);
    locked(all, count);
    replied(STATUS_OK);
    answered(SMB2_LOCK, STATUS_OK);
}

static void test_what_locks_forbid(void **state)
{
    (void)state;
    const uint64_t me = id.persistent, you = id.persistent + 1;
    const struct {
        const char *name;
        struct byterange lock;
        bool read, write; /* goes to the disks without asking */
    } rows[] = {
        {"elsewhere", {you, 50, 10, true}, true, true},
        {"my exclusive", {me, 0, 10, true}, true, true},
        {"my shared", {me, 0, 10, false}, true, false},
        {"another's shared", {you, 19, 10, false}, true, false},
        {"another's exclusive", {you, 19, 10, true}, false, false},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        learn(&rows[i].lock, 1);
        for (int write = 0; write < 2; write++) {
            uint16_t command = write ? SMB2_WRITE : SMB2_READ;
            send_io(write, 0, 20);
            if (write ? rows[i].write : rows[i].read) {
                io_wanted(write ? SMB_IO_WRITE : SMB_IO_READ);
                answered(command, STATUS_OK);
                continue;
            }
            const struct rig_op *op = wanted(0, ACCESS);
            assert_row(rows[i].name, op->offset == 0 && op->len == 20 && op->write == write);
            replied(STATUS_FILE_LOCK_CONFLICT);
            answered(command, STATUS_FILE_LOCK_CONFLICT);
        }
    }
}

/* A lock that has gone meanwhile costs a question, once. */
static void test_a_lock_that_has_gone(void **state)
{
    (void)state;
    learn(&(struct byterange){id.persistent + 1, 0, 10, true}, 1);
    send_io(true, 0, 20);
    wanted(0, ACCESS);
    locked(NULL, 0);
    replied(STATUS_OK);
    io_wanted(SMB_IO_WRITE);
    answered(SMB2_WRITE, STATUS_OK);
    send_io(false, 0, 20);
    io_wanted(SMB_IO_READ);
    answered(SMB2_READ, STATUS_OK);
}

/* Nothing is read, whatever is locked. */
static void test_no_bytes(void **state)
{
    (void)state;
    learn(&(struct byterange){id.persistent + 1, 0, 10, true}, 1);
    send_io(false, 5, 0);
    answered(SMB2_READ, STATUS_OK);
    send_io(true, 5, 0);
    answered(SMB2_WRITE, STATUS_OK);
}

/* Lists that cannot be kept: each READ and WRITE asks. */
static void test_not_kept(void **state)
{
    (void)state;
    struct byterange many[BYTERANGES_MAX + 1] = {0};
    for (uint64_t i = 0; i < array_len(many); i++)
        many[i] = (struct byterange){id.persistent, 1000 + i, 1, true};
    learn(many, array_len(many));
    send_io(false, 0, 20);
    wanted(0, ACCESS);
    locked(&(struct byterange){id.persistent, UINT64_MAX, 2, true}, 1); /* no range */
    replied(STATUS_OK);
    io_wanted(SMB_IO_READ);
    answered(SMB2_READ, STATUS_OK);
    send_io(true, 0, 20);
    wanted(0, ACCESS);
    locked(NULL, 0);
    file.cacheable = false;
    replied(STATUS_OK);
    wanted(FL__COMMAND__BODY_BREAK_CACHING, 0); /* who may read from a cache is not known either */
    replied(STATUS_OK);
    io_wanted(SMB_IO_WRITE);
    wanted(FL__COMMAND__BODY_BREAK_CACHING, 0);
    replied(STATUS_OK);
    answered(SMB2_WRITE, STATUS_OK);
    send_io(true, 0, 20);
    wanted(0, ACCESS);
    file.cacheable = true;
    replied(STATUS_OK);
    io_wanted(SMB_IO_WRITE);
    answered(SMB2_WRITE, STATUS_OK);
    send_io(true, 0, 20);
    io_wanted(SMB_IO_WRITE);
    answered(SMB2_WRITE, STATUS_OK);
}

/* A reply without the facts, e.g. one remembered in brief: what was kept lacks the lock. */
static void test_a_brief_reply(void **state)
{
    (void)state;
    send_lock(0, 10, SHARED | FAIL);
    rig_reply(&rig, &(Fl__Reply)FL__REPLY__INIT);
    answered(SMB2_LOCK, STATUS_OK);
    send_io(true, 0, 20);
    wanted(0, ACCESS);
    replied(STATUS_FILE_LOCK_CONFLICT);
    answered(SMB2_WRITE, STATUS_FILE_LOCK_CONFLICT);
}

/* Whatever memory is refused, nothing is left behind and nobody crashes. */
static void test_memory(void **state)
{
    (void)state;
    uint64_t nth = 0;
    do {
        memset(&cl, 0, sizeof(cl));
        if (!rig_init_failing(&rig, ++nth))
            continue;
        client_connect(&cl, &rig);
        if (client_negotiate(&cl, SMB_DIALECT_311) == STATUS_OK && client_logon(&cl) == STATUS_OK &&
            client_tree(&cl, "\\\\s\\general") == STATUS_OK &&
            client_create(&cl, "file", &id) == STATUS_OK) {
            rig.hold_meta = true;
            send_lock(0, 10, EXCLUSIVE);
            locked(&(struct byterange){id.persistent + 1, 0, 10, true}, 1);
            file.inode = file.data_id = 1000 + id.persistent;
            if (rig.op_count > 0)
                replied(STATUS_OK);
            rig.hold_meta = false;
            (void)client_receive(&cl);
            send_io(true, 0, 20);
            (void)client_receive(&cl);
        }
        client_free(&cl);
        rig_fini(&rig);
    } while (rig.allocations >= nth);
    assert_true(nth > 20);
}

#define ON_A_FILE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_FILE(test_what_is_asked),
        ON_A_FILE(test_flags),
        cmocka_unit_test(test_sequence),
        ON_A_FILE(test_of_a_pipe),
        ON_A_FILE(test_waits_for_hours),
        ON_A_FILE(test_cancelled),
        ON_A_FILE(test_cancelled_early),
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_tree_and_session_end),
        ON_A_FILE(test_client_goes),
        ON_A_FILE(test_in_a_compound),
        ON_A_FILE(test_what_locks_forbid),
        ON_A_FILE(test_a_lock_that_has_gone),
        ON_A_FILE(test_no_bytes),
        ON_A_FILE(test_not_kept),
        ON_A_FILE(test_a_brief_reply),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
