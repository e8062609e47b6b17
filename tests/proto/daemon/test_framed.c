/* covers: framed.c link.c */
#include "proto/base/must.h"
#include "proto/base/prng.h"
#include "proto/daemon/endpoint.h"
#include "proto/daemon/framed.h"
#include "proto/daemon/link.h"
#include "tests/lib/unit.h"
#include "tests/proto/daemon/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct pki_subject node_1 = {.name = "n1", .role = TLS_ROLE_NODE, .node_id = 1};
static const struct pki_subject node_2 = {.name = "n2", .role = TLS_ROLE_NODE, .node_id = 2};

enum { FRAMES = 60 };

/* The i-th frame of the test: sizes from nothing to much. */
static struct frame frame_number(uint32_t i, uint8_t *mem)
{
    size_t control = i % 7 * 100, data = i % 5 == 4 ? 200000 : i;
    memset(mem, (int)i, control + data);
    return (struct frame){
        .kind = i % 2 == 0 ? FRAME_CONTROL : FRAME_PEER,
        .control = slice_of(mem, control),
        .data = slice_of(mem + control, data),
    };
}

static void check_frame(const struct frame *f, uint32_t i)
{
    static uint8_t mem[300000];
    struct frame want = frame_number(i, mem);
    assert_int_equal(f->kind, want.kind);
    assert_true(slice_equal(f->control, want.control));
    assert_true(slice_equal(f->data, want.data));
}

struct end {
    struct framed *framed;
    uint32_t sent, received;
    enum framed_event last;
};

/* Takes what there is, and answers with frames of its own once up. */
static void work(struct end *e)
{
    static uint8_t mem[300000];
    struct frame f;
    while ((e->last = framed_next(e->framed, &f)) != FRAMED_MORE) {
        if (e->last == FRAMED_CLOSED || e->last == FRAMED_FAILED)
            return;
        if (e->last == FRAMED_FRAME)
            check_frame(&f, e->received++);
    }
    for (; framed_up(e->framed) && e->sent < FRAMES; e->sent++) {
        f = frame_number(e->sent, mem);
        assert_true(framed_send_parts(e->framed, &f));
    }
}

static bool carry(struct end *from, struct end *to, struct prng *p)
{
    static uint8_t piece[20000];
    bool any = false;
    for (size_t n; (n = framed_pull(from->framed, piece, 1 + prng_below(p, sizeof(piece)))) > 0;
         any = true) {
        framed_feed(to->framed, slice_of(piece, n));
        work(to);
    }
    return any;
}

/* Until both have said all they have to say. */
static void talk(struct end *client, struct end *server)
{
    struct prng p;
    prng_init(&p, 1);
    framed_feed(client->framed, (struct slice){0});
    bool any = true;
    while (any) {
        any = carry(client, server, &p);
        any = carry(server, client, &p) || any;
    }
}

static void test_frames_both_ways(void **state)
{
    (void)state;
    struct identity one = make_identity(&node_1, NULL, 30), two = make_identity(&node_2, &one, 30);
    struct tls_context *a = context_of(&one), *b = context_of(&two);
    struct end server = {.framed = framed_new(a, true)}, client = {.framed = framed_new(b, false)};
    struct prng p;
    prng_init(&p, 2);
    talk(&client, &server);
    assert_int_equal(server.received, FRAMES);
    assert_int_equal(client.received, FRAMES);
    assert_int_equal(framed_peer(server.framed)->node_id, 2);

    framed_goodbye(client.framed);
    carry(&client, &server, &p);
    assert_int_equal(server.last, FRAMED_CLOSED);
    assert_false(framed_up(server.framed));
    assert_false(framed_send(server.framed, slice_str("x")));
    framed_free(server.framed), framed_free(client.framed), framed_free(NULL);
    tls_context_free(a), tls_context_free(b);
    drop_identity(&one), drop_identity(&two);
}

static void test_not_a_frame(void **state)
{
    (void)state;
    struct identity one = make_identity(&node_1, NULL, 30);
    struct tls_context *a = context_of(&one);
    struct end server = {.framed = framed_new(a, true)}, client = {.framed = framed_new(a, false)};
    client.sent = server.sent = FRAMES; /* silent */
    struct prng p;
    prng_init(&p, 2);
    talk(&client, &server);
    assert_true(framed_send(client.framed, slice_str("GET / HTTP/1.1\r\nHost: flotilla\r\n")));
    carry(&client, &server, &p);
    assert_int_equal(server.last, FRAMED_FAILED);
    assert_string_equal(framed_error(server.framed), "what arrived is not a frame");
    framed_free(server.framed), framed_free(client.framed);
    tls_context_free(a);
    drop_identity(&one);
}

