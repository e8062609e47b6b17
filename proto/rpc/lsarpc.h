#pragma once
/* [MS-LSAT] and [MS-LSAD], the local security authority, as far as clients ask a file server: who
 * is who, and which domain this is. Nothing can be changed. */
#include "proto/rpc/service.h"

enum lsarpc_opnum {
    LSAR_CLOSE = 0,
    LSAR_ENUMERATE_PRIVILEGES = 2,
    LSAR_QUERY_SECURITY_OBJECT = 3,
    LSAR_OPEN_POLICY = 6,
    LSAR_QUERY_INFORMATION_POLICY = 7,
    LSAR_ENUMERATE_ACCOUNTS = 11,
    LSAR_ENUMERATE_TRUSTED_DOMAINS = 13,
    LSAR_LOOKUP_NAMES = 14,
    LSAR_LOOKUP_SIDS = 15,
    LSAR_LOOKUP_PRIVILEGE_VALUE = 31,
    LSAR_LOOKUP_PRIVILEGE_NAME = 32,
    LSAR_LOOKUP_PRIVILEGE_DISPLAY_NAME = 33,
    LSAR_ENUMERATE_ACCOUNT_RIGHTS = 37,
    LSAR_OPEN_POLICY2 = 44,
    LSAR_GET_USER_NAME = 45,
    LSAR_QUERY_INFORMATION_POLICY2 = 46,
    LSAR_ENUMERATE_TRUSTED_DOMAINS_EX = 50,
    LSAR_LOOKUP_SIDS2 = 57,
    LSAR_LOOKUP_NAMES2 = 58,
    LSAR_LOOKUP_NAMES3 = 68,
    LSAR_LOOKUP_SIDS3 = 76,
    LSAR_LOOKUP_NAMES4 = 77,
    LSARPC_OPNUMS = 78,
};

/* Most names or SIDs of one call. [MS-LSAT] 2.2.18 allows 20480 SIDs; Windows' own clients ask for
 * far fewer at once. */
#define LSA_NAMES_MAX 1000u
#define LSA_SIDS_MAX 4096u
