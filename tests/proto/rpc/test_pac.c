#include "tests/lib/unit.h"

#include "proto/rpc/pac.h"
#include "tests/lib/faults.h"
#include "tests/lib/hex.h"
#include <string.h>

/* Packed by Samba's NDR library: alice (RID 1103) of S-1-5-21-1-2-3 with two groups, one extra SID
 * and one resource group, and a second buffer of another type. */
#define PAC_ALICE                                                                                  \
    "020000000000000001000000c001000028000000000000000a00000014000000e801000000000000"             \
    "01100800ccccccccb001000000000000000002000000000000000000ffffffffffffff7fffffffff"             \
    "ffffff7f0000000000000000000000000000000000000000000000000a000a000400020012001200"             \
    "08000200000000000000000000000000000000000000000000000000000000000000000000000000"             \
    "4f04000001020000020000000c000200200200000000000000000000000000000000000006000800"             \
    "10000200040006001400020018000200000000000000000010000000000000000000000000000000"             \
    "00000000000000000000000000000000010000001c00020020000200010000002400020005000000"             \
    "000000000500000061006c00690063006500000009000000000000000900000041006c0069006300"             \
    "65002000c4006c006700000002000000010200000700000052040000070000000400000000000000"             \
    "03000000440043003100000003000000000000000200000041004400040000000104000000000005"             \
    "15000000010000000200000003000000010000002800020007000000010000000101000000000012"             \
    "01000000040000000104000000000005150000000900000008000000070000000100000"                      \
    "03c020000070000200000000005000000000000000a0061006c0069006300650000000000"

struct fixture {
    uint8_t bytes[1024];
    struct slice pac;
    struct mem mem;
    struct arena arena;
};

static void setup(struct fixture *f)
{
    f->pac = hex_decode(PAC_ALICE, f->bytes, sizeof f->bytes);
    f->mem = test_mem(SIZE_MAX);
    arena_init(&f->arena, &f->mem, 1 << 20);
}

static void teardown(struct fixture *f)
{
    arena_fini(&f->arena);
    test_mem_check(&f->mem);
}

static void assert_sid(const struct sid *sid, const char *want)
{
    char text[SID_TEXT_MAX];
    (void)sid_to_text(sid, text);
    assert_string_equal(text, want);
}

static void alice_is_understood(void **state)
{
    (void)state;
    struct fixture f;
    struct pac_logon l;
    setup(&f);
    assert_true(pac_decode(f.pac, &f.arena, &l));
    assert_sid(&l.user, "S-1-5-21-1-2-3-1103");
    assert_sid(&l.domain, "S-1-5-21-1-2-3");
    assert_string_equal(l.account_name, "alice");
    assert_string_equal(l.full_name, "Alice \xc3\x84lg");
    assert_string_equal(l.domain_name, "AD");
    assert_string_equal(l.logon_server, "DC1");
    assert_int_equal(l.primary_group_rid, 513);
    assert_int_equal(l.user_flags, 0x220);
    assert_int_equal(l.user_account_control, 0x10);
    assert_true(l.logoff_time == UINT64_C(0x7fffffffffffffff));
    assert_int_equal(l.group_count, 4);
    assert_sid(&l.groups[0].sid, "S-1-5-21-1-2-3-513");
    assert_sid(&l.groups[1].sid, "S-1-5-21-1-2-3-1106");
    assert_sid(&l.groups[2].sid, "S-1-18-1");
    assert_sid(&l.groups[3].sid, "S-1-5-21-9-8-7-572");
    assert_int_equal(l.groups[3].attributes, 0x20000007);
    teardown(&f);
}

/* Whatever is cut off, the rest is refused, never read past, and nothing is half-written. */
static void every_prefix_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    for (size_t len = 0; len < 40 + 0x1c0; len++) {
        uint8_t *exact = mem_alloc(&f.mem, len + 1);
        assert_non_null(exact);
        memcpy(exact, f.pac.at, len);
        struct pac_logon l;
        arena_reset(&f.arena);
        if (pac_decode(slice_of(exact, len), &f.arena, &l))
            fail_msg("a prefix of %zu bytes was accepted", len);
        mem_free(&f.mem, exact, len + 1);
    }
    teardown(&f);
}

static void malformed_pacs_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t at;
        uint32_t value;
    } rows[] = {
        {"too many buffers", 0, 65},
        {"unknown version", 4, 1},
        {"no logon information", 8, 10},
        {"logon information twice", 24, 1},
        {"beyond the end", 16, 600},
        {"type version 2", 40, 2},
        {"a null structure", 56, 0},
        {"group count beyond the cap", 40 + 20 + 108, 5000},
        {"group count other than the array", 40 + 20 + 108, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture f;
        struct pac_logon l;
        setup(&f);
        struct writer w = writer_of(f.bytes, sizeof f.bytes);
        w.pos = f.pac.len;
        patch_u32(&w, rows[i].at, rows[i].value);
        assert_row(rows[i].name, !pac_decode(f.pac, &f.arena, &l));
        teardown(&f);
    }
}

static void memory_may_be_refused(void **state)
{
    (void)state;
    for (uint64_t nth = 1;; nth++) {
        struct fixture f;
        struct pac_logon l;
        setup(&f);
        faults_arm(nth);
        bool ok = pac_decode(f.pac, &f.arena, &l);
        bool fired = faults_fired();
        assert_true(ok != fired);
        teardown(&f);
        if (!fired)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alice_is_understood),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(malformed_pacs_are_refused),
        cmocka_unit_test(memory_may_be_refused),
    };
    return cmocka_run_group_tests_name("rpc/pac", tests, NULL, NULL);
}
