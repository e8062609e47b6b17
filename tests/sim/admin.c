/* The administrator: waits until every node is up, then makes a volume, a share and a user, and
 * asks again after every mishap. */
#include "tests/sim/cluster.h"

#include "proto/cluster/frame.h"
#include "proto/cluster/pack.h"
#include "proto/smb/status.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_NS (100 * MS)
#define PATIENCE_NS (3 * SECOND)

enum admin_step { ADMIN_STATUS, ADMIN_VOLUME, ADMIN_SHARE, ADMIN_USER, ADMIN_DONE };

struct admin {
    struct world *w;
    struct proc proc;
    struct conn *conn;
    enum admin_step step;
    uint32_t next; /* coordinator to try */
    uint64_t run;  /* of the connection, for the patience's timer */
    struct mem mem;
};

static void dial(struct world *w, void *object, uint64_t arg, void *data);

static void again(struct admin *a)
{
    if (a->conn != NULL)
        net_close(a->w, a->conn, &a->proc);
    a->conn = NULL;
    a->run++;
    world_at(a->w,
             (struct event){
                 .at_ns = a->w->now_ns + RETRY_NS, .proc = &a->proc, .run = dial, .object = a});
}

static void send_control(struct admin *a, Fl__Control *m)
{
    uint8_t head[FRAME_HEADER];
    struct arena arena;
    arena_init(&arena, &a->mem, 1 << 20);
    struct frame f = {.kind = FRAME_CONTROL, .control = pb_pack(&m->base, &arena)};
    frame_header(head, &f);
    net_send(a->w, a->conn, &a->proc, slice_of(head, sizeof head), f.control);
    arena_fini(&arena);
}

static void send_command(struct admin *a, Fl__Command *command)
{
    Fl__CommandRequest request = FL__COMMAND_REQUEST__INIT;
    Fl__Control m = FL__CONTROL__INIT;
    command->sequence = 1;
    request.command = command;
    m.body_case = FL__CONTROL__BODY_COMMAND;
    m.command = &request;
    send_control(a, &m);
}

static void ask_status(struct admin *a)
{
    Fl__QueryStatus status = FL__QUERY_STATUS__INIT;
    Fl__Query query = FL__QUERY__INIT;
    Fl__QueryRequest request = FL__QUERY_REQUEST__INIT;
    Fl__Control m = FL__CONTROL__INIT;
    query.body_case = FL__QUERY__BODY_STATUS;
    query.status = &status;
    request.id = 1;
    request.query = &query;
    m.body_case = FL__CONTROL__BODY_QUERY;
    m.query = &request;
    send_control(a, &m);
}

static void go_on(struct admin *a)
{
    const struct cluster *k = a->w->cluster;
    Fl__Command c = FL__COMMAND__INIT;
    Fl__VolumeCreate volume = FL__VOLUME_CREATE__INIT;
    Fl__ShareCreate share = FL__SHARE_CREATE__INIT;
    Fl__Share what = FL__SHARE__INIT;
    Fl__UserAdd user = FL__USER_ADD__INIT;
    char volume_name[] = "volume", share_name[] = "data", user_name[] = "user";
    uint8_t hash[16] = {1};
    switch (a->step) {
    case ADMIN_STATUS: ask_status(a); return;
    case ADMIN_VOLUME:
        volume.name = volume_name;
        volume.replicas = k->replicas;
        volume.groups = k->groups;
        volume.extent_bytes = EXTENT_BYTES;
        c.body_case = FL__COMMAND__BODY_VOLUME_CREATE;
        c.volume_create = &volume;
        break;
    case ADMIN_SHARE:
        what.name = share_name;
        share.share = &what;
        share.volume = volume_name;
        c.body_case = FL__COMMAND__BODY_SHARE_CREATE;
        c.share_create = &share;
        break;
    case ADMIN_USER:
        user.name = user_name;
        user.nt_hash = (ProtobufCBinaryData){sizeof hash, hash};
        c.body_case = FL__COMMAND__BODY_USER_ADD;
        c.user_add = &user;
        break;
    case ADMIN_DONE: return;
    }
    send_command(a, &c);
}

