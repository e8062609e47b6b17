#include "proto/rpc/dcerpc_pdu.h"
#include "proto/base/must.h"
#include "proto/rpc/ndr.h"
#include <string.h>

#define SYNTAX_SIZE 20u

static const uint8_t ndr20_uuid[16] = NDR_TRANSFER_UUID;
/* [MS-RPCE] 3.3.1.5.3: 6cb71c2c-9812-4540-XXXX-..., the feature bits are in the second half. */
static const uint8_t feature_prefix[8] = {0x2c, 0x1c, 0xb7, 0x6c, 0x12, 0x98, 0x40, 0x45};

static size_t longest_pdu(uint8_t ptype)
{
    bool carries_ticket = ptype == RPC_BIND || ptype == RPC_ALTER_CONTEXT || ptype == RPC_AUTH3;
    return carries_ticket ? RPC_BIND_MAX : RPC_FRAG_MAX;
}

bool rpc_header_decode(struct slice bytes, struct rpc_header *out)
{
    struct reader r = reader_of(bytes);
    uint8_t major = read_u8(&r), minor = read_u8(&r);
    struct rpc_header h = {.ptype = read_u8(&r), .flags = read_u8(&r)};
    uint8_t drep = read_u8(&r);
    read_skip(&r, 3);
    h.frag_len = read_u16(&r);
    h.auth_len = read_u16(&r);
    h.call_id = read_u32(&r);
    if (r.bad || major != 5 || minor > 1 || (drep & 0xf0) != 0x10)
        return false;
    if (h.frag_len < RPC_HEADER_SIZE || h.frag_len > longest_pdu(h.ptype))
        return false;
    if (h.auth_len != 0 && h.auth_len + RPC_HEADER_SIZE + RPC_TRAILER_SIZE > h.frag_len)
        return false;
    *out = h;
    return true;
}

bool rpc_trailer_decode(struct slice pdu, const struct rpc_header *h, struct rpc_trailer *out)
{
    must(pdu.len == h->frag_len);
    must(h->auth_len != 0);
    struct reader r = reader_of(pdu);
    read_skip(&r, pdu.len - h->auth_len - RPC_TRAILER_SIZE);
    struct rpc_trailer t = {.auth_type = read_u8(&r), .auth_level = read_u8(&r)};
    t.pad_len = read_u8(&r);
    read_skip(&r, 1);
    t.context_id = read_u32(&r);
    t.token = read_slice(&r, h->auth_len);
    if (r.bad)
        return false;
    *out = t;
    return true;
}

static bool find_interface(const struct rpc_config *config, const struct rpc_interface *want,
                           uint32_t *index)
{
    for (uint32_t i = 0; i < config->interface_count; i++) {
        const struct rpc_interface *have = &config->interfaces[i];
        if (memcmp(have->uuid, want->uuid, 16) == 0 && have->major == want->major &&
            have->minor >= want->minor) {
            *index = i;
            return true;
        }
    }
    return false;
}

/* One p_cont_elem_t: an abstract syntax and the transfer syntaxes the client can do it in. */
static void judge_offer(struct reader *r, const struct rpc_config *config, struct rpc_offer *out)
{
    struct rpc_offer o = {.context_id = read_u16(r)};
    uint8_t transfers = read_u8(r);
    read_skip(r, 1);
    struct rpc_interface want;
    read_copy(r, want.uuid, 16);
    want.major = read_u16(r);
    want.minor = read_u16(r);
    bool ndr20 = false;
    for (uint8_t i = 0; i < transfers && !r->bad; i++) {
        struct slice uuid = read_slice(r, 16);
        uint32_t version = read_u32(r);
        if (r->bad)
            return;
        ndr20 |= version == 2 && memcmp(uuid.at, ndr20_uuid, 16) == 0;
        o.feature_negotiation |= version == 1 && memcmp(uuid.at, feature_prefix, 8) == 0;
    }
    if (o.feature_negotiation) {
        /* [MS-RPCE] 3.3.1.5.3: acknowledged with the features supported here: none. */
        o.result = RPC_RESULT_NEGOTIATE_ACK;
    } else if (!find_interface(config, &want, &o.interface)) {
        o.result = RPC_RESULT_PROVIDER_REJECT, o.reason = RPC_REASON_ABSTRACT_SYNTAX;
    } else if (!ndr20) {
        o.result = RPC_RESULT_PROVIDER_REJECT, o.reason = RPC_REASON_TRANSFER_SYNTAXES;
    }
    *out = o;
}

