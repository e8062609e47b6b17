#pragma once
/* [MS-SAMR], the account database, as far as Windows' dialogs and Samba's tools look at it: the
 * cluster's own users by name and number. For administrators only, as on a Windows of today;
 * nothing can be changed, `flotilla user` does that. */
#include "proto/rpc/service.h"

enum samr_opnum {
    SAMR_CONNECT = 0,
    SAMR_CLOSE_HANDLE = 1,
    SAMR_LOOKUP_DOMAIN = 5,
    SAMR_ENUMERATE_DOMAINS = 6,
    SAMR_OPEN_DOMAIN = 7,
    SAMR_ENUMERATE_GROUPS = 11,
    SAMR_ENUMERATE_USERS = 13,
    SAMR_ENUMERATE_ALIASES = 15,
    SAMR_LOOKUP_NAMES = 17,
    SAMR_LOOKUP_IDS = 18,
    SAMR_OPEN_USER = 34,
    SAMR_QUERY_INFORMATION_USER = 36,
    SAMR_GET_GROUPS_FOR_USER = 39,
    SAMR_QUERY_INFORMATION_USER2 = 47,
    SAMR_CONNECT2 = 57,
    SAMR_CONNECT4 = 62,
    SAMR_CONNECT5 = 64,
    SAMR_OPNUMS = 65,
};
