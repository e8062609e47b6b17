/* One server of the simulated cluster: what the shell does in reality, with the oracles at the
 * places where it tells somebody something. */
#include "tests/coordinator/raft/sim_int.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *sim_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return calloc(1, size);
}

static void sim_release(void *ctx, void *at, size_t size)
{
    (void)ctx, (void)size;
    free(at);
}

void node_init(struct sim *s, struct node *n, uint64_t id, enum raft_start_as as)
{
    memset(n, 0, sizeof *n);
    n->id = id;
    n->as = as;
    n->mem = (struct mem){.alloc = sim_alloc, .release = sim_release, .max = SIZE_MAX};
    sim_disk_init(&n->disk, &s->prng, s->disk_ms, s->options->lie ? 300 : 0);
    raft_effects_init(&n->fx, &n->mem);
}

static size_t place(const struct sim *s, const struct node *n) { return (size_t)(n - s->nodes); }

void node_start(struct sim *s, struct node *n)
{
    static struct raft_loaded_file files[SIM_FILES_MAX];
    struct raft_member members[NODES_MAX];
    char address[NODES_MAX][16];
    struct raft_engine_event event = {.kind = RAFT_EV_START, .now_ns = s->now_ns};
    struct raft_engine_config config = s->config;
    config.id = n->id;
    n->state = (struct state){0};
    n->saving = 0;
    n->read_token = 0;
    n->restart_ns = UINT64_MAX;
    n->engine = raft_engine_new(&config, &n->mem, NULL);
    must(n->engine != NULL);
    for (size_t i = 0; i < s->first_count; i++) {
        address[i][0] = 'a';
        address[i][1] = (char)('1' + i);
        address[i][2] = '\0';
        members[i] = (struct raft_member){.id = s->first_count - i, .address = address[i]};
    }
    event.start.as = n->as;
    event.start.members = members;
    event.start.member_count = s->first_count;
    event.start.files = files;
    event.start.file_count = sim_disk_load(&n->disk, files);
    event.start.seed = prng_u64(&s->prng);
    node_step(s, n, &event);
    for (size_t i = 0; i < s->node_count && n->engine != NULL; i++) {
        struct node *other = &s->nodes[i];
        if (other == n)
            continue;
        struct link *link = link_of(s, place(s, n), i);
        link->up = false;
        link->up_ns = s->now_ns + (1 + prng_below(&s->prng, 50)) * MS;
    }
}

void node_crash(struct sim *s, struct node *n, uint64_t restart_ns)
{
    if (n->engine == NULL)
        return;
    raft_engine_free(n->engine);
    n->engine = NULL;
    n->restart_ns = restart_ns;
    n->paused_ns = 0;
    sim_disk_crash(&n->disk);
    s->result->crashes++;
    for (size_t i = 0; i < s->node_count; i++) {
        if (&s->nodes[i] != n)
            link_down(s, place(s, n), i, UINT64_MAX);
    }
}

void node_fini(struct node *n)
{
    raft_engine_free(n->engine);
    raft_effects_fini(&n->fx);
    sim_disk_fini(&n->disk);
    must(n->mem.used == 0);
}

/* --- the state machine ------------------------------------------------------------------------ */

static uint64_t command_id(struct slice command)
{
    struct reader r = reader_of(command);
    return read_u64(&r);
}

static void apply(struct sim *s, struct node *n, const struct raft_effect *fx)
{
    uint64_t index = fx->apply.index, id = command_id(fx->apply.command);
    if (index >= INDEX_MAX || index <= n->state.index) {
        sim_violation(s, "server %lu applies %lu after %lu", n->id, index, n->state.index);
        return;
    }
    n->state.index = index;
    n->state.count++;
    n->state.chain = mix64(n->state.chain ^ mix64(id) ^ index);
    struct entry_seen *seen = &s->log[index];
    if (seen->term == 0) {
        *seen = (struct entry_seen){fx->apply.term, id, n->state.chain};
        s->result->commits++;
        s->last_commit_ns = s->now_ns;
    } else if (seen->term != fx->apply.term || seen->command != id) {
        sim_violation(s, "server %lu applies another command at %lu", n->id, index);
    } else if (seen->chain != n->state.chain) {
        sim_violation(s, "server %lu has another history before %lu", n->id, index);
    }
}

static void submitted(struct sim *s, const struct raft_effect *fx)
{
    uint64_t index = fx->submitted.index;
    if (fx->submitted.status != RAFT_SUBMIT_COMMITTED)
        return;
    if (s->log[index].command != s->command_of[fx->submitted.token])
        sim_violation(s, "command %lu acknowledged at %lu is not there",
                      s->command_of[fx->submitted.token], index);
    if (index > s->acked_index)
        s->acked_index = index;
    s->acked_count++;
}

