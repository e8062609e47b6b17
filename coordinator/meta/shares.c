/* Shares: a directory of a volume under a name, and who may get how far through it. */
#include "coordinator/meta/notify.h"

static void grants_free(struct meta *m, struct share *s)
{
    for (uint32_t i = 0; i < s->grant_count; i++) {
        blob_free(m->mem, &s->grants[i].principal);
        blob_free(m->mem, &s->grants[i].sid);
    }
    mem_free(m->mem, s->grants, s->grant_count * sizeof(*s->grants));
}

void share_free(struct meta *m, struct share *s)
{
    label_free(m->mem, &s->name);
    blob_free(m->mem, &s->path);
    blob_free(m->mem, &s->comment);
    grants_free(m, s);
    mem_free(m->mem, s, sizeof(*s));
}

bool share_caching_valid(uint32_t caching) { return (caching & ~UINT32_C(0x30)) == 0; }

static struct share *share_by_name(const struct meta *m, const struct label *name)
{
    struct slice key = blob_slice(&name->utf16);
    struct tree_node *n = tree_get(&m->shares, &key);
    return n == NULL ? NULL : container_of(n, struct share, by_name);
}

static bool is_text(const char *text, const char *other)
{
    return slice_equal(slice_of(text, text_len(text)), slice_str(other));
}

/* Who is meant: by SID when there is one, else one of the cluster's users, or a well-known group.
 */
static const char *resolve(struct work *w, const Fl__ShareGrant *g, struct sid *out)
{
    if (g->sid.len > 0)
        return sid_decode(pb_slice(g->sid), out) ? NULL : "a grant's SID is malformed";
    struct label name;
    const char *why = label_make(w, g->principal, &name);
    if (why != NULL)
        return why;
    const struct user *u = user_by_name(w->m, &name);
    label_free(w->m->mem, &name);
    if (u != NULL)
        return user_sid(w->m, u, out) ? NULL : "the cluster's SID is malformed";
    if (is_text(g->principal, "Everyone"))
        *out = sid_everyone;
    else if (is_text(g->principal, "Authenticated Users"))
        *out = sid_authenticated_users;
    else if (is_text(g->principal, "Administrators"))
        *out = sid_builtin_administrators;
    else if (is_text(g->principal, "Users"))
        *out = sid_builtin_users;
    else if (!sid_from_text(slice_of(g->principal, text_len(g->principal)), out))
        return "a grant is for somebody who does not exist";
    return NULL;
}

static const char *grant_fill(struct work *w, const Fl__ShareGrant *from, struct grant *to)
{
    struct sid sid;
    uint8_t bytes[SID_BYTES_MAX];
    const char *why = resolve(w, from, &sid);
    if (why != NULL)
        return why;
    to->access = from->access;
    to->deny = from->deny;
    struct slice principal = slice_of(from->principal, text_len(from->principal));
    bool copied = principal.len <= META_TEXT_MAX &&
                  blob_copy(w->m->mem, principal, &to->principal) &&
                  blob_copy(w->m->mem, sid_bytes(&sid, bytes), &to->sid);
    return copied ? NULL : meta_no_memory;
}

/* Nobody named: whoever has logged on, as far as the files' own descriptors let him. */
static const char *grants_fill(struct work *w, const Fl__Share *c, struct share *s)
{
    Fl__ShareGrant all = FL__SHARE_GRANT__INIT;
    Fl__ShareGrant *defaults[] = {&all}, **from = c->grants;
    uint32_t count = (uint32_t)c->n_grants;
    char principal[] = "Authenticated Users";
    all.principal = principal;
    all.access = FILE_ALL_ACCESS;
    if (c->n_grants > META_GRANTS_MAX)
        return "there are too many grants";
    if (count == 0)
        from = defaults, count = 1;
    s->grants = mem_array(w->m->mem, count, sizeof(*s->grants));
    if (s->grants == NULL)
        return meta_no_memory;
    s->grant_count = count;
    for (uint32_t i = 0; i < count; i++) {
        const char *why = grant_fill(w, from[i], &s->grants[i]);
        if (why != NULL)
            return why;
    }
    return NULL;
}

/* What can be set later. */
static const char *settings_fill(struct work *w, const Fl__Share *c, struct share *s)
{
    struct slice comment = slice_of(c->comment, text_len(c->comment));
    if (comment.len > META_TEXT_MAX)
        return "the comment is too long";
    if (c->leasing != FL__LEASING__LEASING_FULL && c->leasing != FL__LEASING__LEASING_SHARED &&
        c->leasing != FL__LEASING__LEASING_NONE)
        return "the leasing mode is unknown";
    if (!share_caching_valid(c->caching))
        return "the caching mode is unknown";
    if (!blob_copy(w->m->mem, comment, &s->comment))
        return meta_no_memory;
    s->continuous = c->continuous;
    s->encrypt = c->encrypt;
    s->compress = c->compress;
    s->leasing = c->leasing;
    s->uses_max = c->uses_max;
    s->caching = c->caching;
    s->abe = c->abe;
    return grants_fill(w, c, s);
}

