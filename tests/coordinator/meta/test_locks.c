/* Byte-range locks as the coordinator arbitrates them. */
#include "coordinator/meta/locks.h"
#include "tests/coordinator/meta/rig.h"
#include "tests/lib/unit.h"

enum { SHARED = false, EXCLUSIVE = true };

struct locking {
    struct rig r;
    uint64_t one, other; /* opens of "f" on node 1 */
    uint64_t two;        /* and on node 2 */
};

static void setup(struct locking *l)
{
    rig_setup(&l->r);
    l->one = rig_create(&l->r, 1, "f");
    l->other = rig_create(&l->r, 1, "f");
}

static void setup_two_nodes(struct locking *l)
{
    setup(l);
    l->two = rig_create(&l->r, 2, "f");
}

/* Of an open on node 1, which nobody else has open. */
static ntstatus lock(struct locking *l, uint64_t open_id, struct span span)
{
    return rig_lock(&l->r, 1, open_id, span, (struct lock_ask){0})->status;
}

static uint64_t ticket_for(const struct rig *r, uint32_t node)
{
    const Fl__Notice *n = rig_notice(r, node, FL__NOTICE__BODY_CACHE_INVALIDATE, 0);
    return n == NULL ? 0 : n->cache_invalidate->ticket;
}

/* What the last command completed, by the sequence of the command that waited: its status, or
 * STATUS_PENDING when it still waits. */
static ntstatus completed(const struct rig *r, uint32_t node, uint64_t sequence)
{
    for (size_t i = 0; i < r->out.completions_count; i++)
        if (r->out.completions[i].node_id == node && r->out.completions[i].sequence == sequence)
            return r->out.completions[i].reply->status;
    return STATUS_PENDING;
}

/* A lock that must wait; the command's sequence. */
static uint64_t must_wait(struct rig *r, uint32_t node, uint64_t open_id, struct span span,
                          struct lock_ask ask)
{
    ask.wait = true;
    assert_null(rig_lock(r, node, open_id, span, ask));
    return r->sequence[node];
}

static void test_one_after_the_other(void **state)
{
    (void)state;
    const struct row {
        const char *name;
        bool other; /* by the other open of the file */
        struct span first, second;
        ntstatus status;
    } rows[] = {
        {"exclusive twice", true, {0, 10, 1}, {5, 10, 1}, STATUS_LOCK_NOT_GRANTED},
        {"shared on exclusive", true, {0, 10, 1}, {5, 10, 0}, STATUS_LOCK_NOT_GRANTED},
        {"exclusive on shared", true, {0, 10, 0}, {5, 10, 1}, STATUS_LOCK_NOT_GRANTED},
        {"shared twice", true, {0, 10, 0}, {5, 10, 0}, STATUS_OK},
        {"beside", true, {0, 10, 1}, {10, 10, 1}, STATUS_OK},
        {"own exclusive twice", false, {0, 10, 1}, {0, 10, 1}, STATUS_LOCK_NOT_GRANTED},
        {"own shared on exclusive", false, {0, 10, 1}, {0, 10, 0}, STATUS_OK},
        {"own exclusive on shared", false, {0, 10, 0}, {0, 10, 1}, STATUS_LOCK_NOT_GRANTED},
        {"far beyond the end",
         true,
         {UINT64_MAX, 1, 1},
         {UINT64_MAX, 1, 1},
         STATUS_LOCK_NOT_GRANTED},
        {"too far", true, {0, 1, 1}, {UINT64_MAX, 2, 1}, STATUS_INVALID_LOCK_RANGE},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct locking l;
        setup(&l);
        assert_row(rows[i].name, lock(&l, l.one, rows[i].first) == STATUS_OK);
        uint64_t who = rows[i].other ? l.other : l.one;
        assert_row(rows[i].name, lock(&l, who, rows[i].second) == rows[i].status);
        rig_reload(&l.r);
        rig_end(&l.r);
    }
}

