#include "proto/rpc/pac.h"
#include "proto/base/must.h"
#include "proto/base/utf16.h"
#include "proto/rpc/ndr.h"

#define PAC_LOGON_INFO 1u     /* [MS-PAC] 2.4 */
#define PAC_STRING_MAX 1024u  /* UTF-16 units of one name */
#define TYPE_HEADERS_SIZE 16u /* [MS-RPCE] 2.2.6.1, 2.2.6.2 */
#define FILETIME_SIZE 8u

/* [MS-PAC] 2.3: the bytes of the only buffer of that type. */
static bool find_logon_info(struct slice pac, struct slice *out)
{
    struct reader r = reader_of(pac);
    uint32_t count = read_u32(&r);
    uint32_t version = read_u32(&r);
    if (r.bad || version != 0 || count > PAC_BUFFERS_MAX)
        return false;
    bool found = false;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t type = read_u32(&r), size = read_u32(&r);
        uint64_t offset = read_u64(&r);
        if (type != PAC_LOGON_INFO)
            continue;
        if (found || offset > SIZE_MAX)
            return false;
        *out = read_at(&r, (size_t)offset, size);
        found = true;
    }
    return found && !r.bad;
}

/* RPC_UNICODE_STRING: the fixed part says only whether characters follow later. */
static bool string_header(struct reader *r)
{
    (void)ndr_read_u16(r);
    (void)ndr_read_u16(r);
    return ndr_read_pointer(r);
}

static const char *string_body(struct reader *r, bool present, struct arena *a)
{
    if (!present)
        return "";
    struct slice units = ndr_read_utf16(r, PAC_STRING_MAX);
    const char *text = r->bad ? NULL : utf16_to_utf8(units, a);
    if (text == NULL)
        r->bad = true;
    return text == NULL ? "" : text;
}

/* RPC_SID, [MS-DTYP] 2.4.2.3: the conformance in front, then a SID that must agree with it. */
static void sid_body(struct reader *r, struct sid *out)
{
    uint32_t count = ndr_read_count(r, SID_SUB_MAX);
    sid_read(r, out);
    if (!r->bad && out->count != count)
        r->bad = true;
}

/* The fixed part of KERB_VALIDATION_INFO, [MS-PAC] 2.5, as far as it matters later. */
struct fixed {
    bool strings[6], logon_server, domain_name, domain_sid, groups, extras, resource_domain,
        resources;
    uint32_t user_rid, group_count, extra_count, resource_count;
};

static void read_fixed(struct reader *r, struct fixed *f, struct pac_logon *out)
{
    read_align(r, 4);
    read_skip(r, FILETIME_SIZE); /* LogonTime */
    out->logoff_time = read_u64(r);
    out->kickoff_time = read_u64(r);
    read_skip(r, 3 * FILETIME_SIZE); /* PasswordLastSet, CanChange, MustChange */
    for (size_t i = 0; i < array_len(f->strings); i++)
        f->strings[i] = string_header(r);
    read_skip(r, 4); /* LogonCount, BadPasswordCount */
    f->user_rid = ndr_read_u32(r);
    out->primary_group_rid = ndr_read_u32(r);
    f->group_count = ndr_read_count(r, PAC_GROUPS_MAX);
    f->groups = ndr_read_pointer(r);
    out->user_flags = ndr_read_u32(r);
    read_skip(r, 16); /* UserSessionKey */
    f->logon_server = string_header(r);
    f->domain_name = string_header(r);
    f->domain_sid = ndr_read_pointer(r);
    read_skip(r, 8); /* Reserved1 */
    out->user_account_control = ndr_read_u32(r);
    read_skip(r, 4 + 2 * FILETIME_SIZE + 8); /* SubAuthStatus .. Reserved3 */
    f->extra_count = ndr_read_count(r, PAC_GROUPS_MAX);
    f->extras = ndr_read_pointer(r);
    f->resource_domain = ndr_read_pointer(r);
    f->resource_count = ndr_read_count(r, PAC_GROUPS_MAX);
    f->resources = ndr_read_pointer(r);
}

