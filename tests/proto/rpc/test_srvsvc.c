/* The server service, call by call.
 *
 * covers: srvsvc.c srvsvc_share.c srvsvc_change.c srvsvc_use.c srvsvc_server.c srvsvc_path.c
 * covers: listing.c record.c */
#include "proto/smb/security.h"
#include "tests/proto/rpc/facts.h"

#define CALL(k, opnum) asker_call((k), &srvsvc_service, (opnum), NULL)

static const struct rpc_outcome fine = {.status = STATUS_OK, .count = 1};

/* ---- shares -------------------------------------------------------------------------------------
 */

static void shares_are_listed(void **state)
{
    (void)state;
    struct asker k;
    asker_init(&k, false);
    put_server(&k);
    put_enum(&k, 1, UINT32_MAX, 0);
    asker_prefixes(&k, &srvsvc_service, SRVSVC_NETR_SHARE_ENUM);
    assert_int_equal(CALL(&k, SRVSVC_NETR_SHARE_ENUM), RPC_ANSWERED);
    assert_int_equal(ndr_read_u32(&k.r), 1);
    assert_int_equal(ndr_read_u32(&k.r), 1);
    assert_true(ndr_read_pointer(&k.r));
    assert_int_equal(ndr_read_u32(&k.r), 3);
    assert_true(ndr_read_pointer(&k.r));
    assert_int_equal(ndr_read_u32(&k.r), 3);
    assert_true(ndr_read_pointer(&k.r));
    assert_int_equal(ndr_read_u32(&k.r), STYPE_DISKTREE); /* [MS-SRVS] 2.2.2.4: no cluster bits */
    read_skip(&k.r, 4 + 3 * 4);
    assert_true(ndr_read_pointer(&k.r));
    assert_int_equal(ndr_read_u32(&k.r), STYPE_IPC | STYPE_SPECIAL);
    assert_true(ndr_read_pointer(&k.r));
    static const char *const texts[] = {"vms", "disks", "root", "" /* no UTF-8 */, "IPC$", ""};
    for (size_t i = 0; i < array_len(texts); i++)
        assert_row(texts[i], is_utf16(ndr_read_string(&k.r, 64), texts[i]));
    assert_int_equal(ndr_read_u32(&k.r), 3);
    assert_true(ndr_read_pointer(&k.r));
    assert_int_equal(ndr_read_u32(&k.r), 0);
    assert_int_equal(ndr_read_u32(&k.r), WERR_OK);
    assert_int_equal(read_left(&k.r), 0);
    asker_fini(&k);
}

static void who_may_see_which_level(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint16_t opnum;
        uint32_t level, admin, user;
    } rows[] = {
        {"names", SRVSVC_NETR_SHARE_ENUM, 0, WERR_OK, WERR_OK},
        {"paths", SRVSVC_NETR_SHARE_ENUM, 2, WERR_OK, WERR_ACCESS_DENIED},
        {"caching", SRVSVC_NETR_SHARE_ENUM, 501, WERR_OK, WERR_OK},
        {"permissions", SRVSVC_NETR_SHARE_ENUM, 502, WERR_OK, WERR_ACCESS_DENIED},
        {"scopes", SRVSVC_NETR_SHARE_ENUM, 503, WERR_OK, WERR_ACCESS_DENIED},
        {"flags", SRVSVC_NETR_SHARE_ENUM, 1005, WERR_INVALID_LEVEL, WERR_INVALID_LEVEL},
        {"sticky names", SRVSVC_NETR_SHARE_ENUM_STICKY, 1, WERR_OK, WERR_OK},
        {"sticky caching", SRVSVC_NETR_SHARE_ENUM_STICKY, 501, WERR_INVALID_LEVEL,
         WERR_INVALID_LEVEL},
        {"sticky permissions", SRVSVC_NETR_SHARE_ENUM_STICKY, 502, WERR_OK, WERR_ACCESS_DENIED},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        for (int admin = 0; admin < 2; admin++) {
            struct asker k;
            asker_init(&k, admin == 1);
            put_server(&k);
            put_enum(&k, rows[i].level, UINT32_MAX, UINT32_MAX);
            assert_row(rows[i].name, CALL(&k, rows[i].opnum) == RPC_ANSWERED);
            assert_row(rows[i].name, asker_status(&k) == (admin ? rows[i].admin : rows[i].user));
            asker_fini(&k);
        }
    }
}

/* Two entries of 8 and 5 units: what fits, and where to go on. */
static void long_lists_come_in_portions(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t max, resume, count, total, next, status;
    } rows[] = {
        {"all", 1000, 0, 3, 3, 0, WERR_OK},
        {"one", 13, 0, 1, 3, 1, WERR_MORE_DATA},
        {"two", 28, 0, 2, 3, 2, WERR_MORE_DATA},
        {"the second", 14, 1, 1, 2, 2, WERR_MORE_DATA},
        {"the last", 14, 2, 1, 1, 0, WERR_OK},
        {"none left", 14, 3, 0, 0, 0, WERR_OK},
        {"far behind", 14, 0x80000000, 0, 0, 0, WERR_OK},
        {"not even one", 11, 0, 0, 3, 0, NERR_BUF_TOO_SMALL},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct asker k;
        asker_init(&k, false);
        put_server(&k);
        put_enum(&k, 0, rows[i].max, rows[i].resume);
        assert_int_equal(CALL(&k, SRVSVC_NETR_SHARE_ENUM), RPC_ANSWERED);
        read_skip(&k.r, 12);
        assert_row(rows[i].name, ndr_read_u32(&k.r) == rows[i].count);
        k.r.pos = k.r.all.len - 16;
        assert_row(rows[i].name, ndr_read_u32(&k.r) == rows[i].total);
        assert_true(ndr_read_pointer(&k.r));
        assert_row(rows[i].name, ndr_read_u32(&k.r) == rows[i].next);
        assert_row(rows[i].name, ndr_read_u32(&k.r) == rows[i].status);
        asker_fini(&k);
    }
}

