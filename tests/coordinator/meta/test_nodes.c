#include "tests/coordinator/meta/rig.h"
#include "tests/lib/unit.h"

static Fl__Node *node_of(struct rig *r, uint32_t id)
{
    Fl__ClusterConfig *c = rig_config(r);
    for (size_t i = 0; i < c->n_nodes; i++)
        if (c->nodes[i]->id == id)
            return c->nodes[i];
    return NULL;
}

static uint32_t primaries(struct rig *r, uint32_t node)
{
    Fl__ClusterConfig *c = rig_config(r);
    uint32_t count = 0;
    for (size_t i = 0; i < c->n_groups; i++)
        count += c->groups[i]->primary == node;
    return count;
}

static void test_register_again(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t id = rig_create(&r, 1, "f");
    uint64_t epoch = rig_config(&r)->groups[0]->epoch;
    /* The connection was lost, the process was not. */
    Fl__Reply *reply = rig_register(&r, 1, r.incarnation[1], 1);
    assert_int_equal(reply->registered->session, 2);
    assert_false(reply->registered->state_lost);
    assert_non_null(rig_info(&r, id));
    assert_int_equal(rig_config(&r)->groups[0]->epoch, epoch);
    /* Another process. */
    reply = rig_register(&r, 1, 555, 1);
    assert_int_equal(reply->registered->session, 3);
    assert_false(reply->registered->state_lost);
    assert_null(rig_info(&r, id));
    rig_end(&r);
}

static void test_declared_down(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t id = rig_create(&r, 1, "f");
    assert_int_equal(primaries(&r, 1), 2);
    rig_down(&r, 1);
    assert_non_null(rig_notice(&r, 0, FL__NOTICE__BODY_CONFIG_CHANGED, 0));
    assert_int_equal(node_of(&r, 1)->state, FL__NODE_STATE__NODE_DOWN);
    assert_null(rig_info(&r, id));
    assert_int_equal(primaries(&r, 1), 0);
    assert_int_equal(primaries(&r, 2), 3);
    assert_int_equal(primaries(&r, 3), 3);
    Fl__Reply *reply = rig_register(&r, 1, r.incarnation[1], 1);
    assert_true(reply->registered->state_lost);
    assert_int_equal(rig_config(&r)->groups[0]->n_in_sync, 3); /* nobody evicted it */
    rig_end(&r);
}

static void test_down_of_an_older_session(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    rig_register(&r, 1, 555, 1);
    Fl__NodeDown down = FL__NODE_DOWN__INIT;
    down.node_id = 1;
    down.session = 1;
    RIG_COMMAND(NODE_DOWN, node_down, &down);
    assert_int_equal(rig_apply(&r, 0, &command)->status, STATUS_OK);
    assert_int_equal(node_of(&r, 1)->state, FL__NODE_STATE__NODE_UP);
    rig_end(&r);
}

static void test_all_down_and_back(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    for (uint32_t n = 1; n <= RIG_NODES; n++)
        rig_down(&r, n);
    for (uint32_t n = 1; n <= RIG_NODES; n++)
        assert_int_equal(primaries(&r, n), 0);
    rig_register(&r, 3, 900, 3);
    assert_int_equal(primaries(&r, 3), 6);
    rig_end(&r);
}

static void test_delete_on_close_when_down(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    rig_must_open(
        &r, 1,
        (struct ask){.path = "f", .disposition = FILE_CREATE, .options = FILE_DELETE_ON_CLOSE});
    rig_down(&r, 1);
    assert_non_null(rig_notice(&r, 2, FL__NOTICE__BODY_RECLAIM, 0));
    assert_null(rig_notice(&r, 1, FL__NOTICE__BODY_RECLAIM, 0));
    assert_int_equal(rig_open(&r, 2, (struct ask){.path = "f", .disposition = FILE_OPEN})->status,
                     STATUS_OBJECT_NAME_NOT_FOUND);
    /* It is told when it is back. */
    Fl__Notice **notices;
    assert_int_equal(meta_pending_notices(r.m, 1, &r.a, &notices), 1);
    assert_int_equal(notices[0]->body_case, FL__NOTICE__BODY_RECLAIM);
    rig_end(&r);
}

static void test_empty_disk(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    rig_register(&r, 1, 555, 99);
    Fl__ClusterConfig *c = rig_config(&r);
    for (size_t i = 0; i < c->n_groups; i++) {
        assert_int_equal(c->groups[i]->n_members, 3);
        assert_int_equal(c->groups[i]->n_in_sync, 2);
        assert_int_not_equal(c->groups[i]->primary, 1);
        assert_int_not_equal(c->groups[i]->primary, 0);
    }
    rig_end(&r);
}

/* The only copy: nobody invents data that is not there. */
static void test_empty_disk_of_the_last_copy(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    assert_int_equal(rig_volume(&r, "one", 1, 3)->status, STATUS_OK);
    rig_register(&r, 1, 555, 99);
    uint32_t lost = 0;
    Fl__ClusterConfig *c = rig_config(&r);
    for (size_t i = 0; i < c->n_groups; i++) {
        if (c->groups[i]->volume != 2 || c->groups[i]->members[0] != 1)
            continue;
        lost++;
        assert_int_equal(c->groups[i]->primary, 0);
        assert_int_equal(c->groups[i]->n_in_sync, 1);
    }
    assert_int_equal(lost, 1);
    rig_reload(&r);
    rig_register(&r, 1, 556, 99);
    c = rig_config(&r);
    for (size_t i = 0; i < c->n_groups; i++)
        if (c->groups[i]->volume == 2 && c->groups[i]->members[0] == 1)
            assert_int_equal(c->groups[i]->primary, 0);
    rig_end(&r);
}

