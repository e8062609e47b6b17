/* The line to the coordinators, scenario by scenario. */
#include "tests/node/control/line.h"
#include "tests/lib/unit.h"

static void finds_the_next_coordinator_when_refused(void **state)
{
    (void)state;
    struct line l;
    line_init(&l);
    assert_string_equal(line_after(&l, 0), "connect a:1"); /* node 3 of 3 begins at the first */
    assert_string_equal(line_down(&l, true), "");
    assert_string_equal(line_after(&l, 39), "");
    assert_string_equal(line_after(&l, 1), "connect b:1");
    assert_string_equal(line_after(&l, 1499), "");
    assert_string_equal(line_after(&l, 1), "disconnect"); /* it does not answer */
    assert_string_equal(line_after(&l, 40), "connect c:1");
    assert_string_equal(line_down(&l, false), "");
    assert_string_equal(line_after(&l, 40), "connect a:1");
    assert_false(control_serving(l.control));
    line_fini(&l);
}

static void hello_says_who_we_are(void **state)
{
    (void)state;
    struct line l;
    line_init(&l);
    (void)line_after(&l, 0);
    assert_string_equal(line_up(&l), "send hello");
    assert_int_equal(l.node_id, 3);
    assert_int_equal(l.incarnation, 500);
    assert_int_equal(l.role, FL__ROLE__ROLE_NODE);
    assert_int_equal(l.store, 'S');
    assert_string_equal(line_up(&l), ""); /* said once */
    line_fini(&l);
}

static void welcome_begins_service(void **state)
{
    (void)state;
    struct line l;
    line_init(&l);
    control_space(l.control, 5, 9);
    (void)line_after(&l, 0);
    (void)line_up(&l);
    assert_string_equal(line_welcome(&l, 1, false), "send subscribe secrets; send lease");
    assert_true(control_serving(l.control));
    assert_string_equal(control_trouble(l.control), "");
    assert_int_equal(l.free_bytes, 5);
    assert_int_equal(l.total_bytes, 9);
    assert_string_equal(line_welcome(&l, 2, true), ""); /* unasked: not ours */
    assert_string_equal(line_config(&l, 41), "config 41");
    assert_string_equal(line_notice(&l, 3), "notice to 3");
    line_fini(&l);
}

static void what_comes_too_early_is_not_passed_on(void **state)
{
    (void)state;
    struct line l;
    line_init(&l);
    assert_string_equal(line_config(&l, 1), ""); /* not connected */
    (void)line_after(&l, 0);
    (void)line_up(&l);
    assert_string_equal(line_notice(&l, 3), "");
    assert_string_equal(line_grant(&l, 0), "");
    line_fini(&l);
}

static void follows_the_leader_once(void **state)
{
    (void)state;
    struct line l;
    line_init(&l);
    (void)line_after(&l, 0);
    (void)line_up(&l);
    assert_string_equal(line_not_leader(&l, "z:9"), "disconnect");
    assert_int_equal(control_next_deadline(l.control), l.now_ns);
    assert_string_equal(line_after(&l, 0), "connect z:9");
    assert_string_equal(line_down(&l, true), ""); /* stale: back to the list */
    assert_string_equal(line_after(&l, 40), "connect c:1");
    (void)line_up(&l);
    assert_string_equal(line_not_leader(&l, ""), "disconnect"); /* nobody leads: no hurry */
    assert_string_equal(line_after(&l, 39), "");
    assert_string_equal(line_after(&l, 1), "connect a:1");
    (void)line_up(&l);
    const char *too_long = "an address that is longer than any that a coordinator has, by far, in "
                           "any case longer than we keep:65535";
    assert_string_equal(line_not_leader(&l, too_long), "disconnect");
    assert_string_equal(line_after(&l, 40), "connect b:1");
    line_fini(&l);
}

