/* The service for nodes, witnesses, administrators and joining machines; test_leases.c has leases
 * and failover. covers: clients.c effects.c requests.c membership.c */
#include "tests/coordinator/service/council.h"
#include "tests/lib/unit.h"

#define NODE FL__ROLE__ROLE_NODE
#define WITNESS FL__ROLE__ROLE_WITNESS
#define ADMIN FL__ROLE__ROLE_ADMIN
#define JOINING FL__ROLE__ROLE_JOINING

static struct council k;

static void a_leader_founds_the_cluster(void **state)
{
    (void)state;
    council_init(&k, 3);
    client_connect(&k, 5, (struct caller){1, NODE, 1});
    client_greets(&k, 5, hello_of(NODE, 1, 10));
    assert_string_equal(council_said(&k), "5: leader ; 5: close"); /* nobody leads */
    uint64_t leader = council_elect(&k);
    struct meta_node n;
    assert_true(meta_node(coordinator_meta(k.of[leader]), 3, &n));
    assert_int_equal(n.state, FL__NODE_STATE__NODE_DOWN);
    council_fini(&k);
}

static void a_node_registers(void **state)
{
    (void)state;
    (void)council_found(&k, 1);
    node_registers(&k, 5, (struct caller){1, NODE, 2}, 10);
    assert_string_equal(council_said(&k), "5: welcome 1");
    assert_int_equal(node_state(&k, 2), FL__NODE_STATE__NODE_UP);
    client_subscribes(&k, 5);
    assert_string_equal(council_said(&k), "5: config");
    node_registers(&k, 6, (struct caller){1, NODE, 3}, 10);
    assert_string_equal(council_said(&k), "6: welcome 1; 5: config"); /* told what has changed */
    /* The same process on a second line: a second session of the same life. */
    node_registers(&k, 7, (struct caller){1, NODE, 2}, 10);
    assert_string_equal(council_said(&k), "7: welcome 2");
    council_fini(&k);
}

struct greeting {
    const char *name;
    struct caller who; /* by the certificate */
    Fl__Role role;     /* as it says */
    uint32_t node_id;
    uint32_t version;
    const char *cluster;
    const char *said;
};

static const struct greeting greetings[] = {
    {"a node", {1, NODE, 2}, NODE, 2, 1, "the cluster's id", "5: welcome 1"},
    {"a node that does not know the cluster's id", {1, NODE, 2}, NODE, 2, 1, "", "5: welcome 1"},
    {"a machine's witness", {1, NODE, 2}, WITNESS, 2, 1, "the cluster's id", "5: welcome 0"},
    {"an administrator", {1, ADMIN, 0}, ADMIN, 0, 1, "the cluster's id", "5: welcome 0"},
    {"another cluster", {1, NODE, 2}, NODE, 2, 1, "another cluster.", "5: refused; 5: close"},
    {"an id cut short", {1, NODE, 2}, NODE, 2, 1, "the cluster", "5: refused; 5: close"},
    {"another version", {1, NODE, 2}, NODE, 2, 2, "the cluster's id", "5: refused; 5: close"},
    {"another node", {1, NODE, 2}, NODE, 3, 1, "the cluster's id", "5: refused; 5: close"},
    {"a witness of another", {1, NODE, 2}, WITNESS, 3, 1, "", "5: refused; 5: close"},
    {"a node that is not known", {1, NODE, 9}, NODE, 9, 1, "", "5: refused; 5: close"},
    {"no node at all", {1, NODE, 0}, NODE, 0, 1, "", "5: refused; 5: close"},
    {"a node as administrator", {1, NODE, 2}, ADMIN, 0, 1, "", "5: refused; 5: close"},
    {"an administrator as node", {1, ADMIN, 0}, NODE, 2, 1, "", "5: refused; 5: close"},
    {"an administrator as witness", {1, ADMIN, 0}, WITNESS, 2, 1, "", "5: refused; 5: close"},
    {"no certificate, as node", {1, JOINING, 0}, NODE, 2, 1, "", "5: refused; 5: close"},
    {"no certificate, as admin", {1, JOINING, 0}, ADMIN, 0, 1, "", "5: refused; 5: close"},
    {"no certificate, as such", {1, JOINING, 0}, JOINING, 0, 1, "", "5: refused; 5: close"},
    {"a role that is none", {1, NODE, 2}, (Fl__Role)77, 2, 1, "", "5: refused; 5: close"},
};

