/* Decoding and writing security descriptors ([MS-DTYP] 2.4.4 to 2.4.6), and the access check
 * (2.5.3.2). Inheritance and changes are in security_inherit.c. */
#include "proto/smb/security.h"

#include "proto/base/must.h"

/* Flags of object ACEs ([MS-DTYP] 2.4.4.3): which GUIDs follow the mask. */
#define ACE_OBJECT_TYPE_PRESENT UINT32_C(1)
#define ACE_INHERITED_OBJECT_TYPE_PRESENT UINT32_C(2)

/* What SeBackupPrivilege and SeRestorePrivilege open up ([MS-FSA] 2.1.5.1.2.1). */
#define ACCESS_BACKUP (READ_CONTROL | ACCESS_SYSTEM_SECURITY | FILE_GENERIC_READ | FILE_TRAVERSE)
#define ACCESS_RESTORE                                                                             \
    (WRITE_DAC | WRITE_OWNER | ACCESS_SYSTEM_SECURITY | FILE_GENERIC_WRITE | FILE_ADD_FILE |       \
     FILE_ADD_SUBDIRECTORY | ACCESS_DELETE)

static bool is_object_type(uint8_t type)
{
    return (type >= ACE_ACCESS_ALLOWED_OBJECT && type <= ACE_SYSTEM_AUDIT_OBJECT) ||
           type == ACE_ACCESS_ALLOWED_CALLBACK_OBJECT || type == ACE_ACCESS_DENIED_CALLBACK_OBJECT;
}

/* An allow whose condition we cannot evaluate grants nothing; a deny whose condition we cannot
 * evaluate denies, as [MS-DTYP] 2.5.3.2 has it for conditions of unknown outcome. */
static enum ace_deed deed_of(uint8_t type, bool for_some_objects)
{
    if (for_some_objects)
        return ACE_OTHER; /* no object types are passed in for files */
    if (type == ACE_ACCESS_ALLOWED || type == ACE_ACCESS_ALLOWED_OBJECT)
        return ACE_ALLOWS;
    if (type == ACE_ACCESS_DENIED || type == ACE_ACCESS_DENIED_OBJECT ||
        type == ACE_ACCESS_DENIED_CALLBACK || type == ACE_ACCESS_DENIED_CALLBACK_OBJECT)
        return ACE_DENIES;
    return type == ACE_SYSTEM_AUDIT || type == ACE_SYSTEM_AUDIT_OBJECT ? ACE_AUDITS : ACE_OTHER;
}

/* The body of an ACE whose type says that it has a mask and a SID. */
static void read_body(struct reader *body, struct ace *a)
{
    bool for_some_objects = false;
    a->mask = read_u32(body);
    if (is_object_type(a->type)) {
        uint32_t flags = read_u32(body);
        for_some_objects = flags & ACE_OBJECT_TYPE_PRESENT;
        read_skip(body, flags & ACE_OBJECT_TYPE_PRESENT ? 16 : 0);
        read_skip(body, flags & ACE_INHERITED_OBJECT_TYPE_PRESENT ? 16 : 0);
    }
    sid_read(body, &a->sid);
    a->deed = deed_of(a->type, for_some_objects);
    a->plain = a->type <= ACE_SYSTEM_AUDIT;
}

bool ace_next(struct reader *r, struct ace *out)
{
    if (read_left(r) == 0)
        return false;
    size_t at = r->pos;
    struct ace a = {.deed = ACE_OTHER};
    a.type = read_u8(r);
    a.flags = read_u8(r);
    uint16_t size = read_u16(r);
    /* 2.4.4.1: the size is that of the whole ACE, and a multiple of 4. */
    if (size < 4 || size % 4 != 0)
        r->bad = true;
    struct reader body = reader_of(read_slice(r, r->bad ? 0 : size - 4u));
    /* Types up to SYSTEM_AUDIT_CALLBACK_OBJECT (0x0F) but COMPOUND (0x04) have a mask and a
     * SID. */
    if (a.type <= 0x0F && a.type != 0x04)
        read_body(&body, &a);
    r->bad = r->bad || body.bad;
    if (r->bad)
        return false;
    a.bytes = slice_sub(r->all, at, size);
    *out = a;
    return true;
}

