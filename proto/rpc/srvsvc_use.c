/* Who uses what: sessions, open files and connections of this node ([MS-SRVS] 3.1.4.1 to 3.1.4.6).
 * The lists are ordered from the SMB server, which alone has them. */
#include "proto/base/must.h"
#include "proto/base/utf16.h"
#include "proto/rpc/srvsvc_int.h"

#define SESS_GUEST 1u /* [MS-SRVS] 2.2.2.3 */

/* Is the qualifier met? An empty one always is. */
static bool meets(struct rpc_ask *a, struct slice qualifier, struct slice value)
{
    return qualifier.len == 0 || rpc_text_is(a, value, qualifier);
}

/* "\\address": what a client calls a computer. */
static struct slice computer(struct rpc_ask *a, struct slice address)
{
    uint8_t *at = arena_alloc(a->scratch, address.len + 2);
    if (at == NULL)
        return (struct slice){0};
    struct writer w = writer_of(at, address.len + 2);
    write_bytes(&w, slice_str("\\\\"));
    write_bytes(&w, address);
    return written(&w);
}

static bool is_computer(struct slice name)
{
    return name.len >= 4 && name.at[0] == '\\' && name.at[1] == 0 && name.at[2] == '\\' &&
           name.at[3] == 0;
}

/* Orders the list, unless the caller may not see it or it is there already. */
static uint32_t list_status(struct rpc_ask *a, bool known, const struct rpc_order *order)
{
    if (!a->facts->caller.administrator)
        return WERR_ACCESS_DENIED;
    if (!known)
        return WERR_INVALID_LEVEL;
    if (a->outcome != NULL)
        return a->outcome->status == STATUS_OK ? WERR_OK : WERR_NOT_ENOUGH_MEMORY;
    a->order = *order;
    return RPC_ORDERED;
}

/* The part of the list that was given, or nothing yet: from the resume handle on. */
static void list_range(const struct rpc_ask *a, const struct rpc_enum *e, struct rpc_list *list)
{
    list->level = e->level;
    list->end = e->resume;
    if (a->outcome == NULL || a->outcome->count > UINT32_MAX - e->resume)
        return;
    list->end += a->outcome->count;
    list->more = a->outcome->more;
}

static uint32_t begin_of(const struct rpc_ask *a, const struct rpc_list *list)
{
    must(a->outcome != NULL && list->end >= a->outcome->count);
    return list->end - a->outcome->count;
}

/* ---- sessions -----------------------------------------------------------------------------------
 */

static void session_fields(struct rpc_ask *a, const struct rpc_session *s, uint32_t level,
                           struct record *out)
{
    record_text(out, computer(a, s->client));
    if (level == 0)
        return;
    record_text(out, s->user);
    if (level != 10)
        record_number(out, s->opens);
    record_number(out, s->seconds);
    record_number(out, s->idle_seconds);
    if (level == 10)
        return;
    record_number(out, s->guest ? SESS_GUEST : 0);
    if (level == 1)
        return;
    record_text(out, (struct slice){0}); /* SMB2 clients do not say what they are */
    if (level == 502)
        record_text(out, (struct slice){0});
}

static bool session_row(struct rpc_ask *a, const struct rpc_list *list, uint32_t at,
                        struct record *out)
{
    const struct rpc_session *s = &a->outcome->sessions[at - begin_of(a, list)];
    if (!meets(a, list->where, computer(a, s->client)) || !meets(a, list->whose, s->user))
        return false;
    session_fields(a, s, list->level, out);
    return true;
}

/* 3.1.4.5: qualifiers that nobody meets are an error. */
static uint32_t nobody(struct rpc_ask *a, const struct rpc_list *list)
{
    if (list->where.len == 0 && list->whose.len == 0)
        return WERR_OK;
    for (uint32_t i = begin_of(a, list); i < list->end; i++) {
        struct record row = {.count = 0};
        if (session_row(a, list, i, &row))
            return WERR_OK;
    }
    return list->where.len > 0 ? NERR_CLIENT_NAME_NOT_FOUND : NERR_USER_NOT_FOUND;
}