static void read_ready(struct sim *s, const struct node *n, const struct raft_effect *fx)
{
    uint64_t floor = s->floor_of[fx->read.token];
    s->result->reads++;
    s->last_read_ns = s->now_ns;
    if (n->state.index < floor)
        sim_violation(s, "a read on server %lu sees %lu, acknowledged before it was %lu", n->id,
                      n->state.index, floor);
}

static void role(struct sim *s, const struct node *n, const struct raft_effect *fx)
{
    uint64_t term = fx->role.term;
    if (s->options->verbose)
        printf("%6lu ms: %lu has role %d in term %lu, leader %lu\n", s->now_ns / MS, n->id,
               (int)fx->role.role, term, fx->role.leader);
    if (fx->role.role != RAFT_ROLE_LEADER || term >= INDEX_MAX)
        return;
    s->result->elections += s->leader_of[term] == 0;
    if (s->leader_of[term] != 0 && s->leader_of[term] != n->id)
        sim_violation(s, "servers %lu and %lu lead in term %lu", s->leader_of[term], n->id, term);
    s->leader_of[term] = n->id;
    s->elected = true;
}

static void restore(struct sim *s, struct node *n, const struct raft_effect *fx)
{
    struct slice file = sim_disk_file(&n->disk, fx->restore.file);
    struct reader r = reader_of(file);
    struct reader state = reader_of(read_at(&r, fx->restore.offset, fx->restore.len));
    struct state got = {0};
    got.index = read_u64(&state);
    got.chain = read_u64(&state);
    got.count = read_u64(&state);
    uint64_t check = read_u64(&state);
    s->result->installs += n->state.index != 0;
    if (state.bad || check != mix64(got.index ^ got.chain) || got.index > fx->restore.index ||
        (got.index != 0 && s->log[got.index].chain != got.chain))
        sim_violation(s, "server %lu restores a wrong state at %lu", n->id, fx->restore.index);
    if (got.index < n->state.index)
        sim_violation(s, "server %lu goes back to %lu", n->id, got.index);
    n->state = got;
}

static void save_piece(struct sim *s, struct node *n)
{
    static uint8_t bytes[STATE_BYTES + 8192];
    struct writer w = writer_of(bytes, sizeof bytes);
    struct raft_engine_event event = {.kind = RAFT_EV_SNAPSHOT, .now_ns = s->now_ns};
    write_u64(&w, n->saved.index);
    write_u64(&w, n->saved.chain);
    write_u64(&w, n->saved.count);
    write_u64(&w, mix64(n->saved.index ^ n->saved.chain));
    write_zeros(&w, n->save_pad);
    event.snapshot.index = n->saving;
    n->saving = 0;
    s->result->snapshots++;
    size_t cut = prng_below(&s->prng, w.pos + 1);
    event.snapshot.bytes = slice_of(bytes, cut);
    event.snapshot.failed = prng_chance(&s->prng, 100);
    node_step(s, n, &event);
    if (n->engine == NULL || event.snapshot.failed)
        return;
    event.snapshot.bytes = slice_of(bytes + cut, w.pos - cut);
    event.snapshot.last = true;
    node_step(s, n, &event);
}

/* --- effects ---------------------------------------------------------------------------------- */

static void send(struct sim *s, const struct node *n, const struct raft_effect *fx)
{
    struct node *to = node_of(s, fx->send.peer);
    if (to == NULL)
        return;
    size_t a = place(s, n), b = place(s, to);
    struct link *link = link_of(s, a, b);
    if (!link->up)
        return;
    if (s->net_count == s->net_cap) {
        s->net_cap = s->net_cap == 0 ? 256 : s->net_cap * 2;
        s->net = realloc(s->net, s->net_cap * sizeof *s->net);
        must(s->net != NULL);
    }
    struct message *m = &s->net[s->net_count++];
    *m = (struct message){.from = a, .to = b, .seq = s->net_seq++, .len = fx->send.bytes.len};
    m->bytes = malloc(m->len);
    must(m->bytes != NULL);
    memcpy(m->bytes, fx->send.bytes.at, m->len);
    m->due_ns = s->now_ns + (1 + prng_below(&s->prng, s->net_ms)) * MS;
    if (m->due_ns < link->stall_ns)
        m->due_ns = link->stall_ns;
    if (m->due_ns < link->last_due_ns[a < b])
        m->due_ns = link->last_due_ns[a < b];
    link->last_due_ns[a < b] = m->due_ns;
}

static void fatal(struct sim *s, struct node *n, const struct raft_effect *fx)
{
    n->stopped = true;
    if (!n->lost_disk) /* that one should */
        sim_violation(s, "server %lu stops: %s", n->id, fx->fatal.why);
}

