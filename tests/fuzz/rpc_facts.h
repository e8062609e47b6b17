#pragma once
/* What the fuzzed services are answered from: one share and IPC$, one user. And one call. */
#include "proto/daemon/heap.h"
#include "proto/rpc/service.h"
#include "proto/rpc/srvsvc.h"
#include <stdlib.h>
#include <string.h>

static inline void fuzz_share(const void *context, uint32_t at, struct rpc_share *out)
{
    (void)context;
    *out = (struct rpc_share){.name = slice_str(at == 0 ? "vms" : "IPC$"),
                              .volume = slice_str(at == 0 ? "vol1" : ""),
                              .path = slice_str("a/b"),
                              .type = at == 0 ? STYPE_DISKTREE : STYPE_IPC | STYPE_SPECIAL,
                              .grant_count = 1};
}

static inline bool fuzz_grant(const void *context, uint32_t share, uint32_t at,
                              struct rpc_grant *out)
{
    (void)context, (void)share, (void)at;
    *out = (struct rpc_grant){.sid = sid_everyone, .access = FILE_ALL_ACCESS};
    return true;
}

static inline bool fuzz_user(const void *context, uint32_t at, struct rpc_user *out)
{
    (void)context, (void)at;
    *out = (struct rpc_user){.name = slice_str("admin"), .sid = sid_system};
    return true;
}

static inline struct rpc_facts fuzz_facts(bool administrator)
{
    struct rpc_facts f = {.server_name = slice_str("FLOTILLA"),
                          .domain_sid = sid_system,
                          .share_count = 2,
                          .user_count = 1,
                          .share = fuzz_share,
                          .grant = fuzz_grant,
                          .user = fuzz_user};
    f.caller.administrator = administrator;
    f.caller.name = slice_str("admin");
    return f;
}

/* One call of a service; the first two bytes are the opnum and who asks. The handler is called
 * again with the outcome of what it ordered. */
static inline int fuzz_call(const struct rpc_service *service, const uint8_t *data, size_t size)
{
    static uint8_t out[1 << 20];
    static const struct rpc_session session = {0};
    static const struct rpc_file file = {.id = 1};
    static const struct rpc_connection connection = {.id = 1};
    static const struct rpc_outcome outcome = {
        .count = 1, .sessions = &session, .files = &file, .connections = &connection};
    if (size < 2)
        return 0;
    uint8_t *copy = malloc(size - 2 > 0 ? size - 2 : 1);
    memcpy(copy, data + 2, size - 2);
    struct mem mem;
    struct arena scratch;
    /* One handle is open: slot 0, number 1; of a kind that the second byte says. */
    struct rpc_handles handles = {.last = 1, .slots = {{.number = 1}}};
    handles.slots[0].kind = 1 + (data[1] >> 1 & 3);
    struct rpc_facts facts = fuzz_facts((data[1] & 1) != 0);
    mem_heap_init(&mem, 32 << 20);
    arena_init(&scratch, &mem, 8 << 20);
    for (int round = 0; round < 2; round++) {
        struct writer w = writer_of(out, sizeof out);
        struct rpc_ask ask = {.facts = &facts,
                              .outcome = round == 0 ? NULL : &outcome,
                              .handles = &handles,
                              .scratch = &scratch,
                              .w = &w};
        if (rpc_service_call(service, data[0], slice_of(copy, size - 2), &ask) != RPC_ORDERED)
            break;
        if (round == 1)
            abort(); /* an order was carried out, and ordered again */
    }
    arena_fini(&scratch);
    free(copy);
    return mem.used == 0 ? 0 : (abort(), 0);
}
