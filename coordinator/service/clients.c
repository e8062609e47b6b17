/* Nodes, witnesses, administrators and joining machines: who may say what, and their answers. */
#include "coordinator/service/service_int.h"

static struct client *find(struct coordinator *c, uint64_t id)
{
    return map_get_u64(&c->clients, id);
}

char *leader_address(struct coordinator *c, uint64_t raft_id)
{
    struct raft_member m;
    for (size_t i = 0; raft_id != 0 && raft_engine_member(c->raft, i, &m); i++) {
        if (m.id != raft_id)
            continue;
        size_t len = strlen(m.address) + 1;
        char *copy = arena_alloc(&c->arena, len);
        must(copy != NULL);
        memcpy(copy, m.address, len);
        return copy;
    }
    return (char *)(uintptr_t) "";
}

static void send_away(struct coordinator *c, struct client *client, uint64_t leader)
{
    Fl__NotLeader away = FL__NOT_LEADER__INIT;
    away.leader = leader_address(c, leader);
    Fl__Control m = FL__CONTROL__INIT;
    m.body_case = FL__CONTROL__BODY_NOT_LEADER;
    m.not_leader = &away;
    send_control(c, client->id, &m);
    drop_client(c, client, NULL);
}

void client_up(struct coordinator *c, uint64_t id, const struct coordinator_peer *peer)
{
    struct client *k = NULL;
    if (map_count(&c->clients) < COORDINATOR_CLIENTS_MAX)
        k = mem_alloc(c->mem, sizeof *k);
    if (k == NULL || !map_put_u64(&c->clients, id, k)) {
        mem_free(c->mem, k, sizeof *k);
        emit(c, COORDINATOR_DO_CLOSE)->close.client = id;
        return;
    }
    k->id = id;
    k->role = peer->role;
    k->node_id = peer->node_id;
    size_t len = strlen(peer->name);
    if (len >= sizeof k->name)
        len = sizeof k->name - 1;
    memcpy(k->name, peer->name, len);
}

void client_down(struct coordinator *c, uint64_t id, bool by_peer)
{
    struct client *k = find(c, id);
    if (k == NULL)
        return;
    struct meta_node node;
    bool was_node = k->role == FL__ROLE__ROLE_NODE && k->session != 0;
    uint32_t node_id = k->node_id;
    uint64_t session = k->session;
    drop_client(c, k, NULL);
    c->effects.count--; /* its CLOSE: the connection is gone already */
    if (was_node && by_peer && coordinator_leads(c) && meta_node(c->meta, node_id, &node) &&
        node.session == session && node.state == FL__NODE_STATE__NODE_UP)
        declare_down(c, node_id, session, "its process is gone");
}

void dismiss_clients(struct coordinator *c, uint64_t leader)
{
    uint32_t cursor = 0;
    for (struct client *k; (k = map_next(&c->clients, &cursor, NULL)) != NULL;)
        send_away(c, k, leader);
}

/* ---- Hello ----------------------------------------------------------------------------------- */

static void welcome(struct coordinator *c, struct client *k, uint64_t session, bool state_lost)
{
    struct raft_engine_status status;
    raft_engine_status(c->raft, &status);
    Fl__Welcome w = FL__WELCOME__INIT;
    w.session = session;
    w.state_lost = state_lost;
    w.lease_ms = COORDINATOR_LEASE_MS;
    w.term = status.term;
    Fl__Control m = FL__CONTROL__INIT;
    m.body_case = FL__CONTROL__BODY_WELCOME;
    m.welcome = &w;
    send_control(c, k->id, &m);
}

static void register_node(struct coordinator *c, struct client *k, const Fl__Hello *hello)
{
    struct request *r = request_new(c, REQUEST_REGISTER, k->id, 0);
    if (r == NULL) {
        drop_client(c, k, "too busy");
        return;
    }
    Fl__Register reg = FL__REGISTER__INIT;
    reg.node_id = hello->node_id;
    reg.incarnation = hello->incarnation;
    reg.store_id = hello->store_id;
    Fl__Command command = FL__COMMAND__INIT;
    command.body_case = FL__COMMAND__BODY_REGISTER_NODE;
    command.register_node = &reg;
    propose(c, r, &command);
}

