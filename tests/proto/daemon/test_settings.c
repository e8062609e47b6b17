#include "proto/base/must.h"
#include "proto/daemon/pki.h"
#include "proto/daemon/settings.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char error[SETTINGS_ERROR_MAX];

static bool load(struct settings *s, const char *text)
{
    char path[64];
    snprintf(path, sizeof(path), "/tmp/flotilla-settings.%d.conf", (int)getpid());
    assert_int_equal(pki_write_file(path, slice_str(text), 0600), 0);
    bool ok = settings_load(s, path, error);
    unlink(path);
    return ok;
}

#define CLUSTER "[cluster]\ncoordinator = 1 10.0.0.1:4460\n"

static void test_a_whole_file(void **state)
{
    (void)state;
    struct settings s;
    bool ok = load(&s, "; a comment\n[cluster]\nname = fleet\n"
                       "id = 000102030405060708090a0b0c0d0eff\n"
                       "coordinator = 1 10.0.0.1:4460\ncoordinator = 3 [fd00::3]:4460\n"
                       "[node]\nid = 3\nname = n3\naddress = 10.0.0.3\ndata_dir = /srv/data\n"
                       "smb_addresses = 10.1.0.3 fd01::3\nmemory_mib = 4096\n[tls]\ncert = "
                       "n3.crt\n[smb]\nntlm = no\n"
                       "ciphers = aes-256-gcm, AES-128-GCM\nsigning = aes-cmac\n");
    if (!ok)
        fail_msg("%s", error);
    assert_string_equal(s.cluster_name, "fleet");
    assert_int_equal(s.cluster_id[15], 0xff);
    const char *coordinators[SETTINGS_COORDINATORS_MAX];
    assert_int_equal(settings_coordinators(&s, coordinators), 2);
    assert_string_equal(coordinators[1], "[fd00::3]:4460");
    assert_int_equal(s.coordinators[1].id, 3);
    assert_int_equal(s.node_id, 3);
    assert_string_equal(s.data_dir, "/srv/data");
    assert_string_equal(s.cert, "/tmp/n3.crt"); /* beside the file */
    assert_int_equal(s.memory_mib, 4096);
    assert_int_equal(s.smb_port, 445); /* a default */
    assert_false(s.ntlm || s.coordinator_enabled);
    assert_string_equal(s.log_level, "info");
    assert_int_equal(s.smb_address_count, 2);
    assert_string_equal(s.smb_addresses[1], "fd01::3");
    assert_int_equal(s.cipher_count, 2);
    assert_int_equal(s.ciphers[0], 4);
    assert_int_equal(s.ciphers[1], 2);
    assert_int_equal(s.signing_count, 1);
    assert_int_equal(s.signings[0], 1);
}

static void test_mistakes_name_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } rows[] = {
        {CLUSTER "nonsense\n", ".conf:3: not of the form key = value"},
        {CLUSTER "colour = red\n[node]\nid = 1\n", ".conf:3: no such key"},
        {CLUSTER "[smb]\nntlm = maybe\n[log]\nlevel = info\n", ".conf:4: yes or no"},
        {CLUSTER "[node]\nid = x\n", ".conf:4: a number"},
        {CLUSTER "[node]\nid = 4294967296\n", ".conf:4: the number is too large"},
        {"[cluster]\nid = 12\n", ".conf:2: 32 hexadecimal"},
        {"[cluster]\nid = 0001020304050607080x0a0b0c0d0eff\n", ".conf:2: 32 hexadecimal"},
        {"[cluster]\ncoordinator = 10.0.0.1:4460\n", ".conf:2: coordinator ="},
        {"[cluster]\nname = fleet\n", "names no coordinator"},
        {CLUSTER "[node]\nid = 1\n", "needs name and address"},
        {CLUSTER "[node]\nmemory_mib = 63\n", "at least 64"},
        {CLUSTER "[node]\nsmb_addresses = 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
         ".conf:4: too many"},
        {CLUSTER "[smb]\nciphers = aes-128-gcm des\n", ".conf:4: each of aes-128-gcm"},
        {CLUSTER "[smb]\nciphers = aes-128-gcm aes-128-gcm\n", ".conf:4: each of"},
        {CLUSTER "[smb]\nsigning = ,\n", ".conf:4: each of aes-gmac"},
    };
    for (size_t i = 0; i < array_len(rows); i++) {
        struct settings s;
        assert_row(rows[i].text, !load(&s, rows[i].text));
        if (strstr(error, rows[i].says) == NULL)
            fail_msg("'%s' says '%s'", rows[i].text, error);
    }
    struct settings s;
    assert_false(settings_load(&s, "/nonexistent.conf", error));
    assert_string_equal(error, "/nonexistent.conf: cannot be read");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_file),
        cmocka_unit_test(test_mistakes_name_their_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
