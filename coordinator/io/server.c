#include "coordinator/io/server.h"

#include "proto/base/must.h"
#include "proto/daemon/endpoint.h"
#include "proto/daemon/log.h"
#include "proto/daemon/pki.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000000)
#define STOP_PATIENCE_NS (SECOND)
enum { CERTIFICATE_DAYS = 3650 };

uint64_t server_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* [MS-DTYP] 2.3.3: 100 ns since 1601. */
static uint64_t filetime_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return ((uint64_t)t.tv_sec + UINT64_C(11644473600)) * 10000000 + (uint64_t)t.tv_nsec / 100;
}

static void sign(struct server *s, const struct coordinator_effect *e)
{
    char error[TLS_ERROR_MAX];
    struct pki_subject subject = {.name = e->sign.name,
                                  .role = TLS_ROLE_NODE,
                                  .node_id = e->sign.node_id,
                                  .address = e->sign.address};
    const struct pki_issuer issuer = {e->sign.ca_key_pem, e->sign.ca_cert_pem, CERTIFICATE_DAYS};
    char *cert = pki_sign(e->sign.csr_pem, &issuer, &subject, error);
    if (cert == NULL)
        log_warn("'%s' wants to join: %s", e->sign.name, error);
    server_defer(s,
                 (struct deferred){.what = DEFER_SIGNED, .id = e->sign.client, .cert_pem = cert});
}

static void on_raft_effect(struct server *s, const struct raft_effect *fx)
{
    if (fx->kind == RAFT_FX_SEND) {
        peers_send(s, fx->send.peer, fx->send.bytes);
    } else if (fx->kind == RAFT_FX_FATAL) {
        log_error("stopping: %s", fx->fatal.why);
        s->exit_code = 1;
        uv_stop(&s->loop);
    } else {
        disk_submit(s->disk, fx);
    }
}

static void on_role(const struct coordinator_effect *e)
{
    static const char *const names[] = {[RAFT_ROLE_FOLLOWER] = "follows",
                                        [RAFT_ROLE_CANDIDATE] = "stands for election",
                                        [RAFT_ROLE_LEADER] = "leads"};
    log_info("%s in term %llu (leader: %llu)", names[e->role.role],
             (unsigned long long)e->role.term, (unsigned long long)e->role.leader);
}

static void carry_out(struct server *s, const struct coordinator_effect *e)
{
    switch (e->type) {
    case COORDINATOR_DO_RAFT: on_raft_effect(s, e->raft); break;
    case COORDINATOR_DO_SEND: clients_send(s, e->send.client, e->send.bytes); break;
    case COORDINATOR_DO_CLOSE: clients_close(s, e->close.client); break;
    case COORDINATOR_DO_SIGN: sign(s, e); break;
    case COORDINATOR_DO_ROLE: on_role(e); break;
    }
}

static void on_timer(uv_timer_t *timer);

static void arm_timer(struct server *s)
{
    uint64_t now = server_now(), next = coordinator_next_deadline(s->core);
    uint64_t peers = peers_maintain(s, now);
    if (peers < next)
        next = peers;
    if (s->stop_ns != 0 && s->stop_ns < next)
        next = s->stop_ns;
    uint64_t wait_ms = next <= now ? 0 : (next - now + 999999) / 1000000;
    (void)uv_timer_start(&s->timer, on_timer, wait_ms, 0);
}

/* Once this coordinator holds the founded cluster, it must never found one again: an empty disk
 * under this id is then an error, not a new cluster. */
static void forget_founding(struct server *s)
{
    char done[sizeof s->settings.founding_file + 8];
    if (s->settings.founding_file[0] == '\0' || meta_ca_cert(coordinator_meta(s->core)).len == 0)
        return;
    (void)snprintf(done, sizeof done, "%s.done", s->settings.founding_file);
    if (rename(s->settings.founding_file, done) != 0 && errno != ENOENT)
        log_warn("cannot rename %s: %s, ignoring", s->settings.founding_file, strerror(errno));
    s->settings.founding_file[0] = '\0';
}

