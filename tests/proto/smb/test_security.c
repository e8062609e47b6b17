/* Access checks and inheritance as tables. A descriptor is written as text: owner, then ACEs like
 * "A;OICI;1F01FF;S-1-1-0" separated by blanks, in the spirit of SDDL.
 * covers: security.c security_inherit.c */

#include "proto/base/must.h"
#include "proto/smb/security.h"
#include "tests/lib/unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USER "S-1-5-21-1-2-3-1001"
#define OTHER "S-1-5-21-1-2-3-1002"
#define GROUP "S-1-5-21-1-2-3-513"

struct made {
    uint8_t bytes[4096], aces[2048];
    struct slice sd;
};

static struct sid sid_of(const char *text, size_t len)
{
    struct sid s;
    assert_true(sid_from_text(slice_of(text, len), &s));
    return s;
}

static uint8_t flags_of(const char *text, size_t len)
{
    static const struct {
        const char *name;
        uint8_t flag;
    } names[] = {{"OI", ACE_OBJECT_INHERIT},
                 {"CI", ACE_CONTAINER_INHERIT},
                 {"NP", ACE_NO_PROPAGATE},
                 {"IO", ACE_INHERIT_ONLY},
                 {"ID", ACE_INHERITED}};
    uint8_t flags = 0;
    for (; len >= 2; text += 2, len -= 2)
        for (size_t i = 0; i < array_len(names); i++)
            if (memcmp(text, names[i].name, 2) == 0)
                flags |= names[i].flag;
    return flags;
}

static void make_aces(struct acl *acl, struct writer *w, const char *text)
{
    *acl = (struct acl){.present = true, .revision = 2};
    while (*text != '\0') {
        char type, flags[12], sid[64];
        unsigned mask;
        int used = 0;
        assert_int_equal(sscanf(text, "%c;%11[^;];%x;%63s %n", &type, flags, &mask, sid, &used), 4);
        struct sid s = sid_of(sid, strlen(sid));
        uint8_t code = type == 'A'   ? ACE_ACCESS_ALLOWED
                       : type == 'D' ? ACE_ACCESS_DENIED
                                     : ACE_SYSTEM_AUDIT;
        ace_write(w, code, flags_of(flags, strlen(flags)), mask, &s);
        acl->count++;
        text += used;
    }
    acl->aces = written(w);
}

static struct slice make(struct made *m, const char *owner, const char *aces, uint16_t control)
{
    struct security_descriptor sd = {.control = control};
    struct writer w = writer_of(m->aces, sizeof(m->aces));
    if (owner != NULL)
        sd.has_owner = true, sd.owner = sid_of(owner, strlen(owner));
    if (aces != NULL)
        make_aces(&sd.dacl, &w, aces);
    struct writer out = writer_of(m->bytes, sizeof(m->bytes));
    security_write(&out, &sd);
    assert_false(out.full);
    assert_int_equal(out.pos, security_size(&sd));
    return m->sd = written(&out);
}

static void show(struct slice bytes, char *out, size_t cap)
{
    struct security_descriptor sd;
    assert_int_equal(security_decode(bytes, &sd), STATUS_OK);
    struct reader r = reader_of(sd.dacl.aces);
    struct ace a;
    size_t at = 0;
    out[0] = '\0';
    while (ace_next(&r, &a)) {
        char sid[SID_TEXT_MAX], flags[16] = "";
        size_t used = 0;
        sid_to_text(&a.sid, sid);
        static const char *const names[] = {"OI", "CI", "NP", "IO", "ID"};
        for (size_t i = 0; i < 5; i++)
            if (a.flags & 1u << i)
                memcpy(flags + 2 * used++, names[i], 3);
        at += (size_t)snprintf(out + at, cap - at, "%s%c;%s;%X;%s", at ? " " : "",
                               a.type == ACE_ACCESS_ALLOWED ? 'A' : 'D', flags[0] ? flags : "-",
                               a.mask, sid);
    }
}

