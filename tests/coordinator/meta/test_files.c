/* Sizes, times, attributes, descriptors, and what queries show of them.
 * covers: names.c security.c query.c config.c */
#include "tests/coordinator/meta/rig.h"
#include "tests/lib/unit.h"

static Fl__Reply *set_basic(struct rig *r, uint64_t id, Fl__SetBasic b)
{
    b.open_id = id;
    RIG_COMMAND(SET_BASIC, set_basic, &b);
    return rig_apply(r, 1, &command);
}

static Fl__Reply *set_allocation(struct rig *r, uint64_t id, uint64_t size)
{
    Fl__SetAllocation a = FL__SET_ALLOCATION__INIT;
    a.open_id = id;
    a.allocation_size = size;
    RIG_COMMAND(SET_ALLOCATION, set_allocation, &a);
    return rig_apply(r, 1, &command);
}

static void test_sizes(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t id = rig_create(&r, 1, "f");
    Fl__FileInfo info = *rig_info(&r, id);
    assert_int_equal(rig_extend(&r, 1, &info, 5000)->info->info->size, 5000);
    assert_int_equal(rig_extend(&r, 1, &info, 100)->info->info->size, 5000); /* never less */
    assert_int_equal(set_allocation(&r, id, 100000)->info->info->allocation_size, 102400);
    assert_int_equal(rig_info(&r, id)->size, 5000);
    assert_int_equal(set_allocation(&r, id, 100)->info->info->size, 4096);
    assert_int_equal(rig_set_size(&r, 1, id, 7)->info->info->allocation_size, 4096);
    assert_int_equal(rig_set_size(&r, 1, id, UINT64_MAX)->status, STATUS_DISK_FULL);
    assert_int_equal(rig_extend(&r, 1, &info, UINT64_MAX)->status, STATUS_DISK_FULL);
    uint64_t dir = rig_mkdir(&r, 1, "d");
    assert_int_equal(rig_set_size(&r, 1, dir, 7)->status, STATUS_INVALID_PARAMETER);
    uint64_t weak = rig_must_open(
        &r, 1, (struct ask){.path = "f", .access = FILE_READ_DATA, .disposition = FILE_OPEN});
    assert_int_equal(rig_set_size(&r, 1, weak, 7)->status, STATUS_ACCESS_DENIED);
    rig_end(&r);
}

static ntstatus set_sparse(struct rig *r, uint64_t id, bool sparse)
{
    Fl__SetSparse s = FL__SET_SPARSE__INIT;
    s.open_id = id, s.sparse = sparse;
    RIG_COMMAND(SET_SPARSE, set_sparse, &s);
    return rig_apply(r, 1, &command)->status;
}

static void test_sparse(void **state)
{
    static const struct {
        const char *name;
        uint32_t access;
        ntstatus status;
    } rows[] = {
        {"write data", FILE_WRITE_DATA, STATUS_OK},
        {"append data", FILE_APPEND_DATA, STATUS_OK},
        {"write attributes", FILE_WRITE_ATTRIBUTES, STATUS_OK},
        {"write extended attributes", FILE_WRITE_EA, STATUS_ACCESS_DENIED},
        {"read", FILE_READ_DATA, STATUS_ACCESS_DENIED},
    };
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t id = rig_create(&r, 1, "f");
    for (size_t i = 0; i < array_len(rows); i++) {
        uint64_t open = rig_must_open(
            &r, 1, (struct ask){.path = "f", .access = rows[i].access, .disposition = FILE_OPEN});
        if (set_sparse(&r, open, true) != rows[i].status)
            fail_msg("%s", rows[i].name);
        bool sparse = (rig_info(&r, id)->attributes & FILE_ATTRIBUTE_SPARSE_FILE) != 0;
        assert_int_equal(sparse, rows[i].status == STATUS_OK);
        Fl__SetBasic b = FL__SET_BASIC__INIT; /* attributes are set without it: it stays */
        b.attributes = FILE_ATTRIBUTE_HIDDEN;
        set_basic(&r, id, b);
        assert_int_equal((rig_info(&r, id)->attributes & FILE_ATTRIBUTE_SPARSE_FILE) != 0, sparse);
        assert_int_equal(set_sparse(&r, id, false), STATUS_OK);
        assert_int_equal(rig_info(&r, id)->attributes & FILE_ATTRIBUTE_SPARSE_FILE, 0);
    }
    assert_int_equal(set_sparse(&r, rig_mkdir(&r, 1, "d"), true), STATUS_INVALID_PARAMETER);
    rig_end(&r);
}

