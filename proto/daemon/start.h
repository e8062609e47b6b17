#pragma once
/* How every daemon begins: options, log, flotilla.conf, certificates. */
#include "proto/daemon/settings.h"
#include "proto/daemon/tls.h"

struct start {
    const char *name, *summary; /* set by the caller: "flotilla-node", a sentence for --help */
    struct settings settings;
    struct tls_context *tls; /* the caller frees it */
    const char *config;      /* path of flotilla.conf */
};

/* True: go on. False: leave main with *exit_code; what was wrong has been logged. */
bool daemon_start(struct start *s, int argc, char **argv, int *exit_code);