static void the_lease_counts_from_the_request(void **state)
{
    (void)state;
    struct line l;
    line_init(&l);
    (void)line_after(&l, 0);
    (void)line_up(&l);
    (void)line_welcome(&l, 7, false); /* asked at 1000 ms */
    l.now_ns += 300 * MS;
    assert_string_equal(line_grant(&l, l.nonce + 1), ""); /* not what we asked for */
    /* 1000 + 3000 less 5 % */
    assert_string_equal(line_grant(&l, l.nonce), "lease 3850; of session 7");
    assert_string_equal(line_grant(&l, l.nonce), "");
    uint64_t first = l.nonce;
    assert_string_equal(line_after(&l, 199), "");
    assert_string_equal(line_after(&l, 1), "send lease"); /* renewed every 500 ms */
    assert_string_equal(line_grant(&l, first), "");       /* late: of the former request */
    assert_string_equal(line_grant(&l, l.nonce), "lease 4350; of session 7");
    line_fini(&l);
}

static void the_lease_runs_out_by_itself(void **state)
{
    (void)state;
    struct line l;
    line_init(&l);
    line_serve(&l); /* until 3850 */
    (void)line_down(&l, true);
    while (l.now_ns < 3839 * MS) {
        const char *said = line_after(&l, 1);
        if (strncmp(said, "connect", 7) == 0)
            said = line_down(&l, true);
        assert_string_equal(said, "");
        assert_true(control_next_deadline(l.control) <= 3850 * MS);
    }
    const char *said = line_after(&l, 11); /* whatever else is due */
    assert_true(strncmp(said, "lease 0", 7) == 0);
    line_fini(&l);
}

static void who_ends_the_line_decides_the_lease(void **state)
{
    (void)state;
    struct line l;
    line_init(&l);
    line_serve(&l);
    assert_string_equal(line_down(&l, true), ""); /* a coordinator died: data I/O goes on */
    line_fini(&l);

    line_init(&l);
    line_serve(&l);
    assert_string_equal(line_down(&l, false), "lease 0");
    line_fini(&l);

    line_init(&l);
    line_serve(&l);
    assert_string_equal(line_not_leader(&l, ""), "disconnect"); /* sent away: nobody counts us */
    assert_string_equal(line_after(&l, 40), "connect b:1");
    assert_string_equal(line_down(&l, false), ""); /* no Hello went that way */
    assert_string_equal(line_after(&l, 40), "connect c:1");
    assert_string_equal(line_after(&l, 1500), "disconnect");
    assert_string_equal(line_after(&l, 40), "connect a:1");
    (void)line_up(&l);
    assert_string_equal(line_down(&l, false), "lease 0"); /* a leader may have had the Hello */
    line_fini(&l);

    line_init(&l);
    line_serve(&l);
    assert_string_equal(line_after(&l, 490), "send lease");
    assert_string_equal(line_after(&l, 500), "send lease");
    assert_string_equal(line_after(&l, 510), "lease 0; disconnect"); /* in this order */
    line_fini(&l);
}

static void silence_hangs_up(void **state)
{
    (void)state;
    struct line l;
    line_init(&l);
    line_serve(&l); /* heard at 1010 */
    assert_string_equal(line_after(&l, 490), "send lease");
    assert_string_equal(line_after(&l, 500), "send lease");
    assert_string_equal(line_after(&l, 499), "");
    assert_string_equal(line_after(&l, 11), "lease 0; disconnect");
    assert_string_equal(control_trouble(l.control), "the leader has fallen silent");
    line_fini(&l);
}

static void a_greeting_without_answer_ends(void **state)
{
    (void)state;
    struct line l;
    line_init(&l);
    (void)line_after(&l, 0);
    (void)line_up(&l);
    assert_string_equal(line_after(&l, 1499), "");
    assert_string_equal(line_after(&l, 1), "disconnect");
    line_fini(&l);
}

static void garbage_hangs_up(void **state)
{
    (void)state;
    struct line l;
    line_init(&l);
    line_serve(&l);
    struct control_event ev = {.type = CONTROL_EV_MESSAGE,
                               .message = {.bytes = slice_str("\xff\xff not a message")}};
    assert_string_equal(line_step(&l, ev), "lease 0; disconnect");
    line_fini(&l);
}

static void who_is_refused_waits_a_second(void **state)
{
    (void)state;
    struct line l;
    line_init(&l);
    (void)line_after(&l, 0);
    (void)line_up(&l);
    assert_string_equal(line_refuse(&l, "you were removed"), "disconnect");
    assert_string_equal(control_trouble(l.control), "you were removed");
    assert_string_equal(line_after(&l, 999), "");
    assert_string_equal(line_after(&l, 1), "connect b:1");
    line_fini(&l);
}

