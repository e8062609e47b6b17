/* covers: lock.c oplock.c */
#include "proto/base/must.h"
#include "proto/smb/create.h"
#include "proto/smb/lock.h"
#include "proto/smb/oplock.h"
#include "tests/lib/hex.h"
#include "tests/lib/prefixes.h"
#include "tests/lib/smb_head.h"
#include "tests/lib/unit.h"

#include <string.h>

#define FILE_ID "0900000000000000 0A00000000000000"
#define ELEMENT_1 "0100000000000000 0200000000000000 12000000 00000000"
#define ELEMENT_2 "FFFFFFFFFFFFFFFF 0000000000000000 04000000 FFFFFFFF"

static ntstatus decode(struct slice msg)
{
    struct smb_lock_req req;
    ntstatus status = smb_lock_decode(msg, &req);
    if (status != STATUS_OK)
        return status;
    prefix_inside(msg, req.locks);
    for (uint16_t i = 0; i < req.count; i++)
        (void)smb_lock_at(&req, i);
    return status;
}

static void test_locks(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct smb_lock_req req;
    struct slice msg = hex_decode(SMB_HEAD("0A") "3000 0200 25000000" FILE_ID ELEMENT_1 ELEMENT_2,
                                  bytes, sizeof(bytes));
    assert_int_equal(smb_lock_decode(msg, &req), STATUS_OK);
    assert_int_equal(req.count, 2);
    assert_int_equal(req.sequence_number, 5);
    assert_int_equal(req.sequence_index, 2);
    assert_true(req.file_id.persistent == 9 && req.file_id.volatile_ == 10);
    struct smb_lock_element e = smb_lock_at(&req, 0);
    assert_true(e.offset == 1 && e.length == 2);
    assert_int_equal(e.flags, SMB2_LOCKFLAG_EXCLUSIVE_LOCK | SMB2_LOCKFLAG_FAIL_IMMEDIATELY);
    e = smb_lock_at(&req, 1);
    assert_true(e.offset == UINT64_MAX && e.length == 0 && e.flags == SMB2_LOCKFLAG_UNLOCK);
    assert_int_equal(prefix_least(msg, decode), msg.len);
}

static void test_lock_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name, *message;
        ntstatus status;
    } rows[] = {
        {"one", SMB_HEAD("0A") "3000 0100 00000000" FILE_ID ELEMENT_1, STATUS_OK},
        {"none", SMB_HEAD("0A") "3000 0000 00000000" FILE_ID ELEMENT_1, STATUS_INVALID_PARAMETER},
        {"more than there are", SMB_HEAD("0A") "3000 0200 00000000" FILE_ID ELEMENT_1,
         STATUS_INVALID_PARAMETER},
        {"more than allowed", SMB_HEAD("0A") "3000 0108 00000000" FILE_ID ELEMENT_1,
         STATUS_INVALID_PARAMETER},
        {"another structure", SMB_HEAD("0A") "3100 0100 00000000" FILE_ID ELEMENT_1,
         STATUS_INVALID_PARAMETER},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[256];
        struct slice msg = hex_decode(rows[i].message, bytes, sizeof(bytes));
        assert_row(rows[i].name, decode(msg) == rows[i].status);
    }
}

#define LEASE_KEY "000102030405060708090A0B0C0D0E0F"

static ntstatus decode_ack(struct slice msg)
{
    struct smb_break_ack ack;
    return smb_break_ack_decode(msg, &ack);
}

static void test_break_acknowledgements(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct smb_break_ack ack;
    struct slice msg =
        hex_decode(SMB_HEAD("12") "1800 01 00 00000000" FILE_ID, bytes, sizeof(bytes));
    assert_int_equal(smb_break_ack_decode(msg, &ack), STATUS_OK);
    assert_false(ack.is_lease);
    assert_int_equal(ack.oplock_level, SMB2_OPLOCK_LEVEL_II);
    assert_true(ack.file_id.persistent == 9 && ack.file_id.volatile_ == 10);
    assert_int_equal(prefix_least(msg, decode_ack), msg.len);

    msg = hex_decode(SMB_HEAD("12") "2400 0000 00000000" LEASE_KEY "03000000 0000000000000000",
                     bytes, sizeof(bytes));
    assert_int_equal(smb_break_ack_decode(msg, &ack), STATUS_OK);
    assert_true(ack.is_lease);
    assert_int_equal(ack.lease_key[15], 15);
    assert_int_equal(ack.lease_state, 3);
    assert_int_equal(prefix_least(msg, decode_ack), msg.len);

    bytes[SMB_HEADER_SIZE] = 44; /* a notification: only servers send those */
    assert_int_equal(decode_ack(msg), STATUS_INVALID_PARAMETER);
}

static void test_break_encoders(void **state)
{
    (void)state;
    uint8_t key[16], bytes[64], want[64];
    (void)hex_decode(LEASE_KEY, key, sizeof(key));
    struct writer w = writer_of(bytes, sizeof(bytes));
    smb_oplock_break_encode(&w, SMB2_OPLOCK_LEVEL_II, (struct smb_file_id){9, 10});
    assert_true(slice_equal(written(&w), hex_decode("1800 01 00 00000000" FILE_ID, want, 64)));

    struct smb_lease_break brk = {
        .new_epoch = 2,
        .flags = SMB2_NOTIFY_BREAK_LEASE_FLAG_ACK_REQUIRED,
        .current_state = 7,
        .new_state = 3,
    };
    memcpy(brk.lease_key, key, sizeof(key));
    w = writer_of(bytes, sizeof(bytes));
    smb_lease_break_encode(&w, &brk);
    struct slice expected = hex_decode("2C00 0200 01000000" LEASE_KEY "07000000 03000000"
                                       "00000000 00000000 00000000",
                                       want, sizeof(want));
    assert_true(slice_equal(written(&w), expected));

    w = writer_of(bytes, sizeof(bytes));
    smb_lease_break_rsp_encode(&w, key, 3);
    expected = hex_decode("2400 0000 00000000" LEASE_KEY "03000000 0000000000000000", want, 64);
    assert_true(slice_equal(written(&w), expected));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_locks),
        cmocka_unit_test(test_lock_rows),
        cmocka_unit_test(test_break_acknowledgements),
        cmocka_unit_test(test_break_encoders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
