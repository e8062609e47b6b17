#include "proto/daemon/gss.h"
#include "proto/base/must.h"
#include "proto/daemon/ntlm_seal.h"
#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <krb5.h>
#include <profile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static gss_OID_desc spnego_oid = {6, "\x2b\x06\x01\x05\x05\x02"};
static gss_OID_desc krb5_oid = {9, "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"};
static gss_OID_desc krb5_ms_oid = {9, "\x2a\x86\x48\x82\xf7\x12\x01\x02\x02"};
static gss_OID_desc ntlm_oid = {10, "\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a"};
/* GSS_C_INQ_SSPI_SESSION_KEY, which both mechanisms answer. */
static gss_OID_desc session_key_oid = {11, "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x05\x05"};

struct gss_accept {
    char *service_name; /* "cifs@host" */
    char *keytab, *ntlm_keyfile;
    bool spnego;
    enum gss_mech mech; /* chosen by the first token */
    bool begun, finished;
    bool lacks_keytab; /* the client came with Kerberos, which is impossible here */
    gss_cred_id_t cred;
    gss_ctx_id_t ctx;
    gss_name_t source;
    gss_buffer_desc out;
    gss_buffer_set_t key;
    gss_buffer_desc pac;
    char *name, *user, *domain;
    uint32_t ntlm_flags; /* of the AUTHENTICATE_MESSAGE */
    bool can_seal_ntlm;
    struct ntlm_seal ntlm_seal;
    struct gss_peer peer;
    char error[512];
};

/* --- life ------------------------------------------------------------------------------------- */

static char *copy_text(const char *text) { return text == NULL ? NULL : strdup(text); }

struct gss_accept *gss_accept_new(const struct gss_accept_config *config)
{
    struct gss_accept *g = calloc(1, sizeof *g);
    if (g == NULL)
        return NULL;
    size_t len = strlen(config->service) + strlen(config->hostname) + 2;
    g->service_name = malloc(len);
    g->keytab = copy_text(config->keytab);
    g->ntlm_keyfile = copy_text(config->ntlm_keyfile);
    if (g->service_name == NULL || (config->keytab != NULL && g->keytab == NULL) ||
        (config->ntlm_keyfile != NULL && g->ntlm_keyfile == NULL)) {
        gss_accept_free(g);
        return NULL;
    }
    (void)snprintf(g->service_name, len, "%s@%s", config->service, config->hostname);
    return g;
}

void gss_accept_free(struct gss_accept *g)
{
    if (g == NULL)
        return;
    OM_uint32 minor;
    (void)gss_release_buffer(&minor, &g->out);
    (void)gss_release_buffer(&minor, &g->pac);
    (void)gss_release_buffer_set(&minor, &g->key);
    (void)gss_release_name(&minor, &g->source);
    (void)gss_delete_sec_context(&minor, &g->ctx, GSS_C_NO_BUFFER);
    (void)gss_release_cred(&minor, &g->cred);
    free(g->service_name);
    free(g->keytab);
    free(g->ntlm_keyfile);
    free(g->name);
    free(g->user);
    free(g->domain);
    free(g);
}

bool gss_accept_without_dns(void)
{
    static const char text[] = "[libdefaults]\ndns_canonicalize_hostname = false\nrdns = false\n";
    const char *others = getenv("KRB5_CONFIG");
    char paths[4096];
    int fd = memfd_create("krb5.conf", MFD_CLOEXEC); /* read whenever a context begins */
    if (fd < 0 || write(fd, text, sizeof text - 1) != (ssize_t)(sizeof text - 1))
        return false;
    int len = snprintf(paths, sizeof paths, "/proc/self/fd/%d:%s", fd,
                       others != NULL ? others : "/etc/krb5.conf");
    return len < (int)sizeof paths && setenv("KRB5_CONFIG", paths, 1) == 0;
}

/* --- saying why ------------------------------------------------------------------------------- */