static void commands_are_sent_again_with_their_numbers(void **state)
{
    (void)state;
    struct line l;
    line_init(&l);
    assert_string_equal(line_command(&l, 11), ""); /* kept until there is a line */
    line_serve(&l);
    assert_string_equal(line_query(&l, 12), "send query 2");
    assert_string_equal(line_command(&l, 13), "send command 3 of 13 acked 1");
    assert_string_equal(line_command(&l, 14), "send command 4 of 14 acked 1");
    assert_string_equal(line_answer(&l, 1, STATUS_OK), "reply 11 0");
    assert_string_equal(line_down(&l, true), "");
    (void)line_after(&l, 40);
    (void)line_up(&l);
    assert_string_equal(line_welcome(&l, 2, false),
                        "send subscribe secrets; send lease; send query 2; "
                        "send command 3 of 13 acked 3; send command 4 of 14 acked 3");
    /* The answer of before and the answer now: one is enough. */
    assert_string_equal(line_answer(&l, 4, STATUS_DISK_FULL), "reply 14 0xc000007f");
    assert_string_equal(line_answer(&l, 4, STATUS_OK), "");
    assert_string_equal(line_answer(&l, 1, STATUS_OK), "");
    assert_string_equal(line_answer(&l, 2, STATUS_OK), ""); /* that is a query */
    assert_string_equal(line_found(&l, 2), "reply 12 0");
    assert_string_equal(line_found(&l, 2), "");
    assert_string_equal(line_command(&l, 15), "send command 5 of 15 acked 3");
    assert_string_equal(line_answer(&l, 3, STATUS_OK), "reply 13 0");
    assert_string_equal(line_answer(&l, 5, STATUS_OK), "reply 15 0");
    assert_string_equal(line_command(&l, 16), "send command 6 of 16 acked 6");
    line_fini(&l);
}

/* The coordinator remembers 1024 answers: no command may leave that far behind the first. */
static void the_window_is_kept(void **state)
{
    (void)state;
    static struct line l;
    line_init(&l);
    line_serve(&l);
    for (uint64_t i = 1; i <= CONTROL_WINDOW; i++)
        assert_string_not_equal(line_command(&l, i), "");
    assert_string_equal(line_command(&l, 1001), "");
    assert_string_equal(line_answer(&l, 500, STATUS_OK), "reply 500 0"); /* 1 is still open */
    assert_string_equal(line_answer(&l, 1, STATUS_OK),
                        "reply 1 0; send command 1001 of 1001 acked 2");
    assert_string_equal(line_command(&l, 1002), "");
    line_fini(&l);
}

/* A command that waits at the coordinator keeps nobody back, and is named with every other. */
static void a_command_that_waits_stands_aside(void **state)
{
    (void)state;
    static struct line l;
    line_init(&l);
    line_serve(&l);
    assert_string_equal(line_command(&l, 1), "send command 1 of 1 acked 1");
    assert_string_equal(line_answer(&l, 1, STATUS_PENDING), "reply 1 0x103");
    assert_string_equal(line_command(&l, 2), "send command 2 of 2 acked 2; waiting 1");
    assert_string_equal(line_answer(&l, 1, STATUS_PENDING), "reply 1 0x103"); /* said twice */
    for (uint64_t i = 3; i <= CONTROL_WINDOW + 100; i++) {
        assert_string_not_equal(line_answer(&l, i - 1, STATUS_OK), "");
        assert_string_not_equal(line_command(&l, i), "");
    }
    /* On a new line it waits for an answer like any other, until it is known to wait again. */
    (void)line_down(&l, true);
    (void)line_after(&l, 40);
    (void)line_up(&l);
    (void)line_welcome(&l, 2, false);
    assert_string_equal(line_command(&l, 7), "");
    (void)line_answer(&l, 1, STATUS_PENDING);
    assert_string_equal(line_command(&l, 8), "send command 1102 of 8 acked 1100; waiting 1");
    assert_string_equal(line_answer(&l, 1, STATUS_OK), "reply 1 0");
    assert_string_equal(line_command(&l, 9), "send command 1103 of 9 acked 1100");
    line_fini(&l);
}

