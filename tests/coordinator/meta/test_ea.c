/* Extended attributes and named streams: what of a file is one, and what each stream has for
 * itself. */
#include "tests/coordinator/meta/rig.h"
#include "tests/lib/unit.h"

#define CREATE_NEW(p) ((struct ask){.path = (p), .disposition = FILE_CREATE})
#define OPEN_OLD(p) ((struct ask){.path = (p), .disposition = FILE_OPEN})

static const struct slice one = {(const uint8_t *)"\0\1\2\0A\0v1", 8};
static const struct slice two = {(const uint8_t *)"\0\1\0\0a\0\200\1\1\0B\0x", 13};

static uint32_t set_ea(struct rig *r, uint32_t node, uint64_t open_id, struct slice changes)
{
    Fl__SetEa c = FL__SET_EA__INIT;
    c.open_id = open_id;
    c.changes = pb_bytes(changes);
    RIG_COMMAND(SET_EA, set_ea, &c);
    return rig_apply(r, node, &command)->status;
}

static Fl__Reply *get_ea(struct rig *r, uint64_t open_id)
{
    Fl__Query q = FL__QUERY__INIT;
    Fl__QueryEa ea = FL__QUERY_EA__INIT;
    ea.open_id = open_id;
    q.body_case = FL__QUERY__BODY_EA;
    q.ea = &ea;
    return meta_query(r->m, &q, &r->a);
}

static Fl__StreamsReply *streams(struct rig *r, uint64_t open_id)
{
    Fl__Query q = FL__QUERY__INIT;
    Fl__QueryStreams body = FL__QUERY_STREAMS__INIT;
    body.open_id = open_id;
    q.body_case = FL__QUERY__BODY_STREAMS;
    q.streams = &body;
    Fl__Reply *reply = meta_query(r->m, &q, &r->a);
    must(reply->status == STATUS_OK);
    return reply->streams;
}

static uint32_t open_status(struct rig *r, struct ask ask) { return rig_open(r, 1, ask)->status; }

static void test_set_and_query(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t id = rig_create(&r, 1, "f");
    uint64_t writer = rig_must_open(
        &r, 1, (struct ask){.path = "f", .access = FILE_WRITE_DATA, .disposition = 1});
    assert_int_equal(get_ea(&r, id)->ea->set.len, 0);
    assert_int_equal(set_ea(&r, 1, writer, one), STATUS_ACCESS_DENIED);
    assert_int_equal(get_ea(&r, writer)->status, STATUS_ACCESS_DENIED);
    assert_int_equal(set_ea(&r, 1, 999, one), STATUS_FILE_CLOSED);
    assert_int_equal(set_ea(&r, 2, id, one), STATUS_FILE_CLOSED);
    assert_int_equal(set_ea(&r, 1, id, slice_of("\0\1\0\0*\0", 6)), STATUS_INVALID_EA_NAME);
    uint64_t before = rig_info(&r, id)->change_time;
    r.now += 1000;
    assert_int_equal(set_ea(&r, 1, id, one), STATUS_OK);
    assert_true(rig_info(&r, id)->change_time > before);
    assert_int_equal(rig_info(&r, id)->ea_size, one.len);
    assert_true(slice_equal(pb_slice(get_ea(&r, id)->ea->set), one));
    assert_int_equal(set_ea(&r, 1, id, two), STATUS_OK); /* removes A, adds B */
    assert_int_equal(rig_info(&r, id)->ea_size, 7);
    rig_reload(&r);
    assert_int_equal(rig_info(&r, id)->ea_size, 7);
    /* Through a stream it is the file's. */
    uint64_t stream = rig_create(&r, 1, "f:s");
    assert_int_equal(set_ea(&r, 1, stream, one), STATUS_OK);
    assert_int_equal(rig_info(&r, id)->ea_size, 15);
    assert_int_equal(rig_info(&r, stream)->ea_size, 15);
    rig_end(&r);
}

static uint32_t open_with_ea(struct rig *r, uint32_t disposition, uint32_t options, struct slice ea)
{
    Fl__Open o = FL__OPEN__INIT;
    o.volume = r->volume, o.root_inode = r->root;
    o.path = pb_bytes(wide(&r->a, "f"));
    o.desired_access = o.share_mask = FILE_ALL_ACCESS;
    o.share_access = SHARE_ALL;
    o.disposition = disposition, o.options = options;
    o.token = &r->token;
    o.ea = pb_bytes(ea);
    RIG_COMMAND(OPEN, open, &o);
    Fl__Reply *reply = rig_apply(r, 1, &command);
    if (reply->status != STATUS_OK)
        return UINT32_MAX;
    uint32_t size = reply->open->info->ea_size;
    rig_close(r, 1, reply->open->open_id);
    return size;
}