void ace_write(struct writer *w, uint8_t type, uint8_t flags, uint32_t mask, const struct sid *sid)
{
    write_u8(w, type);
    write_u8(w, flags);
    write_u16(w, (uint16_t)(8 + sid_size(sid)));
    write_u32(w, mask);
    sid_write(w, sid);
}

static ntstatus decode_acl(struct slice bytes, uint32_t offset, struct acl *out)
{
    struct reader all = reader_of(bytes);
    struct reader head = reader_of(read_at(&all, offset, 8));
    uint8_t revision = read_u8(&head);
    read_skip(&head, 1);
    uint16_t size = read_u16(&head);
    uint16_t count = read_u16(&head);
    if (head.bad || revision < 2 || revision > 4 || size < 8 || count > SECURITY_ACES_MAX)
        return STATUS_INVALID_ACL;
    struct slice acl = read_at(&all, offset, size);
    if (all.bad)
        return STATUS_INVALID_ACL;
    struct slice aces = slice_sub(acl, 8, acl.len - 8);
    struct reader r = reader_of(aces);
    struct ace a;
    for (uint16_t i = 0; i < count; i++)
        if (!ace_next(&r, &a))
            return STATUS_INVALID_ACL;
    *out = (struct acl){.present = true, .revision = revision, .count = count};
    out->aces = slice_sub(aces, 0, r.pos); /* what lies behind the last one is ignored */
    return STATUS_OK;
}

static ntstatus decode_sid_at(struct slice bytes, uint32_t offset, bool *has, struct sid *out)
{
    if (offset == 0)
        return STATUS_OK;
    if (offset > bytes.len)
        return STATUS_INVALID_SID;
    struct reader r = reader_of(slice_sub(bytes, offset, bytes.len - offset));
    sid_read(&r, out);
    *has = !r.bad;
    return r.bad ? STATUS_INVALID_SID : STATUS_OK;
}

static ntstatus decode_part_acl(struct slice bytes, uint32_t offset, bool present, struct acl *out)
{
    *out = (struct acl){.present = present, .null = present && offset == 0};
    if (!present || offset == 0)
        return STATUS_OK;
    return decode_acl(bytes, offset, out);
}

ntstatus security_decode(struct slice bytes, struct security_descriptor *out)
{
    struct security_descriptor sd = {0};
    struct reader r = reader_of(bytes);
    uint8_t revision = read_u8(&r);
    read_skip(&r, 1);
    sd.control = read_u16(&r);
    uint32_t owner = read_u32(&r);
    uint32_t group = read_u32(&r);
    uint32_t sacl = read_u32(&r);
    uint32_t dacl = read_u32(&r);
    if (r.bad || revision != 1 || !(sd.control & SE_SELF_RELATIVE) ||
        bytes.len > SECURITY_BYTES_MAX)
        return STATUS_INVALID_SECURITY_DESCR;
    ntstatus status = decode_sid_at(bytes, owner, &sd.has_owner, &sd.owner);
    if (status == STATUS_OK)
        status = decode_sid_at(bytes, group, &sd.has_group, &sd.group);
    if (status == STATUS_OK)
        status = decode_part_acl(bytes, sacl, sd.control & SE_SACL_PRESENT, &sd.sacl);
    if (status == STATUS_OK)
        status = decode_part_acl(bytes, dacl, sd.control & SE_DACL_PRESENT, &sd.dacl);
    if (status == STATUS_OK)
        *out = sd;
    return status;
}

static size_t acl_size(const struct acl *a) { return a->present && !a->null ? 8 + a->aces.len : 0; }