/* What an administrator can do about the texts of the Kerberos library that come up in practice. */
static const struct {
    const char *text, *advice;
} advices[] = {
    {"Clock skew", "the clocks of client and server differ too much: check time synchronisation"},
    {"likely out of date", "the domain has another version of our key than the keytab: renew it"},
    {"cannot decrypt ticket", "the keytab's key is not the one the domain uses: renew the keytab"},
    {"not found in keytab", "the client's ticket is for a service name (SPN) this keytab lacks"},
    {"No key table entry", "the client's ticket is for a service name (SPN) this keytab lacks"},
    {"rong principal", "the client's ticket is for another service name (SPN)"},
    {"Decrypt integrity check",
     "the keytab's key is not the one the domain uses: renew the keytab"},
    {"Ticket expired", "the client's ticket has expired"},
    {"replay", "the same authenticator was seen before"},
    {"unsupported mechanism", "the client offers no mechanism that is accepted here"},
};

static void append_status(char *to, size_t size, OM_uint32 code, int type, gss_OID mech)
{
    OM_uint32 minor, context = 0;
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    size_t len = strlen(to);
    if (gss_display_status(&minor, code, type, mech, &context, &text) == GSS_S_COMPLETE &&
        len < size)
        (void)snprintf(to + len, size - len, "%s%.*s", len == 0 ? "" : ": ", (int)text.length,
                       (const char *)text.value);
    (void)gss_release_buffer(&minor, &text);
}

static void explain(struct gss_accept *g, const char *doing, OM_uint32 major, OM_uint32 minor)
{
    char text[384] = "";
    if (GSS_ROUTINE_ERROR(major) != GSS_S_FAILURE || minor == 0) /* "unspecified" says nothing */
        append_status(text, sizeof text, major, GSS_C_GSS_CODE, GSS_C_NO_OID);
    gss_OID mech = g->mech == GSS_MECH_NTLM ? &ntlm_oid : &krb5_oid;
    if (minor != 0)
        append_status(text, sizeof text, minor, GSS_C_MECH_CODE, g->spnego ? &spnego_oid : mech);
    const char *advice = "";
    for (size_t i = 0; i < array_len(advices) && *advice == 0; i++) {
        if (strstr(text, advices[i].text) != NULL)
            advice = advices[i].advice;
    }
    if (g->lacks_keytab && GSS_ROUTINE_ERROR(major) == GSS_S_BAD_MECH)
        advice = "the client offers Kerberos only, and no usable keytab is configured";
    /* gss-ntlmssp gives no reason beyond failure. */
    if (g->mech == GSS_MECH_NTLM && *advice == 0 && strcmp(doing, "logon") == 0)
        advice = "unknown user or wrong password";
    const char *mech_name = g->mech == GSS_MECH_NTLM ? "NTLM" : "Kerberos";
    (void)snprintf(g->error, sizeof g->error, "%s: %s failed%s%s (%.300s)", mech_name, doing,
                   *advice == 0 ? "" : ": ", advice, text);
}

const char *gss_accept_error(const struct gss_accept *g) { return g->error; }

/* --- choosing the mechanism ------------------------------------------------------------------- */

static const uint8_t *find_bytes(struct slice in, const void *what, size_t len)
{
    return in.len == 0 ? NULL : memmem(in.at, in.len, what, len);
}

/* SPNEGO is a NegTokenInit under its own OID, near the front; a bare Kerberos token has another OID
 * there, or is a bare AP-REQ (DCE style). */
static bool is_spnego(struct slice in)
{
    struct slice head = slice_sub(in, 0, in.len < 20 ? in.len : 20);
    return find_bytes(head, "\x06\x06\x2b\x06\x01\x05\x05\x02", 8) != NULL;
}

static bool have_keytab(const char *path) { return path != NULL && access(path, R_OK) == 0; }

