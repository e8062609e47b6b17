/* Several channels of one session, and what a client does when it loses one.
 * covers: channel.c bind.c sequence.c interfaces.c */
#include "tests/lib/unit.h"
#include "tests/node/smb/rig.h"

#include "proto/smb/create_client.h"
#include "proto/smb/data_client.h"
#include "proto/smb/negotiate.h"
#include <string.h>

static struct rig rig;
static struct client cl, second, third;

static int setup(void **state)
{
    (void)state;
    rig_init(&rig);
    memset(&cl, 0, sizeof(cl));
    memset(&second, 0, sizeof(second));
    memset(&third, 0, sizeof(third));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    client_free(&cl);
    client_free(&second);
    client_free(&third);
    rig_fini(&rig);
    return 0;
}

static ntstatus echo(struct client *c)
{
    smb_empty_encode(client_begin(c, SMB2_ECHO, 0));
    return client_call(c);
}

static ntstatus read_file(struct client *c, struct smb_file_id id)
{
    struct smb_read_req req = {.length = 10, .file_id = id};
    smb_read_req_encode(client_begin(c, SMB2_READ, 0), &req);
    return client_call(c);
}

static void put_write(struct client *c, struct smb_file_id id, uint32_t flags)
{
    struct smb_write_req req = {.file_id = id, .data = slice_str("data")};
    smb_write_req_encode(client_begin(c, SMB2_WRITE, flags), &req);
}

/* ---- binding -------------------------------------------------------------------------------- */

static void test_two_channels(void **state)
{
    static const uint16_t dialects[] = {SMB_DIALECT_300, SMB_DIALECT_302, SMB_DIALECT_311};
    (void)state;
    for (size_t i = 0; i < sizeof(dialects) / sizeof(*dialects); i++) {
        struct smb_file_id id;
        client_ready(&cl, &rig, dialects[i]);
        assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
        assert_int_equal(client_bind(&second, &cl), STATUS_OK);
        assert_int_equal(read_file(&second, id), STATUS_OK);
        assert_true((second.header.flags & SMB2_FLAGS_SIGNED) != 0); /* with its own key */
        assert_int_equal(read_file(&cl, id), STATUS_OK);
        second.seal = second.strict = true;
        second.nonce = 1000000; /* one key, two counters */
        assert_int_equal(read_file(&second, id), STATUS_OK);
        assert_int_equal(client_close(&second, id), STATUS_OK);
        assert_int_equal(client_close(&cl, id), STATUS_FILE_CLOSED);
        client_leave(&cl);
        client_leave(&second);
    }
}

static void test_loss_of_a_channel(void **state)
{
    (void)state;
    struct smb_file_id id;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
    assert_int_equal(client_bind(&second, &cl), STATUS_OK);
    client_leave(&cl); /* the one the session was set up on */
    assert_int_equal(rig.closes, 0);
    assert_int_equal(read_file(&second, id), STATUS_OK);
    assert_int_equal(client_bind(&third, &second), STATUS_OK);
    client_leave(&second);
    assert_int_equal(read_file(&third, id), STATUS_OK);
    client_leave(&third);
    assert_int_equal(rig.closes, 1); /* the last takes the session along */
}

static void test_loss_amid_a_request(void **state)
{
    (void)state;
    struct smb_file_id id;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
    assert_int_equal(client_bind(&second, &cl), STATUS_OK);
    rig.hold_io = true;
    put_write(&cl, id, 0);
    client_send(&cl);
    assert_int_equal(rig.op_count, 1);
    client_leave(&cl);
    rig.hold_io = false;
    rig_answer(&rig, STATUS_OK); /* nobody waits for it */
    assert_int_equal(client_close(&second, id), STATUS_OK);
    assert_int_equal(rig.closes, 1);
}

static void test_logoff_ends_all_channels(void **state)
{
    (void)state;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    assert_int_equal(client_bind(&second, &cl), STATUS_OK);
    smb_empty_encode(client_begin(&second, SMB2_LOGOFF, 0));
    assert_int_equal(client_call(&second), STATUS_OK);
    assert_int_equal(client_tree(&cl, "\\\\s\\vms"), STATUS_USER_SESSION_DELETED);
    assert_int_equal(client_tree(&second, "\\\\s\\vms"), STATUS_USER_SESSION_DELETED);
    assert_int_equal(echo(&cl), STATUS_USER_SESSION_DELETED); /* signed for nobody */
}