size_t security_size(const struct security_descriptor *sd)
{
    return 20 + acl_size(&sd->sacl) + acl_size(&sd->dacl) +
           (sd->has_owner ? sid_size(&sd->owner) : 0) + (sd->has_group ? sid_size(&sd->group) : 0);
}

static void write_acl(struct writer *w, const struct acl *a)
{
    write_u8(w, a->revision);
    write_u8(w, 0);
    write_u16(w, (uint16_t)(8 + a->aces.len));
    write_u16(w, a->count);
    write_u16(w, 0);
    write_bytes(w, a->aces);
}

/* The offset field for a part of `size` bytes that goes next. */
static uint32_t place(uint32_t *next, size_t size)
{
    uint32_t at = size == 0 ? 0 : *next;
    *next += (uint32_t)size;
    return at;
}

void security_write(struct writer *w, const struct security_descriptor *sd)
{
    must(acl_size(&sd->sacl) <= UINT16_MAX);
    must(acl_size(&sd->dacl) <= UINT16_MAX);
    uint32_t next = 20;
    uint32_t sacl = place(&next, acl_size(&sd->sacl));
    uint32_t dacl = place(&next, acl_size(&sd->dacl));
    uint32_t owner = place(&next, sd->has_owner ? sid_size(&sd->owner) : 0);
    uint32_t group = place(&next, sd->has_group ? sid_size(&sd->group) : 0);
    uint16_t control = sd->control & (uint16_t) ~(SE_DACL_PRESENT | SE_SACL_PRESENT);
    control |= SE_SELF_RELATIVE;
    control |= (uint16_t)(sd->dacl.present ? SE_DACL_PRESENT : 0);
    control |= (uint16_t)(sd->sacl.present ? SE_SACL_PRESENT : 0);
    write_u8(w, 1);
    write_u8(w, 0);
    write_u16(w, control);
    write_u32(w, owner);
    write_u32(w, group);
    write_u32(w, sacl);
    write_u32(w, dacl);
    if (sacl != 0)
        write_acl(w, &sd->sacl);
    if (dacl != 0)
        write_acl(w, &sd->dacl);
    if (owner != 0)
        sid_write(w, &sd->owner);
    if (group != 0)
        sid_write(w, &sd->group);
}

/* ---- the access check ---------------------------------------------------------------------- */

static bool token_lists(const struct security_token *t, const struct sid *sid)
{
    uint8_t room[SID_BYTES_MAX];
    struct slice bytes = sid_bytes(sid, room);
    if (slice_equal(t->user, bytes))
        return true;
    for (uint32_t i = 0; i < t->group_count; i++)
        if (slice_equal(t->groups[i], bytes))
            return true;
    return false;
}

/* The built-in guest account has RID 501 ([MS-DTYP] 2.4.2.4). */
static bool is_guest(const struct security_token *t)
{
    struct sid user;
    if (!sid_decode(t->user, &user))
        return true; /* nobody we know */
    return (user.count == 5 && user.sub[4] == 501) || token_lists(t, &sid_builtin_guests);
}

bool security_token_has(const struct security_token *t, const struct sid *sid)
{
    if (token_lists(t, sid))
        return true;
    if (sid_equal(sid, &sid_builtin_administrators))
        return t->administrator;
    if (sid_equal(sid, &sid_network))
        return true;
    if (token_lists(t, &sid_anonymous))
        return false;
    if (sid_equal(sid, &sid_everyone))
        return true;
    if (sid_equal(sid, &sid_authenticated_users) || sid_equal(sid, &sid_builtin_users))
        return !is_guest(t);
    return false;
}

static bool has_owner_rights(const struct acl *dacl)
{
    struct reader r = reader_of(dacl->aces);
    struct ace a;
    while (ace_next(&r, &a))
        if (!(a.flags & ACE_INHERIT_ONLY) && a.deed != ACE_OTHER &&
            sid_equal(&a.sid, &sid_owner_rights))
            return true;
    return false;
}

