#include "tests/coordinator/meta/rig.h"
#include "tests/lib/unit.h"

struct row {
    const char *name;
    struct ask ask;
    uint32_t status, action;
};

#define DIR_OPT FILE_DIRECTORY_FILE
#define FILE_OPT FILE_NON_DIRECTORY_FILE

/* Run in order on a share with directory "dir", file "dir\\file" and file "File". */
static const struct row rows[] = {
    {"open", {.path = "file", .disposition = FILE_OPEN}, STATUS_OK, FILE_OPENED},
    {"open, other case", {.path = "FILE", .disposition = FILE_OPEN}, STATUS_OK, FILE_OPENED},
    {"open missing", {.path = "no", .disposition = FILE_OPEN}, STATUS_OBJECT_NAME_NOT_FOUND, 0},
    {"missing on the way",
     {.path = "no\\x", .disposition = FILE_OPEN_IF},
     STATUS_OBJECT_PATH_NOT_FOUND,
     0},
    {"file on the way",
     {.path = "file\\x", .disposition = FILE_OPEN},
     STATUS_OBJECT_PATH_NOT_FOUND,
     0},
    {"create existing",
     {.path = "file", .disposition = FILE_CREATE},
     STATUS_OBJECT_NAME_COLLISION,
     0},
    {"create", {.path = "new1", .disposition = FILE_CREATE}, STATUS_OK, FILE_CREATED},
    {"open_if makes", {.path = "new2", .disposition = FILE_OPEN_IF}, STATUS_OK, FILE_CREATED},
    {"open_if opens", {.path = "new2", .disposition = FILE_OPEN_IF}, STATUS_OK, FILE_OPENED},
    {"overwrite missing",
     {.path = "new3", .disposition = FILE_OVERWRITE},
     STATUS_OBJECT_NAME_NOT_FOUND,
     0},
    {"overwrite", {.path = "new2", .disposition = FILE_OVERWRITE}, STATUS_OK, FILE_OVERWRITTEN},
    {"overwrite_if makes",
     {.path = "new3", .disposition = FILE_OVERWRITE_IF},
     STATUS_OK,
     FILE_CREATED},
    {"overwrite_if",
     {.path = "new3", .disposition = FILE_OVERWRITE_IF},
     STATUS_OK,
     FILE_OVERWRITTEN},
    {"supersede makes", {.path = "new4", .disposition = FILE_SUPERSEDE}, STATUS_OK, FILE_CREATED},
    {"supersede", {.path = "new4", .disposition = FILE_SUPERSEDE}, STATUS_OK, FILE_SUPERSEDED},
    {"disposition", {.path = "file", .disposition = 6}, STATUS_INVALID_PARAMETER, 0},
    {"both kinds",
     {.path = "file", .disposition = FILE_OPEN, .options = DIR_OPT | FILE_OPT},
     STATUS_INVALID_PARAMETER,
     0},
    {"directory as file",
     {.path = "dir", .disposition = FILE_OPEN, .options = FILE_OPT},
     STATUS_FILE_IS_A_DIRECTORY,
     0},
    {"file as directory",
     {.path = "file", .disposition = FILE_OPEN, .options = DIR_OPT},
     STATUS_NOT_A_DIRECTORY,
     0},
    {"make a directory of a file",
     {.path = "file", .disposition = FILE_CREATE, .options = DIR_OPT},
     STATUS_OBJECT_NAME_COLLISION,
     0},
    {"directory, not said", {.path = "dir", .disposition = FILE_OPEN}, STATUS_OK, FILE_OPENED},
    {"overwrite a directory",
     {.path = "dir", .disposition = FILE_OVERWRITE_IF},
     STATUS_OBJECT_NAME_COLLISION,
     0},
    {"overwrite with directory option",
     {.path = "dir", .disposition = FILE_OVERWRITE_IF, .options = DIR_OPT},
     STATUS_INVALID_PARAMETER,
     0},
    {"mkdir",
     {.path = "dir\\sub", .disposition = FILE_CREATE, .options = DIR_OPT},
     STATUS_OK,
     FILE_CREATED},
    {"mkdir, temporary",
     {.path = "dir\\tmp",
      .disposition = FILE_CREATE,
      .options = DIR_OPT,
      .attributes = FILE_ATTRIBUTE_TEMPORARY},
     STATUS_INVALID_PARAMETER,
     0},
    {"root", {.path = "", .disposition = FILE_OPEN}, STATUS_OK, FILE_OPENED},
    {"trailing separator", {.path = "dir\\", .disposition = FILE_OPEN}, STATUS_OK, FILE_OPENED},
    {"trailing separator of a file",
     {.path = "dir\\", .disposition = FILE_OPEN, .options = FILE_OPT},
     STATUS_OBJECT_NAME_INVALID,
     0},
    {"wildcard", {.path = "a*", .disposition = FILE_OPEN}, STATUS_OBJECT_NAME_INVALID, 0},
    {"leading separator", {.path = "\\a", .disposition = FILE_OPEN}, STATUS_INVALID_PARAMETER, 0},
    {"default stream", {.path = "file::$DATA", .disposition = FILE_OPEN}, STATUS_OK, FILE_OPENED},
    {"other stream", {.path = "file:s", .disposition = FILE_OPEN}, STATUS_OBJECT_NAME_NOT_FOUND, 0},
    {"create a stream", {.path = "file:s", .disposition = FILE_OPEN_IF}, STATUS_OK, FILE_CREATED},
    {"open a stream", {.path = "FILE:S:$data", .disposition = FILE_OPEN}, STATUS_OK, FILE_OPENED},
    {"create one that is there",
     {.path = "file:s", .disposition = FILE_CREATE},
     STATUS_OBJECT_NAME_COLLISION,
     0},
    {"overwrite a stream",
     {.path = "file:s", .disposition = FILE_OVERWRITE},
     STATUS_OK,
     FILE_OVERWRITTEN},
    {"a stream as a directory",
     {.path = "file:s", .disposition = FILE_OPEN, .options = FILE_DIRECTORY_FILE},
     STATUS_NOT_A_DIRECTORY,
     0},
    {"a directory's stream",
     {.path = "dir:s", .disposition = FILE_CREATE, .options = FILE_NON_DIRECTORY_FILE},
     STATUS_OK,
     FILE_CREATED},
    {"a directory's data",
     {.path = "dir::$DATA", .disposition = FILE_OPEN},
     STATUS_FILE_IS_A_DIRECTORY,
     0},
    {"the root's stream", {.path = ":s", .disposition = FILE_CREATE}, STATUS_OK, FILE_CREATED},
    {"the root's stream goes",
     {.path = ":s", .disposition = FILE_OPEN, .options = FILE_DELETE_ON_CLOSE},
     STATUS_OK,
     FILE_OPENED},
    {"file and stream at once",
     {.path = "both:s", .disposition = FILE_CREATE},
     STATUS_OK,
     FILE_CREATED},
    {"the file is there", {.path = "both", .disposition = FILE_OPEN}, STATUS_OK, FILE_OPENED},
    {"stream of what is not there",
     {.path = "none:s", .disposition = FILE_OPEN},
     STATUS_OBJECT_NAME_NOT_FOUND,
     0},
    {"undefined access",
     {.path = "file", .access = 0x00200000, .disposition = FILE_OPEN},
     STATUS_ACCESS_DENIED,
     0},
    {"delete on close without DELETE",
     {.path = "file",
      .access = FILE_READ_DATA,
      .disposition = FILE_OPEN,
      .options = FILE_DELETE_ON_CLOSE},
     STATUS_INVALID_PARAMETER,
     0},
    {"delete on close of the root",
     {.path = "", .disposition = FILE_OPEN, .options = FILE_DELETE_ON_CLOSE},
     STATUS_CANNOT_DELETE,
     0},
    {"new, read-only, delete on close",
     {.path = "ro",
      .disposition = FILE_CREATE,
      .options = FILE_DELETE_ON_CLOSE,
      .attributes = FILE_ATTRIBUTE_READONLY},
     STATUS_CANNOT_DELETE,
     0},
    {"new read-only file may be written",
     {.path = "ro", .disposition = FILE_CREATE, .attributes = FILE_ATTRIBUTE_READONLY},
     STATUS_OK,
     FILE_CREATED},
    {"write a read-only file",
     {.path = "ro", .access = FILE_WRITE_DATA, .disposition = FILE_OPEN},
     STATUS_ACCESS_DENIED,
     0},
    {"read a read-only file",
     {.path = "ro", .access = FILE_READ_DATA, .disposition = FILE_OPEN},
     STATUS_OK,
     FILE_OPENED},
    {"overwrite a read-only file",
     {.path = "ro", .access = FILE_READ_DATA, .disposition = FILE_OVERWRITE},
     STATUS_ACCESS_DENIED,
     0},
    {"delete a read-only file",
     {.path = "ro",
      .access = ACCESS_DELETE,
      .disposition = FILE_OPEN,
      .options = FILE_DELETE_ON_CLOSE},
     STATUS_CANNOT_DELETE,
     0},
    {"hidden",
     {.path = "hid", .disposition = FILE_CREATE, .attributes = FILE_ATTRIBUTE_HIDDEN},
     STATUS_OK,
     FILE_CREATED},
    {"overwrite hidden as plain",
     {.path = "hid", .disposition = FILE_OVERWRITE},
     STATUS_ACCESS_DENIED,
     0},
    {"overwrite hidden as hidden",
     {.path = "hid", .disposition = FILE_OVERWRITE, .attributes = FILE_ATTRIBUTE_HIDDEN},
     STATUS_OK,
     FILE_OVERWRITTEN},
    {"share allows reading only",
     {.path = "file",
      .access = FILE_WRITE_DATA,
      .disposition = FILE_OPEN,
      .share_mask = FILE_GENERIC_READ | FILE_GENERIC_EXECUTE},
     STATUS_ACCESS_DENIED,
     0},
    {"create through a read-only share",
     {.path = "x",
      .access = FILE_READ_DATA,
      .disposition = FILE_CREATE,
      .share_mask = FILE_GENERIC_READ | FILE_GENERIC_EXECUTE},
     STATUS_ACCESS_DENIED,
     0},
    {"by id",
     {.path = "x", .disposition = FILE_OPEN, .options = FILE_OPEN_BY_FILE_ID},
     STATUS_NOT_SUPPORTED,
     0},
};

