/* Leases and oplocks as clients on several nodes see them.
 * covers: lease_index.c */
#include "tests/coordinator/meta/rig.h"
#include "tests/lib/unit.h"

enum { R = 1, H = 2, W = 4, LEVEL_II = 1, EXCLUSIVE = 8, BATCH = 9, LEVEL_LEASE = 255 };

static uint8_t keys[8][16];

/* What a client on `node` opens "f" with: key 0..7, version 2 when the epoch is not 0. */
static Fl__Caching asked(int key, uint32_t state, uint32_t epoch)
{
    Fl__Caching c = FL__CACHING__INIT;
    memset(keys[key], 'k' + key, sizeof(keys[key]));
    c.key = pb_bytes(slice_of(keys[key], sizeof(keys[key])));
    c.state = state;
    c.epoch = epoch;
    c.version = epoch == 0 ? 1 : 2;
    return c;
}

static struct ask asking(const Fl__Caching *lease, uint8_t client)
{
    return (struct ask){.path = "f",
                        .disposition = FILE_OPEN_IF,
                        .oplock = LEVEL_LEASE,
                        .lease = lease,
                        .client = client};
}

static Fl__Reply *lease_open(struct rig *r, uint32_t node, int key, uint32_t state)
{
    Fl__Caching c = asked(key, state, 0);
    return rig_open(r, node, asking(&c, (uint8_t)node));
}

static Fl__Reply *ack(struct rig *r, uint32_t node, int key, uint32_t state)
{
    uint8_t guid[16];
    memset(guid, (uint8_t)node, sizeof(guid));
    Fl__LeaseAck a = FL__LEASE_ACK__INIT;
    a.client_guid = pb_bytes(slice_of(guid, sizeof(guid)));
    a.key = pb_bytes(slice_of(keys[key], sizeof(keys[key])));
    a.state = state;
    RIG_COMMAND(LEASE_ACK, lease_ack, &a);
    return rig_apply(r, node, &command);
}

static Fl__Reply *ack_oplock(struct rig *r, uint32_t node, uint64_t open_id, uint32_t level)
{
    Fl__OplockAck a = FL__OPLOCK_ACK__INIT;
    a.open_id = open_id;
    a.level = level;
    RIG_COMMAND(OPLOCK_ACK, oplock_ack, &a);
    return rig_apply(r, node, &command);
}

static Fl__Reply *break_caching(struct rig *r, uint32_t node, uint64_t open_id)
{
    Fl__BreakCaching b = FL__BREAK_CACHING__INIT;
    b.open_id = open_id;
    RIG_COMMAND(BREAK_CACHING, break_caching, &b);
    return rig_apply(r, node, &command);
}

static Fl__Reply *time_out(struct rig *r, uint64_t seconds)
{
    Fl__BreakTimeout t = FL__BREAK_TIMEOUT__INIT;
    r->now += seconds * 10000000;
    RIG_COMMAND(BREAK_TIMEOUT, break_timeout, &t);
    return rig_apply(r, 0, &command);
}

static const Fl__LeaseBreak *told(const struct rig *r, uint32_t node)
{
    const Fl__Notice *n = rig_notice(r, node, FL__NOTICE__BODY_LEASE_BREAK, 0);
    return n == NULL ? NULL : n->lease_break;
}

static uint64_t ticket_for(const struct rig *r, uint32_t node)
{
    const Fl__Notice *n = rig_notice(r, node, FL__NOTICE__BODY_CACHE_INVALIDATE, 0);
    return n == NULL ? 0 : n->cache_invalidate->ticket;
}

/* The one wait that the last command ended; nodes that are asked to let go of what they know do. */
static const Fl__Reply *completed(struct rig *r)
{
    uint64_t tickets[RIG_NODES + 1];
    for (uint32_t n = 1; n <= RIG_NODES; n++)
        tickets[n] = ticket_for(r, n);
    for (uint32_t n = 1; n <= RIG_NODES && r->out.completions_count == 0; n++)
        if (tickets[n] != 0)
            rig_invalidated(r, n, tickets[n]);
    assert_int_equal(r->out.completions_count, 1);
    return r->out.completions[0].reply;
}

