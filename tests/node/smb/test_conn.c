/* Connections, logons, trees, protection and refusals, as a client sees them.
 * covers: auth.c negotiate.c session.c tree.c ioctl.c dispatch.c smb.c */
#include "tests/lib/unit.h"
#include "tests/node/smb/rig.h"

#include "proto/smb/create_client.h"
#include "proto/smb/data_client.h"
#include "proto/smb/create_client.h"
#include "proto/smb/dir.h"
#include "proto/smb/dtyp.h"
#include "proto/smb/fscc.h"
#include "proto/smb/ioctl.h"
#include "proto/smb/lock.h"
#include "proto/smb/negotiate.h"
#include <stdlib.h>
#include <string.h>

static const uint16_t dialects[] = {SMB_DIALECT_202, SMB_DIALECT_210, SMB_DIALECT_300,
                                    SMB_DIALECT_302, SMB_DIALECT_311};

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

/* ---- logging on ----------------------------------------------------------------------------- */

static void test_every_dialect(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(dialects) / sizeof(*dialects); i++) {
        struct smb_file_id id;
        size_t got = 0;
        for (int sealed = 0; sealed <= (dialects[i] >= SMB_DIALECT_300); sealed++) {
            client_ready(&cl, &rig, dialects[i]);
            cl.seal = sealed;
            assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
            assert_int_equal(read_file(&cl, id, 100, &got), STATUS_OK);
            assert_int_equal(got, 100);
            assert_int_equal(client_close(&cl, id), STATUS_OK);
            assert_int_equal(client_close(&cl, id), STATUS_FILE_CLOSED);
            smb_empty_encode(client_begin(&cl, SMB2_TREE_DISCONNECT, 0));
            assert_int_equal(client_call(&cl), STATUS_OK);
            smb_empty_encode(client_begin(&cl, SMB2_LOGOFF, 0));
            assert_int_equal(client_call(&cl), STATUS_OK);
            cl.seal = cl.sign = false;
            assert_int_equal(client_create(&cl, "file", &id), STATUS_USER_SESSION_DELETED);
            assert_int_equal(rig.closed_conn, 0);
            client_free(&cl);
        }
    }
}

/* client_connect forgets what a client offers, hence in this order. */
static ntstatus ready_with(struct client *c, uint16_t cipher, uint16_t signing)
{
    client_connect(c, &rig);
    client_offer(c, cipher, signing);
    ntstatus status = client_negotiate(c, SMB_DIALECT_311);
    if (status == STATUS_OK)
        status = client_logon(c);
    return status == STATUS_OK ? client_tree(c, "\\\\s\\general") : status;
}

static void test_every_algorithm(void **state)
{
    (void)state;
    struct smb_file_id id;
    size_t got = 0;
    for (uint16_t cipher = SMB_CIPHER_AES128_CCM; cipher <= SMB_CIPHER_AES256_GCM; cipher++)
        for (uint16_t signing = 0; signing <= SMB_SIGNING_AES_GMAC; signing++) {
            assert_int_equal(ready_with(&cl, cipher, signing), STATUS_OK);
            assert_int_equal(cl.cipher, cipher);
            assert_int_equal(cl.signing, signing);
            assert_int_equal(client_create(&cl, "signed", &id), STATUS_OK);
            assert_true((cl.header.flags & SMB2_FLAGS_SIGNED) != 0);
            cl.seal = cl.strict = true;
            assert_int_equal(read_file(&cl, id, 100, &got), STATUS_OK);
            assert_int_equal(client_close(&cl, id), STATUS_OK);
            client_leave(&cl);
        }
}

static const struct {
    const char *name;
    uint16_t allowed_cipher, allowed_signing; /* by the settings: one each */
    uint16_t cipher, signing;                 /* offered */
    uint16_t got_cipher, got_signing;
} choices[] = {
    {"what is allowed", SMB_CIPHER_AES256_GCM, SMB_SIGNING_AES_GMAC, SMB_CIPHER_AES256_GCM,
     SMB_SIGNING_AES_GMAC, SMB_CIPHER_AES256_GCM, SMB_SIGNING_AES_GMAC},
    {"no common cipher", SMB_CIPHER_AES256_GCM, SMB_SIGNING_AES_GMAC, SMB_CIPHER_AES128_CCM,
     SMB_SIGNING_AES_GMAC, SMB_CIPHER_NONE, SMB_SIGNING_AES_GMAC},
    {"no common signing: AES-CMAC", SMB_CIPHER_AES256_GCM, SMB_SIGNING_AES_GMAC,
     SMB_CIPHER_AES256_GCM, SMB_SIGNING_HMAC_SHA256, SMB_CIPHER_AES256_GCM, SMB_SIGNING_AES_CMAC},
    {"numbers nobody knows", SMB_CIPHER_AES128_GCM, SMB_SIGNING_AES_CMAC, 77, 77, SMB_CIPHER_NONE,
     SMB_SIGNING_AES_CMAC},
};

