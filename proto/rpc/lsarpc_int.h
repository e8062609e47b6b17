#pragma once
/* What the files of the local security authority share: lsarpc.c has the table of calls and the
 * policy, lsa_lookup.c translations, lsa_privilege.c names of privileges. */
#include "proto/rpc/lsarpc.h"
#include "proto/rpc/ndr.h"
#include "proto/smb/status.h"

#define LSA_POLICY 1u /* kind of handle */

rpc_handler lsa_lookup_sids, lsa_lookup_sids2, lsa_lookup_sids3;
rpc_handler lsa_lookup_names, lsa_lookup_names2, lsa_lookup_names3, lsa_lookup_names4;
rpc_handler lsa_enumerate_privileges, lsa_privilege_value, lsa_privilege_name,
    lsa_privilege_display_name;

/* Answers with nothing but a status, after the stub has been read. */
uint32_t lsa_status(struct rpc_ask *a, ntstatus status);
/* Is the handle that the call begins with one of a policy that is open? If not the call is a fault,
 * as where a runtime keeps the handles: RPC_FAULT_CONTEXT. */
bool lsa_read_policy(struct rpc_ask *a);

/* RPC_UNICODE_STRING ([MS-DTYP] 2.3.10): its fixed part, then what that points to. `units` is
 * UTF-16LE. */
void lsa_write_string(struct writer *w, struct slice units);
void lsa_write_units(struct writer *w, struct slice units);
/* The fixed part: true when there is a buffer to follow. */
bool lsa_read_string(struct reader *r);
/* RPC_SID ([MS-DTYP] 2.4.2.3) behind a pointer. */
void lsa_write_sid(struct writer *w, const struct sid *sid);
/* A malformed one makes the reader bad. */
void lsa_read_sid(struct reader *r, struct sid *out);
/* `text` as UTF-16LE; empty when it is no UTF-8. */
struct slice lsa_units(struct rpc_ask *a, struct slice text);
