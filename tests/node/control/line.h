#pragma once
/* A node's line with a scripted coordinator at its other end. Each step's effects are kept as one
 * line of words, so that a test states what was done, in its order:
 *
 *     "lease 0; disconnect"        "send hello"        "reply 7 0x0; send command 9 acked 9"
 */
#include "node/control/control.h"
#include "proto/base/must.h"
#include "proto/cluster/frame.h"
#include "proto/cluster/pack.h"
#include "proto/smb/status.h"
#include "tests/lib/faults.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MS UINT64_C(1000000)

enum { LINE_SAID = 1 << 17 };

struct line {
    struct mem mem;
    struct arena arena; /* of the message being made */
    struct control *control;
    uint64_t now_ns, nonce;
    uint64_t incarnation; /* in the last Hello */
    Fl__Role role;
    uint8_t store;                    /* first byte of the store's id in the last Hello */
    uint32_t node_id, replies, heard; /* heard: commands */
    uint64_t free_bytes, total_bytes; /* in the last LeaseRequest */
    char said[LINE_SAID];             /* effects of the last step */
    size_t said_len;
};

__attribute__((format(printf, 2, 3))) static inline void line_say(struct line *l,
                                                                  const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (l->said_len > 0 && l->said_len + 2 < LINE_SAID)
        memcpy(l->said + l->said_len, "; ", 3), l->said_len += 2;
    int n = vsnprintf(l->said + l->said_len, LINE_SAID - l->said_len, format, args);
    va_end(args);
    must(n >= 0);
    l->said_len += (size_t)n;
    must(l->said_len < LINE_SAID);
}

static inline void line_heard(struct line *l, const Fl__Control *m)
{
    if (m->body_case == FL__CONTROL__BODY_HELLO) {
        l->incarnation = m->hello->incarnation;
        l->role = m->hello->role;
        l->node_id = m->hello->node_id;
        must(m->hello->version == CONTROL_VERSION);
        must(m->hello->store_id.len == 16);
        must(m->hello->cluster_id.len == 16);
        l->store = m->hello->store_id.data[0];
        line_say(l, "send hello");
    } else if (m->body_case == FL__CONTROL__BODY_SUBSCRIBE) {
        line_say(l, "send subscribe%s", m->subscribe->secrets ? " secrets" : "");
    } else if (m->body_case == FL__CONTROL__BODY_LEASE_REQUEST) {
        l->nonce = m->lease_request->nonce;
        l->free_bytes = m->lease_request->free_bytes;
        l->total_bytes = m->lease_request->total_bytes;
        line_say(l, "send lease");
    } else if (m->body_case == FL__CONTROL__BODY_COMMAND) {
        const Fl__Command *c = m->command->command;
        must(c->incarnation == l->incarnation);
        must(c->node_id == l->node_id);
        l->heard++;
        line_say(
            l, "send command %llu of %llu acked %llu", (unsigned long long)c->sequence,
            (unsigned long long)(c->body_case == FL__COMMAND__BODY_CLOSE ? c->close->open_id : 0),
            (unsigned long long)c->acked_below);
        for (size_t i = 0; i < c->n_waiting; i++)
            line_say(l, "waiting %llu", (unsigned long long)c->waiting[i]);
    } else {
        must(m->body_case == FL__CONTROL__BODY_QUERY);
        line_say(l, "send query %llu", (unsigned long long)m->query->id);
    }
}

static inline void line_effect(struct line *l, const struct control_effect *e)
{
    struct frame f;
    size_t used = 0;
    struct arena a;
    switch (e->type) {
    case CONTROL_DO_CONNECT: line_say(l, "connect %s", e->connect.address); break;
    case CONTROL_DO_DISCONNECT: line_say(l, "disconnect"); break;
    case CONTROL_DO_SEND: {
        arena_init(&a, &l->mem, 1 << 20);
        must(frame_decode(e->send.bytes, &f, &used) == FRAME_OK);
        must(f.kind == FRAME_CONTROL);
        must(used == e->send.bytes.len);
        const Fl__Control *m = pb_unpack(&fl__control__descriptor, f.control, &a);
        must(m != NULL);
        line_heard(l, m);
        arena_fini(&a);
        break;
    }
    case CONTROL_DO_REPLY:
        l->replies++;
        line_say(l, "reply %llu %#x", (unsigned long long)e->reply.token, e->reply.reply->status);
        break;
    case CONTROL_DO_CONFIG:
        line_say(l, "config %llu", (unsigned long long)e->config.config->version);
        break;
    case CONTROL_DO_NOTICE: line_say(l, "notice to %u", e->notice.notice->node_id); break;
    case CONTROL_DO_LEASE:
        line_say(l, "lease %llu", (unsigned long long)(e->lease.until_ns / MS));
        if (e->lease.until_ns != 0)
            line_say(l, "of session %llu", (unsigned long long)e->lease.session);
        break;
    case CONTROL_DO_STATE_LOST: line_say(l, "state lost"); break;
    }
}

/* One step; returns what was done. */
static inline const char *line_step(struct line *l, struct control_event ev)
{
    ev.now_ns = l->now_ns;
    ev.entropy = 77;
    l->said[0] = '\0';
    l->said_len = 0;
    const struct control_effects *fx = control_step(l->control, &ev);
    for (uint32_t i = 0; i < fx->count; i++)
        line_effect(l, &fx->items[i]);
    control_check(l->control);
    return l->said;
}

static inline const char *line_up(struct line *l)
{
    return line_step(l, (struct control_event){.type = CONTROL_EV_LINK_UP});
}

