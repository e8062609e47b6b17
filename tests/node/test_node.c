/* The switchboard of one node on a disk in memory, with a scripted coordinator: what one part does
 * reaches the other. The simulator has the rest. covers: route.c */
#include "node/node.h"
#include "proto/base/must.h"
#include "proto/cluster/frame.h"
#include "proto/cluster/pack.h"
#include "tests/lib/faults.h"
#include "tests/lib/simdisk.h"
#include "tests/lib/unit.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MS UINT64_C(1000000)

enum { OPS_MAX = 64, SAID = 4096 };

struct rig {
    struct mem mem;
    struct arena arena;
    struct simdisk disk;
    struct prng prng;
    struct node_config config;
    struct node *node;
    uint64_t now_ns;
    struct {
        uint64_t number, token;
    } ops[OPS_MAX]; /* of the disk, under way */
    size_t op_count;
    uint64_t nonce;
    uint8_t store_id[16];
    char said[SAID];
    size_t said_len;
};

static struct rig r;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (r.said_len > 0)
        memcpy(r.said + r.said_len, "; ", 3), r.said_len += 2;
    r.said_len += (size_t)vsnprintf(r.said + r.said_len, SAID - r.said_len, format, args);
    va_end(args);
    must(r.said_len < SAID);
}

static const char *said(void)
{
    static char taken[SAID];
    memcpy(taken, r.said, sizeof taken);
    r.said_len = 0;
    r.said[0] = '\0';
    return taken;
}

static void on_send(struct slice bytes)
{
    struct frame f;
    size_t used;
    struct arena a;
    arena_init(&a, &r.mem, 1 << 20);
    must(frame_decode(bytes, &f, &used) == FRAME_OK);
    const Fl__Control *m = pb_unpack(&fl__control__descriptor, f.control, &a);
    must(m != NULL);
    if (m->body_case == FL__CONTROL__BODY_HELLO)
        memcpy(r.store_id, m->hello->store_id.data, 16), say("hello");
    else if (m->body_case == FL__CONTROL__BODY_LEASE_REQUEST)
        r.nonce = m->lease_request->nonce;
    else if (m->body_case == FL__CONTROL__BODY_COMMAND &&
             m->command->command->body_case == FL__COMMAND__BODY_RECLAIM_DONE)
        say("reclaimed %llu by %u",
            (unsigned long long)m->command->command->reclaim_done->tickets[0],
            m->command->command->reclaim_done->node_id);
    else if (m->body_case == FL__CONTROL__BODY_COMMAND &&
             m->command->command->body_case == FL__COMMAND__BODY_INVALIDATE_DONE)
        say("invalidated %llu", (unsigned long long)m->command->command->invalidate_done->ticket);
    else
        must(m->body_case == FL__CONTROL__BODY_SUBSCRIBE);
    arena_fini(&a);
}

static void on_effect(void *ctx, const struct node_effect *e)
{
    (void)ctx;
    switch (e->type) {
    case NODE_DO_SMB_SEND: say("client sent %zu", e->smb->send.head.len); break;
    case NODE_DO_SMB_CLOSE:
        say("client %llu closed", (unsigned long long)e->smb->close.conn);
        break;
    case NODE_DO_AUTH: say("auth"); break;
    case NODE_DO_CONTROL:
        if (e->control->type == CONTROL_DO_CONNECT)
            say("connect %s", e->control->connect.address);
        else if (e->control->type == CONTROL_DO_DISCONNECT)
            say("disconnect");
        else
            on_send(e->control->send.bytes);
        break;
    case NODE_DO_PEER: say("peer %u", e->peer.node_id); break;
    case NODE_DO_DISK:
        must(r.op_count < OPS_MAX);
        r.ops[r.op_count].number = simdisk_start(&r.disk, e->disk.op);
        r.ops[r.op_count++].token = e->disk.token;
        break;
    case NODE_DO_CONFIG: say("config"); break;
    case NODE_DO_LEASE: say(e->lease_valid ? "serve" : "stop"); break;
    case NODE_DO_REFUSED: say("refused"); break;
    }
}

static void step_once(struct node_event *ev)
{
    ev->now_ns = r.now_ns;
    ev->filetime = 1;
    for (int i = 0; i < 4; i++)
        ev->entropy[i] = prng_u64(&r.prng);
    node_step(r.node, ev);
    node_check(r.node);
}

/* One step, and everything the disk does because of it. */
static void step(struct node_event ev)
{
    step_once(&ev);
    while (r.op_count > 0) {
        struct node_event done = {.type = NODE_EV_DISK, .disk = {.token = r.ops[0].token}};
        done.disk.result = simdisk_finish(&r.disk, r.ops[0].number, &r.prng, &done.disk.count);
        memmove(r.ops, r.ops + 1, --r.op_count * sizeof r.ops[0]);
        step_once(&done);
    }
}

static void pass(uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        r.now_ns += MS;
        if (node_next_deadline(r.node) <= r.now_ns)
            step((struct node_event){.type = NODE_EV_TICK});
    }
}

