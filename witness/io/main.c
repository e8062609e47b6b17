/* flotilla-witness: tells clients of this cluster's nodes where to go when a node fails. */
#include "proto/base/must.h"
#include "proto/daemon/gss.h"
#include "proto/daemon/keyfile.h"
#include "proto/daemon/log.h"
#include "proto/daemon/notify.h"
#include "proto/daemon/options.h"
#include "witness/io/follow.h"
#include "witness/io/net.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_TEXT_MAX 4224u

struct daemon {
    struct settings settings;
    uv_loop_t loop;
    struct tls_context *tls;
    struct net *net;
    struct follow *follow;
    uv_signal_t terminate, interrupt;
    char keyfile[PATH_TEXT_MAX];
};

/* --- what a ClusterConfig means to a witness -------------------------------------------------- */

static enum swn_state state_of(const Fl__Node *node)
{
    return node->state == FL__NODE_STATE__NODE_UP ? SWN_AVAILABLE : SWN_UNAVAILABLE;
}

/* A machine that was invited but has never come is no interface of the cluster yet. */
static uint32_t interfaces_of(const struct daemon *d, const Fl__ClusterConfig *config,
                              struct registry_interface *out)
{
    uint32_t count = 0;
    for (size_t i = 0; i < config->n_nodes && count < REGISTRY_INTERFACES_MAX; i++) {
        const Fl__Node *node = config->nodes[i];
        struct registry_interface *x = &out[count];
        if (node->state == FL__NODE_STATE__NODE_INVITED)
            continue;
        *x = (struct registry_interface){.state = state_of(node),
                                         .local = node->id == d->settings.node_id};
        if (!swn_address_from_text(slice_str(node->address), &x->address)) {
            log_warn("node %s has the address '%s', which is none; leaving it out", node->name,
                     node->address);
            continue;
        }
        (void)snprintf(x->group_name, sizeof x->group_name, "%s", node->name);
        count++;
    }
    return count;
}

static void write_keyfile(const struct daemon *d, const Fl__ClusterConfig *config)
{
    struct keyfile_user *users = calloc(config->n_users + 1, sizeof *users);
    if (users == NULL)
        return;
    for (size_t i = 0; i < config->n_users; i++) {
        const Fl__User *u = config->users[i];
        users[i] = (struct keyfile_user){.name = u->name,
                                         .nt_hash = slice_of(u->nt_hash.data, u->nt_hash.len)};
    }
    int r = keyfile_write(d->keyfile, users, config->n_users);
    if (r < 0)
        log_error("%s: %s; NTLM logons go by the old users", d->keyfile, strerror(-r));
    free(users);
}

static void on_config(void *context, const Fl__ClusterConfig *config)
{
    struct daemon *d = context;
    static struct registry_interface interfaces[REGISTRY_INTERFACES_MAX];
    struct swn_share *shares = calloc(config->n_shares + 1, sizeof *shares);
    if (shares == NULL)
        return;
    if (d->settings.ntlm)
        write_keyfile(d, config);
    for (size_t i = 0; i < config->n_shares; i++)
        shares[i] = (struct swn_share){.name = config->shares[i]->name,
                                       .scale_out = config->shares[i]->scale_out};
    struct swn_cluster cluster = {.name = config->cluster_name,
                                  .interfaces = interfaces,
                                  .interface_count = interfaces_of(d, config, interfaces),
                                  .shares = shares,
                                  .share_count = (uint32_t)config->n_shares};
    net_cluster(d->net, &cluster);
    free(shares);
    (void)notify("READY=1\nSTATUS=following the cluster");
}

/* --- life ------------------------------------------------------------------------------------- */

static void on_signal(uv_signal_t *handle, int number)
{
    struct daemon *d = handle->data;
    (void)number;
    (void)notify("STOPPING=1");
    net_close(d->net);
    follow_close(d->follow);
    uv_close((uv_handle_t *)&d->terminate, NULL);
    uv_close((uv_handle_t *)&d->interrupt, NULL);
}

static bool start(struct daemon *d)
{
    char error[SETTINGS_ERROR_MAX];
    const struct settings *s = &d->settings;
    struct tls_files files = {s->ca, s->cert, s->key};
    (void)snprintf(d->keyfile, sizeof d->keyfile, "%s/witness.ntlm", s->state_dir);
    if (mkdir(s->state_dir, 0700) != 0 && errno != EEXIST) {
        log_error("cannot make the folder %s: %s", s->state_dir, strerror(errno));
        return false;
    }
    d->tls = tls_context_new(&files, error);
    if (d->tls == NULL) {
        log_error("%s", error);
        return false;
    }
    struct net_config config = {.address = s->address,
                                .mapper_port = (uint16_t)s->endpoint_mapper_port,
                                .service_port = (uint16_t)s->witness_port,
                                .gss = {.service = "cifs",
                                        .hostname = s->cluster_name,
                                        .keytab = s->keytab[0] != 0 ? s->keytab : NULL,
                                        .ntlm_keyfile = s->ntlm ? d->keyfile : NULL}};
    d->net = net_new(&d->loop, &config, error, sizeof error);
    if (d->net == NULL) {
        log_error("%s", error);
        return false;
    }
    log_info("listening on %s, port %u and %u", s->address, config.mapper_port,
             net_service_port(d->net));
    d->follow = follow_new(&d->loop, s, d->tls, on_config, d);
    must(uv_signal_init(&d->loop, &d->terminate) == 0);
    must(uv_signal_init(&d->loop, &d->interrupt) == 0);
    d->terminate.data = d->interrupt.data = d;
    must(uv_signal_start(&d->terminate, on_signal, SIGTERM) == 0);
    must(uv_signal_start(&d->interrupt, on_signal, SIGINT) == 0);
    return true;
}

int main(int argc, char **argv)
{
    static struct daemon d;
    char error[SETTINGS_ERROR_MAX];
    const char *path = options_daemon(argc, argv, "flotilla-witness",
                                      "tells clients to come over when a machine fails");
    log_open("flotilla-witness");
    if (!settings_load(&d.settings, path, error)) {
        log_error("%s", error);
        return 1;
    }
    log_set_level(d.settings.log_level);
    if (d.settings.node_id == 0) {
        log_error("%s: there is no [node]: this file is an administrator's", path);
        return 1;
    }
    if (!gss_accept_without_dns())
        log_warn("logons will ask the DNS for this cluster's name");
    (void)signal(SIGPIPE, SIG_IGN);
    must(uv_loop_init(&d.loop) == 0);
    if (!start(&d))
        return 1;
    (void)uv_run(&d.loop, UV_RUN_DEFAULT);
    tls_context_free(d.tls);
    return 0;
}
