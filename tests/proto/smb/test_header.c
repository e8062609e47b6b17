/* covers: header.c wire.c */
#include "proto/base/must.h"
#include "proto/smb/header.h"
#include "proto/smb/wire.h"
#include "tests/lib/hex.h"
#include "tests/lib/prefixes.h"
#include "tests/lib/smb_head.h"
#include "tests/lib/smb_vectors.h"
#include "tests/lib/unit.h"

#include <string.h>

static void test_decode(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct smb_header h;
    struct slice msg = hex_decode(VECTOR_SETUP_RSP_2, bytes, sizeof(bytes));
    assert_int_equal(smb_header_decode(msg, &h), STATUS_OK);
    assert_int_equal(h.command, SMB2_SESSION_SETUP);
    assert_int_equal(h.credit_charge, 1);
    assert_int_equal(h.credits, 0x80);
    assert_int_equal(h.flags, SMB2_FLAGS_SERVER_TO_REDIR | SMB2_FLAGS_SIGNED);
    assert_int_equal(h.next_command, 0);
    assert_int_equal(h.status, STATUS_OK);
    assert_true(h.message_id == 3);
    assert_int_equal(h.tree_id, 0);
    assert_true(h.session_id == UINT64_C(0x100000000019));
    assert_int_equal(h.signature[0], 0xEB);
    assert_int_equal(h.signature[15], 0xC1);
    msg = hex_decode(VECTOR_SETUP_RSP_1, bytes, sizeof(bytes));
    assert_int_equal(smb_header_decode(msg, &h), STATUS_OK);
    assert_true(h.status == STATUS_MORE_PROCESSING_REQUIRED);
}

static ntstatus decode(struct slice msg)
{
    struct smb_header h;
    return smb_header_decode(msg, &h);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t at;
        uint8_t byte;
    } rows[] = {
        {"SMB1", 0, 0xFF},          {"encrypted", 0, 0xFD},    {"not SMB", 3, 'C'},
        {"small structure", 4, 63}, {"great structure", 5, 1},
    };
    uint8_t bytes[64];
    struct slice msg = hex_decode(SMB_HEAD("0D"), bytes, sizeof(bytes));
    assert_int_equal(prefix_least(msg, decode), SMB_HEADER_SIZE);
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t was = bytes[rows[i].at];
        bytes[rows[i].at] = rows[i].byte;
        assert_row(rows[i].name, decode(msg) == STATUS_INVALID_PARAMETER);
        bytes[rows[i].at] = was;
    }
}

/* What is written is read back; only the fields of the form chosen by the flags travel. */
static void test_round_trip(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t flags;
    } rows[] = {
        {"sync request", 0},
        {"sync response", SMB2_FLAGS_SERVER_TO_REDIR},
        {"async response", SMB2_FLAGS_SERVER_TO_REDIR | SMB2_FLAGS_ASYNC_COMMAND},
        {"async request (CANCEL)", SMB2_FLAGS_ASYNC_COMMAND},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct smb_header got, h = {
                                   .command = SMB2_CANCEL,
                                   .credit_charge = 3,
                                   .credits = 4,
                                   .flags = rows[i].flags,
                                   .next_command = 88,
                                   .status = STATUS_PENDING,
                                   .channel_sequence = 7,
                                   .tree_id = 8,
                                   .message_id = UINT64_C(0x1122334455667788),
                                   .async_id = 9,
                                   .session_id = 10,
                                   .signature = {1, 2, 3},
                               };
        bool response = (rows[i].flags & SMB2_FLAGS_SERVER_TO_REDIR) != 0;
        bool async = (rows[i].flags & SMB2_FLAGS_ASYNC_COMMAND) != 0;
        uint8_t bytes[SMB_HEADER_SIZE];
        struct writer w = writer_of(bytes, sizeof(bytes));
        smb_header_encode(&w, &h);
        assert_row(rows[i].name, smb_header_decode(written(&w), &got) == STATUS_OK);
        assert_row(rows[i].name, got.command == h.command && got.credits == h.credits);
        assert_row(rows[i].name, got.credit_charge == h.credit_charge && got.flags == h.flags);
        assert_row(rows[i].name, got.next_command == 88 && got.message_id == h.message_id);
        assert_row(rows[i].name, got.session_id == 10 && got.signature[2] == 3);
        assert_row(rows[i].name, got.status == (response ? STATUS_PENDING : 7));
        assert_row(rows[i].name, response || got.channel_sequence == 7);
        assert_row(rows[i].name, got.async_id == (async ? 9 : 0));
        assert_row(rows[i].name, got.tree_id == (async ? 0 : 8));
    }
}

static void test_frame_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes;
        enum smb_frame kind;
    } rows[] = {
        {"SMB2", "FE534D42", SMB_FRAME_SMB2},
        {"SMB1", "FF534D42 72", SMB_FRAME_SMB1},
        {"encrypted", "FD534D42", SMB_FRAME_TRANSFORM},
        {"compressed", "FC534D42", SMB_FRAME_COMPRESSED},
        {"unknown", "FB534D42", SMB_FRAME_OTHER},
        {"not SMB", "FE534D43", SMB_FRAME_OTHER},
        {"three bytes", "FE534D", SMB_FRAME_OTHER},
        {"nothing", "", SMB_FRAME_OTHER},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[8];
        struct slice frame = hex_decode(rows[i].bytes, bytes, sizeof(bytes));
        assert_row(rows[i].name, smb_frame_kind(frame) == rows[i].kind);
    }
}