static void test_a_second_client_waits_for_the_first(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    Fl__Reply *first = lease_open(&r, 1, 0, R | W | H);
    assert_int_equal(first->open->oplock, LEVEL_LEASE);
    assert_int_equal(first->open->lease->state, R | W | H);
    assert_int_equal(first->open->lease->epoch, 0);
    assert_int_equal(first->open->info->cached_by, first->open->lease_id);
    assert_null(lease_open(&r, 2, 0, R | W | H));
    const Fl__LeaseBreak *b = told(&r, 1);
    assert_non_null(b);
    assert_int_equal(b->current_state, R | W | H);
    assert_int_equal(b->new_state, R | H);
    assert_true(b->acknowledge);
    assert_int_equal(b->client_guid.data[0], 1);
    /* Its own client goes on meanwhile, and is told what goes on. */
    Fl__Reply *again = lease_open(&r, 1, 0, R | W | H);
    assert_int_equal(again->open->lease->state, R | W | H);
    assert_true(again->open->lease->breaking);
    rig_reload(&r);
    assert_int_equal(ack(&r, 2, 0, R | H)->status, STATUS_OBJECT_NAME_NOT_FOUND);
    assert_int_equal(ack(&r, 1, 0, R | W)->status, STATUS_REQUEST_NOT_ACCEPTED);
    assert_int_equal(ack(&r, 1, 0, R | H)->status, STATUS_OK);
    const Fl__Reply *second = completed(&r);
    assert_int_equal(second->status, STATUS_OK);
    assert_int_equal(second->open->lease->state, R | H);
    assert_int_equal(second->open->info->cached_by, UINT64_MAX);
    assert_int_equal(ack(&r, 1, 0, R | H)->status, STATUS_UNSUCCESSFUL);
    rig_end(&r);
}

/* As Windows: WRITE and HANDLE go one after the other, READ alone at the end. */
static void test_what_must_go_besides_goes_afterwards(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    (void)lease_open(&r, 1, 0, R | W | H);
    assert_null(rig_open(&r, 2, (struct ask){.path = "f", .client = 2, .disposition = FILE_OPEN}));
    assert_int_equal(told(&r, 1)->new_state, R | H);
    assert_null(
        rig_open(&r, 3, (struct ask){.path = "f", .client = 3, .disposition = FILE_OVERWRITE}));
    assert_null(told(&r, 1));
    assert_int_equal(ack(&r, 1, 0, R | H)->status, STATUS_OK);
    assert_int_equal(told(&r, 1)->current_state, R | H);
    assert_int_equal(told(&r, 1)->new_state, R);
    assert_int_equal(r.out.completions_count, 0);
    rig_reload(&r);
    assert_int_equal(ack(&r, 1, 0, R)->status, STATUS_OK);
    assert_int_equal(told(&r, 1)->current_state, R);
    assert_int_equal(told(&r, 1)->new_state, 0);
    assert_false(told(&r, 1)->acknowledge);
    assert_int_equal(r.out.completions_count, 1); /* the overwriting one waits for the nodes */
    rig_end(&r);
}

static void test_who_does_not_answer(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    (void)lease_open(&r, 1, 0, R | W | H);
    assert_int_equal(meta_break_deadline(r.m), UINT64_MAX);
    assert_null(lease_open(&r, 2, 1, R | W | H));
    assert_int_equal(meta_break_deadline(r.m), r.now + 345000000);
    (void)time_out(&r, 34);
    assert_int_equal(r.out.completions_count, 0);
    Fl__BreakTimeout forged = FL__BREAK_TIMEOUT__INIT;
    RIG_COMMAND(BREAK_TIMEOUT, break_timeout, &forged);
    assert_int_equal(rig_apply(&r, 2, &command)->status, STATUS_ACCESS_DENIED);
    (void)time_out(&r, 1);
    assert_int_equal(completed(&r)->open->lease->state, R | H);
    assert_int_equal(lease_open(&r, 1, 0, 0)->open->lease->state, 0);
    assert_int_equal(ack(&r, 1, 0, R | H)->status, STATUS_UNSUCCESSFUL);
    rig_end(&r);
}

