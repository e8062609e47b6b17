/* covers: reclaim.c */
#include "tests/coordinator/meta/rig.h"
#include "tests/lib/unit.h"

static uint32_t status_of(struct rig *r, const char *path)
{
    Fl__Reply *reply = rig_open(r, 3, (struct ask){.path = path, .disposition = FILE_OPEN});
    if (reply->status == STATUS_OK)
        rig_close(r, 3, reply->open->open_id);
    return reply->status;
}

static void test_close(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t id = rig_create(&r, 1, "f");
    assert_int_equal(rig_close(&r, 2, id)->status, STATUS_FILE_CLOSED); /* not its client's */
    Fl__Close c = FL__CLOSE__INIT;
    c.open_id = id;
    c.write_time = r.now + 5;
    RIG_COMMAND(CLOSE, close, &c);
    Fl__Reply *reply = rig_apply(&r, 1, &command);
    assert_int_equal(reply->status, STATUS_OK);
    assert_int_equal(reply->info->info->write_time, c.write_time);
    assert_int_equal(rig_close(&r, 1, id)->status, STATUS_FILE_CLOSED);
    rig_end(&r);
}

static void test_delete_pending(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t one = rig_create(&r, 1, "f"), two = rig_create(&r, 2, "f");
    assert_int_equal(rig_dispose(&r, 1, one, true)->status, STATUS_OK);
    assert_int_equal(status_of(&r, "f"), STATUS_DELETE_PENDING);
    assert_int_equal(rig_dispose(&r, 2, two, false)->status, STATUS_OK);
    assert_int_equal(status_of(&r, "f"), STATUS_OK);
    rig_dispose(&r, 2, two, true);
    rig_close(&r, 2, two);
    assert_int_equal(status_of(&r, "f"), STATUS_DELETE_PENDING);
    rig_close(&r, 1, one);
    assert_int_equal(status_of(&r, "f"), STATUS_OBJECT_NAME_NOT_FOUND);
    rig_end(&r);
}

static void test_delete_on_close(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t one = rig_must_open(
        &r, 1,
        (struct ask){.path = "f", .disposition = FILE_CREATE, .options = FILE_DELETE_ON_CLOSE});
    uint64_t two = rig_create(&r, 2, "f");
    rig_close(&r, 1, one);
    assert_int_equal(status_of(&r, "f"), STATUS_DELETE_PENDING);
    rig_close(&r, 2, two);
    assert_int_equal(status_of(&r, "f"), STATUS_OBJECT_NAME_NOT_FOUND);
    rig_end(&r);
}

static void test_directories(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t dir = rig_mkdir(&r, 1, "d");
    uint64_t file = rig_create(&r, 1, "d\\f");
    assert_int_equal(rig_dispose(&r, 1, dir, true)->status, STATUS_DIRECTORY_NOT_EMPTY);
    /* Not empty when it would go: it stays. */
    uint64_t again = rig_must_open(
        &r, 2,
        (struct ask){.path = "d", .disposition = FILE_OPEN, .options = FILE_DELETE_ON_CLOSE});
    rig_close(&r, 2, again);
    assert_int_equal(status_of(&r, "d"), STATUS_OK);
    rig_dispose(&r, 1, file, true);
    rig_close(&r, 1, file);
    assert_int_equal(rig_dispose(&r, 1, dir, true)->status, STATUS_OK);
    assert_int_equal(
        rig_open(&r, 2, (struct ask){.path = "d\\g", .disposition = FILE_CREATE})->status,
        STATUS_DELETE_PENDING);
    rig_close(&r, 1, dir);
    assert_int_equal(status_of(&r, "d"), STATUS_OBJECT_NAME_NOT_FOUND);
    rig_end(&r);
}

static void test_not_to_be_deleted(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t ro = rig_must_open(&r, 1,
                                (struct ask){.path = "ro",
                                             .disposition = FILE_CREATE,
                                             .attributes = FILE_ATTRIBUTE_READONLY});
    assert_int_equal(rig_dispose(&r, 1, ro, true)->status, STATUS_CANNOT_DELETE);
    uint64_t weak = rig_must_open(
        &r, 1, (struct ask){.path = "w", .access = FILE_READ_DATA, .disposition = FILE_CREATE});
    assert_int_equal(rig_dispose(&r, 1, weak, true)->status, STATUS_ACCESS_DENIED);
    rig_share(&r, "t", "v", "t");
    uint64_t root = rig_must_open(&r, 1, (struct ask){.path = "t", .disposition = FILE_OPEN});
    assert_int_equal(rig_dispose(&r, 1, root, true)->status, STATUS_CANNOT_DELETE);
    rig_end(&r);
}

