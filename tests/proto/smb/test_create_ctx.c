#include "proto/base/must.h"
#include "proto/smb/create_ctx.h"
#include "tests/lib/unit.h"
#include <stdlib.h>
#include <string.h>

static const char APP_ID[] = "\x45\xBC\xA6\x6A\xEF\xA7\xF7\x4A\x90\x08\xFA\x46\x2E\x14\x4D\x74";
static const char APP_VERSION[] =
    "\xB9\x82\xD0\xB7\x3B\x56\x07\x4F\xA0\x7B\x52\x4A\x81\x16\xA0\x10";

struct row {
    const char *name;
    size_t len;
    ntstatus status;
    uint16_t first; /* written to the data's first two bytes */
};

static const struct row lengths[] = {
    {"ExtA", 8, STATUS_OK, 0},
    {"SecD", 20, STATUS_OK, 0},
    {"SecD", 0, STATUS_INVALID_PARAMETER, 0},
    {"DHnQ", 16, STATUS_OK, 0},
    {"DHnQ", 8, STATUS_INVALID_PARAMETER, 0},
    {"DHnC", 16, STATUS_OK, 0},
    {"DHnC", 17, STATUS_INVALID_PARAMETER, 0},
    {"AlSi", 8, STATUS_OK, 0},
    {"AlSi", 4, STATUS_INVALID_PARAMETER, 0},
    {"MxAc", 0, STATUS_OK, 0},
    {"MxAc", 8, STATUS_OK, 0},
    {"MxAc", 4, STATUS_INVALID_PARAMETER, 0},
    {"TWrp", 8, STATUS_OK, 0},
    {"TWrp", 0, STATUS_INVALID_PARAMETER, 0},
    {"QFid", 0, STATUS_OK, 0},
    {"QFid", 1, STATUS_INVALID_PARAMETER, 0},
    {"RqLs", 32, STATUS_OK, 0},
    {"RqLs", 52, STATUS_OK, 0},
    {"RqLs", 40, STATUS_INVALID_PARAMETER, 0},
    {"DH2Q", 32, STATUS_OK, 0},
    {"DH2Q", 31, STATUS_INVALID_PARAMETER, 0},
    {"DH2C", 36, STATUS_OK, 0},
    {"DH2C", 40, STATUS_INVALID_PARAMETER, 0},
    {"what", 3, STATUS_OK, 0},
    {APP_ID, 20, STATUS_OK, 20},
    {APP_ID, 20, STATUS_INVALID_PARAMETER, 16},
    {APP_ID, 19, STATUS_INVALID_PARAMETER, 20},
    {APP_VERSION, 24, STATUS_OK, 24},
    {APP_VERSION, 8, STATUS_INVALID_PARAMETER, 24},
};

static size_t put(struct writer *w, size_t previous, const struct row *row)
{
    write_align(w, 8);
    size_t at = w->pos, name = strlen(row->name);
    if (previous != SIZE_MAX)
        patch_u32(w, previous, (uint32_t)(at - previous));
    write_u32(w, 0);
    write_u16(w, 16);
    write_u16(w, (uint16_t)name);
    write_u16(w, 0);
    write_u16(w, (uint16_t)(row->len ? 16 + (name == 4 ? 8 : name) : 0));
    write_u32(w, (uint32_t)row->len);
    write_bytes(w, slice_str(row->name));
    if (row->len > 0)
        write_align(w, 8);
    for (size_t i = 0; i < row->len; i++)
        write_u8(w, (uint8_t)(i < 2 ? (size_t)row->first >> (8 * i) : i));
    return at;
}

static void each_context(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(lengths); i++) {
        uint8_t room[256];
        struct writer w = writer_of(room, sizeof(room));
        struct create_contexts c;
        put(&w, SIZE_MAX, &lengths[i]);
        ntstatus status = create_contexts_decode(written(&w), &c);
        if (status != lengths[i].status)
            fail_msg("%s with %zu bytes: %x", lengths[i].name, lengths[i].len, status);
        for (size_t len = 1; status == STATUS_OK && len < w.pos; len++) {
            uint8_t *copy = malloc(len);
            memcpy(copy, room, len);
            assert_int_equal(create_contexts_decode(slice_of(copy, len), &c),
                             STATUS_INVALID_PARAMETER);
            free(copy);
        }
    }
}

