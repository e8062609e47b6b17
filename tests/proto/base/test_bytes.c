/* covers: bytes.c must.c */
#include "proto/base/bytes.h"
#include "proto/base/must.h"
#include "tests/lib/unit.h"

#include <string.h>

static const uint8_t four[] = {1, 2, 3, 4};

static void test_read_at(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t len, off, n;
        bool bad;
    } rows[] = {
        {"all of it", 4, 0, 4, false},          {"nothing at the end", 4, 4, 0, false},
        {"one too far", 4, 1, 4, true},         {"offset past the end", 4, 5, 0, true},
        {"sum wraps", 4, 2, SIZE_MAX, true},    {"offset wraps", 4, SIZE_MAX, 2, true},
        {"nothing of nothing", 0, 0, 0, false}, {"something of nothing", 0, 0, 1, true},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct reader r = reader_of(slice_of(rows[i].len ? four : NULL, rows[i].len));
        struct slice s = read_at(&r, rows[i].off, rows[i].n);
        assert_row(rows[i].name, r.bad == rows[i].bad);
        assert_row(rows[i].name, s.len == (rows[i].bad ? 0 : rows[i].n));
    }
}

static void test_read_integers(void **state)
{
    (void)state;
    static const uint8_t in[] = {1, 2, 1, 4, 3, 2, 1, 8, 7, 6, 5, 4, 3, 2, 1, 1, 2, 1, 2, 3, 4};
    struct reader r = reader_of(slice_of(in, sizeof(in)));
    assert_int_equal(read_u8(&r), 1);
    assert_int_equal(read_u16(&r), 0x0102);
    assert_int_equal(read_u32(&r), 0x01020304);
    assert_true(read_u64(&r) == UINT64_C(0x0102030405060708));
    assert_int_equal(read_u16_be(&r), 0x0102);
    assert_int_equal(read_left(&r), 4);
    assert_int_equal(read_u32_be(&r), 0x01020304);
    assert_false(r.bad);
    assert_int_equal(read_left(&r), 0);
}

static void test_reader_is_sticky(void **state)
{
    (void)state;
    struct reader r = reader_of(slice_of(four, 4));
    assert_int_equal(read_u16(&r), 0x0201);
    assert_int_equal(read_u32(&r), 0);
    assert_true(r.bad);
    assert_int_equal(read_u8(&r), 0); /* although two bytes are there */
    assert_int_equal(read_left(&r), 0);
    assert_int_equal(read_rest(&r).len, 0);
    uint8_t copy[2] = {9, 9};
    read_copy(&r, copy, 2);
    assert_int_equal(copy[0] | copy[1], 0);
}

static void test_read_pieces(void **state)
{
    (void)state;
    struct reader r = reader_of(slice_of("abcdefghij", 10));
    read_skip(&r, 1);
    read_align(&r, 4);
    assert_int_equal(r.pos, 4);
    read_align(&r, 4);
    assert_int_equal(r.pos, 4);
    assert_true(slice_equal(read_slice(&r, 2), slice_str("ef")));
    uint8_t two[2];
    read_copy(&r, two, 2);
    assert_memory_equal(two, "gh", 2);
    assert_true(slice_equal(read_rest(&r), slice_str("ij")));
    read_align(&r, 8);
    assert_true(r.bad); /* the padding is not there */
}

static void test_write(void **state)
{
    (void)state;
    uint8_t mem[32],
        want[] = {1, 3, 2, 7, 6, 5, 4, 1, 2, 1, 2, 3, 4, 'x', 'y', 0, 8, 0, 0, 0, 0, 0, 0, 0};
    struct writer w = writer_of(mem, sizeof(mem));
    write_u8(&w, 1);
    write_u16(&w, 0x0203);
    write_u32(&w, 0x04050607);
    write_u16_be(&w, 0x0102);
    write_u32_be(&w, 0x01020304);
    write_bytes(&w, slice_str("xy"));
    write_align(&w, 8);
    write_u64(&w, 8);
    assert_true(slice_equal(written(&w), slice_of(want, sizeof(want))));
    patch_u16(&w, 0, 0xaabb);
    patch_u32(&w, 16, 0x11223344);
    patch_u64(&w, 16, 5);
    assert_int_equal(mem[0], 0xbb);
    assert_int_equal(mem[16], 5);
    assert_ptr_equal(write_space(&w, 8), mem + 24);
    assert_non_null(written(&w).at);
}

static void test_writer_is_sticky(void **state)
{
    (void)state;
    uint8_t mem[5] = {0};
    struct writer w = writer_of(mem, 4);
    write_u16(&w, 0x0101);
    write_u32(&w, 0x02020202);
    write_u8(&w, 3); /* although it would fit */
    assert_true(w.full);
    assert_int_equal(written(&w).len, 0);
    assert_int_equal(mem[2], 0);
    patch_u64(&w, 1000, 1); /* harmless once full */
    assert_null(write_space(&w, SIZE_MAX));
    struct writer none = writer_of(NULL, 0);
    write_bytes(&none, (struct slice){0});
    write_zeros(&none, 0);
    assert_false(none.full);
    write_u8(&none, 1);
    assert_true(none.full);
}

static void test_slices(void **state)
{
    (void)state;
    static const struct {
        const char *name, *a, *b;
        bool equal;
    } rows[] = {
        {"both empty", "", "", true},
        {"equal", "abc", "abc", true},
        {"last differs", "abc", "abd", false},
        {"longer", "abc", "abcd", false},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct slice a = slice_str(rows[i].a), b = slice_str(rows[i].b);
        assert_row(rows[i].name, slice_equal(a, b) == rows[i].equal);
        assert_row(rows[i].name, slice_equal_secret(a, b) == rows[i].equal);
    }
    assert_true(slice_equal(slice_sub(slice_str("abcd"), 1, 2), slice_str("bc")));
    assert_int_equal(slice_sub((struct slice){0}, 0, 0).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_at),
        cmocka_unit_test(test_read_integers),
        cmocka_unit_test(test_reader_is_sticky),
        cmocka_unit_test(test_read_pieces),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_writer_is_sticky),
        cmocka_unit_test(test_slices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
