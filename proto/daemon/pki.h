#pragma once
/* The cluster's certificates: ECDSA P-256, one CA of its own, made by `flotilla cluster init`. All
 * PEM texts are NUL-terminated malloc'ed strings the caller frees; NULL with a sentence in `error`
 * (TLS_ERROR_MAX bytes) when something failed. */
#include "proto/base/bytes.h"
#include "proto/daemon/tls.h"

struct pki_subject {
    const char *name;    /* CN */
    enum tls_role role;  /* OU */
    uint32_t node_id;    /* serialNumber; 0 for administrators */
    const char *address; /* IP for subjectAltName, or NULL */
};

/* A new key, and a self-signed CA certificate with it, good for ten years. False on failure. */
bool pki_make_ca(const char *cluster_name, char **key_pem, char **cert_pem, char *error);
/* A new key and a request to have `name` certified with it. The issuer decides the rest. */
bool pki_make_request(const char *name, char **key_pem, char **csr_pem, char *error);
/* Who signs, and for how long it is good. */
struct pki_issuer {
    struct slice key_pem, cert_pem; /* the CA's */
    int days;
};
/* Certifies the key in the request for `subject`; the request's own subject is ignored. */
char *pki_sign(struct slice csr_pem, const struct pki_issuer *issuer,
               const struct pki_subject *subject, char *error);
/* SHA-256 of the certificate's DER form. */
bool pki_fingerprint(struct slice cert_pem, uint8_t out[32], char *error);
/* Writes a file whole (temporary name, fsync, rename), with `mode`. 0 or -errno. */
int pki_write_file(const char *path, struct slice bytes, unsigned mode);