/* A credential holds one mechanism only, because the two want different names: NTLM a host-based
 * one (else gss-ntlmssp takes the store for a user's), Kerberos none (so that every name in the
 * keytab is answered to, in any case a client may write it). What the client tries first decides.
 */
static void choose_mech(struct gss_accept *g, struct slice in)
{
    g->spnego = is_spnego(in);
    bool ntlm = find_bytes(in, "NTLMSSP", 8) != NULL;
    bool krb5 = !g->spnego || find_bytes(in, krb5_oid.elements, krb5_oid.length) != NULL ||
                find_bytes(in, krb5_ms_oid.elements, krb5_ms_oid.length) != NULL;
    g->lacks_keytab = !ntlm && krb5 && !have_keytab(g->keytab);
    g->mech = !ntlm && krb5 && !g->lacks_keytab ? GSS_MECH_KRB5 : GSS_MECH_NTLM;
}

static bool acquire(struct gss_accept *g)
{
    bool ntlm = g->mech == GSS_MECH_NTLM;
    if (ntlm && g->ntlm_keyfile == NULL) {
        (void)snprintf(g->error, sizeof g->error,
                       "%s: NTLM is not allowed here and no usable keytab is configured",
                       g->service_name);
        return false;
    }
    gss_OID mech = ntlm ? &ntlm_oid : &krb5_oid;
    gss_OID_set_desc inner = {1, mech}, outer = {1, g->spnego ? &spnego_oid : mech};
    gss_key_value_element_desc pair = {ntlm ? "ntlmssp_keyfile" : "keytab",
                                       ntlm ? g->ntlm_keyfile : g->keytab};
    gss_key_value_set_desc store = {1, &pair};
    gss_name_t name = GSS_C_NO_NAME;
    OM_uint32 major = GSS_S_COMPLETE, minor = 0, ignored;
    if (ntlm) {
        gss_buffer_desc text = {strlen(g->service_name), g->service_name};
        major = gss_import_name(&minor, &text, GSS_C_NT_HOSTBASED_SERVICE, &name);
    }
    if (!GSS_ERROR(major))
        major = gss_acquire_cred_from(&minor, name, GSS_C_INDEFINITE, &outer, GSS_C_ACCEPT, &store,
                                      &g->cred, NULL, NULL);
    if (!GSS_ERROR(major) && g->spnego)
        major = gss_set_neg_mechs(&minor, g->cred, &inner);
    (void)gss_release_name(&ignored, &name);
    if (GSS_ERROR(major))
        explain(g, ntlm ? "opening the key file" : "opening the keytab", major, minor);
    return !GSS_ERROR(major);
}

/* --- the identity ----------------------------------------------------------------------------- */

/* What is wanted of an AUTHENTICATE_MESSAGE, [MS-NLMP] 2.2.1.3, wherever it lies in the token. */
struct authenticate {
    uint16_t lm_len, nt_len, user_len;
    uint32_t flags;
};

static bool find_authenticate(struct slice in, struct authenticate *out)
{
    const uint8_t *at = find_bytes(in, "NTLMSSP\0\x03\0\0", 12);
    if (at == NULL)
        return false;
    struct reader r = reader_of(slice_of(at, in.len - (size_t)(at - in.at)));
    read_skip(&r, 12);
    out->lm_len = read_u16(&r);
    read_skip(&r, 6);
    out->nt_len = read_u16(&r);
    read_skip(&r, 6 + 8);
    out->user_len = read_u16(&r);
    read_skip(&r, 6 + 8 + 8);
    out->flags = read_u32(&r);
    return !r.bad;
}

/* [MS-NLMP] 3.2.5.1.2: no user and no NT response. */
static bool is_anonymous(const struct authenticate *a)
{
    return a->user_len == 0 && a->nt_len == 0 && a->lm_len <= 1;
}

