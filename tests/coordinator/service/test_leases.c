/* Leases of nodes, reads that wait for a round, and the change of the leader. covers: breaks.c */
#include "tests/coordinator/service/council.h"
#include "tests/lib/unit.h"

#define NODE FL__ROLE__ROLE_NODE
#define UP FL__NODE_STATE__NODE_UP
#define DOWN FL__NODE_STATE__NODE_DOWN

static struct council k;

static bool heard(const char *all, const char *what) { return strstr(all, what) != NULL; }

/* Node 2 as client 6, node 3 as client 7, an administrator as client 5: all at `leader`. */
static void everybody_connects(uint64_t leader)
{
    admin_connects(&k, 5, leader);
    node_registers(&k, 6, (struct caller){leader, NODE, 2}, 10);
    node_registers(&k, 7, (struct caller){leader, NODE, 3}, 10);
    (void)council_said(&k);
}

static void a_lease_is_granted_after_a_round(void **state)
{
    (void)state;
    uint64_t leader = council_found(&k, 3);
    everybody_connects(leader);
    client_asks_lease(&k, 6, 31);
    assert_string_equal(council_said(&k), "6: grant 31");
    k.cut[leader] = true;
    client_asks_lease(&k, 6, 32);
    client_queries(&k, 5, 40);
    council_run(&k, 100);
    assert_string_equal(council_said(&k), ""); /* does it still lead? it does not know */
    k.cut[leader] = false;
    council_run(&k, 100);
    const char *said = council_said(&k);
    assert_true(heard(said, "6: grant 32"));
    assert_true(heard(said, "5: found 40 0"));
    council_fini(&k);
}

static void a_leader_cut_off_answers_nobody(void **state)
{
    (void)state;
    uint64_t leader = council_found(&k, 3);
    everybody_connects(leader);
    k.cut[leader] = true;
    client_asks_lease(&k, 6, 32);
    client_queries(&k, 5, 40);
    council_run(&k, 5000);
    const char *said = council_said(&k);
    assert_false(heard(said, "grant"));
    assert_false(heard(said, "found"));
    assert_true(heard(said, "5: close"));
    assert_true(heard(said, "6: close"));
    assert_int_not_equal(council_leader(&k), 0);
    assert_int_not_equal(council_leader(&k), leader);
    council_fini(&k);
}

static void who_closes_its_end_is_down_at_once(void **state)
{
    (void)state;
    everybody_connects(council_found(&k, 1));
    client_gone(&k, 6, true);
    assert_int_equal(node_state(&k, 2), DOWN);
    assert_int_equal(node_state(&k, 3), UP);
    client_gone(&k, 7, false); /* our end: it may go on until its lease has run out */
    assert_int_equal(node_state(&k, 3), UP);
    council_fini(&k);
}

/* The line of a former session closes late: the node has come back since. */
static void only_that_session_is_down(void **state)
{
    (void)state;
    everybody_connects(council_found(&k, 1));
    node_registers(&k, 8, (struct caller){1, NODE, 2}, 10);
    assert_string_equal(council_said(&k), "8: welcome 2");
    client_gone(&k, 6, true);
    assert_int_equal(node_state(&k, 2), UP);
    client_asks_lease(&k, 8, 1);
    assert_string_equal(council_said(&k), "8: grant 1");
    client_gone(&k, 8, true);
    assert_int_equal(node_state(&k, 2), DOWN);
    council_fini(&k);
}

static void silence_is_down_after_the_lease(void **state)
{
    (void)state;
    everybody_connects(council_found(&k, 1));
    council_run(&k, 1000);
    client_asks_lease(&k, 6, 1);
    assert_string_equal(council_said(&k), "6: grant 1");
    council_run(&k, COORDINATOR_LEASE_MS - 1000 - 1);
    assert_int_equal(node_state(&k, 3), UP); /* from its Welcome on */
    council_run(&k, 101);
    assert_int_equal(node_state(&k, 3), DOWN);
    assert_int_equal(node_state(&k, 2), UP);
    client_asks_lease(&k, 7, 2); /* too late, on the old line: silence might never be noticed */
    assert_string_equal(council_said(&k), "7: refused; 7: close");
    council_run(&k, 899);
    assert_int_equal(node_state(&k, 2), UP);
    council_run(&k, 101);
    assert_int_equal(node_state(&k, 2), DOWN);
    node_registers(&k, 8, (struct caller){1, NODE, 2}, 10); /* the same life: it was ended */
    assert_string_equal(council_said(&k), "8: welcome 2 lost");
    node_registers(&k, 9, (struct caller){1, NODE, 2}, 11);
    assert_string_equal(council_said(&k), "9: welcome 3");
    council_fini(&k);
}

