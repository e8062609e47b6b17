#pragma once
/* Coordinators in one process, with disks that are quick and a network that can be cut, and clients
 * that are played by the test. What a coordinator does to its clients is kept as words:
 *
 *     "7: welcome 1; 7: config"       "9: refused; 9: close"       "7: reply 3 0x0"
 *
 * Client 7 of these is whoever the test says it is. The cluster's nodes are 1, 2 and 3; the first
 * `count` of them are coordinators. */
#include "coordinator/service/coordinator.h"
#include "proto/base/must.h"
#include "proto/cluster/frame.h"
#include "proto/cluster/pack.h"
#include "proto/smb/status.h"
#include "tests/lib/faults.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS UINT64_C(1000000)

enum { COUNCIL_MAX = 3, COUNCIL_SAID = 1 << 16, COUNCIL_CLIENTS = 2048 };

/* On its way to coordinator `to`: a message of `from`, or (from 0) that its disk has done. */
struct mail {
    struct mail *next;
    uint64_t to, from, token;
    size_t len;
    uint8_t bytes[];
};

struct council {
    struct mem mem;
    struct arena arena;                      /* of the message being made */
    struct coordinator *of[COUNCIL_MAX + 1]; /* by raft id; NULL: killed */
    bool cut[COUNCIL_MAX + 1];               /* hears and tells nothing */
    uint64_t count, now_ns, entropy;
    struct mail *first, **last;
    uint8_t at[COUNCIL_CLIENTS]; /* which coordinator a client is connected to; 0: none */
    char said[COUNCIL_SAID];
    size_t said_len;
};

static void council_step(struct council *k, uint64_t id, struct coordinator_event *ev);

__attribute__((format(printf, 2, 3))) static inline void council_say(struct council *k,
                                                                     const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (k->said_len > 0)
        memcpy(k->said + k->said_len, "; ", 3), k->said_len += 2;
    int n = vsnprintf(k->said + k->said_len, COUNCIL_SAID - k->said_len, format, args);
    va_end(args);
    must(n >= 0);
    k->said_len += (size_t)n;
    must(k->said_len + 3 < COUNCIL_SAID);
}

/* What was said since it was asked last. */
static inline const char *council_said(struct council *k)
{
    static char taken[COUNCIL_SAID];
    memcpy(taken, k->said, k->said_len + 1);
    k->said_len = 0;
    k->said[0] = '\0';
    return taken;
}

/* ---- what comes out -------------------------------------------------------------------------- */

static inline void council_post(struct council *k, const struct mail *of, struct slice bytes)
{
    struct mail *m = malloc(sizeof *m + bytes.len);
    must(m != NULL);
    *m = *of;
    m->next = NULL;
    m->len = bytes.len;
    if (bytes.len > 0)
        memcpy(m->bytes, bytes.at, bytes.len);
    *k->last = m;
    k->last = &m->next;
}

static inline void council_raft(struct council *k, uint64_t id, const struct raft_effect *fx)
{
    if (fx->kind == RAFT_FX_SEND)
        council_post(k, &(struct mail){.to = fx->send.peer, .from = id}, fx->send.bytes);
    else if (fx->kind == RAFT_FX_SYNC)
        council_post(k, &(struct mail){.to = id, .token = fx->sync.token}, (struct slice){0});
    must(fx->kind != RAFT_FX_FATAL);
    must(fx->kind != RAFT_FX_FILE_READ); /* no snapshots here */
}

static inline const char *council_config(const Fl__ClusterConfig *config)
{
    for (size_t i = 0; i < config->n_users; i++)
        if (config->users[i]->nt_hash.len > 0)
            return "config with secrets";
    return "config";
}

static inline void council_reply(struct council *k, unsigned client, const Fl__CommandReply *m)
{
    if (m->reply->body_case == FL__REPLY__BODY_OPEN)
        council_say(k, "%u: reply %llu open %llu", client, (unsigned long long)m->sequence,
                    (unsigned long long)m->reply->open->open_id);
    else
        council_say(k, "%u: reply %llu %#x", client, (unsigned long long)m->sequence,
                    m->reply->status);
}

