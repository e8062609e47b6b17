#pragma once
/* [MS-SRVS] as far as a client needs it to list shares: NetrShareEnum, NetrShareGetInfo and
 * NetrServerGetInfo, answered from a view that the caller gathers beforehand. Served levels: 0, 1,
 * 2, 501, 502, 503 of shares (1005 too for one share), 100 and 101 of the server. */
#include "proto/base/arena.h"
#include "proto/rpc/dcerpc.h"

/* 4b324fc8-1670-01d3-1278-5a47bf6ee188 version 3.0. */
extern const struct rpc_interface srvsvc_interface;

/* [MS-SRVS] 2.2.2.4. */
#define STYPE_DISKTREE UINT32_C(0x00000000)
#define STYPE_IPC UINT32_C(0x00000003)
#define STYPE_CLUSTER_FS UINT32_C(0x02000000)
#define STYPE_CLUSTER_SOFS UINT32_C(0x04000000)
#define STYPE_CLUSTER_DFS UINT32_C(0x08000000)
#define STYPE_TEMPORARY UINT32_C(0x40000000)
#define STYPE_SPECIAL UINT32_C(0x80000000)

/* [MS-SRVS] 2.2.4.29, the flags of level 1005 that say what TREE_CONNECT says. */
#define SHI1005_FLAGS_ACCESS_BASED_DIRECTORY_ENUM UINT32_C(0x0800)
#define SHI1005_FLAGS_FORCE_LEVELII_OPLOCK UINT32_C(0x1000)
#define SHI1005_FLAGS_ENABLE_CA UINT32_C(0x4000)
#define SHI1005_FLAGS_ENCRYPT_DATA UINT32_C(0x8000)

/* All text is UTF-8. A share whose name is not valid UTF-8 is left out of the answer. */
struct srvsvc_share {
    struct slice name, comment;
    struct slice path;   /* as shown to administrators, e.g. "C:\vol1\vms"; may be empty */
    uint32_t type;       /* STYPE_*; the cluster bits never reach the wire (2.2.2.4) */
    uint32_t flags_1005; /* SHI1005_FLAGS_* */
};

/* What the answers are made of; everything is borrowed for the length of the call. IPC$ is part of
 * the list when the caller puts it there (it should: STYPE_IPC | STYPE_SPECIAL, "IPC$"). */
struct srvsvc_source {
    struct slice server_name; /* "FLOTILLA" */
    struct slice server_comment;
    const struct srvsvc_share *shares;
    uint32_t share_count;
    bool administrator; /* the caller may see levels 2, 502 and 503 ([MS-SRVS] 3.1.4.8) */
};

enum srvsvc_opnum {
    SRVSVC_NETR_SHARE_ENUM = 15,
    SRVSVC_NETR_SHARE_GET_INFO = 16,
    SRVSVC_NETR_SERVER_GET_INFO = 21,
    SRVSVC_NETR_SHARE_ENUM_STICKY = 36,
};

#define SRVSVC_NAME_MAX 512u /* longest string argument, UTF-16 units */

/* A decoded call. Slices point into the request's stub. */
struct srvsvc_call {
    uint16_t opnum;
    uint32_t level;
    struct slice net_name; /* UTF-16LE without terminator; NetrShareGetInfo only */
    uint32_t resume;       /* NetrShareEnum: index of the first share to return */
    bool resume_given;
};

/* Decodes the stub of request `opnum`. Returns 0, or the fault status: RPC_FAULT_OP_RANGE for a
 * call that is not served, RPC_FAULT_NDR for a malformed one. `out` is written only on 0. */
uint32_t srvsvc_decode(uint16_t opnum, struct slice stub, struct srvsvc_call *out);
/* Encodes the answer into `stub`, using `scratch` for text. Returns 0, or a fault status when the
 * answer cannot be built; `stub->full` afterwards means: again with a larger buffer. */
uint32_t srvsvc_reply(const struct srvsvc_call *call, const struct srvsvc_source *source,
                      struct arena *scratch, struct writer *stub);
