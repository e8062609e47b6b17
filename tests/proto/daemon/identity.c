#include "tests/proto/daemon/identity.h"

#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char error[TLS_ERROR_MAX];

static void save(const struct identity *id)
{
    assert_int_equal(pki_write_file(id->ca_path, slice_str(id->ca_cert), 0644), 0);
    assert_int_equal(pki_write_file(id->cert_path, slice_str(id->cert), 0644), 0);
    assert_int_equal(pki_write_file(id->key_path, slice_str(id->key), 0600), 0);
}

struct identity make_identity(const struct pki_subject *who, const struct identity *like, int days)
{
    struct identity id = {.dir = "/tmp/flotilla-tls.XXXXXX"};
    assert_non_null(mkdtemp(id.dir));
    snprintf(id.ca_path, sizeof(id.ca_path), "%s/ca.pem", id.dir);
    snprintf(id.cert_path, sizeof(id.cert_path), "%s/cert.pem", id.dir);
    snprintf(id.key_path, sizeof(id.key_path), "%s/key.pem", id.dir);
    if (like != NULL) {
        id.ca_key = strdup(like->ca_key);
        id.ca_cert = strdup(like->ca_cert);
    } else {
        assert_true(pki_make_ca("fleet", &id.ca_key, &id.ca_cert, error));
    }
    char *csr;
    assert_true(pki_make_request("ignored", &id.key, &csr, error));
    const struct pki_issuer issuer = {slice_str(id.ca_key), slice_str(id.ca_cert), days};
    id.cert = pki_sign(slice_str(csr), &issuer, who, error);
    assert_non_null(id.cert);
    free(csr);
    save(&id);
    return id;
}

void drop_identity(struct identity *id)
{
    unlink(id->ca_path), unlink(id->cert_path), unlink(id->key_path), rmdir(id->dir);
    free(id->ca_key), free(id->ca_cert), free(id->key), free(id->cert);
}

struct tls_context *context_of(const struct identity *id)
{
    struct tls_files files = {.ca = id->ca_path, .cert = id->cert_path, .key = id->key_path};
    struct tls_context *c = tls_context_new(&files, error);
    if (c == NULL)
        fail_msg("%s", error);
    return c;
}
