#include "tests/node/smb/rig.h"

#include "proto/base/must.h"
#include "proto/smb/create_client.h"
#include "proto/smb/dtyp.h"
#include "proto/smb/fscc.h"
#include "proto/smb/negotiate_client.h"
#include "proto/smb/session_client.h"
#include "proto/smb/transform.h"
#include <stdlib.h>
#include <string.h>

static const uint8_t session_key[16] = RIG_SESSION_KEY;

/* ---- a client ------------------------------------------------------------------------------- */

void client_connect(struct client *c, struct rig *g)
{
    memset(c, 0, sizeof(*c));
    c->rig = g;
    c->conn = g->next_conn++;
    struct smb_event ev = {.type = SMB_EV_CONNECT, .connect = {c->conn, "10.0.0.1", "10.0.0.9"}};
    rig_event(g, &ev);
}

void client_free(struct client *c)
{
    sign_key_free(c->sign_key);
    seal_key_free(c->seal_key);
    seal_key_free(c->open_key);
    free(c->in);
    free(c->plain);
    c->in = c->plain = NULL;
    c->sign_key = NULL;
    c->seal_key = c->open_key = NULL;
}

void client_leave(struct client *c)
{
    struct smb_event ev = {.type = SMB_EV_DISCONNECT, .disconnect = {c->conn}};
    rig_event(c->rig, &ev);
    client_free(c);
}

static void put_header(struct client *c, uint16_t command, uint32_t flags)
{
    struct smb_header h = {
        .command = command,
        .credit_charge = 1,
        .credits = 64,
        .flags = flags | (c->sign && !c->seal ? SMB2_FLAGS_SIGNED : 0),
        .tree_id = c->tree_id,
        .channel_sequence = c->channel_sequence,
        .session_id = c->session_id,
        .message_id = command == SMB2_CANCEL ? c->message_id - 1 : c->message_id,
    };
    if ((flags & SMB2_FLAGS_ASYNC_COMMAND) != 0)
        h.async_id = c->header.async_id;
    if (command != SMB2_CANCEL)
        c->message_id++;
    c->part = c->w.pos;
    smb_header_encode(&c->w, &h);
}

struct writer *client_begin(struct client *c, uint16_t command, uint32_t flags)
{
    c->w = writer_of(c->out + SMB_TRANSFORM_SIZE, sizeof(c->out) - SMB_TRANSFORM_SIZE);
    put_header(c, command, flags);
    return &c->w;
}

static void sign_part(struct client *c)
{
    struct slice part = slice_sub(written(&c->w), c->part, c->w.pos - c->part);
    if (!c->sign || c->seal)
        return;
    uint8_t signature[16];
    struct sign_message m = {&part, 1, false};
    must(sign_message(c->sign_key, &m, signature));
    signature[0] ^= c->bad_signature;
    memcpy(c->w.at + c->part + SMB_SIGNATURE_POS, signature, 16);
}

struct writer *client_and(struct client *c, uint16_t command, uint32_t flags)
{
    smb_compound_link(&c->w, c->part);
    sign_part(c);
    put_header(c, command, flags);
    return &c->w;
}

void client_send_raw(struct client *c, struct slice frame) { rig_frame(c->rig, c->conn, frame); }

/* Everything behind the fixed part of a WRITE is compressed. */
static void pack(struct client *c)
{
    enum { HEAD = 64 + 48 };
    static uint64_t scratch[CODEC_SCRATCH_SIZE / 8];
    static uint8_t packed[sizeof(c->out)];
    struct slice all = written(&c->w);
    if (!c->compress || all.len <= HEAD)
        return;
    struct message_parts m = {slice_sub(all, 0, HEAD), slice_sub(all, HEAD, all.len - HEAD)};
    struct writer w = writer_of(packed, sizeof(packed));
    if (!message_compress(&c->compression, m, &w, scratch))
        return;
    if (c->bend > 0)
        packed[c->bend] ^= 0x5A;
    memcpy(c->w.at, packed, w.pos);
    c->w.pos = w.pos;
}

