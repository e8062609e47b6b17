/* `volume create | ls | rm`. */
#include "coordinator/ctl/ctl.h"

#include <stdio.h>
#include <string.h>

int run_volume_create(struct ctl *c)
{
    uint64_t replicas, groups, extent_mib;
    Fl__VolumeCreate create = FL__VOLUME_CREATE__INIT;
    create.name = (char *)(uintptr_t)c->args.words[2];
    if (!args_number(&c->args, "replicas", 3, &replicas) || replicas < 1 || replicas > 3)
        return fail("--replicas: 1, 2 or 3 copies");
    if (!args_number(&c->args, "groups", 0, &groups) || groups > 4096)
        return fail("--groups: at most 4096");
    if (!args_number(&c->args, "extent-mib", 0, &extent_mib) || extent_mib > 1024)
        return fail("--extent-mib: a power of two, 1 to 1024");
    create.replicas = (uint32_t)replicas;
    create.groups = (uint32_t)groups;
    create.extent_bytes = extent_mib << 20;
    Fl__Command command = FL__COMMAND__INIT;
    command.body_case = FL__COMMAND__BODY_VOLUME_CREATE;
    command.volume_create = &create;
    uint32_t id = 0;
    int r = ctl_command(c, &command, &id);
    if (r == EXIT_OK && !print_json(c, json_pack("{s:s s:i}", "name", create.name, "id", (int)id)))
        (void)printf("volume '%s' has %u copies of everything\n", create.name, create.replicas);
    return r;
}

/* How the volume's groups are: the worst of them counts. */
static const char *health(const Fl__ClusterConfig *config, const Fl__Volume *v)
{
    const char *worst = "healthy";
    for (size_t i = 0; i < config->n_groups; i++) {
        const Fl__Group *g = config->groups[i];
        if (g->volume != v->id)
            continue;
        if (g->primary == 0)
            return "offline";
        if (g->n_in_sync < g->n_members)
            worst = "degraded";
    }
    return worst;
}

int run_volume_ls(struct ctl *c)
{
    Fl__Reply *reply = ctl_status(c);
    if (reply == NULL)
        return EXIT_ERROR;
    const Fl__ClusterConfig *config = reply->cluster->config;
    json_t *list = json_array();
    struct table_out *t =
        c->args.json ? NULL : table_begin(5, "NAME", "REPLICAS", "GROUPS", "EXTENT", "HEALTH");
    for (size_t i = 0; i < config->n_volumes; i++) {
        const Fl__Volume *v = config->volumes[i];
        char replicas[16], groups[16], extent[32];
        (void)snprintf(replicas, sizeof replicas, "%u", v->replicas);
        (void)snprintf(groups, sizeof groups, "%zu", v->n_groups);
        (void)snprintf(extent, sizeof extent, "%llu MiB",
                       (unsigned long long)(v->extent_bytes >> 20));
        if (t != NULL)
            table_row(t, v->name, replicas, groups, extent, health(config, v));
        json_array_append_new(list, json_pack("{s:s s:i s:i s:I s:s}", "name", v->name, "replicas",
                                              (int)v->replicas, "groups", (int)v->n_groups,
                                              "extent_bytes", (json_int_t)v->extent_bytes, "health",
                                              health(config, v)));
    }
    if (t != NULL)
        table_end(t);
    (void)print_json(c, list);
    fl__reply__free_unpacked(reply, NULL);
    return EXIT_OK;
}

int run_volume_rm(struct ctl *c)
{
    Fl__VolumeRemove remove = FL__VOLUME_REMOVE__INIT;
    remove.name = (char *)(uintptr_t)c->args.words[2];
    Fl__Command command = FL__COMMAND__INIT;
    command.body_case = FL__COMMAND__BODY_VOLUME_REMOVE;
    command.volume_remove = &remove;
    if (!args_flag(&c->args, "yes")) {
        (void)fail("this deletes every file of volume '%s'; say --yes to do it", remove.name);
        return EXIT_UNSAFE;
    }
    return ctl_command(c, &command, NULL);
}
