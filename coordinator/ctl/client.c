#include "coordinator/ctl/client.h"

#include "proto/base/must.h"
#include "proto/daemon/endpoint.h"
#include "proto/daemon/framed.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ATTEMPT_MS = 1500, PAUSE_MS = 100, CIPHER_BYTES = 64 << 10, ERROR_MAX = 512 };

struct client {
    const struct settings *settings;
    struct tls_context *tls;
    struct framed *framed;
    int fd;
    uint64_t deadline_ms, next_id;
    char redirect[80];
    bool answered; /* the last attempt reached a coordinator that does not lead */
    char error[ERROR_MAX];
};

static uint64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void hang_up(struct client *c)
{
    framed_free(c->framed);
    c->framed = NULL;
    if (c->fd >= 0)
        (void)close(c->fd);
    c->fd = -1;
}

static bool wait_for(struct client *c, short events, uint64_t until_ms)
{
    struct pollfd p = {.fd = c->fd, .events = events};
    uint64_t now = now_ms();
    if (now >= until_ms)
        return false;
    return poll(&p, 1, (int)(until_ms - now)) == 1;
}

static bool fail(struct client *c, const char *what, const char *why)
{
    (void)snprintf(c->error, sizeof c->error, "%s: %s", what, why);
    return false;
}

static bool flush(struct client *c, uint64_t until_ms)
{
    uint8_t bytes[CIPHER_BYTES];
    for (size_t len; (len = framed_pull(c->framed, bytes, sizeof bytes)) > 0;) {
        for (size_t at = 0; at < len;) {
            ssize_t n = send(c->fd, bytes + at, len - at, MSG_NOSIGNAL);
            if (n < 0 && errno != EAGAIN)
                return fail(c, "send", strerror(errno));
            if (n < 0 && !wait_for(c, POLLOUT, until_ms))
                return fail(c, "send", "no progress in time");
            at += n > 0 ? (size_t)n : 0;
        }
    }
    return true;
}

/* The next frame (or FRAMED_UP), within the time. */
static bool next_event(struct client *c, enum framed_event wanted, struct frame *out,
                       uint64_t until_ms)
{
    uint8_t bytes[CIPHER_BYTES];
    for (;;) {
        enum framed_event ev = framed_next(c->framed, out);
        if (!flush(c, until_ms))
            return false;
        if (ev == wanted)
            return true;
        if (ev == FRAMED_FAILED || ev == FRAMED_CLOSED)
            return fail(c, "connection", framed_error(c->framed));
        if (ev != FRAMED_MORE)
            continue;
        if (!wait_for(c, POLLIN, until_ms))
            return fail(c, "connection", "no answer in time");
        ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return fail(c, "connection", n == 0 ? "closed by the coordinator" : strerror(errno));
        if (n > 0)
            framed_feed(c->framed, slice_of(bytes, (size_t)n));
    }
}

static const char no_leader[] = "no coordinator leads: is a majority of them running?";

static bool dial(struct client *c, const char *address, uint64_t until_ms)
{
    struct sockaddr_storage to;
    struct frame unused;
    socklen_t len = endpoint_parse(address, &to);
    if (len == 0)
        return fail(c, address, "not of the form ADDRESS:PORT");
    c->fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        return fail(c, address, strerror(errno));
    int error = 0;
    socklen_t error_len = sizeof error;
    if (connect(c->fd, (struct sockaddr *)&to, len) != 0 && errno != EINPROGRESS)
        return fail(c, address, strerror(errno));
    if (!wait_for(c, POLLOUT, until_ms))
        return fail(c, address, "no answer in time");
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &error_len) == 0 && error != 0)
        return fail(c, address, strerror(error));
    c->framed = framed_new(c->tls, false);
    must(c->framed != NULL);
    framed_feed(c->framed, (struct slice){0});
    return next_event(c, FRAMED_UP, &unused, until_ms);
}

static bool send_message(struct client *c, const Fl__Control *m, uint64_t until_ms)
{
    size_t len = fl__control__get_packed_size(m);
    uint8_t *bytes = malloc(len + 1);
    must(bytes != NULL);
    (void)fl__control__pack(m, bytes);
    bool ok =
        framed_send_parts(c->framed, &(struct frame){FRAME_CONTROL, slice_of(bytes, len), {0}});
    free(bytes);
    return ok ? flush(c, until_ms) : fail(c, "send", framed_error(c->framed));
}

