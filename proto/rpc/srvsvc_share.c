/* What shares there are ([MS-SRVS] 3.1.4.8 to 3.1.4.10, 3.1.4.16). */
#include "proto/base/must.h"
#include "proto/base/utf16.h"
#include "proto/rpc/srvsvc_int.h"
#include "proto/smb/security.h"

#define CLUSTER_TYPES (STYPE_CLUSTER_FS | STYPE_CLUSTER_SOFS | STYPE_CLUSTER_DFS)

static const struct {
    uint32_t level;
    const char *fields;
} share_levels[] = {
    {0, "N"},           {1, "NTR"},          {2, "NTRpucPW"}, {501, "NTRF"},
    {502, "NTRpucPWD"}, {503, "NTRpucPWSD"}, {1004, "R"},     {1005, "L"},
    {1006, "u"},        {1501, "D"},
};

const char *srvsvc_share_fields(uint32_t level)
{
    for (size_t i = 0; i < array_len(share_levels); i++) {
        if (share_levels[i].level == level)
            return share_levels[i].fields;
    }
    return NULL;
}

bool srvsvc_share_find(struct rpc_ask *a, struct slice name, struct rpc_share *out, uint32_t *at)
{
    for (uint32_t i = 0; i < a->facts->share_count; i++) {
        a->facts->share(a->facts->context, i, out);
        if (!rpc_text_is(a, out->name, name))
            continue;
        if (at != NULL)
            *at = i;
        return true;
    }
    return false;
}

/* ---- one share ----------------------------------------------------------------------------------
 */

/* "C:\volume\directory": where administrators of Windows look for a path, and what NetrShareAdd
 * understands. */
static struct slice share_path(struct rpc_ask *a, const struct rpc_share *s)
{
    if (s->volume.len == 0)
        return (struct slice){0};
    size_t cap = 4 + s->volume.len + s->path.len;
    uint8_t *at = arena_alloc(a->scratch, cap);
    if (at == NULL)
        return (struct slice){0};
    struct writer w = writer_of(at, cap);
    write_bytes(&w, slice_str("C:\\"));
    write_bytes(&w, s->volume);
    if (s->path.len > 0)
        write_u8(&w, '\\');
    for (size_t i = 0; i < s->path.len; i++)
        write_u8(&w, s->path.at[i] == '/' ? '\\' : s->path.at[i]);
    return written(&w);
}

/* How many ACEs were written. */
static uint16_t write_grants(struct rpc_ask *a, uint32_t at, const struct rpc_share *s, bool deny,
                             struct writer *w)
{
    uint16_t count = 0;
    for (uint32_t i = 0; i < s->grant_count; i++) {
        struct rpc_grant g;
        if (!a->facts->grant(a->facts->context, at, i, &g) || g.deny != deny)
            continue;
        ace_write(w, deny ? ACE_ACCESS_DENIED : ACE_ACCESS_ALLOWED, 0, g.access, &g.sid);
        count++;
    }
    return count;
}

/* The share's permissions as the security descriptor they come from or could have come from. */
static struct slice share_descriptor(struct rpc_ask *a, uint32_t at, const struct rpc_share *s)
{
    struct security_descriptor sd = {.control = SE_SELF_RELATIVE | SE_DACL_PRESENT,
                                     .has_owner = true,
                                     .has_group = true,
                                     .owner = sid_builtin_administrators,
                                     .group = sid_builtin_administrators,
                                     .dacl = {.present = true, .revision = 2}};
    size_t cap = ((size_t)s->grant_count + 1) * (8 + SID_BYTES_MAX);
    uint8_t *aces = arena_alloc(a->scratch, cap);
    if (aces == NULL)
        return (struct slice){0};
    struct writer w = writer_of(aces, cap);
    sd.dacl.count = write_grants(a, at, s, true, &w);
    sd.dacl.count = (uint16_t)(sd.dacl.count + write_grants(a, at, s, false, &w));
    if (s->grant_count == 0) { /* such a share is the administrators' alone */
        ace_write(&w, ACE_ACCESS_ALLOWED, 0, FILE_ALL_ACCESS, &sid_builtin_administrators);
        sd.dacl.count = 1;
    }
    sd.dacl.aces = written(&w);
    size_t size = security_size(&sd);
    uint8_t *bytes = arena_alloc(a->scratch, size);
    if (bytes == NULL)
        return (struct slice){0};
    struct writer out = writer_of(bytes, size);
    security_write(&out, &sd);
    return written(&out);
}

