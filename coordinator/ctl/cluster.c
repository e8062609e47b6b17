/* The line to the cluster, `cluster init`, `status`. */
#include "coordinator/ctl/ctl.h"

#include "proto/base/must.h"
#include "proto/daemon/pki.h"
#include "proto/smb/status.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
    NODES_MAX = 64,
    CERTIFICATE_DAYS = 3650,
    DATA_PORT = 4461,
    COORDINATOR_PORT = 4460,
    SMB_PORT = 445
};

/* ---- the line -------------------------------------------------------------------------------- */

struct client *ctl_client(struct ctl *c)
{
    char error[CTL_ERROR_MAX];
    if (c->client == NULL &&
        (c->client = client_open(&c->settings, c->args.timeout_ms, error)) == NULL)
        (void)fail("%s", error);
    return c->client;
}

/* What an administrator's command said, as an exit code. */
static int exit_code_of(uint32_t status)
{
    switch (status) {
    case STATUS_OK: return EXIT_OK;
    case STATUS_NOT_FOUND:
    case STATUS_OBJECT_NAME_NOT_FOUND:
    case STATUS_OBJECT_PATH_NOT_FOUND:
    case STATUS_NO_SUCH_USER:
    case STATUS_BAD_NETWORK_NAME: return EXIT_NOT_FOUND;
    case STATUS_DIRECTORY_NOT_EMPTY:
    case STATUS_REQUEST_NOT_ACCEPTED: return EXIT_UNSAFE;
    default: return EXIT_ERROR; /* any other NTSTATUS */
    }
}

int ctl_command(struct ctl *c, Fl__Command *command, uint32_t *id)
{
    struct client *line = ctl_client(c);
    if (line == NULL)
        return EXIT_ERROR;
    Fl__Reply *reply = client_command(line, command);
    if (reply == NULL)
        return fail("%s", client_error(line));
    int code = exit_code_of(reply->status);
    if (code != EXIT_OK)
        (void)fail("%s", reply->message[0] != '\0' ? reply->message : "the cluster refused");
    if (code == EXIT_OK && id != NULL && reply->body_case == FL__REPLY__BODY_ADMIN)
        *id = reply->admin->id;
    fl__reply__free_unpacked(reply, NULL);
    return code;
}

static Fl__Reply *query_status(struct client *line)
{
    Fl__Query query = FL__QUERY__INIT;
    Fl__QueryStatus status = FL__QUERY_STATUS__INIT;
    query.body_case = FL__QUERY__BODY_STATUS;
    query.status = &status;
    Fl__Reply *reply = client_query(line, &query);
    if (reply != NULL &&
        (reply->body_case != FL__REPLY__BODY_CLUSTER || reply->cluster->config == NULL)) {
        fl__reply__free_unpacked(reply, NULL);
        return NULL;
    }
    return reply;
}

Fl__Reply *ctl_status(struct ctl *c)
{
    struct client *line = ctl_client(c);
    Fl__Reply *reply = line != NULL ? query_status(line) : NULL;
    if (reply == NULL && line != NULL)
        (void)fail("%s", client_error(line));
    return reply;
}

/* ---- status ---------------------------------------------------------------------------------- */

static const char *state_name(Fl__NodeState state)
{
    switch (state) {
    case FL__NODE_STATE__NODE_DOWN: return "Down";
    case FL__NODE_STATE__NODE_UP: return "Up";
    case FL__NODE_STATE__NODE_INVITED: return "Joining";
    case _FL__NODE_STATE_IS_INT_SIZE: break;
    }
    return "Unknown";
}

struct health {
    size_t nodes_up, nodes, groups_degraded, groups_offline;
};

static struct health health_of(const Fl__ClusterConfig *config)
{
    struct health h = {.nodes = config->n_nodes};
    for (size_t i = 0; i < config->n_nodes; i++)
        h.nodes_up += config->nodes[i]->state == FL__NODE_STATE__NODE_UP;
    for (size_t i = 0; i < config->n_groups; i++) {
        const Fl__Group *g = config->groups[i];
        h.groups_offline += g->primary == 0;
        h.groups_degraded += g->primary != 0 && g->n_in_sync < g->n_members;
    }
    return h;
}