static enum gss_accept_status accept_anonymous(struct gss_accept *g, struct slice *out)
{
    /* NegTokenResp { negState accept-completed }. */
    static const uint8_t done[] = {0xa1, 0x07, 0x30, 0x05, 0xa0, 0x03, 0x0a, 0x01, 0x00};
    g->finished = true;
    g->peer = (struct gss_peer){.mech = GSS_MECH_NTLM,
                                .anonymous = true,
                                .name = "anonymous",
                                .user = "",
                                .domain = "",
                                .lifetime_s = UINT64_MAX};
    *out = g->spnego ? slice_of(done, sizeof done) : (struct slice){0};
    return GSS_ACCEPT_DONE;
}

/* "alice@AD.TEST" or "DOMAIN\alice" into its halves. */
static bool split_name(struct gss_accept *g)
{
    char *back = strchr(g->name, '\\'), *at = strrchr(g->name, '@');
    if (g->mech == GSS_MECH_NTLM && back != NULL) {
        g->domain = strndup(g->name, (size_t)(back - g->name));
        g->user = strdup(back + 1);
    } else if (at != NULL) {
        g->user = strndup(g->name, (size_t)(at - g->name));
        g->domain = strdup(at + 1);
    } else {
        g->user = strdup(g->name);
        g->domain = strdup("");
    }
    return g->user != NULL && g->domain != NULL;
}

static void fetch_pac(struct gss_accept *g)
{
    gss_buffer_desc attribute = {10, "urn:mspac:"}, display = GSS_C_EMPTY_BUFFER;
    int authenticated = 0, complete = 0, more = -1;
    OM_uint32 minor, major = gss_get_name_attribute(&minor, g->source, &attribute, &authenticated,
                                                    &complete, &g->pac, &display, &more);
    (void)gss_release_buffer(&minor, &display);
    /* A PAC whose server signature was not verified says nothing. */
    if ((GSS_ERROR(major) || !authenticated) && g->pac.length > 0)
        (void)gss_release_buffer(&minor, &g->pac);
}

enum { CLOCK_SKEW_S = 300 }; /* what the Kerberos library takes without a setting */

/* By how much the Kerberos library lets clocks differ: it adds that to the life of a ticket. */
static uint32_t clock_skew_s(void)
{
    krb5_context ctx = NULL;
    profile_t profile = NULL;
    int skew = CLOCK_SKEW_S;
    if (krb5_init_context(&ctx) != 0)
        return CLOCK_SKEW_S;
    if (krb5_get_profile(ctx, &profile) == 0) {
        if (profile_get_integer(profile, "libdefaults", "clockskew", NULL, CLOCK_SKEW_S, &skew) !=
            0)
            skew = CLOCK_SKEW_S;
        profile_release(profile);
    }
    krb5_free_context(ctx);
    return skew < 0 ? CLOCK_SKEW_S : (uint32_t)skew;
}

/* Until the ticket ends and no longer: a session that outlives it outlives the user's rights. */
static uint64_t life_of(const struct gss_accept *g, OM_uint32 lifetime)
{
    if (lifetime == GSS_C_INDEFINITE)
        return UINT64_MAX;
    uint32_t skew = g->mech == GSS_MECH_KRB5 ? clock_skew_s() : 0;
    return lifetime > skew ? lifetime - skew : 0;
}

static bool learn_peer(struct gss_accept *g, OM_uint32 flags, OM_uint32 lifetime)
{
    OM_uint32 minor = 0;
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    OM_uint32 major = gss_display_name(&minor, g->source, &text, NULL);
    if (GSS_ERROR(major)) {
        explain(g, "reading the client's name", major, minor);
        return false;
    }
    g->name = strndup(text.value, text.length);
    (void)gss_release_buffer(&minor, &text);
    if (g->name == NULL || !split_name(g))
        return false;
    major = gss_inquire_sec_context_by_oid(&minor, g->ctx, &session_key_oid, &g->key);
    if (GSS_ERROR(major) || g->key == NULL || g->key->count == 0) {
        explain(g, "reading the session key", major, minor);
        return false;
    }
    struct slice key = slice_of(g->key->elements[0].value, g->key->elements[0].length);
    if (g->mech == GSS_MECH_KRB5)
        fetch_pac(g);
    else
        g->can_seal_ntlm = ntlm_seal_init(&g->ntlm_seal, key, g->ntlm_flags);
    g->peer = (struct gss_peer){
        .mech = g->mech,
        .anonymous = (flags & GSS_C_ANON_FLAG) != 0,
        .name = g->name,
        .user = g->user,
        .domain = g->domain,
        .session_key = key,
        .pac = slice_of(g->pac.value, g->pac.length),
        .lifetime_s = life_of(g, lifetime),
    };
    return true;
}

