/* The local security authority, call by call.
 *
 * covers: lsarpc.c lsa_lookup.c lsa_privilege.c account.c */
#include "proto/rpc/lsarpc.h"
#include "proto/smb/security.h"
#include "tests/proto/rpc/facts.h"

#define CALL(k, opnum) asker_call((k), &lsarpc_service, (opnum), NULL)
#define STATUS(k) asker_status(k)

static struct asker k;
static uint8_t handle[RPC_HANDLE_SIZE];

/* LSAPR_OBJECT_ATTRIBUTES with a quality of service, as Samba's clients send it. */
static void put_attributes(uint32_t root, uint32_t access)
{
    ndr_write_u32(&k.w, 24);
    ndr_write_u32(&k.w, root);
    ndr_write_u32(&k.w, 0);
    ndr_write_u32(&k.w, 0);
    ndr_write_u32(&k.w, 0);
    ndr_write_pointer(&k.w, true);
    if (root != 0)
        write_u8(&k.w, 0);
    ndr_write_u32(&k.w, 12);
    ndr_write_u16(&k.w, 2);
    write_u16(&k.w, 1);
    ndr_write_u32(&k.w, access);
}

static ntstatus open_policy2(uint32_t access)
{
    asker_next(&k);
    put_text(&k, "\\\\server");
    put_attributes(0, access);
    assert_int_equal(CALL(&k, LSAR_OPEN_POLICY2), RPC_ANSWERED);
    memcpy(handle, k.out, sizeof(handle));
    return STATUS(&k);
}

static void begin(void)
{
    asker_next(&k);
    write_bytes(&k.w, slice_of(handle, sizeof(handle)));
}

static int setup(void **state)
{
    (void)state;
    asker_init(&k, false);
    assert_int_equal(open_policy2(MAXIMUM_ALLOWED), STATUS_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    asker_fini(&k);
    return 0;
}

static void policies_are_opened(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t root, access;
        bool administrator;
        ntstatus status;
    } rows[] = {
        {"to look up", 0, 0x801, false, STATUS_OK},
        {"to change", 0, 0x802, false, STATUS_ACCESS_DENIED},
        {"to change, by who may", 0, 0xF0FFF, true, STATUS_OK},
        {"below something", 1, 0x801, true, STATUS_INVALID_PARAMETER},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        k.facts.caller.administrator = rows[i].administrator;
        asker_next(&k);
        ndr_write_pointer(&k.w, true);
        ndr_write_u16(&k.w, '\\');
        put_attributes(rows[i].root, rows[i].access);
        asker_prefixes(&k, &lsarpc_service, LSAR_OPEN_POLICY);
        assert_int_equal(CALL(&k, LSAR_OPEN_POLICY), RPC_ANSWERED);
        assert_row(rows[i].name, STATUS(&k) == rows[i].status);
    }
}

static void policies_are_closed(void **state)
{
    (void)state;
    begin();
    assert_int_equal(CALL(&k, LSAR_CLOSE), RPC_ANSWERED);
    assert_int_equal(STATUS(&k), STATUS_OK);
    for (uint16_t opnum = 0; opnum < LSARPC_OPNUMS; opnum++) {
        static const uint8_t no_handle_first[] = {LSAR_OPEN_POLICY, LSAR_OPEN_POLICY2,
                                                  LSAR_GET_USER_NAME, LSAR_LOOKUP_SIDS3,
                                                  LSAR_LOOKUP_NAMES4};
        if (memchr(no_handle_first, opnum, sizeof(no_handle_first)) == NULL &&
            CALL(&k, opnum) != RPC_FAULT_OP_RANGE)
            assert_int_equal(CALL(&k, opnum), RPC_FAULT_CONTEXT);
    }
    for (uint32_t i = 0; i < RPC_HANDLES_MAX; i++)
        assert_int_equal(open_policy2(MAXIMUM_ALLOWED), STATUS_OK);
    assert_int_equal(open_policy2(MAXIMUM_ALLOWED), STATUS_INSUFFICIENT_RESOURCES);
}

