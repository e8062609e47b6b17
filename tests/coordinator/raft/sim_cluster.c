/* The run of one schedule; see sim_cluster.h. */
#include "tests/coordinator/raft/sim_cluster.h"
#include "tests/coordinator/raft/sim_int.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN_MS 12000
#define CALM_MS 6000
#define LAST_MS 1500 /* without clients: the followers come level */

void sim_violation(struct sim *s, const char *format, ...)
{
    va_list args;
    if (s->broken)
        return;
    s->broken = true;
    va_start(args, format);
    (void)vsnprintf(s->result->violation, sizeof s->result->violation, format, args);
    va_end(args);
    s->result->at_ms = s->now_ns / MS;
}

/* --- clients ---------------------------------------------------------------------------------- */

static void submit(struct sim *s, struct node *n)
{
    static uint8_t bytes[8][256];
    struct raft_submission items[8];
    struct raft_engine_event event = {.kind = RAFT_EV_SUBMIT, .now_ns = s->now_ns};
    size_t count = 1 + prng_below(&s->prng, prng_chance(&s->prng, 100) ? 8 : 2);
    for (size_t i = 0; i < count && s->token + 1 < TOKENS_MAX; i++) {
        struct writer w = writer_of(bytes[i], sizeof bytes[i]);
        items[i].token = ++s->token;
        s->command_of[s->token] = s->token;
        write_u64(&w, s->token);
        write_zeros(&w, prng_below(&s->prng, 200));
        items[i].command = written(&w);
        event.submit.count++;
    }
    event.submit.items = items;
    node_step(s, n, &event);
}

void client_read(struct sim *s, struct node *n)
{
    struct raft_engine_event event = {.kind = RAFT_EV_READ, .now_ns = s->now_ns};
    if (s->token + 1 >= TOKENS_MAX)
        return;
    event.read.token = ++s->token;
    s->floor_of[s->token] = s->acked_index;
    node_step(s, n, &event);
}

static void clients(struct sim *s)
{
    struct node *n = node_leader(s);
    s->client_ns = s->now_ns + (1 + prng_below(&s->prng, 20)) * MS;
    if (n == NULL || prng_chance(&s->prng, 50))
        n = &s->nodes[prng_below(&s->prng, s->node_count)];
    if (n->paused_ns != 0)
        return;
    if (prng_chance(&s->prng, 700)) {
        submit(s, n);
    } else {
        client_read(s, n);
        n = node_leader(s); /* often another one, while two of them believe to lead */
        if (n != NULL && n->paused_ns == 0)
            client_read(s, n);
    }
}

/* --- the network ------------------------------------------------------------------------------ */

static void deliver(struct sim *s)
{
    for (;;) {
        size_t next = SIZE_MAX;
        for (size_t i = 0; i < s->net_count; i++) {
            struct message *m = &s->net[i];
            if (m->due_ns <= s->now_ns && s->nodes[m->to].paused_ns > s->now_ns)
                m->due_ns = s->nodes[m->to].paused_ns;
            if (m->due_ns <= s->now_ns && (next == SIZE_MAX || m->seq < s->net[next].seq))
                next = i;
        }
        if (next == SIZE_MAX || s->broken)
            return;
        struct message m = s->net[next];
        s->net[next] = s->net[--s->net_count];
        struct raft_engine_event event = {.kind = RAFT_EV_RECEIVE, .now_ns = s->now_ns};
        event.receive.peer = s->nodes[m.from].id;
        event.receive.frame = slice_of(m.bytes, m.len);
        node_step(s, &s->nodes[m.to], &event);
        free(m.bytes);
    }
}

/* --- the run ---------------------------------------------------------------------------------- */

static uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint64_t next_ns(const struct sim *s)
{
    uint64_t at = earlier(s->client_ns, s->now_ns + 10 * MS);
    for (size_t i = 0; i < s->node_count; i++)
        at = earlier(at, node_due(&s->nodes[i]));
    for (size_t i = 0; i < s->net_count; i++)
        at = earlier(at, s->net[i].due_ns);
    return at > s->now_ns ? at : s->now_ns + MS / 10;
}

static void calm(struct sim *s)
{
    s->side = 0;
    for (size_t a = 0; a < s->node_count; a++) {
        if (s->nodes[a].engine == NULL && !s->nodes[a].lost_disk)
            s->nodes[a].restart_ns = earlier(s->nodes[a].restart_ns, s->now_ns);
        for (size_t b = a + 1; b < s->node_count; b++) {
            s->links[a][b].up_ns = earlier(s->links[a][b].up_ns, s->now_ns);
            s->links[a][b].stall_ns = 0;
        }
    }
}

/* A server with a lost disk must still leave the configuration: its removal goes on in the calm. */
static void trouble(struct sim *s)
{
    bool quiet = s->now_ns >= s->calm_ns;
    if (quiet) {
        calm(s);
    } else if (s->now_ns >= s->fault_ns) {
        fault_some(s);
        s->fault_ns = s->now_ns + (1 + prng_below(&s->prng, s->options->elections ? 60 : 400)) * MS;
    }
    if (s->options->changes && s->elected && !quiet)
        change_at_election(s);
    if (s->now_ns >= s->member_ns && !s->broken) {
        change_some(s);
        s->member_ns = s->now_ns + (1 + prng_below(&s->prng, s->change_ns)) * MS;
    }
}

