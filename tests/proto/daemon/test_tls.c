/* covers: tls.c pki.c */
#include "proto/base/must.h"
#include "proto/base/prng.h"
#include "proto/daemon/pki.h"
#include "proto/daemon/tls.h"
#include "tests/lib/unit.h"
#include "tests/proto/daemon/identity.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char error[TLS_ERROR_MAX];

static const struct pki_subject node_1 = {
    .name = "n1", .role = TLS_ROLE_NODE, .node_id = 1, .address = "127.0.0.11"};
static const struct pki_subject node_2 = {.name = "n2", .role = TLS_ROLE_NODE, .node_id = 2};
static const struct pki_subject admin = {.name = "alice", .role = TLS_ROLE_ADMIN};

/* Carries what `from` has to say to `to`, in pieces of a random size. True when there was anything.
 */
static bool carry(struct tls *from, struct tls *to, struct prng *p)
{
    uint8_t piece[700];
    bool any = false;
    for (size_t n; (n = tls_pull(from, piece, 1 + prng_below(p, sizeof(piece)))) > 0; any = true)
        (void)tls_feed(to, slice_of(piece, n));
    return any;
}

static void shake_hands(struct tls *client, struct tls *server)
{
    struct prng p;
    prng_init(&p, 1);
    (void)tls_feed(client, (struct slice){0});
    bool any = true;
    while (any) {
        any = carry(client, server, &p);
        any = carry(server, client, &p) || any;
        uint8_t byte;
        size_t got;
        (void)tls_read(client, &byte, 1, &got); /* where a client meets the alert */
    }
}

/* Sends `len` bytes over and compares what arrives. */
static void say(struct tls *from, struct tls *to, size_t len)
{
    struct prng p;
    prng_init(&p, len);
    uint8_t *sent = malloc(len), *got = malloc(len);
    for (size_t i = 0; i < len; i++)
        sent[i] = (uint8_t)prng_u64(&p);
    assert_int_equal(tls_write(from, slice_of(sent, len)), TLS_OK);
    assert_true(tls_pending(from) > len);
    carry(from, to, &p);
    size_t have = 0;
    enum tls_result r = TLS_OK;
    for (size_t n; r == TLS_OK && have < len; have += r == TLS_OK ? n : 0)
        r = tls_read(to, got + have, len - have, &n);
    assert_int_equal(r, TLS_OK);
    assert_memory_equal(got, sent, len);
    size_t none;
    assert_int_equal(tls_read(to, got, 1, &none), TLS_WANT);
    free(sent), free(got);
}

static void test_handshake_and_data(void **state)
{
    (void)state;
    struct identity one = make_identity(&node_1, NULL, 30), two = make_identity(&admin, &one, 30);
    struct tls_context *a = context_of(&one), *b = context_of(&two);
    struct tls *server = tls_new(a, true), *client = tls_new(b, false);
    assert_false(tls_established(server));
    shake_hands(client, server);
    assert_true(tls_established(client) && tls_established(server));
    assert_int_equal(tls_peer(client)->role, TLS_ROLE_NODE);
    assert_string_equal(tls_peer(client)->name, "n1");
    assert_int_equal(tls_peer(client)->node_id, 1);
    assert_int_equal(tls_peer(server)->role, TLS_ROLE_ADMIN);
    assert_string_equal(tls_peer(server)->name, "alice");
    assert_int_equal(tls_peer(server)->node_id, 0);
    say(client, server, 1);
    say(server, client, 100000);
    say(client, server, 16384);

    struct prng p;
    prng_init(&p, 2);
    uint8_t byte;
    size_t got;
    tls_goodbye(client);
    carry(client, server, &p);
    assert_int_equal(tls_read(server, &byte, 1, &got), TLS_CLOSED);
    tls_free(server), tls_free(client), tls_free(NULL);
    tls_context_free(a), tls_context_free(b), tls_context_free(NULL);
    drop_identity(&one), drop_identity(&two);
}

static void test_other_cluster_is_refused(void **state)
{
    (void)state;
    struct identity one = make_identity(&node_1, NULL, 30),
                    stranger = make_identity(&node_2, NULL, 30);
    struct tls_context *a = context_of(&one), *b = context_of(&stranger);
    struct tls *server = tls_new(a, true), *client = tls_new(b, false);
    shake_hands(client, server);
    assert_false(tls_established(client) || tls_established(server));
    assert_non_null(strstr(tls_error(client), "of another cluster"));
    tls_free(server), tls_free(client);

    /* A client that trusts everybody still does not get in, and is told so. */
    struct identity fool = stranger;
    assert_int_equal(pki_write_file(fool.ca_path, slice_str(one.ca_cert), 0644), 0);
    struct tls_files files = {.ca = fool.ca_path, .cert = fool.cert_path, .key = fool.key_path};
    assert_null(tls_context_new(&files, error)); /* refused already when the files are read */
    assert_non_null(strstr(error, "is not of the cluster"));
    tls_context_free(a), tls_context_free(b);
    drop_identity(&one), drop_identity(&stranger);
}

