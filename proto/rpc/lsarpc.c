#include "proto/rpc/lsarpc.h"
#include "proto/base/must.h"
#include "proto/base/utf16.h"
#include "proto/rpc/lsarpc_int.h"
#include "proto/smb/security.h"

#define STRING_UNITS_MAX 32767u /* Length is 16 bits wide, in bytes */

uint32_t lsa_status(struct rpc_ask *a, ntstatus status)
{
    ndr_write_u32(a->w, status);
    return rpc_end(a);
}

bool lsa_read_policy(struct rpc_ask *a)
{
    return rpc_handle_read(a->handles, LSA_POLICY, &a->r, NULL);
}

/* ---- strings and SIDs ---------------------------------------------------------------------------
 */

void lsa_write_string(struct writer *w, struct slice units)
{
    must(units.len / 2 <= STRING_UNITS_MAX);
    write_align(w, 4);
    write_u16(w, (uint16_t)units.len);
    write_u16(w, (uint16_t)units.len);
    ndr_write_pointer(w, units.at != NULL);
}

void lsa_write_units(struct writer *w, struct slice units)
{
    if (units.at == NULL)
        return;
    ndr_write_u32(w, (uint32_t)(units.len / 2));
    ndr_write_u32(w, 0);
    ndr_write_u32(w, (uint32_t)(units.len / 2));
    write_bytes(w, units);
}

bool lsa_read_string(struct reader *r)
{
    read_align(r, 4);
    read_skip(r, 4);
    return ndr_read_pointer(r);
}

void lsa_write_sid(struct writer *w, const struct sid *sid)
{
    ndr_write_u32(w, sid->count);
    sid_write(w, sid);
}

void lsa_read_sid(struct reader *r, struct sid *out)
{
    uint32_t count = ndr_read_count(r, SID_SUB_MAX);
    sid_read(r, out);
    if (out->count != count)
        r->bad = true;
}

struct slice lsa_units(struct rpc_ask *a, struct slice text)
{
    struct slice units;
    if (!utf16_from_utf8(text, a->scratch, &units) || units.len / 2 > STRING_UNITS_MAX)
        return (struct slice){0};
    return units;
}

/* ---- policies -----------------------------------------------------------------------------------
 */

/* [MS-LSAD] 2.2.1.1.2: what everybody may ask for. */
#define POLICY_VIEW_LOCAL_INFORMATION UINT32_C(0x00000001)
#define POLICY_LOOKUP_NAMES UINT32_C(0x00000800)
#define POLICY_ALL_ACCESS UINT32_C(0x000F0FFF)
#define POLICY_FOR_ALL                                                                             \
    (POLICY_VIEW_LOCAL_INFORMATION | POLICY_LOOKUP_NAMES | READ_CONTROL | MAXIMUM_ALLOWED |        \
     GENERIC_READ | GENERIC_EXECUTE)

/* LSAPR_OBJECT_ATTRIBUTES ([MS-LSAD] 2.2.9): a server looks at nothing of it but RootDirectory,
 * which must be null; no client sends more than the quality of service. */
static bool read_attributes(struct reader *r)
{
    (void)ndr_read_u32(r);
    bool root = ndr_read_pointer(r), name = ndr_read_pointer(r);
    (void)ndr_read_u32(r);
    bool descriptor = ndr_read_pointer(r), quality = ndr_read_pointer(r);
    if (root)
        (void)read_u8(r);
    if (name || descriptor)
        r->bad = true;
    if (quality) {
        (void)ndr_read_u32(r);
        (void)ndr_read_u16(r);
        read_skip(r, 2);
    }
    return !root;
}

static uint32_t open_policy(struct rpc_ask *a)
{
    bool valid = read_attributes(&a->r);
    uint32_t access = ndr_read_u32(&a->r);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    ntstatus status = STATUS_OK;
    if (!valid)
        status = STATUS_INVALID_PARAMETER;
    else if ((access & ~POLICY_FOR_ALL) != 0 && !a->facts->caller.administrator)
        status = STATUS_ACCESS_DENIED;
    if (status != STATUS_OK)
        write_zeros(a->w, RPC_HANDLE_SIZE);
    else if (!rpc_handle_open(a->handles, LSA_POLICY, 0, a->w))
        status = STATUS_INSUFFICIENT_RESOURCES;
    return lsa_status(a, status);
}

static uint32_t lsa_open_policy(struct rpc_ask *a)
{
    if (ndr_read_pointer(&a->r))
        (void)ndr_read_u16(&a->r); /* SystemName is one character here, as it always was */
    return open_policy(a);
}

static uint32_t lsa_open_policy2(struct rpc_ask *a)
{
    (void)rpc_read_text(a);
    return open_policy(a);
}

static uint32_t lsa_close(struct rpc_ask *a)
{
    if (!rpc_handle_close(a->handles, &a->r))
        return RPC_FAULT_CONTEXT;
    write_zeros(a->w, RPC_HANDLE_SIZE);
    return lsa_status(a, STATUS_OK);
}

