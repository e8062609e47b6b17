#include "coordinator/ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Options that take no value; all others do. */
static const char *const flags[] = {
    "json", "help",          "version",     "scale-out", "ca",     "encrypt", "compress",
    "abe",  "administrator", "coordinator", "force",     "shares", "yes"};

static bool is_flag(const char *name)
{
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (strcmp(flags[i], name) == 0)
            return true;
    return false;
}

static bool add_option(struct args *a, int argc, char **argv, int *i, char *error)
{
    const char *name = argv[*i] + 2;
    const char *equals = strchr(name, '=');
    struct option *o = &a->options[a->option_count];
    *o = (struct option){.name = name, .value = ""};
    if (equals != NULL) {
        o->value = equals + 1;
        argv[*i][equals - argv[*i]] = '\0';
    } else if (!is_flag(name)) {
        if (*i + 1 >= argc) {
            (void)snprintf(error, CTL_ERROR_MAX, "--%s needs a value", name);
            return false;
        }
        o->value = argv[++*i];
    }
    a->option_count++;
    return true;
}

bool args_parse(struct args *a, int argc, char **argv, char *error)
{
    for (int i = 1; i < argc; i++) {
        if (a->option_count == ARGS_MAX || a->word_count == ARGS_MAX) {
            (void)snprintf(error, CTL_ERROR_MAX, "too many words");
            return false;
        }
        if (strncmp(argv[i], "--", 2) == 0 && argv[i][2] != '\0') {
            if (!add_option(a, argc, argv, &i, error))
                return false;
        } else if (strcmp(argv[i], "-o") == 0 && i + 1 < argc) {
            a->options[a->option_count++] = (struct option){.name = "output", .value = argv[++i]};
        } else {
            a->words[a->word_count++] = argv[i];
        }
    }
    const char *output = args_option(a, "output", "table");
    a->json = args_flag(a, "json") || strcmp(output, "json") == 0;
    if (!a->json && strcmp(output, "table") != 0) {
        (void)snprintf(error, CTL_ERROR_MAX, "-o %s: table or json", output);
        return false;
    }
    uint64_t seconds;
    if (!args_number(a, "timeout", 20, &seconds) || seconds == 0 || seconds > 3600) {
        (void)snprintf(error, CTL_ERROR_MAX, "--timeout takes 1 to 3600 seconds");
        return false;
    }
    a->timeout_ms = seconds * 1000;
    return true;
}

const char *args_option(struct args *a, const char *name, const char *fallback)
{
    for (int i = 0; i < a->option_count; i++) {
        struct option *o = &a->options[i];
        if (o->used || strcmp(o->name, name) != 0)
            continue;
        o->used = true;
        return o->value;
    }
    return fallback;
}

bool args_flag(struct args *a, const char *name) { return args_option(a, name, NULL) != NULL; }

bool args_number(struct args *a, const char *name, uint64_t fallback, uint64_t *out)
{
    const char *text = args_option(a, name, NULL);
    char *end = NULL;
    *out = text != NULL ? strtoull(text, &end, 10) : fallback;
    return text == NULL || (end != text && *end == '\0');
}
