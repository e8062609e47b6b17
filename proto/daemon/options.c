#include "proto/daemon/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLOTILLA_VERSION "0.1"

const char *options_version(void) { return FLOTILLA_VERSION; }

static void print_help(const struct options *o)
{
    printf("usage: %s [OPTION]...%s%s\n%s\n\n", o->program, o->arguments == NULL ? "" : " ",
           o->arguments == NULL ? "" : o->arguments, o->summary);
    for (size_t i = 0; i < o->count; i++) {
        const struct option_row *row = &o->rows[i];
        char names[64], letter[8] = "    ";
        if (row->letter != 0)
            snprintf(letter, sizeof(letter), "-%c, ", row->letter);
        snprintf(names, sizeof(names), "--%s%s%s", row->name, row->kind == OPTION_FLAG ? "" : " ",
                 row->kind == OPTION_FLAG ? "" : row->value);
        printf("  %s%-24s %s\n", letter, names, row->help);
    }
    printf("      %-24s %s\n", "--help", "print this and leave");
    printf("      %-24s %s\n", "--version", "print the version and leave");
}

/* A count with an optional binary unit; false when it is none or does not fit. */
static bool parse_number(const char *text, uint64_t *to)
{
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || text[0] < '0' || text[0] > '9')
        return false;
    static const char units[] = "KMGT";
    unsigned shift = 0;
    const char *unit = *end == '\0' ? NULL : strchr(units, *end);
    if (unit != NULL) {
        shift = 10 * (unsigned)(unit - units + 1);
        end++;
    }
    if (*end != '\0' || value > UINT64_MAX >> shift)
        return false;
    *to = value << shift;
    return true;
}

static const struct option_row *find(const struct options *o, const char *arg, size_t len)
{
    for (size_t i = 0; i < o->count; i++) {
        const struct option_row *row = &o->rows[i];
        if (arg[0] == '-' && arg[1] != '-' && row->letter != 0 && len == 2 && arg[1] == row->letter)
            return row;
        if (len == strlen(row->name) + 2 && strncmp(arg, "--", 2) == 0 &&
            strncmp(arg + 2, row->name, len - 2) == 0)
            return row;
    }
    return NULL;
}

__attribute__((format(printf, 2, 3))) static bool complain(const struct options *o,
                                                           const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", o->program);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n%s --help tells more\n", o->program);
    va_end(args);
    return false;
}

static bool store(const struct options *o, const struct option_row *row, const char *value)
{
    switch (row->kind) {
    case OPTION_FLAG: *(bool *)row->to = true; return true;
    case OPTION_TEXT: *(const char **)row->to = value; return true;
    case OPTION_NUMBER:
        return parse_number(value, row->to) ||
               complain(o, "--%s wants a number, not '%s'", row->name, value);
    }
    return false;
}

/* Takes the option at argv[*i], and its value when that is the next argument. */
static bool take(const struct options *o, int argc, char **argv, int *i)
{
    const char *arg = argv[*i], *value = strchr(arg, '=');
    size_t len = value == NULL ? strlen(arg) : (size_t)(value++ - arg);
    const struct option_row *row = find(o, arg, len);
    if (row == NULL)
        return complain(o, "there is no option %.*s", (int)len, arg);
    if (row->kind == OPTION_FLAG && value != NULL)
        return complain(o, "--%s takes no value", row->name);
    if (row->kind != OPTION_FLAG && value == NULL) {
        if (*i + 1 >= argc)
            return complain(o, "--%s wants a value", row->name);
        value = argv[++*i];
    }
    return store(o, row, value);
}

bool options_parse(struct options *o, int argc, char **argv, int *exit_code)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        *exit_code = 0;
        if (strcmp(argv[i], "--help") == 0 && find(o, "--help", 6) == NULL) {
            print_help(o);
            return false;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("%s %s\n", o->program, FLOTILLA_VERSION);
            return false;
        }
        *exit_code = 2;
        if (!take(o, argc, argv, &i))
            return false;
    }
    *exit_code = 2;
    if (i < argc && o->arguments == NULL)
        return complain(o, "what is '%s' for?", argv[i]);
    o->first = i;
    *exit_code = 0;
    return true;
}

const char *options_daemon(int argc, char **argv, const char *name, const char *purpose)
{
    const char *config = OPTIONS_DEFAULT_CONFIG;
    const struct option_row rows[] = {
        {"config", 'c', OPTION_TEXT, &config, "FILE",
         "read this file, not " OPTIONS_DEFAULT_CONFIG},
    };
    char summary[256];
    snprintf(summary, sizeof(summary), "%s %s.", name, purpose);
    struct options o = {.program = name, .summary = summary, .rows = rows, .count = 1};
    int exit_code;
    if (!options_parse(&o, argc, argv, &exit_code))
        exit(exit_code);
    return config;
}
