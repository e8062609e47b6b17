#pragma once
/* Certificates for the tests of this folder. */
#include "proto/daemon/pki.h"
#include "proto/daemon/tls.h"

/* A cluster's CA and one identity in it, as files in a folder of the test's own. */
struct identity {
    char dir[64];
    char *ca_key, *ca_cert, *key, *cert;
    char ca_path[96], cert_path[96], key_path[96];
};

/* `like`: another identity of the same cluster, or NULL for a new cluster. Fails the test on error.
 */
struct identity make_identity(const struct pki_subject *who, const struct identity *like, int days);
/* Frees it and removes its files. */
void drop_identity(struct identity *id);
/* The context its files make. Fails the test on error. */
struct tls_context *context_of(const struct identity *id);
