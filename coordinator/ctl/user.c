/* `user add | ls | passwd | rm`: the cluster's own users. */
#include "coordinator/ctl/ctl.h"

#include "proto/smb/dtyp.h"
#include <stdio.h>
#include <string.h>

static int hash_password(struct ctl *c, uint8_t hash[16])
{
    const char *password = read_password(c);
    if (password == NULL)
        return EXIT_ERROR;
    if (password[0] == '\0')
        return fail("an empty password is not allowed");
    return nt_hash(password, hash)
               ? EXIT_OK
               : fail("the password cannot be hashed: it must be UTF-8, and OpenSSL's "
                      "legacy provider must be installed");
}

int run_user_add(struct ctl *c)
{
    uint8_t hash[16];
    Fl__UserAdd add = FL__USER_ADD__INIT;
    add.name = (char *)(uintptr_t)c->args.words[2];
    add.administrator = args_flag(&c->args, "administrator");
    int r = hash_password(c, hash);
    if (r != EXIT_OK)
        return r;
    add.nt_hash = (ProtobufCBinaryData){sizeof hash, hash};
    Fl__Command command = FL__COMMAND__INIT;
    command.body_case = FL__COMMAND__BODY_USER_ADD;
    command.user_add = &add;
    r = ctl_command(c, &command, NULL);
    if (r == EXIT_OK && !print_json(c, json_pack("{s:s s:b}", "name", add.name, "administrator",
                                                 add.administrator)))
        (void)printf("user '%s' was added\n", add.name);
    return r;
}

int run_user_passwd(struct ctl *c)
{
    uint8_t hash[16];
    Fl__UserPasswd passwd = FL__USER_PASSWD__INIT;
    passwd.name = (char *)(uintptr_t)c->args.words[2];
    int r = hash_password(c, hash);
    if (r != EXIT_OK)
        return r;
    passwd.nt_hash = (ProtobufCBinaryData){sizeof hash, hash};
    Fl__Command command = FL__COMMAND__INIT;
    command.body_case = FL__COMMAND__BODY_USER_PASSWD;
    command.user_passwd = &passwd;
    return ctl_command(c, &command, NULL);
}

int run_user_rm(struct ctl *c)
{
    Fl__UserRemove remove = FL__USER_REMOVE__INIT;
    remove.name = (char *)(uintptr_t)c->args.words[2];
    Fl__Command command = FL__COMMAND__INIT;
    command.body_case = FL__COMMAND__BODY_USER_REMOVE;
    command.user_remove = &remove;
    return ctl_command(c, &command, NULL);
}

int run_user_ls(struct ctl *c)
{
    Fl__Reply *reply = ctl_status(c);
    if (reply == NULL)
        return EXIT_ERROR;
    const Fl__ClusterConfig *config = reply->cluster->config;
    json_t *list = json_array();
    struct table_out *t = c->args.json ? NULL : table_begin(3, "NAME", "ADMINISTRATOR", "SID");
    for (size_t i = 0; i < config->n_users; i++) {
        const Fl__User *u = config->users[i];
        struct sid sid;
        char text[SID_TEXT_MAX] = "?";
        if (sid_decode(slice_of(u->sid.data, u->sid.len), &sid))
            (void)sid_to_text(&sid, text);
        if (t != NULL)
            table_row(t, u->name, u->administrator ? "yes" : "no", text);
        json_array_append_new(list, json_pack("{s:s s:b s:s}", "name", u->name, "administrator",
                                              u->administrator, "sid", text));
    }
    if (t != NULL)
        table_end(t);
    (void)print_json(c, list);
    fl__reply__free_unpacked(reply, NULL);
    return EXIT_OK;
}
