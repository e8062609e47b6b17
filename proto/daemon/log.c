#include "proto/daemon/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2048 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *daemon_name;
static enum log_level limit = LOG_LEVEL_INFO;

void log_open(const char *name)
{
    pthread_mutex_lock(&lock);
    daemon_name = name;
    pthread_mutex_unlock(&lock);
}

void log_limit(enum log_level level)
{
    pthread_mutex_lock(&lock);
    limit = level;
    pthread_mutex_unlock(&lock);
}

void log_set_level(const char *level)
{
    static const struct {
        const char *word;
        enum log_level level;
    } words[] = {{"error", LOG_LEVEL_ERROR}, {"warn", LOG_LEVEL_WARN}, {"debug", LOG_LEVEL_DEBUG}};
    enum log_level found = LOG_LEVEL_INFO;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(level, words[i].word) == 0)
            found = words[i].level;
    log_limit(found);
}

static const char *word_of(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_ERROR: return "error: ";
    case LOG_LEVEL_WARN: return "warning: ";
    case LOG_LEVEL_INFO: return "";
    case LOG_LEVEL_DEBUG: return "debug: ";
    }
    return "";
}

/* May the site say one more line in this window? `held` receives how many it could not say before.
 */
static int admit(struct log_site *site, uint64_t window, uint32_t *held)
{
    *held = 0;
    if (site->window != window) {
        *held = site->held;
        *site = (struct log_site){.window = window};
    }
    if (site->lines >= LOG_BURST) {
        site->held++;
        return 0;
    }
    site->lines++;
    return 1;
}

/* What comes from outside must not forge a line of its own or play with the terminal. */
static void clean(char *text)
{
    for (char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
}

static void prefix(char *to, size_t size, enum log_level level)
{
    const char *name = daemon_name == NULL ? "" : daemon_name;
    const char *colon = daemon_name == NULL ? "" : ": ";
    if (getenv("JOURNAL_STREAM") != NULL) { /* set by systemd for what journald reads */
        snprintf(to, size, "<%d>%s%s", (int)level, name, colon);
        return;
    }
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &tm);
    snprintf(to, size, "%04d-%02d-%02d %02d:%02d:%02d.%03ld %s%s%s", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000,
             name, colon, word_of(level));
}

void log_line(struct log_site *site, enum log_level level, const char *format, ...)
{
    int kept_errno = errno;
    char head[128], text[LINE_MAX_BYTES], tail[64] = "", line[LINE_MAX_BYTES + 256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    clean(text);

    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t window = (uint64_t)now.tv_sec / LOG_WINDOW_S + 1;
    uint32_t held;
    pthread_mutex_lock(&lock);
    if (level <= limit && admit(site, window, &held)) {
        if (held > 0)
            snprintf(tail, sizeof(tail), " (%u more like this were held back)", held);
        prefix(head, sizeof(head), level);
        int len = snprintf(line, sizeof(line), "%s%s%s\n", head, text, tail);
        /* One write a line, so that the lines of several processes do not mix. */
        if (write(STDERR_FILENO, line, (size_t)len) < 0)
            errno = 0; /* nobody to tell */
    }
    pthread_mutex_unlock(&lock);
    errno = kept_errno;
}