static void test_allowed_algorithms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++) {
        rig.config.ciphers[0] = choices[i].allowed_cipher;
        rig.config.signings[0] = choices[i].allowed_signing;
        rig.config.cipher_count = rig.config.signing_count = 1;
        ntstatus status = ready_with(&cl, choices[i].cipher, choices[i].signing);
        assert_row(choices[i].name, status == STATUS_OK);
        assert_row(choices[i].name, cl.cipher == choices[i].got_cipher);
        assert_row(choices[i].name, cl.signing == choices[i].got_signing);
        client_leave(&cl);
    }
    /* 3.0 has no choice: it seals with AES-128-CCM or not at all. */
    client_ready(&cl, &rig, SMB_DIALECT_300);
    assert_int_equal(client_tree(&cl, "\\\\s\\secret"), STATUS_ACCESS_DENIED);
}

static void test_wrong_password(void **state)
{
    (void)state;
    client_connect(&cl, &rig);
    assert_int_equal(client_negotiate(&cl, SMB_DIALECT_311), STATUS_OK);
    assert_int_equal(client_setup(&cl, "x", 0), STATUS_LOGON_FAILURE);
    assert_int_equal(client_setup(&cl, "?", 0), STATUS_MORE_PROCESSING_REQUIRED);
    assert_int_equal(client_setup(&cl, "x", 0), STATUS_LOGON_FAILURE);
    assert_int_equal(client_setup(&cl, "?", 0), STATUS_USER_SESSION_DELETED);
}

static void test_nobody_without_a_name(void **state)
{
    (void)state;
    rig.anonymous = true;
    client_connect(&cl, &rig);
    client_negotiate(&cl, SMB_DIALECT_311);
    assert_int_equal(client_setup(&cl, "!", 0), STATUS_ACCESS_DENIED);
    rig.anonymous = false;
    rig.guest = true;
    cl.session_id = 0;
    assert_int_equal(client_setup(&cl, "!", 0), STATUS_LOGON_FAILURE);
}

static void test_previous_session(void **state)
{
    (void)state;
    struct smb_file_id id;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
    client_connect(&other, &rig);
    client_negotiate(&other, SMB_DIALECT_311);
    assert_int_equal(client_setup(&other, "!", cl.session_id), STATUS_OK);
    assert_int_equal(rig.closes, 1); /* the old session's open went to the coordinator */
    assert_int_equal(client_close(&cl, id), STATUS_USER_SESSION_DELETED);
}

static void test_reauthentication(void **state)
{
    (void)state;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    cl.sign = true;
    assert_int_equal(client_setup(&cl, "?", 0), STATUS_MORE_PROCESSING_REQUIRED);
    assert_int_equal(client_setup(&cl, "!", 0), STATUS_OK);
    assert_int_equal(client_tree(&cl, "\\\\s\\vms"), STATUS_OK); /* the keys are the old ones */
    assert_int_equal(client_setup(&cl, "x", 0), STATUS_LOGON_FAILURE);
    assert_int_equal(client_tree(&cl, "\\\\s\\vms"), STATUS_USER_SESSION_DELETED);
}

/* ---- expiry --------------------------------------------------------------------------------- */

static ntstatus bare(uint16_t command)
{
    smb_empty_encode(client_begin(&cl, command, 0));
    return client_call(&cl);
}

static ntstatus lock_file(struct smb_file_id id, uint32_t flags)
{
    struct writer *w = client_begin(&cl, SMB2_LOCK, 0);
    write_u16(w, 48);
    write_u16(w, 1);
    write_u32(w, 0);
    write_u64(w, id.persistent);
    write_u64(w, id.volatile_);
    write_u64(w, 0);
    write_u64(w, 10);
    write_u32(w, flags);
    write_u32(w, 0);
    return client_call(&cl);
}