static void test_with_create(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    struct slice bad = slice_of("\0\1\0\0*\0", 6), need = slice_sub(two, 6, 7), none = {0};
    assert_int_equal(open_with_ea(&r, FILE_CREATE, 0, bad), UINT32_MAX);
    assert_int_equal(open_with_ea(&r, FILE_CREATE, 0, one), one.len);
    assert_int_equal(open_with_ea(&r, FILE_OPEN, 0, need), one.len); /* there is nothing to make */
    assert_int_equal(open_with_ea(&r, FILE_OVERWRITE, 0, bad), UINT32_MAX);
    assert_int_equal(open_with_ea(&r, FILE_OVERWRITE, 0, need), need.len);
    assert_int_equal(open_with_ea(&r, FILE_OPEN, FILE_NO_EA_KNOWLEDGE, none), UINT32_MAX);
    assert_int_equal(open_with_ea(&r, FILE_SUPERSEDE, 0, none), 0);
    assert_int_equal(open_with_ea(&r, FILE_OPEN, FILE_NO_EA_KNOWLEDGE, none), 0);
    rig_end(&r);
}

static void test_what_is_whose(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t id = rig_create(&r, 1, "f"), stream = rig_create(&r, 1, "f:One");
    const Fl__FileInfo *f = rig_info(&r, id), *s = rig_info(&r, stream);
    assert_int_equal(f->file_inode, 0);
    assert_int_equal(s->file_inode, f->inode);
    assert_int_not_equal(s->inode, f->inode);
    assert_int_not_equal(s->data_id, f->data_id);
    assert_true(slice_equal(pb_slice(s->name), pb_slice(f->name)));
    rig_extend(&r, 1, s, 5000);
    rig_set_size(&r, 1, stream, 6000);
    f = rig_info(&r, id), s = rig_info(&r, stream);
    assert_int_equal(s->size, 6000);
    assert_int_equal(f->size, 0);
    assert_int_equal(s->write_time, f->write_time);
    Fl__StreamsReply *all = streams(&r, stream);
    assert_int_equal(all->n_streams, 1);
    assert_int_equal(all->streams[0]->size, 6000);
    assert_true(slice_equal(pb_slice(all->streams[0]->name), wide(&r.a, "One")));
    assert_int_equal(all->info->inode, f->inode);
    /* A directory's stream is no directory. */
    rig_mkdir(&r, 1, "d");
    s = rig_info(&r, rig_create(&r, 1, "d:s"));
    assert_int_equal(s->attributes & FILE_ATTRIBUTE_DIRECTORY, 0);
    rig_reload(&r);
    rig_end(&r);
}

static void test_stored_path(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    rig_mkdir(&r, 1, "Dir");
    rig_create(&r, 1, "Dir\\File:Stream");
    static const char *const rows[][2] = {{"", ""},
                                          {"dir", "Dir"},
                                          {"DIR\\file", "Dir\\File"},
                                          {"dir\\file:STREAM:$data", "Dir\\File:Stream"}};
    for (size_t i = 0; i < array_len(rows); i++) {
        Fl__Query q = FL__QUERY__INIT;
        Fl__QueryInfo info = FL__QUERY_INFO__INIT;
        info.open_id = rig_must_open(&r, 1, OPEN_OLD(rows[i][0]));
        info.path = true;
        q.body_case = FL__QUERY__BODY_INFO;
        q.info = &info;
        Fl__Reply *reply = meta_query(r.m, &q, &r.a);
        assert_int_equal(reply->status, STATUS_OK);
        assert_row(rows[i][0], slice_equal(pb_slice(reply->info->path), wide(&r.a, rows[i][1])));
    }
    rig_end(&r);
}

