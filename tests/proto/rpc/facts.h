#pragma once
/* A cluster for the services' tests: two shares and IPC$, two users; and calls made by hand. */
#include "proto/base/must.h"
#include "proto/base/utf16.h"
#include "proto/rpc/ndr.h"
#include "proto/rpc/service.h"
#include "proto/rpc/srvsvc.h"
#include "tests/lib/faults.h"
#include "tests/lib/unit.h"
#include <string.h>

#define TEXT(literal)                                                                              \
    {                                                                                              \
        (const uint8_t *)(literal), sizeof(literal) - 1                                            \
    }

static const struct rpc_share facts_shares[] = {
    {.name = TEXT("vms"),
     .comment = TEXT("disks"),
     .volume = TEXT("vol1"),
     .path = TEXT("deep/vms"),
     .type = STYPE_DISKTREE | STYPE_CLUSTER_SOFS,
     .flags_1005 = SHI1005_FLAGS_ENABLE_CA | 0x10,
     .uses_max = UINT32_MAX,
     .uses = 3,
     .grant_count = 2},
    {.name = TEXT("root"), .comment = TEXT("\xff"), .volume = TEXT("vol1"), .uses_max = 5},
    {.name = TEXT("IPC$"), .type = STYPE_IPC | STYPE_SPECIAL, .uses_max = UINT32_MAX},
};

static inline void facts_share(const void *context, uint32_t at, struct rpc_share *out)
{
    (void)context;
    *out = facts_shares[at % array_len(facts_shares)];
}

static inline bool facts_grant(const void *context, uint32_t share, uint32_t at,
                               struct rpc_grant *out)
{
    (void)context, (void)share;
    *out = at == 0 ? (struct rpc_grant){.sid = sid_everyone, .access = FILE_GENERIC_READ}
                   : (struct rpc_grant){
                         .sid = sid_builtin_guests, .access = FILE_ALL_ACCESS, .deny = true};
    return true;
}

static inline bool facts_user(const void *context, uint32_t at, struct rpc_user *out)
{
    const struct rpc_facts *f = context;
    *out = at == 0 ? (struct rpc_user){.name = TEXT("admin"), .administrator = true}
                   : (struct rpc_user){.name = TEXT("j\xc3\xb6rg")};
    return sid_append(&f->domain_sid, 1000 + at, &out->sid);
}

/* One asker: facts, memory, and the stub of the next call. */
struct asker {
    struct mem mem;
    struct arena scratch;
    struct rpc_facts facts;
    struct rpc_handles handles;
    struct rpc_ask ask;
    uint8_t stub[8192], out[1 << 16];
    struct writer w, reply;
    struct reader r;
};

static inline void asker_init(struct asker *k, bool administrator)
{
    memset(k, 0, sizeof(*k));
    k->mem = test_mem(SIZE_MAX);
    arena_init(&k->scratch, &k->mem, 8u << 20);
    k->facts = (struct rpc_facts){.server_name = TEXT("FLOTILLA"),
                                  .address = TEXT("10.0.0.1"),
                                  .context = &k->facts,
                                  .share_count = array_len(facts_shares),
                                  .user_count = 2,
                                  .share = facts_share,
                                  .grant = facts_grant,
                                  .user = facts_user};
    /* 2024-02-29 12:34:56.78, a Thursday. */
    k->facts.now = (UINT64_C(1709210096) * 10000000 + 7800000) + FILETIME_UNIX_EPOCH;
    k->facts.started = k->facts.now - 60 * FILETIME_SECOND;
    assert_true(sid_from_text(slice_str("S-1-5-21-1-2-3"), &k->facts.domain_sid));
    assert_true(sid_append(&k->facts.domain_sid, 1000, &k->facts.caller.sid));
    k->facts.caller.name = slice_str("admin");
    k->facts.caller.domain = slice_str("FLOTILLA");
    k->facts.caller.administrator = administrator;
    k->w = writer_of(k->stub, sizeof(k->stub));
}

static inline void asker_fini(struct asker *k)
{
    arena_fini(&k->scratch);
    test_mem_check(&k->mem);
}

/* Appends to the stub: a [string], a pointer to one, the server's name that calls begin with. */
static inline void put_string(struct asker *k, const char *text)
{
    assert_true(ndr_write_string(&k->w, slice_str(text), &k->scratch));
}

static inline void put_text(struct asker *k, const char *text)
{
    ndr_write_pointer(&k->w, text != NULL);
    if (text != NULL)
        put_string(k, text);
}

static inline void put_server(struct asker *k) { put_text(k, "\\\\server"); }

/* InfoStruct, PreferedMaximumLength, ResumeHandle (UINT32_MAX: none). */
static inline void put_enum(struct asker *k, uint32_t level, uint32_t max, uint32_t resume)
{
    ndr_write_u32(&k->w, level);
    ndr_write_u32(&k->w, level);
    ndr_write_pointer(&k->w, true);
    ndr_write_u32(&k->w, 0);
    ndr_write_pointer(&k->w, false);
    ndr_write_u32(&k->w, max);
    ndr_write_pointer(&k->w, resume != UINT32_MAX);
    if (resume != UINT32_MAX)
        ndr_write_u32(&k->w, resume);
}

/* Makes the call with what was put; k->r then reads the answer. The stub stays for another try. */
static inline uint32_t asker_call(struct asker *k, const struct rpc_service *service,
                                  uint16_t opnum, const struct rpc_outcome *outcome)
{
    k->reply = writer_of(k->out, sizeof(k->out));
    k->ask = (struct rpc_ask){.facts = &k->facts,
                              .outcome = outcome,
                              .handles = &k->handles,
                              .scratch = &k->scratch,
                              .w = &k->reply};
    uint32_t result = rpc_service_call(service, opnum, written(&k->w), &k->ask);
    assert_false(k->reply.full);
    k->r = reader_of(written(&k->reply));
    return result;
}

/* The next stub is begun. */
static inline void asker_next(struct asker *k)
{
    arena_reset(&k->scratch);
    k->w = writer_of(k->stub, sizeof(k->stub));
}

/* The status, which comes last. */
static inline uint32_t asker_status(const struct asker *k)
{
    struct reader r = k->r;
    assert_true(r.all.len >= 4);
    r.pos = r.all.len - 4;
    return read_u32(&r);
}

static inline bool is_utf16(struct slice s, const char *text)
{
    bool same = s.len == strlen(text) * 2;
    for (size_t i = 0; same && i < s.len; i += 2)
        same = s.at[i] == (uint8_t)text[i / 2] && s.at[i + 1] == 0;
    return same;
}

/* Every prefix of the stub: an answer or a fault, never a read too far (ASan sees one). */
static inline void asker_prefixes(struct asker *k, const struct rpc_service *service,
                                  uint16_t opnum)
{
    struct slice whole = written(&k->w);
    for (size_t len = 0; len <= whole.len; len++) {
        uint8_t *copy = mem_alloc(&k->mem, len);
        assert_true(copy != NULL || len == 0);
        if (len > 0)
            memcpy(copy, whole.at, len);
        struct rpc_handles handles = k->handles;
        k->reply = writer_of(k->out, sizeof(k->out));
        k->ask = (struct rpc_ask){
            .facts = &k->facts, .handles = &handles, .scratch = &k->scratch, .w = &k->reply};
        uint32_t result = rpc_service_call(service, opnum, slice_of(copy, len), &k->ask);
        assert_true(len < whole.len || result == RPC_ANSWERED || result == RPC_ORDERED);
        mem_free(&k->mem, copy, len);
    }
}
