/* NEGOTIATE: dialect, capabilities and algorithms ([MS-SMB2] 3.3.5.3, 3.3.5.4).
 *
 * What is offered is what works: no DFS, no persistent handles. */
#include "node/smb/smb_int.h"

#include "proto/smb/negotiate.h"

static void put_common(struct smb *s, struct smb_negotiate_rsp *rsp)
{
    rsp->security_mode = SMB2_NEGOTIATE_SIGNING_ENABLED;
    if (s->config->require_signing)
        rsp->security_mode |= SMB2_NEGOTIATE_SIGNING_REQUIRED;
    memcpy(rsp->server_guid, s->config->server_guid, sizeof(rsp->server_guid));
    rsp->system_time = s->filetime;
    rsp->security = s->config->gss_hint;
}

static void set_limits(struct smb_conn *c, struct smb_negotiate_rsp *rsp)
{
    c->multi_credit = rsp->dialect != SMB_DIALECT_202;
    c->io_max = c->multi_credit ? SMB_IO_MAX : SMB_IO_MAX_202;
    rsp->capabilities = c->multi_credit ? SMB2_GLOBAL_CAP_LARGE_MTU | SMB2_GLOBAL_CAP_LEASING : 0;
    rsp->max_transact = rsp->max_read = rsp->max_write = c->io_max;
}

static void send_reply(struct smb *s, struct smb_request *r, const struct smb_negotiate_rsp *rsp)
{
    struct writer *w = request_writer(s, r, 512 + rsp->security.len);
    if (w == NULL)
        return;
    smb_negotiate_encode(w, rsp);
    request_reply(s, r, STATUS_OK);
}

/* ---- SMB1 ----------------------------------------------------------------------------------- */

void negotiate_smb1(struct smb *s, struct smb_request *r, struct slice frame)
{
    struct smb_conn *c = r->conn;
    struct smb1_negotiate offer = {0};
    bool fresh = c->sm.state == CONN_NEW && window_take(&c->window, 0, 1);
    ntstatus status = smb1_negotiate_decode(frame, &offer);
    if (!fresh || status != STATUS_OK || (!offer.smb_2_002 && !offer.smb_2_wildcard)) {
        request_disconnect(s, r, "SMB1 is not spoken here");
        return;
    }
    r->header = (struct smb_header){.command = SMB2_NEGOTIATE, .credits = 1};
    r->last_part = true;
    r->walk = smb_walk_of((struct slice){0});
    r->walk.done = true;
    sm_move(&r->sm, REQUEST_RUNNING);
    struct smb_negotiate_rsp rsp = {0};
    rsp.dialect = offer.smb_2_wildcard ? SMB_DIALECT_WILDCARD : SMB_DIALECT_202;
    put_common(s, &rsp);
    set_limits(c, &rsp);
    if (!offer.smb_2_wildcard)
        c->dialect = SMB_DIALECT_202;
    c->server_security_mode = rsp.security_mode;
    c->capabilities = rsp.capabilities;
    sm_move(&c->sm, offer.smb_2_wildcard ? CONN_MULTI : CONN_READY);
    send_reply(s, r, &rsp);
    request_run(s, r);
}

/* ---- algorithms of 3.1.1 -------------------------------------------------------------------- */

struct preference {
    const uint16_t *ids;
    size_t count;
};

static struct preference ciphers_of(const struct smb_config *config)
{
    static const uint16_t all[SMB_CIPHERS_MAX] = {SMB_CIPHER_AES128_GCM, SMB_CIPHER_AES128_CCM,
                                                  SMB_CIPHER_AES256_GCM, SMB_CIPHER_AES256_CCM};
    if (config->cipher_count == 0)
        return (struct preference){all, array_len(all)};
    return (struct preference){config->ciphers, config->cipher_count};
}

static struct preference signings_of(const struct smb_config *config)
{
    static const uint16_t all[SMB_SIGNINGS_MAX] = {SMB_SIGNING_AES_GMAC, SMB_SIGNING_AES_CMAC,
                                                   SMB_SIGNING_HMAC_SHA256};
    if (config->signing_count == 0)
        return (struct preference){all, array_len(all)};
    return (struct preference){config->signings, config->signing_count};
}

/* The first of ours that is offered; `none` when there is no such. */
static uint16_t choose(struct smb_id_list offered, struct preference ours, uint16_t none)
{
    for (size_t i = 0; i < ours.count; i++)
        if (smb_id_has(offered, ours.ids[i]))
            return ours.ids[i];
    return none;
}

/* All that both have, in the client's order (3.3.5.4). */
static void describe_compression(struct smb_request *r, struct smb_negotiate_rsp *rsp)
{
    const struct compression *c = &r->conn->compression;
    uint8_t ids[2 * COMPRESSION_ALGORITHMS_MAX];
    struct writer w = writer_of(ids, sizeof(ids));
    for (uint32_t i = 0; i < c->count; i++)
        write_u16(&w, c->algorithms[i]);
    rsp->has_compression = true;
    rsp->compression.bytes = arena_copy(&r->arena, written(&w));
    rsp->compression_flags = c->chained ? SMB2_COMPRESSION_CAPABILITIES_FLAG_CHAINED : 0;
}