static void too_many_are_refused(void **state)
{
    (void)state;
    static struct line l;
    line_init(&l);
    for (uint64_t i = 1; i <= CONTROL_PENDING_MAX; i++)
        assert_string_equal(i % 2 ? line_command(&l, i) : line_query(&l, i), "");
    assert_string_equal(line_command(&l, 9999), "reply 9999 0xc000009a");
    assert_string_equal(line_query(&l, 9998), "reply 9998 0xc000009a");
    line_fini(&l);
}

static void who_was_declared_down_begins_a_new_life(void **state)
{
    (void)state;
    struct line l;
    line_init(&l);
    line_serve(&l);
    (void)line_command(&l, 21);
    (void)line_query(&l, 22);
    (void)line_down(&l, true); /* the lease goes on, for now */
    (void)line_after(&l, 40);
    (void)line_up(&l);
    assert_string_equal(
        line_welcome(&l, 2, true),
        "lease 0; disconnect; state lost; reply 21 0xc0000467; reply 22 0xc0000467");
    assert_int_equal(l.incarnation, 500);
    (void)line_after(&l, 40);
    assert_string_equal(line_up(&l), "send hello");
    assert_int_not_equal(l.incarnation, 500);
    assert_int_not_equal(l.incarnation, 0);
    (void)line_welcome(&l, 3, false);
    assert_string_equal(line_answer(&l, 1, STATUS_OK), ""); /* of the life before */
    assert_string_equal(line_command(&l, 23), "send command 1 of 23 acked 1");
    line_fini(&l);
}

/* Sixteen megabytes of commands wait for the line, and a step has room for fewer: what finds none
 * goes with later steps. */
static void large_commands_go_in_turns(void **state)
{
    (void)state;
    enum { MANY = 60, LARGE = 128 << 10 };
    static struct line l;
    static uint8_t descriptor[LARGE];
    line_init(&l);
    Fl__SetSecurity set = FL__SET_SECURITY__INIT;
    Fl__Command command = FL__COMMAND__INIT;
    set.security_descriptor = pb_bytes(slice_of(descriptor, LARGE));
    command.body_case = FL__COMMAND__BODY_SET_SECURITY;
    command.set_security = &set;
    for (uint64_t i = 1; i <= MANY; i++)
        (void)line_step(
            &l, (struct control_event){.type = CONTROL_EV_COMMAND, .command = {i, &command}});
    line_serve(&l);
    for (uint64_t i = 1; i <= MANY; i++)
        (void)line_answer(&l, i, STATUS_OK);
    assert_int_equal(l.replies, MANY);
    assert_int_equal(l.heard, MANY);
    line_fini(&l);
}

/* control_new says no when memory is refused, at any point. */
static void survives_without_memory(void **state)
{
    (void)state;
    static const char *const coordinators[] = {"a:1"};
    struct control_config config = {
        .node_id = 1, .incarnation = 1, .coordinators = coordinators, .coordinator_count = 1};
    for (uint64_t nth = 1;; nth++) {
        struct mem mem = test_mem(SIZE_MAX);
        faults_arm(nth);
        struct control *c = control_new(&mem, &config);
        bool fired = faults_fired();
        assert_true((c == NULL) == fired);
        control_free(c);
        test_mem_check(&mem);
        if (!fired)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_next_coordinator_when_refused),
        cmocka_unit_test(hello_says_who_we_are),
        cmocka_unit_test(welcome_begins_service),
        cmocka_unit_test(what_comes_too_early_is_not_passed_on),
        cmocka_unit_test(follows_the_leader_once),
        cmocka_unit_test(the_lease_counts_from_the_request),
        cmocka_unit_test(the_lease_runs_out_by_itself),
        cmocka_unit_test(who_ends_the_line_decides_the_lease),
        cmocka_unit_test(silence_hangs_up),
        cmocka_unit_test(a_greeting_without_answer_ends),
        cmocka_unit_test(garbage_hangs_up),
        cmocka_unit_test(who_is_refused_waits_a_second),
        cmocka_unit_test(commands_are_sent_again_with_their_numbers),
        cmocka_unit_test(the_window_is_kept),
        cmocka_unit_test(a_command_that_waits_stands_aside),
        cmocka_unit_test(too_many_are_refused),
        cmocka_unit_test(who_was_declared_down_begins_a_new_life),
        cmocka_unit_test(large_commands_go_in_turns),
        cmocka_unit_test(survives_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
