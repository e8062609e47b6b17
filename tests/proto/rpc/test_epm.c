#include "tests/lib/unit.h"

#include "proto/base/must.h"
#include "proto/rpc/epm.h"
#include "proto/rpc/ndr.h"
#include "proto/rpc/swn.h"
#include "tests/lib/hex.h"
#include <string.h>

/* ept_map for the witness interface over ncacn_ip_tcp, packed by Samba's NDR library. */
#define MAP_SWN                                                                                    \
    "0100000000000000000000000000000000000000020000004b0000004b000000050013000d74c0d8cce5d0404a92" \
    "b4d074faa6ba2801000200000013000d045d888aeb1cc9119fe808002b10486002000200000001000b0200000001" \
    "00070200000001000904000000000000000000000000000000000000000000000000000001000000"

static uint32_t map(const uint8_t *stub, size_t len, struct slice *answer)
{
    static uint8_t out[512];
    static const struct rpc_interface other = {.uuid = {9}, .major = 1};
    const struct epm_endpoint endpoints[] = {{other, 1}, {swn_interface, 49664}};
    struct epm_view view = {
        .endpoints = endpoints, .endpoint_count = 2, .address = {127, 0, 0, 11}};
    struct writer w = writer_of(out, sizeof out);
    uint32_t fault = epm_dispatch(EPM_OPNUM_MAP, slice_of(stub, len), &view, &w);
    *answer = written(&w);
    return fault;
}

static void a_registered_interface_has_a_port(void **state)
{
    (void)state;
    uint8_t stub[256];
    struct slice answer, s = hex_decode(MAP_SWN, stub, sizeof stub);
    assert_int_equal(map(s.at, s.len, &answer), 0);
    struct reader r = reader_of(answer);
    read_skip(&r, 20);
    assert_int_equal(ndr_read_u32(&r), 1);
    assert_int_equal(ndr_read_u32(&r), 1);
    assert_int_equal(ndr_read_u32(&r), 0);
    assert_int_equal(ndr_read_u32(&r), 1);
    assert_true(ndr_read_pointer(&r));
    assert_int_equal(ndr_read_u32(&r), 75);
    assert_int_equal(ndr_read_u32(&r), 75);
    struct slice tower = read_slice(&r, 75);
    assert_memory_equal(tower.at + 59, "\x01\x00\x07\x02\x00\xc2\x00", 7); /* TCP, port */
    assert_memory_equal(tower.at + 71, "\x7f\x00\x00\x0b", 4);
    assert_int_equal(ndr_read_u32(&r), 0);
    assert_false(r.bad);
}

static void others_are_not_registered(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
    } rows[] = {{"another interface", 20 + 4 + 8 + 5, 0},
                {"another major version", 20 + 4 + 8 + 5 + 16, 2},
                {"another transfer syntax", 20 + 4 + 8 + 2 + 25 + 3, 0x33},
                {"named pipes", 20 + 4 + 8 + 2 + 25 + 25 + 7 + 2, 0x0f},
                {"no room for a tower", 128, 0}};
    for (size_t i = 0; i < array_len(rows); i++) {
        uint8_t stub[256];
        struct slice answer, s = hex_decode(MAP_SWN, stub, sizeof stub);
        stub[rows[i].at] = rows[i].value;
        assert_row(rows[i].name, map(s.at, s.len, &answer) == 0);
        struct reader r = reader_of(answer);
        read_skip(&r, answer.len - 4);
        assert_row(rows[i].name, read_u32(&r) == EPM_NOT_REGISTERED);
    }
}

static void malformed_towers_are_faults(void **state)
{
    (void)state;
    uint8_t stub[256];
    struct slice answer, s = hex_decode(MAP_SWN, stub, sizeof stub);
    for (size_t len = 0; len < s.len; len++)
        assert_int_equal(map(s.at, len, &answer), RPC_FAULT_NDR);
    stub[20 + 4 + 4] = 0x4c; /* longer than its conformance */
    assert_int_equal(map(s.at, s.len, &answer), RPC_FAULT_NDR);
    stub[20 + 4 + 4] = 0x4b;
    stub[32] = 1; /* floors */
    assert_int_equal(map(s.at, s.len, &answer), RPC_FAULT_NDR);
    struct writer w = writer_of(stub, sizeof stub);
    assert_int_equal(epm_dispatch(0, s, NULL, &w), RPC_FAULT_OP_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_registered_interface_has_a_port),
        cmocka_unit_test(others_are_not_registered),
        cmocka_unit_test(malformed_towers_are_faults),
    };
    return cmocka_run_group_tests_name("rpc/epm", tests, NULL, NULL);
}
