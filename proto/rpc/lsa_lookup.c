/* SIDs to names and names to SIDs ([MS-LSAT] 3.1.4.5 to 3.1.4.11). The versions of a call differ in
 * the form of their entries only. */
#include "proto/base/must.h"
#include "proto/base/utf16.h"
#include "proto/rpc/account.h"
#include "proto/rpc/lsarpc_int.h"

#define LEVEL_WKSTA 1u /* LSAP_LOOKUP_LEVEL, [MS-LSAT] 2.2.16 */
#define LEVEL_MAX 7u
#define SIDS_WIRE_MAX 20480u /* [MS-LSAT] 2.2.18 */
#define NO_DOMAIN UINT32_MAX

/* What a translation gave, and the domains that it refers to, each once. */
struct found {
    struct account *accounts;
    uint32_t *domain_of; /* by account: its index, or NO_DOMAIN */
    uint32_t *domains;   /* by index: an account that is of it */
    uint32_t count, domain_count, mapped;
};

static bool found_alloc(struct rpc_ask *a, uint32_t count, struct found *f)
{
    *f = (struct found){.count = count};
    f->accounts = arena_array(a->scratch, (size_t)count + 1, sizeof(*f->accounts));
    f->domain_of = arena_array(a->scratch, (size_t)count + 1, sizeof(*f->domain_of));
    f->domains = arena_array(a->scratch, (size_t)count + 1, sizeof(*f->domains));
    return !a->scratch->failed;
}

static void find_domains(struct found *f)
{
    for (uint32_t i = 0; i < f->count; i++) {
        const struct account *one = &f->accounts[i];
        uint32_t d = 0;
        f->mapped += one->use != ACCOUNT_UNKNOWN;
        f->domain_of[i] = NO_DOMAIN;
        if (!one->domain_known)
            continue;
        while (d < f->domain_count &&
               !sid_equal(&f->accounts[f->domains[d]].domain_sid, &one->domain_sid))
            d++;
        if (d == f->domain_count)
            f->domains[f->domain_count++] = i;
        f->domain_of[i] = d;
    }
}

static ntstatus mapped_status(const struct found *f)
{
    if (f->mapped == f->count)
        return STATUS_OK;
    return f->mapped == 0 ? STATUS_NONE_MAPPED : STATUS_SOME_NOT_MAPPED;
}

static ntstatus level_status(uint32_t level)
{
    return level < LEVEL_WKSTA || level > LEVEL_MAX ? STATUS_INVALID_PARAMETER : STATUS_OK;
}

/* LSAPR_REFERENCED_DOMAIN_LIST behind its pointer, [MS-LSAT] 2.2.12. */
static void write_domains(struct rpc_ask *a, const struct found *f)
{
    ndr_write_pointer(a->w, true);
    ndr_write_u32(a->w, f->domain_count);
    ndr_write_pointer(a->w, f->domain_count > 0);
    ndr_write_u32(a->w, 32); /* MaxEntries: ignored */
    if (f->domain_count == 0)
        return;
    ndr_write_u32(a->w, f->domain_count);
    for (uint32_t d = 0; d < f->domain_count; d++) {
        lsa_write_string(a->w, lsa_units(a, f->accounts[f->domains[d]].domain));
        ndr_write_pointer(a->w, true);
    }
    for (uint32_t d = 0; d < f->domain_count; d++) {
        lsa_write_units(a->w, lsa_units(a, f->accounts[f->domains[d]].domain));
        lsa_write_sid(a->w, &f->accounts[f->domains[d]].domain_sid);
    }
}

/* An answer that is nothing but a status: no domains, no entries, none mapped. */
static uint32_t refuse(struct rpc_ask *a, ntstatus status)
{
    if (a->r.bad)
        return RPC_FAULT_NDR;
    ndr_write_pointer(a->w, false);
    ndr_write_u32(a->w, 0);
    ndr_write_pointer(a->w, false);
    ndr_write_u32(a->w, 0);
    return lsa_status(a, status);
}

/* ---- SIDs to names ------------------------------------------------------------------------------
 */

