#include "proto/rpc/wkssvc.h"
#include "proto/base/must.h"
#include "proto/base/utf16.h"
#include "proto/rpc/listing.h"

#define PLATFORM_ID_NT 500u         /* [MS-WKST] 2.2.5.1 */
#define NET_SETUP_WORKGROUP_NAME 2u /* [MS-WKST] 2.2.3.1 */

static void wksta_fields(const struct rpc_facts *f, uint32_t level, struct record *out)
{
    record_number(out, PLATFORM_ID_NT);
    record_text(out, f->server_name);
    record_text(out, f->server_name); /* the cluster is its own domain: its users are SERVER\user */
    record_number(out, 10);
    record_number(out, 0);
    if (level >= 101)
        record_text(out, (struct slice){0}); /* LAN root */
    if (level == 102)
        record_number(out, 0); /* nobody is logged on at the console */
}

/* WKSTA_INFO_502 ([MS-WKST] 2.2.5.4): how the redirector is set up, which there is none of; what
 * Windows says by default. */
static const uint32_t wksta_502[] = {3600, 16, 250, 600,    50, 60, 16, 17, 6144, 10, 500, 25,
                                     15,   5,  45,  262144, 5,  20, 5,  60, 0,    1,  1,   1,
                                     1,    1,  1,   1,      1,  1,  0,  1,  1,    1,  0};

static uint32_t wksta_get_info(struct rpc_ask *a)
{
    rpc_skip_server_name(a);
    uint32_t level = ndr_read_u32(&a->r);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    bool known = (level >= 100 && level <= 102) || level == 502;
    uint32_t status = !known                                            ? WERR_INVALID_LEVEL
                      : level >= 102 && !a->facts->caller.administrator ? WERR_ACCESS_DENIED
                                                                        : WERR_OK;
    ndr_write_u32(a->w, level);
    ndr_write_pointer(a->w, status == WERR_OK);
    for (size_t i = 0; status == WERR_OK && level == 502 && i < array_len(wksta_502); i++)
        ndr_write_u32(a->w, wksta_502[i]);
    if (status == WERR_OK && level != 502) {
        struct record row = {.count = 0};
        wksta_fields(a->facts, level, &row);
        if (!record_write(&row, a->w, a->scratch))
            return RPC_FAULT_NO_MEMORY;
    }
    return rpc_status(a, status);
}

static uint32_t refusal(const struct rpc_ask *a)
{
    return a->facts->caller.administrator ? WERR_NOT_SUPPORTED : WERR_ACCESS_DENIED;
}

static uint32_t refuse(struct rpc_ask *a)
{
    ndr_write_u32(a->w, refusal(a));
    return RPC_ANSWERED;
}

/* The same behind a pointer that the answer begins with. */
static uint32_t refuse_pointer(struct rpc_ask *a)
{
    ndr_write_pointer(a->w, false);
    return refuse(a);
}

/* A list of nothing: users at the console, the redirector's transports. */
static uint32_t empty_list(struct rpc_ask *a, uint32_t levels)
{
    static const uint32_t known_levels[] = {0, 1};
    struct rpc_enum e;
    rpc_skip_server_name(a);
    bool known = rpc_enum_read(a, known_levels, levels, &e);
    uint32_t status = !a->facts->caller.administrator ? WERR_ACCESS_DENIED
                      : known                         ? WERR_OK
                                                      : WERR_INVALID_LEVEL;
    return rpc_enum_reply(a, &e, &(struct rpc_list){.level = e.level}, status);
}

static uint32_t user_enum(struct rpc_ask *a) { return empty_list(a, 2); }

static uint32_t transport_enum(struct rpc_ask *a) { return empty_list(a, 1); }

static uint32_t join_information(struct rpc_ask *a)
{
    rpc_skip_server_name(a);
    (void)rpc_read_text(a);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    ndr_write_pointer(a->w, true);
    if (!ndr_write_string(a->w, a->facts->server_name, a->scratch))
        return RPC_FAULT_NO_MEMORY;
    ndr_write_u16(a->w, NET_SETUP_WORKGROUP_NAME); /* an enumeration: 16 bits */
    return rpc_status(a, WERR_OK);
}

