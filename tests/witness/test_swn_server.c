/* covers: registry.c swn_server.c */
#include "tests/lib/unit.h"

#include "proto/base/heap.h"
#include "proto/base/must.h"
#include "proto/base/prng.h"
#include "proto/rpc/ndr.h"
#include "tests/lib/faults.h"
#include "witness/swn_server.h"
#include <string.h>

#define SECOND UINT64_C(1000000000)

struct fixture {
    struct mem mem;
    struct swn_server *s;
    uint64_t now, token;
    struct registry_interface interfaces[3];
    struct swn_share shares[2];
    uint32_t share_count;
    uint8_t stub[512];
    struct writer w;
    uint8_t key[16];
};

static void push(struct fixture *f)
{
    struct swn_cluster c = {.name = "flotilla",
                            .interfaces = f->interfaces,
                            .interface_count = 3,
                            .shares = f->shares,
                            .share_count = f->share_count};
    swn_server_step(
        f->s, &(struct swn_event){.kind = SWN_EVENT_CLUSTER, .now_ns = f->now, .cluster = &c});
}

static void setup(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    f->mem = test_mem(SIZE_MAX);
    f->s = swn_server_new(&f->mem, 7);
    assert_non_null(f->s);
    for (uint8_t i = 0; i < 3; i++) {
        f->interfaces[i] =
            (struct registry_interface){.group_name = {'n', (char)('1' + i)},
                                        .address = {.bytes = {10, 0, 0, (uint8_t)(i + 1)}},
                                        .state = SWN_AVAILABLE,
                                        .local = i == 0};
    }
    f->shares[0] = (struct swn_share){"vms", true};
    f->shares[1] = (struct swn_share){"general", false};
    f->share_count = 2;
    f->now = 100 * SECOND;
    push(f);
}

static void teardown(struct fixture *f)
{
    registry_check(swn_server_registry(f->s));
    swn_server_free(f->s);
    test_mem_check(&f->mem);
}

static void put_string(struct fixture *f, const char *text)
{
    ndr_write_pointer(&f->w, text != NULL);
    if (text == NULL)
        return;
    uint32_t units = (uint32_t)strlen(text) + 1;
    ndr_write_u32(&f->w, units);
    ndr_write_u32(&f->w, 0);
    ndr_write_u32(&f->w, units);
    for (uint32_t i = 0; i < units; i++)
        write_u16(&f->w, (uint8_t)text[i]);
}

/* One call; its token. */
static uint64_t call(struct fixture *f, uint16_t opnum)
{
    struct swn_event e = {.kind = SWN_EVENT_CALL,
                          .now_ns = f->now,
                          .token = ++f->token,
                          .group = 1,
                          .opnum = opnum,
                          .auth_level = RPC_LEVEL_INTEGRITY,
                          .stub = written(&f->w)};
    memset(e.entropy, (int)f->token, 16);
    swn_server_step(f->s, &e);
    return f->token;
}

/* The status an answer ends in; UINT32_MAX when there is none (the call waits). */
static uint32_t answer(struct fixture *f, uint64_t token, struct swn_answer *out)
{
    struct swn_answer a;
    if (!swn_server_next(f->s, f->now, &a))
        return UINT32_MAX;
    registry_check(swn_server_registry(f->s));
    assert_int_equal(a.token, token);
    assert_int_equal(a.fault, 0);
    if (out != NULL)
        *out = a;
    struct reader r = reader_of(a.stub);
    read_skip(&r, a.stub.len - 4);
    return read_u32(&r);
}

static void begin(struct fixture *f) { f->w = writer_of(f->stub, sizeof f->stub); }

struct registering {
    const char *name;
    uint32_t version;
    const char *net, *share, *ip, *client;
    uint32_t status;
};

static uint32_t do_register(struct fixture *f, const struct registering *q)
{
    bool second = q->version == SWN_VERSION_2;
    struct swn_answer a;
    begin(f);
    ndr_write_u32(&f->w, q->version);
    put_string(f, q->net);
    if (second)
        put_string(f, q->share);
    put_string(f, q->ip);
    put_string(f, q->client);
    if (second) {
        ndr_write_u32(&f->w, 0);
        ndr_write_u32(&f->w, 60);
    }
    uint64_t token = call(f, second ? SWN_REGISTER_EX : SWN_REGISTER);
    uint32_t status = answer(f, token, &a);
    if (status == WERR_OK)
        memcpy(f->key, a.stub.at + 4, 16);
    return status;
}

