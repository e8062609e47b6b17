#pragma once
/* What the commands of `flotilla` share: words of the command line, output, exit codes. */
#include "coordinator/ctl/client.h"
#include <jansson.h>

/* CLI exit codes. */
enum { EXIT_OK = 0, EXIT_ERROR = 1, EXIT_UNSAFE = 2, EXIT_NOT_FOUND = 3 };
enum { ARGS_MAX = 64, CTL_ERROR_MAX = 512 };

/* The command line, taken apart: plain words and options. */
struct args {
    const char *words[ARGS_MAX];
    int word_count;
    struct option {
        const char *name, *value;
        bool used;
    } options[ARGS_MAX];
    int option_count;
    bool json;
    uint64_t timeout_ms;
};

struct ctl {
    struct args args;
    struct settings settings;
    const char *config_path;
    struct client *client; /* opened at first use */
};

/* One verb. */
struct command {
    const char *noun, *verb; /* verb NULL: the noun stands alone */
    const char *usage;       /* behind "flotilla noun verb" */
    const char *help;
    int (*run)(struct ctl *c);
    int words;    /* plain words it takes, at least */
    bool offline; /* needs no cluster */
};

extern const struct command commands[];
extern const int command_count;

/* args.c */
/* False with a sentence in `error` (CTL_ERROR_MAX). */
bool args_parse(struct args *a, int argc, char **argv, char *error);
/* The value of --name, or `fallback`. Called again it gives the next of several. */
const char *args_option(struct args *a, const char *name, const char *fallback);
bool args_flag(struct args *a, const char *name);
bool args_number(struct args *a, const char *name, uint64_t fallback, uint64_t *out);

/* output.c */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Prints the object as JSON, when asked for; true when it did. Takes the reference. */
bool print_json(struct ctl *c, json_t *object);
/* Aligned columns: rows of `columns` strings each, the first row the heading. Copies. */
struct table_out;
struct table_out *table_begin(int columns, ...);
void table_row(struct table_out *t, ...);
void table_end(struct table_out *t);

/* cluster.c: the line to the cluster */
/* Opens the line when it is not open; NULL after printing why not. */
struct client *ctl_client(struct ctl *c);
/* Sends an administrator's command; prints what went wrong. EXIT_OK and `*id`, or the exit code. */
int ctl_command(struct ctl *c, Fl__Command *command, uint32_t *id);
/* The cluster's status, to be freed; NULL after printing why. */
Fl__Reply *ctl_status(struct ctl *c);

/* secrets.c */
/* [MS-NLMP] 3.3.1 NTOWFv1: MD4 over the UTF-16LE password. False when it is not UTF-8. */
bool nt_hash(const char *password, uint8_t out[16]);
/* From --password, else asked for twice on the terminal, else one line of standard input. NULL
 * after printing why. */
const char *read_password(struct ctl *c);
void random_bytes(uint8_t *to, size_t len);
void to_hex(const uint8_t *bytes, size_t len, char *out); /* 2 * len + 1 */
bool from_hex(const char *text, uint8_t *to, size_t len);

/* bundle.c: a machine's directory of configuration and certificates */
struct bundle {
    const char *directory,
        *state_dir; /* state_dir: where daemons keep their data; NULL: beside it */
    const char *cluster_name;
    uint8_t cluster_id[16];
    const Fl__Node *node;   /* NULL: an administrator's */
    Fl__Node *const *nodes; /* all, for the list of coordinators */
    size_t node_count;
    struct slice ca_pem, cert_pem, key_pem, founding; /* founding: packed ClusterInit, or empty */
    bool joins;
    const char *keytab;
    uint32_t smb_port;
};
/* Where the daemons keep their data: --state-dir, /var/lib/flotilla without it; NULL for ".",
 * beside flotilla.conf. */
const char *state_directory(struct ctl *c);
/* EXIT_OK, or EXIT_ERROR after printing why. */
int bundle_write(const struct bundle *b);

int run_cluster_init(struct ctl *c);
int run_status(struct ctl *c);
int run_node_add(struct ctl *c);
int run_node_join(struct ctl *c);
int run_node_ls(struct ctl *c);
int run_node_rm(struct ctl *c);
int run_volume_create(struct ctl *c);
int run_volume_ls(struct ctl *c);
int run_volume_rm(struct ctl *c);
int run_share_create(struct ctl *c);
int run_share_ls(struct ctl *c);
int run_share_show(struct ctl *c);
int run_share_set(struct ctl *c);
int run_share_rm(struct ctl *c);
int run_open_ls(struct ctl *c);
int run_user_add(struct ctl *c);
int run_user_ls(struct ctl *c);
int run_user_passwd(struct ctl *c);
int run_user_rm(struct ctl *c);
