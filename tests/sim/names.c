/* See names.h: what a client does with names, and how it is written down. */
#include "tests/sim/names.h"
#include "tests/sim/client.h"

#include "proto/smb/create_client.h"
#include "proto/smb/dtyp.h"
#include "proto/smb/fscc.h"
#include "proto/smb/info_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct names_oracle *oracle_of(const struct client *c)
{
    return &c->w->cluster->oracle.names;
}

/* ---- the record ------------------------------------------------------------------------------ */

static struct names_space *space_new(struct names_oracle *o)
{
    if (o->count == o->cap) {
        o->cap = o->cap == 0 ? 16 : 2 * o->cap;
        o->spaces = realloc(o->spaces, o->cap * sizeof(struct names_space *));
        must(o->spaces != NULL);
    }
    return o->spaces[o->count++] = take(sizeof(struct names_space));
}

static struct names_space *space_of(const struct client *c)
{
    return oracle_of(c)->spaces[c->names.space];
}

static struct names_op *op_new(struct client *c, enum names_kind kind, uint8_t open)
{
    struct names_space *p = space_of(c);
    must(p->count < NAMES_OPS_MAX);
    struct names_op *op = &p->ops[p->count];
    *op = (struct names_op){.kind = kind,
                            .client = (uint8_t)c->proc.number,
                            .open = open,
                            .begin_ns = c->w->now_ns,
                            .end_ns = UINT64_MAX};
    c->names.op = (uint8_t)p->count++;
    p->begun += kind != NAMES_CLOSE && kind != NAMES_END;
    return op;
}

/* A space is used up; whoever has nothing open in it goes on in the next one. */
static bool may_begin(struct client *c)
{
    struct names_oracle *o = oracle_of(c);
    if (o->count == 0 || o->spaces[o->count - 1]->begun >= NAMES_BEGUN_MAX)
        (void)space_new(o);
    bool open = false;
    for (uint32_t i = 0; i < NAMES_OPENS_MAX; i++)
        open = open || c->names.opens[i].state != NAMES_SHUT;
    if (!open)
        c->names.space = o->count - 1;
    return c->names.space == o->count - 1;
}

/* ---- requests ------------------------------------------------------------------------------- */

static struct slice name_of(const struct client *c, uint8_t name, uint8_t *bytes, size_t cap)
{
    char text[32];
    (void)snprintf(text, sizeof text, "names-%u-%c", c->names.space, 'a' + name);
    struct writer w = writer_of(bytes, cap);
    for (const char *at = text; *at != '\0'; at++)
        write_u16(&w, (uint16_t)*at);
    return written(&w);
}

static void create(struct client *c, uint32_t slot)
{
    static const uint32_t dispositions[] = {FILE_CREATE, FILE_OPEN, FILE_OPEN_IF,
                                            FILE_OVERWRITE_IF};
    uint8_t name[64];
    struct writer w;
    if (!client_request(c, &(struct ask){CALL_NAMES, SMB2_CREATE, 0}, &w))
        return;
    struct world *world = c->w;
    struct names_op *op = op_new(c, NAMES_CREATE, 0);
    op->open = c->names.op;
    op->name = (uint8_t)draw(world, 0, NAMES_IN_SPACE - 1);
    op->disposition = (uint8_t)dispositions[draw(world, 0, 3)];
    op->access = (uint8_t)draw(world, 0, 7);
    op->share = chance(world, 600) ? 7 : (uint8_t)draw(world, 0, 7);
    op->delete_on_close = (op->access & NAMES_REMOVE) != 0 && chance(world, 200);
    uint32_t access = SYNCHRONIZE | FILE_READ_ATTRIBUTES;
    access |= (op->access & NAMES_READ) != 0 ? FILE_READ_DATA : 0;
    access |= (op->access & NAMES_WRITE) != 0 ? FILE_WRITE_DATA : 0;
    access |= (op->access & NAMES_REMOVE) != 0 ? ACCESS_DELETE : 0;
    struct smb_create_req req = {
        .impersonation = SMB2_IMPERSONATION_IMPERSONATION,
        .desired_access = access,
        .share_access = op->share, /* FILE_SHARE_READ, _WRITE, _DELETE have the same bits */
        .disposition = op->disposition,
        .options = FILE_NON_DIRECTORY_FILE | (op->delete_on_close ? FILE_DELETE_ON_CLOSE : 0),
        .name = name_of(c, op->name, name, sizeof name)};
    smb_create_req_encode(&w, &req);
    client_sent(c, &w);
    c->names.busy = true;
    c->names.opens[slot] = (struct names_open){.state = NAMES_OPENING, .op = c->names.op};
}