/* 3.3.5.2.9: whose ticket has ended may let go of things, and log on anew or off. */
static void test_expired(void **state)
{
    (void)state;
    struct smb_file_id id, second;
    size_t got = 0;
    rig.expires_s = 10;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
    assert_int_equal(client_create(&cl, "other", &second), STATUS_OK);
    rig_advance(&rig, UINT64_C(9000000000));
    assert_int_equal(read_file(&cl, id, 100, &got), STATUS_OK);
    rig_advance(&rig, UINT64_C(1500000000));
    assert_int_equal(read_file(&cl, id, 100, &got), STATUS_NETWORK_SESSION_EXPIRED);
    assert_int_equal(client_create(&cl, "new", &id), STATUS_NETWORK_SESSION_EXPIRED);
    assert_int_equal(client_tree(&cl, "\\\\s\\vms"), STATUS_NETWORK_SESSION_EXPIRED);
    assert_int_equal(bare(SMB2_TREE_DISCONNECT), STATUS_NETWORK_SESSION_EXPIRED);
    assert_int_equal(lock_file(id, SMB2_LOCKFLAG_EXCLUSIVE_LOCK | SMB2_LOCKFLAG_FAIL_IMMEDIATELY),
                     STATUS_NETWORK_SESSION_EXPIRED);
    assert_int_not_equal(lock_file(id, SMB2_LOCKFLAG_UNLOCK), STATUS_NETWORK_SESSION_EXPIRED);
    assert_int_equal(bare(SMB2_ECHO), STATUS_OK);
    assert_int_equal(client_close(&cl, second), STATUS_OK);
    assert_int_equal(client_setup(&cl, "!", 0), STATUS_OK); /* the keys stay, and so do the opens */
    assert_int_equal(read_file(&cl, id, 100, &got), STATUS_OK);
    rig_advance(&rig, UINT64_C(11000000000));
    assert_int_equal(read_file(&cl, id, 100, &got), STATUS_NETWORK_SESSION_EXPIRED);
    assert_int_equal(bare(SMB2_LOGOFF), STATUS_OK);
    assert_int_equal(rig.closes, 2);
}

/* ---- trees ---------------------------------------------------------------------------------- */

static void test_trees(void **state)
{
    (void)state;
    client_ready(&cl, &rig, SMB_DIALECT_302);
    assert_int_equal(client_tree(&cl, "\\\\server\\GENERAL"), STATUS_OK);
    assert_int_equal(client_tree(&cl, "\\\\server\\ipc$"), STATUS_OK);
    assert_int_equal(client_tree(&cl, "\\\\server\\none"), STATUS_BAD_NETWORK_NAME);
    assert_int_equal(client_tree(&cl, "nonsense"), STATUS_INVALID_PARAMETER);
    rig.grant.deny = true;
    assert_int_equal(client_tree(&cl, "\\\\server\\general"), STATUS_ACCESS_DENIED);
    rig.shares[1].n_grants = 0; /* the administrators' alone */
    assert_int_equal(client_tree(&cl, "\\\\server\\general"), STATUS_ACCESS_DENIED);
}

/* A share that hides what may not be read: who may not do that there at all learns nothing. */
static void test_hiding_share(void **state)
{
    (void)state;
    struct smb_file_id id;
    rig.shares[1].abe = true;
    rig.grant.access = FILE_GENERIC_READ;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    struct smb_create_req open = {
        .desired_access = GENERIC_WRITE, .disposition = FILE_OPEN, .name = slice_of("f", 2)};
    smb_create_req_encode(client_begin(&cl, SMB2_CREATE, 0), &open);
    assert_int_equal(client_call(&cl), STATUS_OBJECT_NAME_NOT_FOUND);
    rig.grant.access = FILE_ALL_ACCESS;
    struct smb_event ev = {.type = SMB_EV_CONFIG, .config = {&rig.cluster, 1}};
    rig_event(&rig, &ev);
    assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
}

static void test_encrypted_share(void **state)
{
    (void)state;
    struct smb_file_id id;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    assert_int_equal(client_tree(&cl, "\\\\server\\secret"), STATUS_OK);
    client_put_create(&cl, client_begin(&cl, SMB2_CREATE, 0), "file");
    assert_int_equal(client_call(&cl), STATUS_ACCESS_DENIED);
    cl.seal = true;
    assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
    client_ready(&other, &rig, SMB_DIALECT_210);
    assert_int_equal(client_tree(&other, "\\\\server\\secret"), STATUS_ACCESS_DENIED);
}