static void on_hello(struct coordinator *c, struct client *k, const Fl__Hello *hello)
{
    struct meta_node node;
    if (meta_ca_cert(c->meta).len == 0)
        send_away(c, k, 0); /* the cluster is being founded: come back in a moment */
    else if (k->greeted || hello->version != 1)
        drop_client(c, k, "this coordinator speaks version 1 of the control protocol");
    else if (hello->cluster_id.len != 0 &&
             !slice_equal(pb_slice(hello->cluster_id), slice_of(c->config.raft.cluster, 16)))
        drop_client(c, k, "this is another cluster: the cluster id differs");
    else if (hello->role != k->role &&
             !(k->role == FL__ROLE__ROLE_NODE && hello->role == FL__ROLE__ROLE_WITNESS))
        drop_client(c, k, "the certificate does not allow this role");
    else if (k->role != FL__ROLE__ROLE_ADMIN &&
             (hello->node_id != k->node_id || !meta_node(c->meta, k->node_id, &node)))
        drop_client(c, k, "the certificate belongs to another node, or the node was removed");
    else if (hello->role == FL__ROLE__ROLE_NODE) {
        k->greeted = true;
        register_node(c, k, hello);
    } else {
        k->greeted = true;
        k->role = hello->role; /* a machine's witness shows the machine's certificate */
        welcome(c, k, 0, false);
    }
}

static void on_registered(struct coordinator *c, struct client *k, const Fl__Reply *reply)
{
    if (reply->status != STATUS_OK || reply->body_case != FL__REPLY__BODY_REGISTERED) {
        drop_client(c, k, reply->message);
        return;
    }
    k->session = reply->registered->session;
    lease_begin(c, k->node_id, k->session);
    welcome(c, k, k->session, reply->registered->state_lost);
    Fl__Notice **notices = NULL;
    size_t count = meta_pending_notices(c->meta, k->node_id, &c->arena, &notices);
    for (size_t i = 0; i < count; i++)
        deliver_notice(c, notices[i]);
}

/* ---- configuration and notices --------------------------------------------------------------- */

static void send_config(struct coordinator *c, struct client *k)
{
    Fl__Control m = FL__CONTROL__INIT;
    m.body_case = FL__CONTROL__BODY_CONFIG;
    m.config = meta_config(c->meta, k->secrets, &c->arena);
    must(m.config != NULL);
    send_control(c, k->id, &m);
}

void push_config(struct coordinator *c)
{
    uint32_t cursor = 0;
    for (struct client *k; (k = map_next(&c->clients, &cursor, NULL)) != NULL;) {
        struct meta_node node;
        bool of_node = k->greeted && k->role != FL__ROLE__ROLE_ADMIN;
        if (of_node && !meta_node(c->meta, k->node_id, &node))
            drop_client(c, k, "the node was removed");
        else if (k->subscribed)
            send_config(c, k);
    }
}

void deliver_notice(struct coordinator *c, const Fl__Notice *notice)
{
    if (notice->body_case == FL__NOTICE__BODY_CONFIG_CHANGED)
        return; /* pushed once, at the end of the step */
    uint32_t cursor = 0;
    for (struct client *k; (k = map_next(&c->clients, &cursor, NULL)) != NULL;) {
        if (k->role != FL__ROLE__ROLE_NODE || k->session == 0)
            continue;
        if (notice->node_id != 0 && notice->node_id != k->node_id)
            continue;
        Fl__Control m = FL__CONTROL__INIT;
        m.body_case = FL__CONTROL__BODY_NOTICE;
        m.notice = (Fl__Notice *)(uintptr_t)notice;
        send_control(c, k->id, &m);
    }
}

/* ---- commands and queries -------------------------------------------------------------------- */

/* Which roles may send a command through the log. Register, NodeDown and the like are the
 * service's. */
static bool command_allowed(const struct client *k, const Fl__Command *command)
{
    uint32_t body = (uint32_t)command->body_case;
    if (k->role == FL__ROLE__ROLE_ADMIN)
        return (body >= FL__COMMAND__BODY_NODE_ADD && body <= FL__COMMAND__BODY_USER_REMOVE &&
                body != FL__COMMAND__BODY_NODE_JOIN) ||
               body == FL__COMMAND__BODY_SHARE_SET;
    if (k->role != FL__ROLE__ROLE_NODE || k->session == 0 || command->node_id != k->node_id)
        return false;
    if (command->body_case == FL__COMMAND__BODY_RECLAIM_DONE)
        return command->reclaim_done->node_id == k->node_id;
    /* Shares are managed by Windows' tools too, through a node, which knows its administrators. */
    if (body == FL__COMMAND__BODY_SHARE_CREATE || body == FL__COMMAND__BODY_SHARE_REMOVE)
        return true;
    return (body >= FL__COMMAND__BODY_OPEN && body < FL__COMMAND__BODY_REGISTER_NODE) ||
           (body > FL__COMMAND__BODY_USER_REMOVE && body != FL__COMMAND__BODY_BREAK_TIMEOUT) ||
           body == FL__COMMAND__BODY_GROUP_EVICT || body == FL__COMMAND__BODY_GROUP_REJOIN;
}