static void step_once(struct server *s, struct coordinator_event *ev)
{
    ev->now_ns = server_now();
    ev->filetime = filetime_now();
    must(getrandom(ev->entropy, sizeof ev->entropy, 0) == (ssize_t)sizeof ev->entropy);
    s->stepping = true;
    const struct coordinator_effects *effects = coordinator_step(s->core, ev);
    for (uint32_t i = 0; i < effects->count; i++)
        carry_out(s, &effects->items[i]);
    s->stepping = false;
    forget_founding(s);
}

static void step_deferred(struct server *s, struct deferred d)
{
    struct coordinator_event ev = {.type = COORDINATOR_EV_RAFT};
    struct raft_engine_event raft = {.kind = RAFT_EV_PEER_UP, .peer = d.id};
    switch (d.what) {
    case DEFER_CLIENT_DOWN:
        ev.type = COORDINATOR_EV_CLIENT_DOWN;
        ev.client_down.client = d.id;
        ev.client_down.by_peer = d.by_peer;
        break;
    case DEFER_PEER_UP: ev.raft = &raft; break;
    case DEFER_PEER_DOWN:
        raft.kind = RAFT_EV_PEER_DOWN;
        ev.raft = &raft;
        break;
    case DEFER_SIGNED:
        ev.type = COORDINATOR_EV_SIGNED;
        ev.signed_.client = d.id;
        if (d.cert_pem != NULL)
            ev.signed_.cert_pem = slice_str(d.cert_pem);
        break;
    }
    step_once(s, &ev);
    free(d.cert_pem);
}

static void drain(struct server *s)
{
    while (s->deferred_count > 0) {
        struct deferred d = s->deferred[0];
        memmove(s->deferred, s->deferred + 1, --s->deferred_count * sizeof d);
        step_deferred(s, d);
    }
    arm_timer(s);
}

void server_step(struct server *s, struct coordinator_event *ev)
{
    must(!s->stepping);
    step_once(s, ev);
    drain(s);
}

void server_raft(struct server *s, struct raft_engine_event *raft)
{
    struct coordinator_event ev = {.type = COORDINATOR_EV_RAFT, .raft = raft};
    server_step(s, &ev);
}

void server_defer(struct server *s, struct deferred d)
{
    must(s->deferred_count < DEFERRED_MAX); /* at most a few for each connection */
    s->deferred[s->deferred_count++] = d;
    if (!s->stepping)
        drain(s);
}

/* ---- time, signals, disk --------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
    struct server *s = timer->data;
    bool handed_over = s->stopping && !coordinator_leads(s->core);
    if (handed_over || (s->stop_ns != 0 && s->stop_ns <= server_now())) {
        uv_stop(&s->loop);
        return;
    }
    struct coordinator_event ev = {.type = COORDINATOR_EV_TICK};
    server_step(s, &ev);
}

/* A leader hands over before it goes, so that nobody waits for an election. */
static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    struct server *s = handle->data;
    if (s->stopping || !coordinator_leads(s->core)) {
        uv_stop(&s->loop);
        return;
    }
    s->stopping = true;
    s->stop_ns = server_now() + STOP_PATIENCE_NS;
    struct raft_engine_event ev = {.kind = RAFT_EV_TRANSFER};
    server_raft(s, &ev);
}

static void on_disk_done(void *ctx, uint64_t token)
{
    struct raft_engine_event ev = {.kind = RAFT_EV_DISK_DONE};
    ev.disk_done.token = token;
    server_raft(ctx, &ev);
}

static void on_disk_failed(void *ctx, const char *why)
{
    log_error("%s", why);
    struct raft_engine_event ev = {.kind = RAFT_EV_DISK_FAILED};
    ev.disk_failed.why = why;
    server_raft(ctx, &ev);
}

