/* See names.h. [MS-FSA] 2.1.5.1 (open), 2.1.5.5 (close), 2.1.5.15.3 (disposition), 2.1.5.15.12
 * (rename), for files that anybody may use. */
#include "tests/sim/names.h"

#include "proto/base/must.h"
#include "proto/smb/fscc.h"

#include <string.h>

void names_state_init(struct names_state *s)
{
    memset(s, 0, sizeof *s);
    memset(s->file_at, -1, sizeof s->file_at);
    memset(s->file_of, -1, sizeof s->file_of);
}

static bool is_marked(const struct names_state *s, int8_t file)
{
    return (s->marked >> (uint32_t)file & 1) != 0;
}

static bool in_use(const struct names_state *s, int8_t file)
{
    return memchr(s->file_of, file, sizeof s->file_of) != NULL;
}

/* 2.1.5.1.2.2: opens that neither read, write nor delete are in nobody's way. */
static bool sharing_violated(const struct names_state *s, const struct names_op *ops, int8_t file,
                             const struct names_op *by)
{
    bool over = by->disposition == FILE_OVERWRITE_IF;
    uint8_t access = (uint8_t)(by->access | (over ? NAMES_WRITE : 0));
    for (uint32_t i = 0; i < NAMES_OPS_MAX && access != 0; i++)
        if (s->file_of[i] == file && ops[i].access != 0 &&
            ((access & ~ops[i].share) != 0 || (ops[i].access & ~by->share) != 0))
            return true;
    return false;
}

static void create(struct names_state *s, const struct names_op *ops, uint32_t i,
                   struct names_result *out)
{
    const struct names_op *op = &ops[i];
    int8_t file = s->file_at[op->name];
    if (file < 0 && op->disposition == FILE_OPEN) {
        out->status = STATUS_OBJECT_NAME_NOT_FOUND;
        return;
    }
    if (file < 0) {
        s->file_at[op->name] = file = (int8_t)i;
        out->action = FILE_CREATED;
    } else if (is_marked(s, file)) {
        out->status = STATUS_DELETE_PENDING;
    } else if (op->disposition == FILE_CREATE) {
        out->status = STATUS_OBJECT_NAME_COLLISION;
    } else if (sharing_violated(s, ops, file, op)) {
        out->status = STATUS_SHARING_VIOLATION;
    } else {
        out->action = op->disposition == FILE_OVERWRITE_IF ? FILE_OVERWRITTEN : FILE_OPENED;
        s->size[file] = out->action == FILE_OVERWRITTEN ? 0 : s->size[file];
    }
    if (out->status != STATUS_OK)
        return;
    out->size = s->size[file];
    s->file_of[i] = file;
}

static void end(struct names_state *s, const struct names_op *ops, uint8_t open)
{
    int8_t file = s->file_of[open];
    s->file_of[open] = -1;
    if (ops[open].delete_on_close)
        s->marked |= UINT64_C(1) << (uint32_t)file;
    if (!is_marked(s, file) || in_use(s, file))
        return;
    for (uint32_t name = 0; name < NAMES_IN_SPACE; name++)
        if (s->file_at[name] == file)
            s->file_at[name] = -1;
    s->marked &= ~(UINT64_C(1) << (uint32_t)file);
    s->size[file] = 0;
}

static ntstatus rename_to(struct names_state *s, int8_t file, const struct names_op *op)
{
    int8_t there = s->file_at[op->name];
    if (is_marked(s, file))
        return STATUS_ACCESS_DENIED;
    if (there == file)
        return STATUS_OK;
    if (there >= 0 && !op->replace)
        return STATUS_OBJECT_NAME_COLLISION;
    if (there >= 0 && is_marked(s, there))
        return STATUS_DELETE_PENDING;
    if (there >= 0 && in_use(s, there))
        return STATUS_ACCESS_DENIED;
    if (there >= 0)
        s->size[there] = 0;
    for (uint32_t name = 0; name < NAMES_IN_SPACE; name++)
        if (s->file_at[name] == file)
            s->file_at[name] = -1;
    s->file_at[op->name] = file;
    return STATUS_OK;
}

bool names_apply(struct names_state *s, const struct names_op *ops, uint32_t i,
                 struct names_result *out)
{
    const struct names_op *op = &ops[i];
    *out = (struct names_result){.status = STATUS_OK};
    if (op->kind == NAMES_CREATE) {
        create(s, ops, i, out);
        return true;
    }
    if (op->kind == NAMES_LIST) { /* what is marked is there until it goes */
        for (uint32_t name = 0; name < NAMES_IN_SPACE; name++)
            out->size |= s->file_at[name] < 0 ? 0 : 1u << name;
        return true;
    }
    int8_t file = s->file_of[op->open];
    if (file < 0)
        return false;
    switch (op->kind) {
    case NAMES_CLOSE:
    case NAMES_END: end(s, ops, op->open); break;
    case NAMES_DELETE: {
        uint64_t bit = UINT64_C(1) << (uint32_t)file;
        s->marked = op->marked ? s->marked | bit : s->marked & ~bit;
        break;
    }
    case NAMES_RENAME: out->status = rename_to(s, file, op); break;
    case NAMES_SIZE: s->size[file] = op->size; break;
    case NAMES_CREATE:
    case NAMES_LIST: must(!"handled above");
    }
    return true;
}
