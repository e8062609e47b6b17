#include "proto/rpc/swn.h"
#include "proto/base/must.h"
#include "proto/base/utf16.h"
#include "proto/rpc/ndr.h"
#include <string.h>

const struct rpc_interface swn_interface = {
    .uuid = {0x74, 0xc0, 0xd8, 0xcc, 0xe5, 0xd0, 0x40, 0x4a, 0x92, 0xb4, 0xd0, 0x74, 0xfa, 0xa6,
             0xba, 0x28},
    .major = 1,
    .minor = 1,
};

#define ADDRESS_TEXT_MAX 45u

static struct slice read_optional_string(struct reader *r)
{
    return ndr_read_pointer(r) ? ndr_read_string(r, SWN_NAME_MAX) : (struct slice){0};
}

static void read_handle(struct reader *r, uint8_t key[16])
{
    read_align(r, 4);
    (void)read_u32(r); /* context_handle_attributes, [C706] 14.2.16.6: reserved */
    read_copy(r, key, 16);
}

uint32_t swn_decode(uint16_t opnum, struct slice stub, struct swn_call *out)
{
    struct reader r = reader_of(stub);
    struct swn_call call = {.opnum = (enum swn_opnum)opnum};
    switch (opnum) {
    case SWN_GET_INTERFACE_LIST: break;
    case SWN_REGISTER:
        call.version = ndr_read_u32(&r);
        call.net_name = read_optional_string(&r);
        call.ip_address = read_optional_string(&r);
        call.client_name = read_optional_string(&r);
        break;
    case SWN_REGISTER_EX:
        call.version = ndr_read_u32(&r);
        call.net_name = read_optional_string(&r);
        call.share_name = read_optional_string(&r);
        call.ip_address = read_optional_string(&r);
        call.client_name = read_optional_string(&r);
        call.flags = ndr_read_u32(&r);
        call.keep_alive_s = ndr_read_u32(&r);
        break;
    case SWN_UNREGISTER:
    case SWN_ASYNC_NOTIFY:
    case SWN_UNREGISTER_EX: read_handle(&r, call.key); break;
    default: return RPC_FAULT_OP_RANGE; /* a number from the wire */
    }
    if (r.bad)
        return RPC_FAULT_NDR;
    *out = call;
    return 0;
}

/* The fixed WCHAR array, zero-filled; at least one terminator stays. */
static void write_group_name(struct writer *w, struct slice text, struct arena *scratch)
{
    struct slice units = {0};
    if (!utf16_from_utf8(text, scratch, &units))
        units = (struct slice){0};
    size_t max = (SWN_GROUP_NAME_UNITS - 1) * 2;
    size_t len = units.len < max ? units.len : max;
    write_bytes(w, slice_sub(units, 0, len));
    write_zeros(w, SWN_GROUP_NAME_UNITS * 2 - len);
}

static void write_both_families(struct writer *w, const struct swn_address *a)
{
    /* Both fields carry bytes in network order; the one that is not flagged is zero. */
    write_bytes(w, slice_of(a->bytes, a->v6 ? 0 : 4));
    write_zeros(w, a->v6 ? 4 : 0);
    write_bytes(w, slice_of(a->bytes, a->v6 ? 16 : 0));
    write_zeros(w, a->v6 ? 0 : 16);
}

void swn_reply_interfaces(const struct swn_interface_info *list, uint32_t count,
                          struct arena *scratch, struct writer *w)
{
    must(count > 0); /* an empty list is ERROR_NO_MORE_ITEMS */
    ndr_write_pointer(w, true);
    ndr_write_u32(w, count);
    ndr_write_pointer(w, true);
    ndr_write_u32(w, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct swn_interface_info *x = &list[i];
        write_align(w, 4);
        write_group_name(w, x->group_name, scratch);
        ndr_write_u32(w, SWN_VERSION_2);
        ndr_write_u16(w, (uint16_t)x->state);
        write_align(w, 4);
        write_both_families(w, &x->address);
        ndr_write_u32(w, (x->address.v6 ? SWN_INTERFACE_IPV6 : SWN_INTERFACE_IPV4) |
                             (x->witness ? SWN_INTERFACE_WITNESS : 0));
    }
    ndr_write_u32(w, WERR_OK);
}

void swn_reply_status(enum swn_opnum opnum, uint32_t status, struct writer *w)
{
    switch (opnum) {
    case SWN_REGISTER:
    case SWN_REGISTER_EX:
    case SWN_UNREGISTER_EX: write_zeros(w, 20); break;
    case SWN_GET_INTERFACE_LIST:
    case SWN_ASYNC_NOTIFY: ndr_write_pointer(w, false); break;
    case SWN_UNREGISTER: break;
    }
    ndr_write_u32(w, status);
}

