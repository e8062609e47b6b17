#include "coordinator/ctl/ctl.h"

#include "proto/base/must.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fputs("flotilla: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    return EXIT_ERROR;
}

bool print_json(struct ctl *c, json_t *object)
{
    if (c->args.json) {
        (void)json_dumpf(object, stdout, JSON_INDENT(2));
        (void)putchar('\n');
    }
    json_decref(object);
    return c->args.json;
}

struct table_out {
    int columns;
    size_t count;
    char **cells;
};

static void add_row(struct table_out *t, va_list args)
{
    char **grown = realloc(t->cells, (t->count + (size_t)t->columns) * sizeof *grown);
    must(grown != NULL);
    t->cells = grown;
    for (int i = 0; i < t->columns; i++) {
        t->cells[t->count] = strdup(va_arg(args, const char *));
        must(t->cells[t->count] != NULL);
        t->count++;
    }
}

struct table_out *table_begin(int columns, ...)
{
    struct table_out *t = calloc(1, sizeof *t);
    must(t != NULL);
    t->columns = columns;
    va_list args;
    va_start(args, columns);
    add_row(t, args);
    va_end(args);
    return t;
}

void table_row(struct table_out *t, ...)
{
    va_list args;
    va_start(args, t);
    add_row(t, args);
    va_end(args);
}

static int width_of(const struct table_out *t, int column)
{
    size_t width = 0;
    for (size_t i = (size_t)column; i < t->count; i += (size_t)t->columns)
        if (strlen(t->cells[i]) > width)
            width = strlen(t->cells[i]);
    return (int)width;
}

void table_end(struct table_out *t)
{
    for (size_t i = 0; i < t->count; i++) {
        int column = (int)(i % (size_t)t->columns);
        bool last = column == t->columns - 1;
        (void)printf("%-*s%s", last ? 0 : width_of(t, column), t->cells[i], last ? "\n" : "  ");
    }
    for (size_t i = 0; i < t->count; i++)
        free(t->cells[i]);
    free(t->cells);
    free(t);
}
