/* What those who watch a directory are told, change by change.
 * covers: notify.c */
#include "coordinator/meta/notify.h"
#include "tests/coordinator/meta/rig.h"
#include "tests/lib/unit.h"

enum { ANY = 0xFFF, LOG_MAX = 2048 };

/* What the last command told, e.g. "1+d\f 2-d\f": the watching node, the action, the name. */
static const char *told(const struct rig *r)
{
    static char log[LOG_MAX];
    static const char actions[] = "?+-mon123";
    size_t at = 0;
    for (size_t i = 0; i < r->out.notices_count; i++) {
        const Fl__Notice *n = r->out.notices[i];
        if (n->body_case != FL__NOTICE__BODY_WATCH)
            continue;
        if (at > 0)
            log[at++] = ' ';
        log[at++] = (char)('0' + n->node_id);
        log[at++] = n->watch->deleted ? '!' : actions[n->watch->action];
        for (size_t k = 0; k < n->watch->name.len; k += 2)
            log[at++] = (char)n->watch->name.data[k];
        assert_true(at < LOG_MAX - 100);
    }
    log[at] = 0;
    return log;
}

#define TOLD(r, text) assert_string_equal(told(r), text)

static struct rig rig;
static uint64_t top, dir; /* watched: the root with all below by node 1, "d" alone by node 2 */

/* As those who watch open it: nobody is kept from renaming what is in it. */
static uint64_t look_at(uint32_t node, const char *path)
{
    return rig_must_open(&rig, node,
                         (struct ask){.path = path,
                                      .access = FILE_LIST_DIRECTORY,
                                      .disposition = FILE_OPEN_IF,
                                      .options = FILE_DIRECTORY_FILE});
}