static void on_disk_read(void *ctx, uint64_t token, struct slice bytes)
{
    struct raft_engine_event ev = {.kind = RAFT_EV_READ_DONE};
    ev.read_done.token = token;
    ev.read_done.bytes = bytes;
    server_raft(ctx, &ev);
}

bool server_read_state(void *ctx, struct raft_file file, uint64_t offset, uint8_t *to, size_t len)
{
    struct server *s = ctx;
    return disk_read_now(s->disk, file, offset, to, len);
}

/* ---- start ----------------------------------------------------------------------------------- */

static void on_connection(uv_stream_t *listener, int status)
{
    if (status == 0)
        clients_accept(listener->data);
    else
        log_warn("cannot accept a connection: %s", uv_strerror(status));
}

static bool listen_on(struct server *s)
{
    char where[128];
    struct sockaddr_storage at;
    (void)snprintf(where, sizeof where, strchr(s->settings.address, ':') ? "[%s]:%u" : "%s:%u",
                   s->settings.address, s->settings.coordinator_port);
    int r = UV_EINVAL;
    if (endpoint_parse(where, &at) > 0 && (r = uv_tcp_init(&s->loop, &s->listener)) == 0 &&
        (r = uv_tcp_bind(&s->listener, (struct sockaddr *)&at, 0)) == 0)
        r = uv_listen((uv_stream_t *)&s->listener, 128, on_connection);
    s->listener.data = s;
    if (r != 0)
        log_error("cannot listen on %s: %s", where, uv_strerror(r));
    return r == 0;
}

static bool start_core(struct server *s)
{
    char error[256];
    struct raft_member members[SETTINGS_COORDINATORS_MAX];
    struct raft_loaded_file *files = NULL;
    struct raft_engine_event ev = {.kind = RAFT_EV_START};
    if (disk_load(s->disk, &files, &ev.start.file_count, error) != 0) {
        log_error("%s", error);
        return false;
    }
    for (uint32_t i = 0; i < s->settings.coordinator_count; i++)
        members[i] = (struct raft_member){s->settings.coordinators[i].id,
                                          s->settings.coordinators[i].address, true};
    ev.start.as = RAFT_START_MEMBER;
    if (s->settings.coordinator_joins)
        ev.start.as = RAFT_START_JOIN;
    else if (access(s->settings.founding_file, R_OK) == 0)
        ev.start.as = RAFT_START_BOOTSTRAP;
    ev.start.members = members;
    ev.start.member_count = s->settings.coordinator_count;
    ev.start.files = files;
    must(getrandom(&ev.start.seed, sizeof ev.start.seed, 0) == (ssize_t)sizeof ev.start.seed);
    server_raft(s, &ev);
    disk_unload(files, ev.start.file_count);
    return s->exit_code == 0;
}

static void init_handles(struct server *s)
{
    must(uv_timer_init(&s->loop, &s->timer) == 0);
    must(uv_signal_init(&s->loop, &s->term) == 0);
    must(uv_signal_init(&s->loop, &s->interrupt) == 0);
    s->timer.data = s->term.data = s->interrupt.data = s;
    (void)uv_signal_start(&s->term, on_signal, SIGTERM);
    (void)uv_signal_start(&s->interrupt, on_signal, SIGINT);
}

int server_run(struct server *s)
{
    char error[256];
    struct disk_callbacks disk = {on_disk_done, on_disk_failed, on_disk_read, s};
    s->disk = disk_new(&s->loop, s->settings.coordinator_dir, &disk, error);
    if (s->disk == NULL) {
        log_error("%s", error);
        return 1;
    }
    init_handles(s);
    map_init(&s->clients, &s->mem, 0);
    if (!listen_on(s) || !start_core(s))
        return 1;
    log_info("coordinator %u listens on %s:%u", s->settings.node_id, s->settings.address,
             s->settings.coordinator_port);
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    disk_free(s->disk);
    return s->exit_code;
}