static uint64_t with_key(struct fixture *f, uint16_t opnum)
{
    begin(f);
    ndr_write_u32(&f->w, 0);
    write_bytes(&f->w, slice_of(f->key, 16));
    return call(f, opnum);
}

static const struct registering good = {"good",     SWN_VERSION_2, "flotilla", "vms",
                                        "10.0.0.2", "hv1",         WERR_OK};

static void registrations_are_checked(void **state)
{
    (void)state;
    static const struct registering rows[] = {
        {"first version", SWN_VERSION_1, "flotilla", NULL, "10.0.0.2", "hv1", WERR_OK},
        {"second version", SWN_VERSION_2, "FLOTILLA", "VMS", "10.0.0.2", "hv1", WERR_OK},
        {"a longer DNS name", SWN_VERSION_2, "flotilla.ad.test", "vms", "10.0.0.2", "h", WERR_OK},
        {"no share", SWN_VERSION_2, "flotilla", NULL, "10.0.0.2", "hv1", WERR_OK},
        {"third version", 0x30000, "flotilla", NULL, "10.0.0.2", "h", WERR_REVISION_MISMATCH},
        {"another name", SWN_VERSION_2, "flotill", "vms", "10.0.0.2", "h", WERR_INVALID_PARAMETER},
        {"longer, no dot", SWN_VERSION_2, "flotillas", "vms", "10.0.0.2", "h",
         WERR_INVALID_PARAMETER},
        {"no name", SWN_VERSION_2, NULL, "vms", "10.0.0.2", "h", WERR_INVALID_PARAMETER},
        {"no address", SWN_VERSION_2, "flotilla", "vms", NULL, "h", WERR_INVALID_PARAMETER},
        {"no client", SWN_VERSION_1, "flotilla", NULL, "10.0.0.2", NULL, WERR_INVALID_PARAMETER},
        {"unknown share", SWN_VERSION_2, "flotilla", "vm", "10.0.0.2", "h", WERR_INVALID_STATE},
        {"unknown address", SWN_VERSION_2, "flotilla", "vms", "10.0.0.9", "h", WERR_INVALID_STATE},
        {"no address at all", SWN_VERSION_2, "flotilla", "vms", "n2", "h", WERR_INVALID_STATE},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct fixture f;
        setup(&f);
        assert_row(rows[i].name, do_register(&f, &rows[i]) == rows[i].status);
        assert_row(rows[i].name,
                   swn_server_registry(f.s)->count == (rows[i].status == WERR_OK ? 1 : 0));
        teardown(&f);
    }
}

static void unsigned_calls_are_denied(void **state)
{
    (void)state;
    for (uint16_t opnum = 0; opnum <= SWN_UNREGISTER_EX; opnum++) {
        struct fixture f;
        setup(&f);
        begin(&f);
        write_zeros(&f.w, 64);
        struct swn_event e = {.kind = SWN_EVENT_CALL,
                              .token = 1,
                              .opnum = opnum,
                              .auth_level = RPC_LEVEL_CONNECT,
                              .stub = written(&f.w)};
        swn_server_step(f.s, &e);
        assert_int_equal(answer(&f, 1, NULL), WERR_ACCESS_DENIED);
        teardown(&f);
    }
}

/* Flags of the i-th interface in an answer of GetInterfaceList. */
static uint32_t flags_of(struct slice stub, size_t i)
{
    struct reader r = reader_of(stub);
    read_skip(&r, 16 + 552 * i + 548);
    return read_u32(&r);
}

