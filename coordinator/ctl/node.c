/* `node add | join | ls | rm`. */
#include "coordinator/ctl/ctl.h"

#include "proto/base/must.h"
#include "proto/daemon/pki.h"
#include <arpa/inet.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    TOKEN_SECRET = 32,
    TOKEN_MAX = 1024,
    DATA_PORT = 4461,
    COORDINATOR_PORT = 4460,
    SMB_PORT = 445
};
#define FILETIME_SECOND UINT64_C(10000000)

/* A join token: flotilla1.<CA fingerprint>.<secret>.<name>.<address:port,...>, all the new machine
 * needs to know whom to trust and to be trusted. The cluster keeps only the secret's hash. */
struct token {
    uint8_t fingerprint[32], secret[TOKEN_SECRET];
    char name[64], addresses[TOKEN_MAX];
};

static bool own_fingerprint(const struct settings *s, uint8_t out[32])
{
    char error[TLS_ERROR_MAX];
    static char pem[16384];
    FILE *f = fopen(s->ca, "r");
    size_t len = f != NULL ? fread(pem, 1, sizeof pem, f) : 0;
    if (f != NULL)
        (void)fclose(f);
    return len > 0 && pki_fingerprint(slice_of(pem, len), out, error);
}

static void print_token(struct ctl *c, const struct token *t, uint64_t hours)
{
    char fingerprint[65], secret[2 * TOKEN_SECRET + 1], text[2 * TOKEN_MAX];
    to_hex(t->fingerprint, 32, fingerprint);
    to_hex(t->secret, TOKEN_SECRET, secret);
    (void)snprintf(text, sizeof text, "flotilla1.%s.%s.%s.%s", fingerprint, secret, t->name,
                   t->addresses);
    if (print_json(c, json_pack("{s:s s:s s:I}", "name", t->name, "token", text, "hours",
                                (json_int_t)hours)))
        return;
    (void)printf("On the new machine, within %llu hours:\n  flotilla node join %s\n",
                 (unsigned long long)hours, text);
}

int run_node_add(struct ctl *c)
{
    struct token t = {.addresses = ""};
    uint8_t hash[32], binary[16];
    unsigned len = 0;
    uint64_t hours;
    const char *name = c->args.words[2], *address = args_option(&c->args, "address", NULL);
    if (address == NULL ||
        (inet_pton(AF_INET, address, binary) != 1 && inet_pton(AF_INET6, address, binary) != 1))
        return fail("--address IP is wanted: where the new machine is reached");
    if (!args_number(&c->args, "hours", 24, &hours) || hours == 0 || hours > 24 * 365)
        return fail("--hours: how long the token is good");
    if (strlen(name) >= sizeof t.name || strchr(name, '.') != NULL)
        return fail("'%s' is not a node's name", name);
    if (!own_fingerprint(&c->settings, t.fingerprint))
        return fail("cannot read %s", c->settings.ca);
    (void)snprintf(t.name, sizeof t.name, "%s", name);
    for (uint32_t i = 0; i < c->settings.coordinator_count; i++)
        (void)snprintf(t.addresses + strlen(t.addresses), sizeof t.addresses - strlen(t.addresses),
                       "%s%s", i ? "," : "", c->settings.coordinators[i].address);
    random_bytes(t.secret, sizeof t.secret);
    must(EVP_Digest(t.secret, sizeof t.secret, hash, &len, EVP_sha256(), NULL) == 1);
    Fl__Node node = FL__NODE__INIT;
    node.name = t.name;
    node.address = (char *)(uintptr_t)address;
    node.data_port = DATA_PORT;
    node.coordinator_port = COORDINATOR_PORT;
    node.coordinator = args_flag(&c->args, "coordinator");
    Fl__NodeAdd add = FL__NODE_ADD__INIT;
    add.node = &node;
    add.token_hash = (ProtobufCBinaryData){sizeof hash, hash};
    add.expires = ((uint64_t)time(NULL) + UINT64_C(11644473600) + hours * 3600) * FILETIME_SECOND;
    Fl__Command command = FL__COMMAND__INIT;
    command.body_case = FL__COMMAND__BODY_NODE_ADD;
    command.node_add = &add;
    int r = ctl_command(c, &command, NULL);
    if (r == EXIT_OK)
        print_token(c, &t, hours);
    return r;
}

static bool parse_token(const char *text, struct token *t)
{
    static char copy[2 * TOKEN_MAX];
    if (strlen(text) >= sizeof copy)
        return false;
    (void)snprintf(copy, sizeof copy, "%s", text);
    char *save = NULL, *magic = strtok_r(copy, ".", &save),
         *fingerprint = strtok_r(NULL, ".", &save);
    char *secret = strtok_r(NULL, ".", &save), *name = strtok_r(NULL, ".", &save);
    if (name == NULL || strcmp(magic, "flotilla1") != 0 || save == NULL ||
        strlen(name) >= sizeof t->name)
        return false;
    (void)snprintf(t->name, sizeof t->name, "%s", name);
    (void)snprintf(t->addresses, sizeof t->addresses, "%s", save);
    return from_hex(fingerprint, t->fingerprint, 32) && from_hex(secret, t->secret, TOKEN_SECRET);
}

