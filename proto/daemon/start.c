#include "proto/daemon/start.h"

#include "proto/base/must.h"
#include "proto/daemon/log.h"
#include "proto/daemon/options.h"
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

static enum log_level level_of(const char *text)
{
    static const struct {
        const char *name;
        enum log_level level;
    } names[] = {{"error", LOG_LEVEL_ERROR}, {"warn", LOG_LEVEL_WARN}, {"debug", LOG_LEVEL_DEBUG}};
    for (size_t i = 0; i < array_len(names); i++)
        if (strcmp(text, names[i].name) == 0)
            return names[i].level;
    return LOG_LEVEL_INFO;
}

bool daemon_start(struct start *s, int argc, char **argv, int *exit_code)
{
    char error[SETTINGS_ERROR_MAX]; /* the longer of the two */
    s->config = "/etc/flotilla/flotilla.conf";
    const struct option_row rows[] = {{"config", 'c', OPTION_TEXT, &s->config, "FILE",
                                       "read FILE instead of /etc/flotilla/flotilla.conf"}};
    struct options options = {.program = s->name, .summary = s->summary, .rows = rows, .count = 1};
    if (!options_parse(&options, argc, argv, exit_code))
        return false;
    log_open(s->name);
    (void)signal(SIGPIPE, SIG_IGN);
    *exit_code = 1;
    if (!settings_load(&s->settings, s->config, error)) {
        log_error("%s", error);
        return false;
    }
    log_limit(level_of(s->settings.log_level));
    if (s->settings.node_id != 0)
        (void)mkdir(s->settings.state_dir, 0700); /* what cannot be made shows when it is used */
    const struct tls_files files = {s->settings.ca, s->settings.cert, s->settings.key};
    s->tls = tls_context_new(&files, error);
    if (s->tls == NULL)
        log_error("%s", error);
    return s->tls != NULL;
}
