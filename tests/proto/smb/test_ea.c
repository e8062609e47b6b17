#include "proto/base/must.h"
#include "proto/smb/ea.h"
#include "tests/lib/hex.h"
#include "tests/lib/unit.h"
#include <stdio.h>
#include <string.h>

/* "A=1 b=22" as a set; "A=" removes, "!A=1" has FILE_NEED_EA. */
static struct slice set_of(const char *text, uint8_t *room)
{
    struct writer w = writer_of(room, 4096);
    char copy[256], *save = NULL;
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *at = strtok_r(copy, " ", &save); at != NULL; at = strtok_r(NULL, " ", &save)) {
        bool need = *at == '!';
        char *name = at + need, *value = strchr(name, '=') + 1;
        write_u8(&w, need ? FILE_NEED_EA : 0);
        write_u8(&w, (uint8_t)(value - 1 - name));
        write_u16(&w, (uint16_t)strlen(value));
        write_bytes(&w, slice_of(name, (size_t)(value - 1 - name)));
        write_u8(&w, 0);
        write_bytes(&w, slice_str(value));
    }
    return written(&w);
}

static const struct {
    const char *name, *set, *changes, *merged;
    ntstatus status;
} merges[] = {
    {"first", "", "A=1", "A=1", STATUS_OK},
    {"one more", "A=1", "B=2", "A=1 B=2", STATUS_OK},
    {"replaced in place, other case", "Ab=1 B=2", "aB=33", "aB=33 B=2", STATUS_OK},
    {"removed", "A=1 B=2", "a=", "B=2", STATUS_OK},
    {"all removed", "A=1", "A=", "", STATUS_OK},
    {"removed that is not there", "A=1", "B=", "A=1", STATUS_OK},
    {"the last of two counts", "", "A=1 B=x a=2", "a=2 B=x", STATUS_OK},
    {"given and removed", "", "A=1 A=", "", STATUS_OK},
    {"needed", "A=1", "!A=1", "!A=1", STATUS_OK},
    {"nothing", "A=1", "", "A=1", STATUS_OK},
    {"bad name", "A=1", "B*=1", "", STATUS_INVALID_EA_NAME},
    {"no name", "A=1", "=1", "", STATUS_INVALID_EA_NAME},
};

static void merge(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(merges); i++) {
        uint8_t set[4096], changes[4096], wanted[4096], out[8192];
        struct writer w = writer_of(out, sizeof(out));
        ntstatus status =
            ea_merge(set_of(merges[i].set, set), set_of(merges[i].changes, changes), &w);
        assert_row(merges[i].name, status == merges[i].status);
        if (status != STATUS_OK)
            continue;
        assert_row(merges[i].name, slice_equal(written(&w), set_of(merges[i].merged, wanted)));
        assert_row(merges[i].name, ea_is_set(written(&w)));
    }
}

static void too_large(void **state)
{
    (void)state;
    static uint8_t set[EA_SET_MAX + 64], out[2 * EA_SET_MAX + 64], small[4096];
    struct writer w = writer_of(set, sizeof(set));
    write_u8(&w, 0), write_u8(&w, 1), write_u16(&w, 65525);
    write_bytes(&w, slice_of("A", 2));
    write_zeros(&w, 65525);
    assert_int_equal(w.pos, EA_SET_MAX);
    struct writer merged = writer_of(out, sizeof(out));
    assert_int_equal(ea_merge((struct slice){0}, written(&w), &merged), STATUS_OK);
    merged = writer_of(out, sizeof(out));
    assert_int_equal(ea_merge(written(&w), set_of("B=1", small), &merged), STATUS_EA_TOO_LARGE);
    merged = writer_of(out, sizeof(out));
    assert_int_equal(ea_merge(written(&w), set_of("A=1 B=1", small), &merged), STATUS_OK);
    w = writer_of(set, sizeof(set));
    for (uint32_t i = 0; i <= EA_COUNT_MAX; i++) {
        write_u8(&w, 0), write_u8(&w, 2), write_u16(&w, 1);
        write_u8(&w, (uint8_t)('a' + i % 26)), write_u8(&w, (uint8_t)(0x80 + i / 26));
        write_u16(&w, 0);
    }
    merged = writer_of(out, sizeof(out));
    assert_int_equal(ea_merge((struct slice){0}, written(&w), &merged), STATUS_EA_TOO_LARGE);
}