static void the_condemned_gets_no_lease(void **state)
{
    (void)state;
    uint64_t leader = council_found(&k, 3);
    everybody_connects(leader);
    k.cut[leader] = true; /* a NodeDown cannot commit now */
    client_gone(&k, 7, true);
    node_registers(&k, 8, (struct caller){leader, NODE, 3}, 10);
    assert_string_equal(council_said(&k), "");
    client_asks_lease(&k, 8, 1); /* not registered yet: nothing to grant */
    k.cut[leader] = false;
    council_run(&k, 200);
    const char *said = council_said(&k);
    assert_true(heard(said, "8: welcome 2 lost")); /* the NodeDown came first */
    assert_false(heard(said, "grant"));
    council_fini(&k);
}

static void a_follower_names_the_leader(void **state)
{
    (void)state;
    uint64_t leader = council_found(&k, 3), other = leader % 3 + 1;
    char expected[64];
    client_connect(&k, 6, (struct caller){other, NODE, 2});
    client_greets(&k, 6, hello_of(NODE, 2, 10));
    (void)snprintf(expected, sizeof expected, "6: leader 10.0.0.%u:4450; 6: close",
                   (unsigned)leader);
    assert_string_equal(council_said(&k), expected);
    council_fini(&k);
}

static void a_new_leader_honours_the_old_one_s_leases(void **state)
{
    (void)state;
    uint64_t old = council_found(&k, 3);
    everybody_connects(old);
    client_asks_lease(&k, 6, 1);
    (void)council_said(&k);
    council_kill(&k, old);
    uint64_t leader = council_elect(&k);
    assert_int_not_equal(leader, old);
    /* Neither has come yet, and both may hold a lease of the old leader. */
    council_run(&k, COORDINATOR_LEASE_MS - 10);
    assert_int_equal(node_state(&k, 2), UP);
    assert_int_equal(node_state(&k, 3), UP);
    node_registers(&k, 8, (struct caller){leader, NODE, 2}, 10);
    assert_string_equal(council_said(&k), "8: welcome 2"); /* the same life goes on */
    council_run(&k, 200);
    assert_int_equal(node_state(&k, 2), UP);
    assert_int_equal(node_state(&k, 3), DOWN);
    council_fini(&k);
}

/* ---- commands across leaders ----------------------------------------------------------------- */

static uint32_t volume_id;
static uint64_t root_inode;

static void a_volume_is_made(uint64_t leader)
{
    struct arena a;
    Fl__VolumeCreate volume = FL__VOLUME_CREATE__INIT;
    Fl__Command c = FL__COMMAND__INIT;
    volume.name = (char *)(uintptr_t) "v";
    volume.replicas = volume.groups = 1;
    c.body_case = FL__COMMAND__BODY_VOLUME_CREATE;
    c.volume_create = &volume;
    client_commands(&k, 5, &c);
    assert_string_equal(council_said(&k), "5: reply 0 0");
    arena_init(&a, &k.mem, 1 << 20);
    const Fl__ClusterConfig *config = meta_config(coordinator_meta(k.of[leader]), false, &a);
    volume_id = config->volumes[0]->id;
    root_inode = config->volumes[0]->root_inode;
    arena_fini(&a);
}

/* Opens a file in the root of the volume; with a batch oplock when it makes it. */
static void send_open_of(uint64_t client, uint64_t sequence, uint32_t disposition)
{
    static uint8_t sid[] = {1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0};
    Fl__Open open = FL__OPEN__INIT;
    Fl__Token token = FL__TOKEN__INIT;
    Fl__Command c = FL__COMMAND__INIT;
    token.user_sid = (ProtobufCBinaryData){sizeof sid, sid};
    token.administrator = true;
    open.volume = volume_id;
    open.root_inode = root_inode;
    open.path = pb_bytes(slice_of("f\0", 2));
    open.desired_access = open.share_mask = 0x1f01ff;
    open.share_access = 7;
    open.disposition = disposition;
    open.oplock = disposition == 2 ? 9 : 0;
    open.token = &token;
    c.node_id = 2;
    c.incarnation = 10;
    c.sequence = sequence;
    c.acked_below = 1;
    c.body_case = FL__COMMAND__BODY_OPEN;
    c.open = &open;
    client_commands(&k, client, &c);
}