static void on_command(struct coordinator *c, struct client *k, const Fl__Command *command)
{
    if (command == NULL || !command_allowed(k, command)) {
        drop_client(c, k, "this certificate does not allow that command");
        return;
    }
    struct request *r = request_new(c, REQUEST_COMMAND, k->id, command->sequence);
    if (r == NULL) {
        drop_client(c, k, "too busy");
        return;
    }
    Fl__Command own = *command;
    if (k->role == FL__ROLE__ROLE_ADMIN)
        own.node_id = 0;
    propose(c, r, &own);
}

static void ask(struct coordinator *c, struct client *k, enum request_kind kind, uint64_t id,
                const ProtobufCMessage *message)
{
    struct request *r = request_new(c, kind, k->id, id);
    if (r == NULL) {
        drop_client(c, k, "too busy");
        return;
    }
    struct slice bytes = message ? pb_pack(message, &c->arena) : (struct slice){0};
    if (request_keep(c, r, bytes))
        ask_read(c, r);
}

void answer_node(struct coordinator *c, uint32_t node_id, uint64_t sequence, const Fl__Reply *reply)
{
    uint32_t cursor = 0;
    for (struct client *k; (k = map_next(&c->clients, &cursor, NULL)) != NULL;) {
        if (k->role != FL__ROLE__ROLE_NODE || k->node_id != node_id || k->session == 0)
            continue;
        Fl__CommandReply answer = FL__COMMAND_REPLY__INIT;
        answer.sequence = sequence;
        answer.reply = (Fl__Reply *)(uintptr_t)reply;
        Fl__Control m = FL__CONTROL__INIT;
        m.body_case = FL__CONTROL__BODY_COMMAND_REPLY;
        m.command_reply = &answer;
        send_control(c, k->id, &m);
    }
}

static void answer_client(struct coordinator *c, struct client *k, uint64_t sequence,
                          const Fl__Reply *reply)
{
    Fl__CommandReply answer = FL__COMMAND_REPLY__INIT;
    answer.sequence = sequence;
    answer.reply = (Fl__Reply *)(uintptr_t)reply;
    Fl__Control m = FL__CONTROL__INIT;
    m.body_case = FL__CONTROL__BODY_COMMAND_REPLY;
    m.command_reply = &answer;
    send_control(c, k->id, &m);
}

static void on_joined(struct coordinator *c, struct client *k, const struct request *r,
                      const Fl__Reply *reply)
{
    if (reply->status != STATUS_OK) {
        drop_client(c, k, reply->message);
        return;
    }
    Fl__JoinReply joined = FL__JOIN_REPLY__INIT;
    joined.cert_pem = pb_bytes(slice_of(r->bytes, r->len));
    joined.ca_pem = pb_bytes(meta_ca_cert(c->meta));
    joined.config = meta_config(c->meta, false, &c->arena);
    joined.node_id = k->node_id;
    Fl__Control m = FL__CONTROL__INIT;
    m.body_case = FL__CONTROL__BODY_JOINED;
    m.joined = &joined;
    send_control(c, k->id, &m);
    drop_client(c, k, NULL);
}

void answer_command(struct coordinator *c, struct request *r, const Fl__Reply *reply)
{
    struct client *k = find(c, r->client);
    if (k == NULL)
        return;
    switch (r->kind) {
    case REQUEST_COMMAND: answer_client(c, k, r->id, reply); break;
    case REQUEST_REGISTER: on_registered(c, k, reply); break;
    case REQUEST_JOIN: on_joined(c, k, r, reply); break;
    case REQUEST_INTERNAL:
    case REQUEST_QUERY:
    case REQUEST_LEASE:
    case REQUEST_INVITED: break;
    }
}

