#pragma once
/* [MS-PAC]: what a Kerberos ticket says about its bearer: user, groups, names. The bytes come from
 * the GSS library, which has verified the signatures; still they are read as a stranger's. */
#include "proto/base/arena.h"
#include "proto/smb/dtyp.h"

#define PAC_BUFFERS_MAX 64u  /* buffers in one PAC */
#define PAC_GROUPS_MAX 4096u /* group, extra and resource-group SIDs together */

/* SE_GROUP_* of [MS-PAC] 2.2.1. */
#define SE_GROUP_MANDATORY UINT32_C(0x00000001)
#define SE_GROUP_ENABLED_BY_DEFAULT UINT32_C(0x00000002)
#define SE_GROUP_ENABLED UINT32_C(0x00000004)

struct pac_group {
    struct sid sid;
    uint32_t attributes; /* SE_GROUP_* */
};

/* Everything lives in the arena given to pac_decode; text is NUL-terminated UTF-8, never NULL. */
struct pac_logon {
    struct sid user;   /* domain SID with the user's RID */
    struct sid domain; /* LogonDomainId */
    uint32_t primary_group_rid;
    struct pac_group *groups; /* GroupIds, then ExtraSids, then ResourceGroupIds */
    uint32_t group_count;
    const char *account_name, *full_name, *domain_name, *logon_server;
    uint32_t user_flags;                /* LOGON_EXTRA_SIDS, LOGON_RESOURCE_GROUPS, ... */
    uint32_t user_account_control;      /* USER_WORKSTATION_TRUST_ACCOUNT 0x80 for computers */
    uint64_t logoff_time, kickoff_time; /* FILETIME, UINT64_C(0x7FFF...) for never */
};

/* Decodes a whole PAC ([MS-PAC] 2.3) and its KERB_VALIDATION_INFO (2.5). False when it is
 * malformed, carries no logon information, exceeds the limits above, or the arena is exhausted. */
bool pac_decode(struct slice pac, struct arena *a, struct pac_logon *out);
