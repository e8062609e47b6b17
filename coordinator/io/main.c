/* flotilla-coordinator: one voter of the Raft group that holds the cluster's metadata. */
#include "coordinator/io/server.h"
#include "proto/base/must.h"
#include "proto/daemon/heap.h"
#include "proto/daemon/log.h"
#include "proto/daemon/start.h"
#include <stdio.h>
#include <string.h>

#define MEMORY_MAX ((size_t)16 << 30)

/* The ClusterInit that `flotilla cluster init` left for the first leader; NULL when there is none.
 */
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
    struct start start = {.name = "flotilla-coordinator",
                          .summary = "Holds the metadata of a Flotilla cluster."};
    int code;
    if (!daemon_start(&start, argc, argv, &code))
        return code;
    s.settings = start.settings;
    s.tls = start.tls;
    if (!s.settings.coordinator_enabled) {
        log_error("%s: [coordinator] enabled is not yes: this machine is no coordinator",
                  start.config);
        return 1;
    }
    tls_context_allow_anonymous(s.tls); /* for machines that join; they may do nothing else */
    mem_heap_init(&s.mem, MEMORY_MAX);
    must(uv_loop_init(&s.loop) == 0);
    Fl__ClusterInit *founding = load_founding(s.settings.founding_file);
    struct coordinator_config core = {
        .raft = {.id = s.settings.node_id},
        .init = founding,
        .read_file = server_read_state,
        .read_file_ctx = &s,
    };
    memcpy(core.raft.cluster, s.settings.cluster_id, sizeof core.raft.cluster);
    s.core = coordinator_new(&s.mem, &core, NULL);
    must(s.core != NULL);
    code = server_run(&s);
    coordinator_free(s.core);
    tls_context_free(s.tls);
    if (founding != NULL)
        fl__cluster_init__free_unpacked(founding, NULL);
    return code;
}