static void test_renewal_by_a_channel(void **state)
{
    (void)state;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    assert_int_equal(client_bind(&second, &cl), STATUS_OK);
    assert_int_equal(client_setup(&second, "!", 0), STATUS_OK);
    assert_int_equal(client_tree(&second, "\\\\s\\vms"), STATUS_OK); /* the keys are the old */
    assert_int_equal(client_tree(&cl, "\\\\s\\vms"), STATUS_OK);
    assert_int_equal(client_setup(&second, "x", 0), STATUS_LOGON_FAILURE);
    assert_int_equal(client_tree(&cl, "\\\\s\\vms"), STATUS_USER_SESSION_DELETED);
}

static void test_most_channels(void **state)
{
    static struct client many[32];
    (void)state;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    memset(many, 0, sizeof(many));
    for (int i = 0; i < 31; i++)
        assert_int_equal(client_bind(&many[i], &cl), STATUS_OK);
    assert_int_equal(client_bind(&many[31], &cl), STATUS_INSUFFICIENT_RESOURCES);
    client_leave(&many[7]);
    client_leave(&many[31]);
    assert_int_equal(client_bind(&many[31], &cl), STATUS_OK);
    for (int i = 0; i < 32; i++)
        client_free(&many[i]);
}

/* ---- refusals ------------------------------------------------------------------------------- */

struct refusal {
    const char *name;
    uint16_t dialect, cipher, signing;    /* of the session's connection; 0: 3.1.1, GCM, GMAC */
    uint16_t dialect2, cipher2, signing2; /* of the other */
    ntstatus status;
};

#define CCM SMB_CIPHER_AES128_CCM
#define GCM SMB_CIPHER_AES128_GCM
#define HMAC SMB_SIGNING_HMAC_SHA256
#define CMAC SMB_SIGNING_AES_CMAC
#define GMAC SMB_SIGNING_AES_GMAC

static const struct refusal refusals[] = {
    {"another 3.x", 0x302, CCM, CMAC, 0x300, CCM, CMAC, STATUS_INVALID_PARAMETER},
    {"a later 3.x", 0x302, CCM, CMAC, 0x311, CCM, CMAC, STATUS_INVALID_PARAMETER},
    {"an old connection", 0x311, CCM, CMAC, 0x210, 0, 0, STATUS_REQUEST_NOT_ACCEPTED},
    {"an old session", 0x210, 0, 0, 0x311, CCM, CMAC, STATUS_INVALID_PARAMETER},
    {"both old", 0x210, 0, 0, 0x210, 0, 0, STATUS_REQUEST_NOT_ACCEPTED},
    {"both oldest", 0x202, 0, 0, 0x202, 0, 0, STATUS_REQUEST_NOT_ACCEPTED},
    {"another cipher", 0x311, GCM, CMAC, 0x311, CCM, CMAC, STATUS_INVALID_PARAMETER},
    {"GMAC, then CMAC", 0x311, GCM, GMAC, 0x311, GCM, CMAC, STATUS_REQUEST_OUT_OF_SEQUENCE},
    {"GMAC, then 3.0", 0x311, CCM, GMAC, 0x300, CCM, CMAC, STATUS_REQUEST_OUT_OF_SEQUENCE},
    {"GMAC, then 2.1", 0x311, CCM, GMAC, 0x210, 0, 0, STATUS_REQUEST_OUT_OF_SEQUENCE},
    {"CMAC, then GMAC", 0x311, GCM, CMAC, 0x311, GCM, GMAC, STATUS_NOT_SUPPORTED},
    {"2.1, then GMAC", 0x210, 0, 0, 0x311, GCM, GMAC, STATUS_NOT_SUPPORTED},
    {"CMAC, then HMAC", 0x311, GCM, CMAC, 0x311, GCM, HMAC, STATUS_MORE_PROCESSING_REQUIRED},
    {"the same", 0x311, GCM, GMAC, 0x311, GCM, GMAC, STATUS_MORE_PROCESSING_REQUIRED},
};

