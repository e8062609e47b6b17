#include "tests/node/smb/rig.h"
#include "proto/cluster/pack.h"

#include "proto/base/must.h"
#include "proto/smb/dtyp.h"
#include "proto/smb/fscc.h"
#include <stdlib.h>
#include <string.h>

static const uint8_t gss_key[16] = RIG_SESSION_KEY;
static const uint8_t user_sid[] = {1, 2, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 232, 3, 0, 0};
static uint8_t everyone_sid[] = {1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0};

static void *test_alloc(void *ctx, size_t size)
{
    struct rig *g = ctx;
    if (g != NULL && ++g->allocations == g->fail_at)
        return NULL;
    return calloc(1, size);
}

static void test_release(void *ctx, void *at, size_t size)
{
    (void)ctx;
    (void)size;
    free(at);
}

/* ---- the world ------------------------------------------------------------------------------ */

static void init_cluster(struct rig *g)
{
    static char *names[] = {"vms", "general", "secret"};
    fl__cluster_config__init(&g->cluster);
    for (size_t i = 0; i < 2; i++) {
        fl__node__init(&g->nodes[i]);
        g->nodes[i].id = (uint32_t)i + 1;
        g->nodes[i].state = FL__NODE_STATE__NODE_UP;
        g->node_list[i] = &g->nodes[i];
    }
    fl__share_grant__init(&g->grant);
    g->grant.sid = (ProtobufCBinaryData){sizeof(everyone_sid), everyone_sid};
    g->grant.access = FILE_ALL_ACCESS;
    g->grant_list[0] = &g->grant;
    for (size_t i = 0; i < 3; i++) {
        fl__share__init(&g->shares[i]);
        g->shares[i].name = names[i];
        g->shares[i].volume = 1;
        g->shares[i].root_inode = 10 + i;
        g->shares[i].scale_out = i == 0;
        g->shares[i].encrypt = i == 2;
        g->shares[i].grants = g->grant_list;
        g->shares[i].n_grants = 1;
        g->share_list[i] = &g->shares[i];
    }
    g->cluster.nodes = g->node_list;
    g->cluster.n_nodes = 2;
    g->cluster.shares = g->share_list;
    g->cluster.n_shares = 3;
}

bool rig_init_failing(struct rig *g, uint64_t fail_at)
{
    *g = (struct rig){.now_ns = 1000000000, .next_open_id = 1, .next_conn = 1, .file_size = 100};
    g->mem = (struct mem){test_alloc, test_release, g, 0, SIZE_MAX};
    g->client_mem = (struct mem){test_alloc, test_release, NULL, 0, SIZE_MAX};
    g->fail_at = fail_at;
    g->config = (struct smb_config){
        .server_guid = "flotilla-server",
        .server_name = "FLOTILLA",
        .connections_max = 48,
        .sessions_max = 16,
        .channels_max = 64,
        .trees_max = 16,
        .opens_max = 64,
        .requests_max = 256,
    };
    init_cluster(g);
    g->smb = smb_new(&g->mem, &g->config);
    if (g->smb == NULL) {
        must(g->mem.used == 0);
        return false;
    }
    struct smb_event ev = {.type = SMB_EV_CONFIG, .config = {&g->cluster, 1}};
    rig_event(g, &ev);
    rig_lease(g, true);
    return true;
}

void rig_init(struct rig *g) { must(rig_init_failing(g, 0)); }

void rig_fini(struct rig *g)
{
    g->hold_meta = g->hold_io = g->hold_auth = false;
    while (g->op_count > 0)
        rig_answer(g, STATUS_OK);
    for (uint64_t id = 1; id < g->next_conn; id++) {
        struct smb_event ev = {.type = SMB_EV_DISCONNECT, .disconnect = {id}};
        rig_event(g, &ev);
    }
    struct smb_stats stats;
    smb_stats(g->smb, &stats);
    must(stats.connections == 0);
    must(stats.sessions == 0);
    must(stats.opens == 0);
    must(stats.requests == 0);
    smb_free(g->smb);
    for (size_t i = 0; i < RIG_BUFFERS_MAX; i++)
        must(g->buffers[i] == NULL); /* every buffer came back */
    while (g->sent_count > 0) {
        free(g->sent[g->sent_first++ % RIG_SENT_MAX].at);
        g->sent_count--;
    }
    must(g->mem.used == 0);
    must(g->client_mem.used == 0);
}

