/* Reparse points: who may make one, and what becomes of paths that meet one.
 * covers: reparse.c */
#include "proto/smb/reparse.h"
#include "tests/coordinator/meta/rig.h"
#include "tests/lib/unit.h"

#define LINK                                                                                       \
    slice_of("\x0c\0\0\xa0\x0e\0\0\0\0\0\2\0\0\0\0\0\1\0\0\0x\0", 22) /* relative, to "x" */
#define LINK_OWNER slice_of("\x0c\0\0\xa0\0\0\0\0", 8)
#define OTHER slice_of("\x23\0\0\x80\2\0\0\0yz", 10)
#define JUNCTION slice_of("\3\0\0\xa0\0\0\0\0", 8)

static struct rig rig;

static int setup(void **state)
{
    (void)state;
    rig_setup(&rig);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_end(&rig);
    return 0;
}

static Fl__Reply *set(uint64_t id, struct slice data)
{
    Fl__SetReparse s = FL__SET_REPARSE__INIT;
    s.open_id = id;
    s.data = pb_bytes(data);
    s.token = &rig.token;
    RIG_COMMAND(SET_REPARSE, set_reparse, &s);
    return rig_apply(&rig, 1, &command);
}

static ntstatus delete (uint64_t id, struct slice data)
{
    Fl__DeleteReparse d = FL__DELETE_REPARSE__INIT;
    d.open_id = id;
    d.data = pb_bytes(data);
    RIG_COMMAND(DELETE_REPARSE, delete_reparse, &d);
    return rig_apply(&rig, 1, &command)->status;
}

static Fl__Reply *get(uint64_t id)
{
    Fl__Query q = FL__QUERY__INIT;
    Fl__QueryReparse r = FL__QUERY_REPARSE__INIT;
    r.open_id = id;
    q.body_case = FL__QUERY__BODY_REPARSE;
    q.reparse = &r;
    return meta_query(rig.m, &q, &rig.a);
}

static uint64_t make(const char *path, bool directory, struct slice data)
{
    uint64_t id = directory ? rig_mkdir(&rig, 1, path) : rig_create(&rig, 1, path);
    assert_int_equal(set(id, data)->status, STATUS_OK);
    return id;
}