/* NET_COMPUTER_NAME_ARRAY: the one name there is. */
static uint32_t computer_names(struct rpc_ask *a)
{
    enum { PRIMARY = 0, ALTERNATE = 1, ALL = 2 };
    struct slice name;
    rpc_skip_server_name(a);
    uint16_t type = ndr_read_u16(&a->r);
    (void)ndr_read_u32(&a->r);
    if (a->r.bad || !utf16_from_utf8(a->facts->server_name, a->scratch, &name))
        return RPC_FAULT_NDR;
    uint32_t count = type == ALTERNATE ? 0 : 1;
    ndr_write_pointer(a->w, type <= ALL);
    if (type > ALL)
        return rpc_status(a, WERR_INVALID_PARAMETER);
    ndr_write_u32(a->w, count);
    ndr_write_pointer(a->w, count > 0);
    if (count > 0) {
        uint32_t units = (uint32_t)(name.len / 2);
        ndr_write_u32(a->w, count);
        ndr_write_u16(a->w, (uint16_t)name.len);
        ndr_write_u16(a->w, (uint16_t)name.len);
        ndr_write_pointer(a->w, true);
        ndr_write_u32(a->w, units);
        ndr_write_u32(a->w, 0);
        ndr_write_u32(a->w, units);
        write_bytes(a->w, name);
    }
    return rpc_status(a, WERR_OK);
}

static rpc_handler *const handlers[WKSSVC_OPNUMS] = {
    [WKSSVC_NETR_WKSTA_GET_INFO] = wksta_get_info,
    [WKSSVC_NETR_WKSTA_SET_INFO] = refuse_pointer,
    [WKSSVC_NETR_WKSTA_USER_ENUM] = user_enum,
    [WKSSVC_NETR_WKSTA_TRANSPORT_ENUM] = transport_enum,
    [WKSSVC_NETR_WKSTA_TRANSPORT_ADD] = refuse_pointer,
    [WKSSVC_NETR_WKSTA_TRANSPORT_DEL] = refuse,
    [WKSSVC_NETR_USE_ADD] = refuse_pointer,
    [WKSSVC_NETR_USE_DEL] = refuse,
    [WKSSVC_NETR_WORKSTATION_STATISTICS_GET] = refuse_pointer,
    [WKSSVC_NETR_GET_JOIN_INFORMATION] = join_information,
    [WKSSVC_NETR_JOIN_DOMAIN2] = refuse,
    [WKSSVC_NETR_UNJOIN_DOMAIN2] = refuse,
    [WKSSVC_NETR_RENAME_MACHINE_IN_DOMAIN2] = refuse,
    [WKSSVC_NETR_VALIDATE_NAME2] = refuse,
    [WKSSVC_NETR_ADD_ALTERNATE_COMPUTER_NAME] = refuse,
    [WKSSVC_NETR_REMOVE_ALTERNATE_COMPUTER_NAME] = refuse,
    [WKSSVC_NETR_SET_PRIMARY_COMPUTER_NAME] = refuse,
    [WKSSVC_NETR_ENUMERATE_COMPUTER_NAMES] = computer_names,
};

/* 6bffd098-a112-3610-9833-46c3f87e345a version 1.0. */
const struct rpc_service wkssvc_service = {
    .name = "wkssvc",
    .address = "\\PIPE\\wkssvc",
    .interface = {.uuid = {0x98, 0xd0, 0xff, 0x6b, 0x12, 0xa1, 0x10, 0x36, 0x98, 0x33, 0x46, 0xc3,
                           0xf8, 0x7e, 0x34, 0x5a},
                  .major = 1},
    .handlers = handlers,
    .handler_count = WKSSVC_OPNUMS,
};