/* Who has gone has nothing to acknowledge: by CLOSE, or with its node. */
static void test_the_holder_goes(void **state)
{
    (void)state;
    for (int dies = 0; dies < 2; dies++) {
        struct rig r;
        rig_setup(&r);
        uint64_t id = lease_open(&r, 1, 0, R | W | H)->open->open_id;
        assert_null(lease_open(&r, 2, 0, R | W | H));
        if (dies)
            rig_down(&r, 1);
        else
            rig_close(&r, 1, id);
        assert_int_equal(completed(&r)->open->lease->state, R | W | H);
        rig_end(&r);
    }
}

static void test_sharing_waits_for_cached_handles(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    Fl__Caching c = asked(0, R | H, 0);
    struct ask ask = asking(&c, 1);
    ask.share = SHARE_NONE;
    uint64_t id = rig_must_open(&r, 1, ask);
    struct ask other = {.path = "f", .client = 2, .disposition = FILE_OPEN};
    assert_null(rig_open(&r, 2, other));
    assert_int_equal(told(&r, 1)->new_state, R);
    assert_int_equal(ack(&r, 1, 0, R)->status, STATUS_OK);
    assert_int_equal(completed(&r)->status, STATUS_SHARING_VIOLATION);
    assert_int_equal(rig_open(&r, 2, other)->status, STATUS_SHARING_VIOLATION);
    rig_close(&r, 1, id);
    /* A client that closes its handle on hearing of it lets the other in. */
    id = rig_must_open(&r, 1, ask);
    assert_null(rig_open(&r, 2, other));
    rig_close(&r, 1, id);
    assert_int_equal(completed(&r)->status, STATUS_OK);
    rig_end(&r);
}

static void test_epochs_and_versions(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint8_t parent[16] = {'p'};
    Fl__Caching c = asked(0, R | H, 100);
    c.parent_key = pb_bytes(slice_of(parent, sizeof(parent)));
    Fl__Reply *reply = rig_open(&r, 1, asking(&c, 1));
    assert_int_equal(reply->open->lease->version, 2);
    assert_int_equal(reply->open->lease->epoch, 101);
    assert_int_equal(reply->open->lease->parent_key.data[0], 'p');
    assert_int_equal(rig_open(&r, 1, asking(&c, 1))->open->lease->epoch, 101);
    c.state = R | W | H;
    assert_int_equal(rig_open(&r, 1, asking(&c, 1))->open->lease->epoch, 102);
    c.version = 1; /* the lease is what it was made as */
    assert_int_equal(rig_open(&r, 1, asking(&c, 1))->open->lease->version, 2);
    rig_reload(&r);
    assert_null(lease_open(&r, 2, 1, R));
    assert_int_equal(told(&r, 1)->epoch, 103);
    assert_int_equal(ack(&r, 1, 0, 0)->status, STATUS_OK);
    assert_int_equal(completed(&r)->open->lease->epoch, 0);
    /* What is not granted raises no epoch. */
    Fl__Caching none = asked(2, 0, 7);
    assert_int_equal(rig_open(&r, 3, asking(&none, 3))->open->lease->epoch, 7);
    rig_end(&r);
}

static void test_a_key_is_of_one_file(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t id = lease_open(&r, 1, 0, R)->open->open_id;
    Fl__Caching c = asked(0, R, 0);
    struct ask ask = asking(&c, 1);
    ask.path = "other";
    assert_int_equal(rig_open(&r, 1, ask)->status, STATUS_INVALID_PARAMETER);
    assert_int_equal(rig_open(&r, 2, ask)->status, STATUS_INVALID_PARAMETER);
    ask.client = 2; /* another client's keys are his own */
    assert_int_equal(rig_open(&r, 2, ask)->status, STATUS_OK);
    rig_close(&r, 1, id);
    ask.client = 1;
    assert_null(rig_open(&r, 1, ask));
    assert_int_equal(completed(&r)->status, STATUS_OK);
    rig_end(&r);
}

