/* Copies within the server, under the registers' oracle: a part of a file is copied to the same
 * place of a file of the client's own, and read back there. What is read must be what a READ of the
 * file could have found between the copy's begin and now. */
#include "tests/sim/client.h"

#include "proto/smb/create_client.h"
#include "proto/smb/data_client.h"
#include "proto/smb/dtyp.h"
#include "proto/smb/fscc.h"
#include "proto/smb/ioctl_client.h"
#include "proto/smb/ioctl_copy.h"

#include <string.h>

enum { COPY_ATOMS_MAX = 128, NAME_DIGITS = 8 };

static void own_open(struct client *c)
{
    uint8_t name[2 * NAME_DIGITS];
    struct writer n = writer_of(name, sizeof name);
    uint32_t number = c->proc.number << 24 | ++c->copy.number;
    for (uint32_t i = 0; i < NAME_DIGITS; i++)
        write_u16(&n, (uint16_t)('a' + (number >> (4 * i) & 0xf)));
    struct smb_create_req req = {.impersonation = SMB2_IMPERSONATION_IMPERSONATION,
                                 .desired_access = GENERIC_ALL,
                                 .share_access = FILE_SHARE_READ,
                                 .disposition = FILE_CREATE,
                                 .options = FILE_DELETE_ON_CLOSE,
                                 .name = written(&n)};
    struct writer w;
    if (!client_request(c, &(struct ask){CALL_COPY_OPEN, SMB2_CREATE, 0}, &w))
        return;
    smb_create_req_encode(&w, &req);
    client_sent(c, &w);
    c->copy.own.state = FILE_IS_OPENING;
    c->copy.spoiled = false;
}

static void own_close(struct client *c)
{
    struct smb_close_req req = {.file_id = client_file_id(&c->copy.own)};
    struct writer w;
    if (!client_request(c, &(struct ask){CALL_COPY_CLOSE, SMB2_CLOSE, 0}, &w))
        return;
    smb_close_req_encode(&w, &req);
    client_sent(c, &w);
    c->copy.own.state = FILE_IS_CLOSING;
}

static void ask_key(struct client *c)
{
    struct world *w = c->w;
    struct copy *x = &c->copy;
    x->file = (uint32_t)draw(w, 0, c->files_used - 1);
    const struct client_file *f = &c->files[x->file];
    if (f->state != FILE_IS_OPEN)
        return;
    struct smb_ioctl_req req = {.code = FSCTL_SRV_REQUEST_RESUME_KEY,
                                .file_id = client_file_id(f),
                                .max_output_response = SMB_RESUME_KEY_RSP_SIZE};
    x->len = (uint32_t)draw(w, 1, COPY_ATOMS_MAX) * ATOM;
    uint64_t span = chance(w, c->hot_per_mille) ? c->hot_bytes : c->file_bytes;
    x->len = x->len < span ? x->len : (uint32_t)span;
    x->offset = draw(w, 0, (span - x->len) / ATOM) * ATOM;
    x->busy = client_ioctl(c, CALL_COPY_KEY, &req);
}

void copies_next(struct client *c)
{
    if (c->copy.busy)
        return;
    if (c->copy.own.state == FILE_IS_SHUT)
        own_open(c);
    else if (c->copy.own.state == FILE_IS_OPEN && (c->copy.spoiled || chance(c->w, 50)))
        own_close(c);
    else if (c->copy.own.state == FILE_IS_OPEN)
        ask_key(c);
}

/* Two chunks, so that there is something to be joined. */
static bool begin_copy(struct client *c)
{
    struct copy *x = &c->copy;
    uint8_t bytes[128];
    struct writer data = writer_of(bytes, sizeof bytes);
    uint32_t count = x->len > ATOM ? 2 : 1, half = count == 2 ? ATOM : x->len;
    write_bytes(&data, slice_of(x->key, sizeof x->key));
    write_u32(&data, count);
    write_u32(&data, 0);
    for (uint32_t i = 0; i < count; i++) {
        write_u64(&data, x->offset + i * half);
        write_u64(&data, x->offset + i * half);
        write_u32(&data, i == 0 ? half : x->len - half);
        write_u32(&data, 0);
    }
    struct smb_ioctl_req req = {.code = FSCTL_SRV_COPYCHUNK,
                                .file_id = client_file_id(&x->own),
                                .max_output_response = SMB_COPY_RSP_SIZE,
                                .input = written(&data)};
    x->begin_ns = c->w->now_ns;
    return client_ioctl(c, CALL_COPY, &req);
}

static bool read_back(struct client *c)
{
    const struct copy *x = &c->copy;
    struct smb_read_req req = {
        .length = x->len, .offset = x->offset, .file_id = client_file_id(&x->own)};
    struct writer w;
    if (!client_request(c, &(struct ask){CALL_COPY_READ, SMB2_READ, x->len}, &w))
        return false;
    smb_read_req_encode(&w, &req);
    client_sent(c, &w);
    return true;
}

static void judge(struct client *c, struct slice msg)
{
    const struct copy *x = &c->copy;
    struct smb_read_answer answer;
    must(smb_read_answer_decode(msg, &answer) == STATUS_OK);
    if (answer.data.len != x->len) {
        world_violation(c->w, "INV-1: client %u finds %zu bytes of %u it copied", c->proc.number,
                        answer.data.len, x->len);
        return;
    }
    struct read_seen seen = {.client = c->proc.number,
                             .file = x->file,
                             .offset = x->offset,
                             .len = x->len,
                             .begin_ns = x->begin_ns,
                             .bytes = answer.data};
    c->copies++;
    oracle_read(&c->w->cluster->oracle, &seen);
}

static void own_opened(struct client *c, ntstatus status, struct slice msg)
{
    struct smb_create_rsp rsp;
    c->copy.own = (struct client_file){0};
    if (status != STATUS_OK)
        return;
    must(smb_create_rsp_decode(msg, &rsp) == STATUS_OK);
    c->copy.own = (struct client_file){FILE_IS_OPEN, rsp.file_id.persistent, rsp.file_id.volatile_};
}

void copies_answered(struct client *c, const struct call *call, ntstatus status, struct slice msg)
{
    struct copy *x = &c->copy;
    struct slice out;
    x->busy = false;
    if (call->kind == CALL_COPY_OPEN) {
        own_opened(c, status, msg);
    } else if (call->kind == CALL_COPY_CLOSE) {
        x->own.state = FILE_IS_SHUT;
    } else if (call->kind == CALL_COPY_KEY && status == STATUS_OK) {
        must(smb_ioctl_answer_decode(msg, &out) == STATUS_OK);
        must(out.len == SMB_RESUME_KEY_RSP_SIZE);
        memcpy(x->key, out.at, sizeof x->key);
        x->busy = begin_copy(c);
    } else if (call->kind == CALL_COPY) {
        x->busy = status == STATUS_OK && read_back(c);
        x->spoiled = status != STATUS_OK;
    } else if (call->kind == CALL_COPY_READ && status == STATUS_OK) {
        judge(c, msg);
    }
}
