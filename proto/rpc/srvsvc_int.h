#pragma once
/* What the files of the server service share. srvsvc.c has the table of calls, srvsvc_share.c and
 * srvsvc_change.c shares, srvsvc_use.c who uses them, srvsvc_server.c the server itself,
 * srvsvc_path.c names and paths. */
#include "proto/rpc/listing.h"
#include "proto/rpc/srvsvc.h"

rpc_handler srvsvc_share_enum, srvsvc_share_enum_sticky, srvsvc_share_get_info, srvsvc_share_check;
rpc_handler srvsvc_share_add, srvsvc_share_set_info, srvsvc_share_del, srvsvc_share_del_ex;
rpc_handler srvsvc_session_enum, srvsvc_session_del, srvsvc_file_enum, srvsvc_file_get_info,
    srvsvc_file_close, srvsvc_connection_enum;
rpc_handler srvsvc_server_get_info, srvsvc_server_set_info, srvsvc_disk_enum, srvsvc_statistics,
    srvsvc_transport_enum, srvsvc_remote_tod;
rpc_handler srvsvc_path_type, srvsvc_path_canonicalize, srvsvc_path_compare, srvsvc_name_validate,
    srvsvc_name_canonicalize, srvsvc_name_compare;

/* ---- shares -------------------------------------------------------------------------------------
 */

/* The share of that name, UTF-16LE; false: none. `at` may be NULL. */
bool srvsvc_share_find(struct rpc_ask *a, struct slice name, struct rpc_share *out, uint32_t *at);

/* The fields of a level in wire order, one letter each; NULL: there is no such level.
 *   N netname   T type   R remark   p permissions   u max_uses   c current_uses   P path
 *   W password  S servername   D security descriptor   F flags of 501   L flags of 1005 */
const char *srvsvc_share_fields(uint32_t level);
