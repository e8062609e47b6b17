/* Leases and oplocks: what is asked of the coordinator, what clients are told, and what a write
 * does where others read from a cache. */
#include "tests/lib/unit.h"
#include "tests/node/smb/rig.h"

#include "proto/base/must.h"
#include "proto/smb/create_client.h"
#include "proto/smb/create_ctx.h"
#include "proto/smb/data_client.h"
#include "proto/smb/negotiate.h"
#include "proto/smb/oplock.h"
#include <string.h>

enum {
    BREAK_CACHING = FL__COMMAND__BODY_BREAK_CACHING,
    LEASE_ACK = FL__COMMAND__BODY_LEASE_ACK,
    OPLOCK_ACK = FL__COMMAND__BODY_OPLOCK_ACK,
    INFO = FL__QUERY__BODY_ACCESS,
    MINE = 77, /* the lease's number */
};

static struct rig rig;
static struct client cl;
static struct smb_file_id id;
static Fl__FileInfo file;

static int setup(void **state)
{
    (void)state;
    rig_init(&rig);
    memset(&cl, 0, sizeof(cl));
    client_ready(&cl, &rig, SMB_DIALECT_311);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig.hold_meta = rig.hold_io = false;
    while (rig.op_count > 0)
        rig_answer(&rig, STATUS_FILE_NOT_AVAILABLE);
    client_free(&cl);
    rig_fini(&rig);
    return 0;
}

static void answered(ntstatus status)
{
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.status, status);
}

static void wanted(int command, int query)
{
    assert_true(rig.op_count > 0);
    assert_int_equal(rig.ops[0].type, SMB_DO_META);
    assert_int_equal(rig.ops[0].command, command);
    assert_int_equal(rig.ops[0].query, query);
}

static void reply_file(void)
{
    Fl__InfoReply info = FL__INFO_REPLY__INIT;
    Fl__Reply reply = FL__REPLY__INIT;
    info.info = &file;
    file.version++;
    reply.info = &info;
    reply.body_case = FL__REPLY__BODY_INFO;
    rig_reply(&rig, &reply);
}

/* A CREATE of "file" with this level and, unless it is NULL, this lease. */
static void send_create(uint8_t level, const struct create_lease *lease)
{
    uint8_t room[128], name[] = "f\0i\0l\0e";
    struct writer ctx = writer_of(room, sizeof(room));
    if (lease != NULL) {
        uint32_t len = lease->v2 ? 52 : 32;
        write_u32(&ctx, 0);
        write_u16(&ctx, 16);
        write_u16(&ctx, 4);
        write_u16(&ctx, 0);
        write_u16(&ctx, 24);
        write_u32(&ctx, len);
        write_bytes(&ctx, slice_str("RqLs"));
        write_zeros(&ctx, 4);
        write_bytes(&ctx, slice_of(lease->key, 16));
        write_u32(&ctx, lease->state);
        write_u32(&ctx, lease->flags);
        write_u64(&ctx, 0);
        write_bytes(&ctx, slice_of(lease->parent_key, lease->v2 ? 16 : 0));
        write_u32(&ctx, lease->v2 ? lease->epoch : 0);
    }
    struct smb_create_req req = {.oplock_level = level,
                                 .impersonation = 2,
                                 .desired_access = 0x12019F,
                                 .share_access = 7,
                                 .disposition = 1,
                                 .name = slice_of(name, 8)};
    req.contexts = slice_of(room, lease == NULL ? 0 : lease->v2 ? 76 : 56);
    smb_create_req_encode(client_begin(&cl, SMB2_CREATE, 0), &req);
    client_send(&cl);
}

/* The coordinator's answer to it. */
static void reply_open(uint32_t level, Fl__Caching *lease, uint64_t lease_id)
{
    Fl__OpenReply open = FL__OPEN_REPLY__INIT;
    Fl__Reply reply = FL__REPLY__INIT;
    fl__file_info__init(&file);
    file.volume = 1;
    file.inode = file.data_id = 1001;
    file.size = 100;
    file.cacheable = true;
    file.version = 2;
    file.attributes = 0x20;
    file.cached_by = lease_id;
    open.open_id = 1;
    open.granted_access = open.maximal_access = 0x1F01FF;
    open.action = 1;
    open.info = &file;
    open.oplock = level;
    open.lease = lease;
    open.lease_id = lease_id;
    reply.open = &open;
    reply.body_case = FL__REPLY__BODY_OPEN;
    rig_reply(&rig, &reply);
    answered(STATUS_OK);
    assert_int_equal(cl.message.at[66], level);
    struct reader r = reader_of(cl.message);
    read_skip(&r, 64 + 64);
    id.persistent = read_u64(&r);
    id.volatile_ = read_u64(&r);
}