/* What the DACL says, bit by bit: the first ACE that speaks of a right decides it. `decided`
 * starts with what privileges and ownership have given. */
static uint32_t dacl_grants(const struct security_descriptor *sd, const struct security_token *t,
                            bool owner, uint32_t implied)
{
    uint32_t allowed = implied, denied = 0;
    struct reader r = reader_of(sd->dacl.aces);
    struct ace a;
    while (ace_next(&r, &a)) {
        if (a.flags & ACE_INHERIT_ONLY)
            continue;
        if (a.deed != ACE_ALLOWS && a.deed != ACE_DENIES)
            continue;
        bool ours = sid_equal(&a.sid, &sid_owner_rights) ? owner : security_token_has(t, &a.sid);
        uint32_t mask = access_map_generic(a.mask);
        if (ours && a.deed == ACE_ALLOWS)
            allowed |= mask & ~denied;
        else if (ours)
            denied |= mask & ~allowed;
    }
    return allowed;
}

/* Every right the token has, but those that only privileges give. */
static uint32_t all_rights(const struct security_descriptor *sd, const struct security_token *t)
{
    uint32_t implied = 0;
    if (t->administrator && t->backup_intent)
        implied |= ACCESS_BACKUP | ACCESS_RESTORE;
    /* No DACL, or a NULL DACL: nobody has restricted anything (2.4.5). */
    if (!sd->dacl.present || sd->dacl.null)
        return implied | FILE_ALL_ACCESS;
    bool owner = sd->has_owner && security_token_has(t, &sd->owner);
    if (owner && !has_owner_rights(&sd->dacl))
        implied |= READ_CONTROL | WRITE_DAC;
    return dacl_grants(sd, t, owner, implied) & (FILE_ALL_ACCESS | ACCESS_SYSTEM_SECURITY);
}

ntstatus security_access_check(const struct security_descriptor *sd, const struct security_token *t,
                               uint32_t desired, uint32_t *granted)
{
    uint32_t wanted = access_map_generic(desired) & ~MAXIMUM_ALLOWED;
    if ((wanted & ACCESS_SYSTEM_SECURITY) && !t->administrator)
        return STATUS_PRIVILEGE_NOT_HELD;
    uint32_t rights = all_rights(sd, t) & ~ACCESS_SYSTEM_SECURITY;
    uint32_t possible = rights;
    if (t->administrator) /* SeSecurityPrivilege, SeTakeOwnershipPrivilege */
        possible |= ACCESS_SYSTEM_SECURITY | WRITE_OWNER;
    if (wanted & ~possible)
        return STATUS_ACCESS_DENIED;
    uint32_t got = desired & MAXIMUM_ALLOWED ? wanted | rights : wanted;
    if (got == 0)
        return STATUS_ACCESS_DENIED;
    *granted = got;
    return STATUS_OK;
}

uint32_t security_maximal_access(const struct security_descriptor *sd,
                                 const struct security_token *t)
{
    return all_rights(sd, t) & FILE_ALL_ACCESS;
}

uint32_t security_query_access(uint32_t parts)
{
    uint32_t needed = 0;
    if (parts & (OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION |
                 DACL_SECURITY_INFORMATION | LABEL_SECURITY_INFORMATION))
        needed |= READ_CONTROL;
    if (parts & SACL_SECURITY_INFORMATION)
        needed |= ACCESS_SYSTEM_SECURITY;
    return needed;
}

uint32_t security_set_access(uint32_t parts)
{
    uint32_t needed = 0;
    if (parts &
        (OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | LABEL_SECURITY_INFORMATION))
        needed |= WRITE_OWNER;
    if (parts & DACL_SECURITY_INFORMATION)
        needed |= WRITE_DAC;
    if (parts & SACL_SECURITY_INFORMATION)
        needed |= ACCESS_SYSTEM_SECURITY;
    return needed;
}