struct who {
    uint8_t user[SID_BYTES_MAX], group[SID_BYTES_MAX];
    struct slice groups[1];
    struct security_token token;
};

static const struct security_token *token_of(struct who *w, const char *user, bool administrator)
{
    struct sid u = sid_of(user, strlen(user)), g = sid_of(GROUP, strlen(GROUP));
    w->groups[0] = sid_bytes(&g, w->group);
    w->token = (struct security_token){.user = sid_bytes(&u, w->user),
                                       .groups = w->groups,
                                       .group_count = 1,
                                       .administrator = administrator};
    return &w->token;
}

#define ALL FILE_ALL_ACCESS
#define OWNED (READ_CONTROL | WRITE_DAC)

static const struct {
    const char *name, *owner, *aces, *user;
    bool administrator;
    uint32_t desired;
    ntstatus status;
    uint32_t granted;
} checks[] = {
    {"no DACL", OTHER, NULL, USER, false, MAXIMUM_ALLOWED, STATUS_OK, ALL},
    {"empty DACL", OTHER, "", USER, false, FILE_READ_DATA, STATUS_ACCESS_DENIED, 0},
    {"empty DACL, maximum", OTHER, "", USER, false, MAXIMUM_ALLOWED, STATUS_ACCESS_DENIED, 0},
    {"empty DACL, owner", USER, "", USER, false, MAXIMUM_ALLOWED, STATUS_OK, OWNED},
    {"user", OTHER, "A;-;1;" USER, USER, false, FILE_READ_DATA, STATUS_OK, 1},
    {"group", OTHER, "A;-;1F01FF;" GROUP, USER, false, GENERIC_ALL, STATUS_OK, ALL},
    {"someone else", OTHER, "A;-;1F01FF;" OTHER, USER, false, 1, STATUS_ACCESS_DENIED, 0},
    {"in pieces", OTHER, "A;-;1;" USER " A;-;2;S-1-1-0", USER, false, 3, STATUS_OK, 3},
    {"denied first", OTHER, "D;-;1;" USER " A;-;3;S-1-1-0", USER, false, 1, STATUS_ACCESS_DENIED,
     0},
    {"denied too late", OTHER, "A;-;3;S-1-1-0 D;-;1;" USER, USER, false, 1, STATUS_OK, 1},
    {"denied, maximum", OTHER, "D;-;1;" USER " A;-;3;S-1-1-0", USER, false, MAXIMUM_ALLOWED,
     STATUS_OK, 2},
    {"maximum and more", OTHER, "A;-;1;S-1-1-0", USER, false, MAXIMUM_ALLOWED | 2,
     STATUS_ACCESS_DENIED, 0},
    {"inherit only", OTHER, "A;OICIIO;3;" USER, USER, false, 1, STATUS_ACCESS_DENIED, 0},
    {"generic in ACE", OTHER, "A;-;80000000;" USER, USER, false, FILE_READ_DATA, STATUS_OK, 1},
    {"owner denied by deny ACE", USER, "D;-;60000;" USER, USER, false, WRITE_DAC, STATUS_OK,
     WRITE_DAC},
    {"owner rights nothing", USER, "A;-;0;S-1-3-4 A;-;1;" USER, USER, false, WRITE_DAC,
     STATUS_ACCESS_DENIED, 0},
    {"owner rights read", USER, "A;-;20000;S-1-3-4", USER, false, MAXIMUM_ALLOWED, STATUS_OK,
     READ_CONTROL},
    {"owner rights not owner", OTHER, "A;-;1;S-1-3-4", USER, false, 1, STATUS_ACCESS_DENIED, 0},
    {"authenticated", OTHER, "A;-;1;S-1-5-11", USER, false, 1, STATUS_OK, 1},
    {"guest", OTHER, "A;-;1;S-1-5-11", "S-1-5-21-1-2-3-501", false, 1, STATUS_ACCESS_DENIED, 0},
    {"guest, everyone", OTHER, "A;-;1;S-1-1-0", "S-1-5-21-1-2-3-501", false, 1, STATUS_OK, 1},
    {"anonymous", OTHER, "A;-;1;S-1-1-0", "S-1-5-7", false, 1, STATUS_ACCESS_DENIED, 0},
    {"anonymous named", OTHER, "A;-;1;S-1-5-7", "S-1-5-7", false, 1, STATUS_OK, 1},
    {"administrator", OTHER, "A;-;1;S-1-5-32-544", USER, true, 1, STATUS_OK, 1},
    {"no administrator", OTHER, "A;-;1;S-1-5-32-544", USER, false, 1, STATUS_ACCESS_DENIED, 0},
    {"take ownership", OTHER, "", USER, true, WRITE_OWNER, STATUS_OK, WRITE_OWNER},
    {"no taking", OTHER, "", USER, false, WRITE_OWNER, STATUS_ACCESS_DENIED, 0},
    {"SACL", OTHER, "", USER, true, ACCESS_SYSTEM_SECURITY, STATUS_OK, ACCESS_SYSTEM_SECURITY},
    {"no SACL", OTHER, NULL, USER, false, ACCESS_SYSTEM_SECURITY, STATUS_PRIVILEGE_NOT_HELD, 0},
    {"nothing asked", OTHER, NULL, USER, false, 0, STATUS_ACCESS_DENIED, 0},
};