static void test_basic(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t id = rig_create(&r, 1, "f");
    Fl__SetBasic zero = FL__SET_BASIC__INIT, b = zero;
    Fl__FileInfo before = *rig_info(&r, id);
    assert_int_equal(set_basic(&r, id, zero)->status, STATUS_OK);
    assert_int_equal(rig_info(&r, id)->change_time, before.change_time);
    b.creation_time = 1000, b.attributes = FILE_ATTRIBUTE_HIDDEN;
    set_basic(&r, id, b);
    assert_int_equal(rig_info(&r, id)->creation_time, 1000);
    assert_int_equal(rig_info(&r, id)->attributes, FILE_ATTRIBUTE_HIDDEN);
    assert_int_equal(rig_info(&r, id)->write_time, before.write_time);
    assert_int_equal(rig_info(&r, id)->change_time, r.now);
    b = zero, b.attributes = FILE_ATTRIBUTE_NORMAL;
    set_basic(&r, id, b);
    assert_int_equal(rig_info(&r, id)->attributes, 0);
    b.attributes = FILE_ATTRIBUTE_DIRECTORY;
    assert_int_equal(set_basic(&r, id, b)->status, STATUS_INVALID_PARAMETER);
    b = zero, b.write_time = -3;
    assert_int_equal(set_basic(&r, id, b)->status, STATUS_INVALID_PARAMETER);
    rig_end(&r);
}

/* [MS-FSCC] 2.4.7: set by hand, a time stays until it is given back. */
static void test_frozen_times(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t id = rig_create(&r, 1, "f");
    Fl__FileInfo info = *rig_info(&r, id);
    Fl__SetBasic b = FL__SET_BASIC__INIT;
    Fl__Extend e = FL__EXTEND__INIT;
    e.volume = info.volume, e.inode = info.inode, e.data_id = info.data_id;
    b.write_time = 2000;
    set_basic(&r, id, b);
    e.size = 1, e.write_time = r.now;
    {
        RIG_COMMAND(EXTEND, extend, &e);
        assert_int_equal(rig_apply(&r, 1, &command)->info->info->write_time, 2000);
    }
    rig_reload(&r);
    rig_set_size(&r, 1, id, 5);
    assert_int_equal(rig_info(&r, id)->write_time, 2000);
    b.write_time = -2;
    set_basic(&r, id, b);
    rig_set_size(&r, 1, id, 6);
    assert_int_equal(rig_info(&r, id)->write_time, r.now);
    b.write_time = -1, b.change_time = -1;
    set_basic(&r, id, b);
    uint64_t frozen = rig_info(&r, id)->change_time;
    rig_set_size(&r, 1, id, 7);
    assert_int_equal(rig_info(&r, id)->change_time, frozen);
    rig_end(&r);
}

/* [MS-FSA] 2.1.4.17: an end that stays where it is counts as written, too. */
static void test_same_size_is_written(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t id = rig_create(&r, 1, "f");
    Fl__SetBasic plain = FL__SET_BASIC__INIT;
    plain.attributes = FILE_ATTRIBUTE_NORMAL;
    set_basic(&r, id, plain);
    rig_set_size(&r, 1, id, 0);
    assert_int_equal(rig_info(&r, id)->write_time, r.now);
    assert_int_equal(rig_info(&r, id)->attributes, FILE_ATTRIBUTE_ARCHIVE);
    set_allocation(&r, id, 0);
    assert_int_equal(rig_info(&r, id)->write_time, r.now);
    rig_end(&r);
}

static Fl__DirectoryReply *list(struct rig *r, uint64_t id, const char *pattern, const char *after,
                                uint32_t max)
{
    Fl__Query q = FL__QUERY__INIT;
    Fl__QueryDirectory d = FL__QUERY_DIRECTORY__INIT;
    d.open_id = id;
    d.pattern = pb_bytes(wide(&r->a, pattern));
    d.after = pb_bytes(wide(&r->a, after));
    d.max_entries = max;
    q.body_case = FL__QUERY__BODY_DIRECTORY;
    q.directory = &d;
    Fl__Reply *reply = meta_query(r->m, &q, &r->a);
    assert_int_equal(reply->status, STATUS_OK);
    return reply->directory;
}