uint32_t srvsvc_session_enum(struct rpc_ask *a)
{
    static const uint32_t levels[] = {0, 1, 2, 10, 502};
    struct rpc_enum e;
    rpc_skip_server_name(a);
    struct rpc_list list = {.row = session_row, .where = rpc_read_text(a)};
    list.whose = rpc_read_text(a);
    bool known = rpc_enum_read(a, levels, array_len(levels), &e);
    list_range(a, &e, &list);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    const struct rpc_order order = {.kind = RPC_LIST_SESSIONS, .begin = e.resume};
    uint32_t status = list.where.len > 0 && !is_computer(list.where)
                          ? NERR_INVALID_COMPUTER
                          : list_status(a, known, &order);
    if (status == RPC_ORDERED)
        return RPC_ORDERED;
    if (status == WERR_OK)
        status = nobody(a, &list);
    return rpc_enum_reply(a, &e, &list, status);
}

uint32_t srvsvc_session_del(struct rpc_ask *a)
{
    rpc_skip_server_name(a);
    struct slice client = rpc_read_text(a), user = rpc_read_text(a);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    if (!a->facts->caller.administrator)
        return rpc_status(a, WERR_ACCESS_DENIED);
    if (client.len > 0 && !is_computer(client))
        return rpc_status(a, NERR_CLIENT_NAME_NOT_FOUND); /* not NERR_InvalidComputer: 3.1.4.6 */
    if (client.len == 0 && user.len == 0) /* all sessions at once are nobody's wish */
        return rpc_status(a, NERR_CLIENT_NAME_NOT_FOUND);
    if (a->outcome != NULL)
        return rpc_status(a, a->outcome->count == 0 ? NERR_CLIENT_NAME_NOT_FOUND : WERR_OK);
    a->order = (struct rpc_order){.kind = RPC_END_SESSIONS, .user = rpc_text(a, user)};
    if (client.len > 0)
        a->order.client = rpc_text(a, slice_sub(client, 4, client.len - 4));
    return RPC_ORDERED;
}

/* ---- open files ---------------------------------------------------------------------------------
 */

static void file_fields(const struct rpc_file *f, uint32_t level, struct record *out)
{
    record_number(out, f->id);
    if (level == 2)
        return;
    record_number(out, f->permissions);
    record_number(out, f->locks);
    record_text(out, f->path);
    record_text(out, f->user);
}

/* 3.1.4.2: BasePath is a prefix. */
static bool below(struct rpc_ask *a, struct slice path, struct slice prefix)
{
    struct slice units;
    return prefix.len == 0 ||
           (utf16_from_utf8(path, a->scratch, &units) && units.len >= prefix.len &&
            utf16_compare_fold(slice_sub(units, 0, prefix.len), prefix) == 0);
}

static bool file_row(struct rpc_ask *a, const struct rpc_list *list, uint32_t at,
                     struct record *out)
{
    const struct rpc_file *f = &a->outcome->files[at - begin_of(a, list)];
    if (!below(a, f->path, list->where) || !meets(a, list->whose, f->user))
        return false;
    file_fields(f, list->level, out);
    return true;
}

uint32_t srvsvc_file_enum(struct rpc_ask *a)
{
    static const uint32_t levels[] = {2, 3};
    struct rpc_enum e;
    rpc_skip_server_name(a);
    struct rpc_list list = {.row = file_row, .where = rpc_read_text(a)};
    list.whose = rpc_read_text(a);
    bool known = rpc_enum_read(a, levels, array_len(levels), &e);
    list_range(a, &e, &list);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    const struct rpc_order order = {.kind = RPC_LIST_FILES, .begin = e.resume};
    uint32_t status = list_status(a, known, &order);
    return status == RPC_ORDERED ? RPC_ORDERED : rpc_enum_reply(a, &e, &list, status);
}

