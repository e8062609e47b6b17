/* The descriptor of a new object ([MS-DTYP] 2.5.3.4), and changes to one.
 *
 * An ACE of the parent goes down as this table says, which is what Windows does; the pseudocode's
 * skipping of INHERIT_ONLY ACEs would lose CREATOR OWNER:
 *
 *   parent's flags   child directory             child file
 *   none             -                           -
 *   OI               OI IO                       effective
 *   OI NP            -                           effective
 *   CI               CI                          -
 *   CI OI            CI OI                       effective
 *   CI NP (OI)       effective                   - (effective)
 *
 * CREATOR OWNER becomes the owner in an effective ACE, and is kept in an inherit-only one. */
#include "proto/smb/security.h"

#include "proto/base/must.h"

#define ACE_INHERIT_ANY (ACE_OBJECT_INHERIT | ACE_CONTAINER_INHERIT)

/* A descriptor being written: the header first, with fields patched when its parts are placed. */
struct build {
    struct writer *w;
    size_t base, acl;
    uint16_t control, count;
    const struct sid *owner, *group;
};

static void build_begin(struct build *b, struct writer *w)
{
    *b = (struct build){.w = w, .base = w->pos, .control = SE_SELF_RELATIVE};
    write_zeros(w, 20);
}

static uint32_t build_here(const struct build *b) { return (uint32_t)(b->w->pos - b->base); }

static void acl_begin(struct build *b, size_t field)
{
    patch_u32(b->w, b->base + field, build_here(b));
    b->acl = b->w->pos;
    b->count = 0;
    write_u8(b->w, 2);
    write_zeros(b->w, 7);
}

/* False when the ACL has grown past what its 16-bit size can say. */
static bool acl_end(struct build *b)
{
    size_t size = b->w->pos - b->acl;
    if (size > UINT16_MAX)
        return false;
    patch_u16(b->w, b->acl + 2, (uint16_t)size);
    patch_u16(b->w, b->acl + 4, b->count);
    return true;
}

static ntstatus build_end(struct build *b, const struct sid *owner, const struct sid *group)
{
    if (owner != NULL) {
        patch_u32(b->w, b->base + 4, build_here(b));
        sid_write(b->w, owner);
    }
    if (group != NULL) {
        patch_u32(b->w, b->base + 8, build_here(b));
        sid_write(b->w, group);
    }
    if (b->w->full || b->w->pos - b->base > SECURITY_BYTES_MAX)
        return STATUS_INSUFFICIENT_RESOURCES;
    must(b->w->at != NULL);
    b->w->at[b->base] = 1;
    patch_u16(b->w, b->base + 2, b->control);
    return STATUS_OK;
}

enum { FIELD_SACL = 12, FIELD_DACL = 16 };

static void put_ace(struct build *b, const struct ace *a, uint8_t flags, uint32_t mask,
                    const struct sid *sid)
{
    ace_write(b->w, a->type, flags, mask, sid);
    b->count++;
}

static const struct sid *substitute(const struct build *b, const struct sid *sid)
{
    if (sid_equal(sid, &sid_creator_owner))
        return b->owner;
    if (sid_equal(sid, &sid_creator_group))
        return b->group;
    return sid;
}

/* One ACE as it applies to the new object: generic rights mapped, creators named (2.5.3.4.7).
 * An inheritable one whose text would change is written twice: effective, and inherit-only as
 * it was. */
static void put_effective(struct build *b, const struct ace *a, uint8_t flags)
{
    const struct sid *sid = substitute(b, &a->sid);
    uint32_t mask = access_map_generic(a->mask);
    bool changed = sid != &a->sid || mask != a->mask;
    if (!changed || !(flags & ACE_INHERIT_ANY)) {
        put_ace(b, a, flags, mask, sid);
        return;
    }
    put_ace(b, a, flags & (uint8_t)~ACE_INHERIT_ANY, mask, sid);
    put_ace(b, a, flags | ACE_INHERIT_ONLY, a->mask, &a->sid);
}

