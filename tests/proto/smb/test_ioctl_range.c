#include "proto/smb/ioctl_range.h"
#include "proto/base/must.h"
#include "tests/lib/unit.h"
#include <string.h>

static struct slice words(uint8_t *at, size_t size, const uint64_t *values, size_t count)
{
    struct writer w = writer_of(at, size);
    for (size_t i = 0; i < count; i++)
        write_u64(&w, values[i]);
    return written(&w);
}

static void test_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t a, b;
        ntstatus zero, allocated;
    } rows[] = {
        {"a range", 5, 9, STATUS_OK, STATUS_OK},
        {"nothing", 5, 5, STATUS_OK, STATUS_OK},
        {"backwards", 9, 5, STATUS_INVALID_PARAMETER, STATUS_OK},
        {"negative", UINT64_MAX, 5, STATUS_INVALID_PARAMETER, STATUS_INVALID_PARAMETER},
        {"to a negative", 5, UINT64_MAX, STATUS_INVALID_PARAMETER, STATUS_INVALID_PARAMETER},
        {"sum beyond 63 bits", 5, INT64_MAX - 4, STATUS_OK, STATUS_INVALID_PARAMETER},
        {"sum of 63 bits", 5, INT64_MAX - 5, STATUS_OK, STATUS_OK},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t bytes[16];
        struct range zero, allocated;
        struct slice input = words(bytes, 16, (uint64_t[]){rows[i].a, rows[i].b}, 2);
        if (smb_zero_data_decode(input, &zero) != rows[i].zero ||
            smb_allocated_decode(input, &allocated) != rows[i].allocated)
            fail_msg("%s", rows[i].name);
        input.len = 15;
        assert_int_equal(smb_zero_data_decode(input, &zero), STATUS_INVALID_PARAMETER);
        assert_int_equal(smb_allocated_decode(input, &allocated), STATUS_INVALID_PARAMETER);
    }
}

static void test_sparse(void **state)
{
    (void)state;
    uint8_t bytes[2] = {0, 1};
    assert_true(smb_set_sparse_decode(slice_of(bytes, 0)));
    assert_false(smb_set_sparse_decode(slice_of(bytes, 2)));
    assert_true(smb_set_sparse_decode(slice_of(bytes + 1, 1)));
}

static void test_regions(void **state)
{
    (void)state;
    uint8_t bytes[SMB_REGIONS_HEADER + SMB_REGION_SIZE] = {0};
    struct smb_region r;
    assert_int_equal(smb_region_decode(slice_of(bytes, 0), &r), STATUS_OK);
    assert_int_equal(r.range.len, INT64_MAX);
    struct slice input = words(bytes, sizeof(bytes), (uint64_t[]){1, 2, 1}, 3);
    assert_int_equal(smb_region_decode(slice_sub(input, 0, 23), &r), STATUS_BUFFER_TOO_SMALL);
    assert_int_equal(smb_region_decode(input, &r), STATUS_OK);
    assert_int_equal(r.usage, FILE_REGION_USAGE_VALID_CACHED_DATA);
    input = words(bytes, sizeof(bytes), (uint64_t[]){1, 2, 4}, 3);
    assert_int_equal(smb_region_decode(input, &r), STATUS_INVALID_PARAMETER);
    input = words(bytes, sizeof(bytes), (uint64_t[]){1, 0, 1}, 3);
    assert_int_equal(smb_region_decode(input, &r), STATUS_INVALID_PARAMETER);
    struct writer w = writer_of(bytes, sizeof(bytes));
    smb_region_encode(&w, &r);
    assert_int_equal(written(&w).len, SMB_REGIONS_HEADER + SMB_REGION_SIZE);
    assert_false(w.full);
}

static void test_trim(void **state)
{
    (void)state;
    uint8_t bytes[40];
    struct smb_trim_req t;
    struct slice input =
        words(bytes, sizeof(bytes), (uint64_t[]){UINT64_C(2) << 32, 1, 2, 3, UINT64_MAX}, 5);
    assert_int_equal(smb_trim_decode(input, &t), STATUS_OK);
    assert_int_equal(t.count, 2);
    assert_int_equal(smb_trim_at(&t, 1).offset, 3);
    assert_true(smb_trim_at(&t, 1).len == UINT64_MAX);
    assert_int_equal(smb_trim_decode(slice_sub(input, 0, 39), &t), STATUS_INVALID_PARAMETER);
    bytes[4] = 0;
    assert_int_equal(smb_trim_decode(input, &t), STATUS_INVALID_PARAMETER);
    memset(bytes + 4, 0xff, 4);
    assert_int_equal(smb_trim_decode(input, &t), STATUS_INVALID_PARAMETER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_sparse),
        cmocka_unit_test(test_regions),
        cmocka_unit_test(test_trim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
