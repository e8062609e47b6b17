#include "node/io/shell.h"

#include "proto/base/heap.h"
#include "proto/base/must.h"
#include "proto/daemon/log.h"
#include "proto/daemon/notify.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MAX_NS (UINT64_C(100) * 1000000)
#define SPACE_NS (UINT64_C(1000) * 1000000)
#define INTERFACES_NS (UINT64_C(10000) * 1000000)
#define DRAIN_NS (UINT64_C(2000) * 1000000)

/* A posted event with copies of what it points to. */
struct shell_event {
    struct list link;
    struct node_event ev;
    struct smb_event smb;
    struct control_event control;
};

uint64_t shell_filetime(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return ((uint64_t)t.tv_sec + UINT64_C(11644473600)) * 10000000 + (uint64_t)t.tv_nsec / 100;
}

void shell_post(struct shell *s, const struct node_event *ev)
{
    struct shell_event *e = calloc(1, sizeof *e);
    must(e != NULL);
    e->ev = *ev;
    if (ev->type == NODE_EV_SMB) {
        e->smb = *ev->smb;
        e->ev.smb = &e->smb;
    } else if (ev->type == NODE_EV_CONTROL) {
        e->control = *ev->control;
        e->ev.control = &e->control;
    }
    list_push_back(&s->inbox, &e->link);
}

static void step_once(struct shell *s, struct node_event *ev)
{
    ev->now_ns = reactor_now();
    ev->filetime = shell_filetime();
    must(getrandom(ev->entropy, sizeof ev->entropy, 0) == (ssize_t)sizeof ev->entropy);
    s->stepping = true;
    node_step(s->node, ev);
    s->stepping = false;
}

static void drain(struct shell *s)
{
    for (;;) {
        struct list *l = list_pop(&s->inbox);
        if (l == NULL && !disk_deliver(s->disk))
            return;
        if (l == NULL)
            continue;
        struct shell_event *e = container_of(l, struct shell_event, link);
        step_once(s, &e->ev);
        free(e);
    }
}

void shell_step(struct shell *s, struct node_event *ev)
{
    must(!s->stepping);
    drain(s); /* what happened before comes before */
    step_once(s, ev);
    drain(s);
}

static void on_disk(void *ctx, uint64_t token, enum store_result result, uint64_t count)
{
    struct shell *s = ctx;
    struct node_event ev = {.type = NODE_EV_DISK, .disk = {token, result, count}};
    step_once(s, &ev);
}

/* Why there is no line to the leader, once for each reason in a row. */
static void tell_trouble(struct shell *s)
{
    struct node_stats stats;
    node_stats(s->node, &stats);
    if (strcmp(stats.trouble, s->trouble) == 0)
        return;
    (void)snprintf(s->trouble, sizeof s->trouble, "%s", stats.trouble);
    log_warn("not in touch with the cluster: %s", s->trouble);
}

static void on_effect(void *ctx, const struct node_effect *e)
{
    struct shell *s = ctx;
    switch (e->type) {
    case NODE_DO_SMB_SEND: smbnet_send(s->smbnet, e->smb); break;
    case NODE_DO_SMB_CLOSE: smbnet_close(s->smbnet, e->smb->close.conn, e->smb->close.why); break;
    case NODE_DO_AUTH: auth_submit(s->auth, e->smb); break;
    case NODE_DO_CONTROL:
        line_effect(s->line, e->control);
        if (e->control->type == CONTROL_DO_DISCONNECT)
            tell_trouble(s);
        break;
    case NODE_DO_PEER: {
        struct frame f = {.kind = FRAME_PEER, .control = e->peer.control, .data = e->peer.data};
        peers_send(s->peers, e->peer.node_id, e->peer.session, &f);
        break;
    }
    case NODE_DO_DISK: disk_submit(s->disk, e->disk.token, e->disk.op); break;
    case NODE_DO_CONFIG:
        peers_config(s->peers, e->config);
        auth_config(s->auth, e->config);
        break;
    case NODE_DO_LEASE:
        s->lease = e->lease_valid;
        if (s->lease)
            s->trouble[0] = '\0';
        log_info(s->lease ? "serving" : "not serving: no lease from the coordinators");
        (void)notify(s->lease ? "READY=1\nSTATUS=serving" : "STATUS=waiting for a lease");
        break;
    case NODE_DO_REFUSED:
        log_error("stopping: %s", e->why);
        s->exit_code = 1;
        s->stop = true;
        break;
    }
}