static void test_listing(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    static const char *const names[] = {"b.txt", "A.txt", "c.doc", "D", "aa.TXT"};
    for (size_t i = 0; i < array_len(names); i++)
        rig_close(&r, 1, rig_create(&r, 1, names[i]));
    uint64_t root = rig_must_open(&r, 1, (struct ask){.path = "", .disposition = FILE_OPEN});
    Fl__DirectoryReply *all = list(&r, root, "", "", 0);
    static const char *const sorted[] = {"A.txt", "aa.TXT", "b.txt", "c.doc", "D"};
    assert_int_equal(all->n_entries, 5);
    assert_false(all->more);
    for (size_t i = 0; i < 5; i++)
        assert_true(slice_equal(pb_slice(all->entries[i]->name), wide(&r.a, sorted[i])));
    assert_int_equal(list(&r, root, "*.txt", "", 0)->n_entries, 3);
    Fl__DirectoryReply *two = list(&r, root, "*", "", 2);
    assert_true(two->more);
    two = list(&r, root, "*", "AA.txt", 2);
    assert_true(slice_equal(pb_slice(two->entries[0]->name), wide(&r.a, "b.txt")));
    assert_false(list(&r, root, "*", "b.txt", 2)->more);
    assert_int_equal(list(&r, root, "C.DOC", "", 0)->n_entries, 1);
    assert_int_equal(list(&r, root, "C.DOC", "c.doc", 0)->n_entries, 0);
    assert_int_equal(list(&r, root, "none", "", 0)->n_entries, 0);
    rig_end(&r);
}

static Fl__Reply *query_security(struct rig *r, uint64_t id, uint32_t parts)
{
    Fl__Query q = FL__QUERY__INIT;
    Fl__QuerySecurity s = FL__QUERY_SECURITY__INIT;
    s.open_id = id;
    s.parts = parts;
    q.body_case = FL__QUERY__BODY_SECURITY;
    q.security = &s;
    return meta_query(r->m, &q, &r->a);
}

static Fl__Reply *set_security(struct rig *r, uint64_t id, uint32_t parts, struct slice sd,
                               Fl__Token *token)
{
    Fl__SetSecurity s = FL__SET_SECURITY__INIT;
    s.open_id = id;
    s.parts = parts;
    s.security_descriptor = pb_bytes(sd);
    s.token = token;
    RIG_COMMAND(SET_SECURITY, set_security, &s);
    return rig_apply(r, 1, &command);
}

/* A DACL that lets only one SID do one thing. */
static struct slice only(struct rig *r, const struct sid *who, uint32_t mask)
{
    uint8_t *aces = arena_alloc(&r->a, 128), *room = arena_alloc(&r->a, 256);
    struct writer a = writer_of(aces, 128), w = writer_of(room, 256);
    ace_write(&a, ACE_ACCESS_ALLOWED, 0, mask, who);
    struct security_descriptor sd = {.control = SE_DACL_PRESENT | SE_SELF_RELATIVE};
    sd.dacl = (struct acl){.present = true, .revision = 2, .count = 1, .aces = written(&a)};
    security_write(&w, &sd);
    return written(&w);
}

/* Who may not read a file does not see it, when he is named as the reader. */
static void test_hidden_from_reader(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t mask;
        size_t seen;
    } rows[] = {
        {"all that reading takes", FILE_GENERIC_READ, 1},
        {"more than that", FILE_ALL_ACCESS, 1},
        {"no data", FILE_GENERIC_READ & ~FILE_READ_DATA, 0},
        {"no extended attributes", FILE_GENERIC_READ & ~FILE_READ_EA, 0},
        {"nothing", SYNCHRONIZE, 0},
    };
    struct rig r;
    rig_setup(&r);
    uint8_t sid[SID_BYTES_MAX];
    Fl__Token user;
    rig_token(&r, &user, sid, 1001, false);
    uint64_t id = rig_create(&r, 1, "f");
    uint64_t root = rig_must_open(&r, 1, (struct ask){.path = "", .disposition = FILE_OPEN});
    for (size_t i = 0; i < array_len(rows); i++) {
        struct slice sd = only(&r, &sid_everyone, rows[i].mask);
        assert_int_equal(set_security(&r, id, DACL_SECURITY_INFORMATION, sd, &r.token)->status,
                         STATUS_OK);
        Fl__Query q = FL__QUERY__INIT;
        Fl__QueryDirectory d = FL__QUERY_DIRECTORY__INIT;
        d.open_id = root;
        d.reader = &user;
        q.body_case = FL__QUERY__BODY_DIRECTORY;
        q.directory = &d;
        Fl__Reply *reply = meta_query(r.m, &q, &r.a);
        assert_int_equal(reply->status, STATUS_OK);
        if (reply->directory->n_entries != rows[i].seen)
            fail_msg("%s", rows[i].name);
        assert_int_equal(list(&r, root, "", "", 0)->n_entries, 1);
    }
    rig_end(&r);
}

