/* Security descriptors of files, and who may do what to them ([MS-DTYP] 2.5.3,
 * [MS-FSA] 2.1.5.1.2.1). Traverse checking is off, as it is for everybody on Windows
 * (SeChangeNotifyPrivilege). */
#include "coordinator/meta/notify.h"

ntstatus token_of(struct work *w, const Fl__Token *token, bool backup, struct security_token *out)
{
    struct sid user;
    if (token == NULL || !sid_decode(pb_slice(token->user_sid), &user))
        return STATUS_ACCESS_DENIED;
    struct slice *groups = arena_array(w->a, token->n_group_sids + 1, sizeof(*groups));
    if (groups == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    for (size_t i = 0; i < token->n_group_sids; i++)
        groups[i] = pb_slice(token->group_sids[i]);
    *out = (struct security_token){.user = pb_slice(token->user_sid),
                                   .groups = groups,
                                   .group_count = (uint32_t)token->n_group_sids,
                                   .administrator = token->administrator,
                                   .backup_intent = backup};
    return STATUS_OK;
}

uint32_t rights_by(const struct descriptor *d, const struct security_token *token)
{
    struct security_descriptor sd;
    if (security_decode(descriptor_slice(d), &sd) != STATUS_OK)
        return 0; /* nothing is granted by what cannot be read */
    return security_maximal_access(&sd, token);
}

uint32_t rights_on(const struct inode *i, const struct security_token *token)
{
    uint32_t rights = rights_by(i->descriptor, token);
    if (i->parent == NULL)
        return rights;
    uint32_t above = rights_by(i->parent->descriptor, token);
    if ((above & FILE_DELETE_CHILD) != 0)
        rights |= ACCESS_DELETE;
    if ((above & FILE_LIST_DIRECTORY) != 0)
        rights |= FILE_READ_ATTRIBUTES;
    return rights;
}

/* Takes the descriptor just written, unless it is malformed or too large. */
static ntstatus take_written(struct work *w, const struct writer *wr, struct descriptor **out)
{
    struct slice bytes = written(wr);
    if (bytes.len == 0 || bytes.len > SECURITY_BYTES_MAX)
        return STATUS_INVALID_SECURITY_DESCR;
    struct descriptor *d = descriptor_take(w->m, bytes);
    if (d == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    *out = d;
    return STATUS_OK;
}

static bool scratch(struct work *w, struct writer *out)
{
    void *at = arena_alloc(w->a, SECURITY_BYTES_MAX);
    *out = writer_of(at, at == NULL ? 0 : SECURITY_BYTES_MAX);
    return at != NULL;
}

ntstatus descriptor_inherit(struct work *w, const struct inode *parent,
                            const struct security_creation *c, struct descriptor **out)
{
    struct writer wr;
    if (!scratch(w, &wr))
        return STATUS_INSUFFICIENT_RESOURCES;
    struct security_creation full = *c;
    full.parent = descriptor_slice(parent->descriptor);
    ntstatus status = security_inherit(&full, &wr);
    return status != STATUS_OK ? status : take_written(w, &wr, out);
}

struct descriptor *descriptor_root(struct work *w)
{
    struct writer wr;
    struct descriptor *d = NULL;
    if (!scratch(w, &wr))
        return NULL;
    security_default_root(&wr);
    return take_written(w, &wr, &d) == STATUS_OK ? d : NULL;
}

/* [MS-FSA] 2.1.5.17. */
ntstatus apply_set_security(struct work *w, const Fl__SetSecurity *c)
{
    struct open *o = open_of(w, c->open_id);
    if (o == NULL)
        return STATUS_FILE_CLOSED;
    uint32_t needed = security_set_access(c->parts);
    if ((o->granted & needed) != needed)
        return STATUS_ACCESS_DENIED;
    struct security_token token;
    ntstatus status = token_of(w, c->token, true, &token);
    if (status != STATUS_OK)
        return status;
    struct writer wr;
    if (!scratch(w, &wr))
        return STATUS_INSUFFICIENT_RESOURCES;
    struct inode *i = file_of(o->inode);
    status = leases_wait(w, o->inode, USE_HANDLE, o->lease);
    if (status != STATUS_OK)
        return status;
    if (!notify_prepare(w, 0, notify_count(i)))
        return STATUS_INSUFFICIENT_RESOURCES;
    status = security_merge(descriptor_slice(i->descriptor), pb_slice(c->security_descriptor),
                            c->parts, &token, &wr);
    struct descriptor *d = NULL;
    if (status == STATUS_OK)
        status = take_written(w, &wr, &d);
    if (status != STATUS_OK)
        return status;

    descriptor_put(w->m, i->descriptor);
    i->descriptor = d;
    notify_inode(w, i, FILE_ACTION_MODIFIED, FILE_NOTIFY_CHANGE_SECURITY);
    if (!o->user_change_time)
        i->change_time = w->now;
    i->version = w->m->index;
    reply_info(w, o->inode);
    return STATUS_OK;
}