static Fl__Control *receive_message(struct client *c, uint64_t until_ms)
{
    struct frame f;
    if (!next_event(c, FRAMED_FRAME, &f, until_ms))
        return NULL;
    Fl__Control *m = fl__control__unpack(NULL, f.control.len, f.control.at);
    if (m == NULL)
        (void)fail(c, "connection", "a coordinator sent what is not a message");
    return m;
}

/* What a coordinator says instead of an answer. True when `m` was such; it is freed then. */
static bool turned_away(struct client *c, Fl__Control *m, bool *again)
{
    if (m->body_case != FL__CONTROL__BODY_NOT_LEADER && m->body_case != FL__CONTROL__BODY_REFUSED)
        return false;
    *again = c->answered = m->body_case == FL__CONTROL__BODY_NOT_LEADER;
    if (*again) {
        (void)snprintf(c->redirect, sizeof c->redirect, "%.79s", m->not_leader->leader);
        (void)fail(c, "the cluster", no_leader);
    } else {
        (void)fail(c, "refused", m->refused->why);
    }
    fl__control__free_unpacked(m, NULL);
    return true;
}

static bool greet(struct client *c, uint64_t until_ms, bool *again)
{
    Fl__Hello hello = FL__HELLO__INIT;
    hello.version = 1;
    hello.cluster_id.data = (uint8_t *)(uintptr_t)c->settings->cluster_id;
    hello.cluster_id.len = 16;
    hello.role = FL__ROLE__ROLE_ADMIN;
    Fl__Control m = FL__CONTROL__INIT;
    m.body_case = FL__CONTROL__BODY_HELLO;
    m.hello = &hello;
    *again = true;
    if (!send_message(c, &m, until_ms))
        return false;
    Fl__Control *answer = receive_message(c, until_ms);
    if (answer == NULL || turned_away(c, answer, again))
        return false;
    bool ok = answer->body_case == FL__CONTROL__BODY_WELCOME;
    fl__control__free_unpacked(answer, NULL);
    return ok || fail(c, "connection", "an unexpected answer");
}

static bool find_leader(struct client *c)
{
    const char *addresses[SETTINGS_COORDINATORS_MAX];
    uint32_t count = settings_coordinators(c->settings, addresses);
    bool leaderless = false; /* some coordinator answered, but did not lead */
    for (uint32_t i = 0; now_ms() < c->deadline_ms; i++) {
        char to[80];
        (void)snprintf(to, sizeof to, "%s", c->redirect[0] ? c->redirect : addresses[i % count]);
        c->redirect[0] = '\0';
        uint64_t until =
            now_ms() + ATTEMPT_MS < c->deadline_ms ? now_ms() + ATTEMPT_MS : c->deadline_ms;
        bool again = true, cut_short = i > 0 && until == c->deadline_ms;
        char before[ERROR_MAX];
        memcpy(before, c->error, sizeof before);
        if (dial(c, to, until) && greet(c, until, &again))
            return true;
        hang_up(c);
        if (!again)
            return false;
        if (cut_short) /* that says less than an attempt that had its time */
            memcpy(c->error, before, sizeof before);
        leaderless = leaderless || c->answered;
        if (c->redirect[0] == '\0' && i % count == count - 1)
            (void)poll(NULL, 0, PAUSE_MS);
    }
    char last[ERROR_MAX], why[ERROR_MAX];
    (void)snprintf(last, sizeof last, "%.120s", c->error);
    (void)snprintf(why, sizeof why, "%s (%s)", no_leader, last);
    (void)fail(c, "the cluster", leaderless ? no_leader : why);
    return false;
}

struct client *client_open(const struct settings *s, uint64_t timeout_ms, char *error)
{
    struct client *c = calloc(1, sizeof *c);
    must(c != NULL);
    c->settings = s;
    c->fd = -1;
    c->deadline_ms = now_ms() + timeout_ms;
    const struct tls_files files = {s->ca, s->cert, s->key};
    c->tls = tls_context_new(&files, c->error);
    if (c->tls != NULL && find_leader(c))
        return c;
    (void)snprintf(error, ERROR_MAX, "%s", c->error);
    client_close(c);
    return NULL;
}

