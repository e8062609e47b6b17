/* `share create | ls | show | set | rm`. */
#include "coordinator/ctl/ctl.h"

#include "proto/smb/dtyp.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { GRANTS_MAX = 64 };

/* [MS-DTYP] 2.4.3 masks that Windows' three levels of share permission stand for. */
#define ACCESS_FULL UINT32_C(0x001F01FF)
#define ACCESS_CHANGE UINT32_C(0x001301BF)
#define ACCESS_READ UINT32_C(0x001200A9)

struct grants {
    Fl__ShareGrant items[GRANTS_MAX], *pointers[GRANTS_MAX];
    uint8_t sids[GRANTS_MAX][SID_BYTES_MAX];
    size_t count;
};

static bool well_known(const char *name, struct sid *out)
{
    static const struct {
        const char *name;
        const struct sid *sid;
    } known[] = {{"Everyone", &sid_everyone},
                 {"Authenticated Users", &sid_authenticated_users},
                 {"Administrators", &sid_builtin_administrators},
                 {"Users", &sid_builtin_users},
                 {"SYSTEM", &sid_system}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcasecmp(known[i].name, name) == 0) {
            *out = *known[i].sid;
            return true;
        }
    return false;
}

static bool cluster_user(const Fl__ClusterConfig *config, const char *name, struct sid *out)
{
    for (size_t i = 0; i < config->n_users; i++)
        if (strcasecmp(config->users[i]->name, name) == 0)
            return sid_decode(slice_of(config->users[i]->sid.data, config->users[i]->sid.len), out);
    return false;
}

static int add_grant(struct grants *g, const Fl__ClusterConfig *config, const char *name,
                     uint32_t access)
{
    struct sid sid;
    bool known = sid_from_text(slice_str(name), &sid) || well_known(name, &sid) ||
                 cluster_user(config, name, &sid);
    if (!known) {
        (void)fail("'%s' is no user of this cluster; for accounts of a domain give the SID", name);
        return EXIT_NOT_FOUND;
    }
    if (g->count == GRANTS_MAX)
        return fail("at most %d permissions", GRANTS_MAX);
    Fl__ShareGrant *one = &g->items[g->count];
    fl__share_grant__init(one);
    struct slice bytes = sid_bytes(&sid, g->sids[g->count]);
    one->principal = (char *)(uintptr_t)name;
    one->sid = (ProtobufCBinaryData){bytes.len, g->sids[g->count]};
    one->access = access;
    one->deny = access == 0;
    if (one->deny)
        one->access = ACCESS_FULL;
    g->pointers[g->count++] = one;
    return EXIT_OK;
}

static int read_grants(struct ctl *c, struct grants *g)
{
    static const struct {
        const char *option;
        uint32_t access;
    } levels[] = {
        {"full", ACCESS_FULL}, {"change", ACCESS_CHANGE}, {"read", ACCESS_READ}, {"no-access", 0}};
    Fl__Reply *reply = ctl_status(c);
    int r = reply != NULL ? EXIT_OK : EXIT_ERROR;
    for (size_t i = 0; i < sizeof levels / sizeof levels[0] && r == EXIT_OK; i++)
        for (const char *name;
             r == EXIT_OK && (name = args_option(&c->args, levels[i].option, NULL)) != NULL;)
            r = add_grant(g, reply->cluster->config, name, levels[i].access);
    if (r == EXIT_OK && g->count == 0) /* file permissions decide then */
        r = add_grant(g, reply->cluster->config, "Authenticated Users", ACCESS_FULL);
    if (reply != NULL)
        fl__reply__free_unpacked(reply, NULL);
    return r;
}

static int read_leasing(struct ctl *c, Fl__Leasing *out)
{
    const char *text = args_option(&c->args, "leasing", "full");
    static const char *const names[] = {"full", "shared", "none"};
    for (unsigned i = 0; i < 3; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (Fl__Leasing)i;
            return EXIT_OK;
        }
    return fail("--leasing: full, shared or none");
}

int run_share_create(struct ctl *c)
{
    static struct grants grants;
    char volume[64];
    const char *path = args_option(&c->args, "path", NULL);
    if (path == NULL || path[0] != '/' || path[1] == '\0')
        return fail("--path /VOLUME/DIRECTORY is wanted");
    size_t len = strcspn(path + 1, "/");
    if (len >= sizeof volume)
        return fail("--path: the volume's name is too long");
    (void)snprintf(volume, sizeof volume, "%.*s", (int)len, path + 1);
    Fl__Share share = FL__SHARE__INIT;
    share.name = (char *)(uintptr_t)c->args.words[2];
    share.path = (char *)(uintptr_t)(path[1 + len] == '/' ? path + 2 + len : "");
    share.comment = (char *)(uintptr_t)args_option(&c->args, "comment", "");
    share.scale_out = args_flag(&c->args, "scale-out");
    share.continuous = args_flag(&c->args, "ca");
    share.encrypt = args_flag(&c->args, "encrypt");
    share.compress = args_flag(&c->args, "compress");
    share.abe = args_flag(&c->args, "abe");
    int r = read_leasing(c, &share.leasing);
    if (r == EXIT_OK)
        r = read_grants(c, &grants);
    if (r != EXIT_OK)
        return r;
    share.grants = grants.pointers;
    share.n_grants = grants.count;
    Fl__ShareCreate create = FL__SHARE_CREATE__INIT;
    create.share = &share;
    create.volume = volume;
    Fl__Command command = FL__COMMAND__INIT;
    command.body_case = FL__COMMAND__BODY_SHARE_CREATE;
    command.share_create = &create;
    r = ctl_command(c, &command, NULL);
    if (r == EXIT_OK && !print_json(c, json_pack("{s:s s:s}", "name", share.name, "path", path)))
        (void)printf("share '%s' serves %s\n", share.name, path);
    return r;
}

