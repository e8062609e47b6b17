#include "proto/smb/negotiate.h"

#include "proto/base/must.h"
#include "proto/smb/wire.h"

enum { NEGOTIATE_REQ = 36, NEGOTIATE_RSP = 65, ID_SIZE = 2 };

size_t smb_id_count(struct smb_id_list list) { return list.bytes.len / ID_SIZE; }

uint16_t smb_id_at(struct smb_id_list list, size_t index)
{
    must(index < smb_id_count(list));
    struct reader r = reader_of(slice_sub(list.bytes, index * ID_SIZE, ID_SIZE));
    return read_u16(&r);
}

bool smb_id_has(struct smb_id_list list, uint16_t id)
{
    for (size_t i = 0; i < smb_id_count(list); i++)
        if (smb_id_at(list, i) == id)
            return true;
    return false;
}

static struct smb_id_list read_ids(struct reader *r, uint16_t count)
{
    return (struct smb_id_list){.bytes = read_slice(r, (size_t)count * ID_SIZE)};
}

enum smb_dialect smb_dialect_choose(struct smb_id_list dialects, uint16_t least, uint16_t most)
{
    static const enum smb_dialect known[] = {SMB_DIALECT_311, SMB_DIALECT_302, SMB_DIALECT_300,
                                             SMB_DIALECT_210, SMB_DIALECT_202};
    for (size_t i = 0; i < array_len(known); i++)
        if (known[i] >= least && known[i] <= most && smb_id_has(dialects, (uint16_t)known[i]))
            return known[i];
    return SMB_DIALECT_NONE;
}

/* --- contexts: each decoder gets a reader of the context's Data alone --- */

static bool decode_preauth(struct reader *r, struct smb_negotiate_contexts *c)
{
    uint16_t count = read_u16(r);
    uint16_t salt_len = read_u16(r);
    struct smb_id_list hashes = read_ids(r, count);
    struct slice salt = read_slice(r, salt_len);
    if (r->bad || count == 0 || c->has_preauth)
        return false;
    c->has_preauth = true;
    c->hashes = hashes;
    c->salt = salt;
    return true;
}

/* The form of encryption and signing contexts: a count, then ids; at most one such context. */
static bool decode_id_context(struct reader *r, bool *has, struct smb_id_list *list)
{
    uint16_t count = read_u16(r);
    struct smb_id_list ids = read_ids(r, count);
    if (r->bad || count == 0 || *has)
        return false;
    *has = true;
    *list = ids;
    return true;
}

static bool decode_compression(struct reader *r, struct smb_negotiate_contexts *c)
{
    uint16_t count = read_u16(r);
    read_skip(r, 2);
    uint32_t flags = read_u32(r);
    struct smb_id_list ids = read_ids(r, count);
    if (r->bad || count == 0 || c->has_compression)
        return false;
    c->has_compression = true;
    c->compression_flags = flags;
    c->compression = ids;
    return true;
}

/* Contexts of what we do not implement must be ignored when ill-formed, yet two are an error. */
static bool decode_rdma(struct reader *r, struct smb_negotiate_contexts *c)
{
    uint16_t count = read_u16(r);
    read_skip(r, 2 + 4);
    struct smb_id_list ids = read_ids(r, count);
    if (c->has_rdma)
        return false;
    if (!r->bad && count > 0) {
        c->has_rdma = true;
        c->rdma_transforms = ids;
    }
    return true;
}

static bool decode_transport(struct reader *r, struct smb_negotiate_contexts *c)
{
    uint32_t flags = read_u32(r);
    if (!r->bad) {
        c->has_transport = true;
        c->transport_flags = flags;
    }
    return true;
}

static bool decode_netname(struct reader *r, struct smb_negotiate_contexts *c)
{
    struct slice name = read_rest(r);
    if (name.len % 2 == 0) {
        c->has_netname = true;
        c->netname = name;
    }
    return true;
}

static bool decode_context(uint16_t type, struct slice data, struct smb_negotiate_contexts *c)
{
    struct reader r = reader_of(data);
    switch (type) {
    case SMB2_PREAUTH_INTEGRITY_CAPABILITIES: return decode_preauth(&r, c);
    case SMB2_ENCRYPTION_CAPABILITIES: return decode_id_context(&r, &c->has_ciphers, &c->ciphers);
    case SMB2_SIGNING_CAPABILITIES: return decode_id_context(&r, &c->has_signing, &c->signing);
    case SMB2_COMPRESSION_CAPABILITIES: return decode_compression(&r, c);
    case SMB2_RDMA_TRANSFORM_CAPABILITIES: return decode_rdma(&r, c);
    case SMB2_TRANSPORT_CAPABILITIES: return decode_transport(&r, c);
    case SMB2_NETNAME_NEGOTIATE_CONTEXT_ID: return decode_netname(&r, c);
    }
    return true;
}

bool smb_negotiate_contexts_decode(struct reader *r, size_t off, size_t count,
                                   struct smb_negotiate_contexts *out)
{
    struct smb_negotiate_contexts c = {0};
    if (count > SMB_NEGOTIATE_CONTEXTS_MAX)
        return false;
    if (count > 0 && (off % 8 != 0 || off < r->pos))
        return false;
    struct reader list = reader_of(r->all);
    read_skip(&list, off);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            read_align(&list, 8);
        uint16_t type = read_u16(&list);
        uint16_t len = read_u16(&list);
        read_skip(&list, 4);
        struct slice data = read_slice(&list, len);
        if (list.bad || !decode_context(type, data, &c))
            return false;
    }
    *out = c;
    return true;
}