static void inherit_ace(struct build *b, const struct ace *a, bool directory, uint8_t inherited)
{
    uint8_t flags = a->flags & (uint8_t) ~(ACE_INHERITED | ACE_INHERIT_ONLY);
    uint8_t effective_if = directory ? ACE_CONTAINER_INHERIT : ACE_OBJECT_INHERIT;
    uint8_t keep = directory && !(flags & ACE_NO_PROPAGATE) ? flags & 0xC3u : flags & 0xC0u;
    keep |= inherited;
    if (flags & effective_if)
        put_effective(b, a, keep);
    else if (directory && (flags & ACE_OBJECT_INHERIT) && !(flags & ACE_NO_PROPAGATE))
        put_ace(b, a, keep | ACE_INHERIT_ONLY, a->mask, &a->sid);
}

/* Audit ACEs in the SACL, allow and deny in the DACL, of the simple form only: object ACEs are for
 * object types that files do not have. */
static bool inherits(const struct ace *a) { return a->plain; }

/* 2.5.3.4.4: false when nothing of it reaches a child. */
static bool inherit_acl(struct build *b, const struct acl *parent, bool directory, bool automatic)
{
    struct reader r = reader_of(parent->aces);
    struct ace a;
    uint16_t before = b->count;
    while (ace_next(&r, &a))
        if (inherits(&a))
            inherit_ace(b, &a, directory, automatic ? ACE_INHERITED : 0);
    return b->count > before;
}

static bool has_inheritable(const struct acl *acl)
{
    struct reader r = reader_of(acl->aces);
    struct ace a;
    while (ace_next(&r, &a))
        if (inherits(&a) && (a.flags & ACE_INHERIT_ANY))
            return true;
    return false;
}

/* An ACL somebody gave: taken as it is, generic rights mapped where they are effective. */
static void copy_acl(struct build *b, const struct acl *acl)
{
    struct reader r = reader_of(acl->aces);
    struct ace a;
    patch_u16(b->w, b->acl, acl->revision);
    while (ace_next(&r, &a)) {
        if (a.plain && !(a.flags & ACE_INHERIT_ONLY)) {
            put_effective(b, &a, a.flags);
        } else {
            write_bytes(b->w, a.bytes);
            b->count++;
        }
    }
}

struct parts {
    struct security_descriptor parent, creator;
    struct sid owner, group;
};

/* Who may be named owner: oneself, one's groups, and with the restore privilege anybody. */
static bool may_own(const struct security_token *t, const struct sid *owner)
{
    return t->administrator || security_token_has(t, owner);
}

static ntstatus new_owner(const struct security_creation *c, struct parts *p)
{
    if (!sid_decode(c->token->user, &p->owner))
        return STATUS_INVALID_OWNER;
    p->group = p->owner;
    if (c->token->group_count > 0 && !sid_decode(c->token->groups[0], &p->group))
        return STATUS_INVALID_PRIMARY_GROUP;
    if (p->creator.has_group)
        p->group = p->creator.group;
    if (!p->creator.has_owner)
        return STATUS_OK;
    p->owner = p->creator.owner;
    return may_own(c->token, &p->owner) ? STATUS_OK : STATUS_INVALID_OWNER;
}

static bool new_sacl(struct build *b, const struct security_creation *c, const struct parts *p)
{
    /* Whoever writes a SACL needs the privilege; the object is made without it otherwise. */
    bool given = p->creator.sacl.present && c->token->administrator;
    bool parent = has_inheritable(&p->parent.sacl);
    if (given && p->creator.sacl.null) {
        b->control |= SE_SACL_PRESENT;
        return true;
    }
    if (!given && !parent)
        return true;
    b->control |= SE_SACL_PRESENT;
    acl_begin(b, FIELD_SACL);
    if (given) {
        b->control |= p->creator.control & SE_SACL_PROTECTED;
        copy_acl(b, &p->creator.sacl);
    } else {
        bool automatic = p->parent.control & SE_SACL_AUTO_INHERITED;
        inherit_acl(b, &p->parent.sacl, c->directory, automatic);
        b->control |= (uint16_t)(automatic ? SE_SACL_AUTO_INHERITED : 0);
    }
    return acl_end(b);
}