static int setup(void **state)
{
    (void)state;
    rig_setup(&rig);
    top = look_at(1, "");
    dir = look_at(2, "d");
    assert_int_equal(rig_watch(&rig, 1, top, ANY, true)->status, STATUS_OK);
    assert_int_equal(rig_watch(&rig, 2, dir, ANY, false)->status, STATUS_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_end(&rig);
    return 0;
}

static void test_names(void **state)
{
    (void)state;
    uint64_t f = rig_create(&rig, 3, "d\\f");
    TOLD(&rig, "2+f 1+d\\f");
    rig_close(&rig, 3, look_at(3, "d\\s"));
    uint64_t deep = rig_create(&rig, 3, "d\\s\\g");
    TOLD(&rig, "1+d\\s\\g"); /* not the one who watches "d" alone */
    rig_close(&rig, 3, deep);
    TOLD(&rig, "");
    assert_int_equal(rig_rename(&rig, 3, f, "d\\F2", false)->status, STATUS_OK);
    TOLD(&rig, "2of 1od\\f 2nF2 1nd\\F2");
    assert_int_equal(rig_rename(&rig, 3, f, "d\\s\\h", false)->status, STATUS_OK);
    TOLD(&rig, "2-F2 1-d\\F2 1+d\\s\\h");
    rig_close(&rig, 3, f);
    TOLD(&rig, "1md\\s\\h"); /* the archive attribute, told at the close */
    deep = rig_create(&rig, 3, "d\\s\\g");
    assert_int_equal(rig_rename(&rig, 3, deep, "d\\s\\h", true)->status, STATUS_OK);
    TOLD(&rig, "1-d\\s\\g 1md\\s\\h"); /* the name stays, another file has it */
    f = rig_create(&rig, 3, "d\\f");
    assert_int_equal(rig_rename(&rig, 3, f, "d\\s\\H", true)->status, STATUS_ACCESS_DENIED);
    TOLD(&rig, "");
    rig_close(&rig, 3, deep);
    assert_int_equal(rig_rename(&rig, 3, f, "d\\s\\H", true)->status, STATUS_OK);
    TOLD(&rig, "1-d\\s\\h 2-f 1-d\\f 1+d\\s\\H");
    rig_dispose(&rig, 3, f, true);
    rig_close(&rig, 3, f);
    TOLD(&rig, "1-d\\s\\H");
    uint64_t sub = rig_must_open(
        &rig, 3, (struct ask){.path = "d\\s", .access = ACCESS_DELETE, .disposition = FILE_OPEN});
    rig_dispose(&rig, 3, sub, true);
    TOLD(&rig, "");
    rig_close(&rig, 3, sub);
    TOLD(&rig, "2-s 1-d\\s");
}

static void test_changes(void **state)
{
    (void)state;
    uint64_t f = rig_create(&rig, 3, "d\\f");
    Fl__SetBasic b = FL__SET_BASIC__INIT;
    b.open_id = f;
    b.attributes = FILE_ATTRIBUTE_HIDDEN;
    RIG_COMMAND(SET_BASIC, set_basic, &b);
    rig_apply(&rig, 3, &command);
    TOLD(&rig, "2mf 1md\\f");
    command.sequence = 0;
    rig_apply(&rig, 3, &command);
    TOLD(&rig, ""); /* the same again changes nothing */
    rig_set_size(&rig, 3, f, 100);
    TOLD(&rig, "");
    rig_set_size(&rig, 3, f, 200);
    rig_close(&rig, 3, f);
    TOLD(&rig, "2mf 1md\\f"); /* once for both */
    f = rig_must_open(&rig, 3,
                      (struct ask){.path = "d\\f",
                                   .disposition = FILE_OVERWRITE_IF,
                                   .attributes = FILE_ATTRIBUTE_HIDDEN});
    TOLD(&rig, "2mf 1md\\f");
    uint64_t s = rig_create(&rig, 3, "d\\f:s");
    TOLD(&rig, "21f:s 11d\\f:s");
    rig_set_size(&rig, 3, s, 9);
    rig_close(&rig, 3, s);
    TOLD(&rig, "2mf 1md\\f 23f:s 13d\\f:s");
    s = rig_create(&rig, 3, "d\\f:s");
    rig_dispose(&rig, 3, s, true);
    rig_close(&rig, 3, s);
    TOLD(&rig, "22f:s 12d\\f:s");
}

static void test_sparse(void **state)
{
    (void)state;
    uint64_t f = rig_create(&rig, 3, "d\\f");
    Fl__SetSparse s = FL__SET_SPARSE__INIT;
    s.open_id = f, s.sparse = true;
    RIG_COMMAND(SET_SPARSE, set_sparse, &s);
    assert_int_equal(rig_apply(&rig, 3, &command)->status, STATUS_OK);
    TOLD(&rig, "");
    rig_close(&rig, 3, f);
    TOLD(&rig, "2mf 1md\\f");
}

static void test_filter(void **state)
{
    (void)state;
    static const struct {
        uint32_t filter;
        const char *file, *directory; /* told of a file's, of a directory's creation */
    } rows[] = {
        {FILE_NOTIFY_CHANGE_FILE_NAME, "3+x", ""},
        {FILE_NOTIFY_CHANGE_DIR_NAME, "", "3+y"},
        {FILE_NOTIFY_CHANGE_ATTRIBUTES | FILE_NOTIFY_CHANGE_STREAM_NAME, "", ""},
        {0, "", ""},
        {UINT32_MAX, "3+x", "3+y"},
    };
    rig_close(&rig, 1, top);
    for (size_t i = 0; i < array_len(rows); i++) {
        uint64_t d = rig_mkdir(&rig, 3, "w");
        assert_int_equal(rig_watch(&rig, 3, d, rows[i].filter, false)->status, STATUS_OK);
        /* What the first says holds. */
        assert_int_equal(rig_watch(&rig, 3, d, ANY, true)->status, STATUS_OK);
        rig_reload(&rig);
        struct ask ask = {
            .path = "w\\x", .disposition = FILE_CREATE, .options = FILE_DELETE_ON_CLOSE};
        uint64_t x = rig_must_open(&rig, 1, ask);
        TOLD(&rig, rows[i].file);
        ask.path = "w\\y", ask.options |= FILE_DIRECTORY_FILE;
        uint64_t y = rig_must_open(&rig, 1, ask);
        TOLD(&rig, rows[i].directory);
        rig_close(&rig, 1, x);
        rig_close(&rig, 1, y);
        rig_close(&rig, 3, d);
    }
}

static void test_refused(void **state)
{
    (void)state;
    uint64_t f = rig_create(&rig, 1, "f"), s = rig_create(&rig, 1, "d:s");
    assert_int_equal(rig_watch(&rig, 1, 999, ANY, true)->status, STATUS_FILE_CLOSED);
    assert_int_equal(rig_watch(&rig, 2, top, ANY, true)->status, STATUS_FILE_CLOSED);
    assert_int_equal(rig_watch(&rig, 1, f, ANY, true)->status, STATUS_INVALID_PARAMETER);
    assert_int_equal(rig_watch(&rig, 1, s, ANY, true)->status, STATUS_INVALID_PARAMETER);
    struct ask blind = {.path = "d", .disposition = FILE_OPEN, .access = FILE_READ_ATTRIBUTES};
    uint64_t d = rig_must_open(&rig, 1, blind);
    assert_int_equal(rig_watch(&rig, 1, d, ANY, true)->status, STATUS_ACCESS_DENIED);
}

/* [MS-FSA] 2.1.1.6: once marked, for ever. */
static void test_marked(void **state)
{
    (void)state;
    uint64_t other = rig_mkdir(&rig, 3, "d");
    assert_int_equal(rig_dispose(&rig, 3, other, true)->status, STATUS_OK);
    TOLD(&rig, "2!");
    assert_int_equal(rig_dispose(&rig, 3, other, false)->status, STATUS_OK);
    rig_reload(&rig);
    assert_int_equal(rig_watch(&rig, 3, other, ANY, true)->status, STATUS_DELETE_PENDING);
    uint64_t third = rig_mkdir(&rig, 3, "d");
    assert_int_equal(rig_watch(&rig, 3, third, ANY, true)->status, STATUS_OK);
    struct ask leaving = {.path = "d", .disposition = FILE_OPEN, .options = FILE_DELETE_ON_CLOSE};
    uint64_t last = rig_must_open(&rig, 1, leaving);
    assert_int_equal(rig_watch(&rig, 1, last, ANY, true)->status, STATUS_DELETE_PENDING);
    rig_close(&rig, 1, last);
    TOLD(&rig, "2! 3!");
}

/* A node's end is told as its clients' closes would be. */
static void test_node_down(void **state)
{
    (void)state;
    rig_must_open(
        &rig, 3,
        (struct ask){.path = "d\\t", .disposition = FILE_CREATE, .options = FILE_DELETE_ON_CLOSE});
    rig_down(&rig, 3);
    TOLD(&rig, "2-t 1-d\\t");
    rig_down(&rig, 1);
    rig_create(&rig, 2, "d\\f");
    TOLD(&rig, "2+f");
}

/* What a node was told while it was away it is told to look for itself. */
static void test_pending(void **state)
{
    (void)state;
    Fl__Notice **notices;
    assert_int_equal(meta_pending_notices(rig.m, 1, &rig.a, &notices), 1);
    assert_int_equal(notices[0]->body_case, FL__NOTICE__BODY_WATCH);
    assert_int_equal(notices[0]->watch->open_id, 0);
    assert_int_equal(notices[0]->watch->action, 0);
    assert_int_equal(meta_pending_notices(rig.m, 3, &rig.a, &notices), 0);
}

/* More than a command may tell: each node once, for all that is left. */
static void test_too_many(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < META_WATCH_NOTICES_MAX / 2; i++) {
        uint64_t w = look_at(3, "d");
        assert_int_equal(rig_watch(&rig, 3, w, ANY, false)->status, STATUS_OK);
    }
    uint64_t f = rig_create(&rig, 1, "d\\f");
    assert_int_equal(rig.out.notices_count, META_WATCH_NOTICES_MAX / 2 + 2);
    assert_int_equal(rig_rename(&rig, 1, f, "d\\g", false)->status, STATUS_OK);
    size_t all = 0, single = 0;
    for (size_t i = 0; i < rig.out.notices_count; i++) {
        const Fl__Notice *n = rig.out.notices[i];
        bool watch = n->body_case == FL__NOTICE__BODY_WATCH;
        all += watch && n->watch->open_id == 0 && n->watch->action == 0;
        single += watch && n->watch->open_id != 0;
    }
    assert_int_equal(single, META_WATCH_NOTICES_MAX);
    assert_int_equal(all, 2); /* node 3 for its last opens, and node 1 */
}