static void put_get_info(struct asker *k, const char *name, uint32_t level)
{
    asker_next(k);
    put_server(k);
    put_string(k, name);
    ndr_write_u32(&k->w, level);
}

static void one_share_is_described(void **state)
{
    (void)state;
    struct asker k;
    asker_init(&k, true);
    put_get_info(&k, "VMS", 502);
    asker_prefixes(&k, &srvsvc_service, SRVSVC_NETR_SHARE_GET_INFO);
    assert_int_equal(CALL(&k, SRVSVC_NETR_SHARE_GET_INFO), RPC_ANSWERED);
    assert_int_equal(ndr_read_u32(&k.r), 502);
    assert_true(ndr_read_pointer(&k.r));
    read_skip(&k.r, 4 * 4);
    assert_int_equal(ndr_read_u32(&k.r), UINT32_MAX);
    assert_int_equal(ndr_read_u32(&k.r), 3);
    read_skip(&k.r, 2 * 4);
    uint32_t size = ndr_read_u32(&k.r);
    assert_true(ndr_read_pointer(&k.r));
    assert_true(is_utf16(ndr_read_string(&k.r, 64), "vms"));
    assert_true(is_utf16(ndr_read_string(&k.r, 64), "disks"));
    assert_true(is_utf16(ndr_read_string(&k.r, 64), "C:\\vol1\\deep\\vms"));
    assert_int_equal(ndr_read_u32(&k.r), size);
    struct security_descriptor sd;
    struct ace ace;
    assert_int_equal(security_decode(read_slice(&k.r, size), &sd), STATUS_OK);
    struct reader aces = reader_of(sd.dacl.aces);
    assert_int_equal(sd.dacl.count, 2);
    assert_true(ace_next(&aces, &ace) && ace.deed == ACE_DENIES); /* what denies comes first */
    assert_true(ace_next(&aces, &ace) && ace.deed == ACE_ALLOWS);
    assert_true(sid_equal(&ace.sid, &sid_everyone));
    assert_int_equal(asker_status(&k), WERR_OK);
    put_get_info(&k, "vms", 1005);
    assert_int_equal(CALL(&k, SRVSVC_NETR_SHARE_GET_INFO), RPC_ANSWERED);
    read_skip(&k.r, 8);
    assert_int_equal(ndr_read_u32(&k.r), SHI1005_FLAGS_ENABLE_CA | 0x10);
    put_get_info(&k, "vms", 501);
    assert_int_equal(CALL(&k, SRVSVC_NETR_SHARE_GET_INFO), RPC_ANSWERED);
    read_skip(&k.r, 5 * 4);
    assert_int_equal(ndr_read_u32(&k.r), 0x10);
    asker_fini(&k);
}

static void shares_that_are_not_described(void **state)
{
    (void)state;
    static const struct {
        const char *name, *share;
        uint32_t level;
        bool administrator;
        uint32_t status;
    } rows[] = {
        {"nobody", "none", 1, true, NERR_NET_NAME_NOT_FOUND},
        {"a level for changes", "vms", 1501, true, WERR_INVALID_LEVEL},
        {"no level", "vms", 3, true, WERR_INVALID_LEVEL},
        {"not for everybody", "vms", 2, false, WERR_ACCESS_DENIED},
        {"not even whether it is there", "none", 2, false, WERR_ACCESS_DENIED},
        {"an empty share", "root", 503, true, WERR_OK},
        {"IPC$", "ipc$", 502, true, WERR_OK},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct asker k;
        asker_init(&k, rows[i].administrator);
        put_get_info(&k, rows[i].share, rows[i].level);
        assert_int_equal(CALL(&k, SRVSVC_NETR_SHARE_GET_INFO), RPC_ANSWERED);
        assert_row(rows[i].name, asker_status(&k) == rows[i].status);
        asker_fini(&k);
    }
}

static void paths_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        uint32_t status;
    } rows[] = {{"c:\\VOL1\\deep\\vms", WERR_OK},
                {"C:\\vol1", WERR_OK},
                {"C:\\", NERR_DEVICE_NOT_SHARED},
                {"D:", NERR_DEVICE_NOT_SHARED}};
    for (size_t i = 0; i < array_len(rows); i++) {
        struct asker k;
        asker_init(&k, false);
        put_server(&k);
        put_string(&k, rows[i].path);
        assert_int_equal(CALL(&k, SRVSVC_NETR_SHARE_CHECK), RPC_ANSWERED);
        assert_row(rows[i].path, asker_status(&k) == rows[i].status);
        asker_fini(&k);
    }
}

/* ---- changes ------------------------------------------------------------------------------------
 */

/* SHARE_INFO_502 (or 2, without `sd`) behind its level, and ParmErr. */
static void put_info(struct asker *k, const char *name, const char *path, struct slice sd)
{
    uint32_t level = sd.at == NULL ? 2 : 502;
    ndr_write_u32(&k->w, level);
    ndr_write_u32(&k->w, level);
    ndr_write_pointer(&k->w, true);
    ndr_write_pointer(&k->w, true);
    ndr_write_u32(&k->w, STYPE_DISKTREE);
    ndr_write_pointer(&k->w, true);
    ndr_write_u32(&k->w, 0);
    ndr_write_u32(&k->w, 9);
    ndr_write_u32(&k->w, 0);
    ndr_write_pointer(&k->w, true);
    ndr_write_pointer(&k->w, false);
    if (level == 502) {
        ndr_write_u32(&k->w, (uint32_t)sd.len);
        ndr_write_pointer(&k->w, true);
    }
    put_string(k, name);
    put_string(k, "remark");
    put_string(k, path);
    if (level == 502) {
        ndr_write_u32(&k->w, (uint32_t)sd.len);
        write_bytes(&k->w, sd);
    }
    ndr_write_pointer(&k->w, true);
    ndr_write_u32(&k->w, 0);
}