static void test_what_a_lock_forbids(void **state)
{
    (void)state;
    struct locking l;
    setup(&l);
    const struct span read = {5, 1, false}, write = {5, 1, true}, outside = {10, 5, true};
    lock(&l, l.one, (struct span){0, 10, EXCLUSIVE});
    assert_int_equal(rig_access(&l.r, l.one, read), STATUS_OK);
    assert_int_equal(rig_access(&l.r, l.one, write), STATUS_OK);
    assert_int_equal(rig_access(&l.r, l.other, read), STATUS_FILE_LOCK_CONFLICT);
    assert_int_equal(rig_access(&l.r, l.other, write), STATUS_FILE_LOCK_CONFLICT);
    assert_int_equal(rig_access(&l.r, l.other, outside), STATUS_OK);
    assert_int_equal(rig_access(&l.r, l.other, (struct span){5, 0, false}), STATUS_OK);
    assert_int_equal(rig_access(&l.r, 999, read), STATUS_FILE_CLOSED);
    rig_unlock(&l.r, 1, l.one, (struct span){0, 10, EXCLUSIVE});
    lock(&l, l.one, (struct span){0, 10, SHARED});
    assert_int_equal(rig_access(&l.r, l.other, read), STATUS_OK);
    assert_int_equal(rig_access(&l.r, l.other, write), STATUS_FILE_LOCK_CONFLICT);
    assert_int_equal(rig_access(&l.r, l.one, write), STATUS_FILE_LOCK_CONFLICT);
    rig_end(&l.r);
}

/* Bytes behind the end of file are where the end is when they are asked about. */
static void test_access_at_the_end(void **state)
{
    (void)state;
    struct locking l;
    setup(&l);
    rig_set_size(&l.r, 1, l.one, 100);
    lock(&l, l.one, (struct span){100, 10, EXCLUSIVE});
    Fl__Query q = FL__QUERY__INIT;
    Fl__QueryAccess a = FL__QUERY_ACCESS__INIT;
    a.open_id = l.other;
    a.length = 1;
    a.write = true;
    q.body_case = FL__QUERY__BODY_ACCESS;
    q.access = &a;
    assert_int_equal(meta_query(l.r.m, &q, &l.r.a)->status, STATUS_OK);
    a.at_end = true;
    assert_int_equal(meta_query(l.r.m, &q, &l.r.a)->status, STATUS_FILE_LOCK_CONFLICT);
    rig_end(&l.r);
}

static void test_unlock_takes_exactly_one(void **state)
{
    (void)state;
    struct locking l;
    setup(&l);
    const struct span exclusive = {0, 10, EXCLUSIVE}, shared = {0, 10, SHARED};
    lock(&l, l.one, exclusive);
    lock(&l, l.one, shared);
    lock(&l, l.one, shared);
    assert_int_equal(rig_unlock(&l.r, 1, l.other, exclusive)->status, STATUS_RANGE_NOT_LOCKED);
    assert_int_equal(rig_unlock(&l.r, 1, l.one, (struct span){0, 9, 0})->status,
                     STATUS_RANGE_NOT_LOCKED);
    /* The exclusive one goes first. */
    assert_int_equal(rig_unlock(&l.r, 1, l.one, exclusive)->status, STATUS_OK);
    assert_int_equal(lock(&l, l.other, shared), STATUS_OK);
    rig_unlock(&l.r, 1, l.other, shared);
    assert_int_equal(rig_unlock(&l.r, 1, l.one, exclusive)->status, STATUS_OK);
    assert_int_equal(rig_unlock(&l.r, 1, l.one, exclusive)->status, STATUS_OK);
    assert_int_equal(rig_unlock(&l.r, 1, l.one, exclusive)->status, STATUS_RANGE_NOT_LOCKED);
    assert_int_equal(rig_unlock(&l.r, 1, l.one, (struct span){UINT64_MAX, 2, 0})->status,
                     STATUS_INVALID_LOCK_RANGE);
    rig_end(&l.r);
}

