#include "proto/rpc/samr.h"
#include "proto/base/must.h"
#include "proto/base/utf16.h"
#include "proto/rpc/account.h"
#include "proto/rpc/lsarpc_int.h"

/* Kinds of handles; those of domains have 0 for the cluster's own and 1 for BUILTIN, those of users
 * their number. */
#define SAM_SERVER 1u
#define SAM_DOMAIN 2u
#define SAM_USER 3u
#define DOMAIN_OWN 0u
#define DOMAIN_BUILTIN 1u

#define NAMES_MAX 1000u        /* size_is of arrays of names and numbers */
#define ENTRIES_MAX 2048u      /* users of one answer */
#define ACB_NORMAL 0x00000010u /* a user's account */
#define GROUP_ATTRIBUTES 7u    /* mandatory, enabled by default, enabled */

static const struct sid builtin = {1, 1, {0, 0, 0, 0, 0, 5}, {32}};

/* ---- handles ------------------------------------------------------------------------------------
 */

static uint32_t connect_server(struct rpc_ask *a)
{
    ntstatus status = STATUS_ACCESS_DENIED;
    if (a->r.bad)
        return RPC_FAULT_NDR;
    if (!a->facts->caller.administrator)
        write_zeros(a->w, RPC_HANDLE_SIZE);
    else
        status = rpc_handle_open(a->handles, SAM_SERVER, 0, a->w) ? STATUS_OK
                                                                  : STATUS_INSUFFICIENT_RESOURCES;
    return lsa_status(a, status);
}

static uint32_t samr_connect(struct rpc_ask *a)
{
    if (ndr_read_pointer(&a->r))
        (void)ndr_read_u16(&a->r); /* a server's name of one character */
    (void)ndr_read_u32(&a->r);
    return connect_server(a);
}

static uint32_t samr_connect2(struct rpc_ask *a)
{
    (void)rpc_read_text(a);
    (void)ndr_read_u32(&a->r);
    return connect_server(a);
}

static uint32_t samr_connect4(struct rpc_ask *a)
{
    (void)rpc_read_text(a);
    (void)ndr_read_u32(&a->r); /* the client's revision, and its access */
    (void)ndr_read_u32(&a->r);
    return connect_server(a);
}

static uint32_t samr_connect5(struct rpc_ask *a)
{
    enum { REVISION = 3 };
    (void)rpc_read_text(a);
    for (int i = 0; i < 5; i++) /* access, version, and its structure */
        (void)ndr_read_u32(&a->r);
    ndr_write_u32(a->w, 1);
    ndr_write_u32(a->w, 1);
    ndr_write_u32(a->w, REVISION);
    ndr_write_u32(a->w, 0);
    return connect_server(a);
}

static uint32_t samr_close(struct rpc_ask *a)
{
    if (!rpc_handle_close(a->handles, &a->r))
        return RPC_FAULT_CONTEXT;
    write_zeros(a->w, RPC_HANDLE_SIZE);
    return lsa_status(a, STATUS_OK);
}

/* ---- domains ------------------------------------------------------------------------------------
 */

static struct slice read_name(struct reader *r)
{
    return lsa_read_string(r) ? ndr_read_utf16(r, RPC_TEXT_MAX) : (struct slice){0};
}

static uint32_t samr_lookup_domain(struct rpc_ask *a)
{
    if (!rpc_handle_read(a->handles, SAM_SERVER, &a->r, NULL))
        return RPC_FAULT_CONTEXT;
    struct slice name = read_name(&a->r);
    bool own = rpc_text_is(a, a->facts->server_name, name);
    bool known = own || rpc_text_is(a, slice_str("Builtin"), name);
    ndr_write_pointer(a->w, known);
    if (known)
        lsa_write_sid(a->w, own ? &a->facts->domain_sid : &builtin);
    return lsa_status(a, known ? STATUS_OK : STATUS_NO_SUCH_DOMAIN);
}

