/* flotilla-node: serves SMB3 to clients, keeps its share of the data, talks to the other nodes. */
#include "node/io/shell.h"
#include "proto/base/must.h"
#include "proto/daemon/gss.h"
#include "proto/daemon/heap.h"
#include "proto/daemon/log.h"
#include "proto/daemon/start.h"
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

enum { FILES_WANTED = 16384 };
_Static_assert((int)SETTINGS_CIPHERS_MAX == (int)SMB_CIPHERS_MAX, "one list, two names");
_Static_assert((int)SETTINGS_SIGNINGS_MAX == (int)SMB_SIGNINGS_MAX, "one list, two names");

static void size_pools(struct shell *s)
{
    struct node_config *c = &s->config;
    c->buffer_bytes_max = s->settings.memory_mib << 20;
    c->smb.connections_max = SHELL_CONNS_MAX;
    c->smb.sessions_max = 4096;
    c->smb.channels_max = 8192;
    c->smb.trees_max = 16384;
    c->smb.opens_max = 131072;
    c->smb.requests_max = 16384;
    c->replication = replication_defaults();
    c->store.ops_max = 4096;
    c->store.bounces_max = 64;
    c->store.hot_max = STORE_HOT_MAX;
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max < FILES_WANTED ? limit.rlim_max : FILES_WANTED;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warn("cannot have %d files open", FILES_WANTED);
}

int main(int argc, char **argv)
{
    static struct shell s;
    static uint8_t hint[512];
    struct start start = {
        .name = "flotilla-node",
        .summary = "Serves SMB3 from a Flotilla cluster and keeps its share of the data."};
    const char *coordinators[SETTINGS_COORDINATORS_MAX];
    int code;
    if (!daemon_start(&start, argc, argv, &code))
        return code;
    s.settings = start.settings;
    s.tls = start.tls;
    if (s.settings.node_id == 0) {
        log_error("%s: [node] id is missing: this is an administrator's file", start.config);
        return 1;
    }
    raise_file_limit();
    if (!gss_accept_without_dns())
        log_warn("logons will ask the DNS for this cluster's name");
    mem_heap_init(&s.mem, SIZE_MAX);
    size_pools(&s);
    s.config.node_id = s.settings.node_id;
    memcpy(s.config.cluster_id, s.settings.cluster_id, sizeof s.config.cluster_id);
    s.config.incarnation = shell_filetime(); /* rises with every start */
    s.config.replication.incarnation = s.config.incarnation;
    s.config.coordinator_count = settings_coordinators(&s.settings, coordinators);
    s.config.coordinators = coordinators;
    s.config.smb.server_name = s.settings.cluster_name;
    memcpy(s.config.smb.server_guid, s.settings.cluster_id, sizeof s.config.smb.server_guid);
    s.config.smb.server_guid[15] ^= (uint8_t)s.settings.node_id; /* [MS-SMB2] 3.3.3: one a server */
    s.config.smb.require_signing = s.settings.require_signing;
    s.config.smb.require_encryption = s.settings.require_encryption;
    memcpy(s.config.smb.ciphers, s.settings.ciphers, sizeof s.settings.ciphers);
    s.config.smb.cipher_count = s.settings.cipher_count;
    memcpy(s.config.smb.signings, s.settings.signings, sizeof s.settings.signings);
    s.config.smb.signing_count = s.settings.signing_count;
    s.config.smb.compression = s.settings.compression;
    s.config.smb.gss_hint = slice_of(hint, auth_hint(&s.settings, hint, sizeof hint));
    code = shell_run(&s);
    tls_context_free(s.tls);
    return code;
}