/* Everything of the share but its directory. */
static const char *share_fill(struct work *w, const Fl__Share *c, struct share *s)
{
    struct slice path = slice_of(c->path, text_len(c->path));
    if (path.len > META_TEXT_MAX)
        return "the path is too long";
    const char *why = label_make(w, c->name, &s->name);
    if (why != NULL)
        return why;
    if (!blob_copy(w->m->mem, path, &s->path))
        return meta_no_memory;
    s->scale_out = c->scale_out;
    return settings_fill(w, c, s);
}

/* '/' in an administrator's path, '\' in ours; leading and trailing ones do not count. */
static const char *path_of(struct work *w, const char *text, struct name_path *out)
{
    struct slice wide;
    if (!utf16_from_utf8(slice_of(text, text_len(text)), w->a, &wide))
        return w->a->failed ? meta_no_memory : "the path is not UTF-8";
    uint8_t *at = arena_alloc(w->a, wide.len);
    if (at == NULL)
        return meta_no_memory;
    struct writer wr = writer_of(at, wide.len);
    struct reader r = reader_of(wide);
    bool pending = false;
    while (read_left(&r) >= 2) {
        uint16_t unit = read_u16(&r);
        bool separator = unit == '/' || unit == '\\';
        if (!separator && pending && wr.pos > 0)
            write_u16(&wr, '\\');
        if (!separator)
            write_u16(&wr, unit);
        pending = separator;
    }
    if (name_parse(written(&wr), out) != STATUS_OK || out->has_stream)
        return "the path is not a valid one";
    return NULL;
}

/* Directories that are missing on the way, made but not put in place yet. */
struct chain {
    struct inode *under; /* the last one there is */
    struct inode *fresh[NAME_DEPTH_MAX];
    uint32_t count;
};

static void chain_drop(struct meta *m, struct chain *ch)
{
    while (ch->count > 0)
        inode_free(m, ch->fresh[--ch->count]);
}

static const char *chain_add(struct work *w, struct chain *ch, struct slice name)
{
    uint8_t admins[SID_BYTES_MAX];
    struct security_token token = {.user = sid_bytes(&sid_builtin_administrators, admins),
                                   .administrator = true};
    struct security_creation creation = {.token = &token, .directory = true};
    const struct inode *parent = ch->count == 0 ? ch->under : ch->fresh[ch->count - 1];
    struct descriptor *d;
    if (ch->count == NAME_DEPTH_MAX)
        return "the path is too deep";
    if (descriptor_inherit(w, parent, &creation, &d) != STATUS_OK)
        return meta_no_memory;
    struct inode *i = inode_new(w->m, name, true, d);
    if (i == NULL) {
        descriptor_put(w->m, d);
        return meta_no_memory;
    }
    ch->fresh[ch->count++] = i;
    return NULL;
}

static const char *chain_make(struct work *w, struct volume *v, const char *text, struct chain *ch)
{
    struct name_path path;
    struct slice name;
    const char *why = path_of(w, text, &path);
    ch->under = v->root;
    while (why == NULL && name_next(&path.path, &name)) {
        struct inode *next = ch->count > 0 ? NULL : child_get(ch->under, name);
        if (next == NULL)
            why = chain_add(w, ch, name);
        else if (!is_directory(next) || next->delete_pending || next->reparse.len > 0)
            why = "the path leads through something that is no directory";
        else
            ch->under = next;
    }
    if (why == NULL && ch->under->delete_pending)
        why = "the directory is being deleted";
    return why;
}

/* Puts the chain in place and returns its end. */
static struct inode *chain_commit(struct work *w, struct volume *v, struct chain *ch)
{
    struct inode *at = ch->under;
    for (uint32_t k = 0; k < ch->count; k++) {
        struct inode *i = ch->fresh[k];
        inode_attach(w->m, v, i);
        i->creation_time = i->access_time = i->write_time = w->now;
        inode_changed(w, i);
        child_insert(at, i);
        directory_changed(w, at);
        notify_added(w, i);
        at = i;
    }
    return at;
}