/* ---- what the policy says -----------------------------------------------------------------------
 */

/* POLICY_INFORMATION_CLASS, [MS-LSAD] 2.2.4.1. */
enum policy_class {
    POLICY_PRIMARY_DOMAIN = 3,
    POLICY_PD_ACCOUNT = 4,
    POLICY_ACCOUNT_DOMAIN = 5,
    POLICY_SERVER_ROLE = 6,
    POLICY_DNS_DOMAIN = 12,
    POLICY_DNS_DOMAIN_INT = 13,
    POLICY_LOCAL_ACCOUNT_DOMAIN = 14,
};

#define POLICY_SERVER_ROLE_PRIMARY 3u

static bool class_known(uint32_t class)
{
    return (class >= POLICY_PRIMARY_DOMAIN && class <= POLICY_SERVER_ROLE) ||
           (class >= POLICY_DNS_DOMAIN && class <= POLICY_LOCAL_ACCOUNT_DOMAIN);
}

static void write_domain(struct rpc_ask *a, struct slice name, const struct sid *sid)
{
    lsa_write_string(a->w, name);
    ndr_write_pointer(a->w, sid != NULL);
    lsa_write_units(a->w, name);
    if (sid != NULL)
        lsa_write_sid(a->w, sid);
}

static void write_information(struct rpc_ask *a, uint32_t class)
{
    struct slice name = lsa_units(a, a->facts->server_name);
    switch (class) {
    case POLICY_ACCOUNT_DOMAIN:
    case POLICY_LOCAL_ACCOUNT_DOMAIN: write_domain(a, name, &a->facts->domain_sid); break;
    case POLICY_PRIMARY_DOMAIN: /* no SID: a member of nothing, whose accounts are its own */
        write_domain(a, name, NULL);
        break;
    case POLICY_PD_ACCOUNT: lsa_write_string(a->w, (struct slice){0}); break;
    case POLICY_SERVER_ROLE: ndr_write_u16(a->w, POLICY_SERVER_ROLE_PRIMARY); break;
    default: /* the two of DNS: a name, and neither domain nor forest */
        lsa_write_string(a->w, name);
        lsa_write_string(a->w, (struct slice){0});
        lsa_write_string(a->w, (struct slice){0});
        write_zeros(a->w, 16);
        ndr_write_pointer(a->w, false);
        lsa_write_units(a->w, name);
    }
}

static uint32_t lsa_query_policy(struct rpc_ask *a)
{
    if (!lsa_read_policy(a))
        return RPC_FAULT_CONTEXT;
    uint32_t class = ndr_read_u16(&a->r);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    ntstatus status = class_known(class) ? STATUS_OK : STATUS_INVALID_PARAMETER;
    ndr_write_pointer(a->w, status == STATUS_OK);
    if (status == STATUS_OK) {
        ndr_write_u16(a->w, (uint16_t) class);
        write_align(a->w, 4);
        write_information(a, class);
    }
    return lsa_status(a, status);
}

/* [MS-LSAT] 3.1.4.4: who the caller is. */
static uint32_t lsa_get_user_name(struct rpc_ask *a)
{
    (void)rpc_read_text(a);
    if (ndr_read_pointer(&a->r) && lsa_read_string(&a->r))
        (void)ndr_read_utf16(&a->r, RPC_TEXT_MAX);
    bool domain_wanted = ndr_read_pointer(&a->r);
    if (domain_wanted && ndr_read_pointer(&a->r) && lsa_read_string(&a->r))
        (void)ndr_read_utf16(&a->r, RPC_TEXT_MAX);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    struct slice name = lsa_units(a, a->facts->caller.name);
    struct slice domain = lsa_units(a, a->facts->caller.domain);
    ndr_write_pointer(a->w, true);
    lsa_write_string(a->w, name);
    lsa_write_units(a->w, name);
    ndr_write_pointer(a->w, domain_wanted);
    if (domain_wanted) {
        ndr_write_pointer(a->w, true);
        lsa_write_string(a->w, domain);
        lsa_write_units(a->w, domain);
    }
    return lsa_status(a, STATUS_OK);
}

