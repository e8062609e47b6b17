/* An SMB client: real SMB2 bytes, several requests under way at a time, and the patience to go to
 * another node when one does not answer, closes, or says that it is not available. */
#include "tests/sim/client.h"

#include "proto/smb/create_client.h"
#include "proto/smb/data_client.h"
#include "proto/smb/dtyp.h"
#include "proto/smb/fscc.h"
#include "proto/smb/ioctl_client.h"
#include "proto/smb/negotiate_client.h"
#include "proto/smb/session_client.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_LEAST (10 * MS)
#define RETRY_MOST (300 * MS)
#define LOOK_NS (100 * MS)

enum { HEAD_MAX = 1024, PAYLOAD_OF_A_CREDIT = 65536 };

static struct slice wide(const char *text, uint8_t *bytes, size_t cap)
{
    struct writer w = writer_of(bytes, cap);
    for (; *text != '\0'; text++)
        write_u16(&w, (uint16_t)*text);
    return written(&w);
}

/* ---- requests ---- */

uint32_t client_calls(const struct client *c)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < CALLS_MAX; i++)
        count += c->calls[i].used;
    return count;
}

bool client_file_busy(const struct client *c, uint32_t file)
{
    for (uint32_t i = 0; i < CALLS_MAX; i++)
        if (c->calls[i].used && c->calls[i].kind >= CALL_CREATE && c->calls[i].file == file)
            return true;
    return false;
}

static struct call *call_new(struct client *c, enum call_kind kind, uint32_t payload)
{
    uint32_t charge = payload == 0 ? 1 : (payload - 1) / PAYLOAD_OF_A_CREDIT + 1;
    struct call *call = NULL;
    for (uint32_t i = 0; i < CALLS_MAX && call == NULL; i++)
        if (!c->calls[i].used)
            call = &c->calls[i];
    if (call == NULL || c->credits < charge)
        return NULL;
    *call = (struct call){.used = true,
                          .kind = kind,
                          .message_id = c->message_id,
                          .begin_ns = c->w->now_ns,
                          .charge = charge};
    c->message_id += charge;
    c->credits -= charge;
    return call;
}

static struct writer begin(struct client *c, uint16_t command, const struct call *call)
{
    struct writer w = writer_of(c->buffer, sizeof c->buffer);
    struct smb_header h = {.command = command,
                           .credit_charge = (uint16_t)call->charge,
                           .credits = 64,
                           .tree_id = c->tree_id,
                           .session_id = c->session_id,
                           .message_id = call->message_id};
    smb_header_encode(&w, &h);
    return w;
}

static void end(struct client *c, const struct writer *w)
{
    must(!w->full);
    net_send(c->w, c->conn, &c->proc, written(w), (struct slice){0});
}

bool client_request(struct client *c, const struct ask *a, struct writer *w)
{
    struct call *call = call_new(c, a->kind, a->payload);
    if (call != NULL)
        *w = begin(c, a->command, call);
    return call != NULL;
}

void client_sent(struct client *c, const struct writer *w) { end(c, w); }

void client_cancel(struct client *c, uint64_t message_id)
{
    struct writer w = begin(c, SMB2_CANCEL, &(struct call){.message_id = message_id});
    smb_empty_encode(&w);
    end(c, &w);
}

static void negotiate(struct client *c)
{
    uint8_t dialect[2] = {(uint8_t)c->dialect, (uint8_t)(c->dialect >> 8)};
    struct smb_negotiate_offer offer = {.security_mode = SMB2_NEGOTIATE_SIGNING_ENABLED,
                                        .capabilities = SMB2_GLOBAL_CAP_LARGE_MTU,
                                        .dialects = {slice_of(dialect, 2)}};
    offer.client_guid[0] = (uint8_t)c->proc.number;
    c->credits = 1;
    c->message_id = 0;
    struct writer w = begin(c, SMB2_NEGOTIATE, call_new(c, CALL_NEGOTIATE, 0));
    smb_negotiate_offer_encode(&w, &offer);
    end(c, &w);
}

static void setup(struct client *c)
{
    struct smb_session_setup_req req = {.security_mode = SMB2_NEGOTIATE_SIGNING_ENABLED,
                                        .security = slice_str("let me in")};
    struct writer w = begin(c, SMB2_SESSION_SETUP, call_new(c, CALL_SETUP, 0));
    smb_session_setup_req_encode(&w, &req);
    end(c, &w);
}

static void tree(struct client *c)
{
    uint8_t name[64];
    struct smb_tree_connect_req req = {.path = wide("\\\\sim\\data", name, sizeof name)};
    struct writer w = begin(c, SMB2_TREE_CONNECT, call_new(c, CALL_TREE, 0));
    smb_tree_connect_req_encode(&w, &req);
    end(c, &w);
}