static void share_row(struct rpc_ask *a, const char *fields, uint32_t at, struct record *out)
{
    struct rpc_share s;
    a->facts->share(a->facts->context, at, &s);
    for (; *fields != 0; fields++) {
        switch (*fields) {
        case 'N': record_text(out, s.name); break;
        case 'T': record_number(out, s.type & ~CLUSTER_TYPES); break; /* 2.2.2.4: local callers' */
        case 'R': record_text(out, s.comment); break;
        case 'p': record_number(out, 0); break; /* share-level security is long gone */
        case 'u': record_number(out, s.uses_max); break;
        case 'c': record_number(out, s.uses); break;
        case 'P': record_text(out, share_path(a, &s)); break;
        case 'W': record_null(out); break;
        case 'S': record_text(out, slice_str("*")); break; /* every name of the server */
        case 'F': record_number(out, s.flags_1005 & SHI1005_CSC_MASK); break;
        case 'L': record_number(out, s.flags_1005); break;
        case 'D':
            record_bytes(out, s.volume.len == 0 ? (struct slice){0} : share_descriptor(a, at, &s));
            break;
        default: must(!"a letter of the table"); /* fields come from share_levels */
        }
    }
}

/* [MS-SRVS] 3.1.4.10 <62>: paths and permissions are administrators' business. */
static uint32_t level_status(const struct rpc_ask *a, uint32_t level)
{
    bool shown = level != 2 && level != 502 && level != 503;
    return shown || a->facts->caller.administrator ? WERR_OK : WERR_ACCESS_DENIED;
}

/* ---- calls --------------------------------------------------------------------------------------
 */

static bool list_row(struct rpc_ask *a, const struct rpc_list *list, uint32_t at,
                     struct record *out)
{
    share_row(a, srvsvc_share_fields(list->level), at, out);
    return true;
}

/* 3.1.4.9: only shares that outlive the server, not those it makes itself. */
static bool sticky_row(struct rpc_ask *a, const struct rpc_list *list, uint32_t at,
                       struct record *out)
{
    struct rpc_share s;
    a->facts->share(a->facts->context, at, &s);
    return (s.type & STYPE_SPECIAL) == 0 && list_row(a, list, at, out);
}

static uint32_t share_list(struct rpc_ask *a, bool sticky)
{
    static const uint32_t levels[] = {0, 1, 2, 502, 503, 501};
    struct rpc_enum e;
    rpc_skip_server_name(a);
    bool known = rpc_enum_read(a, levels, sticky ? 5 : 6, &e); /* 501: not of sticky ones */
    struct rpc_list list = {
        .row = sticky ? sticky_row : list_row, .level = e.level, .end = a->facts->share_count};
    uint32_t status = known ? level_status(a, e.level) : WERR_INVALID_LEVEL;
    return rpc_enum_reply(a, &e, &list, status);
}

uint32_t srvsvc_share_enum(struct rpc_ask *a) { return share_list(a, false); }

uint32_t srvsvc_share_enum_sticky(struct rpc_ask *a) { return share_list(a, true); }

static bool level_can_be_read(uint32_t level)
{
    return level <= 2 || (level >= 501 && level <= 503) || level == 1005;
}

uint32_t srvsvc_share_get_info(struct rpc_ask *a)
{
    struct rpc_share s;
    uint32_t at = 0;
    rpc_skip_server_name(a);
    struct slice name = ndr_read_string(&a->r, RPC_TEXT_MAX);
    uint32_t level = ndr_read_u32(&a->r);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    uint32_t status = level_can_be_read(level) ? level_status(a, level) : WERR_INVALID_LEVEL;
    if (status == WERR_OK && !srvsvc_share_find(a, name, &s, &at))
        status = NERR_NET_NAME_NOT_FOUND;
    ndr_write_u32(a->w, level);
    ndr_write_pointer(a->w, status == WERR_OK);
    if (status == WERR_OK) {
        struct record row = {.count = 0};
        share_row(a, srvsvc_share_fields(level), at, &row);
        if (!record_write(&row, a->w, a->scratch))
            return RPC_FAULT_NO_MEMORY;
    }
    return rpc_status(a, status);
}

/* Is this local path shared? */
uint32_t srvsvc_share_check(struct rpc_ask *a)
{
    rpc_skip_server_name(a);
    struct slice device = ndr_read_string(&a->r, RPC_TEXT_MAX);
    uint32_t type = 0, status = NERR_DEVICE_NOT_SHARED;
    for (uint32_t i = 0; i < a->facts->share_count && !a->r.bad; i++) {
        struct rpc_share s;
        a->facts->share(a->facts->context, i, &s);
        if (status != WERR_OK && rpc_text_is(a, share_path(a, &s), device))
            status = WERR_OK, type = s.type & ~CLUSTER_TYPES;
    }
    ndr_write_u32(a->w, type);
    return rpc_status(a, status);
}
