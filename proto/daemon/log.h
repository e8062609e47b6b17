#pragma once
/* One line a message, to stderr, with the priority as sd-daemon(3) wants it ("<3>"), which journald
 * takes off again; elsewhere a line carries the time and the word instead. Only mains and
 * shells log. A place in the code that says the same thing again and again is held back after
 * LOG_BURST lines in LOG_WINDOW_S seconds; the first line after that tells how many were held back.
 * So no client can fill a disk. Safe from several threads. */
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

enum { LOG_BURST = 20, LOG_WINDOW_S = 10 };

/* The state of one call site. */
struct log_site {
    uint64_t window; /* number of the window it counts in; 0 before the first line */
    uint32_t lines, held;
};

/* `name` is the daemon's, and lives as long as the process. Before this call lines have no name. */
void log_open(const char *name);
/* "error", "warn", "info" (as at the start) or "debug": lines of less weight are dropped. Anything
 * else is taken for "info". */
void log_set_level(const char *level);
void log_limit(enum log_level level);
/* Writes one line; line breaks and control characters in it become '?'. Keeps errno. */
__attribute__((format(printf, 3, 4))) void log_line(struct log_site *site, enum log_level level,
                                                    const char *format, ...);

#define log_at(level, ...)                                                                         \
    do {                                                                                           \
        static struct log_site log_site_here;                                                      \
        log_line(&log_site_here, (level), __VA_ARGS__);                                            \
    } while (0)
/* Something the administrator must do something about. */
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
/* Something unexpected that the daemon copes with; the line ends in what it does about it. */
#define log_warn(...) log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
