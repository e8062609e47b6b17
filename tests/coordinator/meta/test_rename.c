#include "tests/coordinator/meta/rig.h"
#include "tests/lib/unit.h"

struct row {
    const char *name, *from, *to;
    bool replace;
    uint32_t status;
};

/* On a share with files "a", "b", "ro" (read-only), "held" (open), directories "d" with file
 * "d\\x", "e" (empty), "busy" with an open file in it. Run in order. */
static const struct row rows[] = {
    {"plain", "a", "a2", false, STATUS_OK},
    {"to the same name", "a2", "a2", false, STATUS_OK},
    {"letter case only", "a2", "A2", false, STATUS_OK},
    {"into a directory", "a2", "d\\a", false, STATUS_OK},
    {"out again", "d\\a", "a", false, STATUS_OK},
    {"over another", "a", "b", false, STATUS_OBJECT_NAME_COLLISION},
    {"replacing another", "a", "B", true, STATUS_OK},
    {"over a directory", "b", "d", true, STATUS_ACCESS_DENIED},
    {"over a read-only file", "b", "ro", true, STATUS_ACCESS_DENIED},
    {"over an open file", "b", "held", true, STATUS_ACCESS_DENIED},
    {"no such directory", "b", "no\\b", false, STATUS_OBJECT_PATH_NOT_FOUND},
    {"through a file", "b", "ro\\b", false, STATUS_OBJECT_PATH_NOT_FOUND},
    {"to a stream", "b", "c:s", false, STATUS_OBJECT_NAME_INVALID},
    {"to nothing", "b", "", false, STATUS_INVALID_PARAMETER},
    {"bad name", "b", "c*", false, STATUS_OBJECT_NAME_INVALID},
    {"file with a trailing separator", "b", "c\\", false, STATUS_OBJECT_NAME_INVALID},
    {"directory", "d", "d2", false, STATUS_OK},
    {"directory into another", "d2", "e\\d", false, STATUS_OK},
    {"directory below itself", "e", "e\\d\\e", false, STATUS_ACCESS_DENIED},
    {"directory into itself", "e", "e\\e", false, STATUS_ACCESS_DENIED},
    {"directory over itself, other case", "e", "E", false, STATUS_OK},
    {"directory with something open in it", "busy", "busy2", false, STATUS_ACCESS_DENIED},
    {"directory over a file", "E", "b", true, STATUS_OK},
    {"the root", "", "x", false, STATUS_ACCESS_DENIED},
};

static void test_rows(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    rig_close(&r, 1, rig_create(&r, 1, "a"));
    rig_close(&r, 1, rig_create(&r, 1, "b"));
    rig_close(&r, 1,
              rig_must_open(&r, 1,
                            (struct ask){.path = "ro",
                                         .disposition = FILE_CREATE,
                                         .attributes = FILE_ATTRIBUTE_READONLY}));
    rig_create(&r, 2, "held");
    rig_close(&r, 1, rig_mkdir(&r, 1, "d"));
    rig_close(&r, 1, rig_mkdir(&r, 1, "e"));
    rig_close(&r, 1, rig_mkdir(&r, 1, "busy"));
    rig_create(&r, 2, "busy\\file");
    rig_close(&r, 1, rig_create(&r, 1, "d\\x"));
    for (size_t i = 0; i < array_len(rows); i++) {
        uint64_t id =
            rig_must_open(&r, 1, (struct ask){.path = rows[i].from, .disposition = FILE_OPEN});
        uint64_t inode = rig_info(&r, id)->inode;
        uint32_t status = rig_rename(&r, 1, id, rows[i].to, rows[i].replace)->status;
        if (status != rows[i].status)
            fail_msg("row '%s': status %#x, not %#x", rows[i].name, status, rows[i].status);
        rig_close(&r, 1, id);
        const char *now = status == STATUS_OK ? rows[i].to : rows[i].from;
        id = rig_must_open(&r, 1, (struct ask){.path = now, .disposition = FILE_OPEN});
        assert_row(rows[i].name, rig_info(&r, id)->inode == inode);
        rig_close(&r, 1, id);
    }
    rig_reload(&r);
    rig_end(&r);
}

static void test_stored_name(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t id = rig_create(&r, 1, "readme");
    assert_int_equal(rig_rename(&r, 1, id, "ReadMe", false)->status, STATUS_OK);
    assert_true(slice_equal(pb_slice(rig_info(&r, id)->name), wide(&r.a, "ReadMe")));
    rig_end(&r);
}

static void test_needs_delete(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t id = rig_must_open(
        &r, 1, (struct ask){.path = "a", .access = FILE_WRITE_DATA, .disposition = FILE_CREATE});
    assert_int_equal(rig_rename(&r, 1, id, "b", false)->status, STATUS_ACCESS_DENIED);
    assert_int_equal(rig_rename(&r, 2, id, "b", false)->status, STATUS_FILE_CLOSED);
    rig_end(&r);
}

/* The victim's bytes are garbage now; directories are dated. */
static void test_replaced(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    rig_close(&r, 1, rig_create(&r, 1, "old"));
    uint64_t dir = rig_mkdir(&r, 1, "dir");
    uint64_t id = rig_create(&r, 1, "dir\\new");
    uint64_t before = rig_info(&r, dir)->write_time;
    assert_int_equal(rig_rename(&r, 1, id, "old", true)->status, STATUS_OK);
    assert_non_null(rig_notice(&r, 3, FL__NOTICE__BODY_RECLAIM, 0));
    assert_true(rig_info(&r, dir)->write_time > before);
    rig_end(&r);
}

/* The destination is opened sharing reading and writing: who may delete that directory stops it. */
static void test_destination_is_held(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t access, share, status;
    } holds[] = {
        {"may delete it", ACCESS_DELETE, SHARE_ALL, STATUS_SHARING_VIOLATION},
        {"may delete it, shares nothing", ACCESS_DELETE, SHARE_NONE, STATUS_SHARING_VIOLATION},
        {"lists it", FILE_LIST_DIRECTORY, FILE_SHARE_READ | FILE_SHARE_WRITE, STATUS_OK},
        {"lists it, lets nobody write", FILE_LIST_DIRECTORY, FILE_SHARE_READ,
         STATUS_SHARING_VIOLATION},
        {"looks at its attributes", FILE_READ_ATTRIBUTES, SHARE_NONE, STATUS_OK},
    };
    struct rig r;
    rig_setup(&r);
    rig_close(&r, 1, rig_mkdir(&r, 1, "d"));
    for (size_t i = 0; i < array_len(holds); i++) {
        uint64_t id = rig_create(&r, 1, i % 2 == 0 ? "f" : "g");
        uint64_t d = rig_must_open(&r, 2,
                                   (struct ask){.path = "d",
                                                .disposition = FILE_OPEN,
                                                .access = holds[i].access,
                                                .share = holds[i].share});
        assert_row(holds[i].name, rig_rename(&r, 1, id, "d\\f", true)->status == holds[i].status);
        rig_close(&r, 2, d);
        rig_close(&r, 1, id);
    }
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),        cmocka_unit_test(test_destination_is_held),
        cmocka_unit_test(test_stored_name), cmocka_unit_test(test_needs_delete),
        cmocka_unit_test(test_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
