#pragma once
/* [MS-WKST] NetrWkstaGetInfo level 100: the name and version Windows asks of a server it
 * browses. */
#include "proto/rpc/srvsvc.h"

/* 6bffd098-a112-3610-9833-46c3f87e345a version 1.0. */
extern const struct rpc_interface wkssvc_interface;

#define WKSSVC_NETR_WKSTA_GET_INFO 0u

/* The whole of a request. 0 or a fault status; `stub->full`: again with a larger buffer. */
uint32_t wkssvc_dispatch(uint16_t opnum, struct slice request, const struct srvsvc_source *source,
                         struct arena *scratch, struct writer *stub);
