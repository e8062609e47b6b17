/* Which network interfaces clients reach this node by: those that bear the addresses it listens on,
 * as the kernel describes them. Clients choose from them where to open further channels. */
#include "node/io/shell.h"

#include "proto/base/must.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEGABIT UINT64_C(1000000)
#define SPEED_UNKNOWN (1000 * MEGABIT)
#define SPEED_LOOPBACK (10000 * MEGABIT)

static uint64_t link_speed(const char *name, bool loopback)
{
    char path[64 + IF_NAMESIZE];
    long long megabits = -1; /* the kernel says -1, or nothing, of what has no speed */
    (void)snprintf(path, sizeof path, "/sys/class/net/%s/speed", name);
    FILE *f = fopen(path, "re");
    if (f != NULL) {
        if (fscanf(f, "%lld", &megabits) != 1)
            megabits = -1;
        (void)fclose(f);
    }
    if (megabits > 0)
        return (uint64_t)megabits * MEGABIT;
    return loopback ? SPEED_LOOPBACK : SPEED_UNKNOWN;
}

/* Several receive queues: the card spreads connections over the processors, so several
 * connections to one address are worth while. */
static bool spreads(const char *name)
{
    char path[64 + IF_NAMESIZE];
    int queues = 0;
    (void)snprintf(path, sizeof path, "/sys/class/net/%s/queues", name);
    DIR *d = opendir(path);
    if (d == NULL)
        return false;
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        queues += strncmp(e->d_name, "rx-", 3) == 0;
    (void)closedir(d);
    return queues > 1;
}

/* The address in network order; its length, 0 when it is neither IPv4 nor IPv6. */
static size_t address_bytes(const struct sockaddr *a, const uint8_t **at)
{
    if (a == NULL || (a->sa_family != AF_INET && a->sa_family != AF_INET6))
        return 0;
    bool v6 = a->sa_family == AF_INET6;
    *at = v6 ? (const uint8_t *)&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr
             : (const uint8_t *)&((const struct sockaddr_in *)(const void *)a)->sin_addr;
    return v6 ? 16 : 4;
}

/* Is it the address, or for the loopback, all of whose network is this machine, beside it? */
static bool bears(const struct ifaddrs *i, const uint8_t *address, size_t len)
{
    const uint8_t *own = NULL, *mask = NULL;
    if (address_bytes(i->ifa_addr, &own) != len || (i->ifa_flags & IFF_UP) == 0)
        return false;
    if (memcmp(own, address, len) == 0)
        return true;
    if ((i->ifa_flags & IFF_LOOPBACK) == 0 || address_bytes(i->ifa_netmask, &mask) != len)
        return false;
    for (size_t k = 0; k < len; k++)
        if (((own[k] ^ address[k]) & mask[k]) != 0)
            return false;
    return true;
}

static bool describe(const struct ifaddrs *all, const char *text, struct smb_interface *out)
{
    *out = (struct smb_interface){.is_v6 = strchr(text, ':') != NULL};
    if (inet_pton(out->is_v6 ? AF_INET6 : AF_INET, text, out->address) != 1)
        return false;
    for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
        if (!bears(i, out->address, out->is_v6 ? 16 : 4))
            continue;
        out->index = if_nametoindex(i->ifa_name);
        out->link_speed = link_speed(i->ifa_name, (i->ifa_flags & IFF_LOOPBACK) != 0);
        out->capability = spreads(i->ifa_name) ? SMB_INTERFACE_RSS_CAPABLE : 0;
        return out->index != 0;
    }
    return false;
}

uint32_t interfaces_list(const struct settings *s, struct smb_interface *out)
{
    struct ifaddrs *all = NULL;
    uint32_t count = 0;
    if (getifaddrs(&all) != 0)
        return 0;
    count += describe(all, s->address, &out[count]);
    for (uint32_t i = 0; i < s->smb_address_count; i++)
        count += describe(all, s->smb_addresses[i], &out[count]);
    freeifaddrs(all);
    return count;
}
