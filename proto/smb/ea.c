/* [MS-FSCC] 2.4.16: lists and sets of extended attributes. */
#include "proto/smb/ea.h"

#include "proto/base/must.h"

#define LIST_HEAD 8u /* of FILE_FULL_EA_INFORMATION up to EaName */

static uint8_t upper(uint8_t c) { return c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a' + 'A') : c; }

static bool same_name(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (upper(a.at[i]) != upper(b.at[i]))
            return false;
    return true;
}

bool ea_next(struct slice *set, struct ea *out)
{
    struct reader r = reader_of(*set);
    struct ea e = {.flags = read_u8(&r)};
    uint8_t name_len = read_u8(&r);
    uint16_t value_len = read_u16(&r);
    e.name = read_slice(&r, name_len);
    uint8_t end = read_u8(&r);
    e.value = read_slice(&r, value_len);
    if (r.bad || end != 0)
        return false;
    *out = e;
    *set = read_rest(&r);
    return true;
}

ntstatus ea_check(const struct ea *e)
{
    static const char forbidden[] = "\\/:*?\"<>|,+=[];";
    if (e->flags != 0 && e->flags != FILE_NEED_EA)
        return STATUS_INVALID_EA_NAME;
    if (e->name.len == 0 || e->name.len > EA_NAME_MAX)
        return STATUS_INVALID_EA_NAME;
    for (size_t i = 0; i < e->name.len; i++) {
        uint8_t c = e->name.at[i];
        if (c < 0x20)
            return STATUS_INVALID_EA_NAME;
        for (size_t k = 0; forbidden[k] != '\0'; k++)
            if (c == (uint8_t)forbidden[k])
                return STATUS_INVALID_EA_NAME;
    }
    return STATUS_OK;
}

bool ea_is_set(struct slice bytes)
{
    struct ea e;
    while (bytes.len > 0)
        if (!ea_next(&bytes, &e) || ea_check(&e) != STATUS_OK)
            return false;
    return true;
}

bool ea_get(struct slice set, struct slice name, struct ea *out)
{
    struct ea e;
    while (ea_next(&set, &e))
        if (same_name(e.name, name)) {
            *out = e;
            return true;
        }
    return false;
}

static void put(struct writer *w, const struct ea *e)
{
    write_u8(w, e->flags);
    write_u8(w, (uint8_t)e->name.len);
    write_u16(w, (uint16_t)e->value.len);
    write_bytes(w, e->name);
    write_u8(w, 0);
    write_bytes(w, e->value);
}

/* One entry at the start of `list`, which is then what follows it. */
static ntstatus decode_one(struct slice *list, struct ea *e)
{
    struct reader r = reader_of(*list);
    uint32_t next = read_u32(&r);
    e->flags = read_u8(&r);
    uint8_t name_len = read_u8(&r);
    uint16_t value_len = read_u16(&r);
    e->name = read_slice(&r, name_len);
    uint8_t end = read_u8(&r);
    e->value = read_slice(&r, value_len);
    if (r.bad || end != 0)
        return STATUS_EA_LIST_INCONSISTENT;
    if (next != 0 && (next % 4 != 0 || next < r.pos || next >= list->len))
        return STATUS_EA_LIST_INCONSISTENT;
    *list = next == 0 ? (struct slice){0} : slice_sub(*list, next, list->len - next);
    return ea_check(e);
}

ntstatus ea_decode(struct slice list, struct writer *set)
{
    struct ea e;
    if (list.len == 0)
        return STATUS_EA_LIST_INCONSISTENT;
    while (list.len > 0) {
        ntstatus status = decode_one(&list, &e);
        if (status != STATUS_OK)
            return status;
        put(set, &e);
    }
    return set->full ? STATUS_EA_TOO_LARGE : STATUS_OK;
}

static uint32_t count_of(struct slice set)
{
    struct ea e;
    uint32_t count = 0;
    while (ea_next(&set, &e))
        count++;
    return count;
}

/* What a later entry of `changes` says of the same name counts. */
static bool last_change(struct slice changes, struct slice name, struct ea *out)
{
    bool found = false;
    struct ea e;
    while (ea_next(&changes, &e))
        if (same_name(e.name, name)) {
            *out = e;
            found = true;
        }
    return found;
}

/* Is there an entry of that name before `e` in the set? */
static bool came_before(struct slice changes, const struct ea *e)
{
    struct ea before;
    while (ea_next(&changes, &before) && before.name.at != e->name.at)
        if (same_name(before.name, e->name))
            return true;
    return false;
}

ntstatus ea_merge(struct slice set, struct slice changes, struct writer *out)
{
    struct slice old = set, fresh = changes;
    struct ea e, change;
    if (!ea_is_set(changes))
        return STATUS_INVALID_EA_NAME;
    if (count_of(changes) > EA_COUNT_MAX)
        return STATUS_EA_TOO_LARGE;
    while (ea_next(&old, &e)) {
        bool changed = last_change(changes, e.name, &change);
        if (!changed || change.value.len > 0)
            put(out, changed ? &change : &e);
    }
    while (ea_next(&fresh, &e)) {
        if (ea_get(set, e.name, &change) || came_before(changes, &e))
            continue;
        must(last_change(changes, e.name, &change));
        if (change.value.len > 0)
            put(out, &change);
    }
    if (out->full || out->pos > EA_SET_MAX || count_of(written(out)) > EA_COUNT_MAX)
        return STATUS_EA_TOO_LARGE;
    return STATUS_OK;
}

ntstatus ea_next_name(struct slice *list, struct slice *name)
{
    struct reader r = reader_of(*list);
    uint32_t next = read_u32(&r);
    uint8_t len = read_u8(&r);
    *name = read_slice(&r, len);
    uint8_t end = read_u8(&r);
    if (r.bad || end != 0 || len == 0)
        return STATUS_EA_LIST_INCONSISTENT;
    if (next != 0 && (next % 4 != 0 || next < r.pos || next >= list->len))
        return STATUS_EA_LIST_INCONSISTENT;
    *list = next == 0 ? (struct slice){0} : slice_sub(*list, next, list->len - next);
    return STATUS_OK;
}

bool ea_write(struct writer *w, size_t *last, const struct ea *e)
{
    size_t at = (w->pos + 3) & ~(size_t)3;
    size_t needed = at - w->pos + LIST_HEAD + e->name.len + 1 + e->value.len;
    if (w->full || needed > w->cap - w->pos)
        return false;
    write_zeros(w, at - w->pos);
    if (*last != EA_NO_ENTRY)
        patch_u32(w, *last, (uint32_t)(at - *last));
    *last = at;
    write_u32(w, 0);
    put(w, e);
    return true;
}