bool rpc_bind_decode(struct slice pdu, const struct rpc_config *config, struct rpc_bind *out)
{
    struct reader r = reader_of(pdu);
    read_skip(&r, RPC_HEADER_SIZE);
    struct rpc_bind b = {.max_xmit = read_u16(&r), .max_recv = read_u16(&r)};
    b.assoc_group = read_u32(&r);
    b.offer_count = read_u8(&r);
    read_skip(&r, 3);
    if (r.bad || b.offer_count == 0 || b.offer_count > RPC_CONTEXTS_MAX)
        return false;
    for (uint32_t i = 0; i < b.offer_count; i++)
        judge_offer(&r, config, &b.offers[i]);
    if (r.bad)
        return false;
    *out = b;
    return true;
}

bool rpc_request_decode(struct slice pdu, const struct rpc_header *h, struct rpc_request *out)
{
    struct reader r = reader_of(pdu);
    read_skip(&r, RPC_HEADER_SIZE + 4); /* alloc_hint is only a hint */
    struct rpc_request q = {.context_id = read_u16(&r), .opnum = read_u16(&r)};
    if (h->flags & PFC_OBJECT_UUID)
        read_skip(&r, 16);
    if (r.bad)
        return false;
    q.stub_at = (uint16_t)r.pos;
    *out = q;
    return true;
}

void rpc_pdu_begin(struct writer *w, uint8_t ptype, uint8_t flags, uint32_t call_id)
{
    must(w->pos == 0);
    write_u8(w, 5);
    write_u8(w, 0);
    write_u8(w, ptype);
    write_u8(w, flags);
    write_u32(w, 0x10); /* little-endian, ASCII, IEEE */
    write_u32(w, 0);    /* frag_len, auth_len */
    write_u32(w, call_id);
}

void rpc_pdu_end(struct writer *w, uint16_t auth_len)
{
    patch_u16(w, 8, (uint16_t)w->pos);
    patch_u16(w, 10, auth_len);
}

void rpc_trailer_encode(const struct rpc_trailer *t, struct writer *w)
{
    write_u8(w, t->auth_type);
    write_u8(w, t->auth_level);
    write_u8(w, t->pad_len);
    write_u8(w, 0);
    write_u32(w, t->context_id);
    write_bytes(w, t->token);
}

void rpc_ack_encode(const struct rpc_ack *ack, struct writer *w)
{
    rpc_pdu_begin(w, ack->ptype, ack->flags, ack->call_id);
    write_u16(w, RPC_FRAG_MAX);
    write_u16(w, RPC_FRAG_MAX);
    write_u32(w, ack->assoc_group);
    /* port_any_t: an alter_context_resp carries an empty one, [C706] 12.6.4.2. */
    size_t len = ack->ptype == RPC_BIND_ACK ? strlen(ack->secondary_address) + 1 : 0;
    write_u16(w, (uint16_t)len);
    write_bytes(w, slice_of(ack->secondary_address, len));
    write_align(w, 4);
    write_u32(w, ack->bind->offer_count);
    for (uint32_t i = 0; i < ack->bind->offer_count; i++) {
        const struct rpc_offer *o = &ack->bind->offers[i];
        write_u16(w, o->result);
        write_u16(w, o->reason); /* of a negotiate_ack: the feature bits, none */
        if (o->result == RPC_RESULT_ACCEPT) {
            write_bytes(w, slice_of(ndr20_uuid, 16));
            write_u32(w, 2);
        } else {
            write_zeros(w, SYNTAX_SIZE);
        }
    }
    if (ack->trailer == NULL) {
        rpc_pdu_end(w, 0);
        return;
    }
    rpc_trailer_encode(ack->trailer, w);
    rpc_pdu_end(w, (uint16_t)ack->trailer->token.len);
}

void rpc_nak_encode(uint32_t call_id, uint16_t reason, struct writer *w)
{
    rpc_pdu_begin(w, RPC_BIND_NAK, PFC_FIRST_FRAG | PFC_LAST_FRAG, call_id);
    write_u16(w, reason);
    write_u8(w, 1); /* one supported version: 5.0 */
    write_u8(w, 5);
    write_u8(w, 0);
    rpc_pdu_end(w, 0);
}

void rpc_fault_encode(uint32_t call_id, uint16_t context_id, uint32_t status, struct writer *w)
{
    uint8_t flags = PFC_FIRST_FRAG | PFC_LAST_FRAG;
    if (status == RPC_FAULT_OP_RANGE || status == RPC_FAULT_UNKNOWN_INTERFACE)
        flags |= PFC_DID_NOT_EXECUTE;
    rpc_pdu_begin(w, RPC_FAULT, flags, call_id);
    write_u32(w, 0);
    write_u16(w, context_id);
    write_u16(w, 0);
    write_u32(w, status);
    write_u32(w, 0);
    rpc_pdu_end(w, 0);
}

void rpc_uuid_text(const uint8_t uuid[16], char text[37])
{
    static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    static const char hex[] = "0123456789abcdef";
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text[at++] = '-';
        text[at++] = hex[uuid[order[i]] >> 4];
        text[at++] = hex[uuid[order[i]] & 15];
    }
    must(at == 36);
    text[at] = 0;
}
