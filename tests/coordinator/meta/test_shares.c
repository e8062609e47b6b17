/* covers: users.c */
#include "tests/coordinator/meta/rig.h"
#include "tests/lib/unit.h"

static void test_names_and_paths(void **state)
{
    (void)state;
    static const struct {
        const char *name, *share, *volume, *path;
        uint32_t status;
    } rows[] = {
        {"no name", "", "v", "", STATUS_INVALID_PARAMETER},
        {"bad name", "a|b", "v", "", STATUS_INVALID_PARAMETER},
        {"long name",
         "12345678901234567890123456789012345678901234567890123456789012345678901234567890x", "v",
         "", STATUS_INVALID_PARAMETER},
        {"no volume", "t", "w", "", STATUS_OBJECT_NAME_NOT_FOUND},
        {"same name", "S", "v", "", STATUS_OBJECT_NAME_COLLISION},
        {"the server's own", "IPC$", "v", "", STATUS_INVALID_PARAMETER},
        {"deep", "t", "v", "/one/two/", STATUS_OK},
        {"the same place", "u", "V", "ONE/Two", STATUS_OK},
        {"bad path", "w", "v", "one/..", STATUS_INVALID_PARAMETER},
        {"through a file", "w", "v", "file/x", STATUS_INVALID_PARAMETER},
    };
    struct rig r;
    rig_setup(&r);
    rig_close(&r, 1, rig_create(&r, 1, "file"));
    for (size_t i = 0; i < array_len(rows); i++) {
        Fl__Reply *reply = rig_share(&r, rows[i].share, rows[i].volume, rows[i].path);
        assert_row(rows[i].name, reply->status == rows[i].status);
        assert_row(rows[i].name, (reply->status == STATUS_OK) == (strlen(reply->message) == 0));
    }
    const Fl__ClusterConfig *c = rig_config(&r);
    assert_int_equal(c->n_shares, 3);
    assert_int_equal(c->shares[1]->root_inode, c->shares[2]->root_inode);
    assert_int_equal(
        rig_open(&r, 1, (struct ask){.path = "one\\two", .disposition = FILE_OPEN})->status,
        STATUS_OK);
    rig_reload(&r);
    rig_end(&r);
}

static void test_ordinary_users_work_on_a_share(void **state)
{
    (void)state;
    struct rig r;
    Fl__Token user;
    uint8_t sid[SID_BYTES_MAX];
    rig_setup(&r);
    rig_token(&r, &user, sid, 1001, false);
    rig_share(&r, "t", "v", "one/two");
    r.root = rig_config(&r)->shares[1]->root_inode;
    struct ask ask = {
        .path = "d", .disposition = FILE_CREATE, .options = FILE_DIRECTORY_FILE, .token = &user};
    assert_int_equal(rig_open(&r, 1, ask)->status, STATUS_OK);
    ask.path = "d\\f", ask.options = 0;
    assert_int_equal(rig_open(&r, 1, ask)->status, STATUS_OK);
    rig_end(&r);
}

static Fl__Reply *share_for(struct rig *r, const char *principal)
{
    Fl__ShareGrant grant = FL__SHARE_GRANT__INIT, *grants[] = {&grant};
    Fl__Share s = FL__SHARE__INIT;
    Fl__ShareCreate c = FL__SHARE_CREATE__INIT;
    grant.principal = (char *)(uintptr_t)principal;
    grant.access = FILE_GENERIC_READ;
    s.name = (char *)(uintptr_t) "granted";
    s.grants = grants, s.n_grants = 1;
    c.share = &s;
    c.volume = (char *)(uintptr_t) "v";
    RIG_COMMAND(SHARE_CREATE, share_create, &c);
    return rig_apply(r, 0, &command);
}

static void test_grants(void **state)
{
    (void)state;
    static const struct {
        const char *principal, *sid;
    } rows[] = {
        {"Everyone", "S-1-1-0"},
        {"Authenticated Users", "S-1-5-11"},
        {"Administrators", "S-1-5-32-544"},
        {"S-1-5-21-9-9-9-9", "S-1-5-21-9-9-9-9"},
        {"JOE", "S-1-5-21-1-2-3-1000"},
    };
    struct rig r;
    rig_setup(&r);
    assert_int_equal(rig_user(&r, "joe", false)->status, STATUS_OK);
    assert_int_equal(share_for(&r, "nobody")->status, STATUS_INVALID_PARAMETER);
    for (size_t i = 0; i < array_len(rows); i++) {
        char text[SID_TEXT_MAX];
        struct sid sid;
        assert_row(rows[i].principal, share_for(&r, rows[i].principal)->status == STATUS_OK);
        const Fl__Share *s = rig_config(&r)->shares[0];
        assert_int_equal(s->n_grants, 1);
        assert_true(sid_decode(pb_slice(s->grants[0]->sid), &sid));
        sid_to_text(&sid, text);
        assert_string_equal(text, rows[i].sid);
        assert_int_equal(s->grants[0]->access, FILE_GENERIC_READ);
        Fl__ShareRemove c = FL__SHARE_REMOVE__INIT;
        c.name = (char *)(uintptr_t) "GRANTED";
        RIG_COMMAND(SHARE_REMOVE, share_remove, &c);
        assert_int_equal(rig_apply(&r, 0, &command)->status, STATUS_OK);
    }
    /* Nobody named: whoever has logged on. */
    const Fl__ShareGrant *g = rig_config(&r)->shares[0]->grants[0];
    assert_string_equal(g->principal, "Authenticated Users");
    assert_int_equal(g->access, FILE_ALL_ACCESS);
    rig_end(&r);
}

