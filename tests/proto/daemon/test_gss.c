/* covers: gss.c keyfile.c */
#include "proto/base/must.h"
#include "proto/daemon/gss.h"
#include "proto/daemon/keyfile.h"
#include "tests/lib/unit.h"
#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* gss-ntlmssp leaks a digest per password it hashes, MIT a principal per key it does not find. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libcrypto.so\nleak:krb5_build_principal\n";
}

/* An initiator of gss-ntlmssp against our acceptor, bare and inside SPNEGO. */

static gss_OID_desc spnego = {6, "\x2b\x06\x01\x05\x05\x02"};
static gss_OID_desc ntlm = {10, "\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a"};
static gss_OID_desc key_oid = {11, "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x05\x05"};

static char keyfile[] = "/tmp/flotilla-test-gss-XXXXXX";

static int make_keyfile(void **state)
{
    (void)state;
    static const uint8_t hash[16] = {0x88, 0x46, 0xF7, 0xEA, 0xEE, 0x8F, 0xB1, 0x17, 0xAD,
                                     0x06, 0xBD, 0xD8, 0x30, 0xB7, 0x58, 0x6C}; /* "password" */
    const struct keyfile_user users[] = {
        {"bob:0", slice_of(hash, 16)}, /* cannot stand in the file: left out, harms nobody */
        {"carol", slice_of(hash, 15)},
        {"alice", slice_of(hash, 16)},
    };
    int fd = mkstemp(keyfile);
    return fd >= 0 && close(fd) == 0 ? keyfile_write(keyfile, users, array_len(users)) : -1;
}

static int drop_keyfile(void **state)
{
    (void)state;
    return unlink(keyfile);
}

static struct gss_accept_config config(void)
{
    return (struct gss_accept_config){
        .service = "cifs", .hostname = "localhost", .ntlm_keyfile = keyfile};
}

struct client {
    gss_cred_id_t cred;
    gss_ctx_id_t ctx;
    gss_name_t target;
    gss_OID mech;
    gss_buffer_desc out;
    bool done;
};

static void client_init(struct client *c, gss_OID mech, const char *user, const char *password)
{
    OM_uint32 minor;
    *c = (struct client){.mech = mech};
    gss_buffer_desc name = {strlen(user), (void *)(uintptr_t)user};
    gss_buffer_desc secret = {strlen(password), (void *)(uintptr_t)password};
    gss_buffer_desc target = {14, "cifs@localhost"};
    gss_name_t who = GSS_C_NO_NAME;
    gss_OID_set_desc mechs = {1, &ntlm};
    assert_int_equal(gss_import_name(&minor, &name, GSS_C_NT_USER_NAME, &who), 0);
    assert_int_equal(gss_import_name(&minor, &target, GSS_C_NT_HOSTBASED_SERVICE, &c->target), 0);
    gss_OID_set_desc outer = {1, mech};
    assert_int_equal(gss_acquire_cred_with_password(&minor, who, &secret, GSS_C_INDEFINITE, &outer,
                                                    GSS_C_INITIATE, &c->cred, NULL, NULL),
                     0);
    if (mech == &spnego)
        assert_int_equal(gss_set_neg_mechs(&minor, c->cred, &mechs), 0);
    (void)gss_release_name(&minor, &who);
}

static void client_fini(struct client *c)
{
    OM_uint32 minor;
    (void)gss_release_buffer(&minor, &c->out);
    (void)gss_delete_sec_context(&minor, &c->ctx, GSS_C_NO_BUFFER);
    (void)gss_release_cred(&minor, &c->cred);
    (void)gss_release_name(&minor, &c->target);
}

static struct slice client_step(struct client *c, struct slice in)
{
    OM_uint32 minor;
    gss_buffer_desc token = {in.len, (void *)(uintptr_t)in.at};
    (void)gss_release_buffer(&minor, &c->out);
    OM_uint32 major = gss_init_sec_context(
        &minor, c->cred, &c->ctx, c->target, c->mech,
        GSS_C_MUTUAL_FLAG | GSS_C_INTEG_FLAG | GSS_C_CONF_FLAG | GSS_C_SEQUENCE_FLAG, 0,
        GSS_C_NO_CHANNEL_BINDINGS, &token, NULL, &c->out, NULL, NULL);
    c->done = major == GSS_S_COMPLETE;
    return slice_of(c->out.value, c->out.length);
}

/* Runs the exchange; the acceptor is the caller's to free. */
static enum gss_accept_status logon(struct client *c, struct gss_accept *g)
{
    struct slice token = client_step(c, (struct slice){0}), answer = {0};
    enum gss_accept_status status = GSS_ACCEPT_CONTINUE;
    for (int leg = 0; leg < 6 && status == GSS_ACCEPT_CONTINUE; leg++) {
        status = gss_accept_step(g, token, &answer);
        if (status != GSS_ACCEPT_REFUSED && answer.len > 0 && !c->done)
            token = client_step(c, answer);
    }
    return status;
}