static void access_checks(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(checks); i++) {
        struct made m;
        struct who who;
        struct security_descriptor sd;
        uint32_t granted = 0;
        struct slice bytes = make(&m, checks[i].owner, checks[i].aces, 0);
        assert_int_equal(security_decode(bytes, &sd), STATUS_OK);
        ntstatus status =
            security_access_check(&sd, token_of(&who, checks[i].user, checks[i].administrator),
                                  checks[i].desired, &granted);
        if (status != checks[i].status || granted != checks[i].granted)
            fail_msg("%s: %x, granted %x", checks[i].name, status, granted);
    }
}

static void backup_intent(void **state)
{
    (void)state;
    struct made m;
    struct who who;
    struct security_descriptor sd;
    uint32_t granted;
    assert_int_equal(security_decode(make(&m, OTHER, "", 0), &sd), STATUS_OK);
    token_of(&who, USER, true);
    assert_int_equal(security_access_check(&sd, &who.token, GENERIC_READ, &granted),
                     STATUS_ACCESS_DENIED);
    who.token.backup_intent = true;
    assert_int_equal(security_access_check(&sd, &who.token, GENERIC_READ, &granted), STATUS_OK);
    who.token.administrator = false;
    assert_int_equal(security_access_check(&sd, &who.token, GENERIC_READ, &granted),
                     STATUS_ACCESS_DENIED);
}

static const struct {
    const char *name, *parent, *directory, *file;
} children[] = {
    {"none", "A;-;1;S-1-1-0", "A;-;1F01FF;" USER " A;-;1F01FF;S-1-5-18",
     "A;-;1F01FF;" USER " A;-;1F01FF;S-1-5-18"},
    {"OI", "A;OI;1;S-1-1-0", "A;OIIO;1;S-1-1-0", "A;-;1;S-1-1-0"},
    {"OI NP", "A;OINP;1;S-1-1-0", "", "A;-;1;S-1-1-0"},
    {"CI", "A;CI;1;S-1-1-0", "A;CI;1;S-1-1-0", ""},
    {"CI NP", "A;CINP;1;S-1-1-0", "A;-;1;S-1-1-0", ""},
    {"OI CI", "A;OICI;1;S-1-1-0", "A;OICI;1;S-1-1-0", "A;-;1;S-1-1-0"},
    {"OI CI NP", "A;OICINP;1;S-1-1-0", "A;-;1;S-1-1-0", "A;-;1;S-1-1-0"},
    {"OI CI IO", "A;OICIIO;1;S-1-1-0", "A;OICI;1;S-1-1-0", "A;-;1;S-1-1-0"},
    {"creator owner", "A;OICIIO;1;S-1-3-0", "A;-;1;" USER " A;OICIIO;1;S-1-3-0", "A;-;1;" USER},
    {"creator group", "A;CI;1;S-1-3-1", "A;-;1;" GROUP " A;CIIO;1;S-1-3-1", ""},
    {"generic", "A;OICI;10000000;S-1-1-0", "A;-;1F01FF;S-1-1-0 A;OICIIO;10000000;S-1-1-0",
     "A;-;1F01FF;S-1-1-0"},
    {"deny, in order", "D;OICI;2;S-1-1-0 A;OICI;1;S-1-1-0", "D;OICI;2;S-1-1-0 A;OICI;1;S-1-1-0",
     "D;-;2;S-1-1-0 A;-;1;S-1-1-0"},
};

