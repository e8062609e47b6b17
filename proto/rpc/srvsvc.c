#include "proto/rpc/srvsvc.h"
#include "proto/base/must.h"
#include "proto/base/utf16.h"
#include "proto/rpc/ndr.h"

const struct rpc_interface srvsvc_interface = {
    .uuid = {0xc8, 0x4f, 0x32, 0x4b, 0x70, 0x16, 0xd3, 0x01, 0x12, 0x78, 0x5a, 0x47, 0xbf, 0x6e,
             0xe1, 0x88},
    .major = 3,
    .minor = 0,
};

#define CLUSTER_TYPES (STYPE_CLUSTER_FS | STYPE_CLUSTER_SOFS | STYPE_CLUSTER_DFS)
#define USES_UNLIMITED UINT32_MAX

/* [MS-SRVS] 2.2.2.6 and 2.2.2.7; the version is what Windows Server 2022 says. */
#define PLATFORM_ID_NT 500u
#define VERSION_MAJOR 10u
#define VERSION_MINOR 0u
#define SV_TYPE_WORKSTATION UINT32_C(0x00000001)
#define SV_TYPE_SERVER UINT32_C(0x00000002)
#define SV_TYPE_NT UINT32_C(0x00001000)
#define SV_TYPE_SERVER_NT UINT32_C(0x00008000)

static void skip_server_name(struct reader *r)
{
    if (ndr_read_pointer(r))
        (void)ndr_read_string(r, SRVSVC_NAME_MAX);
}

/* SHARE_ENUM_STRUCT as clients send it: a level and an empty container of that level. */
static void decode_enum(struct reader *r, struct srvsvc_call *call)
{
    call->level = ndr_read_u32(r);
    uint32_t arm = ndr_read_u32(r);
    if (arm != call->level)
        r->bad = true;
    if (ndr_read_pointer(r)) {
        (void)ndr_read_u32(r);
        /* What a client would put into an array it wants to receive means nothing ([MS-SRVS]
         * 3.1.4.8); all known clients send none. */
        if (ndr_read_pointer(r))
            r->bad = true;
    }
    (void)ndr_read_u32(r); /* PreferedMaximumLength: everything is returned at once */
    call->resume_given = ndr_read_pointer(r);
    if (call->resume_given)
        call->resume = ndr_read_u32(r);
}

uint32_t srvsvc_decode(uint16_t opnum, struct slice stub, struct srvsvc_call *out)
{
    struct reader r = reader_of(stub);
    struct srvsvc_call call = {.opnum = opnum};
    switch (opnum) {
    case SRVSVC_NETR_SHARE_ENUM:
    case SRVSVC_NETR_SHARE_ENUM_STICKY:
        skip_server_name(&r);
        decode_enum(&r, &call);
        break;
    case SRVSVC_NETR_SHARE_GET_INFO:
        skip_server_name(&r);
        call.net_name = ndr_read_string(&r, SRVSVC_NAME_MAX);
        call.level = ndr_read_u32(&r);
        break;
    case SRVSVC_NETR_SERVER_GET_INFO:
        skip_server_name(&r);
        call.level = ndr_read_u32(&r);
        break;
    default: return RPC_FAULT_OP_RANGE; /* a number from the wire */
    }
    if (r.bad)
        return RPC_FAULT_NDR;
    *out = call;
    return 0;
}

/* What a level holds, in wire order. */
struct share_level {
    uint32_t level;
    bool type, remark, flags, uses, path, server, reserved, flags_1005;
    bool name; /* false only for 1005 */
    bool administrators_only;
};

