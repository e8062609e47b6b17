#include "tests/lib/unit.h"

#include "proto/base/must.h"
#include "proto/rpc/swn.h"
#include "tests/lib/faults.h"
#include "tests/lib/hex.h"
#include <string.h>

/* Requests as Samba's NDR library packs them. */
#define REGISTER                                                                                   \
    "010001000000020009000000000000000900000066006c006f00740069006c006c00610000000000040002000b00" \
    "0000000000000b0000003100320037002e0030002e0030002e003100310000000000080002000400000000000000" \
    "040000004800560031000000"
#define REGISTER_EX                                                                                \
    "000002000000020009000000000000000900000066006c006f00740069006c006c00610000000000040002000400" \
    "000000000000040000"                                                                           \
    "0076006d0073000000080002000b000000000000000b0000003100320037002e00300"                        \
    "02e0030002e0031003100000000000c000200040000000000000004000000480056003100000001000000780000"  \
    "00"

static void calls_are_decoded(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct swn_call call;
    struct slice s = hex_decode(REGISTER, bytes, sizeof bytes);
    assert_int_equal(swn_decode(SWN_REGISTER, s, &call), 0);
    assert_int_equal(call.version, SWN_VERSION_1);
    assert_int_equal(call.net_name.len, 16);
    assert_null(call.share_name.at);
    assert_memory_equal(call.client_name.at, "H\0V\0001\0", 6);
    for (size_t len = 0; len < s.len - 2; len++) /* two bytes of padding end it */
        assert_int_equal(swn_decode(SWN_REGISTER, slice_sub(s, 0, len), &call), RPC_FAULT_NDR);

    s = hex_decode(REGISTER_EX, bytes, sizeof bytes);
    assert_int_equal(swn_decode(SWN_REGISTER_EX, s, &call), 0);
    assert_int_equal(call.version, SWN_VERSION_2);
    assert_memory_equal(call.share_name.at, "v\0m\0s\0", 6);
    assert_int_equal(call.flags, SWN_REGISTER_IP_NOTIFICATION);
    assert_int_equal(call.keep_alive_s, 120);
    for (size_t len = 0; len < s.len; len++)
        assert_int_equal(swn_decode(SWN_REGISTER_EX, slice_sub(s, 0, len), &call), RPC_FAULT_NDR);

    s = hex_decode("00000000 0102030405060708090a0b0c0d0e0f10", bytes, sizeof bytes);
    assert_int_equal(swn_decode(SWN_ASYNC_NOTIFY, s, &call), 0);
    assert_int_equal(call.key[15], 16);
    assert_int_equal(swn_decode(SWN_UNREGISTER, slice_sub(s, 0, 19), &call), RPC_FAULT_NDR);
    assert_int_equal(swn_decode(6, s, &call), RPC_FAULT_OP_RANGE);
}

static void addresses_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok, v6;
        uint8_t first, last;
    } rows[] = {
        {"10.1.2.3", true, false, 10, 3},
        {"255.255.255.255", true, false, 255, 255},
        {"1.2.3", false, false, 0, 0},
        {"1.2.3.4.5", false, false, 0, 0},
        {"1.2.3.256", false, false, 0, 0},
        {"1.2..4", false, false, 0, 0},
        {"1.2.3.0004", false, false, 0, 0},
        {"", false, false, 0, 0},
        {"::", true, true, 0, 0},
        {"::1", true, true, 0, 1},
        {"fe80::1:2", true, true, 0xfe, 2},
        {"2001:db8:0:1:2:3:4:5", true, true, 0x20, 5},
        {"2001:db8::", true, true, 0x20, 0},
        {"1:2:3:4:5:6:7:8:9", false, false, 0, 0},
        {"1::2::3", false, false, 0, 0},
        {"1:2:3:4:5:6:7", false, false, 0, 0},
        {"1:2:3:4:5:6:7:8::", false, false, 0, 0},
        {"12345::", false, false, 0, 0},
        {"1:", false, false, 0, 0},
        {":1", false, false, 0, 0},
        {"n1", false, false, 0, 0},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct swn_address a = {0};
        bool ok = swn_address_from_text(slice_str(rows[i].text), &a);
        assert_row(rows[i].text, ok == rows[i].ok);
        if (!ok)
            continue;
        assert_row(rows[i].text, a.v6 == rows[i].v6 && a.bytes[0] == rows[i].first);
        assert_row(rows[i].text, a.bytes[a.v6 ? 15 : 3] == rows[i].last);
    }
    struct swn_address a;
    assert_true(swn_address_from_utf16(slice_of("1\0.\0002\0.\0003\0.\0004\0", 14), &a));
    assert_false(swn_address_from_utf16(slice_of("1\0.\0002\0.\0003\0.\0004\1", 14), &a));
    assert_false(swn_address_from_utf16(slice_of("1\0.\0002", 5), &a));
}

/* Byte for byte what Samba's library unpacks as one interface, a change and a move. */
static void answers_are_encoded(void **state)
{
    (void)state;
    struct mem mem = test_mem(SIZE_MAX);
    struct arena a;
    uint8_t out[1024], want[64], messages[64];
    arena_init(&a, &mem, 4096);
    struct swn_interface_info info = {.group_name = slice_str("n1"),
                                      .state = SWN_AVAILABLE,
                                      .address = {.bytes = {127, 0, 0, 11}},
                                      .witness = true};
    struct writer w = writer_of(out, sizeof out);
    swn_reply_interfaces(&info, 1, &a, &w);
    assert_int_equal(w.pos, 16 + 520 + 4 + 4 + 4 + 16 + 4 + 4);
    assert_memory_equal(out + 16, "n\0001\0\0\0", 6);
    assert_memory_equal(out + 536, "\0\0\x02\0\x01\0\0\0\x7f\0\0\x0b", 12);
    assert_memory_equal(out + 564, "\x05\0\0\0\0\0\0\0", 8);

    struct writer m = writer_of(messages, sizeof messages);
    swn_write_change(&m, slice_of("n\0001\0", 4), SWN_UNAVAILABLE);
    struct slice expect = hex_decode("0e000000 ff000000 6e003100 0000", want, sizeof want);
    assert_true(slice_equal(written(&m), expect));
    w = writer_of(out, sizeof out);
    swn_reply_notify(SWN_RESOURCE_CHANGE, 1, written(&m), &w);
    assert_memory_equal(out + 4, "\x01\0\0\0\x0e\0\0\0\x01\0\0\0", 12);
    assert_int_equal(w.pos, 4 + 12 + 4 + 4 + 14 + 2 + 4);

    m = writer_of(messages, sizeof messages);
    swn_write_addresses(&m, &info.address, 1, true);
    assert_memory_equal(messages, "\x24\0\0\0\0\0\0\0\x01\0\0\0\x09\0\0\0\x7f\0\0\x0b", 20);
    assert_int_equal(m.pos, 36);
    arena_fini(&a);
    test_mem_check(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_decoded),
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(answers_are_encoded),
    };
    return cmocka_run_group_tests_name("rpc/swn", tests, NULL, NULL);
}