static inline void council_sent(struct council *k, unsigned client, const Fl__Control *m)
{
    if (m->body_case == FL__CONTROL__BODY_WELCOME)
        council_say(k, "%u: welcome %llu%s", client, (unsigned long long)m->welcome->session,
                    m->welcome->state_lost ? " lost" : "");
    else if (m->body_case == FL__CONTROL__BODY_NOT_LEADER)
        council_say(k, "%u: leader %s", client, m->not_leader->leader);
    else if (m->body_case == FL__CONTROL__BODY_REFUSED)
        council_say(k, "%u: refused", client);
    else if (m->body_case == FL__CONTROL__BODY_LEASE_GRANT)
        council_say(k, "%u: grant %llu", client, (unsigned long long)m->lease_grant->nonce);
    else if (m->body_case == FL__CONTROL__BODY_COMMAND_REPLY)
        council_reply(k, client, m->command_reply);
    else if (m->body_case == FL__CONTROL__BODY_QUERY_REPLY)
        council_say(k, "%u: found %llu %#x", client, (unsigned long long)m->query_reply->id,
                    m->query_reply->reply->status);
    else if (m->body_case == FL__CONTROL__BODY_CONFIG)
        council_say(k, "%u: %s", client, council_config(m->config));
    else if (m->body_case == FL__CONTROL__BODY_JOINED)
        council_say(k, "%u: joined as %u with %.*s", client, m->joined->node_id,
                    (int)m->joined->cert_pem.len, (const char *)m->joined->cert_pem.data);
    else
        council_say(k, "%u: message %d", client, (int)m->body_case);
}

static inline void council_effect(struct council *k, uint64_t id,
                                  const struct coordinator_effect *e)
{
    struct frame f;
    size_t used;
    switch (e->type) {
    case COORDINATOR_DO_RAFT: council_raft(k, id, e->raft); break;
    case COORDINATOR_DO_SEND: {
        struct arena a;
        arena_init(&a, &k->mem, 16 << 20);
        must(k->at[e->send.client] == id); /* nothing is sent to who is gone */
        must(frame_decode(e->send.bytes, &f, &used) == FRAME_OK && f.kind == FRAME_CONTROL);
        const Fl__Control *m = pb_unpack(&fl__control__descriptor, f.control, &a);
        must(m != NULL);
        council_sent(k, (unsigned)e->send.client, m);
        arena_fini(&a);
        break;
    }
    case COORDINATOR_DO_CLOSE:
        must(k->at[e->close.client] == id);
        k->at[e->close.client] = 0;
        council_say(k, "%u: close", (unsigned)e->close.client);
        break;
    case COORDINATOR_DO_SIGN:
        must(e->sign.ca_key_pem.len > 0 && e->sign.csr_pem.len > 0);
        council_say(k, "%u: sign %s of %u at %s", (unsigned)e->sign.client, e->sign.name,
                    e->sign.node_id, e->sign.address);
        break;
    case COORDINATOR_DO_ROLE: break;
    }
}

/* ---- what goes in ---------------------------------------------------------------------------- */

static inline void council_step(struct council *k, uint64_t id, struct coordinator_event *ev)
{
    ev->now_ns = k->now_ns;
    ev->filetime = UINT64_C(133000000000000000) + k->now_ns / 100;
    ev->entropy[0] = ++k->entropy;
    ev->entropy[1] = id;
    const struct coordinator_effects *fx = coordinator_step(k->of[id], ev);
    for (uint32_t i = 0; i < fx->count; i++)
        council_effect(k, id, &fx->items[i]);
    coordinator_check(k->of[id]);
}

static inline void council_engine(struct council *k, uint64_t id, struct raft_engine_event ev)
{
    ev.now_ns = k->now_ns;
    council_step(k, id, &(struct coordinator_event){.type = COORDINATOR_EV_RAFT, .raft = &ev});
}

