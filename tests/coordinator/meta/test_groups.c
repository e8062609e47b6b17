/* covers: volumes.c */
#include "tests/coordinator/meta/rig.h"
#include "tests/lib/unit.h"

static Fl__Reply *evict(struct rig *r, uint32_t node, uint64_t epoch, uint32_t member)
{
    Fl__GroupEvict c = FL__GROUP_EVICT__INIT;
    c.group = 1;
    c.epoch = epoch;
    c.member = member;
    RIG_COMMAND(GROUP_EVICT, group_evict, &c);
    return rig_apply(r, node, &command);
}

static Fl__Reply *rejoin(struct rig *r, uint32_t node, uint64_t epoch, uint32_t member)
{
    Fl__GroupRejoin c = FL__GROUP_REJOIN__INIT;
    c.group = 1;
    c.epoch = epoch;
    c.member = member;
    RIG_COMMAND(GROUP_REJOIN, group_rejoin, &c);
    return rig_apply(r, node, &command);
}

static void test_evict_and_rejoin(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r); /* group 1: members 1 2 3, primary 1, epoch 1 */
    const uint32_t no = STATUS_REQUEST_NOT_ACCEPTED;
    assert_int_equal(evict(&r, 1, 2, 3)->status, no);
    assert_int_equal(r.out.reply->group->group->epoch, 1); /* the group as it is, all the same */
    assert_int_equal(evict(&r, 2, 1, 3)->status, no);      /* not the primary */
    assert_int_equal(evict(&r, 1, 1, 1)->status, no);      /* itself */
    assert_int_equal(evict(&r, 1, 1, 3)->status, STATUS_OK);
    assert_int_equal(r.out.reply->group->group->epoch, 2);
    assert_int_equal(r.out.reply->group->group->n_in_sync, 2);
    assert_int_equal(r.out.reply->group->group->n_members, 3);
    assert_non_null(rig_notice(&r, 0, FL__NOTICE__BODY_CONFIG_CHANGED, 0));
    assert_int_equal(evict(&r, 1, 2, 3)->status, no); /* it is out already */
    assert_int_equal(evict(&r, 1, 2, 2)->status, STATUS_OK);
    assert_int_equal(evict(&r, 1, 3, 1)->status, no);  /* the last one */
    assert_int_equal(rejoin(&r, 1, 2, 2)->status, no); /* stale */
    assert_int_equal(rejoin(&r, 1, 3, 2)->status, STATUS_OK);
    assert_int_equal(rejoin(&r, 1, 4, 2)->status, no); /* it is in */
    rig_down(&r, 3);
    assert_int_equal(rejoin(&r, 1, 4, 3)->status, no); /* it is down */
    rig_reload(&r);
    /* The primary dies: its heir is in sync, never the member that is not. */
    rig_register(&r, 3, 900, 3);
    rig_down(&r, 1);
    const Fl__Group *g = rig_config(&r)->groups[0];
    assert_int_equal(g->primary, 2);
    assert_int_equal(g->epoch, 5);
    rig_down(&r, 2);
    assert_int_equal(rig_config(&r)->groups[0]->primary, 0);
    rig_register(&r, 3, 901, 3);
    assert_int_equal(rig_config(&r)->groups[0]->primary, 0);
    rig_register(&r, 1, 902, 1);
    assert_int_equal(rig_config(&r)->groups[0]->primary, 1);
    rig_end(&r);
}

/* A resync of the old disk must not end as one of the new. */
static void test_new_disk_outdates_a_resync(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    evict(&r, 1, 1, 3);
    rig_register(&r, 3, 900, 99);
    assert_int_equal(rejoin(&r, 1, 2, 3)->status, STATUS_REQUEST_NOT_ACCEPTED);
    assert_int_equal(rejoin(&r, 1, r.out.reply->group->group->epoch, 3)->status, STATUS_OK);
    rig_end(&r);
}