static void good_and_bad_logons(void **state)
{
    (void)state;
    static const struct {
        const char *name, *user, *password;
        gss_OID mech;
        enum gss_accept_status want;
    } rows[] = {
        {"bare, right", "FLOTILLA\\alice", "password", &ntlm, GSS_ACCEPT_DONE},
        {"spnego, right", "FLOTILLA\\alice", "password", &spnego, GSS_ACCEPT_DONE},
        {"another domain", "OTHER\\alice", "password", &spnego, GSS_ACCEPT_DONE},
        {"a user that was left out", "FLOTILLA\\carol", "password", &ntlm, GSS_ACCEPT_REFUSED},
        {"bare, wrong password", "FLOTILLA\\alice", "Password", &ntlm, GSS_ACCEPT_REFUSED},
        {"spnego, wrong password", "FLOTILLA\\alice", "Password", &spnego, GSS_ACCEPT_REFUSED},
        {"spnego, unknown user", "FLOTILLA\\mallory", "password", &spnego, GSS_ACCEPT_REFUSED},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct client c;
        struct gss_accept_config cfg = config();
        struct gss_accept *g = gss_accept_new(&cfg);
        assert_non_null(g);
        client_init(&c, rows[i].mech, rows[i].user, rows[i].password);
        enum gss_accept_status got = logon(&c, g);
        if (got != rows[i].want)
            fail_msg("%s: %d (%s)", rows[i].name, got, gss_accept_error(g));
        if (got == GSS_ACCEPT_REFUSED) {
            assert_non_null(strstr(gss_accept_error(g), "unknown user or wrong password"));
        } else {
            const struct gss_peer *p = gss_accept_peer(g);
            assert_int_equal(p->mech, GSS_MECH_NTLM);
            assert_false(p->anonymous);
            assert_string_equal(p->user, "alice");
            assert_row(rows[i].name, strncmp(rows[i].user, p->domain, strlen(p->domain)) == 0);
            OM_uint32 minor;
            gss_buffer_set_t key = GSS_C_NO_BUFFER_SET;
            assert_int_equal(gss_inquire_sec_context_by_oid(&minor, c.ctx, &key_oid, &key), 0);
            assert_true(slice_equal(p->session_key,
                                    slice_of(key->elements[0].value, key->elements[0].length)));
            (void)gss_release_buffer_set(&minor, &key);
        }
        client_fini(&c);
        gss_accept_free(g);
    }
}

static void refused_without_any_secret(void **state)
{
    (void)state;
    struct gss_accept_config cfg = {.service = "cifs", .hostname = "localhost"};
    struct gss_accept *g = gss_accept_new(&cfg);
    struct slice out;
    assert_int_equal(gss_accept_step(g, slice_of("NTLMSSP\0\x01\0\0\0", 12), &out),
                     GSS_ACCEPT_REFUSED);
    assert_non_null(strstr(gss_accept_error(g), "not allowed"));
    gss_accept_free(g);
}

/* A NegTokenInit that offers Kerberos and nothing else, to a server without a keytab. */
static void kerberos_needs_a_keytab(void **state)
{
    (void)state;
    static const uint8_t offer[] =
        "\x60\x1b\x06\x06\x2b\x06\x01\x05\x05\x02\xa0\x11\x30\x0f\xa0\x0d"
        "\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";
    struct gss_accept_config cfg = config();
    struct gss_accept *g = gss_accept_new(&cfg);
    struct slice out;
    assert_int_equal(gss_accept_step(g, slice_of(offer, sizeof offer - 1), &out),
                     GSS_ACCEPT_REFUSED);
    assert_non_null(strstr(gss_accept_error(g), "no usable keytab"));
    gss_accept_free(g);
}

static void anonymous_is_seen(void **state)
{
    (void)state;
    struct client c;
    struct gss_accept_config cfg = config();
    struct gss_accept *g = gss_accept_new(&cfg);
    struct slice out;
    client_init(&c, &ntlm, "FLOTILLA\\alice", "password");
    assert_int_equal(gss_accept_step(g, client_step(&c, (struct slice){0}), &out),
                     GSS_ACCEPT_CONTINUE);
    uint8_t authenticate[64] = "NTLMSSP\0\x03\0\0\0\x01\0\x01"; /* LM response of one zero byte */
    assert_int_equal(gss_accept_step(g, slice_of(authenticate, sizeof authenticate), &out),
                     GSS_ACCEPT_DONE);
    assert_true(gss_accept_peer(g)->anonymous);
    assert_int_equal(gss_accept_peer(g)->session_key.len, 0);
    client_fini(&c);
    gss_accept_free(g);
}