static inline void council_deliver(struct council *k, const struct mail *m)
{
    if (m->to > k->count || k->of[m->to] == NULL ||
        (m->from != 0 && (k->cut[m->to] || k->cut[m->from])))
        return;
    struct raft_engine_event ev = {.kind = m->from ? RAFT_EV_RECEIVE : RAFT_EV_DISK_DONE};
    if (m->from == 0) {
        ev.disk_done.token = m->token;
    } else {
        ev.receive.peer = m->from;
        ev.receive.frame = slice_of(m->bytes, m->len);
    }
    council_engine(k, m->to, ev);
}

/* Everything on its way arrives. */
static inline void council_settle(struct council *k)
{
    for (struct mail *m; (m = k->first) != NULL; free(m)) {
        k->first = m->next;
        if (k->first == NULL)
            k->last = &k->first;
        council_deliver(k, m);
    }
}

/* Time passes. */
static inline void council_run(struct council *k, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        k->now_ns += MS;
        for (uint64_t id = 1; id <= k->count; id++)
            if (k->of[id] != NULL && coordinator_next_deadline(k->of[id]) <= k->now_ns)
                council_step(k, id, &(struct coordinator_event){.type = COORDINATOR_EV_TICK});
        council_settle(k);
    }
}

/* 0: nobody leads, as far as those know that can be heard. */
static inline uint64_t council_leader(const struct council *k)
{
    for (uint64_t id = 1; id <= k->count; id++)
        if (k->of[id] != NULL && !k->cut[id] && coordinator_leads(k->of[id]))
            return id;
    return 0;
}

static inline uint64_t council_elect(struct council *k)
{
    for (int i = 0; i < 10000 && council_leader(k) == 0; i++)
        council_run(k, 1);
    must(council_leader(k) != 0);
    return council_leader(k);
}

/* ---- life ------------------------------------------------------------------------------------ */