/* [MS-LSAD] 3.1.4.9.2: who may do what with the policy, as open_policy() has it. */
static uint32_t lsa_query_security(struct rpc_ask *a)
{
    uint8_t aces[2 * (8 + SID_BYTES_MAX)], bytes[512];
    struct writer aw = writer_of(aces, sizeof(aces)), w = writer_of(bytes, sizeof(bytes));
    if (!lsa_read_policy(a))
        return RPC_FAULT_CONTEXT;
    uint32_t parts = ndr_read_u32(&a->r);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    ace_write(&aw, ACE_ACCESS_ALLOWED, 0, POLICY_ALL_ACCESS, &sid_builtin_administrators);
    ace_write(&aw, ACE_ACCESS_ALLOWED, 0,
              POLICY_VIEW_LOCAL_INFORMATION | POLICY_LOOKUP_NAMES | READ_CONTROL, &sid_everyone);
    struct security_descriptor sd = {
        .control = SE_SELF_RELATIVE,
        .has_owner = (parts & OWNER_SECURITY_INFORMATION) != 0,
        .has_group = (parts & GROUP_SECURITY_INFORMATION) != 0,
        .owner = sid_builtin_administrators,
        .group = sid_system,
        .dacl = {.present = (parts & DACL_SECURITY_INFORMATION) != 0, .revision = 2, .count = 2}};
    sd.control |= sd.dacl.present ? SE_DACL_PRESENT : 0;
    sd.dacl.aces = written(&aw);
    security_write(&w, &sd);
    struct slice all = written(&w);
    ndr_write_pointer(a->w, true);
    ndr_write_u32(a->w, (uint32_t)all.len);
    ndr_write_pointer(a->w, true);
    ndr_write_u32(a->w, (uint32_t)all.len);
    write_bytes(a->w, all);
    return lsa_status(a, STATUS_OK);
}

/* ---- lists of what there is none of -------------------------------------------------------------
 */

/* EnumerationContext, an empty buffer, and the end of the list: accounts with rights of their own,
 * trusted domains. */
static uint32_t lsa_enumerate_nothing(struct rpc_ask *a)
{
    if (!lsa_read_policy(a))
        return RPC_FAULT_CONTEXT;
    uint32_t context = ndr_read_u32(&a->r);
    (void)ndr_read_u32(&a->r);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    ndr_write_u32(a->w, context);
    ndr_write_u32(a->w, 0);
    ndr_write_pointer(a->w, false);
    return lsa_status(a, STATUS_NO_MORE_ENTRIES);
}

/* [MS-LSAD] 3.1.4.5.10: no account has rights of its own here. */
static uint32_t lsa_enumerate_rights(struct rpc_ask *a)
{
    struct sid sid;
    if (!lsa_read_policy(a))
        return RPC_FAULT_CONTEXT;
    lsa_read_sid(&a->r, &sid);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    ndr_write_u32(a->w, 0);
    ndr_write_pointer(a->w, false);
    return lsa_status(a, STATUS_OBJECT_NAME_NOT_FOUND);
}

static rpc_handler *const handlers[LSARPC_OPNUMS] = {
    [LSAR_CLOSE] = lsa_close,
    [LSAR_ENUMERATE_PRIVILEGES] = lsa_enumerate_privileges,
    [LSAR_QUERY_SECURITY_OBJECT] = lsa_query_security,
    [LSAR_OPEN_POLICY] = lsa_open_policy,
    [LSAR_QUERY_INFORMATION_POLICY] = lsa_query_policy,
    [LSAR_ENUMERATE_ACCOUNTS] = lsa_enumerate_nothing,
    [LSAR_ENUMERATE_TRUSTED_DOMAINS] = lsa_enumerate_nothing,
    [LSAR_LOOKUP_NAMES] = lsa_lookup_names,
    [LSAR_LOOKUP_SIDS] = lsa_lookup_sids,
    [LSAR_LOOKUP_PRIVILEGE_VALUE] = lsa_privilege_value,
    [LSAR_LOOKUP_PRIVILEGE_NAME] = lsa_privilege_name,
    [LSAR_LOOKUP_PRIVILEGE_DISPLAY_NAME] = lsa_privilege_display_name,
    [LSAR_ENUMERATE_ACCOUNT_RIGHTS] = lsa_enumerate_rights,
    [LSAR_OPEN_POLICY2] = lsa_open_policy2,
    [LSAR_GET_USER_NAME] = lsa_get_user_name,
    [LSAR_QUERY_INFORMATION_POLICY2] = lsa_query_policy,
    [LSAR_ENUMERATE_TRUSTED_DOMAINS_EX] = lsa_enumerate_nothing,
    [LSAR_LOOKUP_SIDS2] = lsa_lookup_sids2,
    [LSAR_LOOKUP_NAMES2] = lsa_lookup_names2,
    [LSAR_LOOKUP_NAMES3] = lsa_lookup_names3,
    [LSAR_LOOKUP_SIDS3] = lsa_lookup_sids3,
    [LSAR_LOOKUP_NAMES4] = lsa_lookup_names4,
};

/* 12345778-1234-abcd-ef00-0123456789ab version 0.0. */
const struct rpc_service lsarpc_service = {
    .name = "lsarpc",
    .address = "\\PIPE\\lsass",
    .interface = {.uuid = {0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0x00, 0x01, 0x23,
                           0x45, 0x67, 0x89, 0xab}},
    .handlers = handlers,
    .handler_count = LSARPC_OPNUMS,
};