static Fl__Reply *lock_two(struct rig *r, uint64_t open_id, struct span first, struct span second)
{
    const struct span both[] = {first, second};
    Fl__Lock c = FL__LOCK__INIT;
    c.open_id = open_id;
    c.ranges = rig_spans(r, both, 2);
    c.wait = true; /* does not count: there are two */
    RIG_COMMAND(LOCK, lock, &c);
    return rig_apply(r, 1, &command);
}

static Fl__Reply *unlock_two(struct rig *r, uint64_t open_id, struct span first, struct span second)
{
    const struct span both[] = {first, second};
    Fl__Unlock c = FL__UNLOCK__INIT;
    c.open_id = open_id;
    c.ranges = rig_spans(r, both, 2);
    RIG_COMMAND(UNLOCK, unlock, &c);
    return rig_apply(r, 1, &command);
}

static void test_several_at_once(void **state)
{
    (void)state;
    struct locking l;
    setup(&l);
    const struct span a = {0, 10, EXCLUSIVE}, b = {10, 10, EXCLUSIVE}, far = {UINT64_MAX, 2, 0};
    lock(&l, l.other, b);
    assert_int_equal(lock_two(&l.r, l.one, a, b)->status, STATUS_LOCK_NOT_GRANTED);
    assert_int_equal(lock_two(&l.r, l.one, a, a)->status, STATUS_LOCK_NOT_GRANTED);
    assert_int_equal(lock_two(&l.r, l.one, a, far)->status, STATUS_INVALID_LOCK_RANGE);
    assert_int_equal(lock(&l, l.other, a), STATUS_OK); /* nothing of them is left */
    rig_unlock(&l.r, 1, l.other, a);
    rig_unlock(&l.r, 1, l.other, b);
    assert_int_equal(lock_two(&l.r, l.one, a, b)->status, STATUS_OK);
    /* Unlocking goes on to the first that fails, and what was done stays done. */
    rig_unlock(&l.r, 1, l.one, b);
    assert_int_equal(unlock_two(&l.r, l.one, a, b)->status, STATUS_RANGE_NOT_LOCKED);
    assert_int_equal(lock(&l, l.other, a), STATUS_OK);
    rig_end(&l.r);
}

static void test_refused(void **state)
{
    (void)state;
    struct locking l;
    setup(&l);
    const struct span any = {0, 1, EXCLUSIVE};
    uint64_t directory = rig_mkdir(&l.r, 1, "d");
    uint64_t blind = rig_must_open(
        &l.r, 1,
        (struct ask){.path = "f", .disposition = FILE_OPEN, .access = FILE_READ_ATTRIBUTES});
    assert_int_equal(lock(&l, directory, any), STATUS_INVALID_PARAMETER);
    assert_int_equal(lock(&l, blind, any), STATUS_ACCESS_DENIED);
    assert_int_equal(lock(&l, 999, any), STATUS_FILE_CLOSED);
    assert_int_equal(rig_lock(&l.r, 2, l.one, any, (struct lock_ask){0})->status,
                     STATUS_FILE_CLOSED); /* another node's */
    assert_int_equal(rig_unlock(&l.r, 1, directory, any)->status, STATUS_INVALID_PARAMETER);
    Fl__Lock c = FL__LOCK__INIT;
    c.open_id = l.one;
    RIG_COMMAND(LOCK, lock, &c);
    assert_int_equal(rig_apply(&l.r, 1, &command)->status, STATUS_INVALID_PARAMETER);
    c.ranges = pb_bytes(slice_str("not a range"));
    command.sequence = 0;
    assert_int_equal(rig_apply(&l.r, 1, &command)->status, STATUS_INVALID_PARAMETER);
    rig_end(&l.r);
}

static void test_the_end_of_an_open_ends_its_locks(void **state)
{
    (void)state;
    struct locking l;
    setup_two_nodes(&l);
    const struct span all = {0, UINT64_MAX, EXCLUSIVE};
    assert_null(rig_lock(&l.r, 2, l.two, all, (struct lock_ask){0}));
    rig_invalidated(&l.r, 1, ticket_for(&l.r, 1));
    assert_int_equal(l.r.out.completions[0].reply->status, STATUS_OK);
    assert_int_equal(rig_access(&l.r, l.one, all), STATUS_FILE_LOCK_CONFLICT);
    rig_down(&l.r, 2);
    assert_int_equal(rig_access(&l.r, l.one, all), STATUS_OK);
    lock(&l, l.one, all);
    rig_close(&l.r, 1, l.one);
    assert_int_equal(lock(&l, l.other, all), STATUS_OK);
    rig_end(&l.r);
}