static void shares_are_added(void **state)
{
    (void)state;
    static const struct {
        const char *name, *share, *path;
        bool administrator;
        uint32_t status, member;
    } rows[] = {
        {"well-formed", "new", "C:\\vol1\\a\\b", true, RPC_ORDERED, 0},
        {"the volume's root", "new", "X:\\vol1", true, RPC_ORDERED, 0},
        {"by nobody", "new", "C:\\vol1\\a", false, WERR_ACCESS_DENIED, 0},
        {"twice", "VMS", "C:\\vol1\\a", true, NERR_DUPLICATE_SHARE, 0},
        {"the server's own", "ADMIN$", "C:\\vol1\\a", true, WERR_ACCESS_DENIED, 0},
        {"a pipe", "Pipe", "C:\\vol1\\a", true, WERR_ACCESS_DENIED, 0},
        {"no name", "", "C:\\vol1\\a", true, WERR_INVALID_PARAMETER, 1},
        {"no volume", "new", "C:\\", true, NERR_UNKNOWN_DEV_DIR, 8},
        {"no path", "new", "", true, NERR_UNKNOWN_DEV_DIR, 8},
        {"a relative path", "new", "vol1\\a", true, NERR_UNKNOWN_DEV_DIR, 8},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct asker k;
        asker_init(&k, rows[i].administrator);
        put_server(&k);
        put_info(&k, rows[i].share, rows[i].path, (struct slice){0});
        asker_prefixes(&k, &srvsvc_service, SRVSVC_NETR_SHARE_ADD);
        uint32_t result = CALL(&k, SRVSVC_NETR_SHARE_ADD);
        if (rows[i].status == RPC_ORDERED) {
            assert_row(rows[i].name, result == RPC_ORDERED);
            assert_int_equal(k.ask.order.kind, RPC_SHARE_ADD);
            assert_true(slice_equal(k.ask.order.share.volume, slice_str("vol1")));
            assert_true(slice_equal(k.ask.order.share.path,
                                    slice_str(strlen(rows[i].path) > 7 ? "a/b" : "")));
            assert_true(slice_equal(k.ask.order.share.comment, slice_str("remark")));
            assert_int_equal(k.ask.order.share.uses_max, 9);
            result = asker_call(&k, &srvsvc_service, SRVSVC_NETR_SHARE_ADD, &fine);
            assert_int_equal(asker_status(&k), WERR_OK);
        } else {
            assert_row(rows[i].name, asker_status(&k) == rows[i].status);
            assert_true(ndr_read_pointer(&k.r));
            assert_row(rows[i].name, ndr_read_u32(&k.r) == rows[i].member);
        }
        assert_int_equal(result, RPC_ANSWERED);
        asker_fini(&k);
    }
}

static void what_the_cluster_says_is_passed_on(void **state)
{
    (void)state;
    static const struct {
        ntstatus status;
        uint32_t werr;
    } rows[] = {{STATUS_OK, WERR_OK},
                {STATUS_OBJECT_NAME_COLLISION, NERR_DUPLICATE_SHARE},
                {STATUS_OBJECT_NAME_NOT_FOUND, NERR_UNKNOWN_DEV_DIR},
                {STATUS_INVALID_PARAMETER, WERR_INVALID_PARAMETER},
                {STATUS_ACCESS_DENIED, WERR_ACCESS_DENIED},
                {STATUS_INSUFFICIENT_RESOURCES, WERR_NOT_ENOUGH_MEMORY},
                {STATUS_IO_TIMEOUT, WERR_NOT_READY}};
    for (size_t i = 0; i < array_len(rows); i++) {
        struct asker k;
        struct rpc_outcome outcome = {.status = rows[i].status};
        asker_init(&k, true);
        put_server(&k);
        put_info(&k, "new", "C:\\vol1\\a", (struct slice){0});
        assert_int_equal(asker_call(&k, &srvsvc_service, SRVSVC_NETR_SHARE_ADD, &outcome),
                         RPC_ANSWERED);
        assert_int_equal(asker_status(&k), rows[i].werr);
        asker_fini(&k);
    }
}

/* A descriptor with these ACEs; no ACL at all when count is negative. */
static struct slice descriptor(uint8_t bytes[512], int count, uint8_t type)
{
    uint8_t aces[256];
    struct writer a = writer_of(aces, sizeof(aces)), w = writer_of(bytes, 512);
    struct security_descriptor sd = {.control = SE_SELF_RELATIVE,
                                     .dacl = {.present = count >= 0, .revision = 2}};
    for (int i = 0; i < count; i++)
        ace_write(&a, type, 0, GENERIC_READ, &sid_builtin_users);
    sd.control |= count >= 0 ? SE_DACL_PRESENT : 0;
    sd.dacl.count = (uint16_t)(count < 0 ? 0 : count);
    sd.dacl.aces = written(&a);
    security_write(&w, &sd);
    return written(&w);
}

