/* covers: utf16.c upcase.c */
#include "proto/base/must.h"
#include "proto/base/prng.h"
#include "proto/base/upcase.h"
#include "proto/base/utf16.h"
#include "tests/lib/faults.h"
#include "tests/lib/unit.h"

#include <string.h>

struct fixture {
    struct mem mem;
    struct arena arena;
};

static void begin(struct fixture *f)
{
    f->mem = test_mem(SIZE_MAX);
    arena_init(&f->arena, &f->mem, SIZE_MAX);
}

static void end(struct fixture *f)
{
    arena_fini(&f->arena);
    test_mem_check(&f->mem);
}

static struct slice name_of(struct fixture *f, const char *text)
{
    struct slice name;
    assert_true(utf16_from_utf8(slice_str(text), &f->arena, &name));
    return name;
}

/* The law of which names are equal: this sum over the whole table must never change. */
static void test_table_is_frozen(void **state)
{
    (void)state;
    uint64_t sum = UINT64_C(0xcbf29ce484222325); /* FNV-1a over the units, little-endian */
    uint32_t changed = 0;
    for (uint32_t unit = 0; unit < 0x10000; unit++) {
        uint16_t upper = utf16_upcase((uint16_t)unit);
        assert_int_equal(utf16_upcase(upper), upper);
        changed += upper != unit;
        sum = (sum ^ (upper & 0xff)) * UINT64_C(0x100000001b3);
        sum = (sum ^ upper >> 8) * UINT64_C(0x100000001b3);
    }
    assert_int_equal(changed, 1187);
    assert_true(sum == UINT64_C(0xb3bd525f9459e53a));
    for (uint32_t i = 1; i < upcase_ranges_count; i++)
        assert_true(upcase_ranges[i - 1].last < upcase_ranges[i].first);
}

static void test_compare(void **state)
{
    (void)state;
    static const struct {
        const char *name, *a, *b;
        int order;
    } rows[] = {
        {"equal but for case", "ReadMe.TXT", "rEADmE.txt", 0},
        {"umlauts", "\u00e4\u00f6\u00fc", "\u00c4\u00d6\u00dc", 0},
        {"greek final sigma", "\u03c2", "\u03a3", 0},
        {"y with diaeresis", "\u00ff", "\u0178", 0},
        {"full-width", "\uff41", "\uff21", 0},
        {"sharp s has no single capital", "\u00df", "SS", 1},
        {"dotless i is not i", "\u0131", "i", 1},
        {"long s is not s", "\u017f", "s", 1},
        {"shorter first", "ab", "abc", -1},
        {"underscore sorts after letters", "a_", "ab", 1},
        {"beyond the BMP case counts", "\U00010428", "\U00010400", 1},
        {"empty", "", "", 0},
    };
    struct fixture f;
    begin(&f);
    for (size_t i = 0; i < array_len(rows); i++) {
        struct slice a = name_of(&f, rows[i].a), b = name_of(&f, rows[i].b);
        assert_row(rows[i].name, utf16_compare_fold(a, b) == rows[i].order);
        assert_row(rows[i].name, utf16_compare_fold(b, a) == -rows[i].order);
        bool same_hash = utf16_hash_fold(a, 7) == utf16_hash_fold(b, 7);
        assert_row(rows[i].name, same_hash == (rows[i].order == 0));
        bool same_upper = slice_equal(utf16_upcased(a, &f.arena), utf16_upcased(b, &f.arena));
        assert_row(rows[i].name, same_upper == (rows[i].order == 0));
    }
    end(&f);
}