static void check_end(struct sim *s)
{
    struct node *leader = node_leader(s);
    struct raft_member m;
    uint64_t quiet = s->end_ns - 2 * LAST_MS * MS;
    if (leader == NULL || s->last_commit_ns < quiet || s->last_read_ns < quiet) {
        sim_violation(s, "no %s in the calm at the end",
                      leader == NULL              ? "leader"
                      : s->last_commit_ns < quiet ? "commit"
                                                  : "read");
        return;
    }
    for (size_t i = 0; raft_engine_member(leader->engine, i, &m); i++) {
        const struct node *n = node_of(s, m.id);
        if (n->lost_disk)
            continue;
        if (n->state.index < s->acked_index)
            sim_violation(s, "server %lu stands at %lu, acknowledged was %lu", n->id,
                          n->state.index, s->acked_index);
        if (!m.voter)
            sim_violation(s, "server %lu was never promoted", n->id);
    }
}

/* How every server stands, for whoever looks for the reason. */
static void tell(const struct sim *s)
{
    static const char *const roles[] = {"follower", "candidate", "leader"};
    for (size_t i = 0; i < s->node_count; i++) {
        const struct node *n = &s->nodes[i];
        struct raft_engine_status t;
        struct raft_member m;
        if (n->engine == NULL) {
            printf("  %lu: down%s\n", n->id, n->lost_disk ? ", its disk is lost" : "");
            continue;
        }
        raft_engine_status(n->engine, &t);
        printf("  %lu: %s of %lu in term %lu, log [%lu, %lu], stored %lu, commit %lu, applied %lu, "
               "snapshot %lu, configuration %lu%s:",
               n->id, roles[t.role], t.leader, t.term, t.first, t.last, t.stored, t.commit,
               t.applied, t.snapshot, t.config_index, t.change_pending ? " (pending)" : "");
        for (size_t j = 0; raft_engine_member(n->engine, j, &m); j++)
            printf(" %lu%s", m.id, m.voter ? "" : "s");
        printf("\n");
    }
}

static void settings(struct sim *s)
{
    struct prng *p = &s->prng;
    bool small = prng_chance(p, 700); /* snapshots and installs happen only with short logs */
    s->net_ms = 1 + (uint32_t)prng_below(p, 30);
    s->disk_ms = 1 + (uint32_t)prng_below(p, 20);
    s->crash_weight = (uint32_t)prng_below(p, 400);
    s->partition_weight = (uint32_t)prng_below(p, 400);
    if (s->options->elections)
        s->disk_ms = 80, s->crash_weight = 800;
    if (s->options->partitions)
        s->net_ms = 2, s->disk_ms = 2, s->crash_weight = 0, s->partition_weight = 700;
    s->change_ns = s->options->changes ? 150 : 500 + prng_below(p, 5000);
    s->first_count = s->options->changes ? 4 : 1 + prng_below(p, 5);
    if (s->options->elections || s->options->partitions)
        s->first_count = 3;
    s->config = (struct raft_engine_config){.election_timeout_ms = 200, .heartbeat_ms = 30};
    s->config.max_inflight = 32 + (uint32_t)prng_below(p, 256);
    s->config.trailing = small ? (uint32_t)prng_below(p, 60) : 0;
    s->config.snapshot_threshold = 20 + (uint32_t)prng_below(p, small ? 80 : 1000);
    s->config.segment_bytes = UINT32_C(1024) << prng_below(p, 8);
    s->config.chunk_bytes = 256 + (uint32_t)prng_below(p, 1024);
    s->config.unsafe_without_guard = s->options->without | (small ? RAFT_GUARD_TRAILING : 0);
    memcpy(s->config.cluster, "simulated cluste", RAFT_CLUSTER_ID_BYTES);
}

static void run(struct sim *s)
{
    s->now_ns = MS;
    s->end_ns = (RUN_MS + CALM_MS) * MS;
    s->calm_ns = RUN_MS * MS;
    s->fault_ns = 1000 * MS;
    s->member_ns = 1500 * MS;
    s->next_id = s->first_count + 1;
    for (size_t i = 0; i < s->first_count; i++)
        node_init(s, &s->nodes[s->node_count++], i + 1, RAFT_START_BOOTSTRAP);
    for (size_t i = 0; i < s->first_count; i++)
        node_start(s, &s->nodes[i]);
    while (s->now_ns < s->end_ns && !s->broken) {
        s->now_ns = next_ns(s);
        for (size_t i = 0; i < s->node_count && !s->broken; i++)
            node_run(s, &s->nodes[i]);
        deliver(s);
        links_run(s);
        if (!s->broken)
            trouble(s);
        if (s->now_ns >= s->client_ns && s->now_ns < s->end_ns - LAST_MS * MS && !s->broken)
            clients(s);
    }
    if (!s->broken)
        check_end(s);
}

bool sim_run(const struct sim_options *options, struct sim_result *result)
{
    struct sim *s = calloc(1, sizeof *s);
    must(s != NULL);
    *result = (struct sim_result){0};
    s->options = options;
    s->result = result;
    prng_init(&s->prng, options->seed);
    settings(s);
    run(s);
    if (s->broken && options->verbose)
        tell(s);
    for (size_t i = 0; i < s->node_count; i++)
        node_fini(&s->nodes[i]);
    for (size_t i = 0; i < s->net_count; i++)
        free(s->net[i].bytes);
    free(s->net);
    bool ok = !s->broken;
    free(s);
    return ok;
}