/* Nothing of a directory is cached unless its node says that it may be. */
static void test_directories(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    Fl__Caching c = asked(0, R | W | H, 5);
    struct ask ask = asking(&c, 1);
    ask.path = "dir";
    ask.options = FILE_DIRECTORY_FILE;
    assert_int_equal(rig_open(&r, 1, ask)->open->oplock, 0);
    c.directory = true;
    Fl__Reply *reply = rig_open(&r, 1, ask);
    assert_int_equal(reply->open->oplock, LEVEL_LEASE);
    assert_int_equal(reply->open->lease->state, R | H);
    ask.oplock = BATCH;
    assert_int_equal(rig_open(&r, 1, ask)->open->oplock, 0);
    rig_end(&r);
}

static void test_oplocks(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    struct ask batch = {.path = "f", .disposition = FILE_OPEN_IF, .oplock = BATCH, .client = 1};
    Fl__Reply *first = rig_open(&r, 1, batch);
    assert_int_equal(first->open->oplock, BATCH);
    uint64_t id = first->open->open_id;
    struct ask stat = {.path = "f", .access = FILE_READ_ATTRIBUTES, .disposition = FILE_OPEN};
    uint64_t looks = rig_must_open(&r, 2, stat);
    rig_close(&r, 2, looks);
    assert_int_equal(ack_oplock(&r, 1, id, LEVEL_II)->status, STATUS_INVALID_DEVICE_STATE);
    assert_null(rig_open(&r, 2, batch)); /* by the same client: an oplock has no key */
    const Fl__Notice *n = rig_notice(&r, 1, FL__NOTICE__BODY_OPLOCK_BREAK, 0);
    assert_int_equal(n->oplock_break->open_id, id);
    assert_int_equal(n->oplock_break->level, LEVEL_II);
    rig_reload(&r);
    assert_int_equal(ack_oplock(&r, 2, id, LEVEL_II)->status, STATUS_FILE_CLOSED);
    assert_int_equal(ack_oplock(&r, 1, id, LEVEL_II)->status, STATUS_OK);
    const Fl__Reply *second = completed(&r);
    assert_int_equal(second->open->oplock, LEVEL_II);
    uint64_t two = second->open->open_id;
    /* A write makes stale what everybody has read, the writer too. */
    assert_int_equal(break_caching(&r, 1, id)->status, STATUS_OK);
    assert_non_null(rig_notice(&r, 1, FL__NOTICE__BODY_OPLOCK_BREAK, 0));
    assert_non_null(rig_notice(&r, 2, FL__NOTICE__BODY_OPLOCK_BREAK, 0));
    assert_int_equal(r.out.reply->info->info->cached_by, 0);
    assert_int_equal(break_caching(&r, 2, two)->status, STATUS_OK);
    assert_int_equal(r.out.notices_count, 0);
    rig_end(&r);
}

static void test_wrong_acknowledgements_of_oplocks(void **state)
{
    (void)state;
    static const struct {
        uint32_t held, level;
        ntstatus status;
        uint32_t second;
    } rows[] = {
        {BATCH, LEVEL_II, STATUS_OK, LEVEL_II},
        {BATCH, 0, STATUS_OK, LEVEL_II},
        {BATCH, EXCLUSIVE, STATUS_OK, LEVEL_II},
        {BATCH, BATCH, STATUS_INVALID_OPLOCK_PROTOCOL, LEVEL_II},
        {EXCLUSIVE, EXCLUSIVE, STATUS_INVALID_OPLOCK_PROTOCOL, LEVEL_II},
        {EXCLUSIVE, LEVEL_LEASE, STATUS_INVALID_PARAMETER, LEVEL_II},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct rig r;
        rig_setup(&r);
        struct ask ask = {.path = "f", .disposition = FILE_OPEN_IF, .oplock = rows[i].held};
        uint64_t id = rig_must_open(&r, 1, ask);
        ask.oplock = BATCH;
        assert_null(rig_open(&r, 2, ask));
        assert_int_equal(ack_oplock(&r, 1, id, rows[i].level)->status, rows[i].status);
        assert_int_equal(completed(&r)->open->oplock, rows[i].second);
        rig_end(&r);
    }
}