static void permissions_are_taken_from_a_descriptor(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int count;
        uint8_t type;
        uint32_t grants; /* 0: refused */
        bool deny;
        const struct sid *sid;
        uint32_t access;
    } rows[] = {
        {"allowed", 2, ACE_ACCESS_ALLOWED, 2, false, &sid_builtin_users, FILE_GENERIC_READ},
        {"denied", 1, ACE_ACCESS_DENIED, 1, true, &sid_builtin_users, FILE_GENERIC_READ},
        {"no ACL lets everybody in", -1, 0, 1, false, &sid_everyone, FILE_ALL_ACCESS},
        {"an empty one nobody", 0, 0, 1, true, &sid_everyone, FILE_ALL_ACCESS},
        {"audits are none", 1, ACE_SYSTEM_AUDIT, 0, false, NULL, 0},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct asker k;
        uint8_t bytes[512];
        asker_init(&k, true);
        put_server(&k);
        put_info(&k, "new", "C:\\vol1\\a", descriptor(bytes, rows[i].count, rows[i].type));
        uint32_t result = CALL(&k, SRVSVC_NETR_SHARE_ADD);
        assert_row(rows[i].name, (result == RPC_ORDERED) == (rows[i].grants > 0));
        if (rows[i].grants > 0) {
            assert_row(rows[i].name, k.ask.order.share.grant_count == rows[i].grants);
            const struct rpc_grant *g = &k.ask.order.grants[0];
            assert_row(rows[i].name, g->deny == rows[i].deny && g->access == rows[i].access);
            assert_row(rows[i].name, sid_equal(&g->sid, rows[i].sid));
        } else {
            assert_int_equal(asker_status(&k), WERR_INVALID_PARAMETER);
        }
        asker_fini(&k);
    }
}

static void put_set(struct asker *k, const char *name, uint32_t level, uint32_t number)
{
    put_server(k);
    put_string(k, name);
    ndr_write_u32(&k->w, level);
    ndr_write_u32(&k->w, level);
    ndr_write_pointer(&k->w, true);
    if (level == 1004)
        put_text(k, "changed");
    else
        ndr_write_u32(&k->w, number);
    ndr_write_pointer(&k->w, false);
}

static void shares_are_changed(void **state)
{
    (void)state;
    static const struct {
        const char *name, *share;
        uint32_t level, number;
        bool administrator;
        uint32_t status, fields;
    } rows[] = {
        {"a comment", "vms", 1004, 0, true, RPC_ORDERED, RPC_SHARE_COMMENT},
        {"flags", "vms", 1005, 0xffffff, true, RPC_ORDERED, RPC_SHARE_FLAGS},
        {"a limit", "VMS", 1006, 7, true, RPC_ORDERED, RPC_SHARE_USES},
        {"by nobody", "vms", 1006, 7, false, WERR_ACCESS_DENIED, 0},
        {"of nobody", "none", 1006, 7, true, NERR_NET_NAME_NOT_FOUND, 0},
        {"of IPC$", "IPC$", 1006, 7, true, WERR_NOT_SUPPORTED, 0},
        {"without a name", "", 1006, 7, true, WERR_INVALID_PARAMETER, 0},
        {"a level that shows", "vms", 501, 7, true, WERR_INVALID_LEVEL, 0},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct asker k;
        asker_init(&k, rows[i].administrator);
        put_set(&k, rows[i].share, rows[i].level, rows[i].number);
        asker_prefixes(&k, &srvsvc_service, SRVSVC_NETR_SHARE_SET_INFO);
        uint32_t result = CALL(&k, SRVSVC_NETR_SHARE_SET_INFO);
        assert_row(rows[i].name, (result == RPC_ORDERED) == (rows[i].status == RPC_ORDERED));
        if (result == RPC_ORDERED) {
            const struct rpc_order *o = &k.ask.order;
            assert_row(rows[i].name, o->kind == RPC_SHARE_SET && o->fields == rows[i].fields);
            assert_true(slice_equal(o->share.name, slice_str("vms")));
            assert_true(rows[i].level != 1004 ||
                        slice_equal(o->share.comment, slice_str("changed")));
            assert_true(rows[i].level != 1005 || o->share.flags_1005 == SHI1005_SETTABLE);
            assert_true(rows[i].level != 1006 || o->share.uses_max == 7);
            (void)asker_call(&k, &srvsvc_service, SRVSVC_NETR_SHARE_SET_INFO, &fine);
            assert_int_equal(asker_status(&k), WERR_OK);
        } else {
            assert_row(rows[i].name, asker_status(&k) == rows[i].status);
        }
        asker_fini(&k);
    }
}

static void shares_are_removed(void **state)
{
    (void)state;
    static const struct {
        const char *name, *share;
        uint16_t opnum;
        bool administrator;
        uint32_t status;
    } rows[] = {
        {"removed", "vms", SRVSVC_NETR_SHARE_DEL, true, RPC_ORDERED},
        {"for good", "vms", SRVSVC_NETR_SHARE_DEL_STICKY, true, RPC_ORDERED},
        {"by nobody", "vms", SRVSVC_NETR_SHARE_DEL, false, WERR_ACCESS_DENIED},
        {"that is not there", "none", SRVSVC_NETR_SHARE_DEL, true, NERR_NET_NAME_NOT_FOUND},
        {"that must stay", "IPC$", SRVSVC_NETR_SHARE_DEL, true, WERR_ACCESS_DENIED},
        {"without a name", "", SRVSVC_NETR_SHARE_DEL, true, WERR_INVALID_PARAMETER},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct asker k;
        asker_init(&k, rows[i].administrator);
        put_server(&k);
        put_string(&k, rows[i].share);
        ndr_write_u32(&k.w, 0);
        uint32_t result = CALL(&k, rows[i].opnum);
        assert_row(rows[i].name, (result == RPC_ORDERED) == (rows[i].status == RPC_ORDERED));
        if (result == RPC_ORDERED) {
            assert_int_equal(k.ask.order.kind, RPC_SHARE_REMOVE);
            (void)asker_call(&k, &srvsvc_service, rows[i].opnum, &fine);
            assert_int_equal(asker_status(&k), WERR_OK);
        } else {
            assert_row(rows[i].name, asker_status(&k) == rows[i].status);
        }
        asker_fini(&k);
    }
}

