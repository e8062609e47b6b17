/* covers: transform.c */
#include "proto/base/must.h"
#include "proto/smb/transform.h"
#include "tests/lib/hex.h"
#include "tests/lib/prefixes.h"
#include "tests/lib/smb_vectors.h"
#include "tests/lib/unit.h"

#include <string.h>

static ntstatus decode(struct slice frame)
{
    struct smb_transform t;
    ntstatus status = smb_transform_decode(frame, &t);
    if (status != STATUS_OK)
        return status;
    prefix_inside(frame, t.aad);
    prefix_inside(frame, t.body);
    return status;
}

static void test_published_frame(void **state)
{
    (void)state;
    uint8_t bytes[256], again[SMB_TRANSFORM_SIZE];
    struct slice frame = hex_decode(VECTOR_GCM_WRITE_REQ_SEALED, bytes, sizeof(bytes));
    struct smb_transform t;
    assert_int_equal(smb_transform_decode(frame, &t), STATUS_OK);
    assert_int_equal(t.original_size, 0x87);
    assert_int_equal(t.flags, SMB_TRANSFORM_ENCRYPTED);
    assert_true(t.session_id == UINT64_C(0x100000000025));
    assert_int_equal(t.nonce[0], 0xC7);
    assert_int_equal(t.signature[0], 0xBD);
    assert_ptr_equal(t.aad.at, bytes + SMB_TRANSFORM_AAD_POS);
    assert_int_equal(t.aad.len, SMB_TRANSFORM_AAD_SIZE);
    assert_ptr_equal(t.body.at, bytes + SMB_TRANSFORM_SIZE);
    assert_int_equal(t.body.len, 0x87);
    struct writer w = writer_of(again, sizeof(again));
    smb_transform_encode(&w, &t);
    assert_true(slice_equal(written(&w), slice_sub(frame, 0, SMB_TRANSFORM_SIZE)));
    /* The size is that of what follows, so no prefix will do. */
    assert_int_equal(prefix_least(frame, decode), frame.len);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t at;
        uint8_t byte;
    } rows[] = {
        {"not a transform", 0, 0xFE},     {"more than there is", 36, 0x88},
        {"less than there is", 36, 0x86}, {"no flag", 42, 0},
        {"another flag", 42, 3},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[256];
        struct slice frame = hex_decode(VECTOR_GCM_WRITE_REQ_SEALED, bytes, sizeof(bytes));
        bytes[rows[i].at] = rows[i].byte;
        assert_row(rows[i].name, decode(frame) == STATUS_INVALID_PARAMETER);
    }
    /* Sixty-three bytes are no SMB2 message. */
    uint8_t bytes[256];
    struct slice frame = hex_decode(VECTOR_GCM_WRITE_REQ_SEALED, bytes, sizeof(bytes));
    bytes[36] = 63;
    assert_int_equal(decode(slice_sub(frame, 0, SMB_TRANSFORM_SIZE + 63)),
                     STATUS_INVALID_PARAMETER);
    bytes[36] = 64;
    assert_int_equal(decode(slice_sub(frame, 0, SMB_TRANSFORM_SIZE + 64)), STATUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_frame),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
