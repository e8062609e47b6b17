/* One core alone: the rules a node keeps whatever the others do. */
#include "tests/lib/unit.h"
#include "tests/node/replication/alone.h"

static void peer_send_body(struct alone *a, Fl__Peer *m)
{
    uint8_t bytes[512];
    m->version = 1;
    size_t len = fl__peer__get_packed_size(m);
    assert_true(len <= sizeof(bytes));
    fl__peer__pack(m, bytes);
    alone_peer(a, slice_of(bytes, len));
}

/* An apply of one byte to group 2, of which node 2 is the primary. */
static Fl__PeerResult apply(struct alone *a, uint64_t epoch, uint64_t write_id)
{
    Fl__Peer m = FL__PEER__INIT;
    Fl__PeerApply apply = FL__PEER_APPLY__INIT;
    Fl__PeerExtent extent = FL__PEER_EXTENT__INIT;
    extent.volume = 1, extent.group = 2, extent.inode = 5, extent.index = 1;
    apply.op = FL__PEER_OP__PEER_WRITE, apply.extent = &extent, apply.epoch = epoch;
    apply.offset = 100, apply.len = 1, apply.write_id = write_id;
    m.call = 1000 + write_id, m.body_case = FL__PEER__BODY_APPLY, m.apply = &apply;
    peer_send_body(a, &m);
    return a->applied_call == m.call ? a->applied : FL__PEER_RESULT__PEER_UNKNOWN;
}

static void submit(struct alone *a, enum rep_op op, uint64_t offset)
{
    static uint8_t bytes[64];
    struct rep_event ev = {.type = REP_EV_SUBMIT};
    ev.submit.token = 1, ev.submit.op = op, ev.submit.offset = offset, ev.submit.len = 64;
    ev.submit.file = (struct rep_file){1, 0, 5};
    ev.submit.into = bytes, ev.submit.data = bytes;
    a->completed = 0;
    alone_step(a, &ev);
}

static void give_lease(struct alone *a, uint64_t until, uint64_t session)
{
    struct rep_event ev = {.type = REP_EV_LEASE};
    ev.lease.until_ns = until, ev.lease.session = session;
    alone_step(a, &ev);
}

static void grant(struct alone *a, uint64_t stamp)
{
    Fl__Peer m = FL__PEER__INIT;
    Fl__PeerGrant g = FL__PEER_GRANT__INIT;
    uint32_t group = 2;
    g.stamp = stamp, g.n_groups = g.n_epochs = 1, g.groups = &group, g.epochs = &a->epoch;
    m.body_case = FL__PEER__BODY_GRANT, m.grant = &g;
    peer_send_body(a, &m);
}

/* Runs until the core has asked node 2 for a grant; its stamp. */
static uint64_t asked(struct alone *a)
{
    for (uint32_t i = 0; i < 50; i++) {
        alone_tick(a, 25000000);
        if (a->last != NULL && a->last->body_case == FL__PEER__BODY_GRANT_REQUEST)
            return a->last->grant_request->stamp;
    }
    fail_msg("no grant was asked for");
    return 0;
}

static void confirm(struct alone *a, uint64_t write_id)
{
    Fl__Peer m = FL__PEER__INIT;
    m.confirmed = &write_id, m.n_confirmed = 1;
    peer_send_body(a, &m);
}

/* A deposed primary's message is refused, also before the configuration says so. */
static void test_epochs(void **state)
{
    (void)state;
    struct alone a = {0};
    alone_start(&a);
    assert_int_equal(apply(&a, 5, 1), FL__PEER_RESULT__PEER_OK);
    assert_int_equal(apply(&a, 4, 2), FL__PEER_RESULT__PEER_REFUSED);
    assert_int_equal(apply(&a, 7, 3), FL__PEER_RESULT__PEER_OK);
    assert_int_equal(apply(&a, 6, 4), FL__PEER_RESULT__PEER_REFUSED);
    assert_int_equal(apply(&a, 5, 5), FL__PEER_RESULT__PEER_REFUSED);
    alone_stop(&a);
    free(a.bytes);
}

/* INV-2: the own copy is read under a grant, and never where a write is not known to be confirmed.
 */