static const struct rpc_file *find_file(const struct rpc_ask *a, uint32_t id)
{
    for (uint32_t i = 0; a->outcome != NULL && i < a->outcome->count; i++) {
        if (a->outcome->files[i].id == id)
            return &a->outcome->files[i];
    }
    return NULL;
}

uint32_t srvsvc_file_get_info(struct rpc_ask *a)
{
    rpc_skip_server_name(a);
    uint32_t id = ndr_read_u32(&a->r), level = ndr_read_u32(&a->r);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    const struct rpc_order order = {.kind = RPC_LIST_FILES, .file_id = id};
    uint32_t status = list_status(a, level == 2 || level == 3, &order);
    if (status == RPC_ORDERED)
        return RPC_ORDERED;
    const struct rpc_file *f = find_file(a, id);
    if (status == WERR_OK && f == NULL)
        status = NERR_FILE_ID_NOT_FOUND;
    ndr_write_u32(a->w, level);
    ndr_write_pointer(a->w, status == WERR_OK);
    if (status == WERR_OK) {
        struct record row = {.count = 0};
        file_fields(f, level, &row);
        if (!record_write(&row, a->w, a->scratch))
            return RPC_FAULT_NO_MEMORY;
    }
    return rpc_status(a, status);
}

uint32_t srvsvc_file_close(struct rpc_ask *a)
{
    rpc_skip_server_name(a);
    uint32_t id = ndr_read_u32(&a->r);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    if (!a->facts->caller.administrator)
        return rpc_status(a, WERR_ACCESS_DENIED);
    if (a->outcome != NULL)
        return rpc_status(a, a->outcome->count == 0 ? NERR_FILE_ID_NOT_FOUND : WERR_OK);
    a->order = (struct rpc_order){.kind = RPC_CLOSE_FILE, .file_id = id};
    return RPC_ORDERED;
}

/* ---- connections --------------------------------------------------------------------------------
 */

static bool connection_row(struct rpc_ask *a, const struct rpc_list *list, uint32_t at,
                           struct record *out)
{
    const struct rpc_connection *c = &a->outcome->connections[at - begin_of(a, list)];
    struct slice client = computer(a, c->client);
    bool of_computer = is_computer(list->where);
    if (!meets(a, list->where, of_computer ? client : c->share))
        return false;
    record_number(out, c->id);
    if (list->level == 0)
        return true;
    record_number(out, c->type);
    record_number(out, c->opens);
    record_number(out, 1);
    record_number(out, c->seconds);
    record_text(out, c->user);
    record_text(out, of_computer ? c->share : client); /* 2.2.4.2: what was not asked for */
    return true;
}

uint32_t srvsvc_connection_enum(struct rpc_ask *a)
{
    static const uint32_t levels[] = {0, 1};
    struct rpc_enum e;
    struct rpc_share share;
    rpc_skip_server_name(a);
    struct rpc_list list = {.row = connection_row, .where = rpc_read_text(a)};
    bool known = rpc_enum_read(a, levels, array_len(levels), &e);
    list_range(a, &e, &list);
    if (a->r.bad)
        return RPC_FAULT_NDR;
    const struct rpc_order order = {.kind = RPC_LIST_CONNECTIONS, .begin = e.resume};
    uint32_t status = list_status(a, known, &order);
    if (status == RPC_ORDERED && list.where.len == 0)
        status = WERR_INVALID_PARAMETER;
    else if (status == RPC_ORDERED && !is_computer(list.where) &&
             !srvsvc_share_find(a, list.where, &share, NULL))
        status = NERR_NET_NAME_NOT_FOUND;
    return status == RPC_ORDERED ? RPC_ORDERED : rpc_enum_reply(a, &e, &list, status);
}