static int write_joined(struct ctl *c, const Fl__JoinReply *joined, const char *key,
                        const char *directory)
{
    const Fl__ClusterConfig *config = joined->config;
    struct bundle b = {.directory = directory,
                       .cluster_name = config->cluster_name,
                       .nodes = config->nodes,
                       .node_count = config->n_nodes,
                       .ca_pem = slice_of(joined->ca_pem.data, joined->ca_pem.len),
                       .cert_pem = slice_of(joined->cert_pem.data, joined->cert_pem.len),
                       .key_pem = slice_str(key),
                       .joins = true,
                       .smb_port = SMB_PORT};
    b.state_dir = state_directory(c);
    for (size_t i = 0; i < config->n_nodes; i++)
        if (config->nodes[i]->id == joined->node_id)
            b.node = config->nodes[i];
    if (b.node == NULL || config->cluster_id.len != 16)
        return fail("the cluster's answer is incomplete");
    memcpy(b.cluster_id, config->cluster_id.data, 16);
    return bundle_write(&b);
}

int run_node_join(struct ctl *c)
{
    static struct token t;
    char error[CTL_ERROR_MAX], *key = NULL, *csr = NULL, *save = NULL;
    const char *addresses[SETTINGS_COORDINATORS_MAX];
    const char *directory = args_option(&c->args, "out", "/etc/flotilla");
    uint32_t count = 0;
    if (!parse_token(c->args.words[2], &t))
        return fail("this is not a join token; make one with: flotilla node add");
    for (char *a = strtok_r(t.addresses, ",", &save);
         a != NULL && count < SETTINGS_COORDINATORS_MAX; a = strtok_r(NULL, ",", &save))
        addresses[count++] = a;
    if (count == 0)
        return fail("this is not a join token; make one with: flotilla node add");
    if (!pki_make_request(t.name, &key, &csr, error))
        return fail("%s", error);
    Fl__JoinRequest request = FL__JOIN_REQUEST__INIT;
    request.token = (ProtobufCBinaryData){sizeof t.secret, t.secret};
    request.name = t.name;
    request.csr_pem = (ProtobufCBinaryData){strlen(csr), (uint8_t *)csr};
    Fl__JoinReply *joined =
        client_join(addresses, count, slice_of(t.fingerprint, 32), &request, error);
    int r = joined != NULL ? write_joined(c, joined, key, directory) : fail("%s", error);
    json_t *result = json_pack("{s:s s:s}", "name", t.name, "directory", directory);
    if (r != EXIT_OK)
        json_decref(result);
    else if (!print_json(c, result))
        (void)printf(
            "Joined as '%s'. Start the daemons: systemctl start flotilla-node flotilla-witness\n",
            t.name);
    if (joined != NULL)
        fl__join_reply__free_unpacked(joined, NULL);
    free(key);
    free(csr);
    return r;
}

int run_node_ls(struct ctl *c)
{
    static const char *const states[] = {"Down", "Up", "Joining"};
    Fl__Reply *reply = ctl_status(c);
    if (reply == NULL)
        return EXIT_ERROR;
    const Fl__ClusterConfig *config = reply->cluster->config;
    json_t *list = json_array();
    struct table_out *t =
        c->args.json ? NULL : table_begin(5, "NAME", "ID", "ADDRESS", "STATE", "COORDINATOR");
    for (size_t i = 0; i < config->n_nodes; i++) {
        const Fl__Node *n = config->nodes[i];
        char id[16];
        const char *state = (unsigned)n->state < 3 ? states[n->state] : "Unknown";
        (void)snprintf(id, sizeof id, "%u", n->id);
        if (t != NULL)
            table_row(t, n->name, id, n->address, state, n->coordinator ? "yes" : "no");
        json_array_append_new(list, json_pack("{s:s s:i s:s s:s s:b}", "name", n->name, "id",
                                              (int)n->id, "address", n->address, "state", state,
                                              "coordinator", n->coordinator));
    }
    if (t != NULL)
        table_end(t);
    (void)print_json(c, list);
    fl__reply__free_unpacked(reply, NULL);
    return EXIT_OK;
}

int run_node_rm(struct ctl *c)
{
    Fl__NodeRemove remove = FL__NODE_REMOVE__INIT;
    remove.name = (char *)(uintptr_t)c->args.words[2];
    remove.force = args_flag(&c->args, "force");
    Fl__Command command = FL__COMMAND__INIT;
    command.body_case = FL__COMMAND__BODY_NODE_REMOVE;
    command.node_remove = &remove;
    return ctl_command(c, &command, NULL);
}