static struct slice read_name(struct reader *r) { return ndr_read_utf16(r, 1024); }

static void the_domain_is_described(void **state)
{
    (void)state;
    static const struct {
        uint16_t class;
        ntstatus status;
    } rows[] = {{1, STATUS_INVALID_PARAMETER},
                {3, STATUS_OK},
                {4, STATUS_OK},
                {5, STATUS_OK},
                {6, STATUS_OK},
                {11, STATUS_INVALID_PARAMETER},
                {12, STATUS_OK},
                {13, STATUS_OK},
                {14, STATUS_OK},
                {15, STATUS_INVALID_PARAMETER}};
    for (size_t i = 0; i < array_len(rows); i++) {
        begin();
        ndr_write_u16(&k.w, rows[i].class);
        asker_prefixes(&k, &lsarpc_service, LSAR_QUERY_INFORMATION_POLICY2);
        assert_int_equal(CALL(&k, LSAR_QUERY_INFORMATION_POLICY2), RPC_ANSWERED);
        assert_int_equal(STATUS(&k), rows[i].status);
        assert_int_equal(ndr_read_pointer(&k.r), rows[i].status == STATUS_OK);
        if (rows[i].class != 5)
            continue;
        struct sid sid;
        assert_int_equal(ndr_read_u16(&k.r), 5);
        read_skip(&k.r, 2 + 8);
        assert_true(ndr_read_pointer(&k.r));
        assert_true(is_utf16(read_name(&k.r), "FLOTILLA"));
        assert_int_equal(ndr_read_u32(&k.r), 4);
        sid_read(&k.r, &sid);
        assert_true(sid_equal(&sid, &k.facts.domain_sid));
    }
}

static void the_caller_is_named(void **state)
{
    (void)state;
    asker_next(&k);
    put_text(&k, "\\\\server");
    ndr_write_pointer(&k.w, false);
    ndr_write_pointer(&k.w, true);
    ndr_write_pointer(&k.w, false);
    asker_prefixes(&k, &lsarpc_service, LSAR_GET_USER_NAME);
    assert_int_equal(CALL(&k, LSAR_GET_USER_NAME), RPC_ANSWERED);
    assert_true(ndr_read_pointer(&k.r));
    read_skip(&k.r, 8);
    assert_true(is_utf16(read_name(&k.r), "admin"));
    read_skip(&k.r, 2); /* five units */
    assert_true(ndr_read_pointer(&k.r) && ndr_read_pointer(&k.r));
    read_skip(&k.r, 8);
    assert_true(is_utf16(read_name(&k.r), "FLOTILLA"));
    assert_int_equal(STATUS(&k), STATUS_OK);
}

/* ---- translations -------------------------------------------------------------------------------
 */

struct domains {
    uint32_t count;
    char names[8][32];
};

static void copy_ascii(struct slice units, char to[64])
{
    for (size_t i = 0; i < units.len / 2; i++)
        to[i] = units.at[2 * i + 1] == 0 ? (char)units.at[2 * i] : '?';
    to[units.len / 2] = 0;
}

/* LSAPR_REFERENCED_DOMAIN_LIST */
static void read_domains(struct domains *d)
{
    char name[64];
    memset(d, 0, sizeof(*d));
    assert_true(ndr_read_pointer(&k.r));
    d->count = ndr_read_u32(&k.r);
    bool some = ndr_read_pointer(&k.r);
    assert_int_equal(some, d->count > 0);
    read_skip(&k.r, 4);
    if (!some)
        return;
    assert_int_equal(ndr_read_u32(&k.r), d->count);
    assert_true(d->count <= 8);
    read_skip(&k.r, (size_t)d->count * 12);
    for (uint32_t i = 0; i < d->count; i++) {
        struct sid sid;
        copy_ascii(read_name(&k.r), name);
        memcpy(d->names[i], name, 32);
        uint32_t subs = ndr_read_u32(&k.r);
        sid_read(&k.r, &sid);
        assert_int_equal(sid.count, subs);
    }
}