static struct create_lease asked(bool v2)
{
    struct create_lease l = {.state = 7, .v2 = v2, .epoch = 0x4711};
    memset(l.key, 'k', sizeof(l.key));
    return l;
}

static Fl__Caching granted(uint32_t state)
{
    static uint8_t key[16];
    Fl__Caching c = FL__CACHING__INIT;
    memset(key, 'k', sizeof(key));
    c.key = (ProtobufCBinaryData){16, key};
    c.state = state;
    c.version = 1;
    return c;
}

static void open_with_lease(uint32_t state)
{
    struct create_lease l = asked(false);
    Fl__Caching c = granted(state);
    rig.hold_meta = rig.hold_io = true;
    send_create(0xFF, &l);
    reply_open(0xFF, &c, MINE);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static const struct {
    const char *share;
    uint16_t dialect;
    uint8_t level;
    bool lease, v2;
    uint32_t oplock, state, version; /* what the coordinator is asked for */
} wishes[] = {
    {"\\\\s\\general", SMB_DIALECT_311, 0, false, false, 0, 0, 0},
    {"\\\\s\\general", SMB_DIALECT_311, 9, false, false, 9, 0, 0},
    {"\\\\s\\general", SMB_DIALECT_311, 8, true, false, 8, 0, 0}, /* the lease does not count */
    {"\\\\s\\general", SMB_DIALECT_311, 4, false, false, 0, 0, 0},
    {"\\\\s\\general", SMB_DIALECT_311, 0xFF, false, false, 0, 0, 0},
    {"\\\\s\\general", SMB_DIALECT_311, 0xFF, true, false, 0xFF, 7, 1},
    {"\\\\s\\general", SMB_DIALECT_311, 0xFF, true, true, 0xFF, 7, 2},
    {"\\\\s\\general", SMB_DIALECT_210, 0xFF, true, false, 0xFF, 7, 1},
    {"\\\\s\\general", SMB_DIALECT_210, 0xFF, true, true, 0, 0, 0},
    {"\\\\s\\general", SMB_DIALECT_202, 0xFF, true, false, 0, 0, 0},
    {"\\\\s\\general", SMB_DIALECT_202, 9, false, false, 9, 0, 0},
    /* [MS-SMB2] 3.3.5.9, 3.3.5.9.8: many nodes serve it at once. */
    {"\\\\s\\vms", SMB_DIALECT_311, 9, false, false, 1, 0, 0},
    {"\\\\s\\vms", SMB_DIALECT_311, 0xFF, true, true, 0xFF, 1, 2},
};

static void what_is_asked_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(wishes); i++) {
        client_free(&cl);
        memset(&cl, 0, sizeof(cl));
        client_connect(&cl, &rig);
        assert_int_equal(client_negotiate(&cl, wishes[i].dialect), STATUS_OK);
        assert_int_equal(client_logon(&cl), STATUS_OK);
        assert_int_equal(client_tree(&cl, wishes[i].share), STATUS_OK);
        rig.hold_meta = true;
        struct create_lease l = asked(wishes[i].v2);
        send_create(wishes[i].level, wishes[i].lease ? &l : NULL);
        wanted(FL__COMMAND__BODY_OPEN, 0);
        if (rig.ops[0].oplock != wishes[i].oplock || rig.ops[0].lease_state != wishes[i].state ||
            rig.ops[0].lease_version != wishes[i].version)
            fail_msg("row %zu: asks for %u, %u, version %u", i, rig.ops[0].oplock,
                     rig.ops[0].lease_state, rig.ops[0].lease_version);
        rig.hold_meta = false;
        rig_answer(&rig, STATUS_OBJECT_NAME_NOT_FOUND);
        answered(STATUS_OBJECT_NAME_NOT_FOUND);
    }
}