static void unpack(struct client *c, struct slice *frame)
{
    static uint64_t scratch[CODEC_SCRATCH_SIZE / 8];
    c->was_compressed = smb_frame_kind(*frame) == SMB_FRAME_COMPRESSED;
    if (!c->was_compressed)
        return;
    size_t size = message_size(*frame, 1 << 24);
    must(size > 0);
    free(c->plain);
    c->plain = malloc(size);
    must(c->plain != NULL);
    struct writer w = writer_of(c->plain, size);
    must(message_decompress(&c->compression, *frame, &w, scratch));
    *frame = written(&w);
}

void client_send(struct client *c)
{
    must(!c->w.full);
    sign_part(c);
    pack(c);
    c->sent = c->w.pos;
    if (!c->seal) {
        client_send_raw(c, written(&c->w));
        return;
    }
    struct smb_transform t = {.original_size = (uint32_t)c->w.pos,
                              .flags = SMB_TRANSFORM_ENCRYPTED,
                              .session_id = c->session_id};
    c->nonce++;
    memcpy(t.nonce, &c->nonce, sizeof(c->nonce));
    struct writer head = writer_of(c->out, SMB_TRANSFORM_SIZE);
    smb_transform_encode(&head, &t);
    struct slice_mut text = {c->out + SMB_TRANSFORM_SIZE, c->w.pos};
    struct sealed sealed = {
        t.nonce, slice_of(c->out + SMB_TRANSFORM_AAD_POS, SMB_TRANSFORM_AAD_SIZE), &text, 1};
    must(seal_parts(c->seal_key, &sealed, t.signature));
    head = writer_of(c->out, SMB_TRANSFORM_SIZE);
    smb_transform_encode(&head, &t);
    client_send_raw(c, slice_of(c->out, SMB_TRANSFORM_SIZE + c->w.pos));
}

static bool take_frame(struct client *c)
{
    struct rig *g = c->rig;
    for (uint32_t i = 0; i < g->sent_count; i++) {
        struct rig_sent *m = &g->sent[(g->sent_first + i) % RIG_SENT_MAX];
        if (m->conn != c->conn)
            continue;
        struct slice frame = slice_of(m->at, m->len);
        free(c->in);
        c->in = m->at;
        for (; i > 0; i--)
            g->sent[(g->sent_first + i) % RIG_SENT_MAX] =
                g->sent[(g->sent_first + i - 1) % RIG_SENT_MAX];
        g->sent_first++;
        g->sent_count--;
        if (smb_frame_kind(frame) == SMB_FRAME_TRANSFORM) {
            struct smb_transform t;
            must(smb_transform_decode(frame, &t) == STATUS_OK);
            struct slice_mut text = {c->in + SMB_TRANSFORM_SIZE, t.body.len};
            struct sealed sealed = {t.nonce, t.aad, &text, 1};
            must(c->open_key != NULL);
            must(open_parts(c->open_key, &sealed, t.signature));
            frame = t.body;
        } else {
            must(!c->strict || !c->seal); /* who seals gets sealed answers */
        }
        c->received = frame.len;
        unpack(c, &frame);
        c->walk = smb_walk_of(frame);
        return true;
    }
    return false;
}

bool client_receive(struct client *c)
{
    if (c->in == NULL || smb_walk_next(&c->walk, &c->message, &c->header) != SMB_WALK_MESSAGE) {
        if (!take_frame(c))
            return false;
        must(smb_walk_next(&c->walk, &c->message, &c->header) == SMB_WALK_MESSAGE);
    }
    c->credits += c->header.credits;
    static const uint8_t zero[SMB_SIGNATURE_SIZE];
    bool bare = status_is_error(c->header.status) && memcmp(c->header.signature, zero, 16) == 0;
    if ((c->header.flags & SMB2_FLAGS_SIGNED) != 0 && c->sign_key != NULL && !bare) {
        struct sign_message m = {&c->message, 1, true};
        must(sign_verify(c->sign_key, &m));
    }
    return true;
}

ntstatus client_call(struct client *c)
{
    client_send(c);
    return client_receive(c) ? c->header.status : STATUS_CONNECTION_DISCONNECTED;
}

/* ---- its commands --------------------------------------------------------------------------- */

