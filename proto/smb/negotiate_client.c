#include "proto/smb/negotiate_client.h"

#include "proto/smb/wire.h"

enum { NEGOTIATE_REQ = 36, NEGOTIATE_RSP = 65 };

static void encode_contexts(struct writer *w, size_t base, const struct smb_negotiate_offer *offer)
{
    smb_preauth_context_encode(w, base, offer->salt);
    if (offer->ciphers.bytes.len > 0)
        smb_id_context_encode(w, base, SMB2_ENCRYPTION_CAPABILITIES, offer->ciphers);
    if (offer->signing.bytes.len > 0)
        smb_id_context_encode(w, base, SMB2_SIGNING_CAPABILITIES, offer->signing);
    if (offer->compression.bytes.len > 0)
        smb_compression_context_encode(w, base, offer->compression_flags, offer->compression);
}

void smb_negotiate_offer_encode(struct writer *w, const struct smb_negotiate_offer *offer)
{
    enum { CONTEXTS_OFFSET_POS = 28 }; /* from the start of the body */
    size_t base = smb_header_pos(w);
    bool contexts = smb_id_has(offer->dialects, SMB_DIALECT_311);
    int count = 1 + (offer->ciphers.bytes.len > 0) + (offer->signing.bytes.len > 0) +
                (offer->compression.bytes.len > 0);
    write_u16(w, NEGOTIATE_REQ);
    write_u16(w, (uint16_t)smb_id_count(offer->dialects));
    write_u16(w, offer->security_mode);
    write_u16(w, 0);
    write_u32(w, offer->capabilities);
    write_bytes(w, slice_of(offer->client_guid, sizeof(offer->client_guid)));
    write_u32(w, 0);
    write_u16(w, contexts ? (uint16_t)count : 0);
    write_u16(w, 0);
    write_bytes(w, offer->dialects.bytes);
    if (!contexts)
        return;
    smb_pad8(w, base);
    patch_u32(w, base + SMB_HEADER_SIZE + CONTEXTS_OFFSET_POS, smb_offset(w, base));
    encode_contexts(w, base, offer);
}

ntstatus smb_negotiate_answer_decode(struct slice msg, struct smb_negotiate_answer *out)
{
    struct reader r = smb_body(msg, NEGOTIATE_RSP);
    struct smb_negotiate_answer rsp = {0};
    rsp.security_mode = read_u16(&r);
    rsp.dialect = read_u16(&r);
    uint16_t contexts_count = read_u16(&r);
    read_copy(&r, rsp.server_guid, sizeof(rsp.server_guid));
    rsp.capabilities = read_u32(&r);
    rsp.max_transact = read_u32(&r);
    rsp.max_read = read_u32(&r);
    rsp.max_write = read_u32(&r);
    rsp.system_time = read_u64(&r);
    rsp.server_start_time = read_u64(&r);
    uint16_t security_off = read_u16(&r);
    uint16_t security_len = read_u16(&r);
    uint32_t contexts_off = read_u32(&r);
    rsp.security = smb_buffer(&r, security_off, security_len);

    if (r.bad)
        return STATUS_INVALID_NETWORK_RESPONSE;
    /* 3.2.5.2: a 3.1.1 answer without its one preauthentication context is no answer. */
    if (rsp.dialect == SMB_DIALECT_311 &&
        (!smb_negotiate_contexts_decode(&r, contexts_off, contexts_count, &rsp.contexts) ||
         !rsp.contexts.has_preauth))
        return STATUS_INVALID_NETWORK_RESPONSE;
    *out = rsp;
    return STATUS_OK;
}