static void test_life(void **state)
{
    (void)state;
    uint64_t id = rig_create(&rig, 1, "f");
    assert_int_equal(get(id)->status, STATUS_NOT_A_REPARSE_POINT);
    assert_int_equal(delete (id, LINK_OWNER), STATUS_NOT_A_REPARSE_POINT);
    const Fl__FileInfo *info = set(id, LINK)->info->info;
    assert_int_equal(info->reparse_tag, IO_REPARSE_TAG_SYMLINK);
    assert_true((info->attributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0);
    rig_reload(&rig);
    assert_true(slice_equal(pb_slice(get(id)->reparse->data), LINK));
    assert_int_equal(set(id, OTHER)->status, STATUS_IO_REPARSE_TAG_MISMATCH);
    assert_int_equal(set(id, LINK)->status, STATUS_OK);
    assert_int_equal(delete (id, slice_of("\x23\0\0\x80\0\0\0\0", 8)),
                     STATUS_IO_REPARSE_TAG_MISMATCH);
    assert_int_equal(delete (id, LINK), STATUS_IO_REPARSE_DATA_INVALID);
    assert_int_equal(delete (id, LINK_OWNER), STATUS_OK);
    assert_int_equal(rig_info(&rig, id)->attributes & FILE_ATTRIBUTE_REPARSE_POINT, 0);
    assert_int_equal(rig_info(&rig, id)->reparse_tag, 0);
}

static void test_refused(void **state)
{
    (void)state;
    uint64_t file = rig_create(&rig, 1, "f"), dir = rig_mkdir(&rig, 1, "d");
    uint64_t root = rig_mkdir(&rig, 1, "");
    struct ask blind = {.path = "f", .disposition = FILE_OPEN, .access = FILE_READ_DATA};
    assert_int_equal(set(999, LINK)->status, STATUS_FILE_CLOSED);
    assert_int_equal(set(rig_must_open(&rig, 1, blind), LINK)->status, STATUS_ACCESS_DENIED);
    assert_int_equal(set(root, OTHER)->status, STATUS_ACCESS_DENIED);
    assert_int_equal(set(file, JUNCTION)->status, STATUS_NOT_A_DIRECTORY);
    assert_int_equal(set(file, slice_of(OTHER.at, 9))->status, STATUS_IO_REPARSE_DATA_INVALID);
    rig_close(&rig, 1, rig_create(&rig, 1, "d\\x"));
    assert_int_equal(set(dir, OTHER)->status, STATUS_DIRECTORY_NOT_EMPTY);
    rig_set_size(&rig, 1, file, 1);
    assert_int_equal(set(file, LINK)->status, STATUS_IO_REPARSE_DATA_INVALID);
    assert_int_equal(set(file, OTHER)->status, STATUS_OK);
    rig.token.administrator = false;
    assert_int_equal(set(file, LINK)->status, STATUS_ACCESS_DENIED);
    rig.token.administrator = true;
}

/* Where a path stops, and how much of it has been gone. */
static void test_paths(void **state)
{
    static const struct {
        const char *path;
        uint32_t disposition, options;
        ntstatus status;
        const char *parsed;
    } rows[] = {
        {"link", FILE_OPEN, 0, STATUS_STOPPED_ON_SYMLINK, "link"},
        {"link", FILE_OVERWRITE_IF, 0, STATUS_STOPPED_ON_SYMLINK, "link"},
        {"link:s", FILE_OPEN_IF, 0, STATUS_STOPPED_ON_SYMLINK, "link"},
        {"link", FILE_OPEN, FILE_OPEN_REPARSE_POINT, STATUS_OK, NULL},
        {"link", FILE_CREATE, 0, STATUS_OBJECT_NAME_COLLISION, NULL},
        {"link\\x", FILE_OPEN, 0, STATUS_OBJECT_PATH_NOT_FOUND, NULL}, /* no directory */
        {"dir\\to", FILE_OPEN, 0, STATUS_STOPPED_ON_SYMLINK, "dir\\to"},
        {"dir\\to\\x", FILE_OPEN, 0, STATUS_STOPPED_ON_SYMLINK, "dir\\to"},
        {"dir\\to\\x\\y", FILE_CREATE, FILE_OPEN_REPARSE_POINT, STATUS_STOPPED_ON_SYMLINK,
         "dir\\to"},
        {"dir\\to", FILE_OPEN, FILE_OPEN_REPARSE_POINT | FILE_DIRECTORY_FILE, STATUS_OK, NULL},
        {"other", FILE_OPEN, 0, STATUS_STOPPED_ON_SYMLINK, "other"},
    };
    (void)state;
    make("link", false, LINK);
    rig_mkdir(&rig, 1, "dir");
    make("dir\\to", true, LINK);
    make("other", false, OTHER);
    for (size_t i = 0; i < array_len(rows); i++) {
        struct ask ask = {.path = rows[i].path,
                          .disposition = rows[i].disposition,
                          .options = rows[i].options,
                          .access = FILE_READ_DATA};
        Fl__Reply *reply = rig_open(&rig, 2, ask);
        if (reply->status != rows[i].status)
            fail_msg("%s: %x", rows[i].path, reply->status);
        if (rows[i].parsed == NULL)
            continue;
        assert_int_equal(reply->body_case, FL__REPLY__BODY_REPARSE);
        assert_int_equal(reply->reparse->parsed, 2 * strlen(rows[i].parsed));
        assert_true(reply->reparse->data.len > 0);
    }
}

static void test_renamed_and_deleted(void **state)
{
    (void)state;
    uint64_t id = make("to", true, LINK), f = rig_create(&rig, 1, "f");
    assert_int_equal(rig_rename(&rig, 1, f, "to\\f", false)->status, STATUS_OBJECT_PATH_NOT_FOUND);
    assert_int_equal(rig_rename(&rig, 1, id, "there", false)->status, STATUS_OK);
    assert_true(slice_equal(pb_slice(get(id)->reparse->data), LINK));
    assert_int_equal(rig_dispose(&rig, 1, id, true)->status, STATUS_OK);
    rig_close(&rig, 1, id);
    assert_int_equal(
        rig_open(&rig, 1, (struct ask){.path = "there", .disposition = FILE_OPEN})->status,
        STATUS_OBJECT_NAME_NOT_FOUND);
    /* Overwritten, it is a file like any other. */
    rig_close(&rig, 1, make("g", false, LINK));
    id = rig_must_open(&rig, 1,
                       (struct ask){.path = "g",
                                    .disposition = FILE_OVERWRITE,
                                    .options = FILE_OPEN_REPARSE_POINT});
    assert_int_equal(rig_info(&rig, id)->reparse_tag, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_life, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_renamed_and_deleted, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
