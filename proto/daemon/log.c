#include "proto/daemon/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2048 };

static const char *program = "flotilla";
static enum log_level threshold = LOG_LEVEL_INFO;
static bool journald;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void log_open(const char *name)
{
    program = name;
    journald = getenv("JOURNAL_STREAM") != NULL;
}

void log_set_level(const char *level)
{
    if (strcmp(level, "error") == 0)
        threshold = LOG_LEVEL_ERROR;
    else if (strcmp(level, "warn") == 0)
        threshold = LOG_LEVEL_WARN;
    else
        threshold = strcmp(level, "debug") == 0 ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
}

/* One write() a line, so that lines of several threads never mix. */
static void put(enum log_level level, const char *text, const struct timespec *now)
{
    char line[LINE_MAX_BYTES];
    int n;
    if (journald) {
        n = snprintf(line, sizeof line, "<%d>%s\n", level, text);
    } else {
        struct tm tm;
        char when[32];
        (void)localtime_r(&now->tv_sec, &tm);
        (void)strftime(when, sizeof when, "%F %T", &tm);
        static const char *const names[] = {[LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARN] = "warn",
                                            [LOG_LEVEL_INFO] = "info", [LOG_LEVEL_DEBUG] = "debug"};
        n = snprintf(line, sizeof line, "%s.%03ld %s %s: %s\n", when, now->tv_nsec / 1000000,
                     program, names[level], text);
    }
    if (n >= (int)sizeof line) {
        n = (int)sizeof line - 1;
        line[n - 1] = '\n';
    }
    if (n > 0)
        (void)!write(STDERR_FILENO, line, (size_t)n);
}

void log_write(struct log_site *site, enum log_level level, const char *format, ...)
{
    if (level > threshold)
        return;
    char text[LINE_MAX_BYTES - 128];
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *c = text; *c != '\0'; c++) /* a stranger's name must not forge a line */
        if ((unsigned char)*c < ' ')
            *c = ' ';

    (void)pthread_mutex_lock(&lock);
    if (now.tv_sec / LOG_WINDOW_S != site->window) {
        if (site->muted > 0) {
            char note[64];
            (void)snprintf(note, sizeof note, "(the following was said %u times more)", site->muted);
            put(level, note, &now);
        }
        *site = (struct log_site){.window = now.tv_sec / LOG_WINDOW_S};
    }
    if (site->said < LOG_BURST) {
        site->said++;
        put(level, text, &now);
    } else {
        site->muted++;
    }
    (void)pthread_mutex_unlock(&lock);
}