static uint32_t samr_open_domain(struct rpc_ask *a)
{
    struct sid sid;
    if (!rpc_handle_read(a->handles, SAM_SERVER, &a->r, NULL))
        return RPC_FAULT_CONTEXT;
    (void)ndr_read_u32(&a->r);
    lsa_read_sid(&a->r, &sid);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    bool own = sid_equal(&sid, &a->facts->domain_sid);
    ntstatus status = own || sid_equal(&sid, &builtin) ? STATUS_OK : STATUS_NO_SUCH_DOMAIN;
    if (status != STATUS_OK)
        write_zeros(a->w, RPC_HANDLE_SIZE);
    else if (!rpc_handle_open(a->handles, SAM_DOMAIN, own ? DOMAIN_OWN : DOMAIN_BUILTIN, a->w))
        status = STATUS_INSUFFICIENT_RESOURCES;
    return lsa_status(a, status);
}

/* ---- lists --------------------------------------------------------------------------------------
 */

struct entry {
    uint32_t rid;
    struct slice name; /* UTF-8 */
};

/* SAMPR_ENUMERATION_BUFFER between the next context and the count. */
static uint32_t write_entries(struct rpc_ask *a, const struct entry *list, uint32_t count,
                              uint32_t next, ntstatus status)
{
    ndr_write_u32(a->w, next);
    ndr_write_pointer(a->w, true);
    ndr_write_u32(a->w, count);
    ndr_write_pointer(a->w, count > 0);
    if (count > 0)
        ndr_write_u32(a->w, count);
    for (uint32_t i = 0; i < count; i++) {
        ndr_write_u32(a->w, list[i].rid);
        lsa_write_string(a->w, lsa_units(a, list[i].name));
    }
    for (uint32_t i = 0; i < count; i++)
        lsa_write_units(a->w, lsa_units(a, list[i].name));
    ndr_write_u32(a->w, count);
    return lsa_status(a, status);
}

static uint32_t samr_enumerate_domains(struct rpc_ask *a)
{
    if (!rpc_handle_read(a->handles, SAM_SERVER, &a->r, NULL))
        return RPC_FAULT_CONTEXT;
    uint32_t from = ndr_read_u32(&a->r);
    (void)ndr_read_u32(&a->r);
    const struct entry all[] = {{0, a->facts->server_name}, {0, slice_str("Builtin")}};
    uint32_t skipped = from < 2 ? from : 2;
    return write_entries(a, all + skipped, 2 - skipped, 2, STATUS_OK);
}

static uint32_t samr_enumerate_users(struct rpc_ask *a)
{
    const struct rpc_facts *f = a->facts;
    uint32_t domain, count = 0;
    if (!rpc_handle_read(a->handles, SAM_DOMAIN, &a->r, &domain))
        return RPC_FAULT_CONTEXT;
    uint32_t at = ndr_read_u32(&a->r), mask = ndr_read_u32(&a->r);
    (void)ndr_read_u32(&a->r);
    struct entry *list = arena_array(a->scratch, ENTRIES_MAX, sizeof(*list));
    if (a->r.bad || list == NULL)
        return RPC_FAULT_NDR;
    bool wanted = domain == DOMAIN_OWN && (mask == 0 || (mask & ACB_NORMAL) != 0);
    for (; wanted && at < f->user_count && count < ENTRIES_MAX; at++) {
        struct rpc_user user;
        if (f->user(f->context, at, &user) && sid_is_below(&user.sid, &f->domain_sid))
            list[count++] = (struct entry){user.sid.sub[user.sid.count - 1], user.name};
    }
    bool more = wanted && at < f->user_count;
    return write_entries(a, list, count, at, more ? STATUS_MORE_ENTRIES : STATUS_OK);
}

/* The one group that all users are in. */
static uint32_t samr_enumerate_groups(struct rpc_ask *a)
{
    uint32_t domain;
    if (!rpc_handle_read(a->handles, SAM_DOMAIN, &a->r, &domain))
        return RPC_FAULT_CONTEXT;
    uint32_t from = ndr_read_u32(&a->r);
    const struct entry none = {ACCOUNT_RID_NONE, slice_str("None")};
    return write_entries(a, &none, domain == DOMAIN_OWN && from == 0, 1, STATUS_OK);
}

