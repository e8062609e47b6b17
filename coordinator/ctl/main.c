/* flotilla: the administrator's command. Nouns and verbs in one table; see ctl.h. */
#include "coordinator/ctl/ctl.h"

#include "proto/daemon/options.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct command commands[] = {
    {"cluster", "init",
     "--node NAME=ADDRESS ... --out DIR [--name N] [--coordinators 1|3|5] [--state-dir D|.]",
     "prepare a new cluster: certificates and configuration for each machine", run_cluster_init, 0,
     true},
    {"status", NULL, "[--wait SECONDS] [--shares]", "how the cluster is", run_status, 0, false},
    {"node", "add", "NAME --address IP [--coordinator] [--hours H]",
     "invite a machine: prints a join token", run_node_add, 1, false},
    {"node", "join", "TOKEN [--out DIR] [--state-dir D|.]",
     "on the new machine: get its certificate and configuration", run_node_join, 1, true},
    {"node", "ls", "", "the machines of the cluster", run_node_ls, 0, false},
    {"node", "rm", "NAME [--force]", "remove a machine", run_node_rm, 1, false},
    {"volume", "create", "NAME [--replicas 1|2|3] [--groups N] [--extent-mib M]", "make a volume",
     run_volume_create, 1, false},
    {"volume", "ls", "", "volumes and their health", run_volume_ls, 0, false},
    {"volume", "rm", "NAME --yes", "delete a volume and everything in it", run_volume_rm, 1, false},
    {"share", "create",
     "NAME --path /VOLUME/DIR [--comment C] [--scale-out] [--ca] [--encrypt] [--compress] [--abe]\n"
     "                        [--leasing L] [--full|--change|--read|--no-access PRINCIPAL ...]",
     "share a directory", run_share_create, 1, false},
    {"share", "ls", "", "shares", run_share_ls, 0, false},
    {"share", "show", "NAME", "everything about a share", run_share_show, 1, false},
    {"share", "set",
     "NAME [--comment C] [--leasing L] [--caching manual|documents|programs|none]\n"
     "                        [--users-max N] [--turn-on|--turn-off encrypt|ca|abe|compress ...]\n"
     "                        [--full|--change|--read|--no-access PRINCIPAL ...]",
     "change a share's settings; permissions take the place of all it has", run_share_set, 1,
     false},
    {"share", "rm", "NAME", "stop sharing; the files stay", run_share_rm, 1, false},
    {"open", "ls", "[--share NAME]", "files that clients have open, on all nodes", run_open_ls, 0,
     false},
    {"user", "add", "NAME [--password P] [--administrator]", "add a user of the cluster's own",
     run_user_add, 1, false},
    {"user", "ls", "", "the cluster's users", run_user_ls, 0, false},
    {"user", "passwd", "NAME [--password P]", "give a user a new password", run_user_passwd, 1,
     false},
    {"user", "rm", "NAME", "remove a user", run_user_rm, 1, false},
};
const int command_count = sizeof commands / sizeof commands[0];

static void print_help(FILE *to)
{
    (void)fputs("usage: flotilla NOUN VERB [WORDS] [OPTIONS]\n\n", to);
    for (int i = 0; i < command_count; i++) {
        const struct command *k = &commands[i];
        (void)fprintf(to, "  %s%s%s %s\n        %s\n", k->noun, k->verb ? " " : "",
                      k->verb ? k->verb : "", k->usage, k->help);
    }
    (void)fputs(
        "\nOptions of every command: --json or -o json, --timeout SECONDS, --config FILE\n"
        "(default: $FLOTILLA_CONFIG, then /etc/flotilla/flotilla.conf), --help, --version.\n"
        "Exit codes: 0 done, 1 error, 2 refused because it is not safe, 3 not found.\n",
        to);
}

static const struct command *find(const struct args *a)
{
    for (int i = 0; i < command_count; i++) {
        const struct command *k = &commands[i];
        if (a->word_count < 1 || strcmp(a->words[0], k->noun) != 0)
            continue;
        if (k->verb == NULL || (a->word_count >= 2 && strcmp(a->words[1], k->verb) == 0))
            return k;
    }
    return NULL;
}

/* An option counts only where its command's usage names it: a misspelt one never passes in silence.
 */
static const char *unknown_option(const struct args *a, const struct command *k)
{
    char dashed[64];
    for (int i = 0; i < a->option_count; i++) {
        const struct option *o = &a->options[i];
        (void)snprintf(dashed, sizeof dashed, "--%s", o->name);
        if (!o->used && strstr(k->usage, dashed) == NULL)
            return o->name;
    }
    return NULL;
}

static int run(struct ctl *c, const struct command *k)
{
    char error[SETTINGS_ERROR_MAX];
    const char *unknown = unknown_option(&c->args, k);
    if (unknown != NULL)
        return fail("--%s is no option of this command; see flotilla --help", unknown);
    int taken = k->verb != NULL ? 2 : 1;
    if (c->args.word_count != taken + k->words)
        return fail("usage: flotilla %s %s %s", k->noun, k->verb ? k->verb : "", k->usage);
    if (!k->offline && !settings_load(&c->settings, c->config_path, error))
        return fail("%s", error);
    int code = k->run(c);
    client_close(c->client);
    return code;
}

int main(int argc, char **argv)
{
    static struct ctl c;
    char error[CTL_ERROR_MAX];
    (void)signal(SIGPIPE, SIG_IGN);
    if (!args_parse(&c.args, argc, argv, error))
        return fail("%s", error);
    const char *environment = getenv("FLOTILLA_CONFIG");
    c.config_path =
        args_option(&c.args, "config", environment ? environment : "/etc/flotilla/flotilla.conf");
    if (args_flag(&c.args, "version")) {
        (void)printf("flotilla %s\n", options_version());
        return EXIT_OK;
    }
    if (args_flag(&c.args, "help")) {
        print_help(stdout);
        return EXIT_OK;
    }
    const struct command *k = find(&c.args);
    if (k == NULL) {
        print_help(stderr);
        return EXIT_ERROR;
    }
    return run(&c, k);
}