/* Three ECHOs, of 68 bytes padded to 72, 68 and 68, whose NextCommands the rows set. */
static void test_walk(void **state)
{
    (void)state;
    enum { PADDED = 72, FRAME = PADDED + PADDED + 68, NEXT = 20 };
    static const struct {
        const char *name;
        uint32_t next[3];
        size_t messages;
        enum smb_walked last;
    } rows[] = {
        {"three", {72, 72, 0}, 3, SMB_WALK_END},
        {"the first takes all", {0, 0, 0}, 1, SMB_WALK_END},
        {"not a multiple of 8", {72, 68, 0}, 1, SMB_WALK_BAD},
        {"into its own header", {56, 72, 0}, 0, SMB_WALK_BAD},
        {"onto no header", {64, 72, 0}, 1, SMB_WALK_BAD},
        {"past the end", {72, 72, 72}, 2, SMB_WALK_BAD},
        {"too little left", {72, 80, 0}, 1, SMB_WALK_BAD},
        {"wraps", {72, 0xFFFFFFF8, 0}, 1, SMB_WALK_BAD},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[FRAME] = {0};
        for (size_t m = 0; m < 3; m++) {
            (void)hex_decode(SMB_HEAD("0D") "04000000", bytes + m * PADDED, 68);
            struct writer w = {.at = bytes, .cap = FRAME, .pos = FRAME};
            patch_u32(&w, m * PADDED + NEXT, rows[i].next[m]);
        }
        struct smb_walk walk = smb_walk_of(slice_of(bytes, FRAME));
        struct slice msg;
        struct smb_header h;
        size_t messages = 0;
        enum smb_walked walked;
        while ((walked = smb_walk_next(&walk, &msg, &h)) == SMB_WALK_MESSAGE) {
            assert_row(rows[i].name, h.command == SMB2_ECHO);
            prefix_inside(slice_of(bytes, FRAME), msg);
            messages++;
        }
        assert_row(rows[i].name, messages == rows[i].messages && walked == rows[i].last);
        assert_row(rows[i].name, smb_walk_next(&walk, &msg, &h) == SMB_WALK_END);
    }
}

/* Two responses behind 3 bytes of something else: padding counts from the first header. */
static void test_compound_link(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct smb_header h = {.command = SMB2_ECHO, .flags = SMB2_FLAGS_SERVER_TO_REDIR};
    write_zeros(&w, 3);
    size_t first = w.pos;
    smb_header_encode(&w, &h);
    smb_empty_encode(&w);
    smb_compound_link(&w, first);
    assert_int_equal(w.pos, first + 72);
    smb_header_encode(&w, &h);
    smb_empty_encode(&w);
    struct slice all = written(&w);
    struct smb_walk walk = smb_walk_of(slice_sub(all, 3, all.len - 3));
    struct slice msg;
    assert_int_equal(smb_walk_next(&walk, &msg, &h), SMB_WALK_MESSAGE);
    assert_int_equal(msg.len, 72);
    assert_int_equal(smb_walk_next(&walk, &msg, &h), SMB_WALK_MESSAGE);
    assert_int_equal(msg.len, 68);
    assert_int_equal(smb_walk_next(&walk, &msg, &h), SMB_WALK_END);
    struct writer full = writer_of(bytes, 10);
    smb_header_encode(&full, &h);
    smb_compound_link(&full, 0);
    assert_true(full.full);
}

static void test_empty_bodies(void **state)
{
    (void)state;
    static const struct {
        const char *name, *message;
        ntstatus status;
    } rows[] = {
        {"ECHO", SMB_HEAD("0D") "04000000", STATUS_OK},
        {"reserved bytes and more behind", SMB_HEAD("02") "0400FFFFFFFF", STATUS_OK},
        {"other size", SMB_HEAD("0D") "05000000", STATUS_INVALID_PARAMETER},
        {"short", SMB_HEAD("0D") "040000", STATUS_INVALID_PARAMETER},
        {"header only", SMB_HEAD("0D"), STATUS_INVALID_PARAMETER},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[128];
        struct slice msg = hex_decode(rows[i].message, bytes, sizeof(bytes));
        assert_row(rows[i].name, smb_empty_decode(msg) == rows[i].status);
    }
}

static void test_buffers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t off, len;
        bool bad;
    } rows[] = {
        {"behind the fixed part", 68, 4, false}, {"with a gap", 70, 2, false},
        {"nothing, anywhere", 9999, 0, false},   {"over the fixed part", 67, 4, true},
        {"over the header", 0, 4, true},         {"past the end", 69, 4, true},
        {"wraps", 68, SIZE_MAX, true},
    };
    uint8_t bytes[128];
    struct slice msg = hex_decode(SMB_HEAD("0D") "04000000 11223344", bytes, sizeof(bytes));
    for (size_t i = 0; i < array_len(rows); i++) {
        struct reader r = smb_body(msg, 4);
        read_skip(&r, 2);
        struct slice s = smb_buffer(&r, rows[i].off, rows[i].len);
        assert_row(rows[i].name, r.bad == rows[i].bad);
        assert_row(rows[i].name, s.len == (rows[i].bad ? 0 : rows[i].len));
    }
}

static void test_file_ids(void **state)
{
    (void)state;
    struct smb_file_id a = {1, 2}, b = {1, 3};
    assert_true(smb_file_id_equal(a, a));
    assert_false(smb_file_id_equal(a, b));
    assert_false(smb_file_id_is_related(a));
    assert_true(smb_file_id_is_related(smb_file_id_related()));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),       cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_frame_kinds),
        cmocka_unit_test(test_walk),         cmocka_unit_test(test_compound_link),
        cmocka_unit_test(test_empty_bodies), cmocka_unit_test(test_buffers),
        cmocka_unit_test(test_file_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