/* --- links: two ends on one loop -------------------------------------------------------------- */

struct meeting {
    uv_loop_t loop;
    uv_tcp_t listener;
    struct tls_context *server_tls;
    struct link *accepted, *connected;
    uint32_t echoed, ups, downs;
    char why[256];
    bool by_peer;
};

static void on_up(struct link *l, const struct tls_peer *peer)
{
    struct meeting *t = link_owner(l);
    static uint8_t mem[300000];
    t->ups++;
    assert_int_equal(peer->node_id, l == t->connected ? 1 : 2);
    for (uint32_t i = 0; l == t->connected && i < FRAMES; i++) {
        struct frame f = frame_number(i, mem);
        link_send_frame(l, &f);
    }
}

static void on_frame(struct link *l, const struct frame *f)
{
    struct meeting *t = link_owner(l);
    if (l == t->accepted) {
        link_send_frame(l, f);
        return;
    }
    check_frame(f, t->echoed++);
    if (t->echoed == FRAMES) {
        link_close(l);
        t->connected = NULL;
    }
}

static void on_down(struct link *l, bool by_peer, const char *why)
{
    struct meeting *t = link_owner(l);
    t->downs++;
    t->by_peer = by_peer;
    snprintf(t->why, sizeof(t->why), "%s", why);
    uv_close((uv_handle_t *)&t->listener, NULL);
}

static const struct link_callbacks callbacks = {.up = on_up, .frame = on_frame, .down = on_down};

static void on_connection(uv_stream_t *server, int status)
{
    struct meeting *t = server->data;
    assert_int_equal(status, 0);
    t->accepted = link_accept(server, t->server_tls, &callbacks, t);
    assert_non_null(t->accepted);
}

static void begin_meeting(struct meeting *t, struct tls_context *server, struct tls_context *client)
{
    struct sockaddr_storage at;
    char to[64];
    *t = (struct meeting){.server_tls = server};
    uv_loop_init(&t->loop);
    uv_tcp_init(&t->loop, &t->listener);
    t->listener.data = t;
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, (struct sockaddr_in *)(void *)&at), 0);
    assert_int_equal(uv_tcp_bind(&t->listener, (struct sockaddr *)&at, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&t->listener, 4, on_connection), 0);
    int len = sizeof(at);
    uv_tcp_getsockname(&t->listener, (struct sockaddr *)&at, &len);
    const uint8_t *port =
        (const uint8_t *)&((const struct sockaddr_in *)(const void *)&at)->sin_port;
    snprintf(to, sizeof(to), "127.0.0.1:%d", port[0] << 8 | port[1]);
    t->connected = link_connect(&t->loop, client, to, "127.0.0.1", &callbacks);
    link_own(t->connected, t);
    assert_non_null(t->connected);
}

static void test_links(void **state)
{
    (void)state;
    struct identity one = make_identity(&node_1, NULL, 30), two = make_identity(&node_2, &one, 30);
    struct tls_context *a = context_of(&one), *b = context_of(&two);
    struct meeting t;
    begin_meeting(&t, a, b);
    uv_run(&t.loop, UV_RUN_DEFAULT); /* ends when every handle is closed: nothing leaks */
    assert_int_equal(t.ups, 2);
    assert_int_equal(t.echoed, FRAMES);
    assert_int_equal(t.downs, 1); /* the end that did not close */
    assert_true(t.by_peer);
    assert_int_equal(uv_loop_close(&t.loop), 0);
    tls_context_free(a), tls_context_free(b);
    drop_identity(&one), drop_identity(&two);
}

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        {"10.0.0.1:4460", true},
        {"[fd00::1]:4460", true},
        {"10.0.0.1", false},
        {"[fd00::1]", false},
        {"10.0.0.1:", false},
        {"10.0.0.1:x", false},
        {"10.0.0.1:65536", false},
        {"host:1", false},
        {"", false},
        {":1", false},
        {"[fd00::1:1", false},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct sockaddr_storage at;
        assert_row(rows[i].text, (endpoint_parse(rows[i].text, &at) > 0) == rows[i].good);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_both_ways),
        cmocka_unit_test(test_not_a_frame),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