static struct smb_file_id id_of(const struct names_open *open)
{
    return (struct smb_file_id){open->persistent, open->volatile_};
}

static void shut(struct client *c, struct names_open *open)
{
    struct smb_close_req req = {.file_id = id_of(open)};
    struct writer w;
    if (!client_request(c, &(struct ask){CALL_NAMES, SMB2_CLOSE, 0}, &w))
        return;
    (void)op_new(c, NAMES_CLOSE, open->op);
    smb_close_req_encode(&w, &req);
    client_sent(c, &w);
    c->names.busy = true;
    open->state = NAMES_CLOSING;
}

static void set(struct client *c, const struct names_open *open, uint8_t class, struct slice value)
{
    struct writer w;
    struct smb_set_info_req req = {.info_type = SMB2_0_INFO_FILE,
                                   .info_class = class,
                                   .file_id = id_of(open),
                                   .buffer = value};
    must(client_request(c, &(struct ask){CALL_NAMES, SMB2_SET_INFO, 0}, &w));
    smb_set_info_req_encode(&w, &req);
    client_sent(c, &w);
    c->names.busy = true;
}

/* [MS-FSCC] 2.4.37.2. */
static void rename_it(struct client *c, const struct names_open *open)
{
    uint8_t bytes[96], name[64];
    struct names_op *op = op_new(c, NAMES_RENAME, open->op);
    op->name = (uint8_t)draw(c->w, 0, NAMES_IN_SPACE - 1);
    op->replace = chance(c->w, 500);
    struct slice to = name_of(c, op->name, name, sizeof name);
    struct writer w = writer_of(bytes, sizeof bytes);
    write_u8(&w, op->replace);
    write_zeros(&w, 7 + 8);
    write_u32(&w, (uint32_t)to.len);
    write_bytes(&w, to);
    set(c, open, FILE_RENAME_INFORMATION, written(&w));
}

static void cut(struct client *c, const struct names_open *open)
{
    uint8_t bytes[8];
    struct writer w = writer_of(bytes, sizeof bytes);
    struct names_op *op = op_new(c, NAMES_SIZE, open->op);
    op->size = 1 + c->names.op; /* like no other of this space */
    write_u64(&w, op->size);
    set(c, open, FILE_END_OF_FILE_INFORMATION, written(&w));
}

static void mark(struct client *c, const struct names_open *open)
{
    uint8_t byte;
    struct names_op *op = op_new(c, NAMES_DELETE, open->op);
    op->marked = chance(c->w, 700);
    byte = op->marked;
    set(c, open, FILE_DISPOSITION_INFORMATION, slice_of(&byte, 1));
}

/* The folder itself, to list it: nobody minds. */
static void open_folder(struct client *c)
{
    struct writer w;
    if (!client_request(c, &(struct ask){CALL_NAMES, SMB2_CREATE, 0}, &w))
        return;
    struct smb_create_req req = {.impersonation = SMB2_IMPERSONATION_IMPERSONATION,
                                 .desired_access = SYNCHRONIZE | FILE_READ_DATA,
                                 .share_access =
                                     FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                                 .disposition = FILE_OPEN,
                                 .options = FILE_DIRECTORY_FILE};
    smb_create_req_encode(&w, &req);
    client_sent(c, &w);
    c->names.busy = true;
    c->names.folder.state = NAMES_OPENING;
}

