/* Between the service and the Raft engine: what was asked, by token, and obeying its effects. */
#include "coordinator/service/service_int.h"

struct request *request_new(struct coordinator *c, enum request_kind kind, uint64_t client,
                            uint64_t id)
{
    if (map_count(&c->requests) >= COORDINATOR_REQUESTS_MAX)
        return NULL;
    struct request *r = mem_alloc(c->mem, sizeof *r);
    if (r == NULL)
        return NULL;
    *r = (struct request){.token = ++c->next_token, .client = client, .kind = kind, .id = id};
    if (!map_put_u64(&c->requests, r->token, r)) {
        mem_free(c->mem, r, sizeof *r);
        return NULL;
    }
    return r;
}

void request_free(struct coordinator *c, struct request *r)
{
    (void)map_remove_u64(&c->requests, r->token);
    mem_free(c->mem, r->bytes, r->len);
    mem_free(c->mem, r, sizeof *r);
}

bool request_keep(struct coordinator *c, struct request *r, struct slice bytes)
{
    must(r->bytes == NULL);
    if (bytes.len == 0)
        return true;
    r->bytes = mem_alloc(c->mem, bytes.len);
    if (r->bytes == NULL) {
        request_free(c, r);
        return false;
    }
    memcpy(r->bytes, bytes.at, bytes.len);
    r->len = bytes.len;
    return true;
}

void propose(struct coordinator *c, struct request *r, const Fl__Command *command)
{
    Fl__Command stamped = *command;
    uint64_t mixed[2] = {c->entropy[0] ^ r->token, c->entropy[1] + r->token};
    stamped.now = c->filetime;
    stamped.entropy = pb_bytes(slice_of(mixed, sizeof mixed));
    struct slice packed = pb_pack(&stamped.base, &c->arena);
    if (packed.len == 0 || packed.len > RAFT_COMMAND_MAX) {
        request_free(c, r);
        return;
    }
    struct raft_submission item = {.token = r->token, .command = packed};
    raft_feed(c, &(struct raft_engine_event){.kind = RAFT_EV_SUBMIT,
                                             .submit = {.items = &item, .count = 1}});
}

void ask_read(struct coordinator *c, struct request *r)
{
    raft_feed(c, &(struct raft_engine_event){.kind = RAFT_EV_READ, .read = {.token = r->token}});
}

/* ---- obeying the engine ---------------------------------------------------------------------- */

static void on_apply(struct coordinator *c, const struct raft_effect *fx)
{
    struct arena a;
    arena_init(&a, c->mem, (size_t)64 << 20);
    Fl__Command *command = pb_unpack(&fl__command__descriptor, fx->apply.command, &a);
    must(command != NULL); /* only what propose() packed is in the log */
    struct meta_output out = {0};
    meta_apply(c->meta, fx->apply.index, command, &a, &out);
    for (size_t i = 0; i < out.notices_count; i++)
        if (out.notices[i]->body_case == FL__NOTICE__BODY_CONFIG_CHANGED)
            c->config_changed = true;
    if (coordinator_leads(c)) {
        struct request *r = fx->apply.token ? map_get_u64(&c->requests, fx->apply.token) : NULL;
        Fl__Reply waits = FL__REPLY__INIT;
        waits.status = STATUS_PENDING;
        if (out.reply == NULL) /* it waits: see Command.cancel_id */
            answer_node(c, command->node_id, command->sequence, &waits);
        else if (r != NULL)
            answer_command(c, r, out.reply);
        else if (command->node_id != 0)
            answer_node(c, command->node_id, command->sequence, out.reply);
        for (size_t i = 0; i < out.completions_count; i++)
            answer_node(c, out.completions[i].node_id, out.completions[i].sequence,
                        out.completions[i].reply);
        for (size_t i = 0; i < out.notices_count; i++)
            deliver_notice(c, out.notices[i]);
    }
    arena_fini(&a);
}

/* What this client asked cannot be answered here: it comes back, to whoever leads, and asks again
 * under the same sequence. Said even while this one still leads (a hand-over may fail), else it
 * would wait for an answer that nobody owes. */
static void send_back(struct coordinator *c, const struct request *r)
{
    struct client *client = map_get_u64(&c->clients, r->client);
    if (client != NULL)
        drop_client(c, client, NULL);
}

static void on_submitted(struct coordinator *c, const struct raft_effect *fx)
{
    struct request *r = map_get_u64(&c->requests, fx->submitted.token);
    if (r == NULL)
        return;
    /* Committed: answered by its APPLY, unless the command waits; then the completion goes by node
     * and sequence. */
    if (fx->submitted.status != RAFT_SUBMIT_COMMITTED)
        send_back(c, r);
    if (r->kind == REQUEST_INTERNAL && fx->submitted.status != RAFT_SUBMIT_COMMITTED) {
        struct lease *l = map_get_u64(&c->leases, r->node_id);
        if (l != NULL)
            l->condemned = false;
        if (r->node_id == 0)
            c->founding = false;
    }
    request_free(c, r);
}