static void test_rows(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    rig_close(&r, 1, rig_mkdir(&r, 1, "dir"));
    rig_close(&r, 1, rig_create(&r, 1, "dir\\file"));
    rig_close(&r, 1, rig_create(&r, 1, "File"));
    for (size_t i = 0; i < array_len(rows); i++) {
        Fl__Reply *reply = rig_open(&r, 1, rows[i].ask);
        assert_non_null(reply);
        if (reply->status != rows[i].status)
            fail_msg("row '%s': status %#x, not %#x", rows[i].name, reply->status, rows[i].status);
        if (reply->status != STATUS_OK)
            continue;
        assert_row(rows[i].name, reply->open->action == rows[i].action);
        assert_row(rows[i].name, reply->open->info->cacheable);
        rig_close(&r, 1, reply->open->open_id);
    }
    rig_end(&r);
}

static void test_granted(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t desired, share_mask, granted;
    } table[] = {
        {"plain", FILE_READ_DATA, 0, FILE_READ_DATA},
        {"generic read", GENERIC_READ, 0, FILE_GENERIC_READ},
        {"generic all", GENERIC_ALL, 0, FILE_ALL_ACCESS},
        {"maximum", MAXIMUM_ALLOWED, 0, FILE_ALL_ACCESS},
        {"maximum through a share", MAXIMUM_ALLOWED, FILE_GENERIC_READ, FILE_GENERIC_READ},
        {"both", MAXIMUM_ALLOWED | FILE_READ_DATA, 0, FILE_ALL_ACCESS},
    };
    struct rig r;
    rig_setup(&r);
    rig_close(&r, 1, rig_create(&r, 1, "f"));
    for (size_t i = 0; i < array_len(table); i++) {
        Fl__Reply *reply = rig_open(&r, 1,
                                    (struct ask){.path = "f",
                                                 .access = table[i].desired,
                                                 .share_mask = table[i].share_mask,
                                                 .disposition = FILE_OPEN});
        assert_row(table[i].name, reply->status == STATUS_OK);
        assert_row(table[i].name, reply->open->granted_access == table[i].granted);
        rig_close(&r, 1, reply->open->open_id);
    }
    rig_end(&r);
}