/* What is told of the locks with a file's facts. */
static void test_told_with_the_facts(void **state)
{
    (void)state;
    struct locking l;
    setup(&l);
    assert_int_equal(rig_info(&l.r, l.one)->locks.len, 0);
    uint64_t before = rig_info(&l.r, l.one)->version;
    for (uint64_t i = 0; i < BYTERANGES_MAX + 1; i++) {
        Fl__Reply *reply =
            rig_lock(&l.r, 1, l.one, (struct span){i, 1, EXCLUSIVE}, (struct lock_ask){0});
        const Fl__FileInfo *info = reply->info->info;
        bool fits = i < META_REPLY_LOCKS;
        assert_int_equal(info->cacheable, fits);
        assert_int_equal(info->locks.len, fits ? (i + 1) * BYTERANGE_BYTES : 0);
        assert_true(info->version > before);
        before = info->version;
        info = rig_info(&l.r, l.one);
        fits = i < BYTERANGES_MAX;
        assert_int_equal(info->cacheable, fits);
        assert_int_equal(info->locks.len, fits ? (i + 1) * BYTERANGE_BYTES : 0);
    }
    Fl__Reply *reply = rig_unlock(&l.r, 1, l.one, (struct span){7, 1, 0});
    assert_true(reply->info->info->version > before);
    assert_true(rig_info(&l.r, l.other)->cacheable);
    rig_close(&l.r, 1, l.one);
    assert_int_equal(rig_info(&l.r, l.other)->locks.len, 0);
    assert_true(rig_info(&l.r, l.other)->version > reply->info->info->version);
    rig_end(&l.r);
}

static void test_limits(void **state)
{
    (void)state;
    struct locking l;
    setup(&l);
    struct span spans[META_OPEN_LOCKS_MAX];
    for (uint64_t i = 0; i < META_OPEN_LOCKS_MAX; i++)
        spans[i] = (struct span){i, 1, SHARED};
    Fl__Lock c = FL__LOCK__INIT;
    c.ranges = rig_spans(&l.r, spans, META_OPEN_LOCKS_MAX);
    RIG_COMMAND(LOCK, lock, &c);
    c.open_id = l.one;
    assert_int_equal(rig_apply(&l.r, 1, &command)->status, STATUS_OK);
    assert_int_equal(lock(&l, l.one, spans[0]), STATUS_INSUFFICIENT_RESOURCES);
    c.open_id = l.other;
    command.sequence = 0;
    assert_int_equal(rig_apply(&l.r, 1, &command)->status, STATUS_OK);
    uint64_t third = rig_create(&l.r, 1, "f");
    assert_int_equal(lock(&l, third, spans[0]), STATUS_INSUFFICIENT_RESOURCES);
    rig_unlock(&l.r, 1, l.one, spans[0]);
    assert_int_equal(lock(&l, third, spans[0]), STATUS_OK);
    rig_end(&l.r);
}