void client_open(struct client *c, uint32_t file)
{
    char text[] = "file0.vhd";
    uint8_t name[64];
    text[4] = (char)('0' + file);
    struct smb_create_req req = {.impersonation = SMB2_IMPERSONATION_IMPERSONATION,
                                 .desired_access = GENERIC_READ | GENERIC_WRITE,
                                 .share_access = FILE_SHARE_READ | FILE_SHARE_WRITE,
                                 .disposition = FILE_OPEN_IF,
                                 .name = wide(text, name, sizeof name)};
    struct call *call = call_new(c, CALL_CREATE, 0);
    if (call == NULL)
        return;
    call->file = file;
    c->files[file].state = FILE_IS_OPENING;
    struct writer w = begin(c, SMB2_CREATE, call);
    smb_create_req_encode(&w, &req);
    end(c, &w);
}

struct smb_file_id client_file_id(const struct client_file *f)
{
    return (struct smb_file_id){f->persistent, f->volatile_};
}

static struct smb_file_id id_of(const struct client *c, uint32_t file)
{
    return client_file_id(&c->files[file]);
}

bool client_ioctl(struct client *c, enum call_kind kind, const struct smb_ioctl_req *req)
{
    struct call *call = call_new(c, kind, 0);
    if (call == NULL)
        return false;
    struct writer w = begin(c, SMB2_IOCTL, call);
    smb_ioctl_req_encode(&w, req);
    end(c, &w);
    return true;
}

void client_shut(struct client *c, uint32_t file)
{
    struct smb_close_req req = {.file_id = id_of(c, file)};
    struct call *call = call_new(c, CALL_CLOSE, 0);
    if (call == NULL)
        return;
    call->file = file;
    c->files[file].state = FILE_IS_CLOSING;
    if (c->lock.file == file)
        c->lock.state = LOCK_NONE;
    struct writer w = begin(c, SMB2_CLOSE, call);
    smb_close_req_encode(&w, &req);
    end(c, &w);
}

void client_read(struct client *c, uint32_t file, uint64_t offset, uint32_t len)
{
    struct smb_read_req req = {.length = len, .offset = offset, .file_id = id_of(c, file)};
    struct call *call = call_new(c, CALL_READ, len);
    if (call == NULL)
        return;
    call->file = file;
    call->offset = offset;
    call->len = len;
    struct writer w = begin(c, SMB2_READ, call);
    smb_read_req_encode(&w, &req);
    end(c, &w);
}

void client_write(struct client *c, uint32_t file, uint64_t offset, uint32_t len)
{
    struct call *call = call_new(c, CALL_WRITE, len);
    if (call == NULL)
        return;
    uint8_t *bytes = take(len);
    struct writer data = writer_of(bytes, len);
    call->file = file;
    call->offset = offset;
    call->len = len;
    call->write = oracle_write(&c->w->cluster->oracle, c->proc.number, file, offset, &data);
    struct smb_write_req req = {.offset = offset, .file_id = id_of(c, file)};
    req.length = len;
    req.data = slice_of(bytes, len);
    struct writer w = begin(c, SMB2_WRITE, call);
    smb_write_req_encode(&w, &req);
    end(c, &w);
    free(bytes);
}

void client_zero(struct client *c, uint32_t file, uint64_t offset, uint32_t len)
{
    struct call *call = call_new(c, CALL_ZERO, 0);
    if (call == NULL)
        return;
    uint8_t bytes[16];
    struct writer data = writer_of(bytes, sizeof bytes);
    write_u64(&data, offset);
    write_u64(&data, offset + len);
    call->file = file;
    call->offset = offset;
    call->len = len;
    call->write = oracle_zero(&c->w->cluster->oracle, c->proc.number, file, offset, len);
    struct smb_ioctl_req req = {
        .code = FSCTL_SET_ZERO_DATA, .file_id = id_of(c, file), .input = written(&data)};
    struct writer w = begin(c, SMB2_IOCTL, call);
    smb_ioctl_req_encode(&w, &req);
    end(c, &w);
}

/* ---- the connection ---- */

static void arrive(struct world *w, void *object, uint64_t arg, void *data);

static void come_back(struct client *c, uint64_t wait_ns)
{
    world_at(c->w,
             (struct event){
                 .at_ns = c->w->now_ns + wait_ns, .proc = &c->proc, .run = arrive, .object = c});
}

