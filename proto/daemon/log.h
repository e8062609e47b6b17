#pragma once
/* What a daemon says: one line a message on stderr, with the "<3>" prefixes journald understands when
 * stderr is no terminal or file of its own. Only main() and shells log; pure code traces. A place in
 * the code that would speak more than LOG_BURST times in LOG_WINDOW_S seconds is muted and says at
 * the end how often it was: a log cannot be flooded by a client. */
enum { LOG_BURST = 20, LOG_WINDOW_S = 10 };

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* One for each place that logs; zero to begin with. */
struct log_site {
    long window;
    unsigned said, muted;
};

/* `name` is the program's; it lives as long as the process. Under journald lines carry a priority,
 * elsewhere a time. */
void log_open(const char *name);
/* "error", "warn", "info" or "debug"; anything else is taken for "info". */
void log_set_level(const char *level);
/* For the macros below. Thread-safe. */
void log_write(struct log_site *site, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_at(level, ...)                                                                         \
    do {                                                                                           \
        static struct log_site log_site_here;                                                      \
        log_write(&log_site_here, (level), __VA_ARGS__);                                           \
    } while (0)
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