static void on_role(struct coordinator *c, const struct raft_effect *fx)
{
    struct coordinator_effect *e = emit(c, COORDINATOR_DO_ROLE);
    e->role.role = fx->role.role;
    e->role.term = fx->role.term;
    e->role.leader = fx->role.leader;
    if (fx->role.role != RAFT_ROLE_LEADER) {
        c->leader_since_ns = 0;
        c->changing = false;
        dismiss_clients(c, fx->role.leader);
        lease_forget_all(c);
        return;
    }
    if (c->leader_since_ns != 0)
        return;
    c->leader_since_ns = c->now_ns;
    lease_forget_all(c);
    c->sweep_ns = c->now_ns + COORDINATOR_LEASE_MS * MS;
}

static void on_restore(struct coordinator *c, const struct raft_effect *fx)
{
    size_t len = (size_t)fx->restore.len;
    uint8_t *bytes = mem_alloc(c->mem, len);
    must(bytes != NULL); /* a coordinator that cannot hold the state must not serve */
    must(c->config.read_file(c->config.read_file_ctx, fx->restore.file, fx->restore.offset, bytes,
                             len));
    struct meta *restored = meta_load(c->mem, slice_of(bytes, len));
    must(restored != NULL); /* the engine verified the hash: an unknown format */
    mem_free(c->mem, bytes, len);
    meta_free(c->meta);
    c->meta = restored;
    meta_plant(c->meta, c->config.planted);
    c->config_changed = true;
}

static void on_need_snapshot(struct coordinator *c, const struct raft_effect *fx)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    struct raft_engine_event ev = {.kind = RAFT_EV_SNAPSHOT};
    ev.snapshot.index = fx->need_snapshot.index;
    ev.snapshot.last = true;
    ev.snapshot.failed = !meta_save(c->meta, c->mem, &bytes, &len);
    if (!ev.snapshot.failed)
        ev.snapshot.bytes = slice_of(bytes, len);
    raft_feed(c, &ev);
    mem_free(c->mem, bytes, len);
}

static void on_read(struct coordinator *c, const struct raft_effect *fx, bool ready)
{
    struct request *r = map_get_u64(&c->requests, fx->read.token);
    if (r == NULL)
        return;
    if (ready) {
        answer_read(c, r);
        return;
    }
    send_back(c, r);
    request_free(c, r);
}

static void obey(struct coordinator *c, const struct raft_effect *fx)
{
    switch (fx->kind) {
    case RAFT_FX_SEND:
    case RAFT_FX_FILE_CREATE:
    case RAFT_FX_FILE_WRITE:
    case RAFT_FX_FILE_RENAME:
    case RAFT_FX_FILE_DELETE:
    case RAFT_FX_SYNC:
    case RAFT_FX_FILE_READ:
    case RAFT_FX_FATAL: {
        struct raft_effect *copy = arena_alloc(&c->arena, sizeof *copy);
        must(copy != NULL);
        *copy = *fx;
        emit(c, COORDINATOR_DO_RAFT)->raft = copy;
        break;
    }
    case RAFT_FX_APPLY: on_apply(c, fx); break;
    case RAFT_FX_SUBMITTED: on_submitted(c, fx); break;
    case RAFT_FX_READ_READY: on_read(c, fx, true); break;
    case RAFT_FX_READ_FAILED: on_read(c, fx, false); break;
    case RAFT_FX_CHANGED: membership_changed(c); break;
    case RAFT_FX_ROLE: on_role(c, fx); break;
    case RAFT_FX_RESTORE: on_restore(c, fx); break;
    case RAFT_FX_NEED_SNAPSHOT: on_need_snapshot(c, fx); break;
    }
}

/* Effects are obeyed one by one in the engine's order; what obeying one feeds back to the engine (a
 * lease's NodeDown, a snapshot) only appends to the same list, so the order stays. */
void raft_feed(struct coordinator *c, const struct raft_engine_event *event)
{
    struct raft_engine_event ev = *event;
    ev.now_ns = c->now_ns;
    raft_engine_step(c->raft, &ev, &c->raft_effects);
    if (c->obeying)
        return;
    c->obeying = true;
    while (c->obeyed < c->raft_effects.count) {
        struct raft_effect fx = c->raft_effects.items[c->obeyed++]; /* the list may move */
        obey(c, &fx);
    }
    c->obeying = false;
}