static void a_chain(void **state)
{
    (void)state;
    uint8_t room[1024];
    struct writer w = writer_of(room, sizeof(room));
    size_t at = SIZE_MAX;
    for (size_t i = 0; i < array_len(lengths); i++)
        if (lengths[i].status == STATUS_OK && lengths[i].len != 32)
            at = put(&w, at, &lengths[i]);
    struct create_contexts c;
    assert_int_equal(create_contexts_decode(written(&w), &c), STATUS_OK);
    assert_true(c.has_ea && c.has_security && c.dhnq && c.dhnc && c.alsi && c.mxac && c.twrp);
    assert_true(c.qfid && c.lease_set && c.lease.v2 && c.dh2c && c.app_instance && c.app_version);
    assert_int_equal(c.ea.len, 8);
    assert_int_equal(c.lease.key[5], 5);
    assert_int_equal(c.lease.epoch, 0x3130);
    assert_int_equal(c.app_version_low, UINT64_C(0x1716151413121110));
    assert_int_equal(create_contexts_decode((struct slice){0}, &c), STATUS_OK);
    assert_false(c.mxac);
}

static void bad_chains(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t pos;
        uint32_t value;
    } bad[] = {
        {"next not aligned", 0, 12},    {"next into itself", 0, 8},
        {"next beyond", 0, 4096},       {"name in header", 4, 0x00040008},
        {"name beyond", 4, 0x00040040}, {"name too short", 4, 0x00030010},
        {"data in header", 10, 8},
    };
    for (size_t i = 0; i < array_len(bad); i++) {
        uint8_t room[64];
        struct writer w = writer_of(room, sizeof(room));
        const struct row row = {"AlSi", 8, 0, 0};
        struct create_contexts c;
        put(&w, SIZE_MAX, &row);
        if (bad[i].pos == 10)
            patch_u16(&w, 10, (uint16_t)bad[i].value);
        else
            patch_u32(&w, bad[i].pos, bad[i].value);
        if (create_contexts_decode(written(&w), &c) != STATUS_INVALID_PARAMETER)
            fail_msg("%s", bad[i].name);
    }
    static uint8_t many[24 * (CREATE_CTX_MAX + 2)];
    struct writer w = writer_of(many, sizeof(many));
    const struct row row = {"what", 0, 0, 0};
    size_t at = SIZE_MAX;
    for (size_t i = 0; i <= CREATE_CTX_MAX; i++)
        at = put(&w, at, &row);
    struct create_contexts c;
    assert_int_equal(create_contexts_decode(written(&w), &c), STATUS_INVALID_PARAMETER);
}

static void replies(void **state)
{
    (void)state;
    uint8_t room[128];
    struct writer w = writer_of(room, sizeof(room));
    assert_int_equal(create_contexts_write(&w, &(struct create_contexts_reply){0}), 0);
    const struct create_contexts_reply both = {
        .mxac = true, .qfid = true, .maximal_access = 0x1F01FF, .file_id = 7, .volume_id = 9};
    assert_int_equal(create_contexts_write(&w, &both), 32 + 56);
    static const uint8_t want[] = {
        32, 0, 0,   0,   16,  0,    4, 0,    0, 0, 24, 0, 8, 0,  0, 0, 'M', 'x', 'A', 'c', 0, 0,  0,
        0,  0, 0,   0,   0,   0xFF, 1, 0x1F, 0, 0, 0,  0, 0, 16, 0, 4, 0,   0,   0,   24,  0, 32, 0,
        0,  0, 'Q', 'F', 'i', 'd',  0, 0,    0, 0, 7,  0, 0, 0,  0, 0, 0,   0,   9,   0,   0, 0};
    assert_memory_equal(room, want, sizeof(want));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_context), cmocka_unit_test(a_chain),
                                       cmocka_unit_test(bad_chains), cmocka_unit_test(replies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
