/* A machine's directory: flotilla.conf, ca.crt, node.crt, node.key, and for the first coordinators
 * what the cluster is founded on. */
#include "coordinator/ctl/ctl.h"

#include "proto/daemon/pki.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { CONF_MAX = 16384 };

static int put(const struct bundle *b, const char *name, struct slice bytes, unsigned mode)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", b->directory, name);
    int r = pki_write_file(path, bytes, mode);
    return r == 0 ? EXIT_OK : fail("cannot write %s: %s", path, strerror(-r));
}

struct text {
    char at[CONF_MAX];
    size_t len;
};

static void say(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->at + t->len, sizeof t->at - t->len, format, args);
    va_end(args);
    if (n > 0 && (size_t)n < sizeof t->at - t->len)
        t->len += (size_t)n;
}

static void describe_cluster(struct text *t, const struct bundle *b)
{
    char id[33];
    to_hex(b->cluster_id, 16, id);
    say(t, "# Made by flotilla. See flotilla.conf.example for every key.\n");
    say(t, "[cluster]\nname = %s\nid = %s\n", b->cluster_name, id);
    for (size_t i = 0; i < b->node_count; i++)
        if (b->nodes[i]->coordinator)
            say(t,
                strchr(b->nodes[i]->address, ':') ? "coordinator = %u [%s]:%u\n"
                                                  : "coordinator = %u %s:%u\n",
                b->nodes[i]->id, b->nodes[i]->address, b->nodes[i]->coordinator_port);
    say(t, "\n[tls]\nca = ca.crt\ncert = node.crt\nkey = node.key\n");
}

static void describe_node(struct text *t, const struct bundle *b)
{
    const Fl__Node *n = b->node;
    const char *root = b->state_dir != NULL ? b->state_dir : "";
    const char *slash = b->state_dir != NULL ? "/" : "";
    say(t, "\n[node]\nid = %u\nname = %s\naddress = %s\ndata_port = %u\nsmb_port = %u\n", n->id,
        n->name, n->address, n->data_port, b->smb_port);
    say(t, "data_dir = %s%sdata\nstate_dir = %s%s\n", root, slash, root,
        b->state_dir ? "" : "state");
    say(t, "\n[coordinator]\nenabled = %s\njoins = %s\nport = %u\ndir = %s%scoordinator\n",
        n->coordinator ? "yes" : "no", b->joins ? "yes" : "no",
        n->coordinator_port ? n->coordinator_port : 4460, root, slash);
    if (b->founding.len > 0)
        say(t, "founding = founding.bin\n");
    say(t, "\n[smb]\nrequire_signing = no\nrequire_encryption = no\nntlm = yes\n");
    if (b->keytab != NULL)
        say(t, "keytab = %s\n", b->keytab);
}

const char *state_directory(struct ctl *c)
{
    const char *given = args_option(&c->args, "state-dir", "/var/lib/flotilla");
    return strcmp(given, ".") == 0 ? NULL : given;
}

int bundle_write(const struct bundle *b)
{
    static struct text t;
    t.len = 0;
    if (mkdir(b->directory, 0700) != 0 && errno != EEXIST)
        return fail("cannot make %s: %s", b->directory, strerror(errno));
    describe_cluster(&t, b);
    if (b->node != NULL)
        describe_node(&t, b);
    int r = put(b, "ca.crt", b->ca_pem, 0644);
    if (r == EXIT_OK)
        r = put(b, "node.crt", b->cert_pem, 0644);
    if (r == EXIT_OK)
        r = put(b, "node.key", b->key_pem, 0600);
    if (r == EXIT_OK && b->founding.len > 0)
        r = put(b, "founding.bin", b->founding, 0600);
    return r == EXIT_OK ? put(b, "flotilla.conf", slice_of(t.at, t.len), 0644) : r;
}
