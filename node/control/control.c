#include "node/control/control.h"

#include "proto/base/list.h"
#include "proto/base/map.h"
#include "proto/base/must.h"
#include "proto/base/prng.h"
#include "proto/base/sm.h"
#include "proto/cluster/frame.h"
#include "proto/cluster/pack.h"
#include "proto/smb/status.h"
#include <string.h>

#define MS UINT64_C(1000000)

enum {
    RETRY_MS = 40,         /* between attempts while nobody leads */
    CONNECT_MAX_MS = 1500, /* a coordinator that does not answer is not the leader */
    RENEW_MS = 500,
    LEASE_MARGIN_PERCENT = 5, /* clocks drift: count the lease a little shorter than granted */
    STEP_ARENA_MAX = 16 << 20,
    TROUBLE_MAX = 200,
};

enum state { WAITING, CONNECTING, GREETING, SERVING };

static const struct sm_state states[] = {
    [WAITING] = {"waiting", MAY(CONNECTING)},
    [CONNECTING] = {"connecting", MAY(GREETING) | MAY(WAITING)},
    [GREETING] = {"greeting", MAY(SERVING) | MAY(WAITING)},
    [SERVING] = {"serving", MAY(WAITING)},
};

/* A command or query without an answer. Its packed message is kept, so that it can be sent again.
 */
struct pending {
    struct list link;
    uint64_t token, sequence; /* sequence: of the command, or the query's id */
    bool command, sent;
    bool waits; /* a command that was answered STATUS_PENDING: it does not count in sent_count */
    uint8_t *bytes; /* packed Fl__Command or Fl__Query body */
    size_t len;
};

struct control {
    struct mem *mem;
    struct control_config config;
    char *coordinators[CONTROL_COORDINATORS_MAX];
    char redirect[64]; /* where NotLeader sent us, or "" */
    struct sm sm;
    uint32_t attempt; /* which coordinator to try next */
    uint64_t deadline_ns, renew_ns, asked_ns, heard_ns, lease_until_ns;
    uint64_t nonce, next_sequence;
    uint32_t lease_ms;
    struct list pending; /* in order of sequence */
    struct map by_sequence;
    uint32_t pending_count, sent_count, waiting_count;
    struct arena arena;           /* of the step */
    struct arena config_arena[2]; /* of the configuration in force, and the one before */
    uint32_t config_turn;
    uint64_t session;                 /* of our registration */
    uint64_t free_bytes, total_bytes; /* of the node's disk */
    struct control_effects effects;
    char trouble[TROUBLE_MAX];
};

static struct control_effect *emit(struct control *c, enum control_effect_type type)
{
    if (c->effects.count == c->effects.cap) {
        uint32_t cap = c->effects.cap ? c->effects.cap * 2 : 64;
        void *grown =
            mem_resize(c->mem, c->effects.items, c->effects.cap * sizeof(struct control_effect),
                       cap * sizeof(struct control_effect));
        must(grown != NULL); /* bounded by CONTROL_PENDING_MAX; budgeted by the caller */
        c->effects.items = grown;
        c->effects.cap = cap;
    }
    struct control_effect *e = &c->effects.items[c->effects.count++];
    *e = (struct control_effect){.type = type};
    return e;
}

static void set_trouble(struct control *c, const char *why)
{
    size_t len = strlen(why);
    if (len >= TROUBLE_MAX)
        len = TROUBLE_MAX - 1;
    memcpy(c->trouble, why, len);
    c->trouble[len] = '\0';
}

/* False when the step's arena is spent: nothing is sent. */
static bool send_control(struct control *c, Fl__Control *message)
{
    struct slice body = pb_pack(&message->base, &c->arena);
    uint8_t *frame = body.at ? arena_alloc(&c->arena, FRAME_HEADER + body.len) : NULL;
    if (frame == NULL)
        return false;
    memcpy(frame + FRAME_HEADER, body.at, body.len);
    struct frame f = {.kind = FRAME_CONTROL, .control = slice_of(frame + FRAME_HEADER, body.len)};
    frame_header(frame, &f);
    emit(c, CONTROL_DO_SEND)->send.bytes = slice_of(frame, FRAME_HEADER + body.len);
    return true;
}