/* Others let go of what they keep before a lock is granted; an unlock waits for nobody. */
static void test_others_let_go_first(void **state)
{
    (void)state;
    struct locking l;
    setup_two_nodes(&l);
    const struct span s = {0, 10, EXCLUSIVE};
    assert_null(rig_lock(&l.r, 1, l.one, s, (struct lock_ask){0}));
    uint64_t ticket = ticket_for(&l.r, 2);
    assert_int_not_equal(ticket, 0);
    /* Nothing is locked yet, but who asks now is to begin nothing that the lock would meet. */
    assert_int_equal(rig_info(&l.r, l.two)->locks.len, 0);
    assert_int_equal(rig_access(&l.r, l.two, s), STATUS_FILE_LOCK_CONFLICT);
    assert_int_equal(rig_access(&l.r, l.two, (struct span){10, 10, true}), STATUS_OK);
    assert_int_equal(rig_access(&l.r, l.two, (struct span){5, 0, true}), STATUS_OK);
    assert_int_equal(rig_access(&l.r, l.one, s), STATUS_OK); /* it is its own */
    rig_reload(&l.r);
    rig_invalidated(&l.r, 2, ticket);
    assert_int_equal(l.r.out.completions_count, 1);
    const Fl__Reply *reply = l.r.out.completions[0].reply;
    assert_int_equal(reply->status, STATUS_OK);
    assert_true(reply->info->info->cacheable);
    assert_int_equal(reply->info->info->locks.len, BYTERANGE_BYTES);
    assert_int_equal(rig_access(&l.r, l.two, s), STATUS_FILE_LOCK_CONFLICT);
    /* What conflicts is refused at once. */
    assert_int_equal(rig_lock(&l.r, 2, l.two, s, (struct lock_ask){0})->status,
                     STATUS_LOCK_NOT_GRANTED);
    assert_int_equal(rig_unlock(&l.r, 1, l.one, s)->status, STATUS_OK);
    assert_int_equal(l.r.out.notices_count, 0);
    rig_end(&l.r);
}

/* Two that wait for others to let go: the second finds the first there. */
static void test_two_at_a_time(void **state)
{
    (void)state;
    struct locking l;
    setup_two_nodes(&l);
    const struct span s = {0, 10, EXCLUSIVE};
    assert_null(rig_lock(&l.r, 1, l.one, s, (struct lock_ask){0}));
    uint64_t ticket = ticket_for(&l.r, 2);
    uint64_t second = must_wait(&l.r, 1, l.other, s, (struct lock_ask){0});
    rig_reload(&l.r);
    rig_invalidated(&l.r, 2, ticket);
    assert_int_equal(completed(&l.r, 1, second - 1), STATUS_OK);
    assert_int_equal(completed(&l.r, 1, second), STATUS_PENDING);
    rig_reload(&l.r);
    rig_close(&l.r, 2, l.two);
    rig_unlock(&l.r, 1, l.one, s);
    assert_int_equal(completed(&l.r, 1, second), STATUS_OK);
    rig_end(&l.r);
}

/* A node that has let go for one lock may have begun a write since, which another lock forbids. */
static void test_who_has_let_go_is_asked_again(void **state)
{
    (void)state;
    struct locking l;
    setup_two_nodes(&l);
    struct rig *r = &l.r;
    (void)rig_create(r, 3, "f");
    assert_null(rig_lock(r, 1, l.one, (struct span){0, 10, EXCLUSIVE}, (struct lock_ask){0}));
    uint64_t first = r->sequence[1], ticket = ticket_for(r, 2);
    rig_invalidated(r, 2, ticket);
    assert_int_equal(rig_access(r, l.two, (struct span){20, 10, true}), STATUS_OK);
    assert_null(rig_lock(r, 1, l.one, (struct span){20, 10, EXCLUSIVE}, (struct lock_ask){0}));
    assert_int_equal(ticket_for(r, 2), ticket);
    assert_int_equal(ticket_for(r, 3), 0); /* it has not answered the first time */
    rig_reload(r);
    rig_invalidated(r, 3, ticket);
    assert_int_equal(completed(r, 1, first), STATUS_OK);
    assert_int_equal(completed(r, 1, first + 1), STATUS_PENDING);
    rig_invalidated(r, 2, ticket);
    assert_int_equal(completed(r, 1, first + 1), STATUS_OK);
    rig_end(r);
}