static ntstatus negotiate_311(struct smb *s, struct smb_request *r,
                              const struct smb_negotiate_req *req, struct smb_negotiate_rsp *rsp)
{
    struct smb_conn *c = r->conn;
    const struct smb_negotiate_contexts *ctx = &req->contexts;
    if (!ctx->has_preauth)
        return STATUS_INVALID_PARAMETER;
    if (!smb_id_has(ctx->hashes, SMB_HASH_SHA512))
        return STATUS_SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP;
    c->preauth = (struct preauth){0};
    if (!preauth_add(&c->preauth, r->message))
        return STATUS_INSUFFICIENT_RESOURCES;
    if (ctx->has_ciphers)
        c->cipher = choose(ctx->ciphers, ciphers_of(s->config), SMB_CIPHER_NONE);
    c->signing_algorithm = SMB_SIGNING_AES_CMAC; /* 3.3.5.4: also when none is common */
    if (ctx->has_signing)
        c->signing_algorithm = choose(ctx->signing, signings_of(s->config), SMB_SIGNING_AES_CMAC);
    if (ctx->has_compression && s->config->compression) {
        compression_choose(&c->compression, ctx->compression.bytes);
        c->compression.chained =
            (ctx->compression_flags & SMB2_COMPRESSION_CAPABILITIES_FLAG_CHAINED) != 0;
        describe_compression(r, rsp);
    }
    uint8_t salt[16];
    smb_random(s, salt, sizeof(salt));
    rsp->salt = arena_copy(&r->arena, slice_of(salt, sizeof(salt)));
    rsp->has_cipher = ctx->has_ciphers;
    rsp->cipher = c->cipher;
    rsp->has_signing = ctx->has_signing;
    rsp->signing = c->signing_algorithm;
    r->hash_reply = true;
    return STATUS_OK;
}

/* 3.3.5.4: who does not speak of channels, or of leases of directories, is not told of them. */
static void negotiate_extras(const struct smb_conn *c, struct smb_negotiate_rsp *rsp)
{
    if (rsp->dialect >= SMB_DIALECT_300)
        rsp->capabilities |= c->client_capabilities &
                             (SMB2_GLOBAL_CAP_MULTI_CHANNEL | SMB2_GLOBAL_CAP_DIRECTORY_LEASING);
}

/* 3.0 and 3.0.2 seal with AES-128-CCM when the client can. */
static void negotiate_30(struct smb *s, struct smb_conn *c, struct smb_negotiate_rsp *rsp)
{
    struct preference ours = ciphers_of(s->config);
    bool allowed = false;
    for (size_t i = 0; i < ours.count; i++)
        allowed |= ours.ids[i] == SMB_CIPHER_AES128_CCM;
    c->signing_algorithm = SMB_SIGNING_AES_CMAC;
    if (!allowed || (c->client_capabilities & SMB2_GLOBAL_CAP_ENCRYPTION) == 0)
        return;
    c->cipher = SMB_CIPHER_AES128_CCM;
    rsp->capabilities |= SMB2_GLOBAL_CAP_ENCRYPTION;
}

/* ---- SMB2 ----------------------------------------------------------------------------------- */

static bool remember_client(struct smb_conn *c, const struct smb_negotiate_req *req)
{
    struct slice dialects = req->dialects.bytes;
    if (dialects.len > sizeof(c->client_dialects))
        return false; /* there are five; more than thirty are not a client */
    memcpy(c->client_dialects, dialects.at, dialects.len);
    c->client_dialects_len = (uint32_t)dialects.len;
    memcpy(c->client_guid, req->client_guid, sizeof(c->client_guid));
    c->client_capabilities = req->capabilities;
    c->client_security_mode = req->security_mode;
    c->should_sign = (req->security_mode & SMB2_NEGOTIATE_SIGNING_REQUIRED) != 0;
    return true;
}

void cmd_negotiate(struct smb *s, struct smb_request *r)
{
    struct smb_conn *c = r->conn;
    if (c->sm.state == CONN_READY) {
        request_disconnect(s, r, "a second NEGOTIATE"); /* 3.3.5.4 */
        return;
    }
    struct smb_negotiate_req req;
    struct smb_negotiate_rsp rsp = {0};
    ntstatus status = smb_negotiate_decode(r->message, &req);
    if (status == STATUS_OK && !remember_client(c, &req))
        status = STATUS_INVALID_PARAMETER;
    if (status == STATUS_OK) {
        rsp.dialect = (uint16_t)smb_dialect_choose(req.dialects, SMB_DIALECT_202, SMB_DIALECT_311);
        if (rsp.dialect == SMB_DIALECT_NONE)
            status = STATUS_NOT_SUPPORTED;
    }
    put_common(s, &rsp);
    set_limits(c, &rsp);
    c->signing_algorithm = SMB_SIGNING_HMAC_SHA256;
    c->cipher = SMB_CIPHER_NONE;
    if (status == STATUS_OK && rsp.dialect == SMB_DIALECT_311)
        status = negotiate_311(s, r, &req, &rsp);
    else if (status == STATUS_OK && rsp.dialect >= SMB_DIALECT_300)
        negotiate_30(s, c, &rsp);
    negotiate_extras(c, &rsp);
    if (status != STATUS_OK) {
        request_fail(s, r, status);
        return;
    }
    c->dialect = rsp.dialect;
    c->server_security_mode = rsp.security_mode;
    c->capabilities = rsp.capabilities;
    sm_move(&c->sm, CONN_READY);
    trace_put(&s->trace, "conn.negotiated", c->id, c->dialect, c->cipher);
    send_reply(s, r, &rsp);
}
