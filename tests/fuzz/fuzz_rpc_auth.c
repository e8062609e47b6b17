/* An authenticated connection whose GSS library says what the first byte says. */
#include "proto/daemon/heap.h"
#include "proto/rpc/swn.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rpc_config config = {.interfaces = &swn_interface,
                                .interface_count = 1,
                                .assoc_group = 1,
                                .secondary_address = "1",
                                .auth = true};
    struct rpc_event e = {.kind = RPC_EVENT_BYTES};
    struct rpc_effects out;
    struct mem mem;
    mem_heap_init(&mem, 4 << 20);
    struct rpc_conn *c = rpc_conn_new(&mem, &config);
    uint8_t mood = size > 0 ? data[0] : 0;
    e.bytes = slice_of(data, size < rpc_conn_room(c) ? size : rpc_conn_room(c));
    for (int steps = 0; steps < 200; steps++, mood = (uint8_t)(mood << 1 | mood >> 7)) {
        rpc_conn_step(c, &e, &out);
        e = (struct rpc_event){.kind = RPC_EVENT_RESUME};
        for (uint32_t i = 0; i < out.count; i++) {
            enum rpc_effect_kind k = out.list[i].kind;
            bool gss = k >= RPC_EFFECT_GSS_ACCEPT && k <= RPC_EFFECT_GSS_WRAP;
            if (gss)
                e = (struct rpc_event){.kind = RPC_EVENT_GSS_ACCEPTED + (k - RPC_EFFECT_GSS_ACCEPT),
                                       .ok = mood & 1,
                                       .done = mood & 2,
                                       .can_sign_headers = true,
                                       .token_size = 16,
                                       .bytes = slice_str("token")};
            else if (k == RPC_EFFECT_CALL && e.kind == RPC_EVENT_RESUME)
                e = (struct rpc_event){.kind = RPC_EVENT_REPLY,
                                       .call = out.list[i].call,
                                       .bytes = slice_of(data, size)};
        }
        if (out.count == 0 && !out.more)
            break;
    }
    rpc_conn_free(c);
    return mem.used == 0 ? 0 : (abort(), 0);
}
