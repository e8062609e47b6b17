#pragma once
/* Accepting a security context: SPNEGO, Kerberos or NTLM tokens in, an identity and keys out.
 *
 * A thin shell around MIT's GSSAPI and the gss-ntlmssp mechanism, used by the node's SMB login and
 * by the witness. Every call may block (keytab, key file, replay cache), so it belongs on a worker
 * thread. There is no global state: any number of contexts may be stepped at once, each by one
 * thread at a time (different threads for successive calls are fine).
 *
 *   gss_accept_new ── step(token) ──► CONTINUE ── send `out`, step(next token) ...
 *                        ├──► DONE      send `out` if not empty, then ask gss_accept_peer()
 *                        └──► REFUSED   send `out` if not empty, log gss_accept_error()
 *
 * A token is either wrapped in SPNEGO or bare: "NTLMSSP\0" (the Linux client sends that) and bare
 * Kerberos are recognised by their first bytes. */
#include "proto/base/bytes.h"

enum gss_mech { GSS_MECH_NONE, GSS_MECH_KRB5, GSS_MECH_NTLM };

/* Strings are copied by gss_accept_new. */
struct gss_accept_config {
    const char *service;      /* "cifs": with `hostname` the name NTLM answers to */
    const char *hostname;     /* the cluster's or the node's name. Kerberos accepts every key of
                                 the keytab, so that each name of the cluster may be used */
    const char *keytab;       /* path; NULL or a missing file: no Kerberos */
    const char *ntlm_keyfile; /* path, as proto/daemon/keyfile.h writes it; NULL: no NTLM */
};

/* Who came in. Valid after DONE until gss_accept_free; slices and strings are the context's. */
struct gss_peer {
    enum gss_mech mech;       /* NONE only when anonymous without a mechanism */
    bool anonymous;           /* an NTLM logon without a name: no keys, no identity, never a user */
    const char *name;         /* as the mechanism displays it: "alice@AD.TEST", "DOMAIN\alice" */
    const char *user;         /* "alice" */
    const char *domain;       /* "AD.TEST", "DOMAIN"; "" when unknown */
    struct slice session_key; /* what SMB derives its keys from: 16 bytes NTLM, 16 or 32 Kerberos */
    struct slice pac;         /* [MS-PAC], verified by the Kerberos library; empty without one */
    uint64_t lifetime_s;      /* until the ticket ends; UINT64_MAX when it does not */
};

enum gss_accept_status { GSS_ACCEPT_CONTINUE, GSS_ACCEPT_DONE, GSS_ACCEPT_REFUSED };

/* To be called once, before a process begins threads. The SPNEGO mechanism gives every name it is
 * told to the Kerberos library too, even when only NTLM is wanted, and that asks the DNS about it:
 * while the DNS is slow or cut off, nobody would log on. The addition to the process's KRB5_CONFIG
 * forbids it; what /etc/krb5.conf or the old KRB5_CONFIG says otherwise still counts. */
bool gss_accept_without_dns(void);

struct gss_accept;

/* NULL only when there is no memory. The configuration is judged by the first step. */
struct gss_accept *gss_accept_new(const struct gss_accept_config *config);
/* Accepts NULL. */
void gss_accept_free(struct gss_accept *g);

/* One leg. `out` is the token to send back: the context's memory, valid until the next call; it may
 * be empty, and may be present with REFUSED (an SPNEGO reject). After DONE or REFUSED no more
 * steps. */
enum gss_accept_status gss_accept_step(struct gss_accept *g, struct slice in, struct slice *out);

/* The NegTokenInit2 that the SMB2 NEGOTIATE response carries ([MS-SPNG] 3.2.5.2): the mechanisms
 * this configuration can really accept, Kerberos first. Written to `out`; false when there is none.
 */
bool gss_accept_hint(const struct gss_accept_config *config, struct writer *out);

/* After DONE only. */
const struct gss_peer *gss_accept_peer(const struct gss_accept *g);
/* Why it was REFUSED (or why a protect/verify failed), one clear sentence for the log: wrong key, a
 * service name this keytab does not know, clock skew, unknown user or wrong password. "" before. */
const char *gss_accept_error(const struct gss_accept *g);

/* --- Per-message protection of DCE/RPC PDUs, [MS-RPCE] 2.2.2.11 and 3.3.1.5.2.2. Header signing is
 * possible with every mechanism. A context is used with `seal` always or never. */

/* A PDU in pieces: `data` (stub and padding) is signed, and sealed in place when asked; `head` (the
 * PDU header) and `tail` (sec_trailer) are only signed, and only under header signing. */
struct gss_pdu {
    struct slice head;
    uint8_t *data;
    size_t data_len;
    struct slice tail;
    bool seal;        /* RPC_C_AUTHN_LEVEL_PKT_PRIVACY, else integrity */
    bool header_sign; /* negotiated by PFC_SUPPORT_HEADER_SIGN */
};

/* Length of auth_value for such PDUs; the same for every PDU of a context. 0 on failure. */
size_t gss_accept_token_size(struct gss_accept *g, bool seal);
/* Protects in place; `token` receives exactly gss_accept_token_size() bytes. False: see the error.
 */
bool gss_accept_protect(struct gss_accept *g, const struct gss_pdu *pdu, uint8_t *token,
                        size_t token_len);
/* Verifies and unseals in place. False when the PDU was not made by the peer: drop the connection.
 */
bool gss_accept_verify(struct gss_accept *g, const struct gss_pdu *pdu, struct slice token);