static void set_lease(struct control *c, uint64_t until_ns)
{
    if (c->lease_until_ns == until_ns)
        return;
    c->lease_until_ns = until_ns;
    struct control_effect *e = emit(c, CONTROL_DO_LEASE);
    e->lease.until_ns = until_ns;
    e->lease.session = c->session;
}

static void wait_and_retry(struct control *c, uint64_t now_ns)
{
    sm_move(&c->sm, WAITING);
    c->attempt++;
    c->deadline_ns = now_ns + RETRY_MS * MS;
    for (struct list *it = c->pending.next; it != &c->pending; it = it->next) {
        struct pending *p = container_of(it, struct pending, link);
        p->sent = p->waits = false;
    }
    c->sent_count = c->waiting_count = 0;
}

/* Ends a line on which the other side does not count us: no leader has our Hello from it, or it has
 * sent us away itself. So nobody can take that for our death, and the lease goes on. */
static void turn_away(struct control *c, uint64_t now_ns, const char *why)
{
    set_trouble(c, why);
    emit(c, CONTROL_DO_DISCONNECT);
    wait_and_retry(c, now_ns);
}

/* This side ends the connection: the leader may take that for our death, so the lease goes first.
 */
static void hang_up(struct control *c, uint64_t now_ns, const char *why)
{
    set_lease(c, 0);
    turn_away(c, now_ns, why);
}

static void dial(struct control *c, uint64_t now_ns)
{
    sm_move(&c->sm, CONNECTING);
    c->deadline_ns = now_ns + CONNECT_MAX_MS * MS;
    const char *to = c->coordinators[c->attempt % c->config.coordinator_count];
    if (c->redirect[0] != '\0') {
        size_t len = strlen(c->redirect);
        char *copy = arena_alloc(&c->arena, len + 1);
        if (copy != NULL)
            memcpy(copy, c->redirect, len), to = copy;
        c->redirect[0] = '\0'; /* followed once: it may be stale */
    }
    emit(c, CONTROL_DO_CONNECT)->connect.address = to;
}

static void greet(struct control *c, uint64_t now_ns)
{
    sm_move(&c->sm, GREETING);
    c->heard_ns = now_ns;
    c->deadline_ns = now_ns + CONNECT_MAX_MS * MS;
    Fl__Hello hello = FL__HELLO__INIT;
    hello.version = CONTROL_VERSION;
    hello.cluster_id = pb_bytes(slice_of(c->config.cluster_id, 16));
    hello.role = (Fl__Role)c->config.role;
    hello.node_id = c->config.node_id;
    hello.incarnation = c->config.incarnation;
    hello.store_id = pb_bytes(slice_of(c->config.store_id, 16));
    Fl__Control m = FL__CONTROL__INIT;
    m.body_case = FL__CONTROL__BODY_HELLO;
    m.hello = &hello;
    (void)send_control(c, &m); /* not sent, it is not answered: the line is taken up anew */
}

static uint64_t first_unanswered(const struct control *c)
{
    for (struct list *it = c->pending.next; it != &c->pending; it = it->next) {
        struct pending *p = container_of(it, struct pending, link);
        if (p->command && !p->waits)
            return p->sequence;
    }
    return c->next_sequence;
}

/* The commands before it that wait; false when the step's arena is spent. */
static bool list_waiting(struct control *c, Fl__Command *body)
{
    body->waiting = c->waiting_count == 0
                        ? NULL
                        : arena_array(&c->arena, c->waiting_count, sizeof(*body->waiting));
    if (body->waiting == NULL && c->waiting_count > 0)
        return false;
    for (struct list *it = c->pending.next; it != &c->pending; it = it->next) {
        struct pending *p = container_of(it, struct pending, link);
        if (p->waits)
            body->waiting[body->n_waiting++] = p->sequence;
    }
    return true;
}