static void put_sids(const char *const *texts, uint32_t count)
{
    begin();
    ndr_write_u32(&k.w, count);
    ndr_write_pointer(&k.w, true);
    ndr_write_u32(&k.w, count);
    for (uint32_t i = 0; i < count; i++)
        ndr_write_pointer(&k.w, true);
    for (uint32_t i = 0; i < count; i++) {
        struct sid sid;
        assert_true(sid_from_text(slice_str(texts[i]), &sid));
        ndr_write_u32(&k.w, sid.count);
        sid_write(&k.w, &sid);
    }
    ndr_write_u32(&k.w, 0);
    ndr_write_pointer(&k.w, false);
    ndr_write_u16(&k.w, 1);
    ndr_write_u32(&k.w, 0);
    ndr_write_u32(&k.w, 0);
    ndr_write_u32(&k.w, 2);
}

static const struct {
    const char *sid, *name, *domain;
    uint16_t use;
} known[] = {
    {"S-1-1-0", "Everyone", "", 5},
    {"S-1-3-0", "CREATOR OWNER", "", 5},
    {"S-1-5-11", "Authenticated Users", "NT AUTHORITY", 5},
    {"S-1-5-18", "SYSTEM", "NT AUTHORITY", 5},
    {"S-1-5-32-544", "Administrators", "BUILTIN", 4},
    {"S-1-5-32", "BUILTIN", "BUILTIN", 3},
    {"S-1-5-64-10", "NTLM Authentication", "NT AUTHORITY", 5},
    {"S-1-5-21-1-2-3", "FLOTILLA", "FLOTILLA", 3},
    {"S-1-5-21-1-2-3-1000", "admin", "FLOTILLA", 1},
    {"S-1-5-21-1-2-3-1001", "j\xf6rg", "FLOTILLA", 1},
    {"S-1-5-21-1-2-3-513", "None", "FLOTILLA", 2},
};

static void sids_have_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_len(known); i++) {
        for (int ex = 0; ex < 2; ex++) {
            struct domains d;
            char name[64];
            uint16_t opnum = ex ? LSAR_LOOKUP_SIDS2 : LSAR_LOOKUP_SIDS;
            put_sids(&known[i].sid, 1);
            asker_prefixes(&k, &lsarpc_service, opnum);
            assert_int_equal(CALL(&k, opnum), RPC_ANSWERED);
            assert_row(known[i].sid, STATUS(&k) == STATUS_OK);
            read_domains(&d);
            assert_row(known[i].sid, d.count == 1 && strcmp(d.names[0], known[i].domain) == 0);
            assert_int_equal(ndr_read_u32(&k.r), 1);
            assert_true(ndr_read_pointer(&k.r));
            assert_int_equal(ndr_read_u32(&k.r), 1);
            assert_row(known[i].sid, ndr_read_u16(&k.r) == known[i].use);
            read_align(&k.r, 4);
            read_skip(&k.r, 8);
            assert_int_equal(ndr_read_u32(&k.r), 0);
            if (ex)
                read_skip(&k.r, 4);
            copy_ascii(read_name(&k.r), name);
            assert_row(known[i].sid, strcmp(name, known[i].name) == 0);
            assert_int_equal(ndr_read_u32(&k.r), 1);
        }
    }
}