static Fl__Reply *reclaimed(struct rig *r, uint32_t node, uint32_t says, uint64_t ticket)
{
    Fl__ReclaimDone c = FL__RECLAIM_DONE__INIT;
    c.node_id = says;
    c.tickets = &ticket;
    c.n_tickets = 1;
    RIG_COMMAND(RECLAIM_DONE, reclaim_done, &c);
    return rig_apply(r, node, &command);
}

static void test_reclaim(void **state)
{
    (void)state;
    struct rig r;
    Fl__Notice **notices;
    rig_setup(&r);
    rig_down(&r, 3);
    uint64_t id = rig_create(&r, 1, "f");
    uint64_t data = rig_info(&r, id)->data_id;
    rig_dispose(&r, 1, id, true);
    rig_close(&r, 1, id);
    const Fl__Notice *n = rig_notice(&r, 2, FL__NOTICE__BODY_RECLAIM, 0);
    assert_non_null(n);
    assert_int_equal(n->reclaim->inode, data);
    uint64_t ticket = n->reclaim->ticket;
    assert_null(rig_notice(&r, 3, FL__NOTICE__BODY_RECLAIM, 0));
    assert_int_equal(reclaimed(&r, 1, 2, ticket)->status, STATUS_INVALID_PARAMETER);
    assert_int_equal(reclaimed(&r, 1, 1, ticket)->status, STATUS_OK);
    assert_int_equal(reclaimed(&r, 2, 2, ticket)->status, STATUS_OK);
    assert_int_equal(meta_pending_notices(r.m, 1, &r.a, &notices), 0);
    rig_reload(&r);
    assert_int_equal(meta_pending_notices(r.m, 3, &r.a, &notices), 1);
    rig_register(&r, 3, 800, 3);
    assert_int_equal(reclaimed(&r, 3, 3, ticket)->status, STATUS_OK);
    assert_int_equal(meta_pending_notices(r.m, 3, &r.a, &notices), 0);
    assert_int_equal(reclaimed(&r, 3, 3, ticket)->status, STATUS_OK);
    rig_end(&r);
}

static Fl__OpensReply *list_opens(struct rig *r, uint64_t after, uint32_t most)
{
    Fl__QueryOpens ask = FL__QUERY_OPENS__INIT;
    Fl__Query q = FL__QUERY__INIT;
    ask.after = after, ask.max_entries = most;
    q.body_case = FL__QUERY__BODY_OPENS;
    q.opens = &ask;
    Fl__Reply *reply = meta_query(r->m, &q, &r->a);
    assert_int_equal(reply->status, STATUS_OK);
    assert_int_equal(reply->body_case, FL__REPLY__BODY_OPENS);
    return reply->opens;
}

static void test_list(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    assert_int_equal(list_opens(&r, 0, 0)->n_entries, 0);
    uint64_t ids[3] = {rig_create(&r, 1, "a"), rig_create(&r, 2, "b"), rig_create(&r, 1, "c")};
    Fl__OpensReply *all = list_opens(&r, 0, 2);
    assert_int_equal(all->n_entries, 2);
    assert_true(all->more);
    assert_int_equal(all->entries[0]->open_id, ids[0]);
    assert_int_equal(all->entries[1]->node_id, 2);
    assert_true(slice_equal(pb_slice(all->entries[1]->path), slice_of("b\0", 2)));
    all = list_opens(&r, ids[1], 2);
    assert_int_equal(all->n_entries, 1);
    assert_false(all->more);
    assert_int_equal(all->entries[0]->open_id, ids[2]);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_close),       cmocka_unit_test(test_delete_pending),
        cmocka_unit_test(test_directories), cmocka_unit_test(test_delete_on_close),
        cmocka_unit_test(test_reclaim),     cmocka_unit_test(test_not_to_be_deleted),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
