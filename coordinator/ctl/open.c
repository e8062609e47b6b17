/* `open ls`: what clients have open, on whichever node, as the coordinator knows it. */
#include "coordinator/ctl/ctl.h"

#include "proto/base/utf16.h"
#include "proto/daemon/heap.h"
#include "proto/smb/dtyp.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const Fl__Share *share_at(const Fl__ClusterConfig *config, uint32_t volume, uint64_t root)
{
    for (size_t i = 0; i < config->n_shares; i++)
        if (config->shares[i]->volume == volume && config->shares[i]->root_inode == root)
            return config->shares[i];
    return NULL;
}

static const char *node_name(const Fl__ClusterConfig *config, uint32_t id)
{
    for (size_t i = 0; i < config->n_nodes; i++)
        if (config->nodes[i]->id == id)
            return config->nodes[i]->name;
    return "?";
}

/* "read, write, delete": what an administrator asks about. */
static const char *access_text(uint32_t granted)
{
    bool reads = (granted & (FILE_READ_DATA | FILE_EXECUTE)) != 0;
    bool writes = (granted & (FILE_WRITE_DATA | FILE_APPEND_DATA)) != 0;
    bool deletes = (granted & ACCESS_DELETE) != 0;
    static const char *const texts[] = {"look",   "read",        "write",        "read-write",
                                        "delete", "read-delete", "write-delete", "all"};
    return texts[reads | writes << 1 | deletes << 2];
}

struct listing {
    const Fl__ClusterConfig *config;
    const char *share; /* NULL: all */
    struct table_out *table;
    json_t *json;
};

static void show(const struct listing *l, const Fl__OpensReply__Entry *e)
{
    const Fl__ClusterConfig *config = l->config;
    const Fl__Share *s = share_at(config, e->volume, e->root_inode);
    struct mem mem;
    struct arena a;
    char id[24];
    if (l->share != NULL && (s == NULL || strcasecmp(s->name, l->share) != 0))
        return;
    mem_heap_init(&mem, 1 << 20);
    arena_init(&a, &mem, 1 << 20);
    const char *path = utf16_to_utf8(slice_of(e->path.data, e->path.len), &a);
    path = path == NULL ? "?" : path;
    (void)snprintf(id, sizeof id, "%llu", (unsigned long long)e->open_id);
    if (l->table != NULL)
        table_row(l->table, id, node_name(config, e->node_id), s == NULL ? "?" : s->name,
                  access_text(e->granted_access), path[0] == '\0' ? "\\" : path);
    json_array_append_new(
        l->json, json_pack("{s:I s:s s:s s:s s:s s:b}", "open", (json_int_t)e->open_id, "node",
                           node_name(config, e->node_id), "share", s == NULL ? "?" : s->name,
                           "access", access_text(e->granted_access), "path", path, "delete_pending",
                           e->delete_pending));
    arena_fini(&a);
}

/* One portion after the other; the last one's number is where the next begins. */
static int list_all(struct ctl *c, const struct listing *l)
{
    Fl__QueryOpens ask = FL__QUERY_OPENS__INIT;
    Fl__Query query = FL__QUERY__INIT;
    query.body_case = FL__QUERY__BODY_OPENS;
    query.opens = &ask;
    for (bool more = true; more;) {
        Fl__Reply *reply = client_query(ctl_client(c), &query);
        if (reply == NULL)
            return fail("%s", client_error(ctl_client(c)));
        more = reply->body_case == FL__REPLY__BODY_OPENS && reply->opens->more;
        for (size_t i = 0; reply->body_case == FL__REPLY__BODY_OPENS && i < reply->opens->n_entries;
             i++) {
            show(l, reply->opens->entries[i]);
            ask.after = reply->opens->entries[i]->open_id;
        }
        fl__reply__free_unpacked(reply, NULL);
    }
    return EXIT_OK;
}

int run_open_ls(struct ctl *c)
{
    Fl__Reply *status = ctl_status(c);
    if (status == NULL)
        return EXIT_ERROR;
    struct listing l = {.config = status->cluster->config,
                        .share = args_option(&c->args, "share", NULL),
                        .json = json_array()};
    if (!c->args.json)
        l.table = table_begin(5, "OPEN", "NODE", "SHARE", "ACCESS", "PATH");
    int r = list_all(c, &l);
    if (l.table != NULL)
        table_end(l.table);
    (void)print_json(c, l.json);
    fl__reply__free_unpacked(status, NULL);
    return r;
}