static void list(struct client *c)
{
    char text[32];
    uint8_t bytes[64];
    struct writer w, pattern = writer_of(bytes, sizeof bytes);
    if (!client_request(c, &(struct ask){CALL_NAMES, SMB2_QUERY_DIRECTORY, 4096}, &w))
        return;
    (void)snprintf(text, sizeof text, "names-%u-*", c->names.space);
    for (const char *at = text; *at != '\0'; at++)
        write_u16(&pattern, (uint16_t)*at);
    (void)op_new(c, NAMES_LIST, 0);
    struct smb_query_directory_req req = {.info_class = FILE_NAMES_INFORMATION,
                                          .flags = SMB2_RESTART_SCANS,
                                          .file_id = id_of(&c->names.folder),
                                          .output_length = 4096,
                                          .pattern = written(&pattern)};
    smb_query_directory_req_encode(&w, &req);
    client_sent(c, &w);
    c->names.busy = true;
}

static void use(struct client *c, struct names_open *open)
{
    uint8_t access = space_of(c)->ops[open->op].access;
    uint64_t what = draw(c->w, 0, 9);
    if (what < 2 && (access & NAMES_REMOVE) != 0)
        mark(c, open);
    else if (what < 5 && (access & NAMES_REMOVE) != 0)
        rename_it(c, open);
    else if (what < 7 && (access & NAMES_WRITE) != 0)
        cut(c, open);
    else
        shut(c, open);
}

void names_next(struct client *c)
{
    if (c->names.busy || c->credits == 0 || client_calls(c) == CALLS_MAX)
        return;
    bool begin = may_begin(c);
    uint32_t slot = (uint32_t)draw(c->w, 0, NAMES_OPENS_MAX - 1);
    for (uint32_t i = 0; !begin && i < NAMES_OPENS_MAX; i++)
        if (c->names.opens[i].state == NAMES_OPEN)
            slot = i; /* it must be closed */
    struct names_open *open = &c->names.opens[slot];
    oracle_of(c)->operations++;
    if (begin && chance(c->w, 150)) {
        if (c->names.folder.state == NAMES_OPEN)
            list(c);
        else
            open_folder(c);
        return;
    }
    if (open->state == NAMES_SHUT && begin)
        create(c, slot);
    else if (open->state == NAMES_OPEN && begin)
        use(c, open);
    else if (open->state == NAMES_OPEN)
        shut(c, open);
}

/* ---- answers -------------------------------------------------------------------------------- */

static bool says_something(const struct names_op *op, ntstatus status)
{
    if (op->kind == NAMES_LIST)
        return status == STATUS_OK || status == STATUS_NO_SUCH_FILE;
    return status == STATUS_OK || status == STATUS_OBJECT_NAME_NOT_FOUND ||
           status == STATUS_OBJECT_NAME_COLLISION || status == STATUS_SHARING_VIOLATION ||
           status == STATUS_DELETE_PENDING || status == STATUS_ACCESS_DENIED;
}

/* [MS-FSCC] 2.4.33: the names end in letters. */
static uint32_t names_listed(struct slice msg)
{
    struct slice entries;
    uint32_t found = 0;
    must(smb_output_decode(msg, &entries) == STATUS_OK);
    for (;;) {
        struct reader r = reader_of(entries);
        uint32_t next = read_u32(&r);
        read_skip(&r, 4);
        struct slice name = read_slice(&r, read_u32(&r));
        must(!r.bad && name.len > 2 && next <= entries.len);
        uint32_t which = (uint32_t)(name.at[name.len - 2] - 'a');
        must(which < NAMES_IN_SPACE && (found >> which & 1) == 0);
        found |= 1u << which;
        if (next == 0)
            return found;
        entries = slice_of(entries.at + next, entries.len - next);
    }
}

static bool folder_answered(struct client *c, ntstatus status, struct slice msg)
{
    struct smb_create_rsp rsp;
    c->names.busy = false;
    if (status != STATUS_OK)
        return false;
    must(smb_create_rsp_decode(msg, &rsp) == STATUS_OK);
    c->names.folder =
        (struct names_open){NAMES_OPEN, 0, rsp.file_id.persistent, rsp.file_id.volatile_};
    return true;
}