static inline const Fl__ClusterInit *council_founding(uint64_t coordinators)
{
    static Fl__ClusterInit init;
    static Fl__Node nodes[3], *list[3];
    static char *const names[] = {"n1", "n2", "n3"};
    static char *const addresses[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3"};
    static uint8_t sid[] = {1, 4, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0,
                            1, 0, 0, 0, 2, 0, 0, 0, 3,  0, 0, 0};
    static uint8_t pem[] = "CA", id[] = "the cluster's id";
    fl__cluster_init__init(&init);
    for (uint32_t i = 0; i < 3; i++) {
        fl__node__init(&nodes[i]);
        nodes[i].id = i + 1;
        nodes[i].name = names[i];
        nodes[i].address = addresses[i];
        nodes[i].data_port = 4455;
        nodes[i].coordinator = i < coordinators;
        nodes[i].coordinator_port = 4450;
        list[i] = &nodes[i];
    }
    init.cluster_id = (ProtobufCBinaryData){16, id};
    init.cluster_name = names[0];
    init.domain_sid = (ProtobufCBinaryData){sizeof sid, sid};
    init.nodes = list;
    init.n_nodes = 3;
    init.ca_key_pem = init.ca_cert_pem = (ProtobufCBinaryData){2, pem};
    return &init;
}

static inline bool council_read(void *ctx, struct raft_file file, uint64_t offset, uint8_t *to,
                                size_t len)
{
    (void)ctx, (void)file, (void)offset, (void)to, (void)len;
    return false;
}

static inline void council_start(struct council *k, uint64_t id)
{
    static const struct raft_member members[] = {
        {1, "10.0.0.1:4450", true}, {2, "10.0.0.2:4450", true}, {3, "10.0.0.3:4450", true}};
    struct coordinator_config config = {
        .raft = {.id = id}, .init = council_founding(k->count), .read_file = council_read};
    struct raft_engine_event start = {.kind = RAFT_EV_START};
    memcpy(config.raft.cluster, "the cluster's id", 16);
    k->of[id] = coordinator_new(&k->mem, &config, NULL);
    must(k->of[id] != NULL);
    start.start.as = RAFT_START_BOOTSTRAP;
    start.start.members = members;
    start.start.member_count = k->count;
    start.start.seed = id * 1000;
    council_engine(k, id, start);
}

/* `count` coordinators (1 or 3) of a new cluster, not yet with a leader. */
static inline void council_init(struct council *k, uint64_t count)
{
    memset(k, 0, sizeof *k);
    k->mem = test_mem(SIZE_MAX);
    k->now_ns = 1000 * MS;
    k->count = count;
    k->last = &k->first;
    arena_init(&k->arena, &k->mem, 16 << 20);
    for (uint64_t id = 1; id <= count; id++)
        council_start(k, id);
    for (uint64_t id = 1; id <= count; id++)
        for (uint64_t peer = 1; peer <= count; peer++)
            if (peer != id)
                council_engine(k, id,
                               (struct raft_engine_event){.kind = RAFT_EV_PEER_UP, .peer = peer});
    council_settle(k);
}

/* As its process was killed: its clients see their lines closed by the peer. */
static inline void council_kill(struct council *k, uint64_t id)
{
    coordinator_free(k->of[id]);
    k->of[id] = NULL;
    for (size_t i = 0; i < COUNCIL_CLIENTS; i++)
        if (k->at[i] == id)
            k->at[i] = 0;
    for (uint64_t peer = 1; peer <= k->count; peer++)
        if (k->of[peer] != NULL)
            council_engine(k, peer,
                           (struct raft_engine_event){.kind = RAFT_EV_PEER_DOWN, .peer = id});
}

static inline void council_fini(struct council *k)
{
    for (struct mail *m; (m = k->first) != NULL; free(m))
        k->first = m->next;
    for (uint64_t id = 1; id <= k->count; id++)
        coordinator_free(k->of[id]);
    arena_fini(&k->arena);
    test_mem_check(&k->mem);
}

/* A founded cluster with a leader of more than a lease's time; returns the leader. */
static inline uint64_t council_found(struct council *k, uint64_t count)
{
    council_init(k, count);
    uint64_t leader = council_elect(k);
    council_run(k, COORDINATOR_LEASE_MS + 200);
    (void)council_said(k);
    return leader;
}

/* ---- clients --------------------------------------------------------------------------------- */

struct caller {
    uint64_t at; /* coordinator */
    Fl__Role role;
    uint32_t node_id;
};

static inline void client_connect(struct council *k, uint64_t client, struct caller who)
{
    struct coordinator_event ev = {.type = COORDINATOR_EV_CLIENT_UP};
    ev.client_up.client = client;
    ev.client_up.peer.role = who.role;
    ev.client_up.peer.node_id = who.node_id;
    ev.client_up.peer.name = "somebody";
    k->at[client] = (uint8_t)who.at;
    council_step(k, who.at, &ev);
}

static inline void client_gone(struct council *k, uint64_t client, bool by_peer)
{
    struct coordinator_event ev = {.type = COORDINATOR_EV_CLIENT_DOWN};
    uint64_t at = k->at[client];
    ev.client_down.client = client;
    ev.client_down.by_peer = by_peer;
    k->at[client] = 0;
    council_step(k, at, &ev);
    council_settle(k);
}

static inline void client_bytes(struct council *k, uint64_t client, struct slice bytes,
                                struct slice token_hash)
{
    struct coordinator_event ev = {.type = COORDINATOR_EV_CLIENT_MESSAGE};
    if (k->at[client] == 0)
        return;
    ev.message.client = client;
    ev.message.bytes = bytes;
    ev.message.token_hash = token_hash;
    council_step(k, k->at[client], &ev);
    council_settle(k);
}

static inline void client_says(struct council *k, uint64_t client, const Fl__Control *m)
{
    arena_reset(&k->arena);
    struct slice packed = pb_pack(&m->base, &k->arena);
    must(packed.at != NULL);
    client_bytes(k, client, packed, (struct slice){0});
}

static inline Fl__Hello hello_of(Fl__Role role, uint32_t node_id, uint64_t incarnation)
{
    static uint8_t store[16] = {1};
    Fl__Hello hello = FL__HELLO__INIT;
    hello.version = 1;
    hello.cluster_id = pb_bytes(slice_str("the cluster's id"));
    hello.role = role;
    hello.node_id = node_id;
    hello.incarnation = incarnation;
    hello.store_id = (ProtobufCBinaryData){16, store};
    return hello;
}

static inline void client_greets(struct council *k, uint64_t client, Fl__Hello hello)
{
    Fl__Control m = FL__CONTROL__INIT;
    m.body_case = FL__CONTROL__BODY_HELLO;
    m.hello = &hello;
    client_says(k, client, &m);
}

static inline void client_subscribes(struct council *k, uint64_t client)
{
    Fl__Subscribe subscribe = FL__SUBSCRIBE__INIT;
    Fl__Control m = FL__CONTROL__INIT;
    subscribe.secrets = true;
    m.body_case = FL__CONTROL__BODY_SUBSCRIBE;
    m.subscribe = &subscribe;
    client_says(k, client, &m);
}

static inline void client_asks_lease(struct council *k, uint64_t client, uint64_t nonce)
{
    Fl__LeaseRequest request = FL__LEASE_REQUEST__INIT;
    Fl__Control m = FL__CONTROL__INIT;
    request.nonce = nonce;
    m.body_case = FL__CONTROL__BODY_LEASE_REQUEST;
    m.lease_request = &request;
    client_says(k, client, &m);
}

static inline void client_commands(struct council *k, uint64_t client, Fl__Command *command)
{
    Fl__CommandRequest request = FL__COMMAND_REQUEST__INIT;
    Fl__Control m = FL__CONTROL__INIT;
    request.command = command;
    m.body_case = FL__CONTROL__BODY_COMMAND;
    m.command = &request;
    client_says(k, client, &m);
}

static inline void client_queries(struct council *k, uint64_t client, uint64_t id)
{
    Fl__QueryStatus status = FL__QUERY_STATUS__INIT;
    Fl__Query query = FL__QUERY__INIT;
    Fl__QueryRequest request = FL__QUERY_REQUEST__INIT;
    Fl__Control m = FL__CONTROL__INIT;
    query.body_case = FL__QUERY__BODY_STATUS;
    query.status = &status;
    request.id = id;
    request.query = &query;
    m.body_case = FL__CONTROL__BODY_QUERY;
    m.query = &request;
    client_says(k, client, &m);
}

/* A machine with the token whose hash is that shows a request for a certificate. */
static inline void client_joins(struct council *k, uint64_t client, struct slice token_hash)
{
    Fl__JoinRequest join = FL__JOIN_REQUEST__INIT;
    Fl__Control m = FL__CONTROL__INIT;
    join.token = pb_bytes(slice_str("the token itself"));
    join.csr_pem = pb_bytes(slice_str("CSR"));
    m.body_case = FL__CONTROL__BODY_JOIN;
    m.join = &join;
    arena_reset(&k->arena);
    client_bytes(k, client, pb_pack(&m.base, &k->arena), token_hash);
}

static inline void client_is_signed(struct council *k, uint64_t client, struct slice cert)
{
    struct coordinator_event ev = {.type = COORDINATOR_EV_SIGNED};
    ev.signed_.client = client;
    ev.signed_.cert_pem = cert;
    council_step(k, council_leader(k), &ev);
    council_settle(k);
}

/* Node `node` connects to coordinator `at` and registers. */
static inline void node_registers(struct council *k, uint64_t client, struct caller who,
                                  uint64_t incarnation)
{
    who.role = FL__ROLE__ROLE_NODE;
    client_connect(k, client, who);
    client_greets(k, client, hello_of(FL__ROLE__ROLE_NODE, who.node_id, incarnation));
}

static inline void admin_connects(struct council *k, uint64_t client, uint64_t at)
{
    client_connect(k, client, (struct caller){at, FL__ROLE__ROLE_ADMIN, 0});
    client_greets(k, client, hello_of(FL__ROLE__ROLE_ADMIN, 0, 0));
}

/* What the metadata at the leader says of the node. */
static inline Fl__NodeState node_state(const struct council *k, uint32_t node_id)
{
    struct meta_node n;
    must(meta_node(coordinator_meta(k->of[council_leader(k)]), node_id, &n));
    return n.state;
}
