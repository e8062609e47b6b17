/* Changes of shares ([MS-SRVS] 3.1.4.7, 3.1.4.11 to 3.1.4.13, 3.1.4.47). Each becomes an order to
 * the cluster, which has the last word on names and places. */
#include "proto/base/must.h"
#include "proto/base/utf16.h"
#include "proto/rpc/srvsvc_int.h"
#include "proto/smb/security.h"

#define SHARE_NAME_MAX 80u /* 3.1.4.7 */
#define GRANTS_MAX 256u    /* permissions of one share, as the cluster keeps them */

/* [MS-SRVS] 2.2.2.11: the member that ERROR_INVALID_PARAMETER is about. */
#define PARM_NONE 0u
#define PARM_NETNAME 1u
#define PARM_TYPE 3u
#define PARM_PATH 8u
#define PARM_DESCRIPTOR 501u

/* SHARE_INFO as a client sent it, whatever the level; texts UTF-16LE. */
struct share_info {
    struct slice name, remark, path, server, descriptor;
    bool remark_given;
    uint32_t type, uses_max, flags_1005;
};

/* The fixed part tells which pointers are there, in the order in which they are followed. */
static void read_info(struct reader *r, const char *fields, struct share_info *out)
{
    bool given[16] = {false};
    uint32_t size = 0, i = 0;
    must(fields != NULL);
    for (const char *f = fields; *f != 0; f++, i++) {
        switch (*f) {
        case 'T': out->type = ndr_read_u32(r); break;
        case 'u': out->uses_max = ndr_read_u32(r); break;
        case 'L': out->flags_1005 = ndr_read_u32(r); break;
        case 'p':
        case 'c':
        case 'F': (void)ndr_read_u32(r); break;
        case 'D':
            size = ndr_read_u32(r);
            given[i] = ndr_read_pointer(r);
            break;
        default: given[i] = ndr_read_pointer(r); break; /* all the others are texts */
        }
    }
    i = 0;
    for (const char *f = fields; *f != 0; f++, i++) {
        if (!given[i])
            continue;
        struct slice pointee = {0};
        if (*f == 'D') {
            if (ndr_read_count(r, SECURITY_BYTES_MAX) != size)
                r->bad = true;
            pointee = read_slice(r, r->bad ? 0 : size);
        } else {
            pointee = ndr_read_string(r, RPC_TEXT_MAX);
        }
        if (*f == 'N')
            out->name = pointee;
        else if (*f == 'R')
            out->remark = pointee, out->remark_given = true;
        else if (*f == 'P')
            out->path = pointee;
        else if (*f == 'S')
            out->server = pointee;
        else if (*f == 'D')
            out->descriptor = pointee;
    }
}

/* The union and its pointer; false when the level is not among `levels` and nothing more can be
 * read. */
static bool read_union(struct rpc_ask *a, uint32_t level, const uint32_t *levels, uint32_t count,
                       struct share_info *out)
{
    uint32_t known = 0;
    *out = (struct share_info){.uses_max = UINT32_MAX};
    if (ndr_read_u32(&a->r) != level)
        a->r.bad = true;
    while (known < count && levels[known] != level)
        known++;
    if (known == count)
        return false;
    if (!ndr_read_pointer(&a->r))
        a->r.bad = true;
    else
        read_info(&a->r, srvsvc_share_fields(level), out);
    return true;
}

/* ---- the outcome --------------------------------------------------------------------------------
 */

static uint32_t outcome_status(const struct rpc_ask *a, uint32_t not_found)
{
    switch (a->outcome->status) {
    case STATUS_OK: return WERR_OK;
    case STATUS_OBJECT_NAME_COLLISION: return NERR_DUPLICATE_SHARE;
    case STATUS_OBJECT_NAME_NOT_FOUND: return not_found;
    case STATUS_INVALID_PARAMETER: return WERR_INVALID_PARAMETER;
    case STATUS_ACCESS_DENIED: return WERR_ACCESS_DENIED;
    case STATUS_INSUFFICIENT_RESOURCES: return WERR_NOT_ENOUGH_MEMORY;
    default: return WERR_NOT_READY; /* the cluster could not be asked */
    }
}

/* ParmErr, when the client wants it, and the status. */
static uint32_t reply(struct rpc_ask *a, bool wants_member, uint32_t member, uint32_t status)
{
    ndr_write_pointer(a->w, wants_member);
    if (wants_member)
        ndr_write_u32(a->w, member);
    return rpc_status(a, status);
}

/* ---- permissions --------------------------------------------------------------------------------
 */

/* A descriptor's DACL as the cluster keeps permissions: who may, and who may not. Only the simple
 * forms of an ACE can be kept. */