static enum gss_accept_status refuse(struct gss_accept *g)
{
    g->finished = true;
    return GSS_ACCEPT_REFUSED;
}

enum gss_accept_status gss_accept_step(struct gss_accept *g, struct slice in, struct slice *out)
{
    must(!g->finished);
    *out = (struct slice){0};
    OM_uint32 major, minor, ignored, flags = 0, lifetime = 0;
    if (!g->begun) {
        choose_mech(g, in);
        g->begun = true;
        if (!acquire(g))
            return refuse(g);
    }
    struct authenticate authenticate;
    if (g->mech == GSS_MECH_NTLM && find_authenticate(in, &authenticate)) {
        if (is_anonymous(&authenticate))
            return accept_anonymous(g, out);
        g->ntlm_flags = authenticate.flags;
    }
    (void)gss_release_buffer(&ignored, &g->out);
    (void)gss_release_name(&ignored, &g->source);
    gss_buffer_desc token = {in.len, (void *)(uintptr_t)in.at};
    major = gss_accept_sec_context(&minor, &g->ctx, g->cred, &token, GSS_C_NO_CHANNEL_BINDINGS,
                                   &g->source, NULL, &g->out, &flags, &lifetime, NULL);
    *out = slice_of(g->out.value, g->out.length);
    if (GSS_ERROR(major)) {
        explain(g, "logon", major, minor);
        return refuse(g);
    }
    if (major & GSS_S_CONTINUE_NEEDED)
        return GSS_ACCEPT_CONTINUE;
    if (!learn_peer(g, flags, lifetime))
        return refuse(g);
    g->finished = true;
    return GSS_ACCEPT_DONE;
}

const struct gss_peer *gss_accept_peer(const struct gss_accept *g)
{
    must(g->finished);
    return &g->peer;
}

/* --- the hint --------------------------------------------------------------------------------- */

/* One DER element; all lengths here are below 128. */
static void der(struct writer *w, uint8_t tag, struct slice contents)
{
    must(contents.len < 128);
    write_u8(w, tag);
    write_u8(w, (uint8_t)contents.len);
    write_bytes(w, contents);
}

/* Wraps `inner` in nested elements, innermost tag first, reusing one buffer. */
static struct slice der_nest(uint8_t *buffer, size_t size, const uint8_t *tags, size_t count,
                             struct slice inner)
{
    uint8_t copy[256];
    must(inner.len < sizeof copy);
    for (size_t i = 0; i < count; i++) {
        memcpy(copy, inner.at, inner.len);
        struct writer w = writer_of(buffer, size);
        der(&w, tags[i], slice_of(copy, inner.len));
        inner = written(&w);
    }
    return inner;
}