static void child_is(const char *name, const struct security_creation *c, const char *want)
{
    uint8_t room[4096];
    char got[1024];
    struct writer w = writer_of(room, sizeof(room));
    assert_int_equal(security_inherit(c, &w), STATUS_OK);
    show(written(&w), got, sizeof(got));
    if (strcmp(got, want) != 0)
        fail_msg("%s (%s): got %s, want %s", name, c->directory ? "directory" : "file", got, want);
}

static void inheritance(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(children); i++) {
        struct made m;
        struct who who;
        struct security_creation c = {.parent = make(&m, OTHER, children[i].parent, 0),
                                      .token = token_of(&who, USER, false)};
        child_is(children[i].name, &c, children[i].file);
        c.directory = true;
        child_is(children[i].name, &c, children[i].directory);
    }
}

static void automatic_inheritance_is_marked(void **state)
{
    (void)state;
    struct made m;
    struct who who;
    struct security_creation c = {.parent =
                                      make(&m, OTHER, "A;OICI;1;S-1-1-0", SE_DACL_AUTO_INHERITED),
                                  .token = token_of(&who, USER, false),
                                  .directory = true};
    child_is("automatic", &c, "A;OICIID;1;S-1-1-0");
    struct made given;
    c.creator = make(&given, NULL, "A;-;80000000;S-1-1-0", SE_DACL_PROTECTED);
    child_is("given", &c, "A;-;120089;S-1-1-0");
    c.creator = make(&given, OTHER, NULL, 0);
    uint8_t room[4096];
    struct writer w = writer_of(room, sizeof(room));
    assert_int_equal(security_inherit(&c, &w), STATUS_INVALID_OWNER);
}

static void default_root_lets_users_work(void **state)
{
    (void)state;
    uint8_t room[1024], child[1024];
    struct writer w = writer_of(room, sizeof(room)), cw = writer_of(child, sizeof(child));
    struct who who;
    struct security_descriptor sd;
    security_default_root(&w);
    assert_int_equal(security_decode(written(&w), &sd), STATUS_OK);
    assert_int_equal(security_maximal_access(&sd, token_of(&who, USER, false)),
                     ALL & ~(WRITE_DAC | WRITE_OWNER));
    assert_int_equal(security_maximal_access(&sd, token_of(&who, OTHER, true)), ALL);
    assert_int_equal(security_maximal_access(&sd, token_of(&who, "S-1-5-7", false)), 0);
    struct security_creation c = {.parent = written(&w), .token = token_of(&who, USER, false)};
    assert_int_equal(security_inherit(&c, &cw), STATUS_OK);
    assert_int_equal(security_decode(written(&cw), &sd), STATUS_OK);
    assert_int_equal(security_maximal_access(&sd, &who.token), ALL);
    assert_int_equal(security_maximal_access(&sd, token_of(&who, OTHER, false)),
                     ALL & ~(WRITE_DAC | WRITE_OWNER));
}