static void unknown_sids_are_said_to_be(void **state)
{
    (void)state;
    static const char *const texts[] = {"S-1-5-21-9-9-9-500", "S-1-5-21-1-2-3-4242", "S-1-1-0"};
    static const char *const names[] = {"S-1-5-21-9-9-9-500", "00001092", "Everyone"};
    static const uint32_t indexes[] = {UINT32_MAX, 0, 1};
    struct domains d;
    put_sids(texts, 3);
    assert_int_equal(CALL(&k, LSAR_LOOKUP_SIDS2), RPC_ANSWERED);
    assert_int_equal(STATUS(&k), STATUS_SOME_NOT_MAPPED);
    read_domains(&d);
    assert_int_equal(d.count, 2);
    read_skip(&k.r, 12);
    for (int i = 0; i < 3; i++) {
        read_align(&k.r, 4);
        assert_int_equal(ndr_read_u16(&k.r), i == 2 ? 5 : 8);
        read_align(&k.r, 4);
        read_skip(&k.r, 8);
        assert_int_equal(ndr_read_u32(&k.r), indexes[i]);
        read_skip(&k.r, 4);
    }
    for (int i = 0; i < 3; i++) {
        char name[64];
        copy_ascii(read_name(&k.r), name);
        assert_string_equal(name, names[i]);
    }
    assert_int_equal(ndr_read_u32(&k.r), 1);
    put_sids(texts, 2);
    assert_int_equal(CALL(&k, LSAR_LOOKUP_SIDS), RPC_ANSWERED);
    assert_int_equal(STATUS(&k), STATUS_NONE_MAPPED);
    put_sids(texts, 0);
    assert_int_equal(CALL(&k, LSAR_LOOKUP_SIDS), RPC_ANSWERED);
    assert_int_equal(STATUS(&k), STATUS_OK);
}

static void put_name(const char *name)
{
    struct slice units;
    begin();
    assert_true(utf16_from_utf8(slice_str(name), &k.scratch, &units));
    ndr_write_u32(&k.w, 1);
    ndr_write_u32(&k.w, 1);
    ndr_write_u16(&k.w, (uint16_t)units.len);
    ndr_write_u16(&k.w, (uint16_t)units.len);
    ndr_write_pointer(&k.w, true);
    ndr_write_u32(&k.w, (uint32_t)units.len / 2);
    ndr_write_u32(&k.w, 0);
    ndr_write_u32(&k.w, (uint32_t)units.len / 2);
    write_bytes(&k.w, units);
    ndr_write_u32(&k.w, 0);
    ndr_write_pointer(&k.w, false);
    ndr_write_u16(&k.w, 1);
    ndr_write_u32(&k.w, 0);
    ndr_write_u32(&k.w, 0);
    ndr_write_u32(&k.w, 2);
}

static void names_have_sids(void **state)
{
    (void)state;
    static const struct {
        const char *name, *sid;
        uint16_t use;
        ntstatus status;
        uint32_t domains;
    } rows[] = {
        {"everyone", "S-1-1-0", 5, STATUS_OK, 1},
        {"builtin\\ADMINISTRATORS", "S-1-5-32-544", 4, STATUS_OK, 1},
        {"Administrators", "S-1-5-32-544", 4, STATUS_OK, 1},
        {"NT AUTHORITY\\system", "S-1-5-18", 5, STATUS_OK, 1},
        {"BUILTIN\\system", NULL, 8, STATUS_NONE_MAPPED, 1},
        {"BUILTIN", "S-1-5-32", 3, STATUS_OK, 1},
        {"BUILTIN\\", "S-1-5-32", 3, STATUS_OK, 1},
        {"admin", "S-1-5-21-1-2-3-1000", 1, STATUS_OK, 1},
        {"flotilla\\ADMIN", "S-1-5-21-1-2-3-1000", 1, STATUS_OK, 1},
        {"J\xc3\x96RG@flotilla", "S-1-5-21-1-2-3-1001", 1, STATUS_OK, 1},
        {"other\\admin", NULL, 8, STATUS_NONE_MAPPED, 0},
        {"FLOTILLA\\nobody", NULL, 8, STATUS_NONE_MAPPED, 1},
        {"nobody", NULL, 8, STATUS_NONE_MAPPED, 0},
        {"Flotilla", "S-1-5-21-1-2-3", 3, STATUS_OK, 1},
        {"none", "S-1-5-21-1-2-3-513", 2, STATUS_OK, 1},
        {"", "S-1-5-32", 3, STATUS_OK, 1},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct domains d;
        put_name(rows[i].name);
        asker_prefixes(&k, &lsarpc_service, LSAR_LOOKUP_NAMES3);
        assert_int_equal(CALL(&k, LSAR_LOOKUP_NAMES3), RPC_ANSWERED);
        assert_row(rows[i].name, STATUS(&k) == rows[i].status);
        read_domains(&d);
        assert_row(rows[i].name, d.count == rows[i].domains);
        read_skip(&k.r, 12);
        assert_row(rows[i].name, ndr_read_u16(&k.r) == rows[i].use);
        assert_row(rows[i].name, ndr_read_pointer(&k.r) == (rows[i].sid != NULL));
        assert_row(rows[i].name, ndr_read_u32(&k.r) == (d.count > 0 ? 0 : UINT32_MAX));
        read_skip(&k.r, 4);
        if (rows[i].sid != NULL) {
            struct sid sid;
            char text[SID_TEXT_MAX];
            read_skip(&k.r, 4);
            sid_read(&k.r, &sid);
            (void)sid_to_text(&sid, text);
            assert_row(rows[i].name, strcmp(text, rows[i].sid) == 0);
        }
        for (int ex = 0; ex < 2; ex++) {
            assert_int_equal(CALL(&k, ex ? LSAR_LOOKUP_NAMES2 : LSAR_LOOKUP_NAMES), RPC_ANSWERED);
            assert_int_equal(STATUS(&k), rows[i].status);
            read_domains(&d);
            read_skip(&k.r, 12 + 4);
            const char *rid = rows[i].sid == NULL ? NULL : strrchr(rows[i].sid, '-') + 1;
            uint32_t want = rid == NULL || rows[i].use == 3 ? UINT32_MAX : 0;
            for (; want != UINT32_MAX && *rid != 0; rid++)
                want = want * 10 + (uint32_t)(*rid - '0');
            assert_row(rows[i].name, ndr_read_u32(&k.r) == want);
        }
    }
}