static void test_security(void **state)
{
    (void)state;
    struct rig r;
    Fl__Token user;
    uint8_t sid[SID_BYTES_MAX];
    rig_setup(&r);
    rig_token(&r, &user, sid, 1001, false);
    uint64_t id = rig_create(&r, 1, "f");
    Fl__Reply *reply = query_security(&r, id, OWNER_SECURITY_INFORMATION);
    assert_int_equal(reply->status, STATUS_OK);
    struct security_descriptor sd;
    assert_int_equal(security_decode(pb_slice(reply->security->security_descriptor), &sd),
                     STATUS_OK);
    assert_true(sd.has_owner);
    assert_false(sd.dacl.present);
    /* Only reading is left to others. */
    struct slice dacl = only(&r, &sid_authenticated_users, FILE_GENERIC_READ);
    assert_int_equal(set_security(&r, id, DACL_SECURITY_INFORMATION, dacl, &r.token)->status,
                     STATUS_OK);
    rig_reload(&r);
    struct ask ask = {
        .path = "f", .access = FILE_WRITE_DATA, .disposition = FILE_OPEN, .token = &user};
    assert_int_equal(rig_open(&r, 1, ask)->status, STATUS_ACCESS_DENIED);
    ask.disposition = FILE_OVERWRITE, ask.access = FILE_READ_DATA;
    assert_int_equal(rig_open(&r, 1, ask)->status, STATUS_ACCESS_DENIED);
    ask.disposition = FILE_OPEN, ask.access = MAXIMUM_ALLOWED;
    reply = rig_open(&r, 1, ask);
    assert_int_equal(reply->status, STATUS_OK);
    assert_int_equal(reply->open->granted_access & FILE_WRITE_DATA, 0);
    uint64_t weak = reply->open->open_id;
    assert_int_equal(set_security(&r, weak, DACL_SECURITY_INFORMATION, dacl, &user)->status,
                     STATUS_ACCESS_DENIED);
    assert_int_equal(query_security(&r, weak, SACL_SECURITY_INFORMATION)->status,
                     STATUS_ACCESS_DENIED);
    assert_int_equal(
        set_security(&r, id, DACL_SECURITY_INFORMATION, slice_str("rubbish"), &r.token)->status,
        STATUS_INVALID_SECURITY_DESCR);
    /* An administrator may take what he is not let in to. */
    rig_close(&r, 1, id);
    ask = (struct ask){.path = "f", .access = WRITE_OWNER, .disposition = FILE_OPEN};
    assert_int_equal(rig_open(&r, 1, ask)->status, STATUS_OK);
    rig_end(&r);
}

/* A directory nobody may add to. */
static void test_adding_needs_a_right(void **state)
{
    (void)state;
    struct rig r;
    Fl__Token user;
    uint8_t sid[SID_BYTES_MAX];
    rig_setup(&r);
    rig_token(&r, &user, sid, 1001, false);
    uint64_t id = rig_mkdir(&r, 1, "d");
    struct slice dacl = only(&r, &sid_authenticated_users, FILE_GENERIC_READ | FILE_ADD_FILE);
    set_security(&r, id, DACL_SECURITY_INFORMATION, dacl, &r.token);
    struct ask ask = {.path = "d\\f", .disposition = FILE_CREATE, .token = &user};
    assert_int_equal(rig_open(&r, 1, ask)->status, STATUS_OK);
    ask.path = "d\\d", ask.options = FILE_DIRECTORY_FILE;
    assert_int_equal(rig_open(&r, 1, ask)->status, STATUS_ACCESS_DENIED);
    rig_end(&r);
}

static void test_volume_and_status(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t id = rig_create(&r, 1, "f");
    rig_set_size(&r, 1, id, 1000);
    Fl__Query q = FL__QUERY__INIT;
    Fl__QueryVolume v = FL__QUERY_VOLUME__INIT;
    Fl__QueryStatus s = FL__QUERY_STATUS__INIT;
    v.volume = 1;
    q.body_case = FL__QUERY__BODY_VOLUME, q.volume = &v;
    Fl__Reply *reply = meta_query(r.m, &q, &r.a);
    assert_int_equal(reply->volume->files, 2);
    assert_int_equal(reply->volume->bytes, 1000);
    v.volume = 9;
    assert_int_equal(meta_query(r.m, &q, &r.a)->status, STATUS_VOLUME_DISMOUNTED);
    q.body_case = FL__QUERY__BODY_STATUS, q.status = &s;
    reply = meta_query(r.m, &q, &r.a);
    assert_int_equal(reply->cluster->opens, 1);
    assert_int_equal(reply->cluster->applied_index, r.index);
    q.body_case = FL__QUERY__BODY__NOT_SET;
    assert_int_equal(meta_query(r.m, &q, &r.a)->status, STATUS_NOT_SUPPORTED);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_sparse),
        cmocka_unit_test(test_basic),
        cmocka_unit_test(test_frozen_times),
        cmocka_unit_test(test_listing),
        cmocka_unit_test(test_same_size_is_written),
        cmocka_unit_test(test_hidden_from_reader),
        cmocka_unit_test(test_security),
        cmocka_unit_test(test_adding_needs_a_right),
        cmocka_unit_test(test_volume_and_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