static void changes(void **state)
{
    (void)state;
    struct made now, next;
    struct who who;
    char got[512];
    uint8_t room[4096];
    struct security_descriptor sd;
    make(&now, USER, "A;-;1;S-1-1-0", SE_DACL_AUTO_INHERITED);
    make(&next, OTHER, "A;-;2;S-1-1-0", SE_DACL_PROTECTED);
    const struct security_token *t = token_of(&who, USER, false);

    struct writer w = writer_of(room, sizeof(room));
    assert_int_equal(security_merge(now.sd, next.sd, DACL_SECURITY_INFORMATION, t, &w), STATUS_OK);
    show(written(&w), got, sizeof(got));
    assert_string_equal(got, "A;-;2;S-1-1-0");
    assert_int_equal(security_decode(written(&w), &sd), STATUS_OK);
    assert_int_equal(sd.control, SE_SELF_RELATIVE | SE_DACL_PRESENT | SE_DACL_PROTECTED);
    assert_true(sd.has_owner);

    w = writer_of(room, sizeof(room));
    assert_int_equal(security_merge(now.sd, next.sd, OWNER_SECURITY_INFORMATION, t, &w),
                     STATUS_INVALID_OWNER);
    w = writer_of(room, sizeof(room));
    assert_int_equal(security_merge(now.sd, next.sd, GROUP_SECURITY_INFORMATION, t, &w),
                     STATUS_INVALID_PRIMARY_GROUP);
    who.token.administrator = true;
    w = writer_of(room, sizeof(room));
    assert_int_equal(security_merge(now.sd, next.sd, OWNER_SECURITY_INFORMATION, t, &w), STATUS_OK);
    show(written(&w), got, sizeof(got));
    assert_string_equal(got, "A;-;1;S-1-1-0");
    assert_int_equal(security_decode(written(&w), &sd), STATUS_OK);
    assert_int_equal(sd.owner.sub[4], 1002);
    assert_int_equal(sd.control & SE_DACL_AUTO_INHERITED, SE_DACL_AUTO_INHERITED);

    w = writer_of(room, sizeof(room));
    make(&next, NULL, NULL, 0);
    assert_int_equal(security_merge(now.sd, next.sd, DACL_SECURITY_INFORMATION, t, &w), STATUS_OK);
    assert_int_equal(security_decode(written(&w), &sd), STATUS_OK);
    assert_true(sd.dacl.present && sd.dacl.null);

    w = writer_of(room, sizeof(room));
    assert_int_equal(security_extract(now.sd, OWNER_SECURITY_INFORMATION, &w), STATUS_OK);
    assert_int_equal(security_decode(written(&w), &sd), STATUS_OK);
    assert_false(sd.dacl.present);
    assert_true(sd.has_owner);
}

static void small_writers_are_refused(void **state)
{
    (void)state;
    struct made m;
    struct who who;
    struct security_creation c = {.parent = make(&m, OTHER, "A;OICI;1;S-1-1-0", 0),
                                  .token = token_of(&who, USER, false)};
    uint8_t room[512];
    struct writer whole = writer_of(room, sizeof(room));
    assert_int_equal(security_inherit(&c, &whole), STATUS_OK);
    for (size_t cap = 0; cap < whole.pos; cap++) {
        struct writer w = writer_of(room, cap);
        assert_int_equal(security_inherit(&c, &w), STATUS_INSUFFICIENT_RESOURCES);
    }
}

static void truncations_are_refused(void **state)
{
    (void)state;
    struct made m;
    struct slice sd = make(&m, OTHER, "A;OICI;1;S-1-1-0 D;-;2;" USER, 0);
    for (size_t len = 0; len < sd.len; len++) {
        struct security_descriptor out;
        uint8_t *copy = malloc(len ? len : 1);
        memcpy(copy, sd.at, len);
        assert_true(security_decode(slice_of(copy, len), &out) != STATUS_OK);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(access_checks),
        cmocka_unit_test(backup_intent),
        cmocka_unit_test(inheritance),
        cmocka_unit_test(automatic_inheritance_is_marked),
        cmocka_unit_test(default_root_lets_users_work),
        cmocka_unit_test(changes),
        cmocka_unit_test(small_writers_are_refused),
        cmocka_unit_test(truncations_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