static void test_own_reads(void **state)
{
    (void)state;
    struct alone a = {0};
    struct replication_stats s;
    alone_start(&a);
    submit(&a, REP_READ, STORE_REGION); /* extent 1: group 2 */
    assert_int_equal(a.completed, 0);   /* no grant yet: passed on */
    assert_int_equal(a.last->body_case, FL__PEER__BODY_FORWARD);
    uint64_t stamp = asked(&a);
    grant(&a, stamp);
    submit(&a, REP_READ, STORE_REGION);
    assert_int_equal(a.completed, 1);
    assert_int_equal(a.result, REP_OK);
    assert_int_equal(apply(&a, 5, 9), FL__PEER_RESULT__PEER_OK);
    submit(&a, REP_READ, STORE_REGION + 64); /* its range meets the write's */
    assert_int_equal(a.completed, 0);
    submit(&a, REP_READ, STORE_REGION); /* this one's does not */
    assert_int_equal(a.completed, 1);
    confirm(&a, 9);
    submit(&a, REP_READ, STORE_REGION + 64);
    assert_int_equal(a.completed, 1);
    alone_tick(&a, UINT64_C(1100000000)); /* the grant is over */
    submit(&a, REP_READ, STORE_REGION);
    assert_int_equal(a.completed, 0);
    replication_stats(a.rep, &s);
    assert_int_equal(s.local_reads, 3);
    alone_stop(&a);
    free(a.bytes);
}

/* A MAP is served as a READ is, and stays within its extent. */
static void test_map(void **state)
{
    (void)state;
    struct alone a = {0};
    struct ranges ranges;
    struct rep_event ev = {.type = REP_EV_SUBMIT};
    ev.submit.op = REP_MAP, ev.submit.offset = STORE_REGION + 7, ev.submit.len = 9 * STORE_REGION;
    ev.submit.file = (struct rep_file){1, 0, 5}, ev.submit.ranges = &ranges;
    alone_start(&a);
    alone_step(&a, &ev);
    assert_int_equal(a.last->body_case, FL__PEER__BODY_FORWARD);
    assert_int_equal(a.last->forward->op, FL__PEER_OP__PEER_MAP);
    assert_int_equal(a.last->forward->offset, 7);
    assert_int_equal(a.last->forward->len, STORE_REGION - 7);
    Fl__Peer m = FL__PEER__INIT;
    Fl__PeerForwarded f = FL__PEER_FORWARDED__INIT;
    uint64_t offset = 4096, len = 5;
    f.offsets = &offset, f.lens = &len, f.n_offsets = f.n_lens = 1, f.until = 4101;
    m.call = a.last->call, m.body_case = FL__PEER__BODY_FORWARDED, m.forwarded = &f;
    peer_send_body(&a, &m);
    assert_int_equal(a.completed, 1);
    assert_int_equal(a.result, REP_OK);
    assert_int_equal(ranges.count, 1);
    assert_int_equal(ranges.items[0].offset, STORE_REGION + 4096);
    assert_int_equal(ranges.items[0].len, 5);
    assert_int_equal(ranges.until, STORE_REGION + 4101);

    a.completed = 0;
    alone_step(&a, &ev);
    f.until = STORE_REGION + 1; /* more than was asked: no answer to it */
    m.call = a.last->call;
    peer_send_body(&a, &m);
    assert_int_equal(a.completed, 0);
    alone_stop(&a);
    free(a.bytes);
}

/* A grant that was not asked for, or of another time, is none. */
static void test_false_grants(void **state)
{
    (void)state;
    struct alone a = {0};
    alone_start(&a);
    uint64_t stamp = asked(&a);
    grant(&a, stamp + UINT64_C(3600000000000));
    submit(&a, REP_READ, STORE_REGION);
    assert_int_equal(a.completed, 0);
    alone_stop(&a);
    free(a.bytes);
}

/* Without a lease nothing is served, nor by the configuration of a former life. */
static void test_lease(void **state)
{
    (void)state;
    struct alone a = {0};
    alone_start(&a);
    grant(&a, asked(&a));
    give_lease(&a, a.now - 1, 1);
    submit(&a, REP_READ, STORE_REGION);
    assert_int_equal(a.completed, 0);
    give_lease(&a, a.now + UINT64_C(3000000000), 2); /* registered anew: no CONFIG with it yet */
    submit(&a, REP_READ, STORE_REGION);
    assert_int_equal(a.completed, 0);
    alone_stop(&a);
    free(a.bytes);
}

/* A primary that does not know its members' unconfirmed writes serves nobody; one that loses a
 * member asks for its eviction and does not acknowledge before. */
