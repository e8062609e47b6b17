#pragma once
/* Names of security principals and their SIDs, both ways ([MS-LSAT] 3.1.1.1): the well-known ones,
 * BUILTIN's groups, the cluster's own users. Accounts of an Active Directory are not known here:
 * the directory's own servers translate those. */
#include "proto/rpc/service.h"

/* SID_NAME_USE, [MS-LSAT] 2.2.13. */
enum account_use {
    ACCOUNT_USER = 1,
    ACCOUNT_GROUP = 2,
    ACCOUNT_DOMAIN = 3,
    ACCOUNT_ALIAS = 4,
    ACCOUNT_WELL_KNOWN = 5,
    ACCOUNT_UNKNOWN = 8,
};

/* RIDs that the account domain has beside its users. */
#define ACCOUNT_RID_NONE 513u /* "None", the primary group of all of them, as on a lone Windows */

struct account {
    enum account_use use;
    struct slice name, domain; /* UTF-8; the domain is also there when only that is known */
    struct sid sid, domain_sid;
    bool domain_known;
};

/* Fills in `out[i]` for each SID; unknown ones have ACCOUNT_UNKNOWN. False without memory. */
bool accounts_of_sids(struct rpc_ask *a, const struct sid *sids, uint32_t count,
                      struct account *out);
/* The same for names, UTF-16LE: "name", "DOMAIN\name", "name@domain". */
bool accounts_of_names(struct rpc_ask *a, const struct slice *names, uint32_t count,
                       struct account *out);