/* ---- who uses what ------------------------------------------------------------------------------
 */

static const struct rpc_session sessions[] = {
    {.client = TEXT("10.0.0.7"), .user = TEXT("anna"), .opens = 2, .seconds = 9, .idle_seconds = 1},
    {.client = TEXT("10.0.0.8"), .user = TEXT("bob"), .guest = true},
};
static const struct rpc_file files[] = {
    {.id = 5, .permissions = PERM_FILE_READ, .path = TEXT("C:\\vol1\\a"), .user = TEXT("anna")},
    {.id = 6, .permissions = PERM_FILE_WRITE, .path = TEXT("C:\\vol1\\b"), .user = TEXT("bob")},
};
static const struct rpc_connection connections[] = {
    {.id = 1, .user = TEXT("anna"), .client = TEXT("10.0.0.7"), .share = TEXT("vms")},
    {.id = 2, .user = TEXT("bob"), .client = TEXT("10.0.0.8"), .share = TEXT("root")},
};
static const struct rpc_outcome lists = {.status = STATUS_OK,
                                         .count = 2,
                                         .sessions = sessions,
                                         .files = files,
                                         .connections = connections};

static void users_are_listed(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint16_t opnum;
        uint32_t level;
        const char *first, *second;
        bool administrator;
        uint32_t count, status;
    } rows[] = {
        {"sessions", SRVSVC_NETR_SESSION_ENUM, 502, NULL, NULL, true, 2, WERR_OK},
        {"sessions' names", SRVSVC_NETR_SESSION_ENUM, 0, NULL, NULL, true, 2, WERR_OK},
        {"sessions, old", SRVSVC_NETR_SESSION_ENUM, 1, NULL, NULL, true, 2, WERR_OK},
        {"sessions, older", SRVSVC_NETR_SESSION_ENUM, 2, NULL, NULL, true, 2, WERR_OK},
        {"of a client", SRVSVC_NETR_SESSION_ENUM, 10, "\\\\10.0.0.8", NULL, true, 1, WERR_OK},
        {"of a user", SRVSVC_NETR_SESSION_ENUM, 10, "", "ANNA", true, 1, WERR_OK},
        {"of no client", SRVSVC_NETR_SESSION_ENUM, 10, "\\\\x", NULL, true, 0,
         NERR_CLIENT_NAME_NOT_FOUND},
        {"of no user", SRVSVC_NETR_SESSION_ENUM, 10, NULL, "eve", true, 0, NERR_USER_NOT_FOUND},
        {"no computer", SRVSVC_NETR_SESSION_ENUM, 10, "x", NULL, true, 0, NERR_INVALID_COMPUTER},
        {"not for all", SRVSVC_NETR_SESSION_ENUM, 10, NULL, NULL, false, 0, WERR_ACCESS_DENIED},
        {"no level", SRVSVC_NETR_SESSION_ENUM, 3, NULL, NULL, true, 0, WERR_INVALID_LEVEL},
        {"files", SRVSVC_NETR_FILE_ENUM, 3, NULL, NULL, true, 2, WERR_OK},
        {"their numbers", SRVSVC_NETR_FILE_ENUM, 2, NULL, NULL, true, 2, WERR_OK},
        {"files below", SRVSVC_NETR_FILE_ENUM, 3, "c:\\VOL1\\B", NULL, true, 1, WERR_OK},
        {"files of", SRVSVC_NETR_FILE_ENUM, 3, NULL, "anna", true, 1, WERR_OK},
        {"files, not for all", SRVSVC_NETR_FILE_ENUM, 3, NULL, NULL, false, 0, WERR_ACCESS_DENIED},
        {"connections", SRVSVC_NETR_CONNECTION_ENUM, 1, "VMS", NULL, true, 1, WERR_OK},
        {"their numbers", SRVSVC_NETR_CONNECTION_ENUM, 0, "\\\\10.0.0.8", NULL, true, 1, WERR_OK},
        {"to no share", SRVSVC_NETR_CONNECTION_ENUM, 1, "none", NULL, true, 0,
         NERR_NET_NAME_NOT_FOUND},
        {"to whatever", SRVSVC_NETR_CONNECTION_ENUM, 1, NULL, NULL, true, 0,
         WERR_INVALID_PARAMETER},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct asker k;
        asker_init(&k, rows[i].administrator);
        put_server(&k);
        put_text(&k, rows[i].first);
        if (rows[i].opnum != SRVSVC_NETR_CONNECTION_ENUM)
            put_text(&k, rows[i].second);
        put_enum(&k, rows[i].level, UINT32_MAX, UINT32_MAX);
        asker_prefixes(&k, &srvsvc_service, rows[i].opnum);
        uint32_t result = CALL(&k, rows[i].opnum);
        if (result == RPC_ORDERED)
            result = asker_call(&k, &srvsvc_service, rows[i].opnum, &lists);
        assert_row(rows[i].name, result == RPC_ANSWERED);
        assert_row(rows[i].name, asker_status(&k) == rows[i].status);
        read_skip(&k.r, 8);
        uint32_t count = ndr_read_pointer(&k.r) ? ndr_read_u32(&k.r) : 0;
        assert_row(rows[i].name, count == rows[i].count);
        asker_fini(&k);
    }
}

