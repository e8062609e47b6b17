/* flotilla-coordinator: one voter of the Raft group that holds the cluster's metadata. */
#include "coordinator/io/server.h"
#include "proto/base/must.h"
#include "proto/daemon/heap.h"
#include "proto/daemon/log.h"
#include "proto/daemon/options.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define MEMORY_MAX ((size_t)16 << 30)

/* The ClusterInit that `flotilla cluster init` left for the first leader; NULL when there is none. */
static Fl__ClusterInit *load_founding(const char *path)
{
    FILE *f = path[0] != '\0' ? fopen(path, "rb") : NULL;
    if (f == NULL)
        return NULL;
    static uint8_t bytes[1 << 20];
    size_t len = fread(bytes, 1, sizeof bytes, f);
    (void)fclose(f);
    return fl__cluster_init__unpack(NULL, len, bytes);
}

int main(int argc, char **argv)
{
    static struct server s;
    char error[SETTINGS_ERROR_MAX];
    const char *config = options_daemon(argc, argv, "flotilla-coordinator",
                                        "holds the metadata of a Flotilla cluster");
    log_open("flotilla-coordinator");
    if (!settings_load(&s.settings, config, error)) {
        log_error("%s", error);
        return 1;
    }
    log_set_level(s.settings.log_level);
    if (!s.settings.coordinator_enabled) {
        log_error("%s: [coordinator] enabled is not set: this machine is no coordinator", config);
        return 1;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    struct tls_files files = {s.settings.ca, s.settings.cert, s.settings.key};
    char tls_error_text[TLS_ERROR_MAX];
    s.tls = tls_context_new(&files, tls_error_text);
    if (s.tls == NULL) {
        log_error("%s", tls_error_text);
        return 1;
    }
    tls_context_allow_anonymous(s.tls);
    mem_heap_init(&s.mem, MEMORY_MAX);
    must(uv_loop_init(&s.loop) == 0);
    struct coordinator_config core = {
        .raft = {.id = s.settings.node_id},
        .init = load_founding(s.settings.founding_file),
        .read_file = server_read_state,
        .read_file_ctx = &s,
    };
    memcpy(core.raft.cluster, s.settings.cluster_id, sizeof core.raft.cluster);
    s.core = coordinator_new(&s.mem, &core, NULL);
    must(s.core != NULL);
    int code = server_run(&s);
    coordinator_free(s.core);
    tls_context_free(s.tls);
    return code;
}
