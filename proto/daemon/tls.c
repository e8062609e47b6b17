#include "proto/daemon/tls.h"

#include "proto/base/must.h"
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tls_context {
    SSL_CTX *ssl;
    bool allow_anonymous;
    bool pinned; /* joining: the CA is known by its fingerprint only */
    uint8_t fingerprint[32];
};

struct tls {
    struct tls_context *context;
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
    bool server, failed, closed;
    struct tls_peer peer;
    char error[TLS_ERROR_MAX];
};

static void openssl_text(char *error, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    char text[160] = "unknown error";
    if (code != 0)
        ERR_error_string_n(code, text, sizeof text);
    (void)snprintf(error, TLS_ERROR_MAX, "%s: %s", what, text);
    ERR_clear_error();
}

/* Where the verification callback finds the connection. Index made once, at first use. */
static int connection_index(void)
{
    static int index = -1;
    if (index < 0)
        index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    return index;
}

static void name_of(const X509 *cert, int nid, char *to, size_t cap)
{
    to[0] = '\0';
    if (cert == NULL)
        return;
    (void)X509_NAME_get_text_by_NID(X509_get_subject_name(cert), nid, to, (int)cap);
}

/* Turns OpenSSL's verdict on a certificate into a sentence an administrator can act on. */
static void explain(struct tls *t, X509_STORE_CTX *store)
{
    char subject[128], issuer[128] = "";
    X509 *cert = X509_STORE_CTX_get_current_cert(store);
    name_of(cert, NID_commonName, subject, sizeof subject);
    if (cert != NULL)
        (void)X509_NAME_get_text_by_NID(X509_get_issuer_name(cert), NID_commonName, issuer,
                                        sizeof issuer);
    int code = X509_STORE_CTX_get_error(store);
    switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        (void)snprintf(t->error, sizeof t->error, "the certificate of '%s' has expired", subject);
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        (void)snprintf(t->error, sizeof t->error,
                       "the certificate of '%s' is not yet valid: is a clock wrong?", subject);
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        (void)snprintf(t->error, sizeof t->error,
                       "the certificate of '%s' is of another cluster (issued by '%s')", subject,
                       issuer);
        break;
    default: /* any of some eighty codes */
        (void)snprintf(t->error, sizeof t->error, "the certificate of '%s' is refused: %s", subject,
                       X509_verify_cert_error_string(code));
    }
}

/* A joining client: the chain must end in the CA whose fingerprint the token named. */
static bool pinned_chain_ok(const struct tls *t, X509_STORE_CTX *store)
{
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store);
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    for (int i = 0; sent != NULL && i < sk_X509_num(sent); i++) {
        X509 *ca = sk_X509_value(sent, i);
        uint8_t digest[32];
        unsigned len = 0;
        if (X509_digest(ca, EVP_sha256(), digest, &len) != 1 || len != sizeof digest ||
            memcmp(digest, t->context->fingerprint, sizeof digest) != 0)
            continue;
        return X509_check_ca(ca) == 1 && X509_verify(leaf, X509_get0_pubkey(ca)) == 1 &&
               X509_cmp_current_time(X509_get0_notAfter(leaf)) > 0;
    }
    return false;
}

static int verify_certificate(X509_STORE_CTX *store, void *unused)
{
    (void)unused;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *t = SSL_get_ex_data(ssl, connection_index());
    if (t->context->pinned) {
        if (pinned_chain_ok(t, store))
            return 1;
        (void)snprintf(t->error, sizeof t->error, "this is not the cluster the token is for");
        X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
        return 0;
    }
    if (X509_verify_cert(store) == 1)
        return 1;
    explain(t, store);
    return 0;
}