static void interfaces_are_listed(void **state)
{
    (void)state;
    struct fixture f;
    struct swn_answer a;
    setup(&f);
    begin(&f);
    assert_int_equal(answer(&f, call(&f, SWN_GET_INTERFACE_LIST), &a), WERR_OK);
    assert_int_equal(flags_of(a.stub, 0), SWN_INTERFACE_IPV4);
    assert_int_equal(flags_of(a.stub, 1), SWN_INTERFACE_IPV4 | SWN_INTERFACE_WITNESS);
    assert_int_equal(flags_of(a.stub, 2), SWN_INTERFACE_IPV4 | SWN_INTERFACE_WITNESS);

    for (size_t i = 0; i < 3; i++)
        f.interfaces[i].state = SWN_UNAVAILABLE;
    push(&f);
    uint64_t waiting = call(&f, SWN_GET_INTERFACE_LIST);
    assert_int_equal(answer(&f, waiting, NULL), UINT32_MAX);
    uint64_t gone = call(&f, SWN_GET_INTERFACE_LIST);
    swn_server_step(f.s, &(struct swn_event){.kind = SWN_EVENT_CANCEL, .token = gone});
    f.interfaces[2].state = SWN_AVAILABLE;
    push(&f);
    assert_int_equal(answer(&f, waiting, NULL), WERR_OK);
    assert_int_equal(answer(&f, 0, NULL), UINT32_MAX);
    teardown(&f);

    setup(&f);
    struct swn_cluster none = {.name = "flotilla"};
    swn_server_step(f.s, &(struct swn_event){.kind = SWN_EVENT_CLUSTER, .cluster = &none});
    begin(&f);
    assert_int_equal(answer(&f, call(&f, SWN_GET_INTERFACE_LIST), NULL), WERR_NO_MORE_ITEMS);
    teardown(&f);
}

static void a_dead_node_is_told(void **state)
{
    (void)state;
    struct fixture f;
    struct swn_answer a;
    setup(&f);
    assert_int_equal(do_register(&f, &good), WERR_OK);
    uint64_t token = with_key(&f, SWN_ASYNC_NOTIFY);
    assert_int_equal(answer(&f, token, NULL), UINT32_MAX);
    f.interfaces[2].state = SWN_UNAVAILABLE; /* somebody else's node */
    push(&f);
    assert_int_equal(answer(&f, token, NULL), UINT32_MAX);
    f.interfaces[1].state = SWN_UNAVAILABLE;
    push(&f);
    assert_int_equal(answer(&f, token, &a), WERR_OK);
    struct reader r = reader_of(a.stub);
    read_skip(&r, 4);
    assert_int_equal(read_u32(&r), SWN_RESOURCE_CHANGE);
    assert_int_equal(read_u32(&r), 14);
    assert_int_equal(read_u32(&r), 1);
    read_skip(&r, 8);
    assert_memory_equal(read_slice(&r, 14).at, "\x0e\0\0\0\xff\0\0\0n\0002\0\0\0", 14);

    /* What happens while nobody waits is kept, and only the last state of it. */
    for (int i = 0; i < 5; i++) {
        f.interfaces[1].state = i % 2 == 0 ? SWN_AVAILABLE : SWN_UNAVAILABLE;
        push(&f);
    }
    assert_int_equal(answer(&f, with_key(&f, SWN_ASYNC_NOTIFY), &a), WERR_OK);
    assert_int_equal(a.stub.at[12], 1);
    assert_int_equal(a.stub.at[28], SWN_AVAILABLE);
    teardown(&f);
}

static void moving_ends_the_registration(void **state)
{
    (void)state;
    struct fixture f;
    struct swn_answer a;
    setup(&f);
    assert_int_equal(do_register(&f, &good), WERR_OK);
    uint64_t token = with_key(&f, SWN_ASYNC_NOTIFY);
    struct swn_event move = {.kind = SWN_EVENT_MOVE,
                             .now_ns = f.now,
                             .from = f.interfaces[1].address,
                             .to = f.interfaces[2].address};
    swn_server_step(f.s, &move);
    assert_int_equal(answer(&f, token, &a), WERR_OK);
    assert_int_equal(a.stub.at[4], SWN_CLIENT_MOVE);
    assert_memory_equal(a.stub.at + 24 + 12, "\x09\0\0\0\x0a\0\0\x03", 8);
    token = with_key(&f, SWN_ASYNC_NOTIFY);
    f.now += 4 * SECOND;
    assert_int_equal(answer(&f, token, NULL), UINT32_MAX);
    f.now += 2 * SECOND;
    assert_int_equal(answer(&f, token, NULL), WERR_NOT_FOUND);
    assert_int_equal(swn_server_registry(f.s)->count, 0);
    teardown(&f);
}