static void what_was_granted_is_said(void **state)
{
    (void)state;
    struct create_lease l = asked(true);
    Fl__Caching c = granted(3);
    uint8_t parent[16] = {'p'};
    c.version = 2;
    c.epoch = 0x4712;
    c.parent_key = (ProtobufCBinaryData){16, parent};
    c.breaking = true;
    rig.hold_meta = true;
    send_create(0xFF, &l);
    reply_open(0xFF, &c, MINE);
    struct reader r = reader_of(cl.message);
    read_skip(&r, 152 + 16);
    struct slice name = read_slice(&r, 4);
    assert_memory_equal(name.at, "RqLs", 4);
    read_skip(&r, 4 + 16);
    assert_int_equal(read_u32(&r), 3);
    assert_int_equal(read_u32(&r), 2 | 4); /* break in progress, parent key */
    read_skip(&r, 8);
    assert_int_equal(read_u8(&r), 'p');
    read_skip(&r, 15);
    assert_int_equal(read_u16(&r), 0x4712);
    assert_false(r.bad);
}

/* ---- telling and acknowledging -----------------------------------------------------------------
 */

static void tell_lease(uint8_t client, bool acknowledge)
{
    uint8_t guid[16], key[16];
    memset(guid, client, sizeof(guid));
    if (client == 0)
        memcpy(guid, "client-guid", 11);
    memset(key, 'k', sizeof(key));
    Fl__LeaseBreak b = FL__LEASE_BREAK__INIT;
    b.client_guid = (ProtobufCBinaryData){16, guid};
    b.key = (ProtobufCBinaryData){16, key};
    b.current_state = 7;
    b.new_state = 3;
    b.epoch = 9;
    b.acknowledge = acknowledge;
    struct smb_event ev = {.type = SMB_EV_LEASE_BREAK, .lease_break = &b};
    rig_event(&rig, &ev);
}

static void a_break_of_a_lease(void **state)
{
    (void)state;
    open_with_lease(7);
    tell_lease(0xEE, true); /* of a client that is not here */
    assert_false(client_receive(&cl));
    tell_lease(0, true);
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.command, SMB2_OPLOCK_BREAK);
    assert_true(cl.header.message_id == UINT64_MAX);
    assert_true(cl.header.session_id == 0);
    struct reader r = reader_of(cl.message);
    read_skip(&r, 64);
    assert_int_equal(read_u16(&r), 44);
    assert_int_equal(read_u16(&r), 9);
    assert_int_equal(read_u32(&r), 1);
    assert_int_equal(read_u8(&r), 'k');
    read_skip(&r, 15);
    assert_int_equal(read_u32(&r), 7);
    assert_int_equal(read_u32(&r), 3);
    struct writer *w = client_begin(&cl, SMB2_OPLOCK_BREAK, 0);
    uint8_t key[16];
    memset(key, 'k', sizeof(key));
    smb_lease_break_rsp_encode(w, key, 3); /* the same body */
    client_send(&cl);
    wanted(LEASE_ACK, 0);
    rig_answer(&rig, STATUS_OK);
    answered(STATUS_OK);
    r = reader_of(cl.message);
    read_skip(&r, 64 + 24);
    assert_int_equal(read_u32(&r), 3);
}

static void a_wrong_acknowledgement_is_the_coordinator_s(void **state)
{
    (void)state;
    rig.hold_meta = true;
    uint8_t key[16] = {1};
    smb_lease_break_rsp_encode(client_begin(&cl, SMB2_OPLOCK_BREAK, 0), key, 3);
    client_send(&cl);
    wanted(LEASE_ACK, 0);
    rig_answer(&rig, STATUS_OBJECT_NAME_NOT_FOUND);
    answered(STATUS_OBJECT_NAME_NOT_FOUND);
    smb_oplock_break_encode(client_begin(&cl, SMB2_OPLOCK_BREAK, 0), 1, (struct smb_file_id){5, 5});
    client_send(&cl);
    answered(STATUS_FILE_CLOSED);
}

