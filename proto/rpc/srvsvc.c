#include "proto/rpc/srvsvc.h"
#include "proto/base/must.h"
#include "proto/rpc/srvsvc_int.h"

/* ---- calls that are refused whatever they say ---------------------------------------------------
 */

/* 3.1.4.14: a share goes in one step here, so there is no handle of a half removed one. */
static uint32_t refuse_handle(struct rpc_ask *a)
{
    write_zeros(a->w, RPC_HANDLE_SIZE);
    ndr_write_u32(a->w, a->facts->caller.administrator ? WERR_NOT_SUPPORTED : WERR_ACCESS_DENIED);
    return RPC_ANSWERED;
}

/* 3.1.4.27: descriptors of files are read and written through SMB2, with the caller's own rights.
 */
static uint32_t refuse_file_security(struct rpc_ask *a)
{
    ndr_write_pointer(a->w, false);
    ndr_write_u32(a->w, WERR_NOT_SUPPORTED);
    return RPC_ANSWERED;
}

/* Binding and unbinding transports is the cluster's configuration. */
static uint32_t refuse_transport(struct rpc_ask *a)
{
    ndr_write_u32(a->w, a->facts->caller.administrator ? WERR_NOT_SUPPORTED : WERR_ACCESS_DENIED);
    return RPC_ANSWERED;
}

/* 3.1.4.28; 3.1.4.35 and following: a server without DFS says so. */
static uint32_t refuse(struct rpc_ask *a)
{
    ndr_write_u32(a->w, WERR_NOT_SUPPORTED);
    return RPC_ANSWERED;
}

static uint32_t refuse_dfs_result(struct rpc_ask *a)
{
    ndr_write_u32(a->w, 0); /* the version, or no site list */
    ndr_write_u32(a->w, WERR_NOT_SUPPORTED);
    return RPC_ANSWERED;
}

static rpc_handler *const handlers[SRVSVC_OPNUMS] = {
    [SRVSVC_NETR_CONNECTION_ENUM] = srvsvc_connection_enum,
    [SRVSVC_NETR_FILE_ENUM] = srvsvc_file_enum,
    [SRVSVC_NETR_FILE_GET_INFO] = srvsvc_file_get_info,
    [SRVSVC_NETR_FILE_CLOSE] = srvsvc_file_close,
    [SRVSVC_NETR_SESSION_ENUM] = srvsvc_session_enum,
    [SRVSVC_NETR_SESSION_DEL] = srvsvc_session_del,
    [SRVSVC_NETR_SHARE_ADD] = srvsvc_share_add,
    [SRVSVC_NETR_SHARE_ENUM] = srvsvc_share_enum,
    [SRVSVC_NETR_SHARE_GET_INFO] = srvsvc_share_get_info,
    [SRVSVC_NETR_SHARE_SET_INFO] = srvsvc_share_set_info,
    [SRVSVC_NETR_SHARE_DEL] = srvsvc_share_del,
    [SRVSVC_NETR_SHARE_DEL_STICKY] = srvsvc_share_del,
    [SRVSVC_NETR_SHARE_CHECK] = srvsvc_share_check,
    [SRVSVC_NETR_SERVER_GET_INFO] = srvsvc_server_get_info,
    [SRVSVC_NETR_SERVER_SET_INFO] = srvsvc_server_set_info,
    [SRVSVC_NETR_SERVER_DISK_ENUM] = srvsvc_disk_enum,
    [SRVSVC_NETR_SERVER_STATISTICS_GET] = srvsvc_statistics,
    [SRVSVC_NETR_SERVER_TRANSPORT_ADD] = refuse_transport,
    [SRVSVC_NETR_SERVER_TRANSPORT_ENUM] = srvsvc_transport_enum,
    [SRVSVC_NETR_SERVER_TRANSPORT_DEL] = refuse_transport,
    [SRVSVC_NETR_REMOTE_TOD] = srvsvc_remote_tod,
    [SRVSVC_NETPR_PATH_TYPE] = srvsvc_path_type,
    [SRVSVC_NETPR_PATH_CANONICALIZE] = srvsvc_path_canonicalize,
    [SRVSVC_NETPR_PATH_COMPARE] = srvsvc_path_compare,
    [SRVSVC_NETPR_NAME_VALIDATE] = srvsvc_name_validate,
    [SRVSVC_NETPR_NAME_CANONICALIZE] = srvsvc_name_canonicalize,
    [SRVSVC_NETPR_NAME_COMPARE] = srvsvc_name_compare,
    [SRVSVC_NETR_SHARE_ENUM_STICKY] = srvsvc_share_enum_sticky,
    [SRVSVC_NETR_SHARE_DEL_START] = refuse_handle,
    [SRVSVC_NETR_SHARE_DEL_COMMIT] = refuse_handle,
    [SRVSVC_NETRP_GET_FILE_SECURITY] = refuse_file_security,
    [SRVSVC_NETRP_SET_FILE_SECURITY] = refuse,
    [SRVSVC_NETR_SERVER_TRANSPORT_ADD_EX] = refuse_transport,
    [SRVSVC_NETR_DFS_GET_VERSION] = refuse_dfs_result,
    [SRVSVC_NETR_DFS_CREATE_LOCAL_PARTITION] = refuse,
    [SRVSVC_NETR_DFS_DELETE_LOCAL_PARTITION] = refuse,
    [SRVSVC_NETR_DFS_SET_LOCAL_VOLUME_STATE] = refuse,
    [SRVSVC_NETR_DFS_CREATE_EXIT_POINT] = refuse,
    [SRVSVC_NETR_DFS_DELETE_EXIT_POINT] = refuse,
    [SRVSVC_NETR_DFS_MODIFY_PREFIX] = refuse,
    [SRVSVC_NETR_DFS_FIX_LOCAL_VOLUME] = refuse,
    [SRVSVC_NETR_DFS_MANAGER_REPORT_SITE_INFO] = refuse_dfs_result,
    [SRVSVC_NETR_SERVER_TRANSPORT_DEL_EX] = refuse_transport,
    [SRVSVC_NETR_SHARE_DEL_EX] = srvsvc_share_del_ex,
};

/* 4b324fc8-1670-01d3-1278-5a47bf6ee188 version 3.0. */
const struct rpc_service srvsvc_service = {
    .name = "srvsvc",
    .address = "\\PIPE\\srvsvc",
    .interface = {.uuid = {0xc8, 0x4f, 0x32, 0x4b, 0x70, 0x16, 0xd3, 0x01, 0x12, 0x78, 0x5a, 0x47,
                           0xbf, 0x6e, 0xe1, 0x88},
                  .major = 3},
    .handlers = handlers,
    .handler_count = SRVSVC_OPNUMS,
};