/* The service knows what the state machine cannot: who leads, in which term. */
static void complete_status(struct coordinator *c, Fl__Reply *reply)
{
    if (reply->body_case != FL__REPLY__BODY_CLUSTER)
        return;
    struct raft_engine_status status;
    raft_engine_status(c->raft, &status);
    reply->cluster->term = status.term;
    reply->cluster->leader = (uint32_t)status.leader;
    uint32_t *voters = arena_array(&c->arena, status.member_count + 1, sizeof *voters);
    must(voters != NULL);
    struct raft_member m;
    for (size_t i = 0; raft_engine_member(c->raft, i, &m); i++)
        if (m.voter)
            voters[reply->cluster->n_voters++] = (uint32_t)m.id;
    reply->cluster->voters = voters;
}

/* A volume has room for what the disks of the nodes that are here hold, divided by its copies. */
static void complete_volume(struct coordinator *c, const Fl__Query *query, Fl__Reply *reply)
{
    if (reply->body_case != FL__REPLY__BODY_VOLUME || query->body_case != FL__QUERY__BODY_VOLUME)
        return;
    uint64_t total = 0, unused = 0;
    uint32_t cursor = 0, replicas = 1;
    for (struct client *k; (k = map_next(&c->clients, &cursor, NULL)) != NULL;) {
        if (k->role != FL__ROLE__ROLE_NODE || k->session == 0)
            continue;
        total += k->total_bytes;
        unused += k->free_bytes;
    }
    const Fl__ClusterConfig *config = meta_config(c->meta, false, &c->arena);
    for (size_t i = 0; config != NULL && i < config->n_volumes; i++)
        if (config->volumes[i]->id == query->volume->volume)
            replicas = config->volumes[i]->replicas;
    reply->volume->total_bytes = total / replicas;
    reply->volume->free_bytes = unused / replicas;
}

static void answer_query(struct coordinator *c, struct client *k, const struct request *r)
{
    Fl__Query *query = pb_unpack(&fl__query__descriptor, slice_of(r->bytes, r->len), &c->arena);
    must(query != NULL); /* packed by us */
    Fl__Reply *reply = meta_query(c->meta, query, &c->arena);
    must(reply != NULL);
    complete_status(c, reply);
    complete_volume(c, query, reply);
    Fl__QueryReply answer = FL__QUERY_REPLY__INIT;
    answer.id = r->id;
    answer.reply = reply;
    Fl__Control m = FL__CONTROL__INIT;
    m.body_case = FL__CONTROL__BODY_QUERY_REPLY;
    m.query_reply = &answer;
    send_control(c, k->id, &m);
}

/* ---- joining --------------------------------------------------------------------------------- */

static const char *node_address(struct coordinator *c, uint32_t node_id)
{
    const Fl__ClusterConfig *config = meta_config(c->meta, false, &c->arena);
    for (size_t i = 0; config != NULL && i < config->n_nodes; i++)
        if (config->nodes[i]->id == node_id)
            return config->nodes[i]->address;
    return "";
}

static void check_invitation(struct coordinator *c, struct client *k, const struct request *r)
{
    Fl__JoinRequest *join =
        pb_unpack(&fl__join_request__descriptor, slice_of(r->bytes, r->len), &c->arena);
    must(join != NULL);
    char *name = NULL;
    k->node_id = meta_invitation(c->meta, pb_slice(join->token), c->filetime, &c->arena, &name);
    if (k->node_id == 0) {
        drop_client(c, k,
                    "the token is unknown, used or expired; make a new one: flotilla node add");
        return;
    }
    size_t len = strlen(name) + 1;
    k->join_name = mem_alloc(c->mem, len);
    if (k->join_name == NULL) {
        drop_client(c, k, "too busy");
        return;
    }
    memcpy(k->join_name, name, len);
    memcpy(k->token_hash, join->token.data, sizeof k->token_hash);
    struct coordinator_effect *e = emit(c, COORDINATOR_DO_SIGN);
    e->sign.client = k->id;
    e->sign.csr_pem = pb_slice(join->csr_pem);
    e->sign.ca_key_pem = meta_ca_key(c->meta);
    e->sign.ca_cert_pem = meta_ca_cert(c->meta);
    e->sign.name = k->join_name;
    e->sign.node_id = k->node_id;
    e->sign.address = node_address(c, k->node_id);
}

void client_signed(struct coordinator *c, uint64_t id, struct slice cert_pem)
{
    struct client *k = find(c, id);
    if (k == NULL)
        return;
    struct request *r = cert_pem.len ? request_new(c, REQUEST_JOIN, id, 0) : NULL;
    if (r == NULL || !request_keep(c, r, cert_pem)) {
        drop_client(c, k, "the certificate request could not be signed");
        return;
    }
    Fl__NodeJoin join = FL__NODE_JOIN__INIT;
    join.token_hash = pb_bytes(slice_of(k->token_hash, sizeof k->token_hash));
    join.name = k->join_name;
    Fl__Command command = FL__COMMAND__INIT;
    command.body_case = FL__COMMAND__BODY_NODE_JOIN;
    command.node_join = &join;
    propose(c, r, &command);
}

