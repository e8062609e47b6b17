#include "proto/rpc/samr.h"
#include "tests/proto/rpc/facts.h"

#define CALL(opnum) asker_call(&k, &samr_service, (opnum), NULL)
#define STATUS() asker_status(&k)

static struct asker k;
static uint8_t server[RPC_HANDLE_SIZE], domain[RPC_HANDLE_SIZE], user[RPC_HANDLE_SIZE];

static void begin(const uint8_t handle[RPC_HANDLE_SIZE])
{
    asker_next(&k);
    write_bytes(&k.w, slice_of(handle, RPC_HANDLE_SIZE));
}

static ntstatus connect2(void)
{
    asker_next(&k);
    put_text(&k, "\\\\server");
    ndr_write_u32(&k.w, MAXIMUM_ALLOWED);
    assert_int_equal(CALL(SAMR_CONNECT2), RPC_ANSWERED);
    memcpy(server, k.out, sizeof(server));
    return STATUS();
}

static ntstatus open_domain(const char *sid)
{
    struct sid s;
    assert_true(sid_from_text(slice_str(sid), &s));
    begin(server);
    ndr_write_u32(&k.w, MAXIMUM_ALLOWED);
    ndr_write_u32(&k.w, s.count);
    sid_write(&k.w, &s);
    assert_int_equal(CALL(SAMR_OPEN_DOMAIN), RPC_ANSWERED);
    memcpy(domain, k.out, sizeof(domain));
    return STATUS();
}

static ntstatus open_user(uint32_t rid)
{
    begin(domain);
    ndr_write_u32(&k.w, MAXIMUM_ALLOWED);
    ndr_write_u32(&k.w, rid);
    assert_int_equal(CALL(SAMR_OPEN_USER), RPC_ANSWERED);
    memcpy(user, k.out, sizeof(user));
    return STATUS();
}