static void transmit(struct control *c, struct pending *p)
{
    Fl__Control m = FL__CONTROL__INIT;
    Fl__CommandRequest command = FL__COMMAND_REQUEST__INIT;
    Fl__QueryRequest query = FL__QUERY_REQUEST__INIT;
    if (p->command) {
        Fl__Command *body =
            pb_unpack(&fl__command__descriptor, slice_of(p->bytes, p->len), &c->arena);
        if (body == NULL || !list_waiting(c, body))
            return;
        body->acked_below = first_unanswered(c);
        command.command = body;
        m.body_case = FL__CONTROL__BODY_COMMAND;
        m.command = &command;
    } else {
        query.id = p->sequence;
        query.query = pb_unpack(&fl__query__descriptor, slice_of(p->bytes, p->len), &c->arena);
        if (query.query == NULL)
            return;
        m.body_case = FL__CONTROL__BODY_QUERY;
        m.query = &query;
    }
    if (!send_control(c, &m))
        return; /* it goes with the next step that sends */
    p->sent = true;
    c->sent_count++;
}

static void transmit_waiting(struct control *c)
{
    for (struct list *it = c->pending.next; it != &c->pending; it = it->next) {
        struct pending *p = container_of(it, struct pending, link);
        if (c->sent_count >= CONTROL_WINDOW || p->sequence >= first_unanswered(c) + CONTROL_WINDOW)
            return;
        if (!p->sent)
            transmit(c, p);
    }
}

static void forget(struct control *c, struct pending *p)
{
    list_remove(&p->link);
    (void)map_remove_u64(&c->by_sequence, p->sequence);
    c->pending_count--;
    c->waiting_count -= p->waits;
    c->sent_count -= p->sent && !p->waits;
    mem_free(c->mem, p->bytes, p->len);
    mem_free(c->mem, p, sizeof *p);
}

static void answer_status(struct control *c, uint64_t token, ntstatus status)
{
    Fl__Reply *reply = arena_alloc(&c->arena, sizeof *reply);
    must(reply != NULL); /* a few hundred bytes each, CONTROL_PENDING_MAX at most */
    fl__reply__init(reply);
    reply->status = status;
    struct control_effect *e = emit(c, CONTROL_DO_REPLY);
    e->reply.token = token;
    e->reply.reply = reply;
}

/* The cluster has closed our opens: what was under way is moot, and numbering starts anew. */
static void begin_new_life(struct control *c, const struct control_event *ev)
{
    hang_up(c, ev->now_ns, "declared down meanwhile; registering anew");
    c->config.incarnation = mix64(ev->entropy ^ c->config.incarnation) | 1;
    emit(c, CONTROL_DO_STATE_LOST);
    for (struct list *l; (l = list_first(&c->pending)) != NULL;) {
        struct pending *p = container_of(l, struct pending, link);
        answer_status(c, p->token, STATUS_FILE_NOT_AVAILABLE);
        forget(c, p);
    }
    c->next_sequence = 1;
}