void client_leave(struct client *c, const char *why)
{
    if (c->state == CLIENT_AWAY)
        return;
    world_tell(c->w, "client %u leaves node %u: %s", c->proc.number, c->node, why);
    if (c->conn != NULL)
        net_close(c->w, c->conn, &c->proc);
    c->conn = NULL;
    c->state = CLIENT_AWAY;
    c->session_id = 0;
    c->tree_id = 0;
    c->failures++;
    names_left(c);
    memset(c->files, 0, sizeof c->files);
    c->lock = (struct client_lock){0};
    c->scratch = c->copy.own = (struct client_file){0};
    c->copy.busy = false;
    for (uint32_t i = 0; i < CALLS_MAX; i++) {
        struct call call = c->calls[i];
        c->calls[i].used = false;
        if (call.used)
            workload_ended(c, &call, false);
    }
    come_back(c, draw(c->w, RETRY_LEAST, RETRY_MOST));
}

static void on_up(void *owner, struct conn *conn)
{
    struct client *c = owner;
    if (conn != c->conn)
        return;
    c->state = CLIENT_GREETING;
    c->connects++;
    negotiate(c);
}

static void on_down(void *owner, struct conn *conn, bool by_peer)
{
    struct client *c = owner;
    if (conn != c->conn)
        return;
    c->conn = NULL;
    client_leave(c, by_peer ? "it closed" : "it is silent");
}

/* ---- answers ---- */

static void opened(struct client *c, const struct call *call, struct slice msg)
{
    struct smb_create_rsp rsp;
    struct client_file *f = &c->files[call->file];
    must(smb_create_rsp_decode(msg, &rsp) == STATUS_OK);
    f->state = FILE_IS_OPEN;
    f->persistent = rsp.file_id.persistent;
    f->volatile_ = rsp.file_id.volatile_;
    oracle_opened(&c->w->cluster->oracle, call->file, f->persistent);
}

static void have_read(struct client *c, const struct call *call, struct slice msg, bool at_end)
{
    struct smb_read_answer answer = {0};
    if (!at_end)
        must(smb_read_answer_decode(msg, &answer) == STATUS_OK);
    struct read_seen seen = {.client = c->proc.number,
                             .file = call->file,
                             .offset = call->offset,
                             .len = call->len,
                             .begin_ns = call->begin_ns,
                             .bytes = answer.data};
    c->reads++;
    oracle_read(&c->w->cluster->oracle, &seen);
}

static void have_done(struct client *c, const struct call *call)
{
    struct io_seen io = {.client = c->proc.number,
                         .file = call->file,
                         .write = call->kind != CALL_READ,
                         .offset = call->offset,
                         .len = call->len,
                         .begin_ns = call->begin_ns};
    oracle_io(&c->w->cluster->oracle, &io);
}

static void succeeded(struct client *c, const struct call *call, const struct smb_header *h,
                      struct slice msg)
{
    switch (call->kind) {
    case CALL_NEGOTIATE: setup(c); return;
    case CALL_SETUP:
        c->session_id = h->session_id;
        tree(c);
        return;
    case CALL_TREE:
        c->tree_id = h->tree_id;
        c->state = CLIENT_READY;
        world_tell(c->w, "client %u is served by node %u", c->proc.number, c->node);
        break;
    case CALL_CREATE: opened(c, call, msg); break;
    case CALL_CLOSE: c->files[call->file].state = FILE_IS_SHUT; break;
    case CALL_READ:
        have_done(c, call);
        have_read(c, call, msg, h->status == STATUS_END_OF_FILE);
        break;
    case CALL_WRITE:
        c->writes++;
        have_done(c, call);
        oracle_written(&c->w->cluster->oracle, call->write);
        break;
    case CALL_ZERO:
        c->zeros++;
        have_done(c, call);
        oracle_written(&c->w->cluster->oracle, call->write);
        break;
    case CALL_LOCK:
    case CALL_UNLOCK:
    case CALL_SCRATCH_OPEN:
    case CALL_SCRATCH_CLOSE:
    case CALL_SCRATCH:
    case CALL_NAMES:
    case CALL_COPY_OPEN:
    case CALL_COPY_KEY:
    case CALL_COPY:
    case CALL_COPY_READ:
    case CALL_COPY_CLOSE: break;
    }
    workload_ended(c, call, true);
    workload_next(c);
}