static ntstatus create_in(struct work *w, struct volume *v, const Fl__Share *c)
{
    struct meta *m = w->m;
    struct share *s = mem_alloc(m->mem, sizeof(*s));
    struct chain *ch = arena_alloc(w->a, sizeof(*ch));
    if (s == NULL || ch == NULL) {
        mem_free(m->mem, s, sizeof(*s));
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    const char *why = share_fill(w, c, s);
    bool exists = why == NULL && share_by_name(m, &s->name) != NULL;
    if (why == NULL && !exists)
        why = chain_make(w, v, c->path, ch);
    if (why == NULL && !exists &&
        !notify_prepare(w, 1 + lease_notices(ch->under), ch->count * notify_count_in(ch->under)))
        why = meta_no_memory;
    if (why != NULL || exists) {
        chain_drop(m, ch);
        share_free(m, s);
        return exists ? refuse(w, STATUS_OBJECT_NAME_COLLISION, "a share of that name exists")
                      : refuse(w, STATUS_INVALID_PARAMETER, why);
    }

    s->root = chain_commit(w, v, ch);
    share_insert(m, s);
    reply_admin(w, v->id);
    post_config_changed(w);
    return STATUS_OK;
}

ntstatus apply_share_create(struct work *w, const Fl__ShareCreate *c)
{
    struct meta *m = w->m;
    if (c->share == NULL || m->shares.count >= META_SHARES_MAX)
        return refuse(w, STATUS_INVALID_PARAMETER, "there are too many shares");
    if (is_text(c->share->name, "IPC$") || is_text(c->share->name, "ipc$"))
        return refuse(w, STATUS_INVALID_PARAMETER, "that name is the server's own");
    struct label name;
    const char *why = label_make(w, c->volume, &name);
    if (why != NULL)
        return refuse(w, STATUS_INVALID_PARAMETER, why);
    struct volume *v = volume_by_name(m, &name);
    label_free(m->mem, &name);
    if (v == NULL)
        return refuse(w, STATUS_OBJECT_NAME_NOT_FOUND, "there is no such volume");
    return create_in(w, v, c->share);
}

ntstatus apply_share_remove(struct work *w, const Fl__ShareRemove *c)
{
    struct meta *m = w->m;
    struct label name;
    const char *why = label_make(w, c->name, &name);
    if (why != NULL)
        return refuse(w, STATUS_INVALID_PARAMETER, why);
    struct share *s = share_by_name(m, &name);
    label_free(m->mem, &name);
    if (s == NULL)
        return refuse(w, STATUS_OBJECT_NAME_NOT_FOUND, "there is no such share");
    /* Opens name their share by its directory; another share of the same one keeps them. */
    struct inode *root = s->root;
    bool last = root->shares == 1;
    if (last && !opens_lost_prepare(w, root->volume, root->id))
        return STATUS_INSUFFICIENT_RESOURCES;
    if (!outbox_reserve(w, w->box->cap - w->box->count + 1))
        return STATUS_INSUFFICIENT_RESOURCES;

    if (last)
        opens_lost_commit(w, root->volume, root->id);
    root->shares--;
    reply_admin(w, root->volume->id);
    tree_remove(&m->shares, &s->by_name);
    share_free(m, s);
    post_config_changed(w);
    return STATUS_OK;
}

static void settings_take(struct meta *m, struct share *s, struct share *from, uint32_t fields)
{
    if (fields & FL__SHARE_FIELD__SHARE_FIELD_COMMENT) {
        struct blob was = s->comment;
        s->comment = from->comment;
        from->comment = was;
    }
    if (fields & FL__SHARE_FIELD__SHARE_FIELD_GRANTS) {
        grants_free(m, s);
        s->grants = from->grants;
        s->grant_count = from->grant_count;
        from->grants = NULL;
        from->grant_count = 0;
    }
    if (fields & FL__SHARE_FIELD__SHARE_FIELD_ENCRYPT)
        s->encrypt = from->encrypt;
    if (fields & FL__SHARE_FIELD__SHARE_FIELD_CONTINUOUS)
        s->continuous = from->continuous;
    if (fields & FL__SHARE_FIELD__SHARE_FIELD_LEASING)
        s->leasing = from->leasing;
    if (fields & FL__SHARE_FIELD__SHARE_FIELD_USES_MAX)
        s->uses_max = from->uses_max;
    if (fields & FL__SHARE_FIELD__SHARE_FIELD_CACHING)
        s->caching = from->caching;
    if (fields & FL__SHARE_FIELD__SHARE_FIELD_ABE)
        s->abe = from->abe;
    if (fields & FL__SHARE_FIELD__SHARE_FIELD_COMPRESS)
        s->compress = from->compress;
}

ntstatus apply_share_set(struct work *w, const Fl__ShareSet *c)
{
    struct meta *m = w->m;
    struct label name;
    if (c->to == NULL)
        return refuse(w, STATUS_INVALID_PARAMETER, "there is nothing to set");
    const char *why = label_make(w, c->name, &name);
    if (why != NULL)
        return refuse(w, STATUS_INVALID_PARAMETER, why);
    struct share *s = share_by_name(m, &name);
    label_free(m->mem, &name);
    if (s == NULL)
        return refuse(w, STATUS_OBJECT_NAME_NOT_FOUND, "there is no such share");
    /* The settings are made on a share of nobody's, from which the wanted ones are taken. */
    struct share *fresh = mem_alloc(m->mem, sizeof(*fresh));
    if (fresh == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    why = settings_fill(w, c->to, fresh);
    if (why != NULL || !outbox_reserve(w, 1)) {
        share_free(m, fresh);
        return refuse(w, STATUS_INVALID_PARAMETER, why != NULL ? why : meta_no_memory);
    }

    settings_take(m, s, fresh, c->fields);
    share_free(m, fresh);
    reply_admin(w, s->root->volume->id);
    post_config_changed(w);
    return STATUS_OK;
}