static const struct {
    const char *name, *hex;
    ntstatus status;
    const char *set;
} lists[] = {
    {"one", "00000000 00 01 0200 4100 7631", STATUS_OK, "A=v1"},
    {"two", "0C000000 00 01 0200 4100 7631 00000000 80 01 0100 4200 78", STATUS_OK, "A=v1 !B=x"},
    {"padded", "0C000000 00 01 0100 4100 76 00 00000000 00 02 0100 424200 78", STATUS_OK,
     "A=v BB=x"},
    {"empty", "", STATUS_EA_LIST_INCONSISTENT, NULL},
    {"short", "00000000 00 01 0300 4100 7631", STATUS_EA_LIST_INCONSISTENT, NULL},
    {"no terminator", "00000000 00 01 0200 4142 7631", STATUS_EA_LIST_INCONSISTENT, NULL},
    {"next beyond", "10000000 00 01 0200 4100 7631", STATUS_EA_LIST_INCONSISTENT, NULL},
    {"next within", "08000000 00 01 0200 4100 7631 000000000000", STATUS_EA_LIST_INCONSISTENT,
     NULL},
    {"next unaligned", "0D000000 00 01 0200 4100 7631 00 00000000 00 01 0100 4200 78",
     STATUS_EA_LIST_INCONSISTENT, NULL},
    {"bad flags", "00000000 01 01 0200 4100 7631", STATUS_INVALID_EA_NAME, NULL},
    {"bad name", "00000000 00 01 0200 3A00 7631", STATUS_INVALID_EA_NAME, NULL},
};

static void wire(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(lists); i++) {
        uint8_t bytes[256], room[256], wanted[4096], back[256];
        struct slice list = hex_decode(lists[i].hex, bytes, sizeof(bytes));
        struct writer w = writer_of(room, list.len);
        assert_row(lists[i].name, ea_decode(list, &w) == lists[i].status);
        if (lists[i].status != STATUS_OK)
            continue;
        struct slice set = written(&w);
        assert_row(lists[i].name, slice_equal(set, set_of(lists[i].set, wanted)));
        struct writer out = writer_of(back, list.len);
        size_t last = EA_NO_ENTRY;
        for (struct ea e; ea_next(&set, &e);)
            assert_row(lists[i].name, ea_write(&out, &last, &e));
        assert_row(lists[i].name, slice_equal(written(&out), list));
        assert_row(lists[i].name, !ea_write(&out, &last, &(struct ea){.name = slice_str("Z")}));
    }
}

static void names(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct slice name, list = hex_decode("08000000 02 414200 00000000 01 4300", bytes, 64);
    assert_int_equal(ea_next_name(&list, &name), STATUS_OK);
    assert_true(slice_equal(name, slice_str("AB")));
    assert_int_equal(ea_next_name(&list, &name), STATUS_OK);
    assert_true(slice_equal(name, slice_str("C")));
    assert_int_equal(list.len, 0);
    list = hex_decode("00000000 03 4142", bytes, 64);
    assert_int_equal(ea_next_name(&list, &name), STATUS_EA_LIST_INCONSISTENT);
    list = hex_decode("00000000 00 00", bytes, 64);
    assert_int_equal(ea_next_name(&list, &name), STATUS_EA_LIST_INCONSISTENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(merge), cmocka_unit_test(too_large),
                                       cmocka_unit_test(wire), cmocka_unit_test(names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