static void refused_translations(void **state)
{
    (void)state;
    static const char *const everyone[] = {"S-1-1-0"};
    put_sids(everyone, 1);
    assert_int_equal(CALL(&k, LSAR_LOOKUP_SIDS3), RPC_ANSWERED);
    assert_int_equal(STATUS(&k), STATUS_INVALID_SERVER_STATE);
    assert_int_equal(CALL(&k, LSAR_LOOKUP_NAMES4), RPC_ANSWERED);
    assert_int_equal(STATUS(&k), STATUS_INVALID_SERVER_STATE);
    k.w.pos -= 16; /* the level, and what follows */
    ndr_write_u16(&k.w, 8);
    ndr_write_u32(&k.w, 0);
    assert_int_equal(CALL(&k, LSAR_LOOKUP_SIDS), RPC_ANSWERED);
    assert_int_equal(STATUS(&k), STATUS_INVALID_PARAMETER);
    handle[4] ^= 1;
    put_name("Everyone");
    assert_int_equal(CALL(&k, LSAR_LOOKUP_NAMES), RPC_FAULT_CONTEXT);
}

/* ---- privileges, and what there is none of ------------------------------------------------------
 */

static void privileges_have_names(void **state)
{
    (void)state;
    begin();
    ndr_write_u32(&k.w, 0);
    ndr_write_u32(&k.w, 1000);
    asker_prefixes(&k, &lsarpc_service, LSAR_ENUMERATE_PRIVILEGES);
    assert_int_equal(CALL(&k, LSAR_ENUMERATE_PRIVILEGES), RPC_ANSWERED);
    assert_int_equal(STATUS(&k), STATUS_OK);
    uint32_t context = ndr_read_u32(&k.r);
    assert_int_equal(ndr_read_u32(&k.r), context);
    begin();
    ndr_write_u32(&k.w, context);
    ndr_write_u32(&k.w, 1000);
    assert_int_equal(CALL(&k, LSAR_ENUMERATE_PRIVILEGES), RPC_ANSWERED);
    assert_int_equal(STATUS(&k), STATUS_NO_MORE_ENTRIES);
    put_name("SeBackupPrivilege"); /* its string stands behind two counts */
    memmove(k.stub + RPC_HANDLE_SIZE, k.stub + RPC_HANDLE_SIZE + 8, k.w.pos - RPC_HANDLE_SIZE - 8);
    assert_int_equal(CALL(&k, LSAR_LOOKUP_PRIVILEGE_VALUE), RPC_ANSWERED);
    assert_int_equal(STATUS(&k), STATUS_OK);
    assert_int_equal(ndr_read_u32(&k.r), 17);
    assert_int_equal(CALL(&k, LSAR_LOOKUP_PRIVILEGE_DISPLAY_NAME), RPC_ANSWERED);
    assert_int_equal(STATUS(&k), STATUS_OK);
    begin();
    ndr_write_u32(&k.w, 17);
    ndr_write_u32(&k.w, 0);
    assert_int_equal(CALL(&k, LSAR_LOOKUP_PRIVILEGE_NAME), RPC_ANSWERED);
    assert_true(ndr_read_pointer(&k.r));
    read_skip(&k.r, 8);
    assert_true(is_utf16(read_name(&k.r), "SeBackupPrivilege"));
    begin();
    ndr_write_u32(&k.w, 1);
    ndr_write_u32(&k.w, 0);
    assert_int_equal(CALL(&k, LSAR_LOOKUP_PRIVILEGE_NAME), RPC_ANSWERED);
    assert_int_equal(STATUS(&k), STATUS_NO_SUCH_PRIVILEGE);
}

