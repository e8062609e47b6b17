#include "proto/daemon/pki.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool failed(char *error, const char *what)
{
    char text[160] = "unknown error";
    unsigned long code = ERR_peek_last_error();
    if (code != 0)
        ERR_error_string_n(code, text, sizeof text);
    (void)snprintf(error, TLS_ERROR_MAX, "%s: %s", what, text);
    ERR_clear_error();
    return false;
}

/* The text a memory BIO holds, as a string; frees the BIO. */
static char *text_of(BIO *b)
{
    char *at = NULL;
    long len = BIO_get_mem_data(b, &at);
    char *copy = len > 0 ? malloc((size_t)len + 1) : NULL;
    if (copy != NULL) {
        memcpy(copy, at, (size_t)len);
        copy[len] = '\0';
    }
    BIO_free(b);
    return copy;
}

static char *key_text(EVP_PKEY *key)
{
    BIO *b = BIO_new(BIO_s_mem());
    if (b == NULL || PEM_write_bio_PKCS8PrivateKey(b, key, NULL, NULL, 0, NULL, NULL) != 1) {
        BIO_free(b);
        return NULL;
    }
    return text_of(b);
}

static char *cert_text(X509 *cert)
{
    BIO *b = BIO_new(BIO_s_mem());
    if (b == NULL || PEM_write_bio_X509(b, cert) != 1) {
        BIO_free(b);
        return NULL;
    }
    return text_of(b);
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX v3;
    X509V3_set_ctx_nodb(&v3);
    X509V3_set_ctx(&v3, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &v3, nid, value);
    bool ok = e != NULL && X509_add_ext(cert, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

static bool add_name(X509_NAME *name, const char *field, const char *value)
{
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)value, -1,
                                      -1, 0) == 1;
}

/* An unsigned certificate with a random serial, valid from an hour ago (clocks differ) for `days`.
 */
static X509 *blank(EVP_PKEY *key, int days)
{
    X509 *cert = X509_new();
    uint64_t serial = 0;
    if (cert == NULL || RAND_bytes((unsigned char *)&serial, sizeof serial) != 1 ||
        X509_set_version(cert, X509_VERSION_3) != 1 ||
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1 | 1) != 1 ||
        X509_gmtime_adj(X509_getm_notBefore(cert), -3600) == NULL ||
        X509_time_adj_ex(X509_getm_notAfter(cert), days, 0, NULL) == NULL ||
        X509_set_pubkey(cert, key) != 1) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

bool pki_make_ca(const char *cluster_name, char **key_pem, char **cert_pem, char *error)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key ? blank(key, 3650) : NULL;
    bool ok = cert != NULL;
    if (ok) {
        X509_NAME *name = X509_get_subject_name(cert);
        ok = add_name(name, "O", "Flotilla") && add_name(name, "CN", cluster_name) &&
             X509_set_issuer_name(cert, name) == 1 &&
             add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
             add_extension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
             add_extension(cert, cert, NID_subject_key_identifier, "hash") &&
             X509_sign(cert, key, EVP_sha256()) > 0;
    }
    char *key_out = ok ? key_text(key) : NULL, *cert_out = ok ? cert_text(cert) : NULL;
    X509_free(cert);
    EVP_PKEY_free(key);
    if (key_out == NULL || cert_out == NULL) {
        free(key_out);
        free(cert_out);
        return failed(error, "cannot make the cluster's CA");
    }
    *key_pem = key_out;
    *cert_pem = cert_out;
    return true;
}

bool pki_make_request(const char *name, char **key_pem, char **csr_pem, char *error)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_REQ *req = X509_REQ_new();
    BIO *b = BIO_new(BIO_s_mem());
    bool ok = key != NULL && req != NULL && b != NULL &&
              add_name(X509_REQ_get_subject_name(req), "CN", name) &&
              X509_REQ_set_pubkey(req, key) == 1 && X509_REQ_sign(req, key, EVP_sha256()) > 0 &&
              PEM_write_bio_X509_REQ(b, req) == 1;
    char *key_out = ok ? key_text(key) : NULL, *csr_out = ok ? text_of(b) : NULL;
    if (!ok)
        BIO_free(b);
    X509_REQ_free(req);
    EVP_PKEY_free(key);
    if (key_out == NULL || csr_out == NULL) {
        free(key_out);
        free(csr_out);
        return failed(error, "cannot make a key and certificate request");
    }
    *key_pem = key_out;
    *csr_pem = csr_out;
    return true;
}