static struct slice ids(const uint16_t *list, size_t count, uint8_t *bytes)
{
    struct writer w = writer_of(bytes, count * 2);
    for (size_t i = 0; i < count && list[i] != CLIENT_NO_MORE; i++)
        write_u16(&w, list[i]);
    return written(&w);
}

void client_offer(struct client *c, uint16_t cipher, uint16_t signing)
{
    c->ciphers[0] = cipher;
    c->signings[0] = signing;
    c->ciphers[1] = c->signings[1] = CLIENT_NO_MORE;
}

ntstatus client_negotiate(struct client *c, uint16_t dialect)
{
    static const uint16_t ciphers[] = {SMB_CIPHER_AES128_CCM, SMB_CIPHER_AES128_GCM,
                                       CLIENT_NO_MORE};
    static const uint16_t signings[] = {SMB_SIGNING_AES_CMAC, SMB_SIGNING_AES_GMAC, CLIENT_NO_MORE};
    bool chosen = c->ciphers[0] != 0;
    uint8_t bytes[3][8], compression[2 * COMPRESSION_ALGORITHMS_MAX];
    struct smb_negotiate_offer offer = {
        .security_mode = SMB2_NEGOTIATE_SIGNING_ENABLED,
        .capabilities = SMB2_GLOBAL_CAP_ENCRYPTION | SMB2_GLOBAL_CAP_LARGE_MTU | c->capabilities,
        .client_guid = "client-guid",
        .dialects = {ids(&dialect, 1, bytes[0])},
        .salt = slice_str("salt"),
        .ciphers = {ids(chosen ? c->ciphers : ciphers, 4, bytes[1])},
        .compression = {ids(c->compression.algorithms, c->compression.count, compression)},
        .compression_flags = c->compression.chained ? 1 : 0,
        .signing = {ids(chosen ? c->signings : signings, 4, bytes[2])},
    };
    struct writer *w = client_begin(c, SMB2_NEGOTIATE, 0);
    smb_negotiate_offer_encode(w, &offer);
    struct slice request = written(w);
    must(preauth_add(&c->preauth, request));
    ntstatus status = client_call(c);
    if (status != STATUS_OK)
        return status;
    struct smb_negotiate_answer a;
    must(preauth_add(&c->preauth, c->message));
    must(smb_negotiate_answer_decode(c->message, &a) == STATUS_OK);
    must(a.dialect == dialect);
    compression_choose(&c->compression, a.contexts.compression.bytes);
    c->compression.chained = (a.contexts.compression_flags & 1) != 0;
    c->dialect = dialect;
    c->cipher = dialect >= SMB_DIALECT_300 ? SMB_CIPHER_AES128_CCM : SMB_CIPHER_NONE;
    c->signing = dialect >= SMB_DIALECT_300 ? SMB_SIGNING_AES_CMAC : SMB_SIGNING_HMAC_SHA256;
    if (dialect == SMB_DIALECT_311) {
        must(a.contexts.has_ciphers && a.contexts.has_signing);
        c->cipher = smb_id_at(a.contexts.ciphers, 0);
        c->signing = smb_id_at(a.contexts.signing, 0);
    }
    return status;
}

static void derive(struct client *c, struct smb_keys *keys)
{
    struct kdf_input in = {
        .dialect = c->dialect,
        .cipher = c->cipher,
        .session_key = {session_key, sizeof(session_key)},
        .full_key = {session_key, sizeof(session_key)},
        .preauth = c->session_preauth,
    };
    if (c->dialect >= SMB_DIALECT_300)
        must(smb_keys_derive(&in, keys));
    else
        smb_keys_202(session_key, keys);
}

static void take_sign_key(struct client *c, uint16_t signing, const struct smb_keys *keys)
{
    sign_key_free(c->sign_key);
    c->sign_key = sign_key_new(&c->rig->client_mem, (enum smb_signing)signing,
                               slice_of(keys->signing.bytes, keys->signing.size));
}

static void take_seal_keys(struct client *c)
{
    if (c->dialect < SMB_DIALECT_300 || c->cipher == SMB_CIPHER_NONE)
        return;
    enum smb_cipher cipher = (enum smb_cipher)c->cipher;
    c->seal_key =
        seal_key_new(&c->rig->client_mem, cipher, slice_of(c->keys.open.bytes, c->keys.open.size));
    c->open_key =
        seal_key_new(&c->rig->client_mem, cipher, slice_of(c->keys.seal.bytes, c->keys.seal.size));
}