static handle buffer_new(struct rig *g, size_t len, uint8_t **at)
{
    uint32_t free_slot = 0;
    while (free_slot < RIG_BUFFERS_MAX && g->buffers[free_slot] != NULL)
        free_slot++;
    must(free_slot < RIG_BUFFERS_MAX);
    *at = g->buffers[free_slot] = malloc(len > 0 ? len : 1);
    must(*at != NULL);
    return (handle){free_slot + 1, 1};
}

static void buffer_free(struct rig *g, handle h)
{
    must(h.slot >= 1);
    must(h.slot <= RIG_BUFFERS_MAX);
    must(g->buffers[h.slot - 1] != NULL); /* not released twice */
    free(g->buffers[h.slot - 1]);
    g->buffers[h.slot - 1] = NULL;
}

static void note_lock(struct rig_op *op, const Fl__Command *c)
{
    struct slice ranges = {0};
    if (op->command == FL__COMMAND__BODY_LOCK) {
        ranges = pb_slice(c->lock->ranges);
        op->lock.wait = c->lock->wait;
        op->lock.sequence_index = c->lock->sequence_index;
        op->lock.sequence_number = c->lock->sequence_number;
    } else if (op->command == FL__COMMAND__BODY_UNLOCK) {
        ranges = pb_slice(c->unlock->ranges);
        op->lock.sequence_index = c->unlock->sequence_index;
        op->lock.sequence_number = c->unlock->sequence_number;
    }
    struct reader r = reader_of(ranges);
    (void)byterange_read(&r, &op->lock.first);
    op->lock.count = (uint32_t)(ranges.len / BYTERANGE_BYTES);
}

static void take_send(struct rig *g, const struct smb_effect *e)
{
    must(g->sent_count < RIG_SENT_MAX);
    struct rig_sent *m = &g->sent[(g->sent_first + g->sent_count++) % RIG_SENT_MAX];
    m->conn = e->send.conn;
    m->len = e->send.head.len + e->send.body.len;
    m->at = malloc(m->len);
    must(m->at != NULL);
    memcpy(m->at, e->send.head.at, e->send.head.len);
    if (e->send.body.len > 0) {
        memcpy(m->at + e->send.head.len, e->send.body.at, e->send.body.len);
        buffer_free(g, e->send.buf);
    }
}

static void take_op(struct rig *g, const struct smb_effect *e)
{
    struct rig_op op = {.type = e->type};
    if (e->type == SMB_DO_AUTH) {
        if (e->auth.last) {
            g->auth_ends++;
            return;
        }
        op.token = e->auth.token;
        op.len = e->auth.blob.len > 0 ? e->auth.blob.at[0] : 0;
    } else if (e->type == SMB_DO_META) {
        const Fl__Command *c = e->meta.command;
        must((c == NULL) != (e->meta.query == NULL));
        g->closes += c != NULL && c->body_case == FL__COMMAND__BODY_CLOSE;
        g->invalidates_done += c != NULL && c->body_case == FL__COMMAND__BODY_INVALIDATE_DONE;
        if (c != NULL && c->body_case == FL__COMMAND__BODY_CANCEL) {
            g->cancels++;
            g->cancel_id = c->cancel->cancel_id;
        }
        if (c != NULL && c->body_case == FL__COMMAND__BODY_END_SESSION) {
            g->end_session = c->end_session->session_id;
            g->end_ticket = c->end_session->ticket;
        }
        if (c != NULL && c->body_case == FL__COMMAND__BODY_SESSION_ENDED) {
            g->ended_ticket = c->session_ended->ticket;
            g->ended_closes = g->closes;
        }
        if (e->meta.token == 0)
            return;
        must(c == NULL || c->cancel_id == e->meta.token);
        op.token = e->meta.token;
        op.open = c != NULL && c->body_case == FL__COMMAND__BODY_OPEN;
        op.info = !op.open;
        op.command = c != NULL ? (int)c->body_case : 0;
        op.query = c == NULL ? (int)e->meta.query->body_case : 0;
        op.asked = op.query == FL__QUERY__BODY_INFO     ? e->meta.query->info->open_id
                   : op.query == FL__QUERY__BODY_ACCESS ? e->meta.query->access->open_id
                                                        : 0;
        op.size = op.command == FL__COMMAND__BODY_EXTEND     ? c->extend->size
                  : op.command == FL__COMMAND__BODY_SET_SIZE ? c->set_size->size
                  : op.command == FL__COMMAND__BODY_SET_ALLOCATION
                      ? c->set_allocation->allocation_size
                      : 0;
        if (op.open)
            op.oplock = c->open->oplock;
        if (op.oplock == 0xFF && c->open->lease != NULL) {
            op.lease_state = c->open->lease->state;
            op.lease_version = c->open->lease->version;
        }
        if (op.open && c->open->path.len >= 2)
            op.directory = c->open->path.data[0] == 'd';
        note_lock(&op, c);
        if (op.query == FL__QUERY__BODY_ACCESS) {
            const Fl__QueryAccess *access = e->meta.query->access;
            op.offset = access->offset, op.len = access->length;
            op.write = access->write, op.at_end = access->at_end;
        }
    } else {
        op.token = e->io.token;
        op.len = e->io.len;
        op.offset = e->io.offset;
        op.inode = e->io.file.inode;
        op.io = e->io.op;
        if (op.io == SMB_IO_WRITE)
            must(e->io.data.len == e->io.len);
    }
    must(g->op_count < RIG_OPS_MAX);
    g->ops[g->op_count++] = op;
}