static void a_break_of_an_oplock(void **state)
{
    (void)state;
    rig.hold_meta = true;
    send_create(9, NULL);
    reply_open(9, NULL, MINE);
    Fl__OplockBreak b = FL__OPLOCK_BREAK__INIT;
    b.open_id = 99;
    struct smb_event ev = {.type = SMB_EV_OPLOCK_BREAK, .oplock_break = &b};
    rig_event(&rig, &ev);
    assert_false(client_receive(&cl));
    b.open_id = id.persistent;
    b.level = 1;
    rig_event(&rig, &ev);
    assert_true(client_receive(&cl));
    assert_true(cl.header.session_id == cl.session_id);
    struct reader r = reader_of(cl.message);
    read_skip(&r, 64 + 2);
    assert_int_equal(read_u8(&r), 1);
    read_skip(&r, 5);
    assert_true(read_u64(&r) == id.persistent);
    smb_oplock_break_encode(client_begin(&cl, SMB2_OPLOCK_BREAK, 0), 1, id);
    client_send(&cl);
    wanted(OPLOCK_ACK, 0);
    rig_answer(&rig, STATUS_OK);
    answered(STATUS_OK);
    assert_int_equal(cl.message.at[66], 1);
}

/* ---- heeding -----------------------------------------------------------------------------------
 */

static void send_write(uint32_t len)
{
    static uint8_t bytes[256];
    struct smb_write_req req = {.file_id = id, .length = len, .data = {bytes, len}};
    smb_write_req_encode(client_begin(&cl, SMB2_WRITE, 0), &req);
    client_send(&cl);
}

static void bytes_go_down(void)
{
    assert_int_equal(rig.ops[0].type, SMB_DO_IO);
    rig_answer(&rig, STATUS_OK);
}

static void a_write_beside_its_own_lease_asks_nobody(void **state)
{
    (void)state;
    open_with_lease(7);
    send_write(10);
    bytes_go_down();
    answered(STATUS_OK);
}

static void a_write_breaks_what_others_have_read(void **state)
{
    (void)state;
    open_with_lease(3);
    struct smb_event ev = {.type = SMB_EV_INVALIDATE, .invalidate = {1, 1001, 5}};
    rig_event(&rig, &ev);
    send_write(10);
    wanted(0, INFO);
    file.cached_by = MINE + 1; /* somebody else */
    reply_file();
    wanted(BREAK_CACHING, 0);
    /* Who wants to cache it now waits for this write. */
    ev.invalidate.ticket = 6;
    uint32_t before = rig.invalidates_done;
    rig_event(&rig, &ev);
    assert_int_equal(rig.invalidates_done, before);
    file.cached_by = MINE;
    reply_file();
    bytes_go_down();
    answered(STATUS_OK);
    assert_int_equal(rig.invalidates_done, before + 1);
}

/* What may not be kept may be otherwise before the bytes are there: it is asked for again. */
static void a_write_amid_a_change(void **state)
{
    (void)state;
    open_with_lease(3);
    struct smb_event ev = {.type = SMB_EV_INVALIDATE, .invalidate = {1, 1001, 5}};
    rig_event(&rig, &ev);
    send_write(10);
    wanted(0, INFO);
    file.cacheable = false;
    file.cached_by = 0;
    reply_file();
    wanted(BREAK_CACHING, 0);
    reply_file();
    bytes_go_down();
    wanted(BREAK_CACHING, 0);
    file.cacheable = true;
    reply_file();
    answered(STATUS_OK);
    send_write(10); /* and kept from then on */
    bytes_go_down();
    answered(STATUS_OK);
}

static void a_break_that_fails_fails_the_write(void **state)
{
    (void)state;
    open_with_lease(3);
    struct smb_event ev = {.type = SMB_EV_INVALIDATE, .invalidate = {1, 1001, 0}};
    rig_event(&rig, &ev);
    send_write(10);
    file.cached_by = UINT64_MAX;
    reply_file();
    wanted(BREAK_CACHING, 0);
    rig_answer(&rig, STATUS_FILE_NOT_AVAILABLE);
    answered(STATUS_FILE_NOT_AVAILABLE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_asked_for),
        TEST(what_was_granted_is_said),
        TEST(a_break_of_a_lease),
        TEST(a_wrong_acknowledgement_is_the_coordinator_s),
        TEST(a_break_of_an_oplock),
        TEST(a_write_beside_its_own_lease_asks_nobody),
        TEST(a_write_breaks_what_others_have_read),
        TEST(a_write_amid_a_change),
        TEST(a_break_that_fails_fails_the_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