static const char *verdict(const struct health *h)
{
    if (h->groups_offline > 0)
        return "offline";
    return h->nodes_up < h->nodes || h->groups_degraded > 0 ? "degraded" : "healthy";
}

static json_t *status_json(const Fl__StatusReply *s, const struct health *h)
{
    json_t *nodes = json_array(), *volumes = json_array(), *voters = json_array();
    for (size_t i = 0; i < s->config->n_nodes; i++) {
        const Fl__Node *n = s->config->nodes[i];
        json_array_append_new(nodes, json_pack("{s:i s:s s:s s:s s:b s:b}", "id", (int)n->id,
                                               "name", n->name, "address", n->address, "state",
                                               state_name(n->state), "coordinator", n->coordinator,
                                               "leader", n->id == s->leader));
    }
    for (size_t i = 0; i < s->config->n_volumes; i++) {
        const Fl__Volume *v = s->config->volumes[i];
        json_array_append_new(volumes, json_pack("{s:s s:i s:i}", "name", v->name, "replicas",
                                                 (int)v->replicas, "groups", (int)v->n_groups));
    }
    for (size_t i = 0; i < s->n_voters; i++)
        json_array_append_new(voters, json_integer(s->voters[i]));
    return json_pack("{s:s s:s s:i s:I s:I s:o s:o s:o s:I s:I s:i s:i s:i s:I}", "cluster",
                     s->config->cluster_name, "health", verdict(h), "leader", (int)s->leader,
                     "term", (json_int_t)s->term, "applied_index", (json_int_t)s->applied_index,
                     "voters", voters, "nodes", nodes, "volumes", volumes, "files",
                     (json_int_t)s->files, "opens", (json_int_t)s->opens, "groups",
                     (int)s->config->n_groups, "groups_degraded", (int)h->groups_degraded,
                     "groups_offline", (int)h->groups_offline, "reclaims_pending",
                     (json_int_t)s->reclaims);
}

static void status_print(const Fl__StatusReply *s, const struct health *h)
{
    (void)printf("cluster %s is %s: %zu of %zu nodes up; %zu groups, %zu degraded, %zu offline\n",
                 s->config->cluster_name, verdict(h), h->nodes_up, h->nodes, s->config->n_groups,
                 h->groups_degraded, h->groups_offline);
    (void)printf("leader: node %u, term %llu; %llu files, %llu open\n\n", s->leader,
                 (unsigned long long)s->term, (unsigned long long)s->files,
                 (unsigned long long)s->opens);
    struct table_out *t = table_begin(4, "NODE", "ADDRESS", "STATE", "ROLES");
    for (size_t i = 0; i < s->config->n_nodes; i++) {
        const Fl__Node *n = s->config->nodes[i];
        table_row(t, n->name, n->address, state_name(n->state),
                  n->id == s->leader ? "node, coordinator (leader)"
                  : n->coordinator   ? "node, coordinator"
                                     : "node");
    }
    table_end(t);
}

static bool is_ready(const Fl__StatusReply *s, const struct health *h, bool shares)
{
    return h->nodes > 0 && h->nodes_up == h->nodes && h->groups_offline == 0 &&
           h->groups_degraded == 0 && (!shares || s->config->n_shares > 0);
}

/* Asks until everything is up, or the time is over: the line may not even stand at first. */
static Fl__Reply *wait_until_ready(struct ctl *c, uint64_t seconds, bool shares)
{
    char error[CTL_ERROR_MAX] = "no coordinator answers";
    time_t until = time(NULL) + (time_t)seconds;
    Fl__Reply *reply = NULL;
    do {
        if (reply != NULL)
            fl__reply__free_unpacked(reply, NULL);
        reply = NULL;
        struct client *line = client_open(&c->settings, 2000, error);
        if (line != NULL)
            reply = query_status(line);
        client_close(line);
        if (reply != NULL) {
            struct health h = health_of(reply->cluster->config);
            if (is_ready(reply->cluster, &h, shares))
                return reply;
        }
        (void)poll(NULL, 0, 100);
    } while (time(NULL) < until);
    if (reply == NULL)
        (void)fail("%s", error);
    else
        (void)fail("not everything is up after %llu seconds", (unsigned long long)seconds);
    if (reply != NULL)
        fl__reply__free_unpacked(reply, NULL);
    return NULL;
}

