/* [MS-SMB2] 2.2.13.2, 2.2.14.2: the chain of create contexts. A context's offsets count from
 * its own beginning, so each is read through a reader of its own. */
#include "proto/smb/create_ctx.h"

#include "proto/base/must.h"
#include "proto/smb/wire.h"
#include <string.h>

#define CTX_HEADER 16u
#define NO_CONTEXT SIZE_MAX

typedef ntstatus take(struct slice data, struct create_contexts *out);

static ntstatus ok_if(bool good) { return good ? STATUS_OK : STATUS_INVALID_PARAMETER; }

static ntstatus take_ea(struct slice data, struct create_contexts *out)
{
    out->has_ea = true;
    out->ea = data;
    return STATUS_OK;
}

static ntstatus take_security(struct slice data, struct create_contexts *out)
{
    out->has_security = true;
    out->security = data;
    return ok_if(data.len > 0);
}

static ntstatus take_dhnq(struct slice data, struct create_contexts *out)
{
    out->dhnq = true;
    return ok_if(data.len == 16);
}

static ntstatus take_dhnc(struct slice data, struct create_contexts *out)
{
    struct reader r = reader_of(data);
    out->dhnc = true;
    out->durable_id = read_file_id(&r);
    return ok_if(data.len == 16);
}

static ntstatus take_alsi(struct slice data, struct create_contexts *out)
{
    struct reader r = reader_of(data);
    out->alsi = true;
    out->allocation_size = read_u64(&r);
    return ok_if(data.len == 8);
}

/* 2.2.13.2.5: the time stamp is optional. */
static ntstatus take_mxac(struct slice data, struct create_contexts *out)
{
    struct reader r = reader_of(data);
    out->mxac = true;
    out->mxac_timestamp = data.len == 0 ? 0 : read_u64(&r);
    return ok_if(data.len == 0 || data.len == 8);
}

static ntstatus take_twrp(struct slice data, struct create_contexts *out)
{
    struct reader r = reader_of(data);
    out->twrp = true;
    out->timewarp = read_u64(&r);
    return ok_if(data.len == 8);
}

static ntstatus take_qfid(struct slice data, struct create_contexts *out)
{
    out->qfid = true;
    return ok_if(data.len == 0);
}

/* 2.2.13.2.8 and .10: the length tells the versions apart. */
static ntstatus take_lease(struct slice data, struct create_contexts *out)
{
    struct create_lease lease = {.v2 = data.len == 52};
    struct reader r = reader_of(data);
    read_copy(&r, lease.key, sizeof(lease.key));
    lease.state = read_u32(&r);
    lease.flags = read_u32(&r);
    lease.duration = read_u64(&r);
    if (lease.v2) {
        read_copy(&r, lease.parent_key, sizeof(lease.parent_key));
        lease.epoch = read_u16(&r);
    }
    out->lease_set = true;
    out->lease = lease;
    return ok_if(data.len == 32 || data.len == 52);
}

static ntstatus take_dh2q(struct slice data, struct create_contexts *out)
{
    struct reader r = reader_of(data);
    out->dh2q = true;
    out->durable_timeout = read_u32(&r);
    out->durable_flags = read_u32(&r);
    read_skip(&r, 8);
    read_copy(&r, out->create_guid, sizeof(out->create_guid));
    return ok_if(data.len == 32);
}

static ntstatus take_dh2c(struct slice data, struct create_contexts *out)
{
    struct reader r = reader_of(data);
    out->dh2c = true;
    out->durable_id = read_file_id(&r);
    read_copy(&r, out->create_guid, sizeof(out->create_guid));
    out->durable_flags = read_u32(&r);
    return ok_if(data.len == 36);
}

static ntstatus take_app_instance(struct slice data, struct create_contexts *out)
{
    struct reader r = reader_of(data);
    uint16_t size = read_u16(&r);
    read_skip(&r, 2);
    read_copy(&r, out->app_instance_id, sizeof(out->app_instance_id));
    out->app_instance = true;
    return ok_if(!r.bad && size == 20);
}

static ntstatus take_app_version(struct slice data, struct create_contexts *out)
{
    struct reader r = reader_of(data);
    uint16_t size = read_u16(&r);
    read_skip(&r, 6);
    out->app_version_high = read_u64(&r);
    out->app_version_low = read_u64(&r);
    out->app_version = true;
    return ok_if(!r.bad && size == 24);
}

