#pragma once
/* Tells systemd how the daemon is: one datagram to $NOTIFY_SOCKET, as sd_notify(3) describes it and
 * recommends doing without its library. Nothing happens when no manager listens. */
#include <stdint.h>

/* `state` is lines such as "READY=1\nSTATUS=serving". 1 when sent, 0 when nobody listens, -errno.
 */
int notify(const char *state);
/* How often "WATCHDOG=1" must be sent, in nanoseconds: half of $WATCHDOG_USEC; 0: no watchdog. */
uint64_t notify_watchdog_ns(void);