static void on_submit(struct control *c, uint64_t token, bool is_command,
                      const ProtobufCMessage *message)
{
    struct pending *p = NULL;
    struct slice body = pb_pack(message, &c->arena);
    if (c->pending_count < CONTROL_PENDING_MAX && body.at != NULL)
        p = mem_alloc(c->mem, sizeof *p);
    if (p != NULL && (p->bytes = mem_alloc(c->mem, body.len + 1)) == NULL) {
        mem_free(c->mem, p, sizeof *p);
        p = NULL;
    }
    if (p == NULL || !map_put_u64(&c->by_sequence, c->next_sequence, p)) {
        if (p != NULL) {
            mem_free(c->mem, p->bytes, body.len + 1);
            mem_free(c->mem, p, sizeof *p);
        }
        answer_status(c, token, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    memcpy(p->bytes, body.at, body.len);
    p->len = body.len;
    p->bytes = mem_resize(c->mem, p->bytes, body.len + 1, body.len ? body.len : 1);
    must(p->bytes != NULL);
    p->token = token;
    p->command = is_command;
    p->sequence = c->next_sequence++;
    list_push_back(&c->pending, &p->link);
    c->pending_count++;
    if (c->sm.state == SERVING)
        transmit_waiting(c);
}

static void on_command(struct control *c, const struct control_event *ev)
{
    Fl__Command numbered = *ev->command.command;
    numbered.node_id = c->config.node_id;
    numbered.incarnation = c->config.incarnation;
    numbered.sequence = c->next_sequence;
    on_submit(c, ev->command.token, true, &numbered.base);
}

static void ask_lease(struct control *c, uint64_t now_ns)
{
    Fl__LeaseRequest lease = FL__LEASE_REQUEST__INIT;
    lease.nonce = ++c->nonce;
    lease.free_bytes = c->free_bytes;
    lease.total_bytes = c->total_bytes;
    Fl__Control m = FL__CONTROL__INIT;
    m.body_case = FL__CONTROL__BODY_LEASE_REQUEST;
    m.lease_request = &lease;
    c->asked_ns = now_ns;
    c->renew_ns = now_ns + RENEW_MS * MS;
    (void)send_control(c, &m); /* the next one is soon */
}

static void on_welcome(struct control *c, const struct control_event *ev, const Fl__Welcome *w)
{
    if (c->sm.state != GREETING)
        return;
    if (w->state_lost) {
        begin_new_life(c, ev);
        return;
    }
    sm_move(&c->sm, SERVING);
    c->trouble[0] = '\0';
    c->lease_ms = w->lease_ms;
    c->session = w->session;
    Fl__Subscribe subscribe = FL__SUBSCRIBE__INIT;
    subscribe.secrets = true;
    Fl__Control m = FL__CONTROL__INIT;
    m.body_case = FL__CONTROL__BODY_SUBSCRIBE;
    m.subscribe = &subscribe;
    (void)send_control(c, &m);
    ask_lease(c, ev->now_ns);
    transmit_waiting(c);
}

static void on_not_leader(struct control *c, const struct control_event *ev, const Fl__NotLeader *n)
{
    size_t len = strlen(n->leader);
    if (len < sizeof c->redirect)
        memcpy(c->redirect, n->leader, len + 1);
    turn_away(c, ev->now_ns, "no coordinator leads");
    if (c->redirect[0] != '\0')
        c->deadline_ns = ev->now_ns;
}

static void begins_to_wait(struct control *c, struct pending *p)
{
    if (p->waits)
        return;
    c->sent_count -= p->sent;
    p->waits = true;
    c->waiting_count++;
}

static void on_reply(struct control *c, uint64_t sequence, bool command, const Fl__Reply *reply)
{
    struct pending *p = map_get_u64(&c->by_sequence, sequence);
    if (p == NULL || p->command != command || reply == NULL)
        return; /* answered before: a repeated reply */
    struct control_effect *e = emit(c, CONTROL_DO_REPLY);
    e->reply.token = p->token;
    e->reply.reply = reply;
    if (command && reply->status == STATUS_PENDING)
        begins_to_wait(c, p);
    else
        forget(c, p);
    if (c->sm.state == SERVING)
        transmit_waiting(c);
}

static void on_config(struct control *c, uint64_t now_ns, const Fl__ClusterConfig *config)
{
    struct slice packed = pb_pack(&config->base, &c->arena);
    if (packed.at == NULL) { /* no bytes at all would be a configuration too: an empty one */
        hang_up(c, now_ns, "a configuration that is too large");
        return;
    }
    struct arena *a = &c->config_arena[c->config_turn++ % 2];
    arena_reset(a);
    void *kept = pb_unpack(&fl__cluster_config__descriptor, packed, a);
    must(kept != NULL); /* the arena holds any frame's worth of configuration */
    emit(c, CONTROL_DO_CONFIG)->config.config = kept;
}

static void on_grant(struct control *c, const Fl__LeaseGrant *grant)
{
    if (grant->nonce != c->nonce || c->sm.state != SERVING)
        return; /* for an earlier request: the later one's grant counts */
    uint64_t lease_ns = c->lease_ms * MS;
    set_lease(c, c->asked_ns + lease_ns - lease_ns / 100 * LEASE_MARGIN_PERCENT);
}

static void on_message(struct control *c, const struct control_event *ev)
{
    if (c->sm.state != GREETING && c->sm.state != SERVING)
        return;
    const Fl__Control *m = pb_unpack(&fl__control__descriptor, ev->message.bytes, &c->arena);
    if (m == NULL) {
        hang_up(c, ev->now_ns, "a coordinator sent what is not a message");
        return;
    }
    c->heard_ns = ev->now_ns;
    switch (m->body_case) {
    case FL__CONTROL__BODY_WELCOME: on_welcome(c, ev, m->welcome); break;
    case FL__CONTROL__BODY_NOT_LEADER: on_not_leader(c, ev, m->not_leader); break;
    case FL__CONTROL__BODY_REFUSED:
        hang_up(c, ev->now_ns, m->refused->why);
        c->deadline_ns = ev->now_ns + 1000 * MS; /* it will say the same at once */
        break;
    case FL__CONTROL__BODY_LEASE_GRANT: on_grant(c, m->lease_grant); break;
    case FL__CONTROL__BODY_COMMAND_REPLY:
        on_reply(c, m->command_reply->sequence, true, m->command_reply->reply);
        break;
    case FL__CONTROL__BODY_QUERY_REPLY:
        on_reply(c, m->query_reply->id, false, m->query_reply->reply);
        break;
    case FL__CONTROL__BODY_CONFIG: on_config(c, ev->now_ns, m->config); break;
    case FL__CONTROL__BODY_NOTICE:
        if (c->sm.state == SERVING)
            emit(c, CONTROL_DO_NOTICE)->notice.notice = m->notice;
        break;
    case FL__CONTROL__BODY__NOT_SET:
    case FL__CONTROL__BODY_HELLO:
    case FL__CONTROL__BODY_LEASE_REQUEST:
    case FL__CONTROL__BODY_COMMAND:
    case FL__CONTROL__BODY_QUERY:
    case FL__CONTROL__BODY_SUBSCRIBE:
    case FL__CONTROL__BODY_JOIN:
    case FL__CONTROL__BODY_JOINED:
    case _FL__CONTROL__BODY__CASE_IS_INT_SIZE: break; /* from a newer coordinator, or not for us */
    }
}

static void on_tick(struct control *c, uint64_t now_ns)
{
    if (c->lease_until_ns != 0 && c->lease_until_ns <= now_ns)
        set_lease(c, 0);
    switch ((enum state)c->sm.state) {
    case WAITING:
        if (c->deadline_ns <= now_ns)
            dial(c, now_ns);
        break;
    case CONNECTING:
        if (c->deadline_ns <= now_ns)
            turn_away(c, now_ns, "a coordinator does not answer");
        break;
    case GREETING:
        if (c->deadline_ns <= now_ns)
            hang_up(c, now_ns, "a coordinator does not answer");
        break;
    case SERVING:
        if (c->heard_ns + CONNECT_MAX_MS * MS <= now_ns)
            hang_up(c, now_ns, "the leader has fallen silent");
        else if (c->renew_ns <= now_ns)
            ask_lease(c, now_ns);
        break;
    }
}

const struct control_effects *control_step(struct control *c, const struct control_event *ev)
{
    arena_reset(&c->arena);
    c->effects.count = 0;
    switch (ev->type) {
    case CONTROL_EV_LINK_UP:
        if (c->sm.state == CONNECTING)
            greet(c, ev->now_ns);
        break;
    case CONTROL_EV_LINK_DOWN:
        if (c->sm.state == WAITING)
            break;
        if (!ev->link_down.by_peer && c->sm.state != CONNECTING)
            set_lease(c, 0);
        set_trouble(c, "a coordinator closed the connection");
        wait_and_retry(c, ev->now_ns);
        break;
    case CONTROL_EV_MESSAGE: on_message(c, ev); break;
    case CONTROL_EV_COMMAND: on_command(c, ev); break;
    case CONTROL_EV_QUERY: on_submit(c, ev->query.token, false, &ev->query.query->base); break;
    case CONTROL_EV_TICK: on_tick(c, ev->now_ns); break;
    }
    return &c->effects;
}

uint64_t control_next_deadline(const struct control *c)
{
    uint64_t next = c->deadline_ns;
    if (c->sm.state == SERVING) {
        next = c->heard_ns + CONNECT_MAX_MS * MS;
        if (c->renew_ns < next)
            next = c->renew_ns;
    }
    if (c->lease_until_ns != 0 && c->lease_until_ns < next)
        next = c->lease_until_ns;
    return next;
}

struct control *control_new(struct mem *mem, const struct control_config *config)
{
    must(config->coordinator_count > 0);
    must(config->coordinator_count <= CONTROL_COORDINATORS_MAX);
    struct control *c = mem_alloc(mem, sizeof *c);
    if (c == NULL)
        return NULL;
    c->mem = mem;
    c->config = *config;
    c->next_sequence = 1;
    c->attempt = config->node_id; /* nodes start at different coordinators */
    sm_init(&c->sm, "control", states, array_len(states), WAITING);
    list_init(&c->pending);
    map_init(&c->by_sequence, mem, config->incarnation);
    arena_init(&c->arena, mem, STEP_ARENA_MAX);
    arena_init(&c->config_arena[0], mem, STEP_ARENA_MAX);
    arena_init(&c->config_arena[1], mem, STEP_ARENA_MAX);
    for (size_t i = 0; i < config->coordinator_count; i++) {
        size_t len = strlen(config->coordinators[i]) + 1;
        c->coordinators[i] = mem_alloc(mem, len);
        if (c->coordinators[i] == NULL) {
            control_free(c);
            return NULL;
        }
        memcpy(c->coordinators[i], config->coordinators[i], len);
    }
    return c;
}

void control_free(struct control *c)
{
    if (c == NULL)
        return;
    for (struct list *l; (l = list_first(&c->pending)) != NULL;)
        forget(c, container_of(l, struct pending, link));
    for (size_t i = 0; i < c->config.coordinator_count; i++)
        if (c->coordinators[i] != NULL)
            mem_free(c->mem, c->coordinators[i], strlen(c->coordinators[i]) + 1);
    map_fini(&c->by_sequence);
    arena_fini(&c->arena);
    arena_fini(&c->config_arena[0]);
    arena_fini(&c->config_arena[1]);
    mem_free(c->mem, c->effects.items, c->effects.cap * sizeof(struct control_effect));
    mem_free(c->mem, c, sizeof *c);
}

void control_space(struct control *c, uint64_t free_bytes, uint64_t total_bytes)
{
    c->free_bytes = free_bytes;
    c->total_bytes = total_bytes;
}

const char *control_trouble(const struct control *c) { return c->trouble; }
bool control_serving(const struct control *c) { return c->sm.state == SERVING; }

void control_check(const struct control *c)
{
    uint32_t count = 0, sent = 0, waiting = 0;
    uint64_t last = 0;
    for (struct list *it = c->pending.next; it != &c->pending; it = it->next) {
        struct pending *p = container_of(it, struct pending, link);
        must(p->sequence > last);
        last = p->sequence;
        must(map_get_u64(&c->by_sequence, p->sequence) == p);
        count++;
        sent += p->sent && !p->waits;
        waiting += p->waits;
    }
    must(count == c->pending_count);
    must(sent == c->sent_count);
    must(waiting == c->waiting_count);
    must(c->pending_count <= CONTROL_PENDING_MAX);
    must(c->sm.state == SERVING || sent == 0);
}