/* A list that was cut says so, and goes on where it was cut. */
static void cut_lists_go_on(void **state)
{
    (void)state;
    struct asker k;
    struct rpc_outcome cut = lists;
    cut.more = true;
    asker_init(&k, true);
    put_server(&k);
    put_text(&k, NULL);
    put_text(&k, NULL);
    put_enum(&k, 2, UINT32_MAX, 10);
    assert_int_equal(CALL(&k, SRVSVC_NETR_FILE_ENUM), RPC_ORDERED);
    assert_int_equal(k.ask.order.begin, 10);
    assert_int_equal(asker_call(&k, &srvsvc_service, SRVSVC_NETR_FILE_ENUM, &cut), RPC_ANSWERED);
    assert_int_equal(asker_status(&k), WERR_MORE_DATA);
    k.r.pos = k.r.all.len - 8;
    assert_int_equal(ndr_read_u32(&k.r), 12);
    asker_fini(&k);
}

static void uses_are_ended(void **state)
{
    (void)state;
    static const struct rpc_outcome none = {.status = STATUS_OK};
    struct asker k;
    asker_init(&k, true);
    put_server(&k);
    put_text(&k, "\\\\10.0.0.7");
    put_text(&k, "anna");
    assert_int_equal(CALL(&k, SRVSVC_NETR_SESSION_DEL), RPC_ORDERED);
    assert_int_equal(k.ask.order.kind, RPC_END_SESSIONS);
    assert_true(slice_equal(k.ask.order.client, slice_str("10.0.0.7")));
    assert_true(slice_equal(k.ask.order.user, slice_str("anna")));
    (void)asker_call(&k, &srvsvc_service, SRVSVC_NETR_SESSION_DEL, &fine);
    assert_int_equal(asker_status(&k), WERR_OK);
    (void)asker_call(&k, &srvsvc_service, SRVSVC_NETR_SESSION_DEL, &none);
    assert_int_equal(asker_status(&k), NERR_CLIENT_NAME_NOT_FOUND);
    asker_next(&k);
    put_server(&k);
    put_text(&k, NULL);
    put_text(&k, "");
    assert_int_equal(CALL(&k, SRVSVC_NETR_SESSION_DEL), RPC_ANSWERED);
    assert_int_equal(asker_status(&k), NERR_CLIENT_NAME_NOT_FOUND);
    asker_next(&k);
    put_server(&k);
    ndr_write_u32(&k.w, 5);
    assert_int_equal(CALL(&k, SRVSVC_NETR_FILE_CLOSE), RPC_ORDERED);
    assert_int_equal(k.ask.order.file_id, 5);
    (void)asker_call(&k, &srvsvc_service, SRVSVC_NETR_FILE_CLOSE, &none);
    assert_int_equal(asker_status(&k), NERR_FILE_ID_NOT_FOUND);
    ndr_write_u32(&k.w, 3);
    assert_int_equal(CALL(&k, SRVSVC_NETR_FILE_GET_INFO), RPC_ORDERED);
    (void)asker_call(&k, &srvsvc_service, SRVSVC_NETR_FILE_GET_INFO, &lists);
    assert_int_equal(asker_status(&k), WERR_OK);
    k.facts.caller.administrator = false;
    assert_int_equal(CALL(&k, SRVSVC_NETR_FILE_CLOSE), RPC_ANSWERED);
    assert_int_equal(asker_status(&k), WERR_ACCESS_DENIED);
    asker_fini(&k);
}

/* ---- the server ---------------------------------------------------------------------------------
 */

static void the_server_is_described(void **state)
{
    (void)state;
    static const struct {
        uint32_t level, admin, user;
    } rows[] = {{100, WERR_OK, WERR_OK},
                {101, WERR_OK, WERR_OK},
                {102, WERR_OK, WERR_ACCESS_DENIED},
                {103, WERR_OK, WERR_ACCESS_DENIED},
                {502, WERR_INVALID_LEVEL, WERR_INVALID_LEVEL}};
    for (size_t i = 0; i < array_len(rows); i++) {
        for (int admin = 0; admin < 2; admin++) {
            struct asker k;
            asker_init(&k, admin == 1);
            put_server(&k);
            ndr_write_u32(&k.w, rows[i].level);
            asker_prefixes(&k, &srvsvc_service, SRVSVC_NETR_SERVER_GET_INFO);
            assert_int_equal(CALL(&k, SRVSVC_NETR_SERVER_GET_INFO), RPC_ANSWERED);
            assert_int_equal(asker_status(&k), admin ? rows[i].admin : rows[i].user);
            asker_fini(&k);
        }
    }
}

static void the_time_of_day_is_told(void **state)
{
    (void)state;
    struct asker k;
    asker_init(&k, false);
    put_server(&k);
    assert_int_equal(CALL(&k, SRVSVC_NETR_REMOTE_TOD), RPC_ANSWERED);
    assert_true(ndr_read_pointer(&k.r));
    static const uint32_t numbers[] = {1709210096, 60000, 12, 34, 56, 78, 0, 310, 29, 2, 2024, 4};
    for (size_t i = 0; i < array_len(numbers); i++)
        assert_int_equal(ndr_read_u32(&k.r), numbers[i]);
    assert_int_equal(ndr_read_u32(&k.r), WERR_OK);
    asker_fini(&k);
}

