#include "tests/lib/unit.h"

#include "proto/rpc/ndr.h"
#include "tests/lib/faults.h"
#include "tests/lib/hex.h"
#include <string.h>

static void strings_are_bounded(void **state)
{
    (void)state;
    static const struct {
        const char *name, *hex;
        bool ok;
        size_t len;
    } rows[] = {
        {"vms", "04000000 00000000 04000000 76006d0073000000", true, 6},
        {"only a terminator", "01000000 00000000 01000000 0000", true, 0},
        {"actual above maximum", "03000000 00000000 04000000 76006d0073000000", false, 0},
        {"an offset", "04000000 01000000 03000000 76006d000000", false, 0},
        {"no terminator", "03000000 00000000 03000000 76006d007300", false, 0},
        {"nothing at all", "00000000 00000000 00000000", false, 0},
        {"above the cap", "09000000 00000000 09000000 760076007600760076007600760076000000", false,
         0},
        {"cut off", "04000000 00000000 04000000 76006d00", false, 0},
        {"huge count", "ffffffff 00000000 ffffffff 76006d00", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[64];
        struct reader r = reader_of(hex_decode(rows[i].hex, bytes, sizeof bytes));
        struct slice got = ndr_read_string(&r, 8);
        assert_row(rows[i].name, r.bad == !rows[i].ok);
        assert_row(rows[i].name, got.len == rows[i].len);
    }
}

static void scalars_are_aligned(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_u8(&w, 1);
    ndr_write_u16(&w, 2);
    write_u8(&w, 3);
    ndr_write_u32(&w, 4);
    ndr_write_u16(&w, 5);
    ndr_write_u64(&w, 6);
    assert_int_equal(w.pos, 24);
    struct reader r = reader_of(written(&w));
    assert_int_equal(read_u8(&r), 1);
    assert_int_equal(ndr_read_u16(&r), 2);
    assert_int_equal(read_u8(&r), 3);
    assert_int_equal(ndr_read_u32(&r), 4);
    assert_int_equal(ndr_read_u16(&r), 5);
    assert_int_equal(ndr_read_u64(&r), 6);
    assert_false(r.bad);
}

static void counts_have_a_cap(void **state)
{
    (void)state;
    uint8_t bytes[4] = {5};
    struct reader r = reader_of(slice_of(bytes, 4));
    assert_int_equal(ndr_read_count(&r, 5), 5);
    r = reader_of(slice_of(bytes, 4));
    assert_int_equal(ndr_read_count(&r, 4), 0);
    assert_true(r.bad);
}

static void written_strings_read_back(void **state)
{
    (void)state;
    struct mem mem = test_mem(SIZE_MAX);
    struct arena a;
    arena_init(&a, &mem, 4096);
    uint8_t bytes[64];
    struct writer w = writer_of(bytes, sizeof bytes);
    ndr_write_pointer(&w, true);
    ndr_write_pointer(&w, false);
    assert_true(ndr_write_string(&w, slice_str("\xc3\xa4"), &a));
    assert_false(ndr_write_string(&w, slice_str("\xff"), &a));
    struct reader r = reader_of(written(&w));
    assert_true(ndr_read_pointer(&r));
    assert_false(ndr_read_pointer(&r));
    struct slice got = ndr_read_string(&r, 8);
    assert_int_equal(got.len, 2);
    assert_int_equal(got.at[0], 0xe4);
    arena_fini(&a);
    test_mem_check(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_bounded),
        cmocka_unit_test(scalars_are_aligned),
        cmocka_unit_test(counts_have_a_cap),
        cmocka_unit_test(written_strings_read_back),
    };
    return cmocka_run_group_tests_name("rpc/ndr", tests, NULL, NULL);
}