static void answered(struct client *c, struct call *call, const struct smb_header *h,
                     struct slice msg)
{
    static const char *const kinds[] = {"NEGOTIATE", "SESSION_SETUP", "TREE_CONNECT", "CREATE",
                                        "CLOSE",     "READ",          "WRITE",        "LOCK",
                                        "UNLOCK",    "ZERO"};
    struct call was = *call;
    call->used = false;
    if (h->status == STATUS_OK && was.begin_ns > c->names.alive_ns)
        c->names.alive_ns = was.begin_ns;
    if (was.kind == CALL_NAMES) {
        if (names_answered(c, &was, h->status, msg))
            workload_next(c);
        else
            client_leave(c, "it says nothing of a name");
        return;
    }
    if (was.kind >= CALL_SCRATCH_OPEN) {
        if (was.kind >= CALL_COPY_OPEN)
            copies_answered(c, &was, h->status, msg);
        else
            scratch_answered(c, &was, h->status, msg);
        workload_next(c);
        return;
    }
    bool writes = was.kind == CALL_WRITE || was.kind == CALL_ZERO;
    bool data = was.kind == CALL_READ || writes;
    bool lock = was.kind == CALL_LOCK || was.kind == CALL_UNLOCK;
    if (lock && locks_answered(c, &was, h->status)) {
        workload_next(c);
        return;
    }
    if (data && h->status == STATUS_FILE_LOCK_CONFLICT) {
        c->conflicts++;
        workload_ended(c, &was, true);
        workload_next(c);
        return;
    }
    if (writes && h->status == STATUS_DISK_FULL) {
        workload_ended(c, &was, true); /* it may have happened, as far as the oracle knows */
        workload_next(c);
        return;
    }
    bool end_of_file = was.kind == CALL_READ && h->status == STATUS_END_OF_FILE;
    if (h->status == STATUS_OK || end_of_file) {
        succeeded(c, &was, h, msg);
        return;
    }
    world_tell(c->w, "client %u: %s through node %u gives %08x", c->proc.number, kinds[was.kind],
               c->node, h->status);
    workload_ended(c, &was, false);
    client_leave(c, "it refuses");
}

static void on_message(void *owner, struct conn *conn, struct slice bytes)
{
    struct client *c = owner;
    struct smb_header h;
    if (conn != c->conn)
        return;
    must(smb_header_decode(bytes, &h) == STATUS_OK);
    must(h.next_command == 0);
    c->credits += h.credits;
    if (h.status == STATUS_PENDING)
        return;
    for (uint32_t i = 0; i < CALLS_MAX; i++) {
        if (c->calls[i].used && c->calls[i].message_id == h.message_id) {
            answered(c, &c->calls[i], &h, bytes);
            return;
        }
    }
}

static const struct net_calls calls = {on_up, on_down, on_message};

static void arrive(struct world *w, void *object, uint64_t arg, void *data)
{
    (void)arg;
    (void)data;
    struct client *c = object;
    if (c->state != CLIENT_AWAY)
        return;
    c->node = c->verifying ? c->verify_node : (uint32_t)draw(w, 1, MACHINES);
    if (c->node > MACHINES)
        return;
    struct net_dial d = {.from = &c->proc,
                         .to = &w->cluster->nodes[c->node - 1].listener,
                         .service = SERVICE_SMB,
                         .calls = &calls,
                         .owner = c};
    c->state = CLIENT_DIALLING;
    c->conn = net_dial(w, &d);
}

/* Now and then it looks whether an answer is overdue. */
static void look(struct world *w, void *object, uint64_t arg, void *data)
{
    (void)arg;
    (void)data;
    struct client *c = object;
    for (uint32_t i = 0; i < CALLS_MAX; i++) {
        if (c->calls[i].used && c->calls[i].begin_ns + c->patience_ns < w->now_ns) {
            client_leave(c, "an answer is overdue");
            break;
        }
    }
    if (c->state == CLIENT_READY)
        locks_look(c);
    if (c->state == CLIENT_READY)
        workload_next(c);
    world_at(w, (struct event){
                    .at_ns = w->now_ns + LOOK_NS, .proc = &c->proc, .run = look, .object = c});
}

/* ---- life
 * ------------------------------------------------------------------------------------------------
 */

struct client *client_new(struct world *w, uint32_t number)
{
    struct client *c = take(sizeof *c);
    c->w = w;
    c->proc = (struct proc){.host = MACHINES + number - 1, .kind = "client", .number = number};
    c->dialect = chance(w, 500) ? SMB_DIALECT_210 : SMB_DIALECT_302;
    c->patience_ns = draw(w, 3, 12) * SECOND;
    workload_draw(c);
    return c;
}

void client_free(struct client *c) { free(c); }

void client_begin(struct client *c)
{
    proc_start(&c->proc);
    come_back(c, draw(c->w, 0, 100) * MS);
    look(c->w, c, 0, NULL);
}

uint64_t client_operations(const struct client *c) { return c->reads + c->writes; }