void swn_reply_registered(const uint8_t key[16], struct writer *w)
{
    ndr_write_u32(w, 0);
    write_bytes(w, slice_of(key, 16));
    ndr_write_u32(w, WERR_OK);
}

void swn_reply_notify(enum swn_message type, uint32_t count, struct slice messages,
                      struct writer *w)
{
    ndr_write_pointer(w, true);
    ndr_write_u32(w, (uint32_t)type);
    ndr_write_u32(w, (uint32_t)messages.len);
    ndr_write_u32(w, count);
    ndr_write_pointer(w, true);
    ndr_write_u32(w, (uint32_t)messages.len);
    write_bytes(w, messages);
    ndr_write_u32(w, WERR_OK);
}

void swn_write_change(struct writer *w, struct slice name, enum swn_state state)
{
    write_u32(w, (uint32_t)(8 + name.len + 2));
    write_u32(w, (uint32_t)state);
    write_bytes(w, name);
    write_u16(w, 0);
}

void swn_write_addresses(struct writer *w, const struct swn_address *list, uint32_t count,
                         bool online)
{
    write_u32(w, 12 + count * 24);
    write_u32(w, 0);
    write_u32(w, count);
    for (uint32_t i = 0; i < count; i++) {
        write_u32(w, (list[i].v6 ? SWN_IPADDR_V6 : SWN_IPADDR_V4) |
                         (online ? SWN_IPADDR_ONLINE : SWN_IPADDR_OFFLINE));
        write_both_families(w, &list[i]);
    }
}

/* --- addresses in text ------------------------------------------------------------------------ */

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_v4(struct slice text, uint8_t out[4])
{
    size_t part = 0, digits = 0;
    uint32_t value = 0;
    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && text.at[i] != '.') {
            int d = text.at[i] - '0';
            if (d < 0 || d > 9 || ++digits > 3)
                return false;
            value = value * 10 + (uint32_t)d;
            continue;
        }
        if (digits == 0 || value > 255 || part == 4)
            return false;
        out[part++] = (uint8_t)value;
        value = 0, digits = 0;
    }
    return part == 4;
}

/* RFC 4291 2.2 without the embedded IPv4 form: groups of hexadecimal digits, one "::" at most. */
static bool parse_v6(struct slice text, uint8_t out[16])
{
    uint16_t groups[8] = {0};
    size_t count = 0, gap = SIZE_MAX, i = 0;
    if (text.len >= 2 && text.at[0] == ':' && text.at[1] == ':')
        gap = 0, i = 2;
    while (i < text.len) {
        uint32_t value = 0;
        size_t digits = 0;
        for (; i < text.len && hex_digit(text.at[i]) >= 0; i++) {
            value = value << 4 | (uint32_t)hex_digit(text.at[i]);
            if (++digits > 4)
                return false;
        }
        if (digits == 0 || count == 8)
            return false;
        groups[count++] = (uint16_t)value;
        if (i == text.len)
            break;
        if (text.at[i++] != ':' || i == text.len)
            return false;
        if (text.at[i] == ':') {
            if (gap != SIZE_MAX)
                return false;
            gap = count, i++;
        }
    }
    if (gap == SIZE_MAX ? count != 8 : count > 7)
        return false;
    memset(out, 0, 16);
    size_t head = gap == SIZE_MAX ? count : gap;
    for (size_t g = 0; g < count; g++) {
        size_t at = g < head ? g : 8 - count + g;
        out[at * 2] = (uint8_t)(groups[g] >> 8);
        out[at * 2 + 1] = (uint8_t)groups[g];
    }
    return true;
}

bool swn_address_from_text(struct slice text, struct swn_address *out)
{
    struct swn_address a = {0};
    if (!parse_v4(text, a.bytes)) {
        a = (struct swn_address){.v6 = true};
        if (!parse_v6(text, a.bytes))
            return false;
    }
    *out = a;
    return true;
}

bool swn_address_from_utf16(struct slice text, struct swn_address *out)
{
    uint8_t ascii[ADDRESS_TEXT_MAX];
    struct reader r = reader_of(text);
    size_t len = 0;
    while (read_left(&r) > 0) {
        uint16_t unit = read_u16(&r);
        if (r.bad || unit > 0x7f || len == sizeof ascii)
            return false;
        ascii[len++] = (uint8_t)unit;
    }
    return swn_address_from_text(slice_of(ascii, len), out);
}

bool swn_address_equal(const struct swn_address *a, const struct swn_address *b)
{
    return a->v6 == b->v6 && memcmp(a->bytes, b->bytes, a->v6 ? 16 : 4) == 0;
}