/* LSAPR_SID_ENUM_BUFFER; NULL when it is malformed or too long, or memory is short. */
static struct sid *read_sids(struct rpc_ask *a, uint32_t *count)
{
    struct reader *r = &a->r;
    *count = ndr_read_count(r, SIDS_WIRE_MAX);
    bool given = ndr_read_pointer(r);
    if (given && ndr_read_count(r, SIDS_WIRE_MAX) != *count)
        r->bad = true;
    if (!given && *count > 0)
        r->bad = true;
    for (uint32_t i = 0; given && i < *count && !r->bad; i++) {
        if (!ndr_read_pointer(r))
            r->bad = true; /* a SID that is not there: [MS-LSAT] 2.2.17 */
    }
    struct sid *sids = r->bad ? NULL : arena_array(a->scratch, (size_t)*count + 1, sizeof(*sids));
    for (uint32_t i = 0; sids != NULL && i < *count && !r->bad; i++)
        lsa_read_sid(r, &sids[i]);
    return sids;
}

/* An unknown SID's name: its last number in hexadecimal when the domain is known, else all of it
 * (3.1.4.9). */
static struct slice unknown_name(struct rpc_ask *a, const struct sid *sid, bool domain_known)
{
    char *text = arena_alloc(a->scratch, SID_TEXT_MAX);
    if (text == NULL)
        return (struct slice){0};
    if (!domain_known || sid->count == 0) {
        (void)sid_to_text(sid, text);
        return slice_str(text);
    }
    uint32_t rid = sid->sub[sid->count - 1];
    for (int i = 7; i >= 0; i--, rid >>= 4)
        text[i] = "0123456789ABCDEF"[rid & 15];
    return slice_of(text, 8);
}

/* LSAPR_TRANSLATED_NAMES, with Flags in its _EX form. */
static void write_names(struct rpc_ask *a, const struct sid *sids, const struct found *f, bool ex)
{
    struct slice *names = arena_array(a->scratch, (size_t)f->count + 1, sizeof(*names));
    ndr_write_u32(a->w, f->count);
    ndr_write_pointer(a->w, f->count > 0);
    if (names == NULL || f->count == 0)
        return;
    ndr_write_u32(a->w, f->count);
    for (uint32_t i = 0; i < f->count; i++) {
        const struct account *one = &f->accounts[i];
        bool known = one->use != ACCOUNT_UNKNOWN;
        struct slice name =
            known ? one->name : unknown_name(a, &sids[i], f->domain_of[i] != NO_DOMAIN);
        names[i] = lsa_units(a, name);
        write_align(a->w, 4);
        ndr_write_u16(a->w, (uint16_t)one->use);
        lsa_write_string(a->w, names[i]);
        ndr_write_u32(a->w, f->domain_of[i]);
        if (ex)
            ndr_write_u32(a->w, 0);
    }
    for (uint32_t i = 0; i < f->count; i++)
        lsa_write_units(a->w, names[i]);
}

static uint32_t lookup_sids(struct rpc_ask *a, bool ex)
{
    struct found f;
    uint32_t count = 0;
    if (!lsa_read_policy(a))
        return RPC_FAULT_CONTEXT;
    const struct sid *sids = read_sids(a, &count);
    (void)ndr_read_u32(&a->r); /* TranslatedNames means nothing on input; nobody sends any */
    if (ndr_read_pointer(&a->r))
        a->r.bad = true;
    uint32_t level = ndr_read_u16(&a->r);
    ntstatus status = level_status(level);
    if (status == STATUS_OK && count > LSA_SIDS_MAX)
        status = STATUS_INSUFFICIENT_RESOURCES;
    if (a->r.bad || status != STATUS_OK)
        return refuse(a, status);
    if (sids == NULL || !found_alloc(a, count, &f) || !accounts_of_sids(a, sids, count, f.accounts))
        return RPC_FAULT_NO_MEMORY;
    find_domains(&f);
    write_domains(a, &f);
    write_names(a, sids, &f, ex);
    ndr_write_u32(a->w, f.mapped);
    return lsa_status(a, mapped_status(&f));
}

uint32_t lsa_lookup_sids(struct rpc_ask *a) { return lookup_sids(a, false); }