static SSL_CTX *bare_context(char *error)
{
    (void)connection_index(); /* made here, before there can be threads */
    SSL_CTX *ssl = SSL_CTX_new(TLS_method());
    if (ssl == NULL || SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) != 1) {
        openssl_text(error, "cannot set up TLS 1.3");
        SSL_CTX_free(ssl);
        return NULL;
    }
    /* AES-128-GCM first: the fastest with AES instructions. No tickets: every connection proves
     * itself. */
    (void)SSL_CTX_set_ciphersuites(ssl, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384");
    (void)SSL_CTX_set_num_tickets(ssl, 0);
    (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_cert_verify_callback(ssl, verify_certificate, NULL);
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_mode(ssl,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return ssl;
}

static bool load_own_certificate(SSL_CTX *ssl, const struct tls_files *files, char *error)
{
    char what[TLS_ERROR_MAX];
    (void)snprintf(what, sizeof what, "cannot use certificate %.100s", files->cert);
    if (SSL_CTX_use_certificate_chain_file(ssl, files->cert) != 1) {
        openssl_text(error, what);
        return false;
    }
    (void)snprintf(what, sizeof what, "cannot use key %.100s", files->key);
    if (SSL_CTX_use_PrivateKey_file(ssl, files->key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ssl) != 1) {
        openssl_text(error, what);
        return false;
    }
    const X509 *own = SSL_CTX_get0_certificate(ssl);
    if (X509_cmp_current_time(X509_get0_notAfter(own)) <= 0) {
        (void)snprintf(error, TLS_ERROR_MAX, "the certificate %.100s has expired", files->cert);
        return false;
    }
    X509_STORE_CTX *check = X509_STORE_CTX_new();
    bool ours = check != NULL &&
                X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(ssl), (X509 *)(uintptr_t)own,
                                    NULL) == 1 &&
                X509_verify_cert(check) == 1;
    if (!ours)
        (void)snprintf(error, TLS_ERROR_MAX,
                       "the certificate %.80s is not of the cluster whose CA is %.80s", files->cert,
                       files->ca);
    X509_STORE_CTX_free(check);
    return ours;
}

/* The CA goes along with our certificate, so that a joining machine can know it by its fingerprint.
 */
static void send_ca_too(SSL_CTX *ssl, const char *ca_path)
{
    BIO *file = BIO_new_file(ca_path, "r");
    X509 *ca = file ? PEM_read_bio_X509(file, NULL, NULL, NULL) : NULL;
    if (ca != NULL && SSL_CTX_add_extra_chain_cert(ssl, ca) != 1)
        X509_free(ca);
    BIO_free(file);
}

struct tls_context *tls_context_new(const struct tls_files *files, char *error)
{
    struct tls_context *c = calloc(1, sizeof *c);
    if (c == NULL || (c->ssl = bare_context(error)) == NULL) {
        free(c);
        return NULL;
    }
    char what[TLS_ERROR_MAX];
    (void)snprintf(what, sizeof what, "cannot read the CA certificate %.100s", files->ca);
    if (SSL_CTX_load_verify_locations(c->ssl, files->ca, NULL) != 1) {
        openssl_text(error, what);
        tls_context_free(c);
        return NULL;
    }
    if (files->cert != NULL) {
        if (!load_own_certificate(c->ssl, files, error)) {
            tls_context_free(c);
            return NULL;
        }
        send_ca_too(c->ssl, files->ca);
    }
    SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return c;
}

struct tls_context *tls_context_joining(struct slice ca_fingerprint, char *error)
{
    struct tls_context *c = calloc(1, sizeof *c);
    if (c == NULL || (c->ssl = bare_context(error)) == NULL) {
        free(c);
        return NULL;
    }
    must(ca_fingerprint.len == sizeof c->fingerprint);
    memcpy(c->fingerprint, ca_fingerprint.at, sizeof c->fingerprint);
    c->pinned = true;
    return c;
}

void tls_context_free(struct tls_context *c)
{
    if (c == NULL)
        return;
    SSL_CTX_free(c->ssl);
    free(c);
}

void tls_context_allow_anonymous(struct tls_context *c)
{
    c->allow_anonymous = true;
    SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER, NULL);
}

struct tls *tls_new(struct tls_context *c, bool server)
{
    struct tls *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->context = c;
    t->server = server;
    t->ssl = SSL_new(c->ssl);
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    if (t->ssl == NULL || t->in == NULL || t->out == NULL) {
        BIO_free(t->in);
        BIO_free(t->out);
        SSL_free(t->ssl);
        free(t);
        return NULL;
    }
    (void)SSL_set_ex_data(t->ssl, connection_index(), t);
    SSL_set_bio(t->ssl, t->in, t->out);
    if (server)
        SSL_set_accept_state(t->ssl);
    else
        SSL_set_connect_state(t->ssl);
    return t;
}

void tls_free(struct tls *t)
{
    if (t == NULL)
        return;
    SSL_free(t->ssl);
    free(t);
}

static enum tls_result fail(struct tls *t, const char *what)
{
    t->failed = true;
    if (t->error[0] == '\0')
        openssl_text(t->error, what);
    ERR_clear_error();
    return TLS_FAILED;
}

/* Who is it, by the subject? False, with the reason in t->error, when nobody may be that: a
 * certificate of the cluster's CA without a role of ours, or an administrator's on a machine that
 * plays server. */