static bool new_dacl(struct build *b, const struct security_creation *c, const struct parts *p)
{
    b->control |= SE_DACL_PRESENT;
    if (p->creator.dacl.present && p->creator.dacl.null)
        return true; /* asked for: everybody may do everything */
    acl_begin(b, FIELD_DACL);
    if (p->creator.dacl.present) {
        b->control |= p->creator.control & SE_DACL_PROTECTED;
        copy_acl(b, &p->creator.dacl);
        return acl_end(b);
    }
    bool automatic = p->parent.control & SE_DACL_AUTO_INHERITED;
    if (has_inheritable(&p->parent.dacl)) {
        inherit_acl(b, &p->parent.dacl, c->directory, automatic);
        b->control |= (uint16_t)(automatic ? SE_DACL_AUTO_INHERITED : 0);
        return acl_end(b);
    }
    /* The default DACL of a token: its owner and SYSTEM. */
    ace_write(b->w, ACE_ACCESS_ALLOWED, 0, FILE_ALL_ACCESS, &p->owner);
    ace_write(b->w, ACE_ACCESS_ALLOWED, 0, FILE_ALL_ACCESS, &sid_system);
    b->count = 2;
    return acl_end(b);
}

ntstatus security_inherit(const struct security_creation *c, struct writer *w)
{
    struct parts p = {0};
    ntstatus status = c->parent.len > 0 ? security_decode(c->parent, &p.parent) : STATUS_OK;
    if (status == STATUS_OK && c->creator.len > 0)
        status = security_decode(c->creator, &p.creator);
    if (status == STATUS_OK)
        status = new_owner(c, &p);
    if (status != STATUS_OK)
        return status;
    struct build b;
    build_begin(&b, w);
    b.owner = &p.owner, b.group = &p.group;
    if (!new_sacl(&b, c, &p) || !new_dacl(&b, c, &p))
        return STATUS_INVALID_ACL;
    return build_end(&b, &p.owner, &p.group);
}

/* ---- changes ------------------------------------------------------------------------------- */

/* The control bits of one ACL after a change: AUTO_INHERITED only when the client says that it did
 * inherit (AUTO_INHERIT_REQ too), PROTECTED from either place. */
static uint16_t changed_control(uint16_t change, uint32_t parts, bool dacl)
{
    uint16_t request = dacl ? SE_DACL_AUTO_INHERIT_REQ : SE_SACL_AUTO_INHERIT_REQ;
    uint16_t inherited = dacl ? SE_DACL_AUTO_INHERITED : SE_SACL_AUTO_INHERITED;
    uint16_t protect = dacl ? SE_DACL_PROTECTED : SE_SACL_PROTECTED;
    uint32_t on = dacl ? PROTECTED_DACL_SECURITY_INFORMATION : PROTECTED_SACL_SECURITY_INFORMATION;
    uint32_t off =
        dacl ? UNPROTECTED_DACL_SECURITY_INFORMATION : UNPROTECTED_SACL_SECURITY_INFORMATION;
    uint16_t out = change & protect;
    if ((change & request) && (change & inherited))
        out |= inherited;
    if (parts & on)
        out |= protect;
    if (parts & off)
        out &= (uint16_t)~protect;
    return out;
}

/* The ACL as it was. */
static bool keep_acl(struct build *b, const struct acl *acl, size_t field)
{
    if (!acl->present || acl->null)
        return true;
    acl_begin(b, field);
    patch_u16(b->w, b->acl, acl->revision);
    write_bytes(b->w, acl->aces);
    b->count = acl->count;
    return acl_end(b);
}

/* Generic rights mean the same for files and directories, so that they are mapped in place. */
static bool set_acl(struct build *b, const struct acl *acl, size_t field)
{
    if (!acl->present || acl->null)
        return true;
    acl_begin(b, field);
    patch_u16(b->w, b->acl, acl->revision);
    struct reader r = reader_of(acl->aces);
    struct ace a;
    while (ace_next(&r, &a)) {
        if (a.plain && !(a.flags & ACE_INHERIT_ONLY))
            ace_write(b->w, a.type, a.flags, access_map_generic(a.mask), &a.sid);
        else
            write_bytes(b->w, a.bytes);
        b->count++;
    }
    return acl_end(b);
}

