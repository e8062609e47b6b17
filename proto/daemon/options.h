#pragma once
/* The command line of the daemons: they differ in name only. */

#define OPTIONS_DEFAULT_CONFIG "/etc/flotilla/flotilla.conf"
#define OPTIONS_VERSION "0.1"

/* Parses --config FILE, --help, --version. Prints and exits for the latter two and for mistakes
 * (status 2). Returns the configuration file's path. `purpose` is one clause for --help. */
const char *options_daemon(int argc, char **argv, const char *name, const char *purpose);
