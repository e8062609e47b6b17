#include "proto/rpc/wkssvc.h"
#include "tests/proto/rpc/facts.h"

#define CALL(k, opnum) asker_call((k), &wkssvc_service, (opnum), NULL)

static void the_workstation_is_described(void **state)
{
    (void)state;
    static const struct {
        uint32_t level, admin, user;
    } rows[] = {{100, WERR_OK, WERR_OK},
                {101, WERR_OK, WERR_OK},
                {102, WERR_OK, WERR_ACCESS_DENIED},
                {502, WERR_OK, WERR_ACCESS_DENIED},
                {103, WERR_INVALID_LEVEL, WERR_INVALID_LEVEL}};
    for (size_t i = 0; i < array_len(rows); i++) {
        for (int admin = 0; admin < 2; admin++) {
            struct asker k;
            asker_init(&k, admin == 1);
            put_server(&k);
            ndr_write_u32(&k.w, rows[i].level);
            asker_prefixes(&k, &wkssvc_service, WKSSVC_NETR_WKSTA_GET_INFO);
            assert_int_equal(CALL(&k, WKSSVC_NETR_WKSTA_GET_INFO), RPC_ANSWERED);
            uint32_t status = admin ? rows[i].admin : rows[i].user;
            assert_int_equal(asker_status(&k), status);
            assert_int_equal(ndr_read_u32(&k.r), rows[i].level);
            assert_int_equal(ndr_read_pointer(&k.r), status == WERR_OK);
            if (status == WERR_OK && rows[i].level == 502) {
                assert_int_equal(read_left(&k.r), 36 * 4);
            } else if (status == WERR_OK) {
                read_skip(&k.r, (rows[i].level - 100 + 5) * 4);
                assert_true(is_utf16(ndr_read_string(&k.r, 64), "FLOTILLA"));
            }
            asker_fini(&k);
        }
    }
}

static void its_names_are_told(void **state)
{
    (void)state;
    struct asker k;
    asker_init(&k, false);
    put_server(&k);
    put_text(&k, NULL);
    asker_prefixes(&k, &wkssvc_service, WKSSVC_NETR_GET_JOIN_INFORMATION);
    assert_int_equal(CALL(&k, WKSSVC_NETR_GET_JOIN_INFORMATION), RPC_ANSWERED);
    assert_true(ndr_read_pointer(&k.r));
    assert_true(is_utf16(ndr_read_string(&k.r, 64), "FLOTILLA"));
    assert_int_equal(ndr_read_u16(&k.r), 2);
    assert_int_equal(asker_status(&k), WERR_OK);
    static const uint32_t counts[] = {1, 0, 1};
    for (uint16_t type = 0; type < 4; type++) {
        asker_next(&k);
        put_server(&k);
        ndr_write_u16(&k.w, type);
        ndr_write_u32(&k.w, 0);
        assert_int_equal(CALL(&k, WKSSVC_NETR_ENUMERATE_COMPUTER_NAMES), RPC_ANSWERED);
        assert_int_equal(asker_status(&k), type < 3 ? WERR_OK : WERR_INVALID_PARAMETER);
        assert_int_equal(ndr_read_pointer(&k.r), type < 3);
        assert_true(type == 3 || ndr_read_u32(&k.r) == counts[type]);
    }
    asker_fini(&k);
}

static void the_rest_is_empty_or_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint16_t opnum;
        uint32_t admin, user;
    } rows[] = {
        {"users", WKSSVC_NETR_WKSTA_USER_ENUM, WERR_OK, WERR_ACCESS_DENIED},
        {"transports", WKSSVC_NETR_WKSTA_TRANSPORT_ENUM, WERR_OK, WERR_ACCESS_DENIED},
        {"set", WKSSVC_NETR_WKSTA_SET_INFO, WERR_NOT_SUPPORTED, WERR_ACCESS_DENIED},
        {"join", WKSSVC_NETR_JOIN_DOMAIN2, WERR_NOT_SUPPORTED, WERR_ACCESS_DENIED},
        {"use", WKSSVC_NETR_USE_ADD, WERR_NOT_SUPPORTED, WERR_ACCESS_DENIED},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        for (int admin = 0; admin < 2; admin++) {
            struct asker k;
            asker_init(&k, admin == 1);
            put_server(&k);
            put_enum(&k, 0, UINT32_MAX, 0);
            assert_row(rows[i].name, CALL(&k, rows[i].opnum) == RPC_ANSWERED);
            assert_row(rows[i].name, asker_status(&k) == (admin ? rows[i].admin : rows[i].user));
            asker_fini(&k);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_workstation_is_described),
        cmocka_unit_test(its_names_are_told),
        cmocka_unit_test(the_rest_is_empty_or_refused),
    };
    return cmocka_run_group_tests_name("rpc/wkssvc", tests, NULL, NULL);
}