static void test_waiting(void **state)
{
    (void)state;
    struct locking l;
    setup(&l);
    struct rig *r = &l.r;
    const struct span s = {0, 10, EXCLUSIVE}, shared = {0, 10, SHARED};
    uint64_t third = rig_create(r, 1, "f");
    lock(&l, l.one, s);
    uint64_t first = must_wait(r, 1, l.other, s, (struct lock_ask){0});
    rig_reload(r);
    /* It is not locked: nobody can unlock it. */
    assert_int_equal(rig_unlock(r, 1, l.other, s)->status, STATUS_RANGE_NOT_LOCKED);
    uint64_t second = must_wait(r, 1, third, shared, (struct lock_ask){0});
    uint64_t own = must_wait(r, 1, l.one, s, (struct lock_ask){0});
    /* Something has gone, but not what is in the way. */
    lock(&l, l.one, (struct span){50, 1, SHARED});
    rig_unlock(r, 1, l.one, (struct span){50, 1, SHARED});
    assert_int_equal(r->out.completions_count, 0);
    rig_reload(r);

    rig_unlock(r, 1, l.one, s);
    assert_int_equal(completed(r, 1, first), STATUS_OK); /* who came first */
    assert_int_equal(r->out.completions_count, 1);
    assert_int_equal(rig_access(r, l.one, s), STATUS_FILE_LOCK_CONFLICT);
    rig_close(r, 1, l.other);
    assert_int_equal(completed(r, 1, second), STATUS_OK);
    assert_int_equal(completed(r, 1, own), STATUS_PENDING);
    assert_int_equal(rig_unlock(r, 1, third, shared)->status, STATUS_OK);
    assert_int_equal(completed(r, 1, own), STATUS_OK);
    rig_end(r);
}

/* Then too the other nodes let go first. */
static void test_waiting_for_another_node(void **state)
{
    (void)state;
    struct locking l;
    setup_two_nodes(&l);
    struct rig *r = &l.r;
    const struct span s = {0, 10, EXCLUSIVE};
    assert_null(rig_lock(r, 1, l.one, s, (struct lock_ask){0}));
    rig_invalidated(r, 2, ticket_for(r, 2));
    uint64_t two = must_wait(r, 2, l.two, s, (struct lock_ask){0});
    rig_unlock(r, 1, l.one, s);
    assert_int_equal(completed(r, 2, two), STATUS_PENDING);
    rig_invalidated(r, 1, ticket_for(r, 1));
    assert_int_equal(completed(r, 2, two), STATUS_OK);
    assert_int_equal(rig_access(r, l.one, s), STATUS_FILE_LOCK_CONFLICT);
    uint64_t one = must_wait(r, 1, l.one, s, (struct lock_ask){0});
    rig_down(r, 2);
    assert_int_equal(completed(r, 1, one), STATUS_OK);
    rig_end(r);
}

static void test_waiting_ends(void **state)
{
    (void)state;
    struct locking l;
    setup(&l);
    struct rig *r = &l.r;
    const struct span s = {0, 10, EXCLUSIVE};
    lock(&l, l.one, s);
    uint64_t cancelled = must_wait(r, 1, l.other, s, (struct lock_ask){.cancel_id = 7});
    uint64_t closed = must_wait(r, 1, l.other, s, (struct lock_ask){.cancel_id = 8});
    rig_cancel(r, 1, 7);
    assert_int_equal(completed(r, 1, cancelled), STATUS_CANCELLED);
    assert_int_equal(completed(r, 1, closed), STATUS_PENDING);
    rig_close(r, 1, l.other);
    assert_int_equal(completed(r, 1, closed), STATUS_FILE_CLOSED);
    (void)must_wait(r, 1, l.one, s, (struct lock_ask){0});
    rig_down(r, 1); /* with all that waits there */
    rig_end(r);
}

