#include "proto/daemon/endpoint.h"
#include "proto/base/must.h"
#include "tests/lib/unit.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static void test_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        uint16_t port;
    } rows[] = {
        {"192.0.2.1:4460", "192.0.2.1", 4460},
        {"[2001:db8::1]:1", "2001:db8::1", 1},
        {"[::1]:65535", "::1", 65535},
        {"192.0.2.1", NULL, 0},
        {"192.0.2.1:", NULL, 0},
        {"192.0.2.1:0", NULL, 0},
        {"192.0.2.1:65536", NULL, 0},
        {"192.0.2.1:-1", NULL, 0},
        {"192.0.2.1:80x", NULL, 0},
        {"192.0.2.256:80", NULL, 0},
        {"localhost:80", NULL, 0}, /* names are not looked up */
        {"[::1:80", NULL, 0},
        {"[]:80", NULL, 0},
        {":80", NULL, 0},
        {":", NULL, 0},
        {"", NULL, 0},
        {"[2001:db8:0000:0000:0000:0000:0000:0001:2001:db8:0000:0000:0000:0000:0000:1]:80", NULL,
         0},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct sockaddr_storage at;
        char host[INET6_ADDRSTRLEN];
        socklen_t len = endpoint_parse(rows[i].text, &at);
        assert_row(rows[i].text, (len != 0) == (rows[i].host != NULL));
        if (len == 0)
            continue;
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&at;
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&at;
        bool is_v4 = at.ss_family == AF_INET;
        const void *address = is_v4 ? (const void *)&v4->sin_addr : (const void *)&v6->sin6_addr;
        assert_row(rows[i].text, len == (is_v4 ? sizeof *v4 : sizeof *v6));
        assert_non_null(inet_ntop(at.ss_family, address, host, sizeof host));
        assert_row(rows[i].text, strcmp(host, rows[i].host) == 0);
        assert_row(rows[i].text, ntohs(is_v4 ? v4->sin_port : v6->sin6_port) == rows[i].port);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