static void on_join(struct coordinator *c, struct client *k, Fl__JoinRequest *join,
                    struct slice token_hash)
{
    if (k->role != FL__ROLE__ROLE_JOINING || token_hash.len != sizeof k->token_hash) {
        drop_client(c, k, "only a machine without a certificate joins");
        return;
    }
    if (k->joining) { /* else one token's certificate could come with another's number */
        drop_client(c, k, "a machine joins once");
        return;
    }
    k->joining = true;
    join->token = pb_bytes(token_hash); /* the token itself goes no further */
    ask(c, k, REQUEST_INVITED, 0, &join->base);
}

void answer_read(struct coordinator *c, struct request *r)
{
    struct client *k = find(c, r->client);
    if (k != NULL && r->kind == REQUEST_QUERY)
        answer_query(c, k, r);
    else if (k != NULL && r->kind == REQUEST_LEASE)
        lease_grant(c, k, r->id);
    else if (k != NULL && r->kind == REQUEST_INVITED)
        check_invitation(c, k, r);
    request_free(c, r);
}

/* ---- messages -------------------------------------------------------------------------------- */

static void on_subscribe(struct coordinator *c, struct client *k, const Fl__Subscribe *subscribe)
{
    k->subscribed = true;
    k->secrets = subscribe->secrets && k->role != FL__ROLE__ROLE_ADMIN;
    send_config(c, k);
}

static void dispatch(struct coordinator *c, struct client *k, Fl__Control *m,
                     const struct coordinator_event *ev)
{
    switch (m->body_case) {
    case FL__CONTROL__BODY_HELLO: on_hello(c, k, m->hello); break;
    case FL__CONTROL__BODY_LEASE_REQUEST:
        k->free_bytes = m->lease_request->free_bytes;
        k->total_bytes = m->lease_request->total_bytes;
        ask(c, k, REQUEST_LEASE, m->lease_request->nonce, NULL);
        break;
    case FL__CONTROL__BODY_COMMAND: on_command(c, k, m->command->command); break;
    case FL__CONTROL__BODY_QUERY:
        if (k->role == FL__ROLE__ROLE_WITNESS)
            drop_client(c, k, "a witness only listens");
        else if (m->query->query != NULL)
            ask(c, k, REQUEST_QUERY, m->query->id, &m->query->query->base);
        break;
    case FL__CONTROL__BODY_SUBSCRIBE: on_subscribe(c, k, m->subscribe); break;
    case FL__CONTROL__BODY_JOIN: on_join(c, k, m->join, ev->message.token_hash); break;
    case FL__CONTROL__BODY__NOT_SET:
    case FL__CONTROL__BODY_WELCOME:
    case FL__CONTROL__BODY_NOT_LEADER:
    case FL__CONTROL__BODY_REFUSED:
    case FL__CONTROL__BODY_LEASE_GRANT:
    case FL__CONTROL__BODY_COMMAND_REPLY:
    case FL__CONTROL__BODY_QUERY_REPLY:
    case FL__CONTROL__BODY_CONFIG:
    case FL__CONTROL__BODY_NOTICE:
    case FL__CONTROL__BODY_JOINED:
    case _FL__CONTROL__BODY__CASE_IS_INT_SIZE: drop_client(c, k, "not a client's message"); break;
    }
}

void client_message(struct coordinator *c, const struct coordinator_event *ev)
{
    struct client *k = find(c, ev->message.client);
    if (k == NULL)
        return;
    Fl__Control *m = pb_unpack(&fl__control__descriptor, ev->message.bytes, &c->arena);
    if (m == NULL) {
        drop_client(c, k, "not a message of the control protocol");
        return;
    }
    if (!coordinator_leads(c)) {
        struct raft_engine_status status;
        raft_engine_status(c->raft, &status);
        send_away(c, k, status.leader);
        return;
    }
    bool first = m->body_case == FL__CONTROL__BODY_HELLO || m->body_case == FL__CONTROL__BODY_JOIN;
    if (!k->greeted && !first)
        drop_client(c, k, "say Hello first");
    else
        dispatch(c, k, m, ev);
}
