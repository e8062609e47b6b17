/* What breaks what, and what is granted beside what: the tables of [MS-FSA] 2.1.4.12 and 2.1.5.18,
 * as Windows fills them in. */
#include "coordinator/meta/oplock.h"
#include "proto/base/must.h"
#include "tests/lib/unit.h"
#include <string.h>

/* "RWH" and the like; "b", "x", "s" are oplocks: batch, exclusive, level II; "" is nothing. */
static uint8_t state_of(const char *text, bool *oplock)
{
    uint8_t state = 0;
    *oplock = strpbrk(text, "bxs") != NULL;
    if (strpbrk(text, "Rbxs") != NULL)
        state |= CACHE_READ;
    if (strpbrk(text, "Wbx") != NULL)
        state |= CACHE_WRITE;
    if (strpbrk(text, "Hb") != NULL)
        state |= CACHE_HANDLE;
    return state;
}

struct break_row {
    const char *held;
    enum cache_use use;
    const char *to; /* NULL: it does not break */
    bool wait;
    const char *breaking; /* it breaks already, to this; NULL: it does not */
};

static const struct break_row breaks[] = {
    {"RWH", USE_ATTRIBUTES, NULL, false, NULL},
    {"RWH", USE_CONTROL, NULL, false, NULL},
    {"RWH", USE_OPEN, "RH", true, NULL},
    {"RWH", USE_OVERWRITE, "", true, NULL},
    {"RWH", USE_SHARE, "RW", true, NULL},
    {"RWH", USE_DATA, "", true, NULL},
    {"RWH", USE_HANDLE, "RW", true, NULL},
    {"RW", USE_OPEN, "R", true, NULL},
    {"RW", USE_OVERWRITE, "", true, NULL},
    {"RW", USE_SHARE, NULL, false, NULL},
    {"RW", USE_HANDLE, NULL, false, NULL},
    {"RH", USE_OPEN, NULL, false, NULL},
    {"RH", USE_OVERWRITE, "", false, NULL},
    {"RH", USE_SHARE, "R", true, NULL},
    {"RH", USE_DATA, "", false, NULL},
    {"RH", USE_ENTRIES, "", false, NULL},
    {"R", USE_OPEN, NULL, false, NULL},
    {"R", USE_SHARE, NULL, false, NULL},
    {"R", USE_DATA, "", false, NULL},
    {"", USE_DATA, NULL, false, NULL},
    {"b", USE_ATTRIBUTES, NULL, false, NULL},
    {"b", USE_CONTROL, "s", true, NULL},
    {"b", USE_OPEN, "s", true, NULL},
    {"b", USE_OVERWRITE, "", true, NULL},
    {"b", USE_SHARE, NULL, false, NULL},
    {"x", USE_OPEN, "s", true, NULL},
    {"x", USE_OVERWRITE, "", true, NULL},
    {"s", USE_OPEN, NULL, false, NULL},
    {"s", USE_OVERWRITE, "", false, NULL},
    {"s", USE_DATA, "", false, NULL},
    /* While it breaks. */
    {"RWH", USE_OPEN, "RH", true, "RH"},
    {"RWH", USE_OVERWRITE, "", true, "RH"},
    {"RWH", USE_SHARE, "R", true, "RH"},
    {"RWH", USE_OPEN, "R", true, "RW"},
    {"RWH", USE_OPEN, "", true, ""},
    {"RW", USE_DATA, "", true, "R"},
    {"RW", USE_SHARE, NULL, false, "R"},
    {"RH", USE_DATA, "", false, "R"},
    {"RH", USE_SHARE, "R", true, "R"},
    {"RH", USE_SHARE, "", true, ""},
    {"RH", USE_OPEN, NULL, false, ""},
    {"b", USE_OPEN, "s", true, "s"},
    {"b", USE_OVERWRITE, "", true, "s"},
    {"b", USE_OPEN, "", true, ""},
};