/* A session of the row's first half, and a connection of its second that would take it. */
static void meet(const struct refusal *row)
{
    client_connect(&cl, &rig);
    client_offer(&cl, row->cipher != 0 ? row->cipher : CCM, row->signing);
    assert_int_equal(client_negotiate(&cl, row->dialect), STATUS_OK);
    assert_int_equal(client_logon(&cl), STATUS_OK);
    assert_int_equal(client_tree(&cl, "\\\\server\\general"), STATUS_OK);
    client_connect(&second, &rig);
    client_offer(&second, row->cipher2 != 0 ? row->cipher2 : CCM, row->signing2);
    assert_int_equal(client_negotiate(&second, row->dialect2), STATUS_OK);
    client_adopt(&second, &cl);
}

static void part(void)
{
    client_leave(&cl);
    client_leave(&second);
}

static void test_other_connections(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
        struct smb_file_id id;
        meet(&refusals[i]);
        assert_row(refusals[i].name, client_bind_round(&second, "?") == refusals[i].status);
        /* Whatever came of it: nothing else goes that way, and the session is as it was. */
        assert_row(refusals[i].name,
                   client_tree(&second, "\\\\s\\vms") == STATUS_USER_SESSION_DELETED);
        assert_row(refusals[i].name, client_create(&cl, "file", &id) == STATUS_OK);
        part();
    }
}

static const struct refusal same = {"", 0x311, GCM, GMAC, 0x311, GCM, GMAC, 0};

static void test_other_people(void **state)
{
    (void)state;
    meet(&same);
    rig.user = 7;
    assert_int_equal(client_bind_round(&second, "?"), STATUS_MORE_PROCESSING_REQUIRED);
    assert_int_equal(client_bind_round(&second, "!"), STATUS_ACCESS_DENIED);
    assert_int_equal(client_tree(&second, "\\\\s\\vms"), STATUS_USER_SESSION_DELETED);
    rig.user = 0;
    rig.anonymous = true;
    second.session_preauth = second.preauth;
    assert_int_equal(client_bind_round(&second, "!"), STATUS_ACCESS_DENIED);
    rig.anonymous = false;
    second.session_preauth = second.preauth;
    assert_int_equal(client_bind_round(&second, "x"), STATUS_LOGON_FAILURE);
    assert_int_equal(client_tree(&cl, "\\\\s\\vms"), STATUS_OK);
    second.session_preauth = second.preauth; /* and the right one still may */
    assert_int_equal(client_bind_round(&second, "!"), STATUS_OK);
    assert_int_equal(client_tree(&second, "\\\\s\\vms"), STATUS_OK);
}

static void test_signature_of_a_binding(void **state)
{
    (void)state;
    static const uint8_t zero[16];
    meet(&same);
    second.bad_signature = true;
    assert_int_equal(client_bind_round(&second, "!"), STATUS_ACCESS_DENIED);
    /* Nobody gets a signature of the session's key who has not shown that he has it. */
    assert_memory_equal(second.header.signature, zero, sizeof(zero));
    second.bad_signature = false;
    second.sign = false;
    assert_int_equal(client_bind_round(&second, "!"), STATUS_INVALID_PARAMETER);
    part();
    rig.config.require_signing = true;
    meet(&same);
    second.sign = false;
    assert_int_equal(client_bind_round(&second, "!"), STATUS_ACCESS_DENIED);
}

static void test_no_such_session(void **state)
{
    (void)state;
    meet(&same);
    second.session_id = 0;
    second.sign = false;
    assert_int_equal(client_bind_round(&second, "!"), STATUS_INVALID_PARAMETER);
    second.session_id = cl.session_id ^ 1;
    assert_int_equal(client_bind_round(&second, "!"), STATUS_USER_SESSION_DELETED);
    second.sign = true;
    assert_int_equal(client_bind_round(&second, "!"), STATUS_USER_SESSION_DELETED);
    assert_int_equal(client_bind_round(&second, ""), STATUS_USER_SESSION_DELETED);
}

