#include "proto/rpc/wkssvc.h"
#include "proto/rpc/ndr.h"

const struct rpc_interface wkssvc_interface = {
    .uuid = {0x98, 0xd0, 0xff, 0x6b, 0x12, 0xa1, 0x10, 0x36, 0x98, 0x33, 0x46, 0xc3, 0xf8, 0x7e,
             0x34, 0x5a},
    .major = 1,
    .minor = 0,
};

uint32_t wkssvc_dispatch(uint16_t opnum, struct slice request, const struct srvsvc_source *source,
                         struct arena *scratch, struct writer *stub)
{
    if (opnum != WKSSVC_NETR_WKSTA_GET_INFO)
        return RPC_FAULT_OP_RANGE;
    struct reader r = reader_of(request);
    if (ndr_read_pointer(&r))
        (void)ndr_read_string(&r, SRVSVC_NAME_MAX);
    uint32_t level = ndr_read_u32(&r);
    if (r.bad)
        return RPC_FAULT_NDR;
    ndr_write_u32(stub, level);
    if (level != 100) {
        ndr_write_pointer(stub, false);
        ndr_write_u32(stub, WERR_INVALID_LEVEL);
        return 0;
    }
    ndr_write_pointer(stub, true);
    ndr_write_u32(stub, 500); /* PLATFORM_ID_NT, [MS-WKST] 2.2.5.1 */
    ndr_write_pointer(stub, true);
    ndr_write_pointer(stub, true);
    ndr_write_u32(stub, 10);
    ndr_write_u32(stub, 0);
    /* The cluster is its own domain: its users are SERVER\user. */
    if (!ndr_write_string(stub, source->server_name, scratch) ||
        !ndr_write_string(stub, source->server_name, scratch))
        return RPC_FAULT_NO_MEMORY;
    ndr_write_u32(stub, WERR_OK);
    return 0;
}