uint32_t lsa_lookup_sids2(struct rpc_ask *a) { return lookup_sids(a, true); }

/* 3.1.4.9, 3.1.4.5: domain controllers' alone. */
uint32_t lsa_lookup_sids3(struct rpc_ask *a) { return refuse(a, STATUS_INVALID_SERVER_STATE); }

uint32_t lsa_lookup_names4(struct rpc_ask *a) { return refuse(a, STATUS_INVALID_SERVER_STATE); }

/* ---- names to SIDs ------------------------------------------------------------------------------
 */

enum form { FORM_RID, FORM_RID_EX, FORM_SID };

/* Count and Names; NULL when malformed, or memory is short. */
static struct slice *read_names(struct rpc_ask *a, uint32_t *count)
{
    struct reader *r = &a->r;
    *count = ndr_read_count(r, LSA_NAMES_MAX);
    if (ndr_read_count(r, LSA_NAMES_MAX) != *count)
        r->bad = true;
    struct slice *names = arena_array(a->scratch, (size_t)*count + 1, sizeof(*names));
    bool *given = arena_array(a->scratch, (size_t)*count + 1, sizeof(*given));
    if (names == NULL || given == NULL)
        return NULL;
    for (uint32_t i = 0; i < *count; i++)
        given[i] = lsa_read_string(r);
    for (uint32_t i = 0; i < *count; i++)
        names[i] = given[i] ? ndr_read_utf16(r, RPC_TEXT_MAX) : (struct slice){0};
    return names;
}

static uint32_t rid_of(const struct account *one)
{
    bool has = one->use != ACCOUNT_UNKNOWN && one->use != ACCOUNT_DOMAIN && one->sid.count > 0;
    return has ? one->sid.sub[one->sid.count - 1] : UINT32_MAX;
}

/* LSAPR_TRANSLATED_SIDS, _EX and _EX2. */
static void write_sids(struct rpc_ask *a, const struct found *f, enum form form)
{
    ndr_write_u32(a->w, f->count);
    ndr_write_pointer(a->w, f->count > 0);
    if (f->count == 0)
        return;
    ndr_write_u32(a->w, f->count);
    for (uint32_t i = 0; i < f->count; i++) {
        const struct account *one = &f->accounts[i];
        write_align(a->w, 4);
        ndr_write_u16(a->w, (uint16_t)one->use);
        if (form == FORM_SID)
            ndr_write_pointer(a->w, one->use != ACCOUNT_UNKNOWN);
        else
            ndr_write_u32(a->w, rid_of(one));
        ndr_write_u32(a->w, f->domain_of[i]);
        if (form != FORM_RID)
            ndr_write_u32(a->w, 0);
    }
    for (uint32_t i = 0; form == FORM_SID && i < f->count; i++) {
        if (f->accounts[i].use != ACCOUNT_UNKNOWN)
            lsa_write_sid(a->w, &f->accounts[i].sid);
    }
}

static uint32_t lookup_names(struct rpc_ask *a, enum form form)
{
    struct found f;
    uint32_t count = 0;
    if (!lsa_read_policy(a))
        return RPC_FAULT_CONTEXT;
    const struct slice *names = read_names(a, &count);
    (void)ndr_read_u32(&a->r);
    if (ndr_read_pointer(&a->r))
        a->r.bad = true;
    uint32_t level = ndr_read_u16(&a->r);
    ntstatus status = level_status(level);
    if (a->r.bad || status != STATUS_OK)
        return refuse(a, status);
    if (names == NULL || !found_alloc(a, count, &f) ||
        !accounts_of_names(a, names, count, f.accounts))
        return RPC_FAULT_NO_MEMORY;
    find_domains(&f);
    write_domains(a, &f);
    write_sids(a, &f, form);
    ndr_write_u32(a->w, f.mapped);
    return lsa_status(a, mapped_status(&f));
}

uint32_t lsa_lookup_names(struct rpc_ask *a) { return lookup_names(a, FORM_RID); }

uint32_t lsa_lookup_names2(struct rpc_ask *a) { return lookup_names(a, FORM_RID_EX); }

uint32_t lsa_lookup_names3(struct rpc_ask *a) { return lookup_names(a, FORM_SID); }
