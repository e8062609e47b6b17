#include "proto/rpc/listing.h"

#define ENUM_BYTES_MAX (1u << 20) /* entries of one answer, as a client counts them */

uint32_t rpc_status(struct rpc_ask *a, uint32_t status)
{
    ndr_write_u32(a->w, status);
    return rpc_end(a);
}

uint32_t rpc_parameter_status(struct rpc_ask *a, uint32_t status)
{
    ndr_write_pointer(a->w, false);
    return rpc_status(a, status);
}

bool rpc_enum_read(struct rpc_ask *a, const uint32_t *levels, uint32_t count, struct rpc_enum *out)
{
    struct reader *r = &a->r;
    uint32_t known = 0;
    *out = (struct rpc_enum){.level = ndr_read_u32(r)};
    uint32_t arm = ndr_read_u32(r);
    if (arm != out->level)
        r->bad = true;
    while (known < count && levels[known] != out->level)
        known++;
    if (known == count)
        return false;
    if (ndr_read_pointer(r)) {
        (void)ndr_read_u32(r);
        /* What a client would put into an array it wants to receive means nothing ([MS-SRVS]
         * 3.1.4.8); all known clients send none. */
        if (ndr_read_pointer(r))
            r->bad = true;
    }
    out->bytes_max = ndr_read_u32(r);
    out->resume_given = ndr_read_pointer(r);
    if (out->resume_given)
        out->resume = ndr_read_u32(r);
    return true;
}

/* Which entries an answer holds. */
struct portion {
    uint32_t *chosen, count;
    uint32_t total; /* entries from the resume handle on */
    uint32_t next;  /* the resume handle when there is more */
    bool more;
};

static bool choose(struct rpc_ask *a, const struct rpc_enum *e, const struct rpc_list *list,
                   struct portion *out)
{
    size_t max = e->bytes_max < ENUM_BYTES_MAX ? e->bytes_max : ENUM_BYTES_MAX, used = 0;
    *out = (struct portion){.chosen = arena_array(a->scratch, (size_t)list->end + 1, 4)};
    if (out->chosen == NULL)
        return false;
    for (uint32_t i = e->resume; i < list->end; i++) {
        struct record row = {.count = 0};
        if (!list->row(a, list, i, &row))
            continue;
        out->total++;
        used += record_size(&row);
        if (!out->more && used <= max)
            out->chosen[out->count++] = i;
        else if (!out->more)
            out->more = true, out->next = i;
    }
    if (!out->more && list->more)
        out->more = true, out->next = list->end;
    return true;
}

static uint32_t enum_status(const struct portion *p)
{
    if (!p->more)
        return WERR_OK;
    return p->count == 0 ? NERR_BUF_TOO_SMALL : WERR_MORE_DATA;
}

static bool write_entries(struct rpc_ask *a, const struct rpc_list *list, const struct portion *p)
{
    ndr_write_u32(a->w, p->count);
    ndr_write_pointer(a->w, p->count > 0);
    if (p->count == 0)
        return true;
    ndr_write_u32(a->w, p->count);
    for (uint32_t i = 0; i < p->count; i++) {
        struct record row = {.count = 0};
        (void)list->row(a, list, p->chosen[i], &row);
        record_write_fixed(&row, a->w);
    }
    for (uint32_t i = 0; i < p->count; i++) {
        struct record row = {.count = 0};
        (void)list->row(a, list, p->chosen[i], &row);
        if (!record_write_pointees(&row, a->w, a->scratch))
            return false;
    }
    return true;
}

uint32_t rpc_enum_reply(struct rpc_ask *a, const struct rpc_enum *e, const struct rpc_list *list,
                        uint32_t status)
{
    struct portion p = {.count = 0};
    if (a->r.bad)
        return RPC_FAULT_NDR;
    ndr_write_u32(a->w, e->level);
    ndr_write_u32(a->w, e->level);
    if (status == WERR_OK && choose(a, e, list, &p)) {
        ndr_write_pointer(a->w, true);
        if (!write_entries(a, list, &p))
            return RPC_FAULT_NO_MEMORY;
        status = enum_status(&p);
    } else {
        ndr_write_pointer(a->w, false); /* who asks for a level has an arm for it in its union */
    }
    ndr_write_u32(a->w, p.total);
    ndr_write_pointer(a->w, e->resume_given);
    if (e->resume_given)
        ndr_write_u32(a->w, p.next);
    ndr_write_u32(a->w, status);
    return RPC_ANSWERED;
}