static void test_utf8_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name, *utf8;
        size_t units; /* SIZE_MAX: ill-formed */
    } rows[] = {
        {"ascii", "abc", 3},
        {"two, three and four bytes", "\u00e4\u20ac\U0001f600", 4},
        {"lone lead surrogate", "\xed\xa0\x80", 1},
        {"lone trail surrogate", "\xed\xb0\x80x", 2},
        {"pair written as halves", "\xed\xa0\x80\xed\xb0\x80", SIZE_MAX},
        {"trail before lead", "\xed\xb0\x80\xed\xa0\x80", 2},
        {"overlong slash", "\xc0\xaf", SIZE_MAX},
        {"overlong three", "\xe0\x80\xaf", SIZE_MAX},
        {"beyond the last", "\xf4\x90\x80\x80", SIZE_MAX},
        {"cut short", "a\xe2\x82", SIZE_MAX},
        {"bare continuation", "\x80", SIZE_MAX},
        {"five bytes", "\xf8\x88\x80\x80\x80", SIZE_MAX},
        {"last of all", "\xf4\x8f\xbf\xbf", 2},
    };
    struct fixture f;
    begin(&f);
    for (size_t i = 0; i < array_len(rows); i++) {
        struct slice out = {0};
        bool good = utf16_from_utf8(slice_str(rows[i].utf8), &f.arena, &out);
        assert_row(rows[i].name, good == (rows[i].units != SIZE_MAX));
        if (!good)
            continue;
        assert_row(rows[i].name, out.len == rows[i].units * 2);
        assert_row(rows[i].name, utf16_utf8_len(out) == strlen(rows[i].utf8));
        assert_row(rows[i].name, strcmp(utf16_to_utf8(out, &f.arena), rows[i].utf8) == 0);
    }
    end(&f);
}

static void test_any_units_survive(void **state)
{
    (void)state;
    struct prng p;
    prng_init(&p, 4);
    for (int i = 0; i < 5000; i++) {
        struct fixture f;
        begin(&f);
        uint8_t mem[40];
        struct writer w = writer_of(mem, sizeof(mem));
        for (uint64_t n = prng_below(&p, 20); n > 0; n--) /* many surrogates */
            write_u16(&w, (uint16_t)(prng_chance(&p, 500) ? 0xd800 + prng_below(&p, 0x800)
                                                          : 1 + prng_below(&p, 0xffff)));
        struct slice name = written(&w), back = {0};
        char *text = utf16_to_utf8(name, &f.arena);
        assert_true(utf16_from_utf8(slice_str(text), &f.arena, &back));
        assert_true(slice_equal(back, name));
        end(&f);
    }
}

static void test_match_rows(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *name;
        bool match;
    } rows[] = {
        {"*", "anything", true},
        {"*.*", "no period", true},
        {"*", "", false},
        {"", "", true},
        {"", "a", false},
        {"abc", "ABC", true},
        {"abc", "abcd", false},
        {"a?c", "abc", true},
        {"a?c", "ac", false},
        {"a?", "a", false},
        {"*.txt", "a.TXT", true},
        {"*.txt", "a.txt.bak", false},
        {"*.txt*", "a.txt.bak", true},
        {"*a*b*c*", "xxaxxbxxc", true},
        {"*a*b*c*", "xxaxxcxxb", false},
        {"**", "a", true},
        {"a*", "a", true},
        {"a**", "a", true},
        /* DOS_QM: one character, or nothing at a period or the end */
        {">>>>.txt", "ab.txt", true},
        {">>>>.txt", "abcd.txt", true},
        {">>>>.txt", "abcde.txt", false},
        {"a>", "a", true},
        {"a>", "ab", true},
        {"a>", "abc", false},
        {"a>b", "a.b", false},
        /* DOS_DOT: a period, or nothing at the end */
        {"abc\"", "abc", true},
        {"abc\"", "abc.", true},
        {"abc\"*", "abc", true},
        {"a\"b", "a.b", true},
        {"a\"b", "ab", false},
        /* DOS_STAR: up to the final period */
        {"<.txt", "a.b.txt", true},
        {"<", "abc", true},
        {"<", "a.b", false},
        {"<b", "a.b", true},
        {"<c", "a.b.c", true},
        {"<\"*", "a.b.c", true},
        {"<.c", "a.b.c", true},
        {"<b.c", "a.b.c", true},
        {"<<x", "a.bx", true},
        {"*<x", "a.b.cx", true},
        {"\u00e4*", "\u00c4b", true},
        {"<.", "abc.", true},
    };
    struct fixture f;
    begin(&f);
    for (size_t i = 0; i < array_len(rows); i++) {
        struct slice pattern = name_of(&f, rows[i].pattern), name = name_of(&f, rows[i].name);
        if (utf16_match(pattern, name) != rows[i].match)
            fail_msg("'%s' against '%s'", rows[i].pattern, rows[i].name);
    }
    assert_true(utf16_has_wildcard(name_of(&f, "a\"")));
    assert_true(utf16_has_wildcard(name_of(&f, "<a")));
    assert_false(utf16_has_wildcard(name_of(&f, "a.b")));
    end(&f);
}