static const struct share_level share_levels[] = {
    {.level = 0, .name = true},
    {.level = 1, .name = true, .type = true, .remark = true},
    {.level = 2,
     .name = true,
     .type = true,
     .remark = true,
     .uses = true,
     .path = true,
     .administrators_only = true},
    {.level = 501, .name = true, .type = true, .remark = true, .flags = true},
    {.level = 502,
     .name = true,
     .type = true,
     .remark = true,
     .uses = true,
     .path = true,
     .reserved = true,
     .administrators_only = true},
    {.level = 503,
     .name = true,
     .type = true,
     .remark = true,
     .uses = true,
     .path = true,
     .server = true,
     .reserved = true,
     .administrators_only = true},
    {.level = 1005, .flags_1005 = true},
};

static const struct share_level *find_level(uint32_t level)
{
    for (size_t i = 0; i < array_len(share_levels); i++) {
        if (share_levels[i].level == level)
            return &share_levels[i];
    }
    return NULL;
}

static void write_share_fixed(const struct share_level *l, const struct srvsvc_share *s,
                              struct writer *w)
{
    if (l->name)
        ndr_write_pointer(w, true);
    if (l->type)
        ndr_write_u32(w, s->type & ~CLUSTER_TYPES);
    if (l->remark)
        ndr_write_pointer(w, true);
    if (l->flags)
        ndr_write_u32(w, 0);
    if (l->uses) {
        ndr_write_u32(w, 0); /* permissions: only for share-level security */
        ndr_write_u32(w, USES_UNLIMITED);
        ndr_write_u32(w, 0);
    }
    if (l->path) {
        ndr_write_pointer(w, true);
        ndr_write_pointer(w, false); /* no password */
    }
    if (l->server)
        ndr_write_pointer(w, true);
    if (l->reserved) {
        ndr_write_u32(w, 0);
        ndr_write_pointer(w, false); /* no security descriptor of the share */
    }
    if (l->flags_1005)
        ndr_write_u32(w, s->flags_1005);
}

static bool write_share_text(const struct share_level *l, const struct srvsvc_share *s,
                             struct arena *scratch, struct writer *w)
{
    return (!l->name || ndr_write_string(w, s->name, scratch)) &&
           (!l->remark || ndr_write_string(w, s->comment, scratch)) &&
           (!l->path || ndr_write_string(w, s->path, scratch)) &&
           (!l->server || ndr_write_string(w, slice_str("*"), scratch));
}

static bool text_valid(const struct srvsvc_share *s, struct arena *scratch)
{
    struct slice units;
    return utf16_from_utf8(s->name, scratch, &units) && units.len > 0 &&
           utf16_from_utf8(s->comment, scratch, &units) &&
           utf16_from_utf8(s->path, scratch, &units);
}

static uint32_t level_status(const struct share_level *l, const struct srvsvc_source *source)
{
    if (l == NULL)
        return WERR_INVALID_LEVEL;
    return l->administrators_only && !source->administrator ? WERR_ACCESS_DENIED : WERR_OK;
}

/* The container's array of the shares from `resume` on. */
static bool write_shares(const struct srvsvc_call *call, const struct srvsvc_source *source,
                         struct arena *scratch, struct writer *w, uint32_t *count)
{
    const struct share_level *l = find_level(call->level);
    const struct srvsvc_share **list =
        arena_array(scratch, source->share_count + 1, sizeof(struct srvsvc_share *));
    if (list == NULL)
        return false;
    *count = 0;
    for (uint32_t i = call->resume; i < source->share_count; i++) {
        if (text_valid(&source->shares[i], scratch))
            list[(*count)++] = &source->shares[i];
    }
    if (scratch->failed)
        return false;
    ndr_write_u32(w, *count);
    ndr_write_pointer(w, *count > 0);
    if (*count == 0)
        return true;
    ndr_write_u32(w, *count);
    for (uint32_t i = 0; i < *count; i++)
        write_share_fixed(l, list[i], w);
    for (uint32_t i = 0; i < *count; i++) {
        if (!write_share_text(l, list[i], scratch, w))
            return false;
    }
    return true;
}

