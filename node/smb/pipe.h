#pragma once
/* What the files that serve IPC$ share: pipe.c has the SMB2 commands, rpc_facts.c what calls are
 * answered from, rpc_orders.c what they want done. Nobody else includes this. */
#include "node/smb/smb_int.h"
#include "proto/rpc/pipe.h"

/* What a call of this request's client is answered from: valid while a handler runs. NULL without
 * memory. */
const struct rpc_facts *rpc_facts_of(struct smb *s, struct smb_request *r);
/* "DOMAIN\user" and "user@REALM" without their domain. */
struct slice rpc_account_name(const char *user);

struct slice rpc_volume_name(const struct smb *s, uint32_t id);

/* Carries the order out at once: true, and the outcome. False: the cluster is asked, and `done`
 * gets its answer; or the request has been failed for want of memory. */
bool rpc_carry_out(struct smb *s, struct smb_request *r, const struct rpc_order *order,
                   struct rpc_outcome *outcome, smb_meta_done *done);
