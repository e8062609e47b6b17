#include "proto/base/must.h"
#include "proto/daemon/options.h"
#include "tests/lib/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct result {
    bool json, go_on;
    const char *config;
    uint64_t size;
    int exit_code, first;
};

/* Parses a command line given as words parted by blanks. */
static struct result parse(const char *line, const char *arguments)
{
    static char words[256];
    char *argv[20] = {0}, *rest = words;
    int argc = 0;
    snprintf(words, sizeof(words), "flotilla-test %s", line);
    for (char *word; (word = strsep(&rest, " ")) != NULL;)
        if (*word != '\0')
            argv[argc++] = word;
    struct result r = {.config = "default", .size = 5, .exit_code = -1};
    const struct option_row rows[] = {
        {"config", 'c', OPTION_TEXT, &r.config, "FILE", "where everything is said"},
        {"json", 0, OPTION_FLAG, &r.json, NULL, "for machines"},
        {"size", 's', OPTION_NUMBER, &r.size, "BYTES", "how much"},
    };
    struct options o = {.program = "flotilla-test", .summary = "Tests.", .arguments = arguments};
    o.rows = rows, o.count = array_len(rows);
    r.go_on = options_parse(&o, argc, argv, &r.exit_code);
    r.first = o.first;
    return r;
}

static void test_good_lines(void **state)
{
    (void)state;
    static const struct {
        const char *line, *config;
        bool json;
        uint64_t size;
        int first;
    } rows[] = {
        {"", "default", false, 5, 1},
        {"--config f --json", "f", true, 5, 4},
        {"--config=f=g -s 12", "f=g", false, 12, 4},
        {"-c f --size 3M", "f", false, 3 << 20, 5},
        {"--size=0 node ls --json", "default", false, 0, 2},
        {"--json -- --size", "default", true, 5, 3},
        {"-", "default", false, 5, 1},
        {"--size 1T", "default", false, UINT64_C(1) << 40, 3},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct result r = parse(rows[i].line, "WORD...");
        assert_row(rows[i].line, r.go_on && r.exit_code == 0);
        assert_row(rows[i].line, strcmp(r.config, rows[i].config) == 0);
        assert_row(rows[i].line, r.json == rows[i].json && r.size == rows[i].size);
        assert_row(rows[i].line, r.first == rows[i].first);
    }
}

static void test_bad_lines(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "--conf f",
        "--config",
        "--json=yes",
        "--size x",
        "--size -1",
        "--size 1X",
        "--size 1KK",
        "--size 99999999999999999999",
        "--size 16777216T",
        "-x",
        "plain",
        "--configx f",
        "-cf",
    };
    int old = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);
    dup2(null, STDERR_FILENO);
    struct result results[array_len(rows)];
    for (size_t i = 0; i < array_len(rows); i++)
        results[i] = parse(rows[i], NULL);
    dup2(old, STDERR_FILENO);
    close(old), close(null);
    for (size_t i = 0; i < array_len(rows); i++)
        assert_row(rows[i], !results[i].go_on && results[i].exit_code == 2);
}

static void test_help_and_version(void **state)
{
    (void)state;
    static const char *const rows[] = {"--help", "--json --version", "--help --nonsense"};
    for (size_t i = 0; i < array_len(rows); i++) {
        struct result r = parse(rows[i], NULL);
        assert_row(rows[i], !r.go_on && r.exit_code == 0);
    }
    assert_true(strlen(options_version()) > 0);
}

static void test_daemon(void **state)
{
    (void)state;
    char name[] = "flotilla-test", option[] = "--config", value[] = "f";
    char *none[] = {name, NULL}, *some[] = {name, option, value, NULL};
    assert_string_equal(options_daemon(1, none, name, "tests"), OPTIONS_DEFAULT_CONFIG);
    assert_string_equal(options_daemon(3, some, name, "tests"), "f");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_lines),
        cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_help_and_version),
        cmocka_unit_test(test_daemon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