static void time_passes(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    assert_int_equal(do_register(&f, &good), WERR_OK);
    uint64_t token = with_key(&f, SWN_ASYNC_NOTIFY);
    assert_int_equal(swn_server_next_deadline(f.s), f.now + 60 * SECOND);
    f.now += 60 * SECOND;
    assert_int_equal(answer(&f, token, NULL), WERR_TIMEOUT);
    assert_int_equal(swn_server_next_deadline(f.s), f.now + 30 * SECOND);
    f.now += 29 * SECOND;
    assert_int_equal(answer(&f, with_key(&f, SWN_ASYNC_NOTIFY), NULL), UINT32_MAX);
    swn_server_step(f.s, &(struct swn_event){.kind = SWN_EVENT_CANCEL, .token = f.token});
    f.now += 31 * SECOND;
    assert_int_equal(answer(&f, 0, NULL), UINT32_MAX);
    assert_int_equal(swn_server_registry(f.s)->count, 0);
    assert_true(swn_server_next_deadline(f.s) == DEADLINE_NEVER);
    assert_int_equal(answer(&f, with_key(&f, SWN_ASYNC_NOTIFY), NULL), WERR_NOT_FOUND);
    teardown(&f);
}

static void unregistering_answers_the_waiter(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    assert_int_equal(do_register(&f, &good), WERR_OK);
    uint64_t waiting = with_key(&f, SWN_ASYNC_NOTIFY);
    uint64_t second = with_key(&f, SWN_ASYNC_NOTIFY);
    assert_int_equal(answer(&f, second, NULL), WERR_NO_SYSTEM_RESOURCES);
    assert_int_equal(answer(&f, with_key(&f, SWN_UNREGISTER), NULL), WERR_OK);
    assert_int_equal(answer(&f, waiting, NULL), WERR_NOT_FOUND);
    assert_int_equal(answer(&f, with_key(&f, SWN_UNREGISTER), NULL), WERR_INVALID_PARAMETER);
    assert_int_equal(answer(&f, with_key(&f, SWN_UNREGISTER_EX), NULL), WERR_INVALID_PARAMETER);
    teardown(&f);
}

static void a_lost_client_leaves_nothing(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    for (uint32_t i = 0; i < REGISTRATIONS_PER_GROUP_MAX; i++)
        assert_int_equal(do_register(&f, &good), WERR_OK);
    assert_int_equal(do_register(&f, &good), WERR_NO_SYSTEM_RESOURCES);
    swn_server_step(f.s, &(struct swn_event){.kind = SWN_EVENT_GROUP_GONE, .group = 2});
    assert_int_equal(swn_server_registry(f.s)->count, REGISTRATIONS_PER_GROUP_MAX);
    swn_server_step(f.s, &(struct swn_event){.kind = SWN_EVENT_GROUP_GONE, .group = 1});
    assert_int_equal(swn_server_registry(f.s)->count, 0);
    teardown(&f);
}

/* Anything in any order: every call is answered once at most, and nothing is left behind. */
static void any_order(void **state)
{
    (void)state;
    struct prng rng;
    struct fixture f;
    prng_init(&rng, 42);
    setup(&f);
    for (int i = 0; i < 20000; i++) {
        f.now += prng_below(&rng, 3 * SECOND);
        switch (prng_below(&rng, 6)) {
        case 0: (void)do_register(&f, &good); continue;
        case 1: (void)with_key(&f, SWN_ASYNC_NOTIFY); break;
        case 2: (void)with_key(&f, SWN_UNREGISTER); break;
        case 3:
            f.interfaces[prng_below(&rng, 3)].state =
                prng_chance(&rng, 500) ? SWN_AVAILABLE : SWN_UNAVAILABLE;
            push(&f);
            break;
        case 4:
            swn_server_step(f.s, &(struct swn_event){.kind = SWN_EVENT_MOVE,
                                                     .now_ns = f.now,
                                                     .from = f.interfaces[1].address,
                                                     .to = f.interfaces[0].address});
            break;
        case 5:
            begin(&f);
            (void)call(&f, SWN_GET_INTERFACE_LIST);
            break;
        }
        struct swn_answer a;
        while (swn_server_next(f.s, f.now, &a))
            assert_true(a.token <= f.token);
        registry_check(swn_server_registry(f.s));
    }
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registrations_are_checked),
        cmocka_unit_test(unsigned_calls_are_denied),
        cmocka_unit_test(interfaces_are_listed),
        cmocka_unit_test(a_dead_node_is_told),
        cmocka_unit_test(moving_ends_the_registration),
        cmocka_unit_test(time_passes),
        cmocka_unit_test(unregistering_answers_the_waiter),
        cmocka_unit_test(a_lost_client_leaves_nothing),
        cmocka_unit_test(any_order),
    };
    return cmocka_run_group_tests_name("witness/swn_server", tests, NULL, NULL);
}