static void who_is_let_in(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof greetings / sizeof greetings[0]; i++) {
        const struct greeting *g = &greetings[i];
        (void)council_found(&k, 1);
        client_connect(&k, 5, g->who);
        Fl__Hello hello = hello_of(g->role, g->node_id, 10);
        hello.version = g->version;
        hello.cluster_id = pb_bytes(slice_str(g->cluster));
        client_greets(&k, 5, hello);
        assert_row(g->name, strcmp(council_said(&k), g->said) == 0);
        council_fini(&k);
    }
}

static void hello_comes_first_and_once(void **state)
{
    (void)state;
    (void)council_found(&k, 1);
    client_connect(&k, 5, (struct caller){1, NODE, 2});
    client_subscribes(&k, 5);
    assert_string_equal(council_said(&k), "5: refused; 5: close");
    client_connect(&k, 6, (struct caller){1, NODE, 2});
    client_bytes(&k, 6, slice_str("\xff\xff"), (struct slice){0});
    assert_string_equal(council_said(&k), "6: refused; 6: close");
    node_registers(&k, 7, (struct caller){1, NODE, 2}, 10);
    (void)council_said(&k);
    client_greets(&k, 7, hello_of(NODE, 2, 10));
    assert_string_equal(council_said(&k), "7: refused; 7: close");
    admin_connects(&k, 8, 1);
    (void)council_said(&k);
    Fl__Control welcome = FL__CONTROL__INIT; /* not what a client says */
    Fl__Welcome body = FL__WELCOME__INIT;
    welcome.body_case = FL__CONTROL__BODY_WELCOME;
    welcome.welcome = &body;
    client_says(&k, 8, &welcome);
    assert_string_equal(council_said(&k), "8: refused; 8: close");
    council_fini(&k);
}

enum sends {
    CLOSES,
    LOCKS,
    ADDS_USER,
    REGISTERS,
    DOWNS,
    JOINS,
    INITS,
    RECLAIMED,
    RECLAIMED_2,
    EVICTS,
    SETS_SHARE,
};

static void send_one(uint64_t client, enum sends what, uint32_t node_id)
{
    static uint8_t hash[16] = {1};
    Fl__Command c = FL__COMMAND__INIT;
    Fl__Close close = FL__CLOSE__INIT;
    Fl__UserAdd user = FL__USER_ADD__INIT;
    Fl__Register reg = FL__REGISTER__INIT;
    Fl__NodeDown down = FL__NODE_DOWN__INIT;
    Fl__NodeJoin join = FL__NODE_JOIN__INIT;
    Fl__ClusterInit init = FL__CLUSTER_INIT__INIT;
    Fl__ReclaimDone done = FL__RECLAIM_DONE__INIT;
    Fl__GroupEvict evict = FL__GROUP_EVICT__INIT;
    Fl__Lock lock = FL__LOCK__INIT;
    Fl__ShareSet set = FL__SHARE_SET__INIT;
    user.name = (char *)(uintptr_t) "anna";
    user.nt_hash = (ProtobufCBinaryData){16, hash};
    down.node_id = 3;
    done.node_id = what == RECLAIMED ? node_id : 2;
    c.node_id = node_id;
    c.incarnation = 10;
    c.sequence = 4;
    c.close = &close;
    c.body_case = FL__COMMAND__BODY_CLOSE;
    if (what == LOCKS)
        c.body_case = FL__COMMAND__BODY_LOCK, c.lock = &lock;
    else if (what == ADDS_USER)
        c.body_case = FL__COMMAND__BODY_USER_ADD, c.user_add = &user;
    else if (what == REGISTERS)
        c.body_case = FL__COMMAND__BODY_REGISTER_NODE, c.register_node = &reg;
    else if (what == DOWNS)
        c.body_case = FL__COMMAND__BODY_NODE_DOWN, c.node_down = &down;
    else if (what == JOINS)
        c.body_case = FL__COMMAND__BODY_NODE_JOIN, c.node_join = &join;
    else if (what == INITS)
        c.body_case = FL__COMMAND__BODY_CLUSTER_INIT, c.cluster_init = &init;
    else if (what == RECLAIMED || what == RECLAIMED_2)
        c.body_case = FL__COMMAND__BODY_RECLAIM_DONE, c.reclaim_done = &done;
    else if (what == EVICTS)
        c.body_case = FL__COMMAND__BODY_GROUP_EVICT, c.group_evict = &evict;
    else if (what == SETS_SHARE)
        c.body_case = FL__COMMAND__BODY_SHARE_SET, c.share_set = &set;
    client_commands(&k, client, &c);
}