/* A client made of plain OpenSSL that checks nothing and presents what it is given. */
struct raw_client {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
};

static struct raw_client raw_new(X509 *cert, EVP_PKEY *key, int version)
{
    struct raw_client c = {.ctx = SSL_CTX_new(TLS_client_method())};
    SSL_CTX_set_verify(c.ctx, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_max_proto_version(c.ctx, version);
    if (cert != NULL) {
        assert_int_equal(SSL_CTX_use_certificate(c.ctx, cert), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(c.ctx, key), 1);
    }
    c.ssl = SSL_new(c.ctx);
    c.in = BIO_new(BIO_s_mem()), c.out = BIO_new(BIO_s_mem());
    SSL_set_bio(c.ssl, c.in, c.out);
    SSL_set_connect_state(c.ssl);
    return c;
}

static void raw_shake_hands(struct raw_client *c, struct tls *server)
{
    uint8_t piece[4096];
    for (int round = 0; round < 10; round++) {
        (void)SSL_do_handshake(c->ssl);
        int n = BIO_read(c->out, piece, sizeof(piece));
        if (n > 0)
            (void)tls_feed(server, slice_of(piece, (size_t)n));
        size_t back = tls_pull(server, piece, sizeof(piece));
        if (back > 0)
            BIO_write(c->in, piece, (int)back);
    }
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
}

static X509 *cert_of(const char *pem)
{
    BIO *b = BIO_new_mem_buf(pem, -1);
    X509 *cert = PEM_read_bio_X509(b, NULL, NULL, NULL);
    BIO_free(b);
    return cert;
}

static EVP_PKEY *key_of(const char *pem)
{
    BIO *b = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
    BIO_free(b);
    return key;
}

static void test_bad_clients(void **state)
{
    (void)state;
    static const struct {
        const char *name, *says;
        long from_s, to_s; /* validity, relative to now; both 0: no certificate at all */
        int version;
    } rows[] = {
        {"in order", "", -10, 10000, TLS1_3_VERSION},
        {"expired", "'n2' has expired", -10000, -10, TLS1_3_VERSION},
        {"not yet valid", "'n2' is not yet valid", 1000, 10000, TLS1_3_VERSION},
        {"no certificate", "certificate", 0, 0, TLS1_3_VERSION},
        {"TLS 1.2", "handshake", -10, 10000, TLS1_2_VERSION},
    };
    struct identity one = make_identity(&node_1, NULL, 30), two = make_identity(&node_2, &one, 30);
    struct tls_context *context = context_of(&one);
    EVP_PKEY *ca_key = key_of(one.ca_key), *key = key_of(two.key);
    for (size_t i = 0; i < array_len(rows); i++) {
        X509 *cert = rows[i].to_s == 0 ? NULL : cert_of(two.cert);
        if (cert != NULL) {
            X509_gmtime_adj(X509_getm_notBefore(cert), rows[i].from_s);
            X509_gmtime_adj(X509_getm_notAfter(cert), rows[i].to_s);
            assert_true(X509_sign(cert, ca_key, EVP_sha256()) > 0);
        }
        struct raw_client client = raw_new(cert, key, rows[i].version);
        struct tls *server = tls_new(context, true);
        raw_shake_hands(&client, server);
        assert_row(rows[i].name, tls_established(server) == (i == 0));
        if (strstr(tls_error(server), rows[i].says) == NULL)
            fail_msg("row '%s' says '%s'", rows[i].name, tls_error(server));
        uint8_t byte;
        size_t got;
        enum tls_result r = tls_read(server, &byte, 1, &got);
        assert_row(rows[i].name, r == (i == 0 ? TLS_WANT : TLS_FAILED));
        tls_free(server);
        X509_free(cert);
    }
    EVP_PKEY_free(ca_key), EVP_PKEY_free(key);
    tls_context_free(context);
    drop_identity(&one), drop_identity(&two);
}

static void test_joining(void **state)
{
    (void)state;
    struct identity one = make_identity(&node_1, NULL, 30),
                    other = make_identity(&node_2, NULL, 30);
    for (int right = 0; right < 2; right++) {
        uint8_t print[32];
        assert_true(pki_fingerprint(slice_str(right ? one.ca_cert : other.ca_cert), print, error));
        struct tls_context *a = context_of(&one),
                           *j = tls_context_joining(slice_of(print, 32), error);
        tls_context_allow_anonymous(a);
        struct tls *server = tls_new(a, true), *client = tls_new(j, false);
        shake_hands(client, server);
        assert_int_equal(tls_established(client), right);
        if (right) {
            assert_int_equal(tls_peer(server)->role, TLS_ROLE_NONE);
            assert_string_equal(tls_peer(server)->name, "");
            say(client, server, 300);
        } else {
            assert_non_null(strstr(tls_error(client), "not the cluster the token is for"));
        }
        tls_free(server), tls_free(client);
        tls_context_free(a), tls_context_free(j);
    }
    drop_identity(&one), drop_identity(&other);
}

static void test_files_are_checked(void **state)
{
    (void)state;
    struct identity one = make_identity(&node_1, NULL, 30), two = make_identity(&node_2, &one, 30);
    struct identity old = make_identity(&node_2, &one, -1);
    const struct {
        const char *name, *ca, *cert, *key, *says;
    } rows[] = {
        {"no CA", "/nonexistent", one.cert_path, one.key_path, "cannot read the CA"},
        {"no certificate", one.ca_path, "/nonexistent", one.key_path, "cannot use certificate"},
        {"no key", one.ca_path, one.cert_path, "/nonexistent", "cannot use key"},
        {"key of another", one.ca_path, one.cert_path, two.key_path, "cannot use key"},
        {"key instead of certificate", one.ca_path, one.key_path, one.key_path,
         "cannot use certificate"},
        {"expired", one.ca_path, old.cert_path, old.key_path, "has expired"},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct tls_files files = {.ca = rows[i].ca, .cert = rows[i].cert, .key = rows[i].key};
        assert_row(rows[i].name, tls_context_new(&files, error) == NULL);
        if (strstr(error, rows[i].says) == NULL)
            fail_msg("row '%s' says '%s'", rows[i].name, error);
    }
    drop_identity(&one), drop_identity(&two), drop_identity(&old);
}

/* An administrator's certificate is of the cluster too, but nobody's server. */
static void test_administrator_is_no_server(void **state)
{
    (void)state;
    struct identity one = make_identity(&node_1, NULL, 30), two = make_identity(&admin, &one, 30);
    struct tls_context *a = context_of(&one), *b = context_of(&two);
    struct tls *server = tls_new(b, true), *client = tls_new(a, false);
    shake_hands(client, server);
    assert_false(tls_established(client));
    assert_string_equal(tls_error(client),
                        "the certificate of 'alice' is not a node's (OU 'admin')");
    tls_free(server), tls_free(client);
    tls_context_free(a), tls_context_free(b);
    drop_identity(&one), drop_identity(&two);
}

/* Whatever a broken or hostile network delivers ends in TLS_FAILED, never in plaintext. */
static void test_garbage(void **state)
{
    (void)state;
    struct identity one = make_identity(&node_1, NULL, 30);
    struct tls_context *context = context_of(&one);
    struct prng p;
    prng_init(&p, 3);
    for (int i = 0; i < 200; i++) {
        struct tls *server = tls_new(context, true), *client = tls_new(context, false);
        if (i % 2 == 0)
            shake_hands(client, server);
        uint8_t junk[64];
        for (size_t k = 0; k < sizeof(junk); k++)
            junk[k] = (uint8_t)prng_u64(&p);
        junk[0] = 0x17; /* an application data record */
        junk[1] = junk[2] = 3, junk[3] = 0, junk[4] = 30;
        (void)tls_feed(server, slice_of(junk, sizeof(junk)));
        uint8_t byte;
        size_t got;
        assert_int_equal(tls_read(server, &byte, 1, &got), TLS_FAILED);
        assert_true(tls_error(server)[0] != '\0');
        assert_int_equal(tls_feed(server, slice_of(junk, 1)), TLS_FAILED);
        tls_free(server), tls_free(client);
    }
    tls_context_free(context);
    drop_identity(&one);
}

static void test_pki(void **state)
{
    (void)state;
    struct identity one = make_identity(&node_1, NULL, 30);
    struct stat st;
    assert_int_equal(stat(one.key_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(pki_write_file(one.key_path, slice_str("x"), 0600), 0); /* replaces */
    assert_int_equal(stat(one.key_path, &st), 0);
    assert_int_equal(st.st_size, 1);
    assert_true(pki_write_file("/nonexistent/key.pem", slice_str("x"), 0600) < 0);

    X509 *ca = cert_of(one.ca_cert), *cert = cert_of(one.cert);
    assert_int_equal(X509_check_ca(ca), 1);
    assert_int_equal(X509_check_ca(cert), 0);
    assert_int_equal(X509_check_ip_asc(cert, "127.0.0.11", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert, "127.0.0.12", 0), 0);
    int days, seconds;
    assert_int_equal(ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(ca)), 1);
    assert_in_range(days, 3649, 3650);
    X509_free(ca), X509_free(cert);

    uint8_t print[32];
    assert_false(pki_fingerprint(slice_str("no certificate"), print, error));
    const struct pki_subject forged = {
        .name = "n9", .role = TLS_ROLE_NODE, .node_id = 9, .address = "10.0.0.9,DNS:n1"};
    char *key, *csr;
    assert_true(pki_make_request("n9", &key, &csr, error));
    const struct pki_issuer issuer = {slice_str(one.ca_key), slice_str(one.ca_cert), 30};
    assert_null(pki_sign(slice_str(csr), &issuer, &forged, error));
    free(key), free(csr);
    assert_null(pki_sign(slice_str("no request"), &issuer, &node_1, error));
    drop_identity(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake_and_data),
        cmocka_unit_test(test_other_cluster_is_refused),
        cmocka_unit_test(test_bad_clients),
        cmocka_unit_test(test_joining),
        cmocka_unit_test(test_files_are_checked),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_pki),
        cmocka_unit_test(test_administrator_is_no_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