void client_close(struct client *c)
{
    if (c == NULL)
        return;
    hang_up(c);
    tls_context_free(c->tls);
    free(c);
}

const char *client_error(const struct client *c) { return c->error; }

/* Waits for the reply with this number; other messages (a pushed configuration) are skipped. */
static Fl__Reply *await(struct client *c, uint64_t id)
{
    for (;;) {
        bool again;
        Fl__Control *m = receive_message(c, c->deadline_ms);
        if (m == NULL || turned_away(c, m, &again))
            return NULL;
        Fl__Reply *reply = NULL;
        if (m->body_case == FL__CONTROL__BODY_COMMAND_REPLY && m->command_reply->sequence == id) {
            reply = m->command_reply->reply;
            m->command_reply->reply = NULL;
        } else if (m->body_case == FL__CONTROL__BODY_QUERY_REPLY && m->query_reply->id == id) {
            reply = m->query_reply->reply;
            m->query_reply->reply = NULL;
        }
        fl__control__free_unpacked(m, NULL);
        if (reply != NULL)
            return reply;
    }
}

Fl__Reply *client_command(struct client *c, Fl__Command *command)
{
    Fl__CommandRequest request = FL__COMMAND_REQUEST__INIT;
    Fl__Control m = FL__CONTROL__INIT;
    command->sequence = ++c->next_id;
    request.command = command;
    m.body_case = FL__CONTROL__BODY_COMMAND;
    m.command = &request;
    Fl__Reply *reply = send_message(c, &m, c->deadline_ms) ? await(c, command->sequence) : NULL;
    if (reply == NULL) {
        char why[ERROR_MAX];
        (void)snprintf(why, sizeof why, "%.400s", c->error);
        (void)snprintf(
            c->error, sizeof c->error,
            "%.400s; whether the command was carried out is not known: look before trying again",
            why);
    }
    return reply;
}

Fl__Reply *client_query(struct client *c, Fl__Query *query)
{
    Fl__QueryRequest request = FL__QUERY_REQUEST__INIT;
    Fl__Control m = FL__CONTROL__INIT;
    request.id = ++c->next_id;
    request.query = query;
    m.body_case = FL__CONTROL__BODY_QUERY;
    m.query = &request;
    return send_message(c, &m, c->deadline_ms) ? await(c, request.id) : NULL;
}

static Fl__JoinReply *join_once(struct client *c, Fl__JoinRequest *request, bool *again)
{
    uint64_t until = now_ms() + 5 * ATTEMPT_MS;
    Fl__Control m = FL__CONTROL__INIT;
    m.body_case = FL__CONTROL__BODY_JOIN;
    m.join = request;
    Fl__Control *answer = send_message(c, &m, until) ? receive_message(c, until) : NULL;
    if (answer == NULL || turned_away(c, answer, again))
        return NULL;
    Fl__JoinReply *reply = NULL;
    if (answer->body_case == FL__CONTROL__BODY_JOINED) {
        reply = answer->joined;
        answer->joined = NULL;
    }
    fl__control__free_unpacked(answer, NULL);
    return reply;
}

Fl__JoinReply *client_join(const char *const *addresses, uint32_t count, struct slice fingerprint,
                           Fl__JoinRequest *request, char *error)
{
    struct client c = {.fd = -1};
    Fl__JoinReply *reply = NULL;
    bool again = true;
    uint64_t until = now_ms() + 10000;
    c.tls = tls_context_joining(fingerprint, c.error);
    for (uint32_t i = 0; c.tls != NULL && reply == NULL && again && now_ms() < until; i++) {
        char to[80];
        (void)snprintf(to, sizeof to, "%s", c.redirect[0] ? c.redirect : addresses[i % count]);
        c.redirect[0] = '\0';
        if (dial(&c, to, now_ms() + ATTEMPT_MS))
            reply = join_once(&c, request, &again);
        hang_up(&c);
        if (reply == NULL && again)
            (void)poll(NULL, 0, PAUSE_MS);
    }
    if (reply == NULL)
        (void)snprintf(error, ERROR_MAX, "%s", c.error);
    tls_context_free(c.tls);
    return reply;
}