/* Whoever writes relies on nobody reading from a cache: he is told first, on every node. */
static void test_writers_let_go_first(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t writer = rig_create(&r, 1, "f");
    struct ask reads = {.path = "f", .access = FILE_READ_DATA, .disposition = FILE_OPEN};
    (void)rig_must_open(&r, 3, reads);
    assert_int_equal(rig_info(&r, writer)->cached_by, 0);
    assert_null(lease_open(&r, 2, 0, R));
    uint64_t ticket = ticket_for(&r, 1);
    assert_int_not_equal(ticket, 0);
    assert_int_equal(ticket_for(&r, 3), 0); /* who only reads relies on nothing */
    rig_invalidated(&r, 1, ticket);
    const Fl__Reply *reply = completed(&r);
    assert_int_equal(reply->open->lease->state, R);
    assert_int_equal(rig_info(&r, writer)->cached_by, reply->open->lease_id);
    /* A second of the kind: nobody relies on anything any more. */
    assert_null(lease_open(&r, 3, 1, R));
    assert_int_equal(ticket_for(&r, 1), 0);
    assert_int_not_equal(ticket_for(&r, 2), 0); /* who wrote beside its own lease */
    assert_int_equal(completed(&r)->open->lease->state, R);
    assert_int_equal(rig_info(&r, writer)->cached_by, UINT64_MAX);
    assert_int_equal(break_caching(&r, 1, writer)->status, STATUS_OK);
    assert_non_null(told(&r, 2));
    assert_non_null(told(&r, 3));
    assert_int_equal(rig_info(&r, writer)->cached_by, 0);
    /* A writer of the asker's own node is asked as well. */
    assert_null(lease_open(&r, 1, 2, R | H));
    assert_int_not_equal(ticket_for(&r, 1), 0);
    assert_int_equal(ticket_for(&r, 2), 0 + ticket_for(&r, 1)); /* its lease's open may write */
    rig_end(&r);
}

static void test_sizes_break_what_was_read(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t id = lease_open(&r, 1, 0, R | H)->open->open_id;
    Fl__Caching c = asked(1, R | H, 0);
    struct ask ask = asking(&c, 2);
    ask.access = FILE_READ_DATA;
    assert_null(rig_open(&r, 2, ask));
    assert_int_equal(completed(&r)->open->lease->state, R | H);
    assert_int_equal(rig_set_size(&r, 1, id, 5)->status, STATUS_OK);
    assert_int_equal(told(&r, 2)->new_state, 0);
    assert_true(told(&r, 2)->acknowledge); /* but nobody waits for it */
    assert_null(told(&r, 1));
    rig_end(&r);
}

static void test_names_break_cached_handles(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    uint64_t id = lease_open(&r, 1, 0, R | H)->open->open_id;
    assert_int_equal(rig_rename(&r, 1, id, "g", false)->status, STATUS_OK); /* its own */
    Fl__Caching c = asked(1, R | H, 0);
    struct ask ask = asking(&c, 2);
    ask.path = "g", ask.access = FILE_READ_DATA;
    assert_null(rig_open(&r, 2, ask));
    assert_int_equal(completed(&r)->open->lease->state, R | H);
    assert_null(rig_dispose(&r, 1, id, true));
    assert_int_equal(told(&r, 2)->new_state, R);
    assert_int_equal(ack(&r, 2, 1, R)->status, STATUS_OK);
    assert_true(completed(&r)->info->info->delete_pending);
    rig_dispose(&r, 1, id, false);
    assert_int_equal(rig_rename(&r, 1, id, "h", false)->status, STATUS_OK); /* no handles left */
    rig_end(&r);
}

/* What changes in a directory breaks what others have read of it, in every way it may change; but
 * not for whoever names its lease as his file's parent. */
