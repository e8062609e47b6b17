/* covers: create.c create_client.c */
#include "proto/base/must.h"
#include "proto/smb/create_client.h"
#include "tests/lib/hex.h"
#include "tests/lib/prefixes.h"
#include "tests/lib/smb_head.h"
#include "tests/lib/unit.h"

#include <string.h>

/* A CREATE of "ab" with 8 bytes of contexts at 0x80; the rows vary what lies between. */
#define CREATE(name_range, contexts_range)                                                         \
    SMB_HEAD("05")                                                                                 \
    "3900 00 09 02000000 0000000000000000 0000000000000000 89001200 80000000 07000000 03000000"    \
    "40000000" name_range contexts_range "6100 6200 00000000 C0FFEE0000000000"

static ntstatus decode(struct slice msg)
{
    struct smb_create_req req;
    ntstatus status = smb_create_decode(msg, &req);
    if (status != STATUS_OK)
        return status;
    prefix_inside(msg, req.name);
    prefix_inside(msg, req.contexts);
    return status;
}

static void test_fields(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct smb_create_req req;
    struct slice msg = hex_decode(CREATE("7800 0400", "80000000 08000000"), bytes, sizeof(bytes));
    assert_int_equal(smb_create_decode(msg, &req), STATUS_OK);
    assert_int_equal(req.oplock_level, SMB2_OPLOCK_LEVEL_BATCH);
    assert_int_equal(req.impersonation, SMB2_IMPERSONATION_IMPERSONATION);
    assert_int_equal(req.desired_access, 0x00120089);
    assert_int_equal(req.file_attributes, 0x80);
    assert_int_equal(req.share_access, 7);
    assert_int_equal(req.disposition, 3);
    assert_int_equal(req.options, 0x40);
    assert_int_equal(req.name.len, 4);
    assert_int_equal(req.name.at[2], 'b');
    assert_int_equal(req.contexts.len, 8);
    assert_int_equal(req.contexts.at[0], 0xC0);
    assert_int_equal(prefix_least(msg, decode), msg.len);
}

static void test_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *name, *message;
        ntstatus status;
    } rows[] = {
        {"the root", CREATE("7800 0000", "80000000 08000000"), STATUS_OK},
        {"the root, anywhere", CREATE("0000 0000", "80000000 08000000"), STATUS_OK},
        {"no contexts", CREATE("7800 0400", "00000000 00000000"), STATUS_OK},
        {"odd name", CREATE("7800 0300", "00000000 00000000"), STATUS_INVALID_PARAMETER},
        {"name over the fixed part", CREATE("7600 0400", "00000000 00000000"),
         STATUS_INVALID_PARAMETER},
        {"name in the header", CREATE("0400 0400", "00000000 00000000"), STATUS_INVALID_PARAMETER},
        {"name past the end", CREATE("8600 0400", "00000000 00000000"), STATUS_INVALID_PARAMETER},
        {"contexts past the end", CREATE("7800 0400", "80000000 09000000"),
         STATUS_INVALID_PARAMETER},
        {"contexts wrap", CREATE("7800 0400", "80000000 FFFFFFFF"), STATUS_INVALID_PARAMETER},
        {"contexts far away", CREATE("7800 0400", "FFFFFFFF 08000000"), STATUS_INVALID_PARAMETER},
        {"contexts in the header", CREATE("7800 0400", "08000000 08000000"),
         STATUS_INVALID_PARAMETER},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[256];
        struct slice msg = hex_decode(rows[i].message, bytes, sizeof(bytes));
        assert_row(rows[i].name, decode(msg) == rows[i].status);
    }
}

static const struct smb_file_facts facts = {
    .creation_time = 1,
    .last_access_time = 2,
    .last_write_time = 3,
    .change_time = 4,
    .allocation_size = 4096,
    .end_of_file = 5,
    .attributes = 0x20,
};

#define FACTS                                                                                      \
    "0100000000000000 0200000000000000 0300000000000000 0400000000000000"                          \
    "0010000000000000 0500000000000000 20000000"