static void start(uint64_t incarnation)
{
    static const char *const coordinators[] = {"a:1"};
    static const struct node_sink sink = {on_effect, NULL};
    r.config = (struct node_config){.node_id = 2,
                                    .cluster_id = "the cluster's id",
                                    .incarnation = incarnation,
                                    .coordinators = coordinators,
                                    .coordinator_count = 1,
                                    .buffer_bytes_max = 64 << 20};
    r.config.smb.server_name = "TEST";
    r.config.smb.connections_max = r.config.smb.sessions_max = 8;
    r.config.smb.channels_max = r.config.smb.trees_max = 8;
    r.config.smb.opens_max = r.config.smb.requests_max = 64;
    r.config.replication = replication_defaults();
    r.config.replication.requests_max = r.config.replication.ops_max = 32;
    r.config.replication.applies_max = r.config.replication.parts_max = 32;
    r.config.replication.dirty_max = 64;
    r.config.replication.buffers_max = 2;
    r.config.replication.groups_max = r.config.replication.nodes_max = 8;
    r.config.replication.incarnation = incarnation;
    r.config.store = (struct store_config){.ops_max = 64, .bounces_max = 2, .hot_max = 64};
    r.node = node_new(&r.mem, &r.config, &sink);
    must(r.node != NULL);
}

static int set_up(void **state)
{
    (void)state;
    memset(&r, 0, sizeof r);
    r.mem = test_mem(SIZE_MAX);
    r.now_ns = 1000 * MS;
    prng_init(&r.prng, 7);
    simdisk_init(&r.disk);
    arena_init(&r.arena, &r.mem, 1 << 20);
    start(100);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    node_free(r.node);
    simdisk_fini(&r.disk);
    arena_fini(&r.arena);
    test_mem_check(&r.mem);
    return 0;
}

/* ---- the coordinator ------------------------------------------------------------------------- */

static void line(struct control_event ev)
{
    step((struct node_event){.type = NODE_EV_CONTROL, .control = &ev});
}

static void hear(Fl__Control *m)
{
    arena_reset(&r.arena);
    line((struct control_event){.type = CONTROL_EV_MESSAGE,
                                .message = {.bytes = pb_pack(&m->base, &r.arena)}});
}

static void hear_welcome(uint64_t session)
{
    Fl__Welcome w = FL__WELCOME__INIT;
    Fl__Control m = FL__CONTROL__INIT;
    w.session = session;
    w.lease_ms = 3000;
    m.body_case = FL__CONTROL__BODY_WELCOME;
    m.welcome = &w;
    hear(&m);
}

static void hear_grant(void)
{
    Fl__LeaseGrant grant = FL__LEASE_GRANT__INIT;
    Fl__Control m = FL__CONTROL__INIT;
    grant.nonce = r.nonce;
    m.body_case = FL__CONTROL__BODY_LEASE_GRANT;
    m.lease_grant = &grant;
    hear(&m);
}

/* This node alone, in that session, with one volume of one group. */
static void hear_config(uint64_t session)
{
    static uint32_t two[] = {2}, one[] = {1};
    Fl__Node node = FL__NODE__INIT, *nodes[] = {&node};
    Fl__Volume volume = FL__VOLUME__INIT, *volumes[] = {&volume};
    Fl__Group group = FL__GROUP__INIT, *groups[] = {&group};
    Fl__ClusterConfig config = FL__CLUSTER_CONFIG__INIT;
    Fl__Control m = FL__CONTROL__INIT;
    node.id = 2;
    node.state = FL__NODE_STATE__NODE_UP;
    node.session = session;
    volume.id = group.id = group.volume = 1;
    volume.replicas = 1;
    volume.extent_bytes = 64 << 20;
    volume.groups = one;
    volume.n_groups = group.n_members = group.n_in_sync = 1;
    group.epoch = 1;
    group.members = group.in_sync = two;
    group.primary = 2;
    config.nodes = nodes;
    config.volumes = volumes;
    config.groups = groups;
    config.n_nodes = config.n_volumes = config.n_groups = 1;
    m.body_case = FL__CONTROL__BODY_CONFIG;
    m.config = &config;
    hear(&m);
}

static void begin(void)
{
    step((struct node_event){.type = NODE_EV_START});
    pass(2);
    line((struct control_event){.type = CONTROL_EV_LINK_UP});
}

static void serve(void)
{
    begin();
    hear_welcome(1);
    hear_config(1);
    hear_grant();
    (void)said();
}

/* ---- scenarios ------------------------------------------------------------------------------- */

static void the_line_begins_when_the_store_is_ready(void **state)
{
    (void)state;
    pass(100);
    assert_string_equal(said(), "");
    begin();
    assert_string_equal(said(), "connect a:1; hello");
    static const uint8_t none[16];
    assert_memory_not_equal(r.store_id, none, 16);
}

static void the_store_keeps_its_identity(void **state)
{
    (void)state;
    uint8_t first[16];
    begin();
    memcpy(first, r.store_id, 16);
    node_free(r.node);
    start(101);
    begin();
    assert_memory_equal(r.store_id, first, 16);
    node_free(r.node);
    start(102);
    memcpy(r.config.cluster_id, "another cluster.", 16);
    node_free(r.node);
    r.node = node_new(&r.mem, &r.config, &(struct node_sink){on_effect, NULL});
    (void)said();
    begin();
    assert_string_equal(said(), "refused"); /* the disk belongs to another cluster */
    assert_true(node_next_deadline(r.node) == UINT64_MAX);
}