static const struct {
    const char *name;
    size_t len;
    take *take;
} known[] = {
    {"ExtA", 4, take_ea},
    {"SecD", 4, take_security},
    {"DHnQ", 4, take_dhnq},
    {"DHnC", 4, take_dhnc},
    {"AlSi", 4, take_alsi},
    {"MxAc", 4, take_mxac},
    {"TWrp", 4, take_twrp},
    {"QFid", 4, take_qfid},
    {"RqLs", 4, take_lease},
    {"DH2Q", 4, take_dh2q},
    {"DH2C", 4, take_dh2c},
    {"\x45\xBC\xA6\x6A\xEF\xA7\xF7\x4A\x90\x08\xFA\x46\x2E\x14\x4D\x74", 16, take_app_instance},
    {"\xB9\x82\xD0\xB7\x3B\x56\x07\x4F\xA0\x7B\x52\x4A\x81\x16\xA0\x10", 16, take_app_version},
};

static ntstatus take_context(struct slice name, struct slice data, struct create_contexts *out)
{
    for (size_t i = 0; i < array_len(known); i++)
        if (slice_equal(name, slice_of(known[i].name, known[i].len)))
            return known[i].take(data, out);
    return STATUS_OK; /* 3.3.5.9: the server ignores contexts it does not know */
}

/* One context at the start of `at`; `next` is how far the following one is, 0 for none. */
static ntstatus decode_one(struct slice at, struct create_contexts *out, uint32_t *next)
{
    struct reader r = reader_of(at);
    *next = read_u32(&r);
    uint16_t name_offset = read_u16(&r);
    uint16_t name_len = read_u16(&r);
    read_skip(&r, 2);
    uint16_t data_offset = read_u16(&r);
    uint32_t data_len = read_u32(&r);
    if (r.bad || *next % 8 != 0 || *next > at.len || (*next != 0 && *next < CTX_HEADER))
        return STATUS_INVALID_PARAMETER;
    struct reader own = reader_of(*next == 0 ? at : slice_sub(at, 0, *next));
    struct slice name = read_at(&own, name_offset, name_len);
    struct slice data = data_len == 0 ? (struct slice){0} : read_at(&own, data_offset, data_len);
    /* Names have at least four bytes, and neither lies in the fixed part. */
    if (own.bad || name_len < 4 || name_offset < CTX_HEADER || name_offset % 8 != 0)
        return STATUS_INVALID_PARAMETER;
    if (data_len > 0 && (data_offset < CTX_HEADER || data_offset % 8 != 0))
        return STATUS_INVALID_PARAMETER;
    return take_context(name, data, out);
}

ntstatus create_contexts_decode(struct slice chain, struct create_contexts *out)
{
    struct create_contexts all = {0};
    uint32_t next = 1;
    for (uint32_t i = 0; chain.len > 0 && next != 0; i++) {
        ntstatus status = decode_one(chain, &all, &next);
        if (i == CREATE_CTX_MAX || status != STATUS_OK)
            return STATUS_INVALID_PARAMETER;
        chain = slice_sub(chain, next, chain.len - next);
    }
    *out = all;
    return STATUS_OK;
}

/* The context's header and name, with its Next for the moment 0; returns where it begins. */
static size_t begin(struct writer *w, size_t previous, const char *name, uint32_t data_len)
{
    write_align(w, 8);
    size_t at = w->pos;
    if (previous != NO_CONTEXT)
        patch_u32(w, previous, (uint32_t)(at - previous));
    write_u32(w, 0);
    write_u16(w, CTX_HEADER);
    write_u16(w, 4);
    write_u16(w, 0);
    write_u16(w, CTX_HEADER + 8);
    write_u32(w, data_len);
    write_bytes(w, slice_str(name));
    write_zeros(w, 4);
    return at;
}

/* 2.2.14.2.10, 2.2.14.2.11 */
static void write_lease(struct writer *w, const struct create_lease *l)
{
    write_bytes(w, slice_of(l->key, sizeof(l->key)));
    write_u32(w, l->state);
    write_u32(w, l->flags);
    write_u64(w, 0); /* LeaseDuration */
    if (!l->v2)
        return;
    write_bytes(w, slice_of(l->parent_key, sizeof(l->parent_key)));
    write_u16(w, l->epoch);
    write_u16(w, 0);
}

size_t create_contexts_write(struct writer *w, const struct create_contexts_reply *reply)
{
    must(w->pos % 8 == 0);
    size_t start = w->pos, previous = NO_CONTEXT;
    if (reply->mxac) {
        previous = begin(w, previous, "MxAc", 8);
        write_u32(w, reply->mxac_status);
        write_u32(w, reply->maximal_access);
    }
    if (reply->qfid) {
        previous = begin(w, previous, "QFid", 32);
        write_u64(w, reply->file_id);
        write_u64(w, reply->volume_id);
        write_zeros(w, 16);
    }
    if (reply->lease_set) {
        begin(w, previous, "RqLs", reply->lease.v2 ? 52 : 32);
        write_lease(w, &reply->lease);
    }
    return w->pos - start;
}
