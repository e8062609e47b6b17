/* How a daemon begins, and with what it does not. */
#include "proto/daemon/start.h"
#include "proto/base/must.h"
#include "tests/lib/unit.h"
#include "tests/proto/daemon/identity.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64], conf[96], data[96];

static bool begins(struct start *s, const char *first, const char *second, int *exit_code)
{
    char *argv[] = {(char *)(uintptr_t) "flotilla-node", (char *)(uintptr_t)first,
                    (char *)(uintptr_t)second, NULL};
    *s = (struct start){.name = "flotilla-node", .summary = "a test"};
    *exit_code = -1;
    return daemon_start(s, second != NULL ? 3 : 2, argv, exit_code);
}

static void write_conf(const struct identity *id, const char *key)
{
    char text[1024];
    (void)snprintf(text, sizeof text,
                   "[cluster]\nname = fleet\nid = 000102030405060708090a0b0c0d0eff\n"
                   "coordinator = 1 10.0.0.1:4460\n[node]\nid = 3\nname = n3\n"
                   "address = 10.0.0.3\ndata_dir = /nowhere\nstate_dir = %s\n"
                   "[tls]\nca = %s\ncert = %s\nkey = %s\n[log]\nlevel = error\n",
                   data, id->ca_path, id->cert_path, key);
    (void)unlink(conf);
    assert_int_equal(pki_write_file(conf, slice_str(text), 0600), 0);
}

static void test_begins_or_says_no(void **state)
{
    (void)state;
    struct pki_subject who = {
        .name = "n3", .role = TLS_ROLE_NODE, .node_id = 3, .address = "10.0.0.3"};
    struct identity id = make_identity(&who, NULL, 1);
    struct start s;
    struct stat st;
    int exit_code;
    (void)snprintf(dir, sizeof dir, "/tmp/flotilla-start.%d", (int)getpid());
    (void)snprintf(conf, sizeof conf, "%s/flotilla.conf", dir);
    (void)snprintf(data, sizeof data, "%s/state", dir);
    assert_int_equal(mkdir(dir, 0700), 0);

    assert_false(begins(&s, "--help", NULL, &exit_code));
    assert_int_equal(exit_code, 0);
    assert_false(begins(&s, "--nonsense", NULL, &exit_code));
    assert_int_not_equal(exit_code, 0);
    assert_false(begins(&s, "--config", conf, &exit_code)); /* there is none */
    assert_int_equal(exit_code, 1);
    write_conf(&id, "/nowhere/node.key");
    assert_false(begins(&s, "--config", conf, &exit_code));
    assert_int_equal(exit_code, 1);
    write_conf(&id, id.key_path);
    assert_true(begins(&s, "--config", conf, &exit_code));
    assert_int_equal(s.settings.node_id, 3);
    assert_non_null(s.tls);
    assert_int_equal(stat(data, &st), 0); /* the state's directory is made, for nobody else */
    assert_int_equal(st.st_mode & 0777, 0700);

    tls_context_free(s.tls);
    (void)unlink(conf);
    (void)rmdir(data);
    (void)rmdir(dir);
    drop_identity(&id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_begins_or_says_no)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
