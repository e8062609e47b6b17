/* Names of privileges and their numbers ([MS-LSAD] 3.1.1.2.1). */
#include "proto/base/must.h"
#include "proto/base/utf16.h"
#include "proto/rpc/lsarpc_int.h"

#define LANGUAGE_ENGLISH 0x0409u

static const struct privilege {
    uint32_t value; /* low part of the LUID; the high one is 0 */
    const char *name, *display;
} privileges[] = {
    {2, "SeCreateTokenPrivilege", "Create a token object"},
    {3, "SeAssignPrimaryTokenPrivilege", "Replace a process level token"},
    {4, "SeLockMemoryPrivilege", "Lock pages in memory"},
    {5, "SeIncreaseQuotaPrivilege", "Adjust memory quotas for a process"},
    {6, "SeMachineAccountPrivilege", "Add workstations to domain"},
    {7, "SeTcbPrivilege", "Act as part of the operating system"},
    {8, "SeSecurityPrivilege", "Manage auditing and security log"},
    {9, "SeTakeOwnershipPrivilege", "Take ownership of files or other objects"},
    {10, "SeLoadDriverPrivilege", "Load and unload device drivers"},
    {11, "SeSystemProfilePrivilege", "Profile system performance"},
    {12, "SeSystemtimePrivilege", "Change the system time"},
    {13, "SeProfileSingleProcessPrivilege", "Profile single process"},
    {14, "SeIncreaseBasePriorityPrivilege", "Increase scheduling priority"},
    {15, "SeCreatePagefilePrivilege", "Create a pagefile"},
    {16, "SeCreatePermanentPrivilege", "Create permanent shared objects"},
    {17, "SeBackupPrivilege", "Back up files and directories"},
    {18, "SeRestorePrivilege", "Restore files and directories"},
    {19, "SeShutdownPrivilege", "Shut down the system"},
    {20, "SeDebugPrivilege", "Debug programs"},
    {21, "SeAuditPrivilege", "Generate security audits"},
    {22, "SeSystemEnvironmentPrivilege", "Modify firmware environment values"},
    {23, "SeChangeNotifyPrivilege", "Bypass traverse checking"},
    {24, "SeRemoteShutdownPrivilege", "Force shutdown from a remote system"},
    {25, "SeUndockPrivilege", "Remove computer from docking station"},
    {28, "SeManageVolumePrivilege", "Perform volume maintenance tasks"},
    {29, "SeImpersonatePrivilege", "Impersonate a client after authentication"},
    {30, "SeCreateGlobalPrivilege", "Create global objects"},
};

static void write_privileges(struct rpc_ask *a, uint32_t from, uint32_t count)
{
    ndr_write_u32(a->w, count);
    ndr_write_pointer(a->w, count > 0);
    if (count == 0)
        return;
    ndr_write_u32(a->w, count);
    for (uint32_t i = from; i < from + count; i++) {
        lsa_write_string(a->w, lsa_units(a, slice_str(privileges[i].name)));
        ndr_write_u32(a->w, privileges[i].value);
        ndr_write_u32(a->w, 0);
    }
    for (uint32_t i = from; i < from + count; i++)
        lsa_write_units(a->w, lsa_units(a, slice_str(privileges[i].name)));
}

uint32_t lsa_enumerate_privileges(struct rpc_ask *a)
{
    const uint32_t all = (uint32_t)array_len(privileges);
    if (!lsa_read_policy(a))
        return RPC_FAULT_CONTEXT;
    uint32_t from = ndr_read_u32(&a->r);
    (void)ndr_read_u32(&a->r); /* all of them are shorter than any client's wish */
    if (a->r.bad)
        return RPC_FAULT_NDR;
    ntstatus status = from >= all ? STATUS_NO_MORE_ENTRIES : STATUS_OK;
    ndr_write_u32(a->w, status == STATUS_OK ? all : from);
    write_privileges(a, status == STATUS_OK ? from : 0, status == STATUS_OK ? all - from : 0);
    return lsa_status(a, status);
}

/* A name behind its RPC_UNICODE_STRING; NULL: no privilege is called that. */
static const struct privilege *read_name(struct rpc_ask *a)
{
    struct slice name = {0};
    if (lsa_read_string(&a->r))
        name = ndr_read_utf16(&a->r, RPC_TEXT_MAX);
    for (size_t i = 0; i < array_len(privileges); i++) {
        if (rpc_text_is(a, slice_str(privileges[i].name), name))
            return &privileges[i];
    }
    return NULL;
}

uint32_t lsa_privilege_value(struct rpc_ask *a)
{
    if (!lsa_read_policy(a))
        return RPC_FAULT_CONTEXT;
    const struct privilege *p = read_name(a);
    ntstatus status = p == NULL ? STATUS_NO_SUCH_PRIVILEGE : STATUS_OK;
    ndr_write_u32(a->w, status == STATUS_OK ? p->value : 0);
    ndr_write_u32(a->w, 0);
    return lsa_status(a, status);
}

uint32_t lsa_privilege_name(struct rpc_ask *a)
{
    if (!lsa_read_policy(a))
        return RPC_FAULT_CONTEXT;
    uint32_t low = ndr_read_u32(&a->r), high = ndr_read_u32(&a->r);
    const struct privilege *p = NULL;
    for (size_t i = 0; i < array_len(privileges); i++) {
        if (privileges[i].value == low && high == 0)
            p = &privileges[i];
    }
    ntstatus status = p == NULL ? STATUS_NO_SUCH_PRIVILEGE : STATUS_OK;
    ndr_write_pointer(a->w, status == STATUS_OK);
    if (status == STATUS_OK) {
        struct slice name = lsa_units(a, slice_str(p->name));
        lsa_write_string(a->w, name);
        lsa_write_units(a->w, name);
    }
    return lsa_status(a, status);
}

uint32_t lsa_privilege_display_name(struct rpc_ask *a)
{
    if (!lsa_read_policy(a))
        return RPC_FAULT_CONTEXT;
    const struct privilege *p = read_name(a);
    (void)ndr_read_u16(&a->r);
    (void)ndr_read_u16(&a->r);
    ntstatus status = p == NULL ? STATUS_NO_SUCH_PRIVILEGE : STATUS_OK;
    ndr_write_pointer(a->w, status == STATUS_OK);
    if (status == STATUS_OK) {
        struct slice display = lsa_units(a, slice_str(p->display));
        lsa_write_string(a->w, display);
        lsa_write_units(a->w, display);
    }
    ndr_write_u16(a->w, status == STATUS_OK ? LANGUAGE_ENGLISH : 0);
    return lsa_status(a, status);
}
