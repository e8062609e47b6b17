#pragma once
/* Follows the cluster: a control connection to the coordinators as a witness, which subscribes to
 * the ClusterConfig and hands each new one on.
 *
 *   connect ──► Hello ──► Welcome ──► Subscribe ──► ClusterConfig, ClusterConfig, ...
 *      ▲                     └─ NotLeader: go where it says
 *      └── down, silent for 1.5 s: the next coordinator, after a pause
 *
 * While no coordinator answers, what was known stays in force: a witness that forgot its cluster
 * would take its clients' protection away exactly when something is wrong. */
#include "proto/cluster/control.pb-c.h"
#include "proto/daemon/settings.h"
#include "proto/daemon/tls.h"
#include <uv.h>

struct follow;

/* Called with every ClusterConfig; it is freed afterwards. */
typedef void (*follow_config)(void *context, const Fl__ClusterConfig *config);

/* `settings` and `tls` outlive it. */
struct follow *follow_new(uv_loop_t *loop, const struct settings *settings, struct tls_context *tls,
                          follow_config on_config, void *context);
/* Closes the connection; the memory is freed on the loop. */
void follow_close(struct follow *f);