static void dates_are_right(void **state)
{
    (void)state;
    static const struct {
        uint64_t unix_days;
        uint32_t day, month, year, weekday;
    } rows[] = {{0, 1, 1, 1970, 4},      {11016, 29, 2, 2000, 2}, {11017, 1, 3, 2000, 3},
                {47540, 28, 2, 2100, 0}, {47541, 1, 3, 2100, 1},  {20453, 31, 12, 2025, 3},
                {20454, 1, 1, 2026, 4}};
    for (size_t i = 0; i < array_len(rows); i++) {
        struct asker k;
        asker_init(&k, false);
        k.facts.now = rows[i].unix_days * 86400 * FILETIME_SECOND + FILETIME_UNIX_EPOCH;
        put_server(&k);
        assert_int_equal(CALL(&k, SRVSVC_NETR_REMOTE_TOD), RPC_ANSWERED);
        read_skip(&k.r, 9 * 4);
        assert_int_equal(ndr_read_u32(&k.r), rows[i].day);
        assert_int_equal(ndr_read_u32(&k.r), rows[i].month);
        assert_int_equal(ndr_read_u32(&k.r), rows[i].year);
        assert_int_equal(ndr_read_u32(&k.r), rows[i].weekday);
        asker_fini(&k);
    }
}

static void the_rest_is_told_or_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint16_t opnum;
        uint32_t admin, user;
    } rows[] = {
        {"setting the server up", SRVSVC_NETR_SERVER_SET_INFO, WERR_NOT_SUPPORTED,
         WERR_ACCESS_DENIED},
        {"another transport", SRVSVC_NETR_SERVER_TRANSPORT_ADD, WERR_NOT_SUPPORTED,
         WERR_ACCESS_DENIED},
        {"one less", SRVSVC_NETR_SERVER_TRANSPORT_DEL_EX, WERR_NOT_SUPPORTED, WERR_ACCESS_DENIED},
        {"half a removal", SRVSVC_NETR_SHARE_DEL_START, WERR_NOT_SUPPORTED, WERR_ACCESS_DENIED},
        {"the other half", SRVSVC_NETR_SHARE_DEL_COMMIT, WERR_NOT_SUPPORTED, WERR_ACCESS_DENIED},
        {"a file's descriptor", SRVSVC_NETRP_GET_FILE_SECURITY, WERR_NOT_SUPPORTED,
         WERR_NOT_SUPPORTED},
        {"another one", SRVSVC_NETRP_SET_FILE_SECURITY, WERR_NOT_SUPPORTED, WERR_NOT_SUPPORTED},
        {"DFS", SRVSVC_NETR_DFS_GET_VERSION, WERR_NOT_SUPPORTED, WERR_NOT_SUPPORTED},
        {"DFS links", SRVSVC_NETR_DFS_CREATE_EXIT_POINT, WERR_NOT_SUPPORTED, WERR_NOT_SUPPORTED},
        {"drives", SRVSVC_NETR_SERVER_DISK_ENUM, WERR_OK, WERR_ACCESS_DENIED},
        {"statistics", SRVSVC_NETR_SERVER_STATISTICS_GET, WERR_OK, WERR_ACCESS_DENIED},
        {"transports", SRVSVC_NETR_SERVER_TRANSPORT_ENUM, WERR_OK, WERR_ACCESS_DENIED},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        for (int admin = 0; admin < 2; admin++) {
            struct asker k;
            asker_init(&k, admin == 1);
            put_server(&k);
            if (rows[i].opnum == SRVSVC_NETR_SERVER_TRANSPORT_ENUM)
                put_enum(&k, 1, UINT32_MAX, 0);
            else
                for (int zero = 0; zero < 6; zero++)
                    ndr_write_u32(&k.w, 0);
            assert_row(rows[i].name, CALL(&k, rows[i].opnum) == RPC_ANSWERED);
            assert_row(rows[i].name, asker_status(&k) == (admin ? rows[i].admin : rows[i].user));
            asker_fini(&k);
        }
    }
}

static void faults(void **state)
{
    (void)state;
    struct asker k;
    asker_init(&k, true);
    static const uint16_t unused[] = {0, 7, 29, 42, 47, 58, 65535};
    for (size_t i = 0; i < array_len(unused); i++)
        assert_int_equal(CALL(&k, unused[i]), RPC_FAULT_OP_RANGE);
    put_server(&k);
    ndr_write_u32(&k.w, 1);
    ndr_write_u32(&k.w, 2); /* a union of another level */
    assert_int_equal(CALL(&k, SRVSVC_NETR_SHARE_ENUM), RPC_FAULT_NDR);
    asker_fini(&k);
}

/* ---- names and paths ----------------------------------------------------------------------------
 */

static void names_are_validated(void **state)
{
    (void)state;
    static const char fifteen[] = "123456789012345";
    static const struct {
        const char *name;
        uint32_t type, flags, status;
    } rows[] = {
        {"share", 9, 0, WERR_OK},
        {"sh*are", 9, 0, WERR_OK},
        {"sh/are", 9, 0, WERR_INVALID_NAME},
        {"", 9, 0, WERR_INVALID_NAME},
        {"", 2, 0, WERR_OK},
        {"a*", 4, 0, WERR_INVALID_NAME},
        {"a b", 6, 0, WERR_INVALID_NAME},
        {"a;b", 12, 0, WERR_OK},
        {"123456789", 12, 0, WERR_INVALID_NAME},
        {fifteen, 13, 0x80000000, WERR_OK},
        {"x", 0, 0, WERR_INVALID_PARAMETER},
        {"x", 14, 0, WERR_INVALID_PARAMETER},
        {"x", 9, 1, WERR_INVALID_PARAMETER},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct asker k;
        asker_init(&k, false);
        put_server(&k);
        put_string(&k, rows[i].name);
        ndr_write_u32(&k.w, rows[i].type);
        ndr_write_u32(&k.w, rows[i].flags);
        assert_int_equal(CALL(&k, SRVSVC_NETPR_NAME_VALIDATE), RPC_ANSWERED);
        assert_row(rows[i].name, asker_status(&k) == rows[i].status);
        asker_fini(&k);
    }
}