static void test_states_of_a_session(void **state)
{
    (void)state;
    meet(&same);
    second.session_preauth = second.preauth;
    assert_int_equal(client_bind_round(&second, "!"), STATUS_OK);
    assert_int_equal(client_bind_round(&second, "!"), STATUS_REQUEST_NOT_ACCEPTED); /* twice */
    assert_int_equal(client_bind_round(&cl, "!"), STATUS_REQUEST_NOT_ACCEPTED);     /* its own */
    part();
    rig.expires_s = 10;
    meet(&same);
    rig_advance(&rig, UINT64_C(11000000000));
    assert_int_equal(client_bind_round(&second, "!"), STATUS_NETWORK_SESSION_EXPIRED);
    part();
    rig.expires_s = 0;
    client_connect(&cl, &rig);
    assert_int_equal(client_negotiate(&cl, SMB_DIALECT_302), STATUS_OK);
    assert_int_equal(client_setup(&cl, "?", 0), STATUS_MORE_PROCESSING_REQUIRED);
    client_connect(&second, &rig);
    assert_int_equal(client_negotiate(&second, SMB_DIALECT_302), STATUS_OK);
    second.session_id = cl.session_id;
    put_write(&second, (struct smb_file_id){1, 1}, 0);
    assert_int_equal(client_call(&second), STATUS_USER_SESSION_DELETED);
}

/* ---- channel sequence numbers --------------------------------------------------------------- */

static const struct {
    const char *name;
    uint16_t sequence; /* after one write with number 5 */
    bool replay, older_waits;
    ntstatus write, read;
} sequences[] = {
    {"the same", 5, false, false, STATUS_OK, STATUS_OK},
    {"the same, replayed", 5, true, false, STATUS_OK, STATUS_OK},
    {"the next", 6, false, false, STATUS_OK, STATUS_OK},
    {"the next, replayed", 6, true, false, STATUS_OK, STATUS_OK},
    {"the next, while one waits", 6, false, true, STATUS_OK, STATUS_OK},
    {"the next, replayed while one waits", 6, true, true, STATUS_FILE_NOT_AVAILABLE, STATUS_OK},
    {"as far ahead as can be", 0x8004, false, false, STATUS_OK, STATUS_OK},
    {"too far ahead: behind", 0x8005, false, false, STATUS_FILE_NOT_AVAILABLE, STATUS_OK},
    {"stale", 4, false, false, STATUS_FILE_NOT_AVAILABLE, STATUS_OK},
    {"stale, replayed", 4, true, false, STATUS_FILE_NOT_AVAILABLE, STATUS_OK},
};

static void test_channel_sequence(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(sequences) / sizeof(*sequences); i++) {
        struct smb_file_id id;
        uint32_t flags = sequences[i].replay ? SMB2_FLAGS_REPLAY_OPERATION : 0;
        client_ready(&cl, &rig, SMB_DIALECT_311);
        cl.channel_sequence = 5;
        assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
        assert_int_equal(client_bind(&second, &cl), STATUS_OK);
        rig.hold_io = sequences[i].older_waits;
        put_write(&cl, id, 0);
        client_send(&cl);
        client_leave(&cl);
        rig.hold_io = false;
        second.channel_sequence = sequences[i].sequence;
        put_write(&second, id, flags);
        assert_row(sequences[i].name, client_call(&second) == sequences[i].write);
        assert_row(sequences[i].name, read_file(&second, id) == sequences[i].read);
        client_leave(&second);
    }
}

/* What waited has ended: a replay is welcome. */
static void test_replay_after_the_old_one(void **state)
{
    (void)state;
    struct smb_file_id id;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
    assert_int_equal(client_bind(&second, &cl), STATUS_OK);
    rig.hold_io = true;
    put_write(&cl, id, 0);
    client_send(&cl);
    client_leave(&cl);
    second.channel_sequence = 1;
    put_write(&second, id, SMB2_FLAGS_REPLAY_OPERATION);
    assert_int_equal(client_call(&second), STATUS_FILE_NOT_AVAILABLE);
    rig.hold_io = false;
    rig_answer(&rig, STATUS_OK);
    put_write(&second, id, SMB2_FLAGS_REPLAY_OPERATION);
    assert_int_equal(client_call(&second), STATUS_OK);
}