static void test_entries_break_directories(void **state)
{
    (void)state;
    for (int own = 0; own < 2; own++) {
        struct rig r;
        rig_setup(&r);
        Fl__Caching d = asked(0, R | H, 1), f = asked(1, R | H, 1);
        d.directory = true;
        f.parent_key = own ? d.key : f.key;
        struct ask dir = asking(&d, 1), file = asking(&f, 2);
        dir.path = "d", dir.options = FILE_DIRECTORY_FILE, dir.access = FILE_LIST_DIRECTORY;
        file.path = "d\\f";
        uint64_t id = 0;
        for (int change = 0; change < 6; change++) {
            uint64_t holds = rig_must_open(&r, 1, dir);
            if (change == 0)
                id = rig_must_open(&r, 2, file);
            else if (change == 1)
                assert_int_equal(rig_set_size(&r, 2, id, 100)->status, STATUS_OK);
            else if (change == 2)
                assert_int_equal(rig_rename(&r, 2, id, "d\\g", false)->status, STATUS_OK);
            else if (change == 3)
                assert_int_equal(rig_rename(&r, 2, id, "h", false)->status, STATUS_OK);
            else if (change == 4)
                assert_int_equal(rig_rename(&r, 2, id, "d\\f", false)->status, STATUS_OK);
            else
                assert_int_equal(rig_dispose(&r, 2, id, true)->status, STATUS_OK);
            if (change == 5)
                rig_close(&r, 2, id);
            assert_true((told(&r, 1) == NULL) == (own == 1));
            if (!own)
                assert_int_equal(told(&r, 1)->new_state, 0);
            rig_close(&r, 1, holds);
        }
        rig_end(&r);
    }
}

/* A directory whose files are open in a cache only can be renamed. */
static void test_renaming_above_cached_handles(void **state)
{
    (void)state;
    for (int closes = 0; closes < 2; closes++) {
        struct rig r;
        rig_setup(&r);
        uint64_t dir = rig_mkdir(&r, 1, "d");
        (void)rig_mkdir(&r, 1, "e");
        Fl__Caching c = asked(0, R | H, 0);
        struct ask ask = asking(&c, 2);
        ask.path = "d\\f";
        uint64_t id = rig_must_open(&r, 2, ask);
        assert_null(rig_rename(&r, 1, dir, "e2", false));
        assert_int_equal(told(&r, 2)->new_state, R);
        if (closes)
            rig_close(&r, 2, id);
        else
            (void)ack(&r, 2, 0, R);
        assert_int_equal(completed(&r)->status, closes ? STATUS_OK : STATUS_ACCESS_DENIED);
        rig_end(&r);
    }
}

/* A node that comes back to a new leader hears again what its clients may not have heard. */
static void test_told_again(void **state)
{
    (void)state;
    struct rig r;
    rig_setup(&r);
    Fl__Notice **again;
    (void)lease_open(&r, 1, 0, R | W | H);
    assert_null(lease_open(&r, 2, 1, R));
    assert_int_equal(meta_pending_notices(r.m, 1, &r.a, &again), 1);
    assert_int_equal(again[0]->lease_break->new_state, R | H);
    assert_int_equal(meta_pending_notices(r.m, 2, &r.a, &again), 0);
    (void)ack(&r, 1, 0, R | H);
    uint64_t writer = completed(&r)->open->open_id;
    (void)break_caching(&r, 2, writer);
    (void)ack(&r, 1, 0, 0);
    assert_int_equal(meta_pending_notices(r.m, 1, &r.a, &again), 0);
    Fl__Reply *first = lease_open(&r, 1, 0, 0);
    assert_int_equal(break_caching(&r, 1, first->open->open_id)->status, STATUS_OK);
    rig_reload(&r);
    assert_int_equal(meta_pending_notices(r.m, 2, &r.a, &again), 1);
    assert_int_equal(again[0]->lease_break->new_state, 0);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_second_client_waits_for_the_first),
        cmocka_unit_test(test_what_must_go_besides_goes_afterwards),
        cmocka_unit_test(test_who_does_not_answer),
        cmocka_unit_test(test_the_holder_goes),
        cmocka_unit_test(test_sharing_waits_for_cached_handles),
        cmocka_unit_test(test_epochs_and_versions),
        cmocka_unit_test(test_a_key_is_of_one_file),
        cmocka_unit_test(test_directories),
        cmocka_unit_test(test_oplocks),
        cmocka_unit_test(test_wrong_acknowledgements_of_oplocks),
        cmocka_unit_test(test_writers_let_go_first),
        cmocka_unit_test(test_sizes_break_what_was_read),
        cmocka_unit_test(test_names_break_cached_handles),
        cmocka_unit_test(test_entries_break_directories),
        cmocka_unit_test(test_renaming_above_cached_handles),
        cmocka_unit_test(test_told_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
