/* The cluster's own users. Their SIDs are the domain's with a number of their own behind it, which
 * is never given twice. */
#include "coordinator/meta/meta_int.h"

void user_free(struct meta *m, struct user *u)
{
    label_free(m->mem, &u->name);
    mem_free(m->mem, u, sizeof(*u));
}

struct user *user_by_name(const struct meta *m, const struct label *name)
{
    struct slice key = blob_slice(&name->utf16);
    struct tree_node *n = tree_get(&m->users, &key);
    return n == NULL ? NULL : container_of(n, struct user, by_name);
}

bool user_sid(const struct meta *m, const struct user *u, struct sid *out)
{
    struct sid domain;
    return sid_decode(blob_slice(&m->domain_sid), &domain) && sid_append(&domain, u->rid, out);
}

ntstatus apply_user_add(struct work *w, const Fl__UserAdd *c)
{
    struct meta *m = w->m;
    if (!m->founded || c->nt_hash.len != 16)
        return refuse(w, STATUS_INVALID_PARAMETER, "a password's hash is needed");
    struct label name;
    const char *why = label_make(w, c->name, &name);
    if (why != NULL)
        return refuse(w, STATUS_INVALID_PARAMETER, why);
    bool exists = user_by_name(m, &name) != NULL;
    struct user *u =
        exists || m->users.count >= META_USERS_MAX ? NULL : mem_alloc(m->mem, sizeof(*u));
    if (u == NULL || !outbox_reserve(w, 1)) {
        mem_free(m->mem, u, sizeof(*u));
        label_free(m->mem, &name);
        return exists ? refuse(w, STATUS_OBJECT_NAME_COLLISION, "a user of that name exists")
                      : STATUS_INSUFFICIENT_RESOURCES;
    }

    u->name = name;
    u->rid = m->next_rid++;
    u->administrator = c->administrator;
    memcpy(u->nt_hash, c->nt_hash.data, 16);
    user_insert(m, u);
    reply_admin(w, u->rid);
    post_config_changed(w);
    return STATUS_OK;
}

/* The user named, and room for the notice that follows. */
static ntstatus find_user(struct work *w, const char *text, struct user **out)
{
    struct label name;
    const char *why = label_make(w, text, &name);
    if (why != NULL)
        return refuse(w, STATUS_INVALID_PARAMETER, why);
    *out = user_by_name(w->m, &name);
    label_free(w->m->mem, &name);
    if (*out == NULL)
        return refuse(w, STATUS_OBJECT_NAME_NOT_FOUND, "there is no such user");
    return outbox_reserve(w, 1) ? STATUS_OK : STATUS_INSUFFICIENT_RESOURCES;
}

ntstatus apply_user_passwd(struct work *w, const Fl__UserPasswd *c)
{
    struct user *u;
    if (c->nt_hash.len != 16)
        return refuse(w, STATUS_INVALID_PARAMETER, "a password's hash is needed");
    ntstatus status = find_user(w, c->name, &u);
    if (status != STATUS_OK)
        return status;
    memcpy(u->nt_hash, c->nt_hash.data, 16);
    reply_admin(w, u->rid);
    post_config_changed(w);
    return STATUS_OK;
}

ntstatus apply_user_remove(struct work *w, const Fl__UserRemove *c)
{
    struct user *u;
    ntstatus status = find_user(w, c->name, &u);
    if (status != STATUS_OK)
        return status;
    reply_admin(w, u->rid);
    tree_remove(&w->m->users, &u->by_name);
    user_free(w->m, u);
    post_config_changed(w);
    return STATUS_OK;
}