static void put_setup(struct client *c, const char *token, uint64_t previous, uint8_t flags)
{
    struct smb_session_setup_req req = {
        .flags = flags,
        .security_mode = SMB2_NEGOTIATE_SIGNING_ENABLED,
        .previous_session_id = previous,
        .security = slice_str(token),
    };
    smb_session_setup_req_encode(client_begin(c, SMB2_SESSION_SETUP, 0), &req);
}

ntstatus client_setup(struct client *c, const char *token, uint64_t previous)
{
    put_setup(c, token, previous, 0);
    if (c->session_id == 0)
        c->session_preauth = c->preauth;
    must(preauth_add(&c->session_preauth, written(&c->w)));
    if (token[0] == '!' && c->sign_key == NULL) {
        derive(c, &c->keys);
        take_sign_key(c, c->signing, &c->keys);
        take_seal_keys(c);
    }
    ntstatus status = client_call(c);
    if (status == STATUS_MORE_PROCESSING_REQUIRED)
        must(preauth_add(&c->session_preauth, c->message));
    if (status == STATUS_OK || status == STATUS_MORE_PROCESSING_REQUIRED)
        c->session_id = c->header.session_id;
    return status;
}

void client_adopt(struct client *c, const struct client *of)
{
    c->session_id = of->session_id;
    c->tree_id = of->tree_id;
    c->session_preauth = c->preauth;
    c->keys = of->keys;
    c->sign = true;
    take_sign_key(c, of->signing, &of->keys);
}

ntstatus client_bind_round(struct client *c, const char *token)
{
    struct smb_keys own = {0};
    put_setup(c, token, 0, SMB2_SESSION_FLAG_BINDING);
    client_send(c);
    must(preauth_add(&c->session_preauth, written(&c->w))); /* with its signature */
    if (token[0] == '!' && c->dialect >= SMB_DIALECT_300) {
        struct sign_key *before = c->sign_key;
        struct sign_message m = {&c->message, 1, true};
        c->sign_key = NULL; /* which key signs the answer depends on what it says */
        bool bound = client_receive(c) && c->header.status == STATUS_OK;
        if (!bound) {
            c->sign_key = before;
            return c->header.status;
        }
        derive(c, &own);
        take_sign_key(c, c->signing, &own);
        must(sign_verify(c->sign_key, &m));
        sign_key_free(before);
        take_seal_keys(c);
        return STATUS_OK;
    }
    if (!client_receive(c))
        return STATUS_CONNECTION_DISCONNECTED;
    if (c->header.status == STATUS_MORE_PROCESSING_REQUIRED)
        must(preauth_add(&c->session_preauth, c->message));
    return c->header.status;
}

ntstatus client_bind(struct client *c, const struct client *of)
{
    client_connect(c, of->rig);
    client_offer(c, of->cipher, of->signing);
    must(client_negotiate(c, of->dialect) == STATUS_OK);
    client_adopt(c, of);
    ntstatus status = client_bind_round(c, "?first");
    return status == STATUS_MORE_PROCESSING_REQUIRED ? client_bind_round(c, "!second") : status;
}

ntstatus client_logon(struct client *c)
{
    ntstatus status = client_setup(c, "?first", 0);
    if (status == STATUS_MORE_PROCESSING_REQUIRED)
        status = client_setup(c, "!second", 0);
    c->sign = status == STATUS_OK;
    return status;
}

static struct slice wide(const char *text, uint8_t *bytes, size_t cap)
{
    struct writer w = writer_of(bytes, cap);
    for (; *text != '\0'; text++)
        write_u16(&w, (uint16_t)*text);
    return written(&w);
}

ntstatus client_tree(struct client *c, const char *path)
{
    uint8_t bytes[256];
    struct smb_tree_connect_req req = {.path = wide(path, bytes, sizeof(bytes))};
    struct writer *w = client_begin(c, SMB2_TREE_CONNECT, 0);
    smb_tree_connect_req_encode(w, &req);
    ntstatus status = client_call(c);
    if (status == STATUS_OK)
        c->tree_id = c->header.tree_id;
    return status;
}