static void test_sharing(void **state)
{
    (void)state;
    const uint32_t no = STATUS_SHARING_VIOLATION;
    const struct {
        const char *name;
        uint32_t access1, share1, access2, share2, status;
    } table[] = {
        {"all", FILE_ALL_ACCESS, SHARE_ALL, FILE_ALL_ACCESS, SHARE_ALL, STATUS_OK},
        {"none", FILE_READ_DATA, SHARE_NONE, FILE_READ_DATA, SHARE_ALL, no},
        {"second none", FILE_READ_DATA, SHARE_ALL, FILE_READ_DATA, SHARE_NONE, no},
        {"readers", FILE_READ_DATA, FILE_SHARE_READ, FILE_READ_DATA, FILE_SHARE_READ, STATUS_OK},
        {"writer", FILE_READ_DATA, FILE_SHARE_READ, FILE_WRITE_DATA, SHARE_ALL, no},
        {"appender", FILE_READ_DATA, FILE_SHARE_READ, FILE_APPEND_DATA, SHARE_ALL, no},
        {"executor", FILE_WRITE_DATA, FILE_SHARE_WRITE, FILE_EXECUTE, SHARE_ALL, no},
        {"deleter", FILE_READ_DATA, FILE_SHARE_READ | FILE_SHARE_WRITE, ACCESS_DELETE, SHARE_ALL,
         no},
        {"shut out by the second", FILE_WRITE_DATA, SHARE_ALL, FILE_READ_DATA, FILE_SHARE_READ, no},
        {"attributes only, first", FILE_READ_ATTRIBUTES, SHARE_NONE, FILE_ALL_ACCESS, SHARE_NONE,
         STATUS_OK},
        {"attributes only, second", FILE_ALL_ACCESS, SHARE_NONE, FILE_READ_ATTRIBUTES, SHARE_NONE,
         STATUS_OK},
        {"maximum", FILE_READ_DATA, FILE_SHARE_READ, MAXIMUM_ALLOWED, SHARE_ALL, no},
    };
    struct rig r;
    rig_setup(&r);
    rig_close(&r, 1, rig_create(&r, 1, "f"));
    for (size_t i = 0; i < array_len(table); i++) {
        uint64_t first = rig_must_open(&r, 1,
                                       (struct ask){.path = "f",
                                                    .access = table[i].access1,
                                                    .share = table[i].share1,
                                                    .disposition = FILE_OPEN});
        Fl__Reply *reply = rig_open(&r, 2,
                                    (struct ask){.path = "f",
                                                 .access = table[i].access2,
                                                 .share = table[i].share2,
                                                 .disposition = FILE_OPEN});
        assert_row(table[i].name, reply->status == table[i].status);
        if (reply->status == STATUS_OK)
            rig_close(&r, 2, reply->open->open_id);
        rig_close(&r, 1, first);
    }
    rig_end(&r);
}