static uint32_t samr_enumerate_aliases(struct rpc_ask *a)
{
    uint32_t domain;
    if (!rpc_handle_read(a->handles, SAM_DOMAIN, &a->r, &domain))
        return RPC_FAULT_CONTEXT;
    uint32_t from = ndr_read_u32(&a->r);
    const struct entry all[] = {
        {544, slice_str("Administrators")}, {545, slice_str("Users")}, {546, slice_str("Guests")}};
    uint32_t count = domain == DOMAIN_BUILTIN && from == 0 ? (uint32_t)array_len(all) : 0;
    return write_entries(a, all, count, 3, STATUS_OK);
}

/* ---- names and numbers --------------------------------------------------------------------------
 */

static const struct sid *domain_sid(const struct rpc_ask *a, uint32_t domain)
{
    return domain == DOMAIN_OWN ? &a->facts->domain_sid : &builtin;
}

static ntstatus mapped(uint32_t count, uint32_t found)
{
    if (found == count)
        return STATUS_OK;
    return found == 0 ? STATUS_NONE_MAPPED : STATUS_SOME_NOT_MAPPED;
}

/* SAMPR_ULONG_ARRAY */
static void write_numbers(struct rpc_ask *a, const uint32_t *list, uint32_t count)
{
    ndr_write_u32(a->w, count);
    ndr_write_pointer(a->w, count > 0);
    if (count > 0)
        ndr_write_u32(a->w, count);
    for (uint32_t i = 0; i < count; i++)
        ndr_write_u32(a->w, list[i]);
}

/* The counts of a conformant varying array of at most NAMES_MAX; its length. */
static uint32_t read_length(struct rpc_ask *a)
{
    uint32_t count = ndr_read_count(&a->r, NAMES_MAX);
    (void)ndr_read_count(&a->r, NAMES_MAX);
    uint32_t offset = ndr_read_u32(&a->r);
    if (offset != 0 || ndr_read_count(&a->r, NAMES_MAX) != count)
        a->r.bad = true;
    return a->r.bad ? 0 : count;
}

static uint32_t samr_lookup_names(struct rpc_ask *a)
{
    uint32_t domain, found = 0;
    if (!rpc_handle_read(a->handles, SAM_DOMAIN, &a->r, &domain))
        return RPC_FAULT_CONTEXT;
    uint32_t count = read_length(a);
    struct slice *names = arena_array(a->scratch, (size_t)count + 1, sizeof(*names));
    bool *given = arena_array(a->scratch, (size_t)count + 1, sizeof(*given));
    struct account *accounts = arena_array(a->scratch, (size_t)count + 1, sizeof(*accounts));
    uint32_t *rids = arena_array(a->scratch, (size_t)count + 1, sizeof(*rids));
    uint32_t *uses = arena_array(a->scratch, (size_t)count + 1, sizeof(*uses));
    if (a->scratch->failed)
        return RPC_FAULT_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        given[i] = lsa_read_string(&a->r);
    for (uint32_t i = 0; i < count; i++)
        names[i] = given[i] ? ndr_read_utf16(&a->r, RPC_TEXT_MAX) : (struct slice){0};
    if (a->r.bad)
        return RPC_FAULT_NDR;
    if (!accounts_of_names(a, names, count, accounts))
        return RPC_FAULT_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        bool here = accounts[i].use != ACCOUNT_UNKNOWN &&
                    sid_is_below(&accounts[i].sid, domain_sid(a, domain));
        uses[i] = here ? accounts[i].use : ACCOUNT_UNKNOWN;
        rids[i] = here ? accounts[i].sid.sub[accounts[i].sid.count - 1] : 0;
        found += here;
    }
    write_numbers(a, rids, count);
    write_numbers(a, uses, count);
    return lsa_status(a, mapped(count, found));
}