static void test_share_is_removed(void **state)
{
    (void)state;
    struct smb_file_id id;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
    rig.cluster.n_shares = 1;
    struct smb_event ev = {.type = SMB_EV_CONFIG, .config = {&rig.cluster, 1}};
    rig_event(&rig, &ev);
    assert_int_equal(rig.closes, 1);
    assert_int_equal(client_close(&cl, id), STATUS_NETWORK_NAME_DELETED);
}

static void test_tree_connect_must_be_signed(void **state)
{
    (void)state;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    cl.sign = false;
    assert_int_equal(client_tree(&cl, "\\\\s\\general"), STATUS_CONNECTION_DISCONNECTED);
    assert_true(dropped());
}

/* ---- protection ----------------------------------------------------------------------------- */

static void test_signatures(void **state)
{
    (void)state;
    struct smb_file_id id;
    rig.config.require_signing = true;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    cl.bad_signature = true;
    assert_int_equal(client_create(&cl, "file", &id), STATUS_ACCESS_DENIED);
    cl.bad_signature = false;
    assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
    cl.sign = false;
    assert_int_equal(client_create(&cl, "file", &id), STATUS_ACCESS_DENIED);
}

static void test_required_encryption(void **state)
{
    (void)state;
    struct smb_file_id id;
    rig.config.require_encryption = true;
    client_connect(&cl, &rig);
    client_negotiate(&cl, SMB_DIALECT_210);
    assert_int_equal(client_setup(&cl, "!", 0), STATUS_ACCESS_DENIED);
    client_free(&cl);
    client_connect(&cl, &rig);
    client_negotiate(&cl, SMB_DIALECT_311);
    assert_int_equal(client_logon(&cl), STATUS_OK);
    assert_int_equal(client_tree(&cl, "\\\\s\\general"), STATUS_ACCESS_DENIED);
    cl.seal = true;
    assert_int_equal(client_tree(&cl, "\\\\s\\general"), STATUS_OK);
    assert_int_equal(client_create(&cl, "file", &id), STATUS_OK);
}

static void test_forged_seal(void **state)
{
    (void)state;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    cl.seal = true;
    smb_empty_encode(client_begin(&cl, SMB2_ECHO, 0));
    client_send(&cl);
    assert_true(client_receive(&cl));
    cl.out[60] ^= 1; /* the same frame again, one bit changed */
    client_send_raw(&cl, slice_of(cl.out, 52 + cl.w.pos));
    assert_true(dropped());
}

static void test_replayed_frame(void **state)
{
    (void)state;
    client_ready(&cl, &rig, SMB_DIALECT_311);
    smb_empty_encode(client_begin(&cl, SMB2_ECHO, 0));
    client_send(&cl);
    assert_true(client_receive(&cl));
    client_send_raw(&cl, written(&cl.w));
    assert_true(dropped());
}

/* ---- what costs the connection -------------------------------------------------------------- */

struct junk {
    const char *name;
    size_t len;
    uint8_t bytes[80];
};

static const struct junk junk[] = {
    {"empty", 0, {0}},
    {"three bytes", 3, {0xFE, 'S', 'M'}},
    {"a header cut short", 63, {0xFE, 'S', 'M', 'B', 64}},
    {"compressed", 64, {0xFC, 'S', 'M', 'B'}},
    {"sealed, too short", 60, {0xFD, 'S', 'M', 'B'}},
    {"SMB1 after NEGOTIATE", 64, {0xFF, 'S', 'M', 'B', 0x72}},
    {"HTTP", 16, "GET / HTTP/1.1\r\n"},
    {"another StructureSize", 64, {0xFE, 'S', 'M', 'B', 65}},
    {"unknown command", 64, {0xFE, 'S', 'M', 'B', 64, 0, 0, 0, 0, 0, 0, 0, 99}},
};

static void test_junk(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(junk) / sizeof(*junk); i++) {
        client_ready(&cl, &rig, SMB_DIALECT_311);
        client_send_raw(&cl, slice_of(junk[i].bytes, junk[i].len));
        assert_row(junk[i].name, dropped());
        client_free(&cl);
    }
}

static void test_second_negotiate(void **state)
{
    (void)state;
    client_ready(&cl, &rig, SMB_DIALECT_300);
    assert_int_equal(client_negotiate(&cl, SMB_DIALECT_300), STATUS_INVALID_PARAMETER);
    cl.sign = false;
    assert_int_equal(client_negotiate(&cl, SMB_DIALECT_300), STATUS_CONNECTION_DISCONNECTED);
    assert_true(dropped());
}

static void test_command_before_negotiate(void **state)
{
    (void)state;
    client_connect(&cl, &rig);
    assert_int_equal(echo(&cl), STATUS_CONNECTION_DISCONNECTED);
    assert_true(dropped());
}