static void take_effects(struct rig *g)
{
    for (uint32_t i = 0; i < g->out.count; i++) {
        const struct smb_effect *e = &g->out.items[i];
        switch (e->type) {
        case SMB_DO_SEND: take_send(g, e); break;
        case SMB_DO_CLOSE:
            g->closed_conn = e->close.conn;
            g->closed_why = e->close.why;
            break;
        case SMB_DO_RELEASE: buffer_free(g, e->release.buf); break;
        case SMB_DO_AUTH:
        case SMB_DO_META:
        case SMB_DO_IO: take_op(g, e); break;
        }
    }
    g->out.count = 0;
}

static void step(struct rig *g, struct smb_event *ev)
{
    ev->now_ns = g->now_ns;
    ev->filetime = UINT64_C(133000000000000000) + g->now_ns / 100;
    for (size_t i = 0; i < 4; i++)
        ev->entropy[i] = (++g->entropy) * UINT64_C(0x9E3779B97F4A7C15);
    smb_step(g->smb, ev, &g->out);
    take_effects(g);
    smb_check(g->smb);
}

static void answer_auth(struct rig *g, const struct rig_op *op)
{
    uint8_t sid[sizeof(user_sid)];
    memcpy(sid, user_sid, sizeof(sid));
    sid[sizeof(sid) - 1] = g->user;
    uint64_t now = UINT64_C(133000000000000000) + g->now_ns / 100;
    struct smb_principal who = {
        .name = "TEST\\user",
        .user_sid = {sid, sizeof(sid)},
        .expires = g->expires_s == 0 ? 0 : now + g->expires_s * 10000000,
        .anonymous = g->anonymous,
        .guest = g->guest,
        .administrator = g->administrator,
    };
    struct smb_event ev = {.type = SMB_EV_AUTH, .auth = {.token = op->token}};
    ev.auth.blob = slice_str("reply");
    if (op->len == '?') {
        ev.auth.state = SMB_AUTH_MORE;
    } else if (op->len == '!') {
        ev.auth.state = SMB_AUTH_OK;
        ev.auth.session_key = slice_of(gss_key, sizeof(gss_key));
        ev.auth.principal = &who;
    } else {
        ev.auth.state = SMB_AUTH_FAILED;
        ev.auth.why = "wrong password";
    }
    step(g, &ev);
}

static void answer_meta(struct rig *g, const struct rig_op *op, ntstatus status)
{
    Fl__Reply reply = FL__REPLY__INIT;
    Fl__OpenReply open = FL__OPEN_REPLY__INIT;
    Fl__InfoReply info = FL__INFO_REPLY__INIT;
    Fl__FileInfo file = FL__FILE_INFO__INIT;
    reply.status = status;
    file.volume = 1;
    file.inode = file.data_id = 1000 + op->asked;
    file.size = g->file_size;
    file.cacheable = true;
    file.version = 1;
    file.attributes = op->directory ? FILE_ATTRIBUTE_DIRECTORY : FILE_ATTRIBUTE_ARCHIVE;
    file.attributes |= g->attributes;
    if (status == STATUS_OK && op->open) {
        open.open_id = g->next_open_id++;
        file.inode = file.data_id = 1000 + open.open_id;
        open.granted_access = open.maximal_access = FILE_ALL_ACCESS;
        open.action = FILE_OPENED;
        open.info = &file;
        reply.open = &open;
        reply.body_case = FL__REPLY__BODY_OPEN;
    } else if (status == STATUS_OK) {
        info.info = &file;
        reply.info = &info;
        reply.body_case = FL__REPLY__BODY_INFO;
    }
    struct smb_event ev = {.type = SMB_EV_META, .meta = {op->token, &reply}};
    step(g, &ev);
}