static void the_policy_has_a_descriptor(void **state)
{
    (void)state;
    struct security_descriptor sd;
    begin();
    ndr_write_u32(&k.w, DACL_SECURITY_INFORMATION);
    asker_prefixes(&k, &lsarpc_service, LSAR_QUERY_SECURITY_OBJECT);
    assert_int_equal(CALL(&k, LSAR_QUERY_SECURITY_OBJECT), RPC_ANSWERED);
    assert_true(ndr_read_pointer(&k.r));
    uint32_t len = ndr_read_u32(&k.r);
    read_skip(&k.r, 8);
    assert_int_equal(security_decode(read_slice(&k.r, len), &sd), STATUS_OK);
    assert_int_equal(sd.dacl.count, 2);
    assert_false(sd.has_owner);
}

static void nothing_else_is_there(void **state)
{
    (void)state;
    static const uint16_t opnums[] = {LSAR_ENUMERATE_ACCOUNTS, LSAR_ENUMERATE_TRUSTED_DOMAINS,
                                      LSAR_ENUMERATE_TRUSTED_DOMAINS_EX};
    for (size_t i = 0; i < array_len(opnums); i++) {
        begin();
        ndr_write_u32(&k.w, 0);
        ndr_write_u32(&k.w, 1000);
        assert_int_equal(CALL(&k, opnums[i]), RPC_ANSWERED);
        assert_int_equal(STATUS(&k), STATUS_NO_MORE_ENTRIES);
    }
    begin();
    ndr_write_u32(&k.w, 1);
    sid_write(&k.w, &sid_everyone);
    asker_prefixes(&k, &lsarpc_service, LSAR_ENUMERATE_ACCOUNT_RIGHTS);
    assert_int_equal(CALL(&k, LSAR_ENUMERATE_ACCOUNT_RIGHTS), RPC_ANSWERED);
    assert_int_equal(STATUS(&k), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_int_equal(CALL(&k, 10), RPC_FAULT_OP_RANGE); /* LsarCreateAccount */
}

static void memory_may_be_refused(void **state)
{
    (void)state;
    for (uint64_t nth = 1;; nth++) {
        put_name("flotilla\\admin");
        arena_fini(&k.scratch);
        faults_arm(nth);
        uint32_t result = CALL(&k, LSAR_LOOKUP_NAMES2);
        bool fired = faults_fired();
        assert_int_equal(result, fired ? RPC_FAULT_NO_MEMORY : RPC_ANSWERED);
        if (!fired)
            break;
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(policies_are_opened),     T(policies_are_closed),
        T(the_domain_is_described), T(the_caller_is_named),
        T(sids_have_names),         T(unknown_sids_are_said_to_be),
        T(names_have_sids),         T(refused_translations),
        T(privileges_have_names),   T(the_policy_has_a_descriptor),
        T(nothing_else_is_there),   T(memory_may_be_refused),
    };
    return cmocka_run_group_tests_name("rpc/lsarpc", tests, NULL, NULL);
}