static uint32_t samr_lookup_ids(struct rpc_ask *a)
{
    uint32_t domain, found = 0;
    if (!rpc_handle_read(a->handles, SAM_DOMAIN, &a->r, &domain))
        return RPC_FAULT_CONTEXT;
    uint32_t count = read_length(a);
    struct sid *sids = arena_array(a->scratch, (size_t)count + 1, sizeof(*sids));
    struct account *accounts = arena_array(a->scratch, (size_t)count + 1, sizeof(*accounts));
    uint32_t *uses = arena_array(a->scratch, (size_t)count + 1, sizeof(*uses));
    if (a->scratch->failed)
        return RPC_FAULT_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        (void)sid_append(domain_sid(a, domain), ndr_read_u32(&a->r), &sids[i]);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    if (!accounts_of_sids(a, sids, count, accounts))
        return RPC_FAULT_NO_MEMORY;
    ndr_write_u32(a->w, count);
    ndr_write_pointer(a->w, count > 0);
    if (count > 0)
        ndr_write_u32(a->w, count);
    for (uint32_t i = 0; i < count; i++) {
        uses[i] = accounts[i].use;
        found += uses[i] != ACCOUNT_UNKNOWN;
        lsa_write_string(a->w, lsa_units(a, accounts[i].name));
    }
    for (uint32_t i = 0; i < count; i++)
        lsa_write_units(a->w, lsa_units(a, accounts[i].name));
    write_numbers(a, uses, count);
    return lsa_status(a, mapped(count, found));
}

/* ---- users --------------------------------------------------------------------------------------
 */

static bool find_user(struct rpc_ask *a, uint32_t rid, struct account *out)
{
    struct sid sid;
    return sid_append(&a->facts->domain_sid, rid, &sid) && accounts_of_sids(a, &sid, 1, out) &&
           out->use == ACCOUNT_USER;
}

static uint32_t samr_open_user(struct rpc_ask *a)
{
    uint32_t domain;
    struct account user;
    if (!rpc_handle_read(a->handles, SAM_DOMAIN, &a->r, &domain))
        return RPC_FAULT_CONTEXT;
    (void)ndr_read_u32(&a->r);
    uint32_t rid = ndr_read_u32(&a->r);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    ntstatus status =
        domain == DOMAIN_OWN && find_user(a, rid, &user) ? STATUS_OK : STATUS_NO_SUCH_USER;
    if (status != STATUS_OK)
        write_zeros(a->w, RPC_HANDLE_SIZE);
    else if (!rpc_handle_open(a->handles, SAM_USER, rid, a->w))
        status = STATUS_INSUFFICIENT_RESOURCES;
    return lsa_status(a, status);
}

/* SAMPR_USER_ALL_INFORMATION with a name, a number and what all of them have. */
static void write_user_all(struct rpc_ask *a, struct slice name, uint32_t rid)
{
    enum { TIMES = 6, TEXTS = 8, SECRETS = 3, NAME_AND_NUMBERS = 0x0000001D };
    static const uint32_t never[2] = {UINT32_MAX, 0x7FFFFFFF};
    for (int i = 0; i < TIMES; i++) {
        bool expiry = i == 3 || i == 5; /* the account's, and that of its password */
        ndr_write_u32(a->w, expiry ? never[0] : 0);
        ndr_write_u32(a->w, expiry ? never[1] : 0);
    }
    lsa_write_string(a->w, name);
    for (int i = 0; i < TEXTS + SECRETS + 1; i++)
        lsa_write_string(a->w, (struct slice){0});
    ndr_write_u32(a->w, 0); /* no security descriptor */
    ndr_write_pointer(a->w, false);
    ndr_write_u32(a->w, rid);
    ndr_write_u32(a->w, ACCOUNT_RID_NONE);
    ndr_write_u32(a->w, ACB_NORMAL);
    ndr_write_u32(a->w, NAME_AND_NUMBERS);
    ndr_write_u16(a->w, 0); /* logon hours: at any */
    ndr_write_pointer(a->w, false);
    for (int i = 0; i < 4; i++)
        ndr_write_u16(a->w, 0);
    write_zeros(a->w, 4);
    lsa_write_units(a->w, name);
}