static void obey(struct sim *s, struct node *n, const struct raft_effect *fx)
{
    switch (fx->kind) {
    case RAFT_FX_SEND: send(s, n, fx); break;
    case RAFT_FX_FILE_CREATE:
    case RAFT_FX_FILE_WRITE:
    case RAFT_FX_FILE_RENAME:
    case RAFT_FX_FILE_DELETE:
    case RAFT_FX_SYNC: sim_disk_do(&n->disk, fx, s->now_ns); break;
    case RAFT_FX_FILE_READ:
        n->read_token = fx->file.token;
        n->read_effect = *fx;
        n->read_ns = s->now_ns + (1 + prng_below(&s->prng, s->disk_ms)) * MS;
        break;
    case RAFT_FX_APPLY: apply(s, n, fx); break;
    case RAFT_FX_SUBMITTED: submitted(s, fx); break;
    case RAFT_FX_READ_READY: read_ready(s, n, fx); break;
    case RAFT_FX_READ_FAILED: break;
    case RAFT_FX_CHANGED: s->result->changes += fx->changed.status == RAFT_CHANGE_DONE; break;
    case RAFT_FX_ROLE: role(s, n, fx); break;
    case RAFT_FX_RESTORE: restore(s, n, fx); break;
    case RAFT_FX_NEED_SNAPSHOT:
        n->saved = n->state;
        n->saving = fx->need_snapshot.index;
        n->save_ns = s->now_ns + prng_below(&s->prng, 100) * MS;
        n->save_pad = prng_below(&s->prng, 4096);
        break;
    case RAFT_FX_FATAL: fatal(s, n, fx); break;
    }
}

void node_step(struct sim *s, struct node *n, const struct raft_engine_event *event)
{
    if (n->engine == NULL)
        return;
    s->result->steps++;
    raft_engine_step(n->engine, event, &n->fx);
    bool failed = event->kind == RAFT_EV_DISK_FAILED;
    for (size_t i = 0; i < n->fx.count && !s->broken && !failed; i++)
        obey(s, n, &n->fx.items[i]);
    raft_effects_reset(&n->fx);
    if (n->stopped && n->lost_disk)
        node_crash(s, n, UINT64_MAX);
    if (n->engine == NULL)
        return;
    if (s->options->without == 0 && !s->options->lie)
        raft_engine_check(n->engine);
}

uint64_t node_due(const struct node *n)
{
    uint64_t due = n->restart_ns;
    if (n->engine == NULL)
        return due;
    due = raft_engine_next_deadline(n->engine);
    uint64_t disk = sim_disk_due(&n->disk);
    due = disk < due ? disk : due;
    if (n->saving != 0 && n->save_ns < due)
        due = n->save_ns;
    if (n->read_token != 0 && n->read_ns < due)
        due = n->read_ns;
    return due < n->paused_ns ? n->paused_ns : due;
}

static void run_read(struct sim *s, struct node *n)
{
    const struct raft_effect *fx = &n->read_effect;
    struct slice file = sim_disk_file(&n->disk, fx->file.file);
    struct reader r = reader_of(file);
    struct raft_engine_event event = {.kind = RAFT_EV_READ_DONE, .now_ns = s->now_ns};
    event.read_done.token = n->read_token;
    event.read_done.bytes = read_at(&r, fx->file.offset, fx->file.len);
    n->read_token = 0;
    node_step(s, n, &event);
}

void node_run(struct sim *s, struct node *n)
{
    if (n->engine == NULL) {
        if (n->restart_ns <= s->now_ns)
            node_start(s, n);
        return;
    }
    if (n->paused_ns > s->now_ns)
        return;
    if (n->paused_ns != 0) {
        n->paused_ns = 0;
        client_read(s, n); /* asked while it stood still, and first in its queue */
    }
    uint64_t token = sim_disk_done(&n->disk, s->now_ns);
    if (token != 0) {
        struct raft_engine_event event = {.kind = RAFT_EV_DISK_DONE, .now_ns = s->now_ns};
        event.disk_done.token = token;
        n->as = RAFT_START_MEMBER; /* its first state is durable */
        node_step(s, n, &event);
    }
    if (n->engine != NULL && n->read_token != 0 && n->read_ns <= s->now_ns)
        run_read(s, n);
    if (n->engine != NULL && n->saving != 0 && n->save_ns <= s->now_ns)
        save_piece(s, n);
    if (n->engine != NULL && raft_engine_next_deadline(n->engine) <= s->now_ns) {
        struct raft_engine_event event = {.kind = RAFT_EV_TICK, .now_ns = s->now_ns};
        node_step(s, n, &event);
    }
}

struct node *node_of(struct sim *s, uint64_t id)
{
    for (size_t i = 0; i < s->node_count; i++) {
        if (s->nodes[i].id == id)
            return &s->nodes[i];
    }
    return NULL;
}

/* One of those who believe they lead; there may be several, and the older ones are wrong. */
struct node *node_leader(struct sim *s)
{
    size_t start = prng_below(&s->prng, s->node_count);
    for (size_t i = 0; i < s->node_count; i++) {
        struct node *n = &s->nodes[(start + i) % s->node_count];
        struct raft_engine_status status;
        if (n->engine == NULL)
            continue;
        raft_engine_status(n->engine, &status);
        if (status.role == RAFT_ROLE_LEADER)
            return n;
    }
    return NULL;
}