static void test_volumes(void **state)
{
    (void)state;
    static const struct {
        const char *name, *volume;
        uint32_t replicas, groups;
        uint64_t extent;
        uint32_t status;
    } rows[] = {
        {"none", "a", 0, 0, 0, STATUS_INVALID_PARAMETER},
        {"four", "a", 4, 0, 0, STATUS_INVALID_PARAMETER},
        {"defaults", "a", 2, 0, 0, STATUS_OK},
        {"same name", "A", 2, 0, 0, STATUS_OBJECT_NAME_COLLISION},
        {"no name", "", 2, 0, 0, STATUS_INVALID_PARAMETER},
        {"bad name", "a/b", 2, 0, 0, STATUS_INVALID_PARAMETER},
        {"too many groups", "b", 1, 1025, 0, STATUS_INVALID_PARAMETER},
        {"small extent", "b", 1, 1, 4096, STATUS_INVALID_PARAMETER},
        {"crooked extent", "b", 1, 1, 3 << 20, STATUS_INVALID_PARAMETER},
        {"extent", "b", 1, 1, 1 << 20, STATUS_OK},
    };
    struct rig r;
    rig_setup(&r);
    for (size_t i = 0; i < array_len(rows); i++) {
        Fl__VolumeCreate v = FL__VOLUME_CREATE__INIT;
        v.name = (char *)(uintptr_t)rows[i].volume;
        v.replicas = rows[i].replicas;
        v.groups = rows[i].groups;
        v.extent_bytes = rows[i].extent;
        RIG_COMMAND(VOLUME_CREATE, volume_create, &v);
        Fl__Reply *reply = rig_apply(&r, 0, &command);
        assert_row(rows[i].name, reply->status == rows[i].status);
        assert_row(rows[i].name, (reply->status == STATUS_OK) == (strlen(reply->message) == 0));
    }
    const Fl__ClusterConfig *c = rig_config(&r);
    assert_int_equal(c->volumes[1]->n_groups, 24);
    assert_int_equal(c->volumes[1]->extent_bytes, 64 << 20);
    rig_end(&r);
}

static void test_spread(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    rig_volume(&r, "two", 2, 24);
    uint32_t members[RIG_NODES + 1] = {0}, primaries[RIG_NODES + 1] = {0};
    const Fl__ClusterConfig *c = rig_config(&r);
    for (size_t i = 0; i < c->n_groups; i++) {
        if (c->groups[i]->volume != 2)
            continue;
        assert_int_not_equal(c->groups[i]->members[0], c->groups[i]->members[1]);
        for (size_t k = 0; k < 2; k++)
            members[c->groups[i]->members[k]]++;
        primaries[c->groups[i]->primary]++;
    }
    for (uint32_t n = 1; n <= RIG_NODES; n++) {
        assert_int_equal(members[n], 16);
        assert_int_equal(primaries[n], 8);
    }
    rig_end(&r);
}

/* A file begins in a group whose primary is the node that made it, in each of them in turn. */
static void test_first_group(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint32_t seen[6] = {0};
    const char *const names[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < array_len(names); i++) {
        Fl__Reply *reply =
            rig_open(&r, 2, (struct ask){.path = names[i], .disposition = FILE_CREATE});
        uint32_t first = reply->open->info->first_group;
        assert_in_range(first, 0, 5);
        assert_int_equal(rig_config(&r)->groups[first]->primary, 2);
        seen[first]++;
    }
    for (size_t i = 0; i < 6; i++)
        assert_true(seen[i] == 0 || seen[i] == 2);
    rig_end(&r);
}

static void test_remove_volume(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    Fl__VolumeRemove c = FL__VOLUME_REMOVE__INIT;
    Fl__ShareRemove s = FL__SHARE_REMOVE__INIT;
    c.name = (char *)(uintptr_t) "V";
    s.name = (char *)(uintptr_t) "s";
    rig_mkdir(&r, 1, "d");
    uint64_t id = rig_create(&r, 1, "d\\f");
    {
        RIG_COMMAND(VOLUME_REMOVE, volume_remove, &c);
        assert_int_equal(rig_apply(&r, 0, &command)->status, STATUS_REQUEST_NOT_ACCEPTED);
    }
    {
        RIG_COMMAND(SHARE_REMOVE, share_remove, &s);
        assert_int_equal(rig_apply(&r, 0, &command)->status, STATUS_OK);
        const Fl__Notice *lost = rig_notice(&r, 1, FL__NOTICE__BODY_OPENS_LOST, 0);
        assert_non_null(lost);
        assert_int_equal(lost->opens_lost->n_open_ids, 2);
        assert_int_equal(lost->opens_lost->open_ids[1], id);
    }
    {
        RIG_COMMAND(VOLUME_REMOVE, volume_remove, &c);
        assert_int_equal(rig_apply(&r, 0, &command)->status, STATUS_OK);
    }
    assert_int_equal(rig_config(&r)->n_volumes, 0);
    assert_int_equal(rig_config(&r)->n_groups, 0);
    Fl__Notice **notices;
    assert_int_equal(meta_pending_notices(r.m, 3, &r.a, &notices), 1); /* the file's bytes */
    rig_reload(&r);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_evict_and_rejoin), cmocka_unit_test(test_new_disk_outdates_a_resync),
        cmocka_unit_test(test_volumes),          cmocka_unit_test(test_spread),
        cmocka_unit_test(test_first_group),      cmocka_unit_test(test_remove_volume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