static inline const char *line_down(struct line *l, bool by_peer)
{
    return line_step(l,
                     (struct control_event){.type = CONTROL_EV_LINK_DOWN, .link_down = {by_peer}});
}

/* `ms` pass, then a tick. */
static inline const char *line_after(struct line *l, uint64_t ms)
{
    l->now_ns += ms * MS;
    return line_step(l, (struct control_event){.type = CONTROL_EV_TICK});
}

/* The coordinator says this. */
static inline const char *line_hear(struct line *l, Fl__Control *m)
{
    arena_reset(&l->arena);
    struct slice packed = pb_pack(&m->base, &l->arena);
    must(packed.at != NULL);
    return line_step(
        l, (struct control_event){.type = CONTROL_EV_MESSAGE, .message = {.bytes = packed}});
}

#define LINE_MESSAGE(BODY, field, TYPE, type)                                                      \
    Fl__##TYPE body = FL__##type##__INIT;                                                          \
    Fl__Control m = FL__CONTROL__INIT;                                                             \
    m.body_case = FL__CONTROL__BODY_##BODY;                                                        \
    m.field = &body

static inline const char *line_welcome(struct line *l, uint64_t session, bool state_lost)
{
    LINE_MESSAGE(WELCOME, welcome, Welcome, WELCOME);
    body.session = session;
    body.state_lost = state_lost;
    body.lease_ms = 3000;
    return line_hear(l, &m);
}

static inline const char *line_grant(struct line *l, uint64_t nonce)
{
    LINE_MESSAGE(LEASE_GRANT, lease_grant, LeaseGrant, LEASE_GRANT);
    body.nonce = nonce;
    return line_hear(l, &m);
}

static inline const char *line_not_leader(struct line *l, const char *leader)
{
    LINE_MESSAGE(NOT_LEADER, not_leader, NotLeader, NOT_LEADER);
    body.leader = (char *)(uintptr_t)leader;
    return line_hear(l, &m);
}

static inline const char *line_refuse(struct line *l, const char *why)
{
    LINE_MESSAGE(REFUSED, refused, Refused, REFUSED);
    body.why = (char *)(uintptr_t)why;
    return line_hear(l, &m);
}

static inline const char *line_config(struct line *l, uint64_t version)
{
    LINE_MESSAGE(CONFIG, config, ClusterConfig, CLUSTER_CONFIG);
    body.version = version;
    return line_hear(l, &m);
}

static inline const char *line_notice(struct line *l, uint32_t node_id)
{
    LINE_MESSAGE(NOTICE, notice, Notice, NOTICE);
    body.node_id = node_id;
    return line_hear(l, &m);
}

static inline const char *line_answer(struct line *l, uint64_t sequence, ntstatus status)
{
    LINE_MESSAGE(COMMAND_REPLY, command_reply, CommandReply, COMMAND_REPLY);
    Fl__Reply reply = FL__REPLY__INIT;
    reply.status = status;
    body.sequence = sequence;
    body.reply = &reply;
    return line_hear(l, &m);
}

static inline const char *line_found(struct line *l, uint64_t id)
{
    LINE_MESSAGE(QUERY_REPLY, query_reply, QueryReply, QUERY_REPLY);
    Fl__Reply reply = FL__REPLY__INIT;
    body.id = id;
    body.reply = &reply;
    return line_hear(l, &m);
}

/* The node closes open `token`, or asks for the configuration. */
static inline const char *line_command(struct line *l, uint64_t token)
{
    Fl__Close close = FL__CLOSE__INIT;
    Fl__Command command = FL__COMMAND__INIT;
    close.open_id = token;
    command.body_case = FL__COMMAND__BODY_CLOSE;
    command.close = &close;
    return line_step(l, (struct control_event){.type = CONTROL_EV_COMMAND,
                                               .command = {.token = token, .command = &command}});
}

static inline const char *line_query(struct line *l, uint64_t token)
{
    Fl__QueryConfig config = FL__QUERY_CONFIG__INIT;
    Fl__Query query = FL__QUERY__INIT;
    query.body_case = FL__QUERY__BODY_CONFIG;
    query.config = &config;
    return line_step(l, (struct control_event){.type = CONTROL_EV_QUERY,
                                               .query = {.token = token, .query = &query}});
}

/* Node 3 of a cluster with the coordinators a, b and c. */
static inline void line_init(struct line *l)
{
    static const char *const coordinators[] = {"a:1", "b:1", "c:1"};
    memset(l, 0, sizeof *l);
    l->mem = test_mem(64 << 20);
    l->now_ns = 1000 * MS;
    arena_init(&l->arena, &l->mem, 1 << 20);
    struct control_config config = {.node_id = 3,
                                    .cluster_id = "the cluster's id",
                                    .store_id = "S",
                                    .incarnation = 500,
                                    .coordinators = coordinators,
                                    .coordinator_count = 3,
                                    .role = FL__ROLE__ROLE_NODE};
    l->control = control_new(&l->mem, &config);
    must(l->control != NULL);
}

static inline void line_fini(struct line *l)
{
    control_free(l->control);
    arena_fini(&l->arena);
    test_mem_check(&l->mem);
}

/* Connected, registered as session 1, with the lease asked for at 1000 ms granted 10 ms later. */
static inline void line_serve(struct line *l)
{
    (void)line_after(l, 0);
    (void)line_up(l);
    (void)line_welcome(l, 1, false);
    l->now_ns += 10 * MS;
    (void)line_grant(l, l->nonce);
}