static const char *volume_name(const Fl__ClusterConfig *config, uint32_t id)
{
    for (size_t i = 0; i < config->n_volumes; i++)
        if (config->volumes[i]->id == id)
            return config->volumes[i]->name;
    return "?";
}

static json_t *grants_json(const Fl__Share *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->n_grants; i++) {
        const Fl__ShareGrant *g = s->grants[i];
        const char *level = g->deny                      ? "none"
                            : g->access == ACCESS_FULL   ? "full"
                            : g->access == ACCESS_CHANGE ? "change"
                                                         : "read";
        json_array_append_new(list,
                              json_pack("{s:s s:s}", "principal", g->principal, "access", level));
    }
    return list;
}

static const char *const caching_names[] = {"manual", "documents", "programs", "none"};
static const char *const leasing_names[] = {"full", "shared", "none"};

static json_t *share_json(const Fl__ClusterConfig *config, const Fl__Share *s)
{
    char path[8192];
    (void)snprintf(path, sizeof path, "/%s%s%s", volume_name(config, s->volume),
                   s->path[0] ? "/" : "", s->path);
    return json_pack("{s:s s:s s:s s:b s:b s:b s:b s:b s:s s:s s:I s:o}", "name", s->name, "path",
                     path, "comment", s->comment, "scale_out", s->scale_out, "continuous",
                     s->continuous, "encrypt", s->encrypt, "compress", s->compress, "abe", s->abe,
                     "leasing", leasing_names[s->leasing % 3], "caching",
                     caching_names[s->caching >> 4 & 3], "users_max", (json_int_t)s->uses_max,
                     "grants", grants_json(s));
}

int run_share_ls(struct ctl *c)
{
    Fl__Reply *reply = ctl_status(c);
    if (reply == NULL)
        return EXIT_ERROR;
    const Fl__ClusterConfig *config = reply->cluster->config;
    json_t *list = json_array();
    struct table_out *t =
        c->args.json ? NULL : table_begin(5, "NAME", "PATH", "SCALE-OUT", "ENCRYPT", "COMMENT");
    for (size_t i = 0; i < config->n_shares; i++) {
        const Fl__Share *s = config->shares[i];
        char path[8192];
        (void)snprintf(path, sizeof path, "/%s%s%s", volume_name(config, s->volume),
                       s->path[0] ? "/" : "", s->path);
        if (t != NULL)
            table_row(t, s->name, path, s->scale_out ? "yes" : "no", s->encrypt ? "yes" : "no",
                      s->comment);
        json_array_append_new(list, share_json(config, s));
    }
    if (t != NULL)
        table_end(t);
    (void)print_json(c, list);
    fl__reply__free_unpacked(reply, NULL);
    return EXIT_OK;
}

/* A value of the JSON form as a person reads it. */
static void print_value(const char *key, const json_t *value)
{
    if (json_is_boolean(value))
        (void)printf("%-11s %s\n", key, json_is_true(value) ? "yes" : "no");
    else if (json_is_integer(value) && json_integer_value(value) == 0)
        (void)printf("%-11s no limit\n", key);
    else if (json_is_integer(value))
        (void)printf("%-11s %lld\n", key, (long long)json_integer_value(value));
    else if (json_is_string(value))
        (void)printf("%-11s %s\n", key, json_string_value(value));
    for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++) {
        const json_t *grant = json_array_get(value, i);
        (void)printf("%-11s %s: %s\n", i == 0 ? key : "",
                     json_string_value(json_object_get(grant, "principal")),
                     json_string_value(json_object_get(grant, "access")));
    }
}