/* An overwritten file is the same file with other bytes. */
static void test_overwrite_changes_data_id(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    Fl__Reply *reply = rig_open(&r, 1, (struct ask){.path = "f", .disposition = FILE_CREATE});
    Fl__FileInfo before = *reply->open->info;
    rig_extend(&r, 1, &before, 5000);
    assert_int_equal(rig_info(&r, reply->open->open_id)->size, 5000);
    assert_int_equal(rig_info(&r, reply->open->open_id)->allocation_size, 8192);
    rig_close(&r, 1, reply->open->open_id);
    reply = rig_open(&r, 1, (struct ask){.path = "f", .disposition = FILE_OVERWRITE});
    assert_int_equal(reply->open->info->inode, before.inode);
    assert_int_not_equal(reply->open->info->data_id, before.data_id);
    assert_int_equal(reply->open->info->size, 0);
    for (uint32_t n = 1; n <= RIG_NODES; n++) {
        Fl__Notice *notice = rig_notice(&r, n, FL__NOTICE__BODY_RECLAIM, 0);
        assert_non_null(notice);
        assert_int_equal(notice->reclaim->inode, before.data_id);
    }
    assert_int_equal(rig_extend(&r, 1, &before, 9000)->status, STATUS_FILE_CLOSED);
    rig_end(&r);
}

static void test_users_rights(void **state)
{
    (void)state;
    struct rig r;
    Fl__Token one, two;
    uint8_t sid1[SID_BYTES_MAX], sid2[SID_BYTES_MAX];
    rig_setup(&r);
    rig_token(&r, &one, sid1, 1001, false);
    rig_token(&r, &two, sid2, 1002, false);
    Fl__Reply *reply =
        rig_open(&r, 1, (struct ask){.path = "f", .disposition = FILE_CREATE, .token = &one});
    assert_int_equal(reply->status, STATUS_OK);
    assert_int_equal(reply->open->maximal_access, FILE_ALL_ACCESS);
    rig_close(&r, 1, reply->open->open_id);
    /* Authenticated users may work on what others made, but its descriptor is the owner's. */
    reply = rig_open(
        &r, 1,
        (struct ask){
            .path = "f", .access = FILE_WRITE_DATA, .disposition = FILE_OPEN, .token = &two});
    assert_int_equal(reply->status, STATUS_OK);
    rig_close(&r, 1, reply->open->open_id);
    reply = rig_open(&r, 1,
                     (struct ask){.path = "f",
                                  .access = ACCESS_SYSTEM_SECURITY,
                                  .disposition = FILE_OPEN,
                                  .token = &two});
    assert_int_equal(reply->status, STATUS_PRIVILEGE_NOT_HELD);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),         cmocka_unit_test(test_granted),
        cmocka_unit_test(test_sharing),      cmocka_unit_test(test_overwrite_changes_data_id),
        cmocka_unit_test(test_users_rights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
