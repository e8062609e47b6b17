#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "proto/cluster/frame.h"

#include <string.h>

static size_t build(uint8_t *at, const struct frame *f)
{
    frame_header(at, f);
    memcpy(at + FRAME_HEADER, f->control.at, f->control.len);
    memcpy(at + FRAME_HEADER + f->control.len, f->data.at, f->data.len);
    return FRAME_HEADER + f->control.len + f->data.len;
}

static void test_round_trip(void **state)
{
    (void)state;
    const struct frame rows[] = {
        {.kind = FRAME_CONTROL, .control = slice_str("hello"), .data = slice_str("")},
        {.kind = FRAME_RAFT, .control = slice_str(""), .data = slice_str("raft bytes")},
        {.kind = FRAME_PEER, .control = slice_str("c"), .data = slice_str("data")},
        {.kind = FRAME_PEER, .control = slice_str(""), .data = slice_str("")},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t bytes[128];
        size_t len = build(bytes, &rows[i]);
        struct frame back;
        size_t used = 0;
        assert_int_equal(frame_decode(slice_of(bytes, len), &back, &used), FRAME_OK);
        assert_int_equal(used, len);
        assert_int_equal(back.kind, rows[i].kind);
        assert_true(slice_equal(back.control, rows[i].control));
        assert_true(slice_equal(back.data, rows[i].data));
        /* What follows the frame belongs to the next one. */
        assert_int_equal(frame_decode(slice_of(bytes, len + 1), &back, &used), FRAME_OK);
        assert_int_equal(used, len);
    }
}

static void test_prefixes_ask_for_more(void **state)
{
    (void)state;
    uint8_t bytes[128];
    struct frame f = {
        .kind = FRAME_PEER, .control = slice_str("control"), .data = slice_str("data")};
    size_t len = build(bytes, &f);
    for (size_t have = 0; have < len; have++) {
        size_t used = 0;
        assert_int_equal(frame_decode(slice_of(bytes, have), &f, &used), FRAME_MORE);
        assert_int_equal(used, have < FRAME_HEADER ? FRAME_HEADER : len);
    }
}

static void test_every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    uint8_t bytes[128];
    struct frame f = {
        .kind = FRAME_PEER, .control = slice_str("control"), .data = slice_str("data")};
    size_t len = build(bytes, &f);
    for (size_t bit = 0; bit < len * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct frame back;
        size_t used;
        /* A longer length may still wait for bytes; never is the frame accepted. */
        assert_int_not_equal(frame_decode(slice_of(bytes, len), &back, &used), FRAME_OK);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void test_limits(void **state)
{
    (void)state;
    uint8_t bytes[FRAME_HEADER];
    struct frame back;
    size_t used;
    assert_int_equal(frame_decode(slice_str("GET / HTTP/1.1"), &back, &used), FRAME_BAD);
    frame_header(bytes, &(struct frame){.kind = FRAME_CONTROL});
    struct writer w = writer_of(bytes, sizeof(bytes));
    (void)write_space(&w, sizeof(bytes));
    patch_u32(&w, 8, FRAME_CONTROL_MAX + 1);
    assert_int_equal(frame_decode(slice_of(bytes, sizeof(bytes)), &back, &used), FRAME_BAD);
    patch_u32(&w, 8, 0);
    patch_u32(&w, 12, FRAME_DATA_MAX + 1);
    assert_int_equal(frame_decode(slice_of(bytes, sizeof(bytes)), &back, &used), FRAME_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_prefixes_ask_for_more),
        cmocka_unit_test(test_every_flipped_bit_is_noticed),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