bool names_answered(struct client *c, const struct call *call, ntstatus status, struct slice msg)
{
    if (c->names.folder.state == NAMES_OPENING)
        return folder_answered(c, status, msg);
    struct names_op *op = &space_of(c)->ops[c->names.op];
    if (!says_something(op, status))
        return false;
    if (op->kind == NAMES_LIST && status == STATUS_OK)
        op->size_seen = names_listed(msg);
    if (op->kind == NAMES_LIST)
        status = STATUS_OK;
    c->names.busy = false;
    op->answered = true;
    op->status = status;
    op->end_ns = c->w->now_ns;
    for (uint32_t i = 0; i < NAMES_OPENS_MAX; i++) {
        struct names_open *open = &c->names.opens[i];
        struct smb_create_rsp rsp;
        if (open->state == NAMES_CLOSING) {
            open->state = NAMES_SHUT;
        } else if (open->state == NAMES_OPENING && status != STATUS_OK) {
            open->state = NAMES_SHUT;
        } else if (open->state == NAMES_OPENING) {
            must(smb_create_rsp_decode(msg, &rsp) == STATUS_OK);
            op->action = rsp.action;
            op->size_seen = (uint32_t)rsp.facts.end_of_file;
            open->persistent = rsp.file_id.persistent;
            open->volatile_ = rsp.file_id.volatile_;
            open->state = NAMES_OPEN;
        }
    }
    (void)call;
    return true;
}

/* What was open ends at some time since we surely had it; a CLOSE that was not answered is one of
 * the ways. */
void names_left(struct client *c)
{
    struct names_client *n = &c->names;
    for (uint32_t i = 0; i < NAMES_OPENS_MAX; i++) {
        struct names_open *open = &n->opens[i];
        if (open->state == NAMES_SHUT)
            continue;
        struct names_space *p = space_of(c);
        struct names_op *op =
            open->state == NAMES_CLOSING ? &p->ops[n->op] : op_new(c, NAMES_END, open->op);
        uint64_t made = p->ops[open->op].begin_ns;
        op->kind = NAMES_END;
        op->begin_ns = n->alive_ns > made ? n->alive_ns : made;
    }
    memset(n->opens, 0, sizeof n->opens);
    n->folder = (struct names_open){0};
    n->busy = false;
    n->alive_ns = 0;
}

/* ---- judgement ------------------------------------------------------------------------------ */

static void tell(const struct world *w, const struct names_space *p)
{
    static const char *const kinds[] = {"CREATE", "CLOSE", "end", "DELETE",
                                        "RENAME", "SIZE",  "LIST"};
    for (uint32_t i = 0; i < p->count; i++) {
        const struct names_op *op = &p->ops[i];
        world_tell(w,
                   "%2u: client %u %s of %u: %llu..%llu us, name %c, disposition %u, access %u, "
                   "share %u%s%s%s, size %u: %s %08x action %u size %u",
                   i, op->client, kinds[op->kind], op->open,
                   (unsigned long long)op->begin_ns / 1000, (unsigned long long)op->end_ns / 1000,
                   'a' + op->name, op->disposition, op->access, op->share,
                   op->delete_on_close ? " on close" : "", op->replace ? " replacing" : "",
                   op->marked ? " marked" : "", op->size, op->answered ? "answered" : "unknown",
                   op->status, op->action, op->size_seen);
    }
}

void names_judge(struct oracle *o)
{
    struct names_oracle *n = &o->names;
    const struct cluster *k = o->w->cluster;
    /* A client that asks no more has not noticed yet that its node was down meanwhile. */
    for (uint32_t i = 0; i < k->client_count; i++)
        names_left(k->clients[i]);
    for (uint32_t i = 0; i < n->count && !o->w->broken; i++) {
        enum names_verdict verdict = names_check(n->spaces[i]);
        n->checked++;
        n->too_long += verdict == NAMES_TOO_LONG;
        if (verdict != NAMES_WRONG)
            continue;
        tell(o->w, n->spaces[i]);
        world_violation(o->w, "names: what was answered in space %u has no order", i);
    }
}

void names_fini(struct oracle *o)
{
    for (uint32_t i = 0; i < o->names.count; i++)
        free(o->names.spaces[i]);
    free(o->names.spaces);
}
