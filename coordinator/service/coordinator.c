#include "coordinator/service/service_int.h"

enum { STEP_ARENA_MAX = 256 << 20 };

bool coordinator_leads(const struct coordinator *c) { return c->leader_since_ns != 0; }
const struct meta *coordinator_meta(const struct coordinator *c) { return c->meta; }
const struct raft_engine *coordinator_raft(const struct coordinator *c) { return c->raft; }

struct coordinator *coordinator_new(struct mem *mem, const struct coordinator_config *config,
                                    struct trace *trace)
{
    struct coordinator *c = mem_alloc(mem, sizeof *c);
    if (c == NULL)
        return NULL;
    c->mem = mem;
    c->config = *config;
    c->trace = trace;
    map_init(&c->clients, mem, config->raft.id);
    map_init(&c->requests, mem, config->raft.id);
    map_init(&c->leases, mem, config->raft.id);
    arena_init(&c->arena, mem, STEP_ARENA_MAX);
    raft_effects_init(&c->raft_effects, mem);
    c->meta = meta_new(mem);
    c->raft = raft_engine_new(&config->raft, mem, trace);
    if (c->meta == NULL || c->raft == NULL) {
        coordinator_free(c);
        return NULL;
    }
    meta_plant(c->meta, config->planted);
    return c;
}

void coordinator_free(struct coordinator *c)
{
    if (c == NULL)
        return;
    uint32_t cursor = 0;
    for (struct client *k; (k = map_next(&c->clients, &cursor, NULL)) != NULL;) {
        if (k->join_name != NULL)
            mem_free(c->mem, k->join_name, strlen(k->join_name) + 1);
        mem_free(c->mem, k, sizeof *k);
    }
    cursor = 0;
    for (struct request *r; (r = map_next(&c->requests, &cursor, NULL)) != NULL;) {
        mem_free(c->mem, r->bytes, r->len);
        mem_free(c->mem, r, sizeof *r);
    }
    lease_forget_all(c);
    map_fini(&c->clients);
    map_fini(&c->requests);
    map_fini(&c->leases);
    raft_engine_free(c->raft);
    meta_free(c->meta);
    raft_effects_fini(&c->raft_effects);
    arena_fini(&c->arena);
    mem_free(c->mem, c->effects.items, c->effects.cap * sizeof(struct coordinator_effect));
    mem_free(c->mem, c, sizeof *c);
}

/* The first leader of a new cluster writes down what the administrator said it is. Proposed again
 * by the next leader when it did not commit; meta refuses a second one. */
static void found_cluster(struct coordinator *c)
{
    struct raft_engine_status status;
    raft_engine_status(c->raft, &status);
    if (c->config.init == NULL || c->founding || meta_ca_cert(c->meta).len > 0)
        return;
    if (status.role != RAFT_ROLE_LEADER)
        return;
    struct request *r = request_new(c, REQUEST_INTERNAL, 0, 0);
    if (r == NULL)
        return;
    c->founding = true;
    Fl__Command command = FL__COMMAND__INIT;
    command.body_case = FL__COMMAND__BODY_CLUSTER_INIT;
    command.cluster_init = (Fl__ClusterInit *)(uintptr_t)c->config.init;
    propose(c, r, &command);
}

static void on_tick(struct coordinator *c)
{
    if (raft_engine_next_deadline(c->raft) <= c->now_ns)
        raft_feed(c, &(struct raft_engine_event){.kind = RAFT_EV_TICK});
    if (coordinator_leads(c) && c->sweep_ns <= c->now_ns) {
        lease_sweep(c);
        breaks_sweep(c);
        membership_follow(c);
    }
}

const struct coordinator_effects *coordinator_step(struct coordinator *c,
                                                   const struct coordinator_event *ev)
{
    must(ev->now_ns >= c->now_ns);
    arena_reset(&c->arena);
    raft_effects_reset(&c->raft_effects);
    c->effects.count = 0;
    c->obeyed = 0;
    c->now_ns = ev->now_ns;
    c->filetime = ev->filetime;
    memcpy(c->entropy, ev->entropy, sizeof c->entropy);
    switch (ev->type) {
    case COORDINATOR_EV_RAFT: raft_feed(c, ev->raft); break;
    case COORDINATOR_EV_CLIENT_UP: client_up(c, ev->client_up.client, &ev->client_up.peer); break;
    case COORDINATOR_EV_CLIENT_DOWN:
        client_down(c, ev->client_down.client, ev->client_down.by_peer);
        break;
    case COORDINATOR_EV_CLIENT_MESSAGE: client_message(c, ev); break;
    case COORDINATOR_EV_SIGNED: client_signed(c, ev->signed_.client, ev->signed_.cert_pem); break;
    case COORDINATOR_EV_TICK: on_tick(c); break;
    }
    if (coordinator_leads(c)) {
        found_cluster(c);
        if (c->config_changed)
            push_config(c);
    } else {
        c->founding = false;
    }
    c->config_changed = false;
    return &c->effects;
}

uint64_t coordinator_next_deadline(const struct coordinator *c)
{
    uint64_t next = raft_engine_next_deadline(c->raft);
    return coordinator_leads(c) && c->sweep_ns < next ? c->sweep_ns : next;
}

void coordinator_check(const struct coordinator *c)
{
    meta_check(c->meta);
    raft_engine_check(c->raft);
    must(map_count(&c->clients) <= COORDINATOR_CLIENTS_MAX);
    must(coordinator_leads(c) || map_count(&c->leases) == 0);
}
