#pragma once
/* Security descriptors ([MS-DTYP] 2.4.6), the access check (2.5.3.2) and inheritance
 * (2.5.3.4).
 *
 * Descriptors are stored and sent in self-relative form. A decoded one borrows from those
 * bytes. All input is a stranger's: nothing here trusts an offset, a size or a count. */
#include "proto/base/arena.h"
#include "proto/smb/dtyp.h"
#include "proto/smb/status.h"

#define SECURITY_BYTES_MAX 65536u /* of one descriptor */
#define SECURITY_ACES_MAX 2048u   /* of one ACL */

/* SECURITY_INFORMATION ([MS-DTYP] 2.4.7): the parts of a query or a change. */
#define OWNER_SECURITY_INFORMATION UINT32_C(0x00000001)
#define GROUP_SECURITY_INFORMATION UINT32_C(0x00000002)
#define DACL_SECURITY_INFORMATION UINT32_C(0x00000004)
#define SACL_SECURITY_INFORMATION UINT32_C(0x00000008)
#define LABEL_SECURITY_INFORMATION UINT32_C(0x00000010)
#define ATTRIBUTE_SECURITY_INFORMATION UINT32_C(0x00000020)
#define SCOPE_SECURITY_INFORMATION UINT32_C(0x00000040)
#define BACKUP_SECURITY_INFORMATION UINT32_C(0x00010000)
#define UNPROTECTED_SACL_SECURITY_INFORMATION UINT32_C(0x10000000)
#define UNPROTECTED_DACL_SECURITY_INFORMATION UINT32_C(0x20000000)
#define PROTECTED_SACL_SECURITY_INFORMATION UINT32_C(0x40000000)
#define PROTECTED_DACL_SECURITY_INFORMATION UINT32_C(0x80000000)

/* Control bits. */
#define SE_OWNER_DEFAULTED 0x0001u
#define SE_GROUP_DEFAULTED 0x0002u
#define SE_DACL_PRESENT 0x0004u
#define SE_DACL_DEFAULTED 0x0008u
#define SE_SACL_PRESENT 0x0010u
#define SE_SACL_DEFAULTED 0x0020u
#define SE_DACL_AUTO_INHERIT_REQ 0x0100u
#define SE_SACL_AUTO_INHERIT_REQ 0x0200u
#define SE_DACL_AUTO_INHERITED 0x0400u
#define SE_SACL_AUTO_INHERITED 0x0800u
#define SE_DACL_PROTECTED 0x1000u
#define SE_SACL_PROTECTED 0x2000u
#define SE_SELF_RELATIVE 0x8000u

/* ACE types and flags ([MS-DTYP] 2.4.4.1). */
#define ACE_ACCESS_ALLOWED 0x00u
#define ACE_ACCESS_DENIED 0x01u
#define ACE_SYSTEM_AUDIT 0x02u
#define ACE_ACCESS_ALLOWED_OBJECT 0x05u
#define ACE_ACCESS_DENIED_OBJECT 0x06u
#define ACE_SYSTEM_AUDIT_OBJECT 0x07u
#define ACE_ACCESS_ALLOWED_CALLBACK 0x09u
#define ACE_ACCESS_DENIED_CALLBACK 0x0Au
#define ACE_ACCESS_ALLOWED_CALLBACK_OBJECT 0x0Bu
#define ACE_ACCESS_DENIED_CALLBACK_OBJECT 0x0Cu
#define ACE_SYSTEM_AUDIT_CALLBACK 0x0Du
#define ACE_SYSTEM_MANDATORY_LABEL 0x11u
#define ACE_SYSTEM_SCOPED_POLICY_ID 0x13u
#define ACE_OBJECT_INHERIT 0x01u
#define ACE_CONTAINER_INHERIT 0x02u
#define ACE_NO_PROPAGATE 0x04u
#define ACE_INHERIT_ONLY 0x08u
#define ACE_INHERITED 0x10u

struct acl {
    bool present;      /* false: the descriptor has no such ACL */
    bool null;         /* present, but a null pointer: a NULL DACL grants everything */
    uint8_t revision;  /* 2, or 4 when it has object ACEs */
    uint16_t count;    /* ACEs in `aces`, all well-formed */
    struct slice aces; /* borrowed: without the ACL header */
};

struct security_descriptor {
    uint16_t control;
    bool has_owner, has_group;
    struct sid owner, group;
    struct acl dacl, sacl;
};

