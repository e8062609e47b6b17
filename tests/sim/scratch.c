/* A file nobody verifies: it is cut, thrown away, superseded and deleted while other clients use
 * it, so that metadata that waits for other nodes, reclaiming of old bytes and stale caches happen
 * beside the verified work. Whatever is answered is fine, as long as something is answered. */
#include "tests/sim/client.h"

#include "proto/smb/create_client.h"
#include "proto/smb/data_client.h"
#include "proto/smb/dtyp.h"
#include "proto/smb/fscc.h"
#include "proto/smb/info_client.h"
#include "proto/smb/ioctl_client.h"

#include <stdlib.h>

enum { SCRATCH_BYTES = 2 << 20, SCRATCH_WRITE_MOST = 16 };

static struct smb_file_id id_of(const struct client *c)
{
    return (struct smb_file_id){c->scratch.persistent, c->scratch.volatile_};
}

static void scratch_open(struct client *c)
{
    static const uint8_t name[] = {'s', 0, 'c', 0, 'r', 0, 'a', 0, 't', 0, 'c', 0, 'h', 0};
    static const uint32_t dispositions[] = {FILE_OPEN_IF, FILE_OVERWRITE_IF, FILE_SUPERSEDE};
    struct smb_create_req req = {.impersonation = SMB2_IMPERSONATION_IMPERSONATION,
                                 .desired_access = GENERIC_ALL,
                                 .share_access =
                                     FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                                 .disposition = dispositions[draw(c->w, 0, 2)],
                                 .options = chance(c->w, 100) ? FILE_DELETE_ON_CLOSE : 0,
                                 .name = slice_of(name, sizeof name)};
    struct writer w;
    if (!client_request(c, &(struct ask){CALL_SCRATCH_OPEN, SMB2_CREATE, 0}, &w))
        return;
    smb_create_req_encode(&w, &req);
    client_sent(c, &w);
    c->scratch.state = FILE_IS_OPENING;
}

static void scratch_close(struct client *c)
{
    struct smb_close_req req = {.file_id = id_of(c)};
    struct writer w;
    if (!client_request(c, &(struct ask){CALL_SCRATCH_CLOSE, SMB2_CLOSE, 0}, &w))
        return;
    smb_close_req_encode(&w, &req);
    client_sent(c, &w);
    c->scratch.state = FILE_IS_CLOSING;
}

static void scratch_write(struct client *c)
{
    uint32_t len = (uint32_t)draw(c->w, 1, SCRATCH_WRITE_MOST) * 4096;
    struct writer w;
    if (!client_request(c, &(struct ask){CALL_SCRATCH, SMB2_WRITE, len}, &w))
        return;
    uint8_t *bytes = take(len);
    struct smb_write_req req = {.offset = draw(c->w, 0, SCRATCH_BYTES), .file_id = id_of(c)};
    req.length = len;
    req.data = slice_of(bytes, len);
    smb_write_req_encode(&w, &req);
    client_sent(c, &w);
    free(bytes);
}

static void scratch_read(struct client *c)
{
    struct smb_read_req req = {.length = 65536, .file_id = id_of(c)};
    struct writer w;
    if (!client_request(c, &(struct ask){CALL_SCRATCH, SMB2_READ, req.length}, &w))
        return;
    req.offset = draw(c->w, 0, SCRATCH_BYTES);
    smb_read_req_encode(&w, &req);
    client_sent(c, &w);
}

static void scratch_set(struct client *c, uint8_t class, uint64_t value, size_t size)
{
    uint8_t bytes[8];
    struct writer data = writer_of(bytes, sizeof bytes), w;
    write_u64(&data, value);
    struct smb_set_info_req req = {.info_type = SMB2_0_INFO_FILE,
                                   .info_class = class,
                                   .file_id = id_of(c),
                                   .buffer = slice_of(bytes, size)};
    if (!client_request(c, &(struct ask){CALL_SCRATCH, SMB2_SET_INFO, 0}, &w))
        return;
    smb_set_info_req_encode(&w, &req);
    client_sent(c, &w);
}

static void scratch_query(struct client *c)
{
    struct smb_query_info_req req = {.info_type = SMB2_0_INFO_FILE,
                                     .info_class = FILE_ALL_INFORMATION,
                                     .output_length = 1024,
                                     .file_id = id_of(c)};
    struct writer w;
    if (!client_request(c, &(struct ask){CALL_SCRATCH, SMB2_QUERY_INFO, 0}, &w))
        return;
    smb_query_info_req_encode(&w, &req);
    client_sent(c, &w);
}

static void scratch_range(struct client *c)
{
    static const uint32_t codes[] = {FSCTL_SET_ZERO_DATA, FSCTL_SET_SPARSE,
                                     FSCTL_QUERY_ALLOCATED_RANGES, FSCTL_FILE_LEVEL_TRIM};
    uint8_t bytes[24];
    struct writer data = writer_of(bytes, sizeof bytes);
    struct smb_ioctl_req req = {
        .code = codes[draw(c->w, 0, 3)], .file_id = id_of(c), .max_output_response = 4096};
    uint64_t from = draw(c->w, 0, SCRATCH_BYTES);
    if (req.code == FSCTL_FILE_LEVEL_TRIM)
        write_u64(&data, UINT64_C(1) << 32); /* Key, NumRanges */
    write_u64(&data, from);
    write_u64(&data, draw(c->w, from, SCRATCH_BYTES + 65536));
    req.input = written(&data);
    (void)client_ioctl(c, CALL_SCRATCH, &req);
}

void scratch_next(struct client *c)
{
    if (c->scratch.state == FILE_IS_SHUT)
        scratch_open(c);
    if (c->scratch.state != FILE_IS_OPEN)
        return;
    switch (draw(c->w, 0, 10)) {
    case 0:
    case 1: scratch_write(c); break;
    case 2:
    case 3: scratch_read(c); break;
    case 4: scratch_set(c, FILE_END_OF_FILE_INFORMATION, draw(c->w, 0, SCRATCH_BYTES), 8); break;
    case 5: scratch_set(c, FILE_ALLOCATION_INFORMATION, draw(c->w, 0, SCRATCH_BYTES), 8); break;
    case 6: scratch_set(c, FILE_DISPOSITION_INFORMATION, draw(c->w, 0, 1), 1); break;
    case 7: scratch_query(c); break;
    case 8:
    case 9: scratch_range(c); break;
    default: scratch_close(c); break;
    }
}

void scratch_answered(struct client *c, const struct call *call, ntstatus status, struct slice msg)
{
    struct smb_create_rsp rsp;
    bool ok = status == STATUS_OK;
    if (call->kind == CALL_SCRATCH_CLOSE || (call->kind == CALL_SCRATCH_OPEN && !ok)) {
        c->scratch.state = FILE_IS_SHUT;
    } else if (call->kind == CALL_SCRATCH_OPEN) {
        must(smb_create_rsp_decode(msg, &rsp) == STATUS_OK);
        c->scratch =
            (struct client_file){FILE_IS_OPEN, rsp.file_id.persistent, rsp.file_id.volatile_};
    }
}
