#pragma once
/* The administrator's line to the cluster: finds the leader, asks, waits. Blocking, for a command
 * that does one thing and ends. Errors are sentences in client_error(). */
#include "proto/cluster/control.pb-c.h"
#include "proto/daemon/settings.h"
#include "proto/daemon/tls.h"
#include <stdbool.h>

struct client;

/* Connects to whoever leads within `timeout_ms`. NULL with a sentence in `error` (512 bytes). */
struct client *client_open(const struct settings *s, uint64_t timeout_ms, char *error);
/* Accepts NULL. */
void client_close(struct client *c);
/* The reply, to be freed with fl__reply__free_unpacked; NULL when none came in time. A command
 * whose fate is unknown is not sent again: the error says so. */
Fl__Reply *client_command(struct client *c, Fl__Command *command);
Fl__Reply *client_query(struct client *c, Fl__Query *query);
const char *client_error(const struct client *c);

/* A machine without a certificate asks for one. `addresses` are "address:port" of coordinators. The
 * reply is freed with fl__join_reply__free_unpacked; NULL with a sentence in `error` (512). */
Fl__JoinReply *client_join(const char *const *addresses, uint32_t count, struct slice fingerprint,
                           Fl__JoinRequest *request, char *error);