/* The rules once more, in the plainest way: recursive, and exponential. */
static bool naive(const char *p, const char *n, const char *last_dot)
{
    switch (*p) {
    case '\0': return *n == '\0';
    case '*': return naive(p + 1, n, last_dot) || (*n != '\0' && naive(p, n + 1, last_dot));
    case '?': return *n != '\0' && naive(p + 1, n + 1, last_dot);
    case '<':
        if (naive(p + 1, n, last_dot))
            return true;
        return *n != '\0' && naive(n == last_dot ? p + 1 : p, n + 1, last_dot);
    case '>': return naive(p + 1, *n == '\0' || *n == '.' ? n : n + 1, last_dot);
    case '"':
        return *n == '.' ? naive(p + 1, n + 1, last_dot) : *n == '\0' && naive(p + 1, n, last_dot);
    }
    return *p == *n && naive(p + 1, n + 1, last_dot);
}

static void test_match_against_naive(void **state)
{
    (void)state;
    struct prng p;
    prng_init(&p, 8);
    unsigned matches = 0;
    for (int i = 0; i < 30000; i++) {
        struct fixture f;
        begin(&f);
        char pattern[8] = "", name[8] = "";
        for (uint64_t n = 1 + prng_below(&p, 6); n > 0; n--)
            pattern[n - 1] = "*?<>\".ab"[prng_below(&p, 8)];
        for (uint64_t n = 1 + prng_below(&p, 6); n > 0; n--)
            name[n - 1] = ".ab"[prng_below(&p, 3)];
        pattern[7] = name[7] = '\0';
        bool match = strcmp(pattern, "*.*") == 0 || naive(pattern, name, strrchr(name, '.'));
        if (utf16_match(name_of(&f, pattern), name_of(&f, name)) != match)
            fail_msg("'%s' against '%s'", pattern, name);
        matches += match;
        end(&f);
    }
    assert_in_range(matches, 1000, 29000);
}

static void test_match_is_never_slow(void **state)
{
    (void)state;
    static uint8_t pattern[1024], name[510];
    struct writer p = writer_of(pattern, sizeof(pattern)), n = writer_of(name, sizeof(name));
    for (int i = 0; i < 511; i++)
        write_u16(&p, i % 2 == 0 ? '*' : 'a');
    write_u16(&p, 'b');
    for (int i = 0; i < 255; i++)
        write_u16(&n, 'a');
    for (int i = 0; i < 20; i++)
        assert_false(utf16_match(written(&p), written(&n)));
    static uint8_t huge[2048];
    memset(huge, '*', sizeof(huge));
    assert_false(utf16_match(slice_of(huge, sizeof(huge)), written(&n)));
    memset(huge, 'a', sizeof(huge)); /* no wildcard: as long as it likes */
    assert_true(utf16_match(slice_of(huge, sizeof(huge)), slice_of(huge, sizeof(huge))));
}

static void test_refused_memory(void **state)
{
    (void)state;
    static const uint8_t name[] = {'a', 0, 'b', 0};
    struct mem mem = test_mem(10);
    struct arena a;
    struct slice out;
    arena_init(&a, &mem, SIZE_MAX);
    assert_null(utf16_to_utf8(slice_of(name, 4), &a));
    assert_null(utf16_upcased(slice_of(name, 4), &a).at);
    assert_false(utf16_from_utf8(slice_str("ab"), &a, &out));
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_frozen),     cmocka_unit_test(test_compare),
        cmocka_unit_test(test_utf8_rows),           cmocka_unit_test(test_any_units_survive),
        cmocka_unit_test(test_match_rows),          cmocka_unit_test(test_match_against_naive),
        cmocka_unit_test(test_match_is_never_slow), cmocka_unit_test(test_refused_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