bool gss_accept_hint(const struct gss_accept_config *config, struct writer *out)
{
    static const char ignore[] = "not_defined_in_RFC4178@please_ignore"; /* [MS-SPNG] 2.2.1 */
    uint8_t mechs[64], body[128], scratch[256];
    struct writer list = writer_of(mechs, sizeof mechs);
    if (have_keytab(config->keytab)) {
        der(&list, 0x06, slice_of(krb5_oid.elements, krb5_oid.length));
        der(&list, 0x06, slice_of(krb5_ms_oid.elements, krb5_ms_oid.length));
    }
    if (config->ntlm_keyfile != NULL)
        der(&list, 0x06, slice_of(ntlm_oid.elements, ntlm_oid.length));
    if (list.pos == 0)
        return false;
    /* NegTokenInit2 { [0] mechTypes, [3] negHints { [0] hintName } } inside its application tag. */
    struct writer w = writer_of(body, sizeof body);
    write_bytes(
        &w, der_nest(scratch, sizeof scratch, (const uint8_t[]){0x30, 0xa0}, 2, written(&list)));
    write_bytes(&w, der_nest(scratch, sizeof scratch, (const uint8_t[]){0x1b, 0xa0, 0x30, 0xa3}, 4,
                             slice_str(ignore)));
    struct slice init =
        der_nest(scratch, sizeof scratch, (const uint8_t[]){0x30, 0xa0}, 2, written(&w));
    uint8_t whole[160];
    struct writer app = writer_of(whole, sizeof whole);
    der(&app, 0x06, slice_of(spnego_oid.elements, spnego_oid.length));
    write_bytes(&app, init);
    der(out, 0x60, written(&app));
    return !out->full;
}

/* --- DCE/RPC PDUs ----------------------------------------------------------------------------- */

/* The pieces as GSSAPI wants them: the token, what is only signed, the data, what is only signed.
 */
static void pdu_iov(const struct gss_pdu *pdu, void *token, size_t token_len,
                    gss_iov_buffer_desc iov[4])
{
    size_t head = pdu->header_sign ? pdu->head.len : 0, tail = pdu->header_sign ? pdu->tail.len : 0;
    iov[0] = (gss_iov_buffer_desc){GSS_IOV_BUFFER_TYPE_HEADER, {token_len, token}};
    iov[1] = (gss_iov_buffer_desc){GSS_IOV_BUFFER_TYPE_SIGN_ONLY,
                                   {head, (void *)(uintptr_t)pdu->head.at}};
    iov[2] = (gss_iov_buffer_desc){GSS_IOV_BUFFER_TYPE_DATA, {pdu->data_len, pdu->data}};
    iov[3] = (gss_iov_buffer_desc){GSS_IOV_BUFFER_TYPE_SIGN_ONLY,
                                   {tail, (void *)(uintptr_t)pdu->tail.at}};
}

/* What a signature covers, in one piece. */
static struct slice signed_bytes(const struct gss_pdu *pdu, uint8_t copy[NTLM_MESSAGE_MAX])
{
    struct writer w = writer_of(copy, NTLM_MESSAGE_MAX);
    if (pdu->header_sign)
        write_bytes(&w, pdu->head);
    write_bytes(&w, slice_of(pdu->data, pdu->data_len));
    if (pdu->header_sign)
        write_bytes(&w, pdu->tail);
    must(!w.full);
    return written(&w);
}

size_t gss_accept_token_size(struct gss_accept *g, bool seal)
{
    if (g->mech == GSS_MECH_NTLM)
        return seal && !g->can_seal_ntlm ? 0 : NTLM_SIGNATURE_SIZE;
    OM_uint32 minor, major;
    if (seal) {
        int sealed = 0;
        struct gss_pdu pdu = {.data = (uint8_t[16]){0}, .data_len = 16};
        gss_iov_buffer_desc iov[4];
        pdu_iov(&pdu, NULL, 0, iov);
        major = gss_wrap_iov_length(&minor, g->ctx, 1, GSS_C_QOP_DEFAULT, &sealed, iov, 4);
        return GSS_ERROR(major) ? 0 : iov[0].buffer.length;
    }
    gss_iov_buffer_desc iov[2] = {
        {GSS_IOV_BUFFER_TYPE_DATA, {16, (uint8_t[16]){0}}},
        {GSS_IOV_BUFFER_TYPE_MIC_TOKEN, GSS_C_EMPTY_BUFFER},
    };
    major = gss_get_mic_iov_length(&minor, g->ctx, GSS_C_QOP_DEFAULT, iov, 2);
    return GSS_ERROR(major) ? 0 : iov[1].buffer.length;
}

