#pragma once
/* The endpoint mapper's ept_map ([C706] appendix O, [MS-RPCE] 2.2.1.2.5): on which TCP port does
 * this address serve that interface? Asked at port 135 by every RPC client that has no port. */
#include "proto/rpc/dcerpc.h"

/* e1af8308-5d1f-11c9-91a4-08002b14a0fa version 3.0. */
extern const struct rpc_interface epm_interface;

#define EPM_OPNUM_MAP 3u
#define EPM_OPNUM_LOOKUP_HANDLE_FREE 4u
#define EPM_NOT_REGISTERED UINT32_C(0x16c9a0d6) /* ept_s_not_registered */
#define EPM_CANT_PERFORM UINT32_C(0x16c9a0cd)   /* ept_s_cant_perform_op */
#define EPM_TOWER_MAX 1024u                     /* longest tower that is looked at */

struct epm_endpoint {
    struct rpc_interface interface;
    uint16_t port;
};

/* What is served here; borrowed. */
struct epm_view {
    const struct epm_endpoint *endpoints;
    uint32_t endpoint_count;
    uint8_t address[4]; /* IPv4 address the client reached us at, network order */
};

/* Which interface the tower of an ept_map request asks for. */
struct epm_map_call {
    struct rpc_interface interface;
    bool tcp; /* an ncacn_ip_tcp tower of NDR20; nothing else is registered here */
    uint32_t max_towers;
};

/* 0 or a fault status. `out` is written only on 0. */
uint32_t epm_decode_map(struct slice stub, struct epm_map_call *out);
/* Encodes the answer of ept_map. */
void epm_reply_map(const struct epm_map_call *call, const struct epm_view *view,
                   struct writer *stub);
/* The whole of a request: decode, answer. 0 or a fault status. */
uint32_t epm_dispatch(uint16_t opnum, struct slice stub, const struct epm_view *view,
                      struct writer *out);