/* A configuration of before the registration may name what this node no longer has. */
static void serving_needs_lease_and_configuration(void **state)
{
    (void)state;
    begin();
    (void)said();
    hear_welcome(3);
    hear_grant();
    assert_string_equal(said(), "");
    hear_config(2); /* of the session before */
    assert_string_equal(said(), "config");
    hear_config(3);
    assert_string_equal(said(), "config; serve");
    struct node_stats stats;
    node_stats(r.node, &stats);
    assert_true(stats.lease && stats.serving);
}

static void serving_ends_with_the_lease(void **state)
{
    (void)state;
    serve();
    line((struct control_event){.type = CONTROL_EV_LINK_DOWN, .link_down = {.by_peer = true}});
    assert_string_equal(said(), "");
    uint64_t asked_ns = r.now_ns;
    while (strstr(r.said, "stop") == NULL && r.now_ns < asked_ns + 5000 * MS) {
        pass(1);
        if (strstr(r.said, "connect") != NULL && strstr(r.said, "stop") == NULL)
            line((struct control_event){.type = CONTROL_EV_LINK_DOWN, .link_down = {true}}),
                (void)said();
    }
    uint64_t lasted_ms = (r.now_ns - asked_ns) / MS;
    assert_true(lasted_ms > 2800 && lasted_ms <= 2850);

    line((struct control_event){.type = CONTROL_EV_LINK_DOWN, .link_down = {true}});
    (void)said();
}

static void a_line_we_end_ends_serving_first(void **state)
{
    (void)state;
    serve();
    pass(1600); /* the leader is silent */
    assert_true(strncmp(said(), "stop; disconnect", 16) == 0);
}

/* Notice → replication → store → disk → replication → command, and notice → smb → command. */
static void notices_find_their_part(void **state)
{
    (void)state;
    Fl__Notice notice = FL__NOTICE__INIT;
    Fl__Reclaim reclaim = FL__RECLAIM__INIT;
    Fl__CacheInvalidate invalidate = FL__CACHE_INVALIDATE__INIT;
    Fl__Control m = FL__CONTROL__INIT;
    serve();
    m.body_case = FL__CONTROL__BODY_NOTICE;
    m.notice = &notice;
    reclaim.volume = invalidate.volume = 1;
    reclaim.inode = invalidate.inode = 55;
    reclaim.ticket = 9;
    invalidate.ticket = 8;
    notice.body_case = FL__NOTICE__BODY_RECLAIM;
    notice.reclaim = &reclaim;
    hear(&m);
    pass(2);
    assert_string_equal(said(), "reclaimed 9 by 2");
    notice.body_case = FL__NOTICE__BODY_CACHE_INVALIDATE;
    notice.cache_invalidate = &invalidate;
    hear(&m);
    assert_string_equal(said(), "invalidated 8");
}

static void a_client_that_talks_nonsense_is_closed(void **state)
{
    (void)state;
    serve();
    struct smb_event ev = {.type = SMB_EV_CONNECT};
    ev.connect.conn = 4;
    ev.connect.peer = ev.connect.local = "127.0.0.1";
    step((struct node_event){.type = NODE_EV_SMB, .smb = &ev});
    ev = (struct smb_event){.type = SMB_EV_FRAME};
    ev.frame.conn = 4;
    ev.frame.len = 70;
    ev.frame.buf = node_buffer_get(r.node, ev.frame.len, &ev.frame.at);
    memset(ev.frame.at, 0x5a, ev.frame.len);
    handle buf = ev.frame.buf;
    step((struct node_event){.type = NODE_EV_SMB, .smb = &ev});
    assert_string_equal(said(), "client 4 closed");
    /* The frame's buffer is free again: the next one of its size is the same. */
    uint8_t *at;
    handle next = node_buffer_get(r.node, 70, &at);
    assert_ptr_equal(at, ev.frame.at);
    node_buffer_put(r.node, buf);
    node_buffer_put(r.node, next);
}

static void memory_refused_at_start(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 2000; nth++) {
        struct mem mem = test_mem(SIZE_MAX);
        faults_arm(nth);
        struct node *n = node_new(&mem, &r.config, &(struct node_sink){on_effect, NULL});
        bool fired = faults_fired();
        assert_true(n != NULL || fired); /* it does without a trace */
        node_free(n);
        test_mem_check(&mem);
        if (!fired)
            break;
    }
}

#define SCENARIO(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENARIO(the_line_begins_when_the_store_is_ready), SCENARIO(the_store_keeps_its_identity),
        SCENARIO(serving_needs_lease_and_configuration),   SCENARIO(serving_ends_with_the_lease),
        SCENARIO(a_line_we_end_ends_serving_first),        SCENARIO(notices_find_their_part),
        SCENARIO(a_client_that_talks_nonsense_is_closed),  SCENARIO(memory_refused_at_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