static bool grants_from(struct rpc_ask *a, struct slice descriptor, struct rpc_order *order)
{
    struct security_descriptor sd;
    struct ace ace;
    if (security_decode(descriptor, &sd) != STATUS_OK)
        return false;
    bool open = !sd.dacl.present || sd.dacl.null;
    uint32_t count = open ? 1 : sd.dacl.count;
    struct rpc_grant *grants = arena_array(a->scratch, (size_t)count + 1, sizeof(*grants));
    if (grants == NULL || count > GRANTS_MAX)
        return false;
    order->grants = grants;
    order->share.grant_count = count;
    if (open) {
        grants[0] = (struct rpc_grant){.sid = sid_everyone, .access = FILE_ALL_ACCESS};
        return true;
    }
    if (count == 0) { /* an empty DACL lets nobody in, no permissions at all would */
        grants[0] =
            (struct rpc_grant){.sid = sid_everyone, .access = FILE_ALL_ACCESS, .deny = true};
        order->share.grant_count = 1;
        return true;
    }
    struct reader r = reader_of(sd.dacl.aces);
    for (uint32_t i = 0; ace_next(&r, &ace); i++) {
        if (!ace.plain || (ace.deed != ACE_ALLOWS && ace.deed != ACE_DENIES))
            return false;
        grants[i] = (struct rpc_grant){.sid = ace.sid,
                                       .access = access_map_generic(ace.mask) & FILE_ALL_ACCESS,
                                       .deny = ace.deed == ACE_DENIES};
    }
    return true;
}

/* ---- NetrShareAdd -------------------------------------------------------------------------------
 */

/* "C:\volume\directory" taken apart; the letter means nothing. */
static bool split_path(struct rpc_ask *a, struct slice utf16, struct rpc_share *out)
{
    struct slice text = rpc_text(a, utf16);
    if (text.len < 4 || text.at[1] != ':' || text.at[2] != '\\')
        return false;
    struct slice rest = slice_sub(text, 3, text.len - 3);
    size_t len = 0;
    while (len < rest.len && rest.at[len] != '\\')
        len++;
    out->volume = slice_sub(rest, 0, len);
    out->path = len == rest.len ? (struct slice){0} : slice_sub(rest, len + 1, rest.len - len - 1);
    uint8_t *path = arena_alloc(a->scratch, out->path.len);
    for (size_t i = 0; path != NULL && i < out->path.len; i++)
        path[i] = out->path.at[i] == '\\' ? '/' : out->path.at[i];
    out->path = slice_of(path, path == NULL ? 0 : out->path.len);
    return out->volume.len > 0;
}

/* What is wrong with a new share; PARM_NONE when nothing is, and then it is ordered. */
static uint32_t check_new(struct rpc_ask *a, const struct share_info *info)
{
    a->order = (struct rpc_order){.kind = RPC_SHARE_ADD};
    struct rpc_share *s = &a->order.share;
    if (info->name.len == 0 || info->name.len > (size_t)SHARE_NAME_MAX * 2)
        return PARM_NETNAME;
    uint32_t kind = info->type & ~(STYPE_TEMPORARY | STYPE_SPECIAL);
    if (kind != STYPE_DISKTREE)
        return PARM_TYPE;
    if (!split_path(a, info->path, s))
        return PARM_PATH;
    s->name = rpc_text(a, info->name);
    s->comment = rpc_text(a, info->remark);
    s->uses_max = info->uses_max;
    if (info->descriptor.len > 0 && !grants_from(a, info->descriptor, &a->order))
        return PARM_DESCRIPTOR;
    return PARM_NONE;
}

/* 3.1.4.7: names that are the server's own. */
static bool name_is_reserved(struct rpc_ask *a, struct slice name)
{
    static const char *const names[] = {"pipe", "mailslot", "IPC$", "ADMIN$"};
    bool reserved = false;
    for (size_t i = 0; i < array_len(names); i++)
        reserved |= rpc_text_is(a, slice_str(names[i]), name);
    return reserved;
}

uint32_t srvsvc_share_add(struct rpc_ask *a)
{
    static const uint32_t levels[] = {2, 502, 503};
    struct share_info info;
    rpc_skip_server_name(a);
    uint32_t level = ndr_read_u32(&a->r);
    bool known = read_union(a, level, levels, array_len(levels), &info);
    bool wants_member = known && ndr_read_pointer(&a->r);
    if (wants_member)
        (void)ndr_read_u32(&a->r);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    if (!a->facts->caller.administrator)
        return reply(a, wants_member, PARM_NONE, WERR_ACCESS_DENIED);
    if (!known)
        return reply(a, false, PARM_NONE, WERR_INVALID_LEVEL);
    struct rpc_share existing;
    if (srvsvc_share_find(a, info.name, &existing, NULL) && a->outcome == NULL)
        return reply(a, wants_member, PARM_NONE, NERR_DUPLICATE_SHARE);
    if (name_is_reserved(a, info.name))
        return reply(a, wants_member, PARM_NONE, WERR_ACCESS_DENIED);
    if (a->outcome != NULL)
        return reply(a, wants_member, PARM_NONE, outcome_status(a, NERR_UNKNOWN_DEV_DIR));
    uint32_t member = check_new(a, &info);
    if (member == PARM_PATH) /* no volume is called that */
        return reply(a, wants_member, member, NERR_UNKNOWN_DEV_DIR);
    if (member != PARM_NONE)
        return reply(a, wants_member, member, WERR_INVALID_PARAMETER);
    return RPC_ORDERED;
}