static void test_primary(void **state)
{
    (void)state;
    struct alone a = {0};
    alone_start(&a);
    alone_tick(&a, 25000000);
    submit(&a, REP_WRITE, 0); /* extent 0: group 1, ours; node 2 has not answered the collect */
    assert_int_equal(a.completed, 0);
    alone_step(&a, &(struct rep_event){.type = REP_EV_PEER_DOWN, .link = {2, 1}});
    a.commands = 0;
    for (uint32_t i = 0; i < 8; i++)
        alone_tick(&a, 25000000);
    assert_int_equal(a.commands, 0); /* the link may come back at once */
    for (uint32_t i = 0; i < 40; i++)
        alone_tick(&a, 25000000);
    assert_true(a.commands >= 1);
    assert_int_equal(a.completed, 0);
    alone_stop(&a);

    alone_start(&a);
    alone_step(&a, &(struct rep_event){.type = REP_EV_PEER_DOWN, .link = {2, 1}});
    a.other_down = true;
    alone_config(&a, 1);
    a.commands = 0;
    alone_tick(&a, 25000000);
    assert_true(a.commands >= 1); /* declared down: no reason to wait */
    alone_stop(&a);
    free(a.bytes);
}

/* INV-1: what was sent before a node was declared down is not carried out when it is back. */
static void test_former_life(void **state)
{
    (void)state;
    struct alone a = {0};
    alone_start(&a);
    a.life[0] = 11, a.life[1] = 21;
    alone_config(&a, 1);
    submit(&a, REP_READ, STORE_REGION);
    submit(&a, REP_WRITE, STORE_REGION); /* group 2: passed on */
    assert_int_equal(a.last->body_case, FL__PEER__BODY_FORWARD);
    assert_int_equal(a.last->forward->life, 11);
    alone_config(&a, 1);
    assert_int_equal(a.completed, 0);
    a.life[0] = 12;
    alone_config(&a, 1);
    assert_int_equal(a.completed, 1); /* the write; the read goes on */
    assert_int_equal(a.result, REP_UNAVAILABLE);
    submit(&a, REP_WRITE, STORE_REGION);
    assert_int_equal(a.last->forward->life, 12);
    assert_int_equal(a.completed, 0);

    alone_stop(&a);
    free(a.bytes);
}

/* A write that node 2 passes on to group 1, in one life of its or another. */
static void passed_on(struct alone *a, uint64_t call, uint64_t life)
{
    Fl__Peer m = FL__PEER__INIT;
    Fl__PeerForward f = FL__PEER_FORWARD__INIT;
    Fl__PeerExtent extent = FL__PEER_EXTENT__INIT;
    Fl__PeerOrigin origin = FL__PEER_ORIGIN__INIT;
    extent.volume = 1, extent.group = 1, extent.inode = 5;
    origin.node_id = 2, origin.id = call;
    f.op = FL__PEER_OP__PEER_WRITE, f.extent = &extent, f.origin = &origin;
    f.len = 1, f.life = life;
    m.call = call, m.body_case = FL__PEER__BODY_FORWARD, m.forward = &f;
    peer_send_body(a, &m);
}

static void test_late_forward(void **state)
{
    (void)state;
    struct alone a = {0};
    alone_start(&a);
    a.life[0] = 11, a.life[1] = 21;
    alone_config(&a, 1);
    alone_tick(&a, 25000000);
    Fl__Peer m = FL__PEER__INIT;
    Fl__PeerCollected c = FL__PEER_COLLECTED__INIT;
    c.epoch = a.epoch, m.call = a.collect_call;
    m.body_case = FL__PEER__BODY_COLLECTED, m.collected = &c;
    peer_send_body(&a, &m); /* group 1 is served now */
    passed_on(&a, 77, 20);
    assert_int_equal(a.forwarded_call, 77);
    assert_int_equal(a.forwarded, FL__PEER_RESULT__PEER_RETRY);
    passed_on(&a, 78, 21);
    assert_int_equal(a.forwarded_call, 77); /* under way */
    alone_stop(&a);
    free(a.bytes);
}

/* Pools that are empty are an ordinary answer. */
static void test_bounds(void **state)
{
    (void)state;
    struct alone a = {0};
    alone_start(&a);
    a.store_quiet = true; /* applies never end */
    for (uint64_t i = 1; i <= 8; i++)
        assert_int_not_equal(apply(&a, 5, i), FL__PEER_RESULT__PEER_RETRY);
    assert_int_equal(apply(&a, 5, 9), FL__PEER_RESULT__PEER_RETRY);
    for (uint32_t i = 0; i < 4; i++)
        submit(&a, REP_WRITE, 0);
    assert_int_equal(a.completed, 0);
    submit(&a, REP_WRITE, 0); /* requests_max is 4 */
    assert_int_equal(a.completed, 1);
    assert_int_equal(a.result, REP_UNAVAILABLE);
    replication_check(a.rep);
    alone_stop(&a);
    free(a.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_former_life), cmocka_unit_test(test_late_forward),
        cmocka_unit_test(test_epochs),      cmocka_unit_test(test_own_reads),
        cmocka_unit_test(test_map),         cmocka_unit_test(test_false_grants),
        cmocka_unit_test(test_lease),       cmocka_unit_test(test_primary),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