static void names_have_a_canonical_form(void **state)
{
    (void)state;
    struct asker k;
    asker_init(&k, false);
    put_server(&k);
    put_string(&k, "computer-with-a-long-name");
    ndr_write_u32(&k.w, 20);
    ndr_write_u32(&k.w, 4);
    ndr_write_u32(&k.w, 0x80000000);
    asker_prefixes(&k, &srvsvc_service, SRVSVC_NETPR_NAME_CANONICALIZE);
    assert_int_equal(CALL(&k, SRVSVC_NETPR_NAME_CANONICALIZE), RPC_ANSWERED);
    assert_int_equal(ndr_read_u32(&k.r), 20);
    assert_true(is_utf16(read_slice(&k.r, 30), "COMPUTER-WITH-A"));
    assert_int_equal(asker_status(&k), WERR_OK);
    asker_next(&k);
    put_server(&k);
    put_string(&k, "one");
    put_string(&k, "ONE");
    ndr_write_u32(&k.w, 9);
    ndr_write_u32(&k.w, 0);
    assert_int_equal(CALL(&k, SRVSVC_NETPR_NAME_COMPARE), RPC_ANSWERED);
    assert_int_equal(asker_status(&k), 0);
    assert_int_equal(CALL(&k, SRVSVC_NETPR_PATH_COMPARE), RPC_ANSWERED);
    assert_int_equal(asker_status(&k), 0);
    asker_fini(&k);
}

static void paths_have_types(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        uint32_t type; /* 0: ERROR_INVALID_NAME */
    } rows[] = {{"C:", 16384},      {"c:\\a", 8198},
                {"C:\\a\\*", 8199}, {"\\a", 8194},
                {"\\a?", 8195},     {"a\\b", 8192},
                {"a*", 8193},       {"\\\\s", 4144},
                {"\\\\s\\a", 4096}, {"\\\\s\\a*", 4097},
                {"\\\\*", 4145},    {"\\\\s\\", 0},
                {"\\\\*x", 0},      {"\\\\.\\a", 8198},
                {"\\\\.", 0},       {"\\\\", 0},
                {"a|b", 0},         {"", 0},
                {"<", 0},           {"\\\\.\\*", 8199}};
    for (size_t i = 0; i < array_len(rows); i++) {
        struct asker k;
        asker_init(&k, false);
        put_server(&k);
        put_string(&k, rows[i].path);
        ndr_write_u32(&k.w, 0);
        assert_int_equal(CALL(&k, SRVSVC_NETPR_PATH_TYPE), RPC_ANSWERED);
        assert_row(rows[i].path, ndr_read_u32(&k.r) == rows[i].type);
        assert_row(rows[i].path, asker_status(&k) == (rows[i].type ? WERR_OK : WERR_INVALID_NAME));
        asker_fini(&k);
    }
}

static void paths_have_a_canonical_form(void **state)
{
    (void)state;
    static const struct {
        const char *path, *prefix, *canonical;
        uint32_t room, status;
    } rows[] = {{"a/b", "C:\\x", "C:\\x\\a\\b", 40, WERR_OK},
                {"a", "C:\\", "C:\\a", 10, WERR_OK},
                {"a", "C:\\", "", 9, NERR_BUF_TOO_SMALL},
                {"a", "", "a", 4, WERR_OK},
                {"a|", "", "", 40, WERR_INVALID_NAME}};
    for (size_t i = 0; i < array_len(rows); i++) {
        struct asker k;
        asker_init(&k, false);
        put_server(&k);
        put_string(&k, rows[i].path);
        ndr_write_u32(&k.w, rows[i].room);
        put_string(&k, rows[i].prefix);
        ndr_write_u32(&k.w, 0);
        ndr_write_u32(&k.w, 0);
        assert_int_equal(CALL(&k, SRVSVC_NETPR_PATH_CANONICALIZE), RPC_ANSWERED);
        assert_int_equal(ndr_read_u32(&k.r), rows[i].room);
        struct slice text = read_slice(&k.r, strlen(rows[i].canonical) * 2);
        assert_row(rows[i].path, is_utf16(text, rows[i].canonical));
        assert_row(rows[i].path, asker_status(&k) == rows[i].status);
        asker_fini(&k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_listed),
        cmocka_unit_test(who_may_see_which_level),
        cmocka_unit_test(long_lists_come_in_portions),
        cmocka_unit_test(one_share_is_described),
        cmocka_unit_test(shares_that_are_not_described),
        cmocka_unit_test(paths_are_checked),
        cmocka_unit_test(shares_are_added),
        cmocka_unit_test(what_the_cluster_says_is_passed_on),
        cmocka_unit_test(permissions_are_taken_from_a_descriptor),
        cmocka_unit_test(shares_are_changed),
        cmocka_unit_test(shares_are_removed),
        cmocka_unit_test(users_are_listed),
        cmocka_unit_test(cut_lists_go_on),
        cmocka_unit_test(uses_are_ended),
        cmocka_unit_test(the_server_is_described),
        cmocka_unit_test(the_time_of_day_is_told),
        cmocka_unit_test(dates_are_right),
        cmocka_unit_test(the_rest_is_told_or_refused),
        cmocka_unit_test(faults),
        cmocka_unit_test(names_are_validated),
        cmocka_unit_test(names_have_a_canonical_form),
        cmocka_unit_test(paths_have_types),
        cmocka_unit_test(paths_have_a_canonical_form),
    };
    return cmocka_run_group_tests_name("rpc/srvsvc", tests, NULL, NULL);
}