int run_status(struct ctl *c)
{
    uint64_t seconds;
    bool shares = args_flag(&c->args, "shares");
    if (!args_number(&c->args, "wait", 0, &seconds))
        return fail("--wait takes seconds");
    Fl__Reply *reply = seconds > 0 ? wait_until_ready(c, seconds, shares) : ctl_status(c);
    if (reply == NULL)
        return EXIT_ERROR;
    struct health h = health_of(reply->cluster->config);
    if (!print_json(c, status_json(reply->cluster, &h)))
        status_print(reply->cluster, &h);
    fl__reply__free_unpacked(reply, NULL);
    return EXIT_OK;
}

/* ---- cluster init ---------------------------------------------------------------------------- */

struct founding {
    Fl__ClusterInit init;
    Fl__Node nodes[NODES_MAX], *pointers[NODES_MAX];
    char names[NODES_MAX][64], addresses[NODES_MAX][64];
    uint8_t cluster_id[16], domain_sid[24];
    char *ca_key, *ca_cert;
    uint8_t *packed;
    size_t packed_len;
};

static int add_node(struct founding *f, const char *text)
{
    uint8_t binary[16];
    size_t i = f->init.n_nodes;
    const char *equals = strchr(text, '=');
    if (i == NODES_MAX || equals == NULL || equals == text ||
        (size_t)(equals - text) >= sizeof f->names[0])
        return fail("--node %s: NAME=ADDRESS is wanted", text);
    (void)snprintf(f->names[i], sizeof f->names[i], "%.*s", (int)(equals - text), text);
    (void)snprintf(f->addresses[i], sizeof f->addresses[i], "%s", equals + 1);
    if (inet_pton(AF_INET, equals + 1, binary) != 1 && inet_pton(AF_INET6, equals + 1, binary) != 1)
        return fail("--node %s: '%s' is not an IP address", text, equals + 1);
    for (size_t j = 0; j < i; j++)
        if (strcmp(f->names[j], f->names[i]) == 0 || strcmp(f->addresses[j], f->addresses[i]) == 0)
            return fail("--node %s: this name or address is given twice", text);
    Fl__Node *n = &f->nodes[i];
    fl__node__init(n);
    n->id = (uint32_t)i + 1;
    n->name = f->names[i];
    n->address = f->addresses[i];
    n->data_port = DATA_PORT;
    n->coordinator_port = COORDINATOR_PORT;
    f->pointers[i] = n;
    f->init.n_nodes++;
    return EXIT_OK;
}

/* S-1-5-21-a-b-c: [MS-DTYP] 2.4.2.2. */
static void make_domain_sid(uint8_t sid[24])
{
    static const uint8_t head[] = {1, 4, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0};
    memcpy(sid, head, sizeof head);
    random_bytes(sid + sizeof head, 24 - sizeof head);
}

static int choose_coordinators(struct ctl *c, struct founding *f)
{
    uint64_t count;
    size_t nodes = f->init.n_nodes;
    if (!args_number(&c->args, "coordinators", nodes >= 3 ? 3 : 1, &count) ||
        (count != 1 && count != 3 && count != 5) || count > nodes)
        return fail("--coordinators: 1, 3 or 5, and no more than there are nodes");
    for (size_t i = 0; i < count; i++)
        f->nodes[i].coordinator = true;
    return EXIT_OK;
}

static int write_one(const struct founding *f, const char *out, const Fl__Node *node,
                     const char *state_dir)
{
    char directory[4096], error[TLS_ERROR_MAX], *key = NULL, *csr = NULL;
    const char *name = node != NULL ? node->name : "admin";
    (void)snprintf(directory, sizeof directory, "%s/%s", out, name);
    if (!pki_make_request(name, &key, &csr, error))
        return fail("%s", error);
    struct pki_subject subject = {.name = name,
                                  .role = node != NULL ? TLS_ROLE_NODE : TLS_ROLE_ADMIN,
                                  .node_id = node != NULL ? node->id : 0,
                                  .address = node != NULL ? node->address : NULL};
    const struct pki_issuer issuer = {slice_str(f->ca_key), slice_str(f->ca_cert),
                                      CERTIFICATE_DAYS};
    char *cert = pki_sign(slice_str(csr), &issuer, &subject, error);
    if (cert == NULL)
        return fail("%s", error);
    struct bundle b = {.directory = directory,
                       .cluster_name = f->init.cluster_name,
                       .node = node,
                       .nodes = (Fl__Node *const *)f->pointers,
                       .state_dir = state_dir,
                       .node_count = f->init.n_nodes,
                       .ca_pem = slice_str(f->ca_cert),
                       .cert_pem = slice_str(cert),
                       .key_pem = slice_str(key),
                       .smb_port = SMB_PORT};
    memcpy(b.cluster_id, f->cluster_id, 16);
    if (node != NULL && node->coordinator)
        b.founding = slice_of(f->packed, f->packed_len);
    int r = bundle_write(&b);
    free(key);
    free(csr);
    free(cert);
    return r;
}