static void pdus_are_protected_both_ways(void **state)
{
    (void)state;
    struct client c;
    OM_uint32 minor;
    struct gss_accept_config cfg = config();
    struct gss_accept *g = gss_accept_new(&cfg);
    client_init(&c, &spnego, "FLOTILLA\\alice", "password");
    assert_int_equal(logon(&c, g), GSS_ACCEPT_DONE);
    assert_int_equal(gss_accept_token_size(g, true), 16);

    uint8_t data[32] = "what the client says, padded", token[16];
    gss_buffer_desc plain = {sizeof data, data}, wrapped = GSS_C_EMPTY_BUFFER, mic;
    assert_int_equal(gss_wrap(&minor, c.ctx, 1, 0, &plain, NULL, &wrapped), 0);
    uint8_t sealed[32];
    memcpy(sealed, (uint8_t *)wrapped.value + 16, 32);
    struct gss_pdu pdu = {.data = sealed, .data_len = 32, .seal = true};
    assert_true(gss_accept_verify(g, &pdu, slice_of(wrapped.value, 16)));
    assert_memory_equal(sealed, data, 32);
    (void)gss_release_buffer(&minor, &wrapped);

    pdu = (struct gss_pdu){.head = slice_str("head"),
                           .data = data,
                           .data_len = 32,
                           .tail = slice_str("tail"),
                           .header_sign = true};
    assert_true(gss_accept_protect(g, &pdu, token, 16));
    gss_buffer_desc whole = {40, "headwhat the client says, padded\0\0\0\0tail"};
    mic = (gss_buffer_desc){16, token};
    assert_int_equal(gss_verify_mic(&minor, c.ctx, &whole, &mic, NULL), 0);

    uint8_t forged[16] = {1};
    assert_false(gss_accept_verify(g, &pdu, slice_of(forged, 16)));
    assert_true(strlen(gss_accept_error(g)) > 0);
    client_fini(&c);
    gss_accept_free(g);
}

/* The numbers of this machine have names, but nobody asks for them. */
static void names_stay_as_they_are(void **state)
{
    (void)state;
    assert_int_equal(setenv("KRB5_CONFIG", "/dev/null", 1), 0);
    assert_true(gss_accept_without_dns());
    assert_non_null(strstr(getenv("KRB5_CONFIG"), ":/dev/null"));
    gss_OID_desc krb5 = {9, "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"};
    gss_buffer_desc text = {14, "cifs@127.0.0.1"};
    gss_name_t name = GSS_C_NO_NAME, canonical = GSS_C_NO_NAME;
    OM_uint32 minor;
    assert_int_equal(gss_import_name(&minor, &text, GSS_C_NT_HOSTBASED_SERVICE, &name), 0);
    assert_int_equal(gss_canonicalize_name(&minor, name, &krb5, &canonical), 0);
    assert_int_equal(gss_display_name(&minor, canonical, &text, NULL), 0);
    assert_memory_equal(text.value, "cifs/127.0.0.1@", 15);
    (void)gss_release_buffer(&minor, &text);
    (void)gss_release_name(&minor, &name);
    (void)gss_release_name(&minor, &canonical);
}

static void hint_names_what_is_possible(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct writer w = writer_of(bytes, sizeof bytes);
    struct gss_accept_config cfg = config();
    assert_true(gss_accept_hint(&cfg, &w));
    assert_int_equal(bytes[0], 0x60);
    assert_int_equal(bytes[1] + 2u, w.pos);
    assert_non_null(memmem(bytes, w.pos, ntlm.elements, ntlm.length));
    assert_null(memmem(bytes, w.pos, "\x2a\x86\x48", 3));
    cfg.keytab = keyfile; /* any readable file */
    w = writer_of(bytes, sizeof bytes);
    assert_true(gss_accept_hint(&cfg, &w));
    assert_non_null(memmem(bytes, w.pos, "\x2a\x86\x48\x86\xf7", 5));
    cfg.keytab = cfg.ntlm_keyfile = NULL;
    assert_false(gss_accept_hint(&cfg, &w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_and_bad_logons),
        cmocka_unit_test(refused_without_any_secret),
        cmocka_unit_test(kerberos_needs_a_keytab),
        cmocka_unit_test(anonymous_is_seen),
        cmocka_unit_test(pdus_are_protected_both_ways),
        cmocka_unit_test(names_stay_as_they_are),
        cmocka_unit_test(hint_names_what_is_possible),
    };
    return cmocka_run_group_tests_name("daemon/gss", tests, make_keyfile, drop_keyfile);
}