static int open_signals(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

struct stop_signal {
    struct io_op op;
    struct shell *shell;
    struct signalfd_siginfo info;
};

static void on_stop_signal(struct io_op *op, int result)
{
    (void)result;
    container_of(op, struct stop_signal, op)->shell->stop = true;
}

static uint64_t min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }

static void tell_space(struct shell *s, uint64_t now)
{
    uint64_t unused, total;
    if (now < s->space_ns)
        return;
    s->space_ns = now + SPACE_NS;
    disk_space(s->disk, &unused, &total);
    node_space(s->node, unused, total);
}

/* Cards come, go and change their speed; looked at now and then. */
static void tell_interfaces(struct shell *s, uint64_t now)
{
    struct smb_interface list[1 + SETTINGS_SMB_ADDRESSES_MAX] = {0};
    if (now < s->interfaces_ns)
        return;
    s->interfaces_ns = now + INTERFACES_NS;
    uint32_t count = interfaces_list(&s->settings, list);
    if (count == s->interface_count && memcmp(list, s->interfaces, sizeof list) == 0)
        return;
    memcpy(s->interfaces, list, sizeof list);
    s->interface_count = count;
    struct smb_event smb = {.type = SMB_EV_INTERFACES, .interfaces = {s->interfaces, count}};
    struct node_event ev = {.type = NODE_EV_SMB, .smb = &smb};
    shell_step(s, &ev);
}

static void turn(struct shell *s)
{
    uint64_t now = reactor_now();
    tell_space(s, now);
    tell_interfaces(s, now);
    uint64_t next = min_u64(peers_maintain(s->peers, now), line_maintain(s->line, now));
    drain(s);
    if (node_next_deadline(s->node) <= now) {
        struct node_event tick = {.type = NODE_EV_TICK};
        shell_step(s, &tick);
    }
    next = min_u64(next, node_next_deadline(s->node));
    now = reactor_now();
    reactor_run(&s->reactor, next <= now ? 0 : min_u64(next - now, WAIT_MAX_NS));
    drain(s);
}

/* On every address clients may use. */
static int listen_for_clients(struct shell *s)
{
    for (uint32_t i = 0; i <= s->settings.smb_address_count; i++) {
        const char *address = i == 0 ? s->settings.address : s->settings.smb_addresses[i - 1];
        int r = smbnet_listen(s->smbnet, address, s->settings.smb_port);
        if (r < 0) {
            log_error("cannot listen on %s:%u: %s", address, s->settings.smb_port, strerror(-r));
            return r;
        }
    }
    return 0;
}

static bool start(struct shell *s)
{
    char error[256];
    struct disk_callbacks disk = {on_disk, s};
    s->disk = disk_open(&s->reactor, &s->mem, s->settings.data_dir, &disk, error);
    if (s->disk == NULL) {
        log_error("%s", error);
        return false;
    }
    struct node_sink sink = {on_effect, s};
    s->node = node_new(&s->mem, &s->config, &sink);
    must(s->node != NULL); /* the budget was checked against the pools by main */
    s->smbnet = smbnet_new(s);
    s->peers = peers_new(s);
    s->line = line_new(s);
    s->auth = auth_new(s);
    int r = peers_listen(s->peers, s->settings.address, s->settings.data_port);
    if (r < 0)
        log_error("cannot listen on %s:%u: %s", s->settings.address, s->settings.data_port,
                  strerror(-r));
    return r == 0 && listen_for_clients(s) == 0;
}

int shell_run(struct shell *s)
{
    char error[256];
    struct stop_signal stop = {.op = {.done = on_stop_signal}, .shell = s};
    list_init(&s->inbox);
    int signals = open_signals();
    if (reactor_init(&s->reactor, error) < 0) {
        log_error("%s", error);
        return 1;
    }
    if (!start(s))
        return 1;
    io_uring_prep_read(reactor_entry(&s->reactor, &stop.op), signals, &stop.info, sizeof stop.info,
                       0);
    struct node_event begin = {.type = NODE_EV_START};
    shell_step(s, &begin);
    log_info("node %u ('%s') listens on %s:%u", s->settings.node_id, s->settings.node_name,
             s->settings.address, s->settings.smb_port);
    while (!s->stop)
        turn(s);
    /* Writes under way are let finish, so that nobody has to clean up after us. */
    uint64_t until = reactor_now() + DRAIN_NS;
    while (disk_busy(s->disk) > 0 && reactor_now() < until)
        turn(s);
    (void)notify("STOPPING=1");
    log_info("stopped");
    return s->exit_code;
}
