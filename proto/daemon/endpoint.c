#include "proto/daemon/endpoint.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { PORT_MAX = 65535 };

socklen_t endpoint_of(const char *host, uint32_t port, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        return sizeof *v4;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        return sizeof *v6;
    }
    return 0;
}

socklen_t endpoint_parse(const char *text, struct sockaddr_storage *out)
{
    char host[64], *rest = NULL;
    const char *colon = strrchr(text, ':');
    if (colon == NULL)
        return 0;
    bool bracket = text[0] == '[';
    const char *start = text + (bracket ? 1 : 0), *end = colon - (bracket ? 1 : 0);
    if (end <= start || (size_t)(end - start) >= sizeof host || (bracket && *end != ']'))
        return 0;
    memcpy(host, start, (size_t)(end - start));
    host[end - start] = '\0';
    long port = strtol(colon + 1, &rest, 10);
    if (rest == colon + 1 || *rest != '\0' || port < 1 || port > PORT_MAX)
        return 0;
    return endpoint_of(host, (uint32_t)port, out);
}