/* A name that no path can hold. */
static void test_too_long(void **state)
{
    (void)state;
    char name[201];
    memset(name, 'n', 200);
    name[200] = 0;
    uint64_t parent = rig_mkdir(&rig, 1, "deep"), below;
    rig_close(&rig, 1, parent);
    char path[256] = "deep";
    /* Grown from above: each directory is put below one more. */
    for (int i = 0; i < 170; i++) {
        below = rig_mkdir(&rig, 1, "deeper");
        rig_close(&rig, 1, below);
        below = rig_mkdir(&rig, 1, path);
        char to[256] = "deeper\\";
        memcpy(to + 7, name, sizeof(name));
        assert_int_equal(rig_rename(&rig, 1, below, to, false)->status, STATUS_OK);
        rig_close(&rig, 1, below);
        below = rig_mkdir(&rig, 1, "deeper");
        assert_int_equal(rig_rename(&rig, 1, below, "deep", false)->status, STATUS_OK);
        rig_close(&rig, 1, below);
        arena_reset(&rig.a);
    }
    /* Down there by way of a root of its own. */
    Fl__OpenReply *at;
    uint64_t root = rig.root;
    char down[256];
    memcpy(down, "deep", 5);
    for (int i = 0; i < 170; i++) {
        Fl__Reply *reply = rig_open(&rig, 1, (struct ask){.path = down, .disposition = FILE_OPEN});
        assert_int_equal(reply->status, STATUS_OK);
        at = reply->open;
        rig.root = at->info->inode;
        rig_close(&rig, 1, at->open_id);
        memcpy(down, name, sizeof(name));
        arena_reset(&rig.a);
    }
    rig_create(&rig, 1, "f");
    TOLD(&rig, "1?");
    rig.root = root;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sparse, setup, teardown),
        cmocka_unit_test_setup_teardown(test_filter, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_marked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_node_down, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pending, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_long, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