static bool sign(struct gss_accept *g, const struct gss_pdu *pdu, uint8_t *token, size_t token_len)
{
    uint8_t copy[NTLM_MESSAGE_MAX];
    struct slice bytes = signed_bytes(pdu, copy);
    gss_buffer_desc in = {bytes.len, copy}, mic = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor, ignored, major = gss_get_mic(&minor, g->ctx, GSS_C_QOP_DEFAULT, &in, &mic);
    bool ok = !GSS_ERROR(major) && mic.length == token_len;
    if (ok)
        memcpy(token, mic.value, token_len);
    else
        explain(g, "signing a PDU", major, minor);
    (void)gss_release_buffer(&ignored, &mic);
    return ok;
}

static bool seal_ntlm(struct gss_accept *g, const struct gss_pdu *pdu, uint8_t *token,
                      size_t token_len)
{
    uint8_t copy[NTLM_MESSAGE_MAX];
    must(token_len == NTLM_SIGNATURE_SIZE);
    must(g->can_seal_ntlm); /* else the token size was 0 */
    ntlm_seal_protect(&g->ntlm_seal, signed_bytes(pdu, copy), pdu->data, pdu->data_len, token);
    return true;
}

bool gss_accept_protect(struct gss_accept *g, const struct gss_pdu *pdu, uint8_t *token,
                        size_t token_len)
{
    if (!pdu->seal)
        return sign(g, pdu, token, token_len);
    if (g->mech == GSS_MECH_NTLM)
        return seal_ntlm(g, pdu, token, token_len);
    gss_iov_buffer_desc iov[4];
    pdu_iov(pdu, token, token_len, iov);
    int sealed = 0;
    OM_uint32 minor, major = gss_wrap_iov(&minor, g->ctx, 1, GSS_C_QOP_DEFAULT, &sealed, iov, 4);
    if (!GSS_ERROR(major) && sealed && iov[0].buffer.length == token_len)
        return true;
    explain(g, "sealing a PDU", major, minor);
    return false;
}

static bool unseal_ntlm(struct gss_accept *g, const struct gss_pdu *pdu, struct slice token)
{
    uint8_t copy[NTLM_MESSAGE_MAX];
    must(g->can_seal_ntlm);
    ntlm_seal_open(&g->ntlm_seal, pdu->data, pdu->data_len);
    if (ntlm_seal_check(&g->ntlm_seal, signed_bytes(pdu, copy), token))
        return true;
    (void)snprintf(g->error, sizeof g->error, "NTLM: a sealed PDU does not bear its sender's mark");
    return false;
}

bool gss_accept_verify(struct gss_accept *g, const struct gss_pdu *pdu, struct slice token)
{
    OM_uint32 minor, major;
    if (!pdu->seal) {
        uint8_t copy[NTLM_MESSAGE_MAX];
        struct slice bytes = signed_bytes(pdu, copy);
        gss_buffer_desc in = {bytes.len, copy}, mic = {token.len, (void *)(uintptr_t)token.at};
        major = gss_verify_mic(&minor, g->ctx, &in, &mic, NULL);
        if (GSS_ERROR(major))
            explain(g, "verifying a PDU", major, minor);
        return !GSS_ERROR(major);
    }
    if (g->mech == GSS_MECH_NTLM)
        return unseal_ntlm(g, pdu, token);
    gss_iov_buffer_desc iov[4];
    pdu_iov(pdu, (void *)(uintptr_t)token.at, token.len, iov);
    int sealed = 0;
    major = gss_unwrap_iov(&minor, g->ctx, &sealed, NULL, iov, 4);
    if (!GSS_ERROR(major) && sealed)
        return true;
    explain(g, "unsealing a PDU", major, minor);
    return false;
}