static uint32_t samr_query_user(struct rpc_ask *a)
{
    enum { NAME = 6, ACCOUNT_NAME = 7, CONTROL = 16, ALL = 21 };
    uint32_t rid;
    struct account user;
    if (!rpc_handle_read(a->handles, SAM_USER, &a->r, &rid))
        return RPC_FAULT_CONTEXT;
    uint32_t class = ndr_read_u16(&a->r);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    bool known = class == ACCOUNT_NAME || class == NAME || class == CONTROL || class == ALL;
    ntstatus status = !known                      ? STATUS_INVALID_INFO_CLASS
                      : !find_user(a, rid, &user) ? STATUS_NO_SUCH_USER /* just removed */
                                                  : STATUS_OK;
    ndr_write_pointer(a->w, status == STATUS_OK);
    if (status != STATUS_OK)
        return lsa_status(a, status);
    struct slice name = lsa_units(a, user.name);
    ndr_write_u16(a->w, (uint16_t) class);
    write_align(a->w, 4);
    if (class == ALL) {
        write_user_all(a, name, rid);
    } else if (class == CONTROL) {
        ndr_write_u32(a->w, ACB_NORMAL);
    } else {
        lsa_write_string(a->w, name);
        if (class == NAME)
            lsa_write_string(a->w, (struct slice){0});
        lsa_write_units(a->w, name);
    }
    return lsa_status(a, STATUS_OK);
}

/* SAMPR_GET_GROUPS_BUFFER */
static uint32_t samr_groups_of_user(struct rpc_ask *a)
{
    if (!rpc_handle_read(a->handles, SAM_USER, &a->r, NULL))
        return RPC_FAULT_CONTEXT;
    ndr_write_pointer(a->w, true);
    ndr_write_u32(a->w, 1);
    ndr_write_pointer(a->w, true);
    ndr_write_u32(a->w, 1);
    ndr_write_u32(a->w, ACCOUNT_RID_NONE);
    ndr_write_u32(a->w, GROUP_ATTRIBUTES);
    return lsa_status(a, STATUS_OK);
}

static rpc_handler *const handlers[SAMR_OPNUMS] = {
    [SAMR_CONNECT] = samr_connect,
    [SAMR_CLOSE_HANDLE] = samr_close,
    [SAMR_LOOKUP_DOMAIN] = samr_lookup_domain,
    [SAMR_ENUMERATE_DOMAINS] = samr_enumerate_domains,
    [SAMR_OPEN_DOMAIN] = samr_open_domain,
    [SAMR_ENUMERATE_GROUPS] = samr_enumerate_groups,
    [SAMR_ENUMERATE_USERS] = samr_enumerate_users,
    [SAMR_ENUMERATE_ALIASES] = samr_enumerate_aliases,
    [SAMR_LOOKUP_NAMES] = samr_lookup_names,
    [SAMR_LOOKUP_IDS] = samr_lookup_ids,
    [SAMR_OPEN_USER] = samr_open_user,
    [SAMR_QUERY_INFORMATION_USER] = samr_query_user,
    [SAMR_GET_GROUPS_FOR_USER] = samr_groups_of_user,
    [SAMR_QUERY_INFORMATION_USER2] = samr_query_user,
    [SAMR_CONNECT2] = samr_connect2,
    [SAMR_CONNECT4] = samr_connect4,
    [SAMR_CONNECT5] = samr_connect5,
};

/* 12345778-1234-abcd-ef00-0123456789ac version 1.0. */
const struct rpc_service samr_service = {
    .name = "samr",
    .address = "\\PIPE\\lsass",
    .interface = {.uuid = {0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0x00, 0x01, 0x23,
                           0x45, 0x67, 0x89, 0xac},
                  .major = 1},
    .handlers = handlers,
    .handler_count = SAMR_OPNUMS,
};