static void give_map(struct rig *g, const struct rig_op *op, struct smb_event *ev)
{
    struct ranges map;
    ranges_init(&map, op->offset + op->len);
    if (g->map != NULL)
        map = *g->map;
    else
        (void)ranges_add(&map, op->offset, op->len);
    ranges_clip(&map, op->offset, op->offset + op->len);
    ev->io.len = sizeof(map);
    ev->io.buf = buffer_new(g, sizeof(map), &ev->io.at);
    memcpy(ev->io.at, &map, sizeof(map));
}

static void answer_io(struct rig *g, const struct rig_op *op, ntstatus status)
{
    struct smb_event ev = {.type = SMB_EV_IO, .io = {.token = op->token, .status = status}};
    if (op->io == SMB_IO_READ && status == STATUS_OK && op->len > 0) {
        ev.io.len = op->len;
        ev.io.buf = buffer_new(g, ev.io.len, &ev.io.at);
        for (size_t i = 0; i < ev.io.len; i++)
            ev.io.at[i] = g->zeros ? 0 : (uint8_t)i;
    }
    if (op->io == SMB_IO_MAP && status == STATUS_OK)
        give_map(g, op, &ev);
    step(g, &ev);
}

static void answer(struct rig *g, uint32_t index, ntstatus status)
{
    struct rig_op op = g->ops[index];
    memmove(&g->ops[index], &g->ops[index + 1], (g->op_count - index - 1) * sizeof(op));
    g->op_count--;
    if (op.type == SMB_DO_AUTH)
        answer_auth(g, &op);
    else if (op.type == SMB_DO_META)
        answer_meta(g, &op, status);
    else
        answer_io(g, &op, status);
}

static bool is_held(const struct rig *g, const struct rig_op *op)
{
    return (op->type == SMB_DO_AUTH && g->hold_auth) || (op->type == SMB_DO_META && g->hold_meta) ||
           (op->type == SMB_DO_IO && g->hold_io);
}

static void settle(struct rig *g)
{
    bool again = true;
    while (again) {
        again = false;
        for (uint32_t i = 0; i < g->op_count && !again; i++) {
            if (is_held(g, &g->ops[i]))
                continue;
            answer(g, i, STATUS_OK);
            again = true;
        }
        if (smb_next_deadline(g->smb) <= g->now_ns) {
            struct smb_event tick = {.type = SMB_EV_TICK};
            step(g, &tick);
            again = true;
        }
    }
}

void rig_event(struct rig *g, struct smb_event *ev)
{
    step(g, ev);
    settle(g);
}

void rig_answer(struct rig *g, ntstatus status)
{
    must(g->op_count > 0);
    answer(g, 0, status);
    settle(g);
}

void rig_reply(struct rig *g, const Fl__Reply *reply)
{
    must(g->op_count > 0);
    must(g->ops[0].type == SMB_DO_META);
    struct smb_event ev = {.type = SMB_EV_META, .meta = {g->ops[0].token, reply}};
    memmove(&g->ops[0], &g->ops[1], (g->op_count - 1) * sizeof(g->ops[0]));
    g->op_count--;
    rig_event(g, &ev);
}

void rig_advance(struct rig *g, uint64_t ns)
{
    uint64_t until = g->now_ns + ns;
    while (smb_next_deadline(g->smb) <= until) {
        g->now_ns = smb_next_deadline(g->smb);
        settle(g);
    }
    g->now_ns = until;
}

void rig_lease(struct rig *g, bool valid)
{
    struct smb_event ev = {.type = SMB_EV_LEASE, .lease = {valid}};
    rig_event(g, &ev);
}

void rig_frame(struct rig *g, uint64_t conn, struct slice frame)
{
    struct smb_event ev = {.type = SMB_EV_FRAME, .frame = {.conn = conn, .len = frame.len}};
    ev.frame.buf = buffer_new(g, frame.len, &ev.frame.at);
    if (frame.len > 0)
        memcpy(ev.frame.at, frame.at, frame.len);
    rig_event(g, &ev);
}
