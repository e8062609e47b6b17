#pragma once
/* [MS-SWN] codecs: the witness's calls decoded, its answers encoded. Behaviour is in witness/. */
#include "proto/base/arena.h"
#include "proto/rpc/dcerpc.h"

/* ccd8c074-d0e5-4a40-92b4-d074faa6ba28; clients bind to 1.0 or 1.1 ([MS-SWN] 1.9, 6). */
extern const struct rpc_interface swn_interface;

enum swn_opnum {
    SWN_GET_INTERFACE_LIST = 0,
    SWN_REGISTER = 1,
    SWN_UNREGISTER = 2,
    SWN_ASYNC_NOTIFY = 3,
    SWN_REGISTER_EX = 4,
    SWN_UNREGISTER_EX = 5,
};

#define SWN_VERSION_1 UINT32_C(0x00010001)
#define SWN_VERSION_2 UINT32_C(0x00020000)
#define SWN_NAME_MAX 1024u        /* longest string argument, UTF-16 units */
#define SWN_GROUP_NAME_UNITS 260u /* WITNESS_INTERFACE_INFO.InterfaceGroupName */
#define SWN_REGISTER_IP_NOTIFICATION UINT32_C(0x00000001)

enum swn_state { SWN_UNKNOWN = 0x0000, SWN_AVAILABLE = 0x0001, SWN_UNAVAILABLE = 0x00ff };

/* [MS-SWN] 2.2.2.5 flags. */
#define SWN_INTERFACE_IPV4 UINT32_C(0x00000001)
#define SWN_INTERFACE_IPV6 UINT32_C(0x00000002)
#define SWN_INTERFACE_WITNESS UINT32_C(0x00000004)

/* [MS-SWN] 2.2.2.1 flags. */
#define SWN_IPADDR_V4 UINT32_C(0x00000001)
#define SWN_IPADDR_V6 UINT32_C(0x00000002)
#define SWN_IPADDR_ONLINE UINT32_C(0x00000008)
#define SWN_IPADDR_OFFLINE UINT32_C(0x00000010)

enum swn_message {
    SWN_RESOURCE_CHANGE = 1,
    SWN_CLIENT_MOVE = 2,
    SWN_SHARE_MOVE = 3,
    SWN_IP_CHANGE = 4,
};

/* An address of either family, network order. */
struct swn_address {
    bool v6;
    uint8_t bytes[16]; /* 4 or 16 used */
};

/* A decoded call. Strings are UTF-16LE without terminator, borrowed from the stub; `at` is NULL for
 * a null pointer and never NULL for an empty string. */
struct swn_call {
    enum swn_opnum opnum;
    uint32_t version, flags, keep_alive_s;
    struct slice net_name, share_name, ip_address, client_name;
    uint8_t key[16]; /* the UUID of the context handle; all zero for a null handle */
};

/* 0 or a fault status; `out` is written only on 0. */
uint32_t swn_decode(uint16_t opnum, struct slice stub, struct swn_call *out);

struct swn_interface_info {
    struct slice group_name; /* UTF-8; cut to the room there is */
    enum swn_state state;
    struct swn_address address;
    bool witness; /* not hosted here: the client may register there */
};

/* Answers of the calls. Text that cannot be encoded becomes an empty name. `w->full` afterwards
 * means that the buffer was too small. */
void swn_reply_interfaces(const struct swn_interface_info *list, uint32_t count,
                          struct arena *scratch, struct writer *w);
/* An answer without results: of Register(Ex) and UnRegisterEx with a null handle, of the others
 * bare. */
void swn_reply_status(enum swn_opnum opnum, uint32_t status, struct writer *w);
void swn_reply_registered(const uint8_t key[16], struct writer *w);

/* RESP_ASYNC_NOTIFY: `messages` is what the functions below wrote. */
void swn_reply_notify(enum swn_message type, uint32_t count, struct slice messages,
                      struct writer *w);
/* RESOURCE_CHANGE, [MS-SWN] 2.2.2.3. `name` is UTF-16LE. */
void swn_write_change(struct writer *w, struct slice name, enum swn_state state);
/* IPADDR_INFO_LIST, [MS-SWN] 2.2.2.2. `online` applies to all. */
void swn_write_addresses(struct writer *w, const struct swn_address *list, uint32_t count,
                         bool online);

/* "10.1.2.3" or "fe80::1" as UTF-16LE or UTF-8 text, in pure code. False when it is neither. */
bool swn_address_from_utf16(struct slice text, struct swn_address *out);
bool swn_address_from_text(struct slice text, struct swn_address *out);
bool swn_address_equal(const struct swn_address *a, const struct swn_address *b);