static bool describe(X509 *cert, X509 *ca, const struct pki_subject *s)
{
    X509_NAME *name = X509_get_subject_name(cert);
    char id[16], san[80];
    (void)snprintf(id, sizeof id, "%u", s->node_id);
    bool ok = add_name(name, "O", "Flotilla") &&
              add_name(name, "OU", s->role == TLS_ROLE_ADMIN ? "admin" : "node") &&
              (s->node_id == 0 || add_name(name, "serialNumber", id)) &&
              add_name(name, "CN", s->name) &&
              X509_set_issuer_name(cert, X509_get_subject_name(ca)) == 1 &&
              add_extension(cert, ca, NID_basic_constraints, "critical,CA:FALSE") &&
              add_extension(cert, ca, NID_key_usage, "critical,digitalSignature") &&
              add_extension(cert, ca, NID_ext_key_usage, "serverAuth,clientAuth");
    uint8_t binary[16];
    if (ok && s->address != NULL && s->address[0] != '\0') {
        /* A joining machine chose it, and more than an address would be read as more names. */
        if (inet_pton(AF_INET, s->address, binary) != 1 &&
            inet_pton(AF_INET6, s->address, binary) != 1)
            return false;
        (void)snprintf(san, sizeof san, "IP:%s", s->address);
        ok = add_extension(cert, ca, NID_subject_alt_name, san);
    }
    return ok;
}

char *pki_sign(struct slice csr_pem, const struct pki_issuer *issuer,
               const struct pki_subject *subject, char *error)
{
    BIO *csr_bio = BIO_new_mem_buf(csr_pem.at, (int)csr_pem.len);
    BIO *key_bio = BIO_new_mem_buf(issuer->key_pem.at, (int)issuer->key_pem.len);
    BIO *ca_bio = BIO_new_mem_buf(issuer->cert_pem.at, (int)issuer->cert_pem.len);
    X509_REQ *req = csr_bio ? PEM_read_bio_X509_REQ(csr_bio, NULL, NULL, NULL) : NULL;
    EVP_PKEY *ca_key = key_bio ? PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL) : NULL;
    X509 *ca = ca_bio ? PEM_read_bio_X509(ca_bio, NULL, NULL, NULL) : NULL;
    EVP_PKEY *key = req ? X509_REQ_get0_pubkey(req) : NULL;
    /* The signature on the request proves that the asker holds the key. */
    bool ok = key != NULL && ca_key != NULL && ca != NULL && X509_REQ_verify(req, key) == 1;
    X509 *cert = ok ? blank(key, issuer->days) : NULL;
    char *out = NULL;
    if (cert != NULL && describe(cert, ca, subject) && X509_sign(cert, ca_key, EVP_sha256()) > 0)
        out = cert_text(cert);
    if (out == NULL)
        (void)failed(error, "cannot sign the certificate request");
    X509_free(cert);
    X509_free(ca);
    EVP_PKEY_free(ca_key);
    X509_REQ_free(req);
    BIO_free(csr_bio);
    BIO_free(key_bio);
    BIO_free(ca_bio);
    return out;
}

bool pki_fingerprint(struct slice cert_pem, uint8_t out[32], char *error)
{
    BIO *b = BIO_new_mem_buf(cert_pem.at, (int)cert_pem.len);
    X509 *cert = b ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL;
    unsigned len = 0;
    bool ok = cert != NULL && X509_digest(cert, EVP_sha256(), out, &len) == 1 && len == 32;
    X509_free(cert);
    BIO_free(b);
    return ok || failed(error, "cannot read the certificate");
}

/* A rename lasts when its folder is on the disk. */
static int sync_folder_of(const char *path)
{
    char folder[4096] = ".";
    const char *slash = strrchr(path, '/');
    if (slash != NULL)
        (void)snprintf(folder, sizeof folder, "%.*s", (int)(slash == path ? 1 : slash - path),
                       path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = fsync(fd) != 0 ? -errno : 0;
    (void)close(fd);
    return r;
}

int pki_write_file(const char *path, struct slice bytes, unsigned mode)
{
    char temp[4096];
    if (snprintf(temp, sizeof temp, "%s.new", path) >= (int)sizeof temp)
        return -ENAMETOOLONG;
    (void)unlink(temp); /* what a crash left behind may have another mode, or be somebody's link */
    int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    int r = 0;
    while (bytes.len > 0 && r == 0) {
        ssize_t n = write(fd, bytes.at, bytes.len);
        if (n < 0)
            r = -errno;
        else
            bytes = slice_sub(bytes, (size_t)n, bytes.len - (size_t)n);
    }
    if (r == 0 && (fchmod(fd, mode) != 0 || fsync(fd) != 0))
        r = -errno;
    if (close(fd) != 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(temp, path) != 0)
        r = -errno;
    if (r != 0)
        (void)unlink(temp);
    return r != 0 ? r : sync_folder_of(path);
}