static void test_sharing(void **state)
{
    (void)state;
    static const struct {
        const char *name, *first, *second;
        uint32_t access, share, second_access, second_share, status;
    } rows[] = {
        {"streams are shared each by itself", "f:a", "f:b", FILE_READ_DATA, SHARE_NONE,
         FILE_READ_DATA, SHARE_NONE, STATUS_OK},
        {"the same stream", "f:a", "f:A", FILE_READ_DATA, SHARE_NONE, FILE_READ_DATA, SHARE_ALL,
         STATUS_SHARING_VIOLATION},
        {"the file and its stream", "f", "f:a", FILE_READ_DATA, SHARE_NONE, FILE_READ_DATA,
         SHARE_NONE, STATUS_OK},
        {"deleting the file under a stream", "f:a", "f", FILE_READ_DATA, FILE_SHARE_READ,
         ACCESS_DELETE, SHARE_ALL, STATUS_SHARING_VIOLATION},
        {"a stream that lets it go", "f:a", "f", FILE_READ_DATA, FILE_SHARE_DELETE, ACCESS_DELETE,
         SHARE_ALL, STATUS_OK},
        {"a stream under a deleter", "f", "f:a", ACCESS_DELETE, SHARE_ALL, FILE_READ_DATA,
         FILE_SHARE_READ, STATUS_SHARING_VIOLATION},
        {"deleting another stream", "f:a", "f:b", FILE_READ_DATA, SHARE_NONE, ACCESS_DELETE,
         SHARE_ALL, STATUS_OK},
        {"overwriting under a stream", "f:a", "f", FILE_READ_DATA, SHARE_ALL, 0, SHARE_ALL,
         STATUS_SHARING_VIOLATION},
    };
    struct rig r;
    rig_setup(&r);
    rig_close(&r, 1, rig_create(&r, 1, "f:a"));
    rig_close(&r, 1, rig_create(&r, 1, "f:b"));
    for (size_t i = 0; i < array_len(rows); i++) {
        uint64_t id = rig_must_open(&r, 1,
                                    (struct ask){.path = rows[i].first,
                                                 .disposition = FILE_OPEN,
                                                 .access = rows[i].access,
                                                 .share = rows[i].share});
        Fl__Reply *reply = rig_open(
            &r, 2,
            (struct ask){.path = rows[i].second,
                         .disposition = rows[i].second_access == 0 ? FILE_OVERWRITE : FILE_OPEN,
                         .access = rows[i].second_access,
                         .share = rows[i].second_share});
        assert_row(rows[i].name, reply->status == rows[i].status);
        if (reply->status == STATUS_OK)
            rig_close(&r, 2, reply->open->open_id);
        rig_close(&r, 1, id);
    }
    rig_end(&r);
}

static void test_deleting(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t a = rig_create(&r, 1, "f:a"), data = rig_info(&r, a)->data_id;
    rig_close(&r, 1, rig_create(&r, 1, "f:b"));
    /* The stream alone. */
    assert_int_equal(rig_dispose(&r, 1, a, true)->status, STATUS_OK);
    assert_true(rig_info(&r, a)->delete_pending);
    assert_int_equal(open_status(&r, OPEN_OLD("f:a")), STATUS_DELETE_PENDING);
    uint64_t f = rig_create(&r, 1, "f");
    rig_close(&r, 1, a);
    assert_int_equal(rig_notice(&r, 1, FL__NOTICE__BODY_RECLAIM, 0)->reclaim->inode, data);
    assert_null(rig_notice(&r, 1, FL__NOTICE__BODY_RECLAIM, 1));
    assert_int_equal(streams(&r, f)->n_streams, 1);
    /* The file, while a stream is open: it goes with the last of them, and its streams with it. */
    uint64_t b = rig_create(&r, 2, "f:b");
    assert_int_equal(rig_dispose(&r, 1, f, true)->status, STATUS_OK);
    rig_close(&r, 1, f);
    assert_true(rig_info(&r, b)->delete_pending);
    assert_int_equal(open_status(&r, OPEN_OLD("f:b")), STATUS_DELETE_PENDING);
    assert_int_equal(open_status(&r, CREATE_NEW("f:c")), STATUS_DELETE_PENDING);
    rig_reload(&r);
    rig_close(&r, 2, b);
    assert_non_null(rig_notice(&r, 3, FL__NOTICE__BODY_RECLAIM, 1)); /* of both */
    assert_int_equal(open_status(&r, OPEN_OLD("f")), STATUS_OBJECT_NAME_NOT_FOUND);
    /* The end of a node ends what its clients were about to delete. */
    rig_must_open(
        &r, 3,
        (struct ask){.path = "g:s", .disposition = FILE_CREATE, .options = FILE_DELETE_ON_CLOSE});
    rig_down(&r, 3);
    assert_int_equal(streams(&r, rig_create(&r, 1, "g"))->n_streams, 0);
    rig_end(&r);
}