ntstatus smb_negotiate_decode(struct slice msg, struct smb_negotiate_req *out)
{
    struct reader r = smb_body(msg, NEGOTIATE_REQ);
    struct smb_negotiate_req req = {0};
    uint16_t dialect_count = read_u16(&r);
    req.security_mode = read_u16(&r);
    read_skip(&r, 2);
    req.capabilities = read_u32(&r);
    read_copy(&r, req.client_guid, sizeof(req.client_guid));
    uint32_t contexts_off = read_u32(&r); /* ClientStartTime unless 3.1.1 is offered */
    uint16_t contexts_count = read_u16(&r);
    read_skip(&r, 2);
    req.dialects = read_ids(&r, dialect_count);

    if (r.bad || dialect_count == 0)
        return STATUS_INVALID_PARAMETER;
    if (smb_id_has(req.dialects, SMB_DIALECT_311)) {
        if (!smb_negotiate_contexts_decode(&r, contexts_off, contexts_count, &req.contexts))
            return STATUS_INVALID_PARAMETER;
        if (!req.contexts.has_preauth) /* 3.3.5.4: exactly one */
            return STATUS_INVALID_PARAMETER;
    }
    *out = req;
    return STATUS_OK;
}

/* ContextType, DataLength, Reserved, behind the padding that puts it on a multiple of 8. */
static void context_head(struct writer *w, size_t base, uint16_t type, size_t len)
{
    must(len <= UINT16_MAX);
    smb_pad8(w, base);
    write_u16(w, type);
    write_u16(w, (uint16_t)len);
    write_u32(w, 0);
}

void smb_preauth_context_encode(struct writer *w, size_t header_pos, struct slice salt)
{
    context_head(w, header_pos, SMB2_PREAUTH_INTEGRITY_CAPABILITIES, 2 + 2 + 2 + salt.len);
    write_u16(w, 1);
    write_u16(w, smb_len16(salt));
    write_u16(w, SMB_HASH_SHA512);
    write_bytes(w, salt);
}

void smb_id_context_encode(struct writer *w, size_t header_pos, uint16_t type,
                           struct smb_id_list ids)
{
    context_head(w, header_pos, type, 2 + ids.bytes.len);
    write_u16(w, (uint16_t)smb_id_count(ids));
    write_bytes(w, ids.bytes);
}

void smb_compression_context_encode(struct writer *w, size_t header_pos, uint32_t flags,
                                    struct smb_id_list ids)
{
    context_head(w, header_pos, SMB2_COMPRESSION_CAPABILITIES, 2 + 2 + 4 + ids.bytes.len);
    write_u16(w, (uint16_t)smb_id_count(ids));
    write_u16(w, 0);
    write_u32(w, flags);
    write_bytes(w, ids.bytes);
}

static void encode_one_id(struct writer *w, size_t base, uint16_t type, uint16_t id)
{
    const uint8_t bytes[ID_SIZE] = {(uint8_t)(id & 0xFF), (uint8_t)(id >> 8)};
    smb_id_context_encode(w, base, type, (struct smb_id_list){slice_of(bytes, sizeof(bytes))});
}

static void encode_compression(struct writer *w, size_t base, const struct smb_negotiate_rsp *rsp)
{
    static const uint8_t none[ID_SIZE] = {0};
    struct smb_id_list ids = rsp->compression;
    if (ids.bytes.len == 0)
        ids.bytes = slice_of(none, sizeof(none));
    smb_compression_context_encode(w, base, rsp->compression_flags, ids);
}

void smb_negotiate_encode(struct writer *w, const struct smb_negotiate_rsp *rsp)
{
    enum { CONTEXTS_OFFSET_BACK = 4 }; /* NegotiateContextOffset ends the fixed part */
    size_t base = smb_header_pos(w);
    bool contexts = rsp->dialect == SMB_DIALECT_311;
    int count = contexts ? 1 + rsp->has_cipher + rsp->has_signing + rsp->has_compression : 0;
    write_u16(w, NEGOTIATE_RSP);
    write_u16(w, rsp->security_mode);
    write_u16(w, rsp->dialect);
    write_u16(w, (uint16_t)count);
    write_bytes(w, slice_of(rsp->server_guid, sizeof(rsp->server_guid)));
    write_u32(w, rsp->capabilities);
    write_u32(w, rsp->max_transact);
    write_u32(w, rsp->max_read);
    write_u32(w, rsp->max_write);
    write_u64(w, rsp->system_time);
    write_u64(w, rsp->server_start_time);
    write_u16(w, SMB_HEADER_SIZE + NEGOTIATE_RSP - 1);
    write_u16(w, smb_len16(rsp->security));
    write_u32(w, 0);
    size_t contexts_off_pos = w->pos - CONTEXTS_OFFSET_BACK;
    write_bytes(w, rsp->security);
    if (!contexts || w->full)
        return;
    smb_pad8(w, base);
    patch_u32(w, contexts_off_pos, smb_offset(w, base));
    smb_preauth_context_encode(w, base, rsp->salt);
    if (rsp->has_cipher)
        encode_one_id(w, base, SMB2_ENCRYPTION_CAPABILITIES, rsp->cipher);
    if (rsp->has_signing)
        encode_one_id(w, base, SMB2_SIGNING_CAPABILITIES, rsp->signing);
    if (rsp->has_compression)
        encode_compression(w, base, rsp);
}