static void on_up(void *owner, struct conn *c)
{
    struct admin *a = owner;
    if (c != a->conn)
        return;
    Fl__Hello hello = FL__HELLO__INIT;
    Fl__Control m = FL__CONTROL__INIT;
    hello.version = 1;
    hello.role = FL__ROLE__ROLE_ADMIN;
    m.body_case = FL__CONTROL__BODY_HELLO;
    m.hello = &hello;
    send_control(a, &m);
}

static void on_down(void *owner, struct conn *c, bool by_peer)
{
    (void)by_peer;
    struct admin *a = owner;
    if (c != a->conn)
        return;
    a->conn = NULL;
    again(a);
}

static bool all_up(const Fl__Reply *r)
{
    size_t up = 0;
    if (r->body_case != FL__REPLY__BODY_CLUSTER || r->cluster->config == NULL)
        return false;
    for (size_t i = 0; i < r->cluster->config->n_nodes; i++)
        up += r->cluster->config->nodes[i]->state == FL__NODE_STATE__NODE_UP;
    return up == MACHINES;
}

static void on_control(struct admin *a, const Fl__Control *m)
{
    const Fl__Reply *r = NULL;
    switch ((int)m->body_case) {
    case FL__CONTROL__BODY_WELCOME: go_on(a); return;
    case FL__CONTROL__BODY_QUERY_REPLY:
        a->step = all_up(m->query_reply->reply) ? ADMIN_VOLUME : ADMIN_STATUS;
        again(a);
        return;
    case FL__CONTROL__BODY_COMMAND_REPLY: r = m->command_reply->reply; break;
    case FL__CONTROL__BODY_NOT_LEADER:
        a->next = m->not_leader->leader[0] == 'c' ? (uint32_t)(m->not_leader->leader[1] - '1')
                                                  : a->next + 1;
        again(a);
        return;
    default: /* refused, or nothing for us */ again(a); return;
    }
    if (r->status == STATUS_OK || r->status == STATUS_OBJECT_NAME_COLLISION)
        a->step++;
    else
        world_tell(a->w, "the administrator is told %08x: %s", r->status, r->message);
    if (a->step != ADMIN_DONE)
        go_on(a);
}

static void on_message(void *owner, struct conn *c, struct slice bytes)
{
    struct admin *a = owner;
    struct frame f;
    size_t used;
    struct arena arena;
    if (c != a->conn)
        return;
    must(frame_decode(bytes, &f, &used) == FRAME_OK);
    arena_init(&arena, &a->mem, 1 << 20);
    const Fl__Control *m = pb_unpack(&fl__control__descriptor, f.control, &arena);
    must(m != NULL);
    on_control(a, m);
    arena_fini(&arena);
}

static const struct net_calls calls = {on_up, on_down, on_message};

static void impatient(struct world *w, void *object, uint64_t run, void *data)
{
    (void)w;
    (void)data;
    struct admin *a = object;
    if (run == a->run && a->step != ADMIN_DONE)
        again(a);
}

static void dial(struct world *w, void *object, uint64_t arg, void *data)
{
    (void)arg;
    (void)data;
    struct admin *a = object;
    if (a->conn != NULL || a->step == ADMIN_DONE)
        return;
    struct net_dial d = {.from = &a->proc,
                         .to = &w->cluster->coords[a->next++ % MACHINES].listener,
                         .service = SERVICE_CONTROL,
                         .calls = &calls,
                         .owner = a};
    a->conn = net_dial(w, &d);
    world_at(w, (struct event){.at_ns = w->now_ns + PATIENCE_NS,
                               .proc = &a->proc,
                               .run = impatient,
                               .object = a,
                               .arg = a->run});
}

struct admin *admin_new(struct world *w)
{
    struct admin *a = take(sizeof *a);
    a->w = w;
    a->proc = (struct proc){.host = HOSTS - 1, .kind = "administrator", .number = 1};
    a->mem = sim_mem();
    return a;
}

void admin_free(struct admin *a) { free(a); }

void admin_begin(struct admin *a)
{
    proc_start(&a->proc);
    again(a);
}

bool admin_finished(const struct admin *a) { return a->step == ADMIN_DONE; }
