#pragma once
/* The command line of a daemon, as a table of long options; a row for --config is the owner's to
 * add, --help and --version are there by themselves. */
#include <stdbool.h>
#include <stddef.h>

#define OPTIONS_DEFAULT_CONFIG "/etc/flotilla/flotilla.conf"

enum option_kind {
    OPTION_FLAG,   /* --name                to: bool *                                 */
    OPTION_TEXT,   /* --name VALUE          to: const char **, borrowed from argv      */
    OPTION_NUMBER, /* --name VALUE          to: uint64_t *; decimal, with K M G T      */
};

struct option_row {
    const char *name; /* without the dashes */
    char letter;      /* its short form, or 0 */
    enum option_kind kind;
    void *to;          /* left alone when the option is not given: set the default before */
    const char *value; /* what --help calls the value: "FILE" */
    const char *help;
};

struct options {
    const char *program;   /* "flotilla-node" */
    const char *summary;   /* one sentence for --help */
    const char *arguments; /* what --help calls the plain arguments; NULL: there are none */
    const struct option_row *rows;
    size_t count;
    int first; /* out: index in argv of the first plain argument */
};

/* True: go on. False: leave main with *exit_code: 0 after --help and --version, 2 after a mistake,
 * which has been explained on stderr. Plain arguments stand in argv from o->first on; everything
 * after "--" or the first plain argument is plain. */
bool options_parse(struct options *o, int argc, char **argv, int *exit_code);
/* "flotilla-node 0.1", as --version prints it. */
const char *options_version(void);
/* What the daemons, which differ in name only, need: --config FILE. Exits after --help, --version
 * and mistakes. The path of the configuration file; `purpose` is one clause for --help. */
const char *options_daemon(int argc, char **argv, const char *name, const char *purpose);