/* [MS-SMB2] 3.3.5.14. */
static void test_sequences(void **state)
{
    (void)state;
    struct locking l;
    setup(&l);
    struct rig *r = &l.r;
    const struct span s = {0, 10, EXCLUSIVE};
    const struct {
        const char *name;
        uint32_t index, number;
        bool unlock;
        ntstatus status;
    } rows[] = {
        {"no entry 0", 0, 1, false, STATUS_OK},
        {"no entry 0, again", 0, 1, false, STATUS_LOCK_NOT_GRANTED},
        {"unlock", 0, 1, true, STATUS_OK},
        {"locked", 1, 1, false, STATUS_OK},
        {"locked before", 1, 1, false, STATUS_OK},
        {"whatever it says now", 1, 1, true, STATUS_OK},
        {"another number", 1, 2, false, STATUS_LOCK_NOT_GRANTED},
        {"which forgets", 1, 1, false, STATUS_LOCK_NOT_GRANTED},
        {"another entry", 64, 0, false, STATUS_LOCK_NOT_GRANTED},
        {"no entry 65", 65, 0, true, STATUS_OK},
        {"no entry 65, again", 65, 0, true, STATUS_RANGE_NOT_LOCKED},
        {"locked again", 64, 0, false, STATUS_OK},
        {"unlocked", 64, 15, true, STATUS_OK},
        {"unlocked before", 64, 15, true, STATUS_OK},
        {"really", 64, 14, true, STATUS_RANGE_NOT_LOCKED},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        Fl__Unlock u = FL__UNLOCK__INIT;
        u.open_id = l.one;
        u.ranges = rig_spans(r, &s, 1);
        u.sequence_index = rows[i].index;
        u.sequence_number = rows[i].number;
        RIG_COMMAND(UNLOCK, unlock, &u);
        const struct lock_ask ask = {.index = rows[i].index, .number = rows[i].number};
        Fl__Reply *reply =
            rows[i].unlock ? rig_apply(r, 1, &command) : rig_lock(r, 1, l.one, s, ask);
        assert_row(rows[i].name, reply->status == rows[i].status);
        rig_reload(r);
    }
    rig_end(r);
}

/* One that waits is done when it is locked, and not before. */
static void test_sequence_of_one_that_waits(void **state)
{
    (void)state;
    struct locking l;
    setup(&l);
    struct rig *r = &l.r;
    const struct span s = {0, 10, EXCLUSIVE};
    const struct lock_ask ask = {.index = 3, .number = 4};
    lock(&l, l.one, s);
    uint64_t first = must_wait(r, 1, l.other, s, ask), again = must_wait(r, 1, l.other, s, ask);
    rig_unlock(r, 1, l.one, s);
    assert_int_equal(completed(r, 1, first), STATUS_OK);
    assert_int_equal(completed(r, 1, again), STATUS_OK);
    assert_int_equal(rig_unlock(r, 1, l.other, s)->status, STATUS_OK);
    assert_int_equal(rig_unlock(r, 1, l.other, s)->status, STATUS_RANGE_NOT_LOCKED);
    rig_end(r);
}

/* Locks are the stream's: overwriting the file leaves them, another stream knows nothing of them.
 */
static void test_of_a_stream(void **state)
{
    (void)state;
    struct locking l;
    setup(&l);
    struct rig *r = &l.r;
    const struct span s = {0, 10, EXCLUSIVE};
    lock(&l, l.one, s);
    uint64_t again = rig_must_open(r, 1, (struct ask){.path = "f", .disposition = FILE_OVERWRITE});
    assert_int_equal(rig_access(r, again, s), STATUS_FILE_LOCK_CONFLICT);
    uint64_t stream = rig_create(r, 1, "f:s");
    assert_int_equal(lock(&l, stream, s), STATUS_OK);
    assert_int_equal(rig_set_size(r, 1, again, 5)->status, STATUS_OK);
    rig_end(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_after_the_other),
        cmocka_unit_test(test_what_a_lock_forbids),
        cmocka_unit_test(test_access_at_the_end),
        cmocka_unit_test(test_unlock_takes_exactly_one),
        cmocka_unit_test(test_several_at_once),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_the_end_of_an_open_ends_its_locks),
        cmocka_unit_test(test_told_with_the_facts),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_others_let_go_first),
        cmocka_unit_test(test_two_at_a_time),
        cmocka_unit_test(test_who_has_let_go_is_asked_again),
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_waiting_for_another_node),
        cmocka_unit_test(test_waiting_ends),
        cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_sequence_of_one_that_waits),
        cmocka_unit_test(test_of_a_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
