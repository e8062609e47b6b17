/* covers: log.c notify.c heap.c */
#include "proto/daemon/heap.h"
#include "proto/daemon/log.h"
#include "proto/daemon/notify.h"
#include "tests/lib/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* stderr goes to a pipe while a test listens. */
struct ear {
    int old, pipe[2];
};

static void listen_begin(struct ear *e)
{
    fflush(stderr);
    e->old = dup(STDERR_FILENO);
    assert_int_equal(pipe2(e->pipe, O_NONBLOCK), 0);
    assert_true(dup2(e->pipe[1], STDERR_FILENO) >= 0);
}

static void listen_end(struct ear *e, char *heard, size_t size)
{
    assert_true(dup2(e->old, STDERR_FILENO) >= 0);
    close(e->pipe[1]);
    size_t len = 0;
    for (ssize_t n; (n = read(e->pipe[0], heard + len, size - 1 - len)) > 0;)
        len += (size_t)n;
    heard[len] = '\0';
    close(e->pipe[0]), close(e->old);
}

static void test_lines(void **state)
{
    (void)state;
    struct ear ear;
    char heard[1024];
    assert_int_equal(setenv("JOURNAL_STREAM", "8:1", 1), 0);
    log_open("flotilla-test");
    listen_begin(&ear);
    errno = EDOM;
    log_error("cannot open '%s'", "a\nb\033[1m");
    log_info("number %d", 7);
    log_debug("not said");
    log_set_level("warn");
    log_info("not said either");
    log_set_level("nonsense");
    int kept = errno;
    listen_end(&ear, heard, sizeof(heard));
    assert_int_equal(kept, EDOM);
    assert_string_equal(heard,
                        "<3>flotilla-test: cannot open 'a?b?[1m'\n<6>flotilla-test: number 7\n");
}

static unsigned count_lines(const char *text)
{
    unsigned lines = 0;
    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

static void test_a_site_cannot_flood(void **state)
{
    (void)state;
    struct ear ear;
    static char heard[65536];
    struct log_site site = {0};
    listen_begin(&ear);
    for (int i = 0; i < 1000; i++)
        log_line(&site, LOG_LEVEL_WARN, "again %d", i);
    log_warn("another place still speaks");
    listen_end(&ear, heard, sizeof(heard));
    /* At most two windows are touched. */
    assert_in_range(count_lines(heard), LOG_BURST + 1, 2 * LOG_BURST + 1);
    assert_non_null(strstr(heard, "another place"));

    listen_begin(&ear);
    site.window = 1; /* long ago */
    site.held = 980;
    log_line(&site, LOG_LEVEL_WARN, "once more");
    listen_end(&ear, heard, sizeof(heard));
    assert_non_null(strstr(heard, "once more (980 more like this were held back)"));
}

static void test_notify(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(notify("READY=1"), 0);
    setenv("NOTIFY_SOCKET", "relative", 1);
    assert_int_equal(notify("READY=1"), -EINVAL);
    setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
    assert_int_equal(notify("READY=1"), -ENOENT);

    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int len =
        snprintf(at.sun_path + 1, sizeof(at.sun_path) - 1, "flotilla-notify-%d", (int)getpid());
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    char name[120], heard[64] = "";
    snprintf(name, sizeof(name), "@%s", at.sun_path + 1);
    setenv("NOTIFY_SOCKET", name, 1);
    assert_int_equal(notify("READY=1\nSTATUS=serving"), 1);
    assert_int_equal(recv(fd, heard, sizeof(heard) - 1, MSG_DONTWAIT), 22);
    assert_string_equal(heard, "READY=1\nSTATUS=serving");
    close(fd);
    unsetenv("NOTIFY_SOCKET");
}

static void test_watchdog(void **state)
{
    (void)state;
    static const struct {
        const char *usec;
        uint64_t ns;
    } rows[] = {{"3000000", 1500000000}, {"", 0}, {"x", 0}, {"5x", 0}, {"99999999999999999999", 0}};
    unsetenv("WATCHDOG_PID");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        setenv("WATCHDOG_USEC", rows[i].usec, 1);
        assert_row(rows[i].usec, notify_watchdog_ns() == rows[i].ns);
    }
    setenv("WATCHDOG_USEC", "3000000", 1);
    setenv("WATCHDOG_PID", "1", 1); /* meant for somebody else */
    assert_true(notify_watchdog_ns() == 0);
    unsetenv("WATCHDOG_USEC"), unsetenv("WATCHDOG_PID");
    assert_true(notify_watchdog_ns() == 0);
}

static void test_heap(void **state)
{
    (void)state;
    struct mem m;
    mem_heap_init(&m, 100);
    uint8_t *at = mem_alloc(&m, 100);
    assert_non_null(at);
    for (int i = 0; i < 100; i++)
        assert_int_equal(at[i], 0);
    assert_null(mem_alloc(&m, 1));
    mem_free(&m, at, 100);
    assert_int_equal(m.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),  cmocka_unit_test(test_a_site_cannot_flood),
        cmocka_unit_test(test_notify), cmocka_unit_test(test_watchdog),
        cmocka_unit_test(test_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
