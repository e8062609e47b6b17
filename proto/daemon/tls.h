#pragma once
/* TLS 1.3 between Flotilla's own daemons, with certificates of the cluster's CA on both ends.
 *
 * Through memory BIOs, so this does no I/O: ciphertext is fed in and taken out, and one module
 * serves io_uring, libuv and the simulator. A certificate's subject says who somebody is: CN the
 * name, OU the role ("node" or "admin"), serialNumber the node id. Nobody else gets in. */
#include "proto/base/bytes.h"

struct tls_context;
struct tls;

enum { TLS_ERROR_MAX = 256 };

enum tls_role { TLS_ROLE_NONE, TLS_ROLE_NODE, TLS_ROLE_ADMIN };

/* Who the other end is, by its certificate. */
struct tls_peer {
    enum tls_role role; /* NONE: it presented no certificate (see allow_anonymous) */
    char name[128];
    uint32_t node_id;
};

struct tls_files {
    const char *ca, *cert, *key; /* PEM paths; cert and key may be NULL for a joining client */
};

/* Loads and checks the files: readable, matching, in date, issued by the CA. NULL with a clear
 * sentence in `error` (TLS_ERROR_MAX bytes). */
struct tls_context *tls_context_new(const struct tls_files *files, char *error);
/* A client that trusts whoever holds the CA with this SHA-256 fingerprint (32 bytes, from a join
 * token), and presents no certificate of its own. */
struct tls_context *tls_context_joining(struct slice ca_fingerprint, char *error);
/* Accepts NULL. */
void tls_context_free(struct tls_context *c);
/* As a server, let clients without a certificate finish the handshake: their peer role is NONE. */
void tls_context_allow_anonymous(struct tls_context *c);

/* One connection; NULL when memory is refused. The context outlives it. */
struct tls *tls_new(struct tls_context *c, bool server);
/* Accepts NULL. */
void tls_free(struct tls *t);

enum tls_result {
    TLS_OK,
    TLS_WANT,   /* nothing to be had before more ciphertext comes */
    TLS_CLOSED, /* the other end said goodbye */
    TLS_FAILED, /* see tls_error; close the connection after sending what tls_pull gives */
};

/* Bytes from the network; takes all of them. TLS_FAILED when the connection is broken. Drives the
 * handshake; a client calls it once with an empty slice to begin. */
enum tls_result tls_feed(struct tls *t, struct slice ciphertext);
/* Is the handshake done, and who is it? */
bool tls_established(const struct tls *t);
const struct tls_peer *tls_peer(const struct tls *t);
/* Plaintext received: up to `cap` bytes to `to`; *got > 0 with TLS_OK. */
enum tls_result tls_read(struct tls *t, uint8_t *to, size_t cap, size_t *got);
/* Encrypts all of it; only when established. */
enum tls_result tls_write(struct tls *t, struct slice plaintext);
/* Ciphertext to send: up to `cap` bytes; 0 when there is none. */
size_t tls_pull(struct tls *t, uint8_t *to, size_t cap);
/* Bytes tls_pull would still give. */
size_t tls_pending(const struct tls *t);
/* Says goodbye: pull and send what it leaves. */
void tls_goodbye(struct tls *t);
/* What failed, one sentence: "the certificate of n2 was issued by another cluster", "... expired on
 * ..." Never NULL. */
const char *tls_error(const struct tls *t);
