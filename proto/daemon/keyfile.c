#include "proto/daemon/keyfile.h"
#include "proto/daemon/pki.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NT_HASH_SIZE 16u

static bool plain(const char *text) { return *text != 0 && strpbrk(text, ":\\\r\n") == NULL; }

/* One line; the user id is a placeholder and the LM hash never exists. */
static void put_line(FILE *f, const struct keyfile_user *u)
{
    fprintf(f, "%s:1000:%032d:", u->name, 0);
    for (size_t i = 0; i < NT_HASH_SIZE; i++)
        fprintf(f, "%02X", u->nt_hash.at[i]);
    fprintf(f, ":[U          ]:LCT-00000000:\n");
}

int keyfile_write(const char *path, const struct keyfile_user *users, size_t count)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (f == NULL)
        return -ENOMEM;
    /* Without a domain in front a line answers whatever domain the client names: the cluster, the
     * client's own, or none. With one it answers that spelling only. */
    for (size_t i = 0; i < count; i++) {
        if (plain(users[i].name) && users[i].nt_hash.len == NT_HASH_SIZE)
            put_line(f, &users[i]);
    }
    bool ok = fclose(f) == 0;
    int r = ok ? pki_write_file(path, slice_of(text, len), 0600) : -ENOMEM;
    if (text != NULL)
        explicit_bzero(text, len);
    free(text);
    return r;
}