static int setup(void **state)
{
    (void)state;
    asker_init(&k, true);
    assert_int_equal(connect2(), STATUS_OK);
    assert_int_equal(open_domain("S-1-5-21-1-2-3"), STATUS_OK);
    assert_int_equal(open_user(1000), STATUS_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    asker_fini(&k);
    return 0;
}

static void who_may_connect(void **state)
{
    (void)state;
    k.facts.caller.administrator = false;
    assert_int_equal(connect2(), STATUS_ACCESS_DENIED);
    k.facts.caller.administrator = true;
    asker_next(&k);
    ndr_write_pointer(&k.w, false);
    ndr_write_u32(&k.w, MAXIMUM_ALLOWED);
    assert_int_equal(CALL(SAMR_CONNECT), RPC_ANSWERED);
    assert_int_equal(STATUS(), STATUS_OK);
    asker_next(&k);
    put_text(&k, "\\\\server");
    static const uint32_t five[] = {MAXIMUM_ALLOWED, 1, 1, 3, 0};
    for (size_t i = 0; i < array_len(five); i++)
        ndr_write_u32(&k.w, five[i]);
    asker_prefixes(&k, &samr_service, SAMR_CONNECT5);
    assert_int_equal(CALL(SAMR_CONNECT5), RPC_ANSWERED);
    assert_int_equal(ndr_read_u32(&k.r), 1);
    assert_int_equal(STATUS(), STATUS_OK);
    assert_int_equal(CALL(SAMR_CONNECT4), RPC_ANSWERED);
    assert_int_equal(STATUS(), STATUS_OK);
}

/* Each handle is good for its own kind of call, and only while it is open. */
static void handles_have_kinds(void **state)
{
    (void)state;
    const uint8_t *handles[] = {server, domain, user};
    static const struct {
        uint16_t opnum;
        int kind;
    } rows[] = {
        {SAMR_LOOKUP_DOMAIN, 0},          {SAMR_ENUMERATE_DOMAINS, 0},  {SAMR_OPEN_DOMAIN, 0},
        {SAMR_ENUMERATE_GROUPS, 1},       {SAMR_ENUMERATE_USERS, 1},    {SAMR_ENUMERATE_ALIASES, 1},
        {SAMR_LOOKUP_NAMES, 1},           {SAMR_LOOKUP_IDS, 1},         {SAMR_OPEN_USER, 1},
        {SAMR_QUERY_INFORMATION_USER, 2}, {SAMR_GET_GROUPS_FOR_USER, 2}};
    for (size_t i = 0; i < array_len(rows); i++) {
        for (int kind = 0; kind < 3; kind++) {
            begin(handles[kind]);
            for (int zero = 0; zero < 8; zero++)
                ndr_write_u32(&k.w, 0);
            assert_int_equal(CALL(rows[i].opnum) == RPC_FAULT_CONTEXT, kind != rows[i].kind);
        }
    }
    begin(user);
    assert_int_equal(CALL(SAMR_CLOSE_HANDLE), RPC_ANSWERED);
    assert_int_equal(CALL(SAMR_CLOSE_HANDLE), RPC_FAULT_CONTEXT);
    assert_int_equal(CALL(SAMR_GET_GROUPS_FOR_USER), RPC_FAULT_CONTEXT);
}

static void domains_are_found(void **state)
{
    (void)state;
    assert_int_equal(open_domain("S-1-5-32"), STATUS_OK);
    assert_int_equal(open_domain("S-1-5-21-9-9-9"), STATUS_NO_SUCH_DOMAIN);
    static const struct {
        const char *name;
        ntstatus status;
    } rows[] = {
        {"flotilla", STATUS_OK}, {"BUILTIN", STATUS_OK}, {"nowhere", STATUS_NO_SUCH_DOMAIN}};
    for (size_t i = 0; i < array_len(rows); i++) {
        uint32_t units = (uint32_t)strlen(rows[i].name);
        begin(server);
        ndr_write_u16(&k.w, (uint16_t)(units * 2));
        ndr_write_u16(&k.w, (uint16_t)(units * 2));
        ndr_write_pointer(&k.w, true);
        ndr_write_u32(&k.w, units);
        ndr_write_u32(&k.w, 0);
        ndr_write_u32(&k.w, units);
        for (uint32_t u = 0; u < units; u++)
            ndr_write_u16(&k.w, (uint8_t)rows[i].name[u]);
        asker_prefixes(&k, &samr_service, SAMR_LOOKUP_DOMAIN);
        assert_int_equal(CALL(SAMR_LOOKUP_DOMAIN), RPC_ANSWERED);
        assert_row(rows[i].name, STATUS() == rows[i].status);
    }
}

static void accounts_are_listed(void **state)
{
    (void)state;
    static const struct {
        const char *name, *domain;
        uint16_t opnum;
        uint32_t from, count;
    } rows[] = {
        {"users", "S-1-5-21-1-2-3", SAMR_ENUMERATE_USERS, 0, 2},
        {"the second", "S-1-5-21-1-2-3", SAMR_ENUMERATE_USERS, 1, 1},
        {"behind the last", "S-1-5-21-1-2-3", SAMR_ENUMERATE_USERS, 99, 0},
        {"users of BUILTIN", "S-1-5-32", SAMR_ENUMERATE_USERS, 0, 0},
        {"groups", "S-1-5-21-1-2-3", SAMR_ENUMERATE_GROUPS, 0, 1},
        {"aliases", "S-1-5-32", SAMR_ENUMERATE_ALIASES, 0, 3},
        {"own aliases", "S-1-5-21-1-2-3", SAMR_ENUMERATE_ALIASES, 0, 0},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        assert_int_equal(open_domain(rows[i].domain), STATUS_OK);
        begin(domain);
        ndr_write_u32(&k.w, rows[i].from);
        ndr_write_u32(&k.w, 0);
        ndr_write_u32(&k.w, 1000);
        asker_prefixes(&k, &samr_service, rows[i].opnum);
        assert_int_equal(CALL(rows[i].opnum), RPC_ANSWERED);
        assert_row(rows[i].name, STATUS() == STATUS_OK);
        read_skip(&k.r, 4);
        assert_true(ndr_read_pointer(&k.r));
        assert_row(rows[i].name, ndr_read_u32(&k.r) == rows[i].count);
    }
}

static void numbers_have_names(void **state)
{
    (void)state;
    static const uint32_t rids[] = {1000, ACCESS_DELETE};
    begin(domain);
    ndr_write_u32(&k.w, 2);
    ndr_write_u32(&k.w, 1000);
    ndr_write_u32(&k.w, 0);
    ndr_write_u32(&k.w, 2);
    for (int i = 0; i < 2; i++)
        ndr_write_u32(&k.w, rids[i]);
    asker_prefixes(&k, &samr_service, SAMR_LOOKUP_IDS);
    assert_int_equal(CALL(SAMR_LOOKUP_IDS), RPC_ANSWERED);
    assert_int_equal(STATUS(), STATUS_SOME_NOT_MAPPED);
    read_skip(&k.r, 12 + 2 * 8);
    assert_true(is_utf16(ndr_read_utf16(&k.r, 64), "admin"));
    begin(domain);
    ndr_write_u32(&k.w, 1);
    ndr_write_u32(&k.w, 1000);
    ndr_write_u32(&k.w, 0);
    ndr_write_u32(&k.w, 1);
    ndr_write_u16(&k.w, 10);
    ndr_write_u16(&k.w, 10);
    ndr_write_pointer(&k.w, true);
    ndr_write_u32(&k.w, 5);
    ndr_write_u32(&k.w, 0);
    ndr_write_u32(&k.w, 5);
    for (const char *c = "ADMIN"; *c != 0; c++)
        ndr_write_u16(&k.w, (uint8_t)*c);
    asker_prefixes(&k, &samr_service, SAMR_LOOKUP_NAMES);
    assert_int_equal(CALL(SAMR_LOOKUP_NAMES), RPC_ANSWERED);
    assert_int_equal(STATUS(), STATUS_OK);
    read_skip(&k.r, 12);
    assert_int_equal(ndr_read_u32(&k.r), 1000);
    read_skip(&k.r, 12);
    assert_int_equal(ndr_read_u32(&k.r), 1);
}

static void users_are_described(void **state)
{
    (void)state;
    static const struct {
        uint16_t class;
        ntstatus status;
    } rows[] = {{6, STATUS_OK},
                {7, STATUS_OK},
                {16, STATUS_OK},
                {21, STATUS_OK},
                {1, STATUS_INVALID_INFO_CLASS}};
    for (size_t i = 0; i < array_len(rows); i++) {
        begin(user);
        ndr_write_u16(&k.w, rows[i].class);
        asker_prefixes(&k, &samr_service, SAMR_QUERY_INFORMATION_USER2);
        assert_int_equal(CALL(SAMR_QUERY_INFORMATION_USER2), RPC_ANSWERED);
        assert_int_equal(STATUS(), rows[i].status);
        assert_int_equal(ndr_read_pointer(&k.r), rows[i].status == STATUS_OK);
    }
    begin(user);
    assert_int_equal(CALL(SAMR_GET_GROUPS_FOR_USER), RPC_ANSWERED);
    read_skip(&k.r, 16);
    assert_int_equal(ndr_read_u32(&k.r), 513);
    assert_int_equal(open_user(4242), STATUS_NO_SUCH_USER);
    assert_int_equal(open_user(513), STATUS_NO_SUCH_USER); /* a group */
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(who_may_connect),     T(handles_have_kinds), T(domains_are_found),
        T(accounts_are_listed), T(numbers_have_names), T(users_are_described),
    };
    return cmocka_run_group_tests_name("rpc/samr", tests, NULL, NULL);
}