static void test_breaks(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(breaks); i++) {
        const struct break_row *row = &breaks[i];
        bool ignored;
        struct cache_hold hold = {.breaking = row->breaking != NULL};
        hold.state = state_of(row->held, &hold.oplock);
        if (hold.breaking)
            hold.to = state_of(row->breaking, &ignored);
        struct cache_verdict v = cache_judge(&hold, row->use);
        if (v.breaks != (row->to != NULL) || v.wait != row->wait)
            fail_msg("row %zu: %s, use %d", i, row->held, (int)row->use);
        if (v.breaks && v.to != state_of(row->to, &ignored))
            fail_msg("row %zu: to %d", i, v.to);
    }
}

struct grant_row {
    const char *wanted, *held; /* held: of the same key; NULL: it is new */
    const char *others;        /* what somebody else holds; "o": he has it open only; "": nothing */
    const char *granted;
};

static const struct grant_row grants[] = {
    {"R", NULL, "", "R"},     {"RH", NULL, "", "RH"},    {"RW", NULL, "", "RW"},
    {"RWH", NULL, "", "RWH"}, {"H", NULL, "", ""},       {"W", NULL, "", ""},
    {"WH", NULL, "", ""},     {"", NULL, "", ""},        {"RWH", NULL, "o", "RH"},
    {"RW", NULL, "o", "R"},   {"RWH", NULL, "R", "RH"},  {"RWH", NULL, "RH", "RH"},
    {"RW", NULL, "RH", "R"},  {"RWH", NULL, "RWH", ""},  {"R", NULL, "RW", ""},
    {"RH", NULL, "s", "R"},   {"RWH", NULL, "s", "R"},   {"RW", NULL, "s", "R"},
    {"s", NULL, "", "s"},     {"x", NULL, "", "x"},      {"b", NULL, "", "b"},
    {"b", NULL, "o", "s"},    {"x", NULL, "o", "s"},     {"b", NULL, "s", "s"},
    {"s", NULL, "R", "s"},    {"b", NULL, "R", "s"},     {"s", NULL, "RH", ""},
    {"b", NULL, "RH", ""},    {"RWH", "", "", "RWH"},    {"", "R", "", "R"},
    {"RH", "R", "", "RH"},    {"RW", "R", "", "RW"},     {"RW", "RH", "", "RH"},
    {"RWH", "RH", "", "RWH"}, {"R", "RWH", "", "RWH"},   {"RH", "RW", "", "RW"},
    {"RWH", "RW", "", "RWH"}, {"RH", "R", "R", "RH"},    {"RWH", "R", "R", "R"},
    {"RW", "R", "RH", "R"},   {"RWH", "RH", "RH", "RH"}, {"RH", "R", "s", "R"},
    {"R", "", "R", "R"},      {"RWH", "R", "o", "R"},
};

static void test_grants(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(grants); i++) {
        const struct grant_row *row = &grants[i];
        bool oplock, other_oplock, ignored;
        uint8_t wanted = state_of(row->wanted, &oplock);
        uint8_t other = state_of(row->others, &other_oplock);
        struct cache_others others = {
            .any = other != 0,
            .exclusive = (other & CACHE_WRITE) != 0,
            .level_two = other_oplock && other == CACHE_READ,
            .handle = !other_oplock && (other & CACHE_HANDLE) != 0,
            .opens = row->others[0] != '\0',
        };
        uint8_t got = row->held == NULL
                          ? cache_grant(oplock, wanted, &others)
                          : cache_upgrade(state_of(row->held, &ignored), wanted, &others);
        if (got != state_of(row->granted, &ignored))
            fail_msg("row %zu: %s beside %s gives %d", i, row->wanted, row->others, got);
    }
}

static void test_acknowledgements(void **state)
{
    (void)state;
    assert_true(cache_acknowledges(CACHE_READ | CACHE_HANDLE));
    assert_true(cache_acknowledges(CACHE_READ | CACHE_WRITE));
    assert_false(cache_acknowledges(CACHE_READ));
    assert_false(cache_acknowledges(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_breaks),
        cmocka_unit_test(test_grants),
        cmocka_unit_test(test_acknowledgements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