static bool merge_acl(struct build *b, const struct security_descriptor *now,
                      const struct security_descriptor *change, uint32_t parts, bool dacl)
{
    const uint16_t present = dacl ? SE_DACL_PRESENT : SE_SACL_PRESENT;
    const uint16_t kept = dacl ? SE_DACL_AUTO_INHERITED | SE_DACL_PROTECTED
                               : SE_SACL_AUTO_INHERITED | SE_SACL_PROTECTED;
    const struct acl *was = dacl ? &now->dacl : &now->sacl;
    const struct acl *will = dacl ? &change->dacl : &change->sacl;
    size_t field = dacl ? FIELD_DACL : FIELD_SACL;
    if (!(parts & (dacl ? DACL_SECURITY_INFORMATION : SACL_SECURITY_INFORMATION))) {
        b->control |= now->control & kept;
        b->control |= (uint16_t)(was->present ? present : 0);
        return keep_acl(b, was, field);
    }
    b->control |= changed_control(change->control, parts, dacl);
    /* A DACL that is set and not there is a NULL DACL, which is shown as such. */
    b->control |= (uint16_t)(will->present || dacl ? present : 0);
    return set_acl(b, will, field);
}

ntstatus security_merge(struct slice current, struct slice change, uint32_t parts,
                        const struct security_token *token, struct writer *w)
{
    struct security_descriptor now = {0}, next = {0};
    ntstatus status = current.len > 0 ? security_decode(current, &now) : STATUS_OK;
    if (status == STATUS_OK)
        status = security_decode(change, &next);
    if (status != STATUS_OK)
        return status;
    if (parts & OWNER_SECURITY_INFORMATION) {
        if (!next.has_owner || !may_own(token, &next.owner))
            return STATUS_INVALID_OWNER;
        now.has_owner = true, now.owner = next.owner;
    }
    if (parts & GROUP_SECURITY_INFORMATION) {
        if (!next.has_group)
            return STATUS_INVALID_PRIMARY_GROUP;
        now.has_group = true, now.group = next.group;
    }
    struct build b;
    build_begin(&b, w);
    if (!merge_acl(&b, &now, &next, parts, false) || !merge_acl(&b, &now, &next, parts, true))
        return STATUS_INVALID_ACL;
    return build_end(&b, now.has_owner ? &now.owner : NULL, now.has_group ? &now.group : NULL);
}

ntstatus security_extract(struct slice current, uint32_t parts, struct writer *w)
{
    struct security_descriptor sd = {0};
    ntstatus status = current.len > 0 ? security_decode(current, &sd) : STATUS_OK;
    if (status != STATUS_OK)
        return status;
    sd.has_owner = sd.has_owner && (parts & OWNER_SECURITY_INFORMATION);
    sd.has_group = sd.has_group && (parts & GROUP_SECURITY_INFORMATION);
    uint16_t control = 0;
    if (parts & DACL_SECURITY_INFORMATION)
        control |= sd.control & (SE_DACL_AUTO_INHERITED | SE_DACL_PROTECTED);
    else
        sd.dacl = (struct acl){0};
    if (parts & SACL_SECURITY_INFORMATION)
        control |= sd.control & (SE_SACL_AUTO_INHERITED | SE_SACL_PROTECTED);
    else
        sd.sacl = (struct acl){0};
    sd.control = control;
    security_write(w, &sd);
    return w->full ? STATUS_INSUFFICIENT_RESOURCES : STATUS_OK;
}

void security_default_root(struct writer *w)
{
    const uint8_t both = ACE_OBJECT_INHERIT | ACE_CONTAINER_INHERIT;
    const uint32_t change = FILE_ALL_ACCESS & ~(WRITE_DAC | WRITE_OWNER);
    struct build b;
    build_begin(&b, w);
    b.control |= SE_DACL_PRESENT | SE_DACL_AUTO_INHERITED;
    acl_begin(&b, FIELD_DACL);
    ace_write(w, ACE_ACCESS_ALLOWED, both, FILE_ALL_ACCESS, &sid_builtin_administrators);
    ace_write(w, ACE_ACCESS_ALLOWED, both, FILE_ALL_ACCESS, &sid_system);
    ace_write(w, ACE_ACCESS_ALLOWED, both | ACE_INHERIT_ONLY, FILE_ALL_ACCESS, &sid_creator_owner);
    ace_write(w, ACE_ACCESS_ALLOWED, both, change, &sid_authenticated_users);
    b.count = 4;
    (void)acl_end(&b);
    (void)build_end(&b, &sid_builtin_administrators, &sid_system);
}
