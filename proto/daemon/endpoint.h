#pragma once
/* "192.0.2.1:4460" and "[2001:db8::1]:4460" as socket addresses. Names are not looked up: a cluster
 * must not wait for DNS. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* An IP literal and a port; the address's length, or 0 when `host` is none. */
socklen_t endpoint_of(const char *host, uint32_t port, struct sockaddr_storage *out);
/* Both in one text; 0 when it is not of that form or the port is not 1 to 65535. */
socklen_t endpoint_parse(const char *text, struct sockaddr_storage *out);