static bool learn_peer(struct tls *t)
{
    X509 *cert = SSL_get0_peer_certificate(t->ssl);
    char role[32], id[16];
    if (cert == NULL)
        return true; /* anonymous: only contexts that allow it come this far */
    name_of(cert, NID_commonName, t->peer.name, sizeof t->peer.name);
    name_of(cert, NID_organizationalUnitName, role, sizeof role);
    name_of(cert, NID_serialNumber, id, sizeof id);
    if (strcmp(role, "node") == 0)
        t->peer.role = TLS_ROLE_NODE;
    else if (strcmp(role, "admin") == 0)
        t->peer.role = TLS_ROLE_ADMIN;
    t->peer.node_id = (uint32_t)strtoul(id, NULL, 10);
    if (t->peer.role == TLS_ROLE_NODE || (t->peer.role == TLS_ROLE_ADMIN && t->server))
        return true;
    (void)snprintf(t->error, sizeof t->error,
                   "the certificate of '%.100s' is not a node's (OU '%s')", t->peer.name, role);
    return false;
}

/* The other end's alert, which arrives as an error here, names our fault rather than theirs. */
static enum tls_result handshake_failed(struct tls *t)
{
    int reason = ERR_GET_REASON(ERR_peek_last_error());
    if (t->error[0] == '\0' &&
        (reason == SSL_R_TLSV1_ALERT_UNKNOWN_CA || reason == SSL_R_SSLV3_ALERT_BAD_CERTIFICATE))
        (void)snprintf(
            t->error, sizeof t->error,
            "the other end does not accept our certificate: it belongs to another cluster");
    return fail(t, "TLS handshake");
}

enum tls_result tls_feed(struct tls *t, struct slice ciphertext)
{
    if (t->failed)
        return TLS_FAILED;
    size_t done = 0;
    if (ciphertext.len > 0 &&
        (BIO_write_ex(t->in, ciphertext.at, ciphertext.len, &done) != 1 || done != ciphertext.len))
        return fail(t, "out of memory");
    if (SSL_is_init_finished(t->ssl))
        return TLS_OK;
    ERR_clear_error();
    int r = SSL_do_handshake(t->ssl);
    if (r == 1)
        return learn_peer(t) ? TLS_OK : fail(t, "TLS handshake");
    return SSL_get_error(t->ssl, r) == SSL_ERROR_WANT_READ ? TLS_WANT : handshake_failed(t);
}

bool tls_established(const struct tls *t) { return !t->failed && SSL_is_init_finished(t->ssl); }
const struct tls_peer *tls_peer(const struct tls *t) { return &t->peer; }

enum tls_result tls_read(struct tls *t, uint8_t *to, size_t cap, size_t *got)
{
    if (t->failed)
        return TLS_FAILED;
    if (!SSL_is_init_finished(t->ssl))
        return TLS_WANT;
    ERR_clear_error();
    size_t n = 0;
    int r = SSL_read_ex(t->ssl, to, cap, &n);
    if (r == 1) {
        *got = n;
        return TLS_OK;
    }
    switch (SSL_get_error(t->ssl, r)) {
    case SSL_ERROR_WANT_READ: return TLS_WANT;
    case SSL_ERROR_ZERO_RETURN: return TLS_CLOSED;
    default: return handshake_failed(t); /* a client learns here that its certificate was refused */
    }
}

enum tls_result tls_write(struct tls *t, struct slice plaintext)
{
    must(tls_established(t));
    while (plaintext.len > 0) {
        size_t n = 0;
        ERR_clear_error();
        if (SSL_write_ex(t->ssl, plaintext.at, plaintext.len, &n) != 1)
            return fail(t, "TLS write"); /* a memory BIO is never full: only a broken connection */
        plaintext = slice_sub(plaintext, n, plaintext.len - n);
    }
    return TLS_OK;
}

size_t tls_pull(struct tls *t, uint8_t *to, size_t cap)
{
    size_t n = 0;
    if (BIO_ctrl_pending(t->out) == 0 || BIO_read_ex(t->out, to, cap, &n) != 1)
        return 0;
    return n;
}

size_t tls_pending(const struct tls *t) { return BIO_ctrl_pending(t->out); }

void tls_goodbye(struct tls *t)
{
    if (tls_established(t))
        (void)SSL_shutdown(t->ssl);
    ERR_clear_error();
}

const char *tls_error(const struct tls *t) { return t->error; }
