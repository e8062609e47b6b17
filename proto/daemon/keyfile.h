#pragma once
/* The file from which gss-ntlmssp takes the users of NTLM: smbpasswd lines with NT hashes, so that
 * no password is ever stored. Each daemon that accepts NTLM writes its own from the cluster's
 * users. */
#include "proto/base/bytes.h"

struct keyfile_user {
    const char *name;     /* without domain */
    struct slice nt_hash; /* 16 bytes */
};

/* Replaces the file at `path` as a whole (temporary name, rename), readable by its owner only. A
 * user whose name or hash cannot stand in the file is left out. 0 or -errno. */
int keyfile_write(const char *path, const struct keyfile_user *users, size_t count);