/* FILE_CREATE: who comes second finds it there. */
static void send_open(uint64_t client, uint64_t sequence) { send_open_of(client, sequence, 2); }

/* The leader's clock ends what a client does not acknowledge. */
static void a_break_has_its_time(void **state)
{
    (void)state;
    uint64_t leader = council_found(&k, 1);
    everybody_connects(leader);
    a_volume_is_made(leader);
    send_open(6, 1);
    (void)council_said(&k);
    send_open_of(6, 2, 1); /* FILE_OPEN */
    const char *said = council_said(&k);
    assert_true(heard(said, "6: reply 2 0x103"));
    assert_true(heard(said, "6: message")); /* the notice */
    for (uint64_t second = 0; second < 37; second++) {
        client_asks_lease(&k, 6, second);
        said = council_said(&k);
        assert_true(second >= 35 || !heard(said, "reply"));
        if (heard(said, "6: reply 2 open "))
            break;
        council_run(&k, 1000);
        (void)(second < 34 ? council_said(&k) : NULL);
    }
    assert_true(heard(said, "6: reply 2 open "));
    council_fini(&k);
}

/* The answer is lost with the leader; the node asks the next one, under the same number. */
static void a_command_is_done_once_across_leaders(void **state)
{
    (void)state;
    char first[64], again[64];
    uint64_t old = council_found(&k, 3);
    everybody_connects(old);
    a_volume_is_made(old);
    send_open(6, 1);
    (void)snprintf(first, sizeof first, "%s", council_said(&k) + 1);
    assert_true(strncmp(first, ": reply 1 open ", 15) == 0);
    council_run(&k, 200); /* all know that it is committed */
    council_kill(&k, old);
    uint64_t leader = council_elect(&k);
    node_registers(&k, 8, (struct caller){leader, NODE, 2}, 10);
    (void)council_said(&k);
    send_open(8, 1);
    (void)snprintf(again, sizeof again, "%s", council_said(&k) + 1);
    assert_string_equal(again, first);
    send_open(8, 2); /* another one, and the file is there */
    assert_string_equal(council_said(&k), "8: reply 2 0xc0000035");
    council_fini(&k);
}

/* What only a leader without followers has in its log is never applied; the next one does it. */
static void what_was_cut_off_is_done_by_the_next(void **state)
{
    (void)state;
    uint64_t old = council_found(&k, 3);
    everybody_connects(old);
    a_volume_is_made(old);
    k.cut[old] = true;
    send_open(6, 1);
    assert_string_equal(council_said(&k), "");
    council_run(&k, 3000);
    uint64_t leader = council_leader(&k);
    assert_int_not_equal(leader, 0);
    assert_false(heard(council_said(&k), "reply"));
    node_registers(&k, 8, (struct caller){leader, NODE, 2}, 10);
    (void)council_said(&k);
    send_open(8, 1);
    assert_true(heard(council_said(&k), "8: reply 1 open "));
    k.cut[old] = false;
    council_run(&k, 1000);
    assert_false(heard(council_said(&k), "reply"));
    council_fini(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_is_granted_after_a_round),
        cmocka_unit_test(a_leader_cut_off_answers_nobody),
        cmocka_unit_test(who_closes_its_end_is_down_at_once),
        cmocka_unit_test(only_that_session_is_down),
        cmocka_unit_test(silence_is_down_after_the_lease),
        cmocka_unit_test(the_condemned_gets_no_lease),
        cmocka_unit_test(a_follower_names_the_leader),
        cmocka_unit_test(a_new_leader_honours_the_old_one_s_leases),
        cmocka_unit_test(a_break_has_its_time),
        cmocka_unit_test(a_command_is_done_once_across_leaders),
        cmocka_unit_test(what_was_cut_off_is_done_by_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