static Fl__Reply *add(struct rig *r, const char *name, const char *token, uint64_t expires)
{
    Fl__Node node = FL__NODE__INIT;
    Fl__NodeAdd c = FL__NODE_ADD__INIT;
    node.name = (char *)(uintptr_t)name;
    node.address = (char *)(uintptr_t) "10.0.0.4";
    c.node = &node;
    c.token_hash = pb_bytes(slice_str(token));
    c.expires = expires;
    RIG_COMMAND(NODE_ADD, node_add, &c);
    return rig_apply(r, 0, &command);
}

static Fl__Reply *join(struct rig *r, const char *name, const char *token)
{
    Fl__NodeJoin c = FL__NODE_JOIN__INIT;
    c.name = (char *)(uintptr_t)name;
    c.token_hash = pb_bytes(slice_str(token));
    RIG_COMMAND(NODE_JOIN, node_join, &c);
    return rig_apply(r, 0, &command);
}

static Fl__Reply *leave(struct rig *r, const char *name, bool force)
{
    Fl__NodeRemove c = FL__NODE_REMOVE__INIT;
    c.name = (char *)(uintptr_t)name;
    c.force = force;
    RIG_COMMAND(NODE_REMOVE, node_remove, &c);
    return rig_apply(r, 0, &command);
}

static void test_joining(void **state)
{
    (void)state;
    struct rig r;
    char *name;
    rig_setup(&r);
    uint64_t later = r.now + 100 * FILETIME_SECOND;
    assert_int_equal(add(&r, "N1", "t", later)->status, STATUS_OBJECT_NAME_COLLISION);
    assert_int_equal(add(&r, "n4", "first", later)->status, STATUS_OK);
    assert_int_equal(r.out.reply->admin->id, 4);
    assert_int_equal(add(&r, "n4", "second", later)->status, STATUS_OK); /* invited anew */
    assert_int_equal(r.out.reply->admin->id, 4);
    assert_int_equal(rig_volume(&r, "x", 3, 4)->status, STATUS_OK);
    assert_int_equal(meta_invitation(r.m, slice_str("first"), r.now, &r.a, &name), 0);
    assert_int_equal(meta_invitation(r.m, slice_str("second"), later, &r.a, &name), 0);
    assert_int_equal(meta_invitation(r.m, slice_str("second"), r.now, &r.a, &name), 4);
    assert_string_equal(name, "n4");
    rig_reload(&r);
    assert_int_equal(join(&r, "n4", "first")->status, STATUS_ACCESS_DENIED);
    assert_int_equal(join(&r, "n5", "second")->status, STATUS_ACCESS_DENIED);
    assert_int_equal(join(&r, "n4", "second")->status, STATUS_OK);
    assert_int_equal(join(&r, "n4", "second")->status, STATUS_ACCESS_DENIED); /* it counts once */
    assert_int_equal(leave(&r, "n4", false)->status, STATUS_OK);
    assert_null(node_of(&r, 4));
    assert_int_equal(add(&r, "n4", "third", later)->status, STATUS_OK);
    assert_int_equal(r.out.reply->admin->id, 5); /* numbers are not given twice */
    rig_end(&r);
}

static void test_leaving(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    assert_int_equal(leave(&r, "nobody", false)->status, STATUS_OBJECT_NAME_NOT_FOUND);
    assert_int_equal(leave(&r, "n1", false)->status, STATUS_REQUEST_NOT_ACCEPTED);
    assert_true(strlen(r.out.reply->message) > 0);
    rig_create(&r, 1, "f");
    assert_int_equal(leave(&r, "n1", true)->status, STATUS_OK);
    assert_int_equal(rig_config(&r)->n_nodes, 2);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(rig_config(&r)->groups[i]->n_members, 2);
        assert_int_not_equal(rig_config(&r)->groups[i]->primary, 0);
    }
    assert_int_equal(leave(&r, "n2", true)->status, STATUS_OK);
    assert_int_equal(leave(&r, "n3", true)->status, STATUS_REQUEST_NOT_ACCEPTED);
    rig_reload(&r);
    rig_end(&r);
}

static void test_founding(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    assert_int_equal(meta_ca_cert(r.m).len, 0);
    assert_int_not_equal(rig_volume(&r, "v", 1, 1)->status, STATUS_OK);
    assert_int_equal(rig_init(&r)->status, STATUS_OK);
    assert_int_equal(rig_init(&r)->status, STATUS_OBJECT_NAME_COLLISION);
    assert_true(slice_equal(meta_ca_key(r.m), slice_str("pem")));
    struct meta_node facts;
    assert_true(meta_node_at(r.m, 2, &facts));
    assert_int_equal(facts.id, 3);
    assert_false(meta_node_at(r.m, 3, &facts));
    assert_false(meta_node(r.m, 9, &facts));
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_register_again),
        cmocka_unit_test(test_declared_down),
        cmocka_unit_test(test_down_of_an_older_session),
        cmocka_unit_test(test_all_down_and_back),
        cmocka_unit_test(test_delete_on_close_when_down),
        cmocka_unit_test(test_empty_disk),
        cmocka_unit_test(test_empty_disk_of_the_last_copy),
        cmocka_unit_test(test_joining),
        cmocka_unit_test(test_leaving),
        cmocka_unit_test(test_founding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