enum ace_deed {
    ACE_ALLOWS,
    ACE_DENIES,
    ACE_AUDITS,
    ACE_OTHER, /* no say in who gets in: unknown, conditional allow, for some kind of AD object */
};

struct ace {
    uint8_t type, flags;
    enum ace_deed deed;
    bool plain;    /* of the simple form: header, mask, SID */
    uint32_t mask; /* 0 when the type is unknown */
    struct sid sid;
    struct slice bytes; /* the whole ACE, header included */
};

/* Who asks. SIDs in binary form, borrowed. Everyone and NETWORK are implied (not Everyone for the
 * anonymous user), and for all but guests and the anonymous user also Authenticated Users and
 * BUILTIN\Users; `administrator` implies BUILTIN\Administrators and its privileges. */
struct security_token {
    struct slice user;
    const struct slice *groups;
    uint32_t group_count;
    bool administrator;
    bool backup_intent; /* FILE_OPEN_FOR_BACKUP_INTENT: use the backup and restore privileges */
};

/* Decodes and checks a self-relative descriptor as a whole. STATUS_INVALID_SECURITY_DESCR,
 * STATUS_INVALID_SID or STATUS_INVALID_ACL when it is malformed or over the limits. */
ntstatus security_decode(struct slice bytes, struct security_descriptor *out);
/* Writes self-relative form in Windows' order: header, SACL, DACL, owner, group. */
void security_write(struct writer *w, const struct security_descriptor *sd);
/* Bytes security_write needs. */
size_t security_size(const struct security_descriptor *sd);

/* Iterates: start with reader_of(acl->aces); false at the end. */
bool ace_next(struct reader *r, struct ace *out);
/* Appends a plain ACE (allowed, denied, audit). */
void ace_write(struct writer *w, uint8_t type, uint8_t flags, uint32_t mask, const struct sid *sid);

/* [MS-DTYP] 2.5.3.2: may `token` have `desired` (generic rights and MAXIMUM_ALLOWED allowed)?
 * On STATUS_OK `granted` holds plain file rights. The owner has READ_CONTROL and WRITE_DAC
 * unless an OWNER RIGHTS ACE says otherwise; administrators may take ownership and read or
 * write SACLs. STATUS_ACCESS_DENIED; STATUS_PRIVILEGE_NOT_HELD for ACCESS_SYSTEM_SECURITY
 * without the privilege. */
ntstatus security_access_check(const struct security_descriptor *sd,
                               const struct security_token *token, uint32_t desired,
                               uint32_t *granted);
/* All that would be granted, as for the MxAc create context. */
uint32_t security_maximal_access(const struct security_descriptor *sd,
                                 const struct security_token *token);
/* Is this binary SID the token's user, one of its groups, or implied? */
bool security_token_has(const struct security_token *token, const struct sid *sid);

/* The descriptor of a new file or directory. */
struct security_creation {
    struct slice parent;                /* self-relative descriptor of the directory; empty: none */
    struct slice creator;               /* as the client gave it (SecD); empty: none */
    const struct security_token *token; /* its user becomes the owner unless `creator` says */
    bool directory;
};
/* [MS-DTYP] 2.5.3.4 into `w`. Without an inheritable ACE and without `creator`: owner and
 * SYSTEM get full access. STATUS_INVALID_OWNER when the token may not give the object that
 * owner; STATUS_INVALID_SECURITY_DESCR ...; STATUS_INSUFFICIENT_RESOURCES when `w` is too
 * small. */
ntstatus security_inherit(const struct security_creation *c, struct writer *w);

/* Rights on the handle a query or a change of `parts` needs ([MS-FSA] 2.1.5.13, 2.1.5.17). */
uint32_t security_query_access(uint32_t parts);
uint32_t security_set_access(uint32_t parts);
/* `current` with `parts` of `change` put in, into `w`. Statuses as above. */
ntstatus security_merge(struct slice current, struct slice change, uint32_t parts,
                        const struct security_token *token, struct writer *w);
/* Only `parts` of `current`, into `w`. */
ntstatus security_extract(struct slice current, uint32_t parts, struct writer *w);

/* The root of a volume or share: administrators and SYSTEM own it and may do all, their rights
 * are inherited; Authenticated Users may change what is inside, as the share's own permissions
 * say who of them gets that far; creators have full access to what is theirs. */
void security_default_root(struct writer *w);
