#include "proto/smb/ioctl_copy.h"
#include "proto/base/must.h"
#include "tests/lib/unit.h"

static uint8_t bytes[8192];

struct chunk_row {
    uint64_t source, target;
    uint32_t len;
};

static struct slice request(uint32_t count, const struct chunk_row *rows, uint32_t there)
{
    struct writer w = writer_of(bytes, sizeof(bytes));
    write_bytes(&w, slice_str("abcdefghijklmnopqrstuvwx"));
    write_u32(&w, count);
    write_u32(&w, 0);
    for (uint32_t i = 0; i < there; i++) {
        write_u64(&w, rows[i % 2].source);
        write_u64(&w, rows[i % 2].target);
        write_u32(&w, rows[i % 2].len);
        write_u32(&w, 0);
    }
    assert_false(w.full);
    return written(&w);
}

static void test_limits(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t count, there;
        struct chunk_row rows[2]; /* in turn */
        bool fine;
    } rows[] = {
        {"none", 0, 0, {{0}}, true},
        {"two", 2, 2, {{0, 0, 5}, {5, 5, 9}}, true},
        {"appended", 1, 1, {{0, UINT64_MAX, 5}}, true},
        {"16 MiB", 16, 16, {{0, 0, 1 << 20}, {0, 0, 1 << 20}}, true},
        {"more than 16 MiB", 17, 17, {{0, 0, 1 << 20}, {0, 0, 1 << 20}}, false},
        {"256", 256, 256, {{0, 0, 1}, {1, 1, 1}}, true},
        {"257", 257, 257, {{0, 0, 1}, {1, 1, 1}}, false},
        {"one more is said than there is", 2, 1, {{0, 0, 1}}, false},
        {"as many as can be said", UINT32_MAX, 1, {{0, 0, 1}}, false},
        {"empty", 1, 1, {{0, 0, 0}}, false},
        {"long", 1, 1, {{0, 0, (1 << 20) + 1}}, false},
        {"negative source", 1, 1, {{UINT64_MAX, 0, 5}}, false},
        {"negative target", 1, 1, {{0, UINT64_MAX - 1, 5}}, false},
        {"ends beyond 63 bits", 1, 1, {{0, INT64_MAX, 1}}, false},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct smb_copy_req req;
        struct slice input = request(rows[i].count, rows[i].rows, rows[i].there);
        assert_int_equal(smb_copy_decode(input, &req), STATUS_OK);
        assert_memory_equal(req.key.bytes, "abcdefghijklmnopqrstuvwx", SMB_RESUME_KEY_SIZE);
        if (smb_copy_within_limits(&req) != rows[i].fine)
            fail_msg("%s", rows[i].name);
        assert_int_equal(smb_copy_decode(slice_sub(input, 0, 31), &req), STATUS_INVALID_PARAMETER);
    }
}

static void test_chunk_at(void **state)
{
    (void)state;
    static const struct chunk_row rows[2] = {{1, 2, 3}, {4, 5, 6}};
    struct smb_copy_req req;
    assert_int_equal(smb_copy_decode(request(2, rows, 2), &req), STATUS_OK);
    struct smb_copy_chunk c = smb_copy_chunk_at(&req, 1);
    assert_int_equal(c.source, 4);
    assert_int_equal(c.target, 5);
    assert_int_equal(c.len, 6);
}

static void test_answers(void **state)
{
    (void)state;
    struct smb_copy_rsp rsp = {1, 2, 3}, back;
    struct writer w = writer_of(bytes, sizeof(bytes));
    smb_copy_encode(&w, &rsp);
    assert_int_equal(w.pos, SMB_COPY_RSP_SIZE);
    assert_int_equal(smb_copy_rsp_decode(written(&w), &back), STATUS_OK);
    assert_memory_equal(&rsp, &back, sizeof(rsp));
    assert_int_equal(smb_copy_rsp_decode(slice_of(bytes, 11), &back),
                     STATUS_INVALID_NETWORK_RESPONSE);
    struct smb_resume_key key = {{7}};
    w = writer_of(bytes, sizeof(bytes));
    smb_resume_key_encode(&w, &key);
    assert_int_equal(w.pos, SMB_RESUME_KEY_RSP_SIZE);
}

static void test_duplicate(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool extended;
        uint64_t words[7];
        size_t len;
        ntstatus status;
    } rows[] = {
        {"plain", false, {1, 2, 3, 4, 5}, 40, STATUS_OK},
        {"extended", true, {0x30, 1, 2, 3, 4, 5, 1}, 56, STATUS_OK},
        {"short", false, {1, 2, 3, 4, 5}, 39, STATUS_INVALID_PARAMETER},
        {"another size", true, {0x31, 1, 2, 3, 4, 5, 1}, 56, STATUS_NOT_SUPPORTED},
        {"negative", false, {1, 2, UINT64_MAX, 4, 5}, 40, STATUS_INVALID_PARAMETER},
        {"ends beyond 63 bits", false, {1, 2, 3, INT64_MAX, 5}, 40, STATUS_INVALID_PARAMETER},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct smb_duplicate_req req;
        struct writer w = writer_of(bytes, sizeof(bytes));
        for (size_t k = 0; k < 7; k++)
            write_u64(&w, rows[i].words[k]);
        struct slice input = slice_of(bytes, rows[i].len);
        ntstatus status = smb_duplicate_decode(input, rows[i].extended, &req);
        if (status != rows[i].status ||
            (status == STATUS_OK && (req.source_id.volatile_ != 2 || req.len != 5)))
            fail_msg("%s", rows[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_chunk_at),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_duplicate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