static void test_idle_stranger(void **state)
{
    (void)state;
    client_connect(&cl, &rig);
    client_negotiate(&cl, SMB_DIALECT_311);
    rig_advance(&rig, UINT64_C(59000000000));
    assert_false(dropped());
    rig_advance(&rig, UINT64_C(2000000000));
    assert_true(dropped());
}

static void test_smb1(void **state)
{
    (void)state;
    static const uint8_t head[] = {0xFF, 'S', 'M', 'B', 0x72, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                   0,    0,   0,   0,   0,    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    uint8_t frame[64];
    struct writer w = writer_of(frame, sizeof(frame));
    write_bytes(&w, slice_of(head, 32));
    write_u8(&w, 0);
    write_u16(&w, 11);
    write_u8(&w, 2);
    write_bytes(&w, slice_of("SMB 2.???", 10));
    client_connect(&cl, &rig);
    client_send_raw(&cl, written(&w));
    assert_true(client_receive(&cl));
    assert_int_equal(cl.header.command, SMB2_NEGOTIATE);
    cl.message_id = 1;
    memset(&cl.preauth, 0, sizeof(cl.preauth));
    assert_int_equal(client_negotiate(&cl, SMB_DIALECT_311), STATUS_OK);
    assert_int_equal(client_logon(&cl), STATUS_OK);
    assert_int_equal(client_tree(&cl, "\\\\s\\general"), STATUS_OK);
}

/* ---- VALIDATE_NEGOTIATE_INFO ---------------------------------------------------------------- */

static const struct {
    const char *name;
    uint16_t dialect, mode;
    uint32_t capabilities;
    char guid;
    bool kept;
} validations[] = {
    {"as it was", SMB_DIALECT_300, 1, 0x44, 'c', true},
    {"another dialect", SMB_DIALECT_302, 1, 0x44, 'c', false},
    {"another mode", SMB_DIALECT_300, 3, 0x44, 'c', false},
    {"other capabilities", SMB_DIALECT_300, 1, 0x04, 'c', false},
    {"another client", SMB_DIALECT_300, 1, 0x44, 'd', false},
};

static ntstatus validate(struct client *c, size_t row)
{
    uint8_t input[32] = {0};
    struct writer in = writer_of(input, sizeof(input));
    write_u32(&in, validations[row].capabilities);
    uint8_t guid[16] = "client-guid";
    guid[0] = (uint8_t)validations[row].guid;
    write_bytes(&in, slice_of(guid, 16));
    write_u16(&in, validations[row].mode);
    write_u16(&in, 1);
    write_u16(&in, validations[row].dialect);
    struct writer *w = client_begin(c, SMB2_IOCTL, 0);
    write_u16(w, 57);
    write_u16(w, 0);
    write_u32(w, FSCTL_VALIDATE_NEGOTIATE_INFO);
    write_u64(w, UINT64_MAX);
    write_u64(w, UINT64_MAX);
    write_u32(w, 120);
    write_u32(w, (uint32_t)in.pos);
    write_u32(w, 0);
    write_u32(w, 0);
    write_u32(w, 0);
    write_u32(w, 24);
    write_u32(w, SMB2_0_IOCTL_IS_FSCTL);
    write_u32(w, 0);
    write_bytes(w, written(&in));
    return client_call(c);
}

static void test_validate_negotiate(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(validations) / sizeof(*validations); i++) {
        client_ready(&cl, &rig, SMB_DIALECT_300);
        ntstatus status = validate(&cl, i);
        assert_row(validations[i].name, (status == STATUS_OK) == validations[i].kept);
        assert_row(validations[i].name, dropped() == !validations[i].kept);
        client_free(&cl);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_every_dialect),
        T(test_every_algorithm),
        T(test_allowed_algorithms),
        T(test_wrong_password),
        T(test_nobody_without_a_name),
        T(test_previous_session),
        T(test_reauthentication),
        T(test_expired),
        T(test_trees),
        T(test_hiding_share),
        T(test_encrypted_share),
        T(test_share_is_removed),
        T(test_tree_connect_must_be_signed),
        T(test_signatures),
        T(test_required_encryption),
        T(test_forged_seal),
        T(test_replayed_frame),
        T(test_junk),
        T(test_second_negotiate),
        T(test_command_before_negotiate),
        T(test_idle_stranger),
        T(test_smb1),
        T(test_validate_negotiate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
