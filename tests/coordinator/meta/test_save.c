/* covers: load.c load_opens.c source.c */
#include "tests/coordinator/meta/rig.h"
#include "tests/lib/unit.h"

static void fill(struct rig *r)
{
    rig_setup(r);
    rig_user(r, "joe", true);
    rig_mkdir(r, 1, "d");
    uint64_t id = rig_create(r, 1, "d\\f");
    rig_set_size(r, 1, id, 100);
    rig_create(r, 2, "D\\F");
    rig_create(r, 2, "d\\f:stream");
    rig_close(r, 1, rig_create(r, 1, "d:other"));
    Fl__SetEa ea = FL__SET_EA__INIT;
    ea.open_id = id;
    ea.changes = pb_bytes(slice_of("\0\1\2\0A\0v1", 8));
    RIG_COMMAND(SET_EA, set_ea, &ea);
    must(rig_apply(r, 1, &command)->status == STATUS_OK);
    assert_null(rig_set_size(r, 1, id, 10)); /* waits */
    rig_must_open(
        r, 3,
        (struct ask){.path = "gone", .disposition = FILE_CREATE, .options = FILE_DELETE_ON_CLOSE});
    rig_down(r, 3);
}

static void test_empty(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    rig_reload(&r);
    rig_end(&r);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct rig r;
    fill(&r);
    rig_reload(&r);
    assert_int_equal(meta_index(r.m), r.index);
    rig_end(&r);
}

static void test_damage(void **state)
{
    (void)state;
    struct rig r;
    fill(&r);
    struct slice good = rig_save(&r);
    uint8_t *bytes = mem_alloc(&r.mem, good.len);
    for (size_t at = 0; at < good.len; at++) {
        memcpy(bytes, good.at, good.len);
        bytes[at] ^= 0x40;
        assert_null(meta_load(&r.mem, slice_of(bytes, good.len)));
        assert_null(meta_load(&r.mem, slice_of(good.at, at)));
    }
    mem_free(&r.mem, bytes, good.len);
    rig_end(&r);
}

static void test_memory_refused(void **state)
{
    (void)state;
    struct rig r;
    fill(&r);
    struct slice good = rig_save(&r);
    for (uint64_t nth = 1;; nth++) {
        faults_arm(nth);
        struct meta *m = meta_load(&r.mem, good);
        bool fired = faults_fired();
        assert_int_equal(m == NULL, fired);
        meta_free(m);
        if (!fired)
            break;
    }
    rig_end(&r);
}

/* What a file costs, and that ten thousand of them are no work. */
static void test_many_files(void **state)
{
    (void)state;
    enum { FILES = 20000 };
    struct rig r;
    rig_setup(&r);
    size_t before = r.mem.used;
    for (uint32_t i = 0; i < FILES; i++) {
        char name[] = "virtual machine 00000.vhdx";
        for (uint32_t k = 0, n = i; k < 5; k++, n /= 10)
            name[20 - k] = (char)('0' + n % 10);
        Fl__Open o = FL__OPEN__INIT;
        o.volume = 1, o.root_inode = r.root;
        o.path = pb_bytes(wide(&r.a, name));
        o.desired_access = o.share_mask = FILE_ALL_ACCESS;
        o.disposition = FILE_CREATE;
        o.token = &r.token;
        Fl__Command c = FL__COMMAND__INIT;
        c.node_id = 1, c.incarnation = r.incarnation[1];
        c.sequence = c.acked_below = ++r.sequence[1];
        c.now = r.now;
        c.body_case = FL__COMMAND__BODY_OPEN, c.open = &o;
        meta_apply(r.m, ++r.index, &c, &r.a, &r.out);
        assert_int_equal(r.out.reply->status, STATUS_OK);
        Fl__Close close = FL__CLOSE__INIT;
        close.open_id = r.out.reply->open->open_id;
        c.sequence = c.acked_below = ++r.sequence[1];
        c.body_case = FL__COMMAND__BODY_CLOSE, c.close = &close;
        meta_apply(r.m, ++r.index, &c, &r.a, &r.out);
        assert_int_equal(r.out.reply->status, STATUS_OK);
        arena_reset(&r.a);
    }
    meta_check(r.m);
    assert_true((r.mem.used - before) / FILES < 600);
    rig_reload(&r);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),      cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_damage),     cmocka_unit_test(test_memory_refused),
        cmocka_unit_test(test_many_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