static ntstatus set_share(struct rig *r, const char *name, Fl__Share *to, uint32_t fields)
{
    Fl__ShareSet c = FL__SHARE_SET__INIT;
    c.name = (char *)(uintptr_t)name;
    c.to = to;
    c.fields = fields;
    RIG_COMMAND(SHARE_SET, share_set, &c);
    return rig_apply(r, 0, &command)->status;
}

/* Only the fields that are named change. */
static void test_set(void **state)
{
    (void)state;
    struct rig r;
    Fl__Share to = FL__SHARE__INIT;
    Fl__ShareGrant grant = FL__SHARE_GRANT__INIT, *grants[] = {&grant};
    rig_setup(&r);
    grant.principal = (char *)(uintptr_t) "Everyone";
    grant.access = FILE_GENERIC_READ;
    to.grants = grants, to.n_grants = 1;
    to.comment = (char *)(uintptr_t) "after";
    to.encrypt = to.continuous = true;
    to.leasing = FL__LEASING__LEASING_SHARED;
    to.uses_max = 7, to.caching = 0x30, to.abe = to.compress = true;
    const uint32_t all = 511;
    assert_int_equal(set_share(&r, "S", &to, 0), STATUS_OK);
    assert_string_equal(rig_config(&r)->shares[0]->comment, "");
    assert_int_equal(set_share(&r, "S", &to, FL__SHARE_FIELD__SHARE_FIELD_COMMENT), STATUS_OK);
    const Fl__Share *s = rig_config(&r)->shares[0];
    assert_string_equal(s->comment, "after");
    assert_false(s->encrypt);
    assert_string_equal(s->grants[0]->principal, "Authenticated Users");
    assert_int_equal(set_share(&r, "S", &to, all), STATUS_OK);
    rig_reload(&r);
    s = rig_config(&r)->shares[0];
    assert_true(s->encrypt && s->continuous && s->abe && s->compress);
    assert_int_equal(s->leasing, FL__LEASING__LEASING_SHARED);
    assert_int_equal(s->uses_max, 7);
    assert_int_equal(s->caching, 0x30);
    assert_int_equal(s->n_grants, 1);
    assert_string_equal(s->grants[0]->principal, "Everyone");
    assert_int_equal(set_share(&r, "t", &to, all), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_int_equal(set_share(&r, "", &to, all), STATUS_INVALID_PARAMETER);
    assert_int_equal(set_share(&r, "s", NULL, all), STATUS_INVALID_PARAMETER);
    to.caching = 0x40;
    assert_int_equal(set_share(&r, "s", &to, all), STATUS_INVALID_PARAMETER);
    to.caching = 0, grant.principal = (char *)(uintptr_t) "nobody";
    assert_int_equal(set_share(&r, "s", &to, all), STATUS_INVALID_PARAMETER);
    rig_end(&r);
}

static void test_remove(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    rig_share(&r, "t", "v", "");
    uint64_t id = rig_create(&r, 2, "f");
    for (int round = 0; round < 2; round++) {
        Fl__ShareRemove c = FL__SHARE_REMOVE__INIT;
        c.name = (char *)(uintptr_t)(round == 0 ? "t" : "s");
        RIG_COMMAND(SHARE_REMOVE, share_remove, &c);
        assert_int_equal(rig_apply(&r, 0, &command)->status, STATUS_OK);
        /* The first one left another share of the same directory. */
        assert_int_equal(rig_info(&r, id) != NULL, round == 0);
        const Fl__Notice *lost = rig_notice(&r, 2, FL__NOTICE__BODY_OPENS_LOST, 0);
        assert_int_equal(lost != NULL, round == 1);
        assert_true(lost == NULL || lost->opens_lost->open_ids[0] == id);
    }
    rig_end(&r);
}

static void test_users(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    assert_int_equal(rig_user(&r, "joe", true)->admin->id, 1000);
    assert_int_equal(rig_user(&r, "JOE", true)->status, STATUS_OBJECT_NAME_COLLISION);
    assert_int_equal(rig_user(&r, "a:b", true)->status, STATUS_INVALID_PARAMETER);
    Fl__UserRemove gone = FL__USER_REMOVE__INIT;
    Fl__UserPasswd word = FL__USER_PASSWD__INIT;
    gone.name = word.name = (char *)(uintptr_t) "Joe";
    word.nt_hash = pb_bytes(slice_str("0123456789abcdef"));
    {
        RIG_COMMAND(USER_PASSWD, user_passwd, &word);
        assert_int_equal(rig_apply(&r, 0, &command)->status, STATUS_OK);
    }
    const Fl__User *u = rig_config(&r)->users[0];
    assert_true(slice_equal(pb_slice(u->nt_hash), slice_str("0123456789abcdef")));
    assert_true(u->administrator);
    assert_int_equal(meta_config(r.m, false, &r.a)->users[0]->nt_hash.len, 0);
    {
        RIG_COMMAND(USER_REMOVE, user_remove, &gone);
        assert_int_equal(rig_apply(&r, 0, &command)->status, STATUS_OK);
        command.sequence = 0;
        assert_int_equal(rig_apply(&r, 0, &command)->status, STATUS_OBJECT_NAME_NOT_FOUND);
    }
    assert_int_equal(rig_user(&r, "joe", true)->admin->id, 1001); /* never the old one again */
    rig_reload(&r);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_paths),
        cmocka_unit_test(test_ordinary_users_work_on_a_share),
        cmocka_unit_test(test_grants),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