void client_put_create(struct client *c, struct writer *w, const char *name)
{
    (void)c;
    uint8_t bytes[256];
    struct smb_create_req req = {
        .impersonation = SMB2_IMPERSONATION_IMPERSONATION,
        .desired_access = GENERIC_READ | GENERIC_WRITE,
        .share_access = FILE_SHARE_READ | FILE_SHARE_WRITE,
        .disposition = FILE_OPEN_IF,
        .name = wide(name, bytes, sizeof(bytes)),
    };
    smb_create_req_encode(w, &req);
}

ntstatus client_create(struct client *c, const char *name, struct smb_file_id *id)
{
    client_put_create(c, client_begin(c, SMB2_CREATE, 0), name);
    ntstatus status = client_call(c);
    struct smb_create_rsp rsp;
    if (status != STATUS_OK)
        return status;
    must(smb_create_rsp_decode(c->message, &rsp) == STATUS_OK);
    *id = rsp.file_id;
    return status;
}

ntstatus client_close(struct client *c, struct smb_file_id id)
{
    struct smb_close_req req = {.file_id = id};
    smb_close_req_encode(client_begin(c, SMB2_CLOSE, 0), &req);
    return client_call(c);
}

void client_ready(struct client *c, struct rig *g, uint16_t dialect)
{
    client_connect(c, g);
    must(client_negotiate(c, dialect) == STATUS_OK);
    must(client_logon(c) == STATUS_OK);
    must(client_tree(c, "\\\\server\\general") == STATUS_OK);
}

/* ---- any bytes at all ----------------------------------------------------------------------- */

/* Bytes behind a valid header: everything beyond the first checks is reached. */
static void play_dressed(struct client *c, struct reader *script, uint8_t command)
{
    struct slice body = read_slice(script, read_u8(script));
    uint32_t flags = command & 0x80 ? SMB2_FLAGS_RELATED_OPERATIONS : 0;
    write_bytes(client_begin(c, command % SMB2_COMMANDS, 0), body);
    for (int parts = 0; parts < 4 && read_left(script) > 0 && read_u8(script) % 2 == 1; parts++) {
        command = read_u8(script);
        body = read_slice(script, read_u8(script));
        write_bytes(client_and(c, command % SMB2_COMMANDS, flags), body);
    }
    client_send(c);
}

/* Something has happened in what this open watches, if it watches. */
static void rig_watch(struct rig *g, uint64_t open_id, uint32_t action, struct reader *script)
{
    struct smb_event ev = {.type = SMB_EV_WATCH, .watch = {.open_id = open_id, .action = action}};
    ev.watch.name = read_slice(script, read_u8(script) % 64);
    ev.watch.deleted = action == 31;
    rig_event(g, &ev);
}

void rig_play(struct rig *g, struct client *c, struct reader *script)
{
    for (int moves = 0; moves < 100 && read_left(script) > 0; moves++) {
        uint8_t move = read_u8(script);
        uint8_t value = read_u8(script);
        if (move < 120)
            play_dressed(c, script, value);
        else if (move < 140)
            client_send_raw(c, read_slice(script, value));
        else if (move < 160)
            rig_advance(g, (uint64_t)value * 100000000);
        else if (move < 180)
            rig_lease(g, value % 4 != 0);
        else if (move < 200)
            g->hold_meta = value & 1, g->hold_io = value & 2, g->hold_auth = value & 4;
        else if (move < 206)
            rig_watch(g, value % 8, value / 8, script);
        else if (move < 240 && g->op_count > 0)
            rig_answer(g, value % 2 == 0 ? STATUS_OK : STATUS_ACCESS_DENIED);
        else
            c->seal = value % 2 == 1 && c->seal_key != NULL;
        while (client_receive(c))
            ;
        if (g->closed_conn == c->conn) {
            uint16_t dialect = c->dialect;
            client_free(c);
            g->hold_meta = g->hold_io = g->hold_auth = false;
            while (g->op_count > 0)
                rig_answer(g, STATUS_OK);
            rig_lease(g, true);
            client_ready(c, g, dialect);
        }
    }
}