/* The number wraps, and comes round to what it was while a request of that time still waits. */
static void test_sequence_comes_round(void **state)
{
    static const uint16_t numbers[] = {0x7000, 0xE000, 0};
    (void)state;
    struct smb_file_id id;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
    assert_int_equal(client_bind(&second, &cl), STATUS_OK);
    rig.hold_io = true;
    put_write(&cl, id, 0);
    client_send(&cl);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        second.channel_sequence = numbers[i];
        put_write(&second, id, SMB2_FLAGS_REPLAY_OPERATION);
        assert_int_equal(client_call(&second), STATUS_FILE_NOT_AVAILABLE);
    }
    rig.hold_io = false;
    rig_answer(&rig, STATUS_OK);
    put_write(&second, id, SMB2_FLAGS_REPLAY_OPERATION);
    assert_int_equal(client_call(&second), STATUS_OK);
}

static void test_no_sequence_before_3(void **state)
{
    (void)state;
    struct smb_file_id id;
    client_ready(&cl, &rig, SMB_DIALECT_210);
    assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
    cl.channel_sequence = 0x9000; /* those bytes are a status there */
    put_write(&cl, id, 0);
    assert_int_equal(client_call(&cl), STATUS_OK);
}

/* ---- interfaces ----------------------------------------------------------------------------- */

static ntstatus interfaces(struct client *c, uint32_t room)
{
    struct writer *w = client_begin(c, SMB2_IOCTL, 0);
    write_u16(w, 57);
    write_u16(w, 0);
    write_u32(w, FSCTL_QUERY_NETWORK_INTERFACE_INFO);
    write_u64(w, UINT64_MAX);
    write_u64(w, UINT64_MAX);
    write_u32(w, 0);
    write_u32(w, 0);
    write_u32(w, 0);
    write_u32(w, 0);
    write_u32(w, 0);
    write_u32(w, room);
    write_u32(w, SMB2_0_IOCTL_IS_FSCTL);
    write_u32(w, 0);
    return client_call(c);
}

static void test_interfaces(void **state)
{
    (void)state;
    const struct smb_interface list[] = {
        {.index = 0, .address = {10, 0, 0, 1}},
        {.index = 2, .link_speed = 10000000, .capability = 1, .address = {10, 0, 0, 9}},
        {.index = 3, .link_speed = 20000000, .is_v6 = true, .address = {0xfd}},
    };
    cl.capabilities = 0;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    assert_int_equal(interfaces(&cl, 4096),
                     STATUS_NOT_SUPPORTED); /* it does not speak of channels */
    client_leave(&cl);
    client_connect(&cl, &rig);
    cl.capabilities = SMB2_GLOBAL_CAP_MULTI_CHANNEL;
    assert_int_equal(client_negotiate(&cl, SMB_DIALECT_311), STATUS_OK);
    assert_int_equal(client_logon(&cl), STATUS_OK);
    assert_int_equal(client_tree(&cl, "\\\\server\\ipc$"), STATUS_OK);
    assert_int_equal(interfaces(&cl, 4096), STATUS_NOT_SUPPORTED); /* nothing known yet */
    struct smb_event ev = {.type = SMB_EV_INTERFACES, .interfaces = {list, 3}};
    rig_event(&rig, &ev);
    assert_int_equal(interfaces(&cl, 2 * SMB_INTERFACE_SIZE - 1), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(interfaces(&cl, 2 * SMB_INTERFACE_SIZE), STATUS_OK);
    struct reader r = reader_of(cl.message);
    read_skip(&r, 64 + 48);
    assert_int_equal(read_u32(&r), SMB_INTERFACE_SIZE); /* index 0 is never told */
    assert_int_equal(read_u32(&r), 2);
    assert_int_equal(read_u32(&r), SMB_INTERFACE_RSS_CAPABLE);
    read_skip(&r, SMB_INTERFACE_SIZE - 12);
    assert_int_equal(read_u32(&r), 0); /* the last */
    assert_int_equal(read_u32(&r), 3);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_two_channels),           T(test_loss_of_a_channel),
        T(test_loss_amid_a_request),    T(test_logoff_ends_all_channels),
        T(test_renewal_by_a_channel),   T(test_most_channels),
        T(test_other_connections),      T(test_other_people),
        T(test_signature_of_a_binding), T(test_no_such_session),
        T(test_states_of_a_session),    T(test_channel_sequence),
        T(test_sequence_comes_round),   T(test_replay_after_the_old_one),
        T(test_no_sequence_before_3),   T(test_interfaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