static void test_create_response(void **state)
{
    (void)state;
    static const struct {
        const char *name, *contexts, *body;
    } rows[] = {
        {"plain", "",
         "5900 08 01 02000000" FACTS
         "00000000 0900000000000000 0A00000000000000 00000000 00000000"},
        {"with contexts", "C0FFEE",
         "5900 08 01 02000000" FACTS
         "00000000 0900000000000000 0A00000000000000 98000000 03000000 C0FFEE"},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[256], want[256], contexts[8];
        struct smb_header h = {.command = SMB2_CREATE};
        struct smb_create_rsp got,
            rsp = {
                .oplock_level = SMB2_OPLOCK_LEVEL_EXCLUSIVE,
                .flags = 1,
                .action = 2,
                .facts = facts,
                .file_id = {9, 10},
                .contexts = hex_decode(rows[i].contexts, contexts, sizeof(contexts)),
            };
        struct writer w = writer_of(bytes, sizeof(bytes));
        write_zeros(&w, 52); /* an encrypted frame's first message */
        smb_header_encode(&w, &h);
        smb_create_encode(&w, &rsp);
        struct slice msg = slice_sub(written(&w), 52, w.pos - 52);
        struct slice body = slice_sub(msg, SMB_HEADER_SIZE, msg.len - SMB_HEADER_SIZE);
        assert_row(rows[i].name, slice_equal(body, hex_decode(rows[i].body, want, sizeof(want))));
        assert_row(rows[i].name, smb_create_rsp_decode(msg, &got) == STATUS_OK);
        assert_row(rows[i].name, slice_equal(got.contexts, rsp.contexts));
        assert_row(rows[i].name, smb_file_id_equal(got.file_id, rsp.file_id));
        assert_row(rows[i].name, got.facts.end_of_file == 5 && got.action == 2);
        for (size_t len = 0; len < msg.len; len++)
            assert_row(rows[i].name, smb_create_rsp_decode(slice_sub(msg, 0, len), &got) ==
                                         STATUS_INVALID_NETWORK_RESPONSE);
    }
}

static void test_create_round_trip(void **state)
{
    (void)state;
    static const struct {
        const char *name, *file, *contexts;
    } rows[] = {
        {"root", "", ""},
        {"root with contexts", "", "C0FFEE"},
        {"name", "610062006300", ""},
        {"name and contexts", "610062006300", "C0FFEE"},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[256], file[16], contexts[16];
        struct smb_header h = {.command = SMB2_CREATE};
        struct smb_create_req got,
            req = {
                .oplock_level = SMB2_OPLOCK_LEVEL_LEASE,
                .impersonation = 2,
                .desired_access = 1,
                .file_attributes = 2,
                .share_access = 3,
                .disposition = 4,
                .options = 5,
                .name = hex_decode(rows[i].file, file, sizeof(file)),
                .contexts = hex_decode(rows[i].contexts, contexts, sizeof(contexts)),
            };
        struct writer w = writer_of(bytes, sizeof(bytes));
        write_zeros(&w, 4);
        smb_header_encode(&w, &h);
        smb_create_req_encode(&w, &req);
        struct slice msg = slice_sub(written(&w), 4, w.pos - 4);
        assert_row(rows[i].name, smb_create_decode(msg, &got) == STATUS_OK);
        assert_row(rows[i].name, slice_equal(got.name, req.name));
        assert_row(rows[i].name, slice_equal(got.contexts, req.contexts));
        assert_row(rows[i].name, got.options == 5 && got.disposition == 4);
    }
}

static ntstatus decode_close(struct slice msg)
{
    struct smb_close_req req;
    return smb_close_decode(msg, &req);
}

static void test_close(void **state)
{
    (void)state;
    uint8_t bytes[256], want[256];
    struct smb_close_req req;
    struct slice msg =
        hex_decode(SMB_HEAD("06") "1800 0100 00000000 0900000000000000 FFFFFFFFFFFFFFFF", bytes,
                   sizeof(bytes));
    assert_int_equal(smb_close_decode(msg, &req), STATUS_OK);
    assert_int_equal(req.flags, SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB);
    assert_true(req.file_id.persistent == 9 && req.file_id.volatile_ == UINT64_MAX);
    assert_int_equal(prefix_least(msg, decode_close), msg.len);
    struct writer w = writer_of(want, sizeof(want));
    write_bytes(&w, slice_sub(msg, 0, SMB_HEADER_SIZE));
    smb_close_req_encode(&w, &req);
    assert_true(slice_equal(written(&w), msg));

    struct smb_header h = {.command = SMB2_CLOSE};
    struct smb_close_rsp got, rsp = {.flags = 1, .facts = facts};
    w = writer_of(bytes, sizeof(bytes));
    smb_header_encode(&w, &h);
    smb_close_encode(&w, &rsp);
    struct slice body = hex_decode("3C00 0100 00000000" FACTS, want, sizeof(want));
    assert_true(slice_equal(slice_sub(written(&w), SMB_HEADER_SIZE, 60), body));
    assert_int_equal(smb_close_rsp_decode(written(&w), &got), STATUS_OK);
    assert_true(got.facts.allocation_size == 4096);
    assert_int_equal(smb_close_rsp_decode(slice_sub(written(&w), 0, w.pos - 1), &got),
                     STATUS_INVALID_NETWORK_RESPONSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),          cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_create_response), cmocka_unit_test(test_create_round_trip),
        cmocka_unit_test(test_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