static int write_all(struct ctl *c, struct founding *f, const char *out)
{
    const char *state_dir = state_directory(c);
    if (mkdir(out, 0755) != 0 && errno != EEXIST)
        return fail("cannot make %s: %s", out, strerror(errno));
    int r = write_one(f, out, NULL, state_dir);
    for (size_t i = 0; i < f->init.n_nodes && r == EXIT_OK; i++)
        r = write_one(f, out, f->pointers[i], state_dir);
    return r;
}

static void say_what_next(const struct founding *f, const char *out)
{
    (void)printf("The cluster '%s' is prepared in %s: one directory for each machine, and admin/.\n"
                 "Copy each to /etc/flotilla on its machine and start the daemons there:\n",
                 f->init.cluster_name, out);
    for (size_t i = 0; i < f->init.n_nodes; i++)
        (void)printf(
            "  %s/%s  ->  %s:/etc/flotilla   systemctl start flotilla-node flotilla-witness%s\n",
            out, f->names[i], f->addresses[i],
            f->nodes[i].coordinator ? " flotilla-coordinator" : "");
    (void)printf("Then: export FLOTILLA_CONFIG=%s/admin/flotilla.conf; flotilla status\n", out);
}

int run_cluster_init(struct ctl *c)
{
    static struct founding f;
    char error[TLS_ERROR_MAX];
    const char *out = args_option(&c->args, "out", NULL);
    fl__cluster_init__init(&f.init);
    f.init.cluster_name = (char *)(uintptr_t)args_option(&c->args, "name", "flotilla");
    f.init.nodes = f.pointers;
    if (out == NULL)
        return fail("--out DIRECTORY is wanted: where the machines' directories are put");
    if (strlen(f.init.cluster_name) > 15)
        return fail("--name: at most 15 characters, as it is a server's name to clients");
    for (const char *text; (text = args_option(&c->args, "node", NULL)) != NULL;)
        if (add_node(&f, text) != EXIT_OK)
            return EXIT_ERROR;
    if (f.init.n_nodes == 0)
        return fail("--node NAME=ADDRESS is wanted, once for each machine");
    if (choose_coordinators(c, &f) != EXIT_OK)
        return EXIT_ERROR;
    if (!pki_make_ca(f.init.cluster_name, &f.ca_key, &f.ca_cert, error))
        return fail("%s", error);
    random_bytes(f.cluster_id, 16);
    make_domain_sid(f.domain_sid);
    f.init.cluster_id = (ProtobufCBinaryData){16, f.cluster_id};
    f.init.domain_sid = (ProtobufCBinaryData){24, f.domain_sid};
    f.init.ca_key_pem = (ProtobufCBinaryData){strlen(f.ca_key), (uint8_t *)f.ca_key};
    f.init.ca_cert_pem = (ProtobufCBinaryData){strlen(f.ca_cert), (uint8_t *)f.ca_cert};
    f.packed_len = fl__cluster_init__get_packed_size(&f.init);
    f.packed = malloc(f.packed_len);
    must(f.packed != NULL);
    (void)fl__cluster_init__pack(&f.init, f.packed);
    int r = write_all(c, &f, out);
    json_t *result = json_pack("{s:s s:s s:i}", "cluster", f.init.cluster_name, "directory", out,
                               "nodes", (int)f.init.n_nodes);
    if (r != EXIT_OK)
        json_decref(result);
    else if (!print_json(c, result))
        say_what_next(&f, out);
    free(f.packed);
    free(f.ca_key);
    free(f.ca_cert);
    return r;
}