static void who_may_send_which_command(void **state)
{
    (void)state;
    const struct row {
        const char *name;
        Fl__Role role;
        enum sends what;
        uint32_t node_id;
        bool allowed;
    } rows[] = {
        {"a node closes", NODE, CLOSES, 3, true},
        {"a node locks", NODE, LOCKS, 3, true},
        {"a node reports what it reclaimed", NODE, RECLAIMED, 3, true},
        {"a node evicts", NODE, EVICTS, 3, true},
        {"a node sets a share, for an administrator of its clients", NODE, SETS_SHARE, 3, true},
        {"an administrator sets a share", ADMIN, SETS_SHARE, 0, true},
        {"a witness sets a share", WITNESS, SETS_SHARE, 3, false},
        {"a node for another", NODE, CLOSES, 2, false},
        {"a node for nobody", NODE, CLOSES, 0, false},
        {"a node reports for another", NODE, RECLAIMED_2, 3, false},
        {"a node adds a user", NODE, ADDS_USER, 3, false},
        {"a node registers past its Hello", NODE, REGISTERS, 3, false},
        {"a node declares one down", NODE, DOWNS, 3, false},
        {"a node lets one join", NODE, JOINS, 3, false},
        {"a node founds a cluster", NODE, INITS, 3, false},
        {"a witness closes", WITNESS, CLOSES, 3, false},
        {"a witness adds a user", WITNESS, ADDS_USER, 3, false},
        {"an administrator adds a user", ADMIN, ADDS_USER, 0, true},
        {"an administrator locks", ADMIN, LOCKS, 0, false},
        {"an administrator closes", ADMIN, CLOSES, 0, false},
        {"an administrator closes for a node", ADMIN, CLOSES, 3, false},
        {"an administrator registers", ADMIN, REGISTERS, 0, false},
        {"an administrator declares one down", ADMIN, DOWNS, 0, false},
        {"an administrator lets one join", ADMIN, JOINS, 0, false},
        {"an administrator founds a cluster", ADMIN, INITS, 0, false},
        {"an administrator evicts", ADMIN, EVICTS, 0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        (void)council_found(&k, 1);
        uint32_t node = r->role == ADMIN ? 0 : 3;
        client_connect(&k, 5, (struct caller){1, r->role == ADMIN ? ADMIN : NODE, node});
        client_greets(&k, 5, hello_of(r->role, node, 10));
        (void)council_said(&k);
        send_one(5, r->what, r->node_id);
        const char *said = council_said(&k);
        assert_row(r->name, (strncmp(said, "5: reply 4 ", 11) == 0) == r->allowed);
        assert_row(r->name, r->allowed || strcmp(said, "5: refused; 5: close") == 0);
        council_fini(&k);
    }
}

static void secrets_are_for_nodes_and_witnesses(void **state)
{
    (void)state;
    (void)council_found(&k, 1);
    admin_connects(&k, 5, 1);
    send_one(5, ADDS_USER, 0);
    assert_string_equal(council_said(&k), "5: welcome 0; 5: reply 4 0");
    client_subscribes(&k, 5);
    assert_string_equal(council_said(&k), "5: config");
    node_registers(&k, 6, (struct caller){1, NODE, 2}, 10);
    client_connect(&k, 7, (struct caller){1, NODE, 3});
    client_greets(&k, 7, hello_of(WITNESS, 3, 0));
    (void)council_said(&k);
    client_subscribes(&k, 6);
    client_subscribes(&k, 7);
    assert_string_equal(council_said(&k), "6: config with secrets; 7: config with secrets");
    client_queries(&k, 7, 1); /* a witness only listens */
    assert_string_equal(council_said(&k), "7: refused; 7: close");
    council_fini(&k);
}

static void remove_node(const char *name)
{
    Fl__NodeRemove remove = FL__NODE_REMOVE__INIT;
    Fl__Command c = FL__COMMAND__INIT;
    remove.name = (char *)(uintptr_t)name;
    remove.force = true;
    c.body_case = FL__COMMAND__BODY_NODE_REMOVE;
    c.node_remove = &remove;
    admin_connects(&k, 101, 1);
    client_commands(&k, 101, &c);
    client_gone(&k, 101, true);
}

static void who_is_removed_is_sent_away(void **state)
{
    (void)state;
    (void)council_found(&k, 1);
    node_registers(&k, 6, (struct caller){1, NODE, 3}, 10);
    client_connect(&k, 7, (struct caller){1, NODE, 3});
    client_greets(&k, 7, hello_of(WITNESS, 3, 0));
    client_subscribes(&k, 7);
    (void)council_said(&k);
    remove_node("n3");
    assert_string_equal(council_said(&k),
                        "101: welcome 0; 101: reply 0 0; 6: refused; 6: close; 7: refused; "
                        "7: close");
    node_registers(&k, 8, (struct caller){1, NODE, 3}, 11);
    assert_string_equal(council_said(&k), "8: refused; 8: close");
    council_fini(&k);
}

static void too_many_clients_are_closed(void **state)
{
    (void)state;
    (void)council_found(&k, 1);
    for (uint64_t i = 1; i <= COORDINATOR_CLIENTS_MAX; i++)
        client_connect(&k, i, (struct caller){1, JOINING, 0});
    assert_string_equal(council_said(&k), "");
    client_connect(&k, 2000, (struct caller){1, ADMIN, 0});
    assert_string_equal(council_said(&k), "2000: close");
    client_gone(&k, 3, true);
    client_connect(&k, 2001, (struct caller){1, ADMIN, 0});
    client_greets(&k, 2001, hello_of(ADMIN, 0, 0));
    assert_string_equal(council_said(&k), "2001: welcome 0");
    council_fini(&k);
}

/* ---- joining --------------------------------------------------------------------------------- */

static const uint8_t hash_a[32] = "hash a", hash_b[32] = "hash b", hash_bad[32] = "hash c";

static void invite_node(const uint8_t hash[32], Fl__Node *node)
{
    Fl__NodeAdd add = FL__NODE_ADD__INIT;
    Fl__Command c = FL__COMMAND__INIT;
    node->data_port = 4455;
    add.node = node;
    add.token_hash = pb_bytes(slice_of(hash, 32));
    add.expires = UINT64_MAX;
    c.body_case = FL__COMMAND__BODY_NODE_ADD;
    c.node_add = &add;
    admin_connects(&k, 100, 1);
    client_commands(&k, 100, &c);
    client_gone(&k, 100, true);
    assert_string_equal(council_said(&k), "100: welcome 0; 100: reply 0 0");
}

static void invite(const uint8_t hash[32], const char *name, const char *address)
{
    Fl__Node node = FL__NODE__INIT;
    node.name = (char *)(uintptr_t)name;
    node.address = (char *)(uintptr_t)address;
    invite_node(hash, &node);
}

static void a_machine_joins_once(void **state)
{
    (void)state;
    (void)council_found(&k, 1);
    invite(hash_a, "n4", "10.0.0.4");
    client_connect(&k, 5, (struct caller){1, JOINING, 0});
    client_connect(&k, 6, (struct caller){1, JOINING, 0});
    client_joins(&k, 5, slice_of(hash_a, 32));
    assert_string_equal(council_said(&k), "5: sign n4 of 4 at 10.0.0.4");
    client_joins(&k, 6, slice_of(hash_a, 32)); /* at the same time, with the same token */
    assert_string_equal(council_said(&k), "6: sign n4 of 4 at 10.0.0.4");
    client_is_signed(&k, 5, slice_str("CERT5"));
    assert_string_equal(council_said(&k), "5: joined as 4 with CERT5; 5: close");
    client_is_signed(&k, 6, slice_str("CERT6")); /* too late: nobody sees it */
    assert_string_equal(council_said(&k), "6: refused; 6: close");
    client_connect(&k, 7, (struct caller){1, JOINING, 0});
    client_joins(&k, 7, slice_of(hash_a, 32));
    assert_string_equal(council_said(&k), "7: refused; 7: close");
    node_registers(&k, 8, (struct caller){1, NODE, 4}, 9);
    assert_string_equal(council_said(&k), "8: welcome 1");
    council_fini(&k);
}

static void who_may_not_join(void **state)
{
    (void)state;
    (void)council_found(&k, 1);
    invite(hash_a, "n4", "10.0.0.4");
    client_connect(&k, 5, (struct caller){1, JOINING, 0});
    client_joins(&k, 5, slice_of(hash_bad, 32));
    assert_string_equal(council_said(&k), "5: refused; 5: close");
    client_connect(&k, 6, (struct caller){1, JOINING, 0});
    client_joins(&k, 6, slice_of(hash_a, 31));
    assert_string_equal(council_said(&k), "6: refused; 6: close");
    client_connect(&k, 7, (struct caller){1, NODE, 2}); /* it has a certificate */
    client_joins(&k, 7, slice_of(hash_a, 32));
    assert_string_equal(council_said(&k), "7: refused; 7: close");
    client_connect(&k, 8, (struct caller){1, JOINING, 0});
    client_joins(&k, 8, slice_of(hash_a, 32));
    client_is_signed(&k, 8, (struct slice){0}); /* no request that could be signed */
    assert_string_equal(council_said(&k), "8: sign n4 of 4 at 10.0.0.4; 8: refused; 8: close");
    council_fini(&k);
}

/* With two tokens at once, the certificate of one name must not come with the number of another. */
static void one_line_joins_one_machine(void **state)
{
    (void)state;
    (void)council_found(&k, 1);
    invite(hash_a, "n4", "10.0.0.4");
    invite(hash_b, "n5", "10.0.0.5");
    client_connect(&k, 5, (struct caller){1, JOINING, 0});
    client_joins(&k, 5, slice_of(hash_a, 32));
    (void)council_said(&k);
    client_joins(&k, 5, slice_of(hash_b, 32));
    assert_string_equal(council_said(&k), "5: refused; 5: close");
    client_is_signed(&k, 5, slice_str("CERT"));
    assert_string_equal(council_said(&k), "");
    client_connect(&k, 6, (struct caller){1, JOINING, 0});
    client_joins(&k, 6, slice_of(hash_a, 32));
    (void)council_said(&k);
    client_queries(&k, 6, 1); /* nothing else is said before there is a certificate */
    assert_string_equal(council_said(&k), "6: refused; 6: close");
    council_fini(&k);
}

/* ---- who votes ------------------------------------------------------------------------------- */

static const char *member_address(uint64_t id)
{
    struct raft_member m;
    for (size_t i = 0; raft_engine_member(coordinator_raft(k.of[1]), i, &m); i++)
        if (m.id == id)
            return m.address;
    return "";
}

static void the_group_follows_the_metadata(void **state)
{
    (void)state;
    const struct row {
        const char *name, *address, *member;
        bool coordinator;
    } rows[] = {
        {"a coordinator", "10.0.0.4", "10.0.0.4:4450", true},
        {"a coordinator of IPv6", "fd00::4", "[fd00::4]:4450", true},
        {"a node without", "10.0.0.4", "", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)council_found(&k, 1);
        Fl__Node node = FL__NODE__INIT;
        node.name = (char *)(uintptr_t) "n4";
        node.address = (char *)(uintptr_t)rows[i].address;
        node.coordinator = rows[i].coordinator;
        node.coordinator_port = rows[i].coordinator ? 4450 : 0;
        invite_node(hash_a, &node);
        council_run(&k, 300);
        assert_row(rows[i].name, strcmp(member_address(4), "") == 0); /* it has not come yet */
        node_registers(&k, 5, (struct caller){1, NODE, 4}, 9);
        council_run(&k, 300);
        assert_row(rows[i].name, strcmp(member_address(4), rows[i].member) == 0);
        client_gone(&k, 5, true);
        remove_node("n4");
        council_run(&k, 300);
        assert_row(rows[i].name, strcmp(member_address(4), "") == 0);
        assert_row(rows[i].name, strcmp(member_address(1), "10.0.0.1:4450") == 0);
        council_fini(&k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_founds_the_cluster),
        cmocka_unit_test(a_node_registers),
        cmocka_unit_test(who_is_let_in),
        cmocka_unit_test(hello_comes_first_and_once),
        cmocka_unit_test(who_may_send_which_command),
        cmocka_unit_test(secrets_are_for_nodes_and_witnesses),
        cmocka_unit_test(who_is_removed_is_sent_away),
        cmocka_unit_test(too_many_clients_are_closed),
        cmocka_unit_test(a_machine_joins_once),
        cmocka_unit_test(who_may_not_join),
        cmocka_unit_test(one_line_joins_one_machine),
        cmocka_unit_test(the_group_follows_the_metadata),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