/* An array of GROUP_MEMBERSHIP: RIDs whose domain may only be known afterwards. */
static void rid_array(struct reader *r, bool present, uint32_t count, struct pac_group *out)
{
    if (present ? ndr_read_count(r, PAC_GROUPS_MAX) != count : count != 0)
        r->bad = true;
    for (uint32_t i = 0; i < count && !r->bad; i++) {
        out[i].sid.sub[0] = ndr_read_u32(r);
        out[i].attributes = ndr_read_u32(r);
    }
}

static void rids_to_sids(struct reader *r, const struct sid *domain, uint32_t count,
                         struct pac_group *groups)
{
    for (uint32_t i = 0; i < count && !r->bad; i++) {
        uint32_t rid = groups[i].sid.sub[0];
        if (!sid_append(domain, rid, &groups[i].sid))
            r->bad = true;
    }
}

static void extra_sids(struct reader *r, const struct fixed *f, struct pac_group *out)
{
    if (f->extras ? ndr_read_count(r, PAC_GROUPS_MAX) != f->extra_count : f->extra_count != 0)
        r->bad = true;
    for (uint32_t i = 0; i < f->extra_count && !r->bad; i++) {
        if (!ndr_read_pointer(r))
            r->bad = true;
        out[i].attributes = ndr_read_u32(r);
    }
    for (uint32_t i = 0; i < f->extra_count && !r->bad; i++)
        sid_body(r, &out[i].sid);
}

static bool decode_logon(struct slice info, struct arena *a, struct pac_logon *out)
{
    struct reader r = reader_of(info);
    /* [MS-RPCE] 2.2.6: version 1, little-endian, then the length of what follows. */
    uint8_t version = read_u8(&r), order = read_u8(&r);
    read_skip(&r, TYPE_HEADERS_SIZE - 2);
    if (version != 1 || order != 0x10 || !ndr_read_pointer(&r))
        return false;
    struct fixed f = {0};
    struct pac_logon l = {0};
    read_fixed(&r, &f, &l);
    uint32_t total = f.group_count + f.extra_count + f.resource_count;
    if (r.bad || !f.domain_sid || total > PAC_GROUPS_MAX)
        return false;
    l.groups = arena_array(a, total + 1, sizeof *l.groups);
    if (l.groups == NULL)
        return false;
    struct pac_group *extras = l.groups + f.group_count, *resources = extras + f.extra_count;
    l.group_count = total;
    l.account_name = string_body(&r, f.strings[0], a);
    l.full_name = string_body(&r, f.strings[1], a);
    for (size_t i = 2; i < array_len(f.strings); i++)
        (void)string_body(&r, f.strings[i], a);
    rid_array(&r, f.groups, f.group_count, l.groups);
    l.logon_server = string_body(&r, f.logon_server, a);
    l.domain_name = string_body(&r, f.domain_name, a);
    sid_body(&r, &l.domain);
    rids_to_sids(&r, &l.domain, f.group_count, l.groups);
    extra_sids(&r, &f, extras);
    struct sid resource_domain = {0};
    if (f.resource_domain)
        sid_body(&r, &resource_domain);
    else if (f.resource_count > 0)
        return false;
    rid_array(&r, f.resources, f.resource_count, resources);
    rids_to_sids(&r, &resource_domain, f.resource_count, resources);
    if (r.bad)
        return false;
    /* [MS-PAC] 2.5 UserId: zero means that the user's SID is the first of ExtraSids. */
    if (f.user_rid == 0 && f.extra_count > 0)
        l.user = extras[0].sid;
    else if (f.user_rid == 0 || !sid_append(&l.domain, f.user_rid, &l.user))
        return false;
    *out = l;
    return true;
}

bool pac_decode(struct slice pac, struct arena *a, struct pac_logon *out)
{
    struct slice info;
    return find_logon_info(pac, &info) && decode_logon(info, a, out);
}