static uint32_t reply_enum(const struct srvsvc_call *call, const struct srvsvc_source *source,
                           struct arena *scratch, struct writer *w)
{
    const struct share_level *l = call->level == 1005 ? NULL : find_level(call->level);
    uint32_t status = level_status(l, source), count = 0;
    ndr_write_u32(w, call->level);
    ndr_write_u32(w, call->level);
    if (status == WERR_OK) {
        ndr_write_pointer(w, true);
        if (!write_shares(call, source, scratch, w, &count))
            return RPC_FAULT_NO_MEMORY;
    } else {
        ndr_write_pointer(w, false); /* who asks for a level has an arm for it in its union */
    }
    ndr_write_u32(w, count);
    ndr_write_pointer(w, call->resume_given);
    if (call->resume_given)
        ndr_write_u32(w, 0);
    ndr_write_u32(w, status);
    return 0;
}

static const struct srvsvc_share *find_share(struct slice name, const struct srvsvc_source *source,
                                             struct arena *scratch)
{
    for (uint32_t i = 0; i < source->share_count; i++) {
        const struct srvsvc_share *s = &source->shares[i];
        struct slice units;
        if (utf16_from_utf8(s->name, scratch, &units) && utf16_compare_fold(units, name) == 0)
            return s;
    }
    return NULL;
}

static uint32_t reply_share(const struct srvsvc_call *call, const struct srvsvc_source *source,
                            struct arena *scratch, struct writer *w)
{
    const struct share_level *l = find_level(call->level);
    const struct srvsvc_share *s = find_share(call->net_name, source, scratch);
    uint32_t status = level_status(l, source);
    if (status == WERR_OK && s == NULL)
        status = scratch->failed ? WERR_NO_SYSTEM_RESOURCES : NERR_NET_NAME_NOT_FOUND;
    ndr_write_u32(w, call->level);
    ndr_write_pointer(w, status == WERR_OK);
    if (status == WERR_OK) {
        write_share_fixed(l, s, w);
        if (!write_share_text(l, s, scratch, w))
            return RPC_FAULT_NO_MEMORY;
    }
    ndr_write_u32(w, status);
    return 0;
}

static uint32_t reply_server(const struct srvsvc_call *call, const struct srvsvc_source *source,
                             struct arena *scratch, struct writer *w)
{
    bool known = call->level == 100 || call->level == 101;
    ndr_write_u32(w, call->level);
    if (!known) {
        ndr_write_pointer(w, false);
        ndr_write_u32(w, WERR_INVALID_LEVEL);
        return 0;
    }
    ndr_write_pointer(w, true);
    ndr_write_u32(w, PLATFORM_ID_NT);
    ndr_write_pointer(w, true);
    if (call->level == 101) {
        ndr_write_u32(w, VERSION_MAJOR);
        ndr_write_u32(w, VERSION_MINOR);
        ndr_write_u32(w, SV_TYPE_WORKSTATION | SV_TYPE_SERVER | SV_TYPE_NT | SV_TYPE_SERVER_NT);
        ndr_write_pointer(w, true);
    }
    if (!ndr_write_string(w, source->server_name, scratch))
        return RPC_FAULT_NO_MEMORY;
    if (call->level == 101 && !ndr_write_string(w, source->server_comment, scratch))
        return RPC_FAULT_NO_MEMORY;
    ndr_write_u32(w, WERR_OK);
    return 0;
}

uint32_t srvsvc_reply(const struct srvsvc_call *call, const struct srvsvc_source *source,
                      struct arena *scratch, struct writer *stub)
{
    switch ((enum srvsvc_opnum)call->opnum) {
    case SRVSVC_NETR_SHARE_ENUM:
    case SRVSVC_NETR_SHARE_ENUM_STICKY: return reply_enum(call, source, scratch, stub);
    case SRVSVC_NETR_SHARE_GET_INFO: return reply_share(call, source, scratch, stub);
    case SRVSVC_NETR_SERVER_GET_INFO: return reply_server(call, source, scratch, stub);
    }
    return RPC_FAULT_OP_RANGE;
}