int run_share_show(struct ctl *c)
{
    Fl__Reply *reply = ctl_status(c);
    if (reply == NULL)
        return EXIT_ERROR;
    const Fl__ClusterConfig *config = reply->cluster->config;
    json_t *share = NULL;
    for (size_t i = 0; i < config->n_shares && share == NULL; i++)
        if (strcasecmp(config->shares[i]->name, c->args.words[2]) == 0)
            share = share_json(config, config->shares[i]);
    fl__reply__free_unpacked(reply, NULL);
    if (share == NULL) {
        (void)fail("there is no share '%s'", c->args.words[2]);
        return EXIT_NOT_FOUND;
    }
    const char *key;
    json_t *value;
    if (!c->args.json)
        json_object_foreach(share, key, value) print_value(key, value);
    if (!print_json(c, share))
        json_decref(share);
    return EXIT_OK;
}

/* --turn-on and --turn-off of what a share has or has not. */
static int read_switches(struct ctl *c, Fl__ShareSet *set)
{
    struct {
        const char *name;
        protobuf_c_boolean *value;
        uint32_t field;
    } known[] = {{"encrypt", &set->to->encrypt, FL__SHARE_FIELD__SHARE_FIELD_ENCRYPT},
                 {"ca", &set->to->continuous, FL__SHARE_FIELD__SHARE_FIELD_CONTINUOUS},
                 {"abe", &set->to->abe, FL__SHARE_FIELD__SHARE_FIELD_ABE},
                 {"compress", &set->to->compress, FL__SHARE_FIELD__SHARE_FIELD_COMPRESS}};
    for (int on = 0; on < 2; on++)
        for (const char *name;
             (name = args_option(&c->args, on ? "turn-on" : "turn-off", NULL)) != NULL;) {
            size_t i = 0;
            while (i < sizeof known / sizeof known[0] && strcmp(known[i].name, name) != 0)
                i++;
            if (i == sizeof known / sizeof known[0])
                return fail("'%s' is neither encrypt, ca, abe nor compress", name);
            *known[i].value = on;
            set->fields |= known[i].field;
        }
    return EXIT_OK;
}

/* Options with values; each one given is a field. */
static int read_settings(struct ctl *c, Fl__ShareSet *set)
{
    const char *comment = args_option(&c->args, "comment", NULL);
    const char *caching = args_option(&c->args, "caching", NULL);
    uint64_t users = UINT64_MAX;
    if (!args_number(&c->args, "users-max", UINT64_MAX, &users) ||
        (users > UINT32_MAX && users != UINT64_MAX))
        return fail("--users-max takes a number; 0: no limit");
    if (users != UINT64_MAX) {
        set->fields |= FL__SHARE_FIELD__SHARE_FIELD_USES_MAX;
        set->to->uses_max = (uint32_t)users;
    }
    if (comment != NULL) {
        set->fields |= FL__SHARE_FIELD__SHARE_FIELD_COMMENT;
        set->to->comment = (char *)(uintptr_t)comment;
    }
    if (caching != NULL) {
        uint32_t mode = 0;
        while (mode < 4 && strcmp(caching_names[mode], caching) != 0)
            mode++;
        if (mode == 4)
            return fail("--caching: manual, documents, programs or none");
        set->fields |= FL__SHARE_FIELD__SHARE_FIELD_CACHING;
        set->to->caching = mode << 4;
    }
    return EXIT_OK;
}

static bool has_option(const struct ctl *c, const char *name)
{
    for (int i = 0; i < c->args.option_count; i++)
        if (strcmp(c->args.options[i].name, name) == 0)
            return true;
    return false;
}

int run_share_set(struct ctl *c)
{
    static struct grants grants;
    Fl__Share share = FL__SHARE__INIT;
    Fl__ShareSet set = FL__SHARE_SET__INIT;
    set.name = (char *)(uintptr_t)c->args.words[2];
    set.to = &share;
    if (has_option(c, "leasing"))
        set.fields |= FL__SHARE_FIELD__SHARE_FIELD_LEASING;
    if (has_option(c, "full") || has_option(c, "change") || has_option(c, "read") ||
        has_option(c, "no-access"))
        set.fields |= FL__SHARE_FIELD__SHARE_FIELD_GRANTS;
    int r = read_switches(c, &set);
    if (r == EXIT_OK)
        r = read_settings(c, &set);
    if (r == EXIT_OK)
        r = read_leasing(c, &share.leasing);
    if (r == EXIT_OK)
        r = read_grants(c, &grants);
    if (r != EXIT_OK)
        return r;
    if (set.fields == 0)
        return fail("there is nothing to change; see flotilla --help");
    share.grants = grants.pointers;
    share.n_grants = grants.count;
    Fl__Command command = FL__COMMAND__INIT;
    command.body_case = FL__COMMAND__BODY_SHARE_SET;
    command.share_set = &set;
    return ctl_command(c, &command, NULL);
}

int run_share_rm(struct ctl *c)
{
    Fl__ShareRemove remove = FL__SHARE_REMOVE__INIT;
    remove.name = (char *)(uintptr_t)c->args.words[2];
    Fl__Command command = FL__COMMAND__INIT;
    command.body_case = FL__COMMAND__BODY_SHARE_REMOVE;
    command.share_remove = &remove;
    return ctl_command(c, &command, NULL);
}