/* ---- NetrShareSetInfo ---------------------------------------------------------------------------
 */

/* Everything but a share's place can be set; the levels hold different parts of it. */
static uint32_t check_change(struct rpc_ask *a, const char *fields, const struct share_info *info,
                             const struct rpc_share *was)
{
    a->order = (struct rpc_order){.kind = RPC_SHARE_SET};
    struct rpc_order *o = &a->order;
    o->share = (struct rpc_share){.name = was->name};
    for (; *fields != 0; fields++) {
        if (*fields == 'R' && info->remark_given) {
            o->fields |= RPC_SHARE_COMMENT;
            o->share.comment = rpc_text(a, info->remark);
        } else if (*fields == 'u') {
            o->fields |= RPC_SHARE_USES;
            o->share.uses_max = info->uses_max;
        } else if (*fields == 'L') {
            o->fields |= RPC_SHARE_FLAGS;
            o->share.flags_1005 = info->flags_1005 & SHI1005_SETTABLE;
        } else if (*fields == 'D' && info->descriptor.len > 0) {
            o->fields |= RPC_SHARE_GRANTS;
            if (!grants_from(a, info->descriptor, o))
                return PARM_DESCRIPTOR;
        }
    }
    return PARM_NONE;
}

static uint32_t set_status(struct rpc_ask *a, uint32_t level, const struct share_info *info,
                           struct slice name, uint32_t *member)
{
    struct rpc_share was;
    if (name.len == 0)
        return WERR_INVALID_PARAMETER;
    if (!srvsvc_share_find(a, name, &was, NULL))
        return NERR_NET_NAME_NOT_FOUND;
    if (was.volume.len == 0)
        return WERR_NOT_SUPPORTED; /* IPC$ is as it is */
    if (a->outcome != NULL)
        return outcome_status(a, NERR_NET_NAME_NOT_FOUND);
    *member = check_change(a, srvsvc_share_fields(level), info, &was);
    if (*member != PARM_NONE)
        return WERR_INVALID_PARAMETER;
    return a->order.fields == 0 ? WERR_OK : RPC_ORDERED;
}

uint32_t srvsvc_share_set_info(struct rpc_ask *a)
{
    static const uint32_t levels[] = {1, 2, 502, 503, 1004, 1005, 1006, 1501};
    struct share_info info;
    rpc_skip_server_name(a);
    struct slice name = ndr_read_string(&a->r, RPC_TEXT_MAX);
    uint32_t level = ndr_read_u32(&a->r), member = PARM_NONE;
    bool known = read_union(a, level, levels, array_len(levels), &info);
    bool wants_member = known && ndr_read_pointer(&a->r);
    if (wants_member)
        (void)ndr_read_u32(&a->r);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    uint32_t status = !a->facts->caller.administrator ? WERR_ACCESS_DENIED
                      : !known                        ? WERR_INVALID_LEVEL
                                                      : set_status(a, level, &info, name, &member);
    return status == RPC_ORDERED ? RPC_ORDERED : reply(a, wants_member, member, status);
}

/* ---- NetrShareDel -------------------------------------------------------------------------------
 */

static uint32_t remove_share(struct rpc_ask *a, struct slice name)
{
    struct rpc_share s;
    if (a->r.bad)
        return RPC_FAULT_NDR;
    if (!a->facts->caller.administrator)
        return rpc_status(a, WERR_ACCESS_DENIED);
    if (a->outcome != NULL)
        return rpc_status(a, outcome_status(a, NERR_NET_NAME_NOT_FOUND));
    if (name.len == 0)
        return rpc_status(a, WERR_INVALID_PARAMETER);
    if (!srvsvc_share_find(a, name, &s, NULL))
        return rpc_status(a, NERR_NET_NAME_NOT_FOUND);
    if (s.volume.len == 0)
        return rpc_status(a, WERR_ACCESS_DENIED); /* IPC$ is what this call came through */
    a->order = (struct rpc_order){.kind = RPC_SHARE_REMOVE, .share = {.name = s.name}};
    return RPC_ORDERED;
}

uint32_t srvsvc_share_del(struct rpc_ask *a)
{
    rpc_skip_server_name(a);
    struct slice name = ndr_read_string(&a->r, RPC_TEXT_MAX);
    (void)ndr_read_u32(&a->r);
    return remove_share(a, name);
}

/* By a whole SHARE_INFO, of which only the name (and the scope, of which there is one) counts. */
uint32_t srvsvc_share_del_ex(struct rpc_ask *a)
{
    static const uint32_t levels[] = {0, 1, 2, 502, 503};
    struct share_info info;
    rpc_skip_server_name(a);
    uint32_t level = ndr_read_u32(&a->r);
    if (!read_union(a, level, levels, array_len(levels), &info) && !a->r.bad)
        return rpc_status(a, WERR_INVALID_LEVEL);
    return remove_share(a, info.name);
}
