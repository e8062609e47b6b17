#include "proto/daemon/options.h"

#include <argp.h>
#include <stdio.h>

const char *argp_program_version;

static error_t parse(int key, char *value, struct argp_state *state)
{
    const char **config = state->input;
    if (key == 'c') {
        *config = value;
        return 0;
    }
    if (key == ARGP_KEY_ARG)
        argp_error(state, "'%s' is one word too many", value);
    return ARGP_ERR_UNKNOWN;
}

const char *options_daemon(int argc, char **argv, const char *name, const char *purpose)
{
    static const struct argp_option options[] = {
        {"config", 'c', "FILE", 0, "Read FILE instead of " OPTIONS_DEFAULT_CONFIG, 0}, {0}};
    static char doc[256], version[64];
    (void)snprintf(doc, sizeof doc, "%s: %s.", name, purpose);
    (void)snprintf(version, sizeof version, "%s %s", name, OPTIONS_VERSION);
    argp_program_version = version;
    const struct argp argp = {.options = options, .parser = parse, .doc = doc};
    const char *config = OPTIONS_DEFAULT_CONFIG;
    argp_err_exit_status = 2;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &config);
    return config;
}