static void test_overwriting(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    rig_close(&r, 1, rig_create(&r, 1, "f:a"));
    rig_close(&r, 1, rig_create(&r, 1, "f:b"));
    uint64_t id = rig_must_open(&r, 1, (struct ask){.path = "f:a", .disposition = FILE_SUPERSEDE});
    assert_int_equal(streams(&r, id)->n_streams, 2);
    rig_close(&r, 1, id);
    id = rig_must_open(&r, 1, (struct ask){.path = "f", .disposition = FILE_OVERWRITE});
    assert_non_null(rig_notice(&r, 1, FL__NOTICE__BODY_RECLAIM, 2)); /* a, b, and the old data */
    assert_int_equal(streams(&r, id)->n_streams, 0);
    rig_end(&r);
}

static void test_renaming(void **state)
{
    (void)state;
    static const struct {
        const char *name, *from, *to;
        bool replace;
        uint32_t status;
    } rows[] = {
        {"to a new name", "f:a", ":n:$DATA", false, STATUS_OK},
        {"to its own", "f:n", ":N", false, STATUS_OK},
        {"to one that is there", "f:n", ":b", false, STATUS_OBJECT_NAME_COLLISION},
        {"over one with data", "f:n", ":b", true, STATUS_INVALID_PARAMETER},
        {"over an empty one", "f:n", ":e", true, STATUS_OK},
        {"another type", "f:e", ":x:$INDEX_ALLOCATION", false, STATUS_INVALID_PARAMETER},
        {"to the file's data", "f:e", "::$DATA", true, STATUS_NOT_SUPPORTED},
        {"to another file", "f:e", "g", false, STATUS_INVALID_PARAMETER},
        {"the file's data to a stream", "f", ":x", false, STATUS_NOT_SUPPORTED},
        {"a directory", "d", ":x", false, STATUS_INVALID_PARAMETER},
        {"the file with its streams", "f", "h", false, STATUS_OK},
        {"they are there", "h:e", ":f", false, STATUS_OK},
    };
    struct rig r;
    rig_setup(&r);
    rig_mkdir(&r, 1, "d");
    rig_close(&r, 1, rig_create(&r, 1, "f:a"));
    rig_close(&r, 1, rig_create(&r, 1, "f:e"));
    uint64_t b = rig_create(&r, 1, "f:b");
    rig_set_size(&r, 1, b, 1);
    rig_close(&r, 1, b);
    for (size_t i = 0; i < array_len(rows); i++) {
        uint64_t id = rig_must_open(&r, 1, OPEN_OLD(rows[i].from));
        uint32_t status = rig_rename(&r, 1, id, rows[i].to, rows[i].replace)->status;
        if (status != rows[i].status)
            fail_msg("row '%s': status %#x, not %#x", rows[i].name, status, rows[i].status);
        rig_close(&r, 1, id);
        meta_check(r.m);
    }
    uint64_t open = rig_create(&r, 2, "h:b"), id = rig_create(&r, 1, "h");
    assert_int_equal(rig_rename(&r, 1, id, "i", false)->status, STATUS_ACCESS_DENIED);
    rig_close(&r, 2, open);
    assert_int_equal(rig_rename(&r, 1, id, "i", false)->status, STATUS_OK);
    rig_reload(&r);
    rig_end(&r);
}

static void test_many(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    for (uint32_t i = 0; i < 1024u; i++) {
        char path[] = "f:0000";
        for (uint32_t k = 0, n = i; k < 4; k++, n /= 10)
            path[5 - k] = (char)('0' + n % 10);
        uint32_t node = 1 + i % RIG_NODES; /* each remembers so many replies */
        rig_close(&r, node, rig_create(&r, node, path));
    }
    assert_int_equal(open_status(&r, CREATE_NEW("f:more")), STATUS_DISK_FULL);
    uint64_t id = rig_create(&r, 1, "f");
    assert_int_equal(streams(&r, id)->n_streams, 1024u);
    rig_dispose(&r, 1, id, true);
    assert_int_equal(rig_close(&r, 1, id)->status, STATUS_OK);
    assert_non_null(rig_notice(&r, 1, FL__NOTICE__BODY_RECLAIM, 1024u));
    meta_check(r.m);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_and_query), cmocka_unit_test(test_with_create),
        cmocka_unit_test(test_what_is_whose), cmocka_unit_test(test_stored_path),
        cmocka_unit_test(test_sharing),       cmocka_unit_test(test_deleting),
        cmocka_unit_test(test_overwriting),   cmocka_unit_test(test_renaming),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
